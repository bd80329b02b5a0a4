/* io.h - the one table through which the collector does input and output. Three backends fill it:
 *
 *   uring.c  io_uring (SINGLE_ISSUER, DEFER_TASKRUN, registered buffers, futex waits)
 *   plain.c  ordinary system calls and epoll, where io_uring is blocked
 *   sim.c    plain.c behind a seeded scheduler that shortens, delays, reorders and fails, for tests
 *
 * The thread that calls io_new() owns the io. Requests are caller-owned memory, zeroed before the first
 * use, that must stay put until `done` has been called; `done` runs inside io_turn() or io_free(), never
 * inside io_submit(), so submitting from a completion is fine. Every submitted request completes exactly
 * once (with -ECANCELED after io_cancel, unless it was faster).
 *
 * What holds on every backend: requests under way together may be made and may complete in any order, so
 * who needs an order submits the next from the `done` of the one before; reads and writes may be short
 * or end in -EINTR; on a pipe, socket or terminal they wait without holding up the turn, but where the
 * descriptor has O_NONBLOCK they may end in -EAGAIN instead (use IO_POLL then); an offset is ignored
 * where the descriptor has none. */
#ifndef COLLECTOR_IO_IO_H
#define COLLECTOR_IO_IO_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct io;
struct io_req;

enum io_op {
    IO_READ,       /* fd, buf, len, offset (-1: current position) -> bytes or -errno */
    IO_WRITE,      /* fd, buf, len, offset (-1: append, or a stream; on other regular files give it, since
                      io_uring forgets to move the position when a write ends short of a full disk);
                      buf_index >= 0: registered buffer */
    IO_WRITEV,     /* fd, iov, iov_count, offset */
    IO_FSYNC,      /* fd */
    IO_FDATASYNC,  /* fd */
    IO_WRITEBACK,  /* fd, offset, len: has the kernel begin to write these bytes to disk, where they are new, and
                      does not wait for that; it promises nothing */
    IO_POLL,       /* fd, events (POLLIN...) once -> revents */
    IO_TIMEOUT,    /* deadline_ns on CLOCK_MONOTONIC -> 0 */
    IO_FUTEX_WAIT, /* futex, futex_value (shared futex) -> 0, -EAGAIN when the value differs; only
                      where io_has_futex_wait() */
};

typedef void io_done_fn(struct io_req *req, int result);

struct io_req {
    enum io_op op;
    int fd;
    union {
        void *buf;
        const void *data; /* buf of a write */
        const struct iovec *iov;
        uint32_t *futex;
    };
    uint32_t len;       /* bytes, or iov count for IO_WRITEV */
    int32_t buf_index;  /* -1: not a registered buffer */
    bool is_inline;      /* a write into the page cache: it may be made at once, by this thread, unless
                           such writes have lately been found to block; see inline_write.h */
    bool is_uncached;   /* a write that nobody reads again soon: where io_uring and Linux 6.14 are, its pages
                           go to disk and are given back at once; -EOPNOTSUPP where the file system cannot,
                           and nothing was written. Quick ones go their own way */
    int64_t offset;
    union {
        uint32_t events;
        uint32_t futex_value;
        uint64_t deadline_ns;
    };
    io_done_fn *done;
    void *owner;        /* for done */
    /* backend's */
    struct io_req *next_;
    uint64_t private_[4];
};

enum io_kind { IO_AUTO, IO_URING, IO_PLAIN, IO_SIM };

struct io_config {
    enum io_kind kind;        /* IO_AUTO: io_uring, else plain with the reason in io_reason() */
    uint32_t queue_depth;     /* submission entries, 16..32768; 0 = 256 */
    uint64_t sim_seed;        /* IO_SIM; where it is odd uncached writes are refused */
    uint32_t sim_fault_ppm;   /* IO_SIM: chance of a fault per call, parts per million */
    int64_t sim_fail_at;      /* IO_SIM: fail exactly the nth call (from 1); 0 = off */
    bool sim_fail_from;       /* ... and every later one */
    int sim_error;            /* IO_SIM: the errno to inject; 0 = chosen by the seed among what fits the
                                 call of ENOSPC, EIO, EINTR, short */
};

int io_new(const struct io_config *cfg, struct io **ret, struct err *e);
void io_free(struct io *io); /* outstanding requests are cancelled and completed first; NULL allowed */
const char *io_name(const struct io *io);   /* "io_uring", "plain", "sim" */
const char *io_reason(const struct io *io); /* why not io_uring, or "" */
bool io_has_futex_wait(const struct io *io);

/* Registers `count` buffers of `size` bytes at base (page aligned); IO_WRITE may then name them by
 * buf_index. 0 or -errno; where they cannot be registered (another backend, RLIMIT_MEMLOCK) it is 0 too,
 * and buf_index is ignored. */
int io_register_buffers(struct io *io, void *base, size_t size, unsigned count);

void io_submit(struct io *io, struct io_req *req);
/* Asks for a request to end early; its done still runs. No-op when it already completed. */
void io_cancel(struct io *io, struct io_req *req);
/* Passes new requests to the kernel, waits for one completion or until deadline_ns
 * (CLOCK_MONOTONIC; 0 = do not wait, UINT64_MAX = no limit), runs `done` of all that completed.
 * Returns how many completed or -errno (never -EINTR: a signal ends the wait and counts as 0; nor does 0
 * mean that the deadline has passed, since one wait is at most an hour). */
int io_turn(struct io *io, uint64_t deadline_ns);
unsigned io_inflight(const struct io *io);

/* Synchronous calls that are rare, but must see injected faults like the rest. All return -errno. */
int io_open(struct io *io, const char *path, int flags, mode_t mode);
int io_close(struct io *io, int fd);
int io_rename(struct io *io, const char *from, const char *to);
int io_unlink(struct io *io, const char *path);
int io_mkdir(struct io *io, const char *path, mode_t mode);
int io_fstat(struct io *io, int fd, struct stat *ret);
int io_stat(struct io *io, const char *path, struct stat *ret);
int io_ftruncate(struct io *io, int fd, int64_t size);
/* The exclusive lock of flock(2), waited for up to wait_ns: the lock of a file that was closed may last a little
 * longer, where its owner was killed with requests under way, or the kernel still holds the file for one that is done.
 * -EBUSY: somebody else has it; -errno of flock where the file system has no locks. */
int io_lock(struct io *io, int fd, uint64_t wait_ns);
uint64_t io_sim_calls(const struct io *io); /* calls seen by a sim backend, for sweeping sim_fail_at */

/* A service that lives as long as the io and is made by whoever needs it first. `kind` is an address of the
 * service's own. shutdown() runs at the beginning of io_free(), youngest first; it may submit and cancel, and
 * what it still has under way completes afterwards. */
struct io_service {
    const void *kind;
    void (*shutdown)(struct io_service *s);
    struct io_service *next_;
};

void io_attach(struct io *io, struct io_service *s);
void io_detach(struct io *io, struct io_service *s); /* no-op when it is not attached */
struct io_service *io_service_find(const struct io *io, const void *kind); /* or NULL */

#endif
