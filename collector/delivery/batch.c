#include "collector/delivery/batch.h"

#include "collector/delivery/entries.h"
#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
    b->kept_bytes += bytes;
    return kept->bytes;
}

static void kept_free(struct batch *b)
{
    while (b->kept) {
        struct batch_kept *next = b->kept->next;
        free(b->kept);
        b->kept = next;
    }
    b->kept_bytes = 0;
}

static void chunk_clear(struct batch_chunk *c, struct buffers *buffers)
{
    if (c->buffer)
        buffers_give(buffers, c->buffer - 1);
    free(c->large);
    parcel_unref(c->parcel);
    *c = (struct batch_chunk){ .room = UINT64_MAX };
}

void batch_begin(struct batch *b, const struct outputs *o, uint64_t id)
{
    CHECK(!b->is_used);
    b->is_used = true;
    b->id = id;
    b->records = b->filtered = b->unrouted = b->emitted = b->ring_bytes = 0;
    b->settled = b->waits = 0;
    b->ring_limit = BATCH_RING_BYTES;
    b->spans_count = b->losses_count = 0;
    memset(b->span_first, 0, sizeof b->span_first);
    memset(b->span_bytes, 0, sizeof b->span_bytes);
    memset(b->span_records, 0, sizeof b->span_records);
    b->encoded.count = b->encoded.pending = 0;
    b->encoded.left = 0;
    b->images = 0;
    image_used_clear(&b->used);
    for (uint32_t i = 0; i < o->count; i++)
        b->chunk[i] = (struct batch_chunk){ .room = UINT64_MAX };
}

void batch_end(struct batch *b, struct buffers *buffers)
{
    for (uint32_t i = 0; i < OUTPUTS_MAX; i++)
        chunk_clear(&b->chunk[i], buffers);
    kept_free(b);
    b->is_used = false;
}

void batch_done(struct batch *b, struct buffers *buffers)
{
    batch_end(b, buffers);
    free(b->span);
    b->span = NULL;
    b->spans_cap = 0;
    free(b->loss);
    b->loss = NULL;
    b->losses_cap = 0;
    free(b->encoded.record);
    b->encoded = (struct batch_encoded){ .count = 0 };
    image_used_done(&b->used);
    image_draft_done(&b->draft);
    checkpoint_done(&b->checkpoint);
}

/* The serialized outputs that want a record, one bit each. */
static uint32_t outputs_wanting(const struct outputs *o, const struct fapilog_record *r)
{
    uint32_t wants = 0;
    for (uint32_t i = 0; i < OUTPUTS_MAX && i < o->serialized_count; i++)
        wants |= (o->output[i].level_mask >> (r->level & 31) & 1) << i;
    return wants;
}

#define EACH_BIT(i, bits) \
    uint32_t left_ = (bits), i; left_ && (i = (uint32_t)__builtin_ctz(left_), true); left_ &= left_ - 1

/* ---- text ---- */

/* A batch that has a record in its large buffer takes no other. */
static bool text_has_room(const struct batch_chunk *c, size_t bound)
{
    return !c->large && c->chunk.records < BUFFER_RECORDS && c->chunk.len + bound <= c->limit;
}

static int text_provide(struct batch_chunk *c, struct buffers *buffers, size_t bound)
{
    if (unlikely(bound > BUFFER_BYTES)) {
        free(c->large); /* of an attempt that found no memory for another output */
        c->large = malloc(bound);
        if (!c->large)
            return -ENOMEM;
        c->limit = 0;
    }
    if (c->buffer)
        return 0;
    c->buffer = buffers_take(buffers) + 1;
    c->ends = buffers_ends(buffers, c->buffer - 1);
    c->chunk.ends = c->ends;
    c->chunk.data = buffers_data(buffers, c->buffer - 1);
    c->chunk.buf_index = c->buffer <= buffers->registered ? (int32_t)c->buffer - 1 : -1;
    if (!c->large)
        c->limit = c->room < BUFFER_BYTES ? c->room : BUFFER_BYTES;
    return 0;
}

/* The bounds of a record, and memory for it. 1: all fit. */
static int text_make_room(struct batch *b, struct buffers *buffers, const struct outputs *o,
                          const struct fapilog_record *r, uint32_t wants, size_t *bound)
{
    for (EACH_BIT(i, wants)) {
        const struct batch_chunk *c = &b->chunk[i];
        bound[i] = o->output[i].format->ops->bound(o->output[i].format, r);
        if (c->chunk.records > 0 && !text_has_room(c, bound[i]))
            return 0;
    }
    for (EACH_BIT(i, wants)) {
        const int res = text_provide(&b->chunk[i], buffers, bound[i]);
        if (res < 0)
            return res;
    }
    return 1;
}

static void chunk_grow(struct batch_chunk *c, const char *end)
{
    c->chunk.len = (uint32_t)(end - c->chunk.data);
    c->ends[c->chunk.records++] = c->chunk.len;
}

/* 1: written. */
static int text_put_bounded(struct batch *b, struct buffers *buffers, const struct outputs *o,
                            const struct fapilog_record *r, uint32_t wants)
{
    size_t bound[OUTPUTS_MAX]; /* of those that want it */
    const int fits = text_make_room(b, buffers, o, r, wants, bound);
    if (fits <= 0)
        return fits;
    for (EACH_BIT(i, wants)) {
        struct batch_chunk *c = &b->chunk[i];
        struct format *f = o->output[i].format;
        if (unlikely(c->large)) {
            c->chunk.data = c->large;
            c->chunk.buf_index = -1;
        }
        char *out = c->large ? c->large : buffers_data(buffers, c->buffer - 1) + c->chunk.len;
        const char *end = f->ops->write(f, r, out);
        ASSUME((size_t)(end - out) <= bound[i]);
        chunk_grow(c, end);
    }
    return 1;
}

/* Where the format can tell from the record's call site alone that it fits. Without a buffer nothing does. */
static const char *text_put_within(struct batch_chunk *c, struct format *f, const struct fapilog_record *r)
{
    const bool is_full = c->chunk.records == BUFFER_RECORDS || c->chunk.len >= c->limit;
    if (unlikely(!f->ops->write_within || is_full))
        return NULL;
    return f->ops->write_within(f, r, (char *)(uintptr_t)c->chunk.data + c->chunk.len, c->limit - c->chunk.len);
}

/* ---- entries ---- */

/* 1: there is room in the parcel. */
static int entry_make_room(struct batch_chunk *c, size_t bound)
{
    const struct parcel *p = c->parcel;
    if (p && p->records && (p->records == BUFFER_RECORDS || p->bytes + bound > p->cap))
        return 0;
    if (p && p->bytes + bound <= p->cap)
        return 1;
    parcel_unref(c->parcel); /* empty, of an attempt that found no memory for another output */
    c->parcel = parcel_new(bound > PARCEL_BYTES ? bound : PARCEL_BYTES);
    return c->parcel ? 1 : -ENOMEM;
}

/* 1: written. */
static int entry_write(struct batch_chunk *c, const struct output *o, const struct fapilog_record *r,
                       struct entries_written *ret)
{
    if (likely(c->parcel && c->parcel->records < BUFFER_RECORDS && entries_write_within(c->parcel, o, r, ret)))
        return 1;
    const int fits = entry_make_room(c, entries_bound(o, r));
    if (fits > 0)
        ret->end = entries_fill(o, r, entries_next(c->parcel), &ret->group_len, &ret->meta_len);
    return fits;
}

/* Writes them all before the first is taken: none is, when one does not fit. 1: written. */
static int entries_write(struct batch *b, const struct outputs *o, const struct fapilog_record *r, uint32_t wants,
                         struct entries_written *ret)
{
    for (EACH_BIT(i, wants)) {
        const int res = entry_write(&b->chunk[i], &o->output[i], r, &ret[i]);
        if (unlikely(res <= 0))
            return res;
    }
    return 1;
}

/* What the collector says itself has no place in the ring, and is serialized always. */
static int images_note(struct batch *b, const struct fapilog_record *r, uint32_t images)
{
    if (image_used_note(&b->used, r) < 0)
        return -ENOMEM;
    for (EACH_BIT(i, images))
        b->chunk[i].image_ns = b->chunk[i].image_ns ? b->chunk[i].image_ns : r->time_ns;
    return 1;
}

/* Those whose bytes the record's text is. */
static uint32_t entries_shared(const struct outputs *o, uint32_t entries, uint32_t texts)
{
    uint32_t shared = 0;
    for (EACH_BIT(i, entries))
        shared |= (uint32_t)(o->output[i].text && texts >> (o->output[i].text - 1) & 1) << i;
    return shared;
}

/* Their batch is full when its text is: such a parcel grows with it. */
static int entries_share(struct batch *b, const struct outputs *o, const struct fapilog_record *r, uint32_t shared)
{
    for (EACH_BIT(i, shared)) {
        const struct batch_chunk *text = &b->chunk[o->output[i].text - 1];
        const uint32_t n = text->chunk.records, from = n > 1 ? text->ends[n - 2] : 0;
        const uint32_t len = text->chunk.len - from - o->output[i].format->ops->is_lines;
        struct parcel **p = &b->chunk[i].parcel;
        if ((!*p && !(*p = parcel_new(PARCEL_BYTES))) || entries_copy(*p, r, text->chunk.data + from, len) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* ---- all of them ---- */

/* 1: written. */
static inline int texts_put(struct batch *b, struct buffers *buffers, const struct outputs *o,
                            const struct fapilog_record *r, uint32_t wants)
{
    const char *end[OUTPUTS_MAX]; /* of those that want it */
    for (EACH_BIT(i, wants)) {
        end[i] = text_put_within(&b->chunk[i], o->output[i].format, r);
        if (unlikely(!end[i]))
            return text_put_bounded(b, buffers, o, r, wants);
    }
    for (EACH_BIT(i, wants))
        chunk_grow(&b->chunk[i], end[i]);
    return 1;
}

/* Of a collector whose only output it is: the common case, in which nothing has to agree with others. */
static inline int entry_put_alone(struct batch_chunk *c, const struct output *o, const struct fapilog_record *r,
                                  uint32_t among, bool *ret_fits)
{
    struct entries_written written;
    int res = 1;
    *ret_fits = true;
    if (unlikely(!(o->level_mask >> (r->level & 31) & among & 1)))
        return 0;
    res = entry_write(c, o, r, &written);
    *ret_fits = res > 0;
    if (unlikely(res <= 0))
        return res;
    entries_take(c->parcel, r, written.group_len, written.meta_len, written.end);
    return 0;
}

static int put_all(struct batch *b, struct buffers *buffers, const struct outputs *o, const struct fapilog_record *r,
                   uint32_t among, bool *ret_fits)
{
    const uint32_t wants = outputs_wanting(o, r) & among;
    const uint32_t texts = wants & (uint32_t)((UINT64_C(1) << o->text_count) - 1);
    const uint32_t images = r->internal ? 0 : wants & b->images, all_entries = wants ^ texts ^ images;
    const uint32_t shared = entries_shared(o, all_entries, texts), entries = all_entries ^ shared;
    struct entries_written written[OUTPUTS_MAX]; /* of those that want it */
    int res = 1;
    if (unlikely(images))
        res = images_note(b, r, images);
    if (unlikely(entries) && res > 0)
        res = entries_write(b, o, r, entries, written);
    if (likely(res > 0))
        res = texts_put(b, buffers, o, r, texts);
    *ret_fits = res > 0;
    if (unlikely(res <= 0))
        return res;
    for (EACH_BIT(i, images))
        b->chunk[i].image_records++;
    for (EACH_BIT(i, entries))
        entries_take(b->chunk[i].parcel, r, written[i].group_len, written[i].meta_len, written[i].end);
    return unlikely(shared) && entries_share(b, o, r, shared) < 0 ? -ENOMEM : 0;
}

int batch_put(struct batch *b, struct buffers *buffers, const struct outputs *o, const struct fapilog_record *r,
              uint32_t among, bool *ret_fits)
{
    const bool is_alone = o->serialized_count == 1 && !o->text_count && !b->images;
    const int res = is_alone ? entry_put_alone(&b->chunk[0], &o->output[0], r, among, ret_fits)
                             : put_all(b, buffers, o, r, among, ret_fits);
    if (likely(res == 0 && *ret_fits))
        FAULT_POINT("serialize");
    return res;
}

uint64_t batch_output_bytes(const struct batch *b, const struct outputs *o, uint32_t output)
{
    switch (o->output[output].kind) {
    case OUTPUT_TEXT: return b->chunk[output].chunk.len;
    case OUTPUT_ENTRY: return b->chunk[output].parcel ? b->chunk[output].parcel->bytes : 0;
    default: return b->span_bytes[output];
    }
}
