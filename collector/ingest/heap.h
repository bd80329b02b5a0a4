/* heap.h - the lanes that have a record ready, by the time of that record. The replace-top operation
 * is the hot one: most records come from the lane that gave the one before. */
#ifndef COLLECTOR_INGEST_HEAP_H
#define COLLECTOR_INGEST_HEAP_H

#include "lib/base/check.h"

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    uint64_t order; /* breaks ties, so that equal times always merge alike */
    void *item;
};

struct heap {
    struct heap_node *node; /* caller's storage, `cap` entries */
    uint32_t count;
    uint32_t cap;
};

static inline int heap_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key < b->key || (a->key == b->key && a->order < b->order);
}

static inline void heap_sift_down(struct heap *h, uint32_t i)
{
    const struct heap_node moving = h->node[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && heap_before(&h->node[child + 1], &h->node[child]))
            child++;
        if (!heap_before(&h->node[child], &moving))
            break;
        h->node[i] = h->node[child];
        i = child;
    }
    h->node[i] = moving;
}

static inline void heap_push(struct heap *h, int64_t key, uint64_t order, void *item)
{
    CHECK(h->count < h->cap);
    const struct heap_node moving = { key, order, item };
    uint32_t i = h->count++;
    while (i > 0) {
        const uint32_t parent = (i - 1) / 2;
        if (!heap_before(&moving, &h->node[parent]))
            break;
        h->node[i] = h->node[parent];
        i = parent;
    }
    h->node[i] = moving;
}

static inline void *heap_top(const struct heap *h)
{
    return h->count ? h->node[0].item : NULL;
}

/* The top's item has a later key now. */
static inline void heap_replace_top(struct heap *h, int64_t key)
{
    CHECK(h->count > 0);
    h->node[0].key = key;
    heap_sift_down(h, 0);
}

static inline void heap_pop(struct heap *h)
{
    CHECK(h->count > 0);
    h->node[0] = h->node[--h->count];
    if (h->count > 1)
        heap_sift_down(h, 0);
}

#endif
