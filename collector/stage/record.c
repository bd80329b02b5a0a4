#include "collector/stage/record.h"

#include "collector/stage/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_FIRST = 16 << 10, ALIGN = 16, FIELDS_SPARE = 8 };

struct stage_extra {
    struct stage_extra *next;
    uint64_t padding;
    char data[];
};
_Static_assert(sizeof(struct stage_extra) % ALIGN == 0, "data is aligned");

int stage_record_open(struct stage_record *sr)
{
    *sr = (struct stage_record){.memory = calloc(1, sizeof *sr->memory)};
    return sr->memory ? 0 : -ENOMEM;
}

static void extras_free(struct stage_memory *m)
{
    while (m->extra) {
        struct stage_extra *const next = m->extra->next;
        free(m->extra);
        m->extra = next;
    }
    m->extra_bytes = 0;
}

void stage_record_close(struct stage_record *sr)
{
    if (!sr->memory)
        return;
    extras_free(sr->memory);
    free(sr->memory->block);
    free(sr->memory);
    *sr = (struct stage_record){0};
}

/* Without memory for a larger block the old one stays: extra blocks then come and go with each record. */
static void block_grow(struct stage_memory *m)
{
    size_t size = m->size ? m->size : MEMORY_FIRST;
    while (size < m->used + m->extra_bytes && size < STAGE_MEMORY_MAX)
        size *= 2;
    extras_free(m);
    char *const block = malloc(size);
    if (!block)
        return;
    free(m->block);
    m->block = block;
    m->size = size;
}

void stage_record_reset(struct stage_record *sr)
{
    struct stage_memory *const m = sr->memory;
    if (m->extra)
        block_grow(m);
    m->used = 0;
    m->fields_room = 0;
    m->dirty = m->touched = false;
    sr->has_own = sr->has_fields = sr->has_context = false;
}

void *stage_alloc(struct stage_record *sr, size_t bytes)
{
    struct stage_memory *const m = sr->memory;
    if (bytes > STAGE_MEMORY_MAX)
        return NULL;
    bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (m->used + m->extra_bytes + bytes > STAGE_MEMORY_MAX)
        return NULL;
    m->dirty = true;
    if (likely(m->size - m->used >= bytes)) {
        m->used += bytes;
        return m->block + m->used - bytes;
    }
    struct stage_extra *const x = malloc(sizeof *x + bytes);
    if (!x)
        return NULL;
    x->next = m->extra;
    m->extra = x;
    m->extra_bytes += bytes;
    return x->data;
}

struct fapilog_record *stage_own(struct stage_record *sr)
{
    sr->memory->dirty = sr->memory->touched = true;
    if (!sr->has_own) {
        sr->own = *sr->r;
        sr->has_own = true;
        sr->r = &sr->own;
    }
    return &sr->own;
}

/* Copies of `count` fields with room for more behind them. */
static struct fapilog_field *fields_copy(struct stage_record *sr, const struct fapilog_field *from, uint32_t count,
                                         uint32_t room)
{
    struct fapilog_field *const to = stage_alloc(sr, room * sizeof *to);
    if (to && count)
        memcpy(to, from, count * sizeof *to);
    return to;
}

static struct fapilog_field *own_fields(struct stage_record *sr, uint32_t room)
{
    struct fapilog_record *const own = stage_own(sr);
    if (sr->has_fields && sr->memory->fields_room >= room)
        return (struct fapilog_field *)(uintptr_t)own->fields;
    struct fapilog_field *const fields = fields_copy(sr, own->fields, own->fields_count, room + FIELDS_SPARE);
    if (!fields)
        return NULL;
    sr->memory->fields_room = room + FIELDS_SPARE;
    sr->has_fields = true;
    own->fields = fields;
    return fields;
}

struct fapilog_field *stage_own_fields(struct stage_record *sr)
{
    return own_fields(sr, sr->r->fields_count);
}

struct fapilog_field *stage_own_context(struct stage_record *sr)
{
    struct fapilog_record *const own = stage_own(sr);
    CHECK(own->context);
    if (sr->has_context)
        return (struct fapilog_field *)(uintptr_t)sr->context.fields;
    const struct fapilog_context_info *const from = own->context;
    struct fapilog_field *const fields = fields_copy(sr, from->fields, from->fields_count, from->fields_count + 1);
    if (!fields)
        return NULL;
    sr->context = *from;
    sr->context.fields = fields;
    own->context = &sr->context;
    sr->has_context = true;
    return fields;
}

int stage_add_field(struct stage_record *sr, const struct fapilog_field *f)
{
    const uint32_t count = sr->r->fields_count;
    if (count >= STAGE_FIELDS_MAX)
        return -E2BIG;
    const uint32_t room = sr->memory->fields_room;
    /* Doubled, so that many additions do not copy the list each time. */
    struct fapilog_field *const fields = own_fields(sr, count < room ? count + 1 : count * 2 + 1);
    if (!fields)
        return -ENOMEM;
    fields[count] = *f;
    sr->own.fields_count = count + 1;
    return 0;
}

int stage_drop_field(struct stage_record *sr, uint32_t index)
{
    CHECK(index < sr->r->fields_count);
    struct fapilog_field *const fields = stage_own_fields(sr);
    if (!fields)
        return -ENOMEM;
    sr->own.fields_count--;
    memmove(&fields[index], &fields[index + 1], (sr->own.fields_count - index) * sizeof *fields);
    return 0;
}
