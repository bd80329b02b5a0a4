#include "bench/harness/latency.h"

#include <math.h>

#include "bench/harness/stats.h"
#include "lib/base/check.h"

/* The curve has 8 points for each factor of ten in 1 - q, up to the last that the samples resolve. */
enum { CURVE_POINTS_PER_DECADE = 8 };

void latency_compute(struct run_shared *shared, double ns_per_tick, struct latency *ret)
{
    const size_t n = (size_t)(samples_per_thread(shared) * shared->threads * shared->processes);
    if (n == 0)
        return;
    /* A sample of a batch stands for several calls. */
    const double scale = ns_per_tick / (shared->mode == MODE_BATCH ? shared->batch_calls : 1);
    uint32_t *samples = shared->samples;
    stats_sort(samples, n);
    *ret = (struct latency){
        .samples = n,
        .mean = stats_mean(samples, n) * scale,
        .p50 = stats_quantile(samples, n, 0.5) * scale,
        .p90 = stats_quantile(samples, n, 0.9) * scale,
        .p99 = stats_quantile(samples, n, 0.99) * scale,
        .p999 = stats_quantile(samples, n, 0.999) * scale,
        .p9999 = stats_quantile(samples, n, 0.9999) * scale,
        .max = samples[n - 1] * scale,
    };
    for (int k = 0; ret->curve_count < CURVE_MAX; k++) {
        const double rest = pow(10, -(double)k / CURVE_POINTS_PER_DECADE);
        if (rest * (double)n < 1)
            break;
        ret->curve_q[ret->curve_count] = 1 - rest;
        ret->curve_ns[ret->curve_count++] = stats_quantile(samples, n, 1 - rest) * scale;
    }
}
