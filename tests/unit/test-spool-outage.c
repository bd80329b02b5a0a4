/* A disk that takes nothing, and a server that is there again: what lies in the journal of a spool is delivered from
 * there, once, whatever comes and goes meanwhile. */
#include "tests/unit/journal-fixture.h"

#include "collector/delivery/remote/internal.h"
#include "tests/unit/wall-clock.h"

#include <signal.h>
#include <sys/resource.h>

#define HOUR ((int64_t)(3600 * NS_PER_S))

/* Ages go by when it was put there, by a clock that is never set; after a restart by the wall clock. */
static void what_lies_in_the_journal_has_its_age(void **state)
{
    static const struct { int64_t set, passed; bool restarts; unsigned given_up; } cases[] = {
        { 0, 0, false, 0 },        { 24 * HOUR, 0, false, 0 }, { -24 * HOUR, 0, false, 0 },
        { 0, HOUR / 2, true, 0 },  { 0, 2 * HOUR, true, 20 },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fake_ticket t;
        if (i) { /* a restart takes the obstacle for a file that is left alone: what follows has other numbers */
            assert_int_equal(tear_down(state), 0);
            assert_int_equal(set_up(state), 0);
        }
        set_ns = passed_ns = 0;
        fake_option(f, "spool_max_age", "1h");
        fake_option(f, "retry_deadline", "3h");
        f->script = always_fail;
        start();
        f->message[0] = '\0';
        obstacle(1, true);
        put_image(20, &t);
        fake_until(f, 0, t.settled);
        fake_until(f, NS_PER_MS, strstr(f->message, "records stay in the rings"));
        if (cases[i].restarts)
            fake_stop(f);
        set_ns = cases[i].set;
        passed_ns = cases[i].passed;
        if (cases[i].restarts)
            start();
        f->script = NULL;
        fake_until(f, 100 * NS_PER_MS, remote_is_idle(f->r, true));
        assert_int_equal(fake_stats(f).dropped_spool_age, cases[i].given_up);
        assert_each_delivered_once(0, cases[i].given_up ? 0 : 20);
        assert_true(fake_is_balanced(f));
        obstacle(1, false);
        fake_stop(f);
    }
    set_ns = passed_ns = 0;
}

/* The server is back, the disk is not. */
static void what_can_be_written_nowhere_is_delivered_out_of_the_journal(void **state)
{
    struct fake_ticket t[3];
    (void)state;
    fake_option(f, "batch_size", "7");
    f->limits.in_flight = 1;
    f->script = always_fail;
    start();
    obstacle(1, true);
    for (unsigned i = 0; i < 2; i++) {
        put_image(20, &t[i]);
        fake_until(f, 0, t[i].settled);
    }
    fake_until(f, NS_PER_MS, strstr(f->message, "records stay in the rings"));
    f->script = NULL;
    fake_until(f, 100 * NS_PER_MS, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 40);
    assert_int_equal(f->order_breaks, 0);
    assert_true(fake_is_balanced(f));
    obstacle(3, true);
    f->script = always_fail; /* what comes now waits in the journal as ever */
    put_image(20, &t[2]);
    fake_until(f, NS_PER_S, t[2].settled);
    f->script = NULL;
    fake_until(f, 100 * NS_PER_MS, remote_is_idle(f->r, true));
    assert_each_delivered_once(40, 60);
    assert_true(fake_is_balanced(f));
    obstacle(1, false);
    obstacle(3, false);
    fake_stop(f);
    assert_false(has_journal());
}

/* That the server has taken all of it says nothing of the disk; and nothing is wrong any more. */
static void a_disk_counts_as_mended_once_it_has_taken_a_write(void **state)
{
    struct fake_ticket t[2];
    (void)state;
    f->script = always_fail;
    start();
    obstacle(1, true);
    put_image(20, &t[0]);
    fake_until(f, NS_PER_MS, strstr(f->message, "records stay in the rings"));
    assert_true(remote_is_failing(f->r));
    f->script = NULL;
    fake_until(f, 100 * NS_PER_MS, remote_is_idle(f->r, true));
    fake_until(f, NS_PER_S, strstr(f->message, "spool: what could not be written is delivered"));
    assert_false(remote_is_failing(f->r));
    f->script = always_fail;
    obstacle(2, true);
    put_image(20, &t[1]);
    fake_until(f, NS_PER_MS, strstr(f->message, "records stay in the rings"));
    obstacle(2, false);
    fake_until(f, NS_PER_S, t[1].settled && strstr(f->message, "spool: it can be written again"));
    assert_int_equal(f->messages, 4);
    obstacle(1, false);
    f->script = NULL;
    fake_until(f, 100 * NS_PER_MS, remote_is_idle(f->r, true));
    assert_false(remote_is_failing(f->r));
    assert_each_delivered_once(0, 40);
    assert_true(fake_is_balanced(f));
}

/* The same of records that wait in memory, and have never come to the journal. */
static void a_disk_that_took_no_group_is_no_trouble_once_the_server_has_taken_it(void **state)
{
    struct fake_ticket t[2];
    (void)state;
    fake_option(f, "queue_records", "10");
    f->script = always_fail;
    start();
    obstacle(1, true);
    fake_put(f, 40, 100, &t[0]);
    fake_until(f, NS_PER_MS, strstr(f->message, "records stay in the rings"));
    assert_true(remote_is_failing(f->r));
    f->script = NULL;
    fake_until(f, 100 * NS_PER_MS, t[0].settled && remote_is_idle(f->r, true));
    fake_run(f, NS_PER_S);
    assert_non_null(strstr(f->message, "spool: what could not be written is delivered"));
    assert_false(remote_is_failing(f->r));
    f->script = always_fail;
    fake_put(f, 40, 100, &t[1]); /* again, and the disk is back first */
    fake_until(f, NS_PER_MS, strstr(f->message, "records stay in the rings"));
    obstacle(1, false);
    fake_until(f, NS_PER_S, strstr(f->message, "spool: it can be written again"));
    assert_int_equal(f->messages, 4);
    f->script = NULL;
    fake_until(f, 100 * NS_PER_MS, t[1].settled && remote_is_idle(f->r, true));
    assert_false(remote_is_failing(f->r));
    assert_each_delivered_once(0, 80);
    assert_true(fake_is_balanced(f));
}

static bool answer_once(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    return g->delivered_cap && g->delivered[0] ? always_fail(g, q, a) : true;
}

static void what_the_journal_has_delivered_in_part(bool is_disk_back)
{
    struct fake_ticket t;
    fake_option(f, "batch_size", "7");
    f->limits.in_flight = 1;
    f->script = always_fail;
    start();
    obstacle(1, true);
    put_image(20, &t);
    fake_until(f, 0, t.settled);
    fake_until(f, NS_PER_MS, strstr(f->message, "records stay in the rings"));
    f->script = answer_once;
    fake_until(f, 100 * NS_PER_MS, fake_stats(f).delivered > 0);
    assert_in_range(fake_stats(f).delivered, 1, 19);
    const uint64_t left = 20 - fake_stats(f).delivered;
    fake_stop(f);
    if (is_disk_back)
        obstacle(1, false);
    start();
    assert_int_equal(fake_stats(f).spooled_records, left);
    f->script = NULL;
    fake_until(f, 100 * NS_PER_MS, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 20);
    assert_int_equal(fake_stats(f).dropped_corrupt, 0);
    assert_true(fake_is_balanced(f));
    if (!is_disk_back)
        obstacle(1, false);
}

static void what_the_journal_has_delivered_in_part_the_next_run_delivers_out_of_it(void **state)
{
    (void)state;
    what_the_journal_has_delivered_in_part(false);
}

static void what_the_journal_has_delivered_in_part_the_next_run_delivers_out_of_a_file(void **state)
{
    (void)state;
    what_the_journal_has_delivered_in_part(true);
}

/* Maps are written to all the same. */
static void disk_takes(bool anything)
{
    static struct rlimit all;
    if (!all.rlim_max)
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    const struct rlimit none = { 0, all.rlim_max };
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, anything ? &all : &none), 0);
}

/* What comes of the first image fails. */
static bool answer_all_but_the_first(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    for (uint32_t i = 0; i < q->count; i++)
        if (fake_number(q->entry[i]) < 20)
            return always_fail(g, q, a);
    return true;
}

/* The number of a block that was delivered out of the journal, of which no file tells, is not given to another one: its
 * records would be settled already. */
static void what_comes_after_a_restart_is_not_taken_for_what_the_journal_has_delivered(void **state)
{
    struct fake_ticket t[3];
    (void)state;
    fake_option(f, "batch_size", "10");
    fake_option(f, "breaker_enabled", "false");
    fake_option(f, "retry_base_delay", "1h"); /* the others overtake */
    fake_option(f, "retry_max_delay", "1h");
    f->script = always_fail;
    start();
    put_image(20, &t[0]);
    fake_until(f, NS_PER_MS, t[0].settled && !spool_journal_waits(f->r->spool)); /* in a file */
    disk_takes(false);
    f->script = answer_all_but_the_first; /* the next is asked for once it cannot be written */
    put_image(20, &t[1]);
    fake_until(f, NS_PER_MS, strstr(f->message, "records stay in the rings"));
    fake_until(f, NS_PER_MS, fake_stats(f).delivered == 20);
    assert_each_delivered_once(20, 40);
    fake_until(f, 0, !spool_journal_waits(f->r->spool));
    fake_stop(f);
    disk_takes(true);
    f->script = always_fail;
    start();
    assert_int_equal(fake_stats(f).spooled_records, 20);
    put_image(20, &t[2]);
    fake_until(f, NS_PER_MS, t[2].settled);
    f->script = NULL;
    fake_until(f, 60 * NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 60);
    assert_true(fake_is_balanced(f));
}

/* ---- server, disk and collector come and go ---- */

static uint32_t draw;
static bool is_server_up;

static uint32_t draw_next(uint32_t below)
{
    draw = draw * 1664525u + 1013904223u;
    return (draw >> 8) % below;
}

static bool answer_some(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    return is_server_up && draw_next(4) ? true : always_fail(g, q, a);
}

enum { STORY_STEPS = 3000, STORY_IMAGES = 500, STORY_RECORDS = 60 };

struct story {
    struct fake_ticket ticket[STORY_IMAGES];
    uint64_t from[STORY_IMAGES + 1];
    unsigned count, written_off; /* images; those before were settled, or were not when their collector died */
    bool is_disk_up;
    bool is_gone[STORY_IMAGES * STORY_RECORDS];
};

/* A ring would give what was not settled again; here it is gone, unless it was delivered. Answers have been taken: what
 * is in flight comes twice. */
static void collector_dies(struct story *s)
{
    is_server_up = false;
    for (unsigned i = 0; i < 3; i++)
        fake_run(f, 0);
    fake_stop(f);
    for (; s->written_off < s->count; s->written_off++) {
        const unsigned i = s->written_off;
        for (uint64_t n = s->from[i]; n < s->from[i + 1] && !s->ticket[i].settled; n++)
            s->is_gone[n - s->from[0]] = true;
    }
    disk_takes(true);
    start();
    disk_takes(s->is_disk_up);
}

static void story_step(struct story *s, unsigned *stops)
{
    switch (draw_next(16)) {
    case 0:
        is_server_up = !is_server_up;
        break;
    case 1:
        disk_takes(s->is_disk_up = !s->is_disk_up);
        break;
    case 2:
        if (!has_journal())
            break;
        collector_dies(s);
        ++*stops;
        break;
    case 3: case 4: case 5:
        if (s->count == STORY_IMAGES || (s->count && !s->ticket[s->count - 1].settled))
            break;
        if (draw_next(4))
            put_image(1 + draw_next(STORY_RECORDS), &s->ticket[s->count++]);
        else /* nothing for the journal */
            fake_put(f, 1 + draw_next(STORY_RECORDS), 100, &s->ticket[s->count++]);
        s->from[s->count] = f->next;
        break;
    default:
        fake_run(f, draw_next(2) ? NS_PER_MS : 300 * NS_PER_MS);
    }
    assert_true(fake_is_balanced(f));
}

/* The fake counts up to the last that has come. */
static unsigned deliveries(uint64_t n)
{
    return n < f->delivered_cap ? f->delivered[n] : 0;
}

static void whatever_comes_and_goes_each_record_is_delivered_once(void **state)
{
    unsigned stops = 0, direct = 0, groups = 0;
    (void)state;
    fake_option(f, "batch_size", "13");
    fake_option(f, "queue_records", "40");
    fake_option(f, "retry_max_delay", "100ms");
    fake_option(f, "breaker_recovery", "50ms");
    f->script = answer_some;
    for (draw = 1; stops < 20 || direct < 20 || groups < 20;) {
        static struct story s;
        s = (struct story){ .is_disk_up = true };
        s.from[0] = f->next;
        start();
        for (unsigned i = 0; i < STORY_STEPS; i++) {
            const uint64_t before = fake_stats(f).delivered;
            story_step(&s, &stops);
            groups += f->r->spilled_count > 0;
            assert_true(!f->r->spilled_count || !spool_trouble(f->r->spool)); /* one is not told while the other is */
            direct += !s.is_disk_up && has_journal() && fake_stats(f).delivered > before;
        }
        disk_takes(true);
        is_server_up = true;
        fake_until(f, 100 * NS_PER_MS, remote_is_idle(f->r, true));
        for (uint64_t n = s.from[0]; n < f->next; n++)
            assert_true(deliveries(n) == 1 || (s.is_gone[n - s.from[0]] && !deliveries(n)));
        assert_true(fake_is_balanced(f));
        assert_int_equal(fake_stats(f).dropped_corrupt, 0);
        fake_stop(f);
    }
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_counts_as_mended_once_it_has_taken_a_write),
        cmocka_unit_test(a_disk_that_took_no_group_is_no_trouble_once_the_server_has_taken_it),
        cmocka_unit_test(what_can_be_written_nowhere_is_delivered_out_of_the_journal),
        cmocka_unit_test(what_lies_in_the_journal_has_its_age),
        cmocka_unit_test(what_the_journal_has_delivered_in_part_the_next_run_delivers_out_of_it),
        cmocka_unit_test(what_the_journal_has_delivered_in_part_the_next_run_delivers_out_of_a_file),
        cmocka_unit_test(what_comes_after_a_restart_is_not_taken_for_what_the_journal_has_delivered),
        cmocka_unit_test(whatever_comes_and_goes_each_record_is_delivered_once),
    };
    return run_on_every_backend(tests, ARRAY_COUNT(tests));
}
