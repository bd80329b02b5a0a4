#include "collector/ingest/walk.h"

#include "lib/base/check.h"

enum {
    HEADER_BYTES = sizeof(struct fapilog_record_header),
    FRAGMENT_LAST = 2,
    PADDING = 0, /* no kind of record */
};

struct lane_bytes {
    const uint8_t *data;
    uint64_t mask;
    uint64_t block;
};

/* order: relaxed - C2, the load of the tail, came first */
static uint64_t word_at(const struct lane_bytes *b, uint64_t pos)
{
    return load_rlx((const uint64_t *)(const void *)(b->data + (pos & b->mask)));
}

static bool block_is_valid(const struct lane_bytes *b, uint64_t pos, uint64_t end, uint64_t word0)
{
    return end - pos >= sizeof(struct fapilog_block) && FAPILOG_WORD0_KIND(word0) == FAPILOG_KIND_BLOCK &&
           FAPILOG_WORD0_SIZE(word0) == sizeof(struct fapilog_block) && FAPILOG_WORD0_SCHEMA(word0) &&
           word_at(b, pos + offsetof(struct fapilog_block, pos)) == pos;
}

/* The usual: events that follow each other in one block. Returns where they end, at most at `end`. */
static uint64_t pass_events(const struct lane_bytes *b, uint64_t pos, uint64_t end, struct walk *w)
{
    const uint8_t *const start = b->data + (pos & b->mask), *at = start;
    uint64_t left = end - pos, records = 0;
    uint32_t levels = 0;
    while (left >= HEADER_BYTES) {
        /* order: relaxed - as in word_at() */
        const uint64_t word0 = load_rlx((const uint64_t *)(const void *)at);
        const uint64_t size = FAPILOG_WORD0_SIZE(word0);
        const uint32_t kind = FAPILOG_WORD0_KIND(word0);
        if ((kind != FAPILOG_KIND_EVENT && kind != FAPILOG_KIND_DYNAMIC) || size < HEADER_BYTES || size > left)
            break;
        at += size;
        left -= size;
        records++;
        levels |= UINT32_C(1) << FAPILOG_WORD0_LEVEL(word0);
    }
    w->records += records;
    w->levels |= levels;
    return pos + (uint64_t)(at - start);
}

static uint32_t generation_of(const struct walk *w)
{
    return w->generation ? w->generation : w->first_generation;
}

static void count(struct walk *w, uint32_t kind, uint64_t word0, bool *in_chain)
{
    switch (kind) {
    case FAPILOG_KIND_EVENT:
    case FAPILOG_KIND_DYNAMIC:
        w->records++;
        w->levels |= UINT32_C(1) << FAPILOG_WORD0_LEVEL(word0);
        break;
    case FAPILOG_KIND_FRAGMENT:
        *in_chain = !(FAPILOG_WORD0_SCHEMA(word0) & FRAGMENT_LAST);
        w->records += !*in_chain;
        w->is_odd = true;
        break;
    case FAPILOG_KIND_BLOCK:
        w->is_odd |= w->records && FAPILOG_WORD0_SCHEMA(word0) != generation_of(w);
        w->generation = FAPILOG_WORD0_SCHEMA(word0);
        break;
    case PADDING:
    case FAPILOG_KIND_CONTEXT:
        break;
    default:
        w->is_odd = true;
    }
}

void walk_lane(const struct lane *l, uint64_t bytes_max, struct walk *ret)
{
    const struct segment *seg = l->source->seg;
    const struct segment_lane *g = &seg->lanes[l->index];
    const struct lane_bytes b = { seg->base + g->data_off, (UINT64_C(1) << g->cap_log2) - 1,
                                  UINT64_C(1) << g->block_log2 };
    uint64_t pos = l->taken;
    bool in_chain = false;
    *ret = (struct walk){ .to = pos };
    if (pos < l->tail) /* else the block that begins here may have no memory yet: on a full tmpfs a look is a SIGBUS */
        ret->first_generation = FAPILOG_WORD0_SCHEMA(word_at(&b, pos & ~(b.block - 1)));
    while (pos < l->tail) {
        const uint64_t block_end = (pos & ~(b.block - 1)) + b.block;
        const uint64_t end = block_end < l->tail ? block_end : l->tail;
        if (likely(!in_chain) && pos & (b.block - 1)) {
            const uint64_t share = l->taken + bytes_max;
            ret->to = pos = pass_events(&b, pos, end < share ? end : share < pos ? pos : share, ret);
            if (pos == end)
                continue;
        }
        const uint64_t word0 = end - pos < HEADER_BYTES ? 0 : word_at(&b, pos);
        const uint64_t size = FAPILOG_WORD0_SIZE(word0);
        const bool is_start = (pos & (b.block - 1)) == 0;
        uint64_t next = pos + size;
        uint32_t kind = FAPILOG_WORD0_KIND(word0);
        if (unlikely(size < HEADER_BYTES || size > end - pos ||
                     (is_start && !block_is_valid(&b, pos, end, word0)))) {
            /* A zero word ends a block whose rest was too small; anything else is damage. */
            ret->skipped += is_start || (word0 && end - pos >= HEADER_BYTES) ? end - pos : 0;
            next = end;
            kind = PADDING;
            ret->is_odd |= ret->skipped > 0;
        }
        if (unlikely(next - l->taken > bytes_max && !in_chain && ret->to != l->taken))
            break;
        count(ret, kind, word0, &in_chain);
        pos = next;
        if (likely(!in_chain))
            ret->to = pos;
    }
    if (pos == l->tail) /* also when a chain has no end: it is no record */
        ret->to = pos;
}

/* Small ones that follow each other become one, but not over the end of the ring. */
static bool may_grow(const struct lane *l, const struct lane_run *run, const struct walk *w)
{
    return run->to == l->taken && l->taken & (l->reader->cursor.cap - 1) && w->to - run->from <= LANE_RUN_BYTES &&
           run->generation == generation_of(w);
}

void walk_note_run(struct lane *l, const struct walk *w)
{
    struct lane_reader *reader = l->reader;
    struct lane_run *last = reader->runs_count ? &reader->run[reader->runs_count - 1] : NULL;
    if (w->is_odd)
        return;
    if (last && may_grow(l, last, w)) {
        last->to = w->to;
        last->records += (uint32_t)w->records;
        last->levels |= w->levels;
        return;
    }
    if (reader->runs_count < LANE_RUNS_MAX && w->to - l->taken <= LANE_RUN_BYTES)
        reader->run[reader->runs_count++] = (struct lane_run){
            .from = l->taken, .to = w->to, .records = (uint32_t)w->records, .levels = w->levels,
            .generation = generation_of(w),
        };
}
