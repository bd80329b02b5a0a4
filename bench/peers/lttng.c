/* LTTng-UST: the consumer daemon writes CTF; see lttng-control.c. */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "bench/peers/lttng-events.h"

#include "bench/harness/producer.h"

static int lttng_open(const struct producer_env *env)
{
    return 0; /* the library's constructor has registered with the session daemon by now */
}

static void log_none(void *t, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        lttng_ust_tracepoint(fapilog_bench, none);
}

static void log_three(void *t, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        lttng_ust_tracepoint(fapilog_bench, three, shape_int(i, 0), shape_int(i, 1), shape_double(i, 0));
}

static void log_text(void *t, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        lttng_ust_tracepoint(fapilog_bench, text, BENCH_TEXT_32);
}

static void log_ten(void *t, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        lttng_ust_tracepoint(fapilog_bench, ten, shape_int(i, 0), shape_int(i, 1), shape_int(i, 2),
                             shape_int(i, 3), shape_u64(i, 0), shape_u64(i, 1), shape_double(i, 0),
                             shape_double(i, 1), BENCH_SYMBOL, BENCH_TEXT_32);
}

static void lttng_close(void)
{
}

const struct producer_ops producer = {
    .open = lttng_open, .log = {log_none, log_three, log_text, log_ten}, .close = lttng_close};
