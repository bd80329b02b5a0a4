/* parcel.h - a run of entries (collector/sinks/entry.h) in one piece of memory, shared by all remote sinks
 * that want the same output. It is the buffer that a batch serializes into: what a slow sink still holds
 * is not copied, the batch just takes a new one. */
#ifndef COLLECTOR_DELIVERY_PARCEL_H
#define COLLECTOR_DELIVERY_PARCEL_H

#include "collector/sinks/entry.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PARCEL_BYTES = 1 << 20,
    PARCEL_SLACK_BYTES = 4 << 20, /* of parcel_seal_within() */
};

struct parcel {
    uint32_t refs;
    bool is_image;        /* data is an image (image.h) of `records` records, and no entries */
    uint32_t records;
    uint64_t bytes;       /* used */
    uint64_t cap;         /* >= PARCEL_BYTES while it is filled; cut to what is used by parcel_seal() */
    uint64_t payload_bytes;
    int64_t oldest_ns, youngest_ns; /* CLOCK_REALTIME of its records */
    uint64_t sealed_ns;   /* CLOCK_MONOTONIC */
    uint64_t *slack;      /* of parcel_seal_within(), while it counts there */
    char *data;           /* 8-aligned */
};

struct parcel *parcel_new(uint64_t cap); /* one reference; NULL: no memory */
/* Takes over `cap` bytes of malloc(), of which `bytes` are used, unless there is no memory for the rest: NULL. */
struct parcel *parcel_adopt(char *data, uint64_t bytes, uint64_t cap);
int parcel_reserve(struct parcel *p, uint64_t more); /* room behind what is used; -ENOMEM */
/* Gives back the memory behind what is used, when that is much: what is used moves. Cut off where they stand, the ends
 * of parcels that were filled side by side are holes too small for the next ones, and the heap takes many times what
 * it holds. */
void parcel_seal(struct parcel *p, uint64_t now_ns);
/* The same, but as long as the memory behind what is used adds up to little, it stays, and the copy is saved. *slack
 * counts it, and outlives the parcel. */
void parcel_seal_within(struct parcel *p, uint64_t now_ns, uint64_t *slack);
struct parcel *parcel_ref(struct parcel *p);
void parcel_unref(struct parcel *p); /* NULL allowed */

#endif
