/* The rules of redaction, one test for each id of docs/rules.md. */
#include "collector/stage/redact/presets.h"
#include "collector/stage/redact/regex.h"
#include "collector/stage/redact/values.h"
#include "lib/base/check.h"
#include "tests/common/stage_run.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JSON(name, text) sample_bytes(name, FAPILOG_TYPE_JSON, text, sizeof(text) - 1)

/* The field as flat JSON after the stage; "dropped" where the record is. */
static void check_run(struct stage_run *run, struct fapilog_field f, const char *want)
{
    struct err e = {0};
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    if (stage_run_open(run, &e) < 0)
        fail_msg("%s", e.text);
    sample_add(s, f);
    sample_set_site(s, "m", false);
    const struct fapilog_record *const r = stages_run(&run->chain, &s->r);
    char *const text = r ? stage_run_text(r, "json") : strdup("dropped");
    if (!strstr(text, want))
        fail_msg("no %s in %s", want, text);
    free(text);
    stage_run_forget(s);
    sample_free(s);
    stage_run_close(run);
}

#define CHECK_STAGE(field, want, ...) \
    do { \
        struct stage_run run_ = {0}; \
        struct err e_ = {0}; \
        if (stage_run_add(&run_, &e_, __VA_ARGS__, NULL) < 0) \
            fail_msg("%s", e_.text); \
        check_run(&run_, (field), (want)); \
    } while (0)

static void check_refused(struct stage_run *run, int r, const struct err *e, const char *words)
{
    assert_true(r < 0);
    if (!strstr(e->text, words))
        fail_msg("no '%s' in '%s'", words, e->text);
    stage_run_close(run);
}

#define CHECK_REFUSED(words, ...) \
    do { \
        struct stage_run run_ = {0}; \
        struct err e_ = {0}; \
        const int r_ = stage_run_add(&run_, &e_, __VA_ARGS__, NULL); \
        check_refused(&run_, r_, &e_, (words)); \
    } while (0)

/* effect: field_mask.mask */
static void r01_field_mask_takes_paths_wildcards_and_indices(void **state)
{
    (void)state;
    CHECK_STAGE(sample_string("Password", "x"), "\"Password\":\"***\"", "field_mask", "fields_to_mask", "password");
    CHECK_STAGE(sample_int("pin", 7), "\"pin\":\"***\"", "field_mask", "fields", "data.pin");
    CHECK_STAGE(JSON("u", "{\"a\":{\"b\":1},\"b\":2}"), "\"u\":{\"a\":{\"b\":\"***\"},\"b\":2}", "field_mask",
                "fields", "u.a.b");
    CHECK_STAGE(JSON("u", "{\"a\":{\"b\":1},\"c\":{\"b\":2}}"), "{\"a\":{\"b\":\"***\"},\"c\":{\"b\":\"***\"}}",
                "field_mask", "fields", "data.u.*.b");
    CHECK_STAGE(JSON("u", "[{\"b\":1},{\"b\":2}]"), "[{\"b\":\"***\"},{\"b\":\"***\"}]", "field_mask", "fields",
                "u[*].b");
    CHECK_STAGE(JSON("u", "[{\"b\":1},{\"b\":2}]"), "[{\"b\":\"***\"},{\"b\":\"***\"}]", "field_mask", "fields", "u.b");
    CHECK_STAGE(JSON("u", "[{\"b\":1},{\"b\":2}]"), "[{\"b\":1},{\"b\":\"***\"}]", "field_mask", "fields", "u[1].b");
    CHECK_STAGE(JSON("u", "[4,5]"), "[4,\"***\"]", "field_mask", "fields", "u.1");
    CHECK_STAGE(JSON("u", "{\"x\":{\"y\":{\"b\":3}}}"), "{\"x\":{\"y\":{\"b\":\"***\"}}}", "field_mask", "fields",
                "u.**.b");
    CHECK_STAGE(JSON("u", "{\"b\":3,\"x\":4}"), "{\"b\":\"***\",\"x\":4}", "field_mask", "fields", "u.**.b");
    CHECK_STAGE(JSON("u", "{\"x\":{\"y\":3,\"z\":[4]},\"c\":5}"), "\"u\":{\"c\":5,\"x\":\"***\"}", "field_mask",
                "fields", "u.x.**");
    CHECK_STAGE(JSON("u", "{\"x\":3}"), "\"u\":\"***\"", "field_mask", "fields", "u.**");
    CHECK_STAGE(JSON("v", "{\"u\":3}"), "\"v\":{\"u\":3}", "field_mask", "fields", "u.**");
    CHECK_STAGE(sample_string("any", "x"), "\"any\":\"***\"", "field_mask", "fields", "**");
    CHECK_STAGE(JSON("u", "{\"a_key\":1,\"key_a\":2}"), "{\"a_key\":\"***\",\"key_a\":2}", "field_mask", "fields",
                "*_key");
    CHECK_STAGE(sample_string("a.b", "x"), "\"a.b\":\"***\"", "field_mask", "fields", "a.b");
    CHECK_STAGE(sample_string("accessToken", "x"), "\"***\"", "field_mask", "fields", "access_token");
    CHECK_STAGE(sample_string("X-Api-Key", "x"), "\"***\"", "field_mask", "fields", "x_api_key");
    CHECK_STAGE(sample_string("p", "x"), "\"p\":\"#\"", "field_mask", "fields", "p", "mask_string", "#");
    CHECK_STAGE(sample_string("p", "x"), "\"p\":\"x\"", "field_mask", "fields", "context.p");
    CHECK_REFUSED("a key is empty", "field_mask", "fields", "a..b");
    CHECK_REFUSED("bracket", "field_mask", "fields", "a[x]");
    CHECK_REFUSED("mask", "field_mask", "mask", "\"");
}

static void r01_masked_values_are_left_alone(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct err e = {0};
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    assert_int_equal(stage_run_add(&run, &e, "field_mask", "fields", "p", NULL), 0);
    assert_int_equal(stage_run_open(&run, &e), 0);
    sample_add(s, sample_string("p", "***"));
    sample_add(s, JSON("j", "{\"p\":\"***\"}"));
    sample_set_site(s, "m", false);
    assert_ptr_equal(stages_run(&run.chain, &s->r), &s->r);
    assert_int_equal(run.chain.stage[0]->counters.changed, 0);
    stage_run_forget(s);
    sample_free(s);
    stage_run_close(&run);
}

/* Defect 11: `drop` gave out the unmasked event, `closed` was not wired. */
/* effect: field_mask.fail_mode field_mask.max_depth field_mask.max_keys field_mask.on_guardrail_exceeded */
static void r01_r30_guardrails_and_fail_modes_do_what_they_say(void **state)
{
    (void)state;
#define DEEP JSON("j", "{\"a\":{\"b\":{\"p\":1}},\"p\":2}")
    CHECK_STAGE(DEEP, "{\"a\":{\"b\":{\"p\":\"***\"}},\"p\":\"***\"}", "field_mask", "fields", "p", "max_depth", "3");
    CHECK_STAGE(DEEP, "{\"a\":{\"b\":\"***\"},\"p\":\"***\"}", "field_mask", "fields", "p", "max_depth", "2");
    CHECK_STAGE(DEEP, "dropped", "field_mask", "fields", "p", "max_depth", "2", "on_guardrail_exceeded", "drop");
    CHECK_STAGE(DEEP, "dropped", "field_mask", "fields", "p", "max_depth", "2", "on_guardrail_exceeded", "warn",
                "fail_mode", "closed");
    CHECK_STAGE(DEEP, "{\"a\":{\"b\":{\"p\":1}},\"p\":\"***\"}", "field_mask", "fields", "p", "max_depth", "2",
                "on_guardrail_exceeded", "warn", "fail_mode", "open");
#define WIDE JSON("j", "{\"a\":1,\"b\":2,\"p\":3}")
    CHECK_STAGE(WIDE, "{\"a\":1,\"b\":2,\"p\":\"***\"}", "field_mask", "fields", "p", "max_keys", "3");
    CHECK_STAGE(WIDE, "{\"a\":1,\"b\":\"***\",\"p\":\"***\"}", "field_mask", "fields", "x", "max_keys", "1");
    CHECK_STAGE(WIDE, "dropped", "field_mask", "fields", "x", "max_keys", "1", "on_guardrail_exceeded", "drop");
}

static void r30_warn_says_so_and_counts(void **state)
{
    (void)state;
    static const struct { const char *mode; bool says, drops; } modes[] = {
        {"open", false, false}, {"warn", true, false}, {"closed", false, true}};
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        struct stage_run run = {0};
        struct err e = {0};
        struct sample *const s = sample_new(SAMPLE_SIMPLE);
        assert_int_equal(stage_run_add(&run, &e, "field_mask", "fields", "p", "max_depth", "1",
                                       "on_guardrail_exceeded", "warn", "fail_mode", modes[i].mode, NULL), 0);
        assert_int_equal(stage_run_open(&run, &e), 0);
        sample_bind(s, JSON("j", "{\"a\":{\"p\":1}}")); /* from the cache the second time */
        s->logger.fields = s->bound;
        sample_set_site(s, "m", false);
        for (int round = 1; round <= 2; round++) {
            assert_int_equal(stages_run(&run.chain, &s->r) == NULL, modes[i].drops);
            assert_int_equal(run.chain.stage[0]->counters.failed, round);
        }
        assert_int_equal(strlen(run.messages) > 0, modes[i].says);
        assert_int_equal(run.chain.stage[0]->counters.closed, modes[i].drops ? 2 : 0);
        stage_run_forget(s);
        sample_free(s);
        stage_run_close(&run);
    }
}

/* Defect 11: block_on_unredactable only warned. */
/* effect: field_mask.block_on_unredactable */
static void r01_json_that_is_none_is_masked_whole(void **state)
{
    (void)state;
    CHECK_STAGE(JSON("j", "{\"p\":1"), "\"j\":\"***\"", "field_mask", "fields", "p");
    CHECK_STAGE(JSON("j", "{\"p\":1"), "\"j\":\"{\\\"p\\\":1\"", "field_mask", "fields", "p",
                "block_on_unredactable", "false");
    CHECK_STAGE(JSON("j", "[]]"), "\"j\":\"***\"", "field_mask", "fields", "p");
    CHECK_STAGE(JSON("j", ""), "\"j\":\"***\"", "field_mask", "fields", "p");
}

/* A word that is no value of JSON hides what it likes from rules for names and for looks. */
static void words_that_json_does_not_have_make_it_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "password=hunter2", "ghp_0123456789abcdefghijABCDEFGHIJ012345", "['ann@example.org']", "{\"a\":ghp_0123}",
        "[4111111111111111x]", "[-]", "[01]", "[1.]", "[.5]", "[1e]", "[1e+]", "[+1]", "[1.5.2]", "[0x1]", "[tru]",
        "[nulll]", "True", "NaN", "-", "[1,]", "{\"a\":}"};
    static const char *const good[] = {"true", "false", "null", "0", "-0", "[-1]", "[10]", "[0.50]", "[1e5]", "[1E+05]",
                                       "[-1.25e-3]", " [ 1 , true , null ] ", "{\"a\":false}"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        CHECK_STAGE(sample_bytes("j", FAPILOG_TYPE_JSON, bad[i], (uint32_t)strlen(bad[i])), "\"j\":\"***\"", "redact",
                    "presets", "CREDENTIALS");
    }
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        struct stage_run run = {0};
        struct err e = {0};
        struct sample *const s = sample_new(SAMPLE_EMPTY);
        assert_int_equal(stage_run_add(&run, &e, "redact", "presets", "CREDENTIALS,PCI_DSS", NULL), 0);
        assert_int_equal(stage_run_open(&run, &e), 0);
        sample_add(s, sample_bytes("j", FAPILOG_TYPE_JSON, good[i], (uint32_t)strlen(good[i])));
        sample_set_site(s, "m", false);
        if (stages_run(&run.chain, &s->r) != &s->r)
            fail_msg("%s was changed", good[i]);
        stage_run_forget(s);
        sample_free(s);
        stage_run_close(&run);
    }
}

/* effect: regex_mask.allow_unsafe_patterns regex_mask.patterns */
static void r02_regex_mask_matches_the_whole_path(void **state)
{
    (void)state;
    CHECK_STAGE(sample_string("my_secret_x", "v"), "\"***\"", "regex_mask", "patterns", ".*SECRET.*");
    CHECK_STAGE(sample_string("my_secret_x", "v"), "\"v\"", "regex_mask", "patterns", "secret");
    CHECK_STAGE(sample_string("a", "v"), "\"***\"", "regex_mask", "patterns", "data\\.a");
    CHECK_STAGE(sample_string("user_id", "v"), "\"***\"", "regex_mask", "patterns", "context\\.user_.*");
    CHECK_STAGE(JSON("a", "{\"b\":{\"c\":1}}"), "{\"b\":\"***\"}", "regex_mask", "patterns", "a\\.b");
    CHECK_STAGE(JSON("a", "[{\"b\":1}]"), "[{\"b\":\"***\"}]", "regex_mask", "patterns", "a\\.b");
    CHECK_REFUSED("a quantifier over a quantifier", "regex_mask", "patterns", "(a+)+");
    CHECK_REFUSED("offset", "regex_mask", "patterns", "x[z-a]");
    CHECK_STAGE(sample_string("aab", "v"), "\"***\"", "regex_mask", "patterns", "(a+)+b", "allow_unsafe_patterns",
                "true");
}

static void r03_url_credentials_leave_every_text(void **state)
{
    (void)state;
    CHECK_STAGE(sample_string("u", "at https://u:p@h/x"), "\"at https://h/x\"", "url_credentials");
    CHECK_STAGE(JSON("j", "{\"u\":[\"ftp:\\/\\/u:p@h\"]}"), "{\"u\":[\"ftp://h\"]}", "url_credentials");
    CHECK_STAGE(sample_string("u", "https://u:p@h/xxxx"), "u:p@h", "url_credentials", "max_string_length", "10");
}

/* effect: field_blocker.allowed_fields field_blocker.blocked_fields field_blocker.replacement */
static void r04_field_blocker_has_its_defaults_and_exceptions(void **state)
{
    (void)state;
    CHECK_STAGE(sample_string("Body", "x"), "\"Body\":\"[REDACTED:HIGH_RISK_FIELD]\"", "field_blocker");
    CHECK_STAGE(JSON("j", "{\"payload\":{\"x\":1},\"n\":2}"), "{\"n\":2,\"payload\":\"[REDACTED:HIGH_RISK_FIELD]\"}",
                "field_blocker");
    CHECK_STAGE(sample_string("raw", "x"), "\"raw\":\"x\"", "field_blocker", "allowed_fields", "RAW");
    CHECK_STAGE(sample_string("mine", "x"), "\"mine\":\"-\"", "field_blocker", "blocked_fields", "mine",
                "replacement", "-");
}

/* effect: string_truncate.max_string_length */
static void r05_string_truncate_counts_characters(void **state)
{
    (void)state;
    CHECK_STAGE(sample_string("s", "abcdef"), "\"s\":\"abc[truncated]\"", "string_truncate", "max_string_length", "3");
    CHECK_STAGE(sample_string("s", "abc"), "\"s\":\"abc\"", "string_truncate", "max_string_length", "3");
    CHECK_STAGE(sample_string("s", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8d\x95x"),
                "\"s\":\"\xc3\xa4\xe2\x82\xac[truncated]\"",
                "string_truncate", "max_string_length", "2");
    CHECK_STAGE(JSON("j", "{\"a\":\"xyz\\n\"}"), "{\"a\":\"x[truncated]\"}", "string_truncate", "max_string_length",
                "1");
    CHECK_STAGE(sample_string("s", "abcdef"), "\"message\":\"m\"", "string_truncate");
}

/* effect: redact.presets */
static void r50_presets_are_found_by_name_regulation_region_and_tag(void **state)
{
    (void)state;
    CHECK_STAGE(sample_string("nhs_number", "x"), "\"***\"", "redact", "presets", "GDPR_PII_UK");
    CHECK_STAGE(sample_string("e_mail", "x"), "\"***\"", "redact", "presets", "gdpr-pii-uk");
    CHECK_STAGE(sample_string("nhs_number", "x"), "\"x\"", "redact", "presets", "GDPR_PII");
    CHECK_STAGE(sample_string("patient_id", "x"), "\"***\"", "redact", "presets", "regulation:hipaa");
    CHECK_STAGE(sample_string("household_id", "x"), "\"***\"", "redact", "presets", "region:US-CA");
    CHECK_STAGE(sample_string("cvv", "x"), "\"***\"", "redact", "presets", "tag:pci");
    CHECK_REFUSED("there are GDPR_PII", "redact", "presets", "GDPR");
    CHECK_REFUSED("is not known", "redact", "presets", "region:MARS");
}

static void r50_presets_in_a_circle_are_refused(void **state)
{
    (void)state;
    static const char *const to_b[] = {"B", NULL}, *const to_a[] = {"A", NULL};
    const struct redact_preset table[] = {{.name = "A", .extends = to_b}, {.name = "B", .extends = to_a}, {0}};
    struct names *const n = names_new();
    struct err e = {0};
    unsigned kinds = 0;
    assert_int_equal(presets_add(table, "A", n, &kinds, &e), -ELOOP);
    assert_non_null(strstr(e.text, "extends itself"));
    names_free(n);
}

static void every_preset_compiles_and_masks_each_of_its_fields(void **state)
{
    (void)state;
    for (const struct redact_preset *p = redact_presets; p->name; p++) {
        struct names *const n = names_new();
        struct err e = {0};
        unsigned kinds = 0;
        if (presets_add(redact_presets, p->name, n, &kinds, &e) < 0)
            fail_msg("%s", e.text);
        for (const char *const *f = p->fields; f && *f; f++)
            assert_int_equal(names_decide_word(n, *f, (uint32_t)strlen(*f)), NAME_MASK);
        names_free(n);
    }
}

static void r51_words_of_a_name_count_whatever_divides_them(void **state)
{
    (void)state;
    static const char *const hit[] = {"user_token", "userToken", "user-token", "x.token", "oauth2", "http_auth",
                                      "apiKey2",
                                      "Authentication", "auth"};
    static const char *const missed[] = {"author", "authority", "tokens_used", "tokenizer", "passenger", "keyboard"};
    for (size_t i = 0; i < ARRAY_COUNT(hit); i++)
        CHECK_STAGE(sample_string(hit[i], "v"), "\"***\"", "redact", "presets", "CREDENTIALS");
    for (size_t i = 0; i < ARRAY_COUNT(missed); i++)
        CHECK_STAGE(sample_string(missed[i], "v"), "\"v\"", "redact", "presets", "CREDENTIALS");
}

static void r52_a_hit_masks_all_that_lies_below(void **state)
{
    (void)state;
    CHECK_STAGE(JSON("secret", "{\"a\":[1,{\"b\":2}]}"), "\"secret\":\"***\"", "field_mask", "fields", "secret");
    CHECK_STAGE(JSON("j", "{\"secret\":[{\"b\":2}],\"c\":[]}"), "{\"c\":[],\"secret\":\"***\"}", "field_mask",
                "fields", "secret");
}

/* effect: suffix_mask.extra_suffixes suffix_mask.replace_defaults */
static void r60_r62_suffixes_are_dagstacks(void **state)
{
    (void)state;
    static const char *const hit[] = {"api_key", "X_SECRET", "user_token", "db_password", "my_passphrase",
                                      "aws_credentials", "apiKey"};
    for (size_t i = 0; i < ARRAY_COUNT(hit); i++)
        CHECK_STAGE(sample_string(hit[i], "v"), "\"***\"", "suffix_mask");
    CHECK_STAGE(sample_string("key", "v"), "\"v\"", "suffix_mask");
    CHECK_STAGE(JSON("j", "[{\"a_key\":{\"x\":1}}]"), "[{\"a_key\":\"***\"}]", "suffix_mask");
    CHECK_STAGE(sample_string("my_pin", "v"), "\"***\"", "suffix_mask", "extra_suffixes", "_pin");
    CHECK_STAGE(sample_string("a_key", "v"), "\"v\"", "suffix_mask", "extra_suffixes", "_pin", "replace_defaults",
                "true");
    CHECK_STAGE(sample_string("a_key", "v"), "\"v\"", "suffix_mask", "replace_defaults", "true");
    CHECK_REFUSED("redaction.extra_suffixes contains an empty string", "suffix_mask", "extra_suffixes", "[\"\"]");
    CHECK_REFUSED("redaction.extra_suffixes contains whitespace", "suffix_mask", "extra_suffixes", "[\"a b\"]");
    CHECK_REFUSED("redaction.extra_suffixes must be lowercase ASCII", "suffix_mask", "extra_suffixes", "_Key");
}

static void r62_disabling_every_suffix_is_said(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct err e = {0};
    assert_int_equal(stage_run_add(&run, &e, "suffix_mask", "replace_defaults", "true", NULL), 0);
    assert_int_equal(stage_run_open(&run, &e), 0);
    assert_non_null(strstr(run.messages, "nothing is masked"));
    stage_run_close(&run);
}

/* As a field of type double is one, whatever is behind its point. */
static void a_card_number_in_json_is_one_in_any_notation(void **state)
{
    (void)state;
    static const char *const cards[] = {
        "4111111111111111", "4111111111111111.0", "4111111111111111.75", "4.111111111111111e15",
        "4.111111111111111E+15", "4111111111111111000e-3", "0.0004111111111111111e19", "41111111111111110e-1",
        "6304000000000000000", "6304000000000000000.9", "6.304e18"};
    static const char *const others[] = {
        "4111111111111112.0", "4.111111111111112e15", "-4111111111111111.0", "4.111111111111111e14",
        "4.111111111111111e16", "63040000000000000000", "6.304e19", "4.111111111111111e99999999999999999999",
        "4.111111111111111e-99999999999999999999", "0e99999999999999999999", "true", "false", "null", "1e5",
        "41111111.11111111"};
    for (size_t i = 0; i < ARRAY_COUNT(cards) + ARRAY_COUNT(others); i++) {
        char json[100], want[100];
        const bool is_card = i < ARRAY_COUNT(cards);
        const char *const number = is_card ? cards[i] : others[i - ARRAY_COUNT(cards)];
        const int len = snprintf(json, sizeof json, "[%s]", number);
        (void)snprintf(want, sizeof want, "\"a\":[%s]", is_card ? "\"***\"" : number);
        CHECK_STAGE(sample_bytes("a", FAPILOG_TYPE_JSON, json, (size_t)len), want, "redact", "values", "card");
    }
}

/* effect: redact.allowed_fields redact.block_fields redact.fields redact.patterns redact.suffixes */
/* effect: redact.url_credentials redact.url_max_length redact.value_patterns redact.values */
static void redact_takes_every_kind_of_rule(void **state)
{
    (void)state;
    CHECK_STAGE(sample_string("a", "v"), "\"***\"", "redact", "fields", "a");
    CHECK_STAGE(sample_string("abc", "v"), "\"***\"", "redact", "patterns", "a.c");
    CHECK_STAGE(sample_string("x_pin", "v"), "\"***\"", "redact", "suffixes", "_pin");
    CHECK_STAGE(sample_string("a", "v"), "\"[REDACTED:HIGH_RISK_FIELD]\"", "redact", "block_fields", "a");
    CHECK_STAGE(sample_string("a", "v"), "\"-\"", "redact", "block_fields", "a", "replacement", "-");
    CHECK_STAGE(sample_string("token", "v"), "\"v\"", "redact", "presets", "CREDENTIALS", "allowed_fields", "token");
    CHECK_STAGE(sample_string("a", "id 4111111111111111"), "\"id ***\"", "redact", "presets", "PCI_DSS");
    CHECK_STAGE(sample_string("a", "id 4111111111111111"), "\"id 4111", "redact", "presets", "PCI_DSS", "values",
                "none");
    CHECK_STAGE(sample_string("a", "a@b.cc"), "\"***\"", "redact", "values", "email");
    CHECK_STAGE(sample_string("a", "b=1, a@b.cc"), "\"b=***, ***\"", "redact", "values", "all", "fields", "b");
    CHECK_STAGE(sample_string("a", "https://u:p@h"), "u:p@h", "redact", "values", "all", "url_credentials", "false");
    CHECK_STAGE(sample_string("a", "xx-42-yy"), "\"xx-***-yy\"", "redact", "value_patterns", "[\"[0-9]+\"]");
    CHECK_STAGE(sample_string("a", "https://u:p@h"), "\"https://h\"", "redact");
    CHECK_STAGE(sample_string("a", "https://u:p@h"), "u:p@h", "redact", "url_credentials", "false");
    CHECK_STAGE(sample_string("a", "https://u:p@hhhh"), "u:p@h", "redact", "url_max_length", "8");
    CHECK_STAGE(sample_string("a", "abcdef"), "\"ab[truncated]\"", "redact", "max_string_length", "2");
    CHECK_REFUSED("is not one of all", "redact", "values", "cards");
}

/* effect: value_mask.kinds value_mask.patterns */
static void value_mask_masks_by_looks(void **state)
{
    (void)state;
    CHECK_STAGE(sample_string("a", "to a@b.cc"), "\"to ***\"", "value_mask");
    CHECK_STAGE(sample_string("a", "to a@b.cc"), "a@b.cc", "value_mask", "kinds", "card");
    CHECK_STAGE(sample_string("a", "n 42"), "\"n ***\"", "value_mask", "patterns", "[\"[0-9]+\"]");
    CHECK_REFUSED("use it with the stage redact", "value_mask", "kinds", "assignment");
}

static void r15_redactors_work_on_what_the_one_before_left(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct err e = {0};
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    assert_int_equal(stage_run_add(&run, &e, "field_mask", "fields", "a", NULL), 0);
    assert_int_equal(stage_run_add(&run, &e, "value_mask", NULL), 0);
    assert_int_equal(stage_run_add(&run, &e, "field_blocker", "blocked", "c", NULL), 0);
    assert_int_equal(stage_run_open(&run, &e), 0);
    sample_bind(s, sample_string("a", "secret"));
    sample_bind(s, sample_string("b", "mail a@b.cc"));
    sample_bind(s, sample_string("c", "dump"));
    s->logger.fields = s->bound;
    sample_set_site(s, "m", false);
    for (int round = 0; round < 2; round++) {
        char *const text = stage_run_text(stages_run(&run.chain, &s->r), "json");
        assert_non_null(strstr(text, "\"a\":\"***\",\"b\":\"mail ***\",\"c\":\"[REDACTED:HIGH_RISK_FIELD]\""));
        free(text);
    }
    stage_run_forget(s);
    sample_free(s);
    stage_run_close(&run);
}

static void other_texts_are_masked_where_asked(void **state)
{
    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        struct stage_run run = {0};
        struct err e = {0};
        struct sample *const s = sample_new(SAMPLE_SIMPLE);
        assert_int_equal(stage_run_add(&run, &e, "value_mask", "other_texts", asked ? "true" : "false", NULL), 0);
        assert_int_equal(stage_run_open(&run, &e), 0);
        s->r.thread = sample_text("for a@b.cc");
        char *const text = stage_run_text(stages_run(&run.chain, &s->r), "raw");
        assert_int_equal(strstr(text, "a@b.cc") == NULL, asked);
        free(text);
        stage_run_forget(s);
        sample_free(s);
        stage_run_close(&run);
    }
}

/* A reload brings other rules to the same call sites. */
/* effect: field_mask.fields_to_mask */
static void new_rules_do_not_use_what_old_ones_cached(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    sample_add(s, sample_string("a", "1"));
    sample_add(s, sample_string("b", "2"));
    sample_set_site(s, "m", false);
    static const char *const fields[] = {"a", "b"}, *const want[] = {"\"a\":\"***\",\"b\":\"2\"",
                                                                     "\"a\":\"1\",\"b\":\"***\""};
    for (int i = 0; i < 2; i++) {
        struct stage_run run = {0};
        struct err e = {0};
        assert_int_equal(stage_run_add(&run, &e, "field_mask", "fields", fields[i], NULL), 0);
        assert_int_equal(stage_run_open(&run, &e), 0);
        char *const text = stage_run_text(stages_run(&run.chain, &s->r), "json");
        assert_non_null(strstr(text, want[i]));
        free(text);
        stage_run_close(&run);
    }
    stage_run_forget(s);
    sample_free(s);
}

static void patterns_that_take_too_long_mask_what_they_have_not_searched_and_it_is_told(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    struct stage_run run = {0};
    struct err e = {0};
    char *const text = malloc(LONG + 1);
    memset(text, 'a', LONG);
    memcpy(text + LONG - 5, " a-xb", 6); /* what a match has to have is there, and is one */
    assert_int_equal(stage_run_add(&run, &e, "redact", "value_patterns", "x?[a-z]+-x", NULL), 0);
    check_run(&run, sample_string("a", text), "\"a\":\"***\"");
    assert_non_null(strstr(run.messages, "patterns took more than 200 ms for a record (so far: for 1); what they had "
                                         "not searched is masked"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r01_field_mask_takes_paths_wildcards_and_indices),
        cmocka_unit_test(r01_masked_values_are_left_alone),
        cmocka_unit_test(r01_r30_guardrails_and_fail_modes_do_what_they_say),
        cmocka_unit_test(r30_warn_says_so_and_counts),
        cmocka_unit_test(r01_json_that_is_none_is_masked_whole),
        cmocka_unit_test(words_that_json_does_not_have_make_it_none),
        cmocka_unit_test(patterns_that_take_too_long_mask_what_they_have_not_searched_and_it_is_told),
        cmocka_unit_test(r02_regex_mask_matches_the_whole_path),
        cmocka_unit_test(r03_url_credentials_leave_every_text),
        cmocka_unit_test(r04_field_blocker_has_its_defaults_and_exceptions),
        cmocka_unit_test(r05_string_truncate_counts_characters),
        cmocka_unit_test(r15_redactors_work_on_what_the_one_before_left),
        cmocka_unit_test(r50_presets_are_found_by_name_regulation_region_and_tag),
        cmocka_unit_test(r50_presets_in_a_circle_are_refused),
        cmocka_unit_test(every_preset_compiles_and_masks_each_of_its_fields),
        cmocka_unit_test(r51_words_of_a_name_count_whatever_divides_them),
        cmocka_unit_test(r52_a_hit_masks_all_that_lies_below),
        cmocka_unit_test(r60_r62_suffixes_are_dagstacks),
        cmocka_unit_test(r62_disabling_every_suffix_is_said),
        cmocka_unit_test(redact_takes_every_kind_of_rule),
        cmocka_unit_test(a_card_number_in_json_is_one_in_any_notation),
        cmocka_unit_test(value_mask_masks_by_looks),
        cmocka_unit_test(other_texts_are_masked_where_asked),
        cmocka_unit_test(new_rules_do_not_use_what_old_ones_cached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
