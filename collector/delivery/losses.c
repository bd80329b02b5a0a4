#include "collector/delivery/losses.h"

#include "lib/base/check.h"
#include "lib/base/grow.h"

#include <errno.h>

int losses_reserve(struct batch *b, uint32_t count)
{
    return count ? grow((void **)&b->loss, &b->losses_cap, count, sizeof *b->loss) : 0;
}

/* The time of the last drop may be younger than the count, which is what a batch has told; both only rise. */
static int64_t last_drop_ns(const struct checkpoint_item *item)
{
    struct segment *seg = item->source->seg;
    /* order: relaxed - a time for people */
    const uint64_t cycles = load_rlx(&segment_lane_shared(seg, item->lane->index)->dropped_cycles);
    return cycles ? clock_map_ns(&seg->clock, cycles) : 0;
}

static struct sink_loss loss_of(const struct checkpoint_item *item, const struct position *p)
{
    struct sink_loss loss = { .super = &item->source->seg->sb, .lane = UINT32_MAX };
    if (!item->lane) {
        loss.no_lane = p->orphan_seen;
        loss.unregistered = p->unregistered_seen;
        loss.truncated = p->truncated_seen;
        return loss;
    }
    loss.lane = item->lane->index;
    loss.dropped = p->dropped_seen;
    loss.overwritten = p->lost;
    if (loss.dropped)
        loss.last_ns = last_drop_ns(item);
    return loss;
}

void losses_fill(struct batch *b, const struct outputs *o)
{
    const struct checkpoint *c = &b->checkpoint;
    b->losses_count = 0;
    for (uint32_t i = 0; o->count > o->serialized_count && i < c->count; i++) {
        if (!c->item[i].has_losses)
            continue;
        CHECK(b->losses_count < b->losses_cap);
        b->loss[b->losses_count++] = loss_of(&c->item[i], &c->position[i]);
    }
}

int losses_collect(struct batch *b, const struct outputs *o, struct err *e)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < b->checkpoint.count; i++)
        count += b->checkpoint.item[i].has_losses;
    if (losses_reserve(b, count) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    losses_fill(b, o);
    return 0;
}
