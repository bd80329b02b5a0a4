#include "collector/ingest/fill.h"

/* Of what records below ERROR may use: where it is full, they are lost. What the producer says of its head-room is
 * taken for what it is, a number in memory that it can write to. */
static double fill_of(const struct lane *l, uint64_t tail)
{
    const uint64_t cap = UINT64_C(1) << l->source->seg->lanes[l->index].cap_log2;
    /* order: relaxed - constant while the lane has an owner, and only a share of it */
    const uint32_t headroom = load_rlx(&segment_lane_shared(l->source->seg, l->index)->headroom);
    const uint64_t room = headroom < cap ? cap - headroom : cap, used = tail - l->done;
    /* Errors go into the head-room, and where the newest records overwrite the oldest a tail may be anywhere. */
    return used < room ? (double)used / (double)room : 1;
}

static void note(struct drain *d, const struct lane *l, uint64_t tail)
{
    const double fill = fill_of(l, tail);
    if (fill > d->fill)
        d->fill = fill;
}

void fill_note(struct drain *d, const struct lane *l)
{
    if (l->source->state == SOURCE_LIVE)
        note(d, l, l->tail);
}

static void look_again(struct drain *d)
{
    for (uint32_t i = 0; i < d->segments->count; i++) {
        const struct source *s = d->segments->source[i];
        for (uint32_t k = 0; k < s->lanes_hot && s->state == SOURCE_LIVE; k++) {
            const uint64_t tail = lane_tail_now(&s->lane[k]);
            if (tail > s->lane[k].done)
                note(d, &s->lane[k], tail);
        }
    }
}

double fill_take(struct drain *d)
{
    if (d->is_open)
        look_again(d);
    const double fill = d->fill;
    d->fill = 0;
    return fill;
}
