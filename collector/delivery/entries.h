/* entries.h - from a record to an entry (collector/sinks/entry.h) of one output. */
#ifndef COLLECTOR_DELIVERY_ENTRIES_H
#define COLLECTOR_DELIVERY_ENTRIES_H

#include "collector/delivery/outputs.h"
#include "collector/delivery/parcel.h"
#include "lib/base/check.h"

static inline size_t entries_bound(const struct output *o, const struct fapilog_record *r)
{
    return entry_bound(o->encoder ? o->encoder->ops->remote->encode_bound(o->encoder, r)
                                  : o->format->ops->bound(o->format, r));
}

static inline char *entries_fill(const struct output *o, const struct fapilog_record *r, char *out,
                                 uint16_t *ret_group_len, uint16_t *ret_meta_len)
{
    *ret_group_len = *ret_meta_len = 0;
    if (o->encoder)
        return o->encoder->ops->remote->encode(o->encoder, r, out, ret_group_len, ret_meta_len);
    char *end = o->format->ops->write(o->format, r, out);
    return o->format->ops->is_lines ? end - 1 : end;
}

/* Appends the record; the parcel has room for entries_bound(). */
static inline void entries_append(struct parcel *p, const struct output *o, const struct fapilog_record *r)
{
    struct entry_head *h = (struct entry_head *)(void *)(p->data + p->bytes);
    uint16_t group_len, meta_len;
    char *end = entries_fill(o, r, (char *)(h + 1), &group_len, &meta_len);
    const char *next = entry_finish(h, r, group_len, meta_len, end);
    p->bytes = (uint64_t)(next - p->data);
    ASSUME(p->bytes <= p->cap);
    p->payload_bytes += h->payload_len;
    if (!p->records++)
        p->oldest_ns = p->youngest_ns = h->time_ns;
    p->oldest_ns = h->time_ns < p->oldest_ns ? h->time_ns : p->oldest_ns;
    p->youngest_ns = h->time_ns > p->youngest_ns ? h->time_ns : p->youngest_ns;
}

#endif
