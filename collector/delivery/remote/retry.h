/* retry.h - when to try again. Pure. */
#ifndef COLLECTOR_DELIVERY_REMOTE_RETRY_H
#define COLLECTOR_DELIVERY_REMOTE_RETRY_H

#include "collector/sinks/remote.h"

#include <stdint.h>

/* A server that asks for more is asked again after this long all the same. */
#define RETRY_AFTER_MAX_NS (3600ull * 1000000000)

/* Exponential back-off with full jitter: anything from 0 to base * 2^(attempts - 1), at most the maximum. What
 * the server has asked for (0: nothing) comes before it. */
uint64_t retry_delay(const struct sink_delivery *d, uint32_t attempts, uint64_t retry_after_ns, uint64_t *random);

#endif
