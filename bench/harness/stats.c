#include "bench/harness/stats.h"

#include <math.h>
#include <stdlib.h>

#include "lib/base/check.h"

static int compare_u32(const void *pa, const void *pb)
{
    const uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    return (a > b) - (a < b);
}

void stats_sort(uint32_t *samples, size_t n)
{
    qsort(samples, n, sizeof *samples, compare_u32);
}

uint32_t stats_quantile(const uint32_t *sorted, size_t n, double q)
{
    CHECK(n > 0);
    CHECK(q >= 0 && q <= 1);
    const double rank = ceil(q * (double)n);
    return sorted[rank < 1 ? 0 : (size_t)rank - 1];
}

double stats_mean(const uint32_t *samples, size_t n)
{
    CHECK(n > 0);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += samples[i];
    return sum / (double)n;
}
