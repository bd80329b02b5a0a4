/* From records to places: what a few requests leave of each lane. */
#include "collector/delivery/acked/internal.h"

#include <fapilog/native.h>

#include "collector/delivery/image.h"
#include "lib/base/check.h"

#include <string.h>

enum { PLACES = 64, SLOTS = 4 * PLACES }; /* lanes at once; with more a run is made of several pieces */

struct gathering {
    const struct acked_stream *s;
    uint64_t from; /* the first number */
    /* NULL: a run is made of them; or each place is noted by itself, without numbers */
    void (*alone)(struct acked *a, uint64_t identity, const struct acked_place *p);
    uint32_t count;
    uint32_t last; /* as a rule the next record is of the same lane */
    uint8_t slot[SLOTS]; /* index + 1 */
    struct acked_place place[PLACES];
};

static void flush(struct gathering *g, uint64_t to)
{
    for (uint32_t i = 0; i < g->count && g->alone; i++)
        g->alone(g->s->to, g->s->identity, &g->place[i]);
    if (!g->alone && to > g->from)
        run_add(g->s, g->from, to, g->place, g->count);
    g->from = to;
    if (g->count)
        memset(g->slot, 0, sizeof g->slot);
    g->count = 0;
}

/* Where the lane is, or could be. */
static uint8_t *slot_of(struct gathering *g, const struct acked_place *p)
{
    for (uint32_t at = lane_bucket(p);; at++) {
        uint8_t *slot = &g->slot[at % SLOTS];
        if (!*slot || is_same_lane(&g->place[*slot - 1], p))
            return slot;
    }
}

/* False: it does not fit behind what is there. */
static bool take(struct gathering *g, const struct acked_place *p)
{
    if (!g->count || !is_same_lane(&g->place[g->last], p)) {
        uint8_t *slot = slot_of(g, p);
        if (!*slot) {
            if (g->count == PLACES)
                return false;
            g->last = g->count;
            g->place[g->count++] = *p;
            *slot = (uint8_t)g->count;
            return true;
        }
        g->last = *slot - 1u;
    }
    struct acked_place *own = &g->place[g->last];
    if (p->first <= own->last)
        return false;
    own->last = p->last;
    return true;
}

static void add(struct gathering *g, uint64_t number, const struct acked_place *p)
{
    if (likely(take(g, p)))
        return;
    flush(g, number);
    CHECK(take(g, p));
}

/* The collector's own records have no place in a lane. */
static void add_entry(struct gathering *g, uint64_t number, const struct entry_head *h)
{
    struct acked_place p = { .first = h->position, .last = h->position, .lane = h->lane };
    if (h->flags & ENTRY_INTERNAL)
        return;
    memcpy(p.uuid, h->uuid, sizeof p.uuid);
    add(g, number, &p);
}

void acked_entries(const struct acked_stream *s, uint64_t at, const struct entry_head *first, uint32_t n)
{
    struct gathering g = { .s = s, .from = at };
    const struct entry_head *h = first;
    for (uint64_t number = at; number < at + n; number++, h = (const void *)((const char *)h + h->bytes)) {
        entry_read_ahead(h);
        add_entry(&g, number, h);
    }
    flush(&g, at + n);
}

/* What lies between two records of a lane is settled only where the one follows the other. */
void acked_found_entries(struct acked *a, uint64_t identity, const char *data, size_t len)
{
    const struct acked_stream s = { a, identity, 0 };
    struct gathering g = { .s = &s, .alone = note_found };
    const struct entry_head *h;
    for (size_t at = 0; (h = entry_at(data + at, len - at)); at += h->bytes) {
        if (!(h->flags & ENTRY_FOLLOWS))
            flush(&g, 0);
        add_entry(&g, 0, h);
    }
    flush(&g, 0);
}

/* Of one that was encoded anew the length is another. */
static struct acked_place place_of(const uint64_t uuid[2], uint32_t lane, uint64_t from, uint64_t bytes,
                                      bool is_apart)
{
    return (struct acked_place){ { uuid[0], uuid[1] }, from, is_apart ? from : from + bytes - 1, lane };
}

void acked_spans(struct acked *a, uint64_t identity, const struct sink_span *span, uint32_t count)
{
    const struct acked_stream s = { a, identity, 0 };
    struct gathering g = { .s = &s, .alone = acked_stretch };
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t uuid[2] = { span[i].super->uuid_hi, span[i].super->uuid_lo };
        const struct acked_place p = place_of(uuid, span[i].lane, span[i].position, span[i].len, span[i].is_apart);
        if (span[i].len)
            add(&g, 0, &p);
    }
    flush(&g, 0);
}

/* The spans of an image. NULL: it holds none. */
static const struct fapilog_native_spans *spans_of(const char *image, uint64_t len)
{
    struct image_part part;
    for (uint64_t at = 0; len - at >= sizeof part;) {
        memcpy(&part, image + at, sizeof part);
        at += sizeof part;
        if (part.bytes > len - at)
            return NULL;
        const struct fapilog_native_spans *top = (const void *)(image + at);
        if (part.kind == FAPILOG_NATIVE_KIND_SPANS)
            return part.bytes >= sizeof *top &&
                   top->count <= (part.bytes - sizeof *top) / sizeof(struct fapilog_native_span) ? top : NULL;
        const uint64_t padded = (part.bytes + 7) & ~UINT64_C(7);
        at = padded < len - at ? at + padded : len;
    }
    return NULL;
}

/* False: nothing is in it. */
static bool span_place(const struct fapilog_native_spans *top, uint32_t i, struct acked_place *ret)
{
    const struct fapilog_native_span *span = (const struct fapilog_native_span *)(const void *)(top + 1) + i;
    const uint64_t uuid[2] = { span->uuid_hi, span->uuid_lo };
    if (span->bytes <= span->repeated)
        return false;
    *ret = place_of(uuid, span->lane, span->position + span->repeated, span->bytes - span->repeated,
                    top->flags & FAPILOG_NATIVE_SPANS_APART);
    return true;
}

/* They cannot be told apart by their numbers: where there are too many lanes, none of them is noted. */
void acked_image(const struct acked_stream *s, uint64_t at, const struct parcel *image)
{
    struct gathering g = { .s = s, .from = at };
    const struct fapilog_native_spans *top = spans_of(image->data, image->bytes);
    struct acked_place p;
    for (uint32_t i = 0; top && i < top->count; i++)
        if (span_place(top, i, &p) && !take(&g, &p))
            return;
    flush(&g, at + image->records);
}

void acked_found_image(struct acked *a, uint64_t identity, const char *data, size_t len)
{
    const struct acked_stream s = { a, identity, 0 };
    struct gathering g = { .s = &s, .alone = note_found };
    const struct fapilog_native_spans *top = spans_of(data, len);
    struct acked_place p;
    for (uint32_t i = 0; top && i < top->count; i++)
        if (span_place(top, i, &p))
            add(&g, 0, &p);
    flush(&g, 0);
}

void acked_pass(const struct acked_stream *s, uint64_t at, uint64_t n)
{
    if (s->to->count)
        run_add(s, at, at + n, NULL, 0);
}
