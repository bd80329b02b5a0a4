/* Where everything lies in a segment file, from a handful of sizes. */
#ifndef FAPILOG_RING_GEOMETRY_H
#define FAPILOG_RING_GEOMETRY_H

#include <stdint.h>

enum {
    GEOMETRY_LANES_DEFAULT = 64, /* own lanes, beside the shared ones */
    GEOMETRY_LANE_LOG2_DEFAULT = 19,
    GEOMETRY_BLOCK_LOG2_DEFAULT = 16,
    GEOMETRY_JUMBO_LOG2 = 22, /* lane 0 */
    GEOMETRY_HEADROOM_SHIFT = 3,
    GEOMETRY_REGISTRY_DEFAULT = 1 << 20,
    GEOMETRY_REGISTRY_MIN = 1 << 12,
    GEOMETRY_REGISTRY_MAX = 1 << 24,
};

/* Of a segment file. Readers refuse a larger one, so that a size out of a damaged file costs no address space. */
#define GEOMETRY_FILE_MAX (UINT64_C(64) << 30)

struct geometry {
    /* chosen */
    uint32_t lane_count; /* including the shared lanes */
    uint8_t cap_log2;
    uint8_t block_log2;
    uint64_t registry_size;
    /* computed */
    uint64_t ctl_off, ctl_size;
    uint64_t registry_off;
    uint64_t lane_off;
    uint64_t data_off;
    uint64_t file_size;
};

/* Fills in the computed part. A small lane gets smaller blocks: at least four a lane. */
void geometry_compute(struct geometry *g, uint32_t lanes, uint64_t lane_bytes, uint64_t registry_bytes);
uint8_t geometry_cap_log2(const struct geometry *g, uint32_t lane);
uint64_t geometry_lane_off(const struct geometry *g, uint32_t lane);

#endif
