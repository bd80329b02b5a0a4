#include "collector/sinks/native_segments.h"

#include "lib/base/check.h"
#include "lib/base/grow.h"
#include "lib/reader/registry.h"
#include "lib/ring/boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void native_segments_init(struct native_segments *t)
{
    *t = (struct native_segments){0};
    boot_id(t->boot);
}

void native_segments_forget(struct native_segments *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        free(t->segment[i].lane_end);
        free(t->segment[i].gap);
    }
    t->count = t->last = 0;
}

void native_segments_done(struct native_segments *t)
{
    native_segments_forget(t);
    free(t->segment);
    *t = (struct native_segments){0};
}

static struct native_segment *find(struct native_segments *t, const struct fapilog_superblock *super)
{
    for (unsigned i = 0; i < t->count; i++) {
        struct native_segment *s = &t->segment[(t->last + i) % t->count];
        if (s->uuid[0] == super->uuid_hi && s->uuid[1] == super->uuid_lo) {
            t->last = (t->last + i) % t->count;
            return s;
        }
    }
    if (t->count == t->room) {
        const unsigned room = t->room ? t->room * 2 : 16;
        struct native_segment *segment = reallocarray(t->segment, room, sizeof *segment);
        if (!segment)
            return NULL;
        t->segment = segment;
        t->room = room;
    }
    t->last = t->count;
    t->segment[t->count] = (struct native_segment){
        .uuid = {super->uuid_hi, super->uuid_lo},
        .is_this_boot = (t->boot[0] | t->boot[1]) && super->boot_hi == t->boot[0] &&
                        super->boot_lo == t->boot[1],
    };
    return &t->segment[t->count++];
}

static int add_gap(struct native_segment *s, const uint8_t *stored, uint64_t begin, uint64_t from, uint64_t to)
{
    if (from == to)
        return 0;
    if (grow((void **)&s->gap, &s->gaps_room, s->gaps_count + 1, sizeof *s->gap) < 0)
        return -ENOMEM;
    s->gap[s->gaps_count++] = (struct native_gap){ begin + from, begin + to, XXH3_64bits(stored + from, to - from) };
    return 0;
}

/* What was stored is looked at, not the registry: that may be written to meanwhile. */
static int add_gaps(struct native_segment *s, const uint8_t *stored, uint64_t begin, uint64_t from, uint64_t to)
{
    struct registry_walk w = registry_walk_range(from, to);
    uint64_t gap = from;
    int r = 0;
    while (r == 0 && w.at < w.end) {
        uint32_t kind;
        const uint64_t step = registry_walk_step(stored, &w, &kind);
        if (kind) {
            r = add_gap(s, stored, begin, gap, w.at);
            gap = w.at + step;
        }
        w.at += step;
    }
    return r == 0 ? add_gap(s, stored, begin, gap, to) : r;
}

static int add_range(struct native_segment *s, struct native_blocks *b, const void *registry, uint64_t from,
                     uint64_t to)
{
    const struct native_block_info info = {.kind = FAPILOG_NATIVE_KIND_REGISTRY};
    struct fapilog_native_registry *head = arena_alloc(&b->arena, sizeof *head + (to - from));
    if (!head)
        return -ENOMEM;
    *head = (struct fapilog_native_registry){s->uuid[0], s->uuid[1], from, to};
    memcpy(head + 1, (const char *)registry + from, to - from);
    const struct piece part = {head, (uint32_t)(sizeof *head + (to - from)), -1};
    const int r = native_blocks_add(b, &info, &part, 1);
    const uint64_t preamble = from ? 0 : to < FAPILOG_REGISTRY_PREAMBLE ? to : FAPILOG_REGISTRY_PREAMBLE;
    return r < 0 ? r : add_gaps(s, (const uint8_t *)(head + 1), from, preamble, to - from);
}

/* Where something was written into a gap since it was stored, it is stored again. */
static int add_changed(struct native_segment *s, struct native_blocks *b, const void *registry)
{
    int r = 0;
    for (uint32_t i = 0, count = s->gaps_count; i < count && r == 0;) {
        const struct native_gap g = s->gap[i];
        if (XXH3_64bits((const char *)registry + g.from, g.to - g.from) == g.hash) {
            i++;
            continue;
        }
        s->gap[i] = s->gap[--count]; /* those that were found in this call stand behind it */
        s->gap[count] = s->gap[--s->gaps_count];
        r = add_range(s, b, registry, g.from, g.to);
    }
    return r;
}

static int add_registry(struct native_segment *s, struct native_blocks *b, const struct sink_span *span)
{
    const uint64_t tail = span->registry_tail & ~UINT64_C(7), from = s->tail;
    int r = add_changed(s, b, span->registry);
    if (r < 0 || tail <= from)
        return r;
    s->tail = tail;
    return add_range(s, b, span->registry, from, tail);
}

static int add_super(struct native_segment *s, struct native_blocks *b, const struct fapilog_superblock *super)
{
    const struct native_block_info info = {.kind = FAPILOG_NATIVE_KIND_SEGMENT};
    void *copy = arena_alloc(&b->arena, FAPILOG_NATIVE_SEGMENT_BYTES);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, super, FAPILOG_NATIVE_SEGMENT_BYTES);
    const struct piece part = {copy, FAPILOG_NATIVE_SEGMENT_BYTES, -1};
    s->has_super = true;
    return native_blocks_add(b, &info, &part, 1);
}

struct native_segment *native_segments_need(struct native_segments *t, struct native_blocks *b,
                                            const struct sink_span *span, int *r)
{
    struct native_segment *s = find(t, span->super);
    *r = s ? 0 : -ENOMEM;
    if (*r == 0 && !s->has_super)
        *r = add_super(s, b, span->super);
    if (*r == 0 && !span->is_apart) /* which holds what nobody has masked */
        *r = add_registry(s, b, span);
    return *r == 0 ? s : NULL;
}

int native_segments_need_super(struct native_segments *t, struct native_blocks *b,
                               const struct fapilog_superblock *super)
{
    struct native_segment *s = find(t, super);
    return !s ? -ENOMEM : s->has_super ? 0 : add_super(s, b, super);
}

int native_segments_before(struct native_segment *s, const struct sink_span *span, uint32_t *ret)
{
    *ret = 0;
    if (span->lane >= FAPILOG_LANES_MAX)
        return -EBADMSG;
    if (span->is_apart)
        return 0;
    if (span->lane >= s->lanes) {
        const uint32_t lanes = (span->lane | 15) + 1;
        uint64_t *end = reallocarray(s->lane_end, lanes, sizeof *end);
        if (!end)
            return -ENOMEM;
        memset(end + s->lanes, 0, (lanes - s->lanes) * sizeof *end);
        s->lane_end = end;
        s->lanes = lanes;
    }
    /* once the begin of its ring block is in the file, a gap before the span means filtered records */
    const uint32_t before = span->before & ~7u;
    *ret = before <= span->position && s->lane_end[span->lane] <= span->position - before ? before : 0;
    s->lane_end[span->lane] = span->position + span->len;
    return 0;
}
