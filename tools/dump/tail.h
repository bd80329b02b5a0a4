/* tail.h - the last few of many texts. */
#ifndef TOOLS_DUMP_TAIL_H
#define TOOLS_DUMP_TAIL_H

#include <stddef.h>
#include <stdint.h>

struct tail_text {
    char *data; /* NULL: none yet */
    size_t len;
};

struct tail {
    struct tail_text *text;
    uint32_t max, next; /* next: where the oldest lies, once there are `max` */
};

int tail_init(struct tail *t, uint32_t max); /* 0 or -ENOMEM */
void tail_done(struct tail *t);

/* Keeps a copy, in the place of the oldest of `max`. 0 or -ENOMEM. */
int tail_put(struct tail *t, const char *data, size_t len);
/* The i-th that is kept, oldest first; data is NULL where none is: i runs to max - 1. */
struct tail_text tail_at(const struct tail *t, uint32_t i);

#endif
