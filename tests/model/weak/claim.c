/* claim.c - a lane goes from one thread to the next: two threads claim it, log one record each and close
 * it; a collector drains it meanwhile.
 *
 *   owner (lib/producer/lane.c)  store tail ... ;  store state CLOSING (L1)
 *   claimant (the same file)     load state;  load done;  CAS to CLAIMING;  load tail, write on
 *
 * Shown, for the orders as C11 (RC11) defines them: a lane has one owner at a time, which goes on where the
 * one before stopped; nothing races with the collector. (That it is drained before: lifecycle.pml.)
 *
 * mutant: RELAXED_CLOSE - L1 is relaxed
 * mutant: RELAXED_CLAIM - the claimant looks at the state with a relaxed load, and its CAS is relaxed
 * mutant: CLAIM_WITHOUT_CAS - it takes the lane by a plain store
 * witness: BOTH - both threads have had the lane
 * witness: REFUSED - a thread finds it taken, or not drained
 */
#ifdef MUTANT_RELAXED_CLOSE
#define LANE_WEAK_STORES
#endif
#ifdef MUTANT_RELAXED_CLAIM
#define LANE_WEAK_LOADS
#endif
#include "tests/model/weak/producer.h"

void fapilogi_thread_exit_arm(void) { }

#ifdef LANE_WEAK_STORES
#define WEAK_STORES
#endif
#ifdef LANE_WEAK_LOADS
#define WEAK_LOADS
#endif
#include "tests/model/weak/weaken.h"
#ifdef MUTANT_RELAXED_CLAIM
#undef cas_acq_rel
#define cas_acq_rel(p, expected, desired) \
    __atomic_compare_exchange_n((p), (expected), (desired), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#endif
#ifdef MUTANT_CLAIM_WITHOUT_CAS
#undef cas_acq_rel
#define cas_acq_rel(p, expected, desired) (*(expected) += 0, store_rel((p), (desired)), true)
#endif

#include <sched.h>
#undef syscall
#define syscall(number) 1
#define prctl(op, name) 0
#define sched_yield() 0
#define nanosleep(time, left) 0
#include "lib/producer/lane.c"
#include "tests/model/weak/weaken.h"
#undef syscall
#define syscall(...) 0
#include "tests/model/weak/collector.h"

enum { THREADS = 2, LOOKS = 2 };

static struct area area;
static struct writer writer[THREADS];
static uint64_t read_of[THREADS + 1]; /* records read of each thread */
static bool had[THREADS], refused[THREADS];

static void *own(void *arg)
{
    const size_t me = (size_t)(uintptr_t)arg;
    struct writer *w = &writer[me];
    if (!claim(w, 0)) {
        refused[me] = true;
        return NULL;
    }
    w->hot.limit[0] = w->hot.limit[1] = w->hot.tail;
    producer_log(w, FAPILOG_LEVEL_INFO, me + 1);
    close_lane(w);
    had[me] = true;
    return NULL;
}

static void *collect(void *arg)
{
    uint64_t pos = 0;
    uint32_t generation = 0;
    for (int i = 0; i < LOOKS; i++) {
        const uint64_t tail = lane_tail_now(&lane);
        while (pos < tail) {
            const uint64_t *at = &lane_data[(pos & (LANE_BYTES - 1)) / 8];
            if (pos % BLOCK_BYTES == 0) {
                assert(at[1] == pos && FAPILOG_WORD0_SCHEMA(at[0]) == generation + 1);
                generation++;
                pos += sizeof(struct fapilog_block);
            } else if (at[0] == 0) {
                pos = (pos / BLOCK_BYTES + 1) * BLOCK_BYTES;
            } else {
                assert(at[3] == ~at[2]);
                read_of[at[2] - 1]++;
                pos += RECORD;
            }
        }
        collector_release(pos);
    }
    return arg;
}

int main(void)
{
    pthread_t thread[THREADS], collector;
    collector_init();
    process.area = &area;
    process.ctl = &segment_ctl.ctl;
    area.base = (uint8_t *)lane_data;
    area.lanes = &shared_lane;
    shared_lane.cap_log2 = 8;
    shared_lane.block_log2 = 7;
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, own, (void *)(uintptr_t)i);
    pthread_create(&collector, NULL, collect, NULL);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    pthread_join(collector, NULL);
    for (size_t i = 0; i < THREADS; i++)
        assert(read_of[i] <= (had[i] ? 1u : 0u));
#ifdef WITNESS_BOTH
    assert(!had[0] || !had[1]);
#endif
#ifdef WITNESS_REFUSED
    assert(!refused[0] && !refused[1]);
#endif
    return 0;
}
