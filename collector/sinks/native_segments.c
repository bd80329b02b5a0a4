#include "collector/sinks/native_segments.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"
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
    for (unsigned i = 0; i < t->count; i++)
        free(t->segment[i].lane_end);
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

/* How far entries are complete. Sizes come from another process and are only used within bounds. */
static uint64_t complete_to(const char *registry, uint64_t from, uint64_t tail)
{
    uint64_t at = from;
    if (at == 0)
        at = tail < FAPILOG_REGISTRY_PREAMBLE ? tail : FAPILOG_REGISTRY_PREAMBLE;
    while (tail - at >= 8) {
        /* order: R2 acquire, pairs with R1 - the entry is complete */
        const uint64_t word0 = load_acq((const uint64_t *)(const void *)(registry + at));
        const uint64_t bytes = ((uint64_t)FAPILOG_ENTRY_BYTES(word0) + 7) & ~UINT64_C(7);
        if (bytes < 8 || bytes > tail - at)
            break;
        at += bytes;
    }
    return at;
}

/* Entries are copied: an unfinished one may be written to between checksum and write. */
static int add_registry(struct native_segment *s, struct native_blocks *b, const struct sink_span *span)
{
    const uint64_t tail = span->registry_tail & ~UINT64_C(7), from = s->complete;
    const struct native_block_info info = {.kind = FAPILOG_NATIVE_KIND_REGISTRY};
    if (tail <= from)
        return 0;
    const uint64_t complete = complete_to(span->registry, from, tail);
    struct fapilog_native_registry *head = arena_alloc(&b->arena, sizeof *head + (tail - from));
    if (!head)
        return -ENOMEM;
    memcpy(head + 1, (const char *)span->registry + from, tail - from);
    const uint64_t open = tail - complete;
    const uint64_t hash = open ? XXH3_64bits((char *)(head + 1) + (complete - from), open) : 0;
    if (complete == from && tail == s->tail && hash == s->tail_hash) {
        arena_trim(&b->arena, head, 0);
        return 0;
    }
    *head = (struct fapilog_native_registry){s->uuid[0], s->uuid[1], from, tail};
    const struct piece part = {head, (uint32_t)(sizeof *head + (tail - from)), -1};
    const int r = native_blocks_add(b, &info, &part, 1);
    s->complete = complete;
    s->tail = tail;
    s->tail_hash = hash;
    return r;
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
