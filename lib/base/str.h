/* Texts that end with a NUL. */
#ifndef FAPILOG_BASE_STR_H
#define FAPILOG_BASE_STR_H

#include <stdint.h>
#include <stdlib.h>

/* For options and variables of the environment, where "" says the same as nothing: NULL for both. */
static inline const char *empty_to_null(const char *text)
{
    return text && *text ? text : NULL;
}

static inline const char *env_text(const char *name)
{
    return empty_to_null(getenv(name));
}

/* FNV-1a, for tables of names: spreads well, and is no defence against somebody who looks for collisions. */
static inline uint64_t str_hash(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h;
}

#endif
