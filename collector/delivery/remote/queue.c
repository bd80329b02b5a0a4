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

static void item_at(struct lot *l, size_t at, uint32_t n, struct item *ret)
{
    const struct entry_head *h = entry_at(l->data + at, l->bytes - at);
    CHECK(h != NULL); /* written by us, or verified when it was read */
    *ret = (struct item){ .entry = h, .lot = l, .block = l->block, .index = l->index ? l->index[n] : n,
                          .attempts = h->attempts };
}

bool queue_peek(const struct queue *q, struct item *ret)
{
    if (!q->head)
        return false;
    item_at(q->head, q->head->at, q->head->taken, ret);
    return true;
}

bool queue_walk(const struct queue *q, struct item *i)
{
    if (!i->entry)
        return queue_peek(q, i);
    struct lot *l = i->lot;
    const size_t at = (size_t)((const char *)i->entry - l->data) + i->entry->bytes;
    if (at < l->bytes) {
        item_at(l, at, i->block ? 0 : i->index + 1, i); /* only the queue of what is fresh is walked */
        return true;
    }
    if (!l->next)
        return false;
    item_at(l->next, 0, 0, i);
    return true;
}

void queue_pop(struct queue *q)
{
    struct lot *l = q->head;
    const struct entry_head *h = (const void *)(l->data + l->at);
    l->at += h->bytes;
    l->taken++;
    l->queued--;
    q->records--;
    q->bytes -= h->bytes;
    q->payload -= h->payload_len;
    if (l->queued > 0)
        return;
    q->head = l->next;
    l->next = NULL;
    if (!q->head)
        q->tail = &q->head;
}
