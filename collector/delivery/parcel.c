#include "collector/delivery/parcel.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SEAL_WASTE_MIN = 64 << 10 }; /* less is not worth a copy */

static char *allocate(uint64_t bytes)
{
    return aligned_alloc(ENTRY_ALIGN, (bytes + ENTRY_ALIGN - 1) & ~(uint64_t)(ENTRY_ALIGN - 1));
}

struct parcel *parcel_new(uint64_t cap)
{
    struct parcel *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->data = allocate(cap);
    if (!p->data) {
        free(p);
        return NULL;
    }
    p->cap = cap;
    p->refs = 1;
    return p;
}

struct parcel *parcel_adopt(char *data, uint64_t bytes, uint64_t cap)
{
    struct parcel *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    *p = (struct parcel){ .refs = 1, .bytes = bytes, .cap = cap, .data = data };
    return p;
}

int parcel_reserve(struct parcel *p, uint64_t more)
{
    if (p->cap - p->bytes >= more)
        return 0;
    const uint64_t cap = p->cap + (p->cap / 2 > more ? p->cap / 2 : more);
    char *data = realloc(p->data, cap);
    if (!data)
        return -ENOMEM;
    p->data = data;
    p->cap = cap;
    return 0;
}

void parcel_seal(struct parcel *p, uint64_t now_ns)
{
    p->sealed_ns = now_ns;
    if (p->refs > 1 || p->cap - p->bytes < SEAL_WASTE_MIN) /* who has it knows where it lies */
        return;
    char *data = allocate(p->bytes ? p->bytes : 1);
    if (!data)
        return;
    memcpy(data, p->data, p->bytes);
    free(p->data);
    p->data = data;
    p->cap = p->bytes;
}

void parcel_seal_within(struct parcel *p, uint64_t now_ns, uint64_t *slack)
{
    const uint64_t behind = p->cap - p->bytes;
    if (p->slack || behind < SEAL_WASTE_MIN || *slack + behind > PARCEL_SLACK_BYTES) {
        parcel_seal(p, now_ns);
        return;
    }
    p->sealed_ns = now_ns;
    p->slack = slack;
    *slack += behind;
}

struct parcel *parcel_ref(struct parcel *p)
{
    p->refs++;
    return p;
}

void parcel_unref(struct parcel *p)
{
    if (!p)
        return;
    CHECK(p->refs > 0);
    if (--p->refs > 0)
        return;
    if (p->slack)
        *p->slack -= p->cap - p->bytes;
    free(p->data);
    free(p);
}
