#include "lib/where/glob.h"

/* On a mismatch the last * takes one byte more; stars before it never need to be tried again. */
bool glob_matches(const char *pattern, size_t pattern_len, const char *text, size_t len)
{
    size_t p = 0, t = 0, star = pattern_len, resume = 0;
    bool has_star = false;
    while (t < len) {
        if (p < pattern_len && pattern[p] == '*') {
            has_star = true;
            star = p++;
            resume = t;
        } else if (p < pattern_len && (pattern[p] == '?' || pattern[p] == text[t])) {
            p++;
            t++;
        } else if (has_star) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern_len && pattern[p] == '*')
        p++;
    return p == pattern_len;
}
