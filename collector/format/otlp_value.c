#include "collector/format/otlp_value.h"

#include "collector/format/json_text.h"
#include "collector/format/values.h"
#include "lib/base/check.h"

enum {
    VALUE_WRAP = 96,  /* key, value and type around one value */
    ITEM_WRAP = 24,   /* {"stringValue":"..."}, of a frame */
    JSON_GROWTH = 16, /* most bytes that one byte of JSON becomes: {} is {"kvlistValue":{"values":[]}} */
};

size_t otlp_value_bound(const struct fapilog_field *f)
{
    size_t sum = value_bound(f) + VALUE_WRAP;
    if (f->type == FAPILOG_TYPE_JSON)
        sum += (size_t)f->len * JSON_GROWTH + VALUE_WRAP;
    else if (f->type == FAPILOG_TYPE_STACK)
        sum += (size_t)f->len / 8 * ITEM_WRAP;
    return sum;
}

static char *put_span(char *out, const char *p, const char *end)
{
    memmove(out, p, (size_t)(end - p));
    return out + (end - p);
}

static char *put_any(const char **p, char *out);

static char *put_any_list(const char **p, char *out)
{
    out = put_lit(out, "{\"arrayValue\":{\"values\":[");
    for ((*p)++; **p != ']';) {
        out = put_any(p, out);
        if (**p == ',') {
            *out++ = ',';
            (*p)++;
        }
    }
    (*p)++;
    return put_lit(out, "]}}");
}

static char *put_any_map(const char **p, char *out)
{
    out = put_lit(out, "{\"kvlistValue\":{\"values\":[");
    for ((*p)++; **p != '}';) {
        const char *const key_end = json_text_skip(*p);
        out = put_lit(out, "{\"key\":");
        out = put_span(out, *p, key_end);
        out = put_lit(out, ",\"value\":");
        *p = key_end + 1; /* behind the colon */
        out = put_any(p, out);
        *out++ = '}';
        if (**p == ',') {
            *out++ = ',';
            (*p)++;
        }
    }
    (*p)++;
    return put_lit(out, "]}}");
}

bool otlp_is_int(const char *text, size_t len, int64_t *ret)
{
    bool negative;
    uint64_t v;
    if (!json_text_is_whole(text, len, &negative, &v) || (!negative && v > INT64_MAX))
        return false;
    *ret = (int64_t)v;
    return true;
}

static char *put_any_number(const char **p, char *out)
{
    const char *const start = *p, *const end = json_text_skip(start);
    int64_t whole;
    *p = end;
    if (!otlp_is_int(start, (size_t)(end - start), &whole)) {
        out = put_lit(out, "{\"doubleValue\":");
        out = put_span(out, start, end);
        *out++ = '}';
        return out;
    }
    out = put_lit(out, "{\"intValue\":\"");
    out = put_span(out, start, end);
    return put_lit(out, "\"}");
}

static char *put_any(const char **p, char *out)
{
    const char *end;
    switch (**p) {
    case '{': return put_any_map(p, out);
    case '[': return put_any_list(p, out);
    case '"':
        end = json_text_skip(*p);
        out = put_lit(out, "{\"stringValue\":");
        out = put_span(out, *p, end);
        break;
    case 't': case 'f':
        end = *p + (**p == 't' ? 4 : 5);
        out = put_lit(out, "{\"boolValue\":");
        out = put_span(out, *p, end);
        break;
    case 'n':
        end = *p + 4;
        *out++ = '{';
        break;
    default:
        return put_any_number(p, out);
    }
    *p = end;
    *out++ = '}';
    return out;
}

/* Canonical JSON is made behind the longest AnyValue and then read from there. */
static char *json_any(const struct fapilog_field *f, char *out, unsigned *flags)
{
    char *const json = out + (size_t)f->len * JSON_GROWTH + VALUE_WRAP;
    char *const end = json_text_write(f->v.data, f->len, VALUE_RFC8785, json, flags);
    *end = '\0';
    const char *p = json;
    out = put_any(&p, out);
    CHECK(p == end);
    return out;
}

static char *stack_any(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags)
{
    out = put_lit(out, "{\"arrayValue\":{\"values\":[");
    for (uint32_t i = 0; i < f->len / 8; i++) {
        if (i > 0)
            *out++ = ',';
        out = put_lit(out, "{\"stringValue\":\"");
        out = value_frame(r, value_stack_address(f, i), json_escape, out, flags);
        out = put_lit(out, "\"}");
    }
    return put_lit(out, "]}}");
}

char *otlp_value_json(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags)
{
    switch (f->type) {
    case FAPILOG_TYPE_NULL:
        return put_lit(out, "{}");
    case FAPILOG_TYPE_JSON:
        return json_any(f, out, flags);
    case FAPILOG_TYPE_STACK:
        return stack_any(r, f, out, flags);
    case FAPILOG_TYPE_I8: case FAPILOG_TYPE_I16: case FAPILOG_TYPE_I32: case FAPILOG_TYPE_I64:
    case FAPILOG_TYPE_DURATION:
        out = put_lit(out, "{\"intValue\":\"");
        out = value_json(r, f, VALUE_RFC8785, out, flags);
        return put_lit(out, "\"}");
    case FAPILOG_TYPE_U8: case FAPILOG_TYPE_U16: case FAPILOG_TYPE_U32: case FAPILOG_TYPE_U64:
        out = f->v.u64 > INT64_MAX ? put_lit(out, "{\"stringValue\":\"") : put_lit(out, "{\"intValue\":\"");
        out = num_u64(out, f->v.u64);
        return put_lit(out, "\"}");
    case FAPILOG_TYPE_BOOL:
        out = put_lit(out, "{\"boolValue\":");
        break;
    case FAPILOG_TYPE_F32: case FAPILOG_TYPE_F64:
        out = put_lit(out, "{\"doubleValue\":");
        break;
    case FAPILOG_TYPE_BYTES:
        out = put_lit(out, "{\"bytesValue\":");
        break;
    default:
        if (f->type >= FAPILOG_TYPE_COUNT)
            return put_lit(out, "{}");
        out = put_lit(out, "{\"stringValue\":");
        break;
    }
    out = value_json(r, f, VALUE_RFC8785, out, flags);
    *out++ = '}';
    return out;
}
