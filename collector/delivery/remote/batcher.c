/* From records to requests: by the user's limits (batch_*) and those of the protocol (sink_limits). */
#include "collector/delivery/remote/internal.h"

#include "lib/base/check.h"

#include <stdlib.h>
#include <string.h>

/* What a request holds so far. */
struct fill {
    uint32_t records, most;
    uint64_t payload, bytes;  /* bytes: as the protocol counts them */
    int64_t oldest_ns, youngest_ns;
};

struct bundle *bundle_new(struct remote *r, uint32_t count)
{
    struct bundle *b = calloc(1, sizeof *b);
    CHECK(b != NULL);
    b->entries = malloc(count * sizeof *b->entries);
    b->items = malloc(count * sizeof *b->items);
    CHECK(b->entries && b->items); /* small beside the records themselves */
    b->r = r;
    b->q.core = b;
    return b;
}

void bundle_free(struct bundle *b)
{
    free(b->entries);
    free(b->items);
    free(b->indices);
    free(b);
}

static uint32_t records_max(const struct remote *r)
{
    const uint64_t n = remote_batch_size(r);
    return (uint32_t)(r->limits.records && r->limits.records < n ? r->limits.records : n);
}

/* NULL: it may be sent; else why it never can be. */
static struct doom *too_long(const struct remote *r, const struct entry_head *h)
{
    const struct sink_limits *l = &r->limits;
    if (l->entry_bytes && h->payload_len > l->entry_bytes)
        return doom_new(0, "a record of %u bytes; the protocol takes at most %u", h->payload_len, l->entry_bytes);
    if (l->bytes && h->payload_len + (uint64_t)l->entry_overhead > l->bytes)
        return doom_new(0, "a record of %u bytes; the protocol takes at most %llu a request", h->payload_len,
                        (unsigned long long)l->bytes);
    return NULL;
}

static bool fits(const struct remote *r, const struct fill *f, const struct entry_head *h)
{
    const struct sink_limits *l = &r->limits;
    const int64_t oldest = h->time_ns < f->oldest_ns ? h->time_ns : f->oldest_ns;
    const int64_t youngest = h->time_ns > f->youngest_ns ? h->time_ns : f->youngest_ns;
    if (f->records == 0)
        return true;
    if (f->payload + h->payload_len > r->d->batch_bytes)
        return false;
    if (l->bytes && f->bytes + h->payload_len + l->entry_overhead > l->bytes)
        return false;
    return !l->span_ns || (uint64_t)youngest - (uint64_t)oldest <= l->span_ns;
}

static void fill_add(const struct remote *r, struct fill *f, const struct entry_head *h)
{
    f->oldest_ns = !f->records || h->time_ns < f->oldest_ns ? h->time_ns : f->oldest_ns;
    f->youngest_ns = !f->records || h->time_ns > f->youngest_ns ? h->time_ns : f->youngest_ns;
    f->records++;
    f->payload += h->payload_len;
    f->bytes += h->payload_len + r->limits.entry_overhead;
}

static bool is_ready(const struct remote *r, const struct queue *q)
{
    if (q->records >= records_max(r) || q->payload >= r->d->batch_bytes || r->is_stopping)
        return true;
    /* A spool may lie in many small files: each is a read of its own, but not a request of its own. A read is on its
     * way only while there is room for what it brings, and ends soon. */
    if (q == &r->old)
        return !spool_is_reading(r->spool);
    return r->is_draining || spill_is_wanted(r) || batcher_deadline(r, q) <= r->now_ns;
}

uint64_t batcher_deadline(const struct remote *r, const struct queue *q)
{
    if (!q->records)
        return UINT64_MAX;
    return q->head->number <= r->hurry_number ? q->head->since_ns : q->head->since_ns + r->d->batch_interval_ns;
}

static bool take_next(struct remote *r, struct queue *q, struct fill *f, struct bundle *b)
{
    struct item *const i = &b->items[b->count];
    if (f->records >= f->most || !queue_open(r, q) || !queue_peek(q, i) || !fits(r, f, i->entry))
        return false;
    entry_read_ahead(i->entry);
    queue_pop(q);
    struct doom *d = too_long(r, i->entry);
    if (d) {
        doom_item(r, i, d);
        doom_unref(d);
        return true;
    }
    fill_add(r, f, i->entry);
    b->count++;
    return true;
}

struct bundle *batcher_take(struct remote *r, struct queue *q)
{
    struct fill f = {.most = records_max(r)};
    if (!q->records || !is_ready(r, q))
        return NULL;
    struct bundle *b = bundle_new(r, f.most < q->records ? f.most : (uint32_t)q->records);
    while (take_next(r, q, &f, b))
        ;
    if (b->count)
        return b;
    bundle_free(b);
    return NULL;
}
