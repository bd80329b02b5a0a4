#include "collector/sinks/arena.h"

#include "lib/base/check.h"

#include <stdint.h>
#include <stdlib.h>

enum { CHUNK_BYTES_MIN = 1 << 16 };

static size_t align(size_t n) { return (n + 7) & ~(size_t)7; }

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = align(size);
    for (unsigned i = 0; i < a->count; i++) {
        struct arena_chunk *c = &a->chunk[i];
        if (c->size - c->used >= size) {
            c->used += size;
            return c->data + c->used - size;
        }
    }
    struct arena_chunk *chunk = reallocarray(a->chunk, a->count + 1, sizeof *chunk);
    if (!chunk)
        return NULL;
    a->chunk = chunk;
    const size_t bytes = size > CHUNK_BYTES_MIN ? size : CHUNK_BYTES_MIN;
    char *data = malloc(bytes);
    if (!data)
        return NULL;
    a->chunk[a->count++] = (struct arena_chunk){data, bytes, size};
    return data;
}

void arena_trim(struct arena *a, void *last, size_t used)
{
    for (unsigned i = 0; i < a->count; i++) {
        struct arena_chunk *c = &a->chunk[i];
        if ((char *)last < c->data || (char *)last >= c->data + c->size)
            continue;
        const size_t end = (size_t)((char *)last - c->data) + align(used);
        CHECK(end <= c->used);
        c->used = end;
        return;
    }
}

void arena_reset(struct arena *a)
{
    for (unsigned i = 0; i < a->count; i++)
        a->chunk[i].used = 0;
}

void arena_done(struct arena *a)
{
    for (unsigned i = 0; i < a->count; i++)
        free(a->chunk[i].data);
    free(a->chunk);
    *a = (struct arena){0};
}
