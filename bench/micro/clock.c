#include "bench/micro/micro.h"

#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

static void bench_rdtsc(struct gb_state *s)
{
    micro_loop(s)
        gb_keep(__rdtsc());
}

static void bench_rdtscp(struct gb_state *s)
{
    unsigned aux;
    micro_loop(s)
        gb_keep(__rdtscp(&aux));
}
#endif

static void read_clock(struct gb_state *s, clockid_t id)
{
    struct timespec ts;
    micro_loop(s) {
        clock_gettime(id, &ts);
        gb_keep(ts.tv_nsec);
    }
}

static void bench_realtime(struct gb_state *s)
{
    read_clock(s, CLOCK_REALTIME);
}

static void bench_monotonic(struct gb_state *s)
{
    read_clock(s, CLOCK_MONOTONIC);
}

static void bench_monotonic_coarse(struct gb_state *s)
{
    read_clock(s, CLOCK_MONOTONIC_COARSE);
}

void micro_clock(void)
{
#if defined(__x86_64__)
    gb_register("clock/rdtsc", bench_rdtsc);
    gb_register("clock/rdtscp", bench_rdtscp);
#endif
    gb_register("clock/realtime", bench_realtime);
    gb_register("clock/monotonic", bench_monotonic);
    gb_register("clock/monotonic_coarse", bench_monotonic_coarse);
}
