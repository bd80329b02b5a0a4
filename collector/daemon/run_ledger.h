/* run_ledger.h - the ledger of this run (collector/delivery/ledger.h), kept where remote sinks keep theirs: what had
 * become of all records when the collector ended, however it did. */
#ifndef COLLECTOR_DAEMON_RUN_LEDGER_H
#define COLLECTOR_DAEMON_RUN_LEDGER_H

#include "collector/daemon/daemon.h"

/* No-op without a state directory. One for which there is no room is made as soon as there is. */
int run_ledger_open(struct daemon *d, struct err *e);
/* Once a second, and at the end (`now_ns` UINT64_MAX). */
void run_ledger_write(struct daemon *d, uint64_t now_ns);
void run_ledger_close(struct daemon *d);

#endif
