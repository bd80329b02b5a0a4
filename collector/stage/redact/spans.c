#include "collector/stage/redact/spans.h"

#include <stdlib.h>
#include <string.h>

static int by_start(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

void spans_settle(struct spans *s)
{
    uint32_t kept = 0;
    qsort(s->at, s->count, sizeof *s->at, by_start);
    for (uint32_t i = 0; i < s->count; i++) {
        struct span *const last = kept ? &s->at[kept - 1] : NULL;
        if (last && s->at[i].from < last->to) {
            last->to = s->at[i].to > last->to ? s->at[i].to : last->to;
            last->is_cut &= s->at[i].is_cut;
        } else {
            s->at[kept++] = s->at[i];
        }
    }
    s->count = kept;
}

size_t spans_bytes(const struct spans *s, uint32_t len, uint32_t mask_len)
{
    size_t sum = len;
    if (s->overflow)
        return mask_len;
    for (uint32_t i = 0; i < s->count; i++)
        sum += (s->at[i].is_cut ? 0 : mask_len) - (size_t)(s->at[i].to - s->at[i].from);
    return sum;
}

static char *put(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    return out + len;
}

char *spans_write(const struct spans *s, const char *text, uint32_t len, const char *mask, uint32_t mask_len, char *out)
{
    uint32_t at = 0;
    if (s->overflow)
        return put(out, mask, mask_len);
    for (uint32_t i = 0; i < s->count; i++) {
        out = put(out, text + at, s->at[i].from - at);
        if (!s->at[i].is_cut)
            out = put(out, mask, mask_len);
        at = s->at[i].to;
    }
    return put(out, text + at, len - at);
}
