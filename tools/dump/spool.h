/* spool.h - spools, dead letters and the ledger of a collector. */
#ifndef TOOLS_DUMP_SPOOL_H
#define TOOLS_DUMP_SPOOL_H

#include "tools/dump/options.h"

/* Entries as JSON lines, or with --verify and --stats what is in the files. All paths of o are ours
 * (tools/dump/spool_paths.h). */
int spool_dump(const struct options *o, struct err *e);

#endif
