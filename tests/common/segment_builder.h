/* segment_builder.h - segments written by hand, byte for byte as abi.h says, without the producer
 * library: valid ones, and through direct access to the mapping any kind of broken ones. */
#ifndef TESTS_COMMON_SEGMENT_BUILDER_H
#define TESTS_COMMON_SEGMENT_BUILDER_H

#include <fapilog/abi.h>

#include <stdbool.h>
#include <stddef.h>

struct builder_options {
    uint32_t lanes;         /* 0: 1 */
    uint8_t cap_log2;       /* 0: 14, four blocks of 4 KiB */
    uint8_t block_log2;     /* 0: 12 */
    uint8_t mode;           /* FAPILOG_MODE_* */
    uint8_t lane_flags;     /* FAPILOG_LANE_* */
    uint32_t registry_bytes; /* 0: 16 KiB */
    uint32_t clock_kind;    /* 0: FAPILOG_CLOCK_MONOTONIC */
    const char *service;    /* NULL: "svc" */
};

struct builder_lane {
    uint64_t pos;  /* next byte to be written; published as tail by each put */
    uint64_t seq;
    uint64_t dropped;
    uint32_t generation;
    bool broken_seq;
};

struct segment_builder {
    int fd;        /* of the caller */
    uint8_t *base; /* the whole file, shared */
    size_t bytes;
    struct fapilog_superblock *sb;
    struct builder_options opt;
    struct builder_lane *lanes;
    uint64_t cycles; /* stamped on the next record; each put adds 1000 */
};

/* Sizes the file and writes an empty, valid segment. CHECK fails on errors of the system. */
void builder_init(struct segment_builder *b, int fd, const struct builder_options *opt);
void builder_done(struct segment_builder *b); /* the file stays */
void builder_seal(struct segment_builder *b); /* superblock hash, after changes by hand */

struct fapilog_lane *builder_lane(struct segment_builder *b, uint32_t lane);
struct fapilog_lane_slot *builder_slot(struct segment_builder *b, uint32_t lane);
uint8_t *builder_at(struct segment_builder *b, uint32_t lane, uint64_t pos);

/* ---- payloads: values at natural alignment from the start of the record ---- */

struct payload {
    uint32_t len; /* counts from the start of the record: begins at 16 */
    uint32_t base; /* alignment counts from here */
    uint8_t bytes[1 << 17];
};
void payload_init(struct payload *p);
void payload_list_init(struct payload *p); /* an own field list, offset 0 */
void payload_put(struct payload *p, const void *value, uint32_t size, uint32_t align);
void payload_u8(struct payload *p, uint8_t v);
void payload_u16(struct payload *p, uint16_t v);
void payload_u32(struct payload *p, uint32_t v);
void payload_u64(struct payload *p, uint64_t v);
void payload_f64(struct payload *p, double v);
void payload_text(struct payload *p, const void *data, uint32_t len); /* u32 length, bytes */
void payload_ext(struct payload *p, uint32_t logger, uint32_t epoch);
void payload_name(struct payload *p, uint8_t type, uint8_t role, const char *name); /* head of a list field */
void payload_dynamic(struct payload *p, uint32_t fields, const char *message);      /* then the fields */

/* ---- registry ---- */

struct builder_field {
    uint8_t type;
    const char *name;
};
uint32_t builder_site(struct segment_builder *b, uint8_t level, const char *message, unsigned fields_count,
                      const struct builder_field *fields);
uint32_t builder_site_printf(struct segment_builder *b, uint8_t level, const char *format,
                             unsigned fields_count, const struct builder_field *fields);
/* `list` (payload_list_init) may be NULL. */
uint32_t builder_logger(struct segment_builder *b, uint32_t parent, const char *name, unsigned fields_count,
                        const struct payload *list);
uint32_t builder_module(struct segment_builder *b, const char *path, uint64_t base, uint64_t size);
uint32_t builder_module_since(struct segment_builder *b, const char *path, uint64_t base, uint64_t size,
                              uint64_t since);
void builder_entry_rehash(struct segment_builder *b, uint32_t id); /* after changes by hand */

/* ---- lanes ---- */

/* Writes one record and publishes it. Opens blocks as a producer does; never looks at head. */
void builder_put(struct segment_builder *b, uint32_t lane, uint32_t kind, uint8_t level, uint8_t flags,
                 uint32_t schema, const struct payload *p);
void builder_event(struct segment_builder *b, uint32_t lane, uint8_t level, uint32_t site,
                   const struct payload *p);
void builder_context(struct segment_builder *b, uint32_t lane, uint32_t epoch, const struct payload *p);
/* The same as fragments of at most `piece` payload bytes, published at once. */
void builder_put_large(struct segment_builder *b, uint32_t lane, uint32_t kind, uint8_t level, uint8_t flags,
                       uint32_t schema, const struct payload *p, uint32_t piece);
/* The thread goes, another claims the lane. */
void builder_reclaim(struct segment_builder *b, uint32_t lane, uint32_t tid, const char *thread);

/* A segment with every kind of record, small enough to flip each of its bytes. Returns how many
 * events it holds. */
unsigned builder_sample(struct segment_builder *b, int fd);

#endif
