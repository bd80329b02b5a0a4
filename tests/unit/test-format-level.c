#include "collector/format/level.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_text(struct fapilog_text got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}

static void a_level_carries_the_name_whose_range_holds_it(void **state)
{
    (void)state;
    static const struct { uint8_t first, last; const char *name, *severity; uint8_t number; } ranges[] = {
        {0, 0, "TRACE", "TRACE", 1},        {1, 4, "TRACE", "TRACE", 0},  {5, 8, "DEBUG", "DEBUG", 0},
        {9, 12, "INFO", "INFO", 0},         {13, 16, "WARNING", "WARN", 0}, {17, 20, "ERROR", "ERROR", 0},
        {21, 24, "CRITICAL", "FATAL", 0},   {25, 27, "AUDIT", "INFO", 12}, {28, 31, "SECURITY", "ERROR", 20}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        for (unsigned level = ranges[i].first; level <= ranges[i].last; level++) {
            assert_text(level_name((uint8_t)level), ranges[i].name);
            assert_text(level_severity_text((uint8_t)level), ranges[i].severity);
            assert_int_equal(level_severity_number((uint8_t)level), ranges[i].number ? ranges[i].number : level);
            assert_int_equal(level_is_extra((uint8_t)level), level >= FAPILOG_LEVEL_AUDIT);
            assert_in_range(level_name((uint8_t)level).len, 1, LEVEL_NAME_MAX);
            assert_in_range(level_name_index((uint8_t)level), 0, LEVEL_NAMES - 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_carries_the_name_whose_range_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
