/* spool_paths.h - which paths are a collector's state: ledgers, spools, dead letters. */
#ifndef TOOLS_DUMP_SPOOL_PATHS_H
#define TOOLS_DUMP_SPOOL_PATHS_H

#include "lib/base/err.h"

const char *spool_path_base(const char *path); /* behind the last slash */

/* 1, 0, or -errno of a directory that cannot be read to its end: half a listing says nothing. */
int spool_path_is_ours(const char *path, struct err *e);
/* STATE/spool or STATE/dead: a directory for each sink in it. */
int spool_dir_is_of_all_sinks(const char *path, struct err *e);
/* A directory in which no record can be. */
int spool_dir_is_empty(const char *path, struct err *e);

#endif
