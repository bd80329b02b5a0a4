/* url_credentials: takes user and password out of URLs. docs/stages/url_credentials.md */
#include "collector/stage/redact/front.h"

#include <errno.h>

struct url_credentials_cfg {
    struct redact_common c;
    uint64_t max_string_length;
};

static const struct opt url_credentials_opts[] = {
    OPT_NUM_(OPT_UINT, struct url_credentials_cfg, max_string_length, "max_string_length", "4096", 8, 65536, 0,
             "Longer texts are not searched."),
    OPT_BOOL_(struct url_credentials_cfg, c.message, "message", "true", 0, "Search the message too."),
    REDACT_MASK_OPT(struct url_credentials_cfg, c),
    REDACT_LIMIT_OPTS(struct url_credentials_cfg, c),
    OPT_END,
};

static int url_credentials_build(const void *opaque, struct redact_setup *ret, struct err *e)
{
    const struct url_credentials_cfg *const cfg = opaque;
    ret->values = values_new(VALUE_URL, (uint32_t)cfg->max_string_length, NULL);
    return ret->values ? 0 : err_set(e, -ENOMEM, "out of memory");
}

REDACT_FRONT(url_credentials)

const struct stage_ops stage_url_credentials = {
    REDACT_FRONT_OPS(url_credentials),
    .env_prefixes = (const char *const[]){"FAPILOG_REDACTOR_CONFIG__URL_CREDENTIALS__", NULL},
    .summary = "Takes user and password out of URLs, wherever they stand in a text.",
};
