#include "collector/stage/redact/values.h"

#include "collector/stage/redact/regex.h"
#include "lib/base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct values {
    struct value_filter filter;
    unsigned kinds;
    uint32_t url_max;
    struct names *names;
    struct regex **patterns;
    uint32_t patterns_count;
    struct regex_budget budget; /* of the record that is looked at */
    char *copy; /* patterns look at memory that nobody else writes to */
    uint32_t copy_room;
};

const uint8_t value_triggers[256] = {
    ['0' ... '9'] = HAS_DIGIT, ['@'] = HAS_AT, ['='] = HAS_ASSIGN, [':'] = HAS_ASSIGN, ['/'] = HAS_SLASH,
    ['.'] = HAS_DOT, [' '] = HAS_SPACE, ['\t'] = HAS_SPACE, ['-'] = HAS_DASH, ['_'] = HAS_DASH,
    ['A' ... 'Z'] = HAS_UPPER};

/* Every trigger of a row has to be there. */
static const struct scanner {
    unsigned kinds;
    uint8_t triggers;
    bool is_long; /* what it finds has VALUE_TOKEN_MIN bytes at least */
    value_scan_fn *scan;
} scanners[] = {
    {VALUE_EMAIL, HAS_AT | HAS_DOT, false, value_scan_email},
    {VALUE_CARD, HAS_DIGIT, false, value_scan_card},
    {VALUE_SSN, HAS_DIGIT | HAS_DASH, false, value_scan_ssn},
    {VALUE_IBAN, HAS_DIGIT | HAS_UPPER, false, value_scan_iban},
    {VALUE_JWT, HAS_DOT | HAS_UPPER, true, value_scan_jwt},
    {VALUE_BEARER, HAS_SPACE | HAS_DIGIT, false, value_scan_bearer},
    {VALUE_BEARER, HAS_SPACE | HAS_UPPER, false, value_scan_bearer},
    {VALUE_API_TOKEN, HAS_DASH, true, value_scan_api_token},
    {VALUE_API_TOKEN, HAS_DOT, true, value_scan_api_token},
    {VALUE_API_TOKEN, HAS_UPPER, true, value_scan_google_key},
    {VALUE_AWS_KEY, HAS_UPPER, true, value_scan_aws_key},
    {VALUE_PRIVATE_KEY, HAS_DASH | HAS_SPACE, true, value_scan_private_key},
    {VALUE_URL, HAS_AT | HAS_SLASH, false, NULL},
    {VALUE_ASSIGNMENT, HAS_ASSIGN, false, NULL},
};

enum { SCANNERS = sizeof scanners / sizeof *scanners, PATTERNS_DUE = 1 << SCANNERS };
_Static_assert(SCANNERS < 16, "a bit for each, and one for patterns");

static unsigned due_for(const struct values *v, unsigned has, bool is_long)
{
    unsigned due = v->patterns_count ? PATTERNS_DUE : 0;
    for (unsigned i = 0; i < SCANNERS; i++) {
        const struct scanner *const x = &scanners[i];
        const bool again = i > 0 && x->scan && scanners[i - 1].scan == x->scan && due >> (i - 1) & 1;
        if (x->kinds & v->kinds && (has & x->triggers) == x->triggers && (is_long || !x->is_long) && !again)
            due |= 1u << i;
    }
    return due;
}

static void make_filter(struct values *v)
{
    for (unsigned is_long = 0; is_long < 2; is_long++) {
        for (unsigned has = 0; has < 256; has++)
            v->filter.due[is_long][has] = (uint16_t)due_for(v, has, is_long);
    }
}

const struct value_filter *values_filter(const struct values *v)
{
    return &v->filter;
}

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
    if (!v)
        return NULL;
    *v = (struct values){.kinds = kinds, .url_max = url_max, .names = names};
    make_filter(v);
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
    const int r = regex_new(pattern, REGEX_BUDGETED | (is_unsafe ? REGEX_UNSAFE : 0), &re, e);
    if (r < 0)
        return r;
    struct regex **const more = realloc(v->patterns, (v->patterns_count + 1) * sizeof *more);
    if (!more) {
        regex_free(re);
        return err_set(e, -ENOMEM, "pattern '%.200s': out of memory", pattern);
    }
    v->patterns = more;
    v->patterns[v->patterns_count++] = re;
    make_filter(v);
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

bool values_end_record(struct values *v)
{
    const bool was_over = v->budget.is_over;
    if (v->budget.read_bytes)
        v->budget = (struct regex_budget){0};
    return was_over;
}

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
            const int r = regex_find(v->patterns[i], v->copy, len, from, &v->budget, &start, &end);
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

static void run_scanner(const struct values *v, const struct scanner *x, const char *text, uint32_t len,
                        struct spans *ret)
{
    if (x->scan)
        x->scan(text, len, ret);
    else if (x->kinds == VALUE_ASSIGNMENT && v->names)
        value_scan_assignment(v->names, text, len, ret);
    else if (x->kinds == VALUE_URL && len <= v->url_max)
        value_scan_url(text, len, ret);
}

int values_find(struct values *v, const char *text, uint32_t len, struct spans *ret)
{
    ret->count = 0;
    ret->overflow = false;
    const unsigned due = value_scanners_due(&v->filter, text, len);
    for (unsigned left = due & ~(unsigned)PATTERNS_DUE; left; left &= left - 1)
        run_scanner(v, &scanners[__builtin_ctz(left)], text, len, ret);
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
