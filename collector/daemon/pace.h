/* pace.h - when to look at the rings again. Reading early steals the lines that a producer is about to
 * write; reading late fills its lanes. */
#ifndef COLLECTOR_DAEMON_PACE_H
#define COLLECTOR_DAEMON_PACE_H

#include "collector/daemon/daemon.h"

/* A turn has ended: sets turn_at_ns, and the bells when the sleep is a long one. */
void pace_next_turn(struct daemon *d);

#endif
