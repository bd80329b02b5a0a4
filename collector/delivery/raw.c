#include "collector/delivery/raw.h"

#include "lib/base/check.h"
#include "lib/base/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A part of one lane's share of a batch: [from, to), whole in the ring or in a copy. */
struct stretch {
    struct lane *lane;
    const uint8_t *ring; /* the lane's bytes */
    const uint8_t *copy; /* of [from, to), NULL: read the ring */
    uint32_t generation; /* of a copy: what the header of its block says */
    uint64_t cap, block;
    uint64_t from, to;
};

static const uint8_t *stretch_at(const struct stretch *st, uint64_t pos)
{
    return st->copy ? st->copy + (pos - st->from) : st->ring + (pos & (st->cap - 1));
}

struct run { /* records of one thread that follow each other and all go to the output */
    uint64_t from, to;
    uint32_t records;
    uint32_t generation;
    bool is_continued; /* as of struct sink_span */
};

/* Whoever owns the lane now need not be who wrote these blocks. */
static const struct segment_lane_owner *span_owner(const struct lane *l, uint32_t generation)
{
    static const struct segment_lane_owner unknown;
    const struct lane_reader *reader = l->reader;
    if (reader->owner.generation == generation)
        return &reader->owner;
    return reader->cursor.owner.generation == generation ? &reader->cursor.owner : &unknown;
}

static int span_add(struct batch *b, uint32_t output, const struct stretch *st, const struct run *run)
{
    if (run->to == run->from)
        return 0;
    if (grow((void **)&b->span, &b->spans_cap, b->spans_count + 1, sizeof *b->span) < 0)
        return -ENOMEM;
    const struct segment *seg = st->lane->source->seg;
    const struct segment_lane_owner *owner = span_owner(st->lane, run->generation);
    /* order: acquire - the entries that the span's records name are handed out before */
    uint64_t registry_tail = load_acq(&segment_shared(seg)->registry_tail);
    if (registry_tail > seg->sb.registry_size)
        registry_tail = seg->sb.registry_size;
    b->span[b->spans_count++] = (struct sink_span){
        .process = &seg->process, .super = &seg->sb,
        .registry = seg->base + seg->sb.registry_off, .registry_tail = registry_tail,
        .lane = st->lane->index, .generation = run->generation, .tid = owner->tid,
        .thread = { owner->thread, (uint32_t)strnlen(owner->thread, sizeof owner->thread) },
        .position = run->from, .data = (const char *)stretch_at(st, run->from),
        .len = (uint32_t)(run->to - run->from), .records = run->records,
        /* A block that has begun to be read stays until all of it is delivered; a copy begins at its start. */
        .before = st->copy ? 0 : (uint32_t)(run->from & (st->block - 1)),
        .is_continued = run->is_continued,
    };
    b->span_bytes[output] += run->to - run->from;
    b->span_records[output] += run->records;
    return 0;
}

/* The run becomes a span; the next one begins at `from`. */
static int run_end(struct batch *b, uint32_t output, const struct stretch *st, struct run *run, uint64_t from,
                   bool is_continued)
{
    const int r = span_add(b, output, st, run);
    run->from = from;
    run->records = 0;
    run->is_continued = is_continued;
    return r;
}

struct chain { /* of fragments: it may go through several stretches */
    bool is_open, is_wanted;
};

/* Blocks and contexts belong to every stream: without them the records could not be read. */
static bool is_wanted(uint64_t word0, uint32_t level_mask, struct chain *chain, const uint8_t *rec, bool *ret_counts)
{
    const uint32_t kind = FAPILOG_WORD0_KIND(word0), schema = FAPILOG_WORD0_SCHEMA(word0);
    *ret_counts = false;
    switch (kind) {
    case FAPILOG_KIND_BLOCK:
    case FAPILOG_KIND_CONTEXT:
        return true;
    case FAPILOG_KIND_FRAGMENT: {
        /* The level of a chain stands in the logical header, in front of its first payload; without one it has none. */
        uint64_t logical = 0;
        if (schema & 1) {
            if (FAPILOG_WORD0_SIZE(word0) >= sizeof(struct fapilog_record_header) + sizeof logical)
                memcpy(&logical, rec + sizeof(struct fapilog_record_header), sizeof logical);
            chain->is_wanted = level_mask >> FAPILOG_WORD0_LEVEL(logical) & 1;
        }
        chain->is_open = !(schema & 2);
        *ret_counts = !chain->is_open && chain->is_wanted;
        return chain->is_wanted;
    }
    default:
        *ret_counts = level_mask >> FAPILOG_WORD0_LEVEL(word0) & 1;
        return *ret_counts;
    }
}

/* order: relaxed - C2, the load of the tail, came first; a copy is judged by the intent */
static uint64_t load_word(const uint8_t *at)
{
    return load_rlx((const uint64_t *)(const void *)at);
}

/* In the ring: the block that holds `from` is not released before the whole of it is delivered. */
static uint32_t generation_at(const struct stretch *st)
{
    if (st->copy)
        return st->generation;
    const uint64_t start = st->from & ~(st->block - 1);
    return FAPILOG_WORD0_SCHEMA(load_word(st->ring + (start & (st->cap - 1))));
}

/* The usual: wanted events that follow each other in one block. Returns their bytes, at most `left`. */
static uint64_t pass_wanted(const uint8_t *at, uint64_t left, uint32_t level_mask, uint32_t *records)
{
    const uint64_t all = left;
    while (left >= sizeof(struct fapilog_record_header) && *records < IMAGE_RECORDS_MAX) {
        const uint64_t word0 = load_word(at), size = FAPILOG_WORD0_SIZE(word0);
        const uint32_t kind = FAPILOG_WORD0_KIND(word0);
        if ((kind != FAPILOG_KIND_EVENT && kind != FAPILOG_KIND_DYNAMIC) ||
            !(level_mask >> FAPILOG_WORD0_LEVEL(word0) & 1) || size < sizeof(struct fapilog_record_header) ||
            size > left)
            break;
        at += size;
        left -= size;
        ++*records;
    }
    return all - left;
}

/* Walks the headers; what the cursor passed over as damaged ends a run here as well. */
static int stretch_walk(struct batch *b, uint32_t output, const struct stretch *st, uint32_t level_mask,
                        struct chain *chain)
{
    struct run run = { st->from, st->from, 0, generation_at(st), chain->is_open && chain->is_wanted };
    uint64_t pos = st->from;
    int r = 0;
    while (pos < st->to && r == 0) {
        const uint64_t block_end = (pos & ~(st->block - 1)) + st->block;
        const uint64_t end = block_end < st->to ? block_end : st->to;
        const uint8_t *rec = stretch_at(st, pos);
        if (run.to == pos && pos & (st->block - 1)) {
            const uint64_t passed = pass_wanted(rec, end - pos, level_mask, &run.records);
            run.to = pos += passed;
            rec += passed;
            if (pos == end)
                continue;
        }
        const uint64_t word0 = end - pos < sizeof(struct fapilog_record_header) ? 0 : load_word(rec);
        const uint32_t size = FAPILOG_WORD0_SIZE(word0);
        bool counts = false;
        uint64_t next = pos + size;
        const bool is_full = run.records == IMAGE_RECORDS_MAX && !chain->is_open;
        const bool in_chain = chain->is_open && chain->is_wanted;
        uint32_t generation = run.generation;
        bool take;
        if (size < sizeof(struct fapilog_record_header) || size > end - pos) {
            /* The padding of a block belongs to the run, a damaged rest does as well: its reader
             * skips it by the same rule. */
            next = end;
            take = true;
        } else {
            take = is_wanted(word0, level_mask, chain, rec, &counts);
            if (FAPILOG_WORD0_KIND(word0) == FAPILOG_KIND_BLOCK)
                generation = FAPILOG_WORD0_SCHEMA(word0);
        }
        const bool wraps = take && !st->copy && run.to != run.from && (run.to & (st->cap - 1)) == 0;
        if (!take || wraps || is_full || generation != run.generation)
            r = run_end(b, output, st, &run, take ? pos : next, take && in_chain);
        run.generation = generation;
        run.to = next;
        run.records += counts;
        if (run.is_continued && !chain->is_open && r == 0)
            r = run_end(b, output, st, &run, next, false);
        pos = next;
    }
    return r < 0 ? r : span_add(b, output, st, &run);
}

static const struct lane_run *run_at(const struct lane *l, uint64_t pos, uint32_t *next)
{
    const struct lane_reader *reader = l->reader;
    while (*next < reader->runs_count && reader->run[*next].from < pos)
        ++*next;
    return *next < reader->runs_count ? &reader->run[*next] : NULL;
}

/* Runs of which all is wanted go as they are, what lies between them is walked. */
static int stretch_take_runs(struct batch *b, uint32_t output, const struct stretch *st, uint32_t level_mask,
                             struct chain *chain)
{
    struct stretch part = *st;
    int r = 0;
    for (uint32_t next = 0; part.from < st->to && r == 0; part.from = part.to) {
        const struct lane_run *run = run_at(st->lane, part.from, &next);
        part.to = !run ? st->to : run->from > part.from ? run->from : run->to;
        CHECK(part.to <= st->to);
        if (!run || run->from != part.from || run->levels & ~level_mask || chain->is_open) {
            r = stretch_walk(b, output, &part, level_mask, chain);
            continue;
        }
        const struct run all = { run->from, run->to, run->records, run->generation, false };
        r = span_add(b, output, st, &all);
    }
    return r;
}

/* ---- what the drain has counted ---- */

_Static_assert((int)SPAN_RECORDS_MAX <= (int)IMAGE_RECORDS_MAX, "a span goes into one image");

static uint32_t generation_before(const struct stretch *st, uint64_t to)
{
    const uint64_t start = (to - 1) & ~(st->block - 1);
    return FAPILOG_WORD0_SCHEMA(load_word(st->ring + (start & (st->cap - 1))));
}

/* Whether all that lies there are records of the output, so many as were delivered, and the marks divide them well. */
static bool is_counted(const struct batch *b, uint32_t output, const struct checkpoint_item *item,
                       const struct position *end, const struct drain *d)
{
    uint64_t before = item->delivered;
    if (!d || item->is_rough || b->chunk[output].image_records != b->records)
        return false;
    for (uint32_t m = item->mark; m; m = d->mark[m - 1].next) {
        if (d->mark[m - 1].delivered - before > SPAN_RECORDS_MAX)
            return false;
        before = d->mark[m - 1].delivered;
    }
    return end->delivered - before <= SPAN_RECORDS_MAX;
}

static int stretch_count(struct batch *b, uint32_t output, const struct stretch *st, const struct checkpoint_item *item,
                         uint64_t delivered, const struct drain *d)
{
    struct run run = { .from = st->from };
    uint64_t before = item->delivered;
    const uint32_t first = b->spans_count;
    int r = 0;
    for (uint32_t m = item->mark; m && r == 0; m = d->mark[m - 1].next) {
        const struct drain_mark *mark = &d->mark[m - 1];
        run.to = mark->position;
        run.records = (uint32_t)(mark->delivered - before);
        run.generation = generation_before(st, run.to);
        before = mark->delivered;
        r = run_end(b, output, st, &run, run.to, false);
    }
    run.to = st->to;
    run.records = (uint32_t)(delivered - before);
    run.generation = generation_before(st, run.to);
    if (r == 0)
        r = span_add(b, output, st, &run);
    /* No context in front of it: there is nothing to be repeated, and nobody need look. */
    if (r == 0 && item->lane->reader->cursor.context_end <= (st->from & ~(st->block - 1)))
        b->span[first].before = 0;
    return r;
}

/* ---- lanes whose producer writes over old blocks ---- */

/* What a batch has copied of them, for all raw outputs alike. */
struct copies {
    struct copied {
        struct stretch part;
        uint32_t item; /* of the checkpoint */
    } *copied;
    uint32_t count, cap;
};

static int copies_add(struct copies *c, uint32_t item, const struct stretch *part)
{
    if (grow((void **)&c->copied, &c->cap, c->count + 1, sizeof *c->copied) < 0)
        return -ENOMEM;
    c->copied[c->count++] = (struct copied){ *part, item };
    return 0;
}

/* The part of a copied block that belongs to `all`. */
static bool copied_part(const struct stretch *all, const struct lane_copy *copy, struct stretch *ret)
{
    const uint64_t end = copy->pos + copy->bytes;
    *ret = *all;
    ret->from = copy->pos > all->from ? copy->pos : all->from;
    ret->to = end < all->to ? end : all->to;
    return ret->from < ret->to;
}

/* What its cursor has read, which need not be in the ring any more. */
static int stretch_copy(struct batch *b, struct copies *c, uint32_t item, const struct stretch *all)
{
    const struct lane_cursor *cursor = &all->lane->reader->cursor;
    struct stretch part;
    uint64_t bytes = 0;
    int r = 0;
    for (const struct lane_copy *from = lane_copies_first(cursor); from; from = lane_copies_next(cursor, from))
        bytes += copied_part(all, from, &part) ? part.to - part.from : 0;
    uint8_t *to = bytes ? batch_keep(b, bytes) : NULL;
    if (bytes && !to)
        return -ENOMEM;
    for (const struct lane_copy *from = lane_copies_first(cursor); from && r == 0;
         from = lane_copies_next(cursor, from)) {
        if (!copied_part(all, from, &part))
            continue;
        memcpy(to, from->data + (part.from - from->pos), part.to - part.from);
        part.copy = to;
        part.generation = FAPILOG_WORD0_SCHEMA(load_word(from->data));
        to += part.to - part.from;
        r = copies_add(c, item, &part);
    }
    return r;
}

static int copies_walk(struct batch *b, uint32_t output, const struct copies *c, uint32_t item, uint32_t level_mask)
{
    struct chain chain = { 0 };
    uint64_t to = UINT64_MAX;
    int r = 0;
    for (uint32_t i = 0; i < c->count && r == 0; i++) {
        const struct stretch *part = &c->copied[i].part;
        if (c->copied[i].item != item)
            continue;
        if (part->from != to)
            chain = (struct chain){ 0 }; /* a chain with a hole is no record */
        to = part->to;
        r = stretch_walk(b, output, part, level_mask, &chain);
    }
    return r;
}

/* ---- all lanes ---- */

/* False: the batch has nothing of it. */
static bool stretch_of(const struct batch *b, uint32_t k, struct stretch *ret)
{
    const struct checkpoint_item *item = &b->checkpoint.item[k];
    if (!item->lane || b->checkpoint.position[k].done == item->from)
        return false;
    const struct segment_lane *g = &item->source->seg->lanes[item->lane->index];
    *ret = (struct stretch){
        .lane = item->lane, .ring = item->source->seg->base + g->data_off,
        .cap = UINT64_C(1) << g->cap_log2, .block = UINT64_C(1) << g->block_log2,
        .from = item->from, .to = b->checkpoint.position[k].done,
    };
    return true;
}

static bool is_copied(const struct stretch *st)
{
    return st->lane->reader->cursor.flags & LANE_COPY;
}

static int copies_make(struct batch *b, struct copies *c)
{
    struct stretch all;
    int r = 0;
    for (uint32_t k = 0; k < b->checkpoint.count && r == 0; k++) {
        if (stretch_of(b, k, &all) && is_copied(&all))
            r = stretch_copy(b, c, k, &all);
    }
    return r;
}

static int output_collect(struct batch *b, uint32_t output, uint32_t level_mask, const struct copies *c,
                          const struct drain *d)
{
    struct stretch all;
    int r = 0;
    for (uint32_t k = 0; k < b->checkpoint.count && r == 0; k++) {
        struct chain chain = { 0 };
        if (!stretch_of(b, k, &all))
            continue;
        const struct checkpoint_item *item = &b->checkpoint.item[k];
        const struct position *end = &b->checkpoint.position[k];
        if (is_copied(&all))
            r = copies_walk(b, output, c, k, level_mask);
        else if (is_counted(b, output, item, end, d))
            r = stretch_count(b, output, &all, item, end->delivered, d);
        else if (b->images)
            r = stretch_walk(b, output, &all, level_mask, &chain);
        else
            r = stretch_take_runs(b, output, &all, level_mask, &chain);
    }
    return r;
}

static bool takes_spans(const struct batch *b, const struct outputs *o, uint32_t output)
{
    return output >= o->serialized_count || b->images >> output & 1;
}

int raw_collect(struct batch *b, const struct outputs *o, const struct drain *d, struct err *e)
{
    struct copies copies = { 0 };
    bool is_any = false;
    for (uint32_t i = o->text_count; i < o->count; i++)
        is_any |= takes_spans(b, o, i);
    int r = is_any ? copies_make(b, &copies) : 0;
    for (uint32_t i = o->text_count; i < o->count && r == 0; i++) {
        b->span_first[i] = b->spans_count;
        if (takes_spans(b, o, i))
            r = output_collect(b, i, o->output[i].level_mask, &copies, d);
        b->span_first[i + 1] = b->spans_count;
    }
    free(copies.copied);
    return r < 0 ? err_set(e, r, "out of memory") : 0;
}
