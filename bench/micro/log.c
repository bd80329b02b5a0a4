/* The hot path by shape of the record and by policy, without a collector: in overwrite mode a lane goes
 * on for ever, in discard mode it fills and refuses. */
#include <stdio.h>
#include <stdlib.h>

#include <fapilog/fapilog.h>

#include "bench/harness/outputs.h"
#include "bench/harness/shape.h"
#include "bench/micro/micro.h"

/* Once around a lane of 256 KiB and more, so that its pages are there. */
enum { WARMUP = 20000 };

typedef void log_fn(fapilog_t *log, uint64_t i);

static inline __attribute__((always_inline))
void log_records(struct gb_state *s, uint32_t on_full, log_fn *fn)
{
    char dir[] = "/dev/shm/fapilog-micro-XXXXXX";
    if (!mkdtemp(dir)) {
        gb_skip(s, "cannot make a ring directory on /dev/shm");
        return;
    }
    const struct fapilog_options options = {
        .size = sizeof options, .ring_dir = dir, .on_full = on_full, .level = FAPILOG_LEVEL_INFO};
    fapilog_t *log = fapilog_open("micro", &options);
    uint64_t n = 0;
    while (n < WARMUP)
        fn(log, n++);
    micro_loop(s)
        fn(log, n++);
    gb_set_items(s, gb_iterations(s));
    fapilog_close(log);
    if (outputs_remove(dir, NULL) < 0)
        fprintf(stderr, "bench-micro: cannot remove %s\n", dir);
}

static inline void log_none(fapilog_t *log, uint64_t i)
{
    FAPILOG_INFO(log, BENCH_MARKER);
}

static inline void log_three(fapilog_t *log, uint64_t i)
{
    FAPILOG_INFO(log, BENCH_MARKER, FL("a", shape_int(i, 0)), FL("b", shape_int(i, 1)),
                 FL("c", shape_double(i, 0)));
}

static inline void log_text(fapilog_t *log, uint64_t i)
{
    const char *text = BENCH_TEXT_32;
    __asm__("" : "+r"(text)); /* its length is not known at compile time */
    FAPILOG_INFO(log, BENCH_MARKER, FL("s", text));
}

static inline void log_ten(fapilog_t *log, uint64_t i)
{
    FAPILOG_INFO(log, BENCH_MARKER, FL("a", shape_int(i, 0)), FL("b", shape_int(i, 1)),
                 FL("c", shape_int(i, 2)), FL("d", shape_int(i, 3)), FL("e", shape_u64(i, 0)), FL("f", shape_u64(i, 1)),
                 FL("g", shape_double(i, 0)), FL("h", shape_double(i, 1)), FL("i", BENCH_SYMBOL),
                 FL("j", BENCH_TEXT_32));
}

static inline void log_below_level(fapilog_t *log, uint64_t i)
{
    FAPILOG_DEBUG(log, BENCH_MARKER, FL("a", shape_int(i, 0)));
}

/* What calls of other languages and the functions of fapilog.hpp cost: the record describes itself. */
static inline void log_dynamic(fapilog_t *log, uint64_t i, const struct fapilog_location *at)
{
    const struct fapilog_field fields[] = {
        {.name = {"a", 1}, .type = FAPILOG_TYPE_I32, .v.i64 = shape_int(i, 0)},
        {.name = {"b", 1}, .type = FAPILOG_TYPE_I32, .v.i64 = shape_int(i, 1)},
        {.name = {"c", 1}, .type = FAPILOG_TYPE_F64, .v.f64 = shape_double(i, 0)}};
    fapilog_log_at(log, FAPILOG_LEVEL_INFO, BENCH_MARKER, sizeof BENCH_MARKER - 1, fields, 3, at);
}

static inline void log_dynamic_three(fapilog_t *log, uint64_t i)
{
    log_dynamic(log, i, NULL);
}

static inline void log_dynamic_at(fapilog_t *log, uint64_t i)
{
    static const struct fapilog_location here = {
        {__FILE__, sizeof __FILE__ - 1}, {"log_dynamic_at", sizeof "log_dynamic_at" - 1}, __LINE__, 0};
    log_dynamic(log, i, &here);
}

static void bench_none(struct gb_state *s)
{
    log_records(s, FAPILOG_ON_FULL_OVERWRITE, log_none);
}

static void bench_three(struct gb_state *s)
{
    log_records(s, FAPILOG_ON_FULL_OVERWRITE, log_three);
}

static void bench_text(struct gb_state *s)
{
    log_records(s, FAPILOG_ON_FULL_OVERWRITE, log_text);
}

static void bench_ten(struct gb_state *s)
{
    log_records(s, FAPILOG_ON_FULL_OVERWRITE, log_ten);
}

static void bench_dynamic_three(struct gb_state *s)
{
    log_records(s, FAPILOG_ON_FULL_OVERWRITE, log_dynamic_three);
}

static void bench_dynamic_at(struct gb_state *s)
{
    log_records(s, FAPILOG_ON_FULL_OVERWRITE, log_dynamic_at);
}

static void bench_refused(struct gb_state *s)
{
    log_records(s, FAPILOG_ON_FULL_DISCARD, log_three);
}

static void bench_below_level(struct gb_state *s)
{
    log_records(s, FAPILOG_ON_FULL_DISCARD, log_below_level);
}

void micro_log(void)
{
    gb_register("log/none_overwrite", bench_none);
    gb_register("log/three_overwrite", bench_three);
    gb_register("log/text_overwrite", bench_text);
    gb_register("log/ten_overwrite", bench_ten);
    gb_register("log/dynamic_three_overwrite", bench_dynamic_three);
    gb_register("log/dynamic_three_at_overwrite", bench_dynamic_at);
    gb_register("log/three_discard_full", bench_refused);
    gb_register("log/below_level", bench_below_level);
}
