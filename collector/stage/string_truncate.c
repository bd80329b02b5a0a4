/* string_truncate: cuts long texts. docs/stages/string_truncate.md */
#include "collector/stage/redact/front.h"

#include <errno.h>

struct string_truncate_cfg {
    struct redact_common c;
    uint64_t max_string_length;
};

static const struct opt string_truncate_opts[] = {
    OPT_NUM_(OPT_UINT, struct string_truncate_cfg, max_string_length, "max_string_length", "none", 1, 1 << 20, 0,
             "Characters that a text keeps; none: all."),
    OPT_BOOL_(struct string_truncate_cfg, c.message, "message", "false", 0, "Cut the message too."),
    REDACT_MASK_OPT(struct string_truncate_cfg, c),
    REDACT_LIMIT_OPTS(struct string_truncate_cfg, c),
    OPT_END,
};

static int string_truncate_build(const void *opaque, struct redact_setup *ret, struct err *e)
{
    const struct string_truncate_cfg *const cfg = opaque;
    (void)e;
    ret->max_string = cfg->max_string_length;
    return 0;
}

REDACT_FRONT(string_truncate)

const struct stage_ops stage_string_truncate = {
    REDACT_FRONT_OPS(string_truncate),
    .env_prefixes = (const char *const[]){"FAPILOG_REDACTOR_CONFIG__STRING_TRUNCATE__", NULL},
    .summary = "Cuts texts to a number of characters.",
};
