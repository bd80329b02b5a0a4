/* A binary heap of IO_TIMEOUT requests. Each knows its place in private_[2], so that cancelling does
 * not search; private_[3] numbers them so that equal deadlines keep their order. */
#include "collector/io/timers.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <stdlib.h>

static bool before(const struct io_req *a, const struct io_req *b)
{
    if (a->deadline_ns != b->deadline_ns)
        return a->deadline_ns < b->deadline_ns;
    return a->private_[3] < b->private_[3];
}

static void put(struct io_timers *t, uint32_t at, struct io_req *req)
{
    t->heap[at] = req;
    req->private_[2] = at;
}

/* Moves req, whose place `at` is free, to where the heap's order wants it. */
static void settle(struct io_timers *t, uint32_t at, struct io_req *req)
{
    while (at > 0 && before(req, t->heap[(at - 1) / 2])) {
        put(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (uint32_t child; (child = 2 * at + 1) < t->count; at = child) {
        if (child + 1 < t->count && before(t->heap[child + 1], t->heap[child]))
            child++;
        if (!before(t->heap[child], req))
            break;
        put(t, at, t->heap[child]);
    }
    put(t, at, req);
}

int timers_add(struct io_timers *t, struct io_req *req)
{
    if (t->count == t->cap) {
        const uint32_t cap = t->cap ? t->cap * 2 : 64;
        struct io_req **const heap = realloc(t->heap, cap * sizeof(*heap));

        if (!heap)
            return -ENOMEM;
        t->heap = heap;
        t->cap = cap;
    }
    req->private_[3] = t->submitted++;
    t->count++;
    settle(t, t->count - 1, req);
    return 0;
}

void timers_remove(struct io_timers *t, struct io_req *req)
{
    const uint32_t at = (uint32_t)req->private_[2];
    struct io_req *last;

    CHECK(at < t->count);
    CHECK(t->heap[at] == req);
    last = t->heap[--t->count];
    if (last != req)
        settle(t, at, last);
}

struct io_req *timers_first(const struct io_timers *t)
{
    return t->count > 0 ? t->heap[0] : NULL;
}

uint64_t timers_deadline(const struct io_timers *t, uint64_t at)
{
    const struct io_req *const first = timers_first(t);

    return first && first->deadline_ns < at ? first->deadline_ns : at;
}

void timers_fire(struct io_timers *t, struct io *io)
{
    const uint64_t now = t->count > 0 ? clock_mono_ns() : 0;

    for (struct io_req *req; (req = timers_first(t)) && req->deadline_ns <= now;) {
        timers_remove(t, req);
        io_finish(io, req, 0);
    }
}

void timers_done(struct io_timers *t)
{
    free(t->heap);
    *t = (struct io_timers){ 0 };
}
