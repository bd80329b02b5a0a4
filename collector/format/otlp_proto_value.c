#include "collector/format/otlp_proto_value.h"

#include "collector/format/json_text.h"
#include "collector/format/otlp_value.h"
#include "collector/format/proto.h"
#include "collector/format/values.h"
#include "lib/base/check.h"

#include <stdlib.h>

enum {
    JSON_GROWTH = 16, /* no byte of JSON becomes more: -1, is 13 bytes, {"":0} 12 */
    JSON_WRAP = 96,
    JSON_DEPTH_MAX = 24, /* common decoders take no more than 100 messages inside each other: 6 around the value, and
                            3 for each map in it. What is deeper travels as JSON text. */
    NUMBER_MAX = 400,
};

/* Into place first: text of another process may change while it is looked at. */
char *otlp_proto_utf8(const char *src, size_t len, char *out, unsigned *flags)
{
    if (len)
        memcpy(out, src, len);
    if (likely(utf8_valid(out, len)))
        return out + len;
    *flags |= TEXT_INVALID_UTF8;
    const char *const from = memmove(out + 2 * len, out, len); /* what grows never gets there */
    for (size_t i = 0; i < len;) {
        const uint8_t *p = (const uint8_t *)from + i;
        const int n = *p < 0x80 ? 1 : utf8_sequence(p, len - i);
        const size_t used = (size_t)(n > 0 ? n : -n);
        if (n > 0)
            memmove(out, p, used);
        else
            memcpy(out, UTF8_REPLACEMENT, 3);
        out += n > 0 ? used : 3;
        i += used;
    }
    return out;
}

char *otlp_proto_text(unsigned field, struct fapilog_text text, char *out, unsigned *flags)
{
    char *const begin = proto_open(out, field);
    return proto_close(begin, otlp_proto_utf8(text.data, text.len, begin, flags));
}

static char *put_double(char *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return proto_fixed64(out, OTLP_ANY_DOUBLE, bits);
}

/* ---- JSON ---- */

static unsigned hex_4(const char *p)
{
    uint8_t bytes[2] = {0};
    CHECK(hex_read(p, 2, bytes));
    return (unsigned)bytes[0] << 8 | bytes[1];
}

/* The content of a JSON string in its shortest form, [p, end) without quotes, as text. Half pairs of
 * surrogates are gone by now, and pairs are UTF-8. */
static char *put_unescaped(const char *p, const char *end, char *out)
{
    while (p < end) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        const char c = p[1];
        p += 2;
        switch (c) {
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u':
            out = utf8_put(out, hex_4(p));
            p += 4;
            break;
        default:  *out++ = c;
        }
    }
    return out;
}

/* p stands at the quote. */
static char *put_json_string(const char **p, unsigned field, char *out)
{
    const char *const end = json_text_skip(*p);
    char *const begin = proto_open(out, field);
    out = proto_close(begin, put_unescaped(*p + 1, end - 1, begin));
    *p = end;
    return out;
}

static char *put_json_any(const char **p, unsigned depth, char *out);

static char *put_json_list(const char **p, unsigned depth, char *out)
{
    char *const list = proto_open(out, OTLP_ANY_ARRAY);
    out = list;
    for ((*p)++; **p != ']';) {
        char *const value = proto_open(out, OTLP_LIST_VALUES);
        out = proto_close(value, put_json_any(p, depth + 1, value));
        *p += **p == ',';
    }
    (*p)++;
    return proto_close(list, out);
}

static char *put_json_map(const char **p, unsigned depth, char *out)
{
    char *const list = proto_open(out, OTLP_ANY_KVLIST);
    out = list;
    for ((*p)++; **p != '}';) {
        char *const pair = proto_open(out, OTLP_LIST_VALUES);
        char *const value = proto_open(put_json_string(p, OTLP_KEY_VALUE_KEY, pair), OTLP_KEY_VALUE_VALUE);
        (*p)++; /* the colon */
        out = proto_close(pair, proto_close(value, put_json_any(p, depth + 1, value)));
        *p += **p == ',';
    }
    (*p)++;
    return proto_close(list, out);
}

static char *put_json_number(const char **p, char *out)
{
    char copy[NUMBER_MAX];
    const size_t len = strspn(*p, "+-.0123456789eE");
    int64_t whole;
    CHECK(len > 0 && len < sizeof copy); /* canonical numbers are short */
    memcpy(copy, *p, len);
    copy[len] = '\0';
    *p += len;
    if (otlp_is_int(copy, len, &whole))
        return proto_number(out, OTLP_ANY_INT, (uint64_t)whole);
    return put_double(out, strtod(copy, NULL));
}

static char *put_json_text(const char **p, char *out)
{
    const char *const begin = *p;
    *p = json_text_skip(begin);
    return proto_bytes(out, OTLP_ANY_STRING, begin, (size_t)(*p - begin));
}

static char *put_json_any(const char **p, unsigned depth, char *out)
{
    if (depth == JSON_DEPTH_MAX && (**p == '{' || **p == '['))
        return put_json_text(p, out);
    switch (**p) {
    case '{': return put_json_map(p, depth, out);
    case '[': return put_json_list(p, depth, out);
    case '"': return put_json_string(p, OTLP_ANY_STRING, out);
    case 't':
        *p += 4;
        return proto_number(out, OTLP_ANY_BOOL, 1);
    case 'f':
        *p += 5;
        return proto_number(out, OTLP_ANY_BOOL, 0);
    case 'n':
        *p += 4;
        return out;
    default:  return put_json_number(p, out);
    }
}

/* Canonical JSON is made behind the longest AnyValue and then read from there. */
static char *put_json(const struct fapilog_field *f, char *out, unsigned *flags)
{
    char *const json = out + (size_t)f->len * JSON_GROWTH + JSON_WRAP;
    char *const end = json_text_write(f->v.data, f->len, VALUE_RFC8785, json, flags);
    *end = '\0';
    const char *p = json;
    out = put_json_any(&p, 0, out);
    CHECK(p == end);
    return out;
}

/* ---- values ---- */

static char *put_stack(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags)
{
    char *const list = proto_open(out, OTLP_ANY_ARRAY);
    out = list;
    for (uint32_t i = 0; i < f->len / 8; i++) {
        char *const value = proto_open(out, OTLP_LIST_VALUES);
        char *const text = proto_open(value, OTLP_ANY_STRING);
        char *const end = value_frame(r, value_stack_address(f, i), otlp_proto_utf8, text, flags);
        out = proto_close(value, proto_close(text, end));
    }
    return proto_close(list, out);
}

/* What is text in any format: addresses, times, ids. */
static char *put_plain(const struct fapilog_field *f, char *out)
{
    char *const begin = proto_open(out, OTLP_ANY_STRING);
    char *end = begin;
    if (!value_plain(f, NUM_ECMA, &end))
        return out; /* a type of a newer version: no value */
    return proto_close(begin, end);
}

static char *put_u64(uint64_t v, char *out)
{
    if (v <= INT64_MAX)
        return proto_number(out, OTLP_ANY_INT, v);
    char *const begin = proto_open(out, OTLP_ANY_STRING);
    return proto_close(begin, num_u64(begin, v));
}

char *otlp_proto_value(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags)
{
    char c;
    switch (f->type) {
    case FAPILOG_TYPE_NULL:
        return out;
    case FAPILOG_TYPE_BOOL:
        return proto_number(out, OTLP_ANY_BOOL, f->v.u64 != 0);
    case FAPILOG_TYPE_I8: case FAPILOG_TYPE_I16: case FAPILOG_TYPE_I32: case FAPILOG_TYPE_I64:
    case FAPILOG_TYPE_DURATION:
        return proto_number(out, OTLP_ANY_INT, (uint64_t)f->v.i64);
    case FAPILOG_TYPE_U8: case FAPILOG_TYPE_U16: case FAPILOG_TYPE_U32: case FAPILOG_TYPE_U64:
        return put_u64(f->v.u64, out);
    case FAPILOG_TYPE_F32: case FAPILOG_TYPE_F64:
        return put_double(out, f->v.f64);
    case FAPILOG_TYPE_STRING:
        return otlp_proto_text(OTLP_ANY_STRING, (struct fapilog_text){f->v.data, f->len}, out, flags);
    case FAPILOG_TYPE_CHAR:
        c = (char)f->v.u64;
        return otlp_proto_text(OTLP_ANY_STRING, (struct fapilog_text){&c, 1}, out, flags);
    case FAPILOG_TYPE_BYTES:
        return proto_bytes(out, OTLP_ANY_BYTES, f->v.data, f->len);
    case FAPILOG_TYPE_JSON:
        return put_json(f, out, flags);
    case FAPILOG_TYPE_STACK:
        return put_stack(r, f, out, flags);
    default:
        return put_plain(f, out);
    }
}
