/* What the collector does under pressure (collector/stage/pressure.h). */
#include "collector/config/build.h"
#include "collector/config/env_reference.h"

#include <errno.h>
#include <stdio.h>

/* Levels are protected in the core there; what is older than FAPILOG_ADAPTIVE__ gives way to it. */
static void core_levels(struct build *b, const struct tables *t)
{
    const struct env_var *v = env_get(&b->env, "FAPILOG_CORE__PROTECTED_LEVELS");
    if (v)
        build_text(b, t, "adaptive.", "protected_levels", v->value, v->name);
}

/* Why there is no such option, or NULL. */
static const char *refused(const char *key)
{
    char name[80];
    (void)snprintf(name, sizeof name, "ADAPTIVE__%s", key);
    return opt_find(pressure_opts, key) ? NULL : env_reference(name);
}

static void member(struct build *b, const struct tables *t, const struct node *n)
{
    const char *const why = refused(n->key->text);
    if (why)
        build_problem_at(b, -EINVAL, n->key, "adaptive.%s: there is no such option: %s", n->key->text, why);
    else
        build_member(b, t, "adaptive.", n);
}

void build_adaptive(struct build *b)
{
    static const char *const prefixes[] = {"FAPILOG_ADAPTIVE__", NULL};
    const struct tables t = {{pressure_opts}, {&b->c->adaptive}, 1};
    const unsigned before = b->problems_count;
    struct err why = {0};
    for (unsigned i = 0; i < LAYERS; i++) {
        const struct node *map = node_get(build_layer(b, i), "adaptive");
        if (map && map->kind != NODE_MAP)
            build_problem_at(b, -EINVAL, map, "adaptive: is %s, not a map such as {enabled: true}",
                             node_kind_name(map));
        for (const struct node *n = map && map->kind == NODE_MAP ? map->first : NULL; n; n = n->next)
            member(b, &t, n);
    }
    core_levels(b, &t);
    build_environment(b, &t, "adaptive.", prefixes);
    build_sets(b, &t, "adaptive.");
    const int r = b->problems_count == before ? pressure_check(&b->c->adaptive, &why) : 0;
    if (r < 0)
        build_problem(b, r, "%s", why.text);
}

uint32_t build_stages_total(const struct build *b)
{
    return b->c->stages_count + b->c->adaptive.enabled;
}
