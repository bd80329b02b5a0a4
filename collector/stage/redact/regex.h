/* regex.h - PCRE2 behind a screen: compiled by its JIT where there is one and memory for it, interpreted
 * otherwise, and always under match limits. */
#ifndef COLLECTOR_STAGE_REDACT_REGEX_H
#define COLLECTOR_STAGE_REDACT_REGEX_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct regex;

enum regex_flags {
    REGEX_WHOLE = 1,    /* the whole subject must match */
    REGEX_CASELESS = 2,
    REGEX_KEYS = 4,     /* \b also stands where '_' begins or ends: user_token is hit by \btoken\b */
    REGEX_UNSAFE = 8,   /* without the screen */
    REGEX_NO_JIT = 16,  /* for tests of the interpreter */
};

enum { REGEX_MATCH_LIMIT = 100000, REGEX_DEPTH_LIMIT = 2000 };

/* 0, -EINVAL with the reason, -ENOMEM. */
int regex_new(const char *pattern, unsigned flags, struct regex **ret, struct err *e);
void regex_free(struct regex *re);
bool regex_has_jit(const struct regex *re);
/* 1 and the place of the first match at or behind `from`; 0: none; -ELOOP: a limit was hit; -ENOMEM.
 * Bytes that are not UTF-8 match as themselves. */
int regex_find(struct regex *re, const char *text, size_t len, size_t from, size_t *ret_start, size_t *ret_end);

#endif
