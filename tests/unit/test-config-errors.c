/* What is wrong is named with file, line, column, key, value and what is allowed. */
#include "tests/unit/config-fixture.h"

#include <errno.h>
#include <sys/stat.h>

struct wrong {
    const char *text;
    const char *said[4];
};

static void refused(const char *text, const struct config_args *args, const char *const *said)
{
    struct config c;
    struct err e;
    if (load(&c, text, args, &e) == 0)
        fail_msg("accepted: %s", text);
    for (; *said; said++)
        if (!strstr(e.text, *said))
            fail_msg("%s\nis refused with: %s\nwithout: %s", text, e.text, *said);
}

static void accepted(const char *text)
{
    struct config c;
    struct err e;
    if (load(&c, text, NULL, &e) < 0)
        fail_msg("%s\n%s", text, e.text);
    config_free(&c);
}

static const struct wrong mistakes[] = {
    {"flush_intervall: 1s\n", {":1:1: ", "flush_intervall", "'flush_interval'", "merge_window"}},
    {"y-base: 1\n", {":1:1: ", "y-base: no such key", "x-... for anchors"}},
    {"x-base: {a: [1\n", {"is not YAML"}},
    {"x-base: {a: 1, a: 2}\n", {":1:16: ", "first in line 1"}},
    {"x-base: &b {capcity: 1}\nstages:\n  - rate_limit: {<<: *b}\n", {":1:13: ", "stages.rate_limit", "capcity"}},
    {"sinks:\n  a: {type: loki, x-b: 1}\n", {":2:19: ", "sinks.a.x-b", "no such option"}},
    {"sinks:\n  a: {type: console, on_full: spool}\n", {":2:", "sinks.a.on_full", "speak to a server"}},
    {"stage: []\n", {":1:1: ", "'stages'"}},
    {"io: plain\nflush_interval: 1h\n", {":2:17: ", "flush_interval", "'1h'", "1ms..1m"}},
    {"flush_interval: [1s]\n", {":1:17: ", "a list where a single value"}},
    {"flush_interval:\n", {":1:1: ", "flush_interval: has no value"}},
    {"- io\n", {":1:1: ", "a list"}},
    {"io: plain\nio: auto\n", {":2:1: ", "io", "first in line 1"}},
    {"io: [\n", {"is not YAML"}},
    {"sinks:\n  a: console:\n", {":2:13: ", "':' at its end, needs quotes"}},
    {"routing: {}\nlevel: a: b\n", {":2:9: ", "needs quotes"}},
    {"a: \xff\n", {":1:4: ", "UTF-8"}},
    {"io: auto\n---\nio: auto\n", {"a second document"}},
    {"io: *x\n", {":1:", "no anchor"}},
    {"routing: {<<: 3}\n", {":1:15: ", "<<: is a single value, not a map"}},
    {"routing: {<<: [{overlap: true}, 3]}\n", {":1:33: ", "<<: is a single value, not a map"}},
    {"routing: {<<: {}, <<: {}}\n", {":1:19: ", "<<: stands here a second time"}},
    {"routing: &r {<<: *r}\n", {":1:19: ", "inside of what it names"}},
    {"routing: {\"<<\": {overlap: true}}\n", {":1:12: ", "routing", "<<"}},
    {"stages:\n  - rate_limit: &b {capcity: 1}\n  - rate_limit: {<<: *b}\n", {":2:21: ", "capcity"}},
    {"sinks:\n  a: &a {type: loki, batch_size: 0}\n  b: {<<: *a}\n", {":2:34: ", "sinks.b.batch_size", "'0'"}},
    {"level: LOUD\n", {":1:8: ", "'LOUD'", "WARNING"}},
    {"levels: [a]\n", {":1:9: ", "a list, not a map"}},
    {"io: auto\nplugins: [/no/such.so]\n", {":2: plugins: ", "/no/such.so", "No such file"}},
    {"preset: prod\n", {":1:9: ", "'prod'", "production"}},
    {"stages: {level: 1}\n", {":1:9: ", "a map, not a list"}},
    {"stages:\n  - sampling: {rate: 2}\n", {":2:22: ", "stages.sampling.rate", "'2'", "0..1"}},
    {"stages:\n  - samplin\n", {":2:5: ", "samplin", "'sampling'", "rate_limit"}},
    {"stages:\n  - rate_limit: {capcity: 1}\n", {":2:18: ", "capcity", "'capacity'", "presets"}},
    {"stages:\n  - rate_limit: {capacity: 13}\n", {":2", "stages.rate_limit", "13 contradicts"}},
    {"stages:\n  - {level: {}, sampling: {}}\n", {":2:5: ", "only key"}},
    {"stages:\n  - rate_limit: 5\n", {":2:17: ", "a single value where a map"}},
    {"stages:\n  - enrich: [runtme]\n", {":2:14: ", "'runtime'"}},
    {"sinks: [a]\n", {":1:8: ", "a list, not a map"}},
    {"sinks:\n  a: {path: /x}\n", {":2:6: ", "sinks.a", "type"}},
    {"sinks:\n  a: {type: lokki}\n", {":2:6: ", "lokki", "'loki:'", "console"}},
    {"sinks:\n  a: {type: kafka}\n", {":2:6: ", "kafka", "did not find rdkafka"}},
    {"sinks:\n  a: loki://h:1?lables=x\n", {":2:6: ", "sinks.a", "lables", "'labels'"}},
    {"sinks:\n  a: {type: loki, lables: {}}\n", {":2:19: ", "sinks.a", "lables", "'labels'"}},
    {"sinks:\n  a: {type: loki, batch_size: 0}\n", {":2:31: ", "sinks.a.batch_size", "'0'", "1..100000"}},
    {"sinks:\n  a: {type: loki, labels: {x: [1]}}\n", {":2:27: ", "sinks.a.labels: x: is a list where"}},
    {"sinks:\n  a: {type: loki, labels: {app:x}}\n", {":2:27: ", "sinks.a.labels: app:x: has no value"}},
    {"sinks:\n  a: {type: loki, password: {env: NO_SUCH_VARIABLE}}\n", {":2:29: ", "password", "NO_SUCH_VARIABLE"}},
    {"sinks:\n  a: {type: loki, password: {file: /no/such}}\n", {":2:29: ", "/no/such", "No such file"}},
    {"sinks:\n  a: {type: loki, name: b}\n", {":2:19: ", "name", "key"}},
    {"sinks:\n  a: {type: loki, uri: 'file:///x'}\n", {":2:6: ", "not a URI of the loki sink"}},
    {"sinks:\n  : 'console:'\n", {":2", "needs a name"}},
    {"sinks: {a: 'console:?name=b'}\n", {":1", "sinks.a.name", "'b'"}},
    {"sinks: {a: 'console:?name='}\n", {":1", "sinks.a.name", "''"}},
    {"sinks:\n  a/b: 'console:'\n", {":2", "'a/b'", "letters"}},
    {"sinks:\n  a: {type: file}\n", {":2", "sinks.a", "directory"}},
    {"sinks:\n  a: 'file:///x'\n  b: 'file:///x'\n", {"a and b", "same place", "another path"}},
    {"sinks: {}\n", {"sinks: there is none"}},
    {"sinks: {a: file}\n", {":1:12: ", "sinks.a", "want a URI such as file:///"}},
    {"sinks: {a: 'file:///x'}\nroutes: [{to: [b]}]\n", {":2:10: routes[0].to: 'b' is no sink (there are: a)"}},
    {"sinks: {a: 'console:?format=xml'}\n", {":1", "sinks.a: format: 'xml' is not one of fapilog", "logfmt"}},
    {"sinks: {a: 'console:'}\nroutes: [{to: [b]}]\n", {":2:10", "'b'"}},
    {"routes: {to: [console]}\n", {":1:9: ", "a map, not a list"}},
    {"routes: [{too: [console]}]\n", {":1:11: ", "routes[0]", "too", "'to'"}},
    {"routes: [[a]]\n", {":1:10: ", "routes[0]", "a list, not a map"}},
    {"routing: {overlap: maybe}\n", {":1:20: ", "routing.overlap", "'maybe'", "true or false"}},
};

static void every_mistake_in_a_file_says_where_and_what_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(mistakes); i++)
        refused(mistakes[i].text, NULL, (const char *const[]){mistakes[i].said[0], mistakes[i].said[1],
                                                              mistakes[i].said[2], mistakes[i].said[3], NULL});
}

/* A default gives way to what is asked for. */
static void two_values_of_a_sink_that_exclude_each_other_are_refused(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"sinks:\n  a: {type: loki, retry_base_delay: 3s, retry_max_delay: 2s}\n",
         {":2: sinks.a.retry_base_delay: 3s is more than retry_max_delay, which is 2s (/", ":2)"}},
        {"sinks:\n  a: {uri: 'loki://h?retry_base_delay=3s', retry_max_delay: 2s}\n",
         {"URI, ", "sinks.a.retry_base_delay: 3s", ":2)"}},
        {"sinks:\n  a: {type: loki, spool_max_bytes: 4MB, spool_segment_bytes: 1048577}\n",
         {":2: sinks.a.spool_segment_bytes: 1048577 is more than a quarter of spool_max_bytes, which is 4MB ("}},
    };
    static const char *const taken[] = {
        "sinks:\n  a: {type: loki, url: 'http://h', retry_base_delay: 2s, retry_max_delay: 2s}\n",
        "sinks:\n  a: {type: loki, url: 'http://h', retry_base_delay: 60s}\n",
        "sinks:\n  a: {type: loki, url: 'http://h', retry_max_delay: 10ms}\n",
        "sinks:\n  a: {type: loki, url: 'http://h', spool_max_bytes: 4MB, spool_segment_bytes: 1MB}\n",
        "sinks:\n  a: {type: loki, url: 'http://h', spool_max_bytes: 1MB}\n",
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++)
        refused(cases[i].text, NULL, cases[i].said);
    for (unsigned i = 0; i < ARRAY_COUNT(taken); i++)
        accepted(taken[i]);
}

/* A default gives way here, too. */
static void what_no_request_can_hold_is_refused(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"sinks:\n  a: {type: loki, batch_size: 501}\n",
         {":2: sinks.a.batch_size: 501; a request of loki holds at most 500 records"}},
        {"sinks:\n  a: {type: loki, batch_bytes: 4097}\n",
         {":2: sinks.a.batch_bytes: 4097; a request of loki holds at most 4096 bytes"}},
        {"sinks:\n  a: {uri: 'loki://h?batch_size=10000'}\n", {"URI", "sinks.a.batch_size: 10000; "}},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++)
        refused(cases[i].text, NULL, cases[i].said);
    accepted("sinks:\n  a: {type: loki, batch_size: 500, batch_bytes: 4096}\n");
    accepted("sinks:\n  a: {type: loki}\n");
    accepted("sinks:\n  a: {type: http, batch_size: 501, batch_bytes: 4097}\n");
}

/* See collector/config/yaml.c: without these, values would be others than were written, or memory would be damaged. */
static void what_the_yaml_library_reads_wrongly_is_refused(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"? !t a: \t:\tb\n", {":1:8: ", "a tab in front of ':'", "spaces"}},
        {"io: auto\n? a\n:\t- b\n", {":3:2: ", "a tab in front of '-'"}},
        {"{rings: \"a\\\n\r\rb\"}\n", {":1:10: ", "cannot be read for certain", "in one line"}},
        {"rings: |\n ", {":2:1: ", "cannot be read for certain"}},
        {"rings: 'a''''b\n\n c'\n", {":1:9: ", "several lines", "between double quotes"}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        refused(cases[i].text, NULL, (const char *const[]){cases[i].said[0], cases[i].said[1], cases[i].said[2],
                                                           cases[i].said[3], NULL});
}

static void all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    refused("io: fast\nlevel: LOUD\nsinks: {a: {type: loki, batch_size: x}}\n", NULL,
            (const char *const[]){":1:5: io", ":2:8: level", ":3:37: sinks.a.batch_size", NULL});
}

static void wrong_routes_are_told_each_on_its_line(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    char want[3 * sizeof fixture_path + 200];
    (void)snprintf(want, sizeof want, "%s:2:10: routes[0].to: 'x' is no sink (there are: console)\n"
                   "%s:2:36: routes[2].to: 'y' is no sink (there are: console)\n"
                   "routing.fallback: 'z' is no sink (there are: console)",
                   fixture_path, fixture_path);
    const char *const text = "routing: {fallback: [z]}\nroutes: [{to: [x]}, {to: console}, {to: [y]}]\n";
    assert_int_equal(load(&c, text, NULL, &e), -EINVAL);
    assert_string_equal(e.text, want);
}

static void many_mistakes_are_told_as_far_as_there_is_room(void **state)
{
    (void)state;
    refused("a1: 1\nb1: 1\nc1: 1\nd1: 1\ne1: 1\nf1: 1\ng1: 1\nh1: 1\ni1: 1\n", NULL,
            (const char *const[]){"a1: no such key", "more", NULL});
}

static void a_wrong_variable_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *said;
    } cases[] = {
        {"FAPILOG_FLUSH_INTERVAL", "soon", "'soon'"},
        {"FAPILOG_LOKI__BATCH_SIZE", "many", "'many'"},
        {"FAPILOG_LOKI__LABELS", "{x", "labels"},
        {"FAPILOG_SINK_ROUTING__RULES", "[{", "not YAML"},
        {"FAPILOG_SINK_ROUTING__RULES", "{}", "not a list"},
        {"FAPILOG_SINK_ROUTING__OVERLAP", "x", "true or false"},
        {"FAPILOG_SINKS", "console: fil:///x", "'file:'"},
        {"FAPILOG_CORE__SINKS", "[\"nope\"]", "nope"},
        {"FAPILOG_PRESET", "x", "production"},
        {"FAPILOG_LEVELS", "a", "LOGGER=LEVEL"},
        {"FAPILOG_CONFIG", "/no/such", "No such file"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(setenv(cases[i].name, cases[i].value, 1), 0);
        refused(NULL, NULL, (const char *const[]){cases[i].name, cases[i].said, NULL});
        assert_int_equal(unsetenv(cases[i].name), 0);
    }
}

static void a_variable_that_contradicts_a_uri_is_named(void **state)
{
    (void)state;
    assert_int_equal(setenv("FAPILOG_FILE__DIRECTORY", "/d", 1), 0);
    refused("sinks: {a: 'file:///x'}\n", NULL, (const char *const[]){"contradicts", "FAPILOG_FILE__DIRECTORY", NULL});
}

static void a_wrong_argument_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct config_args args;
        const char *said;
    } cases[] = {
        {{.set = {"sinks.nope.format=json"}, .sets_count = 1}, "no such sink"},
        {{.set = {"stages.nope.rate=1"}, .sets_count = 1}, "no such stage"},
        {{.set = {"sinks.console.mde=json"}, .sets_count = 1}, "'mode'"},
        {{.set = {"sinks.console.mode=loud"}, .sets_count = 1}, "pretty"},
        {{.set = {"sinks.console.format=xml"}, .sets_count = 1}, "--set: sinks.console: format: 'xml' is not one of"},
        {{.set = {"sinks.console.name="}, .sets_count = 1}, "is called 'console'"},
        {{.sink = {"nope:"}, .sinks_count = 1}, "nope"},
        {{.preset = "nope"}, "--preset: 'nope' is not one of"},
        {{.file = "/no/such"}, "--config"},
        {{.file = "/"}, "Is a directory"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        refused(NULL, &cases[i].args, (const char *const[]){cases[i].said, NULL});
}

static void a_key_is_named_once_where_its_own_argument_is_wrong(void **state)
{
    (void)state;
    assert_string_equal(config_behind_source("--user", "user: 'x': no"), "'x': no");
    assert_string_equal(config_behind_source("--user", "user: "), "");
    assert_string_equal(config_behind_source("--user", "users: 'x'"), "users: 'x'");
    assert_string_equal(config_behind_source("--user", "root only"), "root only");
    assert_string_equal(config_behind_source("--set", "user: 'x': no"), "user: 'x': no");
    assert_string_equal(config_behind_source("/a.yaml:1:7", "user: 'x': no"), "user: 'x': no");
    assert_string_equal(config_behind_source("FAPILOG_USER", "user: 'x': no"), "user: 'x': no");
}

static void secrets_are_in_no_message(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    static const char *const texts[] = {
        "sinks:\n  a: {type: loki, password: hunter2, batch_size: x}\n",
        "sinks:\n  a: {type: loki, passwort: x, password: [hunter2]}\n",
        "sinks:\n  a: 'loki://u:hunter2@h:1?batch_size=x'\n",
        "sinks:\n  a: 'loki://h:1?password=hunter2&batch_size=x'\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        assert_true(load(&c, texts[i], NULL, &e) < 0);
        if (strstr(e.text, "hunter2"))
            fail_msg("%s", e.text);
    }
}

static void limits_of_the_text_are_held(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    static char text[(1 << 20) + 100];
    memset(text, '#', (1 << 20) + 1);
    assert_true(load(&c, text, NULL, &e) == -EFBIG);
    memset(text, 0, sizeof text);
    for (unsigned i = 0; i < 40; i++)
        strncat(text, "[", sizeof text - strlen(text) - 1);
    assert_true(load(&c, text, NULL, &e) == -E2BIG);
    assert_non_null(strstr(e.text, "nested"));
    size_t used = (size_t)snprintf(text, sizeof text, "x: [");
    for (unsigned i = 0; i < 100001; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "1,");
    (void)snprintf(text + used, sizeof text - used, "1]");
    assert_true(load(&c, text, NULL, &e) == -E2BIG);
    used = (size_t)snprintf(text, sizeof text, "sinks:\n");
    for (unsigned i = 0; i <= FAPILOG_SINKS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "  s%u: file:///x%u\n", i, i);
    assert_true(load(&c, text, NULL, &e) < 0);
    assert_non_null(strstr(e.text, "more than 32 sinks"));
    used = (size_t)snprintf(text, sizeof text, "stages:\n");
    for (unsigned i = 0; i <= STAGES_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "  - level\n");
    assert_true(load(&c, text, NULL, &e) < 0);
    assert_non_null(strstr(e.text, "more than 64"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_mistake_in_a_file_says_where_and_what_is_right),
        T(two_values_of_a_sink_that_exclude_each_other_are_refused),
        T(what_no_request_can_hold_is_refused),
        T(what_the_yaml_library_reads_wrongly_is_refused),
        T(all_mistakes_are_told_at_once),
        T(wrong_routes_are_told_each_on_its_line),
        T(many_mistakes_are_told_as_far_as_there_is_room),
        T(a_wrong_variable_is_refused_by_name),
        T(a_variable_that_contradicts_a_uri_is_named),
        T(a_wrong_argument_is_refused),
        T(a_key_is_named_once_where_its_own_argument_is_wrong),
        T(secrets_are_in_no_message),
        T(limits_of_the_text_are_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
