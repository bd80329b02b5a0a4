/* level_mask.h - sets of levels: bit = level number. A name stands for its whole range, INFO for 9..12; "*" for
 * every level. */
#ifndef FAPILOG_BASE_LEVEL_MASK_H
#define FAPILOG_BASE_LEVEL_MASK_H

#include "lib/base/err.h"
#include "lib/base/opt.h"

#define LEVEL_MASK_ALL UINT32_MAX

static inline bool level_mask_has(uint32_t mask, uint8_t level)
{
    return mask >> (level & 31) & 1;
}

/* -EINVAL names `key`, the name and what is allowed. */
int level_mask_add(const char *name, const char *key, uint32_t *mask, struct err *e);
int level_mask_parse(const struct opt_list *names, const char *key, uint32_t *ret, struct err *e);

#endif
