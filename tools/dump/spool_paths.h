/* spool_paths.h - which paths are a collector's state: ledgers, spools, dead letters. */
#ifndef TOOLS_DUMP_SPOOL_PATHS_H
#define TOOLS_DUMP_SPOOL_PATHS_H

#include <stdbool.h>

const char *spool_path_base(const char *path); /* behind the last slash */
bool spool_path_is_ours(const char *path);
/* STATE/spool or STATE/dead: a directory for each sink in it. */
bool spool_dir_is_of_all_sinks(const char *path);
/* A directory in which no record can be. */
bool spool_dir_is_empty(const char *path);

#endif
