/* table.h - what a stage keeps by key, bounded: as many entries as were asked for, in the order in which they were
 * last touched. Keys are 128-bit hashes, so their texts cost nothing, however long they are. All memory is asked
 * for at once and used as it fills up. */
#ifndef COLLECTOR_STAGE_TABLE_H
#define COLLECTOR_STAGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_key {
    uint64_t lo, hi;
};

/* First member of what is kept. */
struct table_entry {
    struct table_key key;
    uint32_t chain, newer, older; /* the table's */
};

struct table {
    uint32_t max, count;
    uint32_t fresh; /* entries from here on were never used */
    uint32_t spare; /* given back, chained */
    uint32_t newest, oldest;
    uint32_t mask;
    uint32_t *bucket;
    char *entries;
    size_t entry_bytes;
};

int table_open(struct table *t, uint32_t max, size_t entry_bytes); /* 0 or -ENOMEM */
void table_close(struct table *t); /* a zeroed one is allowed */
void *table_find(const struct table *t, struct table_key key);
/* Zeroed behind struct table_entry; it is the newest. There must be room: remove table_oldest() before. */
void *table_add(struct table *t, struct table_key key);
void table_touch(struct table *t, void *entry); /* makes it the newest */
void table_remove(struct table *t, void *entry);
void *table_oldest(const struct table *t); /* NULL: empty */

static inline bool table_is_full(const struct table *t)
{
    return t->count == t->max;
}

#endif
