/* From raw samples to a latency distribution. */
#ifndef FAPILOG_BENCH_HARNESS_LATENCY_H
#define FAPILOG_BENCH_HARNESS_LATENCY_H

#include "bench/harness/run.h"

/* Sorts the samples in place. Leaves *ret alone in modes that take none. */
void latency_compute(struct run_shared *shared, double ns_per_tick, struct latency *ret);

#endif
