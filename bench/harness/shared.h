/* The memory that fapilog-bench and the producers of one run share: what to do, the start signal,
 * what was measured. A memfd, passed to the producers by number. */
#ifndef FAPILOG_BENCH_HARNESS_SHARED_H
#define FAPILOG_BENCH_HARNESS_SHARED_H

#include <stdint.h>

#include "bench/harness/shape.h"

/* The warm-up goes once around the buffers, so that their pages are there, at a pace at which no peer
 * has to drop anything. */
enum { PRODUCERS_MAX = 64, WARMUP_CALLS = 500, WARMUP_CHUNKS = 80, WARMUP_PAUSE_US = 5000 };

enum mode {
    MODE_BATCH,     /* batches of calls after a pause, averaged per batch */
    MODE_BURST,     /* bursts after a pause, each call timed */
    MODE_SUSTAINED, /* calls back to back until all is on disk */
    MODE_KILL,      /* sustained, then SIGKILL at once: what survives? */
    MODE_IDLE,      /* nothing is logged: what does it cost? */
    MODE_COUNT
};

struct thread_result {
    uint64_t logged; /* with the warm-up */
    uint64_t start_ns;
    uint64_t end_ns;
};

struct process_result {
    uint64_t cpu_ns; /* from the start signal to the end of close, all threads of the process */
    uint64_t peak_kib;
    uint64_t finished;
};

struct run_shared {
    uint32_t layout; /* RUN_LAYOUT; first, so that a producer built elsewhere can tell */
    uint32_t mode;
    uint32_t shape;
    uint32_t threads; /* in each process */
    uint32_t processes;
    uint64_t records;     /* MODE_SUSTAINED, MODE_KILL: of each thread */
    uint64_t batches;     /* MODE_BATCH, MODE_BURST: of each thread */
    uint32_t batch_calls; /* calls in a batch or burst */
    uint32_t spin;        /* pause by spinning, which keeps the core awake */
    uint64_t pause_ns;
    uint64_t idle_ns;
    int32_t first_cpu; /* thread k runs on (first_cpu + k) % cpus; -1: wherever it likes */

    uint32_t ready; /* threads that wait for go */
    uint32_t go;    /* futex: 0 wait, 1 run */

    struct thread_result thread[PRODUCERS_MAX];
    struct process_result process[PRODUCERS_MAX];
    uint32_t samples[]; /* ticks; thread t owns samples[t * per thread ...] */
};

/* Raise the first number with each change of meaning that the size does not show. */
#define RUN_LAYOUT (UINT32_C(1) << 24 | (uint32_t)sizeof(struct run_shared))

/* Samples of one thread: one a batch, or one a call. */
static inline uint64_t samples_per_thread(const struct run_shared *s)
{
    if (s->mode == MODE_BATCH)
        return s->batches;
    return s->mode == MODE_BURST ? s->batches * s->batch_calls : 0;
}

#endif
