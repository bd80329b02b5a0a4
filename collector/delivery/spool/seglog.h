/* seglog.h - a directory of files of blocks that is appended to at one end and shortened at the other: what
 * spools and dead letters have in common. Blocks are gathered, then written as one group; a group counts only
 * once it is written, and forced to disk where the policy says so. One group is under way at a time. */
#ifndef COLLECTOR_DELIVERY_SPOOL_SEGLOG_H
#define COLLECTOR_DELIVERY_SPOOL_SEGLOG_H

#include "collector/delivery/spool/block.h"
#include "collector/io/io.h"
#include "collector/sinks/sink.h"

#include <limits.h>

/* Bounded so that PATH_MAX has room for a name in it. */
enum { SEGLOG_DIR_MAX = PATH_MAX - 64 };

enum { SEGLOG_SKIP = 1 << 20 }; /* more blocks than a file holds */

struct seglog_segment {
    struct seglog_segment *next; /* younger */
    uint64_t sequence;           /* of its first block; its name */
    uint64_t bytes;              /* whole groups */
    uint64_t records;            /* in blocks that were whole when they were written or found */
    uint64_t live;               /* of those, neither settled nor given up: the spool's to count */
    uint64_t end_sequence;       /* behind its last block, as far as is known: the spool's, too */
    uint64_t held;               /* of the live ones, those that somebody has in memory: the spool's, too */
    int64_t oldest_ns;           /* CLOCK_BOOTTIME at which its first block was written, and its last: the wall clock */
    int64_t youngest_ns;         /* may have been set since. Of files of a former run, by the wall clock at the start */
    uint32_t pins;               /* who still points to it after it has left the list */
    bool is_listed;
    bool is_damaged;             /* something in it could not be read */
};

struct seglog_config {
    struct io *io;
    const char *dir;
    const char *suffix;
    enum spool_kind kind;
    const char *sink, *format;
    uint64_t segment_bytes;
    uint32_t sync; /* enum sink_spool_sync */
    uint64_t sync_interval_ns;
};

enum seglog_step { SEGLOG_IDLE, SEGLOG_WRITE, SEGLOG_DIR_SYNC, SEGLOG_DATA_SYNC, SEGLOG_DONE };

/* Under way at a time; a file that has come to its end waits for one of them. Each has one of the kernel's workers to
 * itself, which are four for each CPU, and which all sinks share. */
enum { SEGLOG_SYNCS = 3 };

/* One that is forced to disk while groups are written, be it to the same file or to the next. */
struct seglog_sync {
    struct seglog *log;     /* NULL: there is none */
    struct io_req req;
    int fd;
    bool is_again;          /* it was written to since this began */
    bool is_rolled;         /* it has come to its end: to be closed when it is safe */
};

struct seglog {
    struct io *io;
    char dir[SEGLOG_DIR_MAX];
    const char *suffix;
    enum spool_kind kind;
    struct spool_file_head head; /* of the next file */
    uint64_t segment_bytes, sync_interval_ns;
    uint32_t sync;
    struct seglog_segment *first, *last;
    uint64_t bytes;         /* of all listed files */
    uint32_t foreign, unreadable; /* files that are left alone: for another kind of sink, or not to be read */
    struct err why;               /* ... of the first of these */
    uint64_t left_sequence;       /* the first block of the first of them; 0: there are none */
    uint64_t next_sequence;
    /* the open file */
    int fd;
    bool is_local, is_dirty, must_cut, must_sync_dir;
    /* the group */
    char *group;
    size_t group_len, group_cap, group_done;
    const char *sealed;     /* the group's blocks lie there, and only the head of a file in `group`; or NULL */
    size_t sealed_len;
    uint64_t group_sequence, group_records;
    uint32_t group_blocks;
    bool is_uncached, is_uncached_refused; /* of sealed blocks, see io_req; by the kernel or the file system */
    bool is_inline;          /* it is to be written at once, where that is quick: see io_req */
    enum seglog_step step;
    int result;
    struct io_req req;
    int dir_fd;
    struct seglog_sync syncs[SEGLOG_SYNCS];
    int sync_result;        /* of those that have ended: -errno, 1, or 0: none has */
    uint64_t sync_due_ns;   /* the timer's */
};

/* Makes the directory and locks it: nobody else's may be touched. */
int seglog_open(struct seglog *l, const struct seglog_config *cfg, struct err *e);
/* Then: lists its files in order, cuts the last one behind its last whole block. on_block is told of each head that is
 * whole. Files with entries for another kind of sink, and those that cannot be read, are not listed and not
 * touched. Where it fails, all is closed. */
typedef void seglog_block_fn(void *arg, struct seglog_segment *seg, const struct spool_block_head *h);
int seglog_find(struct seglog *l, seglog_block_fn *on_block, void *arg, struct err *e);
/* Nothing may be under way: seglog_is_busy(). */
void seglog_close(struct seglog *l);
bool seglog_is_busy(const struct seglog *l);
bool seglog_is_last_busy(const struct seglog *l); /* something is under way in the last file: it cannot be dropped */

struct seglog_block {
    enum spool_kind kind;
    enum spool_codec codec; /* as in spool_block_seal() */
    const char *raw;
    uint32_t raw_len, records;
    int64_t oldest_ns, time_ns;
};
/* Seals a block into the group; none may be under way. Its sequence, or 0: no memory. */
uint64_t seglog_add(struct seglog *l, const struct seglog_block *b);
/* The group is so many bytes of sealed blocks, the first of which has this sequence; they are not copied, and keep
 * their sequences whatever becomes of the group. None may be under way. 0 or -ENOMEM. */
int seglog_add_sealed(struct seglog *l, const char *blocks, size_t len, uint64_t sequence, uint64_t records);
bool seglog_has_group(const struct seglog *l);
/* Writes the group. 0: seglog_poll() tells the end; -errno: nothing of it counts, the group is gone. */
int seglog_start(struct seglog *l);
void seglog_abort(struct seglog *l); /* the group, before it is started */
/* -EAGAIN: under way. 0: all of it is written, and lies in `last`; or -errno: nothing of it counts. */
int seglog_poll(struct seglog *l);
/* The policy `interval`: seglog_sync.c. Of a sync that has ended since: 1, or -errno; 0: none has. */
int seglog_tick(struct seglog *l, uint64_t now_ns);
uint64_t seglog_deadline(const struct seglog *l); /* UINT64_MAX, too, while the next one waits for another's end */
bool seglog_has_sync(const struct seglog *l); /* some is under way */
bool seglog_is_syncing(const struct seglog *l, int fd);
/* The open file has come to its end: it is forced to disk, where that is wanted, and closed, and neither is waited for.
 * -EBUSY: too many others are under way. */
int seglog_roll(struct seglog *l);

/* Takes a file off the list and removes it; a pinned one stays in memory. 0 or -errno of the removal, after which it is
 * still there. Not the one that a group is going into. */
int seglog_drop(struct seglog *l, struct seglog_segment *seg);
/* After opening: the last file, if it is of that name and has no whole block, goes: the group that was to begin it
 * begins it now. */
void seglog_drop_begun(struct seglog *l, uint64_t sequence);
/* A block that a former run has written is in it: of that the wall clock has to tell. */
void seglog_date(struct seglog_segment *seg, int64_t time_ns);
/* Of a block in the file, at least 0. What the wall clock says, as far as that can be true of the file. */
int64_t seglog_age_ns(const struct seglog_segment *seg, int64_t time_ns);
void seglog_unpin(struct seglog_segment *seg);
void seglog_path(const struct seglog *l, const struct seglog_segment *seg, char ret[PATH_MAX]);

#endif
