/* books.h - the ledger of this run (collector/delivery/ledger.h), kept where remote sinks keep theirs: what had become
 * of all records when the collector ended, however it did. */
#ifndef COLLECTOR_DAEMON_BOOKS_H
#define COLLECTOR_DAEMON_BOOKS_H

#include "collector/daemon/daemon.h"

/* No-op without a state directory. */
int books_open(struct daemon *d, struct err *e);
/* Once a second, and at the end (`now_ns` UINT64_MAX). */
void books_write(struct daemon *d, uint64_t now_ns);
void books_close(struct daemon *d);

#endif
