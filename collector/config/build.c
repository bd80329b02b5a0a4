#include "collector/config/build.h"

#include "collector/format/text.h"
#include "lib/base/check.h"
#include "lib/base/json_escape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct node *build_layer(const struct build *b, unsigned i)
{
    const struct tree *t = i == 0 ? b->preset : b->file;
    return t ? tree_root(t) : NULL;
}

static void add_problem(struct build *b, int code, const char *place, const char *text)
{
    if (b->problems_count++ == 0)
        b->code = code;
    char clean[ERR_TEXT_MAX * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK]; /* a line feed stands between problems */
    unsigned flags = 0;
    *text_clean(text, strlen(text), clean, &flags) = '\0';
    (void)buf_printf(&b->problems, "%s%s%s%s", b->problems.len ? "\n" : "", place, *place ? ": " : "", clean);
}

void build_problem(struct build *b, int code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    add_problem(b, code, "", text);
}

void build_problem_at(struct build *b, int code, const struct node *n, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX], place[NODE_PLACE_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    add_problem(b, code, node_place(n, place), text);
}

void build_warn(struct build *b, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (b->c->warnings_count == ARRAY_COUNT(b->c->warning))
        return;
    char *copy = strdup(text);
    if (copy)
        b->c->warning[b->c->warnings_count++] = copy;
}

struct tables tables_of_sink(struct sink *s)
{
    struct tables t = {0};
    while (t.count < ARRAY_COUNT(t.rows) && (t.rows[t.count] = sink_table(s, t.count, &t.cfg[t.count])))
        t.count++;
    return t;
}

struct tables tables_of_stage(struct stage *s)
{
    return (struct tables){{s->ops->opts}, {s->cfg}, 1};
}

const struct opt *tables_find(const struct tables *t, const char *name, void **ret_cfg)
{
    const struct opt *row = NULL;
    for (unsigned i = 0; i < t->count && !row; i++) {
        row = opt_find(t->rows[i], name);
        *ret_cfg = t->cfg[i];
    }
    return row;
}

const char *tables_suggest(const struct tables *t, const char *name)
{
    const char *near = NULL;
    for (unsigned i = 0; i < t->count && !near; i++)
        near = opt_suggest(t->rows[i], name);
    return near;
}

static bool is_of_remote_sinks(const struct tables *t, const char *name)
{
    bool is_sink = false;
    for (unsigned i = 0; i < t->count; i++) {
        if (t->rows[i] == sink_delivery_opts)
            return false;
        is_sink |= t->rows[i] == sink_common_opts;
    }
    return is_sink && opt_find(sink_delivery_opts, name);
}

static void unknown(struct build *b, const struct tables *t, const char *place, const char *path, const char *name)
{
    if (is_of_remote_sinks(t, name)) {
        build_problem(b, -EINVAL, "%s: %s%s: no such option here: " SINK_REMOTE_ONLY, place, path, name);
        return;
    }
    char allowed[700] = "";
    size_t used = 0;
    for (unsigned i = 0; i < t->count; i++)
        for (const struct opt *row = t->rows[i]; row->type != OPT_END_ROW && used < sizeof allowed; row++)
            used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s", used ? ", " : "", row->name);
    const char *near = tables_suggest(t, name);
    const bool is_page = near && strlen(allowed) > OPT_NAMES_SHOWN;
    build_problem(b, -EINVAL, "%s: %s%s: no such option%s%s%s%s%s%s", place, path, name,
                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", is_page ? "" : " (allowed: ",
                  is_page ? "" : allowed, is_page ? "" : ")");
}

void build_text(struct build *b, const struct tables *t, const char *path, const char *name, const char *value,
                const char *source)
{
    struct err why = {0};
    void *cfg;
    const struct opt *row = tables_find(t, name, &cfg);
    if (!row) {
        unknown(b, t, source, path, name);
        return;
    }
    const int r = opt_set(row, cfg, value, &why);
    if (r < 0)
        build_problem(b, r, "%s: %s%s", source, path, config_behind_source(source, why.text));
    else
        sources_set(b->c, path, row->name, source);
}

void build_member(struct build *b, const struct tables *t, const char *path, const struct node *n)
{
    char place[NODE_PLACE_MAX], *value = NULL;
    struct err why = {0};
    void *cfg;
    const struct opt *row = tables_find(t, n->key->text, &cfg);
    if (!row) {
        unknown(b, t, node_place(n->key, place), path, n->key->text);
        return;
    }
    int r = node_value(row, n, &value, &why);
    if (r < 0) {
        build_problem_at(b, r, n, "%s%s: %s", path, row->name, why.text);
        return;
    }
    r = opt_set(row, cfg, value, &why);
    free(value);
    if (r < 0)
        build_problem_at(b, r, n, "%s%s", path, why.text);
    else
        sources_set(b->c, path, row->name, source_of(n, place));
}

void build_environment(struct build *b, const struct tables *t, const char *path, const char *const *prefixes)
{
    for (unsigned i = 0; i < b->env.count; i++) {
        struct env_var *v = &b->env.var[i];
        const char *name = NULL;
        void *cfg;
        for (const char *const *p = prefixes; *p && !name; p++)
            name = env_rest(v, *p);
        if (!name || !tables_find(t, name, &cfg))
            continue;
        v->is_used = true;
        build_text(b, t, path, name, v->value, v->name);
    }
}

void build_shared(struct build *b, const struct tables *t, const char *path, const struct env_shared *shared)
{
    for (; shared->variable; shared++) {
        const struct env_var *const v = env_get(&b->env, shared->variable);
        if (v)
            build_text(b, t, path, shared->option, v->value, v->name);
    }
}

void build_sets(struct build *b, const struct tables *t, const char *path)
{
    const size_t len = strlen(path);
    for (unsigned i = 0; i < b->args->sets_count; i++) {
        const char *text = b->args->set[i], *equals = strchr(text, '=');
        char name[128];
        if (!equals || strncasecmp(text, path, len) != 0)
            continue;
        const size_t name_len = (size_t)(equals - text) - len;
        const bool is_level = len == 0 && name_len == 5 && strncmp(text, "level", 5) == 0; /* see build_levels() */
        if (memchr(text + len, '.', name_len) || name_len >= sizeof name || is_level)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)name_len, text + len);
        b->set_used[i] = true;
        build_text(b, t, path, name, equals + 1, "--set");
    }
}
