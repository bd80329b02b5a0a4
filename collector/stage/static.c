/* static: fields that are the same for every record. docs/stages/static.md */
#include "collector/stage/enrich/enriched.h"

struct static_cfg {
    struct opt_map fields;
};

static const struct opt static_opts[] = {
    OPT_MAP_(struct static_cfg, fields, "fields", "", 0, "Names and values."),
    OPT_END,
};

static int static_open(struct stage *s, struct err *e)
{
    const struct static_cfg *const cfg = s->cfg;
    int r = 0;
    for (uint32_t i = 0; i < cfg->fields.count && r == 0; i++)
        r = enrichment_add_text(s->state, cfg->fields.item[i].key, cfg->fields.item[i].value, e);
    return r < 0 ? err_wrap(e, r, "fields") : enrich_open(s, e);
}

const struct stage_ops stage_static = {
    ENRICH_OPS(static),
    .aliases = (const char *const[]){"static_fields", NULL},
    .summary = "Adds the same fields to every record.",
};
