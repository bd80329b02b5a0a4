/* suffix_mask: DagStack's rule, masks fields by the end of their name. docs/stages/suffix_mask.md */
#include "collector/stage/redact/front.h"

#include <errno.h>
#include <string.h>

struct suffix_mask_cfg {
    struct redact_common c;
    struct opt_list extra_suffixes;
    bool replace_defaults;
};

static const char *const default_suffixes[] = {"_key", "_secret", "_token", "_password", "_passphrase", "_credentials"};

static const struct opt suffix_mask_opts[] = {
    OPT_LIST_(struct suffix_mask_cfg, extra_suffixes, "extra_suffixes", "", 0,
              "More suffixes, lower-case ASCII, beside _key, _secret, _token, _password, _passphrase, _credentials."),
    OPT_BOOL_(struct suffix_mask_cfg, replace_defaults, "replace_defaults", "false", 0,
              "Only the extra suffixes count."),
    REDACT_MASK_OPT(struct suffix_mask_cfg, c),
    REDACT_LIMIT_OPTS(struct suffix_mask_cfg, c),
    OPT_END,
};

/* The wording is DagStack's: its conformance fixtures look for it. */
static int check_suffix(const char *suffix, struct err *e)
{
    if (!*suffix)
        return err_set(e, -EINVAL, "redaction.extra_suffixes contains an empty string");
    if (strpbrk(suffix, " \t\r\n\v\f"))
        return err_set(e, -EINVAL, "redaction.extra_suffixes contains whitespace: '%.60s'", suffix);
    for (const char *p = suffix; *p; p++) {
        if ((unsigned char)*p >= 0x80 || (*p >= 'A' && *p <= 'Z'))
            return err_set(e, -EINVAL, "redaction.extra_suffixes must be lowercase ASCII: '%.60s'", suffix);
    }
    return 0;
}

static int suffix_mask_build(const void *opaque, struct redact_setup *ret, struct err *e)
{
    const struct suffix_mask_cfg *const cfg = opaque;
    int r = 0;
    ret->names = names_new();
    if (!ret->names)
        return err_set(e, -ENOMEM, "out of memory");
    for (size_t i = 0; !cfg->replace_defaults && i < sizeof default_suffixes / sizeof *default_suffixes && r == 0; i++)
        r = names_add_suffix(ret->names, default_suffixes[i], e);
    for (uint32_t i = 0; i < cfg->extra_suffixes.count && r == 0; i++) {
        r = check_suffix(cfg->extra_suffixes.item[i], e);
        if (r == 0)
            r = names_add_suffix(ret->names, cfg->extra_suffixes.item[i], e);
    }
    return r;
}

static int suffix_mask_check(void *cfg, struct err *e)
{
    return redact_front_check(cfg, &((struct suffix_mask_cfg *)cfg)->c, suffix_mask_build, e);
}

static int suffix_mask_open(struct stage *s, struct err *e)
{
    const struct suffix_mask_cfg *const cfg = s->cfg;
    if (cfg->replace_defaults && cfg->extra_suffixes.count == 0)
        stage_warn(s, "replace_defaults without extra_suffixes: nothing is masked");
    return redact_front_open(s, &cfg->c, suffix_mask_build, e);
}

const struct stage_ops stage_suffix_mask = {
    REDACT_FRONT_OPS(suffix_mask),
    .env_prefixes = (const char *const[]){"FAPILOG_REDACTION__", NULL},
    .summary = "Masks fields whose name ends in _key, _secret, _token ... (DagStack).",
};
