/* Nanoseconds of the clocks the collector uses. Deadlines and intervals are CLOCK_MONOTONIC; CLOCK_REALTIME is shown
 * to people, written into records, and is what the age of a file goes by; it may be set at any moment. CLOCK_BOOTTIME
 * is never set and goes on while the machine sleeps: it tells whether the other was. */
#ifndef FAPILOG_BASE_CLOCK_H
#define FAPILOG_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull

uint64_t clock_mono_ns(void);
uint64_t clock_real_ns(void);
uint64_t clock_boot_ns(void);

#endif
