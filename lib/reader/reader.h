/* reader.h - many rings and files as one stream of records in order of time.
 *
 * For tools: reads without disturbing anyone (read-only mappings, copies checked by the intent rule,
 * nothing published) and holds one record per lane. Order is by time, and within a lane as written, over
 * all files. What a later refresh finds may be older than what was returned already, unless reader_hold()
 * keeps back what is too young to be sure. */
#ifndef LIB_READER_READER_H
#define LIB_READER_READER_H

#include "lib/reader/lane.h"

struct reader;
struct native_stream;

struct reader_segment {
    struct segment *seg;       /* NULL: dead, read to its end, closed again */
    char *path;                /* as for messages */
    struct reader_lane **lanes; /* by index; NULL: holds nothing */
    dev_t dev;
    ino_t ino;
    bool own_clock;            /* its counter runs on this machine, in this boot */
    bool seen;                 /* found by the last look at its directory */
    bool named;                /* given by name, not found in a directory */
};

struct reader_totals {
    uint64_t records;       /* returned by reader_next() */
    uint64_t lost;          /* overwritten before they were read */
    uint64_t damaged;       /* records, blocks, entries or files that were not what they must be */
    uint64_t skipped_bytes; /* passed over for that */
    uint64_t refused;       /* files that could not be opened */
    uint64_t unfinished_bytes; /* at the end of native files, less than a block: being written, or cut off */
};

/* Receives, for people, what went wrong and was passed over. */
typedef void reader_warn_func(void *arg, const char *text);

int reader_new(struct reader **ret, reader_warn_func *warn, void *warn_arg, struct err *e);
void reader_free(struct reader *r);

/* A segment, a native file, or a directory: of segments (watched by reader_refresh()) and of native
 * files. Files inside a directory that cannot be read are warned of; a path given by name is an error.
 * What is named twice, by whatever names, is read once. */
int reader_add(struct reader *r, const char *path, struct err *e);

/* Whether a file of this name in a directory is read. */
bool reader_is_name(const char *name);

/* Looks for new segments only, and lets go of dead ones that are read to their end. */
int reader_rescan(struct reader *r, struct err *e);

/* Looks for new segments and new records. From the second look on, what a lane has lost before it was seen counts
 * as lost. */
int reader_refresh(struct reader *r, struct err *e);

/* Sleeps until a file appears in one of the directories. False: the time is over, or a signal came. */
bool reader_wait_files(struct reader *r, int timeout_ms);

/* 1: *ret is the next record, valid until the next call; 0: all read, or held, until a refresh; -ENOMEM. */
int reader_next(struct reader *r, struct fapilog_record *ret, struct err *e);

/* Records with from < time <= to are not returned yet, nor what comes after them. INT64_MAX, INT64_MAX:
 * none is held, as at the beginning. */
void reader_hold(struct reader *r, int64_t from_ns, int64_t to_ns);
/* The time of the earliest record that is known and was not returned, or INT64_MAX. */
int64_t reader_held_ns(const struct reader *r);

/* The cursor of a lane, for its counters; NULL when the lane holds nothing. */
const struct lane_cursor *reader_lane_cursor(const struct reader_segment *s, uint32_t lane);

size_t reader_segments(const struct reader *r, struct reader_segment *const **ret);
void reader_totals(const struct reader *r, struct reader_totals *ret);

size_t reader_natives_count(const struct reader *r);

/* Looks over the native files without reading records, for reader_native_stream() of file i. */
int reader_natives_scan(struct reader *r, struct err *e);
struct native_stream *reader_native_stream(const struct reader *r, size_t i, const char **ret_path);


#endif
