/* value_mask: masks what is secret by its looks. docs/stages/value_mask.md */
#include "collector/stage/redact/front.h"

#include <errno.h>

struct value_mask_cfg {
    struct redact_common c;
    struct opt_list kinds, patterns;
    bool allow_unsafe_patterns, other_texts;
};

static const struct opt value_mask_opts[] = {
    OPT_LIST_(struct value_mask_cfg, kinds, "kinds", "all", 0,
              "Kinds of values: all, card, email, jwt, bearer, api_token, aws_key, private_key, iban, ssn, url."),
    OPT_LIST_(struct value_mask_cfg, patterns, "patterns", "", 0, "Regular expressions over texts, of your own."),
    OPT_BOOL_(struct value_mask_cfg, allow_unsafe_patterns, "allow_unsafe_patterns", "false", 0,
              "Take patterns that may need exponential time; match limits still hold."),
    OPT_BOOL_(struct value_mask_cfg, c.message, "message", "true", 0, "Search the message too."),
    OPT_BOOL_(struct value_mask_cfg, other_texts, "other_texts", "false", 0, "Search names of threads too."),
    REDACT_MASK_OPT(struct value_mask_cfg, c),
    REDACT_LIMIT_OPTS(struct value_mask_cfg, c),
    OPT_END,
};

static int value_mask_build(const void *opaque, struct redact_setup *ret, struct err *e)
{
    const struct value_mask_cfg *const cfg = opaque;
    unsigned kinds = 0;
    const int r = redact_take_kinds("kinds", &cfg->kinds, &kinds, e);
    if (r < 0)
        return r;
    if (kinds & VALUE_ASSIGNMENT)
        return err_set(e, -EINVAL, "kinds: assignment needs rules over names: use it with the stage redact");
    ret->other_texts = cfg->other_texts;
    ret->values = values_new(kinds, UINT32_MAX, NULL);
    return ret->values ? redact_add_values(ret->values, &cfg->patterns, cfg->allow_unsafe_patterns, e)
                       : err_set(e, -ENOMEM, "out of memory");
}

REDACT_FRONT(value_mask)

const struct stage_ops stage_value_mask = {
    REDACT_FRONT_OPS(value_mask),
    .summary = "Masks card numbers, tokens, addresses and what your own patterns find.",
};
