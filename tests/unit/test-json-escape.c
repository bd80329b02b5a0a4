#include "lib/base/json_escape.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 400, OUT_MAX = TEXT_MAX * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK };

struct escaped {
    char text[OUT_MAX];
    size_t len;
    unsigned flags;
};

/* One code point of strict UTF-8 at p, by the table of the Unicode Standard (3-7), written without any
 * of lib/base/utf8.h: length, or 0. */
static size_t reference_length(const unsigned char *p, size_t n)
{
    static const struct { unsigned char first, last, low, high, length; } rows[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (p[0] < rows[i].first || p[0] > rows[i].last)
            continue;
        if (n < rows[i].length || (rows[i].length > 1 && (p[1] < rows[i].low || p[1] > rows[i].high)))
            return 0;
        for (size_t k = 2; k < rows[i].length; k++) {
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        }
        return rows[i].length;
    }
    return 0;
}

/* How many bytes one U+FFFD replaces: as long as some continuation would make the part valid. */
static size_t reference_bad_length(const unsigned char *p, size_t n)
{
    size_t longest = 1;
    for (size_t len = 1; len <= 3 && len <= n; len++) {
        unsigned char whole[4];
        bool possible = false;
        memcpy(whole, p, len);
        for (size_t rest = 1; rest <= 4 - len && !possible; rest++) {
            for (unsigned c = 0x80; c <= 0xbf && !possible; c++) {
                memset(whole + len, 0x80, rest);
                whole[len] = (unsigned char)c;
                possible = reference_length(whole, len + rest) == len + rest;
            }
        }
        if (!possible)
            break;
        longest = len;
    }
    return longest;
}

static char *append(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    return out + len;
}

static void reference_escape(const char *src, size_t len, struct escaped *ret)
{
    static const char names[][3] = {"\bb", "\tt", "\nn", "\ff", "\rr", "\"\"", "\\\\"};
    char *out = ret->text;
    ret->flags = 0;
    for (size_t i = 0; i < len;) {
        const unsigned char *p = (const unsigned char *)src + i;
        const size_t n = reference_length(p, len - i);
        char escape[8] = "";
        if (n == 0) {
            out = append(out, "\xef\xbf\xbd", 3);
            ret->flags |= TEXT_INVALID_UTF8;
            i += reference_bad_length(p, len - i);
            continue;
        }
        if (*p < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", *p);
        for (size_t k = 0; k < ARRAY_COUNT(names); k++) {
            if ((char)*p == names[k][0])
                snprintf(escape, sizeof escape, "\\%c", names[k][1]);
        }
        out = *escape ? append(out, escape, strlen(escape)) : append(out, (const char *)p, n);
        i += n;
    }
    ret->len = (size_t)(out - ret->text);
}

static void check_one(json_escape_fn *fn, const char *src, size_t len, const struct escaped *want)
{
    static const char canary[] = "the bytes behind the bound belong to somebody else";
    /* At the very end of its allocation the source shows reads past it to ASan and valgrind. */
    char *const exact = malloc(len ? len : 1);
    char *const out = malloc(len * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK + sizeof canary);
    assert_non_null(exact);
    assert_non_null(out);
    memcpy(exact, src, len);
    char *const bound = out + len * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK;
    memcpy(bound, canary, sizeof canary);
    unsigned flags = 0;
    const char *const end = fn(exact, len, out, &flags);
    assert_int_equal(end - out, want->len);
    assert_memory_equal(out, want->text, want->len);
    assert_int_equal(flags, want->flags);
    assert_memory_equal(bound, canary, sizeof canary);
    free(exact);
    free(out);
}

static void check(const char *src, size_t len)
{
    struct escaped want;
    reference_escape(src, len, &want);
    check_one(json_escape, src, len, &want);
    for (unsigned v = 0; v < JSON_ESCAPE_VARIANTS; v++) {
        json_escape_fn *const fn = json_escape_variant((enum json_escape_variant)v);
        if (fn)
            check_one(fn, src, len, &want);
    }
}

static void every_byte_is_escaped_as_rfc_8259_wants(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char text[64];
        for (size_t at = 0; at < 40; at++) { /* every place in and across the steps */
            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            check(text, 40);
            check(text + at, 1);
        }
    }
}

static void every_set_of_quotes_among_neighbours(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 1u << 16; set++) {
        char text[20];
        for (unsigned i = 0; i < sizeof text; i++)
            text[i] = set >> i % 16 & 1 ? (i & 1 ? '"' : '\\') : (char)('a' + i);
        check(text, 16);
        if (set < 1u << 8)
            for (size_t len = 1; len <= sizeof text; len++)
                check(text, len);
    }
}

static const char *const sequences[] = {
    "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
    "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xe2\x80\xa8", "\xf0\x9f\x8d\x95",
    /* overlong, surrogates, beyond U+10FFFF, lone bytes, broken in the middle */
    "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
    "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe", "\x80", "\xbf",
    "\xe2\x82", "\xe2\x82z", "\xf0\x9f\x8d", "\xf0\x9f\x8dz", "\xf0\x9f", "\xe2\xe2\x82\xac",
    "\xc3\xc3\xa4", "\xf0\x9f\xf0\x9f\x8d\x95",
};

static void every_kind_of_sequence_at_every_place(void **state)
{
    (void)state;
    for (size_t s = 0; s < ARRAY_COUNT(sequences); s++) {
        const size_t len = strlen(sequences[s]);
        for (size_t at = 0; at < 36; at++) {
            char text[64];
            memset(text, 'x', sizeof text);
            memcpy(text + at, sequences[s], len);
            for (size_t cut = at; cut <= at + len + 1; cut++)
                check(text, cut); /* also truncated at every byte */
            check(text, 48);
        }
    }
}

static void sequences_may_lie_across_the_private_copies(void **state)
{
    (void)state;
    char text[TEXT_MAX];
    for (size_t shift = 0; shift < 8; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 <= sizeof text; i += 4)
            memcpy(text + i, "\xf0\x9f\x8d\x95", 4);
        check(text, shift + (sizeof text - shift) / 4 * 4);
        for (size_t i = shift; i + 3 <= sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3);
        check(text, shift + (sizeof text - shift) / 3 * 3);
        check(text, shift + (sizeof text - shift) / 3 * 3 - 1);
    }
}

static void random_bytes_match_the_reference(void **state)
{
    (void)state;
    static const char biased[] = "\xf0\x9f\x8d\x95\xe2\x82\xac\xc3\xa4\"\\\n\x01 plain text\xff\xed\xa0\x80";
    uint64_t seed = 5;
    for (int round = 0; round < 20000; round++) {
        char text[TEXT_MAX];
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        const size_t len = (seed >> 33) % (round % 100 == 0 ? sizeof text : 70);
        for (size_t i = 0; i < len; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            text[i] = round & 1 ? biased[(seed >> 33) % (sizeof biased - 1)] : (char)(seed >> 40);
        }
        check(text, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_escaped_as_rfc_8259_wants),
        cmocka_unit_test(every_set_of_quotes_among_neighbours),
        cmocka_unit_test(every_kind_of_sequence_at_every_place),
        cmocka_unit_test(sequences_may_lie_across_the_private_copies),
        cmocka_unit_test(random_bytes_match_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
