/* grow.h - arrays that grow by doubling. */
#ifndef FAPILOG_BASE_GROW_H
#define FAPILOG_BASE_GROW_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* *array, a pointer to elements of `size` bytes with room for *cap of them, has room for `need` afterwards. -ENOMEM: it
 * is as it was. */
static inline int grow(void **array, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap)
        return 0;
    uint32_t to = *cap ? *cap : 64;
    while (to < need && to <= UINT32_MAX / 2)
        to *= 2;
    if (to < need)
        return -ENOMEM;
    void *more = realloc(*array, to * size);
    if (!more)
        return -ENOMEM;
    *array = more;
    *cap = to;
    return 0;
}

#endif
