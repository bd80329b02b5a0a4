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

static unsigned within_count; /* records that needed no bound() */

/* The way without bound() writes the same bytes or refuses, and refuses less room than bound() asks for. */
static void write_within_is_the_same(struct format *f, const struct fapilog_record *r, size_t bound,
                                     struct line line)
{
    if (!f->ops->write_within)
        return;
    char *const out = malloc(bound + sizeof canary);
    assert_non_null(out);
    memcpy(out + bound, canary, sizeof canary);
    const char *const end = f->ops->write_within(f, r, out, bound);
    if (end) {
        within_count++;
        assert_int_equal(end - out, line.len);
        assert_memory_equal(out, line.text, line.len);
    }
    assert_memory_equal(out + bound, canary, sizeof canary);
    assert_null(f->ops->write_within(f, r, out, bound - 1));
    free(out);
}

/* What was in the buffer before does not matter: '+' is what frames are searched for. */
static void what_was_there_does_not_matter(struct format *f, const struct fapilog_record *r, size_t bound,
                                           struct line line)
{
    char *const out = malloc(bound + 1);
    assert_non_null(out);
    memset(out, '+', bound + 1);
    const char *const end = f->ops->write(f, r, out);
    assert_int_equal(end - out, line.len);
    assert_memory_equal(out, line.text, line.len);
    free(out);
}

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
    const struct line line = {out, (size_t)(end - out)};
    write_within_is_the_same(f, r, bound, line);
    what_was_there_does_not_matter(f, r, bound, line);
    return line;
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
    within_count = 0;
    for_all(check_bound);
    assert_true(within_count > 0);
}

enum { WORST_BYTES = 20000, WORST_CASES = 13 };

static bool deep_path(const void *arg, uint64_t address, struct fapilog_text *ret_path, uint64_t *ret_offset)
{
    *ret_path = (struct fapilog_text){arg, 300};
    *ret_offset = address;
    return true;
}

static void repeat(char *text, const char *pattern)
{
    const size_t len = strlen(pattern);
    for (size_t i = 0; i < WORST_BYTES; i++)
        text[i] = pattern[i % len];
}

static void add_long(struct sample *s, uint8_t type, const char *text, const char *pattern)
{
    repeat((char *)text, pattern);
    sample_add(s, sample_bytes("f", type, text, WORST_BYTES));
}

/* A path of 60 bytes in front of every leaf. */
static void add_long_paths(struct sample *s)
{
    char *p = s->text;
    p += snprintf(p, 100, "{\"%060d\":{", 0);
    for (unsigned i = 0; i < 1000; i++)
        p += snprintf(p, 16, "%s\"%c%c\":1", i ? "," : "", 'a' + i / 40 % 26, '0' + i % 40);
    p += snprintf(p, 8, "}}");
    sample_add(s, sample_bytes("", FAPILOG_TYPE_JSON, s->text, (uint32_t)(p - s->text)));
}

static void add_wide_numbers(struct sample *s)
{
    for (unsigned i = 0; i < FAPILOG_FIELDS_MAX; i++) {
        sample_add(s, sample_int("", 1));
        memcpy(s->text + 5 * i, "%512d", 6);
    }
    sample_set_site(s, s->text, true);
}

/* One thing alone that grows as much as anything can, so that no other's bound makes room for it. */
static void make_worst(struct sample *s, unsigned which)
{
    char *const text = s->text;
    const struct fapilog_text all = {text, WORST_BYTES};
    repeat(text, "\x01");
    switch (which) {
    case 0: s->r.message = all; break;
    case 1: sample_add(s, sample_bytes("f", FAPILOG_TYPE_STRING, text, WORST_BYTES)); break;
    case 2: sample_add(s, (struct fapilog_field){.name = all}); break;
    case 3: s->logger.name = all; s->r.logger = &s->logger; break;
    case 4: s->process.service = all; s->r.process = &s->process; break;
    case 5: sample_add(s, sample_bytes("f", FAPILOG_TYPE_BYTES, text, WORST_BYTES)); break;
    case 6: add_long(s, FAPILOG_TYPE_JSON, text, "\x01"); break;
    case 7: /* [[],[],... */
        add_long(s, FAPILOG_TYPE_JSON, text, "[],");
        memcpy(text, "[1,", 3);
        text[WORST_BYTES - 1] = ']';
        break;
    case 8: /* [1e20,1e20,... */
        add_long(s, FAPILOG_TYPE_JSON, text, "1e20,");
        text[0] = '[';
        text[WORST_BYTES - 1] = ']';
        break;
    case 9:
        s->r.module_of = deep_path;
        s->r.module_arg = text;
        sample_add(s, sample_bytes("f", FAPILOG_TYPE_STACK, text, 8 * 64));
        break;
    case 10: add_long_paths(s); break;
    case 11: add_wide_numbers(s); break;
    default:
        sample_bind_thread(s, sample_bytes("request_id", FAPILOG_TYPE_STRING, text, WORST_BYTES));
    }
}

static void the_worst_alone_stays_inside_its_bound(void **state)
{
    (void)state;
    for (const struct format_ops *const *o = format_list; *o; o++) {
        struct format *f;
        assert_int_equal(format_open((*o)->name, &(struct format_config){.colour = true}, 0, &f, NULL), 0);
        for (unsigned which = 0; which < WORST_CASES; which++) {
            struct sample *const s = sample_new(SAMPLE_EMPTY);
            make_worst(s, which);
            check_bound(f, s);
            sample_free(s);
        }
        format_close(f);
    }
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

enum { WAYS_TO_DIFFER = 9 };

/* Makes the record differ from s->r in one way. */
static void differ(struct fapilog_record *r, struct fapilog_field *fields, struct sample *other, unsigned way)
{
    switch (way) {
    case 0: r->logger = &other->logger; break;
    case 1: r->process = &other->process; break;
    case 2: r->level = FAPILOG_LEVEL_ERROR; break;
    case 3: r->flags ^= FAPILOG_FLAG_TRUNCATED; break;
    case 4: r->message = sample_text("replaced by a stage"); break;
    case 5: r->context = &other->context; break;
    case 6: /* as many fields, one of another name */
        r->context = &other->context;
        other->thread[1].name = sample_text("another");
        break;
    case 7: /* a stage renamed a field */
        fields[0].name = sample_text("renamed");
        break;
    default: /* a stage dropped the last field */
        r->fields_count -= r->fields_count > 0;
    }
}

static void assert_as_from_a_fresh_site(struct format *f, struct fapilog_record *r, const struct fapilog_site *site)
{
    const struct line got = write_line(f, r);
    struct fapilog_site fresh = *site; /* knows no plans */
    struct fapilog_record copy = *r;
    memset(fresh.cache, 0, sizeof fresh.cache);
    if (r->site)
        copy.site = &fresh;
    const struct line want = write_line(f, &copy);
    assert_same(got, want);
    free(fresh.cache[f->slot]);
    free(got.text);
    free(want.text);
}

/* The same site seen with another logger, level, context ...: never another record's text. */
static void check_switch(struct format *f, struct sample *s)
{
    if (s->r.message.len > 10000)
        return;
    for (unsigned way = 0; way < WAYS_TO_DIFFER; way++) {
        struct sample *const other = sample_new(SAMPLE_LAYERS);
        struct fapilog_field fields[FAPILOG_FIELDS_MAX];
        struct fapilog_record r = s->r;
        other->process.host = sample_text("another host");
        other->logger.name = sample_text("another logger");
        memcpy(fields, s->call, sizeof fields);
        r.fields = fields;
        if (way == 6)
            r.context = &other->context;
        assert_as_from_a_fresh_site(f, &r, &s->site);
        differ(&r, fields, other, way);
        assert_as_from_a_fresh_site(f, &r, &s->site);
        r = s->r;
        assert_as_from_a_fresh_site(f, &r, &s->site);
        sample_free(other);
    }
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
        cmocka_unit_test(the_worst_alone_stays_inside_its_bound),
        cmocka_unit_test(a_record_of_a_line_format_is_one_line),
        cmocka_unit_test(compiled_and_direct_output_are_the_same_bytes),
        cmocka_unit_test(plans_are_not_mixed_up),
        cmocka_unit_test(names_are_found_and_unknown_ones_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
