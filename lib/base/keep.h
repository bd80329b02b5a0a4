/* keep.h - files that were read while the process was still root, for when it no longer may read them: secrets,
 * certificates, keys. What is kept lies in sealed memory files that only this process can reach.
 *
 *   keep_record(true) -> keep_open() ... -> keep_record(false) -> keep_give() -> the process becomes another user
 *                     -> keep_open(): the file, or where it may not be read, what was kept of it */
#ifndef FAPILOG_BASE_KEEP_H
#define FAPILOG_BASE_KEEP_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <sys/types.h>

enum { KEEP_FILES_MAX = 256, KEEP_BYTES_MAX = 4 << 20 };

/* While on, keep_open() keeps what it opens. */
void keep_record(bool is_on);
/* Keeps a file. One that cannot be read is left to whoever opens it; one longer than KEEP_BYTES_MAX, and the files
 * beyond KEEP_FILES_MAX, are errors. */
int keep_file(const char *path, struct err *e);
/* The descriptor of the file, or of what was kept of it (of a pipe: always), from its first byte; negative errno. */
int keep_open(const char *path);
/* The name under which a library finds it: the path, or one of what was kept, which stays valid. NULL for NULL. */
const char *keep_path(const char *path);
/* What is kept belongs to a user from now on, as libraries look at the owner of a key. */
int keep_give(uid_t uid, gid_t gid, struct err *e);
/* Forgets what may be read as it is, and again. */
void keep_prune(void);
/* Calls say() for each that was used in its file's place since the last time; NULL: only forgets about it. */
void keep_tell(void (*say)(void *arg, const char *path), void *arg);

#endif
