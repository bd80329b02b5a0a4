/* record.h - a record on its way through the stages. Its view of the ring is never written to: what a
 * stage changes lies in copies, made when the first stage asks for them, in memory that is used again for
 * the next record. */
#ifndef COLLECTOR_STAGE_RECORD_H
#define COLLECTOR_STAGE_RECORD_H

#include <fapilog/reader.h>

#include <stddef.h>

struct stage_memory;

enum {
    STAGE_MEMORY_MAX = 32 << 20, /* what the stages may take for one record */
    STAGE_FIELDS_MAX = 512,      /* of a call, with those that stages have added */
};

struct stage_record {
    const struct fapilog_record *r; /* as the next stage sees it: the original, or `own` */
    const struct fapilog_record *given; /* as it came to the first stage: caches live in its logger and process */
    uint64_t now_ns;                /* CLOCK_MONOTONIC, of the turn */
    /* private */
    struct fapilog_record own;
    struct fapilog_context_info context;
    struct stage_memory *memory;
    bool has_own, has_fields, has_context;
};

/* Memory until the next record; NULL: none left (STAGE_FAILED). */
void *stage_alloc(struct stage_record *sr, size_t bytes);
/* Copies to write to. NULL: no memory. Fields and context fields keep their order and number, so that plans
 * compiled for the call site still fit; to leave one out, see stage_drop_field(). */
struct fapilog_record *stage_own(struct stage_record *sr);
struct fapilog_field *stage_own_fields(struct stage_record *sr);
struct fapilog_field *stage_own_context(struct stage_record *sr); /* of a record that has a context */
/* Adds a field to the call's; its name and data stay where they are. The record then has no site plan to share:
 * it costs more to serialize. 0, -ENOMEM, or -E2BIG beyond STAGE_FIELDS_MAX. */
int stage_add_field(struct stage_record *sr, const struct fapilog_field *f);
int stage_drop_field(struct stage_record *sr, uint32_t index); /* 0 or -ENOMEM */

#endif
