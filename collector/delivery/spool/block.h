/* block.h - one block of a spool: sealing it, finding it among any bytes, taking out what it holds. Pure:
 * no file is touched here. */
#ifndef COLLECTOR_DELIVERY_SPOOL_BLOCK_H
#define COLLECTOR_DELIVERY_SPOOL_BLOCK_H

#include "collector/delivery/spool/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

void spool_file_head_seal(struct spool_file_head *h);
bool spool_file_head_is_valid(const struct spool_file_head *h);

/* Bytes that spool_block_seal() may need at most. */
size_t spool_block_bound(size_t raw_len);
/* kind, records, sequence, time_ns and oldest_ns of h are given, and codec: whether to pack when that is worth it.
 * Writes head, stored bytes and padding at out. Returns the length. */
size_t spool_block_seal(struct spool_block_head *h, const char *raw, uint32_t raw_len, char *out);
/* The same without packing, of what lies in pieces. */
size_t spool_block_gather(struct spool_block_head *h, const struct iovec *piece, uint32_t count, char *out);
/* With its padding. */
static inline size_t spool_block_bytes(const struct spool_block_head *h)
{
    return sizeof *h + (((size_t)h->stored_bytes + 7) & ~(size_t)7);
}

/* Looks at data[*at] (8-aligned in the file) and behind for the next head that is whole. True: *at is its
 * place. False: there is none; *at is where to look again when there are more bytes. */
bool spool_block_find(const char *data, size_t len, enum spool_kind kind, size_t *at, struct spool_block_head *ret);
/* Verifies and unpacks; `out` has raw_bytes. 0, -EBADMSG. */
int spool_block_unpack(const struct spool_block_head *h, const char *stored, char *out);

/* Walks over what a block held. */
struct spool_item {
    const struct spool_dead_head *dead; /* NULL in a spool */
    const char *reason;                 /* dead->reason_len bytes */
    const struct entry_head *entry;
};
/* The item at raw[*at], which moves on. False at the end or where no item can be. */
bool spool_item_next(const char *raw, size_t len, enum spool_kind kind, size_t *at, struct spool_item *ret);

#endif
