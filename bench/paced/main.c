/* bench-paced RATE SECONDS [three]: logs numbered records of ten fields, or of three, at so many a second, in portions
 * of a millisecond, with the policy block, and says on stdout what it has written and how long it took. The number is
 * the field n, by which bench-receiver tells which records have come. FAPILOG_RING_DIR says where; SIGTERM ends it
 * early. */
#include <fapilog/fapilog.h>

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/harness/shape.h"

static volatile sig_atomic_t is_stopped;

static void on_stop(int signo)
{
    (void)signo;
    is_stopped = 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
    const struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void log_ten(fapilog_t *log, uint64_t from, uint64_t to)
{
    const char *symbol = BENCH_SYMBOL, *text = BENCH_TEXT_32;
    for (uint64_t i = from; i < to; i++)
        FAPILOG_INFO(log, BENCH_MARKER, FL("n", i), FL("b", shape_int(i, 1)), FL("c", shape_int(i, 2)),
                     FL("d", shape_int(i, 3)), FL("e", shape_u64(i, 0)), FL("f", shape_u64(i, 1)),
                     FL("g", shape_double(i, 0)), FL("h", shape_double(i, 1)), FL("i", symbol), FL("j", text));
}

static void log_three(fapilog_t *log, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        FAPILOG_INFO(log, BENCH_MARKER, FL("n", i), FL("b", shape_int(i, 1)), FL("c", shape_double(i, 0)));
}

int main(int argc, char **argv)
{
    const bool is_three = argc == 4 && strcmp(argv[3], "three") == 0;
    const bool is_valid = argc == 3 || is_three;
    const double rate = is_valid ? strtod(argv[1], NULL) : 0, seconds = is_valid ? strtod(argv[2], NULL) : 0;
    if (!(rate >= 1 && seconds > 0 && rate * seconds < 1e9)) {
        fprintf(stderr, "usage: %s RATE SECONDS [three]\n", argv[0]);
        return 2;
    }
    struct fapilog_options o = {.size = sizeof o, .on_full = FAPILOG_ON_FULL_BLOCK};
    fapilog_t *log = fapilog_open("bench", &o);
    if (!log) {
        fprintf(stderr, "%s: no ring could be made\n", argv[0]);
        return 1;
    }
    (void)signal(SIGTERM, on_stop);
    const uint64_t all = (uint64_t)(rate * seconds), began = now_ns();
    uint64_t done = 0;
    for (uint64_t ms = 1; done < all && !is_stopped; ms++) {
        uint64_t due = (uint64_t)(rate * (double)ms / 1000);
        if (due > all)
            due = all;
        (is_three ? log_three : log_ten)(log, done, due);
        done = due;
        sleep_until(began + ms * 1000000);
    }
    printf("{\"written\": %" PRIu64 ", \"seconds\": %.6f}\n", done, (double)(now_ns() - began) / 1e9);
    fapilog_close(log);
    return 0;
}
