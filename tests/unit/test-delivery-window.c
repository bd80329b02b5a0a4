#include "tests/common/delivery_world.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LOCAL = WORLD_SINKS - WORLD_REMOTES };

static void check_disk(const struct world *w, uint32_t sink, uint64_t seed)
{
    static uint8_t seen[WORLD_RECORDS];
    const struct world_disk *d = &w->disk[sink];
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < d->used; i++) {
        if (seen[d->record[i]]++)
            fail_msg("seed %" PRIu64 ", sink %u: record %u is there twice", seed, sink, d->record[i]);
    }
    for (uint32_t n = 0; n < w->put; n++) {
        if (seen[n] != world_wants(w, d, n))
            fail_msg("seed %" PRIu64 ", sink %u: record %u is there %u times", seed, sink, n, seen[n]);
    }
}

static void step(struct world *w)
{
    const uint32_t sink = world_random(w, LOCAL);
    switch (world_random(w, 8)) {
    case 0:
        for (uint32_t i = world_random(w, 60); i > 0; i--)
            (void)world_put(w, world_random(w, (1 + w->has_second) * WORLD_LANES));
        break;
    case 1:
    case 2:
        world_turn(w);
        break;
    case 3:
        world_run(w);
        break;
    case 4:
        world_write_some(w, sink);
        break;
    case 5:
        world_write_ends(w, sink, world_random(w, 8) ? 0 : -ENOSPC);
        break;
    case 6: /* one sink is slower than the others */
        world_write_ends(w, 1 + world_random(w, LOCAL - 1), 0);
        break;
    default:
        if (w->queued) /* in any order */
            world_settle_some(w, world_random(w, w->queued), world_random(w, 2) ? UINT32_MAX : 1 + world_random(w, 9));
        world_run(w); /* the turn in which the answer is taken ends */
        break;
    }
}

/* It may be attached at the start, later, or never in this run. */
static void look_again(struct world *w)
{
    w->is_second_refused = false;
    world_look(w);
}

static uint32_t images; /* that arrived */

static uint32_t run_seed(uint64_t seed)
{
    struct world *w = world_new(seed, 15);
    w->has_images = world_random(w, 2);
    w->has_no_spool = world_random(w, 4);
    if (seed % 2)
        world_add_second(w);
    w->disk[1].file_room = 40;
    w->disk[2].file_room = 7 + world_random(w, 200);
    w->disk[2].level_min = world_random(w, 2) ? FAPILOG_LEVEL_WARNING : 0;
    world_open(w, WORLD_SINKS);
    for (uint32_t i = 0; i < 4000; i++) {
        step(w);
        if (w->is_second_refused && world_random(w, 100) == 0)
            look_again(w);
        if (world_random(w, 150) == 0) {
            world_kill(w);
            w->window = WINDOW_MIN + world_random(w, 7);
            w->is_second_refused = w->has_second && world_random(w, 2);
            world_open(w, WORLD_SINKS);
        }
    }
    look_again(w);
    world_finish(w);
    for (uint32_t i = 0; i < LOCAL; i++)
        check_disk(w, i, seed);
    for (uint32_t n = 0; n < w->put; n++) {
        if (w->server.times[n] != 1)
            fail_msg("seed %" PRIu64 ": record %u arrived %u times", seed, n, w->server.times[n]);
    }
    const uint32_t fences = w->fences_seen;
    images += w->images;
    world_kill(w);
    world_free(w);
    return fences;
}

static void killed_anywhere_between_two_answers_files_and_servers_get_each_record_once(void **state)
{
    const char *given = getenv("FAPILOG_SEED"), *rounds = getenv("FAPILOG_ROUNDS");
    const uint64_t first = given ? strtoull(given, NULL, 10) : clock_real_ns() / 1000 % 1000000000;
    const uint64_t count = rounds ? strtoull(rounds, NULL, 10) : 30;
    uint32_t fences = 0;
    (void)state;
    print_message("seeds %" PRIu64 " to %" PRIu64 "\n", first, first + count - 1);
    for (uint64_t i = 0; i < count; i++)
        fences += run_seed(first + i);
    assert_true(count < 10 || images > count); /* some records were copied as they lay in the ring */
    assert_true(fences > count); /* sinks did run out of step when the collector was killed */
}

static void a_sink_that_stands_still_holds_up_nobody_until_the_ring_is_full(void **state)
{
    (void)state;
    struct world *w = world_new(1, 18);
    world_open(w, WORLD_SINKS);
    uint32_t turns = 0;
    while (world_put(w, 0)) { /* many small batches: more than the window by far */
        world_turn(w);
        world_run(w);
        world_write_ends(w, 0, turns ? -ENOSPC : 0);
        world_write_ends(w, 1, 0);
        world_write_ends(w, 2, 0);
        if (w->queued && turns % 3 == 0)
            world_settle(w, 0);
        turns++;
    }
    assert_true(turns > 1000);
    for (uint32_t i = 0; i < 40; i++) {
        world_turn(w);
        world_run(w);
        world_write_ends(w, 1, 0);
        world_write_ends(w, 2, 0);
    }
    assert_int_equal(w->disk[1].used, w->put);
    assert_int_equal(w->disk[2].used, w->put);
    while (w->queued)
        world_settle(w, 0);
    world_run(w);
    for (uint32_t n = 0; n < w->put; n++)
        assert_int_equal(w->server.times[n], 1);
    assert_true(w->disk[0].used < w->put);
    assert_int_equal(pipeline_failing(&w->pipeline)->errors > 0, 1);
    world_kill(w);
    world_open(w, WORLD_SINKS); /* and after a crash, too, only the one has to catch up */
    world_finish(w);
    for (uint32_t i = 0; i < LOCAL; i++)
        check_disk(w, i, 1);
    for (uint32_t n = 0; n < w->put; n++)
        assert_int_equal(w->server.times[n], 1);
    world_kill(w);
    world_free(w);
}

static void what_a_format_has_written_for_a_file_is_what_a_remote_sink_of_it_gets(void **state)
{
    (void)state;
    struct world *w = world_new(4, 18);
    world_open(w, WORLD_SINKS);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(world_put(w, i % WORLD_LANES));
    world_turn(w);
    const struct outputs *o = &w->pipeline.outputs;
    const struct batch *b = w->pipeline.open[0];
    const struct parcel *p = b->chunk[o->text_count].parcel;
    assert_int_equal(o->output[o->text_count].text, 1);
    assert_true(p->records > 1);
    assert_int_equal(p->records, b->chunk[0].chunk.records);
    uint64_t at = 0, payload = 0;
    for (uint32_t i = 0, from = 0; i < p->records; i++) {
        const struct entry_head *h = entry_at(p->data + at, p->bytes - at);
        assert_int_equal(h->payload_len, b->chunk[0].chunk.ends[i] - from - 1); /* without the line feed */
        assert_memory_equal(entry_payload(h), b->chunk[0].chunk.data + from, h->payload_len);
        from = b->chunk[0].chunk.ends[i];
        at += h->bytes;
        payload += h->payload_len;
    }
    assert_int_equal(at, p->bytes);
    assert_int_equal(payload, p->payload_bytes);
    world_finish(w);
    world_kill(w);
    world_free(w);
}

/* A block of a spool has room for 4096 records. */
static void a_batch_of_many_records_becomes_several_images(void **state)
{
    (void)state;
    struct world *w = world_new(3, 19);
    w->settings.lane_budget_bytes = 1 << 20;
    w->has_images = w->always_images = true;
    w->window = WINDOW_MAX;
    world_open(w, WORLD_SINKS);
    w->drain.budget_scale = 4; /* all of a lane in one turn */
    while (world_put(w, 0) && w->put < 9000)
        ;
    assert_true(w->put > 8500);
    world_turn(w);
    const uint32_t parcels = w->queued;
    assert_true(parcels >= 2);
    assert_true(w->queue[0].parcel->records > 3000); /* it ends with a block of the ring */
    for (uint32_t i = 0; i < parcels; i++)
        assert_true(w->queue[i].parcel->is_image && w->queue[i].parcel->records <= 4096);
    world_finish(w);
    for (uint32_t n = 0; n < w->put; n++)
        assert_int_equal(w->server.times[n], 1);
    world_kill(w);
    world_free(w);
}

/* A batch of several images, of which the sink has one when the collector is killed. */
static void check_images_once(struct world *w, bool is_taken)
{
    w->settings.lane_budget_bytes = 1 << 20;
    w->always_images = w->has_images = true;
    w->window = WINDOW_MAX;
    w->takes = is_taken;
    w->has_no_spool = true; /* to be relieved */
    world_open(w, WORLD_SINKS);
    w->drain.budget_scale = 4;
    while (world_put(w, 0) && w->put < 9000)
        ;
    world_turn(w);
    if (!is_taken)
        world_settle(w, 0);
    world_run(w);
    assert_int_equal(w->images, 1);
    assert_true(w->queued >= 1);
    world_kill(w);
    w->always_images = w->has_images = false;
    world_open(w, WORLD_SINKS);
    world_finish(w);
    for (uint32_t n = 0; n < w->put; n++)
        assert_int_equal(w->server.times[n], 1);
    world_kill(w);
    world_free(w);
}

static void of_several_images_of_a_batch_those_that_are_settled_do_not_come_again(void **state)
{
    (void)state;
    check_images_once(world_new(3, 19), false);
}

static void an_image_that_a_spool_has_taken_at_once_does_not_come_again_for_the_others_of_its_batch(void **state)
{
    (void)state;
    check_images_once(world_new(3, 19), true);
}

/* What the collector says itself is serialized in any case: the batch waits for that alone. */
static void images_that_a_spool_has_taken_at_once_do_not_come_again_for_a_note_in_their_batch(void **state)
{
    (void)state;
    enum { NOTE = WORLD_RECORDS - 1 };
    const struct fapilog_field number = { .name = { "n", 1 }, .type = FAPILOG_TYPE_U64, .v.u64 = NOTE };
    struct world *w = world_new(3, 18);
    struct notes *notes;
    assert_int_equal(notes_new(&notes), 0);
    w->notes = notes;
    w->always_images = w->has_images = w->has_no_spool = true;
    w->takes = 1;
    world_open(w, WORLD_SINKS);
    notes->sinks = w->pipeline.target[LOCAL].bit;
    notes_add(notes, FAPILOG_LEVEL_INFO, "text", NULL);
    notes->note[0].r.fields = &number;
    notes->note[0].r.fields_count = 1;
    for (uint32_t i = 0; i < 30; i++)
        assert_true(world_put(w, i % WORLD_LANES));
    world_turn(w);
    assert_int_equal(w->images, 1);
    assert_int_equal(w->queued, 1); /* the note */
    assert_int_equal(w->pipeline.open_count, 1);
    world_write_ends(w, 0, 0);
    world_run(w);
    world_kill(w);
    world_open(w, WORLD_SINKS);
    assert_true(w->pipeline.fences_count > 0);
    world_finish(w);
    for (uint32_t n = 0; n < w->put; n++)
        assert_int_equal(w->server.times[n], 1);
    for (uint32_t i = 0; i < LOCAL; i++)
        check_disk(w, i, 3);
    world_kill(w);
    notes_free(notes);
    world_free(w);
}

static void a_pressed_lane_asks_remote_sinks_to_spool(void **state)
{
    (void)state;
    struct world *w = world_new(2, 15);
    w->window = WINDOW_MAX;
    world_open(w, WORLD_SINKS);
    while (builder_lane(&w->builder, 0)->tail < (1u << 14) - 512) {
        assert_true(world_put(w, 0));
        world_turn(w);
        for (uint32_t i = 0; i < LOCAL; i++)
            world_write_ends(w, i, 0);
        world_run(w);
        w->pipeline.pressure_at_ns = 0;
        assert_true(w->queued > 0); /* less than half full: it keeps what it has */
    }
    for (uint32_t i = 0; i < 20; i++)
        assert_true(world_put(w, 0));
    world_turn(w);
    world_run(w);
    assert_int_equal(w->queued, 0);
    world_finish(w);
    world_kill(w);
    world_free(w);
}

static void a_batch_gathers_while_every_sink_is_busy(void **state)
{
    (void)state;
    struct world *w = world_new(3, 18);
    world_open(w, 2);
    (void)world_put(w, 0);
    world_turn(w);
    assert_int_equal(w->pipeline.open_count, 1);
    for (uint32_t i = 0; i < 50; i++) {
        (void)world_put(w, 0);
        world_turn(w);
    }
    assert_int_equal(w->pipeline.open_count, 1);
    world_write_ends(w, 0, 0);
    world_turn(w);
    assert_int_equal(w->pipeline.open_count, 2);
    world_finish(w);
    world_kill(w);
    world_free(w);
}

static void finish_and_check(struct world *w, uint32_t sinks)
{
    world_finish(w);
    for (uint32_t i = 0; i < sinks; i++)
        check_disk(w, i, 1);
    world_kill(w);
    world_free(w);
}

/* Nobody runs the pipeline any more when the answer comes that the end of the collector waits for. */
static void what_ends_while_the_collector_does_is_known_to_the_next_one(void **state)
{
    (void)state;
    for (uint32_t failing = 0; failing < 2; failing++) {
        struct world *w = world_new(8, 18);
        world_open(w, 2);
        assert_true(world_put(w, 0));
        world_turn(w);
        world_run(w);
        world_write_ends(w, 0, 0);
        world_write_ends(w, 1, failing ? -EIO : 0);
        pipeline_abandon(&w->pipeline);
        world_kill(w);
        world_open(w, 2);
        assert_int_equal(w->pipeline.fences_count, failing);
        assert_int_equal(w->fences_seen, failing);
        assert_int_equal(world_pending(w) > 0, failing);
        finish_and_check(w, 2);
    }
}

/* ---- a segment that cannot be attached at the start ---- */

static void what_was_committed_of_a_segment_that_cannot_be_attached_outlives_the_next_commits(void **state)
{
    (void)state;
    struct world *w = world_new(4, 18);
    world_add_second(w);
    world_open(w, 1);
    const struct fapilog_lane_slot before = *builder_slot(&w->second, 0);
    assert_true(world_put(w, 0) && world_put(w, WORLD_LANES));
    world_commit(w, 1);
    assert_int_equal(w->pipeline.committed_records, 2);
    world_kill(w);
    *builder_slot(&w->second, 0) = before; /* between the slot and the segment */
    w->is_second_refused = true;
    for (uint32_t i = 0; i < 3; i++) {
        world_open(w, 1);
        assert_true(world_put(w, 0));
        world_commit(w, 1);
        assert_int_equal(w->pipeline.committed_records, 1);
        world_kill(w);
    }
    w->is_second_refused = false;
    world_open(w, 1);
    assert_int_equal(w->segments.redo_count, 0);
    finish_and_check(w, 1);
}

static void positions_of_segments_that_are_gone_are_not_kept(void **state)
{
    (void)state;
    struct world *w = world_new(5, 18);
    struct commit_state last;
    world_add_second(w);
    world_open(w, 1);
    assert_true(world_put(w, 0) && world_put(w, WORLD_LANES));
    world_commit(w, 1);
    world_kill(w);
    w->is_second_refused = true;
    world_open(w, 1);
    assert_int_equal(w->segments.redo_count, 1);
    w->has_second = w->is_second_refused = false; /* as if somebody had removed it */
    world_look(w);
    assert_int_equal(w->segments.redo_count, 0);
    assert_true(world_put(w, 0));
    world_commit(w, 1);
    commit_last(w->commit, &last);
    assert_int_equal(last.positions_count, 1);
    w->has_second = true;
    world_finish(w);
    world_kill(w);
    world_free(w);
}

static void who_has_the_records_of_a_segment_that_cannot_be_attached_outlives_the_next_run(void **state)
{
    (void)state;
    struct world *w = world_half_settled(0);
    world_kill(w);
    w->is_second_refused = false;
    world_open(w, 2);
    finish_and_check(w, 2);
}

static void a_segment_that_is_attached_late_goes_to_those_sinks_that_have_not_had_it(void **state)
{
    (void)state;
    struct world *w = world_half_settled(0);
    assert_true(world_put(w, 0) && world_put(w, 0));
    world_turn(w);
    world_run(w); /* the sinks are busy: what comes next is gathered */
    assert_true(world_put(w, 0));
    world_turn(w);
    assert_non_null(w->pipeline.filling);
    w->is_second_refused = false;
    world_look(w);
    assert_true(world_put(w, WORLD_LANES));
    finish_and_check(w, 2);
}

/* It does not wait for more until its space is wanted back. */
static void a_remote_sink_gets_a_quarter_of_a_lane_at_once(void **state)
{
    (void)state;
    struct world *w = world_new(3, 18);
    const uint64_t lane = UINT64_C(1) << w->builder.opt.cap_log2;
    world_open(w, WORLD_SINKS);
    assert_true(world_put(w, 0));
    world_turn(w);
    world_run(w); /* the local sinks write, and ask for nothing */
    const uint64_t from = builder_lane(&w->builder, 0)->tail;
    const uint32_t queued = w->queued;
    while (builder_lane(&w->builder, 0)->tail - from < lane * 3 / 8)
        assert_true(world_put(w, 0));
    for (uint64_t taken = 0; taken < lane * 3 / 8; taken += w->settings.lane_budget_bytes)
        world_turn(w);
    assert_true(w->queued > queued);
    world_finish(w);
    world_kill(w);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_anywhere_between_two_answers_files_and_servers_get_each_record_once),
        cmocka_unit_test(a_sink_that_stands_still_holds_up_nobody_until_the_ring_is_full),
        cmocka_unit_test(a_remote_sink_gets_a_quarter_of_a_lane_at_once),
        cmocka_unit_test(what_a_format_has_written_for_a_file_is_what_a_remote_sink_of_it_gets),
        cmocka_unit_test(a_batch_of_many_records_becomes_several_images),
        cmocka_unit_test(of_several_images_of_a_batch_those_that_are_settled_do_not_come_again),
        cmocka_unit_test(an_image_that_a_spool_has_taken_at_once_does_not_come_again_for_the_others_of_its_batch),
        cmocka_unit_test(images_that_a_spool_has_taken_at_once_do_not_come_again_for_a_note_in_their_batch),
        cmocka_unit_test(a_pressed_lane_asks_remote_sinks_to_spool),
        cmocka_unit_test(a_batch_gathers_while_every_sink_is_busy),
        cmocka_unit_test(what_ends_while_the_collector_does_is_known_to_the_next_one),
        cmocka_unit_test(what_was_committed_of_a_segment_that_cannot_be_attached_outlives_the_next_commits),
        cmocka_unit_test(positions_of_segments_that_are_gone_are_not_kept),
        cmocka_unit_test(who_has_the_records_of_a_segment_that_cannot_be_attached_outlives_the_next_run),
        cmocka_unit_test(a_segment_that_is_attached_late_goes_to_those_sinks_that_have_not_had_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
