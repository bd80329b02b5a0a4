/* position.h - how far a lane (or the counters of a segment) has been delivered: what a release
 * stores into ctl, and what the state file keeps so that a restarted collector can store it again. */
#ifndef COLLECTOR_INGEST_POSITION_H
#define COLLECTOR_INGEST_POSITION_H

#include <stdint.h>

#define POSITION_SEGMENT UINT32_MAX /* position.lane: the counters of the segment itself */

struct position {
    uint64_t uuid_hi, uuid_lo;
    uint32_t lane;
    uint32_t reserved;
    union {
        struct { /* of a lane, see struct fapilog_lane_slot */
            uint64_t done, dropped_seen, delivered, skipped_bytes, lost;
        };
        struct { /* of a segment, see struct fapilog_ctl */
            uint64_t orphan_seen, truncated_seen, unregistered_seen;
        };
    };
};
_Static_assert(sizeof(struct position) == 64, "stored in the state file");

#endif
