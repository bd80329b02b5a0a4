#include "collector/daemon/check.h"

#include "collector/delivery/pipeline.h"
#include "lib/ring/ringdir.h"

static void print_values(FILE *f, const char *prefix, const struct opt *rows, const void *cfg)
{
    for (; rows->type != OPT_END_ROW; rows++) {
        char value[1024];
        if (opt_print(rows, cfg, value, sizeof value) >= 0 && *value)
            (void)fprintf(f, "%s%s = %s\n", prefix, rows->name, value);
    }
}

static int make_sinks(const struct options *o, struct sink **sinks, uint32_t *count, struct err *e)
{
    int r = 0;
    for (unsigned i = 0; i < o->sinks_count && r == 0; i++) {
        r = sink_new(o->sink[i].uri, o->sink[i].source, &sinks[i], e);
        *count += r == 0;
    }
    if (!o->sinks_count) {
        r = sink_new("console:", "default", &sinks[0], e);
        *count += r == 0;
    }
    return r < 0 ? r : pipeline_name_sinks(sinks, *count, e);
}

int check_write(const struct options *o, FILE *f, struct err *e)
{
    struct sink *sinks[FAPILOG_SINKS_MAX];
    uint32_t count = 0;
    struct ringdir dir;
    int r = ringdir_choose(&dir, o->rings, e);
    if (r == 0)
        r = make_sinks(o, sinks, &count, e);
    if (r == 0)
        r = pipeline_check(sinks, count, NULL, e);
    if (r == 0) {
        (void)fprintf(f, "rings = %s\n", dir.path);
        print_values(f, "", settings_opts, &o->settings);
        for (unsigned i = 0; i < o->levels_count; i++)
            (void)fprintf(f, "level%s%s = %s\n", *o->level[i].prefix ? "." : "", o->level[i].prefix,
                          o->level[i].level == FAPILOG_LEVEL_OFF ? "off" : opt_level_name(o->level[i].level));
    }
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        char prefix[128];
        (void)snprintf(prefix, sizeof prefix, "sink %s: ", sinks[i]->common.name);
        (void)fprintf(f, "sink %s: %s\n", sinks[i]->common.name, sinks[i]->ops->scheme);
        print_values(f, prefix, sinks[i]->ops->opts, sinks[i]->cfg);
        print_values(f, prefix, sink_common_opts, &sinks[i]->common);
    }
    for (uint32_t i = 0; i < count; i++)
        sink_free(sinks[i]);
    return r;
}
