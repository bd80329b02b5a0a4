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

static void nothing_given_means_the_defaults(void **state)
{
    (void)state;
    struct options o;
    struct err e = { 0 };
    assert_int_equal(PARSE(&o, &e), OPTIONS_RUN);
    assert_null(o.args.rings);
    assert_null(o.args.file);
    assert_int_equal(o.args.sinks_count, 0);
    assert_false(o.drain || o.check || o.verbose);
}

static void every_default_parses_and_prints_back(void **state)
{
    (void)state;
    struct settings settings = { 0 };
    struct err e = { 0 };
    assert_int_equal(opt_defaults(settings_opts, &settings, &e), 0);
    for (const struct opt *row = settings_opts; row->type != OPT_END_ROW; row++) {
        char text[64], again[64];
        assert_true(opt_print(row, &settings, text, sizeof text) >= 0);
        assert_int_equal(opt_set(row, &settings, text, &e), 0);
        assert_true(opt_print(row, &settings, again, sizeof again) >= 0);
        assert_string_equal(text, again);
    }
    opt_free(settings_opts, &settings);
}

static void what_is_given_goes_to_the_configuration(void **state)
{
    (void)state;
    struct options o;
    struct err e = { 0 };
    assert_int_equal(PARSE(&o, &e, "--rings", "/r", "--sink", "file:///a", "--sink=file:///b", "--set",
                           "flush_interval=1s", "--set", "level.a.b=off", "--drain", "--config", "c", "--preset", "p"),
                     OPTIONS_RUN);
    assert_string_equal(o.args.rings, "/r");
    assert_string_equal(o.args.file, "c");
    assert_string_equal(o.args.preset, "p");
    assert_int_equal(o.args.sinks_count, 2);
    assert_string_equal(o.args.sink[1], "file:///b");
    assert_int_equal(o.args.sets_count, 2);
    assert_string_equal(o.args.set[1], "level.a.b=off");
    assert_true(o.drain);
}

static void wrong_usage_is_refused_with_the_word_that_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        { "--set", "flush_interval", "KEY=VALUE" },   { "--set", "flush_intervall=1s", "flush_interval'?" },
        { "--set", "merge_window=2000s", "merge" },   { "--set", "level=LOUD", "LOUD" },
        { "--set", "io=fast", "auto" },               { "--nothing", "x", "--nothing" },
        { "--rings", "", "--rings" },                 { "--drain", "x", "x: unexpected" },
        { "--set", "sinks.a=1", "sinks.NAME.OPTION" }, { "--set", "routing.overlp=1", "'overlap'" },
        { "--config", "", "--config" },                { "--set", "stages..x=1", "stages.NAME.OPTION" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct options o;
        struct err e = { 0 };
        assert_true(PARSE(&o, &e, wrong[i][0], wrong[i][1]) < 0);
        if (!strstr(e.text, wrong[i][2]))
            fail_msg("%s %s: '%s' does not say '%s'", wrong[i][0], wrong[i][1], e.text, wrong[i][2]);
    }
}

static void help_and_version_are_recognised(void **state)
{
    (void)state;
    struct options o;
    struct err e = { 0 };
    assert_int_equal(PARSE(&o, &e, "--help"), OPTIONS_HELP);
    assert_int_equal(PARSE(&o, &e, "-h"), OPTIONS_HELP);
    assert_int_equal(PARSE(&o, &e, "--help", "file"), OPTIONS_HELP_TOPIC);
    assert_int_equal(PARSE(&o, &e, "--version"), OPTIONS_VERSION);
}

/* The two lines of an option in the help of a sink. */
static void the_help_of_a_sink_has_the_defaults_that_it_has_of_its_own(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++)
        for (const struct sink_default *d = (*ops)->defaults; d && d->name; d++, seen++) {
            static char text[1 << 16];
            char name[60], def[120];
            struct err e = { 0 };
            FILE *f = fmemopen(text, sizeof text, "w");
            assert_non_null(f);
            assert_int_equal(options_help_topic(f, (*ops)->scheme, &e), 0);
            assert_int_equal(fclose(f), 0);
            (void)snprintf(name, sizeof name, "\n  %s ", d->name);
            (void)snprintf(def, sizeof def, " default %s;", d->value);
            const char *const row = strstr(text, name), *const at = row ? strstr(row, " default ") : NULL;
            if (!at || strncmp(at, def, strlen(def)) != 0)
                fail_msg("--help %s, %s lacks '%s'", (*ops)->scheme, d->name, def);
        }
    assert_true(seen > 10);
}

static void what_only_prints_is_recognised(void **state)
{
    (void)state;
    struct options o;
    struct err e = { 0 };
    assert_int_equal(PARSE(&o, &e, "--schema"), OPTIONS_SCHEMA);
    assert_int_equal(PARSE(&o, &e, "--sample"), OPTIONS_SAMPLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_means_the_defaults),
        cmocka_unit_test(every_default_parses_and_prints_back),
        cmocka_unit_test(what_is_given_goes_to_the_configuration),
        cmocka_unit_test(wrong_usage_is_refused_with_the_word_that_is_wrong),
        cmocka_unit_test(help_and_version_are_recognised),
        cmocka_unit_test(the_help_of_a_sink_has_the_defaults_that_it_has_of_its_own),
        cmocka_unit_test(what_only_prints_is_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
