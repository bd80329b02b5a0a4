/* The parts of the reader: the merge (reader.c) of sources, which are lanes of rings
 * (reader_segment.c) or of native files (reader_native.c). */
#ifndef LIB_READER_READER_INTERNAL_H
#define LIB_READER_READER_INTERNAL_H

#include "lib/reader/reader.h"

struct native_stream;
struct native_group;
struct native_source;

enum { READER_GROUP_BUCKETS = 1024, READER_FILE_BUCKETS = 1024 };

/* Whatever yields records in order. While its next record is known, it lies in the heap. */
struct reader_source {
    struct fapilog_record rec;
    bool pending;
    bool is_asleep; /* `rec` has only a time, which its next record is not older than: advance() wakes it */
    /* Reads the next record, if any, and calls reader_offer(); a negative errno. */
    int (*advance)(struct reader *r, struct reader_source *src, struct err *e);
};

struct reader_lane {
    struct reader_source src;
    struct reader_segment *of;
    uint64_t tail;
    bool broken; /* its tail is impossible: nothing more is read */
    struct lane_cursor cursor;
};

struct reader_native {
    struct native_stream *stream;
    struct native_source *sources; /* of its lanes */
    struct reader_native *next;    /* of the bucket of its inode number */
    char *path;
    dev_t dev;
    ino_t ino;
    uint64_t gone_ns; /* CLOCK_MONOTONIC: not seen since, 0: it is there */
    uint64_t scan;    /* in which it was found, see reader.scans */
    bool seen, named; /* as of segments */
};

struct reader {
    struct reader_segment **segments;
    size_t segments_count;
    struct reader_native **natives;
    size_t natives_count;
    struct native_group *groups[READER_GROUP_BUCKETS]; /* by lane: its sources in all native files */
    struct reader_native *files[READER_FILE_BUCKETS]; /* natives by inode number */
    char **dirs, **names; /* names: of native files that were given, where others may lie in time */
    size_t dirs_count, names_count;
    uint64_t scans; /* how often these were looked at */
    struct reader_source **heap; /* by time of the pending record, least first */
    size_t heap_count, heap_max;
    struct reader_source *current; /* its record was returned last */
    struct reader_totals closed;   /* of what is closed again, and of files refused */
    uint64_t records;
    bool has_looked; /* lanes that show up from now on were empty then, and are read from their beginning */
    bool was_told_limit; /* too many open files */
    int watch_fd;    /* inotify: files that appear in directories; -1: none */
    int64_t hold_from_ns, hold_to_ns; /* what reader_hold() keeps back */
    reader_warn_func *warn;
    void *warn_arg;
};

int reader_offer(struct reader *r, struct reader_source *src, struct err *e);
void reader_warn(const struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Opens a file by its name in an open directory (`path` is for messages), or from a descriptor, which it
 * takes over. */
int reader_segment_add(struct reader *r, int dir_fd, const char *name, const char *path, struct err *e);
int reader_segment_add_fd(struct reader *r, int fd, const char *path, struct err *e);
int reader_segment_refresh(struct reader *r, struct reader_segment *s, struct err *e);
void reader_segment_free(struct reader *r, struct reader_segment *s);
void reader_segment_totals(const struct reader_segment *s, struct reader_totals *t);
/* Closes dead segments that are read to their end, and forgets them once their file is gone. */
void reader_segments_retire(struct reader *r);

int reader_native_add_fd(struct reader *r, int fd, const char *path, bool named, struct err *e);
int reader_natives_refresh(struct reader *r, struct err *e);
void reader_native_free(struct reader *r, struct reader_native *n);
/* The file with that identity, NULL: none of ours. */
struct reader_native *reader_native_find(const struct reader *r, dev_t dev, ino_t ino);
/* Closes files that are read to their end and have been gone for a while. */
void reader_natives_retire(struct reader *r);
void reader_groups_free(struct reader *r);
void reader_native_totals(const struct reader_native *n, struct reader_totals *t);

#endif
