/* The counter of the records and its anchors. Signal safe throughout. */
#ifndef FAPILOG_RING_CLOCK_H
#define FAPILOG_RING_CLOCK_H

#include <fapilog/abi.h>

#include "lib/base/clock.h"

#include <stdint.h>

struct clock_anchor {
    uint64_t cycles;
    uint64_t real_ns; /* CLOCK_REALTIME */
    uint64_t mono_ns; /* CLOCK_MONOTONIC */
};

/* FAPILOG_CLOCK_*: the CPU's counter where the kernel itself keeps time by it, else CLOCK_MONOTONIC. */
uint32_t clock_detect(void);
static inline uint64_t clock_now(uint32_t kind)
{
#if defined(__x86_64__)
    if (kind == FAPILOG_CLOCK_TSC)
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    if (kind == FAPILOG_CLOCK_CNTVCT) {
        uint64_t v;
        __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(v));
        return v;
    }
#endif
    return clock_mono_ns();
}

/* The best of `windows` counter/clock/counter windows: 8 for an anchor that conversions start from. */
struct clock_anchor clock_anchor_take(uint32_t kind, unsigned windows);

/* Counter and CLOCK_REALTIME only, the better of two windows: cheap enough for each block. */
struct clock_anchor clock_anchor_pair(uint32_t kind);

/* Cycles per second between two anchors; 0 when they are too close to tell. */
uint64_t clock_hz(const struct clock_anchor *from, const struct clock_anchor *to);

#endif
