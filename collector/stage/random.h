/* random.h - decisions by chance: a fast generator with a seed, and rates as thresholds for it. */
#ifndef COLLECTOR_STAGE_RANDOM_H
#define COLLECTOR_STAGE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/random.h>

/* SplitMix64. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A seed where none was asked for. Without entropy it is the same in each run. */
static inline uint64_t random_seed(void)
{
    uint64_t seed = 0;
    return getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed ? seed : 1;
}

/* For rates in 0..1; UINT64_MAX keeps everything. */
static inline uint64_t random_threshold(double rate)
{
    if (rate >= 1)
        return UINT64_MAX;
    return rate <= 0 ? 0 : (uint64_t)(rate * 18446744073709551616.0);
}

static inline bool random_keeps(uint64_t *state, uint64_t threshold)
{
    return threshold == UINT64_MAX || random_next(state) < threshold;
}

#endif
