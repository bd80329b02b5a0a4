#include "collector/delivery/buffers.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

int buffers_init(struct buffers *p, struct io *io, uint32_t count, uint32_t registered, struct err *e)
{
    memset(p, 0, sizeof *p);
    if (!count)
        return 0;
    p->count = count;
    p->registered = registered;
    p->base = reserve((size_t)count * BUFFER_BYTES);
    p->ends = reserve((size_t)count * BUFFER_RECORDS * sizeof *p->ends);
    p->free = calloc((count + 63) / 64, sizeof *p->free);
    if (!p->base || !p->ends || !p->free) {
        buffers_done(p);
        return err_set(e, -ENOMEM, "no address space for %u output buffers", count);
    }
    for (uint32_t i = 0; i < count; i++)
        p->free[i / 64] |= UINT64_C(1) << (i % 64);
    const int r = registered ? io_register_buffers(io, p->base, BUFFER_BYTES, registered) : 0;
    if (r < 0) {
        buffers_done(p);
        return err_sys(e, r, "register output buffers");
    }
    return 0;
}

void buffers_done(struct buffers *p)
{
    if (p->base)
        (void)munmap(p->base, (size_t)p->count * BUFFER_BYTES);
    if (p->ends)
        (void)munmap(p->ends, (size_t)p->count * BUFFER_RECORDS * sizeof *p->ends);
    free(p->free);
    memset(p, 0, sizeof *p);
}

uint32_t buffers_take(struct buffers *p)
{
    uint32_t word = 0;
    while (word < (p->count + 63) / 64 && !p->free[word])
        word++;
    CHECK(word < (p->count + 63) / 64);
    const uint32_t bit = (uint32_t)__builtin_ctzll(p->free[word]);
    p->free[word] &= ~(UINT64_C(1) << bit);
    const uint32_t i = word * 64 + bit;
    if (i >= p->top)
        p->top = i + 1;
    if (p->top > p->kept)
        p->kept = p->top;
    return i;
}

static bool is_free(const struct buffers *p, uint32_t i)
{
    return p->free[i / 64] >> (i % 64) & 1;
}

/* Memory of what was not used since the last look. */
static void release_unused(struct buffers *p)
{
    const uint32_t from = p->top > p->registered ? p->top : p->registered;
    for (uint32_t i = from; i < p->kept; i++) {
        (void)madvise(buffers_data(p, i), BUFFER_BYTES, MADV_DONTNEED);
        (void)madvise(buffers_ends(p, i), BUFFER_RECORDS * sizeof *p->ends, MADV_DONTNEED);
    }
    p->kept = from;
    while (p->top > 0 && is_free(p, p->top - 1))
        p->top--;
    p->given = 0;
}

void buffers_give(struct buffers *p, uint32_t i)
{
    p->free[i / 64] |= UINT64_C(1) << (i % 64);
    if (++p->given >= BUFFERS_LOOK_EVERY)
        release_unused(p);
}
