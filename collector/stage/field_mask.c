/* field_mask: masks fields by name. docs/stages/field_mask.md */
#include "collector/stage/redact/front.h"

#include <errno.h>

struct field_mask_cfg {
    struct redact_common c;
    struct opt_list fields;
};

static const struct opt field_mask_opts[] = {
    OPT_LIST_ALIAS_(struct field_mask_cfg, fields, "fields_to_mask", "fields", "", 0,
                    "Names and dotted paths, as password or data.user.*.token."),
    REDACT_MASK_OPT(struct field_mask_cfg, c),
    REDACT_LIMIT_OPTS(struct field_mask_cfg, c),
    OPT_END,
};

static int field_mask_build(const void *opaque, struct redact_setup *ret, struct err *e)
{
    const struct field_mask_cfg *const cfg = opaque;
    ret->names = names_new();
    return ret->names ? redact_add_names(ret->names, &cfg->fields, NAME_MASK, e) : err_set(e, -ENOMEM, "out of memory");
}

REDACT_FRONT(field_mask)

const struct stage_ops stage_field_mask = {
    REDACT_FRONT_OPS(field_mask),
    .env_prefixes = (const char *const[]){"FAPILOG_REDACTOR_CONFIG__FIELD_MASK__", NULL},
    .summary = "Masks fields by their name or path.",
};
