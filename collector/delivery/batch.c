#include "collector/delivery/batch.h"

#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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
    b->spans_count = 0;
    memset(b->span_first, 0, sizeof b->span_first);
    memset(b->span_bytes, 0, sizeof b->span_bytes);
    memset(b->span_records, 0, sizeof b->span_records);
    for (uint32_t i = 0; i < o->text_count; i++)
        chunk_clear(&b->chunk[i]);
}

static int chunk_large(struct batch_chunk *c, struct format *f, const struct fapilog_record *r, size_t bound)
{
    c->large = malloc(bound);
    if (!c->large)
        return -ENOMEM;
    const char *end = f->ops->write(f, r, c->large);
    c->chunk.data = c->large;
    c->chunk.buf_index = -1;
    c->chunk.len = (uint32_t)(end - c->large);
    c->ends[0] = c->chunk.len;
    c->chunk.records = 1;
    return 0;
}

/* A batch that has a record in its large buffer takes no other. */
static bool chunk_has_room(const struct batch_chunk *c, size_t bound)
{
    return !c->large && c->chunk.records < BATCH_RECORDS_MAX && c->chunk.len + bound <= c->limit &&
           c->chunk.len + bound <= BATCH_BUFFER_BYTES;
}

int batch_put(struct batch *b, const struct outputs *o, const struct fapilog_record *r, bool *ret_fits)
{
    const uint32_t bit = UINT32_C(1) << (r->level & 31);
    size_t bound[OUTPUTS_MAX];
    *ret_fits = false;
    for (uint32_t i = 0; i < o->text_count; i++) {
        const struct output *out = &o->output[i];
        if (!(out->level_mask & bit))
            continue;
        bound[i] = out->format->ops->bound(out->format, r);
        if (b->chunk[i].chunk.records > 0 && !chunk_has_room(&b->chunk[i], bound[i]))
            return 0;
    }
    for (uint32_t i = 0; i < o->text_count; i++) {
        const struct output *out = &o->output[i];
        struct batch_chunk *c = &b->chunk[i];
        if (!(out->level_mask & bit))
            continue;
        if (bound[i] > BATCH_BUFFER_BYTES) {
            const int res = chunk_large(c, out->format, r, bound[i]);
            if (res < 0)
                return res;
            continue;
        }
        char *at = c->buffer + c->chunk.len;
        const char *end = out->format->ops->write(out->format, r, at);
        ASSUME((size_t)(end - at) <= bound[i]);
        c->chunk.len = (uint32_t)(end - c->buffer);
        c->ends[c->chunk.records++] = c->chunk.len;
    }
    FAULT_POINT("serialize");
    *ret_fits = true;
    return 0;
}
