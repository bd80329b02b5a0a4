/* overload.h - feeds the pressure ladder (collector/stage/pressure.h) with how full lanes and remote sinks are, and
 * tells of its steps. */
#ifndef COLLECTOR_DAEMON_OVERLOAD_H
#define COLLECTOR_DAEMON_OVERLOAD_H

#include "collector/daemon/daemon.h"
#include "collector/stage/pressure.h"

/* Once a turn; looks at most every 10 ms. Cheap when adaptive is not enabled. */
void overload_run(struct daemon *d, uint64_t now_ns);
/* When it is due although nothing else happens. */
uint64_t overload_deadline(const struct daemon *d);
/* pressure.stepped; arg is the daemon. */
void overload_stepped(void *arg, enum pressure_level from, enum pressure_level to, double fill);
/* Of a remote sink: 0..1. Where a full queue goes to disk, it is the disk that fills. */
double overload_sink_fill(const struct sink_delivery *cfg, const struct remote_stats *s);

#endif
