#include "lib/ring/rules.h"

#include "lib/base/atomics.h"

#include <string.h>

bool rules_fit(const char *prefix, size_t len, const char *name, size_t name_len)
{
    if (len == 0)
        return true;
    return len <= name_len && memcmp(prefix, name, len) == 0 && (len == name_len || name[len] == '.');
}

int rules_find(const struct fapilog_ctl *ctl, const char *name, size_t name_len, uint32_t *ret)
{
    int best = -1;
    for (uint32_t i = 0; i < FAPILOG_LEVEL_RULES_MAX; i++) {
        const struct fapilog_level_rule *rule = &ctl->rule[i];
        /* order: acquire, pairs with the release of `used` by whoever wrote the rule */
        if (!load_acq(&rule->used))
            continue;
        const int len = (int)strnlen(rule->prefix, sizeof rule->prefix);
        if (!rules_fit(rule->prefix, (size_t)len, name, name_len) || len < best)
            continue;
        /* order: relaxed - a lone number */
        *ret = load_rlx(&rule->level);
        best = len;
    }
    return best;
}

uint32_t rules_level(const struct fapilog_ctl *ctl, const char *name, size_t name_len, uint32_t otherwise)
{
    (void)rules_find(ctl, name, name_len, &otherwise);
    return otherwise;
}
