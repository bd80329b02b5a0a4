/* stats.h - fapilog-dump --stats: processes and lanes as a table, or as JSON lines. */
#ifndef TOOLS_DUMP_STATS_H
#define TOOLS_DUMP_STATS_H

#include "lib/reader/reader.h"
#include "tools/dump/options.h"

int stats(const struct options *o, struct reader *r, struct err *e);

#endif
