#include "collector/delivery/remote/internal.h"

#include "lib/base/check.h"

void queue_init(struct queue *q)
{
    *q = (struct queue){ .tail = &q->head };
}

void queue_push(struct queue *q, struct lot *l)
{
    q->records += l->queued;
    q->bytes += l->bytes;
    q->payload += l->payload_bytes;
    *q->tail = l;
    q->tail = &l->next;
}

bool queue_walk(const struct queue *q, struct item *i)
{
    struct lot *l = i->lot;
    if (!l)
        return queue_peek(q, i);
    const size_t at = i->entry ? (size_t)((const char *)i->entry - l->data) + i->entry->bytes : l->bytes;
    if (at < l->bytes) {
        lot_item(l, at, i->block ? 0 : i->index + 1, i); /* only the queue of what is fresh is walked */
        return true;
    }
    if (!l->next)
        return false;
    lot_item(l->next, 0, 0, i);
    return true;
}

void queue_settle_lot(struct remote *r, struct queue *q, uint64_t *counter)
{
    struct lot *l = q->head;
    const uint32_t n = l->queued;
    CHECK(l->at == 0);
    q->records -= n;
    q->bytes -= l->bytes;
    q->payload -= l->payload_bytes;
    q->head = l->next;
    l->next = NULL;
    if (!q->head)
        q->tail = &q->head;
    *counter += n;
    r->stats.queued_records -= n;
    r->stats.queued_bytes -= l->bytes;
    l->queued = 0;
    if (l->unsettled)
        lot_settle(r, l, l->is_image ? NULL : (const void *)l->data, 0, n);
    lot_release_many(l, n);
}

/* Some of its records could not be decoded: damage in the ring, which nobody else has noticed either. */
static void lot_lose(struct remote *r, struct queue *q, uint32_t n)
{
    struct lot *l = q->head;
    if (n == l->queued) {
        queue_settle_lot(r, q, &r->stats.dropped_corrupt);
        return;
    }
    r->stats.dropped_corrupt += n;
    r->stats.queued_records -= n;
    q->records -= n;
    l->queued -= n;
    if (l->unsettled)
        lot_settle(r, l, NULL, l->queued, n);
    lot_release_many(l, n);
}

static bool lot_expand(struct remote *r, struct queue *q)
{
    struct lot *l = q->head;
    struct parcel *p;
    if (remote_expand(r, l->data, l->bytes, l->queued, &p) < 0)
        return false;
    q->bytes += p->bytes - l->bytes;
    q->payload += p->payload_bytes - l->payload_bytes;
    r->stats.queued_bytes += p->bytes - l->bytes;
    parcel_unref(l->parcel);
    l->parcel = p;
    l->is_image = false;
    l->data = p->data;
    l->bytes = p->bytes;
    l->payload_bytes = p->payload_bytes;
    if (p->records < l->queued)
        lot_lose(r, q, l->queued - p->records);
    return true;
}

bool queue_open_images(struct remote *r, struct queue *q)
{
    while (q->head && q->head->is_image)
        if (!lot_expand(r, q))
            return false;
    return true;
}
