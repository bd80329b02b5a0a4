/* slots.h - the file of answered.h, mapped. docs/abi/answered.md has the bytes. */
#ifndef COLLECTOR_DELIVERY_ANSWERED_SLOTS_H
#define COLLECTOR_DELIVERY_ANSWERED_SLOTS_H

#include "collector/delivery/answered.h"

#define ANSWERED_MAGIC UINT64_C(0x3157534e41504146) /* "FAPANSW1" */

struct answered_head {
    uint64_t magic;
    uint32_t endian;
    uint32_t slots;
    uint64_t zero[5];
    uint64_t xxh3; /* of what comes before */
};

struct answered_slot {
    uint64_t xxh3; /* of what follows; 0: free */
    uint64_t identity; /* of the sink */
    uint64_t uuid[2];
    uint64_t first, last;
    uint32_t lane;
    uint32_t zero;
    uint64_t zero_2;
};
_Static_assert(sizeof(struct answered_head) == 64 && sizeof(struct answered_slot) == 64, "lies in a file");

enum { ANSWERED_SLOTS = ANSWERED_NOTES_MAX + 1 }; /* a note that changes is written anew before it is given up */

struct answered_file {
    struct answered_head head;
    struct answered_slot slot[ANSWERED_SLOTS];
};

/* 1: made anew, although there was one; e says why. */
int answered_map(const char *dir, struct answered_file **ret, struct err *e);
void answered_unmap(struct answered_file *f); /* NULL allowed */
/* False: it is free, or damaged. */
bool answered_slot_read(const struct answered_slot *s, uint64_t *ret_identity, struct answered_place *ret);
void answered_slot_write(struct answered_slot *s, uint64_t identity, const struct answered_place *p);
void answered_slot_clear(struct answered_slot *s);

#endif
