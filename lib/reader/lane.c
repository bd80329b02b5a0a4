#include "lib/reader/lane.h"

#include "lib/base/check.h"
#include "lib/reader/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = sizeof(struct fapilog_record_header),
    BLOCK_BYTES = sizeof(struct fapilog_block),
    LARGE_HEAD_BYTES = 24, /* word0, cycles, length in front of a chain's payload */
    LARGE_BYTES_MAX = FAPILOG_RECORD_BYTES_MAX + 4096, /* payload, extensions, inline context */
    FRAGMENT_FIRST = 1,
    FRAGMENT_LAST = 2,
};

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
    (void)segment_lane_owner(seg, lane, &c->owner); /* read again with the first block */
    c->flags = flags | (c->owner.mode == FAPILOG_MODE_OVERWRITE ? LANE_COPY : 0);
    if (c->flags & LANE_COPY) {
        c->copy = malloc(c->block_bytes);
        if (!c->copy)
            return -ENOMEM;
    }
    return 0;
}

void lane_cursor_done(struct lane_cursor *c)
{
    free(c->copy);
    free(c->large);
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
    return oldest_of(segment_lane_shared(seg, lane), UINT64_C(1) << g->cap_log2, UINT64_C(1) << g->block_log2);
}

/* ---- damage and loss ---- */

static void jump(struct lane_cursor *c, uint64_t pos)
{
    CHECK(pos > c->pos);
    c->pos = pos;
    c->large_bytes = 0; /* a chain with a hole is no record */
    if (!c->block || pos >= c->block_pos + c->block_bytes)
        c->block = NULL;
}

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
    c->skipped_bytes += to - c->pos;
    c->seq_known = false;
    jump(c, to);
}

static void skip_record(struct lane_cursor *c, uint32_t bytes)
{
    c->damaged++;
    c->skipped_bytes += bytes;
    jump(c, c->pos + bytes);
}

/* Overwritten while or before it was read: go on with the oldest block that is whole. */
static void skip_overwritten(struct lane_cursor *c, uint64_t tail)
{
    uint64_t to = oldest_of(segment_lane_shared(c->seg, c->lane), c->cap, c->block_bytes);
    if (to <= c->pos) /* the intent rule said otherwise: a lying intent */
        to = block_start(c, c->pos) + c->block_bytes;
    if (to > tail)
        to = tail;
    c->lost_bytes += to - c->pos;
    c->gap_bytes += to - c->pos;
    c->block = NULL;
    jump(c, to);
}

/* ---- blocks ---- */

/* Words that the producer may be writing: each is loaded once, relaxed; the fence and the check of
 * the intent say whether the copy is whole. */
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
    words_copy(c->copy + off, c->data + ((c->block_pos & (c->cap - 1)) + off), (uint32_t)(to - c->copied));
    c->copied = to;
    /* order: O2, pairs with O1 - the copy is done before the intent is looked at */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    const struct fapilog_lane *l = segment_lane_shared(c->seg, c->lane);
    const uint64_t intent = load_rlx(&l->intent);
    return c->block_pos + c->cap >= intent && c->block_pos + c->cap >= load_rlx(&l->tail);
}

static uint64_t load_word(const uint8_t *at)
{
    return load_rlx((const uint64_t *)(const void *)at);
}

static void owner_refresh(struct lane_cursor *c, uint32_t generation)
{
    if (generation != c->generation)
        c->context.info = (struct fapilog_context_info){0}; /* epochs count per generation */
    c->generation = generation;
    if (segment_lane_owner(c->seg, c->lane, &c->owner) == 0 && c->owner.generation == generation)
        return;
    memset(&c->owner, 0, sizeof c->owner); /* blocks of a former thread: its name is gone */
    c->owner.generation = generation;
}

static void seq_accept(struct lane_cursor *c, uint64_t seq)
{
    if (c->seq_known && seq > c->seq) { /* a gap without overwriting was counted as damage */
        const uint64_t most = c->gap_bytes / HEADER_BYTES;
        c->lost += seq - c->seq < most ? seq - c->seq : most;
    }
    c->gap_bytes = 0;
    c->seq = seq;
    c->seq_known = true;
}

static int context_take(struct lane_cursor *c, const uint8_t *rec, uint32_t bytes, uint32_t epoch);

/* Walks from the block's first record to `pos`: the context in force there, and the events before it.
 * False when no record starts at pos. */
static int block_rescan(struct lane_cursor *c)
{
    uint32_t off = BLOCK_BYTES;
    const uint32_t to = (uint32_t)(c->pos - c->block_pos);
    while (off < to) {
        const uint64_t w = load_word(c->block + off);
        const uint32_t size = FAPILOG_WORD0_SIZE(w), kind = FAPILOG_WORD0_KIND(w);
        if (size < HEADER_BYTES || size > to - off)
            return -EBADMSG;
        if (kind == FAPILOG_KIND_CONTEXT && context_take(c, c->block + off, size, FAPILOG_WORD0_SCHEMA(w)) == -ENOMEM)
            return -ENOMEM;
        c->seq += kind == FAPILOG_KIND_EVENT || kind == FAPILOG_KIND_DYNAMIC ||
                  (kind == FAPILOG_KIND_FRAGMENT && (FAPILOG_WORD0_SCHEMA(w) & FRAGMENT_LAST));
        off += size;
    }
    return 0;
}

static int block_accept(struct lane_cursor *c)
{
    const uint64_t w = load_word(c->block);
    if (FAPILOG_WORD0_KIND(w) != FAPILOG_KIND_BLOCK || FAPILOG_WORD0_SIZE(w) != BLOCK_BYTES ||
        load_word(c->block + offsetof(struct fapilog_block, pos)) != c->block_pos || !FAPILOG_WORD0_SCHEMA(w))
        return -EBADMSG;
    if (FAPILOG_WORD0_SCHEMA(w) != c->generation || c->owner.generation != c->generation)
        owner_refresh(c, FAPILOG_WORD0_SCHEMA(w));
    seq_accept(c, load_word(c->block + offsetof(struct fapilog_block, seq)));
    c->dropped = load_word(c->block + offsetof(struct fapilog_block, dropped));
    clock_map_add(&c->seg->clock, load_word(c->block + offsetof(struct fapilog_block, cycles)),
                  (int64_t)load_word(c->block + offsetof(struct fapilog_block, real_ns)));
    return 0;
}

/* 1: the block of pos can be read; 0: it was skipped. */
static int block_open(struct lane_cursor *c, uint64_t tail)
{
    c->block_pos = block_start(c, c->pos);
    if (c->flags & LANE_COPY) {
        const uint64_t end = block_end_or(c, tail);
        c->copied = c->block_pos;
        if (!copy_extend(c, end)) {
            skip_overwritten(c, tail);
            return 0;
        }
        c->block = c->copy;
    } else {
        c->block = c->data + (c->block_pos & (c->cap - 1));
    }
    const uint64_t header_end = c->block_pos + BLOCK_BYTES;
    const bool inside = c->pos != c->block_pos;
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
    return r < 0 ? r : 1;
}

/* ---- records ---- */

static int reserve(uint8_t **bytes, uint32_t *max, uint32_t need)
{
    if (need <= *max)
        return 0;
    uint32_t size = *max ? *max : 1024;
    while (size < need)
        size *= 2;
    uint8_t *more = realloc(*bytes, size);
    if (!more)
        return -ENOMEM;
    *bytes = more;
    *max = size;
    return 0;
}

static int context_take(struct lane_cursor *c, const uint8_t *rec, uint32_t bytes, uint32_t epoch)
{
    struct lane_context *x = &c->context;
    struct fapilog_text message;
    if (reserve(&x->bytes, &x->bytes_max, bytes) < 0)
        return -ENOMEM;
    memcpy(x->bytes, rec, bytes);
    x->info = (struct fapilog_context_info){.epoch = epoch, .fields = x->fields};
    const int r = decode_dynamic(x->bytes, HEADER_BYTES, bytes, &message, x->fields, &x->info.fields_count);
    if (r < 0) {
        x->info.lost = true;
        x->info.fields_count = 0;
    }
    return r;
}

static const struct fapilog_context_info *context_find(struct lane_cursor *c, uint32_t epoch)
{
    if (!epoch)
        return NULL;
    if (likely(c->context.info.epoch == epoch))
        return &c->context.info;
    c->inline_context = (struct fapilog_context_info){.epoch = epoch, .lost = true};
    return &c->inline_context;
}

/* The logical record `rec` with its payload in [HEADER_BYTES, end). */
static int event_decode(struct lane_cursor *c, const uint8_t *rec, uint64_t w, uint32_t end, struct fapilog_record *ret)
{
    const unsigned flags = FAPILOG_WORD0_FLAGS(w);
    struct segment *seg = c->seg;
    struct decode_prefix p = {.end = HEADER_BYTES};
    if (flags & (FAPILOG_FLAG_EXT | FAPILOG_FLAG_TID | FAPILOG_FLAG_CONTEXT) &&
        decode_prefix(rec, HEADER_BYTES, end, flags, &p) < 0)
        return -EBADMSG;
    ret->level = (uint8_t)FAPILOG_WORD0_LEVEL(w);
    if (unlikely(!ret->level))
        return -EBADMSG;
    if (likely(FAPILOG_WORD0_KIND(w) == FAPILOG_KIND_EVENT)) {
        const struct fapilog_site *site = registry_site(&seg->registry, FAPILOG_WORD0_SCHEMA(w));
        if (unlikely(!site) || decode_args(site->fields, site->fields_count, rec, p.end, end, c->fields) < 0)
            return -EBADMSG;
        ret->site = site;
        ret->message = site->message;
        ret->fields_count = site->fields_count;
    } else {
        ret->site = NULL;
        if (decode_dynamic(rec, p.end, end, &ret->message, c->fields, &ret->fields_count) < 0)
            return -EBADMSG;
    }
    if (flags & FAPILOG_FLAG_CONTEXT) {
        if (decode_list(rec + p.context_off, p.context_bytes, p.context_count, c->inline_fields) < 0)
            return -EBADMSG;
        c->inline_context = (struct fapilog_context_info){
            .epoch = p.epoch, .fields = c->inline_fields, .fields_count = p.context_count};
        ret->context = &c->inline_context;
    } else {
        ret->context = context_find(c, p.epoch);
    }
    ret->logger = registry_logger(&seg->registry, p.logger);
    if (unlikely(!ret->logger))
        ret->logger = &seg->registry.root; /* better a record without its logger's name than none */
    ret->cycles = load_word(rec + offsetof(struct fapilog_record_header, cycles));
    ret->time_ns = clock_map_ns(&seg->clock, ret->cycles);
    ret->flags = (uint8_t)flags;
    ret->internal = false;
    ret->tid = flags & FAPILOG_FLAG_TID ? p.tid : c->owner.tid;
    ret->fields = c->fields;
    return 0;
}

static void record_identify(struct lane_cursor *c, struct fapilog_record *ret)
{
    const bool own_thread = !(c->owner.flags & FAPILOG_LANE_SHARED);
    ret->thread = (struct fapilog_text){c->owner.thread, own_thread ? (uint32_t)strlen(c->owner.thread) : 0};
    ret->process = &c->seg->process;
    memcpy(ret->id.uuid, c->seg->process.uuid, sizeof ret->id.uuid);
    ret->id.lane = c->lane;
    ret->id.generation = c->generation;
    ret->id.position = c->pos;
    c->events++;
    ret->module_of = registry_module_of;
    ret->module_arg = &c->seg->registry;
}

/* ---- chains of fragments ---- */

static void chain_abandon(struct lane_cursor *c)
{
    c->damaged++;
    c->skipped_bytes += c->large_bytes;
    c->large_bytes = 0;
}

/* Appends the fragment at pos. 1: the chain is complete; 0: more is to come; -EBADMSG: no such chain. */
static int chain_take(struct lane_cursor *c, const uint8_t *rec, uint32_t size, uint32_t schema)
{
    const uint32_t payload = size - HEADER_BYTES;
    if (schema & FRAGMENT_FIRST) {
        if (c->large_bytes)
            chain_abandon(c);
        c->large_pos = c->pos;
    } else if (!c->large_bytes) {
        return -EBADMSG;
    }
    if (!payload || payload > LARGE_BYTES_MAX - c->large_bytes)
        return -EBADMSG;
    if (reserve(&c->large, &c->large_max, c->large_bytes + payload) < 0)
        return -ENOMEM;
    memcpy(c->large + c->large_bytes, rec + HEADER_BYTES, payload);
    c->large_bytes += payload;
    return schema & FRAGMENT_LAST ? 1 : 0;
}

/* Decodes the joined payloads: word0, cycles, length, payload. The header moves up over the length, so
 * that the payload follows it as in a record that was never cut. */
static int chain_decode(struct lane_cursor *c, struct fapilog_record *ret)
{
    const uint32_t bytes = c->large_bytes;
    c->large_bytes = 0;
    if (bytes < LARGE_HEAD_BYTES)
        return -EBADMSG;
    uint64_t head[3];
    memcpy(head, c->large, sizeof head);
    const uint32_t kind = FAPILOG_WORD0_KIND(head[0]);
    if (head[2] > bytes - LARGE_HEAD_BYTES || (kind != FAPILOG_KIND_EVENT && kind != FAPILOG_KIND_DYNAMIC))
        return -EBADMSG;
    uint8_t *rec = c->large + LARGE_HEAD_BYTES - HEADER_BYTES;
    memcpy(rec, head, HEADER_BYTES);
    return event_decode(c, rec, head[0], HEADER_BYTES + (uint32_t)head[2], ret);
}

/* ---- the walk ---- */

static int tail_accept(struct lane_cursor *c, uint64_t tail)
{
    if (tail < c->tail || tail < c->pos || tail % FAPILOG_RECORD_ALIGN)
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

/* The record of `size` bytes at pos. 1: *ret is an event; 0: consumed, go on. */
static int record_take(struct lane_cursor *c, const uint8_t *rec, uint64_t w, uint32_t size, struct fapilog_record *ret)
{
    int r;
    if (c->large_bytes && FAPILOG_WORD0_KIND(w) != FAPILOG_KIND_FRAGMENT)
        chain_abandon(c);
    switch (FAPILOG_WORD0_KIND(w)) {
    case FAPILOG_KIND_EVENT:
    case FAPILOG_KIND_DYNAMIC:
        r = event_decode(c, rec, w, size, ret);
        if (likely(r == 0)) {
            record_identify(c, ret);
            c->pos += size;
            c->seq++;
            return 1;
        }
        c->seq++;
        break;
    case FAPILOG_KIND_CONTEXT:
        r = context_take(c, rec, size, FAPILOG_WORD0_SCHEMA(w));
        break;
    case FAPILOG_KIND_FRAGMENT:
        r = chain_take(c, rec, size, FAPILOG_WORD0_SCHEMA(w));
        if (r == 1) {
            c->seq++;
            r = chain_decode(c, ret);
            if (r == 0) {
                record_identify(c, ret);
                ret->id.position = c->large_pos;
                c->pos += size;
                return 1;
            }
        }
        break;
    default:
        r = -EBADMSG;
    }
    if (r == -EBADMSG)
        skip_record(c, size);
    else if (r == 0)
        c->pos += size;
    return r == -EBADMSG ? 0 : r;
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
        const uint64_t w = c->block_bytes - off < HEADER_BYTES ? 0 : load_word(rec);
        const uint32_t size = FAPILOG_WORD0_SIZE(w);
        if (unlikely(!w && tail >= block_end)) { /* the end of a block */
            c->pos = block_end;
            c->block = NULL;
            continue;
        }
        const uint64_t left = (tail < block_end ? tail : block_end) - c->pos;
        if (unlikely(size < HEADER_BYTES || size > left)) {
            skip_block(c, tail);
            continue;
        }
        r = record_take(c, rec, w, size, ret);
        if (r != 0)
            return r;
        if (unlikely(c->pos == block_end))
            c->block = NULL;
    }
    if (unlikely(c->large_bytes))
        chain_abandon(c);
    return 0;
}
