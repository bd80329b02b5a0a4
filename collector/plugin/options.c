/* Public rows become rows of the collector. They are looked at closely: a mistake in one would write beyond a
 * configuration. */
#include "collector/plugin/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct fapilog_list) == sizeof(struct opt_list) &&
               offsetof(struct fapilog_list, count) == offsetof(struct opt_list, count), "filled in by opt_set()");
_Static_assert(sizeof(struct fapilog_map) == sizeof(struct opt_map) &&
               sizeof(struct fapilog_pair) == sizeof(struct opt_pair) &&
               offsetof(struct fapilog_pair, value) == offsetof(struct opt_pair, value), "likewise");
_Static_assert(sizeof(struct fapilog_word) == sizeof(struct opt_word) &&
               offsetof(struct fapilog_word, value) == offsetof(struct opt_word, value), "read by opt_set()");

enum { ROWS_MAX = 256 };

static const struct type {
    enum opt_type type;
    uint32_t size, align;
} types[] = {
    [FAPILOG_OPTION_TEXT] = { OPT_TEXT, sizeof(char *), _Alignof(char *) },
    [FAPILOG_OPTION_BOOL] = { OPT_BOOL, sizeof(bool), _Alignof(bool) },
    [FAPILOG_OPTION_UINT] = { OPT_UINT, sizeof(uint64_t), _Alignof(uint64_t) },
    [FAPILOG_OPTION_SIZE] = { OPT_SIZE, sizeof(uint64_t), _Alignof(uint64_t) },
    [FAPILOG_OPTION_DURATION] = { OPT_DURATION, sizeof(uint64_t), _Alignof(uint64_t) },
    [FAPILOG_OPTION_WORD] = { OPT_WORD, sizeof(uint32_t), _Alignof(uint32_t) },
    [FAPILOG_OPTION_LIST] = { OPT_LIST, sizeof(struct opt_list), _Alignof(struct opt_list) },
    [FAPILOG_OPTION_MAP] = { OPT_MAP, sizeof(struct opt_map), _Alignof(struct opt_map) },
    [FAPILOG_OPTION_REAL] = { OPT_REAL, sizeof(double), _Alignof(double) },
    [FAPILOG_OPTION_LEVEL] = { OPT_LEVEL, sizeof(uint8_t), _Alignof(uint8_t) },
};
enum { TYPES = sizeof types / sizeof *types };

static bool is_name(const char *name)
{
    return name && *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name) && strlen(name) < 40;
}

int plugin_check_name(const char *what, const char *name, const char *summary, struct err *e)
{
    if (!is_name(name))
        return err_set(e, -EINVAL, "%s '%s': its name must be 1..39 lower-case letters, digits and '_'", what,
                       name ? name : "");
    if (!summary || !*summary)
        return err_set(e, -EINVAL, "%s %s: has no summary", what, name);
    return 0;
}

static const char *mistake(const struct fapilog_option *o, uint32_t config_size, const struct opt *before)
{
    const struct type *t = o->type < TYPES ? &types[o->type] : NULL;
    if (!t || !t->size)
        return "has a type that this collector does not know";
    if (!is_name(o->name))
        return "must have a name of lower-case letters, digits and '_'";
    if (!o->help || !*o->help)
        return "has no help";
    if (o->offset % t->align || o->offset > config_size || t->size > config_size - o->offset)
        return "does not lie inside its configuration";
    if (o->type == FAPILOG_OPTION_WORD && !o->words)
        return "has no words";
    if (o->type == FAPILOG_OPTION_REAL && !(o->real_min < o->real_max)) /* not a number is neither */
        return "has no bounds: real_min must be less than real_max";
    if (o->flags & FAPILOG_OPTION_REQUIRED && o->default_text)
        return "is required and has a default";
    if (o->type != FAPILOG_OPTION_TEXT && o->type != FAPILOG_OPTION_LIST && o->type != FAPILOG_OPTION_MAP &&
        !o->default_text && !(o->flags & FAPILOG_OPTION_REQUIRED))
        return "has no default";
    return opt_find(before, o->name) ? "is there twice" : NULL;
}

static void convert(const struct fapilog_option *o, struct opt *ret)
{
    const bool is_collection = o->type == FAPILOG_OPTION_LIST || o->type == FAPILOG_OPTION_MAP;
    *ret = (struct opt){
        .type = types[o->type].type, .name = o->name, .default_text = o->default_text, .min = o->min, .max = o->max,
        .words = (const struct opt_word *)(const void *)o->words,
        .flags = (o->flags & FAPILOG_OPTION_REQUIRED ? OPT_REQUIRED : 0u) |
                 (o->flags & FAPILOG_OPTION_SECRET ? OPT_SECRET : 0u),
        .offset = o->offset, .help = o->help,
    };
    if (o->type == FAPILOG_OPTION_REAL) {
        ret->min = ret->max = 0;
        ret->real_min = o->real_min;
        ret->real_max = o->real_max;
    } else if (o->type == FAPILOG_OPTION_LEVEL) {
        ret->min = 1;
        ret->max = FAPILOG_LEVEL_OFF;
    }
    if (is_collection && (!ret->max || ret->max > OPT_LIST_MAX))
        ret->max = OPT_LIST_MAX;
    if (is_collection && !ret->default_text && !(ret->flags & OPT_REQUIRED))
        ret->default_text = "";
}

/* Defaults are for the user's parser, so they are given to it once. */
static int try_defaults(const struct opt *rows, uint32_t config_size, struct err *e)
{
    void *cfg = calloc(1, config_size ? config_size : 1);
    if (!cfg)
        return err_set(e, -ENOMEM, "out of memory");
    const int r = opt_defaults(rows, cfg, e);
    opt_free(rows, cfg);
    free(cfg);
    return r;
}

int plugin_options(struct plugin *p, const char *what, const struct fapilog_option *rows, uint32_t config_size,
                   const struct opt **ret, struct err *e)
{
    static const struct opt none[] = { OPT_END };
    unsigned n = 0;
    *ret = none;
    if (!rows)
        return 0;
    while (n <= ROWS_MAX && rows[n].type != FAPILOG_OPTION_END)
        n++;
    if (n > ROWS_MAX)
        return err_set(e, -E2BIG, "%s: more than %d options, or no FAPILOG_OPTION_END", what, ROWS_MAX);
    struct opt *made = plugin_alloc(p, (n + 1) * sizeof *made); /* zero: an OPT_END_ROW follows whatever is there */
    if (!made)
        return err_set(e, -ENOMEM, "%s: out of memory", what);
    for (unsigned i = 0; i < n; i++) {
        const char *wrong = mistake(&rows[i], config_size, made);
        if (wrong)
            return err_set(e, -EINVAL, "%s: option %u '%s' %s", what, i, rows[i].name ? rows[i].name : "", wrong);
        convert(&rows[i], &made[i]);
    }
    *ret = made;
    const int r = try_defaults(made, config_size, e);
    return r < 0 ? err_wrap(e, r, "the default of an option of %s", what) : 0;
}
