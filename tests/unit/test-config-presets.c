/* Presets: what each says, to the line, and that anything overrides them. Regenerate with
 * --print NAME. Stages are fakes: what is compared is what the preset asks for. */
#include "tests/unit/config-fixture.h"

/* What comes from the preset, without the columns that only make it pretty. */
static void from_preset(const struct config *c, char *ret, size_t size)
{
    const char *text = printed(c);
    size_t used = 0;
    ret[0] = '\0';
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const int len = (int)strcspn(line, "\n");
        const char *end = strstr(line, "  ");
        const char *source = strstr(line, "# preset ");
        if (source && source < line + len && end)
            used += (size_t)snprintf(ret + used, size - used, "%.*s\n", (int)(end - line), line);
        assert_true(used < size);
    }
}

static const struct {
    const char *name, *lines;
} golden[] = {
    {"dev",
     "flush_interval = 10ms\n"
     "level = DEBUG\n"
     "sinks.console = console\n"
     "sinks.console.mode = pretty\n"
     "sinks.console.name = console\n"},
    {"production",
     "flush_interval = 250ms\n"
     "shutdown_timeout = 25s\n"
     "level = INFO\n"
     "adaptive.enabled = true\n"
     "adaptive.check_interval = 250ms\n"
     "adaptive.cooldown = 1s\n"
     "adaptive.circuit_pressure_boost = 0.25\n"
     "adaptive.protected_levels = ERROR,CRITICAL,AUDIT,SECURITY\n"
     "stages.redact = redact\n"
     "stages.redact.presets = CREDENTIALS\n"
     "stages.redact.url_credentials = true\n"
     "stages.redact.fail_mode = warn\n"
     "sinks.console = console\n"
     "sinks.console.mode = json\n"
     "sinks.console.name = console\n"},
    {"serverless",
     "flush_interval = 50ms\n"
     "shutdown_timeout = 2s\n"
     "level = INFO\n"
     "stages.redact = redact\n"
     "stages.redact.presets = CREDENTIALS\n"
     "stages.redact.url_credentials = true\n"
     "stages.redact.fail_mode = warn\n"
     "sinks.console = console\n"
     "sinks.console.mode = json\n"
     "sinks.console.name = console\n"},
    {"hardened",
     "level = INFO\n"
     "stages.redact = redact\n"
     "stages.redact.presets = HIPAA_PHI,PCI_DSS,CREDENTIALS\n"
     "stages.redact.url_credentials = true\n"
     "stages.redact.fail_mode = closed\n"
     "stages.field_blocker = field_blocker\n"
     "stages.field_blocker.fail_mode = closed\n"
     "sinks.console = console\n"
     "sinks.console.mode = json\n"
     "sinks.console.name = console\n"
     "sinks.file = file\n"
     "sinks.file.directory = ./logs\n"
     "sinks.file.max_bytes = 50MB\n"
     "sinks.file.max_files = 10\n"
     "sinks.file.compress = gzip\n"
     "sinks.file.name = file\n"},
    {"minimal",
     "sinks.console = console\n"
     "sinks.console.mode = auto\n"
     "sinks.console.name = console\n"},
};

static void each_preset_says_what_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(golden); i++) {
        static char text[8192];
        struct config c;
        loads(&c, NULL, &(struct config_args){.preset = golden[i].name});
        from_preset(&c, text, sizeof text);
        if (strcmp(text, golden[i].lines) != 0)
            fail_msg("preset %s says:\n%s", golden[i].name, text);
        config_free(&c);
    }
}

/* 5.12: in the reference nothing of a preset can be overridden from the environment. */
static void an_operator_overrides_a_preset_from_the_environment(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(setenv("FAPILOG_PRESET", "hardened", 1), 0);
    assert_int_equal(setenv("FAPILOG_FILE__DIRECTORY", "/var/log/x", 1), 0);
    assert_int_equal(setenv("FAPILOG_FILE__MAX_FILES", "3", 1), 0);
    assert_int_equal(setenv("FAPILOG_CORE__LOG_LEVEL", "DEBUG", 1), 0);
    assert_int_equal(setenv("FAPILOG_REDACTOR_CONFIG__REDACT__FAIL_MODE", "open", 1), 0);
    loads(&c, NULL, NULL);
    shows(&c, "sinks.file.directory = /var/log/x", "FAPILOG_FILE__DIRECTORY");
    shows(&c, "sinks.file.max_files = 3", "FAPILOG_FILE__MAX_FILES");
    shows(&c, "level = DEBUG", "FAPILOG_CORE__LOG_LEVEL");
    shows(&c, "stages.redact.fail_mode = open", "FAPILOG_REDACTOR_CONFIG__REDACT__FAIL_MODE");
    config_free(&c);
}

static void what_the_redaction_of_a_preset_loses_is_told(void **state)
{
    (void)state;
    static const char to_environment[] = "FAPILOG_REDACTOR_CONFIG__REDACT__PRESETS";
    static const struct {
        const char *text, *set, *variable, *said;
    } cases[] = {
        {"preset: production\nstages:\n  - redact: {presets: [PCI_DSS]}\n", NULL, NULL,
         ":3: stages.redact.presets: without CREDENTIALS, which preset production has; "},
        {"preset: hardened\nstages:\n  - redact: {presets: [credentials, GDPR_PII]}\n", NULL, NULL,
         ": without HIPAA_PHI, PCI_DSS, which preset hardened has; "},
        {"preset: hardened\nstages:\n  - redact: {presets: []}\n", NULL, NULL, "HIPAA_PHI, PCI_DSS, CREDENTIALS"},
        {"preset: production\n", NULL, "PCI_DSS",
         "FAPILOG_REDACTOR_CONFIG__REDACT__PRESETS: stages.redact.presets: without CREDENTIALS"},
        {"preset: production\n", "stages.redact.presets=PCI_DSS", NULL,
         "--set: stages.redact.presets: without CREDENTIALS"},
        {"preset: production\nstages:\n  - redact: {values: [card]}\n", NULL, NULL,
         ": stages.redact.values: without auto"},
        {"preset: production\nstages:\n  - redact: {values: [all]}\n", NULL, NULL, NULL},
        {"preset: production\nstages:\n  - redact: {presets: [PCI_DSS, CREDENTIALS]}\n", NULL, NULL, NULL},
        {"preset: production\nstages:\n  - redact: {presets: [PCI_DSS]}\n", NULL, "CREDENTIALS", NULL},
        {"preset: production\nstages:\n  - redact: {fields: [x]}\n  - field_mask: {fields: [x]}\n", NULL, NULL, NULL},
        {"preset: production\nstages:\n  - redact: false\n", NULL, NULL, NULL},
        {"stages:\n  - redact: {presets: [PCI_DSS]}\n", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct config c;
        struct config_args args = {.set = {cases[i].set}, .sets_count = cases[i].set ? 1 : 0};
        if (cases[i].variable)
            assert_int_equal(setenv(to_environment, cases[i].variable, 1), 0);
        loads(&c, cases[i].text, &args);
        assert_int_equal(unsetenv(to_environment), 0);
        if (c.warnings_count != (cases[i].said ? 1 : 0) || (cases[i].said && !strstr(c.warning[0], cases[i].said)))
            fail_msg("%s: %u warnings: %s", cases[i].text, c.warnings_count, c.warnings_count ? c.warning[0] : "");
        config_free(&c);
    }
}

static int print(const char *name)
{
    static char text[8192];
    struct config c;
    struct err e;
    if (load(&c, NULL, &(struct config_args){.preset = name}, &e) < 0)
        return 1;
    from_preset(&c, text, sizeof text);
    (void)fputs(text, stdout);
    config_free(&c);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        T(each_preset_says_what_is_written),
        T(an_operator_overrides_a_preset_from_the_environment),
        T(what_the_redaction_of_a_preset_loses_is_told),
    };
    if (argc == 3 && strcmp(argv[1], "--print") == 0)
        return print(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
