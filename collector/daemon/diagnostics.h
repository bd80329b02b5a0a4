/* diagnostics.h - what the collector has to say of itself: to stderr, and as records to sinks of one's choice. */
#ifndef COLLECTOR_DAEMON_DIAGNOSTICS_H
#define COLLECTOR_DAEMON_DIAGNOSTICS_H

#include "collector/daemon/daemon.h"

bool diagnostics_want_records(const struct config *c);

int diagnostics_open(struct daemon *d, struct err *e);
/* After the pipeline is opened, and after a reload: which of its sinks get records. */
void diagnostics_choose_sinks(struct daemon *d);
/* Looks at the sinks (outages.h), and tells the counts of what was left out. */
void diagnostics_run(struct daemon *d, uint64_t now_ns);
uint64_t diagnostics_deadline(const struct daemon *d);
void diagnostics_close(struct daemon *d);

#endif
