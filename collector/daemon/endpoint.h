/* endpoint.h - what the admin endpoint sees of the daemon, and what it may do to it. */
#ifndef COLLECTOR_DAEMON_ENDPOINT_H
#define COLLECTOR_DAEMON_ENDPOINT_H

#include "collector/daemon/daemon.h"

/* Whether `admin` can be what it says. */
int endpoint_check(const struct config *c, struct err *e);
int endpoint_open(struct daemon *d, struct err *e);
/* Once a turn: whether somebody tails. */
void endpoint_run(struct daemon *d);
/* After a reload the stages may be others. */
void endpoint_refresh(struct daemon *d);

#endif
