/* commit_away.h - the state file in another directory, for as long as that of the rings has no room for it.
 *
 * DIR/collector.state is a symbolic link to it then: whichever collector comes next finds what this one has settled,
 * whatever its configuration says. In a tmpfs a link to a path of less than 128 bytes takes no page. */
#ifndef COLLECTOR_DELIVERY_COMMIT_AWAY_H
#define COLLECTOR_DELIVERY_COMMIT_AWAY_H

#include "lib/base/err.h"

#include <limits.h>

/* Chooses and makes the state directory (state_dir.h, whose `given` this is), and a name in it that no collector of
 * another ring directory has. `rings` is that of this one. */
int commit_away_choose(const char *given, const char *rings, char ret[PATH_MAX], struct err *e);
/* Removes from the state directory what lay there for rings in memory, until the machine was booted: nothing leads to
 * it any more. */
void commit_away_tidy(const char *given);
/* Lets `link` lead to `path` in one step, whatever was there before. */
int commit_away_link(const char *link, const char *path, struct err *e);
/* The descriptor of the file that `link` leads to, and its path. Not there, or somebody else's: an error, since to
 * start over would deliver twice. */
int commit_away_open(const char *link, char ret[PATH_MAX], struct err *e);

#endif
