/* fileset_opts.h - the rows that every sink with a file set offers. T.m is its struct fileset_cfg. */
#ifndef COLLECTOR_SINKS_FILESET_OPTS_H
#define COLLECTOR_SINKS_FILESET_OPTS_H

#include "collector/sinks/fileset.h"

#define FILESET_NUM_(type, T, m, name, alias, def, min, help) \
    OPT_NUM_ALIAS_(type, T, m, name, alias, def, min, INT64_MAX, 0, help)

#define FILESET_OPTS(T, m, default_prefix) \
    OPT_TEXT_(T, m.path, "path", NULL, OPT_OUTPUT | OPT_PARENTS, \
              "Live file; archives are path.1, path.2 ... A directory: dated names."), \
    OPT_TEXT_(T, m.directory, "directory", NULL, OPT_OUTPUT_DIR | OPT_PARENTS, \
              "Where files with dated names go; made when missing."), \
    OPT_TEXT_ALIAS_(T, m.prefix, "prefix", "filename_prefix", default_prefix, 0, "Begin of dated names."), \
    FILESET_NUM_(OPT_SIZE, T, m.max_bytes, "max_bytes", "size", "auto", 0, \
                 "Begin a new file rather than pass this size; 0: never; auto: 10MB if dated, else never."), \
    FILESET_NUM_(OPT_DURATION, T, m.interval_ns, "interval", "interval_seconds", "none", 1000000000, \
                 "Begin a new file at each multiple of this since 1970 (UTC): hourly, daily, 15m ..."), \
    FILESET_NUM_(OPT_UINT, T, m.max_files, "max_files", "keep", "none", 0, "Archives to keep."), \
    FILESET_NUM_(OPT_SIZE, T, m.max_total_bytes, "max_total_bytes", NULL, "none", 0, \
                 "Bytes of archives to keep."), \
    FILESET_NUM_(OPT_DURATION, T, m.max_age_ns, "max_age", NULL, "none", 0, \
                 "Remove archives whose last record is older."), \
    OPT_WORD_(T, m.sync, "sync", "never", fileset_sync_words, 0, \
              "When to force data to disk; always: before a batch counts as written."), \
    FILESET_NUM_(OPT_DURATION, T, m.sync_interval_ns, "sync_interval", NULL, "1s", 1000000, \
                 "How often with sync=interval."), \
    FILESET_NUM_(OPT_SIZE, T, m.writeback_bytes, "writeback_bytes", NULL, "4MB", 0, \
                 "Have the kernel begin to write to disk whenever so much is new; 0: when it wants to."), \
    OPT_TEXT_(T, m.file_mode, "file_mode", "0644", 0, "Permissions of new files, octal; the umask applies.")

#define FILESET_COMPRESS_OPT(T, m, help) \
    OPT_WORD_ALIAS_(T, m, "compress", "compress_rotated", "none", fileset_compress_words, 0, help)

static const struct opt_word fileset_sync_words[] = {
    {"never", FILESET_SYNC_NEVER}, {"interval", FILESET_SYNC_INTERVAL}, {"always", FILESET_SYNC_ALWAYS},
    {NULL, 0},
};
/* true and false: compress_rotated was a switch once */
static const struct opt_word fileset_compress_words[] = {
    {"none", COMPRESS_NONE}, {"gzip", COMPRESS_GZIP}, {"zstd", COMPRESS_ZSTD},
    {"true", COMPRESS_GZIP}, {"false", COMPRESS_NONE}, {NULL, 0},
};

#endif
