/* The filters of features 4.1; a test's name begins with the rule's id. */
#include "lib/base/check.h"
#include "lib/where/where.h"
#include "tests/common/filter_run.h"

#include <openssl/evp.h>
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

static struct fapilog_record at_level(uint8_t level)
{
    return (struct fapilog_record){.level = level, .message = {"hello", 5}};
}

static bool keeps_level(uint8_t level)
{
    const struct fapilog_record r = at_level(level);
    return filter_run_keeps(&t, &r);
}

static bool keeps_text(const char *field, const char *value)
{
    const struct fapilog_field f = sample_string(field, value);
    const struct fapilog_record r = {.level = FAPILOG_LEVEL_INFO, .fields = &f, .fields_count = 1};
    return filter_run_keeps(&t, &r);
}

static void F_01_level_drops_what_is_below(void **state)
{
    (void)state;
    filter_run_open(&t, "level", NULL);
    assert_false(keeps_level(FAPILOG_LEVEL_INFO - 1));
    assert_true(keeps_level(FAPILOG_LEVEL_INFO));
    assert_true(keeps_level(FAPILOG_LEVEL_SECURITY));
}

/* effect: level.drop_below level.min_level */
static void F_01_drop_below_false_keeps_only_what_is_below(void **state)
{
    (void)state;
    filter_run_open(&t, "level", OPTIONS("min", "WARNING", "drop_below", "false"));
    assert_true(keeps_level(FAPILOG_LEVEL_WARNING - 1));
    assert_false(keeps_level(FAPILOG_LEVEL_WARNING));
}

/* effect: sampling.sample_rate */
static void F_02_sampling_keeps_its_share(void **state)
{
    (void)state;
    const struct fapilog_record r = at_level(FAPILOG_LEVEL_INFO);
    filter_run_open(&t, "sampling", OPTIONS("sample_rate", "0.25", "seed", "7"));
    const unsigned kept = filter_run_kept(&t, &r, 40000, 1e6);
    assert_in_range(kept, 9700, 10300); /* 3.5 standard deviations; the seed makes it the same in each run */
}

/* effect: sampling.seed */
static void F_02_a_seed_repeats_the_choice(void **state)
{
    (void)state;
    bool first[500];
    for (int run = 0; run < 2; run++) {
        filter_run_open(&t, "sample", OPTIONS("rate", "0.5", "seed", "42"));
        for (unsigned i = 0; i < ARRAY_COUNT(first); i++) {
            const bool keeps = keeps_level(9);
            if (run == 0)
                first[i] = keeps;
            else
                assert_int_equal(keeps, first[i]);
        }
        if (run == 0)
            filter_run_close(&t);
    }
}

/* effect: sampling.always */
static void F_02_the_ends_of_the_rate_are_exact_and_some_levels_always_pass(void **state)
{
    (void)state;
    filter_run_open(&t, "sampling", OPTIONS("sample_rate", "0", "always", "ERROR,25"));
    for (int i = 0; i < 1000; i++) {
        assert_false(keeps_level(9));
        assert_true(keeps_level(17));
        assert_true(keeps_level(20)); /* a name is a range */
        assert_true(keeps_level(25));
        assert_false(keeps_level(26)); /* a number is itself */
    }
    filter_run_close(&t);
    filter_run_open(&t, "sampling", NULL);
    for (int i = 0; i < 1000; i++)
        assert_true(keeps_level(9));
}

static void F_03_adaptive_sampling_settles_at_its_target(void **state)
{
    (void)state;
    const struct fapilog_record r = at_level(9);
    filter_run_open(&t, "adaptive_sampling", OPTIONS("target_eps", "100"));
    (void)filter_run_kept(&t, &r, 40000, 1000); /* 40 s to settle */
    for (int i = 0; i < 5; i++) /* and there it stays: no oscillation */
        assert_in_range(filter_run_kept(&t, &r, 10000, 1000), 850, 1150);
    assert_true(filter_run_gauge(&t, "filter_sample_rate") > 0.095);
    assert_true(filter_run_gauge(&t, "filter_sample_rate") < 0.105);
}

/* effect: adaptive_sampling.target_eps */
static void F_03_the_offer_is_measured_not_what_was_kept(void **state)
{
    (void)state;
    const struct fapilog_record r = at_level(9);
    double low = 1, high = 0;
    filter_run_open(&t, "adaptive_sampling", OPTIONS("target_eps", "50", "smoothing_factor", "1"));
    (void)filter_run_kept(&t, &r, 20000, 1000);
    for (int i = 0; i < 100; i++) {
        (void)filter_run_kept(&t, &r, 300, 1000);
        const double rate = filter_run_gauge(&t, "filter_sample_rate");
        low = rate < low ? rate : low;
        high = rate > high ? rate : high;
    }
    assert_true(low > 0.045 && high < 0.055);
}

/* effect: adaptive_sampling.max_sample_rate adaptive_sampling.min_sample_rate */
static void F_03_the_rate_keeps_its_bounds_and_comes_back(void **state)
{
    (void)state;
    const struct fapilog_record r = at_level(9);
    filter_run_open(&t, "adaptive_sampling",
                   OPTIONS("target_eps", "1", "min_sample_rate", "0.2", "max_sample_rate", "0.9"));
    assert_true(filter_run_gauge(&t, "filter_sample_rate") == 0.9);
    (void)filter_run_kept(&t, &r, 30000, 1000);
    assert_true(filter_run_gauge(&t, "filter_sample_rate") == 0.2);
    for (int i = 0; i < 400; i++) /* nothing comes: ticks alone raise it again */
        filter_run_pass(&t, NS_PER_S / 4);
    assert_true(filter_run_gauge(&t, "filter_sample_rate") > 0.89);
}

static void F_03_levels_that_always_pass_are_not_measured(void **state)
{
    (void)state;
    const struct fapilog_record error = at_level(FAPILOG_LEVEL_ERROR), fatal = at_level(FAPILOG_LEVEL_CRITICAL);
    filter_run_open(&t, "adaptive_sampling", OPTIONS("target_eps", "1"));
    assert_int_equal(filter_run_kept(&t, &error, 5000, 1000), 5000);
    assert_int_equal(filter_run_kept(&t, &fatal, 5000, 1000), 5000);
    assert_true(filter_run_gauge(&t, "filter_sample_rate") == 1);
}

/* effect: adaptive_sampling.always_pass_levels */
static void F_03_the_levels_that_always_pass_are_a_choice(void **state)
{
    (void)state;
    const struct fapilog_record info = at_level(9), error = at_level(FAPILOG_LEVEL_ERROR);
    filter_run_open(&t, "adaptive_sampling", OPTIONS("target_eps", "1", "always_pass_levels", "INFO"));
    assert_int_equal(filter_run_kept(&t, &info, 20000, 1000), 20000);
    assert_true(filter_run_kept(&t, &error, 20000, 1000) < 20000);
}

/* The rate after `seconds` of a thousand records each, where a hundred are wanted. */
static double rate_after(unsigned seconds, const char *option, const char *value)
{
    const struct fapilog_record r = at_level(9);
    filter_run_open(&t, "adaptive_sampling", option ? OPTIONS(option, value) : NULL);
    (void)filter_run_kept(&t, &r, seconds * 1000, 1000);
    const double rate = filter_run_gauge(&t, "filter_sample_rate");
    filter_run_close(&t);
    return rate;
}

/* effect: adaptive_sampling.smoothing_factor adaptive_sampling.window */
static void F_03_how_fast_the_rate_follows_is_a_choice(void **state)
{
    (void)state;
    const double usual = rate_after(4, NULL, NULL);
    assert_true(rate_after(4, "smoothing_factor", "1") < usual);
    assert_true(rate_after(4, "smoothing_factor", "0.01") > usual);
    /* silence is forgotten with the window: what came 30 s ago still counts, or does not */
    for (int i = 0; i < 2; i++) {
        const struct fapilog_record r = at_level(9);
        filter_run_open(&t, "adaptive_sampling", OPTIONS("smoothing_factor", "1", "window", i ? "120s" : "2s"));
        (void)filter_run_kept(&t, &r, 60000, 1000);
        for (int s = 0; s < 120; s++)
            filter_run_pass(&t, NS_PER_S / 4);
        assert_int_equal(filter_run_gauge(&t, "filter_sample_rate") > 0.9, !i);
        if (!i)
            filter_run_close(&t);
    }
}

static void F_03_a_lower_bound_above_the_upper_is_refused(void **state)
{
    (void)state;
    struct stage *s = NULL;
    struct err e = {0};
    filter_run_open(&t, "level", NULL); /* for the tear-down */
    assert_int_equal(stage_new(stage_find("adaptive_sampling"), &s, &e), 0);
    assert_int_equal(opt_set(opt_find(s->ops->opts, "max_sample_rate"), s->cfg, "0.001", &e), 0);
    assert_true(stage_finish(s, &e) < 0);
    assert_non_null(strstr(e.text, "min_sample_rate"));
    stage_free(s);
}

/* The rule itself, from the text of the id. */
static bool md5_keeps(const char *id, double rate)
{
    uint8_t md5[16];
    unsigned len = 0;
    long double n = 0;
    CHECK(EVP_Digest(id, strlen(id), md5, &len, EVP_md5(), NULL) == 1 && len == 16);
    for (unsigned i = 0; i < 16; i++)
        n = n * 256 + md5[i];
    return n < (long double)rate * 0x1p128L;
}

/* effect: trace_sampling.sample_rate */
static void F_04_whole_traces_pass_by_the_md5_of_their_id(void **state)
{
    (void)state;
    unsigned kept = 0;
    filter_run_open(&t, "trace_sampling", OPTIONS("sample_rate", "0.3"));
    for (unsigned i = 0; i < 3000; i++) {
        char id[40];
        (void)snprintf(id, sizeof id, "%032x", i % 1500); /* each comes twice */
        const bool keeps = keeps_text("trace_id", id);
        assert_int_equal(keeps, md5_keeps(id, 0.3));
        kept += keeps;
    }
    assert_in_range(kept, 750, 1050);
}

static void F_04_the_context_is_looked_at_first(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_EMPTY);
    const char *in = "in-0", *out = "out-0";
    char texts[2][1000][8];
    filter_run_open(&t, "trace_sampling", OPTIONS("sample_rate", "0.5"));
    for (int i = 0; i < 1000; i++) { /* an id that passes, and one that does not */
        (void)snprintf(texts[0][i], 8, "in-%d", i);
        (void)snprintf(texts[1][i], 8, "out-%d", i);
        in = md5_keeps(texts[0][i], 0.5) ? texts[0][i] : in;
        out = md5_keeps(texts[1][i], 0.5) ? out : texts[1][i];
    }
    sample_add(s, sample_string("trace_id", out));
    assert_false(filter_run_keeps(&t, &s->r));
    sample_bind_thread(s, sample_string("trace_id", in));
    assert_true(filter_run_keeps(&t, &s->r));
    sample_free(s);
}

static void F_04_ids_given_as_bytes_count_as_their_hex_digits(void **state)
{
    (void)state;
    filter_run_open(&t, "trace_sampling", OPTIONS("sample_rate", "0.5"));
    for (unsigned i = 0; i < 200; i++) {
        uint8_t bytes[16] = {[14] = (uint8_t)(i >> 8), [15] = (uint8_t)i};
        char text[40];
        (void)snprintf(text, sizeof text, "%032x", i);
        const struct fapilog_field f = {.name = {"x", 1}, .type = FAPILOG_TYPE_TRACE_ID, .role = FAPILOG_ROLE_TRACE_ID,
                                        .len = 16, .v.data = (const char *)bytes};
        const struct fapilog_context_info context = {.fields = &f, .fields_count = 1};
        const struct fapilog_record r = {.level = 9, .context = &context};
        assert_int_equal(filter_run_keeps(&t, &r), md5_keeps(text, 0.5));
    }
}

static void F_04_without_a_trace_chance_decides_and_errors_pass(void **state)
{
    (void)state;
    const struct fapilog_record r = at_level(9), error = at_level(FAPILOG_LEVEL_ERROR);
    filter_run_open(&t, "trace_sampling", NULL);
    assert_in_range(filter_run_kept(&t, &r, 10000, 1e6), 850, 1150); /* 5 standard deviations */
    assert_int_equal(filter_run_kept(&t, &error, 1000, 1e6), 1000);
}

/* effect: trace_sampling.always_pass_levels trace_sampling.trace_id_field */
static void F_04_the_field_and_the_levels_are_a_choice(void **state)
{
    (void)state;
    const struct fapilog_record info = at_level(9);
    char id[16];
    filter_run_open(&t, "trace_sampling", OPTIONS("sample_rate", "0.5", "trace_id_field", "request"));
    for (int i = 0; i < 200; i++) {
        (void)snprintf(id, sizeof id, "r-%d", i);
        assert_int_equal(keeps_text("request", id), md5_keeps(id, 0.5));
    }
    filter_run_close(&t);
    filter_run_open(&t, "trace_sampling", OPTIONS("sample_rate", "0", "always_pass_levels", "INFO"));
    assert_int_equal(filter_run_kept(&t, &info, 100, 1e6), 100);
}

static void F_05_rate_limit_is_a_token_bucket(void **state)
{
    (void)state;
    const struct fapilog_record r = at_level(9);
    filter_run_open(&t, "rate_limit", NULL);
    unsigned kept = 0;
    for (int i = 0; i < 100; i++)
        kept += filter_run_keeps(&t, &r);
    assert_int_equal(kept, 10); /* capacity at once */
    filter_run_pass(&t, NS_PER_S);
    for (kept = 0; kept < 100 && filter_run_keeps(&t, &r); kept++) {
    }
    assert_int_equal(kept, 5); /* a second's refill */
    filter_run_pass(&t, 1000 * NS_PER_S);
    for (kept = 0; kept < 100 && filter_run_keeps(&t, &r); kept++) {
    }
    assert_int_equal(kept, 10); /* never more than the capacity */
    assert_int_equal(t.stage->counters.dropped, 92);
}

/* effect: rate_limit.capacity rate_limit.key_field */
static void F_05_each_value_of_the_key_has_its_bucket(void **state)
{
    (void)state;
    filter_run_open(&t, "rate_limit", OPTIONS("capacity", "2", "key_field", "user_id"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(keeps_text("user_id", "a"), i < 2);
        assert_int_equal(keeps_text("user_id", "b"), i < 2);
        assert_int_equal(keeps_text(i ? "other" : "another", "b"), i < 2); /* those without it share one */
    }
    assert_true(filter_run_gauge(&t, "rate_limit_keys_tracked") == 3);
}

/* effect: rate_limit.refill_rate_per_sec */
static void F_05_the_refill_is_a_choice(void **state)
{
    (void)state;
    unsigned kept = 0;
    filter_run_open(&t, "rate_limit", OPTIONS("refill_rate_per_sec", "2"));
    while (keeps_level(9))
        kept++;
    filter_run_pass(&t, NS_PER_S);
    while (keeps_level(9))
        kept++;
    assert_int_equal(kept, 12);
}

static void F_05_the_key_may_be_a_member_of_the_record(void **state)
{
    (void)state;
    filter_run_open(&t, "rate_limit", OPTIONS("capacity", "1", "key_field", "logger"));
    const struct fapilog_logger_info a = {.name = {"a", 1}}, b = {.name = {"b", 1}}, again = {.name = {"a", 1}};
    const struct fapilog_record ra = {.level = 9, .logger = &a}, rb = {.level = 9, .logger = &b},
                                rc = {.level = 9, .logger = &again};
    assert_true(filter_run_keeps(&t, &ra));
    assert_true(filter_run_keeps(&t, &rb));
    assert_false(filter_run_keeps(&t, &rc)); /* the name counts, not where it lies */
}

/* effect: rate_limit.max_keys */
static void F_05_rate_limit_evicts_the_least_recently_used_key(void **state)
{
    (void)state;
    filter_run_open(&t, "rate_limit", OPTIONS("capacity", "1", "max_keys", "2", "key_field", "k"));
    assert_true(keeps_text("k", "a"));
    assert_true(keeps_text("k", "b"));
    assert_false(keeps_text("k", "a")); /* now b is the one unused for longest */
    assert_true(keeps_text("k", "c"));
    assert_false(keeps_text("k", "a"));
    assert_true(keeps_text("k", "b")); /* forgotten: a full bucket again */
    assert_true(filter_run_gauge(&t, "rate_limit_keys_tracked") == 2);
    assert_true(filter_run_gauge(&t, "rate_limit_keys_evicted") == 2);
}

/* effect: rate_limit.overflow_action */
static void F_05_a_marked_record_passes_with_a_field_that_says_so(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_SIMPLE);
    filter_run_open(&t, "rate_limit", OPTIONS("capacity", "1", "overflow_action", "mark"));
    assert_ptr_equal(stages_run(&t.chain, &s->r), &s->r);
    const struct fapilog_record *const r = stages_run(&t.chain, &s->r);
    assert_non_null(r);
    assert_int_equal(r->fields_count, s->r.fields_count + 1);
    const struct fapilog_field *const f = &r->fields[s->r.fields_count];
    assert_memory_equal(f->name.data, "rate_limited", f->name.len);
    assert_int_equal(f->type, FAPILOG_TYPE_BOOL);
    assert_int_equal(f->v.u64, 1);
    assert_int_equal(t.stage->counters.changed, 1);
    assert_int_equal(t.stage->counters.dropped, 0);
    assert_true(filter_run_gauge(&t, "rate_limit_marked") == 1);
    assert_true(t.chain.changes); /* which costs raw sinks something, so only then */
    filter_run_close(&t);
    filter_run_open(&t, "rate_limit", NULL);
    assert_false(t.chain.changes);
    sample_free(s);
}

static void F_05_many_keys_are_told_of_once_until_they_are_few(void **state)
{
    (void)state;
    char name[8];
    filter_run_open(&t, "rate_limit", OPTIONS("max_keys", "10", "key_field", "k"));
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 9; i++) {
            (void)snprintf(name, sizeof name, "%d", i);
            assert_true(keeps_text("k", name));
        }
        filter_run_pass(&t, NS_PER_S / 4);
        filter_run_pass(&t, NS_PER_S / 4);
        unsigned said = 0;
        for (const char *p = t.said; (p = strstr(p, "max_keys")); p++)
            said++;
        assert_int_equal(said, round);
        filter_run_pass(&t, 10 * NS_PER_S); /* all are full again, so nothing needs to be kept */
        assert_true(filter_run_gauge(&t, "rate_limit_keys_tracked") == 0);
    }
}

static void F_06_the_first_of_its_kind_passes_in_each_window(void **state)
{
    (void)state;
    struct fapilog_record r = at_level(9);
    filter_run_open(&t, "first_occurrence", NULL);
    assert_true(filter_run_keeps(&t, &r));
    assert_false(filter_run_keeps(&t, &r));
    r.message = sample_text("other");
    assert_true(filter_run_keeps(&t, &r));
    filter_run_pass(&t, 60 * NS_PER_S - 1);
    assert_false(filter_run_keeps(&t, &r));
    filter_run_pass(&t, 1); /* not prolonged by what came meanwhile */
    assert_true(filter_run_keeps(&t, &r));
    assert_false(filter_run_keeps(&t, &r));
}

/* effect: first_occurrence.key_fields */
static void F_06_kinds_are_made_of_several_fields(void **state)
{
    (void)state;
    filter_run_open(&t, "first_occurrence", OPTIONS("key_fields", "a,b", "subsequent_sample_rate", "0"));
    struct fapilog_field f[] = {sample_string("a", "x"), sample_string("b", "yz")};
    const struct fapilog_record r = {.level = 9, .fields = f, .fields_count = 2};
    assert_true(filter_run_keeps(&t, &r));
    assert_false(filter_run_keeps(&t, &r));
    f[0] = sample_string("a", "xy");
    f[1] = sample_string("b", "z"); /* not the same text in a row */
    assert_true(filter_run_keeps(&t, &r));
    f[1] = sample_int("b", 5);
    assert_true(filter_run_keeps(&t, &r));
    f[1].type = FAPILOG_TYPE_U8; /* the same number */
    assert_false(filter_run_keeps(&t, &r));
}

/* effect: first_occurrence.max_keys first_occurrence.subsequent_sample_rate */
static void F_06_later_ones_are_sampled_and_the_oldest_kind_is_forgotten(void **state)
{
    (void)state;
    const struct fapilog_record r = at_level(9);
    filter_run_open(&t, "first_occurrence", OPTIONS("subsequent_sample_rate", "1", "max_keys", "1"));
    for (int i = 0; i < 10; i++)
        assert_true(filter_run_keeps(&t, &r));
    filter_run_close(&t);
    filter_run_open(&t, "first_occurrence", OPTIONS("key_fields", "k", "max_keys", "2"));
    assert_true(keeps_text("k", "a"));
    assert_true(keeps_text("k", "b"));
    assert_false(keeps_text("k", "a"));
    assert_true(keeps_text("k", "c"));
    assert_true(keeps_text("k", "a"));
    assert_true(filter_run_gauge(&t, "first_occurrence_keys_tracked") == 2);
}

/* effect: first_occurrence.window */
static void F_06_the_window_is_a_choice(void **state)
{
    (void)state;
    filter_run_open(&t, "first_occurrence", OPTIONS("window", "2s"));
    assert_true(keeps_level(9));
    filter_run_pass(&t, 2 * NS_PER_S - 1);
    assert_false(keeps_level(9));
    filter_run_pass(&t, 1);
    assert_true(keeps_level(9));
}

static void F_06_printf_style_messages_count_with_their_arguments(void **state)
{
    (void)state;
    struct fapilog_field argument = {.type = FAPILOG_TYPE_I32, .v.i64 = 5};
    const struct fapilog_site site = {.is_printf = true, .message = {"took %d ms", 10}};
    const struct fapilog_record r = {.level = 9, .site = &site, .message = site.message, .fields = &argument,
                                     .fields_count = 1};
    filter_run_open(&t, "first_occurrence", NULL);
    assert_true(filter_run_keeps(&t, &r));
    assert_false(filter_run_keeps(&t, &r));
    argument.v.i64 = 6;
    assert_true(filter_run_keeps(&t, &r));
}

static void F_08_gauges_and_counters_say_what_filters_do(void **state)
{
    (void)state;
    static const char *const sampled[] = {"sampling", "adaptive_sampling", "trace_sampling", "first_occurrence"};
    for (size_t i = 0; i < ARRAY_COUNT(sampled); i++) {
        filter_run_open(&t, sampled[i], NULL);
        const double rate = filter_run_gauge(&t, "filter_sample_rate");
        assert_true(rate >= 0 && rate <= 1);
        filter_run_close(&t);
    }
    filter_run_open(&t, "level", NULL);
    for (uint8_t level = 1; level < 31; level++)
        (void)keeps_level(level);
    assert_int_equal(t.stage->counters.seen, 30);
    assert_int_equal(t.stage->counters.dropped, 8);
}

/* effect: match.action match.where */
static void match_keeps_or_drops_what_the_expression_says(void **state)
{
    (void)state;
    filter_run_open(&t, "match", OPTIONS("where", "symbol ~ AC* && level >= INFO"));
    assert_true(keeps_text("symbol", "ACME"));
    assert_false(keeps_text("symbol", "XACME"));
    assert_false(keeps_text("other", "ACME"));
    filter_run_close(&t);
    filter_run_open(&t, "match", OPTIONS("where", "symbol == ACME", "action", "drop"));
    assert_false(keeps_text("symbol", "ACME"));
    assert_true(keeps_text("symbol", "other"));
    assert_true(keeps_text("other", "ACME"));
}

static void match_refuses_what_is_no_expression(void **state)
{
    (void)state;
    struct stage *s = NULL;
    struct err e = {0};
    filter_run_open(&t, "level", NULL);
    assert_int_equal(stage_new(stage_find("match"), &s, &e), 0);
    assert_int_equal(opt_set(opt_find(s->ops->opts, "where"), s->cfg, "level >=", &e), 0);
    assert_true(stage_finish(s, &e) < 0);
    assert_non_null(strstr(e.text, "column 9"));
    assert_non_null(strstr(e.text, "stage match"));
    stage_free(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, tear_down)
    const struct CMUnitTest tests[] = {
        T(F_01_level_drops_what_is_below),
        T(F_01_drop_below_false_keeps_only_what_is_below),
        T(F_02_sampling_keeps_its_share),
        T(F_02_a_seed_repeats_the_choice),
        T(F_02_the_ends_of_the_rate_are_exact_and_some_levels_always_pass),
        T(F_03_adaptive_sampling_settles_at_its_target),
        T(F_03_the_offer_is_measured_not_what_was_kept),
        T(F_03_the_rate_keeps_its_bounds_and_comes_back),
        T(F_03_levels_that_always_pass_are_not_measured),
        T(F_03_the_levels_that_always_pass_are_a_choice),
        T(F_03_how_fast_the_rate_follows_is_a_choice),
        T(F_03_a_lower_bound_above_the_upper_is_refused),
        T(F_04_whole_traces_pass_by_the_md5_of_their_id),
        T(F_04_the_context_is_looked_at_first),
        T(F_04_ids_given_as_bytes_count_as_their_hex_digits),
        T(F_04_without_a_trace_chance_decides_and_errors_pass),
        T(F_04_the_field_and_the_levels_are_a_choice),
        T(F_05_rate_limit_is_a_token_bucket),
        T(F_05_each_value_of_the_key_has_its_bucket),
        T(F_05_the_refill_is_a_choice),
        T(F_05_the_key_may_be_a_member_of_the_record),
        T(F_05_rate_limit_evicts_the_least_recently_used_key),
        T(F_05_a_marked_record_passes_with_a_field_that_says_so),
        T(F_05_many_keys_are_told_of_once_until_they_are_few),
        T(F_06_the_first_of_its_kind_passes_in_each_window),
        T(F_06_kinds_are_made_of_several_fields),
        T(F_06_later_ones_are_sampled_and_the_oldest_kind_is_forgotten),
        T(F_06_the_window_is_a_choice),
        T(F_06_printf_style_messages_count_with_their_arguments),
        T(F_08_gauges_and_counters_say_what_filters_do),
        T(match_keeps_or_drops_what_the_expression_says),
        T(match_refuses_what_is_no_expression),
    };
    return cmocka_run_group_tests_name("stage-filters", tests, NULL, NULL);
}
