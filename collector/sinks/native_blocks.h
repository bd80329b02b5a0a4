/* native_blocks.h - lays out the blocks of one batch as pieces to append. Span data is not copied: the
 * pieces point into the ring, and its checksum is computed in one pass over it. */
#ifndef COLLECTOR_SINKS_NATIVE_BLOCKS_H
#define COLLECTOR_SINKS_NATIVE_BLOCKS_H

#include <fapilog/native.h>

#include "collector/sinks/append.h"
#include "collector/sinks/arena.h"

#include <xxhash.h>
#include <zstd.h>

struct native_blocks {
    struct arena arena;        /* heads, tables and compressed bytes of the batch */
    struct piece *piece;
    unsigned pieces_count, pieces_room;
    uint64_t bytes;            /* of all pieces */
    uint64_t sequence;         /* of the next block */
    uint64_t sequence_before;  /* what abort goes back to */
    struct fapilog_native_index_entry *index; /* of the file; offset is relative to the batch while pending */
    unsigned index_count, index_room;
    unsigned index_pending;    /* entries at the end that belong to this batch */
    uint64_t records;          /* of the file, pending ones included */
    ZSTD_CCtx *zstd;           /* NULL: stored as it is */
    XXH3_state_t *hash;
};

/* level is used when compress. */
int native_blocks_init(struct native_blocks *b, bool compress, int level);
void native_blocks_done(struct native_blocks *b);

/* Begins a batch. */
void native_blocks_begin(struct native_blocks *b);
/* Appends raw bytes outside of any block: the file header. */
int native_blocks_raw(struct native_blocks *b, const void *data, uint32_t len);
struct native_block_info {
    uint16_t kind;
    uint32_t records;
    uint64_t real_ns;
    bool is_plain; /* never compressed */
};
/* Appends one block whose payload is `parts` in order. Parts stay where they are until the write. */
int native_blocks_add(struct native_blocks *b, const struct native_block_info *info,
                      const struct piece *parts, unsigned count);
/* The batch lies in the file from `offset` on. */
void native_blocks_commit(struct native_blocks *b, uint64_t offset);
void native_blocks_abort(struct native_blocks *b);
/* Another file begins: its index is empty. */
void native_blocks_new_file(struct native_blocks *b);
/* Begins a batch that is the index block of the file. */
int native_blocks_index(struct native_blocks *b, uint64_t offset);

#endif
