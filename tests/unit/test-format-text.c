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

static void written_text_loses_what_a_terminal_obeys(void **state)
{
    (void)state;
    static const struct { const char *from, *to; bool with_bidi; } odd[] = {
        { "\x7f", "\\u007f", false }, { "\xc2\x80", "\\u0080", false }, { "\xc2\x9b", "\\u009b", true },
        { "\xc2\xa0", "\xc2\xa0", true }, { "\xe2\x80\xae", "\\u202e", true },
        { "\xe2\x80\xae", "\xe2\x80\xae", false }, { "\xe2\x80\xa8", "\\u2028", true },
        { "\xe2\x81\xa9", "\\u2069", true }, { "\xe2\x81\xaa", "\xe2\x81\xaa", true },
        { "\xe2\x80\xa7", "\xe2\x80\xa7", true }, { "\xe2\x82\xac", "\xe2\x82\xac", true },
        { "\x1b[0m", "\x1b[0m", true },
    };
    for (size_t i = 0; i < ARRAY_COUNT(odd); i++)
        for (unsigned at = 0; at < 40; at++)
            for (unsigned times = 1; times < 4; times++) {
                char text[TEXT_MAX], expected[TEXT_MAX];
                size_t len = at, n = at;
                memset(text, 'a', at);
                memset(expected, 'a', at);
                for (unsigned k = 0; k < times; k++) {
                    len += (size_t)snprintf(text + len, 16, "%sb", odd[i].from);
                    n += (size_t)snprintf(expected + n, 16, "%sb", odd[i].to);
                }
                assert_int_equal(text_visible_growth(text, text + len, odd[i].with_bidi), n - len);
                assert_ptr_equal(text_visible(text, text + len, odd[i].with_bidi), text + n);
                assert_memory_equal(text, expected, n);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anything_at_any_place_comes_out_as_the_reference_has_it),
        cmocka_unit_test(noise_comes_out_as_the_reference_has_it),
        cmocka_unit_test(plain_text_ends_in_front_of_what_is_not),
        cmocka_unit_test(written_text_loses_what_a_terminal_obeys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
