/* redact: presets, names, patterns and values in one pass. docs/stages/redact.md */
#include "collector/stage/redact/front.h"
#include "collector/stage/redact/presets.h"

#include <errno.h>
#include <string.h>

struct redact_cfg {
    struct redact_common c;
    struct opt_list presets, fields, patterns, suffixes, values, value_patterns, blocked, allowed;
    const char *replacement;
    uint64_t max_string_length, url_max_length;
    bool url_credentials, other_texts, allow_unsafe_patterns;
};

static const struct opt redact_opts[] = {
    OPT_LIST_ALIAS_(struct redact_cfg, presets, "presets", "preset", "", 0,
                    "Presets by name (GDPR_PII, GDPR_PII_UK, CCPA_PII, HIPAA_PHI, PCI_DSS, CREDENTIALS), or "
                    "regulation:X, region:X, tag:X."),
    OPT_LIST_ALIAS_(struct redact_cfg, fields, "fields", "fields_to_mask", "", 0, "Names and dotted paths to mask."),
    OPT_LIST_(struct redact_cfg, patterns, "patterns", "", 0, "Regular expressions over whole dotted paths."),
    OPT_LIST_(struct redact_cfg, suffixes, "suffixes", "", 0, "Ends of names to mask."),
    OPT_LIST_(struct redact_cfg, values, "values", "auto", 0,
              "Kinds of values to mask in texts: auto: those of the presets; none; all; or card, email, jwt, bearer, "
              "api_token, aws_key, private_key, iban, ssn, assignment, url."),
    OPT_LIST_(struct redact_cfg, value_patterns, "value_patterns", "", 0, "Regular expressions over texts."),
    OPT_LIST_ALIAS_(struct redact_cfg, blocked, "block_fields", "blocked", "", 0, "Names and paths to block."),
    OPT_LIST_ALIAS_(struct redact_cfg, allowed, "allowed_fields", "allowed", "", 0, "Names that no rule applies to."),
    OPT_BOOL_(struct redact_cfg, c.message, "message", "false", 0,
              "Search the message too, also for name=value where the rules mask the name."),
    OPT_BOOL_(struct redact_cfg, other_texts, "other_texts", "false", 0, "Search names of threads too."),
    OPT_BOOL_(struct redact_cfg, url_credentials, "url_credentials", "true", 0,
              "Take user and password out of URLs in texts."),
    OPT_NUM_(OPT_UINT, struct redact_cfg, url_max_length, "url_max_length", "4096", 8, 65536, 0,
             "Longer texts are not searched for URLs."),
    OPT_NUM_(OPT_UINT, struct redact_cfg, max_string_length, "max_string_length", "none", 1, 1 << 20, 0,
             "Characters that a text keeps; none: all."),
    OPT_BOOL_(struct redact_cfg, allow_unsafe_patterns, "allow_unsafe_patterns", "false", 0,
              "Take patterns that may need exponential time; match limits still hold."),
    OPT_TEXT_(struct redact_cfg, replacement, "replacement", "[REDACTED:HIGH_RISK_FIELD]", 0,
              "What stands in place of what block_fields names."),
    REDACT_MASK_OPT(struct redact_cfg, c),
    REDACT_LIMIT_OPTS(struct redact_cfg, c),
    OPT_END,
};

static bool is_word(const struct opt_list *l, const char *word)
{
    return l->count == 1 && strcmp(l->item[0], word) == 0;
}

static int add_name_rules(const struct redact_cfg *cfg, struct names *n, unsigned *kinds, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; i < cfg->presets.count && r == 0; i++)
        r = presets_add(redact_presets, cfg->presets.item[i], n, kinds, e);
    if (r == 0)
        r = redact_add_names(n, &cfg->blocked, NAME_BLOCK, e);
    if (r == 0)
        r = redact_add_names(n, &cfg->fields, NAME_MASK, e);
    if (r == 0)
        r = redact_add_patterns(n, &cfg->patterns, cfg->allow_unsafe_patterns, e);
    for (uint32_t i = 0; i < cfg->suffixes.count && r == 0; i++)
        r = names_add_suffix(n, cfg->suffixes.item[i], e);
    for (uint32_t i = 0; i < cfg->allowed.count && r == 0; i++)
        r = names_allow(n, cfg->allowed.item[i], e);
    return r;
}

static int redact_build(const void *opaque, struct redact_setup *ret, struct err *e)
{
    const struct redact_cfg *const cfg = opaque;
    unsigned of_presets = 0, kinds = 0;
    ret->names = names_new();
    int r = ret->names ? add_name_rules(cfg, ret->names, &of_presets, e) : err_set(e, -ENOMEM, "out of memory");
    if (r == 0)
        r = redact_check_mask("replacement", cfg->replacement, e);
    if (r == 0 && is_word(&cfg->values, "auto"))
        kinds = of_presets | (cfg->c.message ? VALUE_ASSIGNMENT : 0);
    else if (r == 0 && !is_word(&cfg->values, "none"))
        r = redact_take_kinds("values", &cfg->values, &kinds, e);
    if (r < 0)
        return r;
    if (opt_list_has(&cfg->values, "all")) /* elsewhere there are no names that it could look for */
        kinds |= VALUE_ASSIGNMENT;
    if (cfg->url_credentials)
        kinds |= VALUE_URL;
    ret->block = cfg->replacement;
    ret->max_string = cfg->max_string_length;
    ret->other_texts = cfg->other_texts;
    ret->values = values_new(kinds, (uint32_t)cfg->url_max_length, ret->names);
    return ret->values ? redact_add_values(ret->values, &cfg->value_patterns, cfg->allow_unsafe_patterns, e)
                       : err_set(e, -ENOMEM, "out of memory");
}

REDACT_FRONT(redact)

const struct stage_ops stage_redact = {
    REDACT_FRONT_OPS(redact),
    .aliases = (const char *const[]){"redaction", NULL},
    .summary = "Masks what presets, names, patterns and values say, in one pass.",
};
