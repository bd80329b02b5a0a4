/* private_dirs.h - the directories that a collector needs, made by root for the user that it becomes. */
#ifndef COLLECTOR_DAEMON_PRIVATE_DIRS_H
#define COLLECTOR_DAEMON_PRIVATE_DIRS_H

#include "collector/config/config.h"
#include "collector/daemon/user.h"

/* Makes what is missing of a path; the last directory gets the mode and belongs to the user, those above it, of mode
 * 0755, to root. Only where every directory that is there is root's and nobody else may write to it: elsewhere somebody
 * could put a link in our way, and the collector makes it later, as the user. */
int private_dir_make(const char *path, mode_t mode, const struct user *u, struct err *e);
/* Where services of that user put their rings, as far as nobody says otherwise: /run/fapilog/UID. */
const char *private_dirs_rings(const struct config *c, const struct user *u, char ret[PATH_MAX]);
/* Where its collector keeps spools and dead letters; false: something else was said. */
bool private_dirs_state(const struct config *c, const struct user *u, char ret[PATH_MAX]);
/* The ring directory, the state directory where a sink needs it, and those of files. Sets STATE_DIRECTORY where the
 * default would be that of root. */
int private_dirs_make(const struct config *c, const struct user *u, struct err *e);

#endif
