#include "lib/base/edit_distance.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[3][EDIT_WORD_MAX + 1];
    const size_t la = strnlen(a, EDIT_WORD_MAX), lb = strnlen(b, EDIT_WORD_MAX);
    for (size_t j = 0; j <= lb; j++)
        row[1][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        const unsigned *before = row[(i + 2) % 3], *last = row[i % 3];
        unsigned *now = row[(i + 1) % 3];
        const char c = edit_fold(a[i - 1]), c_before = i > 1 ? edit_fold(a[i - 2]) : '\0';
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            const bool same = c == edit_fold(b[j - 1]);
            unsigned best = last[j - 1] + !same;
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && c == edit_fold(b[j - 2]) && c_before == edit_fold(b[j - 1]) &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[(la + 1) % 3][lb];
}
