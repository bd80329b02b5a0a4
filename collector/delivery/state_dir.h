/* state_dir.h - where the collector keeps what must outlive it beside the rings: spools, dead letters, the
 * ledger. One collector per directory. */
#ifndef COLLECTOR_DELIVERY_STATE_DIR_H
#define COLLECTOR_DELIVERY_STATE_DIR_H

#include "lib/base/err.h"

#include <limits.h>

#define STATE_DIR_LOCK "collector.lock"

/* The first of: `given` (the setting state_dir; NULL or "": not set), $FAPILOG_STATE_DIR, $STATE_DIRECTORY
 * (systemd's; its first), /var/lib/fapilog for root, $XDG_STATE_HOME/fapilog, ~/.local/state/fapilog. Nothing is
 * made. *ret_source says which, for messages. */
int state_dir_choose(const char *given, char ret[PATH_MAX], const char **ret_source, struct err *e);
/* Makes it, with its parents. */
int state_dir_make(const char *path, struct err *e);
/* Whether that could be done; makes nothing. */
int state_dir_try(const char *path, struct err *e);
/* Whether files can be made in a directory that is there, 0 or -errno; makes nothing. */
int directory_try(const char *path);
/* The descriptor that holds the lock until it is closed; -EBUSY names the pid of who has it. */
int state_dir_lock(const char *path, struct err *e);

#endif
