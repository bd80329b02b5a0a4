/* What every format promises, for every format in format_list and records of every shape. */
#include "collector/format/format.h"
#include "lib/base/check.h"
#include "tests/common/record_sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char canary[] = "the bytes behind the bound belong to somebody else";

static int64_t fixed_clock(void)
{
    return INT64_C(1795250225000000000);
}

struct line {
    char *text;
    size_t len;
};

/* Writes the record into a buffer of exactly bound() bytes. */
static struct line write_line(struct format *f, const struct fapilog_record *r)
{
    const size_t bound = f->ops->bound(f, r);
    char *const out = malloc(bound + sizeof canary);
    assert_non_null(out);
    memset(out, 0xa5, bound);
    memcpy(out + bound, canary, sizeof canary);
    char *const end = f->ops->write(f, r, out);
    assert_true(end >= out && (size_t)(end - out) <= bound);
    assert_memory_equal(out + bound, canary, sizeof canary);
    return (struct line){out, (size_t)(end - out)};
}

static void assert_same(struct line a, struct line b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.text, b.text, a.len);
}

typedef void body_fn(struct format *f, struct sample *s);

/* Every format with every configuration and every sample. */
static void for_all(body_fn *body)
{
    format_observed_clock = fixed_clock;
    for (const struct format_ops *const *o = format_list; *o; o++) {
        for (unsigned c = 0; c < 8; c++) {
            const struct format_config cfg = {.colour = c & 1, .source = c & 2, .local_time = c & 4};
            struct format *f;
            struct err e;
            assert_int_equal(format_open((*o)->name, &cfg, c, &f, &e), 0);
            for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
                if (kind == SAMPLE_HUGE && c > 0)
                    continue; /* takes its time, and knows nothing of the configuration */
                struct sample *const s = sample_new(kind);
                body(f, s);
                sample_free(s);
            }
            format_close(f);
        }
    }
}

static void check_bound(struct format *f, struct sample *s)
{
    for (int i = 0; i < 3; i++) { /* with and without a plan */
        const struct line l = write_line(f, &s->r);
        free(l.text);
    }
}

static void a_record_never_exceeds_its_bound(void **state)
{
    (void)state;
    for_all(check_bound);
}

static void check_end(struct format *f, struct sample *s)
{
    const struct line l = write_line(f, &s->r);
    assert_true(l.len > 0);
    assert_int_equal(l.text[l.len - 1], '\n');
    if (f->ops->is_lines)
        assert_ptr_equal(memchr(l.text, '\n', l.len), l.text + l.len - 1);
    assert_null(memchr(l.text, '\0', l.len));
    assert_null(memchr(l.text, '\r', l.len));
    if (!f->cfg.colour)
        assert_null(memchr(l.text, '\x1b', l.len));
    free(l.text);
}

static void a_record_of_a_line_format_is_one_line(void **state)
{
    (void)state;
    for_all(check_end);
}

static void check_repeat(struct format *f, struct sample *s)
{
    const struct line first = write_line(f, &s->r);
    const struct line second = write_line(f, &s->r);
    assert_same(first, second);

    /* Names at another place: not the call site's list any more, so nothing compiled applies. */
    struct fapilog_field moved[FAPILOG_FIELDS_MAX];
    char *names[FAPILOG_FIELDS_MAX];
    struct fapilog_record r = s->r;
    for (uint32_t i = 0; i < r.fields_count; i++) {
        moved[i] = r.fields[i];
        names[i] = malloc(moved[i].name.len + 1u);
        assert_non_null(names[i]);
        memcpy(names[i], moved[i].name.data, moved[i].name.len);
        moved[i].name.data = names[i];
    }
    r.fields = moved;
    const struct line direct = write_line(f, &r);
    assert_same(first, direct);
    for (uint32_t i = 0; i < r.fields_count; i++)
        free(names[i]);
    free(first.text);
    free(second.text);
    free(direct.text);
}

static void compiled_and_direct_output_are_the_same_bytes(void **state)
{
    (void)state;
    for_all(check_repeat);
}

/* The same site seen with other loggers, processes, levels, contexts: never another record's text. */
static void check_switch(struct format *f, struct sample *s)
{
    if (s->r.message.len > 10000)
        return;
    struct sample *const other = sample_new(SAMPLE_LAYERS);
    struct sample *const renamed = sample_new(SAMPLE_LAYERS); /* as many fields, one of another name */
    renamed->thread[1].name = sample_text("other_context");
    for (unsigned i = 0; i < 128; i++) {
        struct fapilog_record r = s->r;
        if (i & 1)
            r.logger = &other->logger;
        if (i & 2)
            r.context = i & 64 ? &renamed->context : &other->context;
        if (i & 4)
            r.level = FAPILOG_LEVEL_ERROR;
        if (i & 8)
            r.flags ^= FAPILOG_FLAG_TRUNCATED;
        if (i & 16)
            r.process = NULL;
        if (i & 32)
            r.message = sample_text("replaced by a stage");
        const struct line got = write_line(f, &r);
        struct fapilog_site fresh = s->site; /* knows no plans */
        memset(fresh.cache, 0, sizeof fresh.cache);
        if (r.site)
            r.site = &fresh;
        const struct line want = write_line(f, &r);
        assert_same(got, want);
        free(fresh.cache[f->slot]);
        free(got.text);
        free(want.text);
    }
    sample_free(other);
    sample_free(renamed);
}

static void plans_are_not_mixed_up(void **state)
{
    (void)state;
    for_all(check_switch);
}

static void names_are_found_and_unknown_ones_explained(void **state)
{
    (void)state;
    static const char *const wanted[] = {"fapilog", "dagstack", "otlp-json", "json", "logfmt", "pretty", "raw"};
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
        assert_non_null(format_find(wanted[i]));
    struct format *f = NULL;
    struct err e;
    assert_int_equal(format_open("jsn", NULL, 0, &f, &e), -EINVAL);
    assert_null(f);
    assert_non_null(strstr(e.text, "'jsn'"));
    assert_non_null(strstr(e.text, "logfmt"));
    format_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_never_exceeds_its_bound),
        cmocka_unit_test(a_record_of_a_line_format_is_one_line),
        cmocka_unit_test(compiled_and_direct_output_are_the_same_bytes),
        cmocka_unit_test(plans_are_not_mixed_up),
        cmocka_unit_test(names_are_found_and_unknown_ones_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
