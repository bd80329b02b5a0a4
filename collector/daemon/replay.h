/* replay.h - --replay: dead letters are sent again, to the sink of the configuration that has their name, or to the
 * one that --sink gives. A file whose records are all settled is removed: they are delivered, or, when they were
 * refused again, lie as dead letters in `refused` beside it. Works on no ring; a collector that uses the same state
 * directory must not run. */
#ifndef COLLECTOR_DAEMON_REPLAY_H
#define COLLECTOR_DAEMON_REPLAY_H

#include "collector/daemon/options.h"

/* 0: all is delivered. The books go to `f`. */
int replay_run(const struct options *o, FILE *f, struct err *e);

#endif
