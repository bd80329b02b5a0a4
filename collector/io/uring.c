/* The io_uring backend. Completions are only reaped in turn(): with DEFER_TASKRUN the kernel runs the
 * completion work of this thread when the thread asks for it, so nothing interrupts formatting.
 *
 * A request is in `waiting` until it has a submission entry, then in `kernel` until its completion
 * was read. Cancelling needs an entry too; requests whose cancellation found the queue full are in
 * `cancelling` instead of `kernel`. Timers stay here: to arm one in the kernel costs two system calls' work, and in a
 * virtual machine an exit, and most are moved or cancelled before they expire. */
#include "collector/io/io_ops.h"
#include "collector/io/inline_write.h"
#include "collector/io/timers.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <liburing.h>
#include <time.h>

/* liburing 2.3 knows neither the operation (Linux 6.7) nor its flag word (linux/futex.h). */
enum { URING_OP_FUTEX_WAIT = 51, URING_FUTEX2_SIZE_U32 = 0x02 };

enum { PLACE_WAITING = IO_PLACE_BACKEND, PLACE_KERNEL, PLACE_CANCELLING, PLACE_TIMER };

/* One wait never lasts longer, so that a far deadline cannot overflow the kernel's relative time. */
static const uint64_t wait_ns_max = 3600 * NS_PER_S;
/* Pause before a submission is tried again that the kernel refused for want of memory. */
static const uint64_t refused_pause_ns = 10 * NS_PER_MS;

struct uring {
    struct io io;
    struct io_uring ring;
    struct io_list waiting, kernel, cancelling;
    struct io_timers timers;
    struct inline_writes inline_writes;
    bool buffers_registered;
};

static struct uring *uring_of(struct io *io)
{
    return (struct uring *)io;
}

static unsigned char rw_opcode(const struct uring *u, const struct io_req *req)
{
    const bool fixed = u->buffers_registered && req->buf_index >= 0;

    if (req->op == IO_READ)
        return fixed ? IORING_OP_READ_FIXED : IORING_OP_READ;
    return fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE;
}

static void fill_futex_wait(struct io_uring_sqe *sqe, const struct io_req *req)
{
    io_uring_prep_rw(URING_OP_FUTEX_WAIT, sqe, URING_FUTEX2_SIZE_U32, req->futex, 0, req->futex_value);
    sqe->addr3 = UINT32_MAX; /* any waker's bit set */
}

static void sqe_fill(struct uring *u, struct io_uring_sqe *sqe, struct io_req *req)
{
    switch (req->op) {
    case IO_READ:
    case IO_WRITE:
        io_uring_prep_rw(rw_opcode(u, req), sqe, req->fd, req->buf, req->len, (uint64_t)req->offset);
        if (u->buffers_registered && req->buf_index >= 0)
            sqe->buf_index = (uint16_t)req->buf_index;
        if (req->op == IO_WRITE && req->is_uncached)
            sqe->rw_flags = RWF_DONTCACHE;
        break;
    case IO_WRITEV:
        io_uring_prep_writev(sqe, req->fd, req->iov, req->len, (uint64_t)req->offset);
        break;
    case IO_FSYNC:
        io_uring_prep_fsync(sqe, req->fd, 0);
        break;
    case IO_FDATASYNC:
        io_uring_prep_fsync(sqe, req->fd, IORING_FSYNC_DATASYNC);
        break;
    case IO_WRITEBACK:
        io_uring_prep_sync_file_range(sqe, req->fd, req->len, (uint64_t)req->offset, SYNC_FILE_RANGE_WRITE);
        break;
    case IO_POLL:
        io_uring_prep_poll_add(sqe, req->fd, req->events);
        break;
    case IO_FUTEX_WAIT:
        fill_futex_wait(sqe, req);
        break;
    case IO_TIMEOUT: /* has no entry */
        break;
    }
    io_uring_sqe_set_data(sqe, req);
}

/* An entry, made free by submitting if need be; NULL when the kernel takes none at present. */
static struct io_uring_sqe *sqe_get(struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    if (sqe)
        return sqe;
    if (io_uring_submit(&u->ring) <= 0)
        return NULL;
    return io_uring_get_sqe(&u->ring);
}

/* req is in no list. */
static void request_pass(struct uring *u, struct io_uring_sqe *sqe, struct io_req *req)
{
    sqe_fill(u, sqe, req);
    io_place_set(req, PLACE_KERNEL);
    io_list_append(&u->kernel, req);
}

static bool cancel_pass(struct uring *u, struct io_req *req)
{
    struct io_uring_sqe *const sqe = sqe_get(u);

    if (!sqe)
        return false;
    io_uring_prep_cancel(sqe, req, 0);
    io_uring_sqe_set_data(sqe, NULL); /* its own completion says nothing that the request's does not */
    return true;
}

/* Buffered writes to most file systems are never made inline by the kernel but handed to a worker, which
 * costs more than the copy itself. False: not made, the kernel is to do it. */
static bool write_at_once(struct uring *u, struct io_req *req)
{
    int result;

    if (!inline_write(&u->inline_writes, req, &result))
        return false;
    io_finish(&u->io, req, result);
    return true;
}

static void timer_submit(struct uring *u, struct io_req *req)
{
    const int r = timers_add(&u->timers, req);

    if (r < 0)
        io_finish(&u->io, req, r);
    else
        io_place_set(req, PLACE_TIMER);
}

static void uring_submit(struct io *io, struct io_req *req)
{
    struct uring *const u = uring_of(io);
    struct io_uring_sqe *sqe;

    if (req->op == IO_TIMEOUT) {
        timer_submit(u, req);
        return;
    }
    if (req->op == IO_FUTEX_WAIT && !io->has_futex_wait) {
        io_finish(io, req, -EOPNOTSUPP);
        return;
    }
    if (req->is_inline && (req->op == IO_WRITE || req->op == IO_WRITEV) && write_at_once(u, req))
        return;
    sqe = u->waiting.count == 0 ? sqe_get(u) : NULL;
    if (sqe) {
        request_pass(u, sqe, req);
        return;
    }
    io_place_set(req, PLACE_WAITING);
    io_list_append(&u->waiting, req);
}

static void uring_cancel(struct io *io, struct io_req *req)
{
    struct uring *const u = uring_of(io);

    switch (io_place(req)) {
    case PLACE_WAITING:
        io_list_remove(&u->waiting, req);
        io_finish(io, req, -ECANCELED);
        break;
    case PLACE_TIMER:
        timers_remove(&u->timers, req);
        io_finish(io, req, -ECANCELED);
        break;
    case PLACE_KERNEL:
        if (cancel_pass(u, req))
            break;
        io_list_remove(&u->kernel, req);
        io_place_set(req, PLACE_CANCELLING);
        io_list_append(&u->cancelling, req);
        break;
    default: /* already being cancelled */
        break;
    }
}

/* Gives entries to what found the queue full. Cancellations first: they make room. */
static void pass_held_back(struct uring *u)
{
    while (u->cancelling.head) {
        struct io_req *const req = u->cancelling.head;

        if (!cancel_pass(u, req))
            return;
        io_list_remove(&u->cancelling, req);
        io_place_set(req, PLACE_KERNEL);
        io_list_append(&u->kernel, req);
    }
    while (u->waiting.head) {
        struct io_req *const req = u->waiting.head;
        struct io_uring_sqe *const sqe = sqe_get(u);

        if (!sqe)
            return;
        io_list_remove(&u->waiting, req);
        request_pass(u, sqe, req);
    }
}

static int reap(struct uring *u)
{
    int completed = 0;

    for (unsigned n = io_uring_cq_ready(&u->ring); n > 0; n--) {
        struct io_uring_cqe *cqe;
        struct io_req *req;
        int res;

        if (io_uring_peek_cqe(&u->ring, &cqe) < 0)
            break;
        req = io_uring_cqe_get_data(cqe);
        res = cqe->res;
        io_uring_cqe_seen(&u->ring, cqe); /* before done, which may use the ring */
        if (!req)
            continue;
        io_list_remove(io_place(req) == PLACE_CANCELLING ? &u->cancelling : &u->kernel, req);
        io_complete(&u->io, req, res);
        completed++;
    }
    return completed;
}

static int enter(struct uring *u, uint64_t deadline_ns)
{
    const bool held_back = u->waiting.count > 0 || u->cancelling.count > 0;
    const uint64_t now = deadline_ns ? clock_mono_ns() : 0;
    struct io_uring_cqe *cqe;
    struct __kernel_timespec ts;
    uint64_t wait_ns;

    if (deadline_ns <= now || held_back || u->io.finished.count > 0 || io_uring_cq_ready(&u->ring) > 0)
        return io_uring_submit_and_get_events(&u->ring);
    wait_ns = deadline_ns - now;
    if (wait_ns > wait_ns_max)
        wait_ns = wait_ns_max;
    ts.tv_sec = (int64_t)(wait_ns / NS_PER_S);
    ts.tv_nsec = (long long)(wait_ns % NS_PER_S);
    return io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
}

/* Nothing to do until the kernel has memory again; do not ask in a tight loop. */
static void pause_refused(uint64_t deadline_ns)
{
    const uint64_t now = clock_mono_ns();
    const uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    const struct timespec ts = { .tv_nsec = (long)(left < refused_pause_ns ? left : refused_pause_ns) };

    (void)nanosleep(&ts, NULL);
}

static int uring_turn(struct io *io, uint64_t deadline_ns)
{
    struct uring *const u = uring_of(io);
    int r, completed;
    bool refused;

    pass_held_back(u);
    timers_fire(&u->timers, io);
    deadline_ns = timers_deadline(&u->timers, deadline_ns);
    r = enter(u, deadline_ns);
    timers_fire(&u->timers, io);
    refused = r == -EBUSY || r == -EAGAIN; /* the entries stay queued for the next turn */
    if (r < 0 && !refused && r != -EINTR && r != -ETIME)
        return r;
    completed = io_run_finished(io);
    completed += reap(u);
    if (refused && completed == 0)
        pause_refused(deadline_ns);
    return completed;
}

static int uring_register_buffers(struct io *io, void *base, size_t size, unsigned count)
{
    struct uring *const u = uring_of(io);
    auto_free struct iovec *iov = calloc(count, sizeof *iov);
    int r;

    if (!iov)
        return -ENOMEM;
    if (u->buffers_registered)
        return -EBUSY;
    for (unsigned i = 0; i < count; i++)
        iov[i] = (struct iovec){ .iov_base = (char *)base + (size_t)i * size, .iov_len = size };
    r = io_uring_register_buffers(&u->ring, iov, count);
    if (r == -ENOMEM)
        return 0; /* RLIMIT_MEMLOCK allows no more; writes from ordinary memory do as well */
    u->buffers_registered = r == 0;
    return r;
}

static void uring_free(struct io *io)
{
    struct uring *const u = uring_of(io);

    while (io->inflight > 0) {
        struct io_req *next;

        while (u->waiting.head)
            uring_cancel(io, u->waiting.head);
        while (u->timers.count > 0)
            uring_cancel(io, timers_first(&u->timers));
        for (struct io_req *req = u->kernel.head; req; req = next) {
            next = req->next_;
            uring_cancel(io, req);
        }
        /* A cancellation can miss a request that is just changing hands; ask again after a while. */
        CHECK(uring_turn(io, clock_mono_ns() + 50 * NS_PER_MS) >= 0);
    }
    timers_done(&u->timers);
    io_uring_queue_exit(&u->ring);
    free(u);
}

/* A worker of the kernel that drops the last reference to a request after we have had its result leaves the rest to
 * us, for when we enter the kernel again. */
static void uring_run_task_work(struct io *io)
{
    (void)io_uring_get_events(&uring_of(io)->ring);
}

static const struct io_ops uring_ops = {
    .name = "io_uring",
    .run_task_work = uring_run_task_work,
    .free = uring_free,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .turn = uring_turn,
    .register_buffers = uring_register_buffers,
};

/* Newest features first; each step leaves out what an older kernel refuses with -EINVAL. */
static int ring_setup(struct io_uring *ring, uint32_t depth, uint32_t *features)
{
    static const unsigned steps[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL, /* 6.1 */
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,                               /* 5.19 */
        0,
    };
    int r = -EINVAL;

    for (size_t i = 0; i < ARRAY_COUNT(steps) && r == -EINVAL; i++) {
        struct io_uring_params p = {
            .flags = steps[i] | IORING_SETUP_CQSIZE,
            .cq_entries = depth * 2 > 32768 ? depth * 2 : depth * 4,
        };

        r = io_uring_queue_init_params(depth, ring, &p);
        *features = p.features;
    }
    return r;
}

static bool futex_wait_known(struct io_uring *ring)
{
    struct io_uring_probe *const probe = io_uring_get_probe_ring(ring);
    const bool known = probe && io_uring_opcode_supported(probe, URING_OP_FUTEX_WAIT);

    io_uring_free_probe(probe);
    return known;
}

int uring_new(const struct io_config *cfg, struct io **ret, struct err *e)
{
    const uint32_t needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_RW_CUR_POS;
    auto_free struct uring *u = calloc(1, sizeof *u);
    uint32_t features = 0;
    int r;

    if (!u)
        return err_set(e, -ENOMEM, "out of memory");
    r = ring_setup(&u->ring, cfg->queue_depth, &features);
    if (r < 0)
        (void)err_sys(e, r, "io_uring_setup with %u entries", cfg->queue_depth);
    if (r == -EPERM)
        (void)err_wrap(e, r, "kernel.io_uring_disabled, or the seccomp filter of a container, forbids it");
    if (r < 0)
        return r;
    if ((features & needed) != needed) {
        io_uring_queue_exit(&u->ring);
        return err_set(e, -ENOSYS, "io_uring of this kernel is older than Linux 5.11");
    }
    /* Both only save time or memory; a kernel without them works. */
    (void)io_uring_register_ring_fd(&u->ring);
    (void)io_uring_ring_dontfork(&u->ring);
    u->io.ops = &uring_ops;
    u->io.has_futex_wait = futex_wait_known(&u->ring);
    *ret = &take_ptr(u)->io;
    return 0;
}
