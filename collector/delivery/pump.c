#include "collector/delivery/pump.h"

#include "collector/delivery/pipeline_internal.h"
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
        pipeline_grow_slots(p, 2 * drain_touched(d));
    int r = drain_checkpoint(d, &b->checkpoint, e);
    if (r == 0)
        r = raw_collect(b, &p->outputs, e);
    return r < 0 ? r : pipeline_close_batch(p, e);
}

static bool is_full(const struct drain *d, const struct batch *b)
{
    return !has_slot_room(d, b) || b->ring_bytes >= b->ring_limit;
}

/* Takes records until the batch is full (1), or the turn over (-ENODATA). */
static int put_records(struct pipeline *p, struct drain *d, struct batch *b, struct err *e)
{
    const struct fapilog_record *r = drain_peek(d);
    while (r) {
        uint64_t bytes;
        bool fits;
        if (b->ring_bytes && b->ring_bytes + drain_peek_bytes(d) > b->ring_limit)
            return 1;
        const int res = batch_put(b, &p->buffers, &p->outputs, r, UINT32_MAX, &fits);
        if (unlikely(res < 0))
            return err_set(e, res, "no memory for a record of lane %u", r->id.lane);
        if (!fits)
            return 1;
        b->records += !r->internal;
        r = drain_next(d, &bytes);
        b->ring_bytes += bytes;
        if (is_full(d, b))
            return 1;
    }
    return -ENODATA;
}

static int put_spans(struct drain *d, struct batch *b)
{
    do {
        uint64_t records;
        const uint64_t bytes = drain_take_span(d, b->ring_limit - b->ring_bytes, &records);
        if (!bytes)
            return -ENODATA;
        b->records += records;
        b->ring_bytes += bytes;
    } while (!is_full(d, b));
    return 1;
}

/* 1: the turn is over; 0: the window is full. */
static int fill(struct pipeline *p, struct drain *d, struct err *e)
{
    for (;;) {
        struct batch *b = pipeline_filling(p, d);
        if (!b)
            return 0;
        int r = d->is_raw_only ? put_spans(d, b) : put_records(p, d, b, e);
        if (r == -ENODATA)
            return 1;
        if (r > 0)
            r = close_batch(p, d, e);
        if (r < 0)
            return r;
    }
}

int pump_run(struct pipeline *p, struct drain *d, struct err *e)
{
    if (d->is_open) {
        p->fence_next = d->fence;
        const int r = fill(p, d, e);
        if (r <= 0)
            return r;
    }
    if (!p->filling)
        return 0;
    if (!drain_touched(d))
        pipeline_drop_batch(p);
    else if (d->is_fenced || pipeline_is_hungry(p))
        return close_batch(p, d, e);
    return 0;
}
