/* The stages. Those of a file come after those of its preset, but for one that the preset has as well: there the
 * file changes its options, or takes it out (`- KIND: false`). Those that the environment names come last, where they
 * are not there yet. So adding a stage never takes redaction away; changing the list of one may, and is warned of. */
#include "collector/config/build.h"
#include "lib/base/check.h"
#include "lib/base/edit_distance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const group_names[STAGE_GROUP_COUNT] = {
    [STAGE_FILTER] = "FILTER", [STAGE_ENRICH] = "ENRICHER", [STAGE_REDACT] = "REDACTOR", [STAGE_PROCESS] = "PROCESSOR",
};

void stage_prefixes(struct env_prefixes *ret, const struct stage_ops *ops)
{
    char head[60];
    (void)snprintf(head, sizeof head, "FAPILOG_%s_CONFIG__", group_names[ops->group]);
    env_prefixes(ret, head, ops->kind, ops->aliases, ops->env_prefixes);
}

static void unknown(struct build *b, const struct node *at, const char *kind)
{
    char built_in[600] = "";
    size_t used = 0;
    const char *near = NULL;
    for (const struct stage_ops *const *ops = stage_list; *ops && used < sizeof built_in; ops++) {
        used += (size_t)snprintf(built_in + used, sizeof built_in - used, "%s%s", used ? ", " : "", (*ops)->kind);
        if (!near && edit_distance((*ops)->kind, kind) <= 2)
            near = (*ops)->kind;
    }
    build_problem_at(b, -EINVAL, at, "stages: %s: no such stage%s%s%s (built in: %s, and enrich for a list of "
                                     "enrichers)",
                     kind, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", used
                         ? built_in : "none");
}

/* The name of the nth of its kind. */
static void name_of(const struct stage_ops *ops, unsigned nth, char *ret, size_t size)
{
    if (nth == 0)
        (void)snprintf(ret, size, "%s", ops->kind);
    else
        (void)snprintf(ret, size, "%s-%u", ops->kind, nth + 1);
}

static unsigned find(const struct config *c, const char *name)
{
    unsigned i = 0;
    while (i < c->stages_count && strcmp(c->stage[i]->name, name) != 0)
        i++;
    return i;
}

static struct stage *add(struct build *b, const struct stage_ops *ops, const char *name, const char *place)
{
    struct config *c = b->c;
    struct err why = {0};
    struct stage *s;
    if (c->stages_count == STAGES_MAX) {
        build_problem(b, -E2BIG, "%s: stages: more than %d", place, STAGES_MAX);
        return NULL;
    }
    const int r = stage_new(ops, &s, &why);
    char *copy = r < 0 ? NULL : strdup(name);
    if (!copy) {
        build_problem(b, r < 0 ? r : -ENOMEM, "%s: stages.%s: %s", place, name, r < 0 ? why.text : "out of memory");
        if (r == 0)
            stage_free(s);
        return NULL;
    }
    free((void *)(uintptr_t)s->name);
    s->name = copy;
    c->stage[c->stages_count++] = s;
    return s;
}

static void remove_stage(struct config *c, unsigned i)
{
    stage_free(c->stage[i]);
    memmove(&c->stage[i], &c->stage[i + 1], (--c->stages_count - i) * sizeof c->stage[0]);
}

/* How often each kind has come in this layer. */
struct seen {
    const struct stage_ops *ops[STAGES_MAX];
    unsigned count;
};

static unsigned times(struct seen *seen, const struct stage_ops *ops)
{
    unsigned n = 0;
    for (unsigned i = 0; i < seen->count; i++)
        n += seen->ops[i] == ops;
    if (seen->count < STAGES_MAX)
        seen->ops[seen->count++] = ops;
    return n;
}

static void entry(struct build *b, struct seen *seen, const char *kind, const struct node *at,
                  const struct node *options)
{
    char name[80], path[100], place[NODE_PLACE_MAX];
    const struct stage_ops *ops = stage_find(kind);
    if (!ops) {
        unknown(b, at, kind);
        return;
    }
    name_of(ops, times(seen, ops), name, sizeof name);
    const unsigned i = find(b->c, name);
    const bool is_there = i < b->c->stages_count;
    if (options && options->kind == NODE_SCALAR && strcmp(options->text, "false") == 0) {
        if (is_there)
            remove_stage(b->c, i);
        return;
    }
    struct stage *s = is_there ? b->c->stage[i] : add(b, ops, name, node_place(at, place));
    if (!s)
        return;
    sources_set(b->c, "stages.", name, source_of(at, place));
    (void)snprintf(path, sizeof path, "stages.%s.", name);
    const struct tables t = tables_of_stage(s);
    for (const struct node *n = options && options->kind == NODE_MAP ? options->first : NULL; n; n = n->next)
        build_member(b, &t, path, n);
}

static void enrich(struct build *b, struct seen *seen, const struct node *list)
{
    for (const struct node *n = list->first; n; n = n->next) {
        if (n->kind == NODE_SCALAR && !node_is_null(n))
            entry(b, seen, n->text, n, NULL);
        else
            build_problem_at(b, -EINVAL, n, "stages: enrich: is %s where the name of an enricher belongs",
                             node_kind_name(n));
    }
}

static void item(struct build *b, struct seen *seen, const struct node *n)
{
    const struct node *member = n->kind == NODE_MAP ? n->first : NULL;
    if (n->kind == NODE_SCALAR && !node_is_null(n)) {
        entry(b, seen, n->text, n, NULL);
        return;
    }
    if (!member || member->next) {
        build_problem_at(b, -EINVAL, n, "stages: an entry is the name of a stage, or a map with that name as its "
                                        "only key: "
                         "- rate_limit: {capacity: 10}");
        return;
    }
    if (strcmp(member->key->text, "enrich") == 0 && member->kind == NODE_LIST) {
        enrich(b, seen, member);
        return;
    }
    const bool is_off = member->kind == NODE_SCALAR && strcmp(member->text, "false") == 0;
    if (member->kind != NODE_MAP && !node_is_null(member) && !is_off)
        build_problem_at(b, -EINVAL, member, "stages: %s: is %s where a map of options, or false, belongs",
                         member->key->text, node_kind_name(member));
    else
        entry(b, seen, member->key->text, member->key, member);
}

static void layer(struct build *b, const struct node *root)
{
    struct seen seen = {0};
    const struct node *list = node_get(root, "stages");
    if (list && list->kind != NODE_LIST && !node_is_null(list))
        build_problem_at(b, -EINVAL, list, "stages: is %s, not a list of stages", node_kind_name(list));
    for (const struct node *n = list && list->kind == NODE_LIST ? list->first : NULL; n; n = n->next)
        item(b, &seen, n);
}

/* ---- the environment ---- */

/* What the reference loads by name and needs no stage here. */
static bool is_built_in(struct build *b, const char *variable, const char *kind)
{
    const char *const why = strcasecmp(kind, "context_vars") == 0 ? "what a thread binds travels with its records"
                            : strcasecmp(kind, "zero_copy") == 0  ? "records are never copied before they are written"
                                                                  : NULL;
    if (why)
        build_warn(b, "%s: %s adds nothing: %s", variable, kind, why);
    return why != NULL;
}

static void named(struct build *b, const char *variable, enum stage_group group, const char *kind)
{
    char built_in[600] = "";
    size_t used = 0;
    const struct stage_ops *const found = stage_find(kind);
    if (is_built_in(b, variable, kind))
        return;
    if (found && found->group == group) {
        if (find(b->c, found->kind) == b->c->stages_count && add(b, found, found->kind, variable))
            sources_set(b->c, "stages.", found->kind, variable);
        return;
    }
    for (const struct stage_ops *const *ops = stage_list; *ops && used < sizeof built_in; ops++)
        if ((*ops)->group == group)
            used += (size_t)snprintf(built_in + used, sizeof built_in - used, "%s%s", used ? ", " : "", (*ops)->kind);
    build_problem(b, -EINVAL, "%s: '%s' is none of %s", variable, kind, built_in);
}

static void named_by_variable(struct build *b, const char *variable, enum stage_group group)
{
    const struct env_var *const v = env_get(&b->env, variable);
    struct opt_list list = {0};
    if (!v)
        return;
    if (opt_parse_list(v->value, &list) < 0)
        build_problem(b, -EINVAL, "%s: '%s' is not a list of stages, with commas or as JSON", v->name, v->value);
    else if (!list.count)
        build_warn(b, "%s takes nothing out; `- KIND: false` among the stages of a file does", v->name);
    for (uint32_t i = 0; i < list.count; i++)
        named(b, v->name, group, list.item[i]);
    opt_list_free(&list);
}

static void environment(struct build *b, struct stage *s, const struct tables *t, const char *path)
{
    static const struct env_shared of_redactors[] = {
        {"FAPILOG_CORE__REDACTION_FAIL_MODE", "fail_mode"},
        {"FAPILOG_CORE__REDACTION_MAX_DEPTH", "max_depth"},
        {"FAPILOG_CORE__REDACTION_MAX_KEYS_SCANNED", "max_keys"},
        {NULL, NULL},
    };
    struct env_prefixes p;
    if (s->ops->group == STAGE_REDACT && opt_find(s->ops->opts, "max_keys")) /* not those of plug-ins */
        build_shared(b, t, path, of_redactors);
    stage_prefixes(&p, s->ops);
    build_environment(b, t, path, p.item);
}

/* ---- what of the preset's redaction is gone ---- */

/* Of kinds of values `all` is more than `auto`. */
static bool has_entry(const struct opt_list *l, const char *text)
{
    const bool is_auto = strcasecmp(text, "auto") == 0;
    for (uint32_t i = 0; i < l->count; i++)
        if (strcasecmp(l->item[i], text) == 0 || (is_auto && strcasecmp(l->item[i], "all") == 0))
            return true;
    return false;
}

static void warn_of_list(struct build *b, const struct opt *row, const struct stage *before, const struct stage *now,
                         const char *preset)
{
    const struct opt_list *const had = (const void *)((const char *)before->cfg + row->offset);
    const struct opt_list *const has = (const void *)((const char *)now->cfg + row->offset);
    char gone[400] = "", key[100];
    size_t used = 0;
    for (uint32_t i = 0; i < had->count && used < sizeof gone; i++)
        if (!has_entry(has, had->item[i]))
            used += (size_t)snprintf(gone + used, sizeof gone - used, "%s%s", used ? ", " : "", had->item[i]);
    if (!used)
        return;
    (void)snprintf(key, sizeof key, "stages.%s.%s", now->name, row->name);
    build_warn(b, "%s: %s: without %s, which %s has; a list replaces the preset's, so name in it what is to stay",
               config_source(b->c, key), key, gone, preset);
}

/* Somebody who adds to what is redacted may not know that a list replaces the one of the preset. The stages of the
 * preset alone are made a second time, to compare with. */
static void warn_of_dropped(struct build *b)
{
    const struct node *const root = build_layer(b, 0);
    char place[NODE_PLACE_MAX];
    struct config *const of_preset = root ? calloc(1, sizeof *of_preset) : NULL;
    if (!of_preset)
        return;
    struct build alone = {.args = b->args, .c = of_preset};
    layer(&alone, root);
    for (unsigned i = 0; i < of_preset->stages_count; i++) {
        const struct stage *const s = of_preset->stage[i];
        const unsigned at = find(b->c, s->name);
        if (s->ops->group != STAGE_REDACT || at == b->c->stages_count) /* taken out by its name, which says it */
            continue;
        for (const struct opt *row = s->ops->opts; row->type != OPT_END_ROW; row++)
            if (row->type == OPT_LIST)
                warn_of_list(b, row, s, b->c->stage[at], source_of(root, place));
    }
    config_free(of_preset);
    buf_done(&alone.problems);
    free(of_preset);
}

void build_stages(struct build *b)
{
    for (unsigned i = 0; i < LAYERS; i++)
        layer(b, build_layer(b, i));
    named_by_variable(b, "FAPILOG_CORE__FILTERS", STAGE_FILTER);
    named_by_variable(b, "FAPILOG_CORE__ENRICHERS", STAGE_ENRICH);
    named_by_variable(b, "FAPILOG_CORE__REDACTORS", STAGE_REDACT);
    named_by_variable(b, "FAPILOG_CORE__PROCESSORS", STAGE_PROCESS);
    for (unsigned i = 0; i < b->c->stages_count; i++) {
        struct stage *s = b->c->stage[i];
        const struct tables t = tables_of_stage(s);
        const unsigned before = b->problems_count;
        char path[100];
        struct err why = {0};
        (void)snprintf(path, sizeof path, "stages.%s.", s->name);
        environment(b, s, &t, path);
        build_sets(b, &t, path);
        path[strlen(path) - 1] = '\0';
        const int r = b->problems_count == before ? stage_finish(s, &why) : 0;
        if (r < 0)
            build_problem(b, r, "%s: %s: %s", config_source(b->c, path), path, why.text);
    }
    warn_of_dropped(b);
}
