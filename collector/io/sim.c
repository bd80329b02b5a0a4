/* The backend for tests: the system calls of plain.c behind a seeded scheduler. Requests are held
 * back for some turns, started and completed in another order than submitted, cut short, and failed.
 *
 * The nth call fails or not by a hash of seed and n, so that a fault found at n stays at n. The order
 * is drawn from one sequence: a run whose requests touch only regular files replays exactly from its
 * seed; with pipes, sockets and timers the kernel's readiness has a say. */
#include "collector/io/plain.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>

enum {
    PLACE_HELD = PLAIN_PLACE_NEXT,
    REORDER_WINDOW = 8, /* how far a request may be overtaken in one draw */
    STEP_MAX = 32,      /* requests started or completed per turn */
};

struct sim {
    struct plain plain;
    struct io_list held; /* not yet started */
    uint64_t seed, random, calls;
    uint32_t fault_ppm;
    int64_t fail_at;
    bool fail_from;
    int error;
};

enum { FAULT_NONE = 0, FAULT_SHORT = 1 };

static struct sim *sim_of(struct io *io)
{
    return (struct sim *)io;
}

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static uint32_t draw(struct sim *s, uint32_t below)
{
    s->random = mix(s->random);
    return (uint32_t)((s->random >> 32) % below);
}

/* What can go wrong with each call; 0 stands for a short transfer. */
static int error_choose(enum io_call call, uint32_t bytes, uint64_t hash)
{
    static const int errors[][4] = {
        [IO_CALL_OPEN] = { ENOSPC, EIO, EINTR, EIO },   [IO_CALL_CLOSE] = { EIO, EIO, EIO, EIO },
        [IO_CALL_RENAME] = { ENOSPC, EIO, EIO, ENOSPC }, [IO_CALL_UNLINK] = { EIO, EIO, EIO, EIO },
        [IO_CALL_MKDIR] = { ENOSPC, EIO, EIO, ENOSPC },  [IO_CALL_STAT] = { EIO, EIO, EIO, EIO },
        [IO_CALL_TRUNCATE] = { EIO, EINTR, EIO, EINTR }, [IO_CALL_READ] = { EIO, EINTR, 0, 0 },
        [IO_CALL_WRITE] = { ENOSPC, EIO, EINTR, 0 },     [IO_CALL_SYNC] = { EIO, ENOSPC, EIO, EIO },
    };
    const int error = errors[call][hash % 4];

    return error == 0 && bytes < 2 ? EINTR : error;
}

/* Counts the call and decides its fate. */
static int sim_decide(struct sim *s, enum io_call call, uint32_t bytes)
{
    const uint64_t n = ++s->calls;
    const uint64_t hash = mix(s->seed ^ mix(n));
    bool fails = hash % 1000000 < s->fault_ppm;
    int error;

    if (s->fail_at > 0)
        fails |= s->fail_from ? n >= (uint64_t)s->fail_at : n == (uint64_t)s->fail_at;
    if (!fails)
        return FAULT_NONE;
    error = s->error ? s->error : error_choose(call, bytes, hash >> 32);
    return error ? -error : FAULT_SHORT;
}

static int sim_fault(struct io *io, enum io_call call)
{
    return sim_decide(sim_of(io), call, 0);
}

static int sim_transfer_fault(struct plain *p, enum io_call call, uint32_t bytes, uint32_t *len)
{
    struct sim *const s = sim_of(&p->io);
    const int r = sim_decide(s, call, bytes);

    if (r != FAULT_SHORT)
        return r;
    *len = 1 + (uint32_t)(mix(s->seed + s->calls) % (bytes - 1));
    return 0;
}

/* One of the first few, by the draw. The list is not empty. */
static struct io_req *pick(struct sim *s, struct io_list *l)
{
    struct io_req *req = l->head;

    for (uint32_t n = draw(s, l->count < REORDER_WINDOW ? l->count : REORDER_WINDOW); n > 0; n--)
        req = req->next_;
    io_list_remove(l, req);
    return req;
}

static void start_some(struct sim *s)
{
    for (uint32_t n = s->held.count ? draw(s, STEP_MAX) : 0; n > 0 && s->held.count; n--) {
        struct io_req *const req = pick(s, &s->held);

        io_place_set(req, IO_PLACE_NONE);
        plain_submit(&s->plain.io, req);
    }
}

static int complete_some(struct sim *s)
{
    struct io *const io = &s->plain.io;
    int completed = 0;

    for (uint32_t n = io->finished.count ? draw(s, STEP_MAX) : 0; n > 0 && io->finished.count; n--) {
        struct io_req *const req = pick(s, &io->finished);

        io_complete(io, req, (int)(int64_t)req->private_[2]);
        completed++;
    }
    return completed;
}

static int sim_turn(struct io *io, uint64_t deadline_ns)
{
    struct sim *const s = sim_of(io);
    int completed;

    for (;;) {
        bool pending;
        int r;

        start_some(s);
        pending = s->held.count > 0 || io->finished.count > 0;
        r = plain_gather(&s->plain, pending ? 0 : deadline_ns);
        if (r < 0 && r != -EINTR)
            return r;
        completed = complete_some(s);
        if (completed > 0 || r == -EINTR || deadline_ns <= clock_mono_ns())
            return completed;
    }
}

static void sim_submit(struct io *io, struct io_req *req)
{
    if (req->is_uncached && sim_of(io)->seed % 2) {
        io_finish(io, req, -EOPNOTSUPP);
        return;
    }
    io_place_set(req, PLACE_HELD);
    io_list_append(&sim_of(io)->held, req);
}

static void sim_cancel(struct io *io, struct io_req *req)
{
    if (io_place(req) != PLACE_HELD) {
        plain_cancel(io, req);
        return;
    }
    io_list_remove(&sim_of(io)->held, req);
    io_finish(io, req, -ECANCELED);
}

static void sim_free(struct io *io)
{
    struct sim *const s = sim_of(io);

    while (s->held.head)
        sim_cancel(io, s->held.head);
    plain_cancel_all(&s->plain);
    while (io->inflight > 0)
        (void)complete_some(s);
    plain_done(&s->plain);
    free(s);
}

static uint64_t sim_calls(const struct io *io)
{
    return ((const struct sim *)io)->calls;
}

static const struct io_ops sim_ops = {
    .name = "sim",
    .free = sim_free,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .turn = sim_turn,
    .fault = sim_fault,
    .calls = sim_calls,
};

int sim_new(const struct io_config *cfg, struct io **ret, struct err *e)
{
    auto_free struct sim *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return err_set(e, -ENOMEM, "out of memory");
    r = plain_init(&s->plain, e);
    if (r < 0)
        return r;
    s->plain.io.ops = &sim_ops;
    s->plain.fault = sim_transfer_fault;
    s->seed = cfg->sim_seed;
    s->random = mix(cfg->sim_seed);
    s->fault_ppm = cfg->sim_fault_ppm;
    s->fail_at = cfg->sim_fail_at;
    s->fail_from = cfg->sim_fail_from;
    s->error = cfg->sim_error < 0 ? -cfg->sim_error : cfg->sim_error;
    *ret = &take_ptr(s)->plain.io;
    return 0;
}
