#include "lib/ring/geometry.h"

#include <fapilog/abi.h>

enum { PAGE = 4096 };

static uint64_t page_up(uint64_t n)
{
    return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static uint8_t log2_up(uint64_t n)
{
    uint8_t log2 = 0;
    while (log2 < 63 && (UINT64_C(1) << log2) < n)
        log2++;
    return log2;
}

uint8_t geometry_cap_log2(const struct geometry *g, uint32_t lane)
{
    if (lane == 0 && g->cap_log2 < GEOMETRY_JUMBO_LOG2)
        return GEOMETRY_JUMBO_LOG2;
    return g->cap_log2;
}

/* Own lanes come first, next to the lane table: a call looks at both, and after a pause each part of the page tables
 * that it needs is cold. Of the shared ones, the largest is the last. */
uint64_t geometry_lane_off(const struct geometry *g, uint32_t lane)
{
    const uint32_t own = g->lane_count - FAPILOG_SHARED_LANES;
    const uint32_t at = lane >= FAPILOG_SHARED_LANES ? lane - FAPILOG_SHARED_LANES
                        : lane                       ? own + lane - 1
                                                     : own + FAPILOG_SHARED_LANES - 1;
    return g->data_off + ((uint64_t)at << g->cap_log2);
}

void geometry_compute(struct geometry *g, uint32_t lanes, uint64_t lane_bytes, uint64_t registry_bytes)
{
    g->lane_count = FAPILOG_SHARED_LANES + lanes;
    g->cap_log2 = log2_up(lane_bytes);
    if (g->cap_log2 < FAPILOG_LANE_LOG2_MIN)
        g->cap_log2 = FAPILOG_LANE_LOG2_MIN;
    if (g->cap_log2 > FAPILOG_LANE_LOG2_MAX)
        g->cap_log2 = FAPILOG_LANE_LOG2_MAX;
    g->block_log2 = GEOMETRY_BLOCK_LOG2_DEFAULT;
    if (g->block_log2 + 2 > g->cap_log2)
        g->block_log2 = (uint8_t)(g->cap_log2 - 2);
    g->registry_size = page_up(registry_bytes);

    g->ctl_off = sizeof(struct fapilog_superblock);
    g->ctl_size = page_up(FAPILOG_CTL_SLOTS_OFF + (uint64_t)g->lane_count * sizeof(struct fapilog_lane_slot));
    g->registry_off = g->ctl_off + g->ctl_size;
    g->lane_off = g->registry_off + g->registry_size;
    g->data_off = page_up(g->lane_off + (uint64_t)g->lane_count * sizeof(struct fapilog_lane));
    g->file_size = geometry_lane_off(g, 0) + (UINT64_C(1) << geometry_cap_log2(g, 0));
}
