/* chain.h - the stages of a configuration, opened; in front of them, where `adaptive` is enabled, the one that sheds
 * records under pressure. */
#ifndef COLLECTOR_DAEMON_CHAIN_H
#define COLLECTOR_DAEMON_CHAIN_H

#include "collector/daemon/daemon.h"
#include "collector/stage/pressure.h"

/* For a start and for a reload. Without stages and pressure *ret is NULL. */
int chain_open(struct daemon *d, const struct config *c, struct stages **ret, struct err *e);
/* Opens them and closes them again, for --check: what only opening tells (compiled patterns, room for all of them). */
int chain_try(const struct config *c, struct err *e);
void chain_close(struct stages *chain); /* NULL allowed */
/* NULL: adaptive is not enabled. */
struct pressure *chain_pressure(struct stages *chain);

#endif
