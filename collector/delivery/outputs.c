#include "collector/delivery/outputs.h"

#include "lib/base/check.h"

#include <errno.h>
#include <string.h>

static struct format_config config_of(const struct sink *s)
{
    return (struct format_config){ .source = s->common.source,
                                   .colour = s->ops->format_colour && s->ops->format_colour(s->cfg),
                                   .is_terminal = s->ops->format_terminal && s->ops->format_terminal(s->cfg) };
}

/* Its slot, or UINT32_MAX. */
static uint32_t format_find_open(const struct outputs *o, const char *name, const struct format_config *cfg)
{
    for (uint32_t i = 0; i < o->formats_count; i++) {
        const struct format *f = o->format[i];
        if (!strcmp(f->ops->name, name) && f->cfg.colour == cfg->colour && f->cfg.source == cfg->source &&
            f->cfg.local_time == cfg->local_time && f->cfg.is_terminal == cfg->is_terminal)
            return i;
    }
    return UINT32_MAX;
}

/* One that no format has had, while there are any; then one whose format no sink has any more. */
static uint32_t free_slot(const struct outputs *o)
{
    uint32_t slot = o->formats_count;
    if (slot == ARRAY_COUNT(o->format))
        for (slot = 0; slot < ARRAY_COUNT(o->format) && o->formats_in_use >> slot & 1; slot++)
            ;
    return slot;
}

static int format_get(struct outputs *o, const char *name, const struct format_config *cfg,
                      struct format **ret, struct err *e)
{
    uint32_t slot = format_find_open(o, name, cfg);
    if (slot != UINT32_MAX) {
        *ret = o->format[slot];
        return 0;
    }
    slot = free_slot(o);
    if (slot == ARRAY_COUNT(o->format))
        return err_set(e, -E2BIG, "the sinks have more than %zu formats, each with or without source and colour, "
                       "between them", ARRAY_COUNT(o->format));
    const int r = format_open(name, cfg, slot, ret, e);
    if (r < 0)
        return r;
    if (slot < o->formats_count)
        (*ret)->variant = format_variant_new(); /* call sites still have plans of the one before */
    else
        o->formats_count++;
    o->format[slot] = *ret;
    o->formats_in_use |= UINT32_C(1) << slot;
    return 0;
}

/* Whatever a record is like, it goes to both or to neither. */
static bool are_routed_alike(const struct route_config *routes, const char *a, const char *b)
{
    for (uint32_t i = 0; routes && i < routes->count; i++) {
        if (opt_list_has(&routes->rule[i].to, a) != opt_list_has(&routes->rule[i].to, b))
            return false;
    }
    return !routes || opt_list_has(&routes->fallback, a) == opt_list_has(&routes->fallback, b);
}

static uint32_t output_get(struct outputs *o, const struct output *want, const struct outputs_rules *rules)
{
    for (uint32_t i = 0; i < o->count && !rules->is_apart; i++) {
        const struct output *have = &o->output[i];
        if (have->kind == want->kind && have->format == want->format && have->encoder == want->encoder &&
            have->level_mask == want->level_mask && have->with_source == want->with_source &&
            are_routed_alike(rules->routes, have->routed_as, want->routed_as))
            return i;
    }
    CHECK(o->count < OUTPUTS_MAX);
    o->output[o->count] = *want;
    return o->count++;
}

static enum output_kind kind_of(const struct sink *s)
{
    return s->ops->remote ? OUTPUT_ENTRY : s->ops->wants_raw ? OUTPUT_RAW : OUTPUT_TEXT;
}

static int sink_format(struct outputs *o, struct sink *s, struct err *e)
{
    if (!s->common.format)
        return 0;
    const struct format_config cfg = config_of(s);
    const int r = format_get(o, s->common.format, &cfg, &s->format, e);
    return r < 0 ? err_wrap(e, r, "sink %s", s->common.name) : 0;
}

static int sink_output(struct outputs *o, struct sink *s, enum output_kind kind, const struct outputs_rules *rules,
                       uint32_t *ret, struct err *e)
{
    struct output want = { .kind = kind, .level_mask = s->common.level_mask, .routed_as = s->common.name };
    if (kind != OUTPUT_RAW) {
        const int r = sink_format(o, s, e);
        if (r < 0)
            return r;
        want.format = s->format;
    } else {
        want.with_source = s->common.source;
    }
    if (kind == OUTPUT_ENTRY && s->ops->remote->encode)
        want.encoder = s;
    else if (kind != OUTPUT_RAW && !want.format)
        return err_set(e, -EINVAL, "sink %s: format: must be given", s->common.name);
    *ret = output_get(o, &want, rules);
    o->level_mask |= want.level_mask;
    return 0;
}

/* Where a record goes to both, it is serialized once. */
static void share_texts(struct outputs *o)
{
    for (uint32_t i = o->text_count; i < o->serialized_count; i++)
        for (uint32_t t = o->text_count; t-- > 0 && !o->output[i].encoder;)
            if (o->output[t].format == o->output[i].format)
                o->output[i].text = t + 1;
}

/* Those of `before` that none of these sinks has may be replaced. */
static void formats_keep(struct outputs *o, const struct outputs *before, struct sink *const *sinks, uint32_t count)
{
    memcpy(o->format, before->format, sizeof o->format);
    o->formats_count = before->formats_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct format_config cfg = config_of(sinks[i]);
        const uint32_t slot = sinks[i]->common.format ? format_find_open(o, sinks[i]->common.format, &cfg) : UINT32_MAX;
        o->formats_in_use |= slot != UINT32_MAX ? UINT32_C(1) << slot : 0;
    }
}

int outputs_init(struct outputs *o, const struct outputs *before, struct sink *const *sinks, uint32_t sinks_count,
                 const struct outputs_rules *rules, uint32_t *ret_index, struct err *e)
{
    memset(o, 0, sizeof *o);
    if (before)
        formats_keep(o, before, sinks, sinks_count);
    CHECK(sinks_count <= OUTPUTS_MAX);
    for (enum output_kind kind = OUTPUT_TEXT; kind <= OUTPUT_RAW; kind++) {
        for (uint32_t i = 0; i < sinks_count; i++) {
            if (kind_of(sinks[i]) != kind)
                continue;
            const int r = sink_output(o, sinks[i], kind, rules, &ret_index[i], e);
            if (r < 0)
                return r;
            o->output[ret_index[i]].sinks |= UINT32_C(1) << i;
        }
        if (kind == OUTPUT_TEXT)
            o->text_count = o->count;
        if (kind != OUTPUT_RAW)
            o->serialized_count = o->count;
    }
    share_texts(o);
    return 0;
}

uint32_t outputs_leading_to(const struct outputs *o, uint32_t sinks)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < OUTPUTS_MAX && i < o->count; i++)
        bits |= (uint32_t)((o->output[i].sinks & sinks) != 0) << i;
    return bits;
}

void outputs_drop(struct outputs *o, const struct outputs *others)
{
    for (uint32_t i = 0; i < o->formats_count; i++)
        if (i >= others->formats_count || o->format[i] != others->format[i])
            format_close(o->format[i]);
    o->formats_count = 0;
    o->count = 0;
}

void outputs_done(struct outputs *o)
{
    for (uint32_t i = 0; i < o->formats_count; i++)
        format_close(o->format[i]);
    o->formats_count = 0;
    o->count = 0;
}
