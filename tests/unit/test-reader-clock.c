#include "lib/base/check.h"
#include "lib/reader/clock.h"

#include <fapilog/abi.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static const int64_t t0 = INT64_C(1790000000123456789);
static struct clock_map m;

static int done(void **state)
{
    (void)state;
    clock_map_done(&m);
    return 0;
}

static void init(uint32_t kind, uint64_t hz)
{
    assert_int_equal(clock_map_init(&m, kind, hz, 64), 0);
}

static int64_t absolute(int64_t n)
{
    return n < 0 ? -n : n;
}

static void nanoseconds_of_the_monotonic_clock_are_exact_to_the_last_digit(void **state)
{
    (void)state;
    init(FAPILOG_CLOCK_MONOTONIC, 0);
    clock_map_add(&m, 5000, t0);
    for (uint64_t ns = 0; ns < UINT64_C(4000000000000); ns = ns * 3 + 1)
        assert_int_equal(clock_map_ns(&m, 5000 + ns), t0 + (int64_t)ns);
    assert_int_equal(clock_map_ns(&m, 4999), t0 - 1);
    assert_int_equal(clock_map_ns(&m, 0), t0 - 5000);
}

static void between_anchors_times_are_interpolated_to_the_nanosecond(void **state)
{
    (void)state;
    const uint64_t hz = 3629999871; /* truly; the superblock's estimate is 40 ppm off */
    init(FAPILOG_CLOCK_TSC, 3630145070);
    for (uint64_t s = 0; s <= 10; s++)
        clock_map_add(&m, 1000 + s * hz, t0 + (int64_t)s * 1000000000);
    for (uint64_t i = 0; i < 10 * hz; i += 7919777) {
        const int64_t want = t0 + (int64_t)((double)i * 1e9 / (double)hz);
        assert_true(absolute(clock_map_ns(&m, 1000 + i) - want) <= 1);
    }
}

static void time_does_not_step_at_an_anchor(void **state)
{
    (void)state;
    init(FAPILOG_CLOCK_TSC, 1000000000);
    for (uint64_t i = 0; i < 40; i++) /* +-20 ns of noise, as real samples have */
        clock_map_add(&m, i * 100000000, t0 + (int64_t)(i * 100000000) + (int64_t)(i * 7919 % 41) - 20);
    int64_t last = clock_map_ns(&m, 0);
    for (uint64_t c = 1000; c < UINT64_C(4000000000); c += 99991) {
        const int64_t now = clock_map_ns(&m, c);
        assert_true(now > last);
        assert_true(absolute(now - (t0 + (int64_t)c)) <= 41);
        last = now;
    }
}

static void the_order_of_lookups_does_not_matter(void **state)
{
    (void)state;
    init(FAPILOG_CLOCK_TSC, 1000000000);
    for (uint64_t i = 0; i < 20; i++)
        clock_map_add(&m, i * 1000000000, t0 + (int64_t)(i * 1000000000));
    for (uint64_t i = 0; i < 2000; i++) {
        const uint64_t c = i * UINT64_C(0x9e3779b97f4a7c15) % UINT64_C(25000000000);
        assert_int_equal(clock_map_ns(&m, c), t0 + (int64_t)c);
    }
}

static void late_anchors_find_their_place(void **state)
{
    (void)state;
    init(FAPILOG_CLOCK_TSC, 1000000000);
    clock_map_add(&m, UINT64_C(1000000000), t0 + 1000000000);
    clock_map_add(&m, UINT64_C(3000000000), t0 + 3000100000); /* 50 ppm faster from 1 s to 3 s */
    clock_map_add(&m, UINT64_C(2000000000), t0 + 2000050000);
    clock_map_add(&m, 0, t0);
    assert_int_equal(m.count, 4);
    assert_true(absolute(clock_map_ns(&m, 2500000000u) - (t0 + 2500075000)) <= 1);
    assert_int_equal(clock_map_ns(&m, 500000000u), t0 + 500000000);
}

static void a_step_of_the_wall_clock_starts_a_new_epoch(void **state)
{
    (void)state;
    static const int64_t steps[] = {-3600, -1, 1, 3600};
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        init(FAPILOG_CLOCK_TSC, 1000000000);
        const int64_t step = steps[i] * 1000000000;
        for (uint64_t s = 0; s < 5; s++)
            clock_map_add(&m, s * 1000000000, t0 + (int64_t)s * 1000000000);
        for (uint64_t s = 5; s < 10; s++)
            clock_map_add(&m, s * 1000000000, t0 + (int64_t)s * 1000000000 + step);
        assert_int_equal(clock_map_ns(&m, 3500000000u), t0 + 3500000000);
        assert_int_equal(clock_map_ns(&m, 4900000000u),
                         t0 + 4900000000); /* before the step, as far as known */
        assert_int_equal(clock_map_ns(&m, 5100000000u), t0 + 5100000000 + step);
        assert_int_equal(clock_map_ns(&m, 12000000000u), t0 + 12000000000 + step);
        assert_int_equal(m.steps, 1);
        done(NULL);
    }
}

static void a_lasting_slew_is_followed(void **state)
{
    (void)state;
    init(FAPILOG_CLOCK_TSC, 1000000000);
    for (uint64_t s = 0; s < 3; s++)
        clock_map_add(&m, s * 1000000000, t0 + (int64_t)s * 1000000000);
    for (uint64_t s = 3; s < 10; s++) /* adjtime() at 500 ppm */
        clock_map_add(&m, s * 1000000000, t0 + (int64_t)s * 1000000000 + (int64_t)(s - 2) * 500000);
    assert_true(absolute(clock_map_ns(&m, 7500000000u) - (t0 + 7500000000 + 2750000)) <= 1);
}

static void a_missing_or_wrong_frequency_is_found_out(void **state)
{
    (void)state;
    static const uint64_t hz[] = {0, 1, 999999, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_COUNT(hz); i++) {
        init(FAPILOG_CLOCK_CNTVCT, hz[i]);
        assert_int_equal(clock_map_ns(&m, 77), 77);
        for (uint64_t s = 0; s < 3; s++)
            clock_map_add(&m, s * 24000000, t0 + (int64_t)s * 1000000000);
        assert_true(absolute(clock_map_ns(&m, 36000000) - (t0 + 1500000000)) <= 1);
        done(NULL);
    }
}

static void unusable_anchors_change_nothing(void **state)
{
    (void)state;
    init(FAPILOG_CLOCK_TSC, 1000000000);
    clock_map_add(&m, 1000, t0);
    clock_map_add(&m, 2000000000, 0);  /* never filled in */
    clock_map_add(&m, 3000000000, -5);
    clock_map_add(&m, 1001, t0 + 900); /* too near to give a slope */
    clock_map_add(&m, 1000, t0 + 5);
    assert_int_equal(m.count, 1);
}

static void any_anchors_and_counters_are_survived(void **state)
{
    (void)state;
    init(FAPILOG_CLOCK_TSC, 3000000000);
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        clock_map_add(&m, x * 3, (int64_t)(x * 5));
        (void)clock_map_ns(&m, x);
        (void)clock_map_ns(&m, i % 2 ? UINT64_MAX : 0);
        assert_true(m.count <= 64);
        for (uint32_t k = 1; k < m.count; k++)
            assert_true(m.anchors[k - 1].cycles < m.anchors[k].cycles);
    }
}

static void the_oldest_anchors_go_first(void **state)
{
    (void)state;
    init(FAPILOG_CLOCK_TSC, 1000000000);
    for (uint64_t s = 0; s < 1000; s++) {
        clock_map_add(&m, s * 1000000000, t0 + (int64_t)(s * 1000000000));
        assert_int_equal(clock_map_ns(&m, s * 1000000000 + 17), t0 + (int64_t)(s * 1000000000 + 17));
    }
    assert_true(m.count <= 64);
}

/* A tool has one of these for each process in each file. */
static void memory_is_taken_for_the_anchors_that_there_are(void **state)
{
    enum { MANY = 4096 };
    (void)state;
    assert_int_equal(clock_map_init(&m, FAPILOG_CLOCK_TSC, 1000000000, MANY), 0);
    for (uint32_t s = 0; s < MANY; s++) {
        clock_map_add(&m, s * UINT64_C(1000000000), t0 + (int64_t)s * 1000000000);
        assert_int_equal(m.count, s + 1);
        assert_true(m.cap <= 64 || m.cap < 2 * m.count);
    }
    for (uint64_t s = 0; s < MANY; s++)
        assert_int_equal(clock_map_ns(&m, s * 1000000000 + 17), t0 + (int64_t)(s * 1000000000 + 17));
}

static int64_t real_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The median of many: a sample may be interrupted on a busy machine. */
static void samples_agree_with_the_wall_clock(uint32_t kind)
{
    enum { SAMPLES = 101 };
    int64_t differences[SAMPLES];
    uint64_t cycles;
    int64_t real;
    init(kind, kind == FAPILOG_CLOCK_MONOTONIC ? 1000000000 : 0);
    assert_int_equal(clock_sample(kind, &cycles, &real), 0);
    clock_map_add(&m, cycles, real);
    const int64_t start = real_now();
    while (real_now() - start < 60000000)
        ;
    assert_int_equal(clock_sample(kind, &cycles, &real), 0);
    clock_map_add(&m, cycles, real);
    assert_int_equal(m.count, 2);
    for (int i = 0; i < SAMPLES; i++) {
        assert_int_equal(clock_sample(kind, &cycles, &real), 0);
        differences[i] = absolute(clock_map_ns(&m, cycles) - real);
    }
    for (int i = 0; i < SAMPLES; i++) /* the median by insertion */
        for (int k = i; k > 0 && differences[k] < differences[k - 1]; k--) {
            const int64_t d = differences[k];
            differences[k] = differences[k - 1];
            differences[k - 1] = d;
        }
    assert_true(differences[SAMPLES / 2] < 1000);
    done(NULL);
}

static void conversions_agree_with_clock_gettime(void **state)
{
    (void)state;
    samples_agree_with_the_wall_clock(FAPILOG_CLOCK_MONOTONIC);
#if defined(__x86_64__)
    samples_agree_with_the_wall_clock(FAPILOG_CLOCK_TSC);
#elif defined(__aarch64__)
    samples_agree_with_the_wall_clock(FAPILOG_CLOCK_CNTVCT);
#endif
}

static void unknown_clocks_are_refused(void **state)
{
    (void)state;
    uint64_t cycles;
    int64_t real;
    assert_int_equal(clock_map_init(&m, 0, 1, 64), -EINVAL);
    assert_int_equal(clock_map_init(&m, 4, 1, 64), -EINVAL);
    assert_int_equal(clock_sample(9, &cycles, &real), -ENOTSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_teardown(name, done)
        T(nanoseconds_of_the_monotonic_clock_are_exact_to_the_last_digit),
        T(between_anchors_times_are_interpolated_to_the_nanosecond), T(time_does_not_step_at_an_anchor),
        T(the_order_of_lookups_does_not_matter), T(late_anchors_find_their_place),
        T(a_step_of_the_wall_clock_starts_a_new_epoch), T(a_lasting_slew_is_followed),
        T(a_missing_or_wrong_frequency_is_found_out), T(unusable_anchors_change_nothing),
        T(any_anchors_and_counters_are_survived), T(the_oldest_anchors_go_first),
        T(memory_is_taken_for_the_anchors_that_there_are),
        T(conversions_agree_with_clock_gettime), T(unknown_clocks_are_refused),
    };
    return cmocka_run_group_tests_name("reader-clock", tests, NULL, NULL);
}
