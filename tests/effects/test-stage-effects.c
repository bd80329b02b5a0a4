/* What single options of stages do to a record: one row for each option. The record goes through the stage without the
 * option and with it, and only one of the two outputs may have the row's text. With --list it prints the options that
 * it shows; tests of other options say so in a comment (tests/effects/registry.py). */
#include "lib/base/check.h"
#include "tests/common/stage_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SETTINGS_MAX = 8, TEXT_MAX = 1 << 14 };

/* The values of field "f", of the message or of the thread's name; all that is secret hits every redactor. */
#define SECRET "https://u:pw@h/ 4111111111111111"
static const char deep[] = "{\"a\":{\"b\":{\"p_key\":\"" SECRET "\"}},\"p_key\":2}";
static const char wide[] = "{\"a\":1,\"b\":2,\"p_key\":3}";
static const char broken[] = "{\"q\":1";
static const char text[] = SECRET;

static const struct row {
    const char *option, *value; /* TABLE.NAME */
    const char *others;         /* settings of both runs: name=value, divided by ';' */
    const char *input;          /* JSON, or text of field p_key, of the message and of the thread */
    const char *want;           /* only with the option; after '!': only without it */
} rows[] = {
/* What the redacting stages have in common. MORE makes the stage hit what is in `deep`. */
#define REDACTOR(KIND, MORE, MASKED) \
    {KIND ".max_depth", "1", MORE, deep, "\"a\":\"" MASKED "\""}, \
    {KIND ".on_guardrail_exceeded", "drop", MORE ";max_depth=1", deep, "dropped"}, \
    {KIND ".fail_mode", "closed", MORE ";max_depth=1;on_guardrail_exceeded=warn", deep, "dropped"}, \
    {KIND ".max_keys", "1", MORE, wide, "\"b\":\"" MASKED "\""}, \
    {KIND ".block_on_unredactable", "false", MORE, broken, "{\\\"q\\\":1"}
#define MASK(KIND, MORE) {KIND ".mask", "###", MORE ";max_depth=1", deep, "\"a\":\"###\""}
    REDACTOR("field_blocker", "blocked_fields=p_key", "[REDACTED:HIGH_RISK_FIELD]"),
    REDACTOR("field_mask", "fields_to_mask=p_key", "***"),
    MASK("field_mask", "fields_to_mask=p_key"),
    REDACTOR("regex_mask", "patterns=.*p_key", "***"),
    MASK("regex_mask", "patterns=.*p_key"),
    REDACTOR("redact", "fields=p_key", "***"),
    MASK("redact", "fields=p_key"),
    REDACTOR("suffix_mask", "", "***"),
    MASK("suffix_mask", ""),
    REDACTOR("string_truncate", "max_string_length=20", "***"),
    MASK("string_truncate", "max_string_length=2"),
    REDACTOR("url_credentials", "", "***"),
    MASK("url_credentials", ""),
    REDACTOR("value_mask", "", "***"),
    MASK("value_mask", ""),

    {"field_blocker.replacement", "###", "blocked_fields=p_key", deep, "###"},
    {"redact.replacement", "###", "block_fields=p_key", deep, "###"},
    {"redact.max_string_length", "5", "", text, "https[truncated]"},
    {"redact.allow_unsafe_patterns", "true", "patterns=(a+)+", text, "!refused"},
    {"redact.other_texts", "true", "values=card", text, "!\"thread\":\"" SECRET},
    {"redact.message", "true", "values=card", text, "\"message\":\"https://h/ ***\""},
    {"value_mask.allow_unsafe_patterns", "true", "patterns=(a+)+", text, "!refused"},
    {"value_mask.other_texts", "true", "", text, "!\"thread\":\"" SECRET},
    {"value_mask.message", "false", "", text, "\"message\":\"" SECRET},
    {"string_truncate.message", "true", "max_string_length=5", text, "\"message\":\"https[truncated]\""},
    {"url_credentials.message", "false", "", text, "\"message\":\"" SECRET},
    {"url_credentials.max_string_length", "8", "message=false", text, "\"p_key\":\"https://u:pw@h/"},
};

static void give(struct sample *s, const char *input)
{
    if (*input == '{') {
        sample_add(s, sample_bytes("f", FAPILOG_TYPE_JSON, input, (uint32_t)strlen(input)));
        sample_set_site(s, "m", false);
        return;
    }
    sample_add(s, sample_string("p_key", input));
    sample_set_site(s, "m", false);
    s->r.message = s->site.message = s->r.thread = sample_text(input);
}

static int add_stage(struct stage_run *run, const struct row *row, bool with, struct err *e)
{
    char kind[40], others[200];
    const char *args[2 * SETTINGS_MAX + 2] = {NULL}, *dot = strchr(row->option, '.');
    char *rest = others;
    unsigned n = 0;
    (void)snprintf(kind, sizeof kind, "%.*s", (int)(dot - row->option), row->option);
    (void)snprintf(others, sizeof others, "%s", row->others);
    for (char *one; (one = strsep(&rest, ";"));) {
        char *const value = strchr(one, '=');
        if (!value)
            continue;
        *value = '\0';
        CHECK(n + 4 < ARRAY_COUNT(args));
        args[n++] = one;
        args[n++] = value + 1;
    }
    if (with) {
        args[n++] = dot + 1;
        args[n] = row->value;
    }
    return stage_run_add(run, e, kind, args[0], args[1], args[2], args[3], args[4], args[5], args[6], args[7], NULL);
}

/* The record as JSON with the thread's name, "dropped", or "refused" and why. */
static void outcome(const struct row *row, bool with, char ret[TEXT_MAX])
{
    struct stage_run run = {0};
    struct err e = {0};
    if (add_stage(&run, row, with, &e) < 0 || stage_run_open(&run, &e) < 0) {
        (void)snprintf(ret, TEXT_MAX, "refused: %s", e.text);
        stage_run_close(&run);
        return;
    }
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    give(s, row->input);
    const struct fapilog_record *const r = stages_run(&run.chain, &s->r);
    char *const json = r ? stage_run_text(r, "json") : strdup("dropped");
    CHECK(json);
    if (r)
        (void)snprintf(ret, TEXT_MAX, "%s \"thread\":\"%.*s\"", json, (int)r->thread.len, r->thread.data);
    else
        (void)snprintf(ret, TEXT_MAX, "%s", json);
    free(json);
    stage_run_forget(s);
    sample_free(s);
    stage_run_close(&run);
}

static void the_option_changes_what_becomes_of_a_record(void **state)
{
    const struct row *const row = *state;
    static char with[TEXT_MAX], without[TEXT_MAX];
    const bool is_absent = *row->want == '!';
    outcome(row, false, without);
    outcome(row, true, with);
    if (!strstr(with, row->want + is_absent) != is_absent || !strstr(without, row->want + is_absent) == is_absent)
        fail_msg("want %s\nwith:    %s\nwithout: %s", row->want, with, without);
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[ARRAY_COUNT(rows)];
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (argc == 2 && strcmp(argv[1], "--list") == 0)
            (void)printf("%s\n", rows[i].option);
        tests[i] = (struct CMUnitTest){rows[i].option, the_option_changes_what_becomes_of_a_record, NULL, NULL,
                                       (void *)(uintptr_t)&rows[i]};
    }
    return argc == 2 ? 0 : _cmocka_run_group_tests("stage-effects", tests, ARRAY_COUNT(rows), NULL, NULL);
}
