#include "collector/config/settings.h"
#include "collector/delivery/batch.h"
#include "collector/delivery/raw.h"
#include "collector/ingest/fill.h"
#include "collector/ingest/walk.h"
#include "lib/ring/anchor.h"
#include "tests/unit/ingest-fixture.h"

#include <pthread.h>
#include <sys/mman.h>

static void lanes_and_segments_are_merged_by_time(void **state)
{
    struct place *p = *state;
    struct segment_builder *a = make(p, &(struct builder_options){ .lanes = 2 });
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    for (uint64_t n = 0; n < 90; n++) {
        a->cycles = b->cycles = 1000000000 + n * 1000;
        put(n % 3 == 2 ? b : a, n % 3 == 1, FAPILOG_LEVEL_INFO, n);
    }
    assert_int_equal(attach(p, 0), 0);
    assert_int_equal(attach(p, 1), 0);
    uint64_t got[100];
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 100), 90);
    for (uint64_t n = 0; n < 90; n++)
        assert_int_equal(got[n], n);
}

static unsigned take_turns(struct place *p, uint64_t *ret, unsigned room)
{
    unsigned all = 0;
    do {
        begin(p, DRAIN_ALL);
        all += take(p, ret + all, room - all);
    } while (p->drain.has_more);
    return all;
}

/* As a configuration would. */
static void option(struct place *p, const char *name, const char *value)
{
    struct settings all = {.ingest = p->settings};
    CHECK(opt_set(opt_find(settings_opts, name), &all, value, NULL) == 0);
    p->settings = all.ingest;
}

/* effect: settings.lane_budget */
static void order_holds_where_a_budget_ends(void **state)
{
    struct place *p = *state;
    option(p, "lane_budget", "4096");
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 2, .cap_log2 = 18 });
    for (uint64_t n = 0; n < 2000; n++)
        put(b, n == 1500, FAPILOG_LEVEL_INFO, n);
    put(b, 1, FAPILOG_LEVEL_INFO, 2000);
    assert_int_equal(attach(p, 0), 0);
    static uint64_t got[2100];
    begin(p, DRAIN_ALL);
    const unsigned first = take(p, got, 2100);
    assert_true(first > 10 && first < 120);
    assert_true(p->drain.has_more);
    assert_int_equal(first + take_turns(p, got + first, 2100 - first), 2001);
    for (uint64_t n = 0; n < 2001; n++)
        assert_int_equal(got[n], n);
}

static void a_turn_takes_a_quarter_of_a_lane_at_most(void **state)
{
    struct place *p = *state;
    static uint64_t got[2100];
    option(p, "lane_budget", "1MB");
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 18 });
    for (uint64_t n = 0; n < 2000; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    const unsigned first = take(p, got, 2100);
    assert_in_range(p->drain.bytes, (1 << 16) - 200, (1 << 16) + 200);
    assert_true(first < 2000);
    commit(p);
    assert_int_equal(first + take_turns(p, got + first, 2100 - first), 2000);
}

static void C_23_a_turn_takes_more_under_pressure(void **state)
{
    struct place *p = *state;
    unsigned taken[2];
    static uint64_t got[2100];
    option(p, "lane_budget", "4096");
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 18 });
    for (uint64_t n = 0; n < 2000; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    assert_int_equal(attach(p, 0), 0);
    for (int i = 0; i < 2; i++) {
        p->drain.budget_scale = i ? 4 : 1;
        begin(p, DRAIN_ALL);
        taken[i] = take(p, got, 2100);
        commit(p);
    }
    assert_in_range(taken[1], 4 * taken[0] - 4, 4 * taken[0] + 4);
}

static void a_busy_lane_with_false_times_holds_up_nobody(void **state)
{
    struct place *p = *state;
    p->settings.lane_budget_bytes = 4096;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 2, .cap_log2 = 18 });
    b->cycles += 1000000;
    put(b, 1, FAPILOG_LEVEL_INFO, 4999);
    assert_int_equal(attach(p, 0), 0);
    static uint64_t got[2100];
    assert_int_equal(take_turns(p, got, 2100), 1);
    b->cycles -= 1000000;
    for (uint64_t n = 0; n < 100; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    b->cycles += 1000000;
    put(b, 1, FAPILOG_LEVEL_INFO, 5000);
    begin(p, DRAIN_ALL);
    const unsigned first = take(p, got, 2100);
    assert_true(first > 10 && first < 99);
    assert_int_equal(got[first - 1], 5000);
    assert_int_equal(first + take_turns(p, got + first, 2100 - first), 101);
}

static void stamp_now(struct segment_builder *b)
{
    b->sb->t0_cycles = b->cycles = clock_mono_ns();
    b->sb->t0_real_ns = clock_real_ns();
    b->sb->counter_hz = NS_PER_S;
    builder_seal(b);
}

/* effect: settings.merge_window */
static void young_records_wait_for_those_of_other_threads(void **state)
{
    struct place *p = *state;
    option(p, "merge_window", "200ms");
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 2 });
    stamp_now(b);
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    assert_int_equal(attach(p, 0), 0);
    uint64_t got[4];
    begin(p, 0);
    assert_int_equal(take(p, got, 4), 0);
    assert_true(p->drain.held_ns != INT64_MAX);
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 4), 1);
}

static void records_from_before_the_clock_was_set_back_do_not_wait_for_it(void **state)
{
    struct place *p = *state;
    option(p, "merge_window", "200ms");
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 2 });
    stamp_now(b);
    b->sb->t0_real_ns += 3600 * NS_PER_S;
    builder_seal(b);
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    assert_int_equal(attach(p, 0), 0);
    uint64_t got[4];
    begin(p, 0);
    assert_int_equal(take(p, got, 4), 1);
    assert_true(p->drain.held_ns == INT64_MAX);
}

static uint64_t fill_to(struct segment_builder *b, uint64_t end)
{
    uint64_t n = 0;
    for (; builder_lane(b, 0)->tail < end; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    return n;
}

static void a_lane_that_fills_faster_does_not_wait_for_others(void **state)
{
    struct place *p = *state;
    const uint64_t now = clock_mono_ns(), window = 100 * NS_PER_S, half = 1 << 17, block = 1 << 15;
    static uint64_t got[8000];
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 18, .block_log2 = 15 });
    stamp_now(b);
    p->settings.lane_budget_bytes = 1 << 20;
    p->settings.merge_window_ns = window;
    assert_int_equal(attach(p, 0), 0);
    uint64_t n = fill_to(b, half - block - 200);
    assert_int_equal(drain_begin(&p->drain, now, 0, NULL), 0);
    assert_int_equal(take(p, got, 8000), 0); /* not half full yet */
    n += fill_to(b, half - block + 200);
    assert_int_equal(drain_begin(&p->drain, now, 0, NULL), 0);
    uint64_t taken = take(p, got, 8000); /* its writer may have had no room for a whole block */
    assert_in_range(taken, n / 2, n - 1);
    commit(p);
    n += fill_to(b, half - block + 1000);
    assert_int_equal(drain_begin(&p->drain, now + window - 1, 0, NULL), 0);
    taken += take(p, got, 8000); /* little by now, but for how long? */
    assert_int_equal(taken, n);
    commit(p);
    put(b, 0, FAPILOG_LEVEL_INFO, 0);
    assert_int_equal(drain_begin(&p->drain, now + window, 0, NULL), 0);
    assert_int_equal(take(p, got, 8000), 0); /* it has not come again */
    assert_true(p->drain.held_ns != INT64_MAX);
}

static void what_waits_by_now_is_told_for_the_fullest_lane(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 2 });
    uint64_t got[100];
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    put(b, 1, FAPILOG_LEVEL_INFO, 2);
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 100), 2);
    assert_int_equal(drain_waiting(&p->drain), 0);
    const uint64_t before = builder_lane(b, 1)->tail;
    put(b, 0, FAPILOG_LEVEL_INFO, 3);
    put(b, 1, FAPILOG_LEVEL_INFO, 4);
    put(b, 1, FAPILOG_LEVEL_INFO, 5);
    assert_int_equal(drain_waiting(&p->drain), builder_lane(b, 1)->tail - before);
}

static void accepted_records_become_positions_and_space(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    for (uint64_t n = 0; n < 200; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    for (int i = 0; i < 100; i++) {
        assert_non_null(drain_peek(&p->drain));
        (void)drain_accept(&p->drain);
    }
    const struct fapilog_lane_slot *slot = builder_slot(b, 0);
    assert_int_equal(slot->done, 0); /* nothing before the batch is committed */
    commit(p);
    assert_int_equal(slot->delivered, 100);
    assert_true(slot->done > 0 && slot->done < builder_lane(b, 0)->tail);
    assert_int_equal(slot->head, slot->done & ~UINT64_C(4095));
    uint64_t got[200];
    assert_int_equal(take(p, got, 200), 100);
    commit(p);
    assert_int_equal(slot->delivered, 200);
    assert_int_equal(slot->done, builder_lane(b, 0)->tail);
    segments_probe(&p->segments, clock_mono_ns(), true);
    assert_int_equal(p->segments.count, 0); /* its process is gone and all is delivered */
}

static void context_after_the_last_record_is_passed_too(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    static struct payload context;
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    payload_init(&context);
    payload_dynamic(&context, 0, "");
    builder_context(b, 0, 1, &context);
    assert_int_equal(attach(p, 0), 0);
    uint64_t got[4];
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 4), 1);
    commit(p);
    assert_int_equal(builder_slot(b, 0)->done, builder_lane(b, 0)->tail);
}

static void drops_become_one_report_per_lane(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 2 });
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    builder_lane(b, 0)->dropped = 7;
    builder_lane(b, 1)->dropped = 5;
    b->sb->orphan_dropped = 3;
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    uint64_t counts = 0, reports = 0;
    const struct fapilog_record *r;
    while ((r = drain_peek(&p->drain))) {
        if (r->internal) {
            assert_int_equal(r->level, FAPILOG_LEVEL_WARNING);
            counts += r->fields[0].v.u64;
            reports++;
        }
        (void)drain_accept(&p->drain);
    }
    assert_int_equal(reports, 3);
    assert_int_equal(counts, 15);
    assert_int_equal(builder_slot(b, 0)->dropped_seen, 0);
    commit(p);
    assert_int_equal(builder_slot(b, 0)->dropped_seen, 7);
    assert_int_equal(builder_slot(b, 1)->dropped_seen, 5);
    assert_int_equal(p->segments.stats.dropped, 12);
    assert_int_equal(p->segments.stats.orphaned, 3);
    uint64_t got[4];
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 4), 0);
}

static void a_restart_redoes_what_was_committed_and_no_more(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 2 });
    for (uint64_t n = 0; n < 10; n++)
        put(b, n % 2, FAPILOG_LEVEL_INFO, n);
    struct position redo[] = {
        { .uuid_hi = b->sb->uuid_hi, .uuid_lo = b->sb->uuid_lo, .lane = 0,
          .done = builder_lane(b, 0)->tail, .delivered = 5 },
        { .uuid_hi = b->sb->uuid_hi + 1, .uuid_lo = b->sb->uuid_lo, .lane = 1, .done = 8 },
        { .uuid_hi = b->sb->uuid_hi, .uuid_lo = b->sb->uuid_lo, .lane = 77, .done = 8 },
    };
    p->segments.redo = redo;
    p->segments.redo_count = 3;
    assert_int_equal(attach(p, 0), 0);
    assert_int_equal(builder_slot(b, 0)->delivered, 5);
    uint64_t got[10];
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 10), 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(got[i], 2 * i + 1);
}

static void what_was_committed_of_a_refused_segment_is_kept_in_its_ctl(void **state)
{
    struct place *p = *state;
    (void)make(p, &(struct builder_options){ .lanes = 1 });
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    for (uint64_t n = 0; n < 5; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    struct position redo = { .uuid_hi = b->sb->uuid_hi, .uuid_lo = b->sb->uuid_lo, .lane = 0,
                                   .done = builder_lane(b, 0)->tail, .delivered = 5 };
    p->segments.redo = &redo;
    p->segments.redo_count = 1;
    p->settings.segments_max = 1;
    assert_int_equal(attach(p, 0), 0);
    assert_int_equal(attach(p, 1), -EDQUOT);
    p->segments.redo = NULL; /* another collector, whose slot has forgotten it */
    p->segments.redo_count = 0;
    p->settings.segments_max = 2;
    assert_int_equal(attach(p, 1), 0);
    uint64_t got[10];
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 10), 0);
}

static void an_impossible_position_in_ctl_is_refused(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    builder_slot(b, 0)->done = 1 << 20;
    assert_int_equal(attach(p, 0), -EBADMSG);
    builder_slot(b, 0)->done = 3;
    assert_int_equal(attach(p, 0), -EBADMSG);
    assert_int_equal(p->segments.stats.refused, 2);
}

static void a_lying_tail_quarantines_its_segment_only(void **state)
{
    struct place *p = *state;
    struct segment_builder *a = make(p, &(struct builder_options){ .lanes = 1 });
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    put(a, 0, FAPILOG_LEVEL_INFO, 1);
    put(b, 0, FAPILOG_LEVEL_INFO, 2);
    builder_lane(a, 0)->tail = UINT64_C(1) << 40;
    assert_int_equal(attach(p, 0), 0);
    assert_int_equal(attach(p, 1), 0);
    uint64_t got[4];
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 4), 1);
    assert_int_equal(got[0], 2);
    assert_int_equal(p->segments.stats.quarantined, 1);
    commit(p);
    segments_probe(&p->segments, clock_mono_ns(), true);
    assert_int_equal(p->segments.count, 0);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/0.bad", p->dir);
    assert_int_equal(access(path, F_OK), 0);
}

/* What is put aside is no more than a lane can hold, and no less than nothing. */
static void what_a_lying_tail_puts_aside_is_bounded(void **state)
{
    struct place *p = *state;
    uint64_t got[4];
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 2 });
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 4), 1);
    commit(p);
    builder_lane(b, 0)->tail = 0;
    builder_lane(b, 1)->tail = UINT64_C(1) << 40;
    assert_int_equal(segments_pending_bytes(&p->segments), UINT64_C(1) << 14);
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 4), 0);
    assert_int_equal(p->segments.stats.quarantined, 1);
    assert_int_equal(p->segments.stats.lost_in_quarantine, UINT64_C(1) << 14);
}

/* Positions do not wrap: a lane that says so would be walked round and round. */
static void a_lane_at_the_end_of_all_positions_is_not_walked(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    builder_slot(b, 0)->done = -(UINT64_C(1) << 12);
    builder_lane(b, 0)->tail = UINT64_MAX - 7;
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    begin(p, DRAIN_ALL);
    assert_int_equal(p->segments.stats.quarantined, 1);
}

static void damage_in_three_turns_quarantines(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    assert_int_equal(attach(p, 0), 0);
    uint64_t got[8];
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(p->segments.stats.quarantined, 0);
        const uint64_t at = b->lanes[0].pos;
        put(b, 0, FAPILOG_LEVEL_INFO, 1);
        uint64_t word0 = FAPILOG_WORD0(4, 9, 1, 0, 0); /* a kind that does not exist */
        memcpy(builder_at(b, 0, at ? at : sizeof(struct fapilog_block)), &word0, sizeof word0);
        begin(p, DRAIN_ALL);
        (void)take(p, got, 8);
    }
    assert_int_equal(p->segments.stats.quarantined, 1);
    assert_non_null(strstr(p->said, "three turns"));
}

static void quotas_refuse_and_count(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < 3; i++)
        (void)make(p, &(struct builder_options){ .lanes = 4 });
    p->settings.segments_max = 1;
    assert_int_equal(attach(p, 0), 0);
    assert_int_equal(attach(p, 1), -EDQUOT);
    p->settings.segments_max = 10;
    p->settings.lanes_max = 7;
    assert_int_equal(attach(p, 1), -EDQUOT);
    p->settings.lanes_max = 8;
    p->settings.bytes_max = p->builder[0].bytes;
    assert_int_equal(attach(p, 1), -EDQUOT);
    p->settings.bytes_max = 1 << 30;
    assert_int_equal(attach(p, 1), 0);
    assert_int_equal(attach(p, 1), 0); /* again: known */
    assert_int_equal(p->segments.count, 2);
    assert_int_equal(p->segments.stats.refused, 3);
}

/* Walking by headers passes exactly what decoding passes. */
static void spans_cover_what_decoding_delivers(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 17 });
    static struct payload large;
    payload_init(&large);
    payload_dynamic(&large, 0, "large");
    static char fill[9000];
    payload_put(&large, fill, sizeof fill, 1);
    for (uint64_t n = 0; n < 300; n++) {
        put(b, 0, FAPILOG_LEVEL_INFO, n);
        if (n % 60 == 59)
            builder_put_large(b, 0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0, &large, 1000);
    }
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    p->settings.lane_budget_bytes = 5000;
    uint64_t all = 0, records, bytes = 0;
    do {
        begin(p, DRAIN_ALL);
        uint64_t taken;
        while ((taken = drain_take_span(&p->drain, 3000, &records))) {
            all += records;
            bytes += taken;
        }
        commit(p);
    } while (p->drain.has_more);
    assert_int_equal(all, 305);
    assert_int_equal(bytes, builder_lane(b, 0)->tail);
    assert_int_equal(builder_slot(b, 0)->delivered, 305);
}

static void spans_keep_to_what_is_asked_for(void **state)
{
    enum { EVENTS = 1000, ASKED = 1000 };
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 17 });
    uint64_t all = 0, spans = 0, records, taken;
    for (uint64_t n = 0; n < EVENTS; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    do {
        begin(p, DRAIN_ALL);
        while ((taken = drain_take_span(&p->drain, ASKED, &records))) {
            assert_true(taken <= ASKED);
            all += records;
            spans++;
        }
        commit(p);
    } while (p->drain.has_more);
    assert_int_equal(all, EVENTS);
    assert_true(spans <= builder_lane(b, 0)->tail / (ASKED / 2) + 1); /* and do not waste it */
}

/* A lane that ends with a block: where the next one will be there may be no memory, and on a full tmpfs there will
 * be none. */
static void spans_leave_alone_what_lies_behind_the_tail(void **state)
{
    (void)state;
    const uint64_t block = UINT64_C(1) << 16;
    void *data = mmap(NULL, 2 * block, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(data != MAP_FAILED);
    struct segment_lane lane = { .cap_log2 = 17, .block_log2 = 16 };
    struct segment segment = { .base = data, .lanes = &lane, .lanes_count = 1 };
    struct source source = { .seg = &segment };
    const struct lane l = { .source = &source, .taken = block, .tail = block };
    struct walk w;
    walk_lane(&l, 1000, &w);
    assert_int_equal(w.to, block);
    assert_int_equal(w.records, 0);
    assert_int_equal(munmap(data, 2 * block), 0);
}

/* What a sink of raw spans gets of a batch: bytes of the lane, one entry each, and the records in them. */
struct raw_share {
    uint64_t records, from, bytes;
    uint32_t spans;
    uint8_t has[1 << 16]; /* by position in the ring: who wrote what is there, 0: it is in no span */
};

static void take_raw(struct batch *batch, const struct outputs *outputs, struct raw_share *ret)
{
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    batch_begin(batch, outputs, 1);
    assert_int_equal(raw_collect(batch, outputs, NULL, &e), 0);
    for (uint32_t i = 0; i < outputs->count; i++) {
        struct raw_share *all = &ret[i];
        memset(all, 0, sizeof *all);
        all->spans = batch->span_first[i + 1] - batch->span_first[i];
        for (uint32_t k = batch->span_first[i]; k < batch->span_first[i + 1]; k++) {
            const struct sink_span *span = &batch->span[k];
            const uint64_t at = span->position % sizeof all->has;
            assert_true(span->position >= all->from); /* in order */
            assert_true(at + span->len <= sizeof all->has);
            all->from = span->position + span->len;
            all->bytes += span->len;
            all->records += span->records;
            memset(all->has + at, (int)span->generation, span->len);
        }
        assert_int_equal(all->records, batch->span_records[i]);
        assert_int_equal(all->bytes, batch->span_bytes[i]);
    }
    batch_end(batch, &buffers);
}

/* Raw outputs take runs that were walked as they are; to walk them again gives the same. */
static void noted_runs_are_what_walking_them_gives(void **state)
{
    struct place *p = *state;
    static struct raw_share noted[2], walked[2];
    static struct payload large;
    static char fill[3000];
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    uint64_t all = 0, wanted = 0, records;
    const struct outputs outputs = {
        .count = 2, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX },
                                { .kind = OUTPUT_RAW, .level_mask = UINT32_C(1) << FAPILOG_LEVEL_ERROR } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 16 });
    payload_init(&large);
    payload_dynamic(&large, 0, "large");
    payload_put(&large, fill, sizeof fill, 1);
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    p->settings.lane_budget_bytes = 3000;
    for (unsigned round = 0; round < 40; round++) { /* some ten times around the lane */
        const uint8_t level = round % 4 == 1 ? FAPILOG_LEVEL_ERROR : FAPILOG_LEVEL_INFO;
        for (uint64_t n = 0; n < 300; n++) {
            put(b, 0, n == 150 && round % 4 == 2 ? FAPILOG_LEVEL_ERROR : level, n);
            if (n == 150 && round % 8 == 5) /* the next thread of the lane; a span is of one */
                builder_reclaim(b, 0, 77, "another");
        }
        if (round % 2) /* in the midst of what is wanted, and of what is not */
            builder_put_large(b, 0, FAPILOG_KIND_DYNAMIC, round % 4 == 3 ? FAPILOG_LEVEL_ERROR : FAPILOG_LEVEL_INFO, 0,
                              0, &large, 1000);
        uint64_t taken = 0;
        do {
            begin(p, DRAIN_ALL);
            while (drain_take_span(&p->drain, 2000, &records))
                taken += records;
        } while (p->drain.has_more);
        assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
        struct lane_reader *reader = p->segments.source[0]->lane[0].reader;
        assert_true(reader->runs_count > 0 && reader->run[0].from >= batch.checkpoint.item[0].from);
        take_raw(&batch, &outputs, noted);
        const uint32_t runs = reader->runs_count;
        reader->runs_count = 0;
        take_raw(&batch, &outputs, walked);
        reader->runs_count = runs;
        release_checkpoint(&batch.checkpoint);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(noted[i].records, walked[i].records);
            assert_memory_equal(noted[i].has, walked[i].has, sizeof noted[i].has);
        }
        assert_int_equal(noted[0].records, taken);
        all += noted[0].records;
        wanted += noted[1].records;
    }
    assert_int_equal(all, 40 * 300 + 20);
    assert_int_equal(wanted, 10 * 300 + 10 + 10);
    batch_done(&batch, &buffers);
}

/* The level of a chain stands at the start of its payload: one without payload has none, and says nothing of what lies
 * behind it. At the end of the last lane nothing does. */
static void a_fragment_without_payload_takes_no_level_from_what_lies_behind_it(void **state)
{
    struct place *p = *state;
    static struct raw_share got[2];
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    uint64_t records;
    const uint64_t error = FAPILOG_WORD0(0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_ERROR, 0, 0);
    const struct outputs outputs = {
        .count = 2, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_C(1) << FAPILOG_LEVEL_INFO },
                                { .kind = OUTPUT_RAW, .level_mask = UINT32_C(1) << FAPILOG_LEVEL_ERROR } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 16 });
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    builder_put(b, 0, FAPILOG_KIND_FRAGMENT, FAPILOG_LEVEL_INFO, 0, 3, NULL); /* the first and the last */
    memcpy(builder_at(b, 0, b->lanes[0].pos), &error, sizeof error);
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    begin(p, DRAIN_ALL);
    while (drain_take_span(&p->drain, 4096, &records))
        ;
    assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
    take_raw(&batch, &outputs, got);
    release_checkpoint(&batch.checkpoint);
    assert_int_equal(got[0].records, 1);
    assert_int_equal(got[1].records, 0);
    batch_done(&batch, &buffers);
}

struct vandal {
    struct segment_builder *b;
    uint32_t stop;
};

static void *vandalise(void *arg)
{
    struct vandal *v = arg;
    unsigned seed = 5;
    while (!load_acq(&v->stop)) {
        const size_t at = 4096 + (size_t)rand_r(&seed) % (v->b->bytes - 4096);
        v->b->base[at] = (uint8_t)rand_r(&seed);
    }
    return NULL;
}

/* Spans of a batch of raw records, which lie in the ring or in copies of it whatever is there. */
static void take_what_changes(struct place *p)
{
    static volatile uint64_t sum; /* keeps the reads */
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    const struct outputs outputs = {
        .count = 2, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX },
                                { .kind = OUTPUT_RAW, .level_mask = UINT32_C(1) << FAPILOG_LEVEL_INFO } } };
    assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
    batch_begin(&batch, &outputs, 1);
    assert_int_equal(raw_collect(&batch, &outputs, NULL, &e), 0);
    for (uint32_t i = 0; i < batch.spans_count; i++) {
        const struct sink_span *span = &batch.span[i];
        const struct segment *seg = p->segments.source[0]->seg;
        const char *const base = (const char *)seg->base, *const from = span->data - span->before;
        assert_true(seg->sb.uuid_lo == span->super->uuid_lo && span->registry_tail <= seg->sb.registry_size);
        const struct segment_lane *lane = &seg->lanes[span->lane];
        if (from >= base && from < base + seg->bytes) {
            assert_true(from >= base + lane->data_off);
            assert_true(span->data + span->len <= base + lane->data_off + (UINT64_C(1) << lane->cap_log2));
        }
        for (const char *at = from; at < span->data + span->len; at++)
            sum += (uint8_t)*at;
    }
    drain_release_copies(&batch.checkpoint);
    release_checkpoint(&batch.checkpoint);
    batch_end(&batch, &buffers);
    batch_done(&batch, &buffers);
}

/* A producer that writes anything anywhere while it is read: no crash, no endless turn. */
static void bytes_that_change_while_they_are_read_do_no_harm(void **state)
{
    struct place *p = *state;
    p->settings.merge_window_ns = 0;
    const uint64_t end_ns = clock_mono_ns() + 1500 * NS_PER_MS;
    for (unsigned round = 0; clock_mono_ns() < end_ns; round++) {
        char path[128];
        struct segment_builder b;
        (void)snprintf(path, sizeof path, "%s/v%u.ring", p->dir, round);
        const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        (void)builder_sample(&b, fd);
        struct vandal v = { .b = &b };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, vandalise, &v), 0);
        p->drain.is_raw_only = round % 3 == 2;
        (void)segments_attach(&p->segments, strrchr(path, '/') + 1);
        for (int turn = 0; turn < 20; turn++) {
            begin(p, turn % 2 ? DRAIN_ALL : 0);
            uint64_t records;
            if (p->drain.is_raw_only) {
                while (drain_take_span(&p->drain, 1000, &records))
                    ;
                take_what_changes(p);
                continue;
            }
            while (drain_peek(&p->drain))
                (void)drain_accept(&p->drain);
            commit(p);
        }
        store_rel(&v.stop, 1u);
        (void)pthread_join(thread, NULL);
        for (uint32_t i = 0; i < p->segments.count; i++)
            segments_quarantine(&p->segments, p->segments.source[i], "end of the round");
        segments_probe(&p->segments, clock_mono_ns(), true);
        assert_int_equal(p->segments.count, 0);
        builder_done(&b);
        (void)close(fd);
        (void)unlink(path);
    }
}

/* What is in use of what records below ERROR may use. */
static double share(struct place *p, struct segment_builder *b)
{
    const struct lane *l = &p->segments.source[0]->lane[0];
    const double cap = (double)(UINT64_C(1) << l->source->seg->lanes[0].cap_log2);
    return (double)(lane_tail_now(l) - l->done) / (cap - builder_lane(b, 0)->headroom);
}

static void the_fill_of_a_lane_is_what_its_thread_finds_in_use(void **state)
{
    struct place *p = *state;
    uint64_t got[200];
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    builder_lane(b, 0)->headroom = 1024;
    assert_int_equal(attach(p, 0), 0);
    for (uint64_t n = 0; n < 100; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    begin(p, DRAIN_ALL);
    const double full = share(p, b);
    assert_true(full > 0.01 && full < 1);
    assert_int_equal(take(p, got, 200), 100);
    assert_true(fill_take(&p->drain) == full);
    assert_true(fill_take(&p->drain) == 0); /* of the time since */
    begin(p, DRAIN_ALL);
    assert_true(fill_take(&p->drain) == full); /* taken, and not delivered */
    put(b, 0, FAPILOG_LEVEL_INFO, 100);
    assert_true(fill_take(&p->drain) > full); /* the turn is not over */
    assert_int_equal(take(p, got, 200), 0);
    commit(p);
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 200), 1);
    commit(p);
    (void)fill_take(&p->drain);
    begin(p, DRAIN_ALL);
    assert_true(fill_take(&p->drain) == 0);
    assert_int_equal(take(p, got, 200), 0);
}

static void producers_find_the_anchor_of_the_last_turn(void **state)
{
    struct place *p = *state;
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    assert_int_equal(attach(p, 0), 0);
    const struct fapilog_ctl *ctl = p->segments.source[0]->seg->ctl;
    uint64_t cycles, real_ns;
    assert_false(anchor_peek(ctl, &cycles, &real_ns));
    const uint64_t before = clock_mono_ns(), real_before = clock_real_ns();
    begin(p, DRAIN_ALL);
    assert_true(anchor_peek(ctl, &cycles, &real_ns));
    assert_in_range(cycles, before, clock_mono_ns()); /* the counter of this segment is CLOCK_MONOTONIC */
    assert_in_range(real_ns, real_before, clock_real_ns());
}

static void what_a_dead_process_left_is_no_pressure(void **state)
{
    struct place *p = *state;
    uint64_t got[10];
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    assert_int_equal(attach(p, 0), 0);
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    p->segments.source[0]->state = SOURCE_ENDED;
    begin(p, DRAIN_ALL);
    assert_true(fill_take(&p->drain) == 0);
    assert_int_equal(take(p, got, 10), 1);
    commit(p);
}

static void a_head_room_that_cannot_be_is_not_believed(void **state)
{
    struct place *p = *state;
    uint64_t got[10];
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1 });
    assert_int_equal(attach(p, 0), 0);
    builder_lane(b, 0)->headroom = UINT32_MAX;
    put(b, 0, FAPILOG_LEVEL_INFO, 1);
    begin(p, DRAIN_ALL);
    const double fill = fill_take(&p->drain);
    assert_true(fill > 0 && fill < 0.1);
    assert_int_equal(take(p, got, 10), 1);
    commit(p);
}

/* The lane is written over between being read and being copied for sinks that want spans: they have what others
 * have. */
static void raw_outputs_have_what_was_read_of_an_overwriting_lane(void **state)
{
    enum { BEFORE = 100, LOG2 = 14, BYTES = 1 << LOG2 };
    struct place *p = *state;
    static uint64_t got[1000];
    static uint8_t were[BYTES];
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    uint64_t from = 0;
    const struct outputs outputs = { .count = 2, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX },
                                                             { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = LOG2,
                                                                   .mode = FAPILOG_MODE_OVERWRITE });
    assert_int_equal(attach(p, 0), 0);
    for (unsigned round = 0; round < 2; round++) { /* the second one begins inside a block */
        for (uint64_t n = 0; n < BEFORE; n++)
            put(b, 0, FAPILOG_LEVEL_INFO, n);
        begin(p, DRAIN_ALL);
        assert_int_equal(take(p, got, 1000), BEFORE);
        batch_begin(&batch, &outputs, 1);
        assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
        memcpy(were, builder_at(b, 0, 0), BYTES);
        const uint64_t intent = builder_lane(b, 0)->intent;
        builder_lane(b, 0)->intent += UINT64_C(1) << 20; /* more than the lane holds */
        memset(builder_at(b, 0, 0), 0xff, BYTES);
        assert_int_equal(raw_collect(&batch, &outputs, NULL, &e), 0);
        drain_release_copies(&batch.checkpoint);
        const struct lane_cursor *c = &p->segments.source[0]->lane[0].reader->cursor;
        assert_null(lane_copies_next(c, lane_copies_first(c)));
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(batch.span_records[i], BEFORE);
            assert_int_equal(batch.span_bytes[i], batch.checkpoint.position[0].done - from);
        }
        for (uint32_t k = 0; k < batch.spans_count; k++) {
            assert_int_equal(batch.span[k].generation, 1);
            assert_memory_equal(batch.span[k].data, were + batch.span[k].position % BYTES, batch.span[k].len);
        }
        memcpy(builder_at(b, 0, 0), were, BYTES);
        builder_lane(b, 0)->intent = intent;
        from = batch.checkpoint.position[0].done;
        release_checkpoint(&batch.checkpoint);
        batch_end(&batch, &buffers);
    }
    batch_done(&batch, &buffers);
}

/* The cursor has copied all of a block, read one record of it, and then finds itself a lap behind. */
static void what_counts_as_lost_is_in_no_raw_output(void **state)
{
    enum { CAP = 1 << 14 };
    struct place *p = *state;
    static uint64_t got[1000];
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    const struct outputs outputs = { .count = 1, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 14,
                                                                   .mode = FAPILOG_MODE_OVERWRITE });
    p->settings.lane_budget_bytes = 16;
    for (uint64_t n = 0; n < 50; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    unsigned taken = take(p, got, 1000);
    assert_true(taken < 10);
    for (uint64_t n = 50; n < 5000; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    p->settings.lane_budget_bytes = UINT32_MAX;
    do {
        begin(p, DRAIN_ALL);
        taken += take(p, got, 1000);
    } while (p->drain.has_more);
    batch_begin(&batch, &outputs, 1);
    assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
    assert_int_equal(raw_collect(&batch, &outputs, NULL, &e), 0);
    const struct position *at = &batch.checkpoint.position[0];
    assert_true(at->lost > 4000);
    assert_int_equal(at->delivered + at->lost, 5000);
    assert_int_equal(batch.span_records[0], at->delivered);
    batch_end(&batch, &buffers);
    batch_done(&batch, &buffers);
}

/* What was lost before it was read is neither copied nor counted again, however many laps it was. */
static void only_what_was_read_is_copied(void **state)
{
    enum { CAP = 1 << 14 };
    struct place *p = *state;
    struct batch batch = { 0 };
    struct buffers buffers = { 0 };
    struct err e = { 0 };
    uint64_t records, taken = 0;
    const struct outputs outputs = { .count = 1, .output = { { .kind = OUTPUT_RAW, .level_mask = UINT32_MAX } } };
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 14,
                                                                   .mode = FAPILOG_MODE_OVERWRITE });
    for (uint64_t n = 0; n < 100000; n++)
        put(b, 0, FAPILOG_LEVEL_INFO, n);
    assert_int_equal(attach(p, 0), 0);
    p->drain.is_raw_only = true;
    do {
        begin(p, DRAIN_ALL);
        while (drain_take_span(&p->drain, UINT32_MAX, &records))
            taken += records;
    } while (p->drain.has_more);
    batch_begin(&batch, &outputs, 1);
    assert_int_equal(drain_checkpoint(&p->drain, &batch.checkpoint, NULL), 0);
    assert_int_equal(raw_collect(&batch, &outputs, NULL, &e), 0);
    assert_true(taken > 100 && batch.checkpoint.position[0].done - batch.checkpoint.item[0].from > 100 * CAP);
    assert_int_equal(batch.span_records[0], taken);
    assert_in_range(batch.span_bytes[0], CAP / 2, CAP);
    assert_in_range(batch.kept_bytes, CAP / 2, CAP);
    release_checkpoint(&batch.checkpoint);
    batch_end(&batch, &buffers);
    batch_done(&batch, &buffers);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(lanes_and_segments_are_merged_by_time),
        T(order_holds_where_a_budget_ends),
        T(a_turn_takes_a_quarter_of_a_lane_at_most),
        T(C_23_a_turn_takes_more_under_pressure),
        T(a_busy_lane_with_false_times_holds_up_nobody),
        T(young_records_wait_for_those_of_other_threads),
        T(records_from_before_the_clock_was_set_back_do_not_wait_for_it),
        T(a_lane_that_fills_faster_does_not_wait_for_others),
        T(what_waits_by_now_is_told_for_the_fullest_lane),
        T(accepted_records_become_positions_and_space),
        T(context_after_the_last_record_is_passed_too),
        T(drops_become_one_report_per_lane),
        T(a_restart_redoes_what_was_committed_and_no_more),
        T(what_was_committed_of_a_refused_segment_is_kept_in_its_ctl),
        T(an_impossible_position_in_ctl_is_refused),
        T(a_lying_tail_quarantines_its_segment_only),
        T(what_a_lying_tail_puts_aside_is_bounded),
        T(a_lane_at_the_end_of_all_positions_is_not_walked),
        T(damage_in_three_turns_quarantines),
        T(quotas_refuse_and_count),
        T(spans_cover_what_decoding_delivers),
        T(spans_leave_alone_what_lies_behind_the_tail),
        T(spans_keep_to_what_is_asked_for),
        T(noted_runs_are_what_walking_them_gives),
        T(a_fragment_without_payload_takes_no_level_from_what_lies_behind_it),
        T(bytes_that_change_while_they_are_read_do_no_harm),
        T(the_fill_of_a_lane_is_what_its_thread_finds_in_use),
        T(producers_find_the_anchor_of_the_last_turn),
        T(raw_outputs_have_what_was_read_of_an_overwriting_lane),
        T(what_counts_as_lost_is_in_no_raw_output),
        T(only_what_was_read_is_copied),
        T(what_a_dead_process_left_is_no_pressure),
        T(a_head_room_that_cannot_be_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
