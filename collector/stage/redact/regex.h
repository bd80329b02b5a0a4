/* regex.h - PCRE2 behind a screen: compiled by its JIT where there is one and memory for it, interpreted
 * otherwise, and always under match limits. */
#ifndef COLLECTOR_STAGE_REDACT_REGEX_H
#define COLLECTOR_STAGE_REDACT_REGEX_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct regex;

/* Time that patterns may take together, for all texts of a record. Zeroed: it begins with the first long text. */
struct regex_budget {
    uint64_t read_bytes, look_at; /* that attempts may have read; when the clock is looked at again */
    uint64_t wall_ns, cpu_ns;     /* when it began; 0: not yet */
    bool is_over;
};

enum regex_flags {
    REGEX_WHOLE = 1,    /* the whole subject must match */
    REGEX_CASELESS = 2,
    REGEX_KEYS = 4,     /* \b also stands where '_' begins or ends: user_token is hit by \btoken\b */
    REGEX_UNSAFE = 8,   /* without the screen */
    REGEX_NO_JIT = 16,  /* for tests of the interpreter */
    REGEX_BUDGETED = 32, /* searched in long texts: its attempts can be counted, which costs no short text anything */
};

enum {
    REGEX_MATCH_LIMIT = 100000, REGEX_DEPTH_LIMIT = 2000,
    REGEX_SHORT = 1 << 10,      /* texts up to this length count for no budget: they cannot take long */
    REGEX_LONG = 64 << 10,      /* beyond it there are fewer steps, as each may read all of the text */
    REGEX_BUDGET_MS = 200,
};

/* 0, -EINVAL with the reason, -ENOMEM. */
int regex_new(const char *pattern, unsigned flags, struct regex **ret, struct err *e);
void regex_free(struct regex *re);
bool regex_has_jit(const struct regex *re);
/* 1 and the place of the first match at or behind `from`; 0: none; -ELOOP: a limit was hit, or the budget is over
 * (NULL: there is none); -ENOMEM. Bytes that are not UTF-8 match as themselves. */
int regex_find(struct regex *re, const char *text, size_t len, size_t from, struct regex_budget *budget,
               size_t *ret_start, size_t *ret_end);

#endif
