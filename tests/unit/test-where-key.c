#include "lib/base/check.h"
#include "lib/where/glob.h"
#include "lib/where/key.h"
#include "lib/where/where.h"
#include "tests/common/record_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t number_of(struct where_key *k, const struct fapilog_record *r)
{
    const struct fapilog_field *const f = where_key_field(k, r);
    return f ? f->v.i64 : -1;
}

static struct where_key *key(const char *name)
{
    struct where_key *k = NULL;
    CHECK(where_key_new(name, false, &k) == 0);
    return k;
}

static struct sample *numbered(const char *a, const char *b)
{
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    s->r.process = &s->process;
    sample_add(s, sample_int(a, 1));
    sample_add(s, sample_int(b, 2));
    sample_set_site(s, "m", false);
    return s;
}

static void a_name_is_found_again_where_it_was(void **state)
{
    (void)state;
    struct sample *s = numbered("a", "b");
    struct where_key *k = key("b");
    for (int i = 10; i < 13; i++) {
        s->call[1].v.i64 = i;
        assert_int_equal(number_of(k, &s->r), i);
    }
    where_key_free(k);
    sample_free(s);
}

/* Another segment's call site may come to lie where one was that is gone. */
static void a_site_at_the_same_address_in_another_segment_is_another(void **state)
{
    (void)state;
    struct sample *s = numbered("a", "b");
    struct where_key *here = key("b"), *gone = key("c");
    assert_int_equal(number_of(here, &s->r), 2);
    assert_int_equal(number_of(gone, &s->r), -1);
    s->process.uuid[3] ^= 1;
    s->call[0] = s->templates[0] = sample_int("b", 5);
    s->call[1] = s->templates[1] = sample_int("c", 6);
    assert_int_equal(number_of(here, &s->r), 5);
    assert_int_equal(number_of(gone, &s->r), 6);
    where_key_free(here);
    where_key_free(gone);
    sample_free(s);
}

static void fields_that_a_stage_has_moved_or_added_are_found(void **state)
{
    (void)state;
    struct sample *s = numbered("a", "b");
    struct where_key *b = key("b"), *c = key("c");
    assert_int_equal(number_of(b, &s->r), 2);
    assert_int_equal(number_of(c, &s->r), -1);
    struct fapilog_record changed = s->r;
    const struct fapilog_field list[] = {s->call[1], sample_int("c", 3)};
    changed.fields = list;
    changed.fields_count = 2;
    assert_int_equal(number_of(b, &changed), 2);
    assert_int_equal(number_of(c, &changed), 3);
    changed.fields = &list[1];
    changed.fields_count = 1;
    assert_int_equal(number_of(b, &changed), -1);
    assert_int_equal(number_of(c, &changed), 3);
    assert_int_equal(number_of(b, &s->r), 2);
    assert_int_equal(number_of(c, &s->r), -1);
    where_key_free(b);
    where_key_free(c);
    sample_free(s);
}

static void the_call_comes_before_the_context_and_the_logger(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_LAYERS);
    struct where_value v;
    struct where_key *who = key("who"), *thread = key("only_context"), *bound = key("only_logger");
    where_key_find(who, &s->r, &v);
    assert_int_equal(v.len, 4);
    assert_memory_equal(v.data, "call", 4); /* the last of two, as it is printed */
    where_key_find(thread, &s->r, &v);
    assert_memory_equal(v.data, "c", 1);
    where_key_find(bound, &s->r, &v);
    assert_memory_equal(v.data, "l", 1);
    where_key_free(who);
    where_key_free(thread);
    where_key_free(bound);
    sample_free(s);
}

static void what_an_enricher_knows_of_the_process_comes_last(void **state)
{
    (void)state;
    struct sample *s = sample_new(SAMPLE_LAYERS);
    const struct fapilog_field known[] = {
        {.name = sample_text("region"), .type = FAPILOG_TYPE_STRING, .v.data = "north", .len = 5},
        {.name = sample_text("only_logger"), .type = FAPILOG_TYPE_STRING, .v.data = "x", .len = 1},
    };
    struct fapilog_process_info process = *s->r.process;
    struct where_value v;
    struct where_key *region = key("region"), *bound = key("only_logger");
    where_key_find(region, &s->r, &v);
    assert_int_equal(v.kind, WHERE_VALUE_NONE);
    process.enriched = known;
    process.enriched_count = 2;
    s->r.process = &process;
    where_key_find(region, &s->r, &v);
    assert_int_equal(v.len, 5);
    assert_memory_equal(v.data, "north", 5);
    where_key_find(bound, &s->r, &v);
    assert_memory_equal(v.data, "l", 1);
    where_key_free(region);
    where_key_free(bound);
    sample_free(s);
}

static void the_process_answers_for_a_logger_without_a_service(void **state)
{
    (void)state;
    const struct fapilog_process_info process = {.service = sample_text("shop")};
    struct fapilog_logger_info logger = {.id = 5};
    const struct fapilog_record r = {.logger = &logger, .process = &process};
    struct where_key *service = key("service");
    struct where_value v;
    where_key_find(service, &r, &v);
    assert_memory_equal(v.data, "shop", 4);
    logger.service = sample_text("pay");
    where_key_find(service, &r, &v);
    assert_memory_equal(v.data, "pay", 3);
    where_key_free(service);
}

static void nothing_is_needed_of_a_record(void **state)
{
    (void)state;
    static const char *const names[] = {
        "level", "message", "logger", "service", "host", "env", "version", "pid", "tid", "thread", "time", "file",
        "line", "function", "field", "trace_id", ""};
    const struct fapilog_record empty = {0};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct where_key *k = key(names[i]);
        struct where_value v;
        where_key_find(k, &empty, &v);
        assert_int_equal(v.kind == WHERE_VALUE_NONE, i >= 14);
        assert_null(v.made);
        where_key_free(k);
    }
}

static void patterns_are_matched_whole(void **state)
{
    (void)state;
    static const struct { const char *pattern, *text; bool want; } rows[] = {
        {"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*", "abc", true}, {"*c", "abc", true},
        {"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "abd", false}, {"?", "", false}, {"?", "a", true},
        {"a?c", "abc", true}, {"*a*b*", "xxaxxbxx", true}, {"*a*b", "xxaxxbxx", false}, {"**", "x", true},
        {"[a]", "a", false}, {"[a]", "[a]", true}, {"*ab*abc", "ababababc", true}, {"abc", "ab", false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (glob_matches(rows[i].pattern, strlen(rows[i].pattern), rows[i].text, strlen(rows[i].text)) != rows[i].want)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_found_again_where_it_was),
        cmocka_unit_test(a_site_at_the_same_address_in_another_segment_is_another),
        cmocka_unit_test(fields_that_a_stage_has_moved_or_added_are_found),
        cmocka_unit_test(the_call_comes_before_the_context_and_the_logger),
        cmocka_unit_test(what_an_enricher_knows_of_the_process_comes_last),
        cmocka_unit_test(the_process_answers_for_a_logger_without_a_service),
        cmocka_unit_test(nothing_is_needed_of_a_record),
        cmocka_unit_test(patterns_are_matched_whole),
    };
    return cmocka_run_group_tests_name("where-key", tests, NULL, NULL);
}
