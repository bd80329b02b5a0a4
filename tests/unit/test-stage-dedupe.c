/* Repeated messages: features 5.7. */
#include "collector/format/printf_text.h"
#include "lib/base/check.h"
#include "lib/where/where.h"
#include "tests/common/filter_run.h"
#include "tests/common/stage_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct filter_run t;

static int tear_down(void **state)
{
    (void)state;
    filter_run_close(&t);
    return 0;
}

static const struct fapilog_process_info process = {.pid = 17, .host = {"h1", 2}};
static const struct fapilog_logger_info logger = {.name = {"orders", 6}, .service = {"shop", 4}};

static bool keeps(const char *message, uint8_t level, int64_t time_ns)
{
    const struct fapilog_record r = {.level = level, .message = sample_text(message), .logger = &logger,
                                     .process = &process, .time_ns = time_ns};
    return filter_run_keeps(&t, &r);
}

static void expect_summary(const char *message, uint64_t count)
{
    const struct fapilog_record *const r = stages_emitted(&t.chain);
    assert_non_null(r);
    assert_int_equal(r->message.len, strlen(message));
    assert_memory_equal(r->message.data, message, strlen(message));
    assert_true(r->internal);
    assert_int_equal(r->fields[0].v.u64, count);
    assert_memory_equal(r->fields[0].name.data, "suppressed_count", r->fields[0].name.len);
    assert_memory_equal(r->fields[1].name.data, "window_seconds", r->fields[1].name.len);
}

static void C_50_a_message_passes_once_in_a_window_whatever_its_level(void **state)
{
    (void)state;
    filter_run_open(&t, "dedupe", NULL);
    assert_true(keeps("lost", FAPILOG_LEVEL_ERROR, 1));
    assert_false(keeps("lost", FAPILOG_LEVEL_ERROR, 2));
    assert_true(keeps("lost", FAPILOG_LEVEL_CRITICAL, 3)); /* another level is another message */
    assert_true(keeps("found", FAPILOG_LEVEL_ERROR, 4));
    filter_run_pass(&t, 5 * NS_PER_S - 1);
    assert_false(keeps("lost", FAPILOG_LEVEL_ERROR, 5));
    filter_run_pass(&t, 1);
    assert_true(keeps("lost", FAPILOG_LEVEL_ERROR, 6));
}

/* effect: dedupe.key_fields */
static void C_50_what_makes_two_alike_is_a_choice(void **state)
{
    (void)state;
    filter_run_open(&t, "dedupe", OPTIONS("key_fields", "message"));
    assert_true(keeps("lost", FAPILOG_LEVEL_ERROR, 1));
    assert_false(keeps("lost", FAPILOG_LEVEL_CRITICAL, 2));
}

/* effect: dedupe.levels */
static void C_50_levels_can_be_left_out(void **state)
{
    (void)state;
    filter_run_open(&t, "dedupe", OPTIONS("levels", "ERROR,CRITICAL"));
    for (int i = 0; i < 3; i++) {
        assert_true(keeps("lost", FAPILOG_LEVEL_WARNING, 1));
        assert_int_equal(keeps("lost", FAPILOG_LEVEL_ERROR, 1), i == 0);
    }
}

static void C_51_the_end_of_a_window_tells_how_many(void **state)
{
    (void)state;
    filter_run_open(&t, "dedupe", NULL);
    (void)keeps("once", FAPILOG_LEVEL_ERROR, 1);
    for (int i = 0; i < 42; i++)
        (void)keeps("lost", FAPILOG_LEVEL_ERROR, 100 + i);
    filter_run_pass(&t, 5 * NS_PER_S - 1);
    assert_null(stages_emitted(&t.chain));
    filter_run_pass(&t, NS_PER_S / 4);
    expect_summary("message repeated 41 times: lost", 41);
    assert_null(stages_emitted(&t.chain)); /* nothing to tell of what came once */
    assert_true(filter_run_gauge(&t, "dedupe_keys_tracked") == 0);
    assert_int_equal(t.stage->counters.dropped, 41);
    assert_int_equal(t.stage->counters.emitted, 1);
}

static void C_52_the_summary_stands_where_the_message_would(void **state)
{
    (void)state;
    filter_run_open(&t, "dedupe", OPTIONS("window", "1s"));
    (void)keeps("lost", FAPILOG_LEVEL_AUDIT, 1);
    (void)keeps("lost", FAPILOG_LEVEL_AUDIT, 77);
    filter_run_pass(&t, 2 * NS_PER_S);
    const struct fapilog_record *const r = stages_emitted(&t.chain);
    assert_non_null(r);
    assert_int_equal(r->level, FAPILOG_LEVEL_AUDIT);
    assert_int_equal(r->time_ns, 77);
    assert_memory_equal(r->logger->name.data, "orders", 6);
    assert_memory_equal(r->logger->service.data, "shop", 4);
    assert_memory_equal(r->process->host.data, "h1", 2);
    assert_int_equal(r->process->pid, 17);
    assert_true(r->fields[1].v.f64 == 1.0);
}

/* effect: dedupe.window */
static void C_51_a_record_after_the_window_tells_too(void **state)
{
    (void)state;
    filter_run_open(&t, "dedupe", OPTIONS("window", "100ms")); /* ends between two ticks */
    (void)keeps("lost", FAPILOG_LEVEL_ERROR, 1);
    (void)keeps("lost", FAPILOG_LEVEL_ERROR, 2);
    filter_run_pass(&t, NS_PER_S / 10);
    assert_true(keeps("lost", FAPILOG_LEVEL_ERROR, 3));
    expect_summary("message repeated 1 times: lost", 1);
}

/* effect: dedupe.max_keys */
static void C_50_the_oldest_ends_early_when_there_are_too_many(void **state)
{
    (void)state;
    filter_run_open(&t, "dedupe", OPTIONS("max_keys", "2"));
    (void)keeps("a", 9, 1);
    (void)keeps("a", 9, 1);
    (void)keeps("b", 9, 1);
    (void)keeps("c", 9, 1);
    expect_summary("message repeated 1 times: a", 1);
    assert_false(keeps("b", 9, 1));
    assert_true(keeps("a", 9, 1));
}

static void every_count_is_told_at_the_end(void **state)
{
    (void)state;
    char text[16];
    unsigned told = 0;
    filter_run_open(&t, "dedupe", NULL);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof text, "m%d", i / 2);
        (void)keeps(text, 9, 1);
    }
    for (bool more = true; more;) {
        more = false;
        stages_tick(&t.chain, UINT64_MAX);
        for (; stages_emitted(&t.chain); told++)
            more = true;
    }
    assert_int_equal(told, 100); /* more than can wait at once */
    assert_int_equal(t.stage->counters.failed, 0);
}

/* So many messages have repeated that no more summaries can wait. */
static void fill_queue(unsigned keys)
{
    char text[16];
    for (unsigned i = 0; i < 2 * keys; i++) {
        (void)snprintf(text, sizeof text, "m%u", i / 2);
        (void)keeps(text, 9, 1);
    }
}

static unsigned told_in_all(void)
{
    uint64_t count = 0;
    for (bool more = true; more;) {
        more = false;
        for (const struct fapilog_record *r; (r = stages_emitted(&t.chain)) != NULL; more = true)
            count += r->fields[0].v.u64;
        stages_tick(&t.chain, UINT64_MAX);
        more |= t.chain.emitted_count > 0;
    }
    return (unsigned)count;
}

static void a_count_that_finds_the_queue_full_is_told_with_the_next_one(void **state)
{
    (void)state;
    filter_run_open(&t, "dedupe", OPTIONS("window", "1s", "max_keys", "100"));
    fill_queue(STAGE_EMIT_MAX + 2);
    filter_run_pass(&t, NS_PER_S); /* ends as many windows as can be told */
    assert_int_equal(t.chain.emitted_count, STAGE_EMIT_MAX);
    fill_queue(STAGE_EMIT_MAX + 2);
    assert_int_equal(t.chain.emitted_count, STAGE_EMIT_MAX);
    assert_int_equal(t.stage->counters.dropped, 2 * (STAGE_EMIT_MAX + 2));
    assert_int_equal(told_in_all(), 2 * (STAGE_EMIT_MAX + 2));
    assert_int_equal(t.stage->counters.failed, 0);
}

/* What comes then is not looked at; the counts of the others stay. */
static void a_new_message_passes_unseen_while_the_oldest_cannot_end(void **state)
{
    (void)state;
    filter_run_open(&t, "dedupe", OPTIONS("max_keys", "65"));
    fill_queue(65);
    for (unsigned i = 0; i < STAGE_EMIT_MAX; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "new%u", i);
        assert_true(keeps(text, 9, 1));
    }
    assert_int_equal(t.chain.emitted_count, STAGE_EMIT_MAX);
    assert_int_equal(t.stage->counters.failed, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(keeps("one more", 9, 1));
    assert_int_equal(t.stage->counters.failed, 3);
    assert_false(keeps("m64", 9, 1));
    assert_int_equal(told_in_all(), 65 + 1);
    assert_int_equal(t.stage->counters.failed, 3);
}

static void long_messages_are_cut_between_characters(void **state)
{
    (void)state;
    char text[400] = "";
    for (int i = 0; i < 100; i++)
        memcpy(text + strlen(text), "\xe2\x82\xac", 4);
    filter_run_open(&t, "dedupe", NULL);
    (void)keeps(text, 9, 1);
    (void)keeps(text, 9, 1);
    stages_tick(&t.chain, UINT64_MAX);
    const struct fapilog_record *const r = stages_emitted(&t.chain);
    assert_non_null(r);
    const size_t head = strlen("message repeated 1 times: ");
    assert_int_equal(r->message.len, head + 198);
}

static void printf_style_messages_are_told_as_they_read(void **state)
{
    (void)state;
    const struct fapilog_field argument = {.type = FAPILOG_TYPE_I32, .v.i64 = 5};
    const struct fapilog_site site = {.is_printf = true, .message = {"took %d ms", 10}};
    const struct fapilog_record r = {.level = 9, .site = &site, .message = site.message, .fields = &argument,
                                     .fields_count = 1};
    where_message_text = printf_text_make;
    filter_run_open(&t, "dedupe", NULL);
    assert_true(filter_run_keeps(&t, &r));
    assert_false(filter_run_keeps(&t, &r));
    stages_tick(&t.chain, UINT64_MAX);
    expect_summary("message repeated 1 times: took 5 ms", 1);
}

/* Of a record that came twice. */
static const struct fapilog_record *summary(struct stages *c, const struct fapilog_record *r)
{
    assert_non_null(stages_run(c, r));
    assert_null(stages_run(c, r));
    stages_tick(c, c->record.now_ns + 10 * NS_PER_S);
    const struct fapilog_record *const told = stages_emitted(c);
    assert_non_null(told);
    return told;
}

static void check_summary(struct stages *c, const char *message, const char *want)
{
    const struct fapilog_record r = {.level = 9, .message = sample_text(message)};
    const struct fapilog_record *const told = summary(c, &r);
    char *const text = stage_run_text(told, "json");
    if (!strstr(text, want))
        fail_msg("no %s in %s", want, text);
    free(text);
}

static void open_redacted(struct stage_run *run, const char *message)
{
    struct err e = {0};
    if (stage_run_add(run, &e, "redact", "presets", "CREDENTIALS,PCI_DSS", "message", message, NULL) < 0 ||
        stage_run_add(run, &e, "dedupe", NULL) < 0 || stage_run_open(run, &e) < 0)
        fail_msg("%s", e.text);
}

/* An argument that redactors mask by its name is in no text that they look at. */
static void no_argument_is_told_in_front_of_redactors(void **state)
{
    (void)state;
    struct stage_run run = {0};
    where_message_text = printf_text_make;
    for (unsigned is_on = 0; is_on < 2; is_on++) {
        struct sample *const s = sample_new(SAMPLE_EMPTY);
        open_redacted(&run, is_on ? "true" : "false");
        sample_add(s, sample_string("", "hunter2xyz"));
        sample_set_site(s, "login token=%s", true);
        char *const text = stage_run_text(summary(&run.chain, &s->r), "json");
        if (strstr(text, "hunter2xyz") || !strstr(text, "message repeated 1 times: login token="))
            fail_msg("%s", text);
        free(text);
        stage_run_forget(s);
        sample_free(s);
        stage_run_close(&run);
        run = (struct stage_run){0};
    }
}

/* Without its end a secret would be none that redactors know. */
static void no_secret_is_cut_in_front_of_redactors(void **state)
{
    (void)state;
    struct stage_run run = {0};
    char text[2048];
    open_redacted(&run, "true");
    for (size_t at = 160; at < 200; at++) {
        memset(text, 'x', at);
        (void)snprintf(text + at, sizeof text - at, " https://u:hunter2xyz@h/ 4111 1111 1111 1111 end");
        check_summary(&run.chain, text, "x https://h/ *** end");
    }
    memset(text, 'y', 1025);
    text[1025] = '\0';
    check_summary(&run.chain, text, "message repeated 1 times: (a message of 1025 bytes)");
    text[1024] = '\0';
    check_summary(&run.chain, text, text);
    stage_run_close(&run);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, tear_down)
    const struct CMUnitTest tests[] = {
        T(C_50_a_message_passes_once_in_a_window_whatever_its_level),
        T(C_50_what_makes_two_alike_is_a_choice),
        T(C_50_levels_can_be_left_out),
        T(C_51_the_end_of_a_window_tells_how_many),
        T(C_52_the_summary_stands_where_the_message_would),
        T(C_51_a_record_after_the_window_tells_too),
        T(C_50_the_oldest_ends_early_when_there_are_too_many),
        T(every_count_is_told_at_the_end),
        T(a_count_that_finds_the_queue_full_is_told_with_the_next_one),
        T(a_new_message_passes_unseen_while_the_oldest_cannot_end),
        T(long_messages_are_cut_between_characters),
        T(printf_style_messages_are_told_as_they_read),
        cmocka_unit_test(no_argument_is_told_in_front_of_redactors),
        cmocka_unit_test(no_secret_is_cut_in_front_of_redactors),
    };
    return cmocka_run_group_tests_name("stage-dedupe", tests, NULL, NULL);
}
