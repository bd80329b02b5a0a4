/* The backend of ordinary system calls: for kernels and containers that block io_uring.
 *
 * Reads, writes and syncs are made in turn(), in the order of submission. What would block on a pipe,
 * socket or terminal is parked until epoll says that its descriptor is ready, so that one stuck
 * reader of ours does not stop the rest. Regular files do block: Linux has no other way without
 * io_uring or threads. */
#include "collector/io/plain.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/uio.h>

enum { FDS_MAX = 1 << 20, EVENTS_PER_WAIT = 64, LIMITED_IOV_MAX = 16 };

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLPRI == EPOLLPRI, "passed through as they are");
_Static_assert(POLLERR == EPOLLERR && POLLHUP == EPOLLHUP, "passed through as they are");

static const uint64_t wait_ns_max = 3600 * NS_PER_S;

static struct plain *plain_of(struct io *io)
{
    return (struct plain *)io;
}

static uint32_t events_wanted(const struct io_req *req)
{
    if (req->op == IO_POLL)
        return req->events;
    return req->op == IO_READ ? POLLIN : POLLOUT;
}

/* Tells epoll what the parked requests of fd wait for. */
static int fd_arm(struct plain *p, int fd)
{
    struct epoll_event ev = { .events = EPOLLONESHOT, .data.fd = fd };
    const struct io_list *const l = &p->fds[fd].parked;

    if (!l->head) {
        (void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* gone already when fd was closed */
        return 0;
    }
    for (const struct io_req *req = l->head; req; req = req->next_)
        ev.events |= events_wanted(req);
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, fd, &ev) == 0)
        return 0;
    if (errno != ENOENT)
        return -errno;
    return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int fds_grow(struct plain *p, int fd)
{
    uint32_t count = p->fds_count ? p->fds_count : 64;
    struct plain_fd *fds;

    if (fd < 0)
        return -EBADF;
    if (fd >= FDS_MAX)
        return -EMFILE;
    if ((uint32_t)fd < p->fds_count)
        return 0;
    while (count <= (uint32_t)fd)
        count *= 2;
    fds = realloc(p->fds, count * sizeof *fds);
    if (!fds)
        return -ENOMEM;
    for (uint32_t i = p->fds_count; i < count; i++)
        fds[i] = (struct plain_fd){ 0 };
    p->fds = fds;
    p->fds_count = count;
    return 0;
}

static void park(struct plain *p, struct io_req *req)
{
    struct io_list *l;
    int r = fds_grow(p, req->fd);

    if (r < 0) {
        io_finish(&p->io, req, r);
        return;
    }
    l = &p->fds[req->fd].parked;
    io_place_set(req, PLAIN_PLACE_PARKED);
    io_list_append(l, req);
    r = fd_arm(p, req->fd);
    if (r == 0)
        return;
    io_list_remove(l, req);
    /* epoll refuses regular files, which are always ready. */
    if (r == -EPERM && req->op == IO_POLL)
        r = (int)(req->events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM));
    io_finish(&p->io, req, r);
}

static ssize_t vector_call(const struct io_req *req, const struct iovec *iov, int count, int64_t offset,
                           int flags)
{
    if (req->op == IO_READ)
        return preadv2(req->fd, iov, count, offset, flags);
    return pwritev2(req->fd, iov, count, offset, flags);
}

static ssize_t rw_call(const struct io_req *req, uint32_t len, int64_t offset, int flags)
{
    struct iovec iov[LIMITED_IOV_MAX];
    int count = 0;

    if (req->op != IO_WRITEV) {
        iov[0] = (struct iovec){ .iov_base = req->buf, .iov_len = len };
        return vector_call(req, iov, 1, offset, flags);
    }
    if (len == UINT32_MAX)
        return vector_call(req, req->iov, (int)req->len, offset, flags);
    for (; len > 0 && count < LIMITED_IOV_MAX && (uint32_t)count < req->len; count++) {
        iov[count] = req->iov[count];
        if (iov[count].iov_len > len)
            iov[count].iov_len = len;
        len -= (uint32_t)iov[count].iov_len;
    }
    return vector_call(req, iov, count, offset, flags);
}

/* On something that may block: -EAGAIN when it would. */
static ssize_t stream_call(const struct io_req *req, uint32_t len)
{
    struct pollfd pfd = { .fd = req->fd, .events = (short)events_wanted(req) };
    ssize_t n = rw_call(req, len, -1, RWF_NOWAIT);

    if (n >= 0 || errno != EOPNOTSUPP)
        return n;
    /* Terminals do not know RWF_NOWAIT. */
    if (poll(&pfd, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return rw_call(req, len, -1, 0);
}

static bool is_stream(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
}

static void rw_run(struct plain *p, struct io_req *req, uint32_t len)
{
    ssize_t n = -1;
    bool stream = req->offset < 0 && is_stream(req->fd);

    if (!stream) {
        n = rw_call(req, len, req->offset, 0);
        stream = n < 0 && errno == ESPIPE; /* as io_uring: an offset means nothing here */
    }
    if (stream)
        n = stream_call(req, len);
    if (n < 0 && errno == EAGAIN && stream && !(fcntl(req->fd, F_GETFL) & O_NONBLOCK))
        park(p, req);
    else
        io_finish(&p->io, req, n < 0 ? -errno : (int)n);
}

static uint32_t bytes_of(const struct io_req *req)
{
    const uint64_t sum = io_req_bytes(req);

    return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX - 1;
}

static int sync_call(const struct io_req *req)
{
    switch (req->op) {
    case IO_FSYNC: return fsync(req->fd);
    case IO_FDATASYNC: return fdatasync(req->fd);
    default: return sync_file_range(req->fd, req->offset, req->len, SYNC_FILE_RANGE_WRITE);
    }
}

static void execute(struct plain *p, struct io_req *req)
{
    const bool sync = req->op == IO_FSYNC || req->op == IO_FDATASYNC || req->op == IO_WRITEBACK;
    const enum io_call call = sync ? IO_CALL_SYNC : req->op == IO_READ ? IO_CALL_READ : IO_CALL_WRITE;
    uint32_t len = req->op == IO_WRITEV ? UINT32_MAX : req->len;
    int r = p->fault ? p->fault(p, call, sync ? 0 : bytes_of(req), &len) : 0;

    if (r < 0)
        io_finish(&p->io, req, r);
    else if (!sync)
        rw_run(p, req, len);
    else if (sync_call(req) < 0)
        io_finish(&p->io, req, -errno);
    else
        io_finish(&p->io, req, 0);
}

void plain_submit(struct io *io, struct io_req *req)
{
    struct plain *const p = plain_of(io);
    int r;

    switch (req->op) {
    case IO_POLL:
        park(p, req);
        break;
    case IO_TIMEOUT:
        r = timers_add(&p->timers, req);
        if (r < 0)
            io_finish(io, req, r);
        else
            io_place_set(req, PLAIN_PLACE_TIMER);
        break;
    case IO_FUTEX_WAIT:
        io_finish(io, req, -EOPNOTSUPP);
        break;
    default:
        io_place_set(req, PLAIN_PLACE_QUEUED);
        io_list_append(&p->queued, req);
        break;
    }
}

void plain_cancel(struct io *io, struct io_req *req)
{
    struct plain *const p = plain_of(io);

    switch (io_place(req)) {
    case PLAIN_PLACE_QUEUED:
        io_list_remove(&p->queued, req);
        break;
    case PLAIN_PLACE_TIMER:
        timers_remove(&p->timers, req);
        break;
    default:
        CHECK(io_place(req) == PLAIN_PLACE_PARKED);
        io_list_remove(&p->fds[req->fd].parked, req);
        (void)fd_arm(p, req->fd); /* fails only when fd is closed, which nobody waits for any more */
        break;
    }
    io_finish(io, req, -ECANCELED);
}

void plain_cancel_all(struct plain *p)
{
    while (p->queued.head)
        plain_cancel(&p->io, p->queued.head);
    while (p->timers.count > 0)
        plain_cancel(&p->io, timers_first(&p->timers));
    for (uint32_t fd = 0; fd < p->fds_count; fd++) {
        while (p->fds[fd].parked.head)
            plain_cancel(&p->io, p->fds[fd].parked.head);
    }
}

static void fd_ready(struct plain *p, const struct epoll_event *ev)
{
    const int fd = ev->data.fd;
    struct io_list ready = { 0 };
    struct io_req *req, *next;

    for (req = p->fds[fd].parked.head; req; req = next) {
        next = req->next_;
        if (!(ev->events & (events_wanted(req) | EPOLLERR | EPOLLHUP)))
            continue;
        io_list_remove(&p->fds[fd].parked, req);
        io_list_append(&ready, req);
    }
    while ((req = ready.head)) {
        io_list_remove(&ready, req);
        if (req->op == IO_POLL)
            io_finish(&p->io, req, (int)(ev->events & (req->events | EPOLLERR | EPOLLHUP)));
        else
            rw_run(p, req, req->op == IO_WRITEV ? UINT32_MAX : req->len);
    }
    if (p->fds[fd].parked.head)
        (void)fd_arm(p, fd); /* it was armed just now, so the descriptor is good */
}

static int wait_for_events(struct plain *p, struct epoll_event *evs, uint64_t wait_ns)
{
    const struct timespec ts = {
        .tv_sec = (time_t)(wait_ns / NS_PER_S),
        .tv_nsec = (long)(wait_ns % NS_PER_S),
    };
    int n;

    if (p->has_epoll_pwait2) {
        n = epoll_pwait2(p->epoll_fd, evs, EVENTS_PER_WAIT, &ts, NULL);
        if (n >= 0 || errno != ENOSYS)
            return n < 0 ? -errno : n;
        p->has_epoll_pwait2 = false; /* Linux < 5.11 */
    }
    n = epoll_wait(p->epoll_fd, evs, EVENTS_PER_WAIT, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS));
    return n < 0 ? -errno : n;
}

int plain_gather(struct plain *p, uint64_t deadline_ns)
{
    struct epoll_event evs[EVENTS_PER_WAIT];
    uint64_t wait_ns = 0;
    int n;

    for (uint32_t left = p->queued.count; left > 0; left--) {
        struct io_req *const req = p->queued.head;

        io_list_remove(&p->queued, req);
        execute(p, req);
    }
    timers_fire(&p->timers, &p->io);
    if (p->io.finished.count == 0 && deadline_ns > 0) {
        const uint64_t now = clock_mono_ns();

        deadline_ns = timers_deadline(&p->timers, deadline_ns);
        wait_ns = deadline_ns <= now ? 0 : deadline_ns - now;
        if (wait_ns > wait_ns_max)
            wait_ns = wait_ns_max;
    }
    n = wait_for_events(p, evs, wait_ns);
    if (n < 0)
        return n;
    for (int i = 0; i < n; i++)
        fd_ready(p, &evs[i]);
    timers_fire(&p->timers, &p->io);
    return 0;
}

int plain_init(struct plain *p, struct err *e)
{
    p->has_epoll_pwait2 = true;
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd < 0)
        return err_sys(e, -errno, "epoll_create1");
    return 0;
}

void plain_done(struct plain *p)
{
    CHECK(p->io.inflight == 0);
    (void)close(p->epoll_fd);
    timers_done(&p->timers);
    free(p->fds);
}

static int plain_turn(struct io *io, uint64_t deadline_ns)
{
    const int r = plain_gather(plain_of(io), deadline_ns);

    if (r < 0 && r != -EINTR)
        return r;
    return io_run_finished(io);
}

static void plain_free(struct io *io)
{
    struct plain *const p = plain_of(io);

    plain_cancel_all(p);
    while (io->inflight > 0)
        (void)io_run_finished(io);
    plain_done(p);
    free(p);
}

static const struct io_ops plain_ops = {
    .name = "plain",
    .free = plain_free,
    .submit = plain_submit,
    .cancel = plain_cancel,
    .turn = plain_turn,
};

int plain_new(const struct io_config *cfg, struct io **ret, struct err *e)
{
    auto_free struct plain *p = calloc(1, sizeof *p);
    int r;

    (void)cfg;
    if (!p)
        return err_set(e, -ENOMEM, "out of memory");
    r = plain_init(p, e);
    if (r < 0)
        return r;
    p->io.ops = &plain_ops;
    *ret = &take_ptr(p)->io;
    return 0;
}
