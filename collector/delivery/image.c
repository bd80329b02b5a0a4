#include "collector/delivery/image.h"

#include <fapilog/native.h>

#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/reader/clock.h"
#include "lib/reader/registry.h"
#include "lib/ring/boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 64, WHOLE_REGISTRY_MAX = 1 << 20 };

/* ---- which entries of the registries are needed ---- */

void image_used_clear(struct image_used *u)
{
    if (u->count)
        memset(u->slot, 0, u->slots * sizeof *u->slot);
    u->count = 0;
    u->last_site = u->last_logger = NULL;
}

void image_used_done(struct image_used *u)
{
    free(u->entry);
    free(u->slot);
    *u = (struct image_used){0};
}

static uint32_t *slot_find(const struct image_used *u, const struct fapilog_process_info *process, uint32_t id)
{
    uint64_t at = ((uintptr_t)process >> 4 ^ id) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    for (;; at++) {
        uint32_t *slot = &u->slot[at & (u->slots - 1)];
        if (!*slot || (u->entry[*slot - 1].process == process && u->entry[*slot - 1].id == id))
            return slot;
    }
}

/* At least half of the slots stay free. */
static int used_grow(struct image_used *u)
{
    const uint32_t slots = u->slots ? 2 * u->slots : SLOTS_FIRST;
    struct image_entry *entry = reallocarray(u->entry, slots / 2, sizeof *entry);
    if (!entry)
        return -ENOMEM;
    u->entry = entry;
    uint32_t *slot = calloc(slots, sizeof *slot);
    if (!slot)
        return -ENOMEM;
    free(u->slot);
    u->slot = slot;
    u->slots = slots;
    u->cap = slots / 2;
    for (uint32_t i = 0; i < u->count; i++)
        *slot_find(u, u->entry[i].process, u->entry[i].id) = i + 1;
    return 0;
}

static int used_add(struct image_used *u, const struct fapilog_process_info *process, uint32_t id)
{
    if (u->count == u->cap && used_grow(u) < 0)
        return -ENOMEM;
    uint32_t *slot = slot_find(u, process, id);
    if (*slot)
        return 0;
    u->entry[u->count++] = (struct image_entry){ process, id };
    *slot = u->count;
    return 0;
}

static bool has_stack(const struct fapilog_field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (fields[i].type == FAPILOG_TYPE_STACK)
            return true;
    return false;
}

int image_used_slow(struct image_used *u, const struct fapilog_record *r)
{
    const struct fapilog_site *const source = fapilog_record_source(r);
    int res = 0;
    if (source)
        res = used_add(u, r->process, source->id);
    if (res == 0 && r->logger && r->logger->id)
        res = used_add(u, r->process, r->logger->id);
    if (res == 0 && has_stack(r->fields, r->fields_count))
        res = used_add(u, r->process, 0);
    u->last_site = r->site;
    u->last_logger = r->logger;
    return res;
}

/* ---- the image ---- */

static int part_begin(struct buf *b, uint32_t kind, uint64_t bytes)
{
    const struct image_part part = { .kind = kind, .bytes = bytes };
    return buf_append(b, &part, sizeof part);
}

/* The entry at this id, as far as the registry is handed out; 0: there is none. */
static uint32_t entry_bytes(const struct sink_span *span, uint32_t id)
{
    const uint64_t off = (uint64_t)id * 8;
    if (off < FAPILOG_REGISTRY_PREAMBLE || off + 8 > span->registry_tail)
        return 0;
    /* order: R2 acquire, pairs with R1 - the entry is complete */
    const uint64_t word0 = load_acq((const uint64_t *)(const void *)((const char *)span->registry + off));
    const uint32_t bytes = FAPILOG_ENTRY_BYTES(word0);
    return bytes < 16 || bytes > REGISTRY_ENTRY_BYTES_MAX || bytes > span->registry_tail - off ? 0 : bytes;
}

static int add_range(struct buf *b, const struct sink_span *span, uint64_t from, uint64_t to)
{
    const struct fapilog_native_registry head = { span->super->uuid_hi, span->super->uuid_lo, from, to };
    int r = part_begin(b, FAPILOG_NATIVE_KIND_REGISTRY, sizeof head + (to - from));
    if (r == 0)
        r = buf_append(b, &head, sizeof head);
    return r < 0 ? r : buf_append(b, (const char *)span->registry + from, to - from);
}

/* With its parents, where it is a logger. */
static int add_entry(struct buf *b, const struct sink_span *span, uint32_t id)
{
    for (unsigned depth = 0; id && depth <= REGISTRY_PARENTS_MAX; depth++) {
        const uint64_t off = (uint64_t)id * 8, bytes = (entry_bytes(span, id) + UINT64_C(7)) & ~UINT64_C(7);
        if (!bytes || bytes > span->registry_tail - off)
            return 0;
        const size_t before = b->len;
        const int r = add_range(b, span, off, off + bytes);
        if (r < 0)
            return r;
        struct fapilog_logger_entry e;
        const char *copy = b->data + before + sizeof(struct image_part) + sizeof(struct fapilog_native_registry);
        if (bytes < sizeof e)
            return 0;
        memcpy(&e, copy, sizeof e);
        id = FAPILOG_ENTRY_KIND(e.word0) == FAPILOG_ENTRY_LOGGER ? e.parent : 0;
    }
    return 0;
}

static int add_segment(struct buf *b, const struct image_used *u, const struct sink_span *span)
{
    int r = part_begin(b, FAPILOG_NATIVE_KIND_SEGMENT, FAPILOG_NATIVE_SEGMENT_BYTES);
    if (r == 0)
        r = buf_append(b, span->super, FAPILOG_NATIVE_SEGMENT_BYTES);
    for (uint32_t i = 0; i < u->count && r == 0; i++) {
        if (u->entry[i].process != span->process)
            continue;
        if (u->entry[i].id)
            r = add_entry(b, span, u->entry[i].id);
        else if (span->registry_tail <= WHOLE_REGISTRY_MAX) /* else addresses are shown without their modules */
            r = add_range(b, span, 0, span->registry_tail & ~UINT64_C(7));
    }
    return r;
}

static bool is_first_of_process(const struct sink_span *span, uint32_t i)
{
    for (uint32_t k = i; k-- > 0;)
        if (span[k].process == span[i].process)
            return false;
    return true;
}

/* Whether the thread has bound context in these bytes, which begin a block. What cannot be walked might have it. */
static bool may_have_context(const char *at, uint32_t bytes)
{
    while (bytes >= sizeof(struct fapilog_record_header)) {
        /* order: relaxed - C2, the load of the tail, came first */
        const uint64_t word0 = load_rlx((const uint64_t *)(const void *)at);
        const uint32_t size = FAPILOG_WORD0_SIZE(word0);
        if (FAPILOG_WORD0_KIND(word0) == FAPILOG_KIND_CONTEXT || size < sizeof(struct fapilog_record_header) ||
            size > bytes)
            return true;
        at += size;
        bytes -= size;
    }
    return bytes > 0;
}

/* How much of its ring block has to be repeated in front of a span: nothing, once the image has the block's begin, or
 * where there is no context in it. */
static uint32_t repeated(const struct sink_span *span, uint32_t i)
{
    const uint32_t before = span[i].before & ~7u;
    if (!before || before > span[i].position)
        return 0;
    if (i > 0 && span[i - 1].process == span[i].process && span[i - 1].lane == span[i].lane &&
        span[i - 1].position + span[i - 1].len > span[i].position - before)
        return 0;
    return may_have_context(span[i].data - before, before) ? before : 0;
}

struct anchor {
    uint32_t kind;
    uint64_t cycles;
    int64_t real_ns;
};

/* A segment of another boot has a counter that we cannot read. */
static void take_anchor(struct anchor *a, const struct fapilog_superblock *super, struct fapilog_native_span *head)
{
    static uint64_t boot[2];
    if (!(boot[0] | boot[1]))
        boot_id(boot);
    if (!(boot[0] | boot[1]) || super->boot_hi != boot[0] || super->boot_lo != boot[1])
        return;
    if (a->kind != super->clock_kind && clock_sample(super->clock_kind, &a->cycles, &a->real_ns) < 0)
        return;
    a->kind = super->clock_kind;
    head->anchor_cycles = a->cycles;
    head->anchor_real_ns = (uint64_t)a->real_ns;
}

static int add_head(struct buf *b, struct anchor *a, const struct sink_span *s)
{
    struct fapilog_native_span head = {
        .uuid_hi = s->super->uuid_hi, .uuid_lo = s->super->uuid_lo, .lane = s->lane, .generation = s->generation,
        .position = s->position - s->before, .bytes = s->len + s->before, .records = s->records, .tid = s->tid,
        .repeated = s->before,
    };
    const size_t room = sizeof head.thread - 1, len = s->thread.len < room ? s->thread.len : room;
    if (len)
        memcpy(head.thread, s->thread.data, len);
    take_anchor(a, s->super, &head);
    return buf_append(b, &head, sizeof head);
}

static int add_spans(struct image_draft *d, const struct sink_span *span)
{
    const struct fapilog_native_spans top = { d->taken, span[0].is_apart ? FAPILOG_NATIVE_SPANS_APART : 0 };
    struct anchor anchor = {0};
    const uint64_t heads = sizeof top + d->taken * sizeof(struct fapilog_native_span);
    int r = part_begin(&d->head, FAPILOG_NATIVE_KIND_SPANS, heads + d->payload_bytes);
    if (r == 0)
        r = buf_append(&d->head, &top, sizeof top);
    for (uint32_t i = 0; i < d->taken && r == 0; i++)
        r = add_head(&d->head, &anchor, &span[i]);
    return r;
}

static int pieces_list(struct image_draft *d, const struct sink_span *span)
{
    d->count = 0;
    if (d->cap < d->taken + 1) {
        struct iovec *piece = reallocarray(d->piece, d->taken + 1, sizeof *piece);
        if (!piece)
            return -ENOMEM;
        d->piece = piece;
        d->cap = d->taken + 1;
    }
    d->piece[d->count++] = (struct iovec){ d->head.data, d->head.len };
    for (uint32_t i = 0; i < d->taken; i++)
        d->piece[d->count++] = (struct iovec){ (char *)span[i].data - span[i].before, span[i].len + span[i].before };
    d->bytes = d->head.len + d->payload_bytes;
    return 0;
}

/* A span, and those behind it that go on with its last record: an image holds all of them or none. */
static uint32_t group_end(const struct sink_span *span, uint32_t first, uint32_t count)
{
    uint32_t end = first + 1;
    while (end < count && span[end].is_continued)
        end++;
    return end;
}

/* The spans that belong into it, and what they are. */
static void spans_choose(struct image_draft *d, struct sink_span *span, uint32_t count)
{
    uint64_t bytes = 0, records = 0;
    uint32_t n = 0, end;
    for (; n < count; n = end) {
        const uint32_t whole = span[n].before;
        uint64_t more = 0, more_records = 0;
        end = group_end(span, n, count);
        span[n].before = repeated(span, n); /* once: the producer may write there */
        for (uint32_t i = n; i < end; i++) {
            more += (uint64_t)span[i].len + span[i].before;
            more_records += span[i].records;
        }
        if (n > 0 && (bytes + more > IMAGE_BYTES_GOAL || records + more_records > IMAGE_RECORDS_MAX)) {
            span[n].before = whole; /* the next image begins with it */
            break;
        }
        bytes += more;
        records += more_records;
    }
    d->taken = n;
    d->records = (uint32_t)records;
    d->payload_bytes = bytes;
}

int image_draft(struct image_draft *d, const struct image_used *u, struct sink_span *span, uint32_t count)
{
    int r = 0;
    d->head.len = 0;
    spans_choose(d, span, count);
    for (uint32_t i = 0; i < d->taken && r == 0; i++)
        if (is_first_of_process(span, i))
            r = add_segment(&d->head, u, &span[i]);
    if (r == 0)
        r = add_spans(d, span);
    return r < 0 ? r : pieces_list(d, span);
}

void image_draft_done(struct image_draft *d)
{
    buf_done(&d->head);
    free(d->piece);
    *d = (struct image_draft){ .count = 0 };
}

struct parcel *image_parcel(const struct image_draft *d)
{
    char *data = malloc(d->bytes), *to = data;
    if (!data)
        return NULL;
    for (uint32_t i = 0; i < d->count; i++)
        to = mempcpy(to, d->piece[i].iov_base, d->piece[i].iov_len);
    struct parcel *p = parcel_adopt(data, d->bytes, d->bytes);
    if (!p) {
        free(data);
        return NULL;
    }
    p->is_image = true;
    p->records = d->records;
    p->payload_bytes = d->payload_bytes;
    return p;
}

int image_new(const struct image_used *u, struct sink_span *span, uint32_t count, uint32_t *ret_taken,
              struct parcel **ret)
{
    struct image_draft d = { .count = 0 };
    int r = image_draft(&d, u, span, count);
    *ret = r == 0 ? image_parcel(&d) : NULL;
    *ret_taken = d.taken;
    image_draft_done(&d);
    return *ret ? 0 : -ENOMEM;
}
