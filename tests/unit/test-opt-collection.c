#include "lib/base/check.h"
#include "lib/base/opt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct cfg {
    struct opt_list list;
    struct opt_map map, secret;
    double rate;
};

static const struct opt rows[] = {
    OPT_LIST_(struct cfg, list, "list", "a, b", 0, "List."),
    OPT_MAP_(struct cfg, map, "map", "k=v", 0, "Map."),
    OPT_MAP_(struct cfg, secret, "headers", NULL, OPT_SECRET, "Secret map."),
    OPT_REAL_(struct cfg, rate, "rate", "0.5", 0, 1, 0, "Rate."),
    OPT_END,
};

static struct cfg cfg;

static int set(const char *name, const char *value)
{
    struct err e = {0};
    return opt_set(opt_find(rows, name), &cfg, value, &e);
}

static const char *print(const char *name)
{
    static char text[400];
    assert_true(opt_print(opt_find(rows, name), &cfg, text, sizeof text) >= 0);
    return text;
}

static int set_up(void **state)
{
    (void)state;
    struct err e = {0};
    return opt_defaults(rows, &cfg, &e);
}

static int tear_down(void **state)
{
    (void)state;
    opt_free(rows, &cfg);
    return 0;
}

static void lists_are_cut_at_commas_and_trimmed(void **state)
{
    (void)state;
    assert_int_equal(cfg.list.count, 2);
    assert_string_equal(cfg.list.item[1], "b");
    assert_int_equal(set("list", "  one ,two words , three"), 0);
    assert_int_equal(cfg.list.count, 3);
    assert_string_equal(cfg.list.item[1], "two words");
    assert_string_equal(print("list"), "one,two words,three");
    assert_int_equal(set("list", ""), 0);
    assert_int_equal(cfg.list.count, 0);
}

static void json_entries_hold_any_text(void **state)
{
    (void)state;
    assert_int_equal(set("list", "[\"a,b\", \"q\\\"\\n\", \"\\u00e4\\ud83c\\udf55\", 7, true ]"), 0);
    assert_int_equal(cfg.list.count, 5);
    assert_string_equal(cfg.list.item[0], "a,b");
    assert_string_equal(cfg.list.item[1], "q\"\n");
    assert_string_equal(cfg.list.item[2], "\u00e4\U0001f355");
    assert_string_equal(cfg.list.item[3], "7");
    assert_int_equal(set("map", "{\"a\": \"x=1,y\", \"b\":2}"), 0);
    assert_string_equal(opt_map_get(&cfg.map, "a"), "x=1,y");
    assert_string_equal(opt_map_get(&cfg.map, "b"), "2");
    assert_null(opt_map_get(&cfg.map, "c"));
}

static void what_is_printed_can_be_set_again(void **state)
{
    (void)state;
    static const char *const maps[] = {"a=1,b=x y", "{\"a\":\"x,y\",\"b=\":\"\"}", "{}", "a="};
    static const char *const lists[] = {"[\"\"]", "[\" a\"]", "[\"[\"]", "x,y"};
    for (size_t i = 0; i < ARRAY_COUNT(maps); i++) {
        char first[400];
        assert_int_equal(set("map", maps[i]), 0);
        (void)snprintf(first, sizeof first, "%s", print("map"));
        assert_int_equal(set("map", first), 0);
        assert_string_equal(print("map"), first);
        assert_int_equal(set("list", lists[i]), 0);
        (void)snprintf(first, sizeof first, "%s", print("list"));
        assert_int_equal(set("list", first), 0);
        assert_string_equal(print("list"), first);
        assert_int_equal(cfg.list.count, i == 3 ? 2 : 1);
    }
}

static void what_is_wrong_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const lists[] = {",", "a,,b", "[", "[\"a\"", "[\"a\",]", "[a]", "[\"a\"] b", "[\"\\u0000\"]",
                                        "[\"\\ud800\"]", "[\"\\x\"]"};
    static const char *const maps[] = {"a", "=b", "a=1,,b=2", "{\"a\"}", "{\"a\":}", "{\"a\":[1]}", "{a:1}"};
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
        assert_int_equal(set("list", lists[i]), -EINVAL);
    for (size_t i = 0; i < ARRAY_COUNT(maps); i++)
        assert_int_equal(set("map", maps[i]), -EINVAL);
    assert_int_equal(set("map", "a=1,a=2"), -EEXIST);
    assert_string_equal(print("list"), "a,b");
    assert_string_equal(print("map"), "k=v");
}

static void the_number_of_entries_is_limited(void **state)
{
    (void)state;
    char *text = malloc(2 * (OPT_LIST_MAX + 1) + 1);
    CHECK(text);
    for (int i = 0; i <= OPT_LIST_MAX; i++)
        memcpy(text + 2 * i, "x,", 2);
    text[2 * OPT_LIST_MAX - 1] = '\0';
    assert_int_equal(set("list", text), 0);
    assert_int_equal(cfg.list.count, OPT_LIST_MAX);
    text[2 * OPT_LIST_MAX - 1] = ',';
    text[2 * OPT_LIST_MAX + 1] = '\0';
    assert_int_equal(set("list", text), -E2BIG);
    free(text);
}

static void secrets_are_not_printed(void **state)
{
    (void)state;
    assert_string_equal(print("headers"), "");
    assert_int_equal(set("headers", "Authorization=Bearer x"), 0);
    assert_string_equal(print("headers"), "***");
}

static void values_of_secret_maps_may_lie_elsewhere(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(setenv("OPT_MAP_HERE", "env:OPT_MAP_NOWHERE,x", 1), 0);
    assert_int_equal(set("headers", "a=env:OPT_MAP_HERE,b=Bearer env:OPT_MAP_HERE"), 0);
    assert_string_equal(opt_map_get(&cfg.secret, "a"), "env:OPT_MAP_NOWHERE,x"); /* not read again */
    assert_string_equal(opt_map_get(&cfg.secret, "b"), "Bearer env:OPT_MAP_HERE");
    assert_int_equal(opt_set(opt_find(rows, "headers"), &cfg, "a=x,b=env:OPT_MAP_NOWHERE", &e), -ENOENT);
    assert_string_equal(e.text, "headers: b: the environment has no OPT_MAP_NOWHERE");
    assert_string_equal(opt_map_get(&cfg.secret, "a"), "env:OPT_MAP_NOWHERE,x"); /* kept */
    assert_int_equal(set("map", "a=env:OPT_MAP_HERE"), 0);
    assert_string_equal(opt_map_get(&cfg.map, "a"), "env:OPT_MAP_HERE");
}

static void reals_have_bounds(void **state)
{
    (void)state;
    assert_true(cfg.rate == 0.5);
    assert_int_equal(set("rate", "1e-3"), 0);
    assert_true(cfg.rate == 1e-3);
    assert_int_equal(set("rate", "1.01"), -ERANGE);
    assert_int_equal(set("rate", "-0.1"), -ERANGE);
    assert_int_equal(set("rate", "0x1p-1"), -EINVAL);
    assert_int_equal(set("rate", "nan"), -EINVAL);
    assert_int_equal(set("rate", "0.5 "), -EINVAL);
    assert_int_equal(set("rate", ""), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_are_cut_at_commas_and_trimmed),
        TEST(json_entries_hold_any_text),
        TEST(what_is_printed_can_be_set_again),
        TEST(what_is_wrong_is_refused_and_changes_nothing),
        TEST(the_number_of_entries_is_limited),
        TEST(secrets_are_not_printed),
        TEST(values_of_secret_maps_may_lie_elsewhere),
        TEST(reals_have_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
