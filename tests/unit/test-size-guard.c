/* P-02 to P-04: records are cut as records. */
#include "lib/base/check.h"
#include "tests/common/stage_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char long_text[4001];

static struct sample *large(void)
{
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    memset(long_text, 'x', sizeof long_text - 1);
    s->r.message = sample_text("a message that is quite a bit longer than thirty-two bytes, and then some");
    sample_add(s, sample_int("n", 7));
    sample_add(s, sample_string("big", long_text));
    sample_add(s, sample_string("correlation_id", "c-1"));
    return s;
}

static void open_guard(struct stage_run *run, const char *max, const char *action)
{
    struct err e = {0};
    if (stage_run_add(run, &e, "size_guard", "max_bytes", max, "action", action, NULL) < 0 || stage_run_open(run,
                                                                                                             &e) < 0)
        fail_msg("%s", e.text);
}

static char *text_of(struct stage_run *run, struct sample *s, const char *format)
{
    const struct fapilog_record *const r = stages_run(&run->chain, &s->r);
    return r ? stage_run_text(r, format) : NULL;
}

static void p02_records_within_the_limit_pass_untouched(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct sample *const s = large();
    const size_t size = s->r.message.len + (1 + 6 + 8) + (3 + 6 + 4000) + (14 + 6 + 3);
    char max[32];
    (void)snprintf(max, sizeof max, "%zu", size);
    open_guard(&run, max, "truncate");
    assert_ptr_equal(stages_run(&run.chain, &s->r), &s->r);
    stage_run_close(&run);
    (void)snprintf(max, sizeof max, "%zu", size - 1);
    open_guard(&run, max, "truncate");
    assert_ptr_not_equal(stages_run(&run.chain, &s->r), &s->r);
    stage_run_close(&run);
    stage_run_forget(s);
    sample_free(s);
}

static void p02_p03_the_largest_fields_go_and_the_envelope_stays(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct sample *const s = large();
    open_guard(&run, "300", "truncate");
    char *const text = text_of(&run, s, "fapilog");
    assert_non_null(strstr(text, "\"data\":{\"_original_size\":4"));
    assert_non_null(strstr(text, "\"_truncated\":true,\"n\":7}"));
    assert_non_null(strstr(text, "...[truncated]"));
    assert_non_null(strstr(text, "\"correlation_id\":\"c-1\""));
    assert_non_null(strstr(text, "\"schema_version\":\"1.1\"}"));
    assert_null(strstr(text, "big"));
    assert_null(strstr(text, "_heavily_truncated"));
    free(text);
    stage_run_close(&run);
    stage_run_forget(s);
    sample_free(s);
}

/* effect: size_guard.preserve_fields */
static void p02_what_is_preserved_is_a_choice(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct err e = {0};
    struct sample *const s = large();
    sample_bind_thread(s, sample_string("user", long_text));
    assert_int_equal(stage_run_add(&run, &e, "size_guard", "max_bytes", "100", "preserve_fields", "n", NULL), 0);
    assert_int_equal(stage_run_open(&run, &e), 0);
    char *const text = text_of(&run, s, "json");
    assert_non_null(strstr(text, "\"n\":7"));
    assert_null(strstr(text, "\"c-1\""));
    free(text);
    stage_run_close(&run);
    stage_run_forget(s);
    sample_free(s);
}

static void p02_only_preserved_fields_are_left_where_nothing_else_helps(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct sample *const s = large();
    sample_bind_thread(s, sample_string("user", long_text));
    open_guard(&run, "100", "truncate");
    char *const text = text_of(&run, s, "json");
    assert_non_null(strstr(text, "\"_heavily_truncated\":true"));
    assert_non_null(strstr(text, "\"correlation_id\":\"c-1\""));
    assert_non_null(strstr(text, "\"user\":\"...[truncated]\""));
    assert_non_null(strstr(text, "\"message\":\"a message that is quite a bit lo...[truncated]\""));
    assert_null(strstr(text, "\"n\":7"));
    free(text);
    stage_run_close(&run);
    stage_run_forget(s);
    sample_free(s);
}

static void p02_printf_messages_are_cut_as_text(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    memset(long_text, 'x', sizeof long_text - 1);
    sample_add(s, sample_int("", 42));
    sample_add(s, sample_string("", long_text));
    sample_set_site(s, "%d: %s", true);
    open_guard(&run, "200", "truncate");
    char *const text = text_of(&run, s, "json");
    assert_non_null(strstr(text, "\"message\":\"42: xxxx"));
    assert_non_null(strstr(text, "xx...[truncated]\""));
    assert_true(strlen(text) < 500);
    free(text);
    stage_run_close(&run);
    stage_run_forget(s);
    sample_free(s);
}

/* Defect 13: the marker of a dropped record was still written. */
/* effect: size_guard.action size_guard.max_bytes */
static void p02_drop_drops_and_counts(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct sample *const s = large();
    open_guard(&run, "300", "drop");
    assert_null(stages_run(&run.chain, &s->r));
    assert_int_equal(run.chain.stage[0]->counters.dropped, 1);
    stage_run_close(&run);
    sample_free(s);
}

static void p02_warn_says_so_and_changes_nothing(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct sample *const s = large();
    open_guard(&run, "300", "warn");
    assert_ptr_equal(stages_run(&run.chain, &s->r), &s->r);
    assert_non_null(strstr(run.messages, "larger than max_bytes"));
    stage_run_close(&run);
    sample_free(s);
}

/* P-04: what earlier stages did stays done. */
static void p04_cutting_keeps_what_redactors_masked(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct err e = {0};
    struct sample *const s = large();
    sample_add(s, sample_string("password", "hunter2"));
    assert_int_equal(stage_run_add(&run, &e, "field_mask", "fields", "password", NULL), 0);
    open_guard(&run, "300", "truncate");
    char *const text = text_of(&run, s, "json");
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "\"password\":\"***\""));
    free(text);
    stage_run_close(&run);
    sample_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p02_records_within_the_limit_pass_untouched),
        cmocka_unit_test(p02_p03_the_largest_fields_go_and_the_envelope_stays),
        cmocka_unit_test(p02_what_is_preserved_is_a_choice),
        cmocka_unit_test(p02_only_preserved_fields_are_left_where_nothing_else_helps),
        cmocka_unit_test(p02_printf_messages_are_cut_as_text),
        cmocka_unit_test(p02_drop_drops_and_counts),
        cmocka_unit_test(p02_warn_says_so_and_changes_nothing),
        cmocka_unit_test(p04_cutting_keeps_what_redactors_masked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
