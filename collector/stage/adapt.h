/* adapt.h - a sample rate that follows the load: what is offered in a window of the recent past is measured, and
 * the rate moves towards the one that would have let `target` records a second through. What is measured is the
 * offer, never the outcome, so the rate does not feed on itself. */
#ifndef COLLECTOR_STAGE_ADAPT_H
#define COLLECTOR_STAGE_ADAPT_H

#include <stdbool.h>
#include <stdint.h>

enum { ADAPT_SLOTS = 16 };

struct adapt {
    double target, min, max, smoothing; /* set by the owner before adapt_start() */
    uint64_t window_ns;
    double rate;
    double scale;        /* of the target: the pressure ladder halves it */
    /* private */
    uint64_t threshold, random;
    uint64_t slot_ns, slot_end_ns, rate_due_ns, due_ns, started_ns;
    uint32_t slot;
    uint64_t offered[ADAPT_SLOTS];
};

void adapt_start(struct adapt *a);
void adapt_turn(struct adapt *a, uint64_t now_ns); /* what is due; the rate at most once a second */
void adapt_scale(struct adapt *a, double scale);
bool adapt_keeps(struct adapt *a, uint64_t now_ns);

#endif
