#include "lib/reader/native_cache.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>

int native_cache_get(struct native_cache *c, struct native_file *f, uint64_t offset, struct native_payload **ret)
{
    struct native_payload *p;
    for (struct native_payload **at = &c->first; (p = *at); at = &p->next) {
        if (p->offset != offset)
            continue;
        *at = p->next;
        p->next = c->first;
        c->first = p;
        p->refs++;
        *ret = p;
        return 0;
    }
    p = f ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return f ? -ENOMEM : -EBADMSG;
    const int r = native_file_load(f, offset, &p->data, &p->len);
    if (r < 0) {
        free(p);
        return r;
    }
    p->offset = offset;
    p->refs = 1;
    p->next = c->first;
    c->first = p;
    *ret = p;
    return 0;
}

int native_cache_lend(struct native_cache *c, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct native_payload *p = malloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    *p = (struct native_payload){ .next = c->first, .offset = offset, .len = len, .refs = 1, .is_lent = true,
                                  .data = (uint8_t *)(uintptr_t)data };
    c->first = p;
    return 0;
}

void native_cache_return(struct native_cache *c)
{
    struct native_payload *p;
    for (struct native_payload **at = &c->first; (p = *at);) {
        if (!p->is_lent) {
            at = &p->next;
            continue;
        }
        CHECK(p->refs == 1);
        *at = p->next;
        free(p);
    }
}

static void payload_free(struct native_payload *p)
{
    if (!p->is_lent)
        free(p->data);
    free(p);
}

void native_cache_put(struct native_cache *c, struct native_payload *p)
{
    unsigned idle = 0;
    CHECK(p->refs > 0);
    if (--p->refs)
        return;
    for (struct native_payload **at = &c->first; (p = *at);) {
        if (p->refs || ++idle <= NATIVE_CACHE_IDLE_MAX) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        payload_free(p);
    }
}

void native_cache_done(struct native_cache *c)
{
    while (c->first) {
        struct native_payload *p = c->first;
        c->first = p->next;
        payload_free(p);
    }
}
