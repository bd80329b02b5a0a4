#include "collector/delivery/encoded.h"

#include "collector/format/reencode.h"
#include "lib/base/check.h"
#include "lib/reader/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 64 << 10, RECORDS_FIRST = 256 };

/* A drop report has no place in a lane: it gets one of its own, in a generation that no lane has. */
enum { REPORT_GENERATION = 0, REPORT_POSITION_LOG2 = 3 };

struct encoded_record {
    struct sink_span span;
    uint32_t outputs; /* one bit each */
};

static uint32_t outputs_wanting(const struct outputs *o, const struct fapilog_record *r, uint32_t among,
                                bool with_source)
{
    uint32_t wants = 0;
    for (uint32_t i = o->serialized_count; i < OUTPUTS_MAX && i < o->count; i++)
        if (o->output[i].with_source == with_source)
            wants |= (o->output[i].level_mask >> (r->level & 31) & 1) << i;
    return wants & among;
}

static bool is_from(const struct segment *seg, const struct fapilog_record *r)
{
    return seg && !memcmp(r->id.uuid, seg->process.uuid, sizeof r->id.uuid);
}

static int reserve(struct batch *b, size_t bytes)
{
    struct batch_encoded *x = &b->encoded;
    if (x->count + x->pending == x->cap) {
        const uint32_t cap = x->cap ? x->cap * 2 : RECORDS_FIRST;
        struct encoded_record *more = realloc(x->record, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        x->record = more;
        x->cap = cap;
    }
    if (x->left < bytes) {
        const size_t piece = bytes > PIECE_BYTES ? bytes : PIECE_BYTES;
        x->left = 0;
        x->at = batch_keep(b, piece);
        if (!x->at)
            return -ENOMEM;
        x->left = piece;
    }
    return 0;
}

static size_t aligned(size_t bytes)
{
    return (bytes + FAPILOG_RECORD_ALIGN - 1) & ~(size_t)(FAPILOG_RECORD_ALIGN - 1);
}

/* Its owner may be another thread when the sink comes to it. Returns the bytes that it takes. */
static size_t keep_thread(const struct batch_encoded *x, const struct fapilog_record *r, uint8_t *to,
                          struct fapilog_text *ret)
{
    const uint32_t count = x->count + x->pending;
    const struct fapilog_text *last = count ? &x->record[count - 1].span.thread : NULL;
    *ret = (struct fapilog_text){ (const char *)to, r->thread.len };
    if (!r->thread.len)
        return 0;
    if (last && last->len == r->thread.len && !memcmp(last->data, r->thread.data, last->len)) {
        *ret = *last;
        return 0;
    }
    memcpy(to, r->thread.data, r->thread.len);
    return aligned(r->thread.len);
}

static void place(struct sink_span *span, const struct segment *seg, const struct fapilog_record *r)
{
    span->process = &seg->process;
    span->super = &seg->sb;
    span->tid = r->tid;
    span->records = 1;
    span->is_apart = true;
    span->lane = r->id.lane;
    span->generation = r->id.generation;
    span->position = r->id.position;
    if (r->internal) { /* see drops_build() */
        span->lane = r->id.lane == UINT32_MAX ? 0 : UINT32_MAX - 1 - r->id.lane;
        span->generation = REPORT_GENERATION;
        span->position = r->id.position << REPORT_POSITION_LOG2;
    }
}

/* Files know the counter only. A report that nothing else dates is of now. */
static size_t encode(const struct segment *seg, const struct fapilog_record *r, const struct reencode_options *options,
                     uint8_t *out)
{
    struct fapilog_record dated = *r;
    int64_t real_ns;
    if (r->internal && !r->cycles)
        (void)clock_sample(seg->sb.clock_kind, &dated.cycles, &real_ns);
    return reencode_write(&dated, options, out);
}

/* False: an output has no room for it. */
static bool fits(const struct batch *b, const struct outputs *o, uint32_t wants, size_t len)
{
    for (uint32_t i = o->serialized_count; i < OUTPUTS_MAX && i < o->count; i++)
        if (wants >> i & 1 && b->span_bytes[i] && b->span_bytes[i] + len > b->chunk[i].room)
            return false;
    return true;
}

/* Once for the outputs that want its call site, and once for those that do not. */
static int prepare(struct batch *b, const struct outputs *o, const struct segment *seg, const struct fapilog_record *r,
                   uint32_t wants, bool with_source, bool *ret_fits)
{
    const struct reencode_options options = { .with_enriched = true, .with_source = with_source };
    struct batch_encoded *x = &b->encoded;
    if (reserve(b, reencode_bound(r, &options) + aligned(r->thread.len)) < 0)
        return -ENOMEM;
    struct encoded_record *rec = &x->record[x->count + x->pending];
    *rec = (struct encoded_record){ .outputs = wants };
    place(&rec->span, seg, r);
    const size_t len = encode(seg, r, &options, x->at);
    CHECK(len > 0); /* without a limit of ours there is always one */
    rec->span.data = (const char *)x->at;
    rec->span.len = (uint32_t)len;
    *ret_fits = fits(b, o, wants, len);
    if (!*ret_fits)
        return 0;
    const size_t used = len + keep_thread(x, r, x->at + len, &rec->span.thread);
    x->at += used;
    x->left -= used;
    x->pending++;
    return 0;
}

int encoded_prepare(struct batch *b, const struct outputs *o, const struct segment *seg,
                    const struct fapilog_record *r, uint32_t among, bool *ret_fits)
{
    int res = 0;
    *ret_fits = true;
    b->encoded.pending = 0;
    if (!is_from(seg, r))
        return 0;
    for (unsigned with_source = 0; with_source < 2 && *ret_fits && res == 0; with_source++) {
        const uint32_t wants = outputs_wanting(o, r, among, with_source);
        if (wants)
            res = prepare(b, o, seg, r, wants, with_source, ret_fits);
    }
    return res;
}

void encoded_take(struct batch *b, const struct outputs *o)
{
    struct batch_encoded *x = &b->encoded;
    for (; x->pending; x->pending--) {
        const struct encoded_record *rec = &x->record[x->count++];
        for (uint32_t i = o->serialized_count; i < OUTPUTS_MAX && i < o->count; i++) {
            if (!(rec->outputs >> i & 1))
                continue;
            b->span_bytes[i] += rec->span.len;
            b->span_records[i]++;
        }
    }
}

static int spans_reserve(struct batch *b, const struct outputs *o)
{
    uint64_t spans = 0;
    for (uint32_t i = o->serialized_count; i < OUTPUTS_MAX && i < o->count; i++)
        spans += b->span_records[i];
    if (spans <= b->spans_cap)
        return 0;
    struct sink_span *more = realloc(b->span, spans * sizeof *more);
    if (!more)
        return -ENOMEM;
    b->span = more;
    b->spans_cap = (uint32_t)spans;
    return 0;
}

int encoded_collect(struct batch *b, const struct outputs *o, struct err *e)
{
    if (spans_reserve(b, o) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    for (uint32_t i = o->serialized_count; i < OUTPUTS_MAX && i < o->count; i++) {
        b->span_first[i] = b->spans_count;
        for (uint32_t k = 0; k < b->encoded.count; k++) {
            if (b->encoded.record[k].outputs >> i & 1)
                b->span[b->spans_count++] = b->encoded.record[k].span;
        }
        b->span_first[i + 1] = b->spans_count;
    }
    b->encoded.count = 0;
    return 0;
}
