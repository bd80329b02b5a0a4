/* lock.h - one collector per ring directory. The lock belongs to the open file description of
 * collector.lock and ends with the process, whatever way it goes; the pid inside is for people. */
#ifndef COLLECTOR_DAEMON_LOCK_H
#define COLLECTOR_DAEMON_LOCK_H

#include "lib/base/err.h"

/* Returns the descriptor that holds the lock; -EBUSY names the other collector. */
int lock_acquire(const char *dir, struct err *e);

#endif
