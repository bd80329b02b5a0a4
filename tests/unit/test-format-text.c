/* Text for people's eyes, against a reference that goes byte by byte. */
#include "collector/format/text.h"
#include "lib/base/check.h"
#include "lib/base/json_escape.h"
#include "lib/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 200, OUT_MAX = TEXT_MAX * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK };

static size_t reference(const char *text, size_t len, char quote, char *out)
{
    char *const begin = out;
    for (size_t i = 0; i < len;) {
        const uint8_t c = (uint8_t)text[i];
        const int n = c < 0x80 ? 1 : utf8_sequence((const uint8_t *)text + i, len - i);
        if (n < 0)
            out += snprintf(out, 16, "%s", UTF8_REPLACEMENT);
        else if (c == '\n' || c == '\r' || c == '\t')
            out += snprintf(out, 16, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < ' ' || c == 0x7f)
            out += snprintf(out, 16, "\\x%02x", c);
        else if (n == 2 && c == 0xc2 && (uint8_t)text[i + 1] < 0xa0)
            out += snprintf(out, 16, "\\u00%02x", (uint8_t)text[i + 1]);
        else if (quote && (text[i] == quote || text[i] == '\\'))
            out += snprintf(out, 16, "\\%c", text[i]);
        else
            out += snprintf(out, 16, "%.*s", n, text + i);
        i += (size_t)abs(n);
    }
    return (size_t)(out - begin);
}

/* From a buffer of exactly its size, so that a sanitizer sees what is read or written beyond. */
static void compare(const char *given, size_t len)
{
    char expected[OUT_MAX];
    char *text = malloc(len ? len : 1), *out = malloc(len * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK + 2);
    CHECK(text && out);
    memcpy(text, given, len);
    unsigned flags = 0;
    size_t n = reference(text, len, '\0', expected);
    assert_int_equal(text_clean(text, len, out, &flags) - out, n);
    assert_memory_equal(out, expected, n);
    assert_int_equal(flags, utf8_valid(text, len) ? 0 : TEXT_INVALID_UTF8);
    n = reference(text, len, '"', expected);
    assert_int_equal(text_quoted(text, len, '"', out, &flags) - out, n + 2);
    assert_memory_equal(out + 1, expected, n);
    assert_true(out[0] == '"' && out[n + 1] == '"');
    free(text);
    free(out);
}

static void anything_at_any_place_comes_out_as_the_reference_has_it(void **state)
{
    (void)state;
    static const char *const odd[] = { "\n", "\x1b", "\x7f", "\"", "\\", "]", "\xc2\x85", "\xc3\xa9", "\xe2\x82\xac",
                                       "\xf0\x9f\x8d\x95", "\xff", "\xe2\x82", "\xf0\x9f", "\x80" };
    char text[TEXT_MAX];
    for (size_t len = 0; len <= 150; len++) {
        memset(text, 'a', len);
        compare(text, len);
    }
    for (size_t i = 0; i < ARRAY_COUNT(odd); i++)
        for (size_t at = 0; at < 140; at++) {
            memset(text, 'a', sizeof text);
            memcpy(text + at, odd[i], strlen(odd[i]));
            compare(text, at + strlen(odd[i])); /* at the end ... */
            compare(text, 150);                 /* ... and with more behind it */
        }
}

static void noise_comes_out_as_the_reference_has_it(void **state)
{
    (void)state;
    char text[TEXT_MAX];
    uint64_t x = 88172645463325252u;
    for (unsigned round = 0; round < 20000; round++) {
        const size_t len = round % TEXT_MAX;
        for (size_t i = 0; i < len; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            text[i] = (char)(round % 3 == 0 ? x : round % 3 == 1 ? 0x20 + x % 0x60 : (x & 1 ? x >> 8 : 'b'));
        }
        compare(text, len);
    }
}

static void plain_text_ends_in_front_of_what_is_not(void **state)
{
    (void)state;
    char text[TEXT_MAX], out[TEXT_MAX];
    for (unsigned c = 0; c < 256; c++)
        for (size_t at = 0; at < 40; at++) {
            memset(text, 'a', sizeof text);
            text[at] = (char)c;
            const bool is_plain = c >= ' ' && c < 0x7f && !strchr("=]x", (int)c);
            assert_int_equal(text_plain(text, 50, "=]x", out), is_plain ? 50 : at);
            assert_memory_equal(out, text, is_plain ? 50 : at);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anything_at_any_place_comes_out_as_the_reference_has_it),
        cmocka_unit_test(noise_comes_out_as_the_reference_has_it),
        cmocka_unit_test(plain_text_ends_in_front_of_what_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
