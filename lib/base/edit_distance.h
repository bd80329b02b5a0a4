/* edit_distance.h - how far two words are from one another, for "did you mean". */
#ifndef LIB_BASE_EDIT_DISTANCE_H
#define LIB_BASE_EDIT_DISTANCE_H

enum { EDIT_WORD_MAX = 64 }; /* what comes behind so many characters does not count */

/* In ASCII, whatever the locale is; '-' counts as '_'. */
static inline char edit_fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c == '-' ? '_' : c;
}

/* Edits (insert, delete, replace, swap of neighbours) between two words, folded. Allocates nothing. */
unsigned edit_distance(const char *a, const char *b);

#endif
