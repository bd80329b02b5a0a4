#include "lib/reader/native_stream.h"

#include "lib/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 4096, REGISTRY_BYTES_MAX = 64 << 20 };

struct native_segment {
    struct segment seg;     /* registry, clock, process and superblock only */
    uint8_t *registry;      /* what of it has passed by; the rest is zero */
    uint64_t registry_tail;
    struct native_lane **lanes;
    uint32_t lanes_max;
};

struct native_stream {
    struct native_file *file;
    struct native_segment **segments;
    uint32_t segments_count;
    struct native_span *spans; /* of the loaded block */
    uint32_t spans_count, spans_max;
    struct native_lane **active;
    uint32_t active_count, active_max;
    uint64_t damaged;
    uint64_t skipped_bytes;
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

static void lane_free(struct native_lane *l)
{
    if (!l)
        return;
    lane_cursor_done(&l->cursor);
    free(l->user);
    free(l->spans);
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
    free(s->spans);
    free(s->active);
    native_file_close(s->file);
    free(s);
}

/* Makes room for one more element. */
static bool grow(void *array, uint32_t count, uint32_t *max, size_t size)
{
    void *old, *more;
    if (count < *max)
        return true;
    const uint32_t wanted = *max ? 2 * *max : 16;
    memcpy(&old, array, sizeof old);
    more = realloc(old, wanted * size);
    if (!more)
        return false;
    memcpy(array, &more, sizeof more);
    *max = wanted;
    return true;
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
    if (native_segment_view(b, &sb) < 0 || sb.registry_size > REGISTRY_BYTES_MAX ||
        s->segments_count == SEGMENTS_MAX)
        return -EBADMSG;
    if (segment_find(s, sb.uuid_hi, sb.uuid_lo))
        return 0; /* an earlier run of the writer told it already */
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
                ? clock_map_init(&g->seg.clock, sb.clock_kind, sb.counter_hz, CLOCK_MAP_ANCHORS_DEFAULT)
                : -ENOMEM;
    if (r == 0) {
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
        v.to > g->seg.sb.registry_size || v.from > v.to)
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
        lane_span_init(&g->lanes[lane]->cursor, &g->seg, lane);
    }
    return g->lanes[lane];
}

static int span_queue(struct native_stream *s, const struct native_span *span)
{
    const struct fapilog_native_span *h = &span->head;
    struct native_segment *g = segment_find(s, h->uuid_hi, h->uuid_lo);
    if (!g || h->lane >= FAPILOG_LANES_MAX || h->repeated > h->bytes || h->bytes % 8 || h->repeated % 8 ||
        h->position % 8 || h->position > UINT64_MAX / 2)
        return -EBADMSG;
    struct native_lane *l = lane_get(s, g, h->lane);
    if (!l || !grow(&s->spans, s->spans_count, &s->spans_max, sizeof s->spans[0]) ||
        !grow(&l->spans, l->spans_count, &l->spans_max, sizeof l->spans[0]) ||
        !grow(&s->active, s->active_count, &s->active_max, sizeof(struct native_lane *)))
        return -ENOMEM;
    /* Before any record is converted: the anchor lies behind all of them. */
    clock_map_add(&g->seg.clock, h->anchor_cycles, (int64_t)h->anchor_real_ns);
    s->spans[s->spans_count] = *span;
    l->spans[l->spans_count++] = s->spans_count++;
    if (!l->active)
        s->active[s->active_count++] = l;
    l->active = true;
    return 0;
}

static void loaded_forget(struct native_stream *s)
{
    for (uint32_t i = 0; i < s->active_count; i++) {
        struct native_lane *l = s->active[i];
        l->active = false;
        l->spans_count = l->spans_next = 0;
    }
    s->active_count = s->spans_count = 0;
}

static int spans_take(struct native_stream *s, const struct native_block *b)
{
    struct native_spans it;
    struct native_span span;
    int r = native_spans_view(b, &it);
    while (r >= 0 && (r = native_spans_next(&it, &span)) > 0) {
        r = span_queue(s, &span);
        if (r == -EBADMSG) { /* this span only */
            s->damaged++;
            s->skipped_bytes += span.head.bytes;
            r = 0;
        }
    }
    return r;
}

int native_stream_load(struct native_stream *s, struct err *e)
{
    struct native_block b;
    int r;
    loaded_forget(s);
    while ((r = native_file_next(s->file, &b)) > 0) {
        r = b.kind == FAPILOG_NATIVE_KIND_SEGMENT    ? segment_take(s, &b)
            : b.kind == FAPILOG_NATIVE_KIND_REGISTRY ? registry_take(s, &b)
            : b.kind == FAPILOG_NATIVE_KIND_SPANS    ? spans_take(s, &b)
                                                     : 0;
        if (r == -EBADMSG) {
            s->damaged++;
            s->skipped_bytes += b.len;
        } else if (r < 0) {
            break;
        }
        if (s->active_count)
            return 1;
    }
    return r < 0 ? err_sys(e, r, "native file") : 0;
}

uint32_t native_stream_lanes(const struct native_stream *s, struct native_lane *const **ret)
{
    *ret = s->active;
    return s->active_count;
}

static void span_begin(struct native_lane *l, const struct native_span *span)
{
    const struct fapilog_native_span *h = &span->head;
    struct segment_lane_owner owner = {
        .generation = h->generation, .state = FAPILOG_LANE_ACTIVE, .tid = h->tid};
    memcpy(owner.thread, h->thread, sizeof owner.thread - 1);
    lane_span_begin(&l->cursor, span->data, h->bytes, h->position, h->repeated, &owner);
}

int native_lane_next(struct native_lane *l, struct fapilog_record *ret)
{
    for (;;) {
        const int r = l->spans_next ? lane_span_next(&l->cursor, ret) : 0;
        if (r != 0 || l->spans_next == l->spans_count)
            return r;
        span_begin(l, &l->stream->spans[l->spans[l->spans_next++]]);
    }
}

void native_stream_totals(const struct native_stream *s, struct native_totals *ret)
{
    ret->damaged =
        s->damaged + s->file->skipped_blocks + s->file->lost_blocks + (s->file->skipped_bytes != 0);
    ret->skipped_bytes = s->skipped_bytes + s->file->skipped_bytes;
    for (uint32_t i = 0; i < s->segments_count; i++) {
        const struct native_segment *g = s->segments[i];
        for (uint32_t k = 0; k < g->lanes_max; k++) {
            ret->damaged += g->lanes[k] ? g->lanes[k]->cursor.damaged : 0;
            ret->skipped_bytes += g->lanes[k] ? g->lanes[k]->cursor.skipped_bytes : 0;
        }
    }
}
