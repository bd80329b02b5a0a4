/* stats_collect.h - the figures of a segment at one moment. */
#ifndef TOOLS_DUMP_STATS_COLLECT_H
#define TOOLS_DUMP_STATS_COLLECT_H

#include "lib/reader/reader.h"

struct lane_figures {
    uint32_t lane;
    struct segment_lane_owner owner;
    uint64_t capacity;
    uint64_t tail;      /* bytes ever written */
    uint64_t fill;      /* bytes that the collector has not released */
    uint64_t lag;       /* bytes that are not delivered yet */
    uint64_t seq;       /* records ever written */
    uint64_t dropped, dropped_bytes, blocked;
    uint64_t delivered, skipped_bytes, lost; /* as the collector counts */
    int64_t from_ns, to_ns; /* times of the oldest and the youngest record that the lane holds; 0: none */
    int64_t undelivered_ns; /* of the oldest that is not delivered; 0: all are */
    int64_t drop_ns;        /* of the last drop; 0: none */
    double rate;        /* records per second, over the process's life or since the last look */
    double bytes_rate;
};

struct segment_figures {
    const char *state;  /* alive, clean, dead */
    bool has_collector; /* its heartbeat is fresh */
    double age_s;       /* since the segment was made; 0 for the dead, and for clocks of others */
    uint64_t orphans, truncated, unregistered;
    uint64_t seq, dropped, fill, lag;
    int64_t from_ns, to_ns, undelivered_ns, drop_ns; /* over all lanes */
    double rate;
    uint64_t at_ns;     /* CLOCK_MONOTONIC of this look */
    uint32_t lanes_count; /* lanes that were ever used */
    struct lane_figures *lanes;
};

/* `before` (may be NULL) gives the rates. -ENOMEM. */
int figures_take(const struct reader_segment *s, const struct segment_figures *before,
                 struct segment_figures *ret);
void figures_done(struct segment_figures *f);

#endif
