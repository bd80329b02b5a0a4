/* Records in order, and the reports of their losses behind them. */
#include "collector/ingest/drain_internal.h"

#include "collector/ingest/drops.h"
#include "collector/ingest/fence.h"
#include "lib/base/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static void note_damage(struct drain *d, struct lane *l)
{
    const struct lane_cursor *c = &l->reader->cursor;
    if (c->damaged == l->damaged_seen)
        return;
    l->damaged_seen = c->damaged;
    l->rough_to = c->pos;
    const uint64_t bytes = c->skipped_bytes - l->skipped_seen;
    l->skipped_seen = c->skipped_bytes;
    segments_strike(d->segments, l->source, d->turn, bytes);
}

/* Decodes the lane's next record. True: there is one. */
bool drain_fetch(struct drain *d, struct lane *l)
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
        drain_touch_lane(d, l);
        d->bytes += reader->cursor.pos - l->taken;
        l->taken = reader->cursor.pos;
    }
    if (r == 0) {
        lane_note_losses(l);
        if (unlikely(d->is_fenced))
            fence_end_lane(l);
    }
    return r > 0 && l->source->state != SOURCE_QUARANTINED;
}

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

/* The turn's reports come last: by then the losses that reading itself found are known. */
const struct fapilog_record *drain_report_peek(struct drain *d)
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

void drain_report_accept(struct drain *d)
{
    const struct checkpoint_item *item = &d->report[d->report_next]; /* it may have more to say */
    if (item->lane)
        drain_touch_lane(d, item->lane);
    else
        drain_touch_source(d, item->source);
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
            return drain_report_peek(d);
        if (unlikely(l->source->state == SOURCE_QUARANTINED)) {
            heap_pop(&d->heap);
            continue;
        }
        const struct fapilog_record *r = &l->reader->record;
        if (unlikely(r->time_ns > d->budget_ns)) {
            heap_pop(&d->heap); /* has_more: the next turn comes at once */
            continue;
        }
        if (unlikely(r->time_ns > d->horizon_ns) && is_held(d, l, r->time_ns)) {
            if (r->time_ns < d->held_ns)
                d->held_ns = r->time_ns;
            heap_pop(&d->heap);
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
    if (drain_fetch(d, l)) {
        const int64_t next_ns = reader->record.time_ns;
        if (next_ns >= d->emitted_ns && next_ns < d->budget_ns)
            d->budget_ns = next_ns;
    }
    d->has_more |= l->taken < l->tail;
    heap_pop(&d->heap);
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
        drain_report_accept(d);
        return 0;
    }
    struct lane *l = heap_top(&d->heap);
    struct lane_reader *reader = l->reader;
    const uint64_t bytes = reader->cursor.pos - l->taken;
    drain_touch_lane(d, l);
    d->bytes += bytes;
    if (unlikely(reader->cursor.pos > l->block_end))
        lane_enters(d, l);
    l->taken = reader->cursor.pos;
    lane_note_losses(l);
    l->delivered++;
    const int64_t time_ns = reader->record.time_ns;
    if (time_ns > d->emitted_ns && time_ns <= d->now_ns)
        d->emitted_ns = time_ns;
    if (unlikely(l->taken >= l->turn_end)) {
        lane_budget_end(d, l);
        return bytes;
    }
    if (likely(drain_fetch(d, l)))
        heap_replace_top(&d->heap, reader->record.time_ns);
    else
        heap_pop(&d->heap);
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
