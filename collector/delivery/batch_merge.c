/* What lags behind is put together, so that a sink that stands still holds as many records as the buffers
 * and the ring allow, and not as many batches as another sink has settled meanwhile. */
#include "collector/delivery/batch.h"

#include "collector/delivery/losses.h"
#include "lib/base/check.h"

#include <stdlib.h>
#include <string.h>

static bool text_fits(const struct batch_chunk *a, const struct batch_chunk *b)
{
    if (a->large || b->large)
        return !a->chunk.records || !b->chunk.records;
    const uint64_t room = a->room < b->room ? a->room : b->room;
    const uint64_t bytes = (uint64_t)a->chunk.len + b->chunk.len;
    return bytes <= room && bytes <= BUFFER_BYTES && a->chunk.records + b->chunk.records <= BUFFER_RECORDS;
}

static void text_append(struct batch_chunk *to, struct batch_chunk *from, const struct buffers *buffers)
{
    if (!from->chunk.records)
        return;
    if (!to->chunk.records) {
        const struct batch_chunk empty = *to;
        *to = *from;
        *from = empty;
        return;
    }
    const uint32_t before = to->chunk.len;
    memcpy(buffers_data(buffers, to->buffer - 1) + before, from->chunk.data, from->chunk.len);
    for (uint32_t i = 0; i < from->chunk.records; i++)
        to->ends[to->chunk.records + i] = before + from->ends[i];
    to->chunk.len += from->chunk.len;
    to->chunk.records += from->chunk.records;
    to->room = to->room < from->room ? to->room : from->room;
}

/* Spans of the ring are bounded by ring_bytes; what was encoded may be longer. */
static bool encoded_fits(const struct batch *a, const struct batch *b, uint32_t output)
{
    const uint64_t room_a = a->chunk[output].room, room_b = b->chunk[output].room;
    return !a->span_bytes[output] || !b->span_bytes[output] ||
           a->span_bytes[output] + b->span_bytes[output] <= (room_a < room_b ? room_a : room_b);
}

static uint32_t spans_copy(struct sink_span *to, uint32_t count, const struct batch *from, uint32_t output)
{
    const uint32_t first = from->span_first[output], n = from->span_first[output + 1] - first;
    if (n)
        memcpy(to + count, from->span + first, n * sizeof *to);
    return count + n;
}

static void spans_append(struct batch *b, const struct batch *next, struct sink_span *span, const struct outputs *o)
{
    uint32_t count = 0;
    for (uint32_t i = o->serialized_count; i < o->count; i++) {
        const uint32_t first = count;
        count = spans_copy(span, spans_copy(span, count, b, i), next, i);
        b->span_first[i] = first;
        /* The end of this output is where the next begins: it is read before it is overwritten. */
        if (i + 1 == o->count)
            b->span_first[i + 1] = count;
        if (next->chunk[i].room < b->chunk[i].room)
            b->chunk[i].room = next->chunk[i].room;
        b->span_bytes[i] += next->span_bytes[i];
        b->span_records[i] += next->span_records[i];
    }
    free(b->span);
    b->span = span;
    b->spans_cap = b->spans_count + next->spans_count;
    b->spans_count = count;
}

static void keep_append(struct batch *b, struct batch *next)
{
    struct batch_kept **end = &b->kept;
    while (*end)
        end = (struct batch_kept **)*end; /* `next` comes first */
    *end = next->kept;
    next->kept = NULL;
    b->kept_bytes += next->kept_bytes;
    next->kept_bytes = 0;
}

bool batch_merge(struct batch *b, struct batch *next, struct buffers *buffers, const struct outputs *o,
                 uint32_t wanted)
{
    if (b->ring_bytes + next->ring_bytes > BATCH_RING_BYTES)
        return false;
    for (uint32_t i = 0; i < o->text_count; i++) {
        if (wanted >> i & 1 && !text_fits(&b->chunk[i], &next->chunk[i]))
            return false;
    }
    for (uint32_t i = o->serialized_count; o->encodes_raw && i < o->count; i++) {
        if (!encoded_fits(b, next, i))
            return false;
    }
    const size_t spans = (size_t)b->spans_count + next->spans_count;
    struct sink_span *span = malloc((spans ? spans : 1) * sizeof *span);
    if (!span || losses_reserve(b, b->losses_count + next->losses_count) < 0 ||
        checkpoint_merge(&b->checkpoint, &next->checkpoint) < 0) {
        free(span);
        return false;
    }
    losses_fill(b, o);
    for (uint32_t i = 0; i < o->text_count; i++) {
        if (wanted >> i & 1)
            text_append(&b->chunk[i], &next->chunk[i], buffers);
    }
    spans_append(b, next, span, o);
    keep_append(b, next);
    b->records += next->records;
    b->filtered += next->filtered;
    b->unrouted += next->unrouted;
    b->emitted += next->emitted;
    b->ring_bytes += next->ring_bytes;
    batch_end(next, buffers);
    return true;
}
