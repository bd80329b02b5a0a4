#include "collector/ingest/drain.h"

#include "collector/ingest/drops.h"
#include "collector/ingest/fence.h"
#include "collector/ingest/fill.h"
#include "collector/ingest/release.h"
#include "collector/ingest/walk.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fault.h"
#include "lib/base/grow.h"
#include "lib/ring/anchor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANCHOR_INTERVAL_NS (100 * NS_PER_MS)
#define REPORT_INTERVAL_NS (100 * NS_PER_MS)
#define COLD_INTERVAL_NS (500 * NS_PER_MS)
#define AHEAD_NS NS_PER_S        /* a record is no further ahead of the clock unless that was set back */
#define BUDGET_SHARE 4           /* such a part of a lane goes into one turn, */
#define BUDGET_BYTES (64u << 10) /* and of a small one so much */

int drain_init(struct drain *d, struct segments *t, uint32_t level_mask, bool is_raw_only, struct err *e)
{
    *d = (struct drain){ .segments = t, .level_mask = level_mask, .is_raw_only = is_raw_only };
    d->report_record = calloc(1, sizeof *d->report_record);
    return d->report_record ? 0 : err_set(e, -ENOMEM, "out of memory");
}

void drain_set_fences(struct drain *d, const struct drain_fence *fences, uint32_t count)
{
    d->fences = fences;
    d->fences_count = count;
}

void drain_done(struct drain *d)
{
    free(d->heap.node);
    free(d->touched);
    free(d->mark);
    free(d->report);
    free(d->report_record);
    memset(d, 0, sizeof *d);
}

/* ---- what a batch moves ---- */

static void touch_lane(struct drain *d, struct lane *l)
{
    if (l->is_touched)
        return;
    CHECK(d->touched_count < d->touched_cap);
    if (!d->touched_count)
        d->marks_count = 0;
    l->is_touched = true;
    l->span_from = l->taken;
    if (l->reader)
        l->reader->runs_count = 0;
    l->span_delivered = l->marked = l->delivered;
    l->mark = l->last_mark = 0;
    d->touched[d->touched_count++] = (struct checkpoint_item){ .source = l->source, .lane = l };
}

static void touch_source(struct drain *d, struct source *s)
{
    if (s->is_touched)
        return;
    CHECK(d->touched_count < d->touched_cap);
    s->is_touched = true;
    d->touched[d->touched_count++] = (struct checkpoint_item){ .source = s };
}

uint32_t drain_touched(const struct drain *d)
{
    return d->touched_count;
}

static struct position lane_position(const struct lane *l)
{
    return (struct position){ .lane = l->index, .done = l->taken, .dropped_seen = l->dropped_told,
                              .delivered = l->delivered, .skipped_bytes = lane_skipped(l), .lost = l->lost_told };
}

static struct position source_position(const struct source *s)
{
    return (struct position){ .lane = POSITION_SEGMENT, .orphan_seen = s->orphan_told,
                              .truncated_seen = s->truncated_told, .unregistered_seen = s->unregistered_told };
}

int drain_checkpoint(struct drain *d, struct checkpoint *c, struct err *e)
{
    CHECK(c->count == 0);
    if (d->touched_count > c->cap) {
        struct position *position = realloc(c->position, d->touched_cap * sizeof *position);
        if (position)
            c->position = position;
        struct checkpoint_item *item = realloc(c->item, d->touched_cap * sizeof *item);
        if (item)
            c->item = item;
        if (!position || !item)
            return err_set(e, -ENOMEM, "out of memory");
        c->cap = d->touched_cap;
    }
    for (uint32_t i = 0; i < d->touched_count; i++) {
        struct checkpoint_item item = d->touched[i];
        struct position *p = &c->position[i];
        if (item.lane) {
            item.from = item.lane->span_from;
            item.delivered = item.lane->span_delivered;
            item.mark = item.lane->mark;
            item.is_rough = item.lane->rough_to > item.from;
            item.lane->is_touched = false;
            *p = lane_position(item.lane);
        } else {
            item.source->is_touched = false;
            *p = source_position(item.source);
        }
        p->uuid_hi = item.source->seg->sb.uuid_hi;
        p->uuid_lo = item.source->seg->sb.uuid_lo;
        c->item[i] = item;
        item.source->refs++;
    }
    c->count = d->touched_count;
    d->touched_count = 0;
    return 0;
}

/* ---- the start of a turn ---- */

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

static void note_damage(struct drain *d, struct lane *l)
{
    const struct lane_cursor *c = &l->reader->cursor;
    if (c->damaged == l->damaged_seen)
        return;
    l->damaged_seen = c->damaged;
    l->rough_to = c->pos;
    d->segments->stats.skipped_bytes += c->skipped_bytes - l->skipped_seen;
    l->skipped_seen = c->skipped_bytes;
    segments_strike(d->segments, l->source, d->turn);
}

/* Decodes the lane's next record. True: there is one. */
static bool lane_fetch(struct drain *d, struct lane *l)
{
    struct lane_reader *reader = l->reader;
    const int r = lane_next(&reader->cursor, l->tail, &reader->record);
    reader->has_record = r > 0;
    if (r < 0)
        segments_quarantine(d->segments, l->source, r == -EBADMSG ? "impossible tail" : strerror(-r));
    else
        note_damage(d, l);
    if (r == 0 && reader->cursor.pos != l->taken) {
        /* Context records and ends of blocks are behind us too. */
        touch_lane(d, l);
        d->bytes += reader->cursor.pos - l->taken;
        l->taken = reader->cursor.pos;
    }
    if (r == 0) {
        l->lost_read = reader->cursor.lost;
        if (unlikely(d->is_fenced))
            fence_end_lane(l);
    }
    return r > 0 && l->source->state != SOURCE_QUARANTINED;
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
    if (waiting > d->bytes_max)
        d->bytes_max = waiting;
    if (lane_reader_get(l) < 0) {
        segments_quarantine(d->segments, l->source, "a lane without geometry has data");
        return;
    }
    l->turn_end = l->taken + budget_of(d, l);
    if (d->is_raw_only && !(l->reader->cursor.flags & LANE_COPY)) {
        if (l->tail < l->taken || l->tail % FAPILOG_RECORD_ALIGN || l->tail - l->done > l->reader->cursor.cap) {
            segments_quarantine(d->segments, l->source, "impossible tail");
            return;
        }
    } else if (!l->reader->has_record && !lane_fetch(d, l)) {
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

/* ---- records ---- */

/* Half full, but for what did not fit into a block. A lane that was so within the last merge window will be full before
 * its records are old enough, whatever it holds just now: to leave them there would have its writer wait for us, and us
 * for it. */
static bool lane_is_pressed(const struct drain *d, struct lane *l)
{
    const struct lane_cursor *c = &l->reader->cursor;
    if (l->tail - l->done + c->block_bytes > c->cap / 2)
        l->pressed_until_ns = d->turn_at_ns + d->segments->settings->merge_window_ns;
    return d->turn_at_ns < l->pressed_until_ns;
}

/* Too young to be merged. One that is far ahead of the clock is not: the clock was set back since (or the segment is
 * wrong), and until it has caught up may be years. */
static bool is_held(const struct drain *d, struct lane *l, int64_t time_ns)
{
    return time_ns > d->horizon_ns && time_ns <= d->ahead_ns && !lane_is_pressed(d, l);
}

static void lane_leave(struct drain *d, struct lane *l)
{
    heap_pop(&d->heap);
}

/* The turn's reports come last: by then the losses that reading itself found are known. */
static const struct fapilog_record *report_peek(struct drain *d)
{
    if (d->has_report_record)
        return &d->report_record->record;
    while (d->report_next < d->report_count) {
        const struct checkpoint_item *item = &d->report[d->report_next];
        if (item->source->state != SOURCE_QUARANTINED &&
            (item->lane ? drops_lane_has_any(item->lane) : drops_source_has_any(item->source))) {
            drops_build(item->source, item->lane, d->report_record);
            d->has_report_record = true;
            return &d->report_record->record;
        }
        d->report_next++;
    }
    d->is_open = false;
    return NULL;
}

static void report_accept(struct drain *d)
{
    const struct checkpoint_item *item = &d->report[d->report_next++];
    if (item->lane)
        touch_lane(d, item->lane);
    else
        touch_source(d, item->source);
    drops_told(&d->segments->stats, item->source, item->lane);
    d->has_report_record = false;
}

const struct fapilog_record *drain_peek(struct drain *d)
{
    if (!d->is_open)
        return NULL;
    for (;;) {
        struct lane *l = heap_top(&d->heap);
        if (!l)
            return report_peek(d);
        if (unlikely(l->source->state == SOURCE_QUARANTINED)) {
            lane_leave(d, l);
            continue;
        }
        const struct fapilog_record *r = &l->reader->record;
        if (unlikely(r->time_ns > d->budget_ns)) {
            lane_leave(d, l); /* has_more: the next turn comes at once */
            continue;
        }
        if (unlikely(r->time_ns > d->horizon_ns) && is_held(d, l, r->time_ns)) {
            if (r->time_ns < d->held_ns)
                d->held_ns = r->time_ns;
            lane_leave(d, l);
            continue;
        }
        return r;
    }
}

const struct source *drain_peek_source(const struct drain *d)
{
    const struct lane *l = d->has_report_record ? NULL : heap_top(&d->heap);
    return l ? l->source : d->report[d->report_next].source;
}

uint64_t drain_peek_bytes(const struct drain *d)
{
    const struct lane *l = d->has_report_record ? NULL : heap_top(&d->heap);
    return l ? l->reader->cursor.pos - l->taken : 0;
}

/* The lane has had its share. Its next record bounds what the others may hand out in this turn, but only
 * if it fits behind what was handed out: a lane with false times holds up nobody. */
static void lane_budget_end(struct drain *d, struct lane *l)
{
    struct lane_reader *reader = l->reader;
    if (lane_fetch(d, l)) {
        const int64_t next_ns = reader->record.time_ns;
        if (next_ns >= d->emitted_ns && next_ns < d->budget_ns)
            d->budget_ns = next_ns;
    }
    d->has_more |= l->taken < l->tail;
    lane_leave(d, l);
}

static void lane_mark(struct drain *d, struct lane *l, uint64_t position)
{
    if (grow((void **)&d->mark, &d->marks_cap, d->marks_count + 1, sizeof *d->mark) < 0) {
        l->rough_to = l->reader->cursor.pos;
        return;
    }
    d->mark[d->marks_count++] = (struct drain_mark){ position, l->delivered, 0 };
    if (l->last_mark)
        d->mark[l->last_mark - 1].next = d->marks_count;
    else
        l->mark = d->marks_count;
    l->last_mark = d->marks_count;
    l->marked = l->delivered;
}

/* The record to be taken ends in another block than the one before it. */
static void lane_enters(struct drain *d, struct lane *l)
{
    const struct lane_cursor *c = &l->reader->cursor;
    const uint64_t block = c->block_bytes, start = l->reader->record.id.position & ~(block - 1);
    const uint64_t lap = start & ~(c->cap - 1), most = block / sizeof(struct fapilog_record_header);
    if (c->pos > start + block)
        l->rough_to = c->pos;
    const bool is_due = c->generation != l->generation || l->delivered - l->marked + most > SPAN_RECORDS_MAX;
    if (lap >= l->taken && lap > l->span_from)
        lane_mark(d, l, lap);
    if (is_due && start >= l->taken && start > l->span_from)
        lane_mark(d, l, start);
    l->generation = c->generation;
    l->block_end = ((c->pos - 1) & ~(block - 1)) + block;
}

uint64_t drain_accept(struct drain *d)
{
    if (d->has_report_record) {
        report_accept(d);
        return 0;
    }
    struct lane *l = heap_top(&d->heap);
    struct lane_reader *reader = l->reader;
    const uint64_t bytes = reader->cursor.pos - l->taken;
    touch_lane(d, l);
    d->bytes += bytes;
    if (unlikely(reader->cursor.pos > l->block_end))
        lane_enters(d, l);
    l->taken = reader->cursor.pos;
    l->lost_read = reader->cursor.lost;
    l->delivered++;
    const int64_t time_ns = reader->record.time_ns;
    if (time_ns > d->emitted_ns && time_ns <= d->now_ns)
        d->emitted_ns = time_ns;
    if (unlikely(l->taken >= l->turn_end)) {
        lane_budget_end(d, l);
        return bytes;
    }
    if (likely(lane_fetch(d, l)))
        heap_replace_top(&d->heap, reader->record.time_ns);
    else
        lane_leave(d, l);
    return bytes;
}

const struct fapilog_record *drain_next(struct drain *d, uint64_t *ret_bytes)
{
    *ret_bytes = drain_accept(d);
    return drain_peek(d);
}

uint64_t drain_waiting(const struct drain *d)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < d->segments->count; i++) {
        const struct source *s = d->segments->source[i];
        for (uint32_t k = 0; k < s->lanes_hot && s->state == SOURCE_LIVE; k++) {
            const uint64_t tail = lane_tail_now(&s->lane[k]), taken = s->lane[k].taken;
            if (tail > taken && tail - taken > most)
                most = tail - taken;
        }
    }
    return most;
}

/* ---- spans ---- */

static void lane_take_walk(struct drain *d, struct lane *l, const struct walk *w)
{
    struct lane_reader *reader = l->reader;
    touch_lane(d, l);
    walk_note_run(l, w);
    l->taken = w->to;
    l->delivered += w->records;
    l->skipped_before += w->skipped;
    d->segments->stats.skipped_bytes += w->skipped;
    if (w->skipped)
        segments_strike(d->segments, l->source, d->turn);
    if (w->generation && w->generation != reader->owner.generation &&
        (segment_lane_owner(l->source->seg, l->index, &reader->owner) < 0 ||
         reader->owner.generation != w->generation))
        reader->owner = (struct segment_lane_owner){ .generation = w->generation };
}

/* A lane that its producer may write over is decoded from copies even here: only that tells what of it
 * was whole. */
static uint64_t lane_take_copied(struct drain *d, struct lane *l, uint64_t bytes_max, uint64_t *ret_records)
{
    struct lane_reader *reader = l->reader;
    const uint64_t from = l->taken;
    /* The first one is taken in any case: what was lost in front of it may exceed every budget. */
    while ((l->taken == from || reader->cursor.pos - from < bytes_max) && (reader->has_record || lane_fetch(d, l))) {
        touch_lane(d, l);
        reader->has_record = false;
        l->taken = reader->cursor.pos;
        l->lost_read = reader->cursor.lost;
        l->delivered++;
        ++*ret_records;
    }
    reader->owner = reader->cursor.owner;
    return l->taken - from;
}

static uint64_t lane_take_walked(struct drain *d, struct lane *l, uint64_t bytes_max, uint64_t *ret_records)
{
    const uint64_t cap = l->reader->cursor.cap, to_end = cap - (l->taken & (cap - 1));
    struct walk w;
    walk_lane(l, bytes_max < to_end ? bytes_max : to_end, &w);
    const uint64_t bytes = w.to - l->taken;
    if (bytes)
        lane_take_walk(d, l, &w);
    *ret_records = w.records;
    return bytes;
}

uint64_t drain_take_span(struct drain *d, uint64_t bytes_max, uint64_t *ret_records)
{
    for (;;) {
        struct lane *l = heap_top(&d->heap);
        *ret_records = 0;
        if (!l)
            break;
        uint64_t bytes = 0, budget = l->turn_end > l->taken ? l->turn_end - l->taken : 0;
        if (budget > bytes_max)
            budget = bytes_max;
        if (budget && l->source->state != SOURCE_QUARANTINED)
            bytes = l->reader->cursor.flags & LANE_COPY ? lane_take_copied(d, l, budget, ret_records)
                                                        : lane_take_walked(d, l, budget, ret_records);
        if (bytes) {
            d->bytes += bytes;
            return bytes;
        }
        d->has_more |= l->taken < l->tail;
        lane_leave(d, l);
    }
    /* Block headers carry the drop counters, so spans need no report: the numbers only count as told. */
    while (report_peek(d))
        report_accept(d);
    return 0;
}

void drain_set_goal(struct drain *d)
{
    for (uint32_t i = 0; i < d->segments->count; i++) {
        struct source *s = d->segments->source[i];
        for (uint32_t k = 0; k < s->lanes_count; k++) {
            s->lane[k].goal = lane_tail_now(&s->lane[k]);
            s->lane[k].goal_dropped = lane_dropped_now(&s->lane[k]);
        }
    }
}

void drain_release_copies(const struct checkpoint *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->item[i].lane && c->item[i].lane->reader)
            lane_copies_release(&c->item[i].lane->reader->cursor, c->position[i].done);
}

bool drain_has_reached_goal(const struct drain *d)
{
    for (uint32_t i = 0; i < d->segments->count; i++) {
        const struct source *s = d->segments->source[i];
        if (s->state == SOURCE_QUARANTINED)
            continue;
        if (drops_source_has_any(s))
            return false;
        for (uint32_t k = 0; k < s->lanes_count; k++) {
            const struct lane *l = &s->lane[k];
            if (l->taken < l->goal || l->dropped_told < l->goal_dropped || l->is_unsure)
                return false;
        }
    }
    return true;
}
