/* reload.h - SIGHUP: the configuration is read again, and what has changed in it takes effect, all or nothing. */
#ifndef COLLECTOR_DAEMON_RELOAD_H
#define COLLECTOR_DAEMON_RELOAD_H

#include "collector/daemon/daemon.h"

/* Reads and checks it. What is wrong is said, and the collector goes on as it is. Sinks and routes change when the
 * batches under way are committed, see reload_run(). */
void reload_begin(struct daemon *d, uint64_t now_ns);
/* Takes over what reload_begin() found, when the time has come. Negative: the collector cannot go on. */
int reload_run(struct daemon *d, uint64_t now_ns, struct err *e);
void reload_abandon(struct daemon *d, const char *why);

#endif
