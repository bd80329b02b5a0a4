/* spool_file.h - reads one file of a spool or of dead letters block by block, whatever it holds: torn tails
 * and damaged blocks cost only themselves. For start-up and for tools; the running collector reads through
 * spool_reader.c. */
#ifndef COLLECTOR_DELIVERY_SPOOL_SPOOL_FILE_H
#define COLLECTOR_DELIVERY_SPOOL_SPOOL_FILE_H

#include "collector/delivery/spool/block.h"
#include "lib/base/err.h"

struct spool_file {
    int fd;
    enum spool_kind kind;
    bool is_journal;            /* what waits in it, as if it were a file */
    bool has_head;              /* whole; else the blocks are looked for from the beginning */
    struct spool_file_head head;
    uint64_t size, offset;      /* offset: behind the last block */
    uint64_t block_offset;      /* of the last block */
    uint64_t last_sequence;
    uint64_t damaged, skipped_bytes; /* places between blocks */
    uint64_t torn_bytes;        /* behind the last whole block; known at the end */
    char *window;
    uint64_t window_offset;
    size_t window_len;
    char *stored, *raw;
    size_t stored_cap, raw_cap;
};

/* What a file of this name is, 0: none of ours; 16 hex digits, the sequence of its first block, and the suffix. */
enum spool_kind spool_name_parse(const char *name, uint64_t *ret_sequence);

/* kind 0: what the head says; -EBADMSG where there is none. */
int spool_file_open(struct spool_file *f, const char *path, enum spool_kind kind, struct err *e);
/* Takes the descriptor over, also on failure. */
int spool_file_open_fd(struct spool_file *f, int fd, const char *path, enum spool_kind kind, struct err *e);
void spool_file_close(struct spool_file *f);
/* 1: the next whole head, whose bytes are all there. 0: the end. -errno of reading. */
int spool_file_next(struct spool_file *f, struct spool_block_head *ret);
/* What the last block held: raw, valid until the next call. 0, -EBADMSG (damaged), -errno. */
int spool_file_load(struct spool_file *f, const struct spool_block_head *h, const char **ret);

#endif
