#include "collector/stage/redact/values.h"

#include "collector/stage/redact/regex.h"
#include "lib/base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What bytes a text has decides which scanners look at it. */
enum trigger {
    HAS_DIGIT = 1,
    HAS_AT = 2,
    HAS_ASSIGN = 4,  /* = or : */
    HAS_SLASH = 8,
    HAS_DOT = 16,
    HAS_SPACE = 32,
    HAS_DASH = 64,   /* - or _ */
    HAS_UPPER = 128,
};

struct values {
    unsigned kinds;
    uint32_t url_max;
    struct names *names;
    struct regex **patterns;
    uint32_t patterns_count;
    char *copy; /* patterns look at memory that nobody else writes to */
    uint32_t copy_room;
};

static const struct { const char *name; unsigned kind; } kind_names[] = {
    {"card", VALUE_CARD}, {"email", VALUE_EMAIL}, {"jwt", VALUE_JWT}, {"bearer", VALUE_BEARER},
    {"api_token", VALUE_API_TOKEN}, {"aws_key", VALUE_AWS_KEY}, {"private_key", VALUE_PRIVATE_KEY},
    {"iban", VALUE_IBAN}, {"ssn", VALUE_SSN}, {"assignment", VALUE_ASSIGNMENT}, {"url", VALUE_URL}};

const char *const value_kind_names =
    "card, email, jwt, bearer, api_token, aws_key, private_key, iban, ssn, assignment, url";

unsigned value_kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (strcmp(kind_names[i].name, name) == 0)
            return kind_names[i].kind;
    }
    return 0;
}

struct values *values_new(unsigned kinds, uint32_t url_max, struct names *names)
{
    struct values *const v = calloc(1, sizeof *v);
    if (v)
        *v = (struct values){.kinds = kinds, .url_max = url_max, .names = names};
    return v;
}

void values_free(struct values *v)
{
    if (!v)
        return;
    for (uint32_t i = 0; i < v->patterns_count; i++)
        regex_free(v->patterns[i]);
    free(v->patterns);
    free(v->copy);
    free(v);
}

int values_add_pattern(struct values *v, const char *pattern, bool is_unsafe, struct err *e)
{
    struct regex *re;
    const int r = regex_new(pattern, is_unsafe ? REGEX_UNSAFE : 0, &re, e);
    if (r < 0)
        return r;
    struct regex **const more = realloc(v->patterns, (v->patterns_count + 1) * sizeof *more);
    if (!more) {
        regex_free(re);
        return err_set(e, -ENOMEM, "pattern '%.200s': out of memory", pattern);
    }
    v->patterns = more;
    v->patterns[v->patterns_count++] = re;
    return 0;
}

bool values_is_empty(const struct values *v)
{
    return v->kinds == 0 && v->patterns_count == 0;
}

unsigned values_kinds(const struct values *v)
{
    return v->kinds;
}

static unsigned triggers_of(const char *text, uint32_t len)
{
    static const uint8_t of[256] = {
        ['0' ... '9'] = HAS_DIGIT, ['@'] = HAS_AT, ['='] = HAS_ASSIGN, [':'] = HAS_ASSIGN, ['/'] = HAS_SLASH,
        ['.'] = HAS_DOT, [' '] = HAS_SPACE, ['-'] = HAS_DASH, ['_'] = HAS_DASH, ['A' ... 'Z'] = HAS_UPPER};
    unsigned all = 0;
    for (uint32_t i = 0; i < len; i++)
        all |= of[(uint8_t)text[i]];
    return all;
}

enum { CARD_MIN = 13, TOKEN_MIN = 15, SSN_LEN = 11, URL_MIN = 5 };

static int find_patterns(struct values *v, const char *text, uint32_t len, struct spans *s)
{
    if (len > v->copy_room) {
        char *const more = realloc(v->copy, len);
        if (!more)
            return -ENOMEM;
        v->copy = more;
        v->copy_room = len;
    }
    if (len)
        memcpy(v->copy, text, len);
    for (uint32_t i = 0; i < v->patterns_count; i++) {
        size_t from = 0, start, end;
        while (from <= len && !s->overflow) {
            const int r = regex_find(v->patterns[i], v->copy, len, from, &start, &end);
            if (r < 0)
                return r;
            if (r == 0)
                break;
            spans_add(s, (uint32_t)start, (uint32_t)end, false);
            from = end > start ? end : end + 1;
        }
    }
    return 0;
}

int values_find(struct values *v, const char *text, uint32_t len, struct spans *ret)
{
    const unsigned kinds = v->kinds;
    ret->count = 0;
    ret->overflow = false;
    if (kinds && len >= URL_MIN) {
        const unsigned has = triggers_of(text, len);
        if (kinds & VALUE_URL && has & HAS_AT && has & HAS_SLASH && len <= v->url_max)
            value_scan_url(text, len, ret);
        if (kinds & VALUE_EMAIL && has & HAS_AT && has & HAS_DOT)
            value_scan_email(text, len, ret);
        if (kinds & VALUE_CARD && has & HAS_DIGIT && len >= CARD_MIN)
            value_scan_card(text, len, ret);
        if (kinds & VALUE_SSN && has & HAS_DIGIT && has & HAS_DASH && len >= SSN_LEN)
            value_scan_ssn(text, len, ret);
        if (kinds & VALUE_IBAN && has & HAS_DIGIT && has & HAS_UPPER && len >= TOKEN_MIN)
            value_scan_iban(text, len, ret);
        if (kinds & VALUE_JWT && has & HAS_DOT && has & HAS_UPPER && len >= TOKEN_MIN)
            value_scan_jwt(text, len, ret);
        if (kinds & VALUE_BEARER && has & HAS_SPACE)
            value_scan_bearer(text, len, ret);
        if (kinds & (VALUE_API_TOKEN | VALUE_AWS_KEY) && len >= TOKEN_MIN && has & (HAS_DASH | HAS_UPPER))
            value_scan_api_token(text, len, ret);
        if (kinds & VALUE_PRIVATE_KEY && has & HAS_DASH && has & HAS_SPACE)
            value_scan_private_key(text, len, ret);
        if (kinds & VALUE_ASSIGNMENT && has & HAS_ASSIGN && v->names)
            value_scan_assignment(v->names, text, len, ret);
    }
    const int r = v->patterns_count ? find_patterns(v, text, len, ret) : 0;
    if (r < 0)
        return r;
    if (ret->count == 0)
        return 0;
    spans_settle(ret);
    return 1;
}

bool values_hit_number(const struct values *v, uint64_t number)
{
    char text[NUM_INT_MAX + 16];
    uint8_t digits[NUM_INT_MAX];
    if (!(v->kinds & VALUE_CARD) || number < UINT64_C(1000000000000))
        return false;
    const unsigned n = (unsigned)(num_u64(text, number) - text);
    for (unsigned i = 0; i < n; i++)
        digits[i] = (uint8_t)(text[i] - '0');
    return value_is_card(digits, n);
}
