#include "collector/config/build.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void routing(struct build *b)
{
    static const char *const prefixes[] = {"FAPILOG_SINK_ROUTING__", NULL};
    const struct tables t = {{routing_opts}, {&b->c->routing}, 1};
    for (unsigned i = 0; i < LAYERS; i++) {
        const struct node *map = node_get(build_layer(b, i), "routing");
        if (map && map->kind != NODE_MAP)
            build_problem_at(b, -EINVAL, map, "routing: is %s, not a map", node_kind_name(map));
        for (const struct node *n = map && map->kind == NODE_MAP ? map->first : NULL; n; n = n->next)
            build_member(b, &t, "routing.", n);
    }
    build_environment(b, &t, "routing.", prefixes);
    build_sets(b, &t, "routing.");
}

static void rule(struct build *b, struct route_rule *r, unsigned i, const struct node *n)
{
    char path[32], place[NODE_PLACE_MAX];
    const struct tables t = {{route_opts}, {r}, 1};
    struct err why = {0};
    (void)snprintf(path, sizeof path, "routes[%u].", i);
    const int d = opt_defaults(route_opts, r, &why);
    if (d < 0)
        build_problem_at(b, d, n, "%s", why.text);
    if (n->kind != NODE_MAP)
        build_problem_at(b, -EINVAL, n, "routes[%u]: is %s, not a map such as {levels: [ERROR], to: [archive]}", i,
                         node_kind_name(n));
    for (const struct node *m = n->kind == NODE_MAP ? n->first : NULL; m; m = m->next)
        build_member(b, &t, path, m);
    r->source = strdup(node_place(n, place));
    path[strlen(path) - 1] = '\0';
    sources_set(b->c, "", path, source_of(n, place));
}

static void rules(struct build *b, const struct node *list)
{
    unsigned count = 0;
    if (list->kind != NODE_LIST) {
        build_problem_at(b, -EINVAL, list, "routes: is %s, not a list of rules", node_kind_name(list));
        return;
    }
    for (const struct node *n = list->first; n; n = n->next)
        count++;
    if (count > ROUTES_MAX) {
        build_problem_at(b, -E2BIG, list, "routes: more than %d rules", ROUTES_MAX);
        return;
    }
    b->c->routes.rule = calloc(count ? count : 1, sizeof(struct route_rule));
    if (!b->c->routes.rule) {
        build_problem(b, -ENOMEM, "routes: out of memory");
        return;
    }
    for (const struct node *n = list->first; n; n = n->next) {
        const uint32_t i = b->c->routes.count++;
        rule(b, &b->c->routes.rule[i], i, n);
    }
}

static const struct node *rules_of_environment(struct build *b)
{
    const struct env_var *v = env_get(&b->env, "FAPILOG_SINK_ROUTING__RULES");
    struct err why = {0};
    if (!v)
        return NULL;
    const int r = tree_parse(v->value, strlen(v->value), v->name, &b->rules, &why);
    if (r < 0)
        build_problem(b, r, "%s", why.text);
    return r < 0 ? NULL : tree_root(b->rules);
}

void build_routes(struct build *b)
{
    routing(b);
    const struct node *list = rules_of_environment(b);
    for (unsigned i = LAYERS; i-- > 0 && !list;) {
        list = node_get(build_layer(b, i), "routes");
        if (list && node_is_null(list))
            list = NULL;
    }
    if (list && b->c->routing.enabled)
        rules(b, list);
    b->c->routes.overlap = b->c->routing.overlap;
    if (b->c->routes.count)
        b->c->routes.fallback = b->c->routing.fallback;
    else if (b->c->routing.fallback.count && b->c->routing.enabled)
        build_warn(b, "routing.fallback has no effect without routes: every sink gets every record");
}
