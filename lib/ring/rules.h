/* Level rules of a segment: which threshold governs a logger's name. */
#ifndef FAPILOG_RING_RULES_H
#define FAPILOG_RING_RULES_H

#include <fapilog/abi.h>

#include <stdbool.h>
#include <stddef.h>

/* Whether a rule for the prefix governs the name. */
bool rules_fit(const char *prefix, size_t len, const char *name, size_t name_len);

/* The level of the rule with the longest prefix that ends at a dot or at the end of the name ("" fits
 * every name), or `otherwise`. Rules may change meanwhile; a torn one is read as text, bounded. */
uint32_t rules_level(const struct fapilog_ctl *ctl, const char *name, size_t name_len, uint32_t otherwise);
/* The same; returns how long that prefix is, or -1 and leaves *ret alone when there is none. */
int rules_find(const struct fapilog_ctl *ctl, const char *name, size_t name_len, uint32_t *ret);

#endif
