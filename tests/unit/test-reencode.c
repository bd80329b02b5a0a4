/* Records that stages have changed, in the bytes of the ring again, read by the reader that reads rings. */
#include "collector/format/reencode.h"
#include "lib/base/check.h"
#include "lib/reader/decode.h"
#include "tests/common/record_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct read_back {
    uint8_t *bytes; /* in an allocation of their own size: sanitizers see what is read behind them */
    size_t len;
    uint64_t word0, cycles;
    struct decode_prefix prefix;
    struct fapilog_text message;
    struct fapilog_field fields[FAPILOG_FIELDS_MAX], context[FAPILOG_FIELDS_MAX];
    uint32_t count;
};

static struct read_back *through(const struct fapilog_record *r, const struct reencode_options *o)
{
    struct read_back *const b = calloc(1, sizeof *b);
    const size_t bound = reencode_bound(r, o);
    uint8_t *const out = malloc(bound);
    assert_non_null(b);
    assert_non_null(out);
    b->len = reencode_write(r, o, out);
    assert_true(b->len > 0 && b->len <= bound && b->len % 8 == 0);
    b->bytes = malloc(b->len);
    assert_non_null(b->bytes);
    memcpy(b->bytes, out, b->len);
    free(out);
    memcpy(&b->word0, b->bytes, 8);
    memcpy(&b->cycles, b->bytes + 8, 8);
    assert_int_equal(FAPILOG_WORD0_SIZE(b->word0), b->len);
    assert_int_equal(FAPILOG_WORD0_KIND(b->word0), FAPILOG_KIND_DYNAMIC);
    const uint32_t end = (uint32_t)b->len;
    assert_int_equal(decode_prefix(b->bytes, 16, end, FAPILOG_WORD0_FLAGS(b->word0), &b->prefix), 0);
    if (b->prefix.context_count)
        assert_int_equal(decode_list(b->bytes + b->prefix.context_off, b->prefix.context_bytes,
                                     b->prefix.context_count, b->context), 0);
    assert_int_equal(decode_dynamic(b->bytes, b->prefix.end, end, &b->message, b->fields, &b->count), 0);
    return b;
}

static void done(struct read_back *b)
{
    free(b->bytes);
    free(b);
}

static bool has_data(uint8_t type)
{
    return type == FAPILOG_TYPE_STRING || type == FAPILOG_TYPE_BYTES || type == FAPILOG_TYPE_JSON ||
           type == FAPILOG_TYPE_STACK || type == FAPILOG_TYPE_IPV4 || type == FAPILOG_TYPE_IPV6 ||
           type == FAPILOG_TYPE_UUID || type == FAPILOG_TYPE_TRACE_ID || type == FAPILOG_TYPE_SPAN_ID;
}

static void same_field(const struct fapilog_field *a, const struct fapilog_field *b)
{
    assert_int_equal(a->name.len, b->name.len);
    assert_memory_equal(a->name.data, b->name.data, a->name.len);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->role, b->role);
    if (has_data(a->type)) {
        assert_int_equal(a->len, b->len);
        assert_memory_equal(a->v.data, b->v.data, a->len);
    } else {
        assert_int_equal(a->v.u64, b->v.u64);
    }
}

static void every_record_reads_back_equal(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct sample *const s = sample_new(kind);
        const struct fapilog_record *const r = &s->r;
        const struct reencode_options o = {.logger = 3};
        if (kind == SAMPLE_PRINTF || kind == SAMPLE_PRINTF_HOSTILE || kind == SAMPLE_HUGE) {
            sample_free(s);
            continue;
        }
        struct read_back *const b = through(r, &o);
        assert_int_equal(FAPILOG_WORD0_LEVEL(b->word0), r->level);
        assert_int_equal(b->cycles, r->cycles);
        assert_int_equal(b->prefix.tid, r->tid);
        assert_int_equal(b->prefix.logger, 3);
        assert_int_equal(b->message.len, r->message.len);
        assert_memory_equal(b->message.data, r->message.data, r->message.len);
        uint32_t known = 0; /* a type that the ring does not have cannot come back */
        for (uint32_t i = 0; i < r->fields_count; i++) {
            if (r->fields[i].type < FAPILOG_TYPE_COUNT)
                same_field(&b->fields[known++], &r->fields[i]);
        }
        assert_int_equal(b->count, known);
        const uint32_t bound = r->context ? r->context->fields_count : 0;
        assert_int_equal(b->prefix.context_count, bound);
        for (uint32_t i = 0; i < bound; i++)
            same_field(&b->context[i], &r->context->fields[i]);
        if (known == r->fields_count)
            assert_int_equal(FAPILOG_WORD0_FLAGS(b->word0) & FAPILOG_FLAG_TRUNCATED,
                             r->flags & FAPILOG_FLAG_TRUNCATED);
        done(b);
        sample_free(s);
    }
}

static void a_printf_message_is_made_plain_and_its_arguments_are_gone(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    const struct reencode_options o = {0};
    sample_add(s, sample_string("", "x"));
    sample_add(s, sample_int("", 42));
    sample_set_site(s, "%s is %d%%", true);
    struct read_back *const b = through(&s->r, &o);
    assert_int_equal(b->message.len, 8);
    assert_memory_equal(b->message.data, "x is 42%", 8);
    assert_int_equal(b->count, 0);
    done(b);
    sample_free(s);
}

static void without_a_logger_entry_its_fields_and_name_are_the_records(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    struct fapilog_field enriched = sample_string("pod", "p");
    const struct reencode_options o = {.with_enriched = true};
    sample_bind(s, sample_string("venue", "***"));
    s->logger.fields = s->bound;
    s->process.enriched = &enriched;
    s->process.enriched_count = 1;
    struct read_back *const b = through(&s->r, &o);
    assert_int_equal(b->prefix.logger, 0);
    assert_int_equal(b->count, 3 + s->r.fields_count);
    same_field(&b->fields[0], &enriched);
    same_field(&b->fields[1], &s->bound[0]);
    const struct fapilog_field name = sample_string("logger", "orders.matching");
    same_field(&b->fields[2], &name);
    same_field(&b->fields[3], &s->call[0]);
    done(b);
    sample_free(s);
}

static void what_does_not_fit_is_cut_and_marked(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    static char text[4096];
    memset(text, 'x', sizeof text);
    s->r.message = sample_text("\xe2\x82\xac message");
    sample_add(s, sample_int("first", 1));
    sample_add(s, sample_bytes("big", FAPILOG_TYPE_STRING, text, sizeof text));
    sample_add(s, sample_int("last", 2));
    for (size_t limit = 0; limit < 4500; limit++) {
        const struct reencode_options o = {.limit = limit ? limit : 1};
        uint8_t *const out = malloc(reencode_bound(&s->r, &o));
        const size_t n = reencode_write(&s->r, &o, out);
        assert_true(n <= o.limit);
        if (limit == 400) {
            struct read_back *const b = through(&s->r, &o);
            assert_true(FAPILOG_WORD0_FLAGS(b->word0) & FAPILOG_FLAG_TRUNCATED);
            assert_int_equal(b->count, 2);
            same_field(&b->fields[1], &s->call[2]);
            done(b);
        }
        free(out);
    }
    sample_free(s);
}

/* As through(), of a chain: its fragments joined as lib/reader does it. */
static struct read_back *through_chain(const struct fapilog_record *r, unsigned fragments)
{
    const struct reencode_options o = {0};
    uint8_t *const out = malloc(reencode_bound(r, &o)), *const joined = malloc(REENCODE_BYTES_MAX + 8);
    struct read_back *const b = calloc(1, sizeof *b);
    assert_true(out && joined && b);
    const size_t len = reencode_write(r, &o, out);
    assert_true(len <= reencode_bound(r, &o));
    size_t all = 0, at = 0;
    for (unsigned i = 0; i < fragments; i++) {
        struct fapilog_record_header h;
        memcpy(&h, out + at, sizeof h);
        const uint32_t size = FAPILOG_WORD0_SIZE(h.word0);
        assert_int_equal(FAPILOG_WORD0_KIND(h.word0), FAPILOG_KIND_FRAGMENT);
        assert_int_equal(FAPILOG_WORD0_SCHEMA(h.word0), (i == 0) | (i == fragments - 1) << 1);
        assert_int_equal(FAPILOG_WORD0_LEVEL(h.word0), r->level);
        assert_int_equal(h.cycles, r->cycles);
        assert_true(size > sizeof h && size <= len - at && all + size - sizeof h <= REENCODE_BYTES_MAX + 8);
        memcpy(joined + all, out + at + sizeof h, size - sizeof h);
        all += size - sizeof h;
        at += size;
    }
    assert_int_equal(at, len);
    uint64_t head[3];
    memcpy(head, joined, sizeof head);
    assert_int_equal(FAPILOG_WORD0_KIND(head[0]), FAPILOG_KIND_DYNAMIC);
    assert_int_equal(head[1], r->cycles);
    assert_int_equal(head[2], all - sizeof head);
    b->word0 = head[0];
    b->bytes = joined;
    memmove(joined, joined + 8, all - 8); /* offsets count from a header of 16 bytes */
    const uint32_t end = (uint32_t)all - 8;
    assert_int_equal(decode_prefix(joined, 16, end, FAPILOG_WORD0_FLAGS(b->word0), &b->prefix), 0);
    assert_int_equal(decode_dynamic(joined, b->prefix.end, end, &b->message, b->fields, &b->count), 0);
    free(out);
    return b;
}

/* Text whose bytes differ at every place, so that none can be missing or moved. */
static char *long_text(size_t len)
{
    uint32_t *const text = malloc(len + 4);
    assert_non_null(text);
    for (uint32_t i = 0; i <= len / 4; i++)
        text[i] = i * 2654435761u;
    return (char *)text;
}

static void what_no_header_can_say_becomes_a_chain(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_EMPTY);
    const struct reencode_options o = {0};
    char *const text = long_text(REENCODE_BYTES_MAX);
    sample_add(s, sample_bytes("long", FAPILOG_TYPE_BYTES, text, 8));
    struct read_back *b = through(&s->r, &o);
    const size_t rest = b->len - 8; /* of the record without this text */
    done(b);
    static const struct {
        size_t len;
        unsigned fragments;
        bool is_cut;
    } cases[] = {
        {REENCODE_PLAIN_MAX, 0, false},
        {REENCODE_PLAIN_MAX + 8, 2, false},
        {2 * (REENCODE_PLAIN_MAX - 16) - 8, 2, false},
        {2 * (REENCODE_PLAIN_MAX - 16), 3, false},
        {REENCODE_BYTES_MAX - 64, 3, false},
        {REENCODE_BYTES_MAX + 8, 0, true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        s->call[0] = sample_bytes("long", FAPILOG_TYPE_BYTES, text, (uint32_t)(cases[i].len - rest));
        b = cases[i].fragments ? through_chain(&s->r, cases[i].fragments) : through(&s->r, &o);
        assert_int_equal((FAPILOG_WORD0_FLAGS(b->word0) & FAPILOG_FLAG_TRUNCATED) != 0, cases[i].is_cut);
        if (cases[i].is_cut)
            assert_int_equal(b->count, 0);
        else
            same_field(&b->fields[0], &s->call[0]);
        done(b);
    }
    free(text);
    sample_free(s);
}

static void the_call_site_comes_last_and_only_where_it_is_wanted(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    const struct reencode_options o = {.with_source = true}, without = {0};
    const uint32_t own = s->r.fields_count + s->logger.fields_count + 1; /* the logger's name */
    struct read_back *b = through(&s->r, &o);
    assert_non_null(s->r.site);
    assert_int_equal(b->count, own + 3);
    const struct fapilog_field file = {.name = {"code.file.path", 14}, .type = FAPILOG_TYPE_STRING,
                                       .len = s->r.site->file.len, .v.data = s->r.site->file.data};
    same_field(&b->fields[own], &file);
    assert_memory_equal(b->fields[own + 1].name.data, "code.line.number", 16);
    assert_int_equal(b->fields[own + 1].v.u64, s->r.site->line);
    assert_memory_equal(b->fields[own + 2].name.data, "code.function.name", 18);
    assert_int_equal(b->fields[own + 2].len, s->r.site->function.len);
    done(b);
    b = through(&s->r, &without);
    assert_int_equal(b->count, own);
    done(b);
    s->r.site = NULL; /* of a record that is no macro's */
    b = through(&s->r, &o);
    assert_int_equal(b->count, own);
    done(b);
    sample_free(s);
}

static void more_fields_than_a_record_holds_are_cut(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_FIELDS_MAX);
    const struct reencode_options o = {0};
    sample_bind(s, sample_int("one_more", 1));
    s->logger.fields = s->bound;
    s->r.logger = &s->logger;
    struct read_back *const b = through(&s->r, &o);
    assert_int_equal(b->count, FAPILOG_FIELDS_MAX);
    assert_true(FAPILOG_WORD0_FLAGS(b->word0) & FAPILOG_FLAG_TRUNCATED);
    done(b);
    sample_free(s);
}

/* The call's own fields fill the list: those of its site are what is left out. */
static void the_call_site_of_a_full_record_is_cut(void **state)
{
    (void)state;
    struct sample *const s = sample_new(SAMPLE_FIELDS_MAX);
    const struct reencode_options o = {.with_source = true};
    struct read_back *const b = through(&s->r, &o);
    assert_int_equal(b->count, FAPILOG_FIELDS_MAX);
    for (uint32_t i = 0; i < b->count; i++)
        assert_false(b->fields[i].name.len >= 14 && memcmp(b->fields[i].name.data, "code.", 5) == 0);
    assert_true(FAPILOG_WORD0_FLAGS(b->word0) & FAPILOG_FLAG_TRUNCATED);
    done(b);
    sample_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_reads_back_equal),
        cmocka_unit_test(a_printf_message_is_made_plain_and_its_arguments_are_gone),
        cmocka_unit_test(without_a_logger_entry_its_fields_and_name_are_the_records),
        cmocka_unit_test(what_does_not_fit_is_cut_and_marked),
        cmocka_unit_test(what_no_header_can_say_becomes_a_chain),
        cmocka_unit_test(the_call_site_comes_last_and_only_where_it_is_wanted),
        cmocka_unit_test(more_fields_than_a_record_holds_are_cut),
        cmocka_unit_test(the_call_site_of_a_full_record_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
