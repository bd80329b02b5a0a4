#include "collector/delivery/pump.h"

#include "collector/delivery/raw.h"
#include "lib/base/check.h"

static int close_batch(struct pipeline *p, struct drain *d, struct err *e)
{
    struct batch *b = p->filling;
    int r = drain_checkpoint(d, &b->checkpoint, e);
    if (r == 0)
        r = raw_collect(b, &p->outputs, e);
    if (r < 0)
        return r;
    pipeline_close_batch(p);
    return 0;
}

static bool is_full(const struct pipeline *p, const struct drain *d, const struct batch *b)
{
    return drain_touched(d) + 2 > commit_room(p->commit, p->targets_count) || b->ring_bytes >= BATCH_RING_BYTES;
}

/* 1: the turn is over; 0: both batches are busy. */
static int fill(struct pipeline *p, struct drain *d, struct err *e)
{
    for (;;) {
        struct batch *b = pipeline_filling(p);
        if (!b)
            return 0;
        const struct fapilog_record *r = drain_peek(d);
        if (!r)
            return 1;
        bool fits;
        const int res = batch_put(b, &p->outputs, r, &fits);
        if (res < 0)
            return err_set(e, res, "no memory for a record of lane %u", r->id.lane);
        if (fits) {
            b->records += !r->internal;
            b->ring_bytes += drain_accept(d);
        }
        if (!fits || is_full(p, d, b)) {
            const int closed = close_batch(p, d, e);
            if (closed < 0)
                return closed;
        }
    }
}

int pump_run(struct pipeline *p, struct drain *d, struct err *e)
{
    if (d->is_open) {
        const int r = fill(p, d, e);
        if (r <= 0)
            return r;
    }
    if (!p->filling)
        return 0;
    if (!drain_touched(d))
        pipeline_drop_batch(p);
    else if (!p->writing)
        return close_batch(p, d, e);
    return 0;
}
