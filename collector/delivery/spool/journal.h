/* journal.h - where images lie until they are in a file of the spool: DIR/journal, mapped, so that a record is safe
 * from SIGKILL as soon as it has been copied, whoever writes the file and whenever that is. To copy into pages that are
 * there costs a fraction of a write, which has to find pages first; the write is left to the kernel's workers.
 *
 *   file   struct journal_map | zeros | area
 *   area   a ring of blocks as they will lie in a file of the spool, each in one piece
 *
 * A block counts from when its slot names it until the slot is cleared: then it lies in a file, or nothing is left of
 * it to deliver. */
#ifndef COLLECTOR_DELIVERY_SPOOL_JOURNAL_H
#define COLLECTOR_DELIVERY_SPOOL_JOURNAL_H

#include "collector/delivery/spool/block.h"
#include "lib/base/err.h"

#define JOURNAL_FILE "journal"
#define JOURNAL_MAGIC UINT64_C(0x314c4e524a4c5053) /* "SPLJRNL1" */

enum {
    JOURNAL_SLOTS = 256,
    JOURNAL_AREA_OFFSET = 8192,
    JOURNAL_AREA = 8 << 20,
    JOURNAL_BYTES = JOURNAL_AREA_OFFSET + JOURNAL_AREA,
    JOURNAL_BLOCK_MAX = JOURNAL_AREA / 4,
};

struct journal_slot {
    uint64_t sequence; /* of the block, 0: none */
    uint64_t offset;   /* in the area */
};

struct journal_map {
    uint64_t magic;
    uint64_t area_bytes;
    char sink[64], format[64]; /* as in the head of a file */
    uint64_t xxh3;             /* of all before */
    struct journal_slot slot[JOURNAL_SLOTS]; /* of the block whose sequence modulo their number is its index */
};
_Static_assert(sizeof(struct journal_map) == 160 + 16 * JOURNAL_SLOTS - 8, "lies in files");

struct journal_block {
    uint64_t offset;
    uint32_t bytes, records; /* 0: a damaged one was there */
};

struct journal {
    struct journal_map *map; /* NULL: there is none */
    char *area;
    int guard;
    uint32_t damaged;        /* set by the guard: somebody has cut the file */
    uint64_t first, next;    /* sequences of the blocks that are in no file; the same: none */
    uint64_t records, bytes; /* in them */
    struct journal_block block[JOURNAL_SLOTS];
};

/* Maps the journal that a run has left. 0: the blocks in it wait, but for those up to `found`, the last that is in
 * a file; -ENOENT: there is none; others: there is one that cannot be used. *ret_lost: blocks that cannot be read. */
int journal_open(struct journal *j, const char *dir, const struct spool_file_head *whose, uint64_t found,
                 uint32_t *ret_lost, struct err *e);
/* Makes one. Its disk blocks are reserved, so that storing there cannot meet a full disk. -EOPNOTSUPP: not on this file
 * system. */
int journal_create(struct journal *j, const char *dir, const struct spool_file_head *whose, struct err *e);
/* Removes the file where nothing waits in it. */
void journal_close(struct journal *j, const char *dir);
void journal_discard(struct journal *j, const char *dir); /* whatever is in it */

static inline bool journal_is_empty(const struct journal *j)
{
    return j->first == j->next;
}

static inline struct journal_block *journal_at(struct journal *j, uint64_t sequence)
{
    return &j->block[sequence % JOURNAL_SLOTS];
}

static inline uint64_t journal_end_of(const struct journal_block *b)
{
    return b->offset + b->bytes;
}

/* Whether somebody has cut it: what is in it cannot be trusted. */
bool journal_is_damaged(const struct journal *j);
/* Seals the image, which is packed only when it is one piece, into the journal, as the block after those that wait; of
 * its head is given what spool_block_seal() wants. 0; -EAGAIN: there is no room now, or it is damaged; -ENOTSUP: there
 * never is. */
int journal_add(struct journal *j, struct spool_block_head *h, const struct iovec *piece, uint32_t count);
/* The oldest blocks, as far as they lie in one piece that is not longer than `max`, at least one; how many they are. */
uint32_t journal_peek(const struct journal *j, uint64_t max, const char **ret, size_t *ret_len, uint64_t *ret_records);
/* The oldest ones lie in a file, or are delivered. */
void journal_release(struct journal *j, uint32_t blocks);

/* ---- reading: journal_read.c ---- */

/* map and area are given: finds the blocks behind `found`. */
void journal_scan(struct journal *j, uint64_t found, uint32_t *ret_lost);
bool journal_head_is_valid(const struct journal_map *m);
bool journal_fd_is_one(int fd);
/* For tools: a file like those of the spool, with what waits in the journal `fd`, which somebody may be writing to. The
 * new descriptor, or -errno. */
int journal_export(int fd);

#endif
