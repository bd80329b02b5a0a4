/* fileset.h - a file that grows, is cut into archives by size and time, and survives being killed at
 * any call: what the file and the native sink have in common.
 *
 * Two ways to name: `path` keeps the name of the live file and numbers the archives (path.1 is the
 * youngest); `directory` and `prefix` give every file a name with its date, which it keeps.
 *
 * Order of a rotation: force to disk (if asked to) -> rename or leave -> create the new file -> the core
 * persists the new mark -> first byte. An archive is compressed or removed only after that mark, so a
 * mark that could still be recovered from never points into a file that is gone. */
#ifndef COLLECTOR_SINKS_FILESET_H
#define COLLECTOR_SINKS_FILESET_H

#include "collector/sinks/append.h"
#include "collector/sinks/archive.h"
#include "collector/sinks/compress.h"
#include "collector/sinks/sink.h"
#include "lib/base/age_clock.h"

#include <limits.h>

enum fileset_sync { FILESET_SYNC_NEVER, FILESET_SYNC_INTERVAL, FILESET_SYNC_ALWAYS };

/* The options that both sinks offer; rows by FILESET_OPTS. Numbers may be OPT_UNSET. */
struct fileset_cfg {
    const char *path;
    const char *directory;
    const char *prefix;
    uint64_t max_bytes;
    uint64_t interval_ns;
    uint64_t max_files;
    uint64_t max_total_bytes;
    uint64_t max_age_ns;
    uint32_t sync; /* enum fileset_sync */
    uint64_t sync_interval_ns;
    uint64_t writeback_bytes; /* 0: never */
    const char *file_mode; /* octal */
    /* derived by fileset_check() or set by the sink */
    mode_t mode_bits;
    bool is_dated;
    uint32_t codec;         /* enum compress_codec, of archives */
    const char *extension;  /* dated names: ".jsonl" */
};

enum { FILESET_TAIL = 64, FILESET_BYTES_DEFAULT = 10 * 1024 * 1024 };

struct fileset;
typedef void fileset_done_fn(struct fileset *f, int result);

struct fileset {
    struct sink *sink;
    struct fileset_cfg cfg;
    struct archive_names names;
    char live[PATH_MAX];  /* full name of the open file; of the live name in `path` style */
    int fd;               /* -1: none open */
    int dir_fd;
    uint64_t dev, ino;    /* of fd; ino 0: not a regular file, or none */
    uint64_t size;        /* end of what counts as written */
    bool is_device;       /* /dev/null, a terminal: no rotation, no marks */
    bool is_inline;        /* its writes end in the page cache of this machine: see io_req */
    bool has_leftover;    /* bytes after `size` could not be cut yet */
    bool is_mark_due;     /* the core does not know this file yet */
    bool is_rotation_due; /* asked for by hand */
    bool is_reopen_due;
    bool is_tidy_due;     /* retention and compression have work */
    bool is_at_work;      /* it is recovered: before, a file may end with what is still to be cut off */
    bool is_unsynced, is_dir_unsynced;
    bool is_busy;         /* a request is under way */
    bool is_preparing;    /* between fileset_prepare() and ready */
    int64_t rotate_at_ns; /* CLOCK_REALTIME, INT64_MAX: never */
    int64_t retry_at_ns;  /* CLOCK_MONOTONIC: a rotation failed, not before this */
    int64_t synced_at_ns; /* CLOCK_MONOTONIC, as the next two */
    int64_t looked_at_ns;
    int64_t tidied_at_ns;
    struct age_clock ages;
    uint64_t sequence;    /* the sink's, kept in the mark */
    uint8_t tail[FILESET_TAIL]; /* last bytes before size, to know the file again */
    unsigned tail_len;
    /* Pieces that end a file, written before it is left for good; count, 0: none. May be NULL. */
    unsigned (*footer)(struct fileset *f, const struct piece **ret_pieces);
    /* Is [from, size) of fd such an end, which need not be cut off for a mark at `from`? May be NULL. */
    bool (*is_footer)(int fd, uint64_t from, uint64_t size);
    bool is_footer_done;
    uint64_t serial;      /* rises when the current file is another one, or was changed by others */
    struct append append;
    struct io_req sync_req, later_req, write_back_req;
    uint64_t written_back; /* what lies before it was written back, or is older than we are */
    bool is_writing_back;
    int later_result;
    unsigned sync_tries;
    fileset_done_fn *synced;
    int close_result;
    uint64_t wanted;      /* bytes of the batch that is being prepared */
    fileset_done_fn *ready, *appended;
    struct compress_job job;
};

/* One clock for names and intervals, and one by which to tell that it was set, so that tests can move them.
 * CLOCK_REALTIME and CLOCK_BOOTTIME, ns. */
extern int64_t (*fileset_real_ns)(void);
extern int64_t (*fileset_boot_ns)(void);

int fileset_check(struct fileset_cfg *cfg, struct err *e);
int fileset_open(struct fileset *f, struct sink *s, const struct fileset_cfg *cfg, struct err *e);
int fileset_recover(struct fileset *f, const struct sink_mark *mark, struct err *e);
/* After open: nothing that is in the file is of use to anyone. */
int fileset_clear(struct fileset *f);
uint64_t fileset_room(struct fileset *f);
void fileset_mark(const struct fileset *f, struct sink_mark *ret);

/* Makes a file ready for `bytes` more, rotating first when that is due, then calls ready with 0 or
 * -errno. f->size tells whether it is a new one. */
void fileset_prepare(struct fileset *f, uint64_t bytes, fileset_done_fn *ready);
/* After ready, instead of appending: calls `then` with this result, but not before io_turn(). */
void fileset_later(struct fileset *f, int result, fileset_done_fn *then);
/* After ready: appends at least one byte; on failure the file is cut back to where it was, then
 * `appended` is called. */
void fileset_append(struct fileset *f, const struct piece *pieces, unsigned count, fileset_done_fn *appended);

void fileset_tick(struct fileset *f);
int fileset_reopen(struct fileset *f, struct err *e);
int fileset_rotate(struct fileset *f, struct err *e);
const char *fileset_place(const struct fileset *f); /* see sink_ops.place */
int fileset_close(struct fileset *f, struct err *e);

/* Tells the core of trouble that costs no record: retention, compression, rotation put off. */
void fileset_warn(struct fileset *f, int code, const char *what, const char *name);

#endif
