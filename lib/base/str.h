/* Texts that end with a NUL. */
#ifndef FAPILOG_BASE_STR_H
#define FAPILOG_BASE_STR_H

#include <stddef.h>
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

#endif
