/* slots.h - the file of acked.h, mapped. docs/abi/acked.md has the bytes. */
#ifndef COLLECTOR_DELIVERY_ACKED_SLOTS_H
#define COLLECTOR_DELIVERY_ACKED_SLOTS_H

#include "collector/delivery/acked.h"

#define ACKED_MAGIC UINT64_C(0x31444b4341504146) /* "FAPACKD1" */

struct acked_head {
    uint64_t magic;
    uint32_t endian;
    uint32_t slots;
    uint64_t zero[5];
    uint64_t xxh3; /* of what comes before */
};

struct acked_slot {
    uint64_t xxh3; /* of what follows; 0: free */
    uint64_t identity; /* of the sink */
    uint64_t uuid[2];
    uint64_t first, last;
    uint32_t lane;
    uint32_t zero;
    uint64_t zero_2;
};
_Static_assert(sizeof(struct acked_head) == 64 && sizeof(struct acked_slot) == 64, "lies in a file");

enum { ACKED_SLOTS = ACKED_NOTES_MAX + 1 }; /* a note that changes is written anew before it is given up */

struct acked_file {
    struct acked_head head;
    struct acked_slot slot[ACKED_SLOTS];
};

/* 1: made anew, although there was one; e says why. */
int acked_map(const char *dir, struct acked_file **ret, struct err *e);
/* A new one, with nothing in it, in the place of one that is there. */
int acked_map_new(const char *dir, struct acked_file **ret, struct err *e);
bool acked_file_is_whole(const struct acked_file *f);
void acked_unmap(struct acked_file *f); /* NULL allowed */
/* False: it is free, or damaged. */
bool acked_slot_read(const struct acked_slot *s, uint64_t *ret_identity, struct acked_place *ret);
void acked_slot_write(struct acked_slot *s, uint64_t identity, const struct acked_place *p);
void acked_slot_clear(struct acked_slot *s);

#endif
