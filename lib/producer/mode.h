/* Where records go, as a log call finds it. A logger that is older than the segment may be let in by its level word
 * alone, which the opener or anybody with the right lowers: what the call then goes to must stand. */
#ifndef FAPILOG_PRODUCER_MODE_H
#define FAPILOG_PRODUCER_MODE_H

#include "lib/producer/internal.h"

#include "lib/base/atomics.h"

/* Everything that a log call finds in that mode has been set up. */
static inline void mode_set(uint32_t mode)
{
    store_rel(&process.mode, mode); /* order: M1 release, pairs with M2 - segment or list stand */
}

/* Closing while others log is the caller's mistake. */
static inline uint32_t mode_now(void)
{
    return load_acq(&process.mode); /* order: M2 acquire, pairs with M1 */
}

#endif
