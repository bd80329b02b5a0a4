/* stats_native.h - what native files hold, for fapilog-dump --stats. */
#ifndef TOOLS_DUMP_STATS_NATIVE_H
#define TOOLS_DUMP_STATS_NATIVE_H

#include "lib/reader/reader.h"

/* Looks over the files and prints a table or a JSON line for each. */
int stats_natives(struct reader *r, bool json, struct err *e);

#endif
