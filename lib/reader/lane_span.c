#include "lib/reader/lane_internal.h"

#include "lib/base/check.h"

#include <errno.h>
#include <string.h>

enum { BLOCK_MIN = 1 << FAPILOG_BLOCK_LOG2_MIN };

void lane_span_init(struct lane_cursor *c, struct segment *seg, uint32_t lane)
{
    memset(c, 0, sizeof *c);
    c->seg = seg;
    c->lane = lane;
    lane_span_break(c);
}

void lane_span_break(struct lane_cursor *c)
{
    c->pos = UINT64_MAX;
}

static bool continues(const struct lane_cursor *c, uint64_t position, uint32_t bytes, uint32_t generation)
{
    return c->generation == generation && c->pos >= position && c->pos - position <= bytes;
}

void lane_span_begin(struct lane_cursor *c, const uint8_t *data, uint32_t bytes, uint64_t position,
                     uint32_t repeated, const struct segment_lane_owner *owner)
{
    CHECK(((uintptr_t)data & 7) == 0);
    CHECK(bytes % FAPILOG_RECORD_ALIGN == 0 && repeated <= bytes && position <= UINT64_MAX - bytes);
    if (!continues(c, position, bytes, owner->generation)) {
        if (c->large_bytes)
            lane_chain_abandon(c);
        c->context.info = (struct fapilog_context_info){0};
        c->pos = c->torn_at = position;
        c->torn_is_lost = c->seq_known = false;
    }
    c->block = data;
    c->block_pos = position;
    c->block_bytes = bytes; /* so that jumps stay within it */
    c->tail = position + bytes;
    c->copied = position + repeated;
    c->owner = *owner;
    lane_owner_changed(c);
    c->generation = owner->generation;
}

static const uint8_t *at_pos(const struct lane_cursor *c, uint64_t pos)
{
    return c->block + (pos - c->block_pos);
}

static bool is_header(const struct lane_cursor *c, uint64_t pos)
{
    if (c->tail - pos < LANE_BLOCK_BYTES)
        return false;
    const uint64_t w = lane_word(at_pos(c, pos));
    return FAPILOG_WORD0_KIND(w) == FAPILOG_KIND_BLOCK && FAPILOG_WORD0_SIZE(w) == LANE_BLOCK_BYTES &&
           lane_word(at_pos(c, pos) + offsetof(struct fapilog_block, pos)) == pos;
}

/* Where the next block starts, or the end of the span. Blocks are found by their headers, which carry
 * their own position: a file does not say how large they were. */
static uint64_t next_block(const struct lane_cursor *c)
{
    uint64_t pos = (c->pos + BLOCK_MIN) & ~(uint64_t)(BLOCK_MIN - 1);
    while (pos < c->tail && !is_header(c, pos))
        pos += BLOCK_MIN;
    return pos < c->tail ? pos : c->tail;
}

/* No record begins in the last 8 bytes of a block; what stands there is left from earlier. */
static bool is_block_end(const struct lane_cursor *c, uint64_t w)
{
    const uint64_t end = c->pos + FAPILOG_RECORD_ALIGN;
    return !w || end == c->tail || (end % BLOCK_MIN == 0 && is_header(c, end));
}

/* Of the repeated part only contexts count. */
static int repeated_take(struct lane_cursor *c, const uint8_t *rec, uint64_t w, uint32_t size)
{
    int r = 0;
    if (FAPILOG_WORD0_KIND(w) == FAPILOG_KIND_CONTEXT)
        r = lane_context_take(c, rec, size, FAPILOG_WORD0_SCHEMA(w));
    c->seq += lane_is_event(w);
    c->pos += size;
    return r == -ENOMEM ? r : 0;
}

static void skip_to(struct lane_cursor *c, uint64_t pos)
{
    c->damaged++;
    c->skipped_bytes += pos - c->pos;
    c->seq_known = false;
    lane_jump(c, pos);
}

int lane_span_next(struct lane_cursor *c, struct fapilog_record *ret)
{
    while (c->pos < c->tail) {
        const uint8_t *rec = at_pos(c, c->pos);
        const uint64_t w = lane_word(rec);
        const uint32_t size = FAPILOG_WORD0_SIZE(w);
        if (is_block_end(c, w)) {
            const uint64_t next = next_block(c);
            c->padding_bytes = next - c->pos;
            c->pos = next;
            continue;
        }
        if (size < LANE_HEADER_BYTES || size > c->tail - c->pos) {
            skip_to(c, next_block(c));
            continue;
        }
        if (FAPILOG_WORD0_KIND(w) == FAPILOG_KIND_BLOCK) {
            if (lane_block_accept(c, rec, c->pos) < 0)
                skip_to(c, next_block(c));
            else
                c->pos += LANE_BLOCK_BYTES;
            continue;
        }
        const int r =
            c->pos < c->copied ? repeated_take(c, rec, w, size) : lane_record_take(c, rec, w, size, ret);
        if (r != 0)
            return r;
    }
    return 0;
}
