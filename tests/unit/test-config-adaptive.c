/* The key `adaptive`: where its values come from, and what is refused. */
#include "tests/unit/config-fixture.h"

static void each_source_of_adaptive_yields_to_the_next(void **state)
{
    (void)state;
    struct config c;
    const struct config_args args = {.preset = "production", .set = {"adaptive.cooldown=3s"}, .sets_count = 1};
    assert_int_equal(setenv("FAPILOG_ADAPTIVE__CHECK_INTERVAL_SECONDS", "0.5", 1), 0);
    assert_int_equal(setenv("FAPILOG_ADAPTIVE__COOLDOWN", "9s", 1), 0);
    loads(&c, "adaptive:\n  shed_target_eps: 7\n  cooldown: 8s\n", &args);
    shows(&c, "adaptive.enabled = true", "preset production");
    shows(&c, "adaptive.check_interval = 500ms", "FAPILOG_ADAPTIVE__CHECK_INTERVAL_SECONDS");
    shows(&c, "adaptive.cooldown = 3s", "--set");
    shows(&c, "adaptive.escalate_to_high = 0.8", "default");
    assert_true(c.adaptive.shed_target_eps == 7);
    config_free(&c);
}

static void protected_levels_of_the_core_are_those_of_adaptive(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(setenv("FAPILOG_CORE__PROTECTED_LEVELS", "[\"WARNING\", \"ERROR\"]", 1), 0);
    loads(&c, NULL, NULL);
    shows(&c, "adaptive.protected_levels = WARNING,ERROR", "FAPILOG_CORE__PROTECTED_LEVELS");
    config_free(&c);
    assert_int_equal(setenv("FAPILOG_ADAPTIVE__PROTECTED_LEVELS", "AUDIT", 1), 0);
    loads(&c, NULL, NULL);
    shows(&c, "adaptive.protected_levels = AUDIT", "FAPILOG_ADAPTIVE__PROTECTED_LEVELS");
    assert_int_equal(c.warnings_count, 0);
    config_free(&c);
}

static void what_is_wrong_with_adaptive_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"adaptive: yes\n", "adaptive: is a single value, not a map"},
        {"adaptive: {enable: true}\n", "adaptive.enable: no such option; did you mean 'enabled'?"},
        {"adaptive: {cooldown: soon}\n", "adaptive.cooldown: 'soon' is not a duration"},
        {"adaptive: {escalate_to_high: 1.5}\n", "adaptive.escalate_to_high: '1.5'"},
        {"adaptive: {protected_levels: [ERROR, LOUD]}\n", "adaptive.protected_levels: 'LOUD' is not a level"},
        {"adaptive: {escalate_to_high: 0.5}\n", "deescalate_from_high (0.6) has to be below escalate_to_high (0.5)"},
        {"adaptive: {escalate_to_high: 0.6, deescalate_from_high: 0.5}\n",
         "escalate_to_high (0.6) has to be above escalate_to_elevated (0.6)"},
        {"adaptive: {deescalate_from_critical: 0.5}\n",
         "deescalate_from_critical (0.5) cannot be below deescalate_from_high (0.6)"},
        {"adaptve: {enabled: true}\n", "adaptve: no such key; did you mean 'adaptive'?"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct config c;
        struct err e;
        if (load(&c, cases[i].text, NULL, &e) == 0 || !strstr(e.text, cases[i].said))
            fail_msg("%s: '%s' is not in '%s'", cases[i].text, cases[i].said, e.text);
    }
}

static void misspelt_variables_of_adaptive_are_told_of(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(setenv("FAPILOG_ADAPTIVE__COOLDWN", "1s", 1), 0);
    loads(&c, NULL, NULL);
    assert_int_equal(c.warnings_count, 1);
    assert_non_null(strstr(c.warning[0], "did you mean FAPILOG_ADAPTIVE__COOLDOWN?"));
    config_free(&c);
}

static void with_adaptive_there_is_one_stage_less_to_give(void **state)
{
    (void)state;
    static char text[STAGES_MAX * 16 + 100];
    struct config c;
    struct err e;
    size_t used = (size_t)snprintf(text, sizeof text, "adaptive: {enabled: true}\nstages:\n");
    for (unsigned i = 0; i < STAGES_MAX - 1; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "  - level\n");
    loads(&c, text, NULL);
    config_free(&c);
    (void)snprintf(text + used, sizeof text - used, "  - level\n");
    assert_int_equal(load(&c, text, NULL, &e), -E2BIG);
    assert_non_null(strstr(e.text, "63"));
}

static void a_change_of_adaptive_is_seen(void **state)
{
    (void)state;
    struct config before, after;
    struct config_diff d;
    loads(&before, "adaptive: {enabled: true}\n", NULL);
    loads(&after, "adaptive: {enabled: true}\n", NULL);
    config_diff(&before, &after, &d);
    assert_false(d.adaptive);
    config_free(&after);
    loads(&after, "adaptive: {enabled: true, cooldown: 1s}\n", NULL);
    config_diff(&before, &after, &d);
    assert_true(d.adaptive);
    config_free(&after);
    config_free(&before);
}

static void what_the_reference_scales_is_refused_with_the_reason(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    assert_int_equal(load(&c, "adaptive: {worker_scaling: true}\n", NULL, &e), -EINVAL);
    assert_non_null(strstr(e.text, ":1:12: adaptive.worker_scaling: there is no such option: the collector has one"));
    loads(&c, "adaptive: {batch_sizing: true}\n", NULL);
    assert_true(c.adaptive.batch_sizing);
    config_free(&c);
}

static void set_is_checked_before_there_is_a_configuration(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(config_check_set("adaptive.cooldown=1s", &e), 0);
    assert_true(config_check_set("adaptive.cooldwn=1s", &e) < 0);
    assert_non_null(strstr(e.text, "did you mean 'cooldown'?"));
    assert_true(config_check_set("adaptive.cooldown=never", &e) < 0);
    assert_non_null(strstr(e.text, "--set adaptive.cooldown: 'never' is not a duration such as 500ms"));
    assert_true(config_check_set("routing.overlap=perhaps", &e) < 0);
    assert_non_null(strstr(e.text, "--set routing.overlap: 'perhaps'"));
    assert_true(config_check_set("flush_interval=soon", &e) < 0);
    assert_non_null(strstr(e.text, "--set flush_interval: 'soon'"));
    assert_int_equal(config_check_set("routing.overlap=true", &e), 0);
}

static void sinks_of_diagnostics_have_to_be_there(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    const struct config_args remote = {.sink = {"loki://localhost:1"}, .sinks_count = 1};
    assert_int_equal(load(&c, "diagnostics_sinks: [consle]\n", NULL, &e), -EINVAL);
    assert_non_null(strstr(e.text, ":1: diagnostics_sinks: there is no sink 'consle'"));
    loads(&c, "diagnostics_sinks: [console]\ndiagnostics: both\n", NULL);
    assert_int_equal(c.settings.diagnostics, DIAGNOSTICS_BOTH);
    assert_int_equal(c.warnings_count, 0);
    config_free(&c);
    loads(&c, "diagnostics: records\n", &remote);
    assert_int_equal(c.warnings_count, 1);
    assert_non_null(strstr(c.warning[0], "every sink is remote"));
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_source_of_adaptive_yields_to_the_next),
        T(protected_levels_of_the_core_are_those_of_adaptive),
        T(what_is_wrong_with_adaptive_is_told),
        T(misspelt_variables_of_adaptive_are_told_of),
        T(with_adaptive_there_is_one_stage_less_to_give),
        T(a_change_of_adaptive_is_seen),
        T(what_the_reference_scales_is_refused_with_the_reason),
        T(set_is_checked_before_there_is_a_configuration),
        T(sinks_of_diagnostics_have_to_be_there),
    };
    return cmocka_run_group_tests_name("config-adaptive", tests, NULL, NULL);
}
