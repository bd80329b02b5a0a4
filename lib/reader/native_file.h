/* native_file.h - walking the blocks of a native file (include/fapilog/native.h).
 *
 *     while ((r = native_file_next(f, &block)) > 0)
 *         if (block.kind == FAPILOG_NATIVE_KIND_SPANS)
 *             for (struct native_spans it = ...; native_spans_next(&it, &span) > 0;) ...
 *
 * Everything read is checked before it is used. A damaged block costs itself: the walk goes on at the
 * next place where a block header with a good checksum stands, and reports the bytes between. Payloads that turn out
 * bad are hashed up to NATIVE_FILE_VAIN_FACTOR times the file's size; beyond that a block that neither another one nor
 * the end of the file follows counts as damaged as well. */
#ifndef LIB_READER_NATIVE_FILE_H
#define LIB_READER_NATIVE_FILE_H

#include <fapilog/native.h>

#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { NATIVE_FILE_VAIN_FACTOR = 4 }; /* torn blocks that later ones cut into hardly come to 2 */

struct native_file {
    struct fapilog_native_header header;
    uint64_t offset;        /* where the next block is looked for */
    uint64_t skipped_bytes; /* damaged, in all */
    uint64_t skipped_blocks;/* headers that were good while their payload was not */
    uint64_t lost_blocks;   /* by gaps in the sequence */
    uint64_t torn_bytes;    /* behind the last whole block when the walk ended: unfinished or growing */
    bool is_tail_damaged;   /* no block that is being written: they begin with no good header */
    uint32_t cuts;          /* the file became shorter than what was read, and was begun again */
    /* private */
    int fd;
    uint64_t read_to;       /* of the file; the padding behind the last block's bytes, up to `offset`, may be missing */
    bool is_cut;            /* and has no header again yet */
    uint64_t vain_bytes;    /* hashed of payloads that were bad */
    bool has_sequence;
    uint64_t sequence;      /* expected next */
    uint8_t *stored, *raw;
    size_t stored_room, raw_room;
    void *zstd;
};

/* Payload decompressed; valid until the next native_file_next() on the file. */
struct native_block {
    uint32_t kind; /* FAPILOG_NATIVE_KIND_*, or one that this version does not know */
    uint32_t records;
    uint64_t sequence;
    uint64_t offset;
    const uint8_t *data;
    uint32_t len;
};

/* -EBADMSG: not a native file; -ENOTSUP: of another version. */
int native_file_open(const char *path, struct native_file **ret, struct err *e);
/* Takes the descriptor over, even on failure. */
int native_file_open_fd(int fd, const char *name, struct native_file **ret, struct err *e);
void native_file_close(struct native_file *f); /* NULL is fine */
/* Gives back memory until there is a block to be read again; the last one is not valid any more. */
void native_file_trim(struct native_file *f);

/* 1: *ret is the next whole block. 0: no more for now; call again when the file has grown. -errno of
 * the system, or -ENOMEM. */
int native_file_next(struct native_file *f, struct native_block *ret);

/* Reads the block at an offset that native_file_next() has told once more, without moving on. *ret is the
 * caller's, to be freed. -EBADMSG: it is not there any more. */
int native_file_load(struct native_file *f, uint64_t offset, uint8_t **ret, uint32_t *ret_len);

/* ---- views; -EBADMSG when the payload is not what its kind says ---- */

/* Superblock with its mutable part zero. Its own checksum is not looked at. */
int native_segment_view(const struct native_block *b, struct fapilog_superblock *ret);

struct native_registry {
    uint64_t uuid[2];
    uint64_t from, to; /* offsets in the registry */
    const uint8_t *data;
};
int native_registry_view(const struct native_block *b, struct native_registry *ret);

struct native_span {
    struct fapilog_native_span head;
    const uint8_t *data; /* head.bytes; 8-byte aligned */
};
struct native_spans {
    uint32_t left, flags;
    const uint8_t *head, *data, *end;
};
int native_spans_view(const struct native_block *b, struct native_spans *ret);
/* 1: *ret is the next span; 0: there are no more. */
int native_spans_next(struct native_spans *it, struct native_span *ret);

struct native_losses {
    uint32_t left, stride;
    const uint8_t *entry;
};
int native_losses_view(const struct native_block *b, struct native_losses *ret);
/* 1: *ret is the next one; 0: there are no more. */
int native_losses_next(struct native_losses *it, struct fapilog_native_loss *ret);

struct native_index {
    uint64_t records;
    uint64_t count;
    const struct fapilog_native_index_entry *entry;
};
int native_index_view(const struct native_block *b, struct native_index *ret);

#endif
