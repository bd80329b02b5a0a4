/* check.h - --check: what would run, without opening anything. */
#ifndef COLLECTOR_DAEMON_CHECK_H
#define COLLECTOR_DAEMON_CHECK_H

#include "collector/daemon/options.h"

/* Prints each effective value and its source; secrets as ***. Warnings go to standard error. */
int check_write(const struct options *o, FILE *f, struct err *e);

#endif
