/* native_stream.h - the records of a native file, by lanes.
 *
 * A file is a row of blocks; those with spans hold stretches of several lanes. The stream first looks
 * over all blocks: segments and registry entries are kept, of spans only where they lie. The records of
 * each lane can then be read by themselves, so that a caller can merge lanes by time wherever in the file
 * they stand. A block is in memory while one of its spans is read; a few more stay for the next. */
#ifndef LIB_READER_NATIVE_STREAM_H
#define LIB_READER_NATIVE_STREAM_H

#include "lib/reader/lane.h"
#include "lib/reader/native_file.h"

enum { NATIVE_SEGMENTS_MAX = 4096 }; /* processes of one file; what further ones have logged counts as damaged */

struct native_stream;
struct native_payload;

/* Where a span lies. */
struct native_place {
    struct fapilog_native_span head;
    uint64_t block;  /* offset of its block in the file */
    uint32_t at;     /* of its bytes in the block's payload */
    uint32_t cuts;   /* of the file when it was found: later, something else may lie there */
    bool is_apart;   /* FAPILOG_NATIVE_SPANS_APART */
    bool has_cycles;
    uint64_t cycles; /* no record of it is older */
};

/* What was lost before a record could get into a file. They only rise over the life of a lane or segment, so that of
 * several files, or blocks, the highest count. */
struct native_losses_told {
    uint64_t dropped, overwritten;             /* of a lane */
    uint64_t no_lane, unregistered, truncated; /* of a segment */
    int64_t last_ns;                           /* CLOCK_REALTIME of the last one dropped, 0: not known */
};

/* A lane of one segment, for as long as the file is open. */
struct native_lane {
    struct lane_cursor cursor;
    uint64_t uuid[2]; /* of its segment */
    void *user;       /* of the caller; the stream frees it with free() */
    uint64_t records; /* and bytes that the spans hold, as they say */
    uint64_t bytes;
    struct native_losses_told losses; /* as ring block headers and loss blocks say */
    uint32_t tid;     /* of the last span */
    char thread[32];
    /* Private: */
    struct native_stream *stream;
    struct native_payload *payload; /* that holds the span being read; NULL: none */
    struct native_place *places;    /* spans that are not read yet: [next, count) */
    uint32_t places_count, places_max, places_next;
    bool is_new; /* has spans since the last look */
};

/* Takes the descriptor over, even on failure. */
int native_stream_open_fd(int fd, const char *name, struct native_stream **ret, struct err *e);
/* Without a file: the payloads of its blocks come from native_stream_feed(), after native_stream_begin(). */
int native_stream_new(struct native_stream **ret);
void native_stream_close(struct native_stream *s); /* NULL is fine */

/* The next look begins: payloads that were fed are forgotten, and spans of them that were not read. */
void native_stream_begin(struct native_stream *s);
/* One payload, 8-byte aligned, of a kind as in a file; it must stay until the next look begins. -EBADMSG: it is not
 * what its kind says, nothing of it counts; -ENOMEM. */
int native_stream_feed(struct native_stream *s, uint32_t kind, const uint8_t *data, uint32_t len);

/* Looks over what was appended since the last look; a negative errno. */
int native_stream_scan(struct native_stream *s, struct err *e);

/* The lanes that have got spans in the last look. */
uint32_t native_stream_lanes(const struct native_stream *s, struct native_lane *const **ret);

/* The next span, which is not entered yet, or NULL. */
const struct native_place *native_lane_peek(const struct native_lane *l);
/* What no record of that span is older than. */
int64_t native_lane_time(struct native_lane *l, const struct native_place *p);
/* Enters the next span. 1; 0: its block cannot be read any more, which is counted as damage; -ENOMEM. */
int native_lane_enter(struct native_lane *l);
/* The next record of the span entered last: 1; 0 at its end; -ENOMEM. Valid until the next call for this
 * lane. */
int native_lane_next(struct native_lane *l, struct fapilog_record *ret);

/* How often the file was found cut short, and was read from its begin again. */
uint32_t native_stream_cuts(const struct native_stream *s);

struct native_totals {
    uint64_t damaged;       /* blocks and records that were not what they must be, blocks missing */
    uint64_t skipped_bytes;
    uint64_t unfinished_bytes; /* at the end, less than a block: being written, or cut off; not damage */
};
void native_stream_totals(const struct native_stream *s, struct native_totals *ret);

/* For tools: what the file holds, as it says. */
struct native_figures {
    uint64_t records, blocks, raw_bytes, file_bytes;
    int64_t from_ns, to_ns; /* wall clock of the first and the last span's anchor; 0: none */
    uint64_t lost;          /* records that its processes have lost until its end, for whatever reason */
};
void native_stream_figures(const struct native_stream *s, struct native_figures *ret);
struct native_process {
    const struct fapilog_process_info *info;
    struct native_losses_told losses; /* the segment's own */
    struct native_lane *const *lanes; /* NULL entries: not used */
    uint32_t lanes_count;
};
typedef void native_segment_func(void *arg, const struct native_process *p);
void native_stream_segments(const struct native_stream *s, native_segment_func *func, void *arg);

#endif
