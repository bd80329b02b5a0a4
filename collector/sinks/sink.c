#include "collector/sinks/sink.h"

#include "collector/format/format.h"
#include "lib/base/check.h"
#include "lib/base/edit_distance.h"
#include "lib/base/level_mask.h"
#include "lib/base/uri.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct opt sink_common_opts[] = {
    OPT_TEXT_(struct sink_common, name, "name", NULL, 0, "Name in messages, counters and routes."),
    OPT_TEXT_(struct sink_common, format, "format", NULL, 0, "How records are written; see --help."),
    OPT_LEVEL_(struct sink_common, min_severity, "min_severity", "1", OPT_LIVE,
               "Records below this level do not go to this sink."),
    OPT_LIST_(struct sink_common, levels, "levels", "", OPT_LIVE, "Only these levels; empty: all."),
    OPT_BOOL_(struct sink_common, source, "source", "false", OPT_LIVE,
              "Add file, line and function where the format has a place for them."),
    OPT_END,
};

static bool has_alias(const struct sink_ops *ops, const char *scheme)
{
    for (const char *const *alias = ops->aliases; alias && *alias; alias++)
        if (edit_distance(*alias, scheme) == 0)
            return true;
    return false;
}

const struct sink_ops *sink_find(const char *scheme)
{
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++)
        if (strcasecmp((*ops)->scheme, scheme) == 0 || has_alias(*ops, scheme))
            return *ops;
    return NULL;
}

static unsigned list_length(void)
{
    unsigned n = 0;
    while (sink_list[n])
        n++;
    return n;
}

int sink_register(const struct sink_ops *ops, struct err *e)
{
    const unsigned n = list_length();
    if (sink_find(ops->scheme))
        return err_set(e, -EEXIST, "there is a sink '%s' already: %s", ops->scheme, sink_find(ops->scheme)->summary);
    if (n == sink_list_room)
        return err_set(e, -ENOSPC, "sink %s: there are %u already", ops->scheme, n);
    sink_list[n] = ops;
    return 0;
}

void sink_unregister(const struct sink_ops *ops)
{
    unsigned i = 0;
    while (sink_list[i] && sink_list[i] != ops)
        i++;
    for (; sink_list[i]; i++)
        sink_list[i] = sink_list[i + 1];
}

const char *sink_schemes(char *ret, size_t size)
{
    size_t used = 0;
    ret[0] = '\0';
    for (const struct sink_ops *const *ops = sink_list; *ops && used < size; ops++)
        used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ", " : "", (*ops)->scheme);
    return ret;
}

const struct opt *sink_table(struct sink *s, unsigned i, void **ret_cfg)
{
    switch (i) {
    case 0: *ret_cfg = s->cfg; return s->ops->opts;
    case 1: *ret_cfg = &s->common; return sink_common_opts;
    case 2: *ret_cfg = &s->delivery; return s->ops->remote ? sink_delivery_opts : NULL;
    default: return NULL;
    }
}

const struct opt *sink_option(struct sink *s, const char *name, void **ret_cfg)
{
    const struct opt *rows, *row = NULL;
    for (unsigned i = 0; !row && (rows = sink_table(s, i, ret_cfg)); i++)
        row = opt_find(rows, name);
    return row;
}

int sink_level_mask(uint8_t min_severity, const struct opt_list *levels, uint32_t *ret, struct err *e)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; levels && i < levels->count; i++) {
        const int r = level_mask_add(levels->item[i], "levels", &mask, e);
        if (r < 0)
            return r;
    }
    if (!mask)
        mask = UINT32_MAX;
    *ret = mask & (UINT32_MAX << (min_severity < 31 ? min_severity : 31));
    return 0;
}

static void list_names(const struct opt *rows, char *ret, size_t size)
{
    size_t used = strlen(ret);
    for (; rows->type != OPT_END_ROW && used < size; rows++)
        used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ", " : "", rows->name);
}

static int refuse_key(struct sink *s, const char *key, struct err *e)
{
    char allowed[900] = "";
    const struct opt *rows;
    const char *near = NULL;
    void *cfg;
    if (!s->ops->remote && opt_find(sink_delivery_opts, key))
        return err_set(e, -EINVAL, "%s: no such option here: " SINK_REMOTE_ONLY, key);
    for (unsigned i = 0; (rows = sink_table(s, i, &cfg)); i++) {
        near = near ? near : opt_suggest(rows, key);
        list_names(rows, allowed, sizeof allowed);
    }
    const bool is_page = near && strlen(allowed) > OPT_NAMES_SHOWN;
    return err_set(e, -EINVAL, "%s: no such option%s%s%s%s%s%s", key, near ? "; did you mean '" : "", near ? near : "",
                   near ? "'?" : "", is_page ? "" : " (allowed: ", is_page ? "" : allowed, is_page ? "" : ")");
}

/* What options were given, so that none is given twice: by row, since an alias names the same one. */
struct given {
    const struct opt *row[URI_PARAMS_MAX + 8];
    unsigned count;
};

static int set_option(struct sink *s, struct given *g, const char *key, const char *value, struct err *e)
{
    void *cfg;
    const struct opt *row = sink_option(s, key, &cfg);
    if (!row)
        return refuse_key(s, key, e);
    for (unsigned i = 0; i < g->count; i++)
        if (g->row[i] == row)
            return err_set(e, -EINVAL, "%s: given twice", row->name);
    CHECK(g->count < ARRAY_COUNT(g->row));
    g->row[g->count++] = row;
    return opt_set(row, cfg, value, e);
}

static int set_part(struct sink *s, struct given *g, const char *name, const char *value, struct err *e)
{
    if (!value || !*value)
        return 0;
    if (!opt_find(s->ops->opts, name)) {
        const bool is_path = strcmp(name, "host") == 0 && opt_find(s->ops->opts, "path");
        return err_set(e, -EINVAL, "URI %s: '%s' has no meaning here%s", name,
                       strcmp(name, "password") == 0 ? "***" : value,
                       is_path ? "; an absolute path has three slashes, a relative one none" : "");
    }
    return set_option(s, g, name, value, e);
}

static int set_parts(struct sink *s, struct given *g, const struct uri *u, struct err *e)
{
    char port[8] = "";
    if (u->port)
        (void)snprintf(port, sizeof port, "%u", u->port);
    const struct uri_param parts[] = {
        {"user", u->user}, {"password", u->password}, {"host", u->host},
        {"port", port},    {"path", u->path},         {"fragment", u->fragment},
    };
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        const int r = set_part(s, g, parts[i].key, parts[i].value, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int set_from_uri(struct sink *s, const struct uri *u, struct err *e)
{
    struct given g = {0};
    int r = s->ops->from_uri ? s->ops->from_uri(s->cfg, u, e) : set_parts(s, &g, u, e);
    for (unsigned i = 0; i < u->params_count && r == 0; i++)
        r = set_option(s, &g, u->params[i].key, u->params[i].value, e);
    return r;
}

static int choose_format(struct sink *s, struct err *e)
{
    if (s->ops->wants_raw && s->common.format)
        return err_set(e, -EINVAL, "format: the %s sink writes records as they lie in the ring",
                       s->ops->scheme);
    if (s->common.format) {
        const int r = format_check(s->common.format, e);
        return r < 0 || !s->ops->format_check ? r : s->ops->format_check(s->cfg, format_find(s->common.format), e);
    }
    if (s->ops->wants_raw || (!s->ops->format_choose && !s->ops->format_default))
        return 0;
    const char *name = s->ops->format_choose ? s->ops->format_choose(s->cfg) : s->ops->format_default;
    s->common.format = strdup(name);
    return s->common.format ? 0 : err_set(e, -ENOMEM, "format: out of memory");
}

int sink_needs_lines(const void *cfg, const struct format_ops *f, struct err *e)
{
    (void)cfg;
    return f->is_lines ? 0 : err_set(e, -EINVAL, "format: '%s' is not one of lines", f->name);
}

const char *sink_default_text(const struct sink_ops *ops, const struct opt *row)
{
    for (const struct sink_default *d = ops->defaults; d && d->name; d++)
        if (strcmp(d->name, row->name) == 0)
            return d->value;
    return row->default_text;
}

static int set_defaults(struct sink *s, struct err *e)
{
    const struct opt *rows;
    void *cfg;
    for (unsigned i = 0; (rows = sink_table(s, i, &cfg)); i++) {
        const int r = opt_defaults(rows, cfg, e);
        if (r < 0)
            return r;
    }
    for (const struct sink_default *d = s->ops->defaults; d && d->name; d++) {
        const struct opt *row = sink_option(s, d->name, &cfg);
        CHECK(row != NULL);
        const int r = opt_set(row, cfg, d->value, e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* It becomes part of paths (the spool), of routes and of metrics. */
static int check_name(const char *name, struct err *e)
{
    const size_t len = name ? strlen(name) : 1;
    if (name && (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-") != len ||
                 *name == '.'))
        return err_set(e, -EINVAL, "name: '%s' must be letters, digits, '_', '-', '+' and '.'", name);
    if (len < 1 || len > SINK_NAME_MAX)
        return err_set(e, -EINVAL, "name: '%s' must have 1..%d bytes", name, SINK_NAME_MAX);
    return 0;
}

int sink_finish(struct sink *s, struct err *e)
{
    int r = opt_complete(s->ops->opts, s->cfg, e);
    if (r == 0)
        r = check_name(s->common.name, e);
    if (r == 0 && s->ops->check)
        r = s->ops->check(s->cfg, e);
    if (r == 0 && s->ops->check_own)
        r = s->ops->check_own(s, e);
    if (r == 0)
        r = choose_format(s, e);
    if (r == 0)
        r = sink_level_mask(s->common.min_severity, &s->common.levels, &s->common.level_mask, e);
    return r;
}

int sink_lookup(const char *scheme, const struct sink_ops **ret, struct err *e)
{
    char built_in[400];
    const char *near = NULL;
    *ret = sink_find(scheme);
    if (*ret)
        return 0;
    for (const struct sink_absent *a = sink_absent_list; a->scheme; a++)
        if (edit_distance(a->scheme, scheme) == 0)
            return err_set(e, -EPROTONOSUPPORT, "%s: this build has no such sink: it did not find %s", scheme,
                           a->missing);
    for (const struct sink_ops *const *ops = sink_list; *ops && !near; ops++)
        if (edit_distance((*ops)->scheme, scheme) <= 2)
            near = (*ops)->scheme;
    return err_set(e, -EPROTONOSUPPORT, "%s: no such sink%s%s%s (built in: %s)", scheme,
                   near ? "; did you mean '" : "", near ? near : "", near ? ":'?" : "",
                   sink_schemes(built_in, sizeof built_in));
}

static struct sink *sink_allocate(const struct sink_ops *ops)
{
    struct sink *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->ops = ops;
    s->cfg = calloc(1, ops->cfg_size ? ops->cfg_size : 1);
    s->state = calloc(1, ops->state_size ? ops->state_size : 1);
    if (s->cfg && s->state)
        return s;
    free(s->cfg);
    free(s->state);
    free(s);
    return NULL;
}

int sink_new_empty(const struct sink_ops *ops, struct sink **ret, struct err *e)
{
    CHECK(ops->abi == SINK_ABI);
    struct sink *s = sink_allocate(ops);
    if (!s)
        return err_set(e, -ENOMEM, "sink %s: out of memory", ops->scheme);
    const int r = set_defaults(s, e);
    if (r < 0) {
        sink_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int sink_set_alias(struct sink *s, const char *alias, struct err *e)
{
    int r = 0;
    for (const struct sink_alias *a = s->ops->alias_options; a && a->alias && r == 0; a++) {
        void *cfg;
        if (edit_distance(a->alias, alias) != 0)
            continue;
        const struct opt *row = sink_option(s, a->name, &cfg);
        CHECK(row != NULL);
        r = opt_set(row, cfg, a->value, e);
    }
    return r;
}

int sink_set_uri(struct sink *s, const char *uri, struct err *e)
{
    auto_uri u = {0};
    const int r = uri_parse(uri, &u, e);
    if (r < 0)
        return r;
    if (sink_find(u.scheme) != s->ops)
        return err_set(e, -EINVAL, "%s: is not a URI of the %s sink", u.scheme, s->ops->scheme);
    return set_from_uri(s, &u, e);
}

void sink_free(struct sink *s)
{
    if (!s)
        return;
    const struct opt *rows;
    void *cfg;
    for (unsigned i = 0; (rows = sink_table(s, i, &cfg)); i++)
        opt_free(rows, cfg);
    free(s->cfg);
    free(s->state);
    free(s);
}
