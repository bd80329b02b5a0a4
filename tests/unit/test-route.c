/* Which sinks a record goes to; a test's name begins with the rule's id where features has one. */
#include "collector/route/route.h"
#include "lib/base/check.h"
#include "tests/common/record_sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { A = 1, B = 2, C = 4, RULES = ROUTES_MAX + 1 };

static const char *const names[] = {"archive", "search", "pager"};
static struct route_rule rule[RULES];
static struct route_config config;
static struct routes *routes;
static struct err error;
static char said[1024];

static void hear(void *arg, const char *text)
{
    (void)arg;
    const size_t n = strlen(said);
    (void)snprintf(said + n, sizeof said - n, "%s\n", text);
}

static void set(struct route_rule *r, const char *option, const char *value)
{
    CHECK(opt_set(opt_find(route_opts, option), r, value, NULL) == 0);
}

/* Options by name and value, then NULL. */
static struct route_rule *add(const char *option, ...)
{
    struct route_rule *const r = &rule[config.count++];
    va_list args;
    CHECK(opt_defaults(route_opts, r, NULL) == 0);
    va_start(args, option);
    for (; option; option = va_arg(args, const char *))
        set(r, option, va_arg(args, const char *));
    va_end(args);
    return r;
}

static void hear_refusal(void *arg, int code, const char *text)
{
    assert_true(code < 0);
    hear(arg, text);
}

static int start(void)
{
    const struct routes_listener listener = {.refuse = hear_refusal, .warn = hear};
    return routes_open(&config, names, ARRAY_COUNT(names), &routes, &listener, &error);
}

static void started(void)
{
    if (start() < 0)
        fail_msg("%s", error.text);
}

static int set_up(void **state)
{
    (void)state;
    config = (struct route_config){.rule = rule, .overlap = true};
    memset(said, 0, sizeof said);
    memset(&error, 0, sizeof error);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    routes_close(routes);
    routes = NULL;
    while (config.count)
        opt_free(route_opts, &rule[--config.count]);
    opt_list_free(&config.fallback);
    return 0;
}

static uint32_t at_level(uint8_t level)
{
    const struct fapilog_record r = {.level = level};
    return routes_match(routes, &r);
}

static uint32_t by(const char *logger, const char *service)
{
    static struct fapilog_process_info process;
    static struct fapilog_logger_info info;
    process.uuid[0]++; /* another segment for each */
    info = (struct fapilog_logger_info){.name = sample_text(logger), .service = sample_text(service)};
    const struct fapilog_record r = {.level = 9, .logger = &info, .process = &process};
    const uint32_t first = routes_match(routes, &r);
    assert_int_equal(routes_match(routes, &r), first); /* as remembered */
    return first;
}

static void without_rules_every_sink_gets_every_record(void **state)
{
    (void)state;
    started();
    assert_int_equal(at_level(1), A | B | C);
    assert_string_equal(said, "");
}

/* effect: route.levels */
static void S_80_levels_are_ranges_and_a_star_is_any(void **state)
{
    (void)state;
    add("levels", "error,CRITICAL", "to", "pager", NULL);
    add("levels", "13", "to", "search", NULL);
    add("levels", "*", "to", "archive", NULL);
    started();
    assert_int_equal(at_level(9), A);
    assert_int_equal(at_level(13), A | B);
    assert_int_equal(at_level(14), A);
    assert_int_equal(at_level(17), A | C);
    assert_int_equal(at_level(24), A | C);
    assert_int_equal(at_level(25), A);
}

static void S_80_what_no_rule_wants_goes_to_the_fallback_or_nowhere(void **state)
{
    (void)state;
    add("levels", "ERROR", "to", "archive", NULL);
    started();
    assert_int_equal(at_level(17), A);
    assert_int_equal(at_level(9), 0); /* to be counted as unrouted */
    routes_close(routes);
    CHECK(opt_parse_list("search,pager", &config.fallback) == 0);
    started();
    assert_int_equal(at_level(17), A);
    assert_int_equal(at_level(9), B | C);
}

/* effect: route.to */
static void S_80_a_sink_that_nobody_names_is_warned_of_once(void **state)
{
    (void)state;
    add("to", "archive", NULL);
    CHECK(opt_parse_list("search", &config.fallback) == 0);
    started();
    assert_string_equal(said, "sink pager gets no records: no route and no fallback names it\n");
}

static void S_81_a_sink_of_several_rules_gets_a_record_once(void **state)
{
    (void)state;
    add("levels", "ERROR", "to", "archive,pager,archive", NULL);
    add("to", "archive,search", NULL);
    started();
    assert_int_equal(at_level(17), A | B | C);
    assert_int_equal(__builtin_popcount(at_level(17)), 3);
}

static void S_81_without_overlap_the_first_rule_decides(void **state)
{
    (void)state;
    config.overlap = false;
    add("levels", "ERROR", "to", "pager", NULL);
    add("to", "archive", NULL);
    started();
    assert_int_equal(at_level(17), C);
    assert_int_equal(at_level(9), A);
}

/* effect: route.loggers */
static void loggers_are_named_with_all_below_them(void **state)
{
    (void)state;
    add("loggers", "orders,*.audit", "to", "archive", NULL);
    started();
    assert_int_equal(by("orders", "s"), A);
    assert_int_equal(by("orders.matching", "s"), A);
    assert_int_equal(by("ordersx", "s"), 0);
    assert_int_equal(by("order", "s"), 0);
    assert_int_equal(by("pay.audit", "s"), A);
    assert_int_equal(by("pay.audit.x", "s"), 0);
    assert_int_equal(by("", "s"), 0);
    assert_int_equal(at_level(9), 0); /* no logger known */
}

/* effect: route.services */
static void services_are_named_or_patterns(void **state)
{
    (void)state;
    add("services", "shop,pay-*", "to", "archive", NULL);
    started();
    assert_int_equal(by("l", "shop"), A);
    assert_int_equal(by("l", "shop2"), 0);
    assert_int_equal(by("l", "pay-eu"), A);
    const struct fapilog_process_info process = {.service = sample_text("shop")};
    const struct fapilog_logger_info nameless = {.id = 5};
    const struct fapilog_record no_logger = {.level = 9, .process = &process};
    const struct fapilog_record no_service = {.level = 9, .process = &process, .logger = &nameless};
    assert_int_equal(routes_match(routes, &no_logger), A);
    assert_int_equal(routes_match(routes, &no_service), A);
}

/* effect: route.where */
static void all_conditions_of_a_rule_must_hold(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_SIMPLE);
    sample_add(s, sample_string("region", "eu"));
    add("levels", "INFO", "loggers", "orders", "where", "region == eu", "to", "archive", NULL);
    add("levels", "ERROR", "loggers", "orders", "where", "region == eu", "to", "search", NULL);
    add("levels", "INFO", "loggers", "orders", "where", "region == us", "to", "pager", NULL);
    started();
    assert_int_equal(routes_match(routes, &s->r), A);
    sample_free(s);
}

/* A logger of a new segment may come to lie where one was that is gone. */
static void what_is_remembered_of_a_logger_ends_with_its_segment(void **state)
{
    (void)state;
    struct fapilog_logger_info logger = {.name = sample_text("orders")};
    struct fapilog_process_info process = {.pid = 1};
    const struct fapilog_record r = {.level = 9, .logger = &logger, .process = &process};
    add("loggers", "orders", "to", "archive", NULL);
    add("loggers", "pay", "to", "search", NULL);
    started();
    assert_int_equal(routes_match(routes, &r), A);
    logger.name = sample_text("pay");
    process.uuid[0] = 1;
    assert_int_equal(routes_match(routes, &r), B);
}

static void expect_refused(const char *key, const char *text)
{
    assert_int_equal(start(), -EINVAL);
    if (!strstr(error.text, key) || !strstr(error.text, text))
        fail_msg("%s", error.text);
}

static void refusals_say_where_what_and_what_is_allowed(void **state)
{
    (void)state;
    add("to", "archive", NULL);
    struct route_rule *const r = add("to", "serch", NULL);
    r->source = "fapilog.yaml:12";
    expect_refused("'serch' is no sink; did you mean 'search'? (there are: archive, search, pager)",
                   "fapilog.yaml:12: routes[1].to: ");
    set(r, "to", "");
    expect_refused("names no sink", "fapilog.yaml:12: routes[1].to: ");
    set(r, "to", "pager");
    set(r, "levels", "LOUD");
    expect_refused("levels: 'LOUD'", "CRITICAL");
    set(r, "levels", "");
    set(r, "where", "a ==");
    expect_refused("where:", "column");
    set(r, "where", "");
    CHECK(opt_parse_list("nowhere", &config.fallback) == 0);
    expect_refused("routing.fallback: 'nowhere' is no sink", "there are");
}

static void each_problem_of_each_rule_is_told_and_the_first_is_the_result(void **state)
{
    (void)state;
    add("to", "nobody,archive,me", "levels", "LOUD", NULL)->source = "fapilog.yaml:2";
    add("to", "archive", NULL);
    add("where", "a ==", NULL);
    CHECK(opt_parse_list("nowhere", &config.fallback) == 0);
    assert_int_equal(start(), -EINVAL);
    const char *at = said;
    static const char *const lines[] = {
        "fapilog.yaml:2: routes[0].to: 'nobody' is no sink", "fapilog.yaml:2: routes[0].to: 'me' is no sink",
        "fapilog.yaml:2: routes[0].levels: 'LOUD'", "routes[2].to: the rule names no sink", "routes[2].where: ",
        "routing.fallback: 'nowhere' is no sink",
    };
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++, at += strcspn(at, "\n") + 1)
        if (strncmp(at, lines[i], strlen(lines[i])) != 0)
            fail_msg("line %zu is not '%s...' in:\n%s", i, lines[i], said);
    assert_string_equal(at, "");
    if (strncmp(error.text, lines[0], strlen(lines[0])) != 0)
        fail_msg("%s", error.text);
}

static void there_is_a_limit_on_rules_and_all_below_it_work(void **state)
{
    (void)state;
    char level[8];
    for (int i = 0; i < ROUTES_MAX; i++) {
        (void)snprintf(level, sizeof level, "%d", i % 30 + 1);
        add("levels", i == ROUTES_MAX - 1 ? "31" : level, "to", i == ROUTES_MAX - 1 ? "pager" : "archive", NULL);
    }
    started();
    assert_int_equal(at_level(31), C);
    assert_int_equal(at_level(30), A);
    routes_close(routes);
    routes = NULL;
    add("to", "archive", NULL);
    assert_int_equal(start(), -E2BIG);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(without_rules_every_sink_gets_every_record),
        T(S_80_levels_are_ranges_and_a_star_is_any),
        T(S_80_what_no_rule_wants_goes_to_the_fallback_or_nowhere),
        T(S_80_a_sink_that_nobody_names_is_warned_of_once),
        T(S_81_a_sink_of_several_rules_gets_a_record_once),
        T(S_81_without_overlap_the_first_rule_decides),
        T(loggers_are_named_with_all_below_them),
        T(services_are_named_or_patterns),
        T(all_conditions_of_a_rule_must_hold),
        T(what_is_remembered_of_a_logger_ends_with_its_segment),
        T(refusals_say_where_what_and_what_is_allowed),
        T(each_problem_of_each_rule_is_told_and_the_first_is_the_result),
        T(there_is_a_limit_on_rules_and_all_below_it_work),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
