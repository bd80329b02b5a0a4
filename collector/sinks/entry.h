/* entry.h - one serialized record on its way to a remote sink, together with what delivery and the
 * protocols need to know about it. The same bytes lie in memory, in spool blocks and in dead letters:
 *
 *   struct entry_head | group | meta | payload | zeros up to a multiple of 8
 *
 * group    what the sink groups records by in one request: labels, resource and scope. May be empty.
 * meta     what the sink wants to know of each record beside its payload. May be empty.
 * payload  the record in the sink's format, without the line feed of line formats.
 *
 * Whoever writes it has run redaction before: nothing here needs masking any more. Native endian; a
 * reader bounds every length (entry_next) because spools are files that may be damaged. */
#ifndef COLLECTOR_SINKS_ENTRY_H
#define COLLECTOR_SINKS_ENTRY_H

#include <fapilog/reader.h>

#include <string.h>

enum {
    ENTRY_ALIGN = 8,
    ENTRY_BYTES_MAX = 8 << 20, /* of one entry: a record of 1 MiB whose text is escaped */
};

enum entry_flags {
    ENTRY_INTERNAL = 1, /* made by the collector: a drop report, a summary */
    ENTRY_FOLLOWS = 2,  /* in a block of a spool: the sink was given it directly after the one before it */
};

struct entry_head {
    uint32_t bytes; /* of the whole entry, a multiple of 8 */
    uint32_t payload_len;
    uint16_t group_len;
    uint16_t meta_len;
    uint8_t level;
    uint8_t flags;     /* ENTRY_* */
    uint16_t attempts; /* refused or failed deliveries before this one was put where it lies */
    int64_t time_ns;   /* CLOCK_REALTIME */
    uint8_t uuid[16];  /* with the next three: the record's id, the same after crash and resend */
    uint32_t lane;
    uint32_t generation;
    uint64_t position;
};
_Static_assert(sizeof(struct entry_head) == 56 && sizeof(struct entry_head) % ENTRY_ALIGN == 0, "lies in spool files");

static inline const char *entry_group(const struct entry_head *h) { return (const char *)(h + 1); }
static inline const char *entry_meta(const struct entry_head *h) { return entry_group(h) + h->group_len; }
static inline const char *entry_payload(const struct entry_head *h) { return entry_meta(h) + h->meta_len; }

/* The entry at data, or NULL when what lies there cannot be one. */
static inline const struct entry_head *entry_at(const char *data, size_t left)
{
    const struct entry_head *h = (const struct entry_head *)(const void *)data;
    if (left < sizeof *h || h->bytes > left || h->bytes % ENTRY_ALIGN || h->bytes > ENTRY_BYTES_MAX ||
        sizeof *h + (uint64_t)h->group_len + h->meta_len + h->payload_len > h->bytes)
        return NULL;
    return h;
}

/* For walks: fetches the head of the next but some, and the group behind it, guessing that all are as long. Entries in
 * memory are more than the nearer caches hold, and each says where the next one is. */
static inline void entry_read_ahead(const struct entry_head *h)
{
    enum { ENTRIES = 8, SPREAD = 32 };
    const uintptr_t ahead = (uintptr_t)h + (uintptr_t)ENTRIES * h->bytes; /* maybe behind the end: never looked at */
    __builtin_prefetch((const void *)(ahead - SPREAD));
    __builtin_prefetch((const void *)(ahead + SPREAD));
    __builtin_prefetch((const void *)(ahead + 3 * SPREAD));
}

static inline size_t entry_bound(size_t parts) /* group + meta + payload */
{
    return sizeof(struct entry_head) + parts + ENTRY_ALIGN;
}

/* Fills in the head and the padding behind `end`, where ENTRY_ALIGN bytes are free; returns where the next entry
 * begins. */
static inline char *entry_finish(struct entry_head *h, const struct fapilog_record *r, uint16_t group_len,
                                 uint16_t meta_len, char *end)
{
    const size_t used = (size_t)(end - (char *)h), bytes = (used + ENTRY_ALIGN - 1) & ~(size_t)(ENTRY_ALIGN - 1);
    memset(end, 0, ENTRY_ALIGN); /* of a fixed size: one store */
    *h = (struct entry_head){
        .bytes = (uint32_t)bytes, .group_len = group_len, .meta_len = meta_len,
        .payload_len = (uint32_t)(used - sizeof *h - group_len - meta_len), .level = r->level,
        .flags = r->internal ? ENTRY_INTERNAL : 0, .time_ns = r->time_ns, .lane = r->id.lane,
        .generation = r->id.generation, .position = r->id.position,
    };
    memcpy(h->uuid, r->id.uuid, sizeof h->uuid);
    return (char *)h + bytes;
}

/* The record's id as text, "uuid-lane-generation-position" in lower-case hex without leading zeros but in the
 * UUID; for protocols with a place for it. */
enum { ENTRY_ID_MAX = 80 };
char *entry_id_text(const struct entry_head *h, char *out);
char *entry_id_write(const uint8_t uuid[16], uint32_t lane, uint32_t generation, uint64_t position, char *out);

#endif
