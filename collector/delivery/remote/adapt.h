/* adapt.h - how many requests are in flight: one more after a round of answers that came about as fast as the
 * fastest lately, fewer when they come slower, half when they fail (additive increase, multiplicative
 * decrease). A pure state machine. */
#ifndef COLLECTOR_DELIVERY_REMOTE_ADAPT_H
#define COLLECTOR_DELIVERY_REMOTE_ADAPT_H

#include <stdbool.h>
#include <stdint.h>

struct adapt {
    uint32_t limit;      /* requests at once, now */
    uint64_t latency_ns; /* moving average */
    uint64_t base_ns;    /* the fastest lately; creeps up */
    uint32_t good, slow; /* answers in a row */
    uint64_t cut_ns;     /* no second cut for what was sent before */
};

void adapt_init(struct adapt *a);
/* is_full: the limit was in use, so that a higher one would be. */
void adapt_success(struct adapt *a, uint32_t max, uint64_t latency_ns, bool is_full, uint64_t sent_ns, uint64_t now_ns);
void adapt_failure(struct adapt *a, uint64_t sent_ns, uint64_t now_ns);

#endif
