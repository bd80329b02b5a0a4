#include "lib/base/num.h"

#include "lib/base/check.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RANDOM_COUNT = 100000 };

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void check_u64(uint64_t v)
{
    char got[NUM_INT_MAX + 1], want[32];
    *num_u64(got, v) = '\0';
    snprintf(want, sizeof want, "%" PRIu64, v);
    assert_string_equal(got, want);
}

static void check_i64(int64_t v)
{
    char got[NUM_INT_MAX + 2], want[32];
    *num_i64(got, v) = '\0';
    snprintf(want, sizeof want, "%" PRId64, v);
    assert_string_equal(got, want);
}

static void integers_are_exact_at_every_edge(void **state)
{
    (void)state;
    for (unsigned digits = 0; digits < 20; digits++) {
        check_u64(num_pow10[digits]);
        check_u64(num_pow10[digits] - 1);
        check_u64(num_pow10[digits] + 1);
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        check_u64(UINT64_C(1) << bit);
        check_u64((UINT64_C(1) << bit) - 1);
        check_i64((int64_t)(UINT64_C(1) << bit));
        check_i64(-(int64_t)((UINT64_C(1) << bit) - 1));
    }
    check_u64(UINT64_MAX);
    check_i64(INT64_MIN);
    check_i64(INT64_MAX);
    uint64_t seed = 1;
    for (int i = 0; i < RANDOM_COUNT; i++) {
        const uint64_t v = next_random(&seed) >> (i & 63);
        check_u64(v);
        check_i64((int64_t)v);
    }
}

static void hexadecimal_has_no_leading_zeros(void **state)
{
    (void)state;
    char got[NUM_HEX_MAX + 1], want[32];
    for (unsigned bit = 0; bit < 64; bit++) {
        const uint64_t v = UINT64_C(0xfedcba9876543210) >> bit;
        *num_hex(got, v) = '\0';
        snprintf(want, sizeof want, "%" PRIx64, v);
        assert_string_equal(got, want);
    }
    *num_hex(got, 0) = '\0';
    assert_string_equal(got, "0");
}

struct layout_case {
    double v;
    const char *ecma, *point;
};

static void doubles_are_laid_out_as_ecmascript_does(void **state)
{
    (void)state;
    static const struct layout_case cases[] = {
        {0.0, "0", "0.0"}, {-0.0, "0", "-0.0"}, {1.0, "1", "1.0"}, {-1.0, "-1", "-1.0"},
        {100.0, "100", "100.0"}, {0.5, "0.5", NULL}, {-9.25, "-9.25", NULL},
        {1234567.0, "1234567", "1234567.0"}, {1e6, "1000000", "1000000.0"},
        {1e15, "1000000000000000", "1000000000000000.0"}, {1e16, "10000000000000000", "10000000000000000.0"},
        {1e20, "100000000000000000000", "100000000000000000000.0"}, {1e21, "1e+21", NULL},
        {1.5e21, "1.5e+21", NULL}, {999999999999999900000.0, "999999999999999900000", "999999999999999900000.0"},
        {1e-4, "0.0001", NULL}, {1e-5, "0.00001", NULL}, {1e-6, "0.000001", NULL}, {1e-7, "1e-7", NULL},
        {1.25e-6, "0.00000125", NULL}, {1.25e-7, "1.25e-7", NULL}, {123.456, "123.456", NULL},
        {9007199254740991.0, "9007199254740991", "9007199254740991.0"},
        {9007199254740992.0, "9007199254740992", "9007199254740992.0"},
        {5e-324, "5e-324", NULL}, {2.2250738585072014e-308, "2.2250738585072014e-308", NULL},
        {1.7976931348623157e308, "1.7976931348623157e+308", NULL}, {1e23, "1e+23", NULL},
        {333333333.33333329, "333333333.3333333", NULL}, {4.50, "4.5", NULL}, {2e-3, "0.002", NULL},
        {0.1 + 0.2, "0.30000000000000004", NULL}, {9.5, "9.5", NULL},
        {NAN, "NaN", NULL}, {INFINITY, "Infinity", NULL}, {-INFINITY, "-Infinity", NULL},
    };
    char got[NUM_DOUBLE_MAX + 1];
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        *num_f64(got, cases[i].v, NUM_ECMA) = '\0';
        assert_string_equal(got, cases[i].ecma);
        *num_f64(got, cases[i].v, NUM_POINT) = '\0';
        assert_string_equal(got, cases[i].point ? cases[i].point : cases[i].ecma);
    }
}

/* Digits of the mantissa, without zeros at either end. */
static int count_digits(const char *text)
{
    char digits[64];
    int n = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (n > 0 || *text != '0'))
            digits[n++] = *text;
    }
    while (n > 0 && digits[n - 1] == '0')
        n--;
    return n;
}

static void check_double(double v)
{
    char got[NUM_DOUBLE_MAX + 1], shorter[64];
    char *const end = num_f64(got, v, NUM_ECMA);
    assert_true(end - got <= NUM_DOUBLE_MAX);
    *end = '\0';
    assert_true(strtod(got, NULL) == v);
    int needed = 1;
    for (; needed <= 17; needed++) {
        snprintf(shorter, sizeof shorter, "%.*e", needed - 1, v);
        if (strtod(shorter, NULL) == v)
            break;
    }
    const int used = count_digits(got);
    assert_true(used <= needed); /* %.*e rounds; a shorter decimal that is not the nearest may do */
    if (used == needed)          /* of equally short ones the nearest is wanted */
        assert_true(fabsl((long double)strtod(got, NULL) - v) <= fabsl((long double)strtod(shorter, NULL) - v));
}

static void random_doubles_read_back_and_are_shortest(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < RANDOM_COUNT; i++) {
        const uint64_t bits = next_random(&seed);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            check_double(v);
    }
}

static void decimals_of_programs_read_back_and_are_shortest(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < RANDOM_COUNT; i++) {
        const uint64_t n = next_random(&seed) >> (20 + i % 44);
        check_double((double)n / (double)num_pow10[i % 9]);
    }
    for (int e = -1074; e < 1024; e++) { /* where the gap below is narrower */
        check_double(ldexp(1.0, e));
        check_double(nextafter(ldexp(1.0, e), 0.0));
        check_double(nextafter(ldexp(1.0, e), INFINITY));
    }
}

static void floats_read_back_and_are_shortest(void **state)
{
    (void)state;
    uint64_t seed = 4;
    char got[NUM_DOUBLE_MAX + 1], shorter[64];
    for (int i = 0; i < RANDOM_COUNT; i++) {
        const uint32_t bits = (uint32_t)next_random(&seed);
        float v;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v))
            continue;
        *num_f32(got, v, NUM_ECMA) = '\0';
        assert_true(strtof(got, NULL) == v);
        int needed = 1;
        for (; needed <= 9; needed++) {
            snprintf(shorter, sizeof shorter, "%.*e", needed - 1, (double)v);
            if (strtof(shorter, NULL) == v)
                break;
        }
        assert_true(count_digits(got) <= needed);
    }
    *num_f32(got, 0.1f, NUM_POINT) = '\0';
    assert_string_equal(got, "0.1");
    *num_f32(got, 16777216.0f, NUM_POINT) = '\0';
    assert_string_equal(got, "16777216.0");
    *num_f32(got, 3.4028235e38f, NUM_ECMA) = '\0';
    assert_string_equal(got, "3.4028235e+38");
    *num_f32(got, 1e-45f, NUM_ECMA) = '\0';
    assert_string_equal(got, "1e-45");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_exact_at_every_edge),
        cmocka_unit_test(hexadecimal_has_no_leading_zeros),
        cmocka_unit_test(doubles_are_laid_out_as_ecmascript_does),
        cmocka_unit_test(random_doubles_read_back_and_are_shortest),
        cmocka_unit_test(decimals_of_programs_read_back_and_are_shortest),
        cmocka_unit_test(floats_read_back_and_are_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
