/* Raw outputs: stretches of lanes, as they are, instead of records. */
#include "collector/ingest/drain_internal.h"

#include "collector/ingest/walk.h"

static void lane_take_walk(struct drain *d, struct lane *l, const struct walk *w)
{
    struct lane_reader *reader = l->reader;
    drain_touch_lane(d, l);
    walk_note_run(l, w);
    l->taken = w->to;
    l->delivered += w->records;
    l->skipped_before += w->skipped;
    if (w->skipped)
        segments_strike(d->segments, l->source, d->turn, w->skipped);
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
    while ((l->taken == from || reader->cursor.pos - from < bytes_max) && (reader->has_record || drain_fetch(d, l))) {
        drain_touch_lane(d, l);
        reader->has_record = false;
        l->taken = reader->cursor.pos;
        lane_note_losses(l);
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
        heap_pop(&d->heap);
    }
    /* Block headers carry the drop counters, so spans need no report: the numbers only count as told. */
    while (drain_report_peek(d))
        drain_report_accept(d);
    return 0;
}
