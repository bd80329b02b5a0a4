/* The counter that times single calls: fenced so that neither earlier nor later work slips in; tick_read(), which is
 * not, is what a log call itself takes. */
#ifndef FAPILOG_BENCH_HARNESS_TICK_H
#define FAPILOG_BENCH_HARNESS_TICK_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static inline uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline struct timespec ns_timespec(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

#if defined(__x86_64__)
#define TICK_SOURCE "rdtscp with lfence"

static inline uint64_t tick_read(void)
{
    return __rdtsc();
}

static inline uint64_t tick_begin(void)
{
    _mm_lfence();
    const uint64_t t = __rdtsc();
    _mm_lfence();
    return t;
}

static inline uint64_t tick_end(void)
{
    unsigned aux;
    const uint64_t t = __rdtscp(&aux);
    _mm_lfence();
    return t;
}
#elif defined(__aarch64__)
#define TICK_SOURCE "cntvct_el0 with isb"

static inline uint64_t tick_read(void)
{
    uint64_t t;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
    return t;
}

static inline uint64_t tick_begin(void)
{
    uint64_t t;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(t) : : "memory");
    return t;
}

static inline uint64_t tick_end(void)
{
    return tick_begin();
}
#else
#define TICK_SOURCE "CLOCK_MONOTONIC"

static inline uint64_t tick_read(void)
{
    return now_ns();
}

static inline uint64_t tick_begin(void)
{
    return now_ns();
}

static inline uint64_t tick_end(void)
{
    return now_ns();
}
#endif

#endif
