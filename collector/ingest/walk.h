/* walk.h - a lane's records by their headers alone, for outputs that take them as they lie there. No
 * text is looked at and no call site looked up; lengths, kinds and block headers are validated. */
#ifndef COLLECTOR_INGEST_WALK_H
#define COLLECTOR_INGEST_WALK_H

#include "collector/ingest/segments.h"

struct walk {
    uint64_t to;      /* where it ended: a record boundary, outside of chains of fragments */
    uint64_t records; /* events passed: EVENT, DYNAMIC and whole chains */
    uint64_t skipped; /* bytes of damaged blocks */
    uint32_t first_generation; /* of the block that it begins in */
    uint32_t generation; /* of the last block header, 0: none was passed */
    uint32_t levels;     /* of EVENT and DYNAMIC records, one bit each */
    bool is_odd;         /* holds anything else than these, blocks, contexts and padding, or records of two threads */
};

/* From l->taken towards l->tail; ends before it would pass bytes_max, unless a single record does. */
void walk_lane(const struct lane *l, uint64_t bytes_max, struct walk *ret);

/* Notes what was walked from l->taken on as a run of the present batch, unless it is odd. */
void walk_note_run(struct lane *l, const struct walk *w);

#endif
