/* anchor.c - the collector's anchor, in two words: one side changes it again and again, the other looks.
 *
 *   collector (lib/ring/anchor.h)  counter = 0;  release fence;  time;  store counter
 *   producer (lib/ring/anchor.h)   load counter;  time;  acquire fence;  load counter, take both if it is the same
 *
 * Shown, for the orders as C11 (RC11) defines them: halves that are taken belong together.
 *
 * mutant: NO_RELEASE_FENCE - nothing orders the 0 before the new time
 * mutant: RELAXED_STORE - the last store of T1 is relaxed
 * mutant: NO_ACQUIRE_FENCE - nothing orders the time before the second look
 * mutant: RELAXED_LOAD - the first look of T2 is relaxed
 * witness: FIRST - the first anchor is taken
 * witness: SECOND - the second is
 * witness: BETWEEN - a look falls into a change
 */
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/atomics.h"
#include <fapilog/abi.h>

#ifdef MUTANT_RELAXED_STORE
#define WEAK_STORES
#endif
#ifdef MUTANT_RELAXED_LOAD
#define WEAK_LOADS
#endif
#include "tests/model/weak/weaken.h"
#define KEEP_FENCE(kept, order)                \
    do {                                       \
        if ((order) == (kept))                 \
            __atomic_thread_fence(kept);       \
    } while (0)
#ifdef MUTANT_NO_RELEASE_FENCE
#define __atomic_thread_fence(order) KEEP_FENCE(__ATOMIC_ACQUIRE, order)
#endif
#ifdef MUTANT_NO_ACQUIRE_FENCE
#define __atomic_thread_fence(order) KEEP_FENCE(__ATOMIC_RELEASE, order)
#endif

#include "lib/ring/anchor.h"

static struct fapilog_ctl ctl;

static uint64_t time_of(uint64_t cycles)
{
    return cycles * 10;
}

static void *collect(void *arg)
{
    for (uint64_t cycles = 1; cycles <= 2; cycles++)
        anchor_publish(&ctl, cycles, time_of(cycles));
    return arg;
}

static void *produce(void *arg)
{
    uint64_t cycles, real_ns;
    if (anchor_peek(&ctl, &cycles, &real_ns)) {
        assert(real_ns == time_of(cycles));
#ifdef WITNESS_FIRST
        assert(cycles != 1);
#endif
#ifdef WITNESS_SECOND
        assert(cycles != 2);
#endif
    }
#ifdef WITNESS_BETWEEN
    assert(cycles || !real_ns);
#endif
    return arg;
}

int main(void)
{
    pthread_t collector, producer;
    pthread_create(&collector, NULL, collect, NULL);
    pthread_create(&producer, NULL, produce, NULL);
    pthread_join(collector, NULL);
    pthread_join(producer, NULL);
    return 0;
}
