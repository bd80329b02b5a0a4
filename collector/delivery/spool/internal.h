/* internal.h - of the spool: what its writing, reading and limits share. */
#ifndef COLLECTOR_DELIVERY_SPOOL_INTERNAL_H
#define COLLECTOR_DELIVERY_SPOOL_INTERNAL_H

#include "collector/delivery/spool/journal.h"
#include "collector/delivery/spool/spool.h"
#include "collector/delivery/spool/spool_file.h"

enum { SPOOL_BAD_MAX = 4 };

/* Blocks of the group that is being put together or written; they get their place when it is. */
struct spool_group {
    char *raw;              /* of the block that is open */
    uint32_t raw_len, raw_cap, records;
    int64_t oldest_ns;
    bool is_held;           /* the open block's records stay in memory */
    struct spool_block *open;
    struct spool_block *first, **last; /* held and sealed */
    uint64_t raw_total;
    uint64_t total;         /* records */
    bool is_writing;
};

struct spool_reader {
    struct seglog_segment *seg; /* NULL: the first one */
    uint64_t offset;        /* of the next block, or of where one may be */
    uint64_t sequence;      /* all blocks before it have been met */
    int fd;
    char *buf;
    size_t len, cap, at;    /* at: of `offset` in buf */
    size_t want;            /* bytes that the next block needs */
    struct io_req req;
    bool is_reading, has_result, is_stale; /* stale: what is being read is not wanted any more */
    int result;
    unsigned failures;
    uint64_t again_ns;
};

struct spool {
    struct spool_config cfg;
    struct seglog log;
    struct cursor cursor;
    struct spool_group group;
    struct spool_reader reader;
    struct spool_block *held, *held_last; /* by sequence */
    struct spool_block *held_unread;      /* the first that the reader has not come by; NULL: there is none */
    struct spool_counts counts;
    uint32_t evicted;         /* of those held, blocks whose file is gone */
    struct journal journal;
    struct seglog_segment journal_part; /* no file: of its blocks, what is live or held */
    uint32_t drain_blocks;  /* of the journal, that are being written into a file */
    uint64_t drain_records;
    uint64_t drain_ns;      /* when the next one is due; 0: not known */
    uint64_t journal_again_ns;
    int journal_error;      /* of the last write out of it */
    bool is_mended;         /* one has succeeded since */
    bool is_put_blocked;    /* by blocks in the journal */
    bool is_journal_left, was_told_journal;
    uint64_t found_sequence; /* the last that files had at the start */
    uint64_t found_next;     /* behind the last block that was found, of files and journal */
    uint64_t missing;        /* blocks that somebody has put, and that are in neither */
    bool is_file_done;       /* since the last look, nothing is left of some file */
    uint64_t tidy_ns;
    int64_t pack_ns;        /* time that may be spent on packing images, as of pack_at_ns */
    uint64_t pack_at_ns;
    bool was_told_damage, was_told_sync;
};

void spool_say(struct spool *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct spool_block *spool_block_new(void);
/* Puts a block with seg, sequence, records and left into the list of those held. */
void spool_hold(struct spool *s, struct spool_block *b);
struct spool_block *spool_held(const struct spool *s, uint64_t sequence);
/* Everything that is settled and has been passed by the reader is forgotten. */
void spool_advance(struct spool *s);
/* Records of seg that nobody will ever see again. */
void spool_lose(struct spool *s, struct seglog_segment *seg, uint64_t records, uint64_t *counter);
void spool_reader_leave(struct spool *s); /* the segment that it reads; the next one is next */
void spool_reader_close(struct spool *s);
/* Puts a damaged file aside, of which nothing is left to deliver; at most SPOOL_BAD_MAX stay. */
void spool_quarantine(struct spool *s, const struct seglog_segment *seg);
/* Gives up the oldest file. False: there is none that can be. */
bool spool_evict(struct spool *s, uint64_t *counter);
/* Removes the files that are done with, wherever they stand. */
void spool_tidy(struct spool *s);
/* So many bytes more must not go beyond spool_max_bytes. */
void spool_make_room(struct spool *s, uint64_t bytes);

/* spool_journal.c */
void spool_journal_open(struct spool *s, uint64_t found);
/* Kind, records, times and codec of the head are given, and the next sequence. 0: the image is safe; -EAGAIN: it cannot
 * be put now; -ENOTSUP: it has to be written without the journal, in which nothing waits; or -errno. */
int spool_journal_put(struct spool *s, struct spool_block_head *h, const struct iovec *piece, uint32_t count);
/* 0: nothing is in it that has to come before a group; -EAGAIN, or why what is in it cannot be written. */
int spool_journal_blocks(struct spool *s);
void spool_journal_end(struct spool *s, uint64_t now_ns);   /* of a write out of it */
void spool_journal_start(struct spool *s, uint64_t now_ns); /* the next one */
uint64_t spool_journal_deadline(const struct spool *s);

#endif
