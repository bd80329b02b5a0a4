#include "collector/delivery/outputs.h"

#include "lib/base/check.h"

#include <errno.h>
#include <string.h>

static int format_get(struct outputs *o, const char *name, const struct format_config *cfg,
                      struct format **ret, struct err *e)
{
    for (uint32_t i = 0; i < o->formats_count; i++) {
        struct format *f = o->format[i];
        if (!strcmp(f->ops->name, name) && f->cfg.colour == cfg->colour && f->cfg.source == cfg->source &&
            f->cfg.local_time == cfg->local_time) {
            *ret = f;
            return 0;
        }
    }
    if (o->formats_count == ARRAY_COUNT(o->format))
        return err_set(e, -E2BIG, "more than %zu different formats", ARRAY_COUNT(o->format));
    const int r = format_open(name, cfg, o->formats_count, ret, e);
    if (r == 0)
        o->format[o->formats_count++] = *ret;
    return r;
}

static uint32_t output_get(struct outputs *o, struct format *f, uint32_t level_mask)
{
    for (uint32_t i = 0; i < o->count; i++) {
        if (o->output[i].format == f && o->output[i].level_mask == level_mask)
            return i;
    }
    CHECK(o->count < OUTPUTS_MAX);
    o->output[o->count] = (struct output){ .format = f, .level_mask = level_mask };
    return o->count++;
}

static int sink_format(struct outputs *o, struct sink *s, struct err *e)
{
    const struct format_config cfg = {
        .source = s->common.source,
        .colour = s->ops->format_colour && s->ops->format_colour(s->cfg),
    };
    const int r = format_get(o, s->common.format, &cfg, &s->format, e);
    return r < 0 ? err_wrap(e, r, "sink %s", s->common.name) : 0;
}

int outputs_init(struct outputs *o, struct sink *const *sinks, uint32_t sinks_count, uint32_t *ret_index,
                 struct err *e)
{
    memset(o, 0, sizeof *o);
    CHECK(sinks_count <= OUTPUTS_MAX);
    for (uint32_t i = 0; i < sinks_count; i++) {
        struct sink *s = sinks[i];
        if (s->ops->wants_raw)
            continue;
        const int r = sink_format(o, s, e);
        if (r < 0)
            return r;
        ret_index[i] = output_get(o, s->format, s->common.level_mask);
    }
    o->text_count = o->count;
    for (uint32_t i = 0; i < sinks_count; i++) {
        if (sinks[i]->ops->wants_raw)
            ret_index[i] = output_get(o, NULL, sinks[i]->common.level_mask);
        o->level_mask |= sinks[i]->common.level_mask;
    }
    return 0;
}

void outputs_done(struct outputs *o)
{
    for (uint32_t i = 0; i < o->formats_count; i++)
        format_close(o->format[i]);
    o->formats_count = 0;
    o->count = 0;
}
