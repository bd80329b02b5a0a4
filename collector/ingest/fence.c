#include "collector/ingest/fence.h"

static void close_all(struct drain *d)
{
    for (uint32_t i = 0; i < d->segments->count; i++) {
        struct source *s = d->segments->source[i];
        s->fence = (struct source_fence){ s->orphan_told, s->truncated_told, s->unregistered_told };
        for (uint32_t k = 0; k < s->lanes_count; k++)
            s->lane[k].fence = (struct lane_fence){ s->lane[k].taken, s->lane[k].dropped_told };
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

void fence_cut_source(struct source *s)
{
    cut(&s->orphan, s->fence.orphan);
    cut(&s->truncated, s->fence.truncated);
    cut(&s->unregistered, s->fence.unregistered);
}
