/* Nanoseconds of the two clocks the collector uses. Deadlines and intervals are CLOCK_MONOTONIC;
 * CLOCK_REALTIME is only ever shown to people or written into records. */
#ifndef FAPILOG_BASE_CLOCK_H
#define FAPILOG_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull

uint64_t clock_mono_ns(void);
uint64_t clock_real_ns(void);

#endif
