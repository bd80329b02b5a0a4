#include "lib/base/opt.h"

#include <fapilog/abi.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FRACTION_DIGITS_MAX = 18 };

struct unit {
    const char *text;
    uint64_t factor;
};

/* "KiB" says exactly what "KB" means here. */
static const struct unit size_units[] = {
    {"b", 1},          {"kb", 1ull << 10}, {"mb", 1ull << 20},  {"gb", 1ull << 30},  {"tb", 1ull << 40},
    {"kib", 1ull << 10}, {"mib", 1ull << 20}, {"gib", 1ull << 30}, {"tib", 1ull << 40}, {NULL, 0},
};

#define SECOND UINT64_C(1000000000)

static const struct unit duration_units[] = {
    {"ns", 1},           {"us", 1000},          {"ms", 1000000},          {"s", SECOND}, {"m", 60 * SECOND},
    {"h", 3600 * SECOND}, {"d", 86400 * SECOND}, {"w", 7 * 86400 * SECOND}, {NULL, 0},
};

static const struct unit duration_words[] = {
    {"hourly", 3600 * SECOND}, {"daily", 86400 * SECOND}, {"weekly", 7 * 86400 * SECOND}, {NULL, 0},
};

struct number {
    uint64_t whole;
    uint64_t fraction; /* over 10^fraction_digits */
    unsigned fraction_digits;
};

static const struct unit *unit_find(const struct unit *units, const char *text, size_t len)
{
    for (; units->text; units++)
        if (strlen(units->text) == len && strncasecmp(units->text, text, len) == 0)
            return units;
    return NULL;
}

/* Cuts white space and one pair of surrounding quotes; the grammars allow both. */
static void trim(const char **text, size_t *len)
{
    while (*len && isspace((unsigned char)**text))
        (*text)++, (*len)--;
    while (*len && isspace((unsigned char)(*text)[*len - 1]))
        (*len)--;
    if (*len >= 2 && (**text == '"' || **text == '\'') && (*text)[*len - 1] == **text) {
        (*text)++;
        *len -= 2;
        while (*len && isspace((unsigned char)**text))
            (*text)++, (*len)--;
        while (*len && isspace((unsigned char)(*text)[*len - 1]))
            (*len)--;
    }
}

/* Digits with an optional fraction; returns how many characters were taken, 0 when there is no number. */
static int number_parse(const char *text, size_t len, struct number *ret, size_t *ret_used)
{
    struct number n = {0};
    size_t i = 0;
    for (; i < len && isdigit((unsigned char)text[i]); i++)
        if (__builtin_mul_overflow(n.whole, 10u, &n.whole) ||
            __builtin_add_overflow(n.whole, (unsigned)(text[i] - '0'), &n.whole))
            return -ERANGE;
    if (i == 0)
        return -EINVAL;
    if (i < len && text[i] == '.') {
        const size_t dot = i++;
        for (; i < len && isdigit((unsigned char)text[i]); i++)
            if (n.fraction_digits < FRACTION_DIGITS_MAX) {
                n.fraction = n.fraction * 10 + (unsigned)(text[i] - '0');
                n.fraction_digits++;
            }
        if (i == dot + 1)
            return -EINVAL;
    }
    *ret = n;
    *ret_used = i;
    return 0;
}

/* Exact where a double would round; what is below one unit is cut. */
static int number_scale(const struct number *n, uint64_t factor, uint64_t *ret)
{
    uint64_t ten = 1;
    for (unsigned i = 0; i < n->fraction_digits; i++)
        ten *= 10;
    const unsigned __int128 total = (unsigned __int128)n->whole * factor +
                                    (unsigned __int128)n->fraction * factor / ten;
    if (total >= UINT64_MAX)
        return -ERANGE;
    *ret = (uint64_t)total;
    return 0;
}

static int quantity_parse(const char *text, const struct unit *units, uint64_t bare_factor,
                          bool bare_fraction, uint64_t *ret)
{
    struct number n;
    size_t len = strlen(text), used;
    trim(&text, &len);
    const int r = number_parse(text, len, &n, &used);
    if (r < 0)
        return r;
    const bool has_fraction = used > 0 && memchr(text, '.', used) != NULL;
    while (used < len && isspace((unsigned char)text[used]))
        used++;
    if (used == len)
        return has_fraction && !bare_fraction ? -EINVAL : number_scale(&n, bare_factor, ret);
    const struct unit *u = unit_find(units, text + used, len - used);
    return u ? number_scale(&n, u->factor, ret) : -EINVAL;
}

int opt_parse_size(const char *text, uint64_t *ret)
{
    return quantity_parse(text, size_units, 1, false, ret);
}

int opt_parse_duration(const char *text, uint64_t *ret_ns)
{
    const char *word = text;
    size_t len = strlen(text);
    trim(&word, &len);
    const struct unit *u = unit_find(duration_words, word, len);
    if (u) {
        *ret_ns = u->factor;
        return 0;
    }
    return quantity_parse(text, duration_units, SECOND, true, ret_ns);
}

static const struct {
    const char *name;
    uint8_t level;
} level_names[] = {
    {"TRACE", FAPILOG_LEVEL_TRACE},       {"DEBUG", FAPILOG_LEVEL_DEBUG},
    {"INFO", FAPILOG_LEVEL_INFO},         {"WARNING", FAPILOG_LEVEL_WARNING},
    {"ERROR", FAPILOG_LEVEL_ERROR},       {"CRITICAL", FAPILOG_LEVEL_CRITICAL},
    {"AUDIT", FAPILOG_LEVEL_AUDIT},       {"SECURITY", FAPILOG_LEVEL_SECURITY},
    {"OFF", FAPILOG_LEVEL_OFF},           {"WARN", FAPILOG_LEVEL_WARNING},
    {"FATAL", FAPILOG_LEVEL_CRITICAL},
};

enum { LEVEL_NAMES_COUNT = 9 }; /* without the aliases at the end */

int opt_parse_level(const char *text, uint8_t *ret)
{
    size_t len = strlen(text);
    trim(&text, &len);
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (strlen(level_names[i].name) == len && strncasecmp(level_names[i].name, text, len) == 0) {
            *ret = level_names[i].level;
            return 0;
        }
    struct number n;
    size_t used;
    const int r = number_parse(text, len, &n, &used);
    if (r < 0)
        return r;
    if (used != len || memchr(text, '.', len))
        return -EINVAL;
    if (n.whole < 1 || n.whole > FAPILOG_LEVEL_OFF)
        return -ERANGE;
    *ret = (uint8_t)n.whole;
    return 0;
}

const char *opt_level_name(uint8_t level)
{
    const char *name = "UNSET";
    for (size_t i = 0; i < LEVEL_NAMES_COUNT; i++)
        if (level_names[i].level <= level)
            name = level_names[i].name;
    return name;
}

/* Decimal, so that a file means the same under every locale; no hex, infinity or NaN. */
int opt_parse_real(const char *text, double *ret)
{
    char *end;
    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
        return -EINVAL;
    errno = 0;
    const double n = strtod(text, &end);
    if (*end || end == text)
        return -EINVAL;
    if (errno == ERANGE && n != 0)
        return -ERANGE;
    *ret = n;
    return 0;
}
