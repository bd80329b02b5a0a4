#include "collector/config/config.h"

#include <string.h>

/* Of two structures of the same rows. */
static enum config_change compare(const struct opt *row, const void *a, const void *b)
{
    enum config_change worst = CONFIG_SAME;
    for (; row->type != OPT_END_ROW; row++) {
        if (opt_equal(row, a, b))
            continue;
        if (!(row->flags & OPT_LIVE))
            return CONFIG_CHANGED;
        worst = CONFIG_LIVE;
    }
    return worst;
}

static enum config_change compare_sinks(struct sink *a, struct sink *b)
{
    enum config_change worst = CONFIG_SAME;
    const struct opt *rows;
    void *cfg_a, *cfg_b;
    if (a->ops != b->ops)
        return CONFIG_CHANGED;
    for (unsigned i = 0; (rows = sink_table(a, i, &cfg_a)) && sink_table(b, i, &cfg_b); i++) {
        const enum config_change c = compare(rows, cfg_a, cfg_b);
        worst = c > worst ? c : worst;
    }
    return worst;
}

static void diff_sinks(const struct config *before, const struct config *after, struct config_diff *ret)
{
    for (uint32_t i = 0; i < after->sinks_count; i++) {
        ret->sink[i] = CONFIG_ADDED;
        ret->sink_from[i] = -1;
        for (uint32_t k = 0; k < before->sinks_count; k++) {
            if (strcmp(before->sink[k]->common.name, after->sink[i]->common.name) != 0)
                continue;
            ret->sink[i] = compare_sinks(before->sink[k], after->sink[i]);
            ret->sink_from[i] = (int)k;
        }
    }
}

static void diff_stages(const struct config *before, const struct config *after, struct config_diff *ret)
{
    int last = -1;
    for (uint32_t i = 0; i < after->stages_count; i++) {
        const struct stage *s = after->stage[i];
        ret->stage[i] = CONFIG_ADDED;
        ret->stage_from[i] = -1;
        for (uint32_t k = 0; k < before->stages_count; k++) {
            const struct stage *old = before->stage[k];
            if (old->ops != s->ops || strcmp(old->name, s->name) != 0)
                continue;
            ret->stage[i] = compare(s->ops->opts, old->cfg, s->cfg);
            ret->stage_from[i] = (int)k;
            ret->are_stages_reordered |= (int)k < last;
            last = (int)k;
        }
    }
}

static unsigned levels_configured(const struct config *c)
{
    unsigned n = 0;
    while (n < c->levels_count && c->level[n].origin == LEVEL_CONFIGURED)
        n++;
    return n;
}

static bool levels_differ(const struct config *a, const struct config *b)
{
    const unsigned count = levels_configured(a);
    bool differ = count != levels_configured(b);
    for (unsigned i = 0; i < count && !differ; i++)
        differ = strcmp(a->level[i].prefix, b->level[i].prefix) != 0 || a->level[i].level != b->level[i].level;
    return differ;
}

static bool routes_differ(const struct config *a, const struct config *b)
{
    bool differ = a->routes.count != b->routes.count || compare(routing_opts, &a->routing, &b->routing) != CONFIG_SAME;
    for (uint32_t i = 0; i < a->routes.count && !differ; i++)
        differ = compare(route_opts, &a->routes.rule[i], &b->routes.rule[i]) != CONFIG_SAME;
    return differ;
}

void config_diff(const struct config *before, const struct config *after, struct config_diff *ret)
{
    memset(ret, 0, sizeof *ret);
    diff_sinks(before, after, ret);
    diff_stages(before, after, ret);
    ret->settings = compare(settings_opts, &before->settings, &after->settings) != CONFIG_SAME;
    ret->levels = levels_differ(before, after);
    ret->routes = routes_differ(before, after);
    ret->adaptive = compare(pressure_opts, &before->adaptive, &after->adaptive) != CONFIG_SAME;
}

static void move_live(const struct opt *row, void *a, void *b)
{
    for (; row->type != OPT_END_ROW; row++)
        if (row->flags & OPT_LIVE)
            opt_swap(row, a, b);
}

static void adopt_sink(struct sink **before, struct sink **after)
{
    struct sink *open = *before, *fresh = *after;
    const struct opt *rows;
    void *cfg_open, *cfg_fresh;
    for (unsigned i = 0; (rows = sink_table(open, i, &cfg_open)) && sink_table(fresh, i, &cfg_fresh); i++)
        move_live(rows, cfg_open, cfg_fresh);
    const uint32_t level_mask = open->common.level_mask; /* derived of live options */
    open->common.level_mask = fresh->common.level_mask;
    fresh->common.level_mask = level_mask;
    *after = open;
    *before = fresh;
}

void config_adopt(struct config *before, struct config *after, const struct config_diff *d)
{
    for (uint32_t i = 0; i < after->sinks_count; i++)
        if (d->sink[i] == CONFIG_SAME || d->sink[i] == CONFIG_LIVE)
            adopt_sink(&before->sink[d->sink_from[i]], &after->sink[i]);
    for (uint32_t i = 0; i < after->stages_count; i++) {
        if (d->stage[i] != CONFIG_SAME && d->stage[i] != CONFIG_LIVE)
            continue;
        struct stage **from = &before->stage[d->stage_from[i]], *open = *from;
        move_live(open->ops->opts, open->cfg, after->stage[i]->cfg);
        *from = after->stage[i];
        after->stage[i] = open;
    }
}
