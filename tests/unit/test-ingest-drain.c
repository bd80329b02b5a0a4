#include "collector/config/settings.h"
#include "collector/ingest/cache_lines.h"
#include "collector/ingest/fill.h"
#include "lib/ring/anchor.h"
#include "tests/unit/ingest-fixture.h"

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

static struct { uint64_t bytes; const uint8_t *from; } flushed; /* in all; the first of a round */

void __real_cache_lines_flush(const uint8_t *from, const uint8_t *to);
void __wrap_cache_lines_flush(const uint8_t *from, const uint8_t *to);
void __wrap_cache_lines_flush(const uint8_t *from, const uint8_t *to)
{
    assert_int_equal((uintptr_t)from % CACHE_LINE_BYTES, 0);
    flushed.bytes += (uint64_t)(to - from);
    flushed.from = flushed.from ? flushed.from : from;
    __real_cache_lines_flush(from, to);
}

/* The producer would fetch each line out of our cache when it comes round again. */
static void consumed_lines_leave_the_cache_once_each(void **state)
{
    struct place *p = *state;
    uint64_t got[20];
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 14 });
    assert_int_equal(attach(p, 0), 0);
    const uint8_t *data = p->segments.source[0]->seg->base + builder_lane(b, 0)->data_off;
    flushed.bytes = 0;
    for (uint64_t n = 0; n < 2000; n += 20) { /* more than the lane holds */
        const uint64_t before = flushed.bytes;
        flushed.from = NULL;
        for (uint64_t i = 0; i < 20; i++)
            put(b, 0, FAPILOG_LEVEL_INFO, n + i);
        begin(p, DRAIN_ALL);
        assert_int_equal(take(p, got, 20), 20);
        commit(p);
        assert_int_equal(flushed.bytes, builder_slot(b, 0)->done & ~UINT64_C(63));
        assert_ptr_equal(flushed.from, data + before % (1 << 14));
    }
    assert_true(flushed.bytes > 1 << 15);
}

static void a_collector_that_lags_flushes_nothing(void **state)
{
    struct place *p = *state;
    static uint64_t got[400];
    struct segment_builder *b = make(p, &(struct builder_options){ .lanes = 1, .cap_log2 = 14 });
    flushed.bytes = 0;
    unsigned n = 0;
    while (b->lanes[0].pos < 3 << 12)
        put(b, 0, FAPILOG_LEVEL_INFO, n++);
    assert_int_equal(attach(p, 0), 0);
    begin(p, DRAIN_ALL);
    assert_int_equal(take(p, got, 400), n);
    commit(p);
    assert_true(builder_slot(b, 0)->done > 0);
    assert_int_equal(flushed.bytes, 0);
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
        T(consumed_lines_leave_the_cache_once_each),
        T(a_collector_that_lags_flushes_nothing),
        T(what_was_committed_of_a_refused_segment_is_kept_in_its_ctl),
        T(an_impossible_position_in_ctl_is_refused),
        T(a_lying_tail_quarantines_its_segment_only),
        T(what_a_lying_tail_puts_aside_is_bounded),
        T(a_lane_at_the_end_of_all_positions_is_not_walked),
        T(damage_in_three_turns_quarantines),
        T(quotas_refuse_and_count),
        T(the_fill_of_a_lane_is_what_its_thread_finds_in_use),
        T(producers_find_the_anchor_of_the_last_turn),
        T(what_a_dead_process_left_is_no_pressure),
        T(a_head_room_that_cannot_be_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
