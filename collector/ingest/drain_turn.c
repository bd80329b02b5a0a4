/* The start of a turn: what every lane holds now, and what has been lost since the last one. */
#include "collector/ingest/drain_internal.h"

#include "collector/ingest/drops.h"
#include "collector/ingest/fence.h"
#include "collector/ingest/fill.h"
#include "collector/ingest/release.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fault.h"
#include "lib/base/grow.h"
#include "lib/ring/anchor.h"

#include <errno.h>
#include <stdlib.h>

#define ANCHOR_INTERVAL_NS (100 * NS_PER_MS)
#define REPORT_INTERVAL_NS (100 * NS_PER_MS)
#define COLD_INTERVAL_NS (500 * NS_PER_MS)
#define AHEAD_NS NS_PER_S        /* a record is no further ahead of the clock unless that was set back */
#define BUDGET_SHARE 4           /* such a part of a lane goes into one turn, */
#define BUDGET_BYTES (64u << 10) /* and of a small one so much */

static int lane_reader_get(struct lane *l)
{
    if (l->reader)
        return 0;
    struct lane_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return -ENOMEM;
    const int r = lane_cursor_init(&reader->cursor, l->source->seg, l->index, l->taken, LANE_KEEP);
    if (r < 0) {
        free(reader);
        return r;
    }
    if (reader->cursor.flags & LANE_COPY && !l->skipped_before)
        lane_cursor_resume(&reader->cursor, l->delivered + l->lost_before);
    l->reader = reader;
    return 0;
}

/* As a rule a part of the lane only: its writer goes on in the rest while that is on its way. */
static uint64_t budget_of(const struct drain *d, const struct lane *l)
{
    const uint64_t share = l->reader->cursor.cap / BUDGET_SHARE, most = d->segments->settings->lane_budget_bytes;
    const uint64_t part = share > BUDGET_BYTES ? share : BUDGET_BYTES;
    return (most < part ? most : part) * (d->budget_scale ? d->budget_scale : 1);
}

static void lane_begin(struct drain *d, struct lane *l)
{
    const uint64_t waiting = l->tail - l->taken;
    if (waiting > d->bytes_max) {
        d->bytes_max = waiting;
        d->bytes_cap = UINT64_C(1) << l->source->seg->lanes[l->index].cap_log2;
    }
    if (lane_reader_get(l) < 0) {
        segments_quarantine(d->segments, l->source, "a lane without geometry has data");
        return;
    }
    l->turn_end = l->taken + budget_of(d, l);
    if (d->is_raw_only && !(l->reader->cursor.flags & LANE_COPY)) {
        if (l->tail < l->taken || l->tail % FAPILOG_RECORD_ALIGN || l->tail > INT64_MAX ||
            l->tail - l->done > l->reader->cursor.cap) {
            segments_quarantine(d->segments, l->source, "impossible tail");
            return;
        }
    } else if (!l->reader->has_record && !drain_fetch(d, l)) {
        return;
    }
    /* Spans need no order: native files say which lane and position each is. */
    heap_push(&d->heap, d->is_raw_only ? 0 : l->reader->record.time_ns, (uint64_t)(uintptr_t)l, l);
}

static void add_report(struct drain *d, struct source *s, struct lane *l)
{
    CHECK(d->report_count < d->report_cap);
    d->report[d->report_count++] = (struct checkpoint_item){ .source = s, .lane = l };
}

/* Reports of one lane are held apart, unless this may be the last turn. */
static void lane_look_at_drops(struct drain *d, struct lane *l, bool is_final)
{
    const uint64_t dropped = lane_dropped_now(l);
    if (likely(dropped == l->dropped_told))
        return;
    if (!is_final && d->turn_at_ns < l->report_at_ns)
        return;
    l->dropped = dropped;
    l->report_at_ns = d->turn_at_ns + REPORT_INTERVAL_NS;
}

/* An anchor of now, so that times are interpolated between two and not extrapolated. */
static void source_anchor(struct drain *d, struct source *s)
{
    uint64_t cycles;
    int64_t real_ns;
    if (d->turn_at_ns < s->anchor_at_ns)
        return;
    s->anchor_at_ns = d->turn_at_ns + ANCHOR_INTERVAL_NS;
    if (clock_sample(s->seg->sb.clock_kind, &cycles, &real_ns) < 0)
        return;
    clock_map_add(&s->seg->clock, cycles, real_ns);
    anchor_publish(s->seg->ctl, cycles, (uint64_t)real_ns);
}

/* order: relaxed - counters of their own, cumulative */
static void source_look_at_counters(struct drain *d, struct source *s)
{
    const struct fapilog_superblock *sb = segment_shared(s->seg);
    /* order: acquire, pairs with the release of fapilog_flush() - the tails loaded next are no older */
    const uint32_t flush_seq = load_acq(&sb->flush_seq);
    if (flush_seq != s->flush_acked && !s->flush_wanted)
        release_flush_begin(s, flush_seq);
    s->orphan = load_rlx(&sb->orphan_dropped);
    s->truncated = load_rlx(&sb->truncated);
    s->unregistered = load_rlx(&sb->unregistered);
    if (unlikely(d->is_fenced))
        fence_cut_source(s);
    if (drops_source_has_any(s))
        add_report(d, s, NULL);
}

/* Most lanes of most segments are never claimed. */
static void lanes_look_ahead(struct drain *d, struct source *s, bool is_final)
{
    const bool look_at_all = is_final || d->turn_at_ns >= s->cold_at_ns;
    if (look_at_all)
        s->cold_at_ns = d->turn_at_ns + COLD_INTERVAL_NS;
    source_find_hot_lanes(s, look_at_all);
}

/* Whoever was killed between a batch and its report has told nobody what it had found to be overwritten. The next
 * record would show it, but there need not be one. */
static void lane_look_back(struct lane *l)
{
    const uint64_t most = l->taken / sizeof(struct fapilog_record_header), told = l->delivered + l->lost_before;
    uint64_t events;
    l->is_unsure = false;
    if (l->reader || l->tail != l->taken || lane_events_before(l->source->seg, l->index, l->taken, &events) < 0)
        return;
    if (events > told && events <= most)
        l->lost_before += events - told;
}

static void source_begin(struct drain *d, struct source *s, bool is_final)
{
    bool has_data = false;
    source_look_at_counters(d, s);
    lanes_look_ahead(d, s, is_final || s->flush_wanted);
    for (uint32_t i = 0; i < s->lanes_hot; i++) {
        struct lane *l = &s->lane[i];
        lane_look_at_drops(d, l, is_final);
        l->tail = lane_tail_now(l);
        if (l->tail != l->done)
            fill_note(d, l);
        if (unlikely(d->is_fenced))
            fence_cut_lane(l);
        else if (unlikely(l->is_unsure))
            lane_look_back(l);
        if (likely(l->tail == l->taken)) {
            if (unlikely(d->is_fenced))
                fence_end_lane(l);
            if (unlikely(drops_lane_has_any(l)))
                add_report(d, s, l);
            continue;
        }
        if (!has_data)
            source_anchor(d, s);
        has_data = true;
        add_report(d, s, l);
        lane_begin(d, l);
        if (s->state == SOURCE_QUARANTINED)
            return;
    }
    if (s->flush_wanted)
        release_flush_check(s);
}

static int reserve(struct drain *d, struct err *e)
{
    uint32_t lanes = 0;
    for (uint32_t i = 0; i < d->segments->count; i++)
        lanes += d->segments->source[i]->lanes_count;
    const uint32_t all = lanes + d->segments->count;
    if (grow((void **)&d->heap.node, &d->heap.cap, lanes, sizeof *d->heap.node) < 0 ||
        grow((void **)&d->touched, &d->touched_cap, all, sizeof *d->touched) < 0 ||
        grow((void **)&d->report, &d->report_cap, all, sizeof *d->report) < 0)
        return err_set(e, -ENOMEM, "out of memory for %u lanes", lanes);
    return 0;
}

int drain_begin(struct drain *d, uint64_t now_ns, unsigned flags, struct err *e)
{
    CHECK(!d->is_open);
    const int r = reserve(d, e);
    if (r < 0)
        return r;
    FAULT_POINT("turn");
    if (unlikely(d->fence < d->fences_count))
        fence_begin(d);
    if (d->is_fenced)
        flags |= DRAIN_ALL;
    d->turn++;
    d->turn_at_ns = now_ns;
    d->heap.count = 0;
    d->report_count = d->report_next = 0;
    d->has_report_record = false;
    d->has_more = false;
    d->bytes = d->bytes_max = 0;
    d->held_ns = INT64_MAX;
    d->is_open = true;
    d->now_ns = (int64_t)clock_real_ns();
    d->budget_ns = INT64_MAX;
    const int64_t window_ns = (int64_t)d->segments->settings->merge_window_ns;
    d->horizon_ns = INT64_MAX;
    d->ahead_ns = d->now_ns + window_ns + AHEAD_NS;
    if (!(flags & DRAIN_ALL))
        d->horizon_ns = d->now_ns - window_ns;
    for (uint32_t i = 0; i < d->segments->count; i++) {
        struct source *s = d->segments->source[i];
        if (s->state != SOURCE_QUARANTINED)
            source_begin(d, s, flags & DRAIN_ALL || s->state == SOURCE_ENDED);
        /* Somebody waits for this segment's records: do not hold anything back. */
        if (s->flush_wanted)
            d->horizon_ns = INT64_MAX;
    }
    FAULT_POINT("read");
    return 0;
}
