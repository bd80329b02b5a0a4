#include "collector/delivery/remote/retry.h"

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15;
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

uint64_t retry_delay(const struct sink_delivery *d, uint32_t attempts, uint64_t retry_after_ns, uint64_t *random)
{
    uint64_t most = d->retry_base_delay_ns;
    for (uint32_t i = 1; i < attempts && most < d->retry_max_delay_ns; i++)
        most *= 2;
    most = most < d->retry_max_delay_ns ? most : d->retry_max_delay_ns;
    const uint64_t asked = retry_after_ns < RETRY_AFTER_MAX_NS ? retry_after_ns : RETRY_AFTER_MAX_NS;
    return asked + next_random(random) % (most + 1);
}
