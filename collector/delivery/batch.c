#include "collector/delivery/batch.h"

#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct batch_kept {
    struct batch_kept *next;
    uint8_t bytes[];
};

uint8_t *batch_keep(struct batch *b, size_t bytes)
{
    struct batch_kept *kept = malloc(sizeof *kept + bytes);
    if (!kept)
        return NULL;
    kept->next = b->kept;
    b->kept = kept;
    return kept->bytes;
}

static void kept_free(struct batch *b)
{
    while (b->kept) {
        struct batch_kept *next = b->kept->next;
        free(b->kept);
        b->kept = next;
    }
}

int batch_pool_init(struct batch_pool *p, struct batch *batches, const struct outputs *o, struct err *e)
{
    memset(p, 0, sizeof *p);
    p->buffers = BATCHES * o->text_count;
    if (!p->buffers)
        return 0;
    const size_t bytes = (size_t)p->buffers * BATCH_BUFFER_BYTES;
    p->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p->base == MAP_FAILED) {
        p->base = NULL;
        return err_sys(e, -errno, "%zu bytes for output buffers", bytes);
    }
    p->ends = malloc((size_t)p->buffers * BATCH_RECORDS_MAX * sizeof *p->ends);
    if (!p->ends) {
        batch_pool_done(p, batches);
        return err_set(e, -ENOMEM, "out of memory");
    }
    for (unsigned i = 0; i < p->buffers; i++) {
        struct batch_chunk *c = &batches[i / o->text_count].chunk[i % o->text_count];
        c->buffer = p->base + (size_t)i * BATCH_BUFFER_BYTES;
        c->buf_index = (int32_t)i;
        c->ends = p->ends + (size_t)i * BATCH_RECORDS_MAX;
    }
    return 0;
}

static void chunk_clear(struct batch_chunk *c)
{
    free(c->large);
    c->large = NULL;
    c->chunk = (struct sink_chunk){ .data = c->buffer, .buf_index = c->buf_index, .ends = c->ends };
}

void batch_pool_done(struct batch_pool *p, struct batch *batches)
{
    for (unsigned i = 0; i < BATCHES; i++) {
        for (unsigned k = 0; k < OUTPUTS_MAX; k++)
            chunk_clear(&batches[i].chunk[k]);
        kept_free(&batches[i]);
        free(batches[i].span);
        batches[i].span = NULL;
        checkpoint_done(&batches[i].checkpoint);
    }
    if (p->base)
        (void)munmap(p->base, (size_t)p->buffers * BATCH_BUFFER_BYTES);
    free(p->ends);
    memset(p, 0, sizeof *p);
}

void batch_reset(struct batch *b, const struct outputs *o, uint64_t id)
{
    b->state = BATCH_FILLING;
    b->id = id;
    b->records = 0;
    b->ring_bytes = 0;
    b->ring_limit = BATCH_RING_BYTES;
    b->spans_count = 0;
    kept_free(b);
    memset(b->span_first, 0, sizeof b->span_first);
    memset(b->span_bytes, 0, sizeof b->span_bytes);
    memset(b->span_records, 0, sizeof b->span_records);
    for (uint32_t i = 0; i < o->text_count; i++)
        chunk_clear(&b->chunk[i]);
}

/* A batch that has a record in its large buffer takes no other. */
static bool chunk_has_room(const struct batch_chunk *c, size_t bound)
{
    return !c->large && c->chunk.records < BATCH_RECORDS_MAX && c->chunk.len + bound <= c->limit &&
           c->chunk.len + bound <= BATCH_BUFFER_BYTES;
}

/* The text outputs that want a record, one bit each. */
static uint32_t outputs_wanting(const struct outputs *o, const struct fapilog_record *r)
{
    uint32_t wants = 0;
    for (uint32_t i = 0; i < OUTPUTS_MAX && i < o->text_count; i++)
        wants |= (o->output[i].level_mask >> (r->level & 31) & 1) << i;
    return wants;
}

#define EACH_BIT(i, bits) \
    uint32_t left_ = (bits), i; left_ && (i = (uint32_t)__builtin_ctz(left_), true); left_ &= left_ - 1

/* The bounds of a record, and memory for those that no buffer holds. 1: all fit. */
static int make_room(struct batch *b, const struct outputs *o, const struct fapilog_record *r, uint32_t wants,
                     size_t *bound)
{
    for (EACH_BIT(i, wants)) {
        const struct batch_chunk *c = &b->chunk[i];
        bound[i] = o->output[i].format->ops->bound(o->output[i].format, r);
        if (c->chunk.records > 0 && !chunk_has_room(c, bound[i]))
            return 0;
    }
    for (EACH_BIT(i, wants)) {
        struct batch_chunk *c = &b->chunk[i];
        if (likely(bound[i] <= BATCH_BUFFER_BYTES))
            continue;
        free(c->large); /* of an attempt that found no memory for another output */
        c->large = malloc(bound[i]);
        if (!c->large)
            return -ENOMEM;
    }
    return 1;
}

static void chunk_grow(struct batch_chunk *c, const char *end)
{
    c->chunk.len = (uint32_t)(end - c->chunk.data);
    c->ends[c->chunk.records++] = c->chunk.len;
}

static int put_bounded(struct batch *b, const struct outputs *o, const struct fapilog_record *r,
                       uint32_t wants, bool *ret_fits)
{
    size_t bound[OUTPUTS_MAX]; /* of those that want it */
    const int fits = make_room(b, o, r, wants, bound);
    *ret_fits = fits > 0;
    if (fits <= 0)
        return fits;
    for (EACH_BIT(i, wants)) {
        struct batch_chunk *c = &b->chunk[i];
        struct format *f = o->output[i].format;
        if (unlikely(c->large)) {
            c->chunk.data = c->large;
            c->chunk.buf_index = -1;
        }
        char *out = c->large ? c->large : c->buffer + c->chunk.len;
        const char *end = f->ops->write(f, r, out);
        ASSUME((size_t)(end - out) <= bound[i]);
        chunk_grow(c, end);
    }
    FAULT_POINT("serialize");
    return 0;
}

/* Where the format can tell from the record's call site alone that it fits. */
static const char *put_within(struct batch_chunk *c, struct format *f, const struct fapilog_record *r)
{
    const uint64_t limit = c->limit < BATCH_BUFFER_BYTES ? c->limit : BATCH_BUFFER_BYTES;
    const bool is_full = c->large || c->chunk.records == BATCH_RECORDS_MAX || c->chunk.len >= limit;
    if (unlikely(!f->ops->write_within || is_full))
        return NULL;
    return f->ops->write_within(f, r, c->buffer + c->chunk.len, limit - c->chunk.len);
}

int batch_put(struct batch *b, const struct outputs *o, const struct fapilog_record *r, bool *ret_fits)
{
    const uint32_t wants = outputs_wanting(o, r);
    const char *end[OUTPUTS_MAX]; /* of those that want it */
    for (EACH_BIT(i, wants)) {
        end[i] = put_within(&b->chunk[i], o->output[i].format, r);
        if (unlikely(!end[i]))
            return put_bounded(b, o, r, wants, ret_fits);
    }
    for (EACH_BIT(i, wants))
        chunk_grow(&b->chunk[i], end[i]);
    *ret_fits = true;
    FAULT_POINT("serialize");
    return 0;
}
