/* native_stream.h - the records of a native file.
 *
 * A file is a row of blocks; those with spans hold stretches of several lanes. The stream loads one such
 * block at a time and offers each lane in it, so that a caller can merge them by time. Segments and
 * registry entries that pass by are kept: they decode what follows. */
#ifndef LIB_READER_NATIVE_STREAM_H
#define LIB_READER_NATIVE_STREAM_H

#include "lib/reader/lane.h"
#include "lib/reader/native_file.h"

struct native_stream;

/* A lane of one segment, for as long as the file is open. */
struct native_lane {
    struct lane_cursor cursor;
    void *user; /* of the caller; the stream frees it with free() */
    /* Private: the lane's spans in the loaded block, by index. */
    struct native_stream *stream;
    uint32_t *spans;
    uint32_t spans_count, spans_max, spans_next;
    bool active; /* offered with the loaded block */
};

/* Takes the descriptor over, even on failure. */
int native_stream_open_fd(int fd, const char *name, struct native_stream **ret, struct err *e);
void native_stream_close(struct native_stream *s); /* NULL is fine */

/* Loads the next block with spans; what was given out of the last one is then gone. 1; 0: no more for
 * now; a negative errno. */
int native_stream_load(struct native_stream *s, struct err *e);

/* The lanes of the loaded block. */
uint32_t native_stream_lanes(const struct native_stream *s, struct native_lane *const **ret);

/* The lane's next record in the loaded block: 1, 0, -ENOMEM. Valid until the next call for this lane. */
int native_lane_next(struct native_lane *l, struct fapilog_record *ret);

struct native_totals {
    uint64_t damaged;       /* blocks and records that were not what they must be, blocks missing */
    uint64_t skipped_bytes;
};
void native_stream_totals(const struct native_stream *s, struct native_totals *ret);

#endif
