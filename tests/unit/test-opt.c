#include "lib/base/check.h"
#include "lib/base/edit_distance.h"
#include "lib/base/opt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

struct cfg {
    const char *path, *title, *secret;
    bool on;
    uint64_t count, bytes, wait, keep;
    uint32_t word;
    uint8_t level;
};

static const struct opt_word words[] = {{"none", 0}, {"gzip", 1}, {"zstd", 2}, {"true", 1}, {NULL, 0}};

static const struct opt rows[] = {
    OPT_TEXT_ALIAS_(struct cfg, path, "path", "file", NULL, OPT_REQUIRED, "Where."),
    OPT_TEXT_(struct cfg, title, "title", "hello", 0, "Title."),
    OPT_TEXT_(struct cfg, secret, "secret_key", NULL, OPT_SECRET, "Key."),
    OPT_BOOL_(struct cfg, on, "on", "yes", 0, "Switch."),
    OPT_NUM_(OPT_UINT, struct cfg, count, "count", "7", 1, 100, 0, "Count."),
    OPT_NUM_(OPT_SIZE, struct cfg, bytes, "max_bytes", "10 MB", 4096, 1ull << 40, 0, "Size."),
    OPT_NUM_(OPT_DURATION, struct cfg, wait, "interval", "500ms", 1000000, 86400000000000, 0, "Time."),
    OPT_NUM_(OPT_UINT, struct cfg, keep, "max_files", "none", 0, 1000, 0, "Kept."),
    OPT_WORD_ALIAS_(struct cfg, word, "compress", "compress_rotated", "none", words, 0, "Codec."),
    OPT_LEVEL_(struct cfg, level, "min_severity", "INFO", 0, "Level."),
    OPT_END,
};

static int set(struct cfg *c, const char *name, const char *value, struct err *e)
{
    const struct opt *row = opt_find(rows, name);
    assert_non_null(row);
    return opt_set(row, c, value, e);
}

static void defaults_go_through_the_same_parser(void **state)
{
    (void)state;
    struct cfg c = {0};
    struct err e;
    assert_int_equal(opt_defaults(rows, &c, &e), 0);
    assert_null(c.path);
    assert_string_equal(c.title, "hello");
    assert_null(c.secret);
    assert_true(c.on);
    assert_int_equal(c.count, 7);
    assert_int_equal(c.bytes, 10485760);
    assert_int_equal(c.wait, 500000000);
    assert_true(c.keep == OPT_UNSET);
    assert_int_equal(c.word, 0);
    assert_int_equal(c.level, 9);
    assert_int_equal(set(&c, "title", "other", &e), 0);
    assert_int_equal(opt_defaults(rows, &c, &e), 0); /* again: nothing leaks, all is back */
    assert_string_equal(c.title, "hello");
    opt_free(rows, &c);
    assert_null(c.title);
}

static void printed_values_are_accepted_and_equal(void **state)
{
    (void)state;
    struct cfg a = {0}, b = {0};
    struct err e;
    char text[200], again[200];
    assert_int_equal(opt_defaults(rows, &a, &e), 0);
    assert_int_equal(set(&a, "path", "/x y", &e), 0);
    assert_int_equal(set(&a, "interval", "90s", &e), 0);
    assert_int_equal(set(&a, "min_severity", "10", &e), 0);
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++) {
        assert_true(opt_print(row, &a, text, sizeof text) >= 0);
        if (row->flags & OPT_REQUIRED && !*text)
            continue;
        assert_int_equal(opt_set(row, &b, text, &e), 0);
        assert_true(opt_print(row, &b, again, sizeof again) >= 0);
        assert_string_equal(text, again);
    }
    assert_int_equal(a.bytes, b.bytes);
    assert_int_equal(a.wait, b.wait);
    assert_int_equal(a.level, b.level);
    assert_true(a.keep == b.keep);
    opt_free(rows, &a);
    opt_free(rows, &b);
}

static void bounds_are_inclusive_and_enforced(void **state)
{
    (void)state;
    static const struct { const char *name, *below, *low, *high, *above; } cases[] = {
        {"count", "0", "1", "100", "101"},
        {"max_bytes", "4095", "4096", "1TB", "1099511627777"},
        {"interval", "999us", "1ms", "1d", "86401"},
        {"max_files", "-1", "0", "1000", "1001"},
        {"min_severity", "0", "1", "31", "32"},
    };
    struct cfg c = {0};
    struct err e;
    assert_int_equal(opt_defaults(rows, &c, &e), 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(set(&c, cases[i].name, cases[i].low, &e), 0);
        assert_int_equal(set(&c, cases[i].name, cases[i].high, &e), 0);
        assert_true(set(&c, cases[i].name, cases[i].below, &e) < 0);
        assert_true(set(&c, cases[i].name, cases[i].above, &e) < 0);
        assert_non_null(strstr(e.text, cases[i].name));
        assert_non_null(strstr(e.text, cases[i].above));
    }
    assert_int_equal(c.count, 100); /* a refused value changes nothing */
    assert_int_equal(set(&c, "count", "101", &e), -ERANGE);
    assert_string_equal(e.text, "count: '101' is outside 1..100");
    opt_free(rows, &c);
}

static void every_type_refuses_rubbish_and_says_what_is_allowed(void **state)
{
    (void)state;
    static const struct { const char *name, *value, *text; } cases[] = {
        {"on", "maybe", "on: 'maybe' is not true or false"},
        {"count", "", "count: '' is not a number (1..100)"},
        {"count", "1e3", "count: '1e3' is not a number (1..100)"},
        {"count", "18446744073709551616", "count: '18446744073709551616' is outside 1..100"},
        {"max_bytes", "10 XB", "max_bytes: '10 XB' is not a size such as 10MB (4KB..1TB)"},
        {"interval", "soon", "interval: 'soon' is not a duration such as 500ms, 1h or daily (1ms..1d)"},
        {"interval", "100000", "interval: '100000' is outside 1ms..1d; without a unit it is seconds"},
        {"interval", "30d", "interval: '30d' is outside 1ms..1d"},
        {"max_files", "few", "max_files: 'few' is not a number (0..1000 or none)"},
        {"compress", "lz4", "compress: 'lz4' is not one of none, gzip, zstd, true"},
        {"path", "", "path: must not be empty"},
    };
    struct cfg c = {0};
    struct err e;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_true(set(&c, cases[i].name, cases[i].value, &e) < 0);
        assert_string_equal(e.text, cases[i].text);
    }
    assert_int_equal(set(&c, "min_severity", "LOUD", &e), -EINVAL);
    assert_non_null(strstr(e.text, "SECURITY"));
}

static void words_and_switches_know_their_spellings(void **state)
{
    (void)state;
    static const char *const yes[] = {"1", "true", "YES", "on"}, *const no[] = {"0", "False", "no", "OFF"};
    struct cfg c = {0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(set(&c, "on", yes[i], NULL), 0);
        assert_true(c.on);
        assert_int_equal(set(&c, "on", no[i], NULL), 0);
        assert_false(c.on);
    }
    assert_int_equal(set(&c, "compress_rotated", "true", NULL), 0);
    assert_int_equal(c.word, 1);
    assert_int_equal(set(&c, "compress", "ZSTD", NULL), 0);
    assert_int_equal(c.word, 2);
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++) { /* a word that was a switch once */
        assert_int_equal(set(&c, "compress", "none", NULL), 0);
        assert_int_equal(set(&c, "compress", yes[i], NULL), 0);
        assert_int_equal(c.word, 1);
    }
    assert_int_equal(set(&c, "compress", "off", NULL), -EINVAL); /* false is no word here */
}

static void names_match_without_case_and_dash(void **state)
{
    (void)state;
    assert_ptr_equal(opt_find(rows, "Max-Bytes"), opt_find(rows, "max_bytes"));
    assert_ptr_equal(opt_find(rows, "FILE"), &rows[0]);
    assert_null(opt_find(rows, "max_byte"));
    assert_null(opt_find(rows, "max_bytes2"));
}

static void secrets_are_never_shown(void **state)
{
    (void)state;
    struct cfg c = {0};
    char text[32];
    const struct opt *row = opt_find(rows, "secret_key");
    assert_int_equal(opt_print(row, &c, text, sizeof text), 0);
    assert_int_equal(set(&c, "secret_key", "hunter2", NULL), 0);
    assert_int_equal(opt_print(row, &c, text, sizeof text), 3);
    assert_string_equal(text, "***");
    assert_int_equal(opt_print(row, &c, text, 3), -ENOSPC);
    opt_free(rows, &c);
}

static void of_a_url_what_may_be_secret_is_not_shown(void **state)
{
    (void)state;
    static const struct opt row = OPT_TEXT_(struct cfg, path, "url", NULL, OPT_URL, "Where.");
    struct cfg c = {.path = "https://h/in?key=hunter2&x=1"};
    char text[32];
    assert_int_equal(opt_print(&row, &c, text, sizeof text), 16);
    assert_string_equal(text, "https://h/in?***");
    assert_int_equal(opt_print(&row, &c, text, 16), -ENOSPC);
    c.path = "https://h/in";
    assert_int_equal(opt_print(&row, &c, text, sizeof text), 12);
    assert_string_equal(text, c.path);
    c.path = NULL;
    assert_int_equal(opt_print(&row, &c, text, sizeof text), 0);
}

static void required_rows_must_be_given(void **state)
{
    (void)state;
    struct cfg c = {0};
    struct err e;
    assert_int_equal(opt_complete(rows, &c, &e), -EINVAL);
    assert_memory_equal(e.text, "path:", 5);
    assert_int_equal(set(&c, "path", "/x", &e), 0);
    assert_int_equal(opt_complete(rows, &c, &e), 0);
    opt_free(rows, &c);
}

static void misspelt_names_get_a_suggestion(void **state)
{
    (void)state;
    assert_string_equal(opt_suggest(rows, "max_byte"), "max_bytes");
    assert_string_equal(opt_suggest(rows, "max_btyes"), "max_bytes");
    assert_string_equal(opt_suggest(rows, "intervall"), "interval");
    assert_string_equal(opt_suggest(rows, "Max-Flies"), "max_files");
    assert_string_equal(opt_suggest(rows, "comp"), "compress");
    assert_string_equal(opt_suggest(rows, "severity"), "min_severity"); /* its end */
    assert_null(opt_suggest(rows, "endpoint"));
    assert_null(opt_suggest(rows, "x"));
    assert_int_equal(edit_distance("abcd", "abcd"), 0);
    assert_int_equal(edit_distance("abcd", "acbd"), 1);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
}

static void sizes_follow_the_grammar(void **state)
{
    (void)state;
    static const struct { const char *text; uint64_t bytes; } good[] = {
        {"0", 0}, {"10485760", 10485760}, {"10 MB", 10485760}, {"10mb", 10485760}, {"1.5 KB", 1536},
        {"512b", 512}, {"2GB", 2147483648}, {"1TB", 1ull << 40}, {"'10 MB'", 10485760},
        {"\"1 kb\"", 1024}, {"  7  ", 7}, {"0.1kb", 102}, {"64MiB", 64ull << 20},
        {"9007199254740993", 9007199254740993}, /* would not survive a double */
    };
    static const char *const bad[] = {"", "MB", "-1", "10 XB", "1.5", "1.KB", ".5KB", "1e3", "10M", "10 MB x", "'1"};
    uint64_t n;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_int_equal(opt_parse_size(good[i].text, &n), 0);
        assert_true(n == good[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(opt_parse_size(bad[i], &n), -EINVAL);
    assert_int_equal(opt_parse_size("99999999999TB", &n), -ERANGE);
    assert_int_equal(opt_parse_size("99999999999999999999", &n), -ERANGE);
}

static void durations_follow_the_grammar(void **state)
{
    (void)state;
    static const struct { const char *text; uint64_t ns; } good[] = {
        {"500ms", 500000000}, {"5", 5000000000}, {"0", 0}, {"1.5", 1500000000}, {"2 h", 7200000000000},
        {"3m", 180000000000}, {"1d", 86400000000000}, {"1w", 604800000000000}, {"hourly", 3600000000000},
        {"Daily", 86400000000000}, {"weekly", 604800000000000}, {"'1s'", 1000000000}, {"10us", 10000},
        {"0.25s", 250000000},
    };
    static const char *const bad[] = {"", "s", "-1s", "1 year", "monthly", "1h30m", "1..5s", "daily 2"};
    uint64_t n;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_int_equal(opt_parse_duration(good[i].text, &n), 0);
        assert_true(n == good[i].ns);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(opt_parse_duration(bad[i], &n), -EINVAL);
    assert_int_equal(opt_parse_duration("999999999w", &n), -ERANGE);
}

static void levels_have_names_aliases_and_numbers(void **state)
{
    (void)state;
    static const struct { const char *text; uint8_t level; } good[] = {
        {"TRACE", 1}, {"debug", 5}, {"Info", 9}, {"WARNING", 13}, {"warn", 13}, {"ERROR", 17}, {"CRITICAL", 21},
        {"fatal", 21}, {"AUDIT", 25}, {"SECURITY", 28}, {"1", 1}, {"31", 31}, {" 17 ", 17}, {"OFF", 31},
    };
    static const struct { uint8_t level; const char *name; } names[] = {
        {1, "TRACE"}, {4, "TRACE"}, {5, "DEBUG"}, {12, "INFO"}, {13, "WARNING"}, {20, "ERROR"}, {24, "CRITICAL"},
        {25, "AUDIT"}, {27, "AUDIT"}, {28, "SECURITY"}, {30, "SECURITY"}, {31, "OFF"}, {0, "UNSET"},
    };
    uint8_t level;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_int_equal(opt_parse_level(good[i].text, &level), 0);
        assert_int_equal(level, good[i].level);
    }
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        assert_string_equal(opt_level_name(names[i].level), names[i].name);
    assert_int_equal(opt_parse_level("0", &level), -ERANGE);
    assert_int_equal(opt_parse_level("32", &level), -ERANGE);
    assert_int_equal(opt_parse_level("INFOS", &level), -EINVAL);
    assert_int_equal(opt_parse_level("1.5", &level), -EINVAL);
    assert_int_equal(opt_parse_level("", &level), -EINVAL);
}

struct secret_cfg {
    const char *password, *plain;
};

static const struct opt secret_rows[] = {
    OPT_TEXT_(struct secret_cfg, password, "password", NULL, OPT_SECRET, "Secret."),
    OPT_TEXT_(struct secret_cfg, plain, "plain", NULL, 0, "No secret."),
    OPT_END,
};

static int set_secret(struct secret_cfg *cfg, const char *value, struct err *e)
{
    return opt_set(&secret_rows[0], cfg, value, e);
}

static void a_secret_may_lie_elsewhere(void **state)
{
    (void)state;
    struct secret_cfg cfg = {0};
    struct err e = {0};
    char path[] = "/tmp/fapilog-secret-XXXXXX", value[80];
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(setenv("OPT_SECRET_HERE", "of env", 1), 0);
    assert_int_equal(set_secret(&cfg, "env:OPT_SECRET_HERE", &e), 0);
    assert_string_equal(cfg.password, "of env");
    assert_int_equal(write(fd, "of file\r\n", 9), 9);
    (void)snprintf(value, sizeof value, "file:%s", path);
    assert_int_equal(set_secret(&cfg, value, &e), 0);
    assert_string_equal(cfg.password, "of file");
    assert_true(set_secret(&cfg, "env:OPT_SECRET_NOWHERE", &e) == -ENOENT);
    assert_non_null(strstr(e.text, "password: the environment has no OPT_SECRET_NOWHERE"));
    assert_true(set_secret(&cfg, "file:/no/such/file", &e) == -ENOENT);
    assert_non_null(strstr(e.text, "/no/such/file"));
    assert_int_equal(pwrite(fd, "a\0b", 3, 0), 3);
    assert_true(set_secret(&cfg, value, &e) == -EINVAL);
    assert_int_equal(ftruncate(fd, 64 << 10), 0);
    assert_int_equal(pwrite(fd, "x", 1, 64 << 10), 1);
    assert_true(set_secret(&cfg, value, &e) == -EFBIG);
    assert_string_equal(cfg.password, "of file"); /* kept through all of these */
    assert_int_equal(opt_set(&secret_rows[1], &cfg, "env:OPT_SECRET_HERE", &e), 0);
    assert_string_equal(cfg.plain, "env:OPT_SECRET_HERE");
    opt_free(secret_rows, &cfg);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
}

static void values_are_compared_and_exchanged_row_by_row(void **state)
{
    (void)state;
    struct secret_cfg a = {0}, b = {0};
    struct err e = {0};
    assert_true(opt_equal(&secret_rows[0], &a, &b));
    assert_int_equal(set_secret(&a, "x", &e), 0);
    assert_false(opt_equal(&secret_rows[0], &a, &b));
    assert_int_equal(set_secret(&b, "x", &e), 0);
    assert_true(opt_equal(&secret_rows[0], &a, &b));
    assert_int_equal(opt_set(&secret_rows[1], &b, "y", &e), 0);
    opt_swap(&secret_rows[1], &a, &b);
    assert_string_equal(a.plain, "y");
    assert_null(b.plain);
    opt_free(secret_rows, &a);
    opt_free(secret_rows, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_go_through_the_same_parser),
        cmocka_unit_test(printed_values_are_accepted_and_equal),
        cmocka_unit_test(bounds_are_inclusive_and_enforced),
        cmocka_unit_test(every_type_refuses_rubbish_and_says_what_is_allowed),
        cmocka_unit_test(words_and_switches_know_their_spellings),
        cmocka_unit_test(names_match_without_case_and_dash),
        cmocka_unit_test(secrets_are_never_shown),
        cmocka_unit_test(of_a_url_what_may_be_secret_is_not_shown),
        cmocka_unit_test(required_rows_must_be_given),
        cmocka_unit_test(misspelt_names_get_a_suggestion),
        cmocka_unit_test(sizes_follow_the_grammar),
        cmocka_unit_test(durations_follow_the_grammar),
        cmocka_unit_test(levels_have_names_aliases_and_numbers),
        cmocka_unit_test(a_secret_may_lie_elsewhere),
        cmocka_unit_test(values_are_compared_and_exchanged_row_by_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
