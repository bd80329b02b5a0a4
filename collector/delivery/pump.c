#include "collector/delivery/pump.h"

#include "collector/delivery/raw.h"
#include "lib/base/check.h"

#include <errno.h>

static bool has_slot_room(const struct drain *d, const struct batch *b)
{
    return drain_touched(d) + 2 <= b->positions_max;
}

static int close_batch(struct pipeline *p, struct drain *d, struct err *e)
{
    struct batch *b = p->filling;
    /* Without room for larger slots, batches stay as small as they are. */
    if (!has_slot_room(d, b))
        (void)commit_reserve(p->commit, p->targets_count, 2 * drain_touched(d), NULL);
    int r = drain_checkpoint(d, &b->checkpoint, e);
    if (r == 0)
        r = raw_collect(b, &p->outputs, e);
    if (r < 0)
        return r;
    pipeline_close_batch(p);
    return 0;
}

static bool is_full(const struct drain *d, const struct batch *b)
{
    return !has_slot_room(d, b) || b->ring_bytes >= b->ring_limit;
}

/* 1: it is in the batch; 0: the batch is full. */
static int put_record(struct pipeline *p, struct drain *d, struct batch *b, const struct fapilog_record *r,
                      struct err *e)
{
    bool fits;
    if (b->ring_bytes && b->ring_bytes + drain_peek_bytes(d) > b->ring_limit)
        return 0;
    const int res = batch_put(b, &p->outputs, r, &fits);
    if (res < 0)
        return err_set(e, res, "no memory for a record of lane %u", r->id.lane);
    if (!fits)
        return 0;
    b->records += !r->internal;
    b->ring_bytes += drain_accept(d);
    return 1;
}

/* 1: something was taken; 0: the batch is full; -ENODATA: the turn is over. */
static int put_next(struct pipeline *p, struct drain *d, struct batch *b, struct err *e)
{
    if (!d->is_raw_only) {
        const struct fapilog_record *r = drain_peek(d);
        return r ? put_record(p, d, b, r, e) : -ENODATA;
    }
    uint64_t records;
    const uint64_t bytes = drain_take_span(d, b->ring_limit - b->ring_bytes, &records);
    b->records += records;
    b->ring_bytes += bytes;
    return bytes ? 1 : -ENODATA;
}

/* 1: the turn is over; 0: both batches are busy. */
static int fill(struct pipeline *p, struct drain *d, struct err *e)
{
    for (;;) {
        struct batch *b = pipeline_filling(p);
        if (!b)
            return 0;
        int r = put_next(p, d, b, e);
        if (r == -ENODATA)
            return 1;
        if (r >= 0 && (r == 0 || is_full(d, b)))
            r = close_batch(p, d, e);
        if (r < 0)
            return r;
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
