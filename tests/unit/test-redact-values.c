/* What is secret by its looks, and which patterns are refused. */
#include "collector/stage/redact/regex.h"
#include "collector/stage/redact/regex_screen.h"
#include "collector/stage/redact/values.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(unsigned kinds, const char *text, const char *want)
{
    struct spans spans;
    char out[512];
    struct names *const names = names_new();
    assert_int_equal(names_add(names, "password", NAME_MASK, NULL), 0);
    assert_int_equal(names_add_pattern(names, "\\btoken\\b", NAMES_PATTERN_FIND, false, NULL), 0);
    assert_int_equal(names_add(names, "authorization", NAME_MASK, NULL), 0);
    struct values *const v = values_new(kinds, 4096, names);
    const uint32_t len = (uint32_t)strlen(text);
    const int hit = values_find(v, text, len, &spans);
    const size_t bytes = spans_bytes(&spans, len, 3);
    assert_true(bytes < sizeof out);
    *spans_write(&spans, text, len, "***", 3, out) = '\0';
    assert_string_equal(out, want);
    assert_int_equal(hit, strcmp(text, want) != 0);
    values_free(v);
    names_free(names);
}

static void cards_are_found_by_issuer_and_check_digit(void **state)
{
    (void)state;
    check(VALUE_CARD, "paid with 4111111111111111, thanks", "paid with ***, thanks");
    check(VALUE_CARD, "4111-1111-1111-1111", "***");
    check(VALUE_CARD, "5500 0000 0000 0004 and 340000000000009", "*** and ***");
    check(VALUE_CARD, "4111111111111112 is none", "4111111111111112 is none");
    check(VALUE_CARD, "order 12 4111111111111111", "order 12 ***");
    check(VALUE_CARD, "1234567890123456 1732184224123", "1234567890123456 1732184224123");
    check(VALUE_CARD, "411111111111111111111111111111", "411111111111111111111111111111");
    check(VALUE_CARD, "card:6011000990139424.", "card:***.");
}

static void other_numbers_check_themselves(void **state)
{
    (void)state;
    check(VALUE_IBAN, "to DE89 3704 0044 0532 0130 00 today", "to *** today");
    check(VALUE_IBAN, "GB82WEST12345698765432", "***");
    check(VALUE_IBAN, "GB82WEST12345698765433", "GB82WEST12345698765433");
    check(VALUE_SSN, "ssn 078-05-1120.", "ssn ***.");
    check(VALUE_SSN, "1078-05-1120", "1078-05-1120");
}

static void tokens_are_found_by_their_form(void **state)
{
    (void)state;
    check(VALUE_JWT, "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N y", "x *** y");
    check(VALUE_JWT, "eyJ is no token, nor is eyJaaaaaaaaa.b", "eyJ is no token, nor is eyJaaaaaaaaa.b");
    check(VALUE_BEARER, "Authorization: Bearer abcdef123456==", "Authorization: Bearer ***");
    check(VALUE_BEARER, "the bearer of bad news", "the bearer of bad news");
    check(VALUE_BEARER, "basic understanding of it", "basic understanding of it");
    check(VALUE_BEARER, "basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "basic ***");
    check(VALUE_AWS_KEY, "AKIAIOSFODNN7EXAMPLE", "***");
    check(VALUE_API_TOKEN, "use ghp_0123456789abcdefghijABCDEFGHIJ012345 or xoxb-123456789012-abc", "use *** or ***");
    check(VALUE_API_TOKEN, "task-list sk-short", "task-list sk-short");
    check(VALUE_PRIVATE_KEY, "k: -----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- end",
          "k: *** end");
    check(VALUE_PRIVATE_KEY, "-----BEGIN PRIVATE KEY-----\nMIIB", "***");
    check(VALUE_PRIVATE_KEY, "-----BEGIN CERTIFICATE-----\nMIIB", "-----BEGIN CERTIFICATE-----\nMIIB");
    check(VALUE_EMAIL, "to ann.b+c@example.org, bob@host", "to ***, bob@host");
    check(VALUE_EMAIL, "@@a@b.cc@", "@@***@");
}

static void credentials_leave_urls_wherever_these_stand(void **state)
{
    (void)state;
    check(VALUE_URL, "postgres://u:p@h/db", "postgres://h/db");
    check(VALUE_URL, "see https://u:p@h/x?y=a@b and redis://:pw@r:1", "see https://h/x?y=a@b and redis://r:1");
    check(VALUE_URL, "//user:pw@host/share", "//host/share");
    check(VALUE_URL, "https://h/x@y http://h:80/a@b", "https://h/x@y http://h:80/a@b");
    check(VALUE_URL, "amqp://u:p/w@h", "amqp://h");
    check(VALUE_URL, "x://a@b@c/", "x://c/");
    check(VALUE_URL, "amqp://u:p?w@h amqp://u:p#w/@h", "amqp://h amqp://h");
    check(VALUE_URL, "http://h:80?q=a@b x://h#a@b", "http://h:80?q=a@b x://h#a@b");
    check(VALUE_URL, "a://u:p/b://u:p/w@h c@d", "a://h c@d");
    check(VALUE_URL, "a://u:p/ b://u:p/w@h", "a://u:p/ b://h");
}

/* Looking for the @ of each URL to the end of the text would take minutes here. */
static void a_text_full_of_urls_is_looked_over_once(void **state)
{
    (void)state;
    enum { UNIT = 8, UNITS = (1 << 20) / UNIT };
    char *const text = malloc(UNIT * UNITS + 4);
    struct spans spans;
    struct values *const v = values_new(VALUE_URL, UINT32_MAX, NULL);
    for (unsigned i = 0; i < UNITS; i++)
        memcpy(text + UNIT * i, "a://u:p/", UNIT);
    memcpy(text + UNIT * UNITS, " c@d", 4);
    assert_int_equal(values_find(v, text, UNIT * UNITS + 4, &spans), 0);
    text[UNIT * UNITS] = '@';
    assert_int_equal(values_find(v, text, UNIT * UNITS + 4, &spans), 1);
    assert_true(spans.overflow);
    values_free(v);
    free(text);
}

static void assignments_are_found_by_the_rules_for_names(void **state)
{
    (void)state;
    check(VALUE_ASSIGNMENT, "login password=hunter2, ok", "login password=***, ok");
    check(VALUE_ASSIGNMENT, "{\"user_token\": \"ab c\", \"n\":1}", "{\"user_token\": \"***\", \"n\":1}");
    check(VALUE_ASSIGNMENT, "Authorization: Basic QWxh;x", "Authorization: Basic ***;x");
    check(VALUE_ASSIGNMENT, "author=ann tokens: 5", "author=ann tokens: 5");
    check(VALUE_ASSIGNMENT, "?a=1&password=x&b=2", "?a=1&password=***&b=2");
}

static void blanks_in_front_of_a_value_do_not_hide_it(void **state)
{
    (void)state;
    check(VALUE_ASSIGNMENT, "password:\thunter2 ok", "password:\t*** ok");
    check(VALUE_ASSIGNMENT, "password\t=\t hunter2", "password\t=\t ***");
    check(VALUE_ASSIGNMENT, "Authorization:\tBasic QWxh;x", "Authorization:\tBasic ***;x");
    check(VALUE_ASSIGNMENT, "Authorization: Bearer   abc x", "Authorization: Bearer   *** x");
    check(VALUE_ASSIGNMENT, "Authorization: Bearer\tabc", "Authorization: Bearer\t***");
    check(VALUE_ASSIGNMENT, "Authorization: Bearer \"a b\"", "Authorization: Bearer \"***\"");
    check(VALUE_ASSIGNMENT, "user_token: basic , next", "user_token: *** , next");
    check(VALUE_ASSIGNMENT, "user_token: basic", "user_token: ***");
    check(VALUE_BEARER, "Bearer   abcdef123456==", "Bearer   ***");
    check(VALUE_BEARER, "Bearer\tabcdef123456==", "Bearer\t***");
    check(VALUE_BEARER, "Bearer          ", "Bearer          ");
}

static void names_in_brackets_are_names(void **state)
{
    (void)state;
    check(VALUE_ASSIGNMENT, "user[password]=hunter2&b=2", "user[password]=***&b=2");
    check(VALUE_ASSIGNMENT, "user%5Bpassword%5D=hunter2&b=2", "user%5Bpassword%5D=***&b=2");
    check(VALUE_ASSIGNMENT, "%5bpassword%5d=hunter2", "%5bpassword%5d=***");
    check(VALUE_ASSIGNMENT, "$a[\"password\"] = 'hunter2'", "$a[\"password\"] = '***'");
    check(VALUE_ASSIGNMENT, "password[]=a&password[17]=b", "password[]=***&password[17]=***");
    check(VALUE_ASSIGNMENT, "u[password][]=a&u[password]%5B0%5D=b", "u[password][]=***&u[password]%5B0%5D=***");
    check(VALUE_ASSIGNMENT, "]=x ]]=x %5D=x [0]=x 0]=x", "]=x ]]=x %5D=x [0]=x 0]=x");
    check(VALUE_ASSIGNMENT, "password[name]=x", "password[name]=x");
}

static void lists_and_maps_are_values_to_their_end(void **state)
{
    (void)state;
    check(VALUE_ASSIGNMENT, "{\"password\":[\"hunter2\"],\"n\":1}", "{\"password\":***,\"n\":1}");
    check(VALUE_ASSIGNMENT, "{\"user_token\": {\"value\":\"abc\"}}", "{\"user_token\": ***}");
    check(VALUE_ASSIGNMENT, "password=['a]b', {\"c\": \"}\\\"]\"}] end", "password=*** end");
    check(VALUE_ASSIGNMENT, "password=[a, [b], c", "password=***");
    check(VALUE_ASSIGNMENT, "password=[a, 'b] c", "password=***");
    check(VALUE_ASSIGNMENT, "password=[a}b] c", "password=***] c"); /* any bracket closes any */
}

static void a_quote_that_is_escaped_ends_no_value(void **state)
{
    (void)state;
    check(VALUE_ASSIGNMENT, "{\"password\":\"a\\\"b\",\"n\":1}", "{\"password\":\"***\",\"n\":1}");
    check(VALUE_ASSIGNMENT, "{\"password\":\"a\\\\\",\"n\":1}", "{\"password\":\"***\",\"n\":1}");
    check(VALUE_ASSIGNMENT, "\"{\\\"password\\\":\\\"a\\\",\\\"n\\\":1}\"",
          "\"{\\\"password\\\":\\\"***\",\\\"n\\\":1}\"");
    check(VALUE_ASSIGNMENT, "\\\"password\\\":\\\"a\\\\\\\"b\\\" c", "\\\"password\\\":\\\"***\" c");
}

static void a_quote_of_the_values_own_ends_it_not(void **state)
{
    (void)state;
    check(VALUE_ASSIGNMENT, "password=\"O'Brien\", n='1'", "password=\"***\", n='1'");
    check(VALUE_ASSIGNMENT, "{'password': 'O'Brien', 'n': 1}", "{'password': '***', 'n': 1}");
    check(VALUE_ASSIGNMENT, "password='O'Brien' and 'x'", "password='***' and 'x'");
    check(VALUE_ASSIGNMENT, "password='O''Brien', n='1'", "password='***', n='1'");
    check(VALUE_ASSIGNMENT, "password='x''' ok", "password='***' ok");
    check(VALUE_ASSIGNMENT, "password='O'\xc3\xa9 b' c", "password='***' c");
    check(VALUE_ASSIGNMENT, "the password='hunter2's own", "the password='*** own");
    check(VALUE_ASSIGNMENT, "password='' user='x'", "password='' user='x'");
    check(VALUE_ASSIGNMENT, "{\"password\":\"\",\"n\":1}", "{\"password\":\"\",\"n\":1}");
    check(VALUE_ASSIGNMENT, "password=''", "password=''");
}

static void quotes_that_are_doubled_or_threefold_are_quotes(void **state)
{
    (void)state;
    check(VALUE_ASSIGNMENT, "1,\"{\"\"password\"\":\"\"hunter2\"\",\"\"n\"\":1}\"",
          "1,\"{\"\"password\"\":\"\"***\"\",\"\"n\"\":1}\"");
    check(VALUE_ASSIGNMENT, "password=''hunter2'', n=1", "password=''***'', n=1");
    check(VALUE_ASSIGNMENT, "password=\"\"\"a \"b\" c\"\"\" d", "password=\"\"\"***\"\"\" d");
    check(VALUE_ASSIGNMENT, "password='''Brien' d", "password='***' d");
    check(VALUE_ASSIGNMENT, "password=\"\"hunter2", "password=\"\"***");
}

static void letters_in_front_of_quotes_hide_no_value(void **state)
{
    (void)state;
    check(VALUE_ASSIGNMENT, "password=b'hunter2' ok", "password=b'***' ok");
    check(VALUE_ASSIGNMENT, "{'password': b'hun\\'ter2', 'n': 1}", "{'password': b'***', 'n': 1}");
    check(VALUE_ASSIGNMENT, "{\"password\": rb\"a b\"}", "{\"password\": rb\"***\"}");
    check(VALUE_ASSIGNMENT, "password = N'a b' where", "password = N'***' where");
    check(VALUE_ASSIGNMENT, "password=b12 ok", "password=*** ok");
    check(VALUE_ASSIGNMENT, "Authorization: Bearer b'a b'", "Authorization: Bearer b'***'");
}

/* Each value is looked over once, however its quotes are. */
static void quotes_without_an_end_are_looked_for_in_linear_time(void **state)
{
    (void)state;
    enum { UNITS = VALUE_ASSIGNMENTS_MAX - 1, LONG = 1 << 20 };
    static const char *const units[] = {"password='a'b ", "password='''a ", "password=''a ", "password='a''",
                                        "password=b'"};
    struct names *const names = names_new();
    char *const text = malloc(LONG);
    assert_int_equal(names_add(names, "password", NAME_MASK, NULL), 0);
    struct values *const v = values_new(VALUE_ASSIGNMENT, 0, names);
    for (unsigned i = 0; i < ARRAY_COUNT(units); i++) {
        struct spans spans;
        const size_t bytes = strlen(units[i]);
        memset(text, ' ', LONG);
        for (unsigned k = 0; k < UNITS; k++)
            memcpy(text + k * bytes, units[i], bytes);
        const uint64_t begin = clock_mono_ns();
        assert_int_equal(values_find(v, text, LONG, &spans), 1);
        assert_true(clock_mono_ns() - begin < NS_PER_S); /* some ms */
    }
    values_free(v);
    names_free(names);
    free(text);
}

/* Each name may cost a look at every rule: a text cannot ask for as many as it likes. */
static void names_in_a_text_are_looked_at_up_to_a_limit(void **state)
{
    (void)state;
    enum { TOO_MANY = VALUE_ASSIGNMENTS_MAX + 1 };
    struct spans spans;
    static char text[4 * TOO_MANY + 32];
    for (unsigned limit = VALUE_ASSIGNMENTS_MAX; limit <= TOO_MANY; limit++) {
        struct names *const names = names_new();
        assert_int_equal(names_add(names, "password", NAME_MASK, NULL), 0);
        struct values *const v = values_new(VALUE_ASSIGNMENT, 0, names);
        for (unsigned i = 0; i < limit; i++)
            memcpy(text + 4 * i, "a=b ", 4);
        assert_int_equal(values_find(v, text, 4 * limit, &spans), limit == TOO_MANY);
        assert_int_equal(spans.count, limit == TOO_MANY);
        if (limit == TOO_MANY)
            assert_int_equal(spans.at[0].from, 4 * VALUE_ASSIGNMENTS_MAX + 1);
        values_free(v);
        names_free(names);
    }
}

static void too_many_hits_mask_all(void **state)
{
    (void)state;
    char text[SPANS_MAX * 8 + 9];
    for (unsigned i = 0; i <= SPANS_MAX; i++)
        memcpy(text + 8 * i, "a@bb.cc ", 8);
    text[8 * (SPANS_MAX + 1)] = '\0';
    check(VALUE_EMAIL, text, "***");
}

/* R-02: with the reason, and not skipped in silence. */
static void patterns_that_explode_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "(a+)+", "(a*)*b", "((ab)*c)*", "(a|ab)*c", "(?:x+){2,}", "(.*x){8}", "([^a]+b){5}", "(a)\\1", "(?R)",
        "(?'n'a+)+b", "(?|a|aa)*b", "(?<n>a+)+b", "(?=a+)+b", "(?!a+)+b", "(?<=a+)+b", "(?<!a+)+b", "(?*a+)+b",
        "(?<*a+)+b", "(?i)(a+)+b", "(?>(a+)+)b", "(?^i-s:a+)+b", "(?'n", "(?<n", "(?i", "(?", "(?<", "(?~a)",
        "(a+)(?#c)+b", "(?x)(a+) +b", "(?i-x:a)", "(a+)\\E+b",
        "a(?1)", "[abc", "(a", "a)", "a\\", "", "(*UTF)a", "\\Qa", "(?(1)a)", "(?P>x)"};
    static const char *const good[] = {
        "a+b*c?", "(abc)+", "(?:foo|bar)", ".*password.*", "x{3}", "[a-z]+@[a-z]+", "(a|b)?", "\\bpan\\b", "a{",
            "\\x{41}+",
        "(?i:abc)d", "card.?(num|no)", "(?'n'abc)+d", "(?|abc)+d", "(?<n>a+)b", "(?i)abc", "(?<=a)b", "(?>a+)b"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct err e = {0};
        if (regex_screen(bad[i], &e) != -EINVAL)
            fail_msg("'%s' was let pass", bad[i]);
        assert_true(strlen(e.text) > 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        struct err e = {0};
        if (regex_screen(good[i], &e) != 0)
            fail_msg("'%s' was refused: %s", good[i], e.text);
    }
}

static void a_pattern_runs_under_limits_with_jit_and_without(void **state)
{
    (void)state;
    char text[64];
    memset(text, 'a', sizeof text);
    for (unsigned no_jit = 0; no_jit < 2; no_jit++) {
        struct regex *re;
        size_t from, to;
        const unsigned flags = REGEX_UNSAFE | (no_jit ? REGEX_NO_JIT : 0);
        assert_int_equal(regex_new("(a+)+b", flags, &re, NULL), 0);
        assert_true(!no_jit || !regex_has_jit(re));
        const int r = regex_find(re, text, sizeof text, 0, NULL, &from, &to);
        assert_true(r == -ELOOP || r == 0); /* PCRE2 may see that there is no b */
        regex_free(re);
        assert_int_equal(regex_new("(a|aa)+[bc]$", flags, &re, NULL), 0);
        assert_int_equal(regex_find(re, text, sizeof text, 0, NULL, &from, &to), -ELOOP);
        regex_free(re);
        assert_int_equal(regex_new("b+", flags, &re, NULL), 0);
        assert_int_equal(regex_find(re, "abbc", 4, 0, NULL, &from, &to), 1);
        assert_int_equal(from, 1);
        assert_int_equal(to, 3);
        assert_int_equal(regex_find(re, NULL, 0, 0, NULL, &from, &to), 0);
        regex_free(re);
    }
}

static void a_text_that_cannot_be_judged_says_so(void **state)
{
    (void)state;
    struct spans spans;
    char text[64];
    memset(text, 'a', sizeof text);
    struct values *const v = values_new(0, 0, NULL);
    assert_int_equal(values_add_pattern(v, "(a|aa)+[bc]$", true, NULL), 0);
    assert_int_equal(values_find(v, text, sizeof text, &spans), -ELOOP);
    values_free(v);
}

/* One attempt reads all of it, and there are a million of them: some minutes, were there no end. */
static void patterns_over_a_long_text_end_in_time_and_it_counts_as_secret(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    static const char *const patterns[] = {"x?[a-z]+-x", "a+x?a+b"};
    struct spans spans;
    char *const text = malloc(LONG);
    for (unsigned i = 0; i < ARRAY_COUNT(patterns); i++) {
        struct values *const v = values_new(0, 0, NULL);
        assert_int_equal(values_add_pattern(v, patterns[i], false, NULL), 0);
        memset(text, 'a', LONG);
        memcpy(text + LONG - 6, " b-xb", 5); /* what a match has to have is there */
        assert_int_equal(values_find(v, text, LONG, &spans), -ELOOP);
        (void)values_end_record(v);
        memcpy(text, "a-x aab", 7);
        memset(text + 7, ' ', LONG - 7);
        assert_int_equal(values_find(v, text, LONG, &spans), 1); /* the next one has all its time */
        assert_int_equal(spans.count, 1);
        assert_false(values_end_record(v));
        values_free(v);
    }
    free(text);
}

static void who_has_used_up_the_time_of_a_record_gets_no_more_of_it(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    struct spans spans;
    char *const text = malloc(LONG);
    struct values *const v = values_new(0, 0, NULL);
    assert_int_equal(values_add_pattern(v, "x?[a-z]+-x", false, NULL), 0);
    memset(text, 'a', LONG);
    memcpy(text + LONG - 4, " -x", 3);
    assert_int_equal(values_find(v, text, LONG, &spans), -ELOOP);
    assert_int_equal(values_find(v, text, REGEX_SHORT + 1, &spans), -ELOOP);
    assert_int_equal(values_find(v, text, REGEX_SHORT, &spans), 0); /* too short to take long */
    assert_true(values_end_record(v));
    assert_int_equal(values_find(v, text, REGEX_SHORT + 1, &spans), 0);
    assert_false(values_end_record(v));
    values_free(v);
    free(text);
}

static void a_pattern_means_the_same_in_a_long_text(void **state)
{
    (void)state;
    static const char *const patterns[] = {"foo|bar", "(?i)FOO", "^foo", "bar$", "(?:a|b)ar", "f(o)o", "[a-z]{3}-?$",
                                     "[]f]o+", "[^]\\d ]+", "\\bf?o{1,2}?", "f{1}oo", "[[:alpha:]]+$", "\\w++",
                                     "fo\\|?o|x"};
    struct spans is_short, is_long;
    char text[4096];
    for (unsigned i = 0; i < ARRAY_COUNT(patterns); i++) {
        struct values *const v = values_new(0, 0, NULL);
        assert_int_equal(values_add_pattern(v, patterns[i], false, NULL), 0);
        memset(text, ' ', sizeof text);
        memcpy(text, "foo", 3);
        memcpy(text + 13, "bar", 3);
        const int first = values_find(v, text, 16, &is_short);
        memcpy(text + sizeof text - 3, "bar", 3);
        memset(text + 13, ' ', 3);
        assert_int_equal(values_find(v, text, sizeof text, &is_long), first);
        assert_int_equal(is_long.count, is_short.count);
        values_free(v);
    }
}

/* PCRE2's JIT sees that a run of letters was looked at already; so is none of that lost. */
static void a_pattern_that_begins_with_a_run_is_linear_over_a_long_text(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    struct spans spans;
    struct regex *re;
    assert_int_equal(regex_new("[a-z]+-x", 0, &re, NULL), 0);
    const bool has_jit = regex_has_jit(re);
    regex_free(re);
    if (!has_jit)
        skip();
    char *const text = malloc(LONG);
    struct values *const v = values_new(0, 0, NULL);
    assert_int_equal(values_add_pattern(v, "[a-z]+-x", false, NULL), 0);
    memset(text, 'a', LONG);
    memcpy(text + LONG - 4, " -x", 3);
    assert_int_equal(values_find(v, text, LONG, &spans), 0);
    assert_false(values_end_record(v));
    values_free(v);
    free(text);
}

static void numbers_are_cards_too(void **state)
{
    (void)state;
    struct values *const v = values_new(VALUE_CARD, 0, NULL);
    assert_true(values_hit_number(v, UINT64_C(4111111111111111)));
    assert_false(values_hit_number(v, UINT64_C(4111111111111112)));
    assert_false(values_hit_number(v, 42));
    assert_false(values_hit_number(v, UINT64_MAX));
    values_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cards_are_found_by_issuer_and_check_digit),
        cmocka_unit_test(other_numbers_check_themselves),
        cmocka_unit_test(tokens_are_found_by_their_form),
        cmocka_unit_test(credentials_leave_urls_wherever_these_stand),
        cmocka_unit_test(a_text_full_of_urls_is_looked_over_once),
        cmocka_unit_test(assignments_are_found_by_the_rules_for_names),
        cmocka_unit_test(blanks_in_front_of_a_value_do_not_hide_it),
        cmocka_unit_test(names_in_brackets_are_names),
        cmocka_unit_test(lists_and_maps_are_values_to_their_end),
        cmocka_unit_test(a_quote_that_is_escaped_ends_no_value),
        cmocka_unit_test(a_quote_of_the_values_own_ends_it_not),
        cmocka_unit_test(quotes_that_are_doubled_or_threefold_are_quotes),
        cmocka_unit_test(letters_in_front_of_quotes_hide_no_value),
        cmocka_unit_test(quotes_without_an_end_are_looked_for_in_linear_time),
        cmocka_unit_test(names_in_a_text_are_looked_at_up_to_a_limit),
        cmocka_unit_test(too_many_hits_mask_all),
        cmocka_unit_test(patterns_that_explode_are_refused),
        cmocka_unit_test(a_pattern_runs_under_limits_with_jit_and_without),
        cmocka_unit_test(a_text_that_cannot_be_judged_says_so),
        cmocka_unit_test(patterns_over_a_long_text_end_in_time_and_it_counts_as_secret),
        cmocka_unit_test(who_has_used_up_the_time_of_a_record_gets_no_more_of_it),
        cmocka_unit_test(a_pattern_means_the_same_in_a_long_text),
        cmocka_unit_test(a_pattern_that_begins_with_a_run_is_linear_over_a_long_text),
        cmocka_unit_test(numbers_are_cards_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
