/* buffers.h - the memory that batches serialize text into: one page-aligned region, handed out in pieces on
 * demand, the lowest free one first. The first few are registered with the kernel, which makes them resident;
 * the others are used only while sinks lag behind. A while after that their memory goes back: not at once,
 * since a lag comes in waves, and new memory costs more than what is written into it. */
#ifndef COLLECTOR_DELIVERY_BUFFERS_H
#define COLLECTOR_DELIVERY_BUFFERS_H

#include "collector/io/io.h"
#include "lib/base/err.h"

enum {
    BUFFER_BYTES = 1 << 20,
    BUFFER_RECORDS = 1 << 15,
};

struct buffers {
    char *base;
    uint32_t *ends; /* BUFFER_RECORDS per buffer */
    uint32_t count, registered;
    uint64_t *free; /* one bit each */
    uint32_t given; /* since the last look */
    uint32_t top;   /* those from here on were not used since then */
    uint32_t kept;  /* those from here on have no memory */
};

enum { BUFFERS_LOOK_EVERY = 256 };

/* Reserves address space for `count` buffers; `registered` of them are registered with the io. */
int buffers_init(struct buffers *p, struct io *io, uint32_t count, uint32_t registered, struct err *e);
void buffers_done(struct buffers *p);
/* Its number; there must be one. */
uint32_t buffers_take(struct buffers *p);
void buffers_give(struct buffers *p, uint32_t i);

static inline char *buffers_data(const struct buffers *p, uint32_t i) { return p->base + (size_t)i * BUFFER_BYTES; }
static inline uint32_t *buffers_ends(const struct buffers *p, uint32_t i)
{
    return p->ends + (size_t)i * BUFFER_RECORDS;
}

#endif
