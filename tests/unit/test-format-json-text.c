#include "collector/format/json_text.h"

#include "collector/format/values.h"
#include "lib/base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *written(const char *text, size_t len, enum value_style style, unsigned *ret_flags)
{
    const size_t bound = json_text_bound(len);
    char *const exact = malloc(len ? len : 1), *const out = malloc(bound + 1);
    assert_non_null(exact);
    assert_non_null(out);
    memcpy(exact, text, len);
    *ret_flags = 0;
    char *const end = json_text_write(exact, len, style, out, ret_flags);
    assert_true((size_t)(end - out) <= bound);
    *end = '\0';
    free(exact);
    return out;
}

struct json_case {
    const char *text, *sorted, *canonical; /* canonical NULL: the same */
};

static void valid_text_is_compacted_sorted_and_canonical(void **state)
{
    (void)state;
    static const struct json_case cases[] = {
        {"{}", "{}", NULL}, {"[]", "[]", NULL}, {" null ", "null", NULL},
        {"\t[ true , false ]\n", "[true,false]", NULL},
        {"{ \"b\" : 1 , \"a\" : 2 }", "{\"a\":2,\"b\":1}", NULL},
        {"{\"a\":1,\"a\":2,\"b\":3,\"a\":4}", "{\"a\":4,\"b\":3}", NULL},
        {"{\"z\":{\"y\":1,\"x\":[{\"d\":1,\"c\":2}]},\"b\":3}",
         "{\"b\":3,\"z\":{\"x\":[{\"c\":2,\"d\":1}],\"y\":1}}", NULL},
        {"\"\\u0041\\/\\u00e9\\ud83d\\ude00\\u000a\\u001f\\u0022\\\\\"",
         "\"A/\xc3\xa9\xf0\x9f\x98\x80\\n\\u001f\\\"\\\\\"", NULL},
        {"1.0", "1.0", "1"}, {"-0", "-0", "0"}, {"-0.0", "-0.0", "0"}, {"1e2", "1e2", "100"}, {"1E-7", "1E-7", "1e-7"},
        {"1e21", "1e21", "1e+21"}, {"0.1", "0.1", NULL}, {"9223372036854775807", "9223372036854775807", NULL},
        {"-9223372036854775808", "-9223372036854775808", NULL}, {"123456789012345678901", "123456789012345678901",
         "123456789012345680000"},
        {"18446744073709551615", "18446744073709551615", NULL}, {"9999999999999999999", "9999999999999999999", NULL},
        {"18446744073709551616", "18446744073709551616", "18446744073709552000"},
        {"-9223372036854775809", "-9223372036854775809", "-9223372036854776000"},
        /* U+20000 comes before U+E000 as UTF-16, behind it as bytes */
        {"{\"\xee\x80\x80\":1,\"\xf0\xa0\x80\x80\":2}", "{\"\xee\x80\x80\":1,\"\xf0\xa0\x80\x80\":2}",
         "{\"\xf0\xa0\x80\x80\":2,\"\xee\x80\x80\":1}"},
        /* escapes count as what they stand for */
        {"{\"\\\\\":1,\"\\\"\":2,\"\\n\":3,\"a\":4,\"Z\":5,\"\\u0001\":6}",
         "{\"\\u0001\":6,\"\\n\":3,\"\\\"\":2,\"Z\":5,\"\\\\\":1,\"a\":4}", NULL},
        {"{\"a\":1,\"\\u0061\":2}", "{\"a\":2}", NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        unsigned flags;
        char *got = written(cases[i].text, strlen(cases[i].text), VALUE_SORTED, &flags);
        assert_string_equal(got, cases[i].sorted);
        assert_int_equal(flags, 0);
        free(got);
        got = written(cases[i].text, strlen(cases[i].text), VALUE_RFC8785, &flags);
        assert_string_equal(got, cases[i].canonical ? cases[i].canonical : cases[i].sorted);
        assert_int_equal(flags, 0);
        free(got);
    }
}

static void invalid_text_becomes_a_flagged_string(void **state)
{
    (void)state;
    static const char *const texts[] = {"", " ", "{", "}", "[", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "{1:2}", "{'a':1}", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x10", "NaN", "Infinity", "tru",
        "nulll", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\\u12\"", "\"\n\"", "1 2", "[1]]",
        "// c", "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        unsigned flags;
        char *const got = written(texts[i], strlen(texts[i]), VALUE_SORTED, &flags);
        assert_int_equal(got[0], '"');
        assert_int_equal(got[strlen(got) - 1], '"');
        assert_true(flags & TEXT_INVALID_JSON);
        free(got);
    }
    unsigned flags;
    char *const got = written("[1\0]", 4, VALUE_SORTED, &flags);
    assert_string_equal(got, "\"[1\\u0000]\"");
    free(got);
}

static void what_no_double_holds_is_text_in_canonical_json(void **state)
{
    (void)state;
    unsigned flags;
    char *got = written("{\"a\":1e999}", 11, VALUE_RFC8785, &flags);
    assert_string_equal(got, "\"{\\\"a\\\":1e999}\"");
    assert_int_equal(flags, TEXT_INVALID_JSON);
    free(got);
    got = written("{\"a\":1e999}", 11, VALUE_SORTED, &flags);
    assert_string_equal(got, "{\"a\":1e999}");
    assert_int_equal(flags, 0);
    free(got);
}

static void broken_utf8_is_repaired_inside_strings(void **state)
{
    (void)state;
    unsigned flags;
    char *got = written("[\"a\xff\xe2\x82\",1]", 10, VALUE_SORTED, &flags);
    assert_string_equal(got, "[\"a\xef\xbf\xbd\xef\xbf\xbd\",1]");
    assert_int_equal(flags, TEXT_INVALID_UTF8);
    free(got);
    got = written("\"\\udc00\\ud800\\u0041\"", 20, VALUE_SORTED, &flags);
    assert_string_equal(got, "\"\xef\xbf\xbd\xef\xbf\xbd" "A\"");
    assert_int_equal(flags, TEXT_INVALID_UTF8);
    free(got);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * (JSON_TEXT_DEPTH_MAX + 1)];
    for (size_t levels = JSON_TEXT_DEPTH_MAX; levels <= JSON_TEXT_DEPTH_MAX + 1; levels++) {
        unsigned flags;
        memset(text, '[', levels);
        memset(text + levels, ']', levels);
        char *const got = written(text, 2 * levels, VALUE_SORTED, &flags);
        assert_int_equal(flags, levels == JSON_TEXT_DEPTH_MAX ? 0 : TEXT_INVALID_JSON);
        free(got);
    }
}

static void large_objects_are_sorted_too(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    char *const text = malloc(COUNT * 20);
    assert_non_null(text);
    char *p = text;
    *p++ = '{';
    for (int i = 0; i < COUNT; i++)
        p += snprintf(p, 20, "%s\"k%04d\":%d", i ? "," : "", i * 7919 % COUNT, i % 10);
    *p++ = '}';
    unsigned flags;
    char *const got = written(text, (size_t)(p - text), VALUE_SORTED, &flags);
    assert_int_equal(flags, 0);
    assert_int_equal(strlen(got), p - text);
    const char *q = got;
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "\"k%04d\":", i);
        assert_memory_equal(q + 1, key, 8);
        q += 10;
    }
    free(got);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_text_is_compacted_sorted_and_canonical),
        cmocka_unit_test(invalid_text_becomes_a_flagged_string),
        cmocka_unit_test(what_no_double_holds_is_text_in_canonical_json),
        cmocka_unit_test(broken_utf8_is_repaired_inside_strings),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(large_objects_are_sorted_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
