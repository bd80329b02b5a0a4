/* Read several times by LTTng-UST's macros, which therefore look like this. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER fapilog_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "bench/peers/lttng-events.h"

#if !defined(FAPILOG_BENCH_PEERS_LTTNG_EVENTS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define FAPILOG_BENCH_PEERS_LTTNG_EVENTS_H

#include <stdint.h>

#include <lttng/tracepoint.h>

LTTNG_UST_TRACEPOINT_EVENT(fapilog_bench, none, LTTNG_UST_TP_ARGS(void), LTTNG_UST_TP_FIELDS())

LTTNG_UST_TRACEPOINT_EVENT(
    fapilog_bench, three, LTTNG_UST_TP_ARGS(int, a, int, b, double, c),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(int, a, a) lttng_ust_field_integer(int, b, b)
                            lttng_ust_field_float(double, c, c)))

LTTNG_UST_TRACEPOINT_EVENT(fapilog_bench, text, LTTNG_UST_TP_ARGS(const char *, s),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_string(s, s)))

LTTNG_UST_TRACEPOINT_EVENT(
    fapilog_bench, ten,
    LTTNG_UST_TP_ARGS(int, a, int, b, int, c, int, d, uint64_t, e, uint64_t, f, double, g, double, h,
                      const char *, i, const char *, j),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(int, a, a) lttng_ust_field_integer(int, b, b)
                            lttng_ust_field_integer(int, c, c) lttng_ust_field_integer(int, d, d)
                                lttng_ust_field_integer(uint64_t, e, e)
                                    lttng_ust_field_integer(uint64_t, f, f)
                                    lttng_ust_field_float(double, g, g) lttng_ust_field_float(double, h, h)
                                        lttng_ust_field_string(i, i) lttng_ust_field_string(j, j)))

#endif

#include <lttng/tracepoint-event.h>
