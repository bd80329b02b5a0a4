/* internal.h - what the files of the chain know of each other; stages do not include it. */
#ifndef COLLECTOR_STAGE_INTERNAL_H
#define COLLECTOR_STAGE_INTERNAL_H

#include "collector/stage/stage.h"
#include "lib/base/check.h"

/* Memory of one record: a block, and when it was too small further ones, which the next record finds joined
 * into a larger block. So a stream of records of a kind ends up with no allocations at all. */
struct stage_memory {
    char *block;
    size_t size, used;
    struct stage_extra *extra;
    size_t extra_bytes;
    uint32_t fields_room; /* entries at own.fields */
    bool dirty;           /* something to undo before the next record */
    bool touched;         /* a stage asked for something to write to */
};

int stage_record_open(struct stage_record *sr);
void stage_record_close(struct stage_record *sr);
void stage_record_reset(struct stage_record *sr);

static inline void stage_record_begin(struct stage_record *sr, const struct fapilog_record *r)
{
    if (unlikely(sr->memory->dirty))
        stage_record_reset(sr);
    sr->r = sr->given = r;
}

/* The record as it leaves the stages from number `from` on; valid until `sr` is used for the next one. */
const struct fapilog_record *stages_run_from(struct stages *c, struct stage_record *sr, const struct fapilog_record *r,
                                             uint32_t from);

int stages_emitted_open(struct stages *c);
void stages_emitted_close(struct stages *c);

#endif
