/* entries.h - from a record to an entry (collector/sinks/entry.h) of one output. */
#ifndef COLLECTOR_DELIVERY_ENTRIES_H
#define COLLECTOR_DELIVERY_ENTRIES_H

#include "collector/delivery/outputs.h"
#include "collector/delivery/parcel.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdbool.h>

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

/* Where an entry ends that is written behind those of its parcel, but not taken yet. */
struct entries_written {
    char *end;
    uint16_t group_len, meta_len;
};

static inline char *entries_next(const struct parcel *p)
{
    return p->data + p->bytes + sizeof(struct entry_head);
}

/* Where format or sink can tell from the record's call site alone that it fits. */
static inline bool entries_write_within(const struct parcel *p, const struct output *o, const struct fapilog_record *r,
                                        struct entries_written *ret)
{
    const struct sink_remote_ops *encoder = o->encoder ? o->encoder->ops->remote : NULL;
    if (unlikely(p->cap - p->bytes < entry_bound(0)))
        return false;
    char *const out = entries_next(p);
    const size_t room = p->cap - p->bytes - entry_bound(0);
    *ret = (struct entries_written){ 0 };
    if (encoder && encoder->encode_within)
        ret->end = encoder->encode_within(o->encoder, r, out, room, &ret->group_len, &ret->meta_len);
    else if (!encoder && o->format->ops->write_within)
        ret->end = o->format->ops->write_within(o->format, r, out, room);
    if (ret->end && !encoder && o->format->ops->is_lines)
        ret->end--;
    return ret->end;
}

/* What is written behind the head of the next entry becomes one. */
static inline void entries_take(struct parcel *p, const struct fapilog_record *r, uint16_t group_len, uint16_t meta_len,
                                char *end)
{
    struct entry_head *h = (struct entry_head *)(void *)(p->data + p->bytes);
    const char *next = entry_finish(h, r, group_len, meta_len, end);
    p->bytes = (uint64_t)(next - p->data);
    ASSUME(p->bytes <= p->cap);
    p->payload_bytes += h->payload_len;
    if (!p->records++)
        p->oldest_ns = p->youngest_ns = h->time_ns;
    p->oldest_ns = h->time_ns < p->oldest_ns ? h->time_ns : p->oldest_ns;
    p->youngest_ns = h->time_ns > p->youngest_ns ? h->time_ns : p->youngest_ns;
}

/* Appends the record; the parcel has room for entries_bound(). */
static inline void entries_append(struct parcel *p, const struct output *o, const struct fapilog_record *r)
{
    uint16_t group_len, meta_len;
    char *end = entries_fill(o, r, p->data + p->bytes + sizeof(struct entry_head), &group_len, &meta_len);
    entries_take(p, r, group_len, meta_len, end);
}

/* The same from what its format has written elsewhere. -ENOMEM. */
static inline int entries_copy(struct parcel *p, const struct fapilog_record *r, const char *payload, uint32_t len)
{
    if (p->cap - p->bytes < entry_bound(len) && parcel_reserve(p, entry_bound(len)) < 0)
        return -ENOMEM;
    char *out = p->data + p->bytes + sizeof(struct entry_head);
    memcpy(out, payload, len);
    entries_take(p, r, 0, 0, out + len);
    return 0;
}

#endif
