/* Percentiles of samples. */
#ifndef FAPILOG_BENCH_HARNESS_STATS_H
#define FAPILOG_BENCH_HARNESS_STATS_H

#include <stddef.h>
#include <stdint.h>

void stats_sort(uint32_t *samples, size_t n);

/* The smallest sample that at least the fraction q of all samples do not exceed (nearest rank). n > 0. */
uint32_t stats_quantile(const uint32_t *sorted, size_t n, double q);

double stats_mean(const uint32_t *samples, size_t n);

#endif
