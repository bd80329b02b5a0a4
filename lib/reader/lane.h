/* lane.h - walking the records of one lane.
 *
 *     struct lane_cursor c;
 *     lane_cursor_init(&c, seg, lane, position, 0);
 *     uint64_t tail = lane_tail(&c);            // once per turn: C2
 *     while ((r = lane_next(&c, tail, &rec)) > 0)
 *         use(&rec);                            // valid until the next lane_next() on this cursor
 *
 * Zero-copy by default: texts point into the ring and stay valid until the reader publishes a head
 * beyond them, but the record's field array with the names in it, context and reassembled fragments belong
 * to the cursor and are valid until its next lane_next(). With LANE_COPY (always used for overwrite lanes, and by
 * tools that do not own the lane) blocks are copied first and kept only if the intent rule says that
 * the copy is whole (O1 -> O2).
 *
 * Damage never stops a cursor: an event that does not decode is skipped by its length, a length or
 * block header that cannot be trusted costs the rest of the block. Both are counted. Every loop
 * advances, so a hostile lane costs at most time linear in its size. */
#ifndef LIB_READER_LANE_H
#define LIB_READER_LANE_H

#include "lib/reader/segment.h"

enum lane_cursor_flags {
    LANE_COPY = 1,
    LANE_KEEP = 2, /* copied blocks stay until lane_copies_release() */
};

/* A block of a cursor with LANE_COPY. */
struct lane_copy {
    struct lane_copy *next;
    uint64_t pos;
    uint32_t bytes; /* that are whole */
    uint8_t data[];
};

/* A context record, kept privately. */
struct lane_context {
    struct fapilog_context_info info;
    struct fapilog_field fields[FAPILOG_FIELDS_MAX];
    uint8_t *bytes; /* the record's payload; texts of fields point here */
    uint32_t bytes_max;
};

struct lane_cursor {
    /* For the caller to read: */
    uint64_t pos;           /* next unread byte; a record boundary */
    uint64_t seq;           /* events of the lane before pos, by the last block header and our count */
    uint64_t events;        /* returned by lane_next() */
    uint64_t dropped;       /* lane.dropped when the block of pos was opened */
    uint64_t lost;          /* events overwritten before they were read, by the gaps in seq */
    uint64_t lost_bytes;    /* the same in bytes, including what can no longer be told to be events */
    uint64_t damaged;       /* records and blocks that were not what they must be */
    uint64_t skipped_bytes; /* bytes passed over for that */
    uint64_t skipped_events; /* at least so many events were in them, by their headers and those of later blocks */
    struct segment_lane_owner owner; /* of the generation being read; tid 0 when no longer known */
    uint32_t lane;
    uint32_t generation;    /* of the block of pos */

    /* Private: */
    struct segment *seg;
    const uint8_t *data;
    uint64_t cap;
    uint32_t block_bytes;
    unsigned flags;
    uint64_t tail;          /* last accepted limit */
    const uint8_t *block;   /* bytes of the block of pos, in the ring or in `copy`; NULL: not opened */
    uint64_t block_pos;
    uint64_t bad_block;     /* position + 1 of the block whose header was counted as damaged last */
    struct lane_copy *copy; /* LANE_COPY: the block of pos, or the last one that was read */
    struct lane_copy *kept; /* LANE_KEEP: those before it, oldest first */
    struct lane_copy **kept_end;
    uint64_t copied;        /* up to where `copy` is filled; of a span, where its repeated part ends */
    bool seq_known;
    bool is_behind_hole;    /* seq is that of the place where hole_bytes of damage begin */
    uint64_t hole_bytes;
    bool is_resumed;        /* seq is what another has counted: the next block shows what it has missed */
    uint32_t thread_len;
    struct lane_context context;
    struct registry_moment moment; /* of the record returned last */
    uint64_t context_end;   /* in the lane, of the record that it comes from; 0: there was none */
    uint8_t *large;         /* reassembled fragments; payload at offset 16 */
    uint32_t large_bytes, large_max;
    uint64_t large_pos;     /* of the chain's first fragment */
    uint64_t gap_bytes;     /* overwritten since the last block header */
    uint64_t padding_bytes; /* passed over since then as the end of the block */
    uint64_t torn_at;       /* where the rest of a chain may stand whose beginning is gone; UINT64_MAX: nowhere */
    bool torn_is_lost;      /* ... and its record belongs to `lost` */
    const struct fapilog_site *fields_site; /* whose template `fields` holds; NULL: nobody's */
    struct fapilog_field fields[FAPILOG_FIELDS_MAX];
    struct fapilog_field inline_fields[FAPILOG_FIELDS_MAX];
    struct fapilog_context_info inline_context;
    uint8_t *names; /* of fields that bring their own; names are looked at again and again and must not change */
    uint32_t names_max;
};

/* Starts at `pos`: 0, a block boundary, or a position that an earlier cursor reached (the block that
 * holds it is then read again from its start for the thread context). -EINVAL for a lane without
 * geometry or a position that is not a multiple of 8, -ENOMEM. */
int lane_cursor_init(struct lane_cursor *c, struct segment *seg, uint32_t lane, uint64_t pos, unsigned flags);
void lane_cursor_done(struct lane_cursor *c);
/* Directly after init: what lies before the start would have been read, so it is lost. */
void lane_cursor_start_late(struct lane_cursor *c);

/* Between two records: whoever read up to pos has counted `events` there, read or lost. What the lane says to be
 * missing to that number was overwritten and counts as lost. */
void lane_cursor_resume(struct lane_cursor *c, uint64_t events);

/* Events that the lane has had before `pos`, the end of a record or its tail, by the block that holds the byte before
 * it. 0, -ESTALE: written over, -EBADMSG: damaged; else as lane_cursor_init(). */
int lane_events_before(struct segment *seg, uint32_t lane, uint64_t pos, uint64_t *ret);

/* order: C2 acquire, pairs with C1 - all bytes before the tail are complete */
static inline uint64_t lane_tail(const struct lane_cursor *c)
{
    return load_acq(&segment_lane_shared(c->seg, c->lane)->tail);
}

/* 1: *ret is the next event. 0: all before `tail` is read. -EBADMSG: `tail` cannot be one (it went
 * back, is unaligned, or lies more than the lane's size ahead of a cursor without LANE_COPY): the
 * segment should be quarantined. -ENOMEM. `tail` is a value of lane_tail(); a smaller limit would cut
 * chains of fragments. */
int lane_next(struct lane_cursor *c, uint64_t tail, struct fapilog_record *ret);

/* The blocks from which records were read, in order: the first, and the one after `copy`. NULL: there is none. All that
 * lane_next() returned is in them, whatever the lane holds by now. */
const struct lane_copy *lane_copies_first(const struct lane_cursor *c);
const struct lane_copy *lane_copies_next(const struct lane_cursor *c, const struct lane_copy *copy);
/* Those with nothing behind `pos` are not needed any more. */
void lane_copies_release(struct lane_cursor *c, uint64_t pos);

/* ---- spans: bytes of a lane that were copied elsewhere, as native files hold them ---- */

/* A cursor for the spans of one lane. The segment needs registry, clock and process only. */
void lane_span_init(struct lane_cursor *c, struct segment *seg, uint32_t lane);

/* The next bytes of the lane, 8-byte aligned and valid until they are read. The first `repeated` of them
 * serve for their context records only. Bytes that the cursor has read already are passed over; where
 * some are missing before them, the context is unknown. */
void lane_span_begin(struct lane_cursor *c, const uint8_t *data, uint32_t bytes, uint64_t position,
                     uint32_t repeated, const struct segment_lane_owner *owner);

/* The next span continues nothing, wherever it begins. */
void lane_span_break(struct lane_cursor *c);

/* As lane_next(): 1, 0 at the end of the span, -ENOMEM. */
int lane_span_next(struct lane_cursor *c, struct fapilog_record *ret);

/* The oldest position whose block is intact at this moment by the intent rule; where tools start. */
uint64_t lane_oldest(const struct segment *seg, uint32_t lane);

#endif
