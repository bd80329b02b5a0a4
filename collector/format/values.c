#include "collector/format/values.h"

#include "collector/format/json_text.h"
#include "lib/base/check.h"
#include "lib/base/time_text.h"

enum { PLAIN_MAX = 128 }; /* longest text of a type of fixed size: an error's description */

size_t value_bound(const struct fapilog_field *f)
{
    switch (f->type) {
    case FAPILOG_TYPE_STRING:
        return (size_t)f->len * JSON_ESCAPE_FACTOR + 2 + VALUE_SLACK;
    case FAPILOG_TYPE_JSON:
        return json_text_bound(f->len);
    case FAPILOG_TYPE_BYTES:
        return BASE64_SIZE(f->len) + 2;
    case FAPILOG_TYPE_STACK:
        return (size_t)(f->len / 8) * VALUE_FRAME_MAX + 2;
    default:
        return PLAIN_MAX;
    }
}

static char *put_errno(char *out, int64_t number)
{
    const char *name = number > 0 && number < 4096 ? strerrorname_np((int)number) : NULL;
    if (!name) {
        out = put_lit(out, "errno ");
        return num_i64(out, number);
    }
    const char *text = strerrordesc_np((int)number);
    const size_t name_len = strlen(name), text_len = strnlen(text, 64);
    memcpy(out, name, name_len);
    out = put_lit(out + name_len, " (");
    out = num_i64(out, number);
    out = put_lit(out, "): ");
    memcpy(out, text, text_len);
    return out + text_len;
}

uint64_t value_stack_address(const struct fapilog_field *f, uint32_t i)
{
    uint64_t address;
    memcpy(&address, f->v.data + (size_t)i * 8, sizeof address);
    return address;
}

char *value_frame(const struct fapilog_record *r, uint64_t address, value_text_fn *text, char *out, unsigned *flags)
{
    enum { PATH_SHOWN_MAX = 128 }; /* bytes: escaped they still fit into VALUE_FRAME_MAX */
    struct fapilog_text path;
    uint64_t offset = 0;
    if (!r->module_of || !r->module_of(r->module_arg, address, &path, &offset)) {
        out = put_lit(out, "0x");
        return num_hex(out, address);
    }
    if (path.len > PATH_SHOWN_MAX) {
        out = put_lit(out, "...");
        path.data += path.len - PATH_SHOWN_MAX;
        path.len = PATH_SHOWN_MAX;
        while (path.len > 0 && ((uint8_t)*path.data & 0xc0) == 0x80) { /* start of a character */
            path.data++;
            path.len--;
        }
    }
    out = text(path.data, path.len, out, flags);
    out = put_lit(out, "+0x");
    return num_hex(out, offset);
}

static char *stack_json(const struct fapilog_record *r, const struct fapilog_field *f, char *out,
                        unsigned *flags)
{
    *out++ = '[';
    for (uint32_t i = 0; i < f->len / 8; i++) {
        if (i > 0)
            *out++ = ',';
        *out++ = '"';
        out = value_frame(r, value_stack_address(f, i), json_escape, out, flags);
        *out++ = '"';
    }
    *out++ = ']';
    return out;
}

/* A stage of a plug-in may have given a float more than it can hold. */
static bool is_finite(const struct fapilog_field *f)
{
    const double v = f->type == FAPILOG_TYPE_F32 ? (double)(float)f->v.f64 : f->v.f64;
    return v - v == 0;
}

static char *put_real(const struct fapilog_field *f, enum num_style style, char *out)
{
    if (f->type == FAPILOG_TYPE_F32)
        return num_f32(out, (float)f->v.f64, style);
    return num_f64(out, f->v.f64, style);
}

/* What JSON has to quote among the plain types. */
static bool needs_quotes(const struct fapilog_field *f)
{
    switch (f->type) {
    case FAPILOG_TYPE_BYTES: case FAPILOG_TYPE_ERRNO: case FAPILOG_TYPE_POINTER: case FAPILOG_TYPE_IPV4:
    case FAPILOG_TYPE_IPV6: case FAPILOG_TYPE_TIME: case FAPILOG_TYPE_UUID: case FAPILOG_TYPE_TRACE_ID:
    case FAPILOG_TYPE_SPAN_ID:
        return true;
    case FAPILOG_TYPE_F32: case FAPILOG_TYPE_F64:
        return !is_finite(f); /* NaN and the infinities are no JSON numbers */
    default:
        return false;
    }
}

bool value_plain(const struct fapilog_field *f, enum num_style style, char **out_pos)
{
    char *out = *out_pos;
    struct time_text time = {0};
    switch (f->type) {
    case FAPILOG_TYPE_NULL:     out = put_lit(out, "null"); break;
    case FAPILOG_TYPE_BOOL:     out = f->v.u64 ? put_lit(out, "true") : put_lit(out, "false"); break;
    case FAPILOG_TYPE_U8: case FAPILOG_TYPE_U16: case FAPILOG_TYPE_U32: case FAPILOG_TYPE_U64:
        out = num_u64(out, f->v.u64);
        break;
    case FAPILOG_TYPE_I8: case FAPILOG_TYPE_I16: case FAPILOG_TYPE_I32: case FAPILOG_TYPE_I64:
        out = num_i64(out, f->v.i64);
        break;
    case FAPILOG_TYPE_F32: case FAPILOG_TYPE_F64: out = put_real(f, style, out); break;
    case FAPILOG_TYPE_BYTES:    out = base64_write(f->v.data, f->len, out); break;
    case FAPILOG_TYPE_ERRNO:    out = put_errno(out, f->v.i64); break;
    case FAPILOG_TYPE_POINTER:  out = num_hex(put_lit(out, "0x"), f->v.u64); break;
    case FAPILOG_TYPE_IPV4:     out = ipv4_write((const uint8_t *)f->v.data, out); break;
    case FAPILOG_TYPE_IPV6:     out = ipv6_write((const uint8_t *)f->v.data, out); break;
    case FAPILOG_TYPE_TIME:     out = time_text_write(&time, f->v.i64, 9, out); break;
    case FAPILOG_TYPE_DURATION: out = time_text_duration(f->v.i64, out); break;
    case FAPILOG_TYPE_UUID:     out = uuid_write((const uint8_t *)f->v.data, out); break;
    case FAPILOG_TYPE_TRACE_ID: out = hex_write(f->v.data, 16, out); break;
    case FAPILOG_TYPE_SPAN_ID:  out = hex_write(f->v.data, 8, out); break;
    default:
        return false;
    }
    *out_pos = out;
    return true;
}

char *value_json(const struct fapilog_record *r, const struct fapilog_field *f, enum value_style style,
                 char *out, unsigned *flags)
{
    char c;
    switch (f->type) {
    case FAPILOG_TYPE_STRING:
        return value_quoted((struct fapilog_text){f->v.data, f->len}, out, flags);
    case FAPILOG_TYPE_CHAR:
        c = (char)f->v.u64;
        return value_quoted((struct fapilog_text){&c, 1}, out, flags);
    case FAPILOG_TYPE_JSON:
        return json_text_write(f->v.data, f->len, style, out, flags);
    case FAPILOG_TYPE_STACK:
        return stack_json(r, f, out, flags);
    case FAPILOG_TYPE_DURATION:
        return num_i64(out, f->v.i64);
    default:
        break;
    }
    const bool quotes = needs_quotes(f);
    if (quotes)
        *out++ = '"';
    if (!value_plain(f, style == VALUE_RFC8785 ? NUM_ECMA : NUM_POINT, &out))
        out = put_lit(out, "null"); /* a type of a newer version */
    if (quotes)
        *out++ = '"';
    return out;
}
