/* wall-clock.h - clocks that a test sets, for programs linked with --wrap=clock_real_ns,--wrap=clock_boot_ns. */
#ifndef FAPILOG_TESTS_WALL_CLOCK_H
#define FAPILOG_TESTS_WALL_CLOCK_H

#include "lib/base/clock.h"

static int64_t set_ns, passed_ns; /* the wall clock was set by, and so much time has passed beside what has */

uint64_t __real_clock_real_ns(void);
uint64_t __wrap_clock_real_ns(void);
uint64_t __wrap_clock_real_ns(void) { return __real_clock_real_ns() + (uint64_t)(set_ns + passed_ns); }
uint64_t __real_clock_boot_ns(void);
uint64_t __wrap_clock_boot_ns(void);
uint64_t __wrap_clock_boot_ns(void) { return __real_clock_boot_ns() + (uint64_t)passed_ns; }

#endif
