/* arena.h - memory for one batch: addresses stay put until the next reset, and the memory is kept. */
#ifndef COLLECTOR_SINKS_ARENA_H
#define COLLECTOR_SINKS_ARENA_H

#include <stddef.h>

struct arena_chunk {
    char *data;
    size_t size, used;
};

struct arena {
    struct arena_chunk *chunk;
    unsigned count;
};

/* 8-byte aligned; NULL when memory is out. */
void *arena_alloc(struct arena *a, size_t size);
/* Gives back the end of the last allocation, of which only `used` bytes are needed. */
void arena_trim(struct arena *a, void *last, size_t used);
void arena_reset(struct arena *a);
void arena_done(struct arena *a);

#endif
