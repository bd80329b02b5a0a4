/* Not a logger, but what is left of one: a reading of the counter, the stores that a record takes and a release of the
 * tail, into private memory that nobody reads. What it takes after a pause is the machine's, and no logger that stamps
 * the time and has a ring can be expected to take less. All records are lost, which is what the harness says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/harness/producer.h"
#include "bench/harness/tick.h"
#include "lib/base/atomics.h"

enum { RING_BYTES = 256 << 10, RECORD_MAX = 128 };

struct ring {
    uint64_t tail;
    uint8_t data[RING_BYTES + RECORD_MAX] __attribute__((aligned(4096)));
};

static int floor_open(const struct producer_env *env)
{
    return 0;
}

static void *floor_thread_open(void)
{
    void *ring = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (ring == MAP_FAILED) {
        perror("floor: mmap");
        exit(1);
    }
    return ring;
}

static inline uint8_t *put(uint8_t *at, const void *value, size_t size)
{
    memcpy(at, value, size);
    return at + size;
}

static inline uint8_t *put_text(uint8_t *at, const char *text)
{
    const uint32_t len = (uint32_t)strlen(text);
    return put(put(at, &len, sizeof len), text, len);
}

static inline uint8_t *put_fields(uint8_t *at, enum shape shape, uint64_t i)
{
    const int n[4] = {shape_int(i, 0), shape_int(i, 1), shape_int(i, 2), shape_int(i, 3)};
    const uint64_t u[2] = {shape_u64(i, 0), shape_u64(i, 1)};
    const double d[2] = {shape_double(i, 0), shape_double(i, 1)};
    switch (shape) {
    case SHAPE_THREE: return put(put(at, n, 2 * sizeof n[0]), d, sizeof d[0]);
    case SHAPE_TEXT: return put_text(at, BENCH_TEXT_32);
    case SHAPE_TEN:
        at = put(put(put(at, n, sizeof n), u, sizeof u), d, sizeof d);
        return put_text(put_text(at, BENCH_SYMBOL), BENCH_TEXT_32);
    default: return at;
    }
}

static inline void log_shape(struct ring *r, enum shape shape, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++) {
        const uint64_t tail = r->tail;
        uint8_t *const record = r->data + tail % RING_BYTES;
        const uint64_t head[2] = {shape, tick_read()};
        const size_t size = (size_t)(put_fields(put(record, head, sizeof head), shape, i) - record);
        store_rel(&r->tail, tail + (size + 7) / 8 * 8); /* order: as a logger does - nobody acquires it */
    }
}

static void log_none(void *ring, uint64_t first, uint64_t count)
{
    log_shape(ring, SHAPE_NONE, first, count);
}

static void log_three(void *ring, uint64_t first, uint64_t count)
{
    log_shape(ring, SHAPE_THREE, first, count);
}

static void log_text(void *ring, uint64_t first, uint64_t count)
{
    log_shape(ring, SHAPE_TEXT, first, count);
}

static void log_ten(void *ring, uint64_t first, uint64_t count)
{
    log_shape(ring, SHAPE_TEN, first, count);
}

static void floor_thread_close(void *ring)
{
    munmap(ring, sizeof(struct ring));
}

static void floor_close(void)
{
}

const struct producer_ops producer = {
    .open = floor_open, .thread_open = floor_thread_open, .log = {log_none, log_three, log_text, log_ten},
    .thread_close = floor_thread_close, .close = floor_close};
