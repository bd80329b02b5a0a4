#include "lib/base/opt.h"

#include "lib/base/check.h"
#include "lib/base/edit_distance.h"
#include "lib/base/opt_collection.h"
#include "lib/base/opt_secret.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { VALUE_MAX = 64 };

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (edit_fold(*a) != edit_fold(*b))
            return false;
    return *a == *b;
}

static bool is_number(const struct opt *row)
{
    return row->type == OPT_UINT || row->type == OPT_SIZE || row->type == OPT_DURATION;
}

static int parse_uint(const char *text, uint64_t *ret)
{
    uint64_t n = 0;
    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text))
            return -EINVAL;
        if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (unsigned)(*text - '0'), &n))
            return -ERANGE;
    }
    *ret = n;
    return 0;
}

static int parse_number(enum opt_type type, const char *text, uint64_t *ret)
{
    switch (type) {
    case OPT_SIZE: return opt_parse_size(text, ret);
    case OPT_DURATION: return opt_parse_duration(text, ret);
    default: return parse_uint(text, ret);
    }
}

/* The word that stands for "no number given", or NULL. */
static const char *unset_word(const struct opt *row)
{
    uint64_t n;
    if (!row->default_text || parse_number(row->type, row->default_text, &n) == 0)
        return NULL;
    return row->default_text;
}

static int print_scaled(char *ret, size_t size, uint64_t n, const char *const units[],
                        const uint64_t factors[])
{
    unsigned i = 0;
    for (unsigned k = 0; n && units[k]; k++)
        if (n % factors[k] == 0)
            i = k;
    return snprintf(ret, size, "%" PRIu64 "%s", n / factors[i], units[i]);
}

static int print_number(enum opt_type type, uint64_t n, char *ret, size_t size)
{
    static const char *const size_units[] = {"", "KB", "MB", "GB", "TB", NULL};
    static const uint64_t size_factors[] = {1, 1ull << 10, 1ull << 20, 1ull << 30, 1ull << 40};
    static const char *const time_units[] = {"ns", "us", "ms", "s", "m", "h", "d", NULL};
    static const uint64_t time_factors[] = {1, 1000, 1000000, 1000000000, 60000000000, 3600000000000,
                                            86400000000000};
    if (type == OPT_SIZE)
        return print_scaled(ret, size, n, size_units, size_factors);
    if (type == OPT_DURATION && n == 0)
        return snprintf(ret, size, "0s");
    if (type == OPT_DURATION)
        return print_scaled(ret, size, n, time_units, time_factors);
    return snprintf(ret, size, "%" PRIu64, n);
}

const char *opt_allowed(const struct opt *row, char *ret, size_t size)
{
    char lo[VALUE_MAX], hi[VALUE_MAX];
    size_t used;
    switch (row->type) {
    case OPT_BOOL:
        (void)snprintf(ret, size, "true or false");
        break;
    case OPT_LEVEL:
        (void)snprintf(ret, size, "TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL, AUDIT, SECURITY or 1..31");
        break;
    case OPT_WORD:
        used = (size_t)snprintf(ret, size, "one of");
        for (const struct opt_word *w = row->words; w->text && used < size; w++)
            used += (size_t)snprintf(ret + used, size - used, "%s %s", w == row->words ? "" : ",", w->text);
        break;
    case OPT_UINT: case OPT_SIZE: case OPT_DURATION:
        (void)print_number(row->type, row->min, lo, sizeof lo);
        (void)print_number(row->type, row->max, hi, sizeof hi);
        (void)snprintf(ret, size, "%s..%s%s%s", lo, row->max >= INT64_MAX ? "" : hi, unset_word(row) ? " or " : "",
                       unset_word(row) ? unset_word(row) : "");
        break;
    case OPT_REAL:
        (void)snprintf(ret, size, "%.17g..%.17g", row->real_min, row->real_max);
        break;
    case OPT_LIST:
        (void)snprintf(ret, size, "texts separated by commas, or a JSON array");
        break;
    case OPT_MAP:
        (void)snprintf(ret, size, "key=value pairs separated by commas, or a JSON object");
        break;
    default:
        (void)snprintf(ret, size, "text");
    }
    return ret;
}

static int refuse(const struct opt *row, int code, const char *value, struct err *e)
{
    static const char *const forms[] = {
        [OPT_SIZE] = "a size such as 10MB",
        [OPT_DURATION] = "a duration such as 500ms, 1h or daily",
        [OPT_UINT] = "a number",
    };
    char allowed[256];
    const char *shown = row->flags & OPT_SECRET ? "***" : value;
    opt_allowed(row, allowed, sizeof allowed);
    if (code == -ENOMEM)
        return err_set(e, code, "%s: out of memory", row->name);
    if (code == -E2BIG)
        return err_set(e, code, "%s: more than %u entries", row->name, (unsigned)OPT_LIST_MAX);
    if (code == -EEXIST)
        return err_set(e, code, "%s: '%s' has the same key twice", row->name, shown);
    if (code == -ERANGE)
        return err_set(e, code, "%s: '%s' is outside %s%s", row->name, shown, allowed,
                       row->type == OPT_DURATION && !value[strspn(value, "0123456789.")]
                           ? "; without a unit it is seconds" : "");
    if (is_number(row))
        return err_set(e, code, "%s: '%s' is not %s (%s)", row->name, shown, forms[row->type], allowed);
    return err_set(e, code, "%s: '%s' is not %s", row->name, shown, allowed);
}

static int copy_text(const struct opt *row, const char *value, char **ret, struct err *e)
{
    struct err why = {0};
    int r = 0;
    if (row->flags & OPT_SECRET)
        r = opt_secret(value, ret, &why);
    else if (!(*ret = strdup(value)))
        r = err_set(&why, -ENOMEM, "out of memory");
    return r < 0 ? err_set(e, r, "%s: %s", row->name, why.text) : 0;
}

static void free_text(const struct opt *row, const char *text)
{
    if (text && row->flags & OPT_SECRET)
        explicit_bzero((void *)(uintptr_t)text, strlen(text));
    free((void *)(uintptr_t)text);
}

static int set_text(const struct opt *row, const char **at, const char *value, struct err *e)
{
    char *copy = NULL;
    if (!*value && row->flags & OPT_REQUIRED)
        return err_set(e, -EINVAL, "%s: must not be empty", row->name);
    if (*value || row->default_text) {
        const int r = copy_text(row, value, &copy, e);
        if (r < 0)
            return r;
    }
    free_text(row, *at);
    *at = copy;
    return 0;
}

static int parse_bool(const char *value, bool *ret)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (strcasecmp(value, words[i]) == 0) {
            *ret = i & 1;
            return 0;
        }
    return -EINVAL;
}

static const struct opt_word *find_word(const struct opt *row, const char *value)
{
    const struct opt_word *w = row->words;
    while (w->text && !same_name(w->text, value))
        w++;
    return w->text ? w : NULL;
}

/* Where true and false are words, so is all else that a switch takes. */
static int parse_word(const struct opt *row, const char *value, uint32_t *ret)
{
    bool is_on;
    const struct opt_word *w = find_word(row, value);
    if (!w && parse_bool(value, &is_on) == 0)
        w = find_word(row, is_on ? "true" : "false");
    if (!w)
        return -EINVAL;
    *ret = w->value;
    return 0;
}

static int set_number(const struct opt *row, uint64_t *at, const char *value)
{
    uint64_t n;
    const char *word = unset_word(row);
    if (word && strcasecmp(value, word) == 0) {
        *at = OPT_UNSET;
        return 0;
    }
    const int r = parse_number(row->type, value, &n);
    if (r < 0)
        return r;
    if (n < row->min || n > row->max)
        return -ERANGE;
    *at = n;
    return 0;
}

static int set_real(const struct opt *row, double *at, const char *value)
{
    double n;
    const int r = opt_parse_real(value, &n);
    if (r < 0)
        return r;
    if (!(n >= row->real_min && n <= row->real_max))
        return -ERANGE;
    *at = n;
    return 0;
}

static int set_list(struct opt_list *at, const char *value)
{
    struct opt_list l;
    const int r = opt_parse_list(value, &l);
    if (r < 0)
        return r;
    opt_list_free(at);
    *at = l;
    return 0;
}

/* A value of a secret map may lie elsewhere, as a secret text may. */
static int resolve(const struct opt *row, struct opt_pair *pair, struct err *e)
{
    struct err why = {0};
    char *value = NULL;
    const int r = opt_secret(pair->value, &value, &why);
    if (r < 0)
        return err_set(e, r, "%s: %s: %s", row->name, pair->key, why.text);
    free_text(row, pair->value);
    pair->value = value;
    return 0;
}

static int set_map(const struct opt *row, struct opt_map *at, const char *value, struct err *e)
{
    struct opt_map m;
    int r = opt_parse_map(value, &m);
    if (r < 0)
        return refuse(row, r, value, e);
    for (uint32_t i = 0; i < m.count && r == 0 && row->flags & OPT_SECRET; i++)
        r = resolve(row, &m.item[i], e);
    opt_map_free(r < 0 ? &m : at);
    if (r == 0)
        *at = m;
    return r;
}

int opt_set(const struct opt *row, void *cfg, const char *value, struct err *e)
{
    char *at = (char *)cfg + row->offset;
    int r;
    switch (row->type) {
    case OPT_REAL: r = set_real(row, (double *)at, value); break;
    case OPT_LIST: r = set_list((struct opt_list *)at, value); break;
    case OPT_MAP: return set_map(row, (struct opt_map *)at, value, e);
    case OPT_TEXT: return set_text(row, (const char **)at, value, e);
    case OPT_BOOL: r = parse_bool(value, (bool *)at); break;
    case OPT_WORD: r = parse_word(row, value, (uint32_t *)at); break;
    case OPT_LEVEL: r = opt_parse_level(value, (uint8_t *)at); break;
    case OPT_UINT: case OPT_SIZE: case OPT_DURATION: r = set_number(row, (uint64_t *)at, value); break;
    default: r = -EINVAL; CHECK(row->type != OPT_END_ROW);
    }
    return r < 0 ? refuse(row, r, value, e) : 0;
}

static void clear(const struct opt *row, void *cfg)
{
    char *at = (char *)cfg + row->offset;
    switch (row->type) {
    case OPT_TEXT:
        free_text(row, *(const char **)at);
        *(const char **)at = NULL;
        break;
    case OPT_REAL: *(double *)at = 0; break;
    case OPT_LIST: opt_list_free((struct opt_list *)at); break;
    case OPT_MAP: opt_map_free((struct opt_map *)at); break;
    case OPT_BOOL: *(bool *)at = false; break;
    case OPT_WORD: *(uint32_t *)at = 0; break;
    case OPT_LEVEL: *(uint8_t *)at = 0; break;
    default: *(uint64_t *)at = 0;
    }
}

int opt_defaults(const struct opt *rows, void *cfg, struct err *e)
{
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++) {
        clear(row, cfg);
        if (!row->default_text)
            continue;
        const int r = opt_set(row, cfg, row->default_text, e);
        if (r < 0)
            return err_wrap(e, r, "default");
    }
    return 0;
}

const struct opt *opt_find(const struct opt *rows, const char *name)
{
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++)
        if (same_name(row->name, name) || (row->alias && same_name(row->alias, name)))
            return row;
    return NULL;
}

static bool is_empty(const struct opt *row, const char *at)
{
    switch (row->type) {
    case OPT_TEXT: return !*(const char *const *)at;
    case OPT_LIST: return !((const struct opt_list *)at)->count;
    case OPT_MAP: return !((const struct opt_map *)at)->count;
    default: return is_number(row) && !*(const uint64_t *)at;
    }
}

int opt_complete(const struct opt *rows, const void *cfg, struct err *e)
{
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++) {
        const char *at = (const char *)cfg + row->offset;
        if (!(row->flags & OPT_REQUIRED))
            continue;
        if (is_empty(row, at))
            return err_set(e, -EINVAL, "%s: must be given: %.*s", row->name, (int)strcspn(row->help, ".;"), row->help);
    }
    return 0;
}

/* 0.1 as 0.1: 15 digits where they read back as the same number. */
static int print_real(double n, char *ret, size_t size)
{
    char text[VALUE_MAX];
    (void)snprintf(text, sizeof text, "%.15g", n);
    return snprintf(ret, size, strtod(text, NULL) == n ? "%.15g" : "%.17g", n);
}

static int print_value(const struct opt *row, const char *at, char *ret, size_t size)
{
    uint64_t n;
    switch (row->type) {
    case OPT_TEXT:
        return snprintf(ret, size, "%s", *(const char *const *)at ? *(const char *const *)at : "");
    case OPT_BOOL:
        return snprintf(ret, size, "%s", *(const bool *)at ? "true" : "false");
    case OPT_WORD:
        for (const struct opt_word *w = row->words; w->text; w++)
            if (w->value == *(const uint32_t *)at)
                return snprintf(ret, size, "%s", w->text);
        return snprintf(ret, size, "%" PRIu32, *(const uint32_t *)at);
    case OPT_LEVEL: {
        uint8_t base = 0;
        const uint8_t level = *(const uint8_t *)at;
        const char *name = opt_level_name(level);
        if (opt_parse_level(name, &base) == 0 && base == level)
            return snprintf(ret, size, "%s", name);
        return snprintf(ret, size, "%u", level);
    }
    case OPT_REAL: return print_real(*(const double *)at, ret, size);
    case OPT_LIST: return opt_list_print((const struct opt_list *)at, ret, size);
    case OPT_MAP: return opt_map_print((const struct opt_map *)at, ret, size);
    default:
        n = *(const uint64_t *)at;
        if (n == OPT_UNSET && unset_word(row))
            return snprintf(ret, size, "%s", unset_word(row));
        return print_number(row->type, n, ret, size);
    }
}

/* Keys and tokens may be among its parameters. */
static int print_url(const char *url, char *ret, size_t size)
{
    const size_t len = strcspn(url, "?");
    return snprintf(ret, size, "%.*s%s", (int)len, url, url[len] ? "?***" : "");
}

int opt_print(const struct opt *row, const void *cfg, char *ret, size_t size)
{
    const char *at = (const char *)cfg + row->offset;
    int n;
    if (row->flags & OPT_SECRET && !is_empty(row, at))
        n = snprintf(ret, size, "***");
    else if (row->flags & OPT_URL && !is_empty(row, at))
        n = print_url(*(const char *const *)at, ret, size);
    else
        n = print_value(row, at, ret, size);
    return n < 0 || (size_t)n >= size ? -ENOSPC : n;
}

void opt_free(const struct opt *rows, void *cfg)
{
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++)
        if (row->type == OPT_TEXT || row->type == OPT_LIST || row->type == OPT_MAP)
            clear(row, cfg);
}

/* Edits up to which a name counts as near to a misspelt one. */
static unsigned near_limit(size_t len)
{
    return len < 4 ? 1 : len < 8 ? 2 : 3;
}

const char *opt_suggest_long(const struct option *rows, const char *given)
{
    char name[EDIT_WORD_MAX + 1];
    const char *nearest = NULL;
    given += strspn(given, "-");
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(given, "="), given);
    unsigned limit = near_limit(strlen(name)) + 1;
    for (; rows->name; rows++) {
        const unsigned d = edit_distance(rows->name, name);
        if (d < limit) {
            nearest = rows->name;
            limit = d;
        }
    }
    return nearest;
}

/* A part of a name that somebody remembered: "bytes", "ca_file" of "tls_ca_file". */
static bool is_part(const char *name, const char *part, size_t len)
{
    const size_t whole = strlen(name);
    if (len < 4 || len >= whole)
        return false;
    return strncasecmp(name, part, len) == 0 ||
           (name[whole - len - 1] == '_' && strcasecmp(name + whole - len, part) == 0);
}

const char *opt_suggest(const struct opt *rows, const char *name)
{
    const char *nearest = NULL;
    const size_t len = strlen(name);
    unsigned limit = near_limit(len);
    for (const struct opt *row = rows; row->type != OPT_END_ROW; row++) {
        unsigned d = edit_distance(row->name, name);
        const unsigned other = row->alias ? edit_distance(row->alias, name) : limit + 1;
        if (other < d)
            d = other;
        if (d > limit && is_part(row->name, name, len))
            d = limit;
        if (d <= limit && (!nearest || d < limit)) {
            nearest = row->name;
            limit = d;
        }
    }
    return nearest;
}
