/* breaker.h - the circuit breaker: after a number of failures in a row nothing is sent for a while, then one
 * probe is let through. A pure state machine; the clock is the caller's. */
#ifndef COLLECTOR_DELIVERY_REMOTE_BREAKER_H
#define COLLECTOR_DELIVERY_REMOTE_BREAKER_H

#include "collector/delivery/remote.h"

struct breaker {
    enum remote_state state;
    uint64_t failures; /* in a row */
    uint64_t until_ns; /* open until */
    uint64_t opened;   /* how often */
    bool is_probing;
};

/* Whether a request may be sent now. */
bool breaker_allows(struct breaker *b, uint64_t now_ns);
/* The same without the clock: false while it is open, and while a probe is under way. */
bool breaker_may_allow(const struct breaker *b);
/* Options have changed: one that was switched off is closed. */
void breaker_follow(struct breaker *b, const struct sink_delivery *d);
void breaker_sent(struct breaker *b);
void breaker_success(struct breaker *b);
/* is_broken: it opens at once. */
void breaker_failure(struct breaker *b, const struct sink_delivery *d, bool is_broken, uint64_t now_ns);
uint64_t breaker_deadline(const struct breaker *b);

#endif
