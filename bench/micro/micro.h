#ifndef FAPILOG_BENCH_MICRO_MICRO_H
#define FAPILOG_BENCH_MICRO_MICRO_H

#include "bench/shim/gbench.h"

#define MICRO(name) void micro_##name(void);
#include "micro_list.h"
#undef MICRO

/* The usual loop for what takes nanoseconds. */
enum { MICRO_BATCH = 1024 };
#define micro_loop(s) \
    while (gb_batch((s), MICRO_BATCH)) \
        for (int i_ = 0; i_ < MICRO_BATCH; i_++)

#endif
