/* check.h - --check: what would run, without opening anything. */
#ifndef COLLECTOR_DAEMON_CHECK_H
#define COLLECTOR_DAEMON_CHECK_H

#include "collector/daemon/options.h"

/* Prints each effective value; secrets as ***. The error of the first sink that is wrong. */
int check_write(const struct options *o, FILE *f, struct err *e);

#endif
