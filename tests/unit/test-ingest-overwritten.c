/* Lanes that are written over while nobody reads: what is lost is told once, whoever is killed. */
#include "tests/unit/ingest-fixture.h"

#include <limits.h>

/* Some of a turn: records, and what the reports say is missing. */
static bool take_some(struct place *p, unsigned most, uint64_t *records, uint64_t *lost)
{
    const struct fapilog_record *r = NULL;
    for (unsigned i = 0; i < most && (r = drain_peek(&p->drain)); i++) {
        if (r->internal)
            *lost += r->fields[0].v.u64;
        else
            ++*records;
        (void)drain_accept(&p->drain);
    }
    return r;
}

static void take_and_count(struct place *p, uint64_t *records, uint64_t *lost)
{
    do {
        begin(p, DRAIN_ALL);
        (void)take_some(p, UINT_MAX, records, lost);
    } while (p->drain.has_more);
}

/* As after a kill: nothing is known but what is in the segment, the state file and, with `fence`, of open batches. */
static void restart(struct place *p, const struct drain_fence *fence, unsigned fences)
{
    struct err e = { 0 };
    drain_done(&p->drain);
    checkpoint_done(&p->checkpoint);
    memset(&p->checkpoint, 0, sizeof p->checkpoint);
    segments_close(&p->segments);
    memset(&p->segments, 0, sizeof p->segments);
    assert_int_equal(segments_open(&p->segments, p->dir, p->io, &p->settings, &e), 0);
    p->segments.on_message = on_message;
    p->segments.arg = p;
    assert_int_equal(drain_init(&p->drain, &p->segments, UINT32_MAX, false, &e), 0);
    drain_set_fences(&p->drain, fence, fences);
    assert_int_equal(attach(p, 0), 0);
}

/* Every seventh record is larger than a block. */
static void put_many(struct segment_builder *b, uint64_t count)
{
    static struct payload large;
    static char text[9000];
    for (uint64_t n = 0; n < count; n++) {
        if (n % 7 != 3) {
            put(b, 0, FAPILOG_LEVEL_INFO, n);
            continue;
        }
        payload_init(&large);
        payload_dynamic(&large, 1, "m");
        payload_name(&large, FAPILOG_TYPE_STRING, FAPILOG_ROLE_DATA, "t");
        payload_text(&large, text, sizeof text);
        builder_put_large(b, 0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &large, 4096 - 48 - 16);
    }
}

static void what_is_overwritten_between_two_collectors_is_counted(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .mode = FAPILOG_MODE_OVERWRITE });
    const uint64_t puts[] = { 10, 3000, 5, 700, 1 };
    uint64_t records = 0, lost = 0, put_so_far = 0;
    assert_int_equal(attach(p, 0), 0);
    for (unsigned i = 0; i < sizeof puts / sizeof *puts; i++) {
        put_many(b, puts[i]);
        put_so_far += puts[i];
        take_and_count(p, &records, &lost);
        assert_int_equal(records + lost, put_so_far);
        commit(p);
        assert_int_equal(builder_slot(b, 0)->lost, lost);
        restart(p, NULL, 0);
    }
    assert_true(lost > 2000);
}

/* The first record that is whole waits for those of another thread, and so does what was lost in front of it: else
 * it would be told in a batch that does not reach so far, and once more by the next collector. */
static void a_loss_in_front_of_a_record_is_told_with_it(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .mode = FAPILOG_MODE_OVERWRITE, .lanes = 2,
                                                                   .cap_log2 = 16 });
    uint64_t records = 0, lost = 0;
    p->settings.lane_budget_bytes = 4096;
    for (uint64_t n = 0; n < 500; n++)
        put(b, 1, FAPILOG_LEVEL_INFO, n);
    put_many(b, 3000);
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    (void)take_some(p, UINT_MAX, &records, &lost);
    assert_true(p->drain.has_more);
    assert_in_range(records, 10, 499);
    assert_int_equal(lost, 0);
    commit(p);
    restart(p, NULL, 0);
    take_and_count(p, &records, &lost);
    assert_int_equal(records + lost, 3500);
}

/* A batch that was read before a report was made: the report is still to come. */
static void a_loss_that_was_not_told_before_a_kill_is_told_after_it(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .mode = FAPILOG_MODE_OVERWRITE });
    uint64_t records = 1, lost = 0;
    put_many(b, 3000);
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    assert_false(drain_peek(&p->drain)->internal);
    (void)drain_accept(&p->drain);
    commit(p);
    restart(p, NULL, 0);
    take_and_count(p, &records, &lost);
    assert_int_equal(records + lost, 3000);
}

/* A record that ends where its block does; 0: there is no room for one. */
static uint64_t put_to_end_of_block(struct segment_builder *b)
{
    static const char text[4096];
    static struct payload payload;
    const uint32_t left = 4096 - b->lanes[0].pos % 4096;
    for (uint32_t len = 0; len < left; len++) {
        payload_init(&payload);
        payload_dynamic(&payload, 1, "m");
        payload_name(&payload, FAPILOG_TYPE_STRING, FAPILOG_ROLE_DATA, "t");
        payload_text(&payload, text, len);
        if (((payload.len + 7) & ~7u) == left) {
            builder_put(b, 0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &payload);
            return 1;
        }
    }
    return 0;
}

/* A batch with all records of a turn, and none of its reports. */
static uint64_t take_records_only(struct place *p)
{
    uint64_t records = 0;
    begin(p, DRAIN_ALL);
    for (const struct fapilog_record *r; (r = drain_peek(&p->drain)) && !r->internal; records++)
        (void)drain_accept(&p->drain);
    commit(p);
    return records;
}

/* Nothing is left in the lane that would show it: its last block has to be looked at. */
static void a_loss_that_was_not_told_is_told_though_the_lane_was_read_to_its_end(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .mode = FAPILOG_MODE_OVERWRITE, .cap_log2 = 15 });
    uint64_t records = 0, lost = 0, put_so_far = 0;
    unsigned at_block_ends = 0;
    assert_int_equal(attach(p, 0), 0);
    for (unsigned i = 0; i < 300; i++) {
        const uint64_t lost_before = lost;
        put_many(b, 26 + i % 5); /* less than a turn takes */
        put_so_far += 26 + i % 5 + (i % 2 ? put_to_end_of_block(b) : 0);
        records += take_records_only(p);
        at_block_ends += lane_tail_now(&p->segments.source[0]->lane[0]) % 4096 == 0;
        assert_true(records + lost < put_so_far);
        restart(p, NULL, 0);
        segments_probe(&p->segments, clock_mono_ns(), true); /* its process is dead; but not all is told */
        assert_int_equal(p->segments.count, 1);
        drain_set_goal(&p->drain);
        assert_false(drain_has_reached_goal(&p->drain));
        take_and_count(p, &records, &lost);
        assert_true(lost > lost_before);
        assert_int_equal(records + lost, put_so_far);
        assert_true(drain_has_reached_goal(&p->drain));
        commit(p);
        restart(p, NULL, 0);
        take_and_count(p, &records, &lost);
        assert_int_equal(records + lost, put_so_far);
    }
    assert_in_range(at_block_ends, 20, 150);
    segments_probe(&p->segments, clock_mono_ns(), true);
    assert_int_equal(p->segments.count, 0);
}

/* What the block says is taken for what it is: bytes that others can write to. */
static void a_last_block_that_lies_makes_up_no_loss(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .mode = FAPILOG_MODE_OVERWRITE });
    uint64_t records = 0, lost = 0;
    put_many(b, 3);
    assert_int_equal(attach(p, 0), 0);
    assert_int_equal(take_records_only(p), 3);
    struct fapilog_block *const first = (void *)builder_at(b, 0, 0);
    const uint64_t seq[] = { UINT64_MAX, UINT64_C(1) << 40, 100000 };
    for (unsigned i = 0; i < 3; i++) {
        first->seq = seq[i];
        restart(p, NULL, 0);
        take_and_count(p, &records, &lost);
        assert_int_equal(records + lost, 0);
    }
    first->pos = 8;
    restart(p, NULL, 0);
    take_and_count(p, &records, &lost);
    assert_int_equal(records + lost, 0);
}

static struct position close_batch(struct place *p)
{
    assert_int_equal(drain_checkpoint(&p->drain, &p->checkpoint, NULL), 0);
    assert_int_equal(p->checkpoint.count, 1);
    p->checkpoint.count = 0;
    p->checkpoint.item[0].source->refs--;
    return p->checkpoint.position[0];
}

/* Two batches are open when a collector dies, the first one closed after some records of a turn. */
static void check_open_batches(struct place *p, struct segment_builder *b, unsigned round)
{
    struct position position[2];
    const struct drain_fence fence[] = { { &position[0], 1 }, { &position[1], 1 } };
    const uint64_t puts = 200 + round % 11, puts_while_dead = round % 3 * 40;
    uint64_t records = 0, lost = 0, told[3];
    put_many(b, puts);
    begin(p, DRAIN_ALL);
    const bool is_paused = take_some(p, 1 + round % 3, &records, &lost);
    told[0] = records + lost;
    position[0] = close_batch(p);
    if (is_paused)
        (void)take_some(p, UINT_MAX, &records, &lost);
    take_and_count(p, &records, &lost);
    told[1] = records + lost - told[0];
    position[1] = close_batch(p);
    assert_int_equal(records + lost, puts);
    put_many(b, puts_while_dead);
    told[2] = puts_while_dead;
    restart(p, fence, 2);
    for (unsigned i = 0; i < 3; i++) {
        records = lost = 0;
        take_and_count(p, &records, &lost);
        assert_int_equal(records + lost, told[i]);
        commit(p);
    }
    restart(p, NULL, 0);
}

/* Who has had the first batch, or both, must not be told of its records again, and the others hear of each one. */
static void what_is_overwritten_of_an_open_batch_is_told_with_that_batch(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .mode = FAPILOG_MODE_OVERWRITE, .cap_log2 = 15 });
    assert_int_equal(attach(p, 0), 0);
    for (unsigned i = 0; i < 60; i++)
        check_open_batches(p, b, i);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_overwritten_between_two_collectors_is_counted),
        T(a_loss_in_front_of_a_record_is_told_with_it),
        T(a_loss_that_was_not_told_before_a_kill_is_told_after_it),
        T(a_loss_that_was_not_told_is_told_though_the_lane_was_read_to_its_end),
        T(a_last_block_that_lies_makes_up_no_loss),
        T(what_is_overwritten_of_an_open_batch_is_told_with_that_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
