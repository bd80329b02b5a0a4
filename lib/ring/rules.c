#include "lib/ring/rules.h"

#include "lib/base/atomics.h"

#include <string.h>

static int prefix_fits(const char *prefix, size_t len, const char *name, size_t name_len)
{
    if (len == 0)
        return 1;
    return len <= name_len && memcmp(prefix, name, len) == 0 && (len == name_len || name[len] == '.');
}

uint32_t rules_level(const struct fapilog_ctl *ctl, const char *name, size_t name_len, uint32_t otherwise)
{
    uint32_t level = otherwise;
    size_t best = 0;
    int found = 0;
    for (uint32_t i = 0; i < FAPILOG_LEVEL_RULES_MAX; i++) {
        const struct fapilog_level_rule *rule = &ctl->rule[i];
        /* order: acquire, pairs with the release of `used` by whoever wrote the rule */
        if (!load_acq(&rule->used))
            continue;
        const size_t len = strnlen(rule->prefix, sizeof rule->prefix);
        if (!prefix_fits(rule->prefix, len, name, name_len) || (found && len < best))
            continue;
        /* order: relaxed - a lone number */
        level = load_rlx(&rule->level);
        best = len;
        found = 1;
    }
    return level;
}
