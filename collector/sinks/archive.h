/* archive.h - the files of one set in their directory: which are ours, in what order, and what the
 * next one is called. */
#ifndef COLLECTOR_SINKS_ARCHIVE_H
#define COLLECTOR_SINKS_ARCHIVE_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>

struct io;

/* Names are compared whole, never by their beginning: "app-20260101-000000.log" belongs to "app" and
 * "app-api-20260101-000000.log" does not. */
struct archive_names {
    char directory[PATH_MAX];
    char stem[NAME_MAX + 1];  /* live name ("app.jsonl") or prefix ("app") */
    char extension[16];       /* dated names only, with its dot */
    bool is_dated;
};

enum archive_kind {
    ARCHIVE_PLAIN,
    ARCHIVE_GZIP,
    ARCHIVE_ZSTD,
    ARCHIVE_PARTIAL, /* an archive that was being made: ends in .tmp */
};

struct archive {
    char name[NAME_MAX + 1];
    enum archive_kind kind;
    uint64_t number; /* path style: 1 is the youngest */
    uint64_t dev, ino;
    uint64_t bytes;
    int64_t mtime_ns;
    int64_t order_ns; /* mtime_ns, unless the clock was set back since */
};

/* Youngest first: by number, or by time and then by name. */
struct archive_list {
    struct archive *item;
    size_t count;
};

/* All regular files of the set but the one with live_ino. */
int archive_scan(const struct archive_names *n, uint64_t live_ino, struct archive_list *ret, struct err *e);
/* Again, when order_ns was changed. */
void archive_list_sort(const struct archive_names *n, struct archive_list *l);
void archive_list_done(struct archive_list *l);

/* Full path of a name in the directory; -ENAMETOOLONG. */
int archive_path(const struct archive_names *n, const char *name, char *ret, size_t size);
/* First free dated name at this time. */
int archive_dated_name(const struct archive_names *n, struct io *io, int64_t real_ns, char *ret, size_t size);
/* Frees number 1 by moving path.1, path.2 ... up by one, as far as the first gap. */
int archive_shift(const struct archive_names *n, struct io *io, struct err *e);

#define auto_archive_list __attribute__((cleanup(archive_list_done))) struct archive_list

#endif
