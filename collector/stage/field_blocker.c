/* field_blocker: blocks fields that tend to hold whole requests. docs/stages/field_blocker.md */
#include "collector/stage/redact/front.h"

#include <errno.h>

struct field_blocker_cfg {
    struct redact_common c;
    struct opt_list blocked, allowed;
};

static const struct opt field_blocker_opts[] = {
    OPT_LIST_ALIAS_(struct field_blocker_cfg, blocked, "blocked_fields", "blocked",
                    "body,request_body,response_body,payload,raw,dump,raw_body,raw_request,raw_response", 0,
                    "Names and dotted paths to block."),
    OPT_LIST_ALIAS_(struct field_blocker_cfg, allowed, "allowed_fields", "allowed", "", 0,
                    "Names that pass all the same."),
    OPT_TEXT_(struct field_blocker_cfg, c.mask, "replacement", "[REDACTED:HIGH_RISK_FIELD]", 0,
              "What stands in place of what was blocked."),
    REDACT_LIMIT_OPTS(struct field_blocker_cfg, c),
    OPT_END,
};

static int field_blocker_build(const void *opaque, struct redact_setup *ret, struct err *e)
{
    const struct field_blocker_cfg *const cfg = opaque;
    ret->names = names_new();
    if (!ret->names)
        return err_set(e, -ENOMEM, "out of memory");
    int r = redact_add_names(ret->names, &cfg->blocked, NAME_BLOCK, e);
    for (uint32_t i = 0; i < cfg->allowed.count && r == 0; i++)
        r = names_allow(ret->names, cfg->allowed.item[i], e);
    return r;
}

REDACT_FRONT(field_blocker)

const struct stage_ops stage_field_blocker = {
    REDACT_FRONT_OPS(field_blocker),
    .env_prefixes = (const char *const[]){"FAPILOG_REDACTOR_CONFIG__FIELD_BLOCKER__", NULL},
    .summary = "Blocks fields that tend to hold whole requests or dumps.",
};
