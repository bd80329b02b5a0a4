/* spool.h - the disk spool of one sink: entries go in at one end and come out, block by block, at the other.
 * What was acknowledged is kept in the cursor (cursor.h), record by record, so that a run that was killed
 * resends nothing but what was in flight. */
#ifndef COLLECTOR_DELIVERY_SPOOL_SPOOL_H
#define COLLECTOR_DELIVERY_SPOOL_SPOOL_H

#include "collector/delivery/spool/cursor.h"
#include "collector/delivery/spool/seglog.h"

/* A block of which somebody holds records in memory, or did while the reader had not come by. */
struct spool_block {
    struct spool_block *next, *prev; /* by sequence */
    struct seglog_segment *seg;
    uint64_t sequence;
    int64_t time_ns;          /* CLOCK_REALTIME: when it was written */
    uint32_t records;
    uint32_t left;            /* not settled */
    uint32_t forgotten;       /* of those, not in memory any more */
    uint64_t *evicted;        /* its file was given up, and this counts what it held; NULL: it is there */
};

struct spool_config {
    struct io *io;
    const char *dir;
    const char *sink, *format;
    const struct sink_delivery *delivery; /* its spool_* options; they may change */
    void (*on_message)(void *arg, const char *text);
    void *message_arg;
    /* Makes entries of an image, `records` at most; *ret is to be freed. 0 or -ENOMEM. */
    int (*expand)(void *arg, const char *image, uint32_t len, uint32_t records, char **ret, uint32_t *ret_len);
    void *expand_arg;
};

struct spool;

int spool_open(const struct spool_config *cfg, struct spool **ret, struct err *e);
/* Nothing may be under way: spool_is_busy(). NULL allowed. */
void spool_close(struct spool *s);
bool spool_is_busy(const struct spool *s);

/* Writing: a group of entries, then spool_write(), then spool_poll() until it ends. One group at a time. */
bool spool_can_put(const struct spool *s);
/* A copy of the entry with this number of attempts; follows: directly behind the one put before it, in the order in
 * which the sink was given them. With ret_block the caller keeps the record in memory and
 * settles it itself: the block is valid once the group is written. -EAGAIN: the group is full. */
int spool_put(struct spool *s, const struct entry_head *entry, uint32_t attempts, bool follows,
              struct spool_block **ret_block, uint32_t *ret_index);
/* A copy of an image (collector/delivery/image.h), as a block of its own. Results as above, or 1: it is safe at once,
 * in the journal, and no part of the group. */
int spool_put_image(struct spool *s, const char *image, size_t len, uint32_t records, int64_t oldest_ns);
/* An image in pieces, where it can be safe at once and is not to be packed: is_short, there is no time for that. False:
 * it is not taken. */
bool spool_take_image(struct spool *s, const struct iovec *piece, uint32_t count, uint32_t records, int64_t oldest_ns,
                      bool is_short);
/* 0: spool_poll() tells the end; -errno: nothing of the group counts. Gives up the oldest files for room. */
int spool_write(struct spool *s);
/* -EAGAIN: under way; 0: all is written, as safe as the policy wants; -errno: nothing counts. */
int spool_poll(struct spool *s);

/* All that lies in the spool is known elsewhere to lie there: the ring is not asked for it again. */
void spool_set_noted(struct spool *s);
/* Before anything is put or read: the blocks that were put since, as far as they are whole, with what they hold. */
typedef void spool_unnoted_fn(void *arg, const struct spool_block_head *h, const char *raw);
void spool_unnoted(struct spool *s, spool_unnoted_fn *func, void *arg);

/* Reading: one block, with entries that are not settled among others. 1: *ret_raw is the caller's to free, and
 * every entry of it that spool_is_settled() does not name is to be settled. 0: nothing now. */
int spool_read(struct spool *s, uint64_t now_ns, struct spool_block **ret, char **ret_raw, uint32_t *ret_len);
bool spool_is_settled(const struct spool *s, const struct spool_block *b, uint32_t index);
void spool_settle(struct spool *s, struct spool_block *b, uint32_t index);
/* Whether blocks that were given out lie in files that have been given up since: records of theirs that are not on
 * their way to the server go the same way. */
bool spool_has_evicted(const struct spool *s);
void spool_give_up(struct spool *s, struct spool_block *b, uint32_t index);
/* The record leaves memory without being settled: a later run finds it in the spool, if it is still there. */
void spool_forget(struct spool *s, struct spool_block *b, uint32_t index);
bool spool_has_records(const struct spool *s); /* not settled */
/* Why what lies in the journal cannot be written, or 0. The write is repeated. */
int spool_trouble(const struct spool *s);
/* A write has succeeded since one out of the journal failed; else that nothing lies there any more is the server's
 * doing. */
bool spool_is_mended(const struct spool *s);
/* There are records in it that are in no file yet, so that nobody can read them. */
bool spool_journal_waits(const struct spool *s);
/* Whether spool_read() may have more than what it has given so far. */
bool spool_has_unread(const struct spool *s);
/* What spool_read() has asked the disk for is on its way. */
bool spool_is_reading(const struct spool *s);

/* Age, sync timer, removal of files that are done with. */
void spool_tick(struct spool *s, uint64_t now_ns);
uint64_t spool_deadline(const struct spool *s);

struct spool_counts {
    uint64_t found;           /* records that were there at the start */
    uint64_t records, bytes;  /* not settled; of the files */
    uint64_t dropped_size, dropped_age, dropped_corrupt;
};
void spool_counts(const struct spool *s, struct spool_counts *ret);

#endif
