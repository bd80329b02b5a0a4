#include "collector/format/printf_text.h"

#include "collector/format/gather.h"
#include "collector/format/text.h"
#include "collector/format/values.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    WIDTH_MAX = 512,   /* wider is hostile */
    NUMBER_MAX = WIDTH_MAX + 512, /* text of one number: 309 digits and a precision */
};

struct spec {
    bool minus, plus, space, alt, zero;
    int width;     /* 0: none */
    int precision; /* -1: none */
    int bytes;     /* of the integer that a length modifier asks for; 0: as it is */
    char conversion;
};

struct arguments {
    const struct fapilog_record *r; /* NULL: only counted */
    uint32_t next;  /* field to look at */
    uint32_t taken; /* arguments, whether they were there or not */
};

size_t printf_text_bound(const struct fapilog_record *r)
{
    return (size_t)r->fields_count * (2 * WIDTH_MAX + NUMBER_MAX + VALUE_SLACK);
}

static const struct fapilog_field *next_argument(struct arguments *a)
{
    a->taken++;
    while (a->r && a->next < a->r->fields_count) {
        const struct fapilog_field *const f = &a->r->fields[a->next++];
        if (gather_is_argument(a->r, f))
            return f;
    }
    return NULL;
}

static bool is_signed(uint8_t type)
{
    return type == FAPILOG_TYPE_I8 || type == FAPILOG_TYPE_I16 || type == FAPILOG_TYPE_I32 ||
           type == FAPILOG_TYPE_I64 || type == FAPILOG_TYPE_ERRNO || type == FAPILOG_TYPE_TIME ||
           type == FAPILOG_TYPE_DURATION;
}

static bool is_integer(uint8_t type)
{
    return is_signed(type) || type == FAPILOG_TYPE_BOOL || type == FAPILOG_TYPE_U8 ||
           type == FAPILOG_TYPE_U16 || type == FAPILOG_TYPE_U32 || type == FAPILOG_TYPE_U64 ||
           type == FAPILOG_TYPE_POINTER || type == FAPILOG_TYPE_CHAR;
}

static bool is_real(uint8_t type)
{
    return type == FAPILOG_TYPE_F32 || type == FAPILOG_TYPE_F64;
}

static int type_bytes(uint8_t type)
{
    switch (type) {
    case FAPILOG_TYPE_I8: case FAPILOG_TYPE_U8: case FAPILOG_TYPE_I16: case FAPILOG_TYPE_U16:
    case FAPILOG_TYPE_I32: case FAPILOG_TYPE_U32: case FAPILOG_TYPE_ERRNO: case FAPILOG_TYPE_CHAR:
        return 4; /* promoted to int */
    default:
        return 8;
    }
}

/* Digits, or * from the arguments. Negative: none. */
static int parse_count(const char **p, const char *end, struct arguments *a)
{
    if (*p < end && **p == '*') {
        (*p)++;
        const struct fapilog_field *const f = next_argument(a);
        if (!f || !is_integer(f->type))
            return 0;
        const int64_t v = f->v.i64;
        return v > WIDTH_MAX ? WIDTH_MAX : v < -WIDTH_MAX ? -WIDTH_MAX : (int)v;
    }
    int n = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++)
        n = n * 10 + (**p - '0') > WIDTH_MAX ? WIDTH_MAX : n * 10 + (**p - '0');
    return n;
}

static void parse_flags(struct spec *s, const char **p, const char *end)
{
    for (; *p < end; (*p)++) {
        switch (**p) {
        case '-':  s->minus = true; break;
        case '+':  s->plus = true; break;
        case ' ':  s->space = true; break;
        case '#':  s->alt = true; break;
        case '0':  s->zero = true; break;
        case '\'': break; /* grouping is the locale's; there is none here */
        default:   return;
        }
    }
}

static void parse_length(struct spec *s, const char **p, const char *end)
{
    for (; *p < end; (*p)++) {
        switch (**p) {
        case 'h': s->bytes = s->bytes == 2 ? 1 : 2; break;
        case 'l': case 'j': case 'z': case 't': case 'L': case 'q': s->bytes = 0; break;
        default:  return;
        }
    }
}

/* From behind the % on. False: the text ends, or there is no such conversion. */
static bool parse_spec(struct spec *s, const char **p, const char *end, struct arguments *a)
{
    *s = (struct spec){.precision = -1};
    parse_flags(s, p, end);
    s->width = parse_count(p, end, a);
    if (s->width < 0) {
        s->minus = true;
        s->width = -s->width;
    }
    if (*p < end && **p == '.') {
        (*p)++;
        s->precision = parse_count(p, end, a);
        if (s->precision < 0)
            s->precision = -1;
    }
    parse_length(s, p, end);
    if (*p == end)
        return false;
    s->conversion = *(*p)++;
    return s->conversion != '\0' && strchr("diuoxXcspfFeEgGaA", s->conversion) != NULL;
}

/* Nothing is stored for %n, but it had an argument. */
static bool has_argument(const struct spec *s, bool is_known)
{
    return is_known || s->conversion == 'n';
}

static char *put_fill(char *out, char c, int n)
{
    if (n <= 0)
        return out;
    memset(out, c, (size_t)n);
    return out + n;
}

static char *put_body(const struct spec *s, const char *prefix, int prefix_len, const char *body, int len,
                      bool zero_fill, char *out)
{
    const int fill = s->width - prefix_len - len;
    if (!s->minus && !zero_fill)
        out = put_fill(out, ' ', fill);
    memcpy(out, prefix, (size_t)prefix_len);
    out += prefix_len;
    if (!s->minus && zero_fill)
        out = put_fill(out, '0', fill);
    memcpy(out, body, (size_t)len);
    out += len;
    return s->minus ? put_fill(out, ' ', fill) : out;
}

static int digits_of(uint64_t v, char conversion, char *ret)
{
    char reversed[24];
    int n = 0;
    switch (conversion) {
    case 'o':
        for (; v || n == 0; v >>= 3)
            reversed[n++] = (char)('0' + (v & 7));
        for (int i = 0; i < n; i++)
            ret[i] = reversed[n - 1 - i];
        return n;
    case 'x': case 'X': case 'p':
        n = (int)(num_hex(ret, v) - ret);
        for (int i = 0; i < n; i++)
            ret[i] = (char)(conversion == 'X' && ret[i] >= 'a' ? ret[i] - 0x20 : ret[i]);
        return n;
    default:
        return (int)(num_u64(ret, v) - ret);
    }
}

static char *put_integer(const struct spec *s, const struct fapilog_field *f, char *out)
{
    char prefix[3], number[NUMBER_MAX];
    int prefix_len = 0;
    uint64_t v = f->v.u64;
    const int bytes = s->bytes ? s->bytes : type_bytes(f->type);
    const int shift = 64 - 8 * bytes;
    const bool as_signed = s->conversion == 'd' || s->conversion == 'i';

    if (as_signed && (is_signed(f->type) || s->bytes)) {
        const int64_t i = (int64_t)(v << shift) >> shift;
        v = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
        if (i < 0)
            prefix[prefix_len++] = '-';
    } else {
        v = v << shift >> shift;
    }
    if (as_signed && prefix_len == 0 && (s->plus || s->space))
        prefix[prefix_len++] = s->plus ? '+' : ' ';
    if (s->conversion == 'p' || (s->alt && v && (s->conversion | 0x20) == 'x')) {
        prefix[prefix_len++] = '0';
        prefix[prefix_len++] = s->conversion == 'X' ? 'X' : 'x';
    }
    char digits[24];
    int len = s->precision == 0 && v == 0 ? 0 : digits_of(v, s->conversion, digits);
    int zeros = s->precision > len ? s->precision - len : 0;
    if (s->conversion == 'o' && s->alt && zeros == 0 && (len == 0 || digits[0] != '0'))
        zeros = 1;
    memset(number, '0', (size_t)zeros);
    memcpy(number + zeros, digits, (size_t)len);
    return put_body(s, prefix, prefix_len, number, len + zeros, s->zero && s->precision < 0, out);
}

/* Floating point goes through the C library, with a format that is put together here. */
static char *put_real(const struct spec *s, double v, char *out)
{
    char format[16], *p = format, number[NUMBER_MAX];
    *p++ = '%';
    if (s->plus)
        *p++ = '+';
    if (s->space)
        *p++ = ' ';
    if (s->alt)
        *p++ = '#';
    if (s->precision >= 0) {
        *p++ = '.';
        *p++ = '*';
    }
    *p++ = s->conversion;
    *p = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int n = s->precision >= 0 ? snprintf(number, sizeof number, format, s->precision, v)
                                    : snprintf(number, sizeof number, format, v);
#pragma GCC diagnostic pop
    const int sign = number[0] == '-' || number[0] == '+' || number[0] == ' ';
    const int hex = (s->conversion | 0x20) == 'a' && v - v == 0 ? 2 : 0;
    const int len = n < NUMBER_MAX ? n : NUMBER_MAX - 1;
    return put_body(s, number, sign + hex, number + sign + hex, len - sign - hex, s->zero && v - v == 0, out);
}

static char *put_string(const struct spec *s, const char *data, size_t len, value_text_fn *text, char *out,
                        unsigned *flags)
{
    if (s->precision >= 0 && len > (size_t)s->precision)
        len = (size_t)s->precision;
    const int fill = len < (size_t)s->width ? s->width - (int)len : 0;
    if (!s->minus)
        out = put_fill(out, ' ', fill);
    out = text(data, len, out, flags);
    return s->minus ? put_fill(out, ' ', fill) : out;
}

static char *put_argument(const struct fapilog_record *r, const struct spec *s, const struct fapilog_field *f,
                          value_text_fn *text, char *out, unsigned *flags)
{
    const char kind = s->conversion;
    if (f->type == FAPILOG_TYPE_STRING || f->type == FAPILOG_TYPE_JSON)
        return put_string(s, f->v.data, f->len, text, out, flags);
    if (kind == 'c' ? is_integer(f->type) : f->type == FAPILOG_TYPE_CHAR && kind == 's') {
        const char c = (char)f->v.u64;
        return put_string(s, &c, 1, text, out, flags);
    }
    if (strchr("diuoxXp", kind) && is_integer(f->type))
        return put_integer(s, f, out);
    if (strchr("fFeEgGaA", kind) && is_real(f->type))
        return put_real(s, f->v.f64, out);
    if (strchr("fFeEgGaA", kind) && is_integer(f->type))
        return put_real(s, is_signed(f->type) ? (double)f->v.i64 : (double)f->v.u64, out);
    if (f->type == FAPILOG_TYPE_STACK) {
        for (uint32_t i = 0; i < f->len / 8; i++) {
            if (i > 0)
                *out++ = ' ';
            out = value_frame(r, value_stack_address(f, i), text, out, flags);
        }
        return out;
    }
    if (f->type == FAPILOG_TYPE_NULL && kind == 's')
        return put_string(s, "(null)", 6, text, out, flags);
    (void)value_plain(f, NUM_POINT, &out);
    return out;
}

char *printf_text_write(const struct fapilog_record *r, value_text_fn *text, char *out, unsigned *flags)
{
    struct arguments a = {.r = r};
    const char *p = r->message.data;
    const char *const end = p + r->message.len;
    while (p < end) {
        const char *const percent = memchr(p, '%', (size_t)(end - p));
        if (!percent)
            return text(p, (size_t)(end - p), out, flags);
        out = text(p, (size_t)(percent - p), out, flags);
        p = percent + 1;
        if (p < end && *p == '%') {
            *out++ = '%';
            p++;
            continue;
        }
        struct spec s;
        const bool ok = parse_spec(&s, &p, end, &a);
        const struct fapilog_field *const f = has_argument(&s, ok) ? next_argument(&a) : NULL;
        if (ok && f)
            out = put_argument(r, &s, f, text, out, flags);
        else
            out = text(percent, (size_t)(p - percent), out, flags);
    }
    return out;
}

void printf_text_visit(struct fapilog_text format, printf_text_visit_fn *visit, void *arg)
{
    struct arguments a = {.r = NULL};
    const char *p = format.data;
    const char *const end = p + format.len;
    while (p < end && (p = memchr(p, '%', (size_t)(end - p)))) {
        const char *const percent = p++;
        if (p < end && *p == '%') {
            p++;
            continue;
        }
        struct spec s;
        const bool ok = parse_spec(&s, &p, end, &a);
        if (ok)
            visit(arg, (uint32_t)(percent - format.data), a.taken);
        if (has_argument(&s, ok))
            (void)next_argument(&a);
    }
}

char *printf_text_make(const struct fapilog_record *r, size_t *ret_len)
{
    size_t bound = r->message.len * (size_t)JSON_ESCAPE_FACTOR + VALUE_SLACK + printf_text_bound(r);
    unsigned flags = 0;
    for (uint32_t i = 0; i < r->fields_count; i++)
        bound += value_bound(&r->fields[i]);
    char *const made = malloc(bound);
    if (made)
        *ret_len = (size_t)(printf_text_write(r, text_clean, made, &flags) - made);
    return made;
}
