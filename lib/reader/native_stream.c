#include "lib/reader/native_stream.h"

#include "lib/base/check.h"
#include "lib/base/grow.h"
#include "lib/reader/native_cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { REGISTRY_BYTES_MAX = 64 << 20, ANCHORS_MAX = 4096 };

struct native_segment {
    struct segment seg;     /* registry, clock, process and superblock only */
    uint8_t *registry;      /* what of it has passed by; the rest is zero */
    uint64_t registry_tail;
    struct native_losses_told losses;
    struct native_lane **lanes;
    uint32_t lanes_max;
};

struct native_stream {
    struct native_file *file;     /* NULL: fed */
    uint64_t fed;                 /* payloads, which stand for offsets */
    struct native_segment **segments;
    uint32_t segments_count;
    struct native_cache cache;
    struct native_lane **fresh; /* have got spans in the last look */
    uint32_t fresh_count, fresh_max;
    uint64_t unread; /* spans that are not read to their end */
    uint64_t damaged;
    uint64_t skipped_bytes;
    struct native_figures figures;
};

int native_stream_open_fd(int fd, const char *name, struct native_stream **ret, struct err *e)
{
    struct native_file *file;
    const int r = native_file_open_fd(fd, name, &file, e);
    if (r < 0)
        return r;
    struct native_stream *s = calloc(1, sizeof *s);
    if (!s) {
        native_file_close(file);
        return err_set(e, -ENOMEM, "no memory for %s", name);
    }
    s->file = file;
    *ret = s;
    return 0;
}

int native_stream_new(struct native_stream **ret)
{
    struct native_stream *s = calloc(1, sizeof *s);
    *ret = s;
    return s ? 0 : -ENOMEM;
}

static void lane_free(struct native_lane *l)
{
    if (!l)
        return;
    lane_cursor_done(&l->cursor);
    free(l->user);
    free(l->places);
    free(l);
}

static void segment_free(struct native_segment *g)
{
    for (uint32_t i = 0; i < g->lanes_max; i++)
        lane_free(g->lanes[i]);
    free(g->lanes);
    registry_done(&g->seg.registry);
    clock_map_done(&g->seg.clock);
    segment_process_done(&g->seg);
    free(g->registry);
    free(g);
}

void native_stream_close(struct native_stream *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->segments_count; i++)
        segment_free(s->segments[i]);
    free(s->segments);
    free(s->fresh);
    native_cache_done(&s->cache);
    native_file_close(s->file);
    free(s);
}

static struct native_segment *segment_find(const struct native_stream *s, uint64_t uuid_hi, uint64_t uuid_lo)
{
    for (uint32_t i = s->segments_count; i-- > 0;) {
        const struct fapilog_superblock *sb = &s->segments[i]->seg.sb;
        if (sb->uuid_hi == uuid_hi && sb->uuid_lo == uuid_lo)
            return s->segments[i];
    }
    return NULL;
}

/* ---- blocks that describe ---- */

/* -EBADMSG when the block cannot be used. */
static int segment_take(struct native_stream *s, const struct native_block *b)
{
    struct fapilog_superblock sb;
    if (native_segment_view(b, &sb) < 0 || sb.registry_size > REGISTRY_BYTES_MAX)
        return -EBADMSG;
    if (segment_find(s, sb.uuid_hi, sb.uuid_lo))
        return 0; /* an earlier run of the writer told it already */
    if (s->segments_count == NATIVE_SEGMENTS_MAX)
        return -EBADMSG;
    struct native_segment **more = realloc(s->segments, (s->segments_count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    s->segments = more;
    struct native_segment *g = calloc(1, sizeof *g);
    if (!g)
        return -ENOMEM;
    g->seg.sb = sb;
    g->registry = calloc(1, sb.registry_size + 8);
    int r = g->registry
                ? clock_map_init(&g->seg.clock, sb.clock_kind, sb.counter_hz, ANCHORS_MAX)
                : -ENOMEM;
    if (r == 0) {
        g->seg.clock.keeps_old = true;
        clock_map_add(&g->seg.clock, sb.t0_cycles, (int64_t)sb.t0_real_ns);
        segment_process_init(&g->seg);
        r = registry_init(&g->seg.registry, g->registry, sb.registry_size, &g->registry_tail,
                          g->seg.process.service);
    }
    if (r < 0) {
        segment_free(g);
        return r == -EINVAL ? -EBADMSG : r;
    }
    s->segments[s->segments_count++] = g;
    return 0;
}

static int registry_take(struct native_stream *s, const struct native_block *b)
{
    struct native_registry v;
    struct native_segment *g;
    if (native_registry_view(b, &v) < 0 || !(g = segment_find(s, v.uuid[0], v.uuid[1])) ||
        v.to > g->seg.sb.registry_size)
        return -EBADMSG;
    memcpy(g->registry + v.from, v.data, v.to - v.from);
    if (v.to > g->registry_tail)
        g->registry_tail = v.to;
    return 0;
}

/* ---- blocks of records ---- */

static struct native_lane *lane_get(struct native_stream *s, struct native_segment *g, uint32_t lane)
{
    if (lane >= g->lanes_max) {
        const uint32_t wanted = (lane | 15) + 1;
        struct native_lane **more = realloc(g->lanes, wanted * sizeof *more);
        if (!more)
            return NULL;
        memset(more + g->lanes_max, 0, (wanted - g->lanes_max) * sizeof *more);
        g->lanes = more;
        g->lanes_max = wanted;
    }
    if (!g->lanes[lane] && (g->lanes[lane] = calloc(1, sizeof(struct native_lane)))) {
        g->lanes[lane]->stream = s;
        g->lanes[lane]->uuid[0] = g->seg.sb.uuid_hi;
        g->lanes[lane]->uuid[1] = g->seg.sb.uuid_lo;
        lane_span_init(&g->lanes[lane]->cursor, &g->seg, lane);
    }
    return g->lanes[lane];
}

/* The counter of the first thing in the span that has one: block headers are older than what follows. */
static bool first_cycles(const struct native_span *span, uint64_t *ret)
{
    uint32_t at = span->head.repeated;
    while (span->head.bytes - at >= sizeof(struct fapilog_record_header)) {
        struct fapilog_record_header h;
        memcpy(&h, span->data + at, sizeof h);
        const uint32_t size = FAPILOG_WORD0_SIZE(h.word0), kind = FAPILOG_WORD0_KIND(h.word0);
        if (size < sizeof h || size > span->head.bytes - at)
            return false;
        if (kind == FAPILOG_KIND_BLOCK && size == sizeof(struct fapilog_block)) {
            memcpy(ret, span->data + at + offsetof(struct fapilog_block, cycles), sizeof *ret);
            return true;
        }
        if (kind == FAPILOG_KIND_EVENT || kind == FAPILOG_KIND_DYNAMIC) {
            *ret = h.cycles;
            return true;
        }
        if (kind != FAPILOG_KIND_CONTEXT)
            return false;
        at += size;
    }
    return false;
}

static int place_add(struct native_stream *s, struct native_lane *l, const struct native_block *b,
                     const struct native_span *span, bool is_apart)
{
    if (l->places_next == l->places_count)
        l->places_next = l->places_count = 0;
    if (grow((void **)&l->places, &l->places_max, l->places_count + 1, sizeof *l->places) < 0 ||
        grow((void **)&s->fresh, &s->fresh_max, s->fresh_count + 1, sizeof(struct native_lane *)) < 0)
        return -ENOMEM;
    struct native_place *p = &l->places[l->places_count++];
    *p = (struct native_place){.head = span->head, .block = b->offset, .at = (uint32_t)(span->data - b->data),
                               .is_apart = is_apart, .cuts = native_stream_cuts(s)};
    p->has_cycles = first_cycles(span, &p->cycles);
    s->unread++;
    l->records += span->head.records;
    l->bytes += span->head.bytes - span->head.repeated;
    l->tid = span->head.tid;
    memcpy(l->thread, span->head.thread, sizeof l->thread);
    if (!l->is_new)
        s->fresh[s->fresh_count++] = l;
    l->is_new = true;
    return 0;
}

static void raise_to(uint64_t *word, uint64_t value)
{
    if (*word < value)
        *word = value;
}

/* The header of a ring block says how many records its lane had refused by then. */
static void span_losses_take(struct native_lane *l, const struct native_span *span)
{
    enum { BLOCK_MIN = 1 << FAPILOG_BLOCK_LOG2_MIN };
    const uint64_t from = span->head.position, end = from + span->head.bytes;
    for (uint64_t pos = (from + BLOCK_MIN - 1) & ~(uint64_t)(BLOCK_MIN - 1); pos < end; pos += BLOCK_MIN) {
        struct fapilog_block h;
        if (end - pos < sizeof h)
            break;
        memcpy(&h, span->data + (pos - from), sizeof h);
        if (FAPILOG_WORD0_KIND(h.word0) == FAPILOG_KIND_BLOCK && FAPILOG_WORD0_SIZE(h.word0) == sizeof h &&
            h.pos == pos)
            raise_to(&l->losses.dropped, h.dropped);
    }
}

static int span_take(struct native_stream *s, const struct native_block *b, const struct native_span *span,
                     bool is_apart)
{
    const struct fapilog_native_span *h = &span->head;
    struct native_segment *g = segment_find(s, h->uuid_hi, h->uuid_lo);
    if (!g || h->lane >= FAPILOG_LANES_MAX || h->repeated > h->bytes || h->bytes % 8 || h->repeated % 8 ||
        h->position % 8 || h->position > UINT64_MAX / 2)
        return -EBADMSG;
    struct native_lane *l = lane_get(s, g, h->lane);
    if (!l)
        return -ENOMEM;
    clock_map_add(&g->seg.clock, h->anchor_cycles, (int64_t)h->anchor_real_ns);
    if (h->anchor_real_ns) {
        if (!s->figures.from_ns)
            s->figures.from_ns = (int64_t)h->anchor_real_ns;
        s->figures.to_ns = (int64_t)h->anchor_real_ns;
    }
    s->figures.records += h->records;
    if (s->file && !is_apart)
        span_losses_take(l, span);
    return place_add(s, l, b, span, is_apart);
}

static int spans_take(struct native_stream *s, const struct native_block *b)
{
    struct native_spans it;
    struct native_span span;
    int r = native_spans_view(b, &it);
    while (r >= 0 && (r = native_spans_next(&it, &span)) > 0) {
        r = span_take(s, b, &span, it.flags & FAPILOG_NATIVE_SPANS_APART);
        if (r == -EBADMSG) { /* this span only */
            s->damaged++;
            s->skipped_bytes += span.head.bytes;
            r = 0;
        }
    }
    return r;
}

/* ---- blocks of losses ---- */

static void losses_raise(struct native_losses_told *to, const struct fapilog_native_loss *from)
{
    raise_to(&to->dropped, from->dropped);
    raise_to(&to->overwritten, from->overwritten);
    raise_to(&to->no_lane, from->no_lane);
    raise_to(&to->unregistered, from->unregistered);
    raise_to(&to->truncated, from->truncated);
    if (from->last_ns <= INT64_MAX && (int64_t)from->last_ns > to->last_ns)
        to->last_ns = (int64_t)from->last_ns;
}

static int loss_take(struct native_stream *s, const struct fapilog_native_loss *loss)
{
    struct native_segment *g = segment_find(s, loss->uuid_hi, loss->uuid_lo);
    if (!g || (loss->lane != FAPILOG_NATIVE_LANE_NONE && loss->lane >= FAPILOG_LANES_MAX))
        return -EBADMSG;
    struct native_lane *l = loss->lane == FAPILOG_NATIVE_LANE_NONE ? NULL : lane_get(s, g, loss->lane);
    if (!l && loss->lane != FAPILOG_NATIVE_LANE_NONE)
        return -ENOMEM;
    losses_raise(l ? &l->losses : &g->losses, loss);
    return 0;
}

static int losses_take(struct native_stream *s, const struct native_block *b)
{
    struct native_losses it;
    struct fapilog_native_loss loss;
    int r = native_losses_view(b, &it);
    while (r >= 0 && (r = native_losses_next(&it, &loss)) > 0) {
        r = loss_take(s, &loss);
        if (r == -EBADMSG) { /* this one only */
            s->damaged++;
            r = 0;
        }
    }
    return r;
}

static void fresh_clear(struct native_stream *s)
{
    for (uint32_t i = 0; i < s->fresh_count; i++)
        s->fresh[i]->is_new = false;
    s->fresh_count = 0;
}

static int block_take(struct native_stream *s, const struct native_block *b)
{
    s->figures.blocks++;
    s->figures.raw_bytes += b->len;
    switch (b->kind) {
    case FAPILOG_NATIVE_KIND_SEGMENT: return segment_take(s, b);
    case FAPILOG_NATIVE_KIND_REGISTRY: return registry_take(s, b);
    case FAPILOG_NATIVE_KIND_SPANS: return spans_take(s, b);
    case FAPILOG_NATIVE_KIND_LOSSES: return losses_take(s, b);
    default: return 0;
    }
}

void native_stream_begin(struct native_stream *s)
{
    for (uint32_t i = 0; i < s->fresh_count; i++) {
        struct native_lane *l = s->fresh[i];
        if (l->payload)
            native_cache_put(&s->cache, l->payload);
        l->payload = NULL;
        l->places_next = l->places_count = 0;
    }
    fresh_clear(s);
    s->unread = 0;
    native_cache_return(&s->cache);
}

int native_stream_feed(struct native_stream *s, uint32_t kind, const uint8_t *data, uint32_t len)
{
    const struct native_block b = { .kind = kind, .offset = ++s->fed, .data = data, .len = len };
    CHECK(((uintptr_t)data & 7) == 0);
    const int r = native_cache_lend(&s->cache, b.offset, data, len);
    return r < 0 ? r : block_take(s, &b);
}

int native_stream_scan(struct native_stream *s, struct err *e)
{
    struct native_block b;
    int r;
    fresh_clear(s);
    while ((r = native_file_next(s->file, &b)) > 0) {
        r = block_take(s, &b);
        if (r == -EBADMSG) {
            s->damaged++;
            s->skipped_bytes += b.len;
        } else if (r < 0) {
            break;
        }
    }
    native_file_trim(s->file); /* there may be many of us */
    return r < 0 ? err_sys(e, r, "native file") : 0;
}

uint32_t native_stream_cuts(const struct native_stream *s)
{
    return s->file ? s->file->cuts : 0;
}

uint32_t native_stream_lanes(const struct native_stream *s, struct native_lane *const **ret)
{
    *ret = s->fresh;
    return s->fresh_count;
}

/* ---- the records of a lane ---- */

const struct native_place *native_lane_peek(const struct native_lane *l)
{
    return l->places_next < l->places_count ? &l->places[l->places_next] : NULL;
}

int64_t native_lane_time(struct native_lane *l, const struct native_place *p)
{
    return p->has_cycles ? clock_map_ns(&l->cursor.seg->clock, p->cycles) : INT64_MIN;
}

/* A span of a file is done with. Of one in which nothing is left to be read, nothing stays in memory. */
static void span_end(struct native_stream *s)
{
    if (--s->unread || !s->file)
        return;
    native_cache_done(&s->cache);
    native_file_trim(s->file);
}

int native_lane_enter(struct native_lane *l)
{
    struct native_stream *s = l->stream;
    CHECK(l->places_next < l->places_count && !l->payload);
    const struct native_place *p = &l->places[l->places_next++];
    const struct fapilog_native_span *h = &p->head;
    const bool is_gone = p->cuts != native_stream_cuts(s);
    const int r = is_gone ? -EBADMSG : native_cache_get(&s->cache, s->file, p->block, &l->payload);
    if (r == -ENOMEM)
        return r;
    if (r < 0 || h->bytes > l->payload->len || p->at > l->payload->len - h->bytes) {
        if (r == 0)
            native_cache_put(&s->cache, l->payload);
        l->payload = NULL;
        s->damaged++;
        s->skipped_bytes += h->bytes;
        span_end(s);
        return 0;
    }
    struct segment_lane_owner owner = {
        .generation = h->generation, .state = FAPILOG_LANE_ACTIVE, .tid = h->tid};
    memcpy(owner.thread, h->thread, sizeof owner.thread - 1);
    if (p->is_apart)
        lane_span_break(&l->cursor);
    lane_span_begin(&l->cursor, l->payload->data + p->at, h->bytes, h->position, h->repeated, &owner);
    return 1;
}

int native_lane_next(struct native_lane *l, struct fapilog_record *ret)
{
    const int r = l->payload ? lane_span_next(&l->cursor, ret) : 0;
    if (r == 0 && l->payload) {
        native_cache_put(&l->stream->cache, l->payload);
        l->payload = NULL;
        span_end(l->stream);
    }
    return r;
}

/* ---- for tools ---- */

static uint64_t lost_of(const struct native_segment *g)
{
    uint64_t lost = g->losses.no_lane + g->losses.unregistered;
    for (uint32_t i = 0; i < g->lanes_max; i++)
        lost += g->lanes[i] ? g->lanes[i]->losses.dropped + g->lanes[i]->losses.overwritten : 0;
    return lost;
}

void native_stream_figures(const struct native_stream *s, struct native_figures *ret)
{
    *ret = s->figures;
    for (uint32_t i = 0; i < s->segments_count; i++)
        ret->lost += lost_of(s->segments[i]);
    ret->file_bytes = s->file ? s->file->offset + s->file->torn_bytes : 0;
}

void native_stream_segments(const struct native_stream *s, native_segment_func *func, void *arg)
{
    for (uint32_t i = 0; i < s->segments_count; i++) {
        const struct native_segment *g = s->segments[i];
        const struct native_process p = {&g->seg.process, g->losses, g->lanes, g->lanes_max};
        func(arg, &p);
    }
}

void native_stream_totals(const struct native_stream *s, struct native_totals *ret)
{
    static const struct native_file none;
    const struct native_file *f = s->file ? s->file : &none;
    ret->damaged = s->damaged + f->skipped_blocks + f->lost_blocks + (f->skipped_bytes != 0) + f->is_tail_damaged;
    ret->skipped_bytes = s->skipped_bytes + f->skipped_bytes + (f->is_tail_damaged ? f->torn_bytes : 0);
    ret->unfinished_bytes = f->is_tail_damaged ? 0 : f->torn_bytes;
    for (uint32_t i = 0; i < s->segments_count; i++) {
        const struct native_segment *g = s->segments[i];
        for (uint32_t k = 0; k < g->lanes_max; k++) {
            ret->damaged += g->lanes[k] ? g->lanes[k]->cursor.damaged : 0;
            ret->skipped_bytes += g->lanes[k] ? g->lanes[k]->cursor.skipped_bytes : 0;
        }
    }
}
