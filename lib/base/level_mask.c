#include "lib/base/level_mask.h"

#include <string.h>
#include <strings.h>

enum { LEVELS = 32 };

int level_mask_add(const char *name, const char *key, uint32_t *mask, struct err *e)
{
    uint8_t level;
    if (strcmp(name, "*") == 0) {
        *mask = LEVEL_MASK_ALL;
        return 0;
    }
    const int r = opt_parse_level(name, &level);
    if (r < 0)
        return err_set(e, r, "%s: '%s' is not a level (TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL, "
                             "AUDIT, SECURITY or 1..31)", key, name);
    *mask |= UINT32_C(1) << level;
    if (name[0] >= '0' && name[0] <= '9')
        return 0;
    for (uint8_t l = (uint8_t)(level + 1); l < LEVELS - 1 && strcmp(opt_level_name(l), opt_level_name(level)) == 0; l++)
        *mask |= UINT32_C(1) << l;
    return 0;
}

int level_mask_parse(const struct opt_list *names, const char *key, uint32_t *ret, struct err *e)
{
    *ret = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        const int r = level_mask_add(names->item[i], key, ret, e);
        if (r < 0)
            return r;
    }
    return 0;
}
