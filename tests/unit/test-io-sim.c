/* What the simulated backend promises to the tests that use it. */
#include "tests/unit/io-probe.h"

#include "lib/base/check.h"

static struct io *sim_new(struct io_config cfg)
{
    struct err e = { 0 };
    struct io *io;

    cfg.kind = IO_SIM;
    assert_int_equal(io_new(&cfg, &io, &e), 0);
    return io;
}

enum { TRACE_COUNT = 200 };

struct trace {
    unsigned order[TRACE_COUNT];
    int result[TRACE_COUNT];
    uint64_t calls;
};

static struct trace trace_of(uint64_t seed)
{
    struct io *const io = sim_new((struct io_config){ .sim_seed = seed, .sim_fault_ppm = 200000 });
    const int fd = temp_file(0);
    struct probe p[TRACE_COUNT];
    struct trace t = { 0 };
    unsigned counter = 0;
    char text[64] = "some bytes";

    for (unsigned i = 0; i < TRACE_COUNT; i++) {
        p[i] = probe_rw(i % 3 ? IO_WRITE : IO_READ, fd, text, sizeof text, (int64_t)(i * sizeof text));
        p[i].counter = &counter;
        probe_submit(io, &p[i]);
    }
    for (unsigned i = 0; i < TRACE_COUNT; i++) {
        probe_wait(io, &p[i], 1);
        t.order[i] = p[i].order;
        t.result[i] = p[i].result;
    }
    t.calls = io_sim_calls(io);
    io_free(io);
    close(fd);
    return t;
}

static void a_seed_replays_exactly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 10; seed++) {
        const struct trace a = trace_of(seed), b = trace_of(seed), c = trace_of(seed + 100);

        assert_memory_equal(a.order, b.order, sizeof a.order);
        assert_memory_equal(a.result, b.result, sizeof a.result);
        assert_int_equal(a.calls, TRACE_COUNT);
        assert_memory_not_equal(a.order, c.order, sizeof a.order);
        assert_memory_not_equal(a.result, c.result, sizeof a.result);
    }
}

static void completions_come_late_and_out_of_order(void **state)
{
    const struct trace t = trace_of(1);
    unsigned overtaken = 0;

    (void)state;
    for (unsigned i = 1; i < TRACE_COUNT; i++)
        overtaken += t.order[i] < t.order[i - 1];
    assert_true(overtaken > TRACE_COUNT / 10);
    assert_true(overtaken < TRACE_COUNT);
}

static void the_seed_chooses_among_all_faults(void **state)
{
    unsigned enospc = 0, eio = 0, eintr = 0, cut = 0, whole = 0;

    (void)state;
    for (uint64_t seed = 1; seed < 10; seed++) {
        const struct trace t = trace_of(seed);

        for (unsigned i = 0; i < TRACE_COUNT; i++) {
            enospc += t.result[i] == -ENOSPC;
            eio += t.result[i] == -EIO;
            eintr += t.result[i] == -EINTR;
            cut += t.result[i] > 0 && t.result[i] < 64;
            whole += t.result[i] == 64;
        }
    }
    assert_true(enospc > 0);
    assert_true(eio > 0);
    assert_true(eintr > 0);
    assert_true(cut > 0);
    assert_true(whole > 1000); /* faults are 20 % */
}

/* A small program of counted calls. Each stands for one call of the sweep. */
static void six_calls(struct io *io, int *results)
{
    const char *const dir = getenv("TMPDIR");
    char path[256];
    struct probe sync = { .req = { .op = IO_FSYNC } };
    struct stat st;
    int fd = temp_file(0), made;

    (void)snprintf(path, sizeof path, "%s/fapilog-sim-%d", dir ? dir : "/tmp", (int)getpid());
    sync.req.fd = fd;
    made = io_open(io, path, O_WRONLY | O_CREAT, 0600);
    results[0] = made < 0 ? made : 0;
    results[1] = run_rw(io, IO_WRITE, fd, "abcd", 4, 0);
    results[2] = probe_run(io, &sync);
    results[3] = io_ftruncate(io, fd, 0);
    results[4] = io_fstat(io, fd, &st);
    results[5] = io_close(io, fd);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed even when it failed */
    if (made >= 0) {
        close(made);
        unlink(path);
    }
}

static void exactly_the_nth_call_fails(void **state)
{
    static const int good[6] = { 0, 4, 0, 0, 0, 0 };

    (void)state;
    for (int64_t n = 1; n <= 7; n++) {
        for (int from = 0; from < 2; from++) {
            struct io *const io = sim_new((struct io_config){ .sim_fail_at = n, .sim_fail_from = from,
                                                              .sim_error = EDQUOT, .sim_seed = 3 });
            int results[6];

            six_calls(io, results);
            for (int64_t i = 1; i <= 6; i++)
                assert_int_equal(results[i - 1], i == n || (from && i > n) ? -EDQUOT : good[i - 1]);
            assert_int_equal(io_sim_calls(io), 6);
            io_free(io);
        }
    }
}

static void a_loop_that_resumes_gets_everything_through(void **state)
{
    enum { SIZE = 50000 };
    char out[SIZE], in[SIZE];

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        out[i] = (char)(i * 7 >> 2);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct io *const io = sim_new((struct io_config){ .sim_seed = seed, .sim_fault_ppm = 500000 });
        const int fd = temp_file(0);
        const struct iovec iov[2] = { { out, SIZE / 2 }, { out + SIZE / 2, SIZE - SIZE / 2 } };
        struct probe v = probe_rw(IO_WRITEV, fd, iov, 2, 0);
        int64_t done = 0;

        (void)probe_run(io, &v); /* the vector may be cut at any byte too */
        assert_true(v.result <= SIZE);
        if (v.result > 0)
            done = v.result;
        while (done < SIZE) {
            const int n = run_rw(io, IO_WRITE, fd, out + done, (uint32_t)(SIZE - done), done);

            assert_int_not_equal(n, 0);
            done += n > 0 ? n : 0;
        }
        for (done = 0; done < SIZE;) {
            const int n = run_rw(io, IO_READ, fd, in + done, (uint32_t)(SIZE - done), done);

            assert_int_not_equal(n, 0);
            done += n > 0 ? n : 0;
        }
        assert_memory_equal(in, out, SIZE);
        io_free(io);
        close(fd);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_replays_exactly),
        cmocka_unit_test(completions_come_late_and_out_of_order),
        cmocka_unit_test(the_seed_chooses_among_all_faults),
        cmocka_unit_test(exactly_the_nth_call_fails),
        cmocka_unit_test(a_loop_that_resumes_gets_everything_through),
    };

    return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
