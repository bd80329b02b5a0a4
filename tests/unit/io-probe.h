/* What the tests of collector/io share: a request that remembers how it ended, and waiting for it. */
#ifndef TESTS_UNIT_IO_PROBE_H
#define TESTS_UNIT_IO_PROBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/io/io.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct probe {
    struct io_req req;
    int result;
    unsigned calls; /* of done */
    unsigned order; /* place among all completions of the test */
    unsigned *counter;
    uint64_t when;
};

__attribute__((unused)) static void probe_done(struct io_req *req, int result)
{
    struct probe *const p = req->owner;

    p->result = result;
    p->calls++;
    p->order = p->counter ? ++*p->counter : 0;
    p->when = clock_mono_ns();
}

__attribute__((unused)) static void probe_submit(struct io *io, struct probe *p)
{
    const unsigned before = p->calls;

    p->req.done = probe_done;
    p->req.owner = p;
    io_submit(io, &p->req);
    assert_int_equal(p->calls, before); /* never inside io_submit() */
}

/* Turns until p has completed `calls` times in all; fails the test after some seconds. */
__attribute__((unused)) static void probe_wait(struct io *io, const struct probe *p, unsigned calls)
{
    const uint64_t deadline = clock_mono_ns() + 8 * NS_PER_S;

    while (p->calls < calls) {
        assert_true(clock_mono_ns() < deadline);
        assert_true(io_turn(io, deadline) >= 0);
    }
    assert_int_equal(p->calls, calls);
}

__attribute__((unused)) static int probe_run(struct io *io, struct probe *p)
{
    const unsigned before = p->calls;

    probe_submit(io, p);
    probe_wait(io, p, before + 1);
    return p->result;
}

__attribute__((unused)) static struct probe probe_rw(enum io_op op, int fd, const void *data, uint32_t len,
                                                     int64_t offset)
{
    return (struct probe){
        .req = { .op = op, .fd = fd, .data = data, .len = len, .offset = offset, .buf_index = -1 },
    };
}

__attribute__((unused)) static int run_rw(struct io *io, enum io_op op, int fd, const void *data,
                                          uint32_t len, int64_t offset)
{
    struct probe p = probe_rw(op, fd, data, len, offset);

    return probe_run(io, &p);
}

__attribute__((unused)) static struct probe probe_poll(int fd, uint32_t events)
{
    return (struct probe){ .req = { .op = IO_POLL, .fd = fd, .events = events } };
}

__attribute__((unused)) static struct probe probe_timer(uint64_t deadline_ns)
{
    return (struct probe){ .req = { .op = IO_TIMEOUT, .deadline_ns = deadline_ns } };
}

/* A file without a name. */
__attribute__((unused)) static int temp_file(int flags)
{
    const char *const dir = getenv("TMPDIR");
    char path[256];
    int fd;

    (void)snprintf(path, sizeof path, "%s/fapilog-io-XXXXXX", dir ? dir : "/tmp");
    fd = mkostemp(path, O_CLOEXEC | flags);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    return fd;
}

#endif
