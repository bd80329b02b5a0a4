#include "collector/ingest/fence.h"

static void close_all(struct drain *d)
{
    for (uint32_t i = 0; i < d->segments->count; i++) {
        struct source *s = d->segments->source[i];
        s->fence = (struct source_fence){ s->orphan_told, s->truncated_told, s->unregistered_told };
        for (uint32_t k = 0; k < s->lanes_count; k++)
            s->lane[k].fence = (struct lane_fence){ s->lane[k].taken, s->lane[k].dropped_told, 0 };
    }
}

static void raise_to(uint64_t *word, uint64_t value)
{
    if (*word < value)
        *word = value;
}

static void open_up_to(struct source *s, const struct position *p)
{
    if (p->lane == POSITION_SEGMENT) {
        raise_to(&s->fence.orphan, p->orphan_seen);
        raise_to(&s->fence.truncated, p->truncated_seen);
        raise_to(&s->fence.unregistered, p->unregistered_seen);
    } else if (p->lane < s->lanes_count) {
        raise_to(&s->lane[p->lane].fence.end, p->done);
        raise_to(&s->lane[p->lane].fence.dropped, p->dropped_seen);
        if (!p->skipped_bytes)
            raise_to(&s->lane[p->lane].fence.events, p->delivered + p->lost);
    }
}

void fence_begin(struct drain *d)
{
    /* A turn that could read on and did not has read all that there is up to the fence. */
    if (d->is_fenced && !d->has_more)
        d->fence++;
    d->is_fenced = d->fence < d->fences_count;
    if (!d->is_fenced)
        return;
    close_all(d);
    for (uint32_t i = 0; i < d->fences[d->fence].count; i++) {
        const struct position *p = &d->fences[d->fence].position[i];
        struct source *s = segments_find(d->segments, p);
        if (s)
            open_up_to(s, p);
    }
}

static void cut(uint64_t *word, uint64_t most)
{
    if (*word > most)
        *word = most;
}

void fence_cut_lane(struct lane *l)
{
    cut(&l->tail, l->fence.end);
    cut(&l->dropped, l->fence.dropped);
}

/* The batch was so many events, delivered or lost, and whoever had it was told so. What of it has been overwritten
 * since is lost to the others; what is missing beyond it comes with the next batch, for everybody. */
void fence_end_lane(struct lane *l)
{
    const uint64_t events = l->fence.events;
    if (!events || lane_skipped(l))
        return;
    if (!l->reader) {
        if (l->taken == l->fence.end && events > l->delivered)
            raise_to(&l->lost_before, events - l->delivered);
        return;
    }
    struct lane_cursor *c = &l->reader->cursor;
    if (!(c->flags & LANE_COPY) || c->pos != l->fence.end)
        return;
    const uint64_t told = l->lost_told - l->lost_before;
    const int64_t untold = (int64_t)(c->lost - told) + (int64_t)(events - c->seq);
    l->lost_read = c->lost = told + (uint64_t)(untold > 0 ? untold : 0);
    lane_cursor_resume(c, events + (uint64_t)(untold < 0 ? -untold : 0));
}

void fence_cut_source(struct source *s)
{
    cut(&s->orphan, s->fence.orphan);
    cut(&s->truncated, s->fence.truncated);
    cut(&s->unregistered, s->fence.unregistered);
}
