/* What single options of remote sinks do: against a sink that answers as it is told, on a clock of the test's own. */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/fake_remote.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fake fake;
static struct fake *const f = &fake;
static uint64_t ahead_ns; /* of the wall clock and of the one of the machine's run */

uint64_t __real_clock_real_ns(void);
uint64_t __wrap_clock_real_ns(void);
uint64_t __wrap_clock_real_ns(void) { return __real_clock_real_ns() + ahead_ns; }
uint64_t __real_clock_boot_ns(void);
uint64_t __wrap_clock_boot_ns(void);
uint64_t __wrap_clock_boot_ns(void) { return __real_clock_boot_ns() + ahead_ns; }

static int set_up(void **state)
{
    (void)state;
    ahead_ns = 0;
    fake_init(f, &(struct io_config){ .kind = IO_PLAIN });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_done(f);
    return 0;
}

static void start(void)
{
    struct err e;
    if (fake_start(f, &e) < 0)
        fail_msg("%s", e.text);
}

static bool fails(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g, (void)q;
    *a = (struct sink_result){ .outcome = SINK_RETRY, .status = 503 };
    return true;
}

static bool holds(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g, (void)q, (void)a;
    return false;
}

/* effect: remote.batch_interval */
static void a_record_waits_for_others_no_longer(void **state)
{
    struct fake_ticket t;
    (void)state;
    fake_option(f, "batch_interval", "7s");
    start();
    fake_put(f, 1, 20, &t);
    fake_run(f, 7 * NS_PER_S - 1);
    assert_int_equal(f->requests, 0);
    fake_run(f, 1);
    assert_int_equal(f->requests, 1);
}

/* effect: remote.batch_bytes */
static void a_request_has_no_more_bytes(void **state)
{
    struct fake_ticket t;
    (void)state;
    fake_option(f, "batch_bytes", "2048");
    fake_option(f, "batch_interval", "0s");
    start();
    fake_put(f, 10, 1000, &t);
    fake_until(f, NS_PER_S, t.settled);
    assert_true(f->requests >= 5);
}

/* effect: remote.timeout */
static void an_answer_is_waited_for_no_longer(void **state)
{
    struct fake_ticket t;
    (void)state;
    fake_option(f, "timeout", "3s");
    f->script = holds;
    start();
    fake_put(f, 1, 20, &t);
    fake_until(f, NS_PER_S, f->held_count == 1);
    fake_run(f, 3 * NS_PER_S - 1);
    assert_int_equal(f->cancelled, 0);
    fake_run(f, 1);
    assert_int_equal(f->cancelled, 1);
}

/* Pauses are drawn up to a longest one: no pause of many is longer, some are longer than half of it. */
static void check_pauses(uint64_t longest_ns, unsigned attempts)
{
    struct fake_ticket t;
    uint64_t longest = 0, last = 0;
    f->script = fails;
    fake_option(f, "breaker_enabled", "false");
    fake_option(f, "batch_interval", "0s");
    start();
    fake_put(f, 1, 20, &t);
    for (unsigned n = 0; n < attempts;) {
        fake_run(f, longest_ns / 64);
        if (f->requests == n)
            continue;
        const uint64_t pause = n ? f->now_ns - last : 0;
        longest = pause > longest ? pause : longest;
        last = f->now_ns;
        n = f->requests;
    }
    assert_in_range(longest, longest_ns / 2, longest_ns + longest_ns / 16);
}

/* effect: remote.retry_max_delay */
static void no_pause_is_longer(void **state)
{
    (void)state;
    fake_option(f, "retry_max_delay", "2s");
    check_pauses(2 * NS_PER_S, 60);
}

/* effect: remote.retry_base_delay */
static void the_first_pause_is_as_long_as_asked_at_most(void **state)
{
    (void)state;
    fake_option(f, "retry_base_delay", "300s"); /* and no longer than the longest, 30 s: at once */
    check_pauses(30 * NS_PER_S, 6);
}

/* effect: remote.breaker_threshold remote.breaker_recovery */
static void the_breaker_opens_and_probes_when_asked_to(void **state)
{
    struct fake_ticket t[20];
    (void)state;
    f->script = fails;
    fake_option(f, "batch_size", "1");
    fake_option(f, "max_in_flight", "1");
    fake_option(f, "breaker_threshold", "2");
    fake_option(f, "breaker_recovery", "90s");
    start();
    for (int i = 0; i < 20; i++)
        fake_put(f, 1, 20, &t[i]);
    fake_until(f, NS_PER_S, fake_stats(f).breaker == REMOTE_OPEN);
    assert_int_equal(f->requests, 2);
    fake_run(f, 89 * NS_PER_S);
    assert_int_equal(f->requests, 2);
    fake_run(f, NS_PER_S);
    fake_run(f, NS_PER_S);
    assert_int_equal(f->requests, 3);
}

static unsigned spool_files(const char *folder)
{
    unsigned n = 0;
    DIR *const d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));)
        n += strstr(e->d_name, ".spool") != NULL;
    if (d)
        (void)closedir(d);
    return n;
}

static void spool(unsigned parcels)
{
    static struct fake_ticket t[64];
    CHECK(parcels <= ARRAY_COUNT(t));
    f->script = fails;
    fake_option(f, "queue_records", "1");
    start();
    for (unsigned i = 0; i < parcels; i++) {
        fake_put(f, 20, 1000, &t[i]);
        fake_until(f, 0, fake_stats(f).queued_records <= 1);
    }
}

/* effect: remote.spool_dir */
static void the_spool_is_where_it_is_said_to_be(void **state)
{
    char folder[FAKE_PATH + 16];
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/elsewhere", f->state);
    fake_option(f, "spool_dir", folder);
    spool(4);
    assert_int_equal(spool_files(folder), 1);
}

/* effect: remote.spool_max_age */
static void what_is_older_is_given_up(void **state)
{
    (void)state;
    fake_option(f, "spool_max_age", "1h");
    spool(4);
    const uint64_t spooled = fake_stats(f).spooled_records;
    assert_true(spooled >= 79);
    ahead_ns = 3600 * NS_PER_S + 600 * NS_PER_S;
    for (int i = 0; i < 50 && !fake_stats(f).dropped_spool_age; i++)
        fake_run(f, 10 * NS_PER_S);
    assert_true(fake_stats(f).dropped_spool_age > 0);
    assert_true(fake_is_balanced(f));
}

/* effect: remote.queue_records */
static void memory_holds_no_more_records(void **state)
{
    static struct fake_ticket t[50];
    (void)state;
    f->script = fails;
    fake_option(f, "queue_records", "100");
    start();
    for (unsigned i = 0; i < 50; i++) {
        fake_put(f, 10, 100, &t[i]);
        fake_run(f, 0);
    }
    fake_until(f, 0, fake_stats(f).queued_records <= 100);
    assert_true(fake_stats(f).spooled_records >= 400);
}

/* effect: remote.on_full remote.queue_bytes */
static void what_does_not_fit_into_memory_is_dropped_where_asked(void **state)
{
    static struct fake_ticket t[100];
    (void)state;
    f->script = fails;
    fake_option(f, "on_full", "drop_newest");
    fake_option(f, "queue_bytes", "64KB");
    start();
    for (unsigned i = 0; i < 100; i++) {
        fake_put(f, 10, 944, &t[i]); /* 1000 bytes with the head */
        fake_run(f, 0);
    }
    assert_int_equal(fake_stats(f).dropped_full, 1000 - 65);
    assert_int_equal(fake_stats(f).spooled_records, 0);
}

/* Records of which nothing can be packed. */
static void spool_noise(unsigned parcels)
{
    static struct fake_ticket t[200];
    uint64_t x = 1;
    f->script = fails;
    fake_option(f, "queue_records", "1");
    fake_option(f, "batch_size", "20");
    start();
    for (unsigned i = 0; i < parcels; i++) {
        struct parcel *const p = fake_parcel(f, 20, 1000);
        for (size_t at = 0; at < p->bytes; at += ((struct entry_head *)(void *)(p->data + at))->bytes) {
            char *const payload = (char *)entry_payload((struct entry_head *)(void *)(p->data + at));
            for (int k = 0; k < 1000; k++) {
                x = x * 6364136223846793005u + 1442695040888963407u;
                payload[k] = (char)(x >> 56);
            }
        }
        fake_put_parcel(f, p, &t[i]);
        fake_until(f, 0, fake_stats(f).queued_records <= 1);
    }
}

/* effect: remote.spool_max_bytes */
static void the_spool_has_no_more_bytes(void **state)
{
    (void)state;
    fake_option(f, "spool_max_bytes", "1MB");
    fake_option(f, "spool_segment_bytes", "64KB");
    spool_noise(150);
    assert_true(fake_stats(f).spooled_bytes <= 1 << 20);
    assert_true(fake_stats(f).dropped_spool_size > 0);
}

/* effect: remote.spool_segment_bytes */
static void a_file_of_the_spool_has_its_size(void **state)
{
    char folder[FAKE_PATH + 16];
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/spool/fake", f->state);
    fake_option(f, "spool_segment_bytes", "64KB");
    spool_noise(20);
    assert_true(spool_files(folder) >= 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_record_waits_for_others_no_longer),
        T(a_request_has_no_more_bytes),
        T(an_answer_is_waited_for_no_longer),
        T(no_pause_is_longer),
        T(the_first_pause_is_as_long_as_asked_at_most),
        T(the_breaker_opens_and_probes_when_asked_to),
        T(the_spool_is_where_it_is_said_to_be),
        T(what_is_older_is_given_up),
        T(memory_holds_no_more_records),
        T(what_does_not_fit_into_memory_is_dropped_where_asked),
        T(the_spool_has_no_more_bytes),
        T(a_file_of_the_spool_has_its_size),
    };
    return cmocka_run_group_tests_name("remote-effects", tests, NULL, NULL);
}
