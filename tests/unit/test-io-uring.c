/* io_uring whose kernel refuses submissions for a while, as it does when memory is short. The backend's
 * source is built into this test with liburing's submission calls replaced. */
#include <liburing.h>

static int refusal; /* what every submission returns while it is not 0 */

static int test_submit(struct io_uring *ring)
{
    return refusal ? refusal : io_uring_submit(ring);
}

static int test_submit_and_get_events(struct io_uring *ring)
{
    return refusal ? refusal : io_uring_submit_and_get_events(ring);
}

static int test_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned wait_nr,
                                        struct __kernel_timespec *ts, sigset_t *mask)
{
    return refusal ? refusal : io_uring_submit_and_wait_timeout(ring, cqe, wait_nr, ts, mask);
}

static int test_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p);

#define io_uring_submit test_submit
#define io_uring_submit_and_get_events test_submit_and_get_events
#define io_uring_submit_and_wait_timeout test_submit_and_wait_timeout
#define io_uring_queue_init_params test_queue_init_params
#include "collector/io/uring.c"
#undef io_uring_queue_init_params

#include "tests/unit/io-probe.h"

#include <poll.h>
#include <sys/mman.h>

/* Set-up flags that a kernel does not know are -EINVAL; everything is refused where a sandbox blocks it. */
static unsigned unknown_flags;
static int setup_error;
static unsigned flags_used;

static int test_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
    if (setup_error)
        return setup_error;
    if (p->flags & unknown_flags)
        return -EINVAL;
    flags_used = p->flags;
    return io_uring_queue_init_params(entries, ring, p);
}

static struct io *new_or_skip(enum io_kind kind)
{
    const struct io_config cfg = { .kind = kind, .queue_depth = 16 };
    struct err e = { 0 };
    struct io *io;

    if (io_new(&cfg, &io, &e) < 0) {
        print_message("%s\n", e.text);
        skip();
    }
    return io;
}

static void what_the_kernel_refuses_is_passed_later(void **state)
{
    enum { COUNT = 100 };
    static const int refusals[] = { -EBUSY, -EAGAIN };

    for (size_t n = 0; n < ARRAY_COUNT(refusals); n++) {
        struct io *const io = new_or_skip(IO_URING);
        const int fd = temp_file(0);
        struct probe p[COUNT];
        uint64_t deadline;

        refusal = refusals[n];
        for (unsigned i = 0; i < COUNT; i++) {
            p[i] = probe_rw(IO_WRITE, fd, "x", 1, i);
            probe_submit(io, &p[i]);
        }
        assert_int_equal(uring_of(io)->waiting.count, COUNT - 16);
        deadline = clock_mono_ns() + 5 * NS_PER_MS;
        assert_int_equal(io_turn(io, deadline), 0);
        assert_true(clock_mono_ns() >= deadline); /* no tight loop */
        for (unsigned i = 3; i < COUNT; i += 10) /* some have an entry, most do not */
            io_cancel(io, &p[i].req);
        assert_int_equal(uring_of(io)->cancelling.count, 2);
        assert_int_equal(io_inflight(io), COUNT);
        refusal = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            probe_wait(io, &p[i], 1);
            if (i % 10 == 3 && i > 16)
                assert_int_equal(p[i].result, -ECANCELED);
            else if (p[i].result != -ECANCELED || i % 10 != 3)
                assert_int_equal(p[i].result, 1);
        }
        assert_int_equal(io_inflight(io), 0);
        io_free(io);
        close(fd);
    }
}

static void freeing_a_refused_queue_completes_all(void **state)
{
    struct io *const io = new_or_skip(IO_URING);
    struct probe p[40];
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    refusal = -EBUSY;
    for (size_t i = 0; i < ARRAY_COUNT(p); i++) {
        p[i] = i % 4 == 3 ? probe_timer(UINT64_MAX) : probe_poll(fds[0], POLLIN);
        probe_submit(io, &p[i]);
    }
    io_cancel(io, &p[0].req);
    refusal = 0;
    io_free(io);
    close(fds[0]);
    close(fds[1]);
    for (size_t i = 0; i < ARRAY_COUNT(p); i++) {
        assert_int_equal(p[i].calls, 1);
        assert_int_equal(p[i].result, -ECANCELED);
    }
}

/* The kernel knows of none of them. */
static void timers_end_whatever_the_kernel_refuses(void **state)
{
    enum { COUNT = 100 };
    struct io *const io = new_or_skip(IO_URING);
    struct probe p[COUNT];

    refusal = -EBUSY;
    for (unsigned i = 0; i < COUNT; i++) {
        p[i] = probe_timer(i % 2 ? UINT64_MAX : clock_mono_ns() + i * NS_PER_MS / 10);
        probe_submit(io, &p[i]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        if (i % 2)
            io_cancel(io, &p[i].req);
        probe_wait(io, &p[i], 1);
        assert_int_equal(p[i].result, i % 2 ? -ECANCELED : 0);
        assert_true(i % 2 || p[i].when >= p[i].req.deadline_ns);
    }
    assert_int_equal(io_inflight(io), 0);
    refusal = 0;
    io_free(io);
}

static void an_inline_write_is_made_at_once_and_reported_in_a_turn(void **state)
{
    struct io *const io = new_or_skip(IO_URING);
    const int fd = temp_file(0);
    struct iovec iov[] = { { (char *)"cd", 2 }, { (char *)"ef", 2 } };
    struct probe w = probe_rw(IO_WRITE, fd, "ab", 2, 0), v = probe_rw(IO_WRITEV, fd, iov, 2, 2);
    struct probe bad = probe_rw(IO_WRITE, -1, "ab", 2, 0);
    char text[7] = { 0 };

    w.req.is_inline = v.req.is_inline = bad.req.is_inline = true;
    probe_submit(io, &w);
    probe_submit(io, &v);
    probe_submit(io, &bad);
    assert_int_equal(pread(fd, text, 6, 0), 6);
    assert_string_equal(text, "abcdef");
    assert_int_equal(io_inflight(io), 3);
    probe_wait(io, &bad, 1);
    assert_int_equal(w.result, 2);
    assert_int_equal(v.result, 4);
    assert_int_equal(bad.result, -EBADF);
    io_free(io);
    close(fd);
}

static void where_inline_writes_were_slow_the_kernel_makes_them(void **state)
{
    struct io *const io = new_or_skip(IO_URING);
    const int fd = temp_file(0);
    struct probe w = probe_rw(IO_WRITE, fd, "ab", 2, 0);
    char text[2];

    w.req.is_inline = true;
    uring_of(io)->inline_writes.not_until_ns = UINT64_MAX;
    probe_submit(io, &w);
    assert_int_equal(pread(fd, text, 2, 0), 0);
    assert_int_equal(uring_of(io)->kernel.count, 1);
    probe_wait(io, &w, 1);
    assert_int_equal(w.result, 2);
    io_free(io);
    close(fd);
}

static void an_uncached_write_is_asked_for_and_made_or_refused(void **state)
{
    struct io *const io = new_or_skip(IO_URING);
    const int fd[] = { temp_file(0), memfd_create("uncached", MFD_CLOEXEC) };

    for (size_t i = 0; i < ARRAY_COUNT(fd); i++) {
        struct probe w = probe_rw(IO_WRITE, fd[i], "ab", 2, 0), r = probe_rw(IO_READ, fd[i], NULL, 2, 0);
        struct io_uring_sqe sqe;
        struct stat st;

        sqe_fill(uring_of(io), &sqe, &w.req);
        assert_int_equal(sqe.rw_flags, 0);
        w.req.is_uncached = r.req.is_uncached = true;
        sqe_fill(uring_of(io), &sqe, &r.req);
        assert_int_equal(sqe.rw_flags, 0);
        sqe_fill(uring_of(io), &sqe, &w.req);
        assert_int_equal(sqe.rw_flags, RWF_DONTCACHE);
        probe_submit(io, &w);
        probe_wait(io, &w, 1);
        assert_int_equal(fstat(fd[i], &st), 0);
        assert_true(w.result == 2 ? st.st_size == 2 : w.result == -EOPNOTSUPP && st.st_size == 0);
        close(fd[i]);
    }
    io_free(io);
}

static void an_older_kernel_gets_fewer_flags(void **state)
{
    static const struct { unsigned unknown, wanted; } kernels[] = {
        { 0, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER },
        { IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN },
        { IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN, IORING_SETUP_CQSIZE },
    };

    for (size_t i = 0; i < ARRAY_COUNT(kernels); i++) {
        struct probe t = probe_timer(clock_mono_ns() + NS_PER_MS);

        unknown_flags = kernels[i].unknown;
        struct io *const io = new_or_skip(IO_URING);

        assert_true((flags_used & kernels[i].wanted) == kernels[i].wanted);
        assert_int_equal(probe_run(io, &t), 0);
        assert_true(clock_mono_ns() >= t.req.deadline_ns);
        io_free(io);
    }
    unknown_flags = 0;
}

static void a_blocked_io_uring_is_named_as_the_reason(void **state)
{
    const struct io_config uring = { .kind = IO_URING }, any = { .kind = IO_AUTO };
    struct err e = { 0 };
    struct io *io;

    (void)unsetenv("FAPILOG_IO");
    setup_error = -EPERM;
    assert_int_equal(io_new(&uring, &io, &e), -EPERM);
    assert_string_equal(e.text, "io_uring_setup with 256 entries: Operation not permitted; kernel.io_uring_disabled, "
                                "or the seccomp filter of a container, forbids it");
    assert_int_equal(io_new(&any, &io, &e), 0);
    assert_string_equal(io_name(io), "plain");
    assert_string_equal(io_reason(io), e.text);
    io_free(io);
    assert_int_equal(setenv("FAPILOG_IO", "uring", 1), 0); /* asked for by name: no quiet replacement */
    assert_int_equal(io_new(&any, &io, &e), -EPERM);
    setup_error = 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_kernel_refuses_is_passed_later),
        cmocka_unit_test(freeing_a_refused_queue_completes_all),
        cmocka_unit_test(timers_end_whatever_the_kernel_refuses),
        cmocka_unit_test(an_inline_write_is_made_at_once_and_reported_in_a_turn),
        cmocka_unit_test(where_inline_writes_were_slow_the_kernel_makes_them),
        cmocka_unit_test(an_uncached_write_is_asked_for_and_made_or_refused),
        cmocka_unit_test(an_older_kernel_gets_fewer_flags),
        cmocka_unit_test(a_blocked_io_uring_is_named_as_the_reason),
    };

    return cmocka_run_group_tests_name("io_uring", tests, NULL, NULL);
}
