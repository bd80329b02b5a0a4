/* What is logged: the same work for every peer. */
#ifndef FAPILOG_BENCH_HARNESS_SHAPE_H
#define FAPILOG_BENCH_HARNESS_SHAPE_H

#include <stdint.h>

enum shape {
    SHAPE_NONE,  /* message alone */
    SHAPE_THREE, /* int, int, double */
    SHAPE_TEXT,  /* one string of 32 bytes */
    SHAPE_TEN,   /* four int, two uint64_t, two double, two strings */
    SHAPE_COUNT
};

/* Every output line of a text peer holds it once; delivered records are counted by it. */
#define BENCH_MARKER "bench record"

#define BENCH_TEXT_32 "0123456789abcdefghijklmnopqrstuv"
#define BENCH_SYMBOL "ACME"

/* The values of record i. They vary so that no peer profits from a constant. */
static inline int shape_int(uint64_t i, int k)
{
    return (int)(uint32_t)(i * 7 + (uint64_t)k);
}

static inline uint64_t shape_u64(uint64_t i, int k)
{
    return i * 1000003 + (uint64_t)k;
}

static inline double shape_double(uint64_t i, int k)
{
    return (double)(i & 0xfffff) * 0.25 + k;
}

#endif
