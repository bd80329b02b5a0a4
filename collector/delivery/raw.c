#include "collector/delivery/raw.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One lane's share of a batch: [from, to), cut where the ring wraps. */
struct stretch {
    const struct lane *lane;
    const uint8_t *data; /* the lane's */
    uint64_t cap, block;
    uint64_t from, to;
};

struct run { /* records that follow each other and all go to the output */
    uint64_t from, to;
    uint32_t records;
    uint32_t generation;
};

static int span_add(struct batch *b, uint32_t output, const struct stretch *st, const struct run *run)
{
    if (run->to == run->from)
        return 0;
    if (b->spans_count == b->spans_cap) {
        const uint32_t cap = b->spans_cap ? b->spans_cap * 2 : 64;
        struct sink_span *more = realloc(b->span, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        b->span = more;
        b->spans_cap = cap;
    }
    const struct segment *seg = st->lane->source->seg;
    const struct lane_cursor *c = &st->lane->reader->cursor;
    uint64_t registry_tail = load_acq(&segment_shared(seg)->registry_tail);
    if (registry_tail > seg->sb.registry_size)
        registry_tail = seg->sb.registry_size;
    b->span[b->spans_count++] = (struct sink_span){
        .process = &seg->process, .super = &seg->sb,
        .registry = seg->base + seg->sb.registry_off, .registry_tail = registry_tail,
        .lane = st->lane->index, .generation = run->generation, .tid = c->owner.tid,
        .thread = { c->owner.thread, (uint32_t)strnlen(c->owner.thread, sizeof c->owner.thread) },
        .position = run->from, .data = (const char *)st->data + (run->from & (st->cap - 1)),
        .len = (uint32_t)(run->to - run->from), .records = run->records,
    };
    b->span_bytes[output] += run->to - run->from;
    b->span_records[output] += run->records;
    return 0;
}

/* Blocks and contexts belong to every stream: without them the records could not be read. */
static bool is_wanted(uint64_t word0, uint32_t level_mask, bool *in_chain, bool *is_chain_wanted,
                      const uint8_t *rec, bool *ret_counts)
{
    const uint32_t kind = FAPILOG_WORD0_KIND(word0), schema = FAPILOG_WORD0_SCHEMA(word0);
    *ret_counts = false;
    switch (kind) {
    case FAPILOG_KIND_BLOCK:
    case FAPILOG_KIND_CONTEXT:
        return true;
    case FAPILOG_KIND_FRAGMENT: {
        /* The level of a chain stands in the logical header, in front of its first payload. */
        uint64_t logical = 0;
        if (schema & 1) {
            memcpy(&logical, rec + sizeof(struct fapilog_record_header), sizeof logical);
            *is_chain_wanted = level_mask >> FAPILOG_WORD0_LEVEL(logical) & 1;
        }
        *in_chain = !(schema & 2);
        *ret_counts = !*in_chain && *is_chain_wanted;
        return *is_chain_wanted;
    }
    default:
        *ret_counts = level_mask >> FAPILOG_WORD0_LEVEL(word0) & 1;
        return *ret_counts;
    }
}

/* Walks the headers; what the cursor passed over as damaged ends a run here as well. */
static int stretch_walk(struct batch *b, uint32_t output, const struct stretch *st, uint32_t level_mask)
{
    struct run run = { st->from, st->from, 0, st->lane->reader->cursor.generation };
    bool in_chain = false, is_chain_wanted = false;
    uint64_t pos = st->from;
    int r = 0;
    while (pos < st->to && r == 0) {
        const uint64_t block_end = (pos & ~(st->block - 1)) + st->block;
        const uint64_t end = block_end < st->to ? block_end : st->to;
        const uint8_t *rec = st->data + (pos & (st->cap - 1));
        const uint64_t word0 = end - pos < sizeof(struct fapilog_record_header) ? 0 : load_rlx((const uint64_t *)(const void *)rec);
        const uint32_t size = FAPILOG_WORD0_SIZE(word0);
        bool counts = false;
        uint64_t next = pos + size;
        bool take;
        if (size < sizeof(struct fapilog_record_header) || size > end - pos) {
            /* The padding of a block belongs to the run, a damaged rest does as well: its reader
             * skips it by the same rule. */
            next = end;
            take = true;
        } else {
            take = is_wanted(word0, level_mask, &in_chain, &is_chain_wanted, rec, &counts);
            if (FAPILOG_WORD0_KIND(word0) == FAPILOG_KIND_BLOCK)
                run.generation = FAPILOG_WORD0_SCHEMA(word0);
        }
        const bool wraps = take && run.to != run.from && (run.to & (st->cap - 1)) == 0;
        if (!take || wraps) {
            r = span_add(b, output, st, &run);
            run.from = take ? pos : next;
            run.records = 0;
        }
        run.to = next;
        run.records += counts;
        pos = next;
    }
    return r < 0 ? r : span_add(b, output, st, &run);
}

int raw_collect(struct batch *b, const struct outputs *o, struct err *e)
{
    for (uint32_t i = o->text_count; i < o->count; i++) {
        b->span_first[i] = b->spans_count;
        for (uint32_t k = 0; k < b->checkpoint.count; k++) {
            const struct checkpoint_item *item = &b->checkpoint.item[k];
            if (!item->lane || b->checkpoint.position[k].done == item->from)
                continue;
            const struct segment_lane *g = &item->source->seg->lanes[item->lane->index];
            const struct stretch st = {
                .lane = item->lane, .data = item->source->seg->base + g->data_off,
                .cap = UINT64_C(1) << g->cap_log2, .block = UINT64_C(1) << g->block_log2,
                .from = item->from, .to = b->checkpoint.position[k].done,
            };
            if (stretch_walk(b, i, &st, o->output[i].level_mask) < 0)
                return err_set(e, -ENOMEM, "out of memory");
        }
        b->span_first[i + 1] = b->spans_count;
    }
    return 0;
}
