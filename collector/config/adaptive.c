/* What the collector does under pressure (collector/stage/pressure.h). */
#include "collector/config/build.h"

#include <errno.h>

/* Levels are protected in the core there; what is older than FAPILOG_ADAPTIVE__ gives way to it. */
static void core_levels(struct build *b, const struct tables *t)
{
    const struct env_var *v = env_get(&b->env, "FAPILOG_CORE__PROTECTED_LEVELS");
    if (v)
        build_text(b, t, "adaptive.", "protected_levels", v->value, v->name);
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
            build_member(b, &t, "adaptive.", n);
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
