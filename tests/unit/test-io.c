/* What collector/io/io.h promises of files, buffers, cancelling and ending; one body, every backend. */
#include "tests/unit/io-backends.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void what_is_written_is_read_back(void **state)
{
    const int fd = temp_file(0);
    char vec[] = "vec", tor[] = "tor";
    const struct iovec iov[2] = { { vec, 3 }, { tor, 3 } };
    struct probe v = probe_rw(IO_WRITEV, fd, iov, 2, 9);
    struct probe s = { .req = { .op = IO_FSYNC, .fd = fd } };
    char buf[32] = { 0 };

    NEED_IO();
    assert_int_equal(run_rw(io, IO_WRITE, fd, "herecomes", 9, 0), 9);
    assert_int_equal(probe_run(io, &v), 6);
    assert_int_equal(probe_run(io, &s), 0);
    s.req.op = IO_FDATASYNC;
    assert_int_equal(probe_run(io, &s), 0);
    s.req.op = IO_WRITEBACK;
    s.req.offset = 4;
    s.req.len = 11;
    assert_int_equal(probe_run(io, &s), 0);
    assert_int_equal(run_rw(io, IO_READ, fd, buf, sizeof buf, 4), 11);
    assert_string_equal(buf, "comesvector");
    assert_int_equal(run_rw(io, IO_READ, fd, buf, sizeof buf, 15), 0); /* end of file */
    close(fd);
}

struct chain {
    struct probe p;
    uint32_t text, left;
};

static void chain_done(struct io_req *req, int result)
{
    struct chain *const c = req->owner;

    assert_int_equal(result, sizeof c->text);
    c->p.calls++;
    if (--c->left == 0)
        return;
    c->text++;
    io_submit(io, req);
}

static void appends_submitted_from_done_keep_their_order(void **state)
{
    const int fd = temp_file(O_APPEND);
    struct chain c = { .p = probe_rw(IO_WRITE, fd, &c.text, 4, -1), .left = 300 };
    uint32_t back[300];

    NEED_IO();
    c.p.req.done = chain_done;
    c.p.req.owner = &c;
    io_submit(io, &c.p.req);
    probe_wait(io, &c.p, 300);
    assert_int_equal(io_inflight(io), 0);
    assert_int_equal(pread(fd, back, sizeof back, 0), sizeof back);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(back[i], i);
    close(fd);
}

static void a_cancelled_request_completes_once(void **state)
{
    struct probe timer = probe_timer(clock_mono_ns() + 3600 * NS_PER_S), poll_, read_;
    char c;
    int fds[2];

    NEED_IO();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    poll_ = probe_poll(fds[0], POLLIN);
    read_ = probe_rw(IO_READ, fds[0], &c, 1, -1);
    struct probe *const all[] = { &timer, &poll_, &read_ };

    for (int waits = 0; waits < 2; waits++) { /* before and after the backend has begun with them */
        for (size_t i = 0; i < ARRAY_COUNT(all); i++)
            probe_submit(io, all[i]);
        if (waits)
            (void)io_turn(io, clock_mono_ns() + 2 * NS_PER_MS);
        for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
            const unsigned before = all[i]->calls;

            io_cancel(io, &all[i]->req);
            io_cancel(io, &all[i]->req);
            assert_int_equal(all[i]->calls, before);
            probe_wait(io, all[i], before + 1);
            assert_int_equal(all[i]->result, -ECANCELED);
            io_cancel(io, &all[i]->req); /* no-op */
        }
    }
    assert_int_equal(io_turn(io, clock_mono_ns() + NS_PER_MS), 0);
    assert_int_equal(io_inflight(io), 0);
    close(fds[0]);
    close(fds[1]);
}

struct again {
    struct probe first, second;
};

static void again_done(struct io_req *req, int result)
{
    struct again *const a = req->owner;

    a->first.calls++;
    a->first.result = result;
    probe_submit(io, &a->second);
}

static void free_completes_what_is_outstanding(void **state)
{
    const int file = temp_file(0);
    struct probe write_ = probe_rw(IO_WRITE, file, "x", 1, 0);
    struct probe poll_, read_[40];
    struct again a = { .first = probe_timer(UINT64_MAX), .second = probe_timer(UINT64_MAX) };
    char c;
    int fds[2];

    NEED_IO();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    poll_ = probe_poll(fds[0], POLLIN);
    a.first.req.done = again_done;
    a.first.req.owner = &a;
    io_submit(io, &a.first.req);
    probe_submit(io, &poll_);
    for (size_t i = 0; i < ARRAY_COUNT(read_); i++) {
        read_[i] = probe_rw(IO_READ, fds[0], &c, 1, -1);
        probe_submit(io, &read_[i]);
    }
    (void)io_turn(io, 0);
    probe_submit(io, &write_);
    io_free(io);
    io = NULL;
    assert_int_equal(a.first.calls, 1);
    assert_int_equal(a.first.result, -ECANCELED);
    assert_int_equal(a.second.calls, 1);
    assert_int_equal(a.second.result, -ECANCELED);
    assert_int_equal(poll_.calls, 1);
    assert_int_equal(write_.calls, 1);
    for (size_t i = 0; i < ARRAY_COUNT(read_); i++)
        assert_int_equal(read_[i].calls, 1);
    close(fds[0]);
    close(fds[1]);
    close(file);
}

static void ten_thousand_requests_pass_a_queue_of_sixteen(void **state)
{
    enum { COUNT = 10000 };
    const int fd = temp_file(0);
    struct probe *const p = calloc(COUNT, sizeof *p);
    uint32_t *const words = malloc(COUNT * sizeof *words), *const back = malloc(COUNT * sizeof *back);

    NEED_IO();
    for (uint32_t i = 0; i < COUNT; i++) {
        words[i] = i ^ 0x5a5a5a5a;
        p[i] = probe_rw(IO_WRITE, fd, &words[i], 4, i * 4);
        probe_submit(io, &p[i]);
    }
    assert_int_equal(io_inflight(io), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        probe_wait(io, &p[i], 1);
        assert_int_equal(p[i].result, 4);
    }
    assert_int_equal(io_inflight(io), 0);
    assert_int_equal(pread(fd, back, COUNT * sizeof *back, 0), COUNT * sizeof *back);
    assert_memory_equal(back, words, COUNT * sizeof *back);
    free(p);
    free(words);
    free(back);
    close(fd);
}

static void registered_buffers_are_written_from(void **state)
{
    enum { SIZE = 8192, COUNT = 4 };
    char *const base = mmap(NULL, SIZE * COUNT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int fd = temp_file(0);
    struct probe p = { .req = { .op = IO_WRITE, .fd = fd, .len = SIZE } };
    char back[SIZE];

    NEED_IO();
    assert_true(base != MAP_FAILED);
    assert_int_equal(io_register_buffers(io, NULL, SIZE, COUNT), -EINVAL);
    for (int registered = 0; registered < 2; registered++) {
        for (int i = 0; i < COUNT; i++) {
            memset(base + SIZE * i, 'a' + i + registered, SIZE);
            p.req.buf = base + SIZE * i;
            p.req.buf_index = i;
            p.req.offset = SIZE * i;
            assert_int_equal(probe_run(io, &p), SIZE);
            assert_int_equal(pread(fd, back, SIZE, SIZE * i), SIZE);
            assert_memory_equal(back, base + SIZE * i, SIZE);
        }
        if (!registered)
            assert_int_equal(io_register_buffers(io, base, SIZE, COUNT), 0);
    }
    munmap(base, SIZE * COUNT);
    close(fd);
}

/* As an ordinary user with little lockable memory: root is exempt from the limit. */
static void buffers_beyond_the_memlock_limit_are_written_as_ordinary_memory(void **state)
{
    enum { SIZE = 65536, COUNT = 4 };
    const int fd = temp_file(0);
    int status;
    pid_t pid;

    NEED_IO();
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit limit = { .rlim_cur = 128 << 10, .rlim_max = 128 << 10 };
        char *const base = mmap(NULL, SIZE * COUNT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        const struct io_config *const cfg = *state;
        struct io *own;

        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
        if (geteuid() == 0)
            assert_int_equal(setresuid(65534, 65534, 65534), 0);
        assert_int_equal(io_new(cfg, &own, NULL), 0);
        assert_int_equal(io_register_buffers(own, base, SIZE, COUNT), 0);
        struct probe p = probe_rw(IO_WRITE, fd, base + SIZE, SIZE, 0);

        p.req.buf_index = 1;
        assert_int_equal(probe_run(own, &p), SIZE);
        io_free(own);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(fd);
}

static void a_bad_descriptor_is_ebadf(void **state)
{
    static const enum io_op ops[] = { IO_READ, IO_WRITE, IO_FSYNC, IO_FDATASYNC, IO_WRITEBACK, IO_POLL };
    char c = 0;

    NEED_IO();
    for (size_t i = 0; i < ARRAY_COUNT(ops); i++) {
        struct probe p = { .req = { .op = ops[i], .fd = -1, .buf = &c, .len = 1, .buf_index = -1 } };

        if (ops[i] == IO_POLL)
            p = probe_poll(-1, POLLIN);
        assert_int_equal(probe_run(io, &p), -EBADF);
        p.req.fd = 987; /* not open */
        assert_int_equal(probe_run(io, &p), -EBADF);
    }
}

static void synchronous_calls_return_the_errno(void **state)
{
    char dir[] = "/tmp/fapilog-io-XXXXXX", a[64], b[64];
    struct stat st;
    int fd;

    NEED_IO();
    assert_non_null(mkdtemp(dir));
    (void)snprintf(a, sizeof a, "%s/a", dir);
    (void)snprintf(b, sizeof b, "%s/b", dir);
    assert_int_equal(io_open(io, a, O_RDONLY, 0), -ENOENT);
    assert_int_equal(io_mkdir(io, dir, 0700), -EEXIST);
    fd = io_open(io, a, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(io_ftruncate(io, fd, 12), 0);
    assert_int_equal(io_fstat(io, fd, &st), 0);
    assert_int_equal(st.st_size, 12);
    assert_int_equal(io_close(io, fd), 0);
    assert_int_equal(io_close(io, fd), -EBADF);
    assert_int_equal(io_fstat(io, fd, &st), -EBADF);
    assert_int_equal(io_rename(io, a, b), 0);
    assert_int_equal(io_rename(io, a, b), -ENOENT);
    assert_int_equal(io_stat(io, a, &st), -ENOENT);
    assert_int_equal(io_unlink(io, b), 0);
    assert_int_equal(io_unlink(io, b), -ENOENT);
    assert_int_equal(rmdir(dir), 0);
}

static uint32_t *shared_word(void)
{
    uint32_t *const word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(word != MAP_FAILED);
    return word;
}

static void a_lock_is_waited_for_and_then_refused(void **state)
{
    char path[] = "/tmp/fapilog-io-XXXXXX";
    (void)state;
    NEED_IO();
    (void)close(mkstemp(path));
    const int mine = open(path, O_RDWR), other = open(path, O_RDWR);
    assert_true(mine >= 0 && other >= 0);
    assert_int_equal(io_lock(io, mine, 0), 0);
    const uint64_t before = clock_mono_ns();
    assert_int_equal(io_lock(io, other, 20 * NS_PER_MS), -EBUSY);
    assert_true(clock_mono_ns() - before >= 20 * NS_PER_MS);
    (void)close(mine);
    assert_int_equal(io_lock(io, other, 0), 0);
    assert_int_equal(io_lock(io, -1, 0), -EBADF);
    (void)close(other);
    (void)unlink(path);
}

/* A worker of the kernel may let go of the file after we have had its result, and leaves the rest to our next call. */
static void a_file_whose_requests_are_done_can_be_locked_anew(void **state)
{
    char path[] = "/tmp/fapilog-io-XXXXXX";
    (void)state;
    NEED_IO();
    (void)close(mkstemp(path));
    for (int i = 0; i < 3000; i++) {
        struct probe p = { .req = { .op = IO_FSYNC } };
        p.req.fd = open(path, O_RDWR);
        assert_true(p.req.fd >= 0);
        assert_int_equal(io_lock(io, p.req.fd, 5 * NS_PER_S), 0);
        assert_int_equal(probe_run(io, &p), 0);
        (void)close(p.req.fd);
    }
    (void)unlink(path);
}

static void a_futex_wait_ends_when_another_process_wakes_it(void **state)
{
    uint32_t *const word = shared_word();
    struct probe p = { .req = { .op = IO_FUTEX_WAIT, .futex = word, .futex_value = 0 } };
    int status;
    pid_t pid;

    NEED_IO();
    if (!io_has_futex_wait(io)) {
        assert_int_equal(probe_run(io, &p), -EOPNOTSUPP);
        munmap(word, 4096);
        return;
    }
    probe_submit(io, &p);
    assert_int_equal(io_turn(io, clock_mono_ns() + NS_PER_MS), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        __atomic_store_n(word, 1, __ATOMIC_RELEASE);
        _exit(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == 1 ? 0 : 1);
    }
    probe_wait(io, &p, 1);
    assert_int_equal(p.result, 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);

    assert_int_equal(probe_run(io, &p), -EAGAIN); /* the word is 1 by now */
    p.req.futex_value = 1;
    probe_submit(io, &p);
    (void)io_turn(io, 0);
    io_cancel(io, &p.req);
    probe_wait(io, &p, 3);
    assert_int_equal(p.result, -ECANCELED);
    munmap(word, 4096);
}

static void the_environment_chooses_for_io_auto(void **state)
{
    const struct io_config cfg = { 0 };
    struct io *chosen;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(setenv("FAPILOG_IO", "plain", 1), 0);
    assert_int_equal(io_new(&cfg, &chosen, &e), 0);
    assert_string_equal(io_name(chosen), "plain");
    assert_string_equal(io_reason(chosen), "FAPILOG_IO=plain");
    io_free(chosen);
    assert_int_equal(setenv("FAPILOG_IO", "threads", 1), 0);
    assert_int_equal(io_new(&cfg, &chosen, &e), -EINVAL);
    assert_non_null(strstr(e.text, "'threads'"));
    assert_int_equal(unsetenv("FAPILOG_IO"), 0);
    assert_int_equal(io_new(&cfg, &chosen, &e), 0);
    assert_true(strcmp(io_name(chosen), "io_uring") == 0 ? !*io_reason(chosen) : *io_reason(chosen));
    io_free(chosen);
    assert_int_equal(io_new(&(struct io_config){ .queue_depth = 15 }, &chosen, &e), -EINVAL);
}

struct service {
    struct io_service base; /* first */
    struct io_req timeout;
    struct io *io;
    unsigned order, completed;
};

static unsigned shut_down;

static void on_service_timeout(struct io_req *req, int result)
{
    struct service *const s = req->owner;

    assert_int_equal(result, -ECANCELED);
    assert_int_not_equal(s->order, 0);
    s->completed++;
}

static void shut_service_down(struct io_service *base)
{
    struct service *const s = (struct service *)base;

    s->order = ++shut_down;
    io_cancel(s->io, &s->timeout);
}

static void services_are_found_by_kind_and_shut_down_before_their_requests_end(void **state)
{
    static const char kinds[3];
    struct service s[2] = { 0 };
    struct service gone = { .base = { .kind = &kinds[2], .shutdown = shut_service_down } };
    struct io *own;

    (void)state;
    assert_int_equal(io_new(&(struct io_config){ .kind = IO_PLAIN }, &own, NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        s[i].io = own;
        s[i].base = (struct io_service){ .kind = &kinds[i], .shutdown = shut_service_down };
        s[i].timeout = (struct io_req){ .op = IO_TIMEOUT, .deadline_ns = UINT64_MAX, .buf_index = -1,
                                        .done = on_service_timeout, .owner = &s[i] };
        io_attach(own, &s[i].base);
        io_submit(own, &s[i].timeout);
    }
    assert_ptr_equal(io_service_find(own, &kinds[0]), &s[0].base);
    io_attach(own, &gone.base);
    assert_ptr_equal(io_service_find(own, &kinds[2]), &gone.base);
    io_detach(own, &gone.base);
    assert_null(io_service_find(own, &kinds[2]));
    io_free(own);
    assert_int_equal(s[1].order, 1);
    assert_int_equal(s[0].order, 2);
    assert_int_equal(s[0].completed + s[1].completed, 2);
    assert_int_equal(gone.order, 0);
}

int main(void)
{
    static const struct CMUnitTest body[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(appends_submitted_from_done_keep_their_order),
        cmocka_unit_test(a_cancelled_request_completes_once),
        cmocka_unit_test(free_completes_what_is_outstanding),
        cmocka_unit_test(ten_thousand_requests_pass_a_queue_of_sixteen),
        cmocka_unit_test(registered_buffers_are_written_from),
        cmocka_unit_test(buffers_beyond_the_memlock_limit_are_written_as_ordinary_memory),
        cmocka_unit_test(a_bad_descriptor_is_ebadf),
        cmocka_unit_test(synchronous_calls_return_the_errno),
        cmocka_unit_test(a_lock_is_waited_for_and_then_refused),
        cmocka_unit_test(a_file_whose_requests_are_done_can_be_locked_anew),
        cmocka_unit_test(a_futex_wait_ends_when_another_process_wakes_it),
    };
    static const struct CMUnitTest own[] = {
        cmocka_unit_test(the_environment_chooses_for_io_auto),
        cmocka_unit_test(services_are_found_by_kind_and_shut_down_before_their_requests_end),
    };
    const int failed = run_on_backends(body, ARRAY_COUNT(body));

    return failed + cmocka_run_group_tests_name("choice", own, NULL, NULL) != 0;
}
