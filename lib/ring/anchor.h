/* anchor.h - the collector's last anchor, for producers. A producer that needs a fresh one for a block would enter
 * libc and the vDSO, some ten cold pages; this is one cache line, in a page that each call looks at. Signal safe. */
#ifndef FAPILOG_RING_ANCHOR_H
#define FAPILOG_RING_ANCHOR_H

#include <fapilog/abi.h>

#include "lib/base/atomics.h"

#include <stdbool.h>

/* By the collector, which is the only writer. */
static inline void anchor_publish(struct fapilog_ctl *ctl, uint64_t cycles, uint64_t real_ns)
{
    store_rlx(&ctl->anchor_cycles, 0); /* order: relaxed - T1: the fence below orders it before the other half */
    /* order: T1 release fence, pairs with the reader's acquire fence (T2) - who sees the new half sees the 0, too */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    store_rlx(&ctl->anchor_real_ns, real_ns); /* order: relaxed - between the fence and the store below */
    /* order: T1 release, pairs with T2 - both halves belong together */
    store_rel(&ctl->anchor_cycles, cycles);
}

/* False: there is none, or it is being changed. */
static inline bool anchor_peek(const struct fapilog_ctl *ctl, uint64_t *ret_cycles, uint64_t *ret_real_ns)
{
    /* order: T2 acquire, pairs with T1 - the other half is no older */
    const uint64_t cycles = load_acq(&ctl->anchor_cycles);
    *ret_real_ns = load_rlx(&ctl->anchor_real_ns); /* order: relaxed - the fence below */
    /* order: T2 acquire fence, pairs with T1's - a half that is newer shows by the word that goes with it */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    *ret_cycles = cycles;
    return cycles && load_rlx(&ctl->anchor_cycles) == cycles; /* order: relaxed - the fence above */
}

#endif
