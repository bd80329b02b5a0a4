/* fapilog through its public interface, with its options from the environment: fapilog-control.c. */
#include <errno.h>

#include <fapilog/fapilog.h>

#include "bench/harness/producer.h"

static fapilog_t *logger;

static int peer_open(const struct producer_env *env)
{
    logger = fapilog_open("bench", NULL);
    return logger ? 0 : -ENODEV;
}

static void log_none(void *t, uint64_t first, uint64_t count)
{
    fapilog_t *log = logger;
    for (uint64_t i = first; i < first + count; i++)
        FAPILOG_INFO(log, BENCH_MARKER);
}

static void log_three(void *t, uint64_t first, uint64_t count)
{
    fapilog_t *log = logger;
    for (uint64_t i = first; i < first + count; i++)
        FAPILOG_INFO(log, BENCH_MARKER, FL("a", shape_int(i, 0)), FL("b", shape_int(i, 1)),
                     FL("c", shape_double(i, 0)));
}

static void log_text(void *t, uint64_t first, uint64_t count)
{
    fapilog_t *log = logger;
    const char *text = BENCH_TEXT_32;
    for (uint64_t i = first; i < first + count; i++)
        FAPILOG_INFO(log, BENCH_MARKER, FL("s", text));
}

static void log_ten(void *t, uint64_t first, uint64_t count)
{
    fapilog_t *log = logger;
    const char *symbol = BENCH_SYMBOL, *text = BENCH_TEXT_32;
    for (uint64_t i = first; i < first + count; i++)
        FAPILOG_INFO(log, BENCH_MARKER, FL("a", shape_int(i, 0)), FL("b", shape_int(i, 1)),
                     FL("c", shape_int(i, 2)), FL("d", shape_int(i, 3)), FL("e", shape_u64(i, 0)),
                     FL("f", shape_u64(i, 1)), FL("g", shape_double(i, 0)), FL("h", shape_double(i, 1)),
                     FL("i", symbol), FL("j", text));
}

static void peer_close(void)
{
    fapilog_close(logger); /* what is in the rings is the collector's to write */
}

const struct producer_ops producer = {
    .open = peer_open, .log = {log_none, log_three, log_text, log_ten}, .close = peer_close};
