/* The clock of FAPILOG_LIMIT. Signal safe. */
#include <fapilog/ratelimit.h>

#include "lib/base/atomics.h"
#include "lib/base/clock.h"

bool fapilogi_limit_pass(struct fapilogi_limit *limit, uint64_t interval_ns, uint64_t *ret_suppressed)
{
    const uint64_t now = clock_mono_ns();
    /* order: relaxed - a time, nothing is read through it */
    uint64_t next = load_rlx(&limit->next_ns);
    const uint64_t after = interval_ns < UINT64_MAX - now ? now + interval_ns : UINT64_MAX;
    /* order: acq_rel - one of those who come at the same time may run */
    if (now < next || !cas_acq_rel(&limit->next_ns, &next, after)) {
        __atomic_fetch_add(&limit->suppressed, 1, __ATOMIC_RELAXED); /* order: relaxed - a counter */
        return false;
    }
    *ret_suppressed = __atomic_exchange_n(&limit->suppressed, 0, __ATOMIC_RELAXED); /* order: relaxed - a counter */
    return true;
}
