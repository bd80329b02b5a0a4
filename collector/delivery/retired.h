/* retired.h - what sinks that a reload has closed had counted: a successor of the same name goes on from there, and
 * those without one stay in the books until the collector ends. */
#ifndef COLLECTOR_DELIVERY_RETIRED_H
#define COLLECTOR_DELIVERY_RETIRED_H

#include "collector/delivery/remote.h"

enum { RETIRED_MAX = 32 };

struct retired_sink {
    char name[SINK_NAME_MAX + 1]; /* the last one, once there is no room: "(others)" */
    bool is_remote;
    struct remote_stats stats; /* the counters; nothing is in memory or in the spool */
};

struct retired {
    struct retired_sink sink[RETIRED_MAX];
    uint32_t count;
};

/* `s` of a sink that is closed now: what it has in memory and in its spool does not count as taken, who finds it counts
 * it again. */
void retired_add(struct retired *l, const char *name, bool is_remote, const struct remote_stats *s);
/* Out of the list; all zero where there is none. */
void retired_take(struct retired *l, const char *name, bool is_remote, struct remote_stats *ret);
/* The counters of both. */
void retired_sum(struct remote_stats *to, const struct remote_stats *s);

#endif
