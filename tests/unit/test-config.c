/* Where the values of a configuration come from, and which of them counts. */
#include "tests/unit/config-fixture.h"

#include <errno.h>

static char here[100]; /* "FILE:LINE" */

static const char *line(unsigned n)
{
    (void)snprintf(here, sizeof here, "%s:%u", fixture_path, n);
    return here;
}

static void nothing_given_is_a_console_with_defaults(void **state)
{
    (void)state;
    struct config c;
    loads(&c, NULL, NULL);
    assert_int_equal(c.sinks_count, 1);
    assert_string_equal(c.sink[0]->common.name, "console");
    assert_int_equal(c.stages_count, 0);
    assert_int_equal(c.routes.count, 0);
    assert_int_equal(c.warnings_count, 0);
    shows(&c, "flush_interval = 100ms", "default");
    config_free(&c);
}

static void the_documented_example_is_understood(void **state)
{
    (void)state;
    struct config c;
    loads(&c, "preset: production\n"
              "rings: /run/fapilog\n"
              "stages:\n"
              "  - level: {min: INFO}\n"
              "  - sample: {rate: 0.1}\n"
              "  - enrich: [runtime, kubernetes]\n"
              "  - redact: {presets: [CREDENTIALS, PCI_DSS], message: true}\n"
              "sinks:\n"
              "  archive: file:///var/log/orders.jsonl?max_bytes=100MB&max_files=10&compress=zstd\n"
              "  search:  {type: loki, url: \"http://loki:3100\", labels: {app: orders}}\n"
              "routes:\n"
              "  - {levels: [ERROR, CRITICAL], to: [archive, search]}\n"
              "  - {to: [archive]}\n", NULL);
    shows(&c, "rings = /run/fapilog", line(2));
    shows(&c, "shutdown_timeout = 25s", "preset production");
    shows(&c, "stages.sampling.rate = 0.1", line(5));
    shows(&c, "stages.runtime = runtime", line(6));
    shows(&c, "stages.kubernetes = kubernetes", line(6));
    shows(&c, "stages.redact.presets = CREDENTIALS,PCI_DSS", line(7));
    shows(&c, "stages.redact.message = true", line(7));
    shows(&c, "stages.redact.fail_mode = warn", "preset production");
    shows(&c, "sinks.search.url = http://loki:3100", line(10));
    shows(&c, "sinks.search.labels = app=orders", line(10));
    shows(&c, "routes[0].levels = ERROR,CRITICAL", line(12));
    shows(&c, "routes[1].to = archive", line(13));
    assert_int_equal(c.sinks_count, 2);
    config_free(&c);
}

static void each_source_yields_to_the_next(void **state)
{
    (void)state;
    struct config c;
    const char *const text = "preset: production\nflush_interval: 300ms\n";
    struct config_args args = {0};
    loads(&c, "preset: production\n", NULL);
    shows(&c, "flush_interval = 250ms", "preset production");
    config_free(&c);
    loads(&c, text, NULL);
    shows(&c, "flush_interval = 300ms", line(2));
    config_free(&c);
    assert_int_equal(setenv("FAPILOG_FLUSH_INTERVAL", "400ms", 1), 0);
    loads(&c, text, NULL);
    shows(&c, "flush_interval = 400ms", "FAPILOG_FLUSH_INTERVAL");
    config_free(&c);
    args.set[args.sets_count++] = "flush_interval=500ms";
    loads(&c, text, &args);
    shows(&c, "flush_interval = 500ms", "--set");
    config_free(&c);
}

static void a_sink_takes_options_from_all_sources(void **state)
{
    (void)state;
    struct config c;
    struct config_args args = {0};
    const char *const map = "sinks:\n  a: {type: loki, batch_size: 20}\n  b: {uri: 'loki://h:1?batch_size=30', "
                            "timeout: 7s}\n";
    loads(&c, map, NULL);
    shows(&c, "sinks.a.batch_size = 20", line(2));
    shows(&c, "sinks.b.timeout = 7s", line(3));
    config_free(&c);
    assert_int_equal(setenv("FAPILOG_LOKI__BATCH_SIZE", "40", 1), 0);
    loads(&c, map, NULL);
    shows(&c, "sinks.a.batch_size = 40", "FAPILOG_LOKI__BATCH_SIZE");
    (void)snprintf(here, sizeof here, "URI, %s:3", fixture_path);
    shows(&c, "sinks.b.batch_size = 30", here);
    shows(&c, "sinks.b.url = http://h:1", here);
    config_free(&c);
    args.set[args.sets_count++] = "sinks.b.batch_size=50";
    loads(&c, map, &args);
    shows(&c, "sinks.b.batch_size = 50", "--set");
    config_free(&c);
}

static void the_command_line_replaces_the_sinks_of_environment_and_file(void **state)
{
    (void)state;
    struct config c;
    struct config_args args = {.sink = {"file:///a"}, .sinks_count = 1};
    assert_int_equal(setenv("FAPILOG_SINKS", " file:///x\n\tfile:///y ", 1), 0);
    loads(&c, "sinks: {f: 'file:///f'}\n", NULL);
    assert_int_equal(c.sinks_count, 2);
    shows(&c, "sinks.file.path = /x", "URI, FAPILOG_SINKS");
    shows(&c, "sinks.file-2.path = /y", "URI, FAPILOG_SINKS");
    config_free(&c);
    loads(&c, "sinks: {f: 'file:///f'}\n", &args);
    assert_int_equal(c.sinks_count, 1);
    shows(&c, "sinks.file.path = /a", "URI, --sink");
    config_free(&c);
}

/* S-03 */
static void without_sinks_the_environment_chooses_one(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(setenv("FAPILOG_FILE__DIRECTORY", "/var/log/x", 1), 0);
    loads(&c, NULL, NULL);
    shows(&c, "sinks.file.directory = /var/log/x", "FAPILOG_FILE__DIRECTORY");
    config_free(&c);
    assert_int_equal(setenv("FAPILOG_HTTP__ENDPOINT", "http://h/p", 1), 0);
    loads(&c, NULL, NULL);
    assert_int_equal(c.sinks_count, 1);
    shows(&c, "sinks.http.endpoint = http://h/p", "FAPILOG_HTTP__ENDPOINT");
    shows(&c, "sinks.http.batch_size = 1", "default");
    config_free(&c);
}

/* S-02 and 3.3: the names of the reference. */
static void names_of_the_reference_are_understood(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(setenv("FAPILOG_CORE__SINKS", "[\"stdout_json\", \"rotating-file\"]", 1), 0);
    assert_int_equal(setenv("fapilog_sink_config__rotating_file__directory", "/d", 1), 0);
    assert_int_equal(setenv("FAPILOG_SINK_CONFIG__ROTATING_FILE__FILENAME_PREFIX", "p", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__SHUTDOWN_TIMEOUT_SECONDS", "3", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__LOG_LEVEL", "WARNING", 1), 0);
    loads(&c, NULL, NULL);
    shows(&c, "sinks.console.mode = json", "FAPILOG_CORE__SINKS");
    shows(&c, "sinks.file.directory = /d", "fapilog_sink_config__rotating_file__directory");
    shows(&c, "sinks.file.prefix = p", "FAPILOG_SINK_CONFIG__ROTATING_FILE__FILENAME_PREFIX");
    shows(&c, "shutdown_timeout = 3s", "FAPILOG_CORE__SHUTDOWN_TIMEOUT_SECONDS");
    shows(&c, "level = WARNING", "FAPILOG_CORE__LOG_LEVEL");
    config_free(&c);
}

/* S-02, S-105 */
static void a_file_takes_the_names_of_either_reference(void **state)
{
    (void)state;
    struct config c;
    loads(&c, "sinks: {a: {type: stdout_pretty}, b: {type: file, path: /b, size: 100MB, keep: 10}}\n", NULL);
    shows(&c, "sinks.a.mode = pretty", line(1));
    shows(&c, "sinks.b.max_bytes = 100MB", line(1));
    shows(&c, "sinks.b.max_files = 10", line(1));
    config_free(&c);
}

static void maps_and_lists_of_the_environment_are_json_or_commas(void **state)
{
    (void)state;
    struct config c;
    const char *const text = "sinks: {a: {type: loki}}\nstages: [size_guard]\n";
    assert_int_equal(setenv("FAPILOG_LOKI__LABELS", "{\"a\": \"b,c\"}", 1), 0);
    assert_int_equal(setenv("FAPILOG_SIZE_GUARD__FIELDS", "x, y", 1), 0);
    assert_int_equal(setenv("FAPILOG_PROCESSOR_CONFIG__SIZE_GUARD__CAPACITY", "5", 1), 0);
    loads(&c, text, NULL);
    shows(&c, "sinks.a.labels = {\"a\":\"b,c\"}", "FAPILOG_LOKI__LABELS");
    shows(&c, "stages.size_guard.fields = x,y", "FAPILOG_SIZE_GUARD__FIELDS");
    shows(&c, "stages.size_guard.capacity = 5", "FAPILOG_PROCESSOR_CONFIG__SIZE_GUARD__CAPACITY");
    config_free(&c);
}

/* 3.10 */
static void routes_of_the_environment_replace_those_of_the_file(void **state)
{
    (void)state;
    struct config c;
    const char *const text = "sinks: {a: 'console:', b: 'file:///b'}\nroutes: [{to: [a]}]\n";
    assert_int_equal(setenv("FAPILOG_SINK_ROUTING__RULES",
                            "[{\"levels\": [\"ERROR\"], \"sinks\": [\"b\"]}, {\"levels\": [\"*\"], \"sinks\": "
                            "[\"a\", \"b\"]}]", 1), 0);
    assert_int_equal(setenv("FAPILOG_SINK_ROUTING__OVERLAP", "false", 1), 0);
    assert_int_equal(setenv("FAPILOG_SINK_ROUTING__FALLBACK_SINKS", "a", 1), 0);
    loads(&c, text, NULL);
    assert_int_equal(c.routes.count, 2);
    assert_false(c.routes.overlap);
    assert_string_equal(c.routes.fallback.item[0], "a");
    assert_string_equal(c.routes.rule[0].to.item[0], "b");
    assert_non_null(strstr(c.routes.rule[0].source, "FAPILOG_SINK_ROUTING__RULES"));
    config_free(&c);
    assert_int_equal(setenv("FAPILOG_SINK_ROUTING__ENABLED", "false", 1), 0);
    loads(&c, text, NULL);
    assert_int_equal(c.routes.count, 0);
    config_free(&c);
}

static void the_environment_names_stages_and_what_several_share(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(setenv("FAPILOG_CORE__FILTERS", "[\"sampling\", \"rate_limit\"]", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__ENRICHERS", "runtime,context_vars", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__REDACTORS", "field_mask,url_credentials", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__PROCESSORS", "[]", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__SINK_CIRCUIT_BREAKER_ENABLED", "false", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__SINK_CIRCUIT_BREAKER_FAILURE_THRESHOLD", "9", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__SINK_CIRCUIT_BREAKER_RECOVERY_TIMEOUT_SECONDS", "7", 1), 0);
    assert_int_equal(setenv("FAPILOG_SINK_CONFIG__HTTP__BREAKER_THRESHOLD", "3", 1), 0);
    loads(&c, "stages: [rate_limit: {capacity: 3}]\nsinks: {a: 'loki://h:1', b: 'http://h:1', c: 'console:'}\n", NULL);
    assert_int_equal(c.stages_count, 5);
    assert_string_equal(c.stage[0]->name, "rate_limit");
    assert_string_equal(c.stage[4]->name, "url_credentials");
    shows(&c, "stages.field_mask", "FAPILOG_CORE__REDACTORS");
    shows(&c, "sinks.a.breaker_enabled = false", "FAPILOG_CORE__SINK_CIRCUIT_BREAKER_ENABLED");
    shows(&c, "sinks.a.breaker_threshold = 9", "FAPILOG_CORE__SINK_CIRCUIT_BREAKER_FAILURE_THRESHOLD");
    shows(&c, "sinks.b.breaker_threshold = 3", "FAPILOG_SINK_CONFIG__HTTP__BREAKER_THRESHOLD");
    shows(&c, "sinks.a.breaker_recovery = 7s", "FAPILOG_CORE__SINK_CIRCUIT_BREAKER_RECOVERY_TIMEOUT_SECONDS");
    assert_int_equal(c.warnings_count, 2);
    assert_non_null(strstr(c.warning[0], "context_vars adds nothing"));
    assert_non_null(strstr(c.warning[1], "FAPILOG_CORE__PROCESSORS takes nothing out"));
    config_free(&c);
    fixture_clear();
    struct err e;
    assert_int_equal(setenv("FAPILOG_CORE__FILTERS", "field_mask", 1), 0);
    assert_int_equal(load(&c, NULL, NULL, &e), -EINVAL);
    assert_non_null(strstr(e.text, "FAPILOG_CORE__FILTERS: 'field_mask' is none of level, sampling, rate_limit"));
    fixture_clear();
}

static void variables_of_the_reference_are_told_what_replaces_them(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(setenv("FAPILOG_CORE__WORKER_COUNT", "4", 1), 0);
    assert_int_equal(setenv("fapilog_observability__metrics__enabled", "1", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__REDACTION_MAX_DEPTH", "3", 1), 0);
    assert_int_equal(setenv("FAPILOG_POSTGRES__MIN_POOL_SIZE", "3", 1), 0);
    loads(&c, NULL, NULL);
    assert_int_equal(c.warnings_count, 4);
    for (unsigned i = 0; i < c.warnings_count; i++)
        assert_non_null(strstr(c.warning[i], " has no effect: "));
    assert_non_null(strstr(c.warning[3], "opened when there is work")); /* not: did you mean MAX_POOL_SIZE? */
    config_free(&c);
    fixture_clear();
}

static void merge_keys_fill_in_what_a_map_does_not_say(void **state)
{
    (void)state;
    struct config c;
    char place[100];
    loads(&c, "sinks:\n"
              "  one: &one {type: loki, batch_size: 10, timeout: 3s}\n"
              "  two: &two {type: loki, batch_size: 20, batch_interval: 7s}\n"
              "  both: {timeout: 4s, <<: [*one, *two]}\n"
              "  again: {<<: {type: loki, labels: {<<: {a: b}, c: d}}}\n", NULL);
    assert_int_equal(c.sinks_count, 4);
    (void)snprintf(place, sizeof place, "%s:4", fixture_path);
    shows(&c, "sinks.both.timeout = 4s", place);
    (void)snprintf(place, sizeof place, "%s:2", fixture_path);
    shows(&c, "sinks.both.batch_size = 10", place);
    (void)snprintf(place, sizeof place, "%s:3", fixture_path);
    shows(&c, "sinks.both.batch_interval = 7s", place);
    (void)snprintf(place, sizeof place, "%s:5", fixture_path);
    shows(&c, "sinks.again.labels = c=d,a=b", place);
    config_free(&c);
}

/* As in Compose files. What nobody names may be anything. */
static void keys_that_begin_with_x_hold_anchors(void **state)
{
    (void)state;
    struct config c;
    loads(&c, "x-loki: &loki {type: loki, batch_size: 10}\n"
              "x-: [{no: [such]}, *loki]\n"
              "x-name: &name {env: NO_SUCH_VARIABLE}\n"
              "sinks:\n"
              "  one: {<<: *loki, timeout: 3s}\n", NULL);
    assert_int_equal(c.sinks_count, 1);
    assert_int_equal(c.warnings_count, 0);
    shows(&c, "sinks.one.batch_size = 10", line(1));
    shows(&c, "sinks.one.timeout = 3s", line(5));
    config_free(&c);
}

/* libfyaml 0.7.12 reads the second of these as a'''. */
static void quotes_in_single_quotes_are_read_as_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"rings: 'a''b'\n", "rings = a'b"},         {"rings: 'a''''b'\n", "rings = a''b"},
        {"rings: '''''a'''''\n", "rings = ''a''"},  {"{rings: 'a''''''b''c'}\n", "rings = a'''b'c"},
        {"'rings': \"a''''b\"\n", "rings = a''''b"}, {"rings: a''''b\n", "rings = a''''b"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct config c;
        loads(&c, cases[i].text, NULL);
        shows(&c, cases[i].shown, line(1));
        config_free(&c);
    }
}

static void levels_are_merged_by_logger(void **state)
{
    (void)state;
    struct config c;
    struct config_args args = {.set = {"level.b=off", "level=INFO"}, .sets_count = 2};
    assert_int_equal(setenv("FAPILOG_LEVELS", "a=ERROR", 1), 0);
    loads(&c, "preset: dev\nlevels: {a: DEBUG, b: DEBUG, c.d: 3}\n", &args);
    shows(&c, "level = INFO", "--set");
    shows(&c, "level.a = ERROR", "FAPILOG_LEVELS");
    shows(&c, "level.b = off", "--set");
    shows(&c, "level.c.d = TRACE", line(2));
    assert_int_equal(c.levels_count, 4);
    config_free(&c);
}

static void a_stage_of_the_preset_is_changed_or_taken_out_by_name(void **state)
{
    (void)state;
    struct config c;
    loads(&c, "preset: hardened\nstages:\n  - rate_limit: {capacity: 20}\n  - redact: {fields: [data.x]}\n"
              "  - field_blocker: false\n  - rate_limit:\n", NULL);
    shows(&c, "stages.redact.fail_mode = closed", "preset hardened");
    shows(&c, "stages.redact.fields = data.x", line(4));
    shows(&c, "stages.rate_limit.capacity = 20", line(3));
    shows(&c, "stages.rate_limit-2.capacity = 10", "default");
    assert_null(strstr(printed(&c), "stages.field_blocker"));
    assert_int_equal(c.stages_count, 3);
    config_free(&c);
}

static void the_environment_and_the_command_line_choose_the_preset(void **state)
{
    (void)state;
    struct config c;
    struct config_args args = {.preset = "dev"};
    assert_int_equal(setenv("FAPILOG_PRESET", "minimal", 1), 0);
    loads(&c, "preset: production\n", NULL);
    assert_string_equal(c.preset, "minimal");
    config_free(&c);
    loads(&c, "preset: production\n", &args);
    assert_string_equal(c.preset, "dev");
    config_free(&c);
    args.preset = "none";
    loads(&c, "preset: production\n", &args);
    assert_null(c.preset);
    config_free(&c);
}

static void secrets_come_from_elsewhere_and_are_never_shown(void **state)
{
    (void)state;
    struct config c;
    char file[80], text[600];
    (void)snprintf(file, sizeof file, "%s.secret", fixture_path);
    write_file(file, "of-file\n");
    assert_int_equal(setenv("LOKI_PASSWORD", "of-env", 1), 0);
    (void)snprintf(text, sizeof text, "sinks:\n  a: {type: loki, password: {env: LOKI_PASSWORD}, labels: {x: {file: "
                                      "%s}}}\n"
                   "  b: {type: loki, password: {file: %s}}\n  c: loki://h:1?password=env:LOKI_PASSWORD\n", file, file);
    loads(&c, text, NULL);
    const struct fake_sink_cfg *a = c.sink[0]->cfg, *b = c.sink[1]->cfg, *d = c.sink[2]->cfg;
    assert_string_equal(a->password, "of-env");
    assert_string_equal(b->password, "of-file");
    assert_string_equal(d->password, "of-env");
    assert_string_equal(opt_map_get(&a->labels, "x"), "of-file");
    shows(&c, "sinks.b.password = ***", line(3));
    assert_null(strstr(printed(&c), "of-env"));
    config_free(&c);
    assert_int_equal(unlink(file), 0);
}

static void values_of_secret_maps_come_from_elsewhere_and_are_read_once(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "sinks:\n  a: {type: loki, headers: {x: {env: HEADER_HERE}, y: 'a,b'}}\n",
        "sinks:\n  a: {type: loki, headers: {x: 'env:HEADER_HERE', y: 'a,b'}}\n",
        "sinks:\n  a: {type: loki, headers: 'x=env:HEADER_HERE'}\n",
        "sinks:\n  a: loki://h:1?headers=x=env:HEADER_HERE\n",
    };
    assert_int_equal(setenv("HEADER_HERE", "env:HEADER_NOWHERE", 1), 0);
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        struct config c;
        loads(&c, forms[i], NULL);
        const struct fake_sink_cfg *a = c.sink[0]->cfg;
        assert_string_equal(opt_map_get(&a->headers, "x"), "env:HEADER_NOWHERE");
        assert_null(strstr(printed(&c), "HEADER_NOWHERE"));
        config_free(&c);
    }
}

static void variables_that_look_like_ours_are_told_of(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *said;
    } cases[] = {
        {"FAPILOG_MERG_WINDOW", "1", "FAPILOG_MERGE_WINDOW?"},
        {"FAPILOG_LOKI__BATCHSIZE", "1", "FAPILOG_LOKI__BATCH_SIZE?"},
        {"FAPILOG_LOKY__BATCH_SIZE", "1", "FAPILOG_LOKI__BATCH_SIZE?"},
        {"FAPILOG_LOKI__BATCH_SIZE", "1", "no sink of type loki"},
        {"FAPILOG_SIZE_GUARD__CAPACITY", "1", "no stage size_guard"},
        {"FAPILOG_SINK", "console:", "FAPILOG_SINKS?"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct config c;
        assert_int_equal(setenv(cases[i].name, cases[i].value, 1), 0);
        loads(&c, NULL, NULL);
        if (c.warnings_count != 1 || !strstr(c.warning[0], cases[i].said) || !strstr(c.warning[0], cases[i].name))
            fail_msg("%s: %u warnings: %s", cases[i].name, c.warnings_count, c.warnings_count ? c.warning[0] : "");
        config_free(&c);
        assert_int_equal(unsetenv(cases[i].name), 0);
    }
    /* of services, of the harness: not ours */
    struct config c;
    assert_int_equal(setenv("FAPILOG_LANE_SIZE", "1MB", 1), 0);
    assert_int_equal(setenv("FAPILOG_LINES", "3", 1), 0);
    assert_int_equal(setenv("FAPILOG_COLLECTOR", "x", 1), 0);
    loads(&c, NULL, NULL);
    assert_int_equal(c.warnings_count, 0);
    config_free(&c);
}

static void the_file_may_be_named_by_the_environment(void **state)
{
    (void)state;
    struct config c;
    write_file(fixture_path, "io: plain\n");
    assert_int_equal(setenv("FAPILOG_CONFIG", fixture_path, 1), 0);
    loads(&c, NULL, NULL);
    shows(&c, "io = plain", line(1));
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nothing_given_is_a_console_with_defaults),
        T(the_documented_example_is_understood),
        T(each_source_yields_to_the_next),
        T(a_sink_takes_options_from_all_sources),
        T(the_command_line_replaces_the_sinks_of_environment_and_file),
        T(without_sinks_the_environment_chooses_one),
        T(names_of_the_reference_are_understood),
        T(a_file_takes_the_names_of_either_reference),
        T(maps_and_lists_of_the_environment_are_json_or_commas),
        T(routes_of_the_environment_replace_those_of_the_file),
        T(levels_are_merged_by_logger),
        T(quotes_in_single_quotes_are_read_as_they_stand),
        T(the_environment_names_stages_and_what_several_share),
        T(variables_of_the_reference_are_told_what_replaces_them),
        T(merge_keys_fill_in_what_a_map_does_not_say),
        T(keys_that_begin_with_x_hold_anchors),
        T(a_stage_of_the_preset_is_changed_or_taken_out_by_name),
        T(the_environment_and_the_command_line_choose_the_preset),
        T(secrets_come_from_elsewhere_and_are_never_shown),
        T(values_of_secret_maps_come_from_elsewhere_and_are_read_once),
        T(variables_that_look_like_ours_are_told_of),
        T(the_file_may_be_named_by_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
