#include "collector/format/printf_text.h"
#include "collector/format/text.h"
#include "lib/base/check.h"
#include "lib/base/json_escape.h"
#include "tests/common/record_sample.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 65536 };

/* The message of `format` with the fields that the sample's call has. */
static const char *message(struct sample *s, const char *format)
{
    static char out[OUT_MAX];
    unsigned flags = 0;
    sample_set_site(s, format, true);
    const size_t bound = strlen(format) * JSON_ESCAPE_FACTOR + printf_text_bound(&s->r) + 4096;
    assert_true(bound < sizeof out);
    char *const end = printf_text_write(&s->r, text_clean, out, &flags);
    assert_true((size_t)(end - out) <= bound);
    *end = '\0';
    return out;
}

static struct fapilog_field argument(uint8_t type, uint64_t v)
{
    return (struct fapilog_field){.type = type, .v.u64 = v};
}

static const char *const flag_sets[] = {"", "-", "0", "+", " ", "#", "-0", "+0", "#0", "- #", "+-", "#+ 0"};
static const char *const sizes[] = {"", "1", "7", "20", ".0", ".1", ".5", ".", "9.3", "12.0"};

static void integers_print_as_the_c_library_prints_them(void **state)
{
    (void)state;
    static const int values[] = {0, 1, -1, 42, -42, INT_MAX, INT_MIN, 0777, 255};
    char format[32], want[128];
    for (size_t v = 0; v < ARRAY_COUNT(values); v++) {
        for (size_t i = 0; i < ARRAY_COUNT(flag_sets) * ARRAY_COUNT(sizes); i++) {
            for (const char *c = "diuoxX"; *c; c++) {
                struct sample *const s = sample_new(SAMPLE_EMPTY);
                sample_add(s, argument(FAPILOG_TYPE_I32, (uint64_t)(int64_t)values[v]));
                snprintf(format, sizeof format, "[%%%s%s%c]", flag_sets[i / ARRAY_COUNT(sizes)],
                         sizes[i % ARRAY_COUNT(sizes)], *c);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
                snprintf(want, sizeof want, format, values[v]);
#pragma GCC diagnostic pop
                assert_string_equal(message(s, format), want);
                sample_free(s);
            }
        }
    }
}

static void doubles_print_as_the_c_library_prints_them(void **state)
{
    (void)state;
    static const double values[] = {0.0, -0.0, 1.5, -1234.5678, 1e300, 5e-324, NAN, INFINITY, -INFINITY, 0.1};
    char format[32], want[1024];
    for (size_t v = 0; v < ARRAY_COUNT(values); v++) {
        for (size_t i = 0; i < ARRAY_COUNT(flag_sets) * ARRAY_COUNT(sizes); i++) {
            for (const char *c = "fFeEgGaA"; *c; c++) {
                struct sample *const s = sample_new(SAMPLE_EMPTY);
                struct fapilog_field f = sample_double("", values[v]);
                sample_add(s, f);
                snprintf(format, sizeof format, "[%%%s%s%c]", flag_sets[i / ARRAY_COUNT(sizes)],
                         sizes[i % ARRAY_COUNT(sizes)], *c);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
                snprintf(want, sizeof want, format, values[v]);
#pragma GCC diagnostic pop
                assert_string_equal(message(s, format), want);
                sample_free(s);
            }
        }
    }
}

static void length_modifiers_cut_as_c_does(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    sample_add(s, argument(FAPILOG_TYPE_I32, 300));
    sample_add(s, argument(FAPILOG_TYPE_I32, 70000));
    sample_add(s, argument(FAPILOG_TYPE_I64, (uint64_t)INT64_MIN));
    sample_add(s, argument(FAPILOG_TYPE_U64, UINT64_MAX));
    sample_add(s, argument(FAPILOG_TYPE_I32, (uint64_t)INT64_C(-1)));
    sample_add(s, argument(FAPILOG_TYPE_I8, (uint64_t)INT64_C(-1)));
    assert_string_equal(message(s, "%hhd %hd %lld %zu %x %u"),
                        "44 4464 -9223372036854775808 18446744073709551615 ffffffff 4294967295");
    sample_free(s);
}

static void strings_characters_and_pointers(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    sample_add(s, sample_string("", "hello"));
    sample_add(s, sample_string("", "hello"));
    sample_add(s, sample_string("", "hello"));
    sample_add(s, argument(FAPILOG_TYPE_I32, 'c'));
    sample_add(s, argument(FAPILOG_TYPE_CHAR, 'C'));
    sample_add(s, argument(FAPILOG_TYPE_POINTER, 0xabcd));
    sample_add(s, argument(FAPILOG_TYPE_NULL, 0));
    assert_string_equal(message(s, "%s|%8.3s|%-8s|%c%c %p %s 100%%"), "hello|     hel|hello   |cC 0xabcd (null) 100%");
    sample_free(s);
}

static void stars_take_arguments(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    sample_add(s, argument(FAPILOG_TYPE_I32, 6));
    sample_add(s, argument(FAPILOG_TYPE_I32, 7));
    sample_add(s, argument(FAPILOG_TYPE_I32, (uint64_t)INT64_C(-4)));
    sample_add(s, argument(FAPILOG_TYPE_I32, 2));
    sample_add(s, sample_double("", 3.14159));
    sample_add(s, argument(FAPILOG_TYPE_I32, (uint64_t)INT64_C(-1)));
    sample_add(s, sample_string("", "whole"));
    assert_string_equal(message(s, "%*d|%*.*f|%.*s|"), "     7|3.14|whole|");
    sample_free(s);
}

struct odd {
    const char *format, *want;
};

static void what_does_not_fit_is_shown_not_obeyed(void **state)
{
    (void)state;
    static const struct odd cases[] = {
        {"%n", "%n"}, {"%s", "42"}, {"%f", "42.000000"}, {"%", "%"}, {"a%", "a%"}, {"%5", "%5"}, {"%-", "%-"},
        {"%l", "%l"}, {"%y", "%y"}, {"%1$d", "%1$d"}, {"%d %d %s", "42 %d %s"}, {"%n %d", "%n %d"},
        {"%%%%", "%%"}, {"%m", "%m"},
        {"%*d", "%*d"}, {"%\n", "%\\n"}, {"", ""}, {"no conversion", "no conversion"}, {"%hhhhhhd", "42"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct sample *const s = sample_new(SAMPLE_EMPTY);
        sample_add(s, argument(FAPILOG_TYPE_I32, 42));
        assert_string_equal(message(s, cases[i].format), cases[i].want);
        sample_free(s);
    }
}

static void absurd_widths_are_cut(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    sample_add(s, argument(FAPILOG_TYPE_I64, 2000000000));
    sample_add(s, argument(FAPILOG_TYPE_I32, 1));
    assert_int_equal(strlen(message(s, "%*d")), 512);
    assert_int_equal(strlen(message(s, "%99999999999999999999d")), 512);
    assert_int_equal(strlen(message(s, "%.999999999d")), 512);
    sample_free(s);
}

static void arguments_keep_their_types_form_where_the_conversion_is_another(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    sample_add(s, sample_string("", "text"));
    sample_add(s, sample_double("", 2.5));
    sample_add(s, sample_bytes("", FAPILOG_TYPE_IPV4, "\x7f\0\0\1", 4));
    sample_add(s, argument(FAPILOG_TYPE_DURATION, 1500000));
    sample_add(s, argument(FAPILOG_TYPE_BOOL, 1));
    assert_string_equal(message(s, "%d %d %s %s %s"), "text 2.5 127.0.0.1 1.5ms true");
    sample_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_print_as_the_c_library_prints_them),
        cmocka_unit_test(doubles_print_as_the_c_library_prints_them),
        cmocka_unit_test(length_modifiers_cut_as_c_does),
        cmocka_unit_test(strings_characters_and_pointers),
        cmocka_unit_test(stars_take_arguments),
        cmocka_unit_test(what_does_not_fit_is_shown_not_obeyed),
        cmocka_unit_test(absurd_widths_are_cut),
        cmocka_unit_test(arguments_keep_their_types_form_where_the_conversion_is_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
