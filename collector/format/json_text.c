#include "collector/format/json_text.h"

#include "collector/format/gather.h"
#include "collector/format/values.h"
#include "lib/base/check.h"

#include <stdlib.h>
#include <string.h>

enum { MEMBERS_LOCAL = 128, SPARE_LOCAL = 1024 };

struct member { /* of an object that is being written: "key":value */
    char *start, *end;
    uint32_t key_len;  /* between the quotes */
    bool key_escaped;
};

struct scan {
    const char *p, *end; /* a private copy: nobody changes it */
    char *out;
    int style;
    unsigned depth;
    unsigned flags;
    struct member *members; /* of all open objects, innermost last */
    size_t members_count, members_max;
    struct member members_local[MEMBERS_LOCAL];
};

static bool scan_value(struct scan *s);

size_t json_text_bound(size_t len)
{
    return (JSON_ESCAPE_FACTOR + 1) * len + 2 * (size_t)VALUE_SLACK;
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

static bool scan_byte(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* Four hexadecimal digits; -1 when they are not there. */
static int32_t scan_unit(struct scan *s)
{
    uint8_t b[2];
    if (s->end - s->p < 4 || !hex_read(s->p, 2, b))
        return -1;
    s->p += 4;
    return b[0] << 8 | b[1];
}

/* After \u: a code point, also from a pair of surrogates. Half a pair becomes U+FFFD. */
static bool scan_code_point(struct scan *s)
{
    int32_t unit = scan_unit(s);
    if (unit < 0)
        return false;
    uint32_t cp = (uint32_t)unit;
    if (cp >= 0xd800 && cp <= 0xdbff && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
        const char *const after_first = s->p;
        s->p += 2;
        unit = scan_unit(s);
        if (unit < 0)
            return false;
        if (unit >= 0xdc00 && unit <= 0xdfff)
            cp = 0x10000 + ((cp - 0xd800) << 10) + ((uint32_t)unit - 0xdc00);
        else
            s->p = after_first;
    }
    if (cp >= 0xd800 && cp <= 0xdfff) {
        s->out = put_lit(s->out, UTF8_REPLACEMENT);
        s->flags |= TEXT_INVALID_UTF8;
        return true;
    }
    if (cp < 0x80) {
        const char c = (char)cp;
        s->out = json_escape(&c, 1, s->out, &s->flags);
    } else {
        s->out = utf8_put(s->out, cp);
    }
    return true;
}

static bool scan_escape(struct scan *s)
{
    if (s->p == s->end)
        return false;
    const char c = *s->p++;
    switch (c) {
    case 'u':
        return scan_code_point(s);
    case '/':
        *s->out++ = '/';
        return true;
    case '"': case '\\': case 'b': case 'f': case 'n': case 'r': case 't':
        *s->out++ = '\\';
        *s->out++ = c;
        return true;
    default:
        return false;
    }
}

static bool scan_string(struct scan *s)
{
    if (!scan_byte(s, '"'))
        return false;
    *s->out++ = '"';
    while (s->p < s->end) {
        const uint8_t c = (uint8_t)*s->p;
        if (c == '"') {
            s->p++;
            *s->out++ = '"';
            return true;
        }
        if (c < 0x20)
            return false;
        if (c == '\\') {
            s->p++;
            if (!scan_escape(s))
                return false;
        } else if (c < 0x80) {
            *s->out++ = (char)c;
            s->p++;
        } else {
            const int n = utf8_sequence((const uint8_t *)s->p, (size_t)(s->end - s->p));
            const size_t len = n > 0 ? (size_t)n : 3;
            memcpy(s->out, n > 0 ? s->p : UTF8_REPLACEMENT, len);
            s->flags |= n > 0 ? 0 : TEXT_INVALID_UTF8;
            s->out += len;
            s->p += n > 0 ? n : -n;
        }
    }
    return false;
}

static bool scan_digits(struct scan *s)
{
    const char *const start = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > start;
}

bool json_text_is_whole(const char *text, size_t len, bool *ret_negative, uint64_t *ret)
{
    uint64_t v = 0;
    const bool negative = len > 0 && *text == '-';
    for (size_t i = negative; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (unsigned)(text[i] - '0'), &v))
            return false;
    }
    *ret_negative = negative;
    *ret = negative ? 0 - v : v;
    return len > negative && (!negative || v <= UINT64_C(1) << 63);
}

/* RFC 8785 takes numbers for doubles. Whole numbers of 64 bits are kept exactly all the same: they are ids and times,
 * and a field of type u64 with that value has all its digits too. */
static bool put_canonical_number(struct scan *s, const char *text, size_t len)
{
    bool negative;
    uint64_t whole;
    if (json_text_is_whole(text, len, &negative, &whole)) {
        if (negative && whole == 0)
            text++, len--;
        memcpy(s->out, text, len);
        s->out += len;
        return true;
    }
    char local[64], *copy = local;
    if (len >= sizeof local) {
        copy = malloc(len + 1);
        if (!copy)
            return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    const double v = strtod(copy, NULL);
    if (copy != local)
        free(copy);
    if (v - v != 0)
        return false; /* beyond double: there is no canonical form */
    s->out = num_f64(s->out, v, NUM_ECMA);
    return true;
}

static bool scan_number(struct scan *s)
{
    const char *const start = s->p;
    (void)scan_byte(s, '-');
    if (!scan_byte(s, '0') && !scan_digits(s))
        return false;
    if (scan_byte(s, '.') && !scan_digits(s))
        return false;
    if (s->p < s->end && (*s->p | 0x20) == 'e') {
        s->p++;
        if (!scan_byte(s, '+'))
            (void)scan_byte(s, '-');
        if (!scan_digits(s))
            return false;
    }
    const size_t len = (size_t)(s->p - start);
    if (s->style == VALUE_RFC8785)
        return put_canonical_number(s, start, len);
    memcpy(s->out, start, len);
    s->out += len;
    return true;
}

static bool scan_word(struct scan *s, const char *word, size_t len)
{
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
        return false;
    s->p += len;
    memcpy(s->out, word, len);
    s->out += len;
    return true;
}

static bool scan_array(struct scan *s)
{
    *s->out++ = '[';
    skip_space(s);
    if (!scan_byte(s, ']')) {
        do {
            if (s->out[-1] != '[')
                *s->out++ = ',';
            if (!scan_value(s))
                return false;
        } while (scan_byte(s, ','));
        if (!scan_byte(s, ']'))
            return false;
    }
    *s->out++ = ']';
    return true;
}

/* Undoes the shortest escapes of key text, byte by byte. */
static uint8_t key_byte(const char **p)
{
    uint8_t c = (uint8_t)*(*p)++, code;
    if (c != '\\')
        return c;
    c = (uint8_t)*(*p)++;
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'u':
        CHECK(hex_read(*p + 2, 1, &code));
        *p += 4;
        return code;
    default:  return c;
    }
}

static int key_compare(const struct member *a, const struct member *b, int style)
{
    const enum gather_order order = style == VALUE_RFC8785 ? GATHER_UTF16 : GATHER_BYTES;
    if (!a->key_escaped && !b->key_escaped)
        return gather_compare((struct fapilog_text){a->start + 1, a->key_len},
                              (struct fapilog_text){b->start + 1, b->key_len}, order);
    const char *p = a->start + 1, *q = b->start + 1;
    const char *const p_end = p + a->key_len, *const q_end = q + b->key_len;
    while (p < p_end && q < q_end) {
        const char x = (char)key_byte(&p), y = (char)key_byte(&q);
        const int c = gather_compare((struct fapilog_text){&x, 1}, (struct fapilog_text){&y, 1}, order);
        if (c)
            return c;
    }
    return (p < p_end) - (q < q_end);
}

static int by_key_then_place(const void *a, const void *b, void *style)
{
    const struct member *x = a, *y = b;
    const int c = key_compare(x, y, *(const int *)style);
    if (c)
        return c;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* Brings the members of the innermost object into order, from `first` on; the last of equals stays. */
static bool sort_members(struct scan *s, size_t first)
{
    struct member *const m = s->members + first;
    const size_t count = s->members_count - first;
    char *const start = m[0].start;
    const size_t bytes = (size_t)(s->out - start);
    char local[SPARE_LOCAL];
    char *const spare = bytes <= sizeof local ? local : malloc(bytes);
    if (!spare)
        return false;
    qsort_r(m, count, sizeof *m, by_key_then_place, &s->style);
    char *p = spare;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && key_compare(&m[i], &m[i + 1], s->style) == 0)
            continue;
        if (p > spare)
            *p++ = ',';
        memcpy(p, m[i].start, (size_t)(m[i].end - m[i].start));
        p += m[i].end - m[i].start;
    }
    memcpy(start, spare, (size_t)(p - spare));
    s->out = start + (p - spare);
    if (spare != local)
        free(spare);
    return true;
}

static struct member *add_member(struct scan *s)
{
    if (s->members_count == s->members_max) {
        struct member *const old = s->members == s->members_local ? NULL : s->members;
        struct member *const more = realloc(old, 2 * s->members_max * sizeof *more);
        if (!more)
            return NULL;
        if (!old)
            memcpy(more, s->members, s->members_count * sizeof *more);
        s->members = more;
        s->members_max *= 2;
    }
    return &s->members[s->members_count++];
}

static bool scan_member(struct scan *s, struct member *ret)
{
    skip_space(s);
    ret->start = s->out;
    if (!scan_string(s))
        return false;
    ret->key_len = (uint32_t)(s->out - ret->start - 2);
    ret->key_escaped = memchr(ret->start, '\\', ret->key_len + 1u) != NULL;
    skip_space(s);
    if (!scan_byte(s, ':'))
        return false;
    *s->out++ = ':';
    if (!scan_value(s))
        return false;
    ret->end = s->out;
    return true;
}

static bool scan_object(struct scan *s)
{
    const size_t first = s->members_count;
    bool sorted = true;
    *s->out++ = '{';
    skip_space(s);
    if (!scan_byte(s, '}')) {
        do {
            struct member m;
            if (s->members_count > first)
                *s->out++ = ',';
            if (!scan_member(s, &m))
                return false;
            struct member *const added = add_member(s);
            if (!added)
                return false;
            *added = m;
            if (s->members_count - first > 1 && key_compare(added - 1, added, s->style) >= 0)
                sorted = false;
        } while (scan_byte(s, ','));
        if (!scan_byte(s, '}') || (!sorted && !sort_members(s, first)))
            return false;
    }
    s->members_count = first;
    *s->out++ = '}';
    return true;
}

static bool scan_value(struct scan *s)
{
    bool ok;
    skip_space(s);
    if (s->p == s->end || s->depth == JSON_TEXT_DEPTH_MAX)
        return false;
    s->depth++;
    switch (*s->p) {
    case '{': s->p++; ok = scan_object(s); break;
    case '[': s->p++; ok = scan_array(s); break;
    case '"': ok = scan_string(s); break;
    case 't': ok = scan_word(s, "true", 4); break;
    case 'f': ok = scan_word(s, "false", 5); break;
    case 'n': ok = scan_word(s, "null", 4); break;
    default:  ok = scan_number(s); break;
    }
    s->depth--;
    skip_space(s);
    return ok;
}

char *json_text_write(const char *src, size_t len, int style, char *out, unsigned *flags)
{
    /* The private copy goes behind the longest possible result. */
    char *const copy = out + JSON_ESCAPE_FACTOR * len + VALUE_SLACK;
    memcpy(copy, src, len);
    struct scan s;
    s.p = copy;
    s.end = copy + len;
    s.out = out;
    s.style = style;
    s.depth = s.flags = 0;
    s.members = s.members_local;
    s.members_count = 0;
    s.members_max = MEMBERS_LOCAL;
    const bool ok = scan_value(&s) && s.p == s.end;
    if (s.members != s.members_local)
        free(s.members);
    if (ok) {
        *flags |= s.flags;
        return s.out;
    }
    *flags |= TEXT_INVALID_JSON;
    return value_quoted((struct fapilog_text){copy, (uint32_t)len}, out, flags);
}

static const char *skip_string(const char *p)
{
    for (p++; *p != '"'; p++)
        p += *p == '\\';
    return p + 1;
}

const char *json_text_skip(const char *p)
{
    unsigned open = 0;
    do {
        switch (*p) {
        case '"':
            p = skip_string(p);
            break;
        case '{': case '[':
            open++;
            p++;
            break;
        case '}': case ']':
            open--;
            p++;
            break;
        case ',': case ':':
            p++;
            break;
        default: /* a number or a word */
            p += strcspn(p, ",:]}");
        }
    } while (open > 0);
    return p;
}
