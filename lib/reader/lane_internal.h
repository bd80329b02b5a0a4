/* What the walk over a ring (lane.c) and over copied spans (lane_span.c) share: records. */
#ifndef LIB_READER_LANE_INTERNAL_H
#define LIB_READER_LANE_INTERNAL_H

#include "lib/reader/lane.h"

#include <string.h>

enum {
    LANE_HEADER_BYTES = sizeof(struct fapilog_record_header),
    LANE_BLOCK_BYTES = sizeof(struct fapilog_block),
    LANE_FRAGMENT_FIRST = 1,
    LANE_FRAGMENT_LAST = 2,
};

static inline uint64_t lane_word(const uint8_t *at)
{
    /* order: relaxed - the bytes before the tail are complete; the other side may still scribble */
    return load_rlx((const uint64_t *)(const void *)at);
}

/* Counts bytes at pos as damaged; the next block's header shows how many events were in them. */
void lane_skip(struct lane_cursor *c, uint64_t bytes);

/* Passes over bytes up to `pos` as damaged or lost; a chain with a hole is no record. */
void lane_jump(struct lane_cursor *c, uint64_t pos);

/* After a change of c->owner. The threads that share a lane have names of their own, which it lacks. */
static inline void lane_owner_changed(struct lane_cursor *c)
{
    c->thread_len = c->owner.flags & FAPILOG_LANE_SHARED ? 0 : (uint32_t)strlen(c->owner.thread);
}

/* Whether the record counts in block.seq. */
static inline bool lane_is_event(uint64_t word0)
{
    const uint32_t kind = FAPILOG_WORD0_KIND(word0);
    return kind == FAPILOG_KIND_EVENT || kind == FAPILOG_KIND_DYNAMIC ||
           (kind == FAPILOG_KIND_FRAGMENT && (FAPILOG_WORD0_SCHEMA(word0) & LANE_FRAGMENT_LAST));
}

/* Checks the block header at `block`, which should be that of position pos; takes its sequence, drops
 * and anchor. -EBADMSG, or the generation. */
int lane_block_accept(struct lane_cursor *c, const uint8_t *block, uint64_t pos);

/* A context record of `bytes`, header included. -EBADMSG, -ENOMEM. */
int lane_context_take(struct lane_cursor *c, const uint8_t *rec, uint32_t bytes, uint32_t epoch);

/* The record of `size` bytes at c->pos, which moves behind it. 1: *ret is an event; 0: it was none, or
 * was damaged and counted as such; -ENOMEM. */
int lane_record_take(struct lane_cursor *c, const uint8_t *rec, uint64_t word0, uint32_t size,
                     struct fapilog_record *ret);

/* A chain of fragments whose end did not come. */
void lane_chain_abandon(struct lane_cursor *c);

#endif
