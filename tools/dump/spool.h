/* spool.h - spools, dead letters and the ledger of a collector. */
#ifndef TOOLS_DUMP_SPOOL_H
#define TOOLS_DUMP_SPOOL_H

#include "tools/dump/options.h"

/* Whether a path is one of those: a file of them, or a directory that has such files. */
bool spool_path_is_ours(const char *path);
/* Entries as JSON lines, or with --verify and --stats what is in the files. All paths of o are ours. */
int spool_dump(const struct options *o, struct err *e);

#endif
