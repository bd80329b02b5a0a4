/* A log line as careful C code writes it by hand: time stamp with the date cached for the second it
 * belongs to, level, message, fields. For the peers that bring no formatting of their own. */
#ifndef FAPILOG_BENCH_PEERS_TEXT_H
#define FAPILOG_BENCH_PEERS_TEXT_H

#include <stdio.h>
#include <time.h>

#include "bench/harness/shape.h"

enum { TEXT_LINE_MAX = 512 };

static inline int text_prefix(char *line)
{
    static __thread time_t cached;
    static __thread char date[24];
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (ts.tv_sec != cached) {
        struct tm tm;
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", localtime_r(&ts.tv_sec, &tm));
        cached = ts.tv_sec;
    }
    return snprintf(line, TEXT_LINE_MAX, "[%s.%09ld] [info] ", date, ts.tv_nsec);
}

static inline int text_body(char *dst, size_t size, enum shape shape, uint64_t i)
{
    switch (shape) {
    case SHAPE_THREE:
        return snprintf(dst, size, BENCH_MARKER " a=%d b=%d c=%g", shape_int(i, 0), shape_int(i, 1),
                        shape_double(i, 0));
    case SHAPE_TEXT:
        return snprintf(dst, size, BENCH_MARKER " s=%s", BENCH_TEXT_32);
    case SHAPE_TEN:
        return snprintf(dst, size, BENCH_MARKER " a=%d b=%d c=%d d=%d e=%lu f=%lu g=%g h=%g i=%s j=%s",
                        shape_int(i, 0), shape_int(i, 1), shape_int(i, 2), shape_int(i, 3), shape_u64(i, 0),
                        shape_u64(i, 1), shape_double(i, 0), shape_double(i, 1), BENCH_SYMBOL, BENCH_TEXT_32);
    default:
        return snprintf(dst, size, BENCH_MARKER);
    }
}

/* The whole line with its newline; returns the length. */
static inline int text_line(char line[TEXT_LINE_MAX], enum shape shape, uint64_t i)
{
    int n = text_prefix(line);
    n += text_body(line + n, TEXT_LINE_MAX - 1 - (size_t)n, shape, i);
    line[n++] = '\n';
    return n;
}

/* One function for each shape, from emit(line, length). */
#define TEXT_LOG_FUNCTIONS(emit) \
    static void log_shape(enum shape shape, uint64_t first, uint64_t count) \
    { \
        char line[TEXT_LINE_MAX]; \
        for (uint64_t i = first; i < first + count; i++) \
            emit(line, text_line(line, shape, i)); \
    } \
    static void log_none(void *t, uint64_t first, uint64_t count) { log_shape(SHAPE_NONE, first, count); } \
    static void log_three(void *t, uint64_t first, uint64_t count) { log_shape(SHAPE_THREE, first, count); } \
    static void log_text(void *t, uint64_t first, uint64_t count) { log_shape(SHAPE_TEXT, first, count); } \
    static void log_ten(void *t, uint64_t first, uint64_t count) { log_shape(SHAPE_TEN, first, count); }

#endif
