/* reload.h - another configuration while the collector runs, all or nothing:
 *
 *   load and check  ->  pause: batches under way are settled  ->  swap  ->  go on
 *
 * Whatever goes wrong, the old configuration goes on, and no record is lost: they wait in their rings meanwhile.
 * Sinks that did not change keep their state. A stage that changed starts the whole chain anew. */
#ifndef COLLECTOR_DAEMON_RELOAD_H
#define COLLECTOR_DAEMON_RELOAD_H

#include "collector/daemon/daemon.h"

/* Negative: the collector cannot go on. */
int reload_run(struct daemon *d, uint64_t now_ns, struct err *e);
uint64_t reload_deadline(const struct daemon *d);
void reload_abandon(struct daemon *d); /* no-op when none is under way */
void reload_close(struct daemon *d); /* that as well; the pipeline must be closed */
/* 0: begun. -EALREADY, -ESHUTDOWN, or what is wrong with the configuration, which is said and counted. */
int reload_ask(struct daemon *d, uint64_t now_ns, struct err *e);
/* SIGHUP: reloads where there is a configuration file; while a reload is under way, once it has ended. */
void reload_on_signal(struct daemon *d, uint64_t now_ns);

#endif
