/* What happens when the queue is full, the ring wants its space, the disk fails or the collector ends: spool and
 * the other policies of on_full, on every backend of collector/io. */
#include "tests/unit/remote-fixture.h"

#include "collector/delivery/spool/cursor.h"
#include "tests/unit/wall-clock.h"

#include <dirent.h>
#include <sys/stat.h>

static void assert_each_delivered_once(uint64_t count)
{
    for (uint64_t n = 0; n < count; n++)
        assert_int_equal(f->delivered[n], 1);
}

static unsigned files_count(const char *suffix)
{
    char path[FAKE_PATH + 32];
    unsigned n = 0;
    (void)snprintf(path, sizeof path, "%s/spool/fake", f->state);
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));)
        n += strstr(e->d_name, suffix) != NULL;
    if (d)
        (void)closedir(d);
    return n;
}

static void what_the_ring_wants_back_is_spooled_also_when_it_is_in_flight(void **state)
{
    struct fake_ticket t[3];
    f->script = hold;
    fake_option(f, "batch_size", "10");
    start();
    for (int i = 0; i < 3; i++)
        fake_put(f, 20, 100, &t[i]);
    fake_run(f, 0);
    assert_int_equal(f->held_count, 2);
    remote_relieve(f->r);
    fake_until(f, 0, t[0].settled && t[1].settled && t[2].settled);
    assert_int_equal(fake_stats(f).spooled_records, 60);
    assert_int_equal(fake_stats(f).queued_records, 0);
    f->script = NULL;
    while (f->held_count)
        fake_answer(f, 0, &(struct sink_result){ .outcome = SINK_DELIVERED });
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(60);
    assert_true(fake_is_balanced(f));
    fake_until(f, NS_PER_S, files_count(SPOOL_SUFFIX) == 0);
}

/* A deadline that no turn can meet makes the collector spin. */
static void a_spool_that_is_empty_again_asks_for_no_turn(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    fake_option(f, "spool_sync_interval", "1s");
    start();
    fake_put(f, 20, 100, &t);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 20);
    f->script = NULL;
    fake_until(f, NS_PER_MS, remote_is_idle(f->r, true) && files_count(SPOOL_SUFFIX) == 0);
    fake_run(f, 10 * NS_PER_S);
    assert_true(remote_deadline(f->r) > f->now_ns);
    assert_each_delivered_once(20);
}

/* vector#23875: 20 GB of memory while the sink is down. */
static void memory_stays_within_the_queue_while_the_sink_is_down(void **state)
{
    static struct fake_ticket t[300];
    f->script = always_fail;
    fake_option(f, "queue_records", "1000");
    fake_option(f, "batch_size", "100");
    start();
    for (int i = 0; i < 300; i++) {
        fake_put(f, 100, 100, &t[i]);
        fake_until(f, 0, fake_stats(f).queued_records <= 1000);
    }
    assert_true(fake_stats(f).spooled_records >= 29000);
    assert_true(fake_is_balanced(f));
    f->script = NULL;
    fake_until(f, NS_PER_S / 10, remote_is_idle(f->r, true));
    assert_each_delivered_once(30000);
    assert_true(fake_is_balanced(f));
}

/* Else the ring keeps all of it, and a kill has what is spooled sent again. */
static void what_a_full_queue_spools_is_settled_as_a_whole(void **state)
{
    struct fake_ticket first, second;
    f->script = hold;
    fake_option(f, "batch_size", "10");
    fake_option(f, "queue_records", "90");
    start();
    fake_put(f, 80, 100, &first);
    fake_until(f, NS_PER_MS, f->held_count > 0);
    assert_int_equal(first.settled, 0);
    fake_put(f, 20, 100, &second);
    fake_until(f, 0, fake_stats(f).spooled_records == 80);
    assert_int_equal(first.settled, 1); /* what is in flight of it, too */
    assert_int_equal(second.settled, 0);
    assert_int_equal(fake_stats(f).queued_records, 20);
    assert_true(fake_is_balanced(f));
}

static void order_is_kept_through_the_spool_where_it_matters(void **state)
{
    static struct fake_ticket t[60];
    f->script = always_fail;
    f->limits.in_flight = 1;
    fake_option(f, "queue_records", "100");
    fake_option(f, "batch_size", "7");
    start();
    for (int i = 0; i < 60; i++) {
        fake_put(f, 10, 100, &t[i]);
        if (i == 30)
            remote_relieve(f->r);
        if (i == 40)
            f->script = NULL;
        fake_run(f, NS_PER_S);
    }
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(600);
    assert_int_equal(f->order_breaks, 0);
}

/* opentelemetry-collector-contrib#48635: first hours of an outage missing. */
static void a_second_run_delivers_what_the_first_has_spooled(void **state)
{
    struct fake_ticket t[4];
    f->script = always_fail;
    start();
    for (int i = 0; i < 4; i++)
        fake_put(f, 50, 100, &t[i]);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 200);
    fake_stop(f);
    f->script = NULL;
    start();
    assert_int_equal(fake_stats(f).taken, 200);
    assert_int_equal(fake_stats(f).spooled_records, 200);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(200);
    assert_int_equal(f->order_breaks, 0);
    assert_true(fake_is_balanced(f));
}

/* Runs that were killed, and a ring under pressure, leave many small files and blocks. */
static void small_files_and_blocks_are_sent_together(void **state)
{
    enum { LIVES = 20, BLOCKS = 5, RECORDS = 4, ALL = LIVES * BLOCKS * RECORDS };
    struct fake_ticket t[BLOCKS];
    f->script = always_fail;
    for (unsigned life = 0; life < LIVES; life++) {
        start();
        for (unsigned i = 0; i < BLOCKS; i++) {
            fake_put(f, RECORDS, 100, &t[i]);
            remote_relieve(f->r);
            fake_until(f, 0, fake_stats(f).queued_records == 0);
        }
        fake_stop(f);
    }
    f->script = NULL;
    f->requests = 0;
    fake_option(f, "batch_size", "100");
    start();
    assert_int_equal(fake_stats(f).spooled_records, ALL);
    fake_until(f, 0, remote_is_idle(f->r, true));
    assert_each_delivered_once(ALL);
    assert_in_range(f->requests, ALL / 100, ALL / 100 + 2);
    assert_true(fake_is_balanced(f));
}

static void what_was_acknowledged_is_not_sent_by_the_next_run(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    fake_option(f, "batch_size", "10");
    fake_option(f, "max_in_flight", "1");
    start();
    fake_put(f, 100, 100, &t);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 100);
    f->script = NULL;
    fake_until(f, NS_PER_S, fake_stats(f).delivered == 30);
    fake_stop(f);
    start();
    assert_int_equal(fake_stats(f).spooled_records, 70);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    for (int n = 0; n < 100; n++) /* but for the request whose answer nobody has read */
        assert_int_equal(f->delivered[n], n >= 30 && n < 40 ? 2 : 1);
}

/* One request that nobody answers, and all others are. */
static bool hang_on_the_first(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    for (uint32_t i = 0; i < q->count; i++)
        if (fake_number(q->entry[i]) == 0)
            return false;
    *a = (struct sink_result){ .outcome = SINK_DELIVERED };
    (void)g;
    return true;
}

static void what_is_delivered_beside_a_request_that_hangs_is_not_sent_again_after_a_kill(void **state)
{
    enum { SMALL_BLOCKS = 3 * (CURSOR_NEAR + CURSOR_FAR), IN_ONE = 2, ALL_OF_IT = SMALL_BLOCKS * IN_ONE };
    static struct fake_ticket t[SMALL_BLOCKS];
    (void)state;
    memset(t, 0, sizeof t);
    f->script = always_fail;
    fake_option(f, "batch_size", "10");
    start();
    for (int i = 0; i < SMALL_BLOCKS; i++) {
        fake_put(f, IN_ONE, 100, &t[i]);
        remote_relieve(f->r);
        fake_until(f, 0, t[i].settled);
    }
    fake_stop(f);
    f->script = hang_on_the_first;
    start();
    fake_until(f, NS_PER_MS, fake_stats(f).spooled_records <= 10);
    fake_stop(f);
    f->script = NULL;
    start();
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    for (int n = 0; n < ALL_OF_IT; n++)
        assert_int_equal(f->delivered[n], 1);
}

/* rsyslog#5771: a lost queue state file loses the spool. */
static void without_its_cursor_all_of_the_spool_is_sent_again(void **state)
{
    struct fake_ticket t;
    char path[FAKE_PATH + 64];
    f->script = always_fail;
    fake_option(f, "batch_size", "10");
    start();
    fake_put(f, 100, 100, &t);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 100);
    f->script = NULL;
    fake_until(f, NS_PER_S, fake_stats(f).delivered >= 10);
    fake_stop(f);
    (void)snprintf(path, sizeof path, "%s/spool/fake/" CURSOR_FILE, f->state);
    CHECK(unlink(path) == 0);
    start();
    assert_int_equal(fake_stats(f).spooled_records, 100);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    for (int n = 0; n < 100; n++)
        assert_true(f->delivered[n] >= 1);
}

/* As on a disk that was full at the start. */
static void a_cursor_that_could_not_be_made_is_made_later(void **state)
{
    struct fake_ticket t;
    struct stat st = {0};
    char path[FAKE_PATH + 64];
    (void)state;
    static const char *const parts[] = { "spool", "spool/fake", ("spool/fake/" CURSOR_FILE) };
    for (unsigned i = 0; i < ARRAY_COUNT(parts); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", f->state, parts[i]);
        CHECK(mkdir(path, 0700) == 0);
    }
    f->script = always_fail;
    fake_option(f, "batch_size", "10");
    start();
    assert_non_null(strstr(f->message, "may be sent again"));
    fake_put(f, 100, 100, &t);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 100);
    CHECK(rmdir(path) == 0);
    fake_until(f, NS_PER_S, stat(path, &st) == 0 && S_ISREG(st.st_mode));
    f->script = NULL;
    fake_until(f, NS_PER_S, fake_stats(f).delivered >= 10);
    fake_stop(f);
    start();
    assert_true(fake_stats(f).spooled_records <= 90);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    for (int n = 0; n < 100; n++)
        assert_true(f->delivered[n] >= 1);
}

/* 20 KB that cannot be packed, by way of memory into the spool. */
static void spool_some(uint64_t seed, struct fake_ticket *t)
{
    struct parcel *p = fake_parcel(f, 20, 1000);
    for (size_t at = 0; at < p->bytes; at += ((struct entry_head *)(void *)(p->data + at))->bytes) {
        char *payload = (char *)entry_payload((struct entry_head *)(void *)(p->data + at));
        for (int k = 0; k < 1000; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            payload[k] = (char)(seed >> 56);
        }
    }
    fake_put_parcel(f, p, t);
    fake_until(f, 0, fake_stats(f).queued_records <= 1);
    assert_true(fake_stats(f).spooled_bytes <= 1 << 20);
    assert_true(fake_is_balanced(f));
}

static void start_with_a_small_spool(void)
{
    fake_option(f, "spool_max_bytes", "1MB");
    fake_option(f, "spool_segment_bytes", "64KB");
    fake_option(f, "batch_size", "20");
    fake_option(f, "queue_records", "1");
    start();
}

static void a_record_without_an_answer_keeps_no_other_file_than_its_own(void **state)
{
    enum { PARCELS = 200, IN_ONE = 20 };
    static struct fake_ticket t[PARCELS];
    (void)state;
    f->script = hang_on_the_first;
    start_with_a_small_spool();
    for (unsigned i = 0; i < PARCELS; i++) { /* four times what the spool may hold */
        spool_some(i + 1, &t[i]);
        remote_relieve(f->r);
        fake_until(f, 0, t[i].settled && fake_stats(f).spooled_records <= IN_ONE);
    }
    assert_int_equal(fake_stats(f).dropped_spool_size, 0);
    fake_until(f, NS_PER_MS, files_count(SPOOL_SUFFIX) <= 2); /* and the one that is written to */
    assert_int_equal(fake_stats(f).spooled_records, IN_ONE);
    fake_stop(f);
    f->script = NULL;
    f->message[0] = '\0';
    start();
    assert_string_equal(f->message, ""); /* nobody misses what the files had that are gone */
    assert_int_equal(fake_stats(f).spooled_records, IN_ONE);
    fake_until(f, NS_PER_MS, remote_is_idle(f->r, true) && files_count(SPOOL_SUFFIX) == 0);
    assert_each_delivered_once(PARCELS * IN_ONE);
    assert_true(fake_is_balanced(f));
}

static void the_oldest_files_are_given_up_for_room_and_counted(void **state)
{
    static struct fake_ticket t[200];
    f->script = always_fail;
    start_with_a_small_spool();
    for (unsigned i = 0; i < 200; i++)
        spool_some(i + 1, &t[i]);
    const struct remote_stats s = fake_stats(f);
    assert_true(s.dropped_spool_size > 2000 && s.spooled_bytes > 600 << 10);
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_true(fake_is_balanced(f));
    assert_int_equal(f->delivered[f->next - 1], 1); /* the youngest are there */
}

/* What was read back and waits for its next attempt goes with its file: else it would count as spooled and be nowhere
 * once this run is over. */
static void what_counts_as_spooled_is_found_by_the_next_run(void **state)
{
    static struct fake_ticket t[200];
    for (unsigned way = 0; way < 3; way++) {
        f->script = always_fail;
        start_with_a_small_spool();
        for (unsigned i = 0; i < 200; i++)
            spool_some(i + 1, &t[i]);
        if (way == 1)
            fake_until(f, NS_PER_MS, fake_stats(f).breaker == REMOTE_OPEN && fake_stats(f).in_flight == 0);
        if (way == 2) {
            remote_stop(f->r, f->now_ns + NS_PER_S);
            fake_until(f, NS_PER_MS, remote_is_idle(f->r, false));
        }
        assert_true(fake_is_balanced(f));
        const uint64_t spooled = fake_stats(f).spooled_records;
        fake_stop(f);
        f->script = NULL;
        start();
        assert_int_equal(fake_stats(f).spooled_records, spooled);
        fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
        assert_int_equal(fake_stats(f).dropped_corrupt, 0);
        assert_true(fake_is_balanced(f));
        fake_stop(f);
    }
    start(); /* for the end of the test */
}

static void what_has_left_memory_at_the_end_is_counted_when_its_file_goes(void **state)
{
    static struct fake_ticket t[200];
    f->script = always_fail;
    start_with_a_small_spool();
    for (unsigned i = 0; i < 40; i++)
        spool_some(i + 1, &t[i]);
    f->script = hold;
    remote_stop(f->r, f->now_ns);
    for (unsigned i = 40; i < 200; i++)
        spool_some(i + 1, &t[i]);
    fake_until(f, NS_PER_MS, remote_is_idle(f->r, false));
    const struct remote_stats s = fake_stats(f);
    assert_true(s.dropped_spool_size > 2000 && fake_is_balanced(f));
    fake_stop(f);
    start();
    assert_int_equal(fake_stats(f).spooled_records, s.spooled_records);
}

static void what_is_in_flight_when_its_file_goes_counts_by_its_answer(void **state)
{
    for (unsigned is_delivered = 0; is_delivered < 2; is_delivered++) {
        struct fake_ticket t;
        f->sink->delivery.spool_max_age_ns = OPT_UNSET;
        f->script = hold;
        fake_option(f, "batch_size", "10");
        start();
        fake_put(f, 10, 100, &t);
        fake_until(f, NS_PER_MS, f->held_count == 1);
        remote_relieve(f->r);
        fake_until(f, 0, fake_stats(f).spooled_records == 10);
        f->sink->delivery.spool_max_age_ns = 1;
        fake_until(f, NS_PER_S / 4, fake_stats(f).spooled_bytes == 0);
        assert_int_equal(fake_stats(f).dropped_spool_age, 0);
        const struct sink_result a = { .outcome = is_delivered ? SINK_DELIVERED : SINK_RETRY, .status = 503 };
        fake_answer(f, 0, &a);
        fake_until(f, 0, fake_stats(f).spooled_records == 0);
        assert_int_equal(fake_stats(f).delivered, is_delivered ? 10 : 0);
        assert_int_equal(fake_stats(f).dropped_spool_age, is_delivered ? 0 : 10);
        assert_true(fake_is_balanced(f) && remote_is_idle(f->r, true));
        fake_stop(f);
    }
    start(); /* for the end of the test */
}

static void what_waits_in_memory_is_given_up_with_its_file(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    start();
    fake_put(f, 500, 100, &t);
    remote_relieve(f->r);
    fake_until(f, NS_PER_MS, fake_stats(f).spooled_records == 500 && fake_stats(f).breaker == REMOTE_OPEN);
    f->sink->delivery.spool_max_age_ns = 1;
    fake_until(f, NS_PER_S / 4, fake_stats(f).dropped_spool_age == 500);
    assert_true(fake_is_balanced(f) && remote_is_idle(f->r, true));
}

static void what_is_too_old_is_given_up_and_counted(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    start();
    fake_put(f, 10, 100, &t);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 10);
    fake_stop(f);
    f->sink->delivery.spool_max_age_ns = 1; /* less than the option allows, so as not to wait */
    f->script = NULL;
    start();
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_int_equal(fake_stats(f).dropped_spool_age, 10);
    assert_int_equal(fake_stats(f).delivered, 0);
    assert_true(fake_is_balanced(f));
}

#define HOUR ((int64_t)(3600 * NS_PER_S))

static void spool_with_limits(struct fake_ticket *t)
{
    fake_option(f, "spool_max_age", "1h");
    fake_option(f, "retry_deadline", "2h");
    f->script = always_fail;
    start();
    fake_put(f, 10, 100, t);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 10);
}

/* Neither by the file nor by the block, nor as one that had its time. */
static void a_clock_that_is_set_makes_no_record_old(void **state)
{
    static const int64_t jumps[] = { 24 * HOUR, -24 * HOUR, 24 * HOUR + HOUR / 2 };
    struct fake_ticket t;
    (void)state;
    spool_with_limits(&t);
    for (unsigned i = 0; i < ARRAY_COUNT(jumps); i++) {
        set_ns = jumps[i];
        fake_run(f, NS_PER_S);
        fake_run(f, 10 * NS_PER_S);
        assert_int_equal(fake_stats(f).spooled_records, 10);
    }
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_int_equal(fake_stats(f).delivered, 10);
    assert_int_equal(fake_stats(f).dropped_spool_age, 0);
    assert_true(fake_is_balanced(f));
    set_ns = 0;
}

/* Whatever the wall clock says meanwhile. */
static void what_is_old_is_given_up_though_the_clock_was_set_back(void **state)
{
    struct fake_ticket t;
    (void)state;
    spool_with_limits(&t);
    set_ns = -24 * HOUR;
    passed_ns = HOUR + HOUR / 2;
    fake_run(f, 10 * NS_PER_S);
    fake_until(f, 10 * NS_PER_S, fake_stats(f).spooled_records == 0);
    assert_int_equal(fake_stats(f).dropped_spool_age, 10);
    assert_true(fake_is_balanced(f));
    set_ns = passed_ns = 0;
}

/* effect: remote.spool_rate */
static void fresh_records_do_not_starve_beside_the_spool(void **state)
{
    static struct fake_ticket t[40];
    f->script = always_fail;
    fake_option(f, "batch_size", "10");
    fake_option(f, "spool_rate", "10");
    start();
    for (int i = 0; i < 20; i++)
        fake_put(f, 10, 100, &t[i]);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 200);
    f->script = NULL;
    fake_until(f, NS_PER_S, fake_stats(f).breaker == REMOTE_CLOSED && fake_stats(f).delivered > 0);
    const uint64_t before = fake_stats(f).delivered;
    for (int i = 20; i < 40; i++) { /* two seconds of one record each 10 ms */
        fake_put(f, 10, 100, &t[i]);
        fake_run(f, 100 * NS_PER_MS);
    }
    fake_run(f, 0);
    for (int n = 200; n < 380; n++)
        assert_int_equal(f->delivered[n], 1);
    assert_true(fake_stats(f).delivered - before <= 200 + 60); /* those by their rate, those tried before */
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(400);
}

static void drop_newest_keeps_what_waits(void **state)
{
    struct fake_ticket t, u;
    f->script = always_fail;
    fake_option(f, "on_full", "drop_newest");
    fake_option(f, "queue_records", "25");
    start();
    fake_put(f, 20, 100, &t);
    assert_int_equal(t.settled, 0);
    fake_run(f, 0);
    assert_int_equal(t.settled, 1); /* memory counts */
    fake_put(f, 20, 100, &t);
    assert_int_equal(fake_stats(f).queued_records, 25);
    assert_int_equal(fake_stats(f).dropped_full, 15);
    fake_put(f, 20, 100, &u);
    fake_run(f, 0);
    assert_int_equal(t.settled + u.settled, 2);
    assert_int_equal(fake_stats(f).dropped_full, 35);
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(25);
    assert_true(fake_is_balanced(f));
    assert_int_equal(files_count(SPOOL_SUFFIX), 0);
}

static void drop_oldest_keeps_what_is_new(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    fake_option(f, "on_full", "drop_oldest");
    fake_option(f, "queue_bytes", "64KB");
    start();
    for (int i = 0; i < 100; i++) {
        fake_put(f, 10, 944, &t); /* 1000 bytes with the head */
        fake_run(f, 0);
        assert_true(fake_stats(f).queued_bytes <= 64 << 10);
    }
    assert_int_equal(fake_stats(f).dropped_full, 1000 - 65);
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_int_equal(f->delivered[999], 1);
    assert_int_equal(fake_stats(f).delivered, 65);
    assert_true(fake_is_balanced(f));
}

static void block_settles_by_delivery_alone(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    fake_option(f, "on_full", "block");
    fake_option(f, "queue_records", "1");
    start();
    fake_put(f, 20, 100, &t);
    remote_relieve(f->r);
    for (int i = 0; i < 100; i++)
        fake_run(f, NS_PER_S);
    assert_int_equal(t.settled, 0);
    assert_int_equal(fake_stats(f).queued_records, 20);
    remote_stop(f->r, f->now_ns + NS_PER_S);
    fake_until(f, NS_PER_MS, remote_is_idle(f->r, false));
    assert_int_equal(t.settled, 0); /* the ring keeps them */
    assert_true(fake_is_balanced(f));
}

/* fluent-bit#5960: no flush at SIGTERM during back-off. */
static void at_the_end_everything_gets_one_attempt_and_the_rest_is_spooled(void **state)
{
    static struct fake_ticket t[5];
    f->script = always_fail;
    fake_option(f, "batch_size", "10");
    fake_option(f, "breaker_threshold", "1");
    start();
    for (int i = 0; i < 5; i++)
        fake_put(f, 10, 100, &t[i]);
    fake_until(f, NS_PER_MS, fake_stats(f).breaker == REMOTE_OPEN);
    f->script = NULL;
    remote_stop(f->r, f->now_ns + NS_PER_S);
    fake_until(f, 0, remote_is_idle(f->r, false));
    assert_each_delivered_once(50); /* in spite of back-off and breaker */
    fake_stop(f);
    f->script = always_fail;
    start();
    for (int i = 0; i < 5; i++)
        fake_put(f, 10, 100, &t[i]);
    fake_run(f, 0);
    remote_stop(f->r, f->now_ns + NS_PER_S);
    fake_until(f, NS_PER_MS, remote_is_idle(f->r, false));
    assert_int_equal(fake_stats(f).spooled_records, 50);
    assert_true(fake_is_balanced(f));
    for (int i = 0; i < 5; i++)
        assert_int_equal(t[i].settled, 1);
    fake_stop(f);
    f->script = NULL;
    start();
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(100);
}

static void at_the_end_a_dead_server_is_not_asked_for_each_record(void **state)
{
    static struct fake_ticket t[200];
    f->script = always_fail;
    fake_option(f, "batch_size", "1");
    start();
    remote_stop(f->r, f->now_ns + 10 * NS_PER_S);
    for (int i = 0; i < 200; i++) { /* what the rings still held */
        fake_put(f, 1, 100, &t[i]);
        fake_run(f, NS_PER_MS);
    }
    fake_until(f, NS_PER_MS, remote_is_idle(f->r, false));
    assert_true(f->requests <= 5 + 4); /* breaker_threshold, and what was in flight then */
    assert_int_equal(fake_stats(f).spooled_records, 200);
    assert_true(fake_is_balanced(f));
}

static void a_silent_server_does_not_hold_up_the_end(void **state)
{
    struct fake_ticket t;
    f->script = hold;
    start();
    fake_put(f, 10, 100, &t);
    remote_stop(f->r, f->now_ns + NS_PER_S);
    fake_run(f, 0);
    assert_int_equal(f->held_count, 1);
    fake_run(f, NS_PER_S);
    fake_until(f, 0, remote_is_idle(f->r, false));
    assert_int_equal(f->cancelled, 1);
    assert_int_equal(t.settled, 1);
    assert_int_equal(fake_stats(f).spooled_records, 10);
}

static void drain_sends_the_spool_as_well(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    start();
    fake_put(f, 100, 100, &t);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 100);
    f->script = NULL;
    remote_drain(f->r);
    fake_put(f, 1, 100, &t);
    fake_until(f, NS_PER_MS, remote_is_idle(f->r, true));
    assert_each_delivered_once(101);
}

static void of_damaged_files_the_youngest_are_kept(void **state)
{
    for (unsigned round = 1; round <= 7; round++) {
        struct fake_ticket t;
        char path[FAKE_PATH + 64];
        f->script = always_fail;
        start();
        fake_put(f, 10, 100, &t);
        remote_relieve(f->r);
        fake_until(f, 0, fake_stats(f).spooled_records == 10);
        fake_stop(f);
        (void)snprintf(path, sizeof path, "%s/spool/fake/%016x" SPOOL_SUFFIX, f->state, round);
        const int fd = open(path, O_WRONLY);
        assert_true(fd >= 0 && pwrite(fd, "damage", 6, 300) == 6);
        (void)close(fd);
        f->script = NULL;
        start();
        fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
        fake_stop(f);
        assert_int_equal(files_count(".bad"), round < 4 ? round : 4);
        assert_int_equal(files_count(SPOOL_SUFFIX), files_count(".bad"));
        (void)snprintf(path + strlen(path), 5, ".bad");
        assert_int_equal(access(path, F_OK), 0);
    }
    start(); /* for the end of the test */
}

static void entries_of_another_kind_of_sink_are_left_alone(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    start();
    fake_put(f, 10, 100, &t);
    remote_relieve(f->r);
    fake_until(f, 0, fake_stats(f).spooled_records == 10);
    fake_stop(f);
    f->sink->common.format = strdup("json");
    start();
    assert_int_equal(fake_stats(f).taken, 0);
    assert_non_null(strstr(f->message, "another kind of sink"));
    assert_int_equal(files_count(SPOOL_SUFFIX), 1);
}

/* They hold back what the cursor takes for the oldest one. */
static void beside_entries_of_another_kind_what_is_acknowledged_is_kept(void **state)
{
    enum { OTHERS = 10, OWN = 600, LEFT = 50 };
    static struct fake_ticket t[OWN];
    entries_of_another_kind_of_sink_are_left_alone(state);
    memset(t, 0, sizeof t);
    fake_option(f, "batch_size", "10");
    for (int i = 0; i < OWN; i++) {
        fake_put(f, 1, 100, &t[i]);
        remote_relieve(f->r);
        fake_until(f, 0, t[i].settled);
    }
    fake_stop(f);
    f->script = NULL;
    start();
    fake_until(f, NS_PER_MS, fake_stats(f).spooled_records <= LEFT);
    fake_stop(f);
    start();
    assert_in_range(fake_stats(f).spooled_records, 0, LEFT);
    fake_until(f, NS_PER_S, fake_stats(f).spooled_records == 0);
    int again = 0;
    for (int n = OTHERS; n < OTHERS + OWN; n++) {
        assert_in_range(f->delivered[n], 1, 2);
        again += f->delivered[n] == 2;
    }
    assert_in_range(again, 0, LEFT); /* the requests whose answers nobody has read */
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_ring_wants_back_is_spooled_also_when_it_is_in_flight),
        cmocka_unit_test(a_spool_that_is_empty_again_asks_for_no_turn),
        cmocka_unit_test(memory_stays_within_the_queue_while_the_sink_is_down),
        cmocka_unit_test(what_a_full_queue_spools_is_settled_as_a_whole),
        cmocka_unit_test(order_is_kept_through_the_spool_where_it_matters),
        cmocka_unit_test(a_second_run_delivers_what_the_first_has_spooled),
        cmocka_unit_test(small_files_and_blocks_are_sent_together),
        cmocka_unit_test(what_was_acknowledged_is_not_sent_by_the_next_run),
        cmocka_unit_test(what_is_delivered_beside_a_request_that_hangs_is_not_sent_again_after_a_kill),
        cmocka_unit_test(without_its_cursor_all_of_the_spool_is_sent_again),
        cmocka_unit_test(a_cursor_that_could_not_be_made_is_made_later),
        cmocka_unit_test(a_record_without_an_answer_keeps_no_other_file_than_its_own),
        cmocka_unit_test(the_oldest_files_are_given_up_for_room_and_counted),
        cmocka_unit_test(what_counts_as_spooled_is_found_by_the_next_run),
        cmocka_unit_test(what_has_left_memory_at_the_end_is_counted_when_its_file_goes),
        cmocka_unit_test(what_is_in_flight_when_its_file_goes_counts_by_its_answer),
        cmocka_unit_test(what_waits_in_memory_is_given_up_with_its_file),
        cmocka_unit_test(what_is_too_old_is_given_up_and_counted),
        cmocka_unit_test(a_clock_that_is_set_makes_no_record_old),
        cmocka_unit_test(what_is_old_is_given_up_though_the_clock_was_set_back),
        cmocka_unit_test(fresh_records_do_not_starve_beside_the_spool),
        cmocka_unit_test(drop_newest_keeps_what_waits),
        cmocka_unit_test(drop_oldest_keeps_what_is_new),
        cmocka_unit_test(block_settles_by_delivery_alone),
        cmocka_unit_test(at_the_end_everything_gets_one_attempt_and_the_rest_is_spooled),
        cmocka_unit_test(at_the_end_a_dead_server_is_not_asked_for_each_record),
        cmocka_unit_test(a_silent_server_does_not_hold_up_the_end),
        cmocka_unit_test(drain_sends_the_spool_as_well),
        cmocka_unit_test(of_damaged_files_the_youngest_are_kept),
        cmocka_unit_test(entries_of_another_kind_of_sink_are_left_alone),
        cmocka_unit_test(beside_entries_of_another_kind_what_is_acknowledged_is_kept),
    };
    return run_on_every_backend(tests, ARRAY_COUNT(tests));
}
