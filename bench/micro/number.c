/* Numbers as text: ours, and what the C library needs for the same. */
#include <stdio.h>

#include "bench/harness/shape.h"
#include "bench/micro/micro.h"
#include "lib/base/num.h"

static void bench_u64_short(struct gb_state *s)
{
    char out[NUM_INT_MAX];
    uint64_t n = 0;
    micro_loop(s)
        gb_keep(num_u64(out, n++ & 0xff));
}

static void bench_u64_long(struct gb_state *s)
{
    char out[NUM_INT_MAX];
    uint64_t n = UINT64_C(12345678901234567890);
    micro_loop(s)
        gb_keep(num_u64(out, n++));
}

static void bench_u64_snprintf(struct gb_state *s)
{
    char out[NUM_INT_MAX + 1];
    uint64_t n = UINT64_C(12345678901234567890);
    micro_loop(s)
        gb_keep(snprintf(out, sizeof out, "%lu", n++));
}

static void bench_f64_short(struct gb_state *s)
{
    char out[NUM_DOUBLE_MAX];
    uint64_t n = 0;
    micro_loop(s)
        gb_keep(num_f64(out, shape_double(n++, 0), NUM_ECMA));
}

static void bench_f64_long(struct gb_state *s)
{
    char out[NUM_DOUBLE_MAX];
    uint64_t n = 1;
    micro_loop(s)
        gb_keep(num_f64(out, (double)n++ / 3e7, NUM_ECMA));
}

static void bench_f64_snprintf(struct gb_state *s)
{
    char out[64];
    uint64_t n = 1;
    micro_loop(s)
        gb_keep(snprintf(out, sizeof out, "%.17g", (double)n++ / 3e7));
}

void micro_number(void)
{
    gb_register("number/u64_up_to_255", bench_u64_short);
    gb_register("number/u64_20_digits", bench_u64_long);
    gb_register("number/u64_20_digits_snprintf", bench_u64_snprintf);
    gb_register("number/f64_quarters", bench_f64_short);
    gb_register("number/f64_17_digits", bench_f64_long);
    gb_register("number/f64_17_digits_snprintf", bench_f64_snprintf);
}
