#include "lib/reader/lane_internal.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int copy_provide(struct lane_cursor *c)
{
    c->copy = malloc(sizeof *c->copy + c->block_bytes);
    if (!c->copy)
        return -ENOMEM;
    *c->copy = (struct lane_copy){0};
    return 0;
}

int lane_cursor_init(struct lane_cursor *c, struct segment *seg, uint32_t lane, uint64_t pos, unsigned flags)
{
    CHECK(lane < seg->lanes_count);
    memset(c, 0, sizeof *c);
    if (!segment_lane_refresh(seg, lane) || pos % FAPILOG_RECORD_ALIGN)
        return -EINVAL;
    const struct segment_lane *g = &seg->lanes[lane];
    c->seg = seg;
    c->lane = lane;
    c->data = seg->base + g->data_off;
    c->cap = UINT64_C(1) << g->cap_log2;
    c->block_bytes = 1u << g->block_log2;
    c->pos = c->tail = pos;
    c->seq_known = pos == 0;
    c->torn_at = pos ? pos : UINT64_MAX;
    (void)segment_lane_owner(seg, lane, &c->owner); /* read again with the first block */
    c->flags = flags | (c->owner.mode == FAPILOG_MODE_OVERWRITE ? LANE_COPY : 0);
    c->kept_end = &c->kept;
    return c->flags & LANE_COPY ? copy_provide(c) : 0;
}

void lane_cursor_start_late(struct lane_cursor *c)
{
    c->gap_bytes = c->lost_bytes = c->pos;
    c->torn_is_lost = c->seq_known = true;
}

void lane_cursor_resume(struct lane_cursor *c, uint64_t events)
{
    c->seq = events;
    c->seq_known = c->is_resumed = true;
    c->gap_bytes = 0;
    c->block = NULL; /* its header is read again */
}

void lane_cursor_done(struct lane_cursor *c)
{
    if (c->kept_end)
        lane_copies_release(c, UINT64_MAX);
    free(c->copy);
    free(c->large);
    free(c->names);
    free(c->context.bytes);
    memset(c, 0, sizeof *c);
}

static uint64_t block_start(const struct lane_cursor *c, uint64_t pos)
{
    return pos & ~((uint64_t)c->block_bytes - 1);
}

static uint64_t oldest_of(const struct fapilog_lane *l, uint64_t cap, uint64_t block_bytes)
{
    const uint64_t tail = load_acq(&l->tail);     /* order: C2 acquire, pairs with C1 */
    const uint64_t intent = load_acq(&l->intent); /* order: O2 acquire, pairs with O1 */
    uint64_t end = (tail + block_bytes - 1) & ~(block_bytes - 1);
    if (intent > end && intent - end <= cap)
        end = (intent + block_bytes - 1) & ~(block_bytes - 1);
    return end > cap ? end - cap : 0;
}

uint64_t lane_oldest(const struct segment *seg, uint32_t lane)
{
    const struct segment_lane *g = &seg->lanes[lane];
    if (!g->cap_log2)
        return 0;
    return oldest_of(segment_lane_shared(seg, lane), UINT64_C(1) << g->cap_log2,
                     UINT64_C(1) << g->block_log2);
}

/* ---- damage and loss ---- */

static uint64_t block_end_or(const struct lane_cursor *c, uint64_t tail)
{
    const uint64_t end = block_start(c, c->pos) + c->block_bytes;
    return end < tail ? end : tail;
}

/* The rest of the block cannot be read. */
static void skip_block(struct lane_cursor *c, uint64_t tail)
{
    const uint64_t to = block_end_or(c, tail);
    c->damaged += c->bad_block != block_start(c, c->pos) + 1;
    c->bad_block = block_start(c, c->pos) + 1;
    lane_skip(c, to - c->pos);
    c->seq_known = c->is_resumed = false;
    lane_jump(c, to);
}

/* What has been copied of the block of pos but not been read counts as lost. */
static void copy_cut(struct lane_cursor *c)
{
    if (c->copy->pos == block_start(c, c->pos) && c->copy->bytes > c->pos - c->copy->pos)
        c->copy->bytes = (uint32_t)(c->pos - c->copy->pos);
}

/* Overwritten while or before it was read: go on with the oldest block that is whole. */
static void skip_overwritten(struct lane_cursor *c, uint64_t tail)
{
    uint64_t to = oldest_of(segment_lane_shared(c->seg, c->lane), c->cap, c->block_bytes);
    if (to <= c->pos) /* the intent rule said otherwise: a lying intent */
        to = block_start(c, c->pos) + c->block_bytes;
    /* Whatever the words say by now: nothing before the last lap is there, and a lane that lies about it
     * must not make us walk to its tail block by block. */
    const uint64_t lap = tail > c->cap ? (tail - c->cap + c->block_bytes - 1) & ~(uint64_t)(c->block_bytes - 1) : 0;
    if (to < lap)
        to = lap;
    if (to > tail)
        to = tail;
    copy_cut(c);
    c->lost_bytes += to - c->pos;
    c->gap_bytes += to - c->pos;
    c->is_behind_hole = false;
    c->block = NULL;
    c->torn_at = to;
    c->torn_is_lost = c->seq_known;
    lane_jump(c, to);
}

/* ---- blocks ---- */

/* Words that the producer may be writing: each is loaded once.
 * order: relaxed - the fence behind it and the check of the intent say whether the copy is whole */
static void words_copy(uint8_t *to, const uint8_t *from, uint32_t bytes)
{
    CHECK(bytes % 8 == 0);
    for (uint32_t i = 0; i < bytes; i += 8) {
        const uint64_t w = load_rlx((const uint64_t *)(const void *)(from + i));
        memcpy(to + i, &w, 8);
    }
}

/* Extends the private copy of the block up to `to`; false when the producer has begun to write over it. */
static bool copy_extend(struct lane_cursor *c, uint64_t to)
{
    const uint32_t off = (uint32_t)(c->copied - c->block_pos);
    words_copy(c->copy->data + off, c->data + ((c->block_pos & (c->cap - 1)) + off), (uint32_t)(to - c->copied));
    c->copied = to;
    const struct fapilog_lane *l = segment_lane_shared(c->seg, c->lane);
    /* order: O2 acquire, pairs with O1 - the copy is done before the intent is looked at */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    /* order: relaxed - the fence orders it */
    const uint64_t intent = load_rlx(&l->intent), tail = load_rlx(&l->tail);
    if (c->block_pos + c->cap < intent || c->block_pos + c->cap < tail)
        return false;
    c->copy->bytes = (uint32_t)(to - c->block_pos);
    return true;
}

/* The copy is for another block from here on, or for the same one once more. */
static int copy_turn(struct lane_cursor *c)
{
    if (c->flags & LANE_KEEP && c->copy->bytes && c->copy->pos != c->block_pos) {
        struct lane_copy *const last = c->copy;
        const int r = copy_provide(c);
        if (r < 0) {
            c->copy = last;
            return r;
        }
        *c->kept_end = last;
        c->kept_end = &last->next;
    }
    c->copy->pos = c->copied = c->block_pos;
    c->copy->bytes = 0;
    return 0;
}

const struct lane_copy *lane_copies_first(const struct lane_cursor *c)
{
    return c->kept ? c->kept : c->copy;
}

const struct lane_copy *lane_copies_next(const struct lane_cursor *c, const struct lane_copy *copy)
{
    return copy == c->copy ? NULL : copy->next ? copy->next : c->copy;
}

void lane_copies_release(struct lane_cursor *c, uint64_t pos)
{
    while (c->kept && c->kept->pos + c->kept->bytes <= pos) {
        struct lane_copy *const first = c->kept;
        c->kept = first->next;
        free(first);
    }
    if (!c->kept)
        c->kept_end = &c->kept;
}

static void owner_refresh(struct lane_cursor *c, uint32_t generation)
{
    if (generation != c->generation)
        c->context.info = (struct fapilog_context_info){0}; /* epochs count per generation */
    c->generation = generation;
    if (segment_lane_owner(c->seg, c->lane, &c->owner) < 0 || c->owner.generation != generation) {
        memset(&c->owner, 0, sizeof c->owner); /* blocks of a former thread: its name is gone */
        c->owner.generation = generation;
    }
    lane_owner_changed(c);
}

/* Walks from the block's first record to `pos`: the context in force there, and the events before it.
 * False when no record starts at pos. */
static int block_rescan(struct lane_cursor *c)
{
    uint32_t off = LANE_BLOCK_BYTES;
    const uint32_t to = (uint32_t)(c->pos - c->block_pos);
    while (off < to) {
        const uint64_t w = lane_word(c->block + off);
        const uint32_t size = FAPILOG_WORD0_SIZE(w), kind = FAPILOG_WORD0_KIND(w);
        if (size < LANE_HEADER_BYTES || size > to - off)
            return -EBADMSG;
        if (kind == FAPILOG_KIND_CONTEXT) {
            c->context_end = c->block_pos + off + size;
            if (lane_context_take(c, c->block + off, size, FAPILOG_WORD0_SCHEMA(w)) == -ENOMEM)
                return -ENOMEM;
        }
        c->seq += lane_is_event(w);
        off += size;
    }
    return 0;
}

static int block_accept(struct lane_cursor *c)
{
    const int generation = lane_block_accept(c, c->block, c->block_pos);
    if (generation < 0)
        return generation;
    if ((uint32_t)generation != c->generation || c->owner.generation != c->generation)
        owner_refresh(c, (uint32_t)generation);
    return 0;
}

/* The events before pos are known from the block now. */
static void count_missed(struct lane_cursor *c, uint64_t events)
{
    const uint64_t most = c->pos / LANE_HEADER_BYTES;
    c->is_resumed = false;
    if (c->seq > events)
        c->lost += c->seq - events < most ? c->seq - events : most;
}

/* 1: the block of pos can be read; 0: it was skipped. */
static int block_open(struct lane_cursor *c, uint64_t tail)
{
    c->block_pos = block_start(c, c->pos);
    if (c->flags & LANE_COPY) {
        const uint64_t end = block_end_or(c, tail);
        const int r = copy_turn(c);
        if (r < 0)
            return r;
        if (!copy_extend(c, end)) {
            skip_overwritten(c, tail);
            return 0;
        }
        c->block = c->copy->data;
    } else {
        c->block = c->data + (c->block_pos & (c->cap - 1));
    }
    const uint64_t header_end = c->block_pos + LANE_BLOCK_BYTES, events = c->seq;
    const bool inside = c->pos != c->block_pos;
    c->seq_known = c->seq_known && !c->is_resumed;
    int r = header_end > tail || (inside && c->pos < header_end) ? -EBADMSG : block_accept(c);
    if (r == 0 && inside)
        r = block_rescan(c);
    else if (r == 0)
        c->pos = header_end;
    if (r == -EBADMSG) {
        c->block = NULL;
        skip_block(c, tail);
        return 0;
    }
    if (r == 0 && c->is_resumed)
        count_missed(c, events);
    return r < 0 ? r : 1;
}

/* ---- the walk ---- */

static int tail_accept(struct lane_cursor *c, uint64_t tail)
{
    /* Positions count bytes of a life and never wrap: half the range is more than any lane can reach. */
    if (tail < c->tail || tail < c->pos || tail % FAPILOG_RECORD_ALIGN || tail > INT64_MAX)
        return -EBADMSG;
    if (tail - c->pos > c->cap) {
        if (!(c->flags & LANE_COPY))
            return -EBADMSG;
        skip_overwritten(c, tail);
    }
    c->tail = tail;
    return 0;
}

/* Makes the bytes of the block of pos up to `tail` readable. 1, 0 when they were skipped, or an error. */
static int block_ready(struct lane_cursor *c, uint64_t tail)
{
    if (c->block && c->pos == c->block_pos + c->block_bytes)
        c->block = NULL;
    if (!c->block)
        return block_open(c, tail);
    const uint64_t end = block_end_or(c, tail);
    if ((c->flags & LANE_COPY) && c->copied < end && !copy_extend(c, end)) {
        skip_overwritten(c, tail);
        return 0;
    }
    return 1;
}

int lane_next(struct lane_cursor *c, uint64_t tail, struct fapilog_record *ret)
{
    int r = likely(tail == c->tail) ? 0 : tail_accept(c, tail);
    if (unlikely(r < 0))
        return r;
    while (c->pos < tail) {
        if (unlikely(!c->block || (c->flags & LANE_COPY))) {
            r = block_ready(c, tail);
            if (r < 0)
                return r;
            if (r == 0 || c->pos == tail)
                continue;
        }
        const uint32_t off = (uint32_t)(c->pos - c->block_pos);
        const uint64_t block_end = c->block_pos + c->block_bytes;
        const uint8_t *rec = c->block + off;
        const uint64_t w = c->block_bytes - off < LANE_HEADER_BYTES ? 0 : lane_word(rec);
        const uint32_t size = FAPILOG_WORD0_SIZE(w);
        if (unlikely(!w && tail >= block_end)) { /* the end of a block */
            c->padding_bytes = block_end - c->pos;
            c->pos = block_end;
            c->block = NULL;
            continue;
        }
        const uint64_t left = (tail < block_end ? tail : block_end) - c->pos;
        if (unlikely(size < LANE_HEADER_BYTES || size > left)) {
            skip_block(c, tail);
            continue;
        }
        r = lane_record_take(c, rec, w, size, ret);
        if (r != 0)
            return r;
        if (unlikely(c->pos == block_end))
            c->block = NULL;
    }
    if (unlikely(c->large_bytes))
        lane_chain_abandon(c);
    return 0;
}

int lane_events_before(struct segment *seg, uint32_t lane, uint64_t pos, uint64_t *ret)
{
    struct lane_cursor c;
    struct fapilog_record record;
    *ret = 0;
    if (!pos)
        return 0;
    if (!segment_lane_refresh(seg, lane))
        return -EINVAL;
    const uint64_t block = UINT64_C(1) << seg->lanes[lane].block_log2;
    int r = lane_cursor_init(&c, seg, lane, (pos - 1) & ~(block - 1), LANE_COPY);
    if (r < 0)
        return r;
    do
        r = lane_next(&c, pos, &record);
    while (r > 0);
    if (r == 0) /* of one block: a gap that no header has closed is the block itself */
        r = c.gap_bytes ? -ESTALE : c.damaged ? -EBADMSG : 0;
    *ret = c.seq;
    lane_cursor_done(&c);
    return r;
}
