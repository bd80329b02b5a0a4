/* Locked instructions, which the hot path does without. */
#include "bench/micro/micro.h"
#include "lib/base/atomics.h"

static _Alignas(128) uint64_t shared_word;

static void bench_xadd(struct gb_state *s)
{
    micro_loop(s)
        gb_keep(__atomic_fetch_add(&shared_word, 32, __ATOMIC_ACQ_REL));
}

static void bench_cas(struct gb_state *s)
{
    micro_loop(s) {
        uint64_t old = __atomic_load_n(&shared_word, __ATOMIC_RELAXED);
        while (!cas_acq_rel(&shared_word, &old, old + 32))
            ;
    }
}

void micro_lock(void)
{
    gb_register_threads("lock/xadd", bench_xadd, 2);
    gb_register_threads("lock/cmpxchg", bench_cas, 2);
}
