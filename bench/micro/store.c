/* What a publish word costs, alone on its line and when two threads write words of one line. */
#include "bench/micro/micro.h"
#include "lib/base/atomics.h"

static _Alignas(128) uint64_t own_line[2][16];
static _Alignas(128) uint64_t one_line[8];

static void bench_plain(struct gb_state *s)
{
    volatile uint64_t *word = own_line[0];
    uint64_t n = 0;
    micro_loop(s)
        *word = n++;
}

static void bench_release(struct gb_state *s)
{
    uint64_t n = 0;
    micro_loop(s)
        store_rel(&own_line[0][0], n++); /* order: stands alone, nobody reads it */
}

static void bench_seq_cst(struct gb_state *s)
{
    uint64_t n = 0;
    micro_loop(s)
        __atomic_store_n(&own_line[0][0], n++, __ATOMIC_SEQ_CST);
}

static void bench_release_own(struct gb_state *s)
{
    uint64_t *word = own_line[gb_thread(s) & 1];
    uint64_t n = 0;
    micro_loop(s)
        store_rel(word, n++); /* order: stands alone, nobody reads it */
}

static void bench_release_false_sharing(struct gb_state *s)
{
    uint64_t *word = &one_line[gb_thread(s) & 1];
    uint64_t n = 0;
    micro_loop(s)
        store_rel(word, n++); /* order: stands alone, nobody reads it */
}

void micro_store(void)
{
    gb_register("store/plain", bench_plain);
    gb_register("store/release", bench_release);
    gb_register("store/seq_cst", bench_seq_cst);
    gb_register_threads("store/release_own_line", bench_release_own, 2);
    gb_register_threads("store/release_one_line", bench_release_false_sharing, 2);
}
