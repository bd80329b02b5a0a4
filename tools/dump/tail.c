#include "tools/dump/tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int tail_init(struct tail *t, uint32_t max)
{
    *t = (struct tail){.text = calloc(max, sizeof *t->text), .max = max};
    return t->text ? 0 : -ENOMEM;
}

void tail_done(struct tail *t)
{
    for (uint32_t i = 0; t->text && i < t->max; i++)
        free(t->text[i].data);
    free(t->text);
    *t = (struct tail){0};
}

int tail_put(struct tail *t, const char *data, size_t len)
{
    struct tail_text *const x = &t->text[t->next];
    char *const copy = realloc(x->data, len ? len : 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, data, len);
    *x = (struct tail_text){copy, len};
    t->next = t->next + 1 == t->max ? 0 : t->next + 1;
    return 0;
}

struct tail_text tail_at(const struct tail *t, uint32_t i)
{
    return t->text[(t->next + i) % t->max];
}
