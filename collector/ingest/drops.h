/* drops.h - what was lost on the way becomes a record: "records dropped", one per lane (or segment)
 * and turn, with how many and why; "records damaged" for what could not be read. */
#ifndef COLLECTOR_INGEST_DROPS_H
#define COLLECTOR_INGEST_DROPS_H

#include "collector/ingest/drain.h"

enum { REPORT_FIELDS_MAX = 8 };

/* A record made by the collector. */
struct report_record {
    struct fapilog_record record;
    struct fapilog_field field[REPORT_FIELDS_MAX];
    struct segment_lane_owner owner;
};

bool drops_lane_has_any(const struct lane *l);
bool drops_source_has_any(const struct source *s);

/* Builds the report of a lane, or with lane NULL of the segment's own counters. */
void drops_build(struct source *s, struct lane *l, struct report_record *ret);
/* The report went into a batch: from now on only what comes on top is new. */
void drops_told(struct segments_stats *stats, struct source *s, struct lane *l);

#endif
