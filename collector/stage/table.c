#include "collector/stage/table.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Indices count from 1; 0 is none. */
static struct table_entry *entry_at(const struct table *t, uint32_t index)
{
    return (struct table_entry *)(void *)(t->entries + (size_t)(index - 1) * t->entry_bytes);
}

static uint32_t index_of(const struct table *t, const void *entry)
{
    return (uint32_t)((size_t)((const char *)entry - t->entries) / t->entry_bytes) + 1;
}

int table_open(struct table *t, uint32_t max, size_t entry_bytes)
{
    CHECK(max > 0 && entry_bytes >= sizeof(struct table_entry));
    uint32_t buckets = 1;
    while (buckets < max)
        buckets *= 2;
    *t = (struct table){.max = max, .fresh = 1, .mask = buckets - 1, .entry_bytes = (entry_bytes + 7) & ~(size_t)7};
    t->bucket = calloc(buckets, sizeof *t->bucket);
    t->entries = calloc(max, t->entry_bytes);
    if (t->bucket && t->entries)
        return 0;
    table_close(t);
    return -ENOMEM;
}

void table_close(struct table *t)
{
    free(t->bucket);
    free(t->entries);
    *t = (struct table){0};
}

void *table_find(const struct table *t, struct table_key key)
{
    for (uint32_t i = t->bucket[key.lo & t->mask]; i; i = entry_at(t, i)->chain) {
        struct table_entry *const e = entry_at(t, i);
        if (e->key.lo == key.lo && e->key.hi == key.hi)
            return e;
    }
    return NULL;
}

static void line_up(struct table *t, struct table_entry *e, uint32_t index)
{
    e->newer = 0;
    e->older = t->newest;
    if (t->newest)
        entry_at(t, t->newest)->newer = index;
    else
        t->oldest = index;
    t->newest = index;
}

static void step_out(struct table *t, const struct table_entry *e)
{
    if (e->newer)
        entry_at(t, e->newer)->older = e->older;
    else
        t->newest = e->older;
    if (e->older)
        entry_at(t, e->older)->newer = e->newer;
    else
        t->oldest = e->newer;
}

void *table_add(struct table *t, struct table_key key)
{
    CHECK(t->count < t->max);
    const uint32_t index = t->spare ? t->spare : t->fresh++;
    struct table_entry *const e = entry_at(t, index);
    if (index == t->spare)
        t->spare = e->chain;
    memset(e, 0, t->entry_bytes);
    e->key = key;
    e->chain = t->bucket[key.lo & t->mask];
    t->bucket[key.lo & t->mask] = index;
    line_up(t, e, index);
    t->count++;
    return e;
}

void table_touch(struct table *t, void *entry)
{
    struct table_entry *const e = entry;
    const uint32_t index = index_of(t, e);
    if (t->newest == index)
        return;
    step_out(t, e);
    line_up(t, e, index);
}

void table_remove(struct table *t, void *entry)
{
    struct table_entry *const e = entry;
    const uint32_t index = index_of(t, e);
    uint32_t *link = &t->bucket[e->key.lo & t->mask];
    while (*link != index)
        link = &entry_at(t, *link)->chain;
    *link = e->chain;
    step_out(t, e);
    e->chain = t->spare;
    t->spare = index;
    t->count--;
}

void *table_oldest(const struct table *t)
{
    return t->oldest ? entry_at(t, t->oldest) : NULL;
}
