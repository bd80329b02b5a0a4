/* What is written about the configuration is what the option tables say. With --print it prints the tables, with
 * --dictionary the words for the fuzzer, with --options each option as TABLE.NAME. */
#include "collector/config/config.h"
#include "collector/config/env_reference.h"
#include "collector/config/generate.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *root;

static const struct {
    const char *title;
    const struct opt *rows;
    const char *name;
} tables[] = {
    {"Settings", settings_opts, "settings"}, {"routing", routing_opts, "routing"},
    {"adaptive", pressure_opts, "adaptive"}, {"A rule of routes", route_opts, "route"},
    {"Options of every sink", sink_common_opts, "sink"},
    {"Options of every sink that speaks to a server", sink_delivery_opts, "remote"},
};

static const char *page(const char *name)
{
    static char text[1 << 17];
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    auto_stream in = fopen(path, "re");
    if (!in)
        fail_msg("%s is missing", path);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    return text;
}

static const char *made(void (*make)(FILE *f))
{
    static char text[1 << 19];
    FILE *f = fmemopen(text, sizeof text, "w");
    assert_non_null(f);
    make(f);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void the_page_has_every_row(void **state)
{
    (void)state;
    const char *const text = page("docs/configuration.md");
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        static char rows[1 << 15];
        FILE *f = fmemopen(rows, sizeof rows, "w");
        assert_non_null(f);
        generate_table(f, tables[i].rows);
        assert_int_equal(fclose(f), 0);
        for (char *line = rows; *line;) {
            const size_t len = strcspn(line, "\n");
            const bool is_last = !line[len];
            line[len] = '\0';
            if (!strstr(text, line))
                fail_msg("docs/configuration.md lacks:\n%s", line);
            line += len + !is_last;
        }
    }
}

static unsigned times_in(const char *text, const char *what)
{
    unsigned times = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        times++;
    return times;
}

static void the_manual_page_has_every_setting_once(void **state)
{
    (void)state;
    const char *const text = page("docs/man/fapilog-collector.1.md");
    for (const struct opt *row = settings_opts; row->type != OPT_END_ROW; row++) {
        char want[100];
        if (row->default_text)
            (void)snprintf(want, sizeof want, "`%s` (%s)", row->name, row->default_text);
        else
            (void)snprintf(want, sizeof want, "`%s`", row->name);
        if (!strstr(text, want))
            fail_msg("docs/man/fapilog-collector.1.md lacks: %s", want);
        if (!row->default_text)
            (void)snprintf(want, sizeof want, "\n`%s`\n: ", row->name); /* else the text may name it as well */
        if (times_in(text, want) > 1)
            fail_msg("docs/man/fapilog-collector.1.md has more than once: %s", want);
    }
}

static void names_every_row(const char *text, const struct opt *row, const char *before, const char *behind)
{
    for (; row->type != OPT_END_ROW; row++) {
        char want[100];
        (void)snprintf(want, sizeof want, "%s%s%s", before, row->name, behind);
        if (!strstr(text, want))
            fail_msg("%s is missing", want);
    }
}

static void sample_and_schema_have_every_row(void **state)
{
    (void)state;
    static char sample[1 << 19], schema[1 << 19];
    (void)snprintf(sample, sizeof sample, "%s", made(generate_sample));
    (void)snprintf(schema, sizeof schema, "%s", made(generate_schema));
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        if (tables[i].rows != sink_common_opts) /* without the name: the key */
            names_every_row(sample, tables[i].rows, "", ": ");
        names_every_row(schema, tables[i].rows, "\"", "\": ");
    }
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++) {
        names_every_row(sample, (*ops)->opts, "    ", ": ");
        names_every_row(schema, (*ops)->opts, "\"", "\": ");
    }
    for (const struct stage_ops *const *ops = stage_list; *ops; ops++) {
        names_every_row(sample, (*ops)->opts, "      ", ": ");
        names_every_row(schema, (*ops)->opts, "\"", "\": ");
    }
}

/* Whether it stands behind the first `from`, and before the next `to`. */
static bool has_between(const char *text, const char *from, const char *to, const char *what)
{
    const char *const begin = strstr(text, from);
    if (!begin)
        fail_msg("%s is missing", from);
    const char *const end = strstr(begin + 1, to), *const at = strstr(begin, what);
    return at && (!end || at < end);
}

static void sample_and_schema_have_the_defaults_that_a_sink_has_of_its_own(void **state)
{
    (void)state;
    static char sample[1 << 19], schema[1 << 19];
    unsigned seen = 0;
    (void)snprintf(sample, sizeof sample, "%s", made(generate_sample));
    (void)snprintf(schema, sizeof schema, "%s", made(generate_schema));
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++)
        for (const struct sink_default *d = (*ops)->defaults; d && d->name; d++, seen++) {
            char from[100], what[200];
            (void)snprintf(from, sizeof from, "#  my_%s:", (*ops)->scheme);
            (void)snprintf(what, sizeof what, "#    %s: %s\n", d->name, d->value);
            if (!has_between(sample, from, "\n#  my_", what))
                fail_msg("the sample's %s lacks %s", (*ops)->scheme, what);
            (void)snprintf(from, sizeof from, "{\"enum\": [\"%s\"", (*ops)->scheme);
            const char *const of_sink = strstr(schema, from);
            assert_non_null(of_sink);
            (void)snprintf(from, sizeof from, "\"%s\": {", d->name);
            (void)snprintf(what, sizeof what, "\"default\": \"%s\"", d->value);
            if (!has_between(of_sink, from, "}", what))
                fail_msg("the schema's %s, %s lacks %s", (*ops)->scheme, d->name, what);
        }
    assert_true(seen > 10);
}

/* Each with what the collector says of it; those that belong to somebody who is not there are listed as changed. */
static void every_variable_of_the_reference_is_decided(void **state)
{
    (void)state;
    const char *const text = page("docs/rules.md");
    for (const struct env_reference *r = env_references; r->name; r++) {
        char name[100], row[400];
        (void)snprintf(name, sizeof name, "| `%s`", r->name);
        (void)snprintf(row, sizeof row, "| left | %s |", r->instead);
        const char *const line = strstr(text, name);
        if (!line)
            fail_msg("docs/rules.md lacks %s", name);
        const char *const left = strstr(line, row), *const end = strchr(line, '\n');
        if ((!left || left > end) && strncmp(r->instead, "no ", 3) != 0)
            fail_msg("docs/rules.md, %s: lacks %s", name, row);
    }
}

static int loads(const char *text, struct config *c, struct err *e)
{
    char path[] = "/tmp/fapilog-sample-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
    const int r = config_load(&(struct config_args){.file = path}, c, e);
    assert_int_equal(unlink(path), 0);
    return r;
}

/* All that is commented out as a value is one that is accepted: each default is taken from the sample and given. */
static void the_sample_is_valid_as_it_stands_and_its_settings_when_given(void **state)
{
    (void)state;
    static char text[1 << 19];
    struct config c;
    struct err e = {0};
    (void)snprintf(text, sizeof text, "%s", made(generate_sample));
    if (loads(text, &c, &e) < 0)
        fail_msg("%s", e.text);
    config_free(&c);
    for (const struct opt *row = settings_opts; row->type != OPT_END_ROW; row++) {
        char want[80];
        (void)snprintf(want, sizeof want, "\n#%s: ", row->name);
        char *at = strstr(text, want);
        assert_non_null(at);
        if (row->default_text)
            at[1] = '\n';
    }
    char *const anchor = strstr(text, "\n#x-");
    assert_non_null(anchor);
    anchor[1] = '\n';
    if (loads(text, &c, &e) < 0)
        fail_msg("%s", e.text);
    config_free(&c);
}

static int print_tables(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        (void)printf("\n## %s\n\n", tables[i].title);
        generate_table(stdout, tables[i].rows);
    }
    return 0;
}

static void print_names(const char *table, const struct opt *row)
{
    for (; row->type != OPT_END_ROW; row++)
        (void)printf("%s.%s\n", table, row->name);
}

static int print_options(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++)
        print_names(tables[i].name, tables[i].rows);
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++)
        print_names((*ops)->scheme, (*ops)->opts);
    for (const struct stage_ops *const *ops = stage_list; *ops; ops++)
        print_names((*ops)->kind, (*ops)->opts);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_every_row),
        cmocka_unit_test(the_manual_page_has_every_setting_once),
        cmocka_unit_test(sample_and_schema_have_every_row),
        cmocka_unit_test(sample_and_schema_have_the_defaults_that_a_sink_has_of_its_own),
        cmocka_unit_test(every_variable_of_the_reference_is_decided),
        cmocka_unit_test(the_sample_is_valid_as_it_stands_and_its_settings_when_given),
    };
    if (argc == 2 && strcmp(argv[1], "--print") == 0)
        return print_tables();
    if (argc == 2 && strcmp(argv[1], "--options") == 0)
        return print_options();
    if (argc == 2 && strcmp(argv[1], "--dictionary") == 0) {
        generate_dictionary(stdout);
        return 0;
    }
    root = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
