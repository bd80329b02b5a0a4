/* settings.h - what can be tuned about reading the rings; rows and defaults in daemon/options.c. */
#ifndef COLLECTOR_INGEST_SETTINGS_H
#define COLLECTOR_INGEST_SETTINGS_H

#include <stdint.h>

struct ingest_settings {
    uint64_t flush_interval_ns; /* longest sleep while records may wait */
    uint64_t merge_window_ns;   /* records younger than this wait for their neighbours */
    uint64_t lane_budget_bytes; /* per lane and turn */
    uint64_t keep_dead;         /* segments of dead processes kept as .dead */
    uint64_t segments_max;      /* per uid */
    uint64_t lanes_max;         /* per uid */
    uint64_t bytes_max;         /* per uid */
};

enum level_origin {
    LEVEL_CONFIGURED,
    LEVEL_ASKED,     /* over the endpoint, for a prefix that the configuration does not have */
    LEVEL_WITHDRAWN, /* no longer configured: what governs its loggers now, as no ring forgets a rule */
};

/* --set level=DEBUG, --set level.orders.matching=DEBUG */
struct level_setting {
    char prefix[56]; /* "" = every logger */
    uint8_t level;
    enum level_origin origin; /* configured ones come first */
};

#endif
