/* A secret in every place of a record, in every type that can hold it, under a name that the rules mask and
 * under one that they do not: no format shows it, whatever it makes of the rest. */
#include "lib/base/check.h"
#include "tests/common/stage_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CARD "4111111111111111"
#define NEEDLE "hunter2xyz"
#define TOKEN "ghp_0123456789abcdefghijABCDEFGHIJ012345"

static const char *const formats[] = {"fapilog", "dagstack", "otlp-json", "json", "logfmt", "pretty", "raw"};
static const char *const secrets[] = {CARD, NEEDLE, TOKEN, "4.111111111111111e15", "aHVudGVyMnh5eg"};

static void no_format_shows_it(const struct fapilog_record *r, const char *what)
{
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        char *const text = stage_run_text(r, formats[i]);
        for (size_t k = 0; k < ARRAY_COUNT(secrets); k++) {
            if (strstr(text, secrets[k]))
                fail_msg("%s, %s: %s", what, formats[i], text);
        }
        free(text);
    }
}

enum { BY_NAME, BY_NAME_JSON, BY_NAME_JSON_ESCAPED, BY_LOOKS, BY_LOOKS_NUMBER, BY_LOOKS_REAL, BY_LOOKS_JSON,
       BY_LOOKS_JSON_KEY, BY_LOOKS_JSON_NUMBER, BY_LOOKS_BYTES, BY_NAME_BYTES, BY_ASSIGNMENT, BY_BROKEN_JSON,
       SHAPES };

static struct fapilog_field planted(unsigned shape)
{
    switch (shape) {
    case BY_NAME:              return sample_string("user_token", NEEDLE);
    case BY_NAME_JSON:         return sample_bytes("j", FAPILOG_TYPE_JSON,
                                                   "{\"a\":[{\"Password\":{\"x\":\"" NEEDLE "\"}}]}", 40);
    case BY_NAME_JSON_ESCAPED: return sample_bytes("j", FAPILOG_TYPE_JSON, "{\"pass\\u0077ord\":\"" NEEDLE "\"}", 28);
    case BY_LOOKS:             return sample_string("note", "paid with " CARD " by " TOKEN);
    case BY_LOOKS_NUMBER:      return sample_int("n", INT64_C(4111111111111111));
    case BY_LOOKS_REAL:        return sample_double("d", 4111111111111111.0);
    case BY_LOOKS_JSON:        return sample_bytes("j", FAPILOG_TYPE_JSON, "[1,{\"x\":\"411111\\u0031111111111\"}]",
                                                   34);
    case BY_LOOKS_JSON_KEY:    return sample_bytes("j", FAPILOG_TYPE_JSON, "{\"" CARD "\":true}", 24);
    case BY_LOOKS_JSON_NUMBER: return sample_bytes("j", FAPILOG_TYPE_JSON, "[" CARD "]", 18);
    case BY_LOOKS_BYTES:       return sample_bytes("b", FAPILOG_TYPE_BYTES, TOKEN, sizeof TOKEN - 1);
    case BY_NAME_BYTES:        return sample_bytes("secret", FAPILOG_TYPE_BYTES, NEEDLE, sizeof NEEDLE - 1);
    case BY_ASSIGNMENT:        return sample_string("line", "login password=" NEEDLE " ok");
    default:                   return sample_bytes("j", FAPILOG_TYPE_JSON, "{\"password\":\"" NEEDLE, 23);
    }
}

enum { IN_CALL, IN_CALL_SITE, IN_CONTEXT, IN_LOGGER, IN_ENRICHED, PLACES };

static struct sample *plant(unsigned place, unsigned shape)
{
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    static struct fapilog_field enriched;
    const struct fapilog_field f = planted(shape);
    switch (place) {
    case IN_CALL:
        sample_add(s, f);
        s->r.site = NULL;
        break;
    case IN_CALL_SITE:
        sample_add(s, f);
        sample_set_site(s, "order accepted", false);
        break;
    case IN_CONTEXT:  sample_bind_thread(s, f); break;
    case IN_LOGGER:   sample_bind(s, f); break;
    default:
        enriched = f;
        s->process.enriched = &enriched;
        s->process.enriched_count = 1;
    }
    s->logger.fields = s->bound;
    return s;
}

static void open_full(struct stage_run *run)
{
    struct err e = {0};
    if (stage_run_add(run, &e, "redact", "presets", "CREDENTIALS,PCI_DSS", "message", "true", NULL) < 0 ||
        stage_run_open(run, &e) < 0)
        fail_msg("%s", e.text);
}

static void a_secret_in_a_field_reaches_no_output(void **state)
{
    (void)state;
    struct stage_run run = {0};
    open_full(&run);
    for (unsigned place = 0; place < PLACES; place++) {
        for (unsigned shape = 0; shape < SHAPES; shape++) {
            char what[64];
            struct sample *const s = plant(place, shape);
            (void)snprintf(what, sizeof what, "place %u, shape %u", place, shape);
            for (int round = 0; round < 2; round++) { /* the second time from the caches */
                const struct fapilog_record *const r = stages_run(&run.chain, &s->r);
                assert_non_null(r);
                no_format_shows_it(r, what);
            }
            char *const text = stage_run_text(stages_run(&run.chain, &s->r), "json");
            if (!strstr(text, "***") && place != IN_ENRICHED)
                fail_msg("%s: nothing was masked: %s", what, text);
            free(text);
            stage_run_forget(s);
            sample_free(s);
        }
    }
    assert_int_equal(run.chain.stage[0]->counters.failed, 0);
    stage_run_close(&run);
}

static void check_message(struct stage_run *run, struct sample *s, const char *what, const char *want)
{
    for (int round = 0; round < 2; round++) {
        const struct fapilog_record *const r = stages_run(&run->chain, &s->r);
        assert_non_null(r);
        no_format_shows_it(r, what);
        char *const text = stage_run_text(r, "json");
        if (!strstr(text, want))
            fail_msg("%s: no '%s' in %s", what, want, text);
        free(text);
    }
    stage_run_forget(s);
    sample_free(s);
}

static void a_secret_in_a_message_reaches_no_output(void **state)
{
    (void)state;
    struct stage_run run = {0};
    open_full(&run);
    struct sample *s = sample_new(SAMPLE_EMPTY);
    s->r.message = sample_text("card " CARD " password: '" NEEDLE "'");
    check_message(&run, s, "dynamic", "card *** password: '***'");
    s = sample_new(SAMPLE_SIMPLE);
    sample_set_site(s, "token=" NEEDLE " used", false);
    check_message(&run, s, "constant", "token=*** used");
    stage_run_close(&run);
}

static struct sample *printf_sample(const char *format, const char *argument)
{
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    sample_add(s, sample_int("", 7));
    sample_add(s, sample_string("", argument));
    s->r.process = NULL;
    sample_set_site(s, format, true);
    return s;
}

/* effect: redact.message */
static void a_secret_among_arguments_reaches_no_output(void **state)
{
    (void)state;
    struct stage_run run = {0};
    open_full(&run);
    check_message(&run, printf_sample("%d user_token=%s", NEEDLE), "named", "7 user_token=***");
    check_message(&run, printf_sample("%d card %s", CARD), "looks", "7 card ***");
    check_message(&run, printf_sample("%d pay 41111111%s end", "11111111"), "spread", "pay *** end");
    check_message(&run, printf_sample("%d get https://u:%s@h/", NEEDLE), "url", "get https://h/");
    stage_run_close(&run);
}

/* Without `message`, what stands behind a masked name in a format is masked all the same. */
static void named_arguments_are_masked_like_fields(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct err e = {0};
    assert_int_equal(stage_run_add(&run, &e, "field_mask", "fields", "secret", NULL), 0);
    assert_int_equal(stage_run_open(&run, &e), 0);
    check_message(&run, printf_sample("%d%% secret: %s", NEEDLE), "percent", "7% secret: ***");
    check_message(&run, printf_sample("%d secret='%s'", NEEDLE), "quotes", "secret='***'");
    check_message(&run, printf_sample("%n secret=%s", NEEDLE), "an argument that is not shown", "%n secret=***");
    check_message(&run, printf_sample("%*y secret=%s", NEEDLE), "a width of no conversion", "%*y secret=***");
    check_message(&run, printf_sample("secret=%*s", NEEDLE), "a width", "secret=    ***");
    check_message(&run, printf_sample("%l5d %d secret=%s", NEEDLE), "no conversion", "%l5d 7 secret=***");
    stage_run_close(&run);
}

static void arguments_have_their_names_whatever_stands_between(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct err e = {0};
    assert_int_equal(stage_run_add(&run, &e, "field_mask", "fields", "secret,authorization", NULL), 0);
    assert_int_equal(stage_run_open(&run, &e), 0);
    check_message(&run, printf_sample("%d secret:\t%s", NEEDLE), "tab", "7 secret:\\t***");
    check_message(&run, printf_sample("%d secret\t= %s", NEEDLE), "tab in front", "7 secret\\t= ***");
    check_message(&run, printf_sample("%d user[secret]=%s", NEEDLE), "brackets", "user[secret]=***");
    check_message(&run, printf_sample("%d Authorization: Bearer %s", NEEDLE), "scheme", "Authorization: Bearer ***");
    check_message(&run, printf_sample("%d authorization=\"Basic  '%s'\"", NEEDLE), "scheme, quotes", "Basic  '***'");
    stage_run_close(&run);
}

static void records_without_secrets_pass_untouched(void **state)
{
    (void)state;
    struct stage_run run = {0};
    open_full(&run);
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct sample *const s = sample_new(kind);
        const struct fapilog_record *const r = stages_run(&run.chain, &s->r);
        assert_non_null(r);
        if (kind == SAMPLE_SIMPLE || kind == SAMPLE_EMPTY || kind == SAMPLE_NUMBERS)
            assert_ptr_equal(r, &s->r);
        no_format_shows_it(r, sample_name(kind));
        stage_run_forget(s);
        sample_free(s);
    }
    stage_run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_in_a_field_reaches_no_output),
        cmocka_unit_test(a_secret_in_a_message_reaches_no_output),
        cmocka_unit_test(a_secret_among_arguments_reaches_no_output),
        cmocka_unit_test(named_arguments_are_masked_like_fields),
        cmocka_unit_test(arguments_have_their_names_whatever_stands_between),
        cmocka_unit_test(records_without_secrets_pass_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
