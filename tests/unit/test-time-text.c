#include "lib/base/time_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void check(struct time_text *t, int64_t ns, unsigned digits)
{
    char got[TIME_TEXT_MAX + 1], want[64];
    const int64_t seconds = ns / 1000000000 - (ns % 1000000000 < 0);
    const time_t s = (time_t)seconds;
    const int64_t fraction = ns % 1000000000 + (ns % 1000000000 < 0 ? 1000000000 : 0);
    struct tm tm;
    assert_non_null(gmtime_r(&s, &tm));
    int n = (int)strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm);
    char nine[16];
    snprintf(nine, sizeof nine, "%09lld", (long long)fraction);
    if (digits > 0)
        n += snprintf(want + n, sizeof want - (size_t)n, ".%.*s", (int)digits, nine);
    snprintf(want + n, sizeof want - (size_t)n, "Z");
    char *const end = time_text_write(t, ns, digits, got);
    assert_true(end - got <= TIME_TEXT_MAX);
    *end = '\0';
    assert_string_equal(got, want);
}

static void times_match_the_calendar_of_the_c_library(void **state)
{
    (void)state;
    struct time_text t = {0};
    static const int64_t edges[] = {0, -1, 1, 999999999, 59999999999, 60000000000, -60000000000,
        INT64_MAX, INT64_C(-9223372036854775000), 951782399999999999 /* 2000-02-28T23:59:59 */,
        951868800000000000, 4107542400000000000 /* 2100-03-01 */, 1795250224123456789};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        for (unsigned digits = 0; digits <= 9; digits += 3)
            check(&t, edges[i], digits);
    }
    uint64_t seed = 6;
    for (int i = 0; i < 100000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        check(&t, (int64_t)(seed ^ seed >> 29), 9);
    }
}

static void the_kept_minute_is_left_in_both_directions(void **state)
{
    (void)state;
    struct time_text t = {0};
    const int64_t minute = INT64_C(1795250220000000000);
    check(&t, minute, 3);
    check(&t, minute - 1, 3);
    check(&t, minute + 59999999999, 6);
    check(&t, minute + 60000000000, 9);
    check(&t, minute, 0);
}

static void the_kept_millisecond_is_left_in_both_directions(void **state)
{
    (void)state;
    static const int64_t starts[] = {1795250224123000000, 0, -1000000, -1795250224123000000, 1795250219999000000};
    static const int64_t steps[] = {0, 999999, 0, -1, 500000, 1000000, 999999, 1, 60000000000, 1000000000};
    static const int64_t ends[] = {INT64_MIN, INT64_MAX, INT64_MIN + 224192, INT64_MAX - 100000, INT64_MIN + 224193};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct time_text t = {0};
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
            check(&t, starts[i] + steps[k], 3);
    }
    struct time_text t = {0};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char got[TIME_TEXT_MAX + 1], want[TIME_TEXT_MAX + 1];
        struct time_text fresh = {0};
        *time_text_write(&t, ends[i], 3, got) = '\0';
        *time_text_write(&fresh, ends[i], 3, want) = '\0';
        assert_string_equal(got, want);
    }
    for (int64_t ns = 1795250224123000000; ns < 1795250224123000000 + 3000000; ns += 333333)
        for (unsigned digits = 0; digits <= 9; digits += 3)
            check(&t, ns, digits);
}

static void the_earliest_time_wraps_nothing(void **state)
{
    (void)state;
    struct time_text t = {0};
    check(&t, INT64_MIN, 9);
    check(&t, INT64_MIN + 1, 9);
    check(&t, INT64_MIN, 9);
}

static void local_time_names_its_offset(void **state)
{
    (void)state;
    char got[TIME_TEXT_MAX + 1];
    assert_int_equal(setenv("TZ", "XYZ-5:30", 1), 0);
    tzset();
    struct time_text t = {.local = true, .separator = ' '};
    *time_text_write(&t, INT64_C(1795250224123456789), 6, got) = '\0';
    assert_string_equal(got, "2026-11-21 14:07:04.123456+05:30");
    assert_int_equal(setenv("TZ", "XYZ3", 1), 0);
    tzset();
    t = (struct time_text){.local = true};
    *time_text_write(&t, INT64_C(1795250224123456789), 0, got) = '\0';
    assert_string_equal(got, "2026-11-21T05:37:04-03:00");
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

static void durations_are_short_and_exact(void **state)
{
    (void)state;
    static const struct { int64_t ns; const char *text; } cases[] = {
        {0, "0ns"}, {7, "7ns"}, {-7, "-7ns"}, {999, "999ns"}, {1000, "1us"}, {1500, "1.5us"},
        {1500000, "1.5ms"}, {999999999, "999.999999ms"}, {1000000000, "1s"}, {1000000001, "1.000000001s"},
        {123500000000, "2m3.5s"}, {3600000000000, "1h0m0s"}, {-90000000000, "-1m30s"},
        {INT64_MIN, "-2562047h47m16.854775808s"}, {INT64_MAX, "2562047h47m16.854775807s"}};
    char got[TIME_TEXT_MAX + 1];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *const end = time_text_duration(cases[i].ns, got);
        assert_true(end - got <= TIME_TEXT_MAX);
        *end = '\0';
        assert_string_equal(got, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_match_the_calendar_of_the_c_library),
        cmocka_unit_test(the_kept_minute_is_left_in_both_directions),
        cmocka_unit_test(the_kept_millisecond_is_left_in_both_directions),
        cmocka_unit_test(the_earliest_time_wraps_nothing),
        cmocka_unit_test(local_time_names_its_offset),
        cmocka_unit_test(durations_are_short_and_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
