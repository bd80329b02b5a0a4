/* The backend-independent part: choice of backend, bookkeeping, and the synchronous calls. */
#include "collector/io/io_ops.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOCK_PAUSE_NS (5 * NS_PER_MS)

/* In the upper bits of a request's state word while it is under way. */
static const uint64_t state_tag = 0x696f2d7265710000; /* "io-req" */

void io_list_append(struct io_list *l, struct io_req *req)
{
    req->private_[0] = (uintptr_t)l->tail;
    req->next_ = NULL;
    if (l->tail)
        l->tail->next_ = req;
    else
        l->head = req;
    l->tail = req;
    l->count++;
}

void io_list_remove(struct io_list *l, struct io_req *req)
{
    struct io_req *const prev = (struct io_req *)(uintptr_t)req->private_[0];

    CHECK(l->count > 0);
    if (prev)
        prev->next_ = req->next_;
    else
        l->head = req->next_;
    if (req->next_)
        req->next_->private_[0] = (uintptr_t)prev;
    else
        l->tail = prev;
    req->next_ = NULL;
    req->private_[0] = 0;
    l->count--;
}

void io_place_set(struct io_req *req, unsigned place)
{
    CHECK(place <= 0xffff);
    req->private_[1] = place == IO_PLACE_NONE ? 0 : state_tag | place;
}

unsigned io_place(const struct io_req *req)
{
    if ((req->private_[1] & ~0xffffull) != state_tag)
        return IO_PLACE_NONE;
    return req->private_[1] & 0xffff;
}

void io_finish(struct io *io, struct io_req *req, int result)
{
    req->private_[2] = (uint64_t)(int64_t)result;
    io_place_set(req, IO_PLACE_FINISHED);
    io_list_append(&io->finished, req);
}

void io_complete(struct io *io, struct io_req *req, int result)
{
    CHECK(io->inflight > 0);
    io->inflight--;
    io_place_set(req, IO_PLACE_NONE);
    req->done(req, result);
}

int io_run_finished(struct io *io)
{
    int completed = 0;

    for (uint32_t n = io->finished.count; n > 0 && io->finished.head; n--) {
        struct io_req *const req = io->finished.head;

        io_list_remove(&io->finished, req);
        io_complete(io, req, (int)(int64_t)req->private_[2]);
        completed++;
    }
    return completed;
}

/* IO_AUTO obeys FAPILOG_IO, so that an operator can leave io_uring out without a new configuration. */
static int io_choose(enum io_kind *kind, struct err *e)
{
    const char *const env = getenv("FAPILOG_IO");

    if (!env || !*env || strcmp(env, "auto") == 0)
        return 0;
    if (strcmp(env, "uring") == 0)
        *kind = IO_URING;
    else if (strcmp(env, "plain") == 0)
        *kind = IO_PLAIN;
    else
        return err_set(e, -EINVAL, "FAPILOG_IO: '%s' is none of auto, uring, plain", env);
    return 0;
}

static int io_new_auto(const struct io_config *cfg, struct io **ret, struct err *e)
{
    enum io_kind kind = IO_AUTO;
    struct err why = { 0 };
    int r = io_choose(&kind, e);

    if (r < 0)
        return r;
    if (kind == IO_URING)
        return uring_new(cfg, ret, e);
    if (kind == IO_AUTO && uring_new(cfg, ret, &why) == 0)
        return 0;
    r = plain_new(cfg, ret, e);
    if (r < 0)
        return r;
    (void)snprintf((*ret)->reason, sizeof (*ret)->reason, "%.150s",
                   kind == IO_PLAIN ? "FAPILOG_IO=plain" : why.text);
    return 0;
}

int io_new(const struct io_config *cfg, struct io **ret, struct err *e)
{
    struct io_config used = *cfg;

    if (used.queue_depth == 0)
        used.queue_depth = 256;
    if (used.queue_depth < 16 || used.queue_depth > 32768)
        return err_set(e, -EINVAL, "io queue depth %u is outside 16..32768", used.queue_depth);
    switch (used.kind) {
    case IO_AUTO:
        return io_new_auto(&used, ret, e);
    case IO_URING:
        return uring_new(&used, ret, e);
    case IO_PLAIN:
        return plain_new(&used, ret, e);
    case IO_SIM:
        return sim_new(&used, ret, e);
    }
    return err_set(e, -EINVAL, "io kind %d is unknown", (int)used.kind);
}

void io_free(struct io *io)
{
    if (!io)
        return;
    CHECK(!io->turning);
    for (struct io_service *s; (s = io->services);) {
        io->services = s->next_;
        s->shutdown(s);
    }
    io->closing = true;
    io->ops->free(io);
}

const char *io_name(const struct io *io)
{
    return io->ops->name;
}

const char *io_reason(const struct io *io)
{
    return io->reason;
}

bool io_has_futex_wait(const struct io *io)
{
    return io->has_futex_wait;
}

int io_register_buffers(struct io *io, void *base, size_t size, unsigned count)
{
    if (!base || size == 0 || count == 0)
        return -EINVAL;
    return io->ops->register_buffers ? io->ops->register_buffers(io, base, size, count) : 0;
}

void io_submit(struct io *io, struct io_req *req)
{
    CHECK(req->done);
    CHECK(io_place(req) == IO_PLACE_NONE);
    io->inflight++;
    if (io->closing)
        io_finish(io, req, -ECANCELED);
    else
        io->ops->submit(io, req);
}

void io_cancel(struct io *io, struct io_req *req)
{
    if (io_place(req) >= IO_PLACE_BACKEND)
        io->ops->cancel(io, req);
}

int io_turn(struct io *io, uint64_t deadline_ns)
{
    int r;

    CHECK(!io->turning);
    io->turning = true;
    r = io->ops->turn(io, deadline_ns);
    io->turning = false;
    return r;
}

unsigned io_inflight(const struct io *io)
{
    return io->inflight;
}

uint64_t io_sim_calls(const struct io *io)
{
    return io->ops->calls ? io->ops->calls(io) : 0;
}

static int io_fault(struct io *io, enum io_call call)
{
    return io->ops->fault ? io->ops->fault(io, call) : 0;
}

int io_open(struct io *io, const char *path, int flags, mode_t mode)
{
    int fd, r = io_fault(io, IO_CALL_OPEN);

    if (r < 0)
        return r;
    fd = open(path, flags | O_CLOEXEC, mode);
    return fd < 0 ? -errno : fd;
}

/* The descriptor is gone whatever the result, as with close(2) on Linux. */
int io_close(struct io *io, int fd)
{
    const int r = io_fault(io, IO_CALL_CLOSE);
    const int closed = close(fd) < 0 ? -errno : 0;

    return r < 0 ? r : closed;
}

int io_rename(struct io *io, const char *from, const char *to)
{
    const int r = io_fault(io, IO_CALL_RENAME);

    if (r < 0)
        return r;
    return rename(from, to) < 0 ? -errno : 0;
}

int io_unlink(struct io *io, const char *path)
{
    const int r = io_fault(io, IO_CALL_UNLINK);

    if (r < 0)
        return r;
    return unlink(path) < 0 ? -errno : 0;
}

int io_mkdir(struct io *io, const char *path, mode_t mode)
{
    const int r = io_fault(io, IO_CALL_MKDIR);

    if (r < 0)
        return r;
    return mkdir(path, mode) < 0 ? -errno : 0;
}

int io_fstat(struct io *io, int fd, struct stat *ret)
{
    const int r = io_fault(io, IO_CALL_STAT);

    if (r < 0)
        return r;
    return fstat(fd, ret) < 0 ? -errno : 0;
}

int io_stat(struct io *io, const char *path, struct stat *ret)
{
    const int r = io_fault(io, IO_CALL_STAT);

    if (r < 0)
        return r;
    return stat(path, ret) < 0 ? -errno : 0;
}

int io_ftruncate(struct io *io, int fd, int64_t size)
{
    const int r = io_fault(io, IO_CALL_TRUNCATE);

    if (r < 0)
        return r;
    return ftruncate(fd, size) < 0 ? -errno : 0;
}

int io_lock(struct io *io, int fd, uint64_t wait_ns)
{
    const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
    const uint64_t give_up_ns = clock_mono_ns() + wait_ns;

    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (clock_mono_ns() >= give_up_ns)
            return -EBUSY;
        if (io->ops->run_task_work)
            io->ops->run_task_work(io);
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

void io_attach(struct io *io, struct io_service *s)
{
    s->next_ = io->services;
    io->services = s;
}

void io_detach(struct io *io, struct io_service *s)
{
    for (struct io_service **at = &io->services; *at; at = &(*at)->next_)
        if (*at == s) {
            *at = s->next_;
            return;
        }
}

struct io_service *io_service_find(const struct io *io, const void *kind)
{
    struct io_service *s = io->services;

    while (s && s->kind != kind)
        s = s->next_;
    return s;
}
