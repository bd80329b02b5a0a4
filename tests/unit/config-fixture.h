/* Stages and a remote sink that only have options, and a configuration file to write. They stand in front of the
 * lists that the build makes, so that what is tested does not depend on what is built in. */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include "collector/config/config.h"
#include "lib/base/check.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

struct fake_cfg {
    uint64_t capacity;
    double rate;
    struct opt_list presets, fields, values;
    struct opt_map labels;
    uint32_t fail_mode;
    bool message, url_credentials;
    uint8_t min;
};

static const struct opt_word fake_fail_words[] = {{"open", 0}, {"warn", 1}, {"closed", 2}, {NULL, 0}};

#define FAKE_ROWS \
    OPT_NUM_(OPT_UINT, struct fake_cfg, capacity, "capacity", "10", 1, 1000, OPT_LIVE, "Tokens."), \
    OPT_REAL_(struct fake_cfg, rate, "rate", "1", 0.0, 1.0, 0, "Share that is kept."), \
    OPT_LIST_(struct fake_cfg, presets, "presets", "", 0, "Presets."), \
    OPT_LIST_(struct fake_cfg, fields, "fields", "", 0, "Fields."), \
    OPT_LIST_(struct fake_cfg, values, "values", "auto", 0, "Kinds of values."), \
    OPT_BOOL_(struct fake_cfg, url_credentials, "url_credentials", "false", 0, "Also in URLs."), \
    OPT_MAP_(struct fake_cfg, labels, "labels", "", 0, "Labels."), \
    OPT_WORD_(struct fake_cfg, fail_mode, "fail_mode", "warn", fake_fail_words, 0, "What if not."), \
    OPT_BOOL_(struct fake_cfg, message, "message", "false", 0, "Also the message."), \
    OPT_LEVEL_(struct fake_cfg, min, "min", "INFO", 0, "Least level.")

static const struct opt fake_stage_opts[] = {FAKE_ROWS, OPT_END};

static int fake_stage_check(void *opaque, struct err *e)
{
    const struct fake_cfg *cfg = opaque;
    return cfg->capacity == 13 ? err_set(e, -EINVAL, "capacity: 13 contradicts everything") : 0;
}

static enum stage_verdict fake_run(struct stage *s, struct stage_record *r)
{
    (void)s, (void)r;
    return STAGE_PASS;
}

static const char *const fake_guard_prefixes[] = {"FAPILOG_SIZE_GUARD__", NULL};
static const char *const fake_sample_aliases[] = {"sample", NULL};

#define FAKE_STAGE(NAME, GROUP, ...) \
    static const struct stage_ops fake_##NAME = { \
        .abi = STAGE_ABI, .kind = #NAME, .summary = "A stage that does nothing.", .group = GROUP, \
        .opts = fake_stage_opts, .cfg_size = sizeof(struct fake_cfg), .check = fake_stage_check, .run = fake_run, \
        __VA_ARGS__ };
FAKE_STAGE(level, STAGE_FILTER)
FAKE_STAGE(sampling, STAGE_FILTER, .aliases = fake_sample_aliases)
FAKE_STAGE(rate_limit, STAGE_FILTER)
FAKE_STAGE(runtime, STAGE_ENRICH)
FAKE_STAGE(kubernetes, STAGE_ENRICH)
FAKE_STAGE(field_mask, STAGE_REDACT)
FAKE_STAGE(regex_mask, STAGE_REDACT)
FAKE_STAGE(url_credentials, STAGE_REDACT)
FAKE_STAGE(field_blocker, STAGE_REDACT)
FAKE_STAGE(redact, STAGE_REDACT)
FAKE_STAGE(size_guard, STAGE_PROCESS, .env_prefixes = fake_guard_prefixes)

const unsigned stage_list_room = 11; /* none is registered */
const struct stage_ops *stage_list[] = {
    &fake_level, &fake_sampling, &fake_rate_limit, &fake_runtime, &fake_kubernetes, &fake_field_mask, &fake_regex_mask,
    &fake_url_credentials, &fake_field_blocker, &fake_redact, &fake_size_guard, NULL,
};

struct fake_sink_cfg {
    const char *url, *password, *endpoint;
    struct opt_map labels, headers;
};

static const struct opt fake_sink_opts[] = {
    OPT_TEXT_(struct fake_sink_cfg, url, "url", "http://localhost:3100", 0, "Where it listens."),
    OPT_TEXT_(struct fake_sink_cfg, endpoint, "endpoint", NULL, 0, "Where it listens."),
    OPT_TEXT_ALIAS_(struct fake_sink_cfg, password, "password", "auth_password", NULL, OPT_SECRET, "Password."),
    OPT_MAP_(struct fake_sink_cfg, labels, "labels", "service=fapilog", 0, "Labels."),
    OPT_MAP_(struct fake_sink_cfg, headers, "headers", NULL, OPT_SECRET, "Headers."),
    OPT_END,
};

static int fake_from_uri(void *opaque, const struct uri *u, struct err *e)
{
    struct fake_sink_cfg *cfg = opaque;
    char url[200];
    (void)snprintf(url, sizeof url, "http://%s:%u", u->host, u->port);
    return opt_set(&fake_sink_opts[0], cfg, url, e);
}

static int fake_open(struct sink *s, struct err *e)
{
    (void)s, (void)e;
    return 0;
}

enum { FAKE_RECORDS_MAX = 500, FAKE_BYTES_MAX = 4096 }; /* below the defaults */

static void fake_limits(struct sink *s, struct sink_limits *ret)
{
    (void)s;
    *ret = (struct sink_limits){.records = FAKE_RECORDS_MAX, .bytes = FAKE_BYTES_MAX};
}

static const struct sink_remote_ops fake_remote = {.limits = fake_limits}, fake_remote_without_limits = {0};
static const char *const fake_loki_aliases[] = {"grafana_loki", "loki+https", NULL};
static const char *const fake_loki_prefixes[] = {"FAPILOG_LOKI__", NULL};
static const char *const fake_http_prefixes[] = {"FAPILOG_HTTP__", NULL};
static const struct sink_default fake_http_defaults[] = {{"batch_size", "1"}, {NULL, NULL}};

static const struct sink_ops fake_loki = {
    .abi = SINK_ABI, .scheme = "loki", .aliases = fake_loki_aliases, .env_prefixes = fake_loki_prefixes,
    .summary = "A sink that does nothing.", .format_default = "json", .opts = fake_sink_opts,
    .cfg_size = sizeof(struct fake_sink_cfg), .from_uri = fake_from_uri, .remote = &fake_remote, .open = fake_open,
    .close = fake_open,
};
static const struct sink_ops fake_http = {
    .abi = SINK_ABI, .scheme = "http", .env_prefixes = fake_http_prefixes, .defaults = fake_http_defaults,
    .summary = "A sink that does nothing.", .format_default = "json", .opts = fake_sink_opts,
    .cfg_size = sizeof(struct fake_sink_cfg), .from_uri = fake_from_uri, .remote = &fake_remote_without_limits,
    .open = fake_open, .close = fake_open,
};

extern const struct sink_ops sink_console, sink_file, sink_native;
const unsigned sink_list_room = 5;
const struct sink_ops *sink_list[] = {&sink_console, &sink_file, &sink_native, &fake_loki, &fake_http, NULL};
const struct sink_absent sink_absent_list[] = {{"kafka", "rdkafka"}, {NULL, NULL}};

static char fixture_path[64];

/* No variable of ours. */
static inline void fixture_clear(void)
{
    extern char **environ;
    for (char **p = environ; *p;) {
        char name[200];
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(*p, "="), *p);
        if (strncasecmp(name, "FAPILOG_", 8) == 0 && unsetenv(name) == 0)
            p = environ;
        else
            p++;
    }
}

/* No variable of ours from outside, and a file to write to. */
static inline int fixture_setup(void **state)
{
    (void)state;
    fixture_clear();
    (void)snprintf(fixture_path, sizeof fixture_path, "/tmp/fapilog-config-XXXXXX");
    const int fd = mkstemp(fixture_path);
    return fd < 0 ? -1 : close(fd);
}

static inline int fixture_teardown(void **state)
{
    (void)state;
    return unlink(fixture_path);
}

static inline void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Loads with this file (NULL: none) and these arguments. */
static inline int load(struct config *c, const char *text, const struct config_args *args, struct err *e)
{
    struct config_args a = args ? *args : (struct config_args){0};
    if (text) {
        write_file(fixture_path, text);
        a.file = fixture_path;
    }
    *e = (struct err){0};
    return config_load(&a, c, e);
}

static inline void loads(struct config *c, const char *text, const struct config_args *args)
{
    struct err e;
    if (load(c, text, args, &e) < 0)
        fail_msg("%s", e.text);
}

static inline const char *printed(const struct config *c)
{
    static char text[1 << 16];
    FILE *f = fmemopen(text, sizeof text, "w");
    assert_non_null(f);
    config_print(c, f);
    assert_int_equal(fclose(f), 0);
    return text;
}

/* "key = value" and its source, as --check prints them. */
static inline void shows(const struct config *c, const char *key_value, const char *source)
{
    const char *text = printed(c);
    char want[300];
    (void)snprintf(want, sizeof want, "%s ", key_value);
    const size_t len = strlen(want);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, want, len) != 0)
            continue;
        const char *from = strstr(line, "# ");
        assert_non_null(from);
        if (strncmp(from + 2, source, strlen(source)) != 0 || from[2 + strlen(source)] != '\n')
            fail_msg("%s: comes from '%.*s', not %s", key_value, (int)strcspn(from, "\n"), from, source);
        return;
    }
    fail_msg("'%s' is not in:\n%s", key_value, text);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

#endif
