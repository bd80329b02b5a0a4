/* When the next turn begins. A time stands for "later": nothing here waits. */
#include "collector/daemon/pace.h"
#include "lib/base/clock.h"
#include "tests/common/segment_builder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WINDOW_NS (100 * NS_PER_S)

struct place {
    char dir[64], path[80];
    struct daemon daemon;
    struct ingest_settings settings;
    struct segment_builder builder;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    struct daemon *d = &p->daemon;
    struct err e;
    (void)snprintf(p->dir, sizeof p->dir, "/dev/shm/test-pace-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    (void)snprintf(p->path, sizeof p->path, "%s/0.ring", p->dir);
    const int fd = open(p->path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    builder_init(&p->builder, fd, &(struct builder_options){ .lanes = 2, .cap_log2 = 20, .block_log2 = 15 });
    p->builder.sb->t0_cycles = p->builder.cycles = clock_mono_ns();
    p->builder.sb->t0_real_ns = clock_real_ns();
    p->builder.sb->counter_hz = NS_PER_S;
    builder_seal(&p->builder);
    p->settings = (struct ingest_settings){ .lane_budget_bytes = 1 << 20, .segments_max = 1, .lanes_max = 10,
                                            .bytes_max = 1 << 30 };
    d->config.settings.ingest.flush_interval_ns = NS_PER_S;
    assert_int_equal(io_new(&(struct io_config){ .kind = IO_PLAIN }, &d->io, &e), 0);
    assert_int_equal(segments_open(&d->segments, p->dir, d->io, &p->settings, &e), 0);
    assert_int_equal(drain_init(&d->drain, &d->segments, UINT32_MAX, false, &e), 0);
    assert_int_equal(segments_attach(&d->segments, "0.ring"), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    drain_done(&p->daemon.drain);
    segments_close(&p->daemon.segments);
    io_free(p->daemon.io);
    close(p->builder.fd);
    builder_done(&p->builder);
    (void)unlink(p->path);
    assert_int_equal(rmdir(p->dir), 0);
    free(p);
    return 0;
}

static void put(struct place *p, uint32_t lane, uint64_t bytes)
{
    static struct payload payload;
    const struct fapilog_lane *l = builder_lane(&p->builder, lane);
    for (const uint64_t end = l->tail + bytes; l->tail < end;) {
        payload_init(&payload);
        payload_dynamic(&payload, 0, "m");
        builder_put(&p->builder, lane, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &payload);
    }
}

static unsigned turn(struct place *p)
{
    struct drain *d = &p->daemon.drain;
    unsigned records = 0;
    assert_int_equal(drain_begin(d, clock_mono_ns(), 0, NULL), 0);
    for (; drain_peek(d); records++)
        (void)drain_accept(d);
    return records;
}

static bool is_next_at_once(struct place *p)
{
    pace_next_turn(&p->daemon);
    return p->daemon.turn_at_ns == 0;
}

static void what_came_during_a_turn_is_worth_the_next(void **state)
{
    struct place *p = *state;
    put(p, 0, 1000);
    assert_true(turn(p) > 0);
    assert_false(is_next_at_once(p));
    put(p, 0, 1000);
    assert_true(turn(p) > 0);
    put(p, 1, 60 << 10);
    put(p, 0, 60 << 10);
    assert_false(is_next_at_once(p)); /* in no lane as much as a turn likes to find */
    put(p, 1, 4 << 10);
    assert_true(is_next_at_once(p));
    assert_true(turn(p) > 0);
    assert_false(is_next_at_once(p));
}

static void records_that_wait_for_their_time_are_not_looked_at_without_pause(void **state)
{
    struct place *p = *state;
    p->settings.merge_window_ns = WINDOW_NS;
    put(p, 0, 100 << 10);
    assert_int_equal(turn(p), 0);
    assert_false(is_next_at_once(p));
    put(p, 0, 500 << 10);
    assert_true(turn(p) > 0); /* its writer needs the space */
    put(p, 0, 100 << 10);
    assert_true(is_next_at_once(p));
}

static void what_nobody_can_read_is_not_waited_for(void **state)
{
    struct place *p = *state;
    assert_int_equal(turn(p), 0);
    put(p, 0, 100 << 10);
    assert_true(is_next_at_once(p));
    p->daemon.segments.source[0]->state = SOURCE_QUARANTINED;
    assert_false(is_next_at_once(p));
}

/* The pause, where the last one has brought so many bytes into the lane: in percent of that one. */
static unsigned pause_percent(struct place *p, uint64_t bytes, uint64_t cap)
{
    struct daemon *d = &p->daemon;
    uint64_t since_ns;
    d->drain.bytes_max = bytes;
    d->drain.bytes_cap = cap;
    do { /* where nobody can ring, the longest pause is 10 ms: not to be had while we were kept from running */
        const uint64_t before_ns = d->turn_ended_ns = clock_mono_ns() - 2 * NS_PER_MS;
        pace_next_turn(d);
        since_ns = d->turn_ended_ns - before_ns;
    } while (since_ns > 5 * NS_PER_MS);
    return (unsigned)((d->turn_at_ns - d->turn_ended_ns) * 100 / since_ns);
}

/* A turn has a price of its own. */
static void in_a_large_lane_more_may_come_before_the_next_turn(void **state)
{
    struct place *p = *state;
    assert_int_equal(turn(p), 0);
    assert_in_range(pause_percent(p, 64 << 10, 512 << 10), 74, 75); /* a bit less than for 64 KiB */
    assert_in_range(pause_percent(p, 64 << 10, 1536 << 10), 111, 112);
    assert_in_range(pause_percent(p, 64 << 10, 2 << 20), 149, 150);
    assert_in_range(pause_percent(p, 64 << 10, 64 << 20), 149, 150);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_came_during_a_turn_is_worth_the_next),
        T(records_that_wait_for_their_time_are_not_looked_at_without_pause),
        T(what_nobody_can_read_is_not_waited_for),
        T(in_a_large_lane_more_may_come_before_the_next_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
