/* regex_mask: masks fields whose dotted path matches a regular expression. docs/stages/regex_mask.md */
#include "collector/stage/redact/front.h"

#include <errno.h>

struct regex_mask_cfg {
    struct redact_common c;
    struct opt_list patterns;
    bool allow_unsafe_patterns;
};

static const struct opt regex_mask_opts[] = {
    OPT_LIST_(struct regex_mask_cfg, patterns, "patterns", "", 0,
              "Regular expressions that match a whole dotted path, case alike."),
    OPT_BOOL_(struct regex_mask_cfg, allow_unsafe_patterns, "allow_unsafe_patterns", "false", 0,
              "Take patterns that may need exponential time; match limits still hold."),
    REDACT_MASK_OPT(struct regex_mask_cfg, c),
    REDACT_LIMIT_OPTS(struct regex_mask_cfg, c),
    OPT_END,
};

static int regex_mask_build(const void *opaque, struct redact_setup *ret, struct err *e)
{
    const struct regex_mask_cfg *const cfg = opaque;
    ret->names = names_new();
    return ret->names ? redact_add_patterns(ret->names, &cfg->patterns, cfg->allow_unsafe_patterns, e)
                      : err_set(e, -ENOMEM, "out of memory");
}

REDACT_FRONT(regex_mask)

const struct stage_ops stage_regex_mask = {
    REDACT_FRONT_OPS(regex_mask),
    .env_prefixes = (const char *const[]){"FAPILOG_REDACTOR_CONFIG__REGEX_MASK__", NULL},
    .summary = "Masks fields whose path matches a pattern.",
};
