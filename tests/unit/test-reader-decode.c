#include "lib/base/check.h"
#include "lib/reader/decode.h"
#include "tests/common/segment_builder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct payload p __attribute__((aligned(8)));

static int args(const uint8_t *types, uint32_t count, uint32_t end, struct fapilog_field *ret)
{
    struct fapilog_field templates[FAPILOG_FIELDS_MAX] = {0};
    for (uint32_t i = 0; i < count; i++)
        assert_true(decode_template(&templates[i], types[i]));
    /* A copy of exactly `end` bytes, so that a sanitizer sees a read beyond it. */
    uint8_t *exact = malloc(end ? end : 1);
    assert_non_null(exact);
    memcpy(exact, p.bytes, end);
    const int r = decode_args(templates, count, exact, 16, end, ret);
    free(exact);
    return r;
}

/* One value of each type, with its size in memory. */
static const struct { uint8_t type, size; } scalars[] = {
    {FAPILOG_TYPE_BOOL, 1},  {FAPILOG_TYPE_I8, 1},      {FAPILOG_TYPE_U8, 1},       {FAPILOG_TYPE_I16, 2},
    {FAPILOG_TYPE_U16, 2},   {FAPILOG_TYPE_I32, 4},     {FAPILOG_TYPE_U32, 4},      {FAPILOG_TYPE_I64, 8},
    {FAPILOG_TYPE_U64, 8},   {FAPILOG_TYPE_F32, 4},     {FAPILOG_TYPE_F64, 8},      {FAPILOG_TYPE_ERRNO, 4},
    {FAPILOG_TYPE_POINTER, 8}, {FAPILOG_TYPE_TIME, 8},  {FAPILOG_TYPE_DURATION, 8}, {FAPILOG_TYPE_CHAR, 1},
};
static const struct { uint8_t type, size; } blobs[] = {
    {FAPILOG_TYPE_IPV4, 4}, {FAPILOG_TYPE_IPV6, 16}, {FAPILOG_TYPE_UUID, 16}, {FAPILOG_TYPE_TRACE_ID, 16},
    {FAPILOG_TYPE_SPAN_ID, 8},
};
static const uint8_t sized[] = {FAPILOG_TYPE_STRING, FAPILOG_TYPE_BYTES, FAPILOG_TYPE_JSON};

static void integers_keep_value_and_sign(void **state)
{
    (void)state;
    struct fapilog_field f[1];
    for (size_t i = 0; i < ARRAY_COUNT(scalars); i++) {
        const uint8_t type = scalars[i].type;
        if (type == FAPILOG_TYPE_F32 || type == FAPILOG_TYPE_F64 || type == FAPILOG_TYPE_BOOL)
            continue;
        const int64_t minus_two = -2;
        payload_init(&p);
        payload_put(&p, &minus_two, scalars[i].size, scalars[i].size);
        assert_int_equal(args(&type, 1, p.len, f), 0);
        const bool is_signed = type == FAPILOG_TYPE_I8 || type == FAPILOG_TYPE_I16 ||
                               type == FAPILOG_TYPE_I32 || type == FAPILOG_TYPE_I64 ||
                               type == FAPILOG_TYPE_ERRNO || type == FAPILOG_TYPE_TIME ||
                               type == FAPILOG_TYPE_DURATION;
        if (is_signed)
            assert_int_equal(f[0].v.i64, -2);
        else
            assert_int_equal(f[0].v.u64, UINT64_MAX >> (64 - 8 * scalars[i].size) & ~UINT64_C(1));
    }
}

static void floats_and_bools_are_what_was_stored(void **state)
{
    (void)state;
    struct fapilog_field f[3];
    const float single = 0.1f;
    payload_init(&p);
    payload_put(&p, &single, 4, 4);
    payload_f64(&p, -0.1);
    payload_u8(&p, 17); /* any but 0 is true */
    const uint8_t types[] = {FAPILOG_TYPE_F32, FAPILOG_TYPE_F64, FAPILOG_TYPE_BOOL};
    assert_int_equal(args(types, 3, p.len, f), 0);
    assert_true(f[0].v.f64 == (double)0.1f);
    assert_true(f[1].v.f64 == -0.1);
    assert_int_equal(f[2].v.u64, 1);
}

static void values_lie_at_their_natural_alignment(void **state)
{
    (void)state;
    struct fapilog_field f[7];
    static const uint8_t types[] = {FAPILOG_TYPE_U8, FAPILOG_TYPE_U64, FAPILOG_TYPE_CHAR, FAPILOG_TYPE_U16,
                                    FAPILOG_TYPE_STRING, FAPILOG_TYPE_U32, FAPILOG_TYPE_NULL};
    payload_init(&p);
    payload_u8(&p, 1);
    payload_u64(&p, 2);
    payload_u8(&p, 'x');
    payload_u16(&p, 4);
    payload_text(&p, "hello", 5);
    payload_u32(&p, 6);
    assert_int_equal(args(types, 7, p.len, f), 0);
    assert_int_equal(f[0].v.u64, 1);
    assert_int_equal(f[1].v.u64, 2);
    assert_int_equal(f[2].v.u64, 'x');
    assert_int_equal(f[3].v.u64, 4);
    assert_int_equal(f[4].len, 5);
    assert_int_equal(f[5].v.u64, 6);
}

static void a_value_cut_by_one_byte_is_refused(void **state)
{
    (void)state;
    struct fapilog_field f[1];
    for (size_t i = 0; i < ARRAY_COUNT(scalars); i++) {
        payload_init(&p);
        payload_put(&p, "\1\2\3\4\5\6\7", scalars[i].size, scalars[i].size);
        assert_int_equal(args(&scalars[i].type, 1, p.len, f), 0);
        assert_int_equal(args(&scalars[i].type, 1, p.len - 1, f), -EBADMSG);
    }
    for (size_t i = 0; i < ARRAY_COUNT(blobs); i++) {
        payload_init(&p);
        payload_put(&p, "0123456789abcdef", blobs[i].size, 1);
        assert_int_equal(args(&blobs[i].type, 1, p.len, f), 0);
        assert_int_equal(f[0].len, blobs[i].size);
        assert_int_equal(args(&blobs[i].type, 1, p.len - 1, f), -EBADMSG);
    }
    for (size_t i = 0; i < ARRAY_COUNT(sized); i++) {
        payload_init(&p);
        payload_text(&p, "abc", 3);
        assert_int_equal(args(&sized[i], 1, p.len, f), 0);
        assert_int_equal(f[0].len, 3);
        assert_int_equal(args(&sized[i], 1, p.len - 1, f), -EBADMSG);
        assert_int_equal(args(&sized[i], 1, 18, f), -EBADMSG);
    }
}

static void lengths_beyond_the_record_are_refused_not_followed(void **state)
{
    (void)state;
    static const uint32_t lies[] = {4,         5, 255, 65536, INT32_MAX, UINT32_MAX - 19, UINT32_MAX - 16,
                                    UINT32_MAX};
    struct fapilog_field f[2];
    for (size_t i = 0; i < ARRAY_COUNT(lies); i++) {
        for (size_t t = 0; t < ARRAY_COUNT(sized); t++) {
            const uint8_t types[] = {sized[t], FAPILOG_TYPE_U64};
            payload_init(&p);
            payload_u32(&p, lies[i]);
            payload_put(&p, "abc", 3, 1);
            assert_int_equal(args(types, 1, p.len, f), -EBADMSG);
            assert_int_equal(args(types, 2, p.len, f), -EBADMSG);
        }
        const uint8_t stack = FAPILOG_TYPE_STACK;
        payload_init(&p);
        payload_u32(&p, lies[i]);
        payload_u64(&p, 1);
        payload_u64(&p, 2);
        assert_int_equal(args(&stack, 1, p.len, f), -EBADMSG);
    }
}

static void a_stack_is_its_aligned_addresses(void **state)
{
    (void)state;
    struct fapilog_field f[1];
    const uint8_t type = FAPILOG_TYPE_STACK;
    payload_init(&p);
    payload_u32(&p, 2);
    payload_u64(&p, 0x1111);
    payload_u64(&p, 0x2222);
    struct fapilog_field t = {0};
    assert_true(decode_template(&t, type));
    assert_int_equal(decode_args(&t, 1, p.bytes, 16, p.len, f), 0);
    assert_int_equal(f[0].len, 16);
    uint64_t second;
    memcpy(&second, f[0].v.data + 8, 8);
    assert_int_equal(second, 0x2222);
    assert_int_equal(args(&type, 1, p.len - 1, f), -EBADMSG);
}

static void unknown_types_have_no_template(void **state)
{
    (void)state;
    struct fapilog_field f;
    assert_false(decode_template(&f, FAPILOG_TYPE_COUNT));
    assert_false(decode_template(&f, 255));
}

static void a_list_names_its_fields(void **state)
{
    (void)state;
    struct fapilog_field f[3];
    payload_list_init(&p);
    payload_name(&p, FAPILOG_TYPE_STRING, FAPILOG_ROLE_USER_ID, "user");
    payload_text(&p, "u7", 2);
    payload_name(&p, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
    payload_u64(&p, 5);
    payload_name(&p, FAPILOG_TYPE_NULL, FAPILOG_ROLE_DATA, "");
    assert_int_equal(decode_list(p.bytes, p.len, 3, f), 0);
    assert_int_equal(f[0].role, FAPILOG_ROLE_USER_ID);
    assert_int_equal(f[0].name.len, 4);
    assert_memory_equal(f[0].v.data, "u7", 2);
    assert_int_equal(f[1].v.u64, 5);
    assert_int_equal(f[2].name.len, 0);
    for (uint32_t len = 0; len < p.len; len++) {
        uint8_t *exact = malloc(len ? len : 1);
        memcpy(exact, p.bytes, len);
        assert_int_equal(decode_list(exact, len, 3, f), -EBADMSG);
        free(exact);
    }
}

static void a_list_with_a_wrong_type_role_or_name_is_refused(void **state)
{
    (void)state;
    struct fapilog_field f[1];
    for (unsigned byte = 0; byte < 4; byte++) {
        payload_list_init(&p);
        payload_name(&p, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
        payload_u64(&p, 5);
        assert_int_equal(decode_list(p.bytes, p.len, 1, f), 0);
        p.bytes[byte] = 0xff;
        assert_int_equal(decode_list(p.bytes, p.len, 1, f), -EBADMSG);
    }
}

static void a_dynamic_record_is_bounded_in_message_and_fields(void **state)
{
    (void)state;
    struct fapilog_field f[FAPILOG_FIELDS_MAX];
    struct fapilog_text message;
    uint32_t count;
    payload_init(&p);
    payload_dynamic(&p, 1, "hello");
    payload_name(&p, FAPILOG_TYPE_I32, FAPILOG_ROLE_DATA, "x");
    payload_u32(&p, 3);
    assert_int_equal(decode_dynamic(p.bytes, 16, p.len, &message, f, &count), 0);
    assert_int_equal(count, 1);
    assert_memory_equal(message.data, "hello", 5);
    assert_int_equal(f[0].v.i64, 3);
    for (uint32_t end = 16; end < p.len; end++)
        assert_int_equal(decode_dynamic(p.bytes, 16, end, &message, f, &count), -EBADMSG);
    const uint32_t many = FAPILOG_FIELDS_MAX + 1, huge = UINT32_MAX;
    memcpy(p.bytes + 16, &many, 4);
    assert_int_equal(decode_dynamic(p.bytes, 16, p.len, &message, f, &count), -EBADMSG);
    payload_init(&p);
    payload_dynamic(&p, 0, "hello");
    assert_int_equal(decode_dynamic(p.bytes, 16, p.len, &message, f, &count), 0);
    memcpy(p.bytes + 20, &huge, 4);
    assert_int_equal(decode_dynamic(p.bytes, 16, p.len, &message, f, &count), -EBADMSG);
}

static void a_prefix_is_read_as_its_flags_say(void **state)
{
    (void)state;
    struct decode_prefix x;
    payload_init(&p);
    payload_ext(&p, 11, 22);
    payload_u64(&p, 33);
    payload_u32(&p, 16);
    payload_u32(&p, 1);
    payload_u64(&p, 0);
    payload_u64(&p, 0);
    const unsigned all = FAPILOG_FLAG_EXT | FAPILOG_FLAG_TID | FAPILOG_FLAG_CONTEXT;
    assert_int_equal(decode_prefix(p.bytes, 16, p.len, all, &x), 0);
    assert_int_equal(x.logger, 11);
    assert_int_equal(x.epoch, 22);
    assert_int_equal(x.tid, 33);
    assert_int_equal(x.context_off, 40);
    assert_int_equal(x.context_bytes, 16);
    assert_int_equal(x.end, p.len);
    for (uint32_t end = 16; end < p.len; end++)
        assert_int_equal(decode_prefix(p.bytes, 16, end, all, &x), -EBADMSG);
    assert_int_equal(decode_prefix(p.bytes, 16, p.len, FAPILOG_FLAG_EXT, &x), 0);
    assert_int_equal(x.end, 24);
}

/* Records of random types and bytes, whole and cut: both ways to decode agree about all of them. */
static void loads_give_what_field_by_field_gives(void **state)
{
    (void)state;
    enum { FIELDS = 12, BYTES = 160 };
    struct decode_loads *const loads = malloc(sizeof *loads + FIELDS * sizeof loads->load[0]);
    assert_non_null(loads);
    uint64_t words[BYTES / 8];
    unsigned loaded = 0;
    srand(20261121);
    for (unsigned n = 0; n < 20000; n++) {
        struct fapilog_field templates[FIELDS] = {0}, slow[FIELDS], fast[FIELDS];
        const uint32_t count = (uint32_t)rand() % (FIELDS + 1), end = (uint32_t)(16 + rand() % 16 * 8);
        for (uint32_t i = 0; i < count; i++) {
            const bool any = rand() % 8 == 0;
            const uint8_t type = any ? (uint8_t)(rand() % FAPILOG_TYPE_COUNT)
                                     : scalars[(size_t)rand() % ARRAY_COUNT(scalars)].type;
            assert_true(decode_template(&templates[i], type));
        }
        for (size_t i = 0; i < ARRAY_COUNT(words); i++) /* small words make lengths that fit */
            words[i] = rand() % 2 ? (uint64_t)rand() << 33 ^ (uint64_t)rand() << 8 : (uint64_t)(rand() % 64);
        uint8_t *exact = malloc(end);
        assert_non_null(exact);
        memcpy(exact, words, end);
        decode_loads_init(loads, templates, count);
        loaded += loads->count;
        const struct fapilog_site site = {.fields = templates, .fields_count = (uint16_t)count,
                                          .loads = loads};
        const int r = decode_args(templates, count, exact, 16, end, slow);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(decode_site(&site, again && r == 0, exact, 16, end, fast), r);
            if (r == 0 && count)
                assert_memory_equal(fast, slow, count * sizeof *fast);
        }
        free(exact);
    }
    free(loads);
    assert_true(loaded > 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_keep_value_and_sign),
        cmocka_unit_test(floats_and_bools_are_what_was_stored),
        cmocka_unit_test(values_lie_at_their_natural_alignment),
        cmocka_unit_test(a_value_cut_by_one_byte_is_refused),
        cmocka_unit_test(lengths_beyond_the_record_are_refused_not_followed),
        cmocka_unit_test(a_stack_is_its_aligned_addresses),
        cmocka_unit_test(unknown_types_have_no_template),
        cmocka_unit_test(a_list_names_its_fields),
        cmocka_unit_test(a_list_with_a_wrong_type_role_or_name_is_refused),
        cmocka_unit_test(a_dynamic_record_is_bounded_in_message_and_fields),
        cmocka_unit_test(a_prefix_is_read_as_its_flags_say),
        cmocka_unit_test(loads_give_what_field_by_field_gives),
    };
    return cmocka_run_group_tests_name("reader-decode", tests, NULL, NULL);
}
