/* collector.h - the collector's half: what it tells the producer (collector/ingest/release.c) and how it
 * looks at a tail (segments.h). The records are read in place with plain loads, as the decoder does: any
 * that could meet a store of the producer is a data race, which the checker reports.
 *
 * COLLECTOR_SLEEPS adds collector/ingest/bell.c. COLLECTOR_WEAK_STORES, _LOADS and _FENCES weaken them. */
#ifndef TESTS_MODEL_WEAK_COLLECTOR_H
#define TESTS_MODEL_WEAK_COLLECTOR_H

#include "tests/model/weak/world.h"

#ifdef COLLECTOR_WEAK_STORES
#define WEAK_STORES
#endif
#ifdef COLLECTOR_WEAK_LOADS
#define WEAK_LOADS
#endif
#ifdef COLLECTOR_WEAK_FENCES
#define WEAK_FENCES
#endif
#include "tests/model/weak/weaken.h"

#undef __x86_64__ /* flushing cache lines changes no value */
int fault_armed;
void fault_hit(const char *name) { (void)name; }

#include "collector/ingest/release.c"
#ifdef COLLECTOR_SLEEPS
#include "collector/ingest/bell.c"
#endif
#include "tests/model/weak/weaken.h"

static struct segment_lane geometry = {.cap_log2 = 8, .block_log2 = 7};
static struct segment seg = {.base = (const uint8_t *)&segment_file, .lanes_count = 1, .lanes = &geometry};
static struct source source = {.seg = &seg};
static struct lane lane = {.source = &source};
static struct source *sources[] = {&source};
static struct segments segments = {.source = sources, .count = 1};

static void collector_init(void)
{
    source.owner = &segments;
    source.lane = &lane;
    source.lanes_count = source.lanes_hot = 1;
    seg.ctl = &segment_ctl.ctl;
    seg.sb.lane_off = offsetof(typeof(segment_file), lane);
    seg.sb.lane_stride = sizeof(struct fapilog_lane);
    seg.sb.slot_stride = sizeof(struct fapilog_lane_slot);
}

static void collector_release(uint64_t done)
{
    const struct position p = {.done = done};
    lane_release(&lane, &p);
}

#endif
