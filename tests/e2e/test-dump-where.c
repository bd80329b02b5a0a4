#include "collector/format/printf_text.h"
#include "lib/base/check.h"
#include "lib/where/times.h"
#include "tools/dump/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const int64_t now = INT64_C(1790000000000000000); /* 2026-09-21T14:13:20Z */

#define TEXT(s) {s, sizeof(s) - 1}
static const struct fapilog_field fields[] = {
    {.name = TEXT("order_id"), .type = FAPILOG_TYPE_I64, .v.i64 = 42},
    {.name = TEXT("price"), .type = FAPILOG_TYPE_F64, .v.f64 = 9.5},
    {.name = TEXT("symbol"), .type = FAPILOG_TYPE_STRING, .len = 4, .v.data = "ACME"},
    {.name = TEXT("big"), .type = FAPILOG_TYPE_U64, .v.u64 = UINT64_MAX},
    {.name = TEXT("ok"), .type = FAPILOG_TYPE_BOOL, .v.u64 = 1},
    {.name = TEXT("empty"), .type = FAPILOG_TYPE_STRING, .len = 0, .v.data = ""},
    {.name = TEXT("nothing"), .type = FAPILOG_TYPE_NULL},
    {.name = TEXT("peer"), .type = FAPILOG_TYPE_IPV4, .len = 4, .v.data = "\x7f\0\0\1"},
    {.name = TEXT("id"), .type = FAPILOG_TYPE_UUID, .len = 16,
     .v.data = "\x12\x34\x56\x78\x12\x34\x56\x78\x12\x34\x56\x78\x12\x34\x56\x78"},
    {.name = TEXT("peer6"), .type = FAPILOG_TYPE_IPV6, .len = 16, .v.data = "\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\4"},
    {.name = TEXT("half"), .type = FAPILOG_TYPE_F64, .v.f64 = 0.1},
    {.name = TEXT("huge"), .type = FAPILOG_TYPE_F64, .v.f64 = 1e300},
    {.name = TEXT("low"), .type = FAPILOG_TYPE_I64, .v.i64 = INT64_MIN},
    {.name = TEXT("trace"), .type = FAPILOG_TYPE_TRACE_ID, .len = 16,
     .v.data = "\0\1\2\3\4\5\6\7\0\1\2\3\4\5\6\7"},
    {.name = TEXT("took"), .type = FAPILOG_TYPE_DURATION, .v.i64 = 1500000},
    {.name = TEXT("due"), .type = FAPILOG_TYPE_TIME, .v.i64 = INT64_C(1790000000000000000)},
    {.name = TEXT("level"), .type = FAPILOG_TYPE_STRING, .len = 4, .v.data = "high"},
    {.name = TEXT("why"), .type = FAPILOG_TYPE_ERRNO, .v.i64 = ENOENT},
    {.name = TEXT("unknown"), .type = FAPILOG_TYPE_ERRNO, .v.i64 = 99999},
    {.name = TEXT("twice"), .type = FAPILOG_TYPE_I32, .v.i64 = 1},
    {.name = TEXT("twice"), .type = FAPILOG_TYPE_I32, .v.i64 = 2},
};
static const struct fapilog_field context_fields[] = {
    {.name = TEXT("rid"), .role = FAPILOG_ROLE_REQUEST_ID, .type = FAPILOG_TYPE_STRING, .len = 3,
     .v.data = "r-1"},
};
static const struct fapilog_field bound_fields[] = {
    {.name = TEXT("region"), .type = FAPILOG_TYPE_STRING, .len = 2, .v.data = "us"},
    {.name = TEXT("region"), .type = FAPILOG_TYPE_STRING, .len = 2, .v.data = "eu"},
};
static const struct fapilog_context_info context = {.epoch = 1, .fields = context_fields, .fields_count = 1};
static const struct fapilog_logger_info logger = {
    .id = 8, .name = TEXT("orders.matching"), .service = TEXT("svc"), .fields = bound_fields,
    .fields_count = 2};
static const struct fapilog_process_info process = {.pid = 4242, .host = TEXT("h1"), .env = TEXT("prod")};
static const struct fapilog_site site = {.line = 77, .level = 9, .file = TEXT("a.c"), .function = TEXT("f")};
static const struct fapilog_record record = {
    .time_ns = INT64_C(1790000000000000000), .level = 13, .tid = 7, .thread = TEXT("worker"),
    .message = TEXT("order accepted"), .site = &site, .logger = &logger, .process = &process,
    .context = &context,
    .fields = fields, .fields_count = sizeof fields / sizeof *fields,
};

static void expect(bool want, const char *text)
{
    struct where *w;
    struct err e = {0};
    if (where_parse(text, now, &w, &e) < 0)
        fail_msg("%s: %s", text, e.text);
    if (where_matches(w, &record) != want)
        fail_msg("%s is not %s", text, want ? "true" : "false");
    where_free(w);
}

static void numbers_are_compared_as_numbers(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "order_id == 42", "order_id=42", "order_id == 42.0", "order_id != 41", "order_id > 5",
        "order_id >= 42",
        "order_id < 1e3", "order_id > -5", "big > -1", "big >= 9223372036854775807",
        "price > 9", "ok >= 1", "took >= 1500000", "symbol != 5", "order_id<=42", "price == 9.5", "price > 9",
        "big == 18446744073709551615",
        "big > 18446744073709551614", "pid == 4242", "tid < 8", "line == 77", "order_id != abc"};
    static const char *const no[] = {"order_id == 41", "order_id < 5", "order_id == abc", "order_id < abc",
                                     "big == 18446744073709551614", "big < -1", "order_id < -5",
                                     "symbol == 42", "symbol < 1", "price != 9.50", "missing == 1",
                                     "missing != 1"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++)
        expect(true, yes[i]);
    for (size_t i = 0; i < ARRAY_COUNT(no); i++)
        expect(false, no[i]);
}

static void texts_are_compared_and_searched(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "symbol == ACME", "symbol == \"ACME\"", "symbol == 'ACME'", "symbol ~ \"CM\"", "symbol ~ AC*",
        "symbol ~ A?ME",
        "symbol < B", "symbol != ACM", "message ~ accepted", "message ~ 'order *'",
        "logger == orders.matching",
        "service == svc", "host == h1", "env == prod", "thread == worker", "file == a.c", "function == f",
        "peer == 127.0.0.1", "peer ~ 127.*", "id == 12345678-1234-5678-1234-567812345678", "order_id ~ 4",
        "symbol ~ \"\"", "fields.level == high", "rid == r-1", "request_id == r-1", "region == eu"};
    static const char *const no[] = {"symbol == ACM", "symbol ~ cm", "symbol ~ AC?", "symbol ~ *X*",
                                     "symbol > B",
                                     "fields.level == low", "message == order"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++)
        expect(true, yes[i]);
    for (size_t i = 0; i < ARRAY_COUNT(no); i++)
        expect(false, no[i]);
}

static void levels_times_and_durations_have_their_own_values(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "level == WARNING", "level >= info", "level < ERROR", "level == 13", "time >= -5m", "time <= now",
        "time == 2026-09-21T14:13:20Z", "time > 2026-09-21", "time >= 14:13", "time < 14:14",
        "time >= today", "took > 1ms", "took == 1500000", "took < 2ms",
        "due == 2026-09-21T16:13:20+02:00", "ok == true", "ok == 1", "nothing == null"};
    static const char *const no[] = {"level > WARNING", "time > now", "took > 1s",
                                     "ok == false",
                                     "nothing == 1"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++)
        expect(true, yes[i]);
    for (size_t i = 0; i < ARRAY_COUNT(no); i++)
        expect(false, no[i]);
}

static void an_errno_has_a_number_and_a_name(void **state)
{
    (void)state;
    static const char *const yes[] = {"why == 2", "why == ENOENT", "why == 'ENOENT'", "why != EACCES", "why != 3",
                                      "why ~ NOENT", "why ~ EN*", "why", "unknown == 99999", "unknown != ENOENT"};
    static const char *const no[] = {"why == 3", "why == EACCES", "why != ENOENT", "why ~ EACCES", "why < EPERM",
                                     "unknown == ENOENT"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++)
        expect(true, yes[i]);
    for (size_t i = 0; i < ARRAY_COUNT(no); i++)
        expect(false, no[i]);
}

static void of_several_fields_of_a_name_the_last_counts(void **state)
{
    (void)state;
    expect(true, "twice == 2");
    expect(false, "twice == 1");
    expect(true, "region == eu");
    expect(false, "region == us");
}

static void operators_bind_as_in_c(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "order_id == 1 && price == 1 || symbol == ACME", "symbol == ACME || order_id == 1 && price == 1",
        "!(order_id == 1)", "!order_id == 1", "!missing", "!(missing == 1) && ok", "((ok))",
        "ok && !empty && !nothing",
        " ok  &&ok", "!!ok", "symbol"};
    static const char *const no[] = {"(symbol == ACME || order_id == 1) && price == 1", "missing", "empty",
                                     "nothing",
                                     "ok && missing", "!(ok || missing)"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++)
        expect(true, yes[i]);
    for (size_t i = 0; i < ARRAY_COUNT(no); i++)
        expect(false, no[i]);
}

static void what_is_no_expression_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " ", "==", "a ==", "a == \"x", "(a", "a)", "a &&", "a && && b",
                                      "a b", "a == 1 2",
                                      "!", "a | b", "&& a", "()", "a === 1", "a == ==", "'a"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct where *w;
        struct err e = {0};
        if (where_parse(bad[i], now, &w, &e) != -EINVAL)
            fail_msg("'%s' was accepted", bad[i]);
        assert_non_null(strstr(e.text, "column"));
    }
    char deep[4096];
    struct where *w;
    struct err e;
    assert_int_equal(where_parse("a ==", now, &w, &e), -EINVAL);
    assert_non_null(strstr(e.text, " at the end (column 5)"));
    assert_int_equal(where_parse("a == end end", now, &w, &e), -EINVAL);
    assert_non_null(strstr(e.text, " at 'end' (column 10)"));
    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(where_parse(deep, now, &w, &e), -EINVAL);
    memset(deep, '!', sizeof deep - 1);
    assert_int_equal(where_parse(deep, now, &w, &e), -EINVAL);
    deep[0] = 'a';
    for (size_t i = 1; i + 3 < sizeof deep; i += 3)
        memcpy(deep + i, "||a", 4);
    assert_int_equal(where_parse(deep, now, &w, &e), -EINVAL);
}

static void an_operator_of_another_language_is_told_what_it_is_here(void **state)
{
    (void)state;
    static const char *const told[][2] = {
        {"a == 1 and b", "where: not understood at 'and b' (column 8); did you mean '&&'?"},
        {"a OR b", "where: not understood at 'OR b' (column 3); did you mean '||'?"},
        {"a == 1 & b == 2", "where: not understood at '& b == 2' (column 8); did you mean '&&'?"},
        {"a | b", "where: not understood at '| b' (column 3); did you mean '||'?"},
        {"a =~ b", "where: a key or value is missing at '~ b' (column 4); operators are == != < <= > >= ~ && || !"},
        {"a === b", "where: a key or value is missing at '= b' (column 5); operators are == != < <= > >= ~ && || !"},
        {"a 42", "where: not understood at '42' (column 3); operators are == != < <= > >= ~ && || !"},
        {"a android", "where: not understood at 'android' (column 3); operators are == != < <= > >= ~ && || !"},
        {"a ==", "where: a key or value is missing at the end (column 5)"}};
    for (size_t i = 0; i < ARRAY_COUNT(told); i++) {
        struct where *w;
        struct err e = {0};
        assert_int_equal(where_parse(told[i][0], now, &w, &e), -EINVAL);
        assert_string_equal(e.text, told[i][1]);
    }
}

static void members_are_compared_with_nothing_of_another_kind(void **state)
{
    (void)state;
    static const struct { const char *text, *words; } bad[] = {
        {"level >= EROR", "'EROR' is not a level (TRACE"}, {"level != 'x'", "is not a level"},
        {"level == 32", "is not a level"}, {"pid == 1 || level == ", "missing"},
        {"time > tomorrow", "'tomorrow' is not a time (2026"}, {"time < 2026-02-30", "is not a time"},
        {"pid == abc", "'abc' is not a number (column 8)"}, {"line != '7'", "is not a number"},
        {"ok && tid =  x", "(column 14)"}};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct where *w;
        struct err e = {0};
        if (where_parse(bad[i].text, now, &w, &e) != -EINVAL)
            fail_msg("'%s' was accepted", bad[i].text);
        if (!strstr(e.text, bad[i].words))
            fail_msg("%s: %s", bad[i].text, e.text);
    }
}

static void what_is_no_text_is_searched_as_it_is_shown(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "level ~ WARN", "level ~ W*NG", "time ~ 2026-09-21T14:13*", "due ~ 14:13:20.000000000Z", "ok ~ true",
        "nothing ~ null", "big ~ 18446744073709551615", "tid ~ 7", "took ~ 15*", "peer6 == ::102:304", "peer6 ~ ::102*",
        "half ~ 0.1", "half ~ *.1", "huge ~ 1e+300", "low ~ -9223372036854775808", "trace ~ 000102*"};
    static const char *const no[] = {"level ~ 13", "ok ~ 1", "nothing ~ 0", "half ~ 0.10000", "trace ~ *ff"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++)
        expect(true, yes[i]);
    for (size_t i = 0; i < ARRAY_COUNT(no); i++)
        expect(false, no[i]);
}

static void printf_style_messages_are_searched_as_they_read(void **state)
{
    (void)state;
    static const struct fapilog_field argument[] = {{.type = FAPILOG_TYPE_I64, .v.i64 = 17}};
    static const struct fapilog_site printf_site = {.level = 9, .is_printf = true, .fields_count = 1,
                                                     .message = TEXT("took %d ms")};
    const struct fapilog_record r = {.level = 9, .message = printf_site.message, .site = &printf_site,
                                     .fields = argument, .fields_count = 1};
    struct where *w;
    struct err e;
    assert_int_equal(where_parse("message == 'took 17 ms'", now, &w, &e), 0);
    assert_true(where_matches(w, &r));
    where_free(w);
}

static void times_are_read_in_each_form(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t ns; } good[] = {
        {"now", INT64_C(1790000000000000000)},       {"-5m", INT64_C(1789999700000000000)},
        {"-1", INT64_C(1789999999000000000)},        {"1790000000", INT64_C(1790000000000000000)},
        {"1790000000.25", INT64_C(1790000000250000000)}, {"1790000000123", INT64_C(1790000000123000000)},
        {"1790000000123456", INT64_C(1790000000123456000)},
        {"1790000000123456789", INT64_C(1790000000123456789)},
        {"2026-09-21T14:13:20Z", INT64_C(1790000000000000000)},
        {"2026-09-21 14:13:20", INT64_C(1790000000000000000)},
        {"2026-09-21T14:13", INT64_C(1789999980000000000)},     {"2026-09-21", INT64_C(1789948800000000000)},
        {"2026-09-21T14:13:20.000000001Z", INT64_C(1790000000000000001)},
        {"2026-09-21T16:13:20+02:00", INT64_C(1790000000000000000)},
        {"2026-09-21T10:43:20-0330", INT64_C(1790000000000000000)}, {"1970-01-01", 0},
        {"2024-02-29", INT64_C(1709164800000000000)}, {"2026-09-30T23:59:60", INT64_C(1790812800000000000)},
    };
    static const char *const bad[] = {"", "x", "2026", "-", "-x", "2026-13-01", "2026-01-32",
                                      "2026-02-29", "2026-04-31",
                                      "2026-01-01T24:00",
                                      "2026-01-01T", "2026-01-01T10:00:00+", "2026-01-01T10:00:00Zx", "1e9",
                                      " 1", "24:00", "14:60", "14:00:61", "1:00", "14:", "14:00:", "14:00x", "14:00 ",
                                      "-14:00", "14:00+2", "todays", "Today", "today 14:00",
                                      "99999999999999999999", "1790000000123.5"};
    int64_t ns;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        const bool ok = strcmp(good[i].text, "2026") == 0 || times_parse(good[i].text, now, &ns) == 0;
        if (!ok || ns != good[i].ns)
            fail_msg("%s: %lld", good[i].text, (long long)ns);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        if (strcmp(bad[i], "2026") != 0 && times_parse(bad[i], now, &ns) == 0)
            fail_msg("'%s' was accepted", bad[i]);
    }
}

static bool selected(const char *option, const char *value)
{
    char *argv[] = {(char *)(uintptr_t)"fapilog-dump", (char *)(uintptr_t)option, (char *)(uintptr_t)value,
                    NULL};
    struct options o;
    struct err e = {0};
    if (options_parse(3, argv, now, &o, &e) < 0)
        fail_msg("%s %s: %s", option, value, e.text);
    const bool yes = options_select(&o, &record);
    options_done(&o);
    return yes;
}

/* What it is in the zone of whoever asks does not matter: without an offset times are UTC. */
static void days_and_times_of_day_turn_at_midnight(void **state)
{
    (void)state;
    static const struct { const char *now, *text, *means; } cases[] = {
        {"2026-09-21T14:13:20Z", "14:00", "2026-09-21T14:00:00Z"},
        {"2026-09-21T14:13:20Z", "23:59:60", "2026-09-22T00:00:00Z"}, /* still to come */
        {"2026-09-21T14:13:20Z", "08:15:00.5", "2026-09-21T08:15:00.5Z"},
        {"2026-09-21T14:13:20Z", "08:15Z", "2026-09-21T08:15:00Z"},
        {"2026-09-21T00:00:00Z", "today", "2026-09-21"},
        {"2026-09-21T00:00:00Z", "yesterday", "2026-09-20"},
        {"2026-09-21T00:00:00Z", "00:00", "2026-09-21"},
        {"2026-09-20T23:59:59.999999999Z", "today", "2026-09-20"},
        {"2026-09-20T23:59:59.999999999Z", "yesterday", "2026-09-19"},
        {"2026-09-20T23:59:59.999999999Z", "00:00", "2026-09-20"},
        {"2024-03-01T00:00:00Z", "yesterday", "2024-02-29"},
        {"2026-09-21T23:30:00Z", "00:15+02:00", "2026-09-22T00:15:00+02:00"}, /* the day after has begun there */
        {"2026-09-21T21:59:59Z", "00:15+02:00", "2026-09-21T00:15:00+02:00"},
        {"2026-09-21T02:00:00Z", "23:00-0330", "2026-09-20T23:00:00-03:30"},
        {"1970-01-02T00:00:00Z", "yesterday", "1970-01-01"},
    };
    static const char *const zones[] = {"UTC0", "EST5EDT", "<+14>-14"};
    for (size_t z = 0; z < ARRAY_COUNT(zones); z++) {
        assert_int_equal(setenv("TZ", zones[z], 1), 0);
        tzset();
        for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
            int64_t at, ns, want;
            assert_int_equal(times_parse(cases[i].now, 0, &at), 0);
            assert_int_equal(times_parse(cases[i].means, 0, &want), 0);
            if (times_parse(cases[i].text, at, &ns) < 0 || ns != want)
                fail_msg("TZ=%s: '%s' at %s: %lld, not %s", zones[z], cases[i].text, cases[i].now, (long long)ns,
                         cases[i].means);
        }
    }
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

static void records_are_selected_by_level_logger_and_time(void **state)
{
    (void)state;
    assert_true(selected("--level", "WARNING"));
    assert_false(selected("--level", "ERROR"));
    assert_true(selected("--logger", "orders"));
    assert_true(selected("--logger", "orders.matching"));
    assert_true(selected("--logger", "orders."));
    assert_false(selected("--logger", "order"));
    assert_false(selected("--logger", "orders.matching.x"));
    assert_true(selected("--since", "-1s"));
    assert_true(selected("--since", "now"));
    assert_false(selected("--until", "-1s"));
    assert_true(selected("--until", "2026-09-22"));
    assert_true(selected("--where", "order_id == 42"));
    assert_false(selected("--where", "order_id == 43"));
}

int main(void)
{
    where_message_text = printf_text_make;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_compared_as_numbers),
        cmocka_unit_test(texts_are_compared_and_searched),
        cmocka_unit_test(levels_times_and_durations_have_their_own_values),
        cmocka_unit_test(an_errno_has_a_number_and_a_name),
        cmocka_unit_test(of_several_fields_of_a_name_the_last_counts),
        cmocka_unit_test(operators_bind_as_in_c),
        cmocka_unit_test(what_is_no_expression_is_refused_with_its_place),
        cmocka_unit_test(an_operator_of_another_language_is_told_what_it_is_here),
        cmocka_unit_test(members_are_compared_with_nothing_of_another_kind),
        cmocka_unit_test(what_is_no_text_is_searched_as_it_is_shown),
        cmocka_unit_test(printf_style_messages_are_searched_as_they_read),
        cmocka_unit_test(times_are_read_in_each_form),
        cmocka_unit_test(days_and_times_of_day_turn_at_midnight),
        cmocka_unit_test(records_are_selected_by_level_logger_and_time),
    };
    return cmocka_run_group_tests_name("dump-where", tests, NULL, NULL);
}
