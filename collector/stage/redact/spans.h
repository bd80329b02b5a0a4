/* spans.h - parts of a text that are to be masked. */
#ifndef COLLECTOR_STAGE_REDACT_SPANS_H
#define COLLECTOR_STAGE_REDACT_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPANS_MAX = 64 };

struct span {
    uint32_t from, to;
    bool is_cut; /* nothing takes its place */
};

struct spans {
    uint32_t count;
    bool overflow; /* more than SPANS_MAX: the whole text is masked */
    struct span at[SPANS_MAX];
};

static inline void spans_add(struct spans *s, uint32_t from, uint32_t to, bool is_cut)
{
    if (s->count == SPANS_MAX)
        s->overflow = true;
    else if (from < to)
        s->at[s->count++] = (struct span){from, to, is_cut};
}

/* Brings them into order and joins what overlaps. */
void spans_settle(struct spans *s);
size_t spans_bytes(const struct spans *s, uint32_t len, uint32_t mask_len); /* of spans_write() */
char *spans_write(const struct spans *s, const char *text, uint32_t len, const char *mask, uint32_t mask_len,
                  char *out);

#endif
