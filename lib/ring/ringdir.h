/* The directory that holds a user's segments: one choice for producers, collector and tools. */
#ifndef FAPILOG_RING_RINGDIR_H
#define FAPILOG_RING_RINGDIR_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { RINGDIR_PATH_MAX = 512 };

struct ringdir {
    char path[RINGDIR_PATH_MAX];
    bool in_tmp; /* the last resort under /tmp: made 0700, checked harder */
};

/* Chooses: `given` (NULL or "": none), $FAPILOG_RING_DIR, /run/fapilog/<uid> where it exists and is
 * ours, $XDG_RUNTIME_DIR/fapilog, /tmp/fapilog-<uid>. A relative one is taken from the working directory of now: a
 * daemon leaves it. A program with more rights than its user (setuid, capabilities of its file) does not look at the
 * environment, where that user could name a directory of someone else. Touches nothing. 0, or -ENAMETOOLONG. */
int ringdir_choose(struct ringdir *ret, const char *given, struct err *e);

/* Opens the directory (O_PATH is not used: the descriptor can be listed) after these checks: a directory,
 * no symbolic link in the last place, owned by us, not writable by group or others. `create` makes it,
 * 0750, or 0700 under /tmp, and the parent of a path under XDG_RUNTIME_DIR is never made.
 * The descriptor, or a negative errno. Signal safe when e is NULL. */
int ringdir_open(const struct ringdir *dir, bool create, struct err *e);

/* Whether files in it live in memory (tmpfs, hugetlbfs): a disk costs the producers write-protect faults. */
bool ringdir_in_memory(int dir_fd);

#endif
