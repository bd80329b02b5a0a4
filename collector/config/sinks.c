/* The sinks. The highest source that names any replaces those of the others; the options of each then come from
 * all sources. */
#include "collector/config/build.h"
#include "collector/delivery/pipeline.h"
#include "lib/base/check.h"
#include "lib/base/edit_distance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct draft {
    const char *name;           /* NULL: from the URI, or the scheme */
    const char *type;           /* NULL: the scheme of the URI */
    const char *uri;            /* NULL: none */
    const struct node *options; /* a map, or NULL */
    const char *uri_key;        /* of the map: the member that is the URI */
    char place[NODE_PLACE_MAX]; /* for messages */
    char source[NODE_PLACE_MAX];
};

static bool is_taken(const struct config *c, const char *name)
{
    bool is = false;
    for (uint32_t i = 0; i < c->sinks_count; i++)
        is |= strcmp(c->sink[i]->common.name, name) == 0;
    return is;
}

static void choose_name(const struct config *c, const struct draft *d, const struct uri *u, const struct sink_ops *ops,
                        char *ret, size_t size)
{
    const char *given = d->name;
    for (unsigned i = 0; !given && i < u->params_count; i++)
        if (edit_distance(u->params[i].key, "name") == 0 && *u->params[i].value)
            given = u->params[i].value;
    (void)snprintf(ret, size, "%s", given ? given : ops->scheme);
    for (unsigned n = 2; !given && is_taken(c, ret); n++)
        (void)snprintf(ret, size, "%s-%u", ops->scheme, n);
}

static void options_of_map(struct build *b, const struct draft *d, const struct tables *t, const char *path)
{
    for (const struct node *n = d->options ? d->options->first : NULL; n; n = n->next) {
        const char *key = n->key->text;
        if (strcmp(key, "type") == 0 || (d->uri_key && strcmp(key, d->uri_key) == 0))
            continue;
        if (strcmp(key, "name") == 0)
            build_problem_at(b, -EINVAL, n->key, "%sname: its key names the sink", path);
        else
            build_member(b, t, path, n);
    }
}

/* A preset names sinks of its own, and under x-sink-types what it wants of each sink of a type that others name. */
static void options_of_preset(struct build *b, const struct sink_ops *ops, const struct tables *t, const char *path)
{
    const struct node *const options = node_get(node_get(build_layer(b, 0), "x-sink-types"), ops->scheme);
    for (const struct node *n = options ? options->first : NULL; n; n = n->next)
        build_member(b, t, path, n);
}

static void environment(struct build *b, const struct sink_ops *ops, const struct tables *t, const char *path)
{
    static const struct env_shared of_remote[] = {
        {"FAPILOG_CORE__SINK_CIRCUIT_BREAKER_ENABLED", "breaker_enabled"},
        {"FAPILOG_CORE__SINK_CIRCUIT_BREAKER_FAILURE_THRESHOLD", "breaker_threshold"},
        {"FAPILOG_CORE__SINK_CIRCUIT_BREAKER_RECOVERY_TIMEOUT_SECONDS", "breaker_recovery"},
        {NULL, NULL},
    };
    struct env_prefixes p;
    if (ops->remote)
        build_shared(b, t, path, of_remote);
    env_prefixes(&p, "FAPILOG_SINK_CONFIG__", ops->scheme, ops->aliases, ops->env_prefixes);
    build_environment(b, t, path, p.item);
}

/* What a URI has set shows in what has changed: from_uri() may fill any row. */
struct snapshot {
    char *text[160];
    unsigned count;
};

static char *printed(const struct opt *row, const void *cfg)
{
    char text[2048] = "";
    (void)opt_print(row, cfg, text, sizeof text);
    return strdup(text);
}

static void snapshot_take(struct snapshot *s, const struct tables *t)
{
    for (unsigned i = 0; i < t->count; i++)
        for (const struct opt *row = t->rows[i]; row->type != OPT_END_ROW && s->count < ARRAY_COUNT(s->text); row++)
            s->text[s->count++] = printed(row, t->cfg[i]);
}

static void snapshot_compare(struct build *b, const struct snapshot *s, const struct tables *t, const char *path,
                             const char *source)
{
    unsigned k = 0;
    for (unsigned i = 0; i < t->count; i++)
        for (const struct opt *row = t->rows[i]; row->type != OPT_END_ROW && k < s->count; row++, k++) {
            char *now = printed(row, t->cfg[i]);
            if (now && s->text[k] && strcmp(now, s->text[k]) != 0)
                sources_set(b->c, path, row->name, source);
            free(now);
        }
}

static void uri_of(struct build *b, const struct draft *d, struct sink *s, const struct tables *t, const struct uri *u,
                   const char *path)
{
    struct snapshot before = {0};
    struct err why = {0};
    char source[NODE_PLACE_MAX + 8];
    (void)snprintf(source, sizeof source, "URI, %s", d->source);
    snapshot_take(&before, t);
    const int r = sink_set_uri(s, d->uri, &why);
    if (r < 0)
        build_problem(b, r, "%s: %.*s: %s", d->place, (int)strlen(path) - 1, path, why.text);
    snapshot_compare(b, &before, t, path, source);
    for (unsigned i = 0; r == 0 && i < u->params_count; i++) {
        void *cfg;
        const struct opt *row = tables_find(t, u->params[i].key, &cfg);
        if (row)
            sources_set(b->c, path, row->name, source);
    }
    for (unsigned i = 0; i < before.count; i++)
        free(before.text[i]);
}

static int lookup(struct build *b, const struct draft *d, struct uri *u, const struct sink_ops **ret)
{
    struct err why = {0};
    int r = d->uri ? uri_parse(d->uri, u, &why) : 0;
    if (r == 0)
        r = sink_lookup(d->type ? d->type : u->scheme, ret, &why);
    if (r == 0 && d->type && d->uri && sink_find(u->scheme) != *ret)
        r = err_set(&why, -EINVAL, "%s: is not a URI of the %s sink", u->scheme, d->type);
    if (r < 0)
        build_problem(b, r, "%s: %s%s%s%s", d->place, d->name ? "sinks." : "", d->name ? d->name : "", d->name
                      ? ": " : "",
                      why.text);
    return r;
}

static int alias_of(struct build *b, const struct draft *d, struct sink *s, const char *type, const char *path,
                    struct err *e)
{
    for (const struct sink_alias *a = s->ops->alias_options; a && a->alias; a++)
        if (edit_distance(a->alias, type) == 0)
            sources_set(b->c, path, a->name, d->source);
    return sink_set_alias(s, type, e);
}

/* Its name is what everything else of the configuration calls it by. */
static void rename_back(struct build *b, const struct draft *d, struct sink *s, const char *name)
{
    build_problem(b, -EINVAL, "%s: sinks.%s.name: cannot be '%s': the sink is called '%s'", d->place, name,
                  s->common.name ? s->common.name : "", name);
    char *copy = strdup(name);
    if (!copy)
        return;
    free((void *)(uintptr_t)s->common.name);
    s->common.name = copy;
}

static void add(struct build *b, const struct draft *d)
{
    auto_uri u = {.path = ""};
    const struct sink_ops *ops;
    struct sink *s;
    struct err why = {0};
    char name[256], path[300];
    if (b->c->sinks_count == FAPILOG_SINKS_MAX) {
        build_problem(b, -E2BIG, "%s: more than %d sinks", d->place, FAPILOG_SINKS_MAX);
        return;
    }
    if (d->name && !*d->name) {
        build_problem(b, -EINVAL, "%s: sinks: a sink needs a name", d->place);
        return;
    }
    if (lookup(b, d, &u, &ops) < 0)
        return;
    choose_name(b->c, d, &u, ops, name, sizeof name);
    (void)snprintf(path, sizeof path, "sinks.%s.", name);
    int r = sink_new_empty(ops, &s, &why);
    if (r < 0) {
        build_problem(b, r, "%s: %s", d->place, why.text);
        return;
    }
    const struct tables t = tables_of_sink(s);
    r = opt_set(opt_find(sink_common_opts, "name"), &s->common, name, &why);
    if (r == 0)
        r = alias_of(b, d, s, d->type ? d->type : u.scheme, path, &why);
    if (r < 0)
        build_problem(b, r, "%s: %s", d->place, why.text);
    b->c->sink[b->c->sinks_count++] = s;
    sources_set(b->c, "sinks.", name, d->source);
    sources_set(b->c, path, "name", d->source);
    options_of_preset(b, ops, &t, path);
    options_of_map(b, d, &t, path);
    environment(b, ops, &t, path);
    if (d->uri)
        uri_of(b, d, s, &t, &u, path);
    build_sets(b, &t, path);
    if (!s->common.name || strcmp(s->common.name, name) != 0)
        rename_back(b, d, s, name);
}

/* ---- where they are named ---- */

static void text_member(struct build *b, const struct draft *d, const struct node *n, const char **ret)
{
    if (n && (n->kind != NODE_SCALAR || node_is_null(n)))
        build_problem_at(b, -EINVAL, n, "sinks.%s.%s: is %s where a single value belongs", d->name, n->key->text,
                         node_kind_name(n));
    else if (n)
        *ret = n->text;
}

/* `uri` is one; `url` and `endpoint` are where the sink has no option of that name. */
static void uri_member(struct build *b, struct draft *d)
{
    static const char *const keys[] = {"uri", "url", "endpoint"};
    const struct sink_ops *ops = d->type ? sink_find(d->type) : NULL;
    for (size_t i = 0; i < ARRAY_COUNT(keys) && !d->uri; i++) {
        if (i > 0 && ops && opt_find(ops->opts, keys[i]))
            continue;
        text_member(b, d, node_get(d->options, keys[i]), &d->uri);
        if (d->uri)
            d->uri_key = keys[i];
    }
}

static void from_tree(struct build *b, const struct node *map)
{
    if (map->kind != NODE_MAP) {
        build_problem_at(b, -EINVAL, map, "sinks: is %s, not a map of names and sinks", node_kind_name(map));
        return;
    }
    for (const struct node *n = map->first; n; n = n->next) {
        struct draft d = {.name = n->key->text};
        (void)node_place(n, d.place);
        (void)source_of(n, d.source);
        if (n->kind == NODE_SCALAR && !node_is_null(n)) {
            d.uri = n->text;
        } else if (n->kind == NODE_MAP) {
            d.options = n;
            text_member(b, &d, node_get(n, "type"), &d.type);
            uri_member(b, &d);
        }
        if (d.uri || d.type)
            add(b, &d);
        else
            build_problem_at(b, -EINVAL, n, "sinks.%s: must be a URI, or a map with type (or uri) and options", d.name);
    }
}

static void from_text(struct build *b, const char *type, const char *uri, const char *source)
{
    struct draft d = {.type = type, .uri = uri};
    (void)snprintf(d.place, sizeof d.place, "%s", source);
    (void)snprintf(d.source, sizeof d.source, "%s", source);
    add(b, &d);
}

static void from_uris(struct build *b, const struct env_var *v)
{
    static const char blank[] = " \t\r\n";
    for (const char *text = v->value + strspn(v->value, blank); *text; text += strspn(text, blank)) {
        const size_t len = strcspn(text, blank);
        char *uri = strndup(text, len);
        if (uri)
            from_text(b, NULL, uri, v->name);
        else
            build_problem(b, -ENOMEM, "%s: out of memory", v->name);
        free(uri);
        text += len;
    }
}

static void from_types(struct build *b, const struct env_var *v)
{
    struct opt_list types = {0};
    if (opt_parse_list(v->value, &types) < 0)
        build_problem(b, -EINVAL, "%s: '%s' is not a list of sinks", v->name, v->value);
    for (uint32_t i = 0; i < types.count; i++)
        from_text(b, types.item[i], NULL, v->name);
    opt_list_free(&types);
}

/* S-03: what is given for a sink asks for that sink. */
static void from_nothing(struct build *b)
{
    const struct env_var *http = env_get(&b->env, "FAPILOG_HTTP__ENDPOINT");
    const struct env_var *file = env_get(&b->env, "FAPILOG_FILE__DIRECTORY");
    if (http)
        from_text(b, "http", NULL, http->name);
    else if (file)
        from_text(b, "file", NULL, file->name);
    else
        from_text(b, NULL, "console:", "default");
}

static void name_all(struct build *b)
{
    const struct env_var *uris = env_get(&b->env, "FAPILOG_SINKS");
    const struct env_var *types = env_get(&b->env, "FAPILOG_CORE__SINKS");
    const struct node *in_file = node_get(build_layer(b, 1), "sinks"), *in_preset = node_get(build_layer(b, 0),
            "sinks");
    if (b->args->sinks_count)
        for (unsigned i = 0; i < b->args->sinks_count; i++)
            from_text(b, NULL, b->args->sink[i], "--sink");
    else if (uris)
        from_uris(b, uris);
    else if (types)
        from_types(b, types);
    else if (in_file && !node_is_null(in_file))
        from_tree(b, in_file);
    else if (in_preset)
        from_tree(b, in_preset);
    else
        from_nothing(b);
}

/* A variable for a sink that is not used is checked all the same, and said. */
static void unused_variables(struct build *b)
{
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++) {
        struct sink *s;
        struct err why = {0};
        bool was_used[1024];
        for (unsigned i = 0; i < b->env.count && i < ARRAY_COUNT(was_used); i++)
            was_used[i] = b->env.var[i].is_used;
        if (sink_new_empty(*ops, &s, &why) < 0) {
            build_problem(b, -ENOMEM, "%s", why.text);
            return;
        }
        bool is_configured = false;
        for (uint32_t i = 0; i < b->c->sinks_count; i++)
            is_configured |= b->c->sink[i]->ops == *ops;
        const struct tables t = tables_of_sink(s);
        if (!is_configured)
            environment(b, *ops, &t, "");
        for (unsigned i = 0; i < b->env.count && i < ARRAY_COUNT(was_used); i++)
            if (b->env.var[i].is_used && !was_used[i])
                build_warn(b, "%s has no effect: there is no sink of type %s", b->env.var[i].name, (*ops)->scheme);
        sink_free(s);
    }
}

/* What a check has taken out of another option comes from where that one does. */
static void derived_of(struct config *c, struct sink *s, const char *path)
{
    char prefix[304], from[400], value[8];
    (void)snprintf(prefix, sizeof prefix, "%s.", path);
    for (const struct sink_derived *d = s->ops->derived; d && d->name; d++) {
        void *cfg;
        const struct opt *row = sink_option(s, d->name, &cfg);
        CHECK(row != NULL);
        (void)snprintf(from, sizeof from, "%s%s", prefix, d->name);
        if (opt_print(row, cfg, value, sizeof value) == 0 || strcmp(config_source(c, from), "default") != 0)
            continue;
        (void)snprintf(from, sizeof from, "%s%s", prefix, d->from);
        sources_set(c, prefix, d->name, config_source(c, from));
    }
}

/* Where the sink is from; or the option whose name begins the text, when that stands far from the sink. */
static const char *source_of_problem(const struct config *c, const char *path, const char *text)
{
    char option[400];
    (void)snprintf(option, sizeof option, "%s.%.*s", path, (int)strcspn(text, ": "), text);
    const char *source = config_source(c, option);
    return strcmp(source, "--set") == 0 ? source : config_source(c, path);
}

static void finish(struct build *b)
{
    struct err why = {0};
    for (uint32_t i = 0; i < b->c->sinks_count; i++) {
        char path[300];
        (void)snprintf(path, sizeof path, "sinks.%s", b->c->sink[i]->common.name);
        const int r = sink_finish(b->c->sink[i], &why);
        const char *variable = sources_variable(b->c, path);
        if (r < 0)
            build_problem(b, r, "%s: %s: %s%s%s%s", source_of_problem(b->c, path, why.text), path, why.text,
                          variable ? " (the environment has " : "", variable ? variable : "", variable ? ")" : "");
        else
            derived_of(b->c, b->c->sink[i], path);
    }
    const int r = b->problems_count ? 0 : pipeline_name_sinks(b->c->sink, b->c->sinks_count, &why);
    if (r < 0)
        build_problem(b, r, "%s", why.text);
}

void build_sinks(struct build *b)
{
    const unsigned before = b->problems_count;
    name_all(b);
    unused_variables(b);
    if (b->problems_count == before)
        finish(b);
}
