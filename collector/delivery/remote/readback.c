/* From the spool back into memory: as much as a few requests hold, so that memory stays bounded. */
#include "collector/delivery/remote/internal.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

enum { REQUESTS_AHEAD = 2 };

static bool has_room(const struct remote *r)
{
    return r->old.records < REQUESTS_AHEAD * remote_batch_size(r) && r->old.bytes < REQUESTS_AHEAD * r->d->batch_bytes;
}

void readback_run(struct remote *r)
{
    struct spool_block *b;
    char *raw;
    uint32_t len;
    if (!r->spool || r->is_stopping)
        return;
    while (has_room(r) && spool_read(r->spool, r->now_ns, &b, &raw, &len) > 0)
        queue_push(&r->old, lot_new_block(r, b, raw, len));
}

static void queue_give_up(struct remote *r, struct queue *q)
{
    struct item i;
    while (queue_peek(q, &i) && i.block && i.block->evicted) {
        queue_pop(q);
        spool_give_up(r->spool, i.block, i.index);
        lot_release(i.lot);
    }
}

static void bundle_give_up(struct remote *r, struct bundle *b)
{
    uint32_t kept = 0;
    for (uint32_t n = 0; n < b->count; n++) {
        struct item *i = &b->items[n];
        if (i->block && i->block->evicted) {
            spool_give_up(r->spool, i->block, i->index);
            lot_release(i->lot);
        } else {
            b->items[kept++] = *i;
        }
    }
    b->count = kept;
}

void readback_evicted(struct remote *r)
{
    if (!r->spool || !spool_has_evicted(r->spool))
        return;
    queue_give_up(r, &r->old);
    for (struct bundle *b = r->bundles, *next; b; b = next) {
        next = b->next;
        if (b->state != BUNDLE_WAITS || b->is_spilling)
            continue;
        bundle_give_up(r, b);
        if (!b->count)
            bundle_remove(r, b);
    }
}

void readback_budget(struct remote *r)
{
    const uint64_t rate = r->d->spool_rate;
    uint64_t passed = r->now_ns - r->old_budget_ns;
    if (rate == OPT_UNSET)
        return;
    passed = passed < NS_PER_S ? passed : NS_PER_S;
    const int64_t more = (int64_t)(passed * rate / NS_PER_S), most = (int64_t)rate;
    if (!more)
        return;
    r->old_budget_ns = r->now_ns;
    r->old_budget = r->old_budget + more < most ? r->old_budget + more : most;
}
