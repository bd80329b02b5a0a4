/* What a batch moves: the lanes and segments that it took from, and how far. */
#include "collector/ingest/drain_internal.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>

void drain_touch_lane_first(struct drain *d, struct lane *l)
{
    CHECK(d->touched_count < d->touched_cap);
    if (!d->touched_count)
        d->marks_count = 0;
    l->is_touched = true;
    l->span_from = l->taken;
    if (l->reader)
        l->reader->runs_count = 0;
    l->span_delivered = l->marked = l->delivered;
    l->span_dropped = l->dropped_told;
    l->span_lost = l->lost_told;
    l->mark = l->last_mark = 0;
    d->touched[d->touched_count++] = (struct checkpoint_item){ .source = l->source, .lane = l };
}

void drain_touch_source(struct drain *d, struct source *s)
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
            item.has_losses = item.lane->dropped_told != item.lane->span_dropped ||
                              item.lane->lost_told != item.lane->span_lost;
            item.lane->is_touched = false;
            *p = lane_position(item.lane);
        } else {
            item.source->is_touched = false;
            item.has_losses = true; /* it is touched for nothing else */
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

void drain_release_copies(const struct checkpoint *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->item[i].lane && c->item[i].lane->reader)
            lane_copies_release(&c->item[i].lane->reader->cursor, c->position[i].done);
}
