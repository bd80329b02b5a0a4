/* regex_screen.h - refuses patterns that can take exponential or high polynomial time, before they are
 * compiled: a quantifier over a group that itself holds one ((a+)+), alternation under an unbounded quantifier
 * ((a|ab)*), a wildcard inside a bounded repetition ((.*x){8}), back references, recursion. Heuristic and
 * strict: what it lets pass still runs under match limits. */
#ifndef COLLECTOR_STAGE_REDACT_REGEX_SCREEN_H
#define COLLECTOR_STAGE_REDACT_REGEX_SCREEN_H

#include "lib/base/err.h"

enum { REGEX_PATTERN_MAX = 2048, REGEX_GROUPS_MAX = 32 };

/* 0, or -EINVAL with the reason and the place in the pattern. */
int regex_screen(const char *pattern, struct err *e);

#endif
