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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_reads_back_equal),
        cmocka_unit_test(a_printf_message_is_made_plain_and_its_arguments_are_gone),
        cmocka_unit_test(without_a_logger_entry_its_fields_and_name_are_the_records),
        cmocka_unit_test(what_does_not_fit_is_cut_and_marked),
        cmocka_unit_test(more_fields_than_a_record_holds_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
