#include "collector/daemon/options.h"
#include "lib/base/check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(struct options *o, struct err *e, const char *const *args)
{
    char *argv[16] = { (char *)(uintptr_t)"fapilog-collector" };
    int argc = 1;
    const char *topic;
    for (; args[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    return options_parse(o, argc, argv, &topic, e);
}
#define PARSE(o, e, ...) parse(o, e, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })

static int setup(void **state)
{
    (void)state;
    (void)unsetenv("FAPILOG_SINKS");
    (void)unsetenv("FAPILOG_IO");
    return 0;
}

static void nothing_given_means_the_defaults(void **state)
{
    (void)state;
    struct options o;
    struct err e = { 0 };
    assert_int_equal(PARSE(&o, &e), OPTIONS_RUN);
    assert_null(o.rings);
    assert_int_equal(o.sinks_count, 0);
    assert_int_equal(o.settings.ingest.flush_interval_ns, 100000000);
    assert_int_equal(o.settings.ingest.merge_window_ns, 2000000);
    assert_int_equal(o.settings.ingest.lane_budget_bytes, 65536);
    assert_int_equal(o.settings.ingest.keep_dead, 0);
    assert_false(o.drain || o.check || o.verbose);
    options_done(&o);
}

static void every_default_parses_and_prints_back(void **state)
{
    (void)state;
    struct options o;
    struct err e = { 0 };
    assert_int_equal(PARSE(&o, &e), OPTIONS_RUN);
    for (const struct opt *row = settings_opts; row->type != OPT_END_ROW; row++) {
        char text[64], again[64];
        if (!row->default_text)
            continue; /* nothing, unless given */
        assert_true(opt_print(row, &o.settings, text, sizeof text) > 0);
        assert_int_equal(opt_set(row, &o.settings, text, &e), 0);
        assert_true(opt_print(row, &o.settings, again, sizeof again) > 0);
        assert_string_equal(text, again);
    }
    options_done(&o);
}

static void settings_sinks_and_levels_are_taken(void **state)
{
    (void)state;
    struct options o;
    struct err e = { 0 };
    assert_int_equal(PARSE(&o, &e, "--rings", "/r", "--sink", "file:///a", "--sink=file:///b", "--set",
                           "flush_interval=1s", "--set", "level=DEBUG", "--set", "level.a.b=off", "--drain"),
                     OPTIONS_RUN);
    assert_string_equal(o.rings, "/r");
    assert_int_equal(o.sinks_count, 2);
    assert_string_equal(o.sink[1].uri, "file:///b");
    assert_int_equal(o.settings.ingest.flush_interval_ns, 1000000000);
    assert_int_equal(o.levels_count, 2);
    assert_string_equal(o.level[0].prefix, "");
    assert_int_equal(o.level[0].level, FAPILOG_LEVEL_DEBUG);
    assert_string_equal(o.level[1].prefix, "a.b");
    assert_int_equal(o.level[1].level, FAPILOG_LEVEL_OFF);
    assert_true(o.drain);
    options_done(&o);
}

static void sinks_of_the_environment_yield_to_the_command_line(void **state)
{
    (void)state;
    struct options o;
    struct err e = { 0 };
    (void)setenv("FAPILOG_SINKS", " file:///x\n\tfile:///y ", 1);
    assert_int_equal(PARSE(&o, &e), OPTIONS_RUN);
    assert_int_equal(o.sinks_count, 2);
    assert_string_equal(o.sink[0].uri, "file:///x");
    assert_string_equal(o.sink[1].uri, "file:///y");
    assert_string_equal(o.sink[1].source, "FAPILOG_SINKS");
    options_done(&o);
    assert_int_equal(PARSE(&o, &e, "--sink", "file:///a"), OPTIONS_RUN);
    assert_int_equal(o.sinks_count, 1);
    options_done(&o);
}

static void wrong_usage_is_refused_with_the_word_that_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        { "--set", "flush_interval", "KEY=VALUE" },   { "--set", "flush_intervall=1s", "flush_interval'?" },
        { "--set", "merge_window=2000s", "merge" },   { "--set", "level=LOUD", "LOUD" },
        { "--set", "io=fast", "auto" },               { "--nothing", "x", "--nothing" },
        { "--rings", "", "--rings" },                 { "--drain", "x", "x: unexpected" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct options o;
        struct err e = { 0 };
        assert_true(PARSE(&o, &e, wrong[i][0], wrong[i][1]) < 0);
        if (!strstr(e.text, wrong[i][2]))
            fail_msg("%s %s: '%s' does not say '%s'", wrong[i][0], wrong[i][1], e.text, wrong[i][2]);
        options_done(&o);
    }
}

static void help_and_version_are_recognised(void **state)
{
    (void)state;
    struct options o;
    struct err e = { 0 };
    assert_int_equal(PARSE(&o, &e, "--help"), OPTIONS_HELP);
    options_done(&o);
    assert_int_equal(PARSE(&o, &e, "-h"), OPTIONS_HELP);
    options_done(&o);
    assert_int_equal(PARSE(&o, &e, "--help", "file"), OPTIONS_HELP_SINK);
    options_done(&o);
    assert_int_equal(PARSE(&o, &e, "--version"), OPTIONS_VERSION);
    options_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_given_means_the_defaults, setup),
        cmocka_unit_test_setup(every_default_parses_and_prints_back, setup),
        cmocka_unit_test_setup(settings_sinks_and_levels_are_taken, setup),
        cmocka_unit_test_setup(sinks_of_the_environment_yield_to_the_command_line, setup),
        cmocka_unit_test_setup(wrong_usage_is_refused_with_the_word_that_is_wrong, setup),
        cmocka_unit_test_setup(help_and_version_are_recognised, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
