/* The side of a peer that runs inside the measured process: one program per peer, bench-producer-<name>,
 * which links that peer's library and producer_main.c, and nothing of another peer. A C++ peer defines
 * the same C structure. */
#ifndef FAPILOG_BENCH_HARNESS_PRODUCER_H
#define FAPILOG_BENCH_HARNESS_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/harness/shape.h"

#ifdef __cplusplus
extern "C" {
#endif

struct producer_env {
    const char *peer; /* a program may serve several peers that differ in options */
    const char *dir;  /* where output files go */
    int index;        /* number of this process, from 0: for file names */
    bool block;       /* wait for room instead of dropping, where the peer knows the difference */
};

typedef void producer_log_fn(void *thread, uint64_t first, uint64_t count);

struct producer_ops {
    /* 0, or a negative errno after saying why on stderr. */
    int (*open)(const struct producer_env *env);
    void *(*thread_open)(void); /* NULL where the peer has no state per thread */
    /* Logs the records first .. first + count - 1. The loop stands inside the peer so that a call
     * which the library inlines stays inlined. */
    producer_log_fn *log[SHAPE_COUNT];
    void (*thread_close)(void *thread);
    void (*close)(void); /* returns when the library itself has nothing left to write */
};

extern const struct producer_ops producer;

#ifdef __cplusplus
}
#endif
#endif
