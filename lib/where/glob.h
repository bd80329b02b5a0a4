/* glob.h - patterns with * (any text) and ? (any byte). Everything else stands for itself. */
#ifndef LIB_WHERE_GLOB_H
#define LIB_WHERE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* Whether all of the text is as the pattern says. At most pattern_len * len steps, whatever both are. */
bool glob_matches(const char *pattern, size_t pattern_len, const char *text, size_t len);

#endif
