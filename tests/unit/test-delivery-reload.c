#include "tests/common/delivery_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SINK_A, SINK_B, SINK_C, SINK_FAR };

/* Records come all the time; sinks are slow. */
static void work(struct world *w, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        (void)world_put(w, i % WORLD_LANES);
        world_turn(w);
        world_run(w);
        world_write_ends(w, world_random(w, WORLD_SINKS), 0);
        if (w->queued && world_random(w, 3) == 0)
            world_settle(w, 0);
    }
}

static void come_to_rest(struct world *w)
{
    pipeline_pause(&w->pipeline, true);
    for (uint32_t i = 0; !pipeline_is_at_rest(&w->pipeline); i++) {
        assert_true(i < 10000);
        work(w, 1);
    }
}

static int change(struct world *w, struct sink *const *sinks, uint32_t count, struct err *e)
{
    const struct pipeline_settings none = { .window = w->window };
    come_to_rest(w);
    const int r = pipeline_reconfigure(&w->pipeline, sinks, count, &none, e);
    pipeline_pause(&w->pipeline, false);
    return r;
}

/* Each record from `from` up to `to` once, and no other. In the order of the rings, committed means so many. */
static void check_holds(const struct world *w, uint32_t disk, uint32_t from, uint32_t to)
{
    const struct world_disk *d = &w->disk[disk];
    static uint8_t seen[WORLD_RECORDS];
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < d->used; i++)
        seen[d->record[i]]++;
    for (uint32_t n = 0; n < w->put; n++) {
        if (seen[n] != (n >= from && n < to))
            fail_msg("sink %u: record %u is there %u times", disk, n, seen[n]);
    }
}

static void sinks_come_and_go_and_no_record_is_lost(void **state)
{
    (void)state;
    struct world *w = world_new(1, 18);
    struct err e = { 0 };
    w->disk[SINK_A].file_room = 30;
    world_open(w, 2);
    struct sink *c = world_sink(w, SINK_C), *far = world_sink(w, SINK_FAR);
    work(w, 500);
    assert_int_equal(change(w, (struct sink *[]){ w->sink[SINK_A], c, far }, 3, &e), 0);
    const uint32_t until = (uint32_t)w->pipeline.committed_records;
    assert_true(until > 100);
    assert_int_equal(w->closed[SINK_B], 1);
    assert_int_equal(w->opened[SINK_A], 1); /* it stayed open */
    work(w, 500);
    world_finish(w);
    check_holds(w, SINK_A, 0, w->put);
    check_holds(w, SINK_B, 0, until);
    check_holds(w, SINK_C, until, w->put);
    for (uint32_t n = until; n < w->put; n++)
        assert_int_equal(w->server.times[n], 1);
    world_kill(w);
    sink_free(c);
    sink_free(far);
    world_free(w);
}

/* Neither for a reload nor at the end is a disk waited for in the middle of a turn. */
static void a_remote_sink_leaves_when_its_disk_is_at_rest(void **state)
{
    (void)state;
    struct world *w = world_new(9, 18);
    world_open(w, 4);
    struct sink *const far = w->sink[SINK_FAR];
    assert_non_null(w->pipeline.target[SINK_FAR].remote);
    work(w, 100);
    come_to_rest(w);
    w->is_far_busy = true;
    assert_true(pipeline_is_settled(&w->pipeline));
    assert_false(pipeline_is_quiet(&w->pipeline));
    assert_false(pipeline_leave(&w->pipeline, far, 1, 2));
    w->is_far_busy = false;
    assert_true(pipeline_is_quiet(&w->pipeline));
    assert_true(pipeline_leave(&w->pipeline, far, 1, 2));
    pipeline_pause(&w->pipeline, false);
    world_finish(w);
    world_kill(w);
    world_free(w);
}

static void a_new_sink_that_does_not_open_changes_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(2, 18);
    struct err e = { 0 };
    world_open(w, 2);
    struct sink *c = world_sink(w, SINK_C);
    work(w, 200);
    w->open_error = -EACCES;
    assert_int_equal(change(w, (struct sink *[]){ w->sink[SINK_A], c }, 2, &e), -EACCES);
    assert_non_null(strstr(e.text, "sink c"));
    assert_int_equal(w->closed[SINK_A] + w->closed[SINK_B], 0);
    work(w, 200);
    world_finish(w);
    check_holds(w, SINK_A, 0, w->put);
    check_holds(w, SINK_B, 0, w->put);
    assert_int_equal(w->disk[SINK_C].used, 0);
    world_kill(w);
    sink_free(c);
    world_free(w);
}

static void a_sink_with_other_options_goes_on_where_its_predecessor_stood(void **state)
{
    (void)state;
    struct world *w = world_new(3, 18);
    struct err e = { 0 };
    world_open(w, 2);
    struct sink *other = world_sink(w, SINK_B);
    work(w, 300);
    assert_int_equal(change(w, (struct sink *[]){ w->sink[SINK_A], other }, 2, &e), 0);
    assert_int_equal(w->closed[SINK_B], 1);
    assert_int_equal(w->opened[SINK_B], 2);
    work(w, 300);
    world_finish(w);
    check_holds(w, SINK_A, 0, w->put);
    check_holds(w, SINK_B, 0, w->put);
    world_kill(w);
    sink_free(other);
    world_free(w);
}

static void a_successor_that_does_not_open_leaves_the_place_to_its_predecessor(void **state)
{
    (void)state;
    struct world *w = world_new(4, 18);
    struct err e = { 0 };
    world_open(w, 2);
    struct sink *other = world_sink(w, SINK_B);
    work(w, 300);
    w->open_error = -EIO;
    assert_int_equal(change(w, (struct sink *[]){ w->sink[SINK_A], other }, 2, &e), -EIO);
    work(w, 300);
    world_finish(w);
    check_holds(w, SINK_B, 0, w->put);
    world_kill(w);
    sink_free(other);
    world_free(w);
}

static void what_a_killed_run_left_open_is_read_before_sinks_change(void **state)
{
    (void)state;
    struct world *w = world_new(5, 18);
    struct err e = { 0 };
    world_open(w, 3);
    for (uint32_t i = 0; i < 300; i++) {
        (void)world_put(w, i % WORLD_LANES);
        world_turn(w);
        world_run(w);
        world_write_ends(w, SINK_A, 0); /* the others stand still */
    }
    world_kill(w);
    world_open(w, 3);
    assert_true(w->pipeline.fences_count > 0);
    assert_int_equal(change(w, (struct sink *[]){ w->sink[SINK_C], w->sink[SINK_A] }, 2, &e), 0);
    const uint32_t until = (uint32_t)w->pipeline.committed_records;
    work(w, 200);
    world_finish(w);
    check_holds(w, SINK_A, 0, w->put);
    check_holds(w, SINK_C, 0, w->put);
    assert_true(w->disk[SINK_B].used <= until + 300);
    world_kill(w);
    world_free(w);
}

/* ---- a segment that cannot be attached before the sinks change ---- */

static void attach_and_check(struct world *w, uint32_t sink, bool is_with_other)
{
    w->is_second_refused = false;
    world_look(w);
    world_finish(w);
    check_holds(w, sink, 0, w->put);
    if (is_with_other)
        check_holds(w, !sink, 0, w->put);
    world_kill(w);
    world_free(w);
}

static void who_has_had_the_records_of_a_segment_is_known_when_sinks_change_places(void **state)
{
    (void)state;
    struct err e = { 0 };
    for (uint32_t sink = 0; sink < 2; sink++) {
        struct world *w = world_half_settled(sink);
        assert_int_equal(change(w, (struct sink *[]){ w->sink[1], w->sink[0] }, 2, &e), 0);
        attach_and_check(w, 0, true);
    }
}

/* The one that has not had them is the only one, or the one that has. */
static void who_has_had_the_records_of_a_segment_is_known_when_the_other_sink_goes(void **state)
{
    (void)state;
    struct err e = { 0 };
    for (uint32_t i = 0; i < 4; i++) {
        struct world *w = world_half_settled(i / 2);
        assert_int_equal(change(w, (struct sink *[]){ w->sink[i % 2] }, 1, &e), 0);
        attach_and_check(w, i % 2, false);
    }
}

/* A new one has its place, and goes on behind it; one that was not there gets all. */
static void who_has_had_the_records_of_a_segment_is_known_for_who_comes(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct world *w = world_half_settled(SINK_A);
    struct sink *a = world_sink(w, SINK_A), *c = world_sink(w, SINK_C);
    assert_int_equal(change(w, (struct sink *[]){ c, w->sink[SINK_B], a }, 3, &e), 0);
    w->is_second_refused = false;
    world_look(w);
    world_finish(w);
    check_holds(w, SINK_A, 0, w->put);
    check_holds(w, SINK_B, 0, w->put);
    check_holds(w, SINK_C, 1, 2); /* of the second segment */
    world_kill(w);
    sink_free(a);
    sink_free(c);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sinks_come_and_go_and_no_record_is_lost),
        cmocka_unit_test(a_remote_sink_leaves_when_its_disk_is_at_rest),
        cmocka_unit_test(a_new_sink_that_does_not_open_changes_nothing),
        cmocka_unit_test(a_sink_with_other_options_goes_on_where_its_predecessor_stood),
        cmocka_unit_test(a_successor_that_does_not_open_leaves_the_place_to_its_predecessor),
        cmocka_unit_test(what_a_killed_run_left_open_is_read_before_sinks_change),
        cmocka_unit_test(who_has_had_the_records_of_a_segment_is_known_when_sinks_change_places),
        cmocka_unit_test(who_has_had_the_records_of_a_segment_is_known_when_the_other_sink_goes),
        cmocka_unit_test(who_has_had_the_records_of_a_segment_is_known_for_who_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
