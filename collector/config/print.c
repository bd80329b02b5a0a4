/* --check: what would run, each value with its source. Keys are those that --set takes. */
#include "collector/config/config.h"

#include <string.h>

enum { VALUE_COLUMNS = 56 };

static void line(FILE *f, const char *key, const char *value, const char *source)
{
    const int used = fprintf(f, "%s = %s", key, value);
    (void)fprintf(f, "%*s# %s\n", used > 0 && used < VALUE_COLUMNS ? VALUE_COLUMNS - used : 2, "", source);
}

static void rows(FILE *f, const struct config *c, const char *path, const struct opt *row, const void *cfg)
{
    for (; row->type != OPT_END_ROW; row++) {
        char value[2048], key[300];
        if (opt_print(row, cfg, value, sizeof value) < 0)
            (void)snprintf(value, sizeof value, "...");
        (void)snprintf(key, sizeof key, "%s%s", path, row->name);
        const char *source = config_source(c, key);
        if (*value)
            line(f, key, value, source);
        else if (strcmp(source, "default") != 0) /* somebody has emptied it */
            line(f, key, "\"\"", source);
    }
}

static void levels(FILE *f, const struct config *c)
{
    for (unsigned i = 0; i < c->levels_count; i++) {
        char key[80];
        const struct level_setting *l = &c->level[i];
        (void)snprintf(key, sizeof key, "level%s%s", *l->prefix ? "." : "", l->prefix);
        line(f, key, l->level == FAPILOG_LEVEL_OFF ? "off" : opt_level_name(l->level), config_source(c, key));
    }
}

static void stages(FILE *f, const struct config *c)
{
    for (uint32_t i = 0; i < c->stages_count; i++) {
        char key[200];
        const struct stage *s = c->stage[i];
        (void)snprintf(key, sizeof key, "stages.%s", s->name);
        line(f, key, s->ops->kind, config_source(c, key));
        (void)snprintf(key, sizeof key, "stages.%s.", s->name);
        rows(f, c, key, s->ops->opts, s->cfg);
    }
}

static void sinks(FILE *f, const struct config *c)
{
    for (uint32_t i = 0; i < c->sinks_count; i++) {
        struct sink *s = c->sink[i];
        const struct opt *table;
        char key[300];
        void *cfg;
        (void)snprintf(key, sizeof key, "sinks.%s", s->common.name);
        line(f, key, s->ops->scheme, config_source(c, key));
        (void)snprintf(key, sizeof key, "sinks.%s.", s->common.name);
        for (unsigned k = 0; (table = sink_table(s, k, &cfg)); k++)
            rows(f, c, key, table, cfg);
    }
}

static void routes(FILE *f, const struct config *c)
{
    for (uint32_t i = 0; i < c->routes.count; i++) {
        const struct route_rule *r = &c->routes.rule[i];
        char key[40], path[40];
        (void)snprintf(key, sizeof key, "routes[%u]", i);
        (void)snprintf(path, sizeof path, "routes[%u].", i);
        for (const struct opt *row = route_opts; row->type != OPT_END_ROW; row++) {
            char value[2048], whole[120];
            (void)snprintf(whole, sizeof whole, "%s%s", path, row->name);
            if (opt_print(row, r, value, sizeof value) > 0)
                line(f, whole, value, config_source(c, key));
        }
    }
    if (c->routes.count)
        rows(f, c, "routing.", routing_opts, &c->routing);
}

void config_print(const struct config *c, FILE *f)
{
    if (c->file)
        line(f, "config", c->file, config_source(c, "config"));
    if (c->preset)
        line(f, "preset", c->preset, config_source(c, "preset"));
    rows(f, c, "", settings_opts, &c->settings);
    levels(f, c);
    rows(f, c, "adaptive.", pressure_opts, &c->adaptive);
    stages(f, c);
    sinks(f, c);
    routes(f, c);
}
