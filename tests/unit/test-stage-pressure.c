/* Protection under load: features 5.4. */
#include "collector/stage/pressure.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pressure_config config;
static struct pressure pressure;
static struct stages chain;
static struct stage *stage[2];
static uint32_t count;
static uint64_t now;
static char steps[200];

static void stepped(void *arg, enum pressure_level from, enum pressure_level to, double fill)
{
    (void)arg;
    const size_t n = strlen(steps);
    (void)snprintf(steps + n, sizeof steps - n, "%c%c%.2f ", pressure_level_name(from)[0], pressure_level_name(to)[0],
                   fill);
}

static void set(const char *option, const char *value)
{
    CHECK(opt_set(opt_find(pressure_opts, option), &config, value, NULL) == 0);
}

static int set_up(void **state)
{
    (void)state;
    CHECK(opt_defaults(pressure_opts, &config, NULL) == 0);
    set("enabled", "true");
    memset(steps, 0, sizeof steps);
    now = 1000 * NS_PER_S;
    count = 0;
    return 0;
}

static void start(bool with_adaptive)
{
    struct err e = {0};
    pressure = (struct pressure){.stepped = stepped};
    assert_int_equal(pressure_open(&pressure, &config, &e), 0);
    assert_int_equal(stage_new(&stage_pressure, &stage[count++], &e), 0);
    pressure_attach(stage[0], &pressure);
    if (with_adaptive)
        assert_int_equal(stage_new(stage_find("adaptive_sampling"), &stage[count++], &e), 0);
    chain = (struct stages){0};
    assert_int_equal(stages_open(&chain, stage, count, &e), 0);
    stages_tick(&chain, now);
}

static int tear_down(void **state)
{
    (void)state;
    stages_close(&chain);
    while (count)
        stage_free(stage[--count]);
    opt_free(pressure_opts, &config);
    return 0;
}

/* Checks, a quarter of a second apart. */
static void feed(double fill, unsigned checks)
{
    while (checks--) {
        now += NS_PER_S / 4;
        pressure_feed(&pressure, now, fill, 0);
        stages_tick(&chain, now);
    }
}

static unsigned kept(uint8_t level, unsigned n, double rate)
{
    const struct fapilog_record r = {.level = level};
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++) {
        now += (uint64_t)((double)NS_PER_S / rate);
        stages_tick(&chain, now);
        sum += stages_run(&chain, &r) != NULL;
    }
    return sum;
}

/* effect: adaptive.enabled */
static void C_20_one_step_up_at_a_check(void **state)
{
    (void)state;
    start(false);
    feed(1, 5);
    assert_string_equal(steps, "NE1.00 EH1.00 HC1.00 ");
    assert_int_equal(pressure.level, PRESSURE_CRITICAL);
    assert_int_equal(pressure.steps_up, 3);
}

static void C_20_thresholds_are_those_of_the_options(void **state)
{
    (void)state;
    start(false);
    feed(0.59, 5);
    assert_string_equal(steps, "");
    feed(0.60, 5);
    assert_string_equal(steps, "NE0.60 ");
    feed(0.79, 5);
    feed(0.80, 5);
    feed(0.91, 5);
    assert_string_equal(steps, "NE0.60 EH0.80 ");
    feed(0.92, 5);
    assert_string_equal(steps, "NE0.60 EH0.80 HC0.92 ");
}

/* effect: adaptive.escalate_to_elevated adaptive.escalate_to_high adaptive.escalate_to_critical */
/* effect: adaptive.deescalate_from_elevated adaptive.deescalate_from_high adaptive.deescalate_from_critical */
static void C_20_thresholds_are_a_choice(void **state)
{
    (void)state;
    set("escalate_to_elevated", "0.30");
    set("escalate_to_high", "0.50");
    set("escalate_to_critical", "0.70");
    set("deescalate_from_elevated", "0.10");
    set("deescalate_from_high", "0.20");
    set("deescalate_from_critical", "0.35");
    start(false);
    feed(0.29, 5);
    feed(0.30, 5);
    feed(0.49, 5);
    feed(0.50, 5);
    feed(0.69, 5);
    feed(0.70, 5);
    assert_string_equal(steps, "NE0.30 EH0.50 HC0.70 ");
    feed(0.35, 100);
    assert_int_equal(pressure.level, PRESSURE_CRITICAL);
    feed(0.34, 100);
    feed(0.20, 100);
    assert_int_equal(pressure.level, PRESSURE_HIGH);
    feed(0.19, 100);
    feed(0.10, 100);
    assert_int_equal(pressure.level, PRESSURE_ELEVATED);
    feed(0.09, 100);
    assert_int_equal(pressure.level, PRESSURE_NORMAL);
}

/* effect: adaptive.check_interval */
static void C_20_the_interval_of_checks_is_a_choice(void **state)
{
    (void)state;
    set("check_interval", "1s");
    start(false);
    feed(1, 1);
    assert_string_equal(steps, "NE1.00 ");
    feed(1, 3);
    assert_int_equal(pressure.level, PRESSURE_ELEVATED);
    feed(1, 1);
    assert_int_equal(pressure.level, PRESSURE_HIGH);
}

/* effect: adaptive.cooldown */
static void C_20_the_cooldown_is_a_choice(void **state)
{
    (void)state;
    set("cooldown", "500ms");
    start(false);
    feed(1, 1);
    feed(0, 1);
    assert_int_equal(pressure.level, PRESSURE_ELEVATED);
    feed(0, 1);
    assert_int_equal(pressure.level, PRESSURE_NORMAL);
}

/* effect: adaptive.batch_sizing */
static void C_23_batches_double_with_each_level(void **state)
{
    (void)state;
    set("batch_sizing", "true");
    start(false);
    assert_int_equal(pressure_batch_scale(&pressure), 1);
    for (unsigned scale = 2; scale <= 8; scale *= 2) {
        feed(1, 1);
        assert_int_equal(pressure_batch_scale(&pressure), scale);
    }
    feed(0.8, 20); /* between the thresholds */
    assert_int_equal(pressure_batch_scale(&pressure), 8);
    feed(0, 8);
    assert_int_equal(pressure_batch_scale(&pressure), 4);
    feed(0, 100);
    assert_int_equal(pressure_batch_scale(&pressure), 1);
    set("batch_sizing", "false");
    feed(1, 5);
    assert_int_equal(pressure_batch_scale(&pressure), 1);
}

/* effect: adaptive.circuit_pressure_boost */
static void what_an_open_breaker_adds_is_a_choice(void **state)
{
    (void)state;
    set("circuit_pressure_boost", "0.35");
    start(false);
    pressure_feed(&pressure, now, 0.3, 1);
    assert_string_equal(steps, "NE0.65 ");
}

/* effect: adaptive.shed_target_eps */
static void C_21_the_target_of_the_sample_is_a_choice(void **state)
{
    (void)state;
    set("shed_target_eps", "200");
    start(false);
    feed(0.7, 1);
    (void)kept(9, 10000, 1000); /* until it has settled */
    assert_in_range(kept(9, 10000, 1000), 1600, 2400);
}

static void C_20_between_the_thresholds_the_level_stays(void **state)
{
    (void)state;
    start(false);
    feed(1, 3);
    feed(0.75, 100);
    assert_int_equal(pressure.level, PRESSURE_CRITICAL);
    feed(0.74, 100);
    assert_int_equal(pressure.level, PRESSURE_HIGH);
    feed(0.60, 100);
    assert_int_equal(pressure.level, PRESSURE_HIGH);
    feed(0.59, 100);
    assert_int_equal(pressure.level, PRESSURE_ELEVATED);
    feed(0.40, 100);
    assert_int_equal(pressure.level, PRESSURE_ELEVATED);
    feed(0.39, 100);
    assert_int_equal(pressure.level, PRESSURE_NORMAL);
    assert_int_equal(pressure.steps_down, 3);
}

static void C_20_steps_down_wait_for_the_cooldown(void **state)
{
    (void)state;
    start(false);
    feed(1, 3);
    feed(0, 7); /* 1.75 s */
    assert_int_equal(pressure.level, PRESSURE_CRITICAL);
    feed(0, 1);
    assert_int_equal(pressure.level, PRESSURE_HIGH);
    feed(0, 7);
    assert_int_equal(pressure.level, PRESSURE_HIGH);
    feed(0, 9);
    assert_int_equal(pressure.level, PRESSURE_NORMAL);
}

static void C_20_the_fullest_moment_between_checks_counts(void **state)
{
    (void)state;
    start(false);
    feed(0, 1);
    pressure_feed(&pressure, now + 1, 0.7, 0);
    pressure_feed(&pressure, now + 2, 0.1, 0);
    feed(0.1, 1);
    assert_string_equal(steps, "NE0.70 ");
}

static void C_20_the_order_of_thresholds_is_checked(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"escalate_to_elevated", "0.8"}, {"escalate_to_high", "0.95"}, {"deescalate_from_high", "0.8"},
        {"deescalate_from_critical", "0.5"}, {"deescalate_from_elevated", "0.6"}};
    start(false);
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct pressure_config other = {0};
        struct err e = {0};
        CHECK(opt_defaults(pressure_opts, &other, NULL) == 0);
        assert_int_equal(pressure_check(&other, &e), 0);
        CHECK(opt_set(opt_find(pressure_opts, wrong[i][0]), &other, wrong[i][1], NULL) == 0);
        assert_int_equal(pressure_check(&other, &e), -EINVAL);
        assert_non_null(strstr(e.text, "adaptive: "));
        opt_free(pressure_opts, &other);
    }
}

static void C_21_elevated_samples_where_nothing_else_does(void **state)
{
    (void)state;
    start(false);
    assert_int_equal(kept(9, 1000, 1000), 1000);
    feed(0.7, 1);
    (void)kept(9, 3000, 1000); /* measured for a second */
    assert_in_range(kept(9, 10000, 1000), 350, 650); /* 50 a second for 10 s */
}

static void C_21_elevated_halves_the_target_of_adaptive_sampling(void **state)
{
    (void)state;
    start(true);
    (void)kept(9, 60000, 1000);
    assert_in_range(kept(9, 20000, 1000), 1700, 2300); /* 100 a second */
    feed(0.7, 1);
    (void)kept(9, 60000, 1000);
    assert_in_range(kept(9, 20000, 1000), 850, 1150);
    feed(0, 20);
    (void)kept(9, 60000, 1000);
    assert_in_range(kept(9, 20000, 1000), 1700, 2300); /* as it was */
}

static void C_21_high_asks_for_warnings_too(void **state)
{
    (void)state;
    start(true); /* which passes all of so few */
    feed(0.85, 2);
    assert_int_equal(kept(12, 100, 20), 0);
    assert_int_equal(kept(13, 100, 20), 100);
}

static void C_21_critical_leaves_protected_levels_and_what_is_above(void **state)
{
    (void)state;
    start(false);
    feed(1, 3);
    assert_int_equal(kept(16, 100, 1e6), 0);
    for (uint8_t level = 17; level < 31; level++)
        assert_int_equal(kept(level, 100, 1e6), 100);
    assert_int_equal(stage[0]->counters.dropped, 100);
}

/* effect: adaptive.protected_levels */
static void C_21_without_protected_levels_critical_leaves_what_is_critical(void **state)
{
    (void)state;
    set("protected_levels", "");
    start(false);
    feed(1, 3);
    assert_int_equal(kept(20, 100, 1e6), 0);
    assert_int_equal(kept(21, 100, 1e6), 100);
}

static void protected_levels_pass_at_every_level_of_pressure(void **state)
{
    (void)state;
    set("protected_levels", "DEBUG,ERROR");
    start(false);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(kept(5, 2000, 1e6), 2000);
        assert_int_equal(kept(17, 2000, 1e6), 2000);
        feed(1, 1);
    }
}

static void C_21_everything_passes_again_at_normal(void **state)
{
    (void)state;
    start(false);
    feed(1, 3);
    assert_int_equal(kept(9, 10, 1e6), 0);
    feed(0, 40);
    assert_int_equal(kept(1, 1000, 1e6), 1000);
}

static void records_of_the_collector_are_not_shed(void **state)
{
    (void)state;
    const struct fapilog_record r = {.level = 1, .internal = true};
    start(false);
    feed(1, 3);
    assert_ptr_equal(stages_run(&chain, &r), &r);
}

/* effect: adaptive.filter_tightening */
static void filter_tightening_false_only_shows_the_level(void **state)
{
    (void)state;
    set("filter_tightening", "false");
    start(false);
    feed(1, 3);
    assert_int_equal(pressure.level, PRESSURE_CRITICAL);
    assert_int_equal(kept(1, 1000, 1e6), 1000);
}

static void without_enabled_nothing_is_watched(void **state)
{
    (void)state;
    set("enabled", "false");
    start(false);
    feed(1, 10);
    assert_string_equal(steps, "");
    assert_int_equal(kept(1, 1000, 1e6), 1000);
}

static void open_breakers_add_to_the_fill(void **state)
{
    (void)state;
    start(false);
    pressure_feed(&pressure, now, 0.3, 2);
    assert_string_equal(steps, "NE0.70 ");
}

static void visit(void *arg, const char *name, double value)
{
    char *const text = arg;
    const size_t n = strlen(text);
    (void)snprintf(text + n, 400 - n, "%s=%g ", name, value);
}

static void C_25_level_and_what_was_shed_are_shown(void **state)
{
    (void)state;
    char text[400] = "";
    start(false);
    feed(1, 3);
    (void)kept(9, 7, 1e6);
    feed(1, 4);
    stage[0]->ops->gauges(stage[0], visit, text);
    assert_string_equal(text, "pressure_level=3 pressure_fill=1 pressure_steps_up=3 pressure_steps_down=0 "
                              "pressure_shed_elevated=0 pressure_shed_high=0 pressure_shed_critical=7 ");
    assert_true(pressure.at_ns[PRESSURE_CRITICAL] >= NS_PER_S);
    assert_true(pressure.at_ns[PRESSURE_ELEVATED] == NS_PER_S / 4);
}

/* Sum of the counts of the reports that wait. */
static uint64_t told(void)
{
    uint64_t sum = 0;
    for (const struct fapilog_record *r; (r = stages_emitted(&chain));) {
        assert_true(r->internal);
        assert_int_equal(r->level, FAPILOG_LEVEL_WARNING);
        assert_memory_equal(r->message.data, "records dropped", r->message.len);
        assert_memory_equal(r->logger->name.data, "fapilog.collector", r->logger->name.len);
        assert_memory_equal(r->fields[0].name.data, "count", r->fields[0].name.len);
        sum += r->fields[0].v.u64;
    }
    return sum;
}

static void C_25_what_was_shed_is_told_once_a_second(void **state)
{
    (void)state;
    start(false);
    feed(1, 4);
    assert_int_equal(told(), 0);
    (void)kept(9, 7, 1e6);
    feed(1, 1);
    assert_int_equal(told(), 7);
    (void)kept(9, 5, 1e6);
    feed(1, 1);
    assert_int_equal(told(), 0);
    feed(1, 4);
    assert_int_equal(told(), 5);
    (void)kept(9, 3, 1e6);
    stages_tick(&chain, UINT64_MAX);
    assert_int_equal(told(), 3);
    assert_int_equal(pressure_shed_total(&pressure), 15);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(C_20_one_step_up_at_a_check),
        T(C_20_thresholds_are_those_of_the_options),
        T(C_20_between_the_thresholds_the_level_stays),
        T(C_20_steps_down_wait_for_the_cooldown),
        T(C_20_the_fullest_moment_between_checks_counts),
        T(C_20_the_order_of_thresholds_is_checked),
        T(C_21_elevated_samples_where_nothing_else_does),
        T(C_21_elevated_halves_the_target_of_adaptive_sampling),
        T(C_21_high_asks_for_warnings_too),
        T(C_21_critical_leaves_protected_levels_and_what_is_above),
        T(C_21_without_protected_levels_critical_leaves_what_is_critical),
        T(protected_levels_pass_at_every_level_of_pressure),
        T(C_21_everything_passes_again_at_normal),
        T(records_of_the_collector_are_not_shed),
        T(filter_tightening_false_only_shows_the_level),
        T(without_enabled_nothing_is_watched),
        T(open_breakers_add_to_the_fill),
        T(what_an_open_breaker_adds_is_a_choice),
        T(C_23_batches_double_with_each_level),
        T(C_21_the_target_of_the_sample_is_a_choice),
        T(C_20_thresholds_are_a_choice),
        T(C_20_the_interval_of_checks_is_a_choice),
        T(C_20_the_cooldown_is_a_choice),
        T(C_25_level_and_what_was_shed_are_shown),
        T(C_25_what_was_shed_is_told_once_a_second),
    };
    return cmocka_run_group_tests_name("stage-pressure", tests, NULL, NULL);
}
