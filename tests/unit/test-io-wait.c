/* What collector/io/io.h promises of waiting: pipes, sockets, polls, timers, signals; one body, every
 * backend. */
#include "tests/unit/io-backends.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

/* 1 MiB through a pipe of one page, both ends in the same io: each end is short many times. */
static void a_callers_loop_finishes_short_writes(void **state)
{
    enum { SIZE = 1 << 20 };
    char *const out = malloc(SIZE), *const in = calloc(1, SIZE);
    uint32_t sent = 0, got = 0;
    const uint64_t deadline = clock_mono_ns() + 8 * NS_PER_S;
    unsigned writes = 0, reads = 0;
    int fds[2];

    NEED_IO();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
    for (size_t i = 0; i < SIZE; i++)
        out[i] = (char)(i * 31 >> 3);
    struct probe w = probe_rw(IO_WRITE, fds[1], NULL, 0, -1);
    struct probe r = probe_rw(IO_READ, fds[0], NULL, 0, -1);

    while (got < SIZE || sent < SIZE) {
        if (w.calls == writes) {
            sent += (uint32_t)w.result;
            w.result = 0;
            w.req.data = out + sent;
            w.req.len = SIZE - sent;
            writes += sent < SIZE ? (probe_submit(io, &w), 1u) : 0;
        }
        if (r.calls == reads) {
            got += (uint32_t)r.result;
            r.result = 0;
            r.req.buf = in + got;
            r.req.len = SIZE - got;
            reads += got < SIZE ? (probe_submit(io, &r), 1u) : 0;
        }
        assert_true(clock_mono_ns() < deadline);
        assert_true(io_turn(io, clock_mono_ns() + NS_PER_MS) >= 0);
        assert_true(w.result >= 0);
        assert_true(r.result >= 0);
    }
    assert_memory_equal(in, out, SIZE);
    close(fds[0]);
    close(fds[1]);
    free(in);
    free(out);
}

static void a_poll_completes_when_its_descriptor_is_ready(void **state)
{
    struct probe in, hup;
    int fds[2];

    NEED_IO();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    in = probe_poll(fds[0], POLLIN);
    probe_submit(io, &in);
    (void)io_turn(io, clock_mono_ns() + 5 * NS_PER_MS);
    assert_int_equal(in.calls, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    probe_wait(io, &in, 1);
    assert_int_equal(in.result, POLLIN);
    assert_int_equal(probe_run(io, &in), POLLIN); /* still readable: once per submission */
    assert_int_equal(read(fds[0], &(char){ 0 }, 1), 1);
    hup = probe_poll(fds[0], POLLIN);
    probe_submit(io, &hup);
    close(fds[1]);
    probe_wait(io, &hup, 1);
    assert_true(hup.result & POLLHUP);
    close(fds[0]);
}

static void polls_of_one_socket_for_different_events_are_independent(void **state)
{
    struct probe in, out;
    int fds[2];

    NEED_IO();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    in = probe_poll(fds[0], POLLIN);
    out = probe_poll(fds[0], POLLOUT);
    probe_submit(io, &in);
    probe_submit(io, &out);
    probe_wait(io, &out, 1);
    assert_int_equal(out.result, POLLOUT);
    assert_int_equal(in.calls, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    probe_wait(io, &in, 1);
    assert_int_equal(in.result, POLLIN);
    close(fds[0]);
    close(fds[1]);
}

static void a_regular_file_is_always_ready(void **state)
{
    const int fd = temp_file(0);
    struct probe p = probe_poll(fd, POLLIN | POLLOUT);

    NEED_IO();
    assert_int_equal(probe_run(io, &p), POLLIN | POLLOUT);
    close(fd);
}

static void a_descriptor_number_used_again_is_polled_anew(void **state)
{
    NEED_IO();
    for (int i = 0; i < 20; i++) {
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        struct probe in = probe_poll(fds[0], POLLIN), none = probe_poll(fds[0], POLLIN);

        probe_submit(io, &none);
        io_cancel(io, &none.req);
        probe_wait(io, &none, 1);
        probe_submit(io, &in);
        assert_int_equal(write(fds[1], "x", 1), 1);
        probe_wait(io, &in, 1);
        close(fds[0]);
        close(fds[1]);
    }
}

static void a_read_that_must_wait_does_not_stop_the_turn(void **state)
{
    struct probe read_, timer;
    char c = 0;
    int fds[2];

    NEED_IO();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    read_ = probe_rw(IO_READ, fds[0], &c, 1, -1);
    probe_submit(io, &read_);
    timer = probe_timer(clock_mono_ns() + 5 * NS_PER_MS);
    assert_int_equal(probe_run(io, &timer), 0);
    assert_int_equal(read_.calls, 0);
    assert_int_equal(write(fds[1], "y", 1), 1);
    probe_wait(io, &read_, 1);
    assert_int_equal(read_.result, 1);
    assert_int_equal(c, 'y');
    close(fds[0]);
    close(fds[1]);
}

/* Newer io_uring waits whatever the flag says; the others say so, and the caller polls. */
static void a_nonblocking_descriptor_says_eagain_or_waits(void **state)
{
    struct probe read_;
    char c = 0;
    int fds[2];

    NEED_IO();
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    read_ = probe_rw(IO_READ, fds[0], &c, 1, -1);
    probe_submit(io, &read_);
    (void)io_turn(io, clock_mono_ns() + 20 * NS_PER_MS);
    assert_int_equal(write(fds[1], "z", 1), 1);
    probe_wait(io, &read_, 1);
    assert_int_equal(read_.result, c == 'z' ? 1 : -EAGAIN);
    close(fds[0]);
    close(fds[1]);
}

static void a_pipe_without_a_reader_is_epipe(void **state)
{
    int fds[2];

    NEED_IO();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    assert_int_equal(run_rw(io, IO_WRITE, fds[1], "x", 1, -1), -EPIPE);
    close(fds[1]);
}

static void an_offset_is_ignored_where_there_is_none(void **state)
{
    char c = 0;
    int fds[2];

    NEED_IO();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(run_rw(io, IO_WRITE, fds[1], "x", 1, 0), 1);
    assert_int_equal(run_rw(io, IO_READ, fds[0], &c, 1, 0), 1);
    assert_int_equal(c, 'x');
    close(fds[0]);
    close(fds[1]);
}

static void timers_end_in_the_order_of_their_deadlines_and_never_early(void **state)
{
    enum { COUNT = 40 };
    const uint64_t start = clock_mono_ns() + NS_PER_MS;
    unsigned counter = 0;
    struct probe t[COUNT];

    NEED_IO();
    for (unsigned i = 0; i < COUNT; i++) {
        t[i] = probe_timer(start + (uint64_t)(i * 17 % COUNT) * 2 * NS_PER_MS);
        t[i].counter = &counter;
        probe_submit(io, &t[i]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        probe_wait(io, &t[i], 1);
        assert_int_equal(t[i].result, 0);
        assert_true(t[i].when >= t[i].req.deadline_ns);
        assert_true(t[i].when < t[i].req.deadline_ns + 3 * NS_PER_S);
        if (strcmp(io_name(io), "sim") != 0) /* which reorders */
            assert_int_equal(t[i].order, i * 17 % COUNT + 1);
    }
}

static void a_deadline_in_the_past_ends_at_once(void **state)
{
    struct probe zero = probe_timer(0), past = probe_timer(clock_mono_ns() - 1);

    NEED_IO();
    assert_int_equal(probe_run(io, &zero), 0);
    assert_int_equal(probe_run(io, &past), 0);
}

static void a_turn_waits_until_its_deadline(void **state)
{
    const uint64_t deadline = clock_mono_ns() + 20 * NS_PER_MS;

    NEED_IO();
    assert_int_equal(io_turn(io, 0), 0);
    assert_true(clock_mono_ns() < deadline + NS_PER_S);
    assert_int_equal(io_turn(io, deadline), 0);
    assert_true(clock_mono_ns() >= deadline);
}

static void a_turn_ends_with_the_first_timer(void **state)
{
    const uint64_t now = clock_mono_ns();
    struct probe near = probe_timer(now + 20 * NS_PER_MS), far = probe_timer(now + 3600 * NS_PER_S);

    NEED_IO();
    probe_submit(io, &far);
    probe_submit(io, &near);
    while (near.calls == 0)
        (void)io_turn(io, now + 3600 * NS_PER_S); /* or the test never ends */
    assert_int_equal(far.calls, 0);
    io_cancel(io, &far.req);
    probe_wait(io, &far, 1);
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void a_signal_ends_the_wait(void **state)
{
    const struct sigaction sa = { .sa_handler = on_alarm };
    const struct itimerval in_20_ms = { .it_value.tv_usec = 20000 };
    const uint64_t start = clock_mono_ns();
    struct sigaction old;
    struct probe far = probe_timer(start + 3600 * NS_PER_S);

    NEED_IO();
    probe_submit(io, &far);
    assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
    for (int with_new_request = 1; with_new_request >= 0; with_new_request--) {
        assert_int_equal(setitimer(ITIMER_REAL, &in_20_ms, NULL), 0);
        assert_int_equal(io_turn(io, UINT64_MAX), 0);
        assert_true(clock_mono_ns() - start < 5 * NS_PER_S);
    }
    assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
    assert_int_equal(far.calls, 0);
    io_cancel(io, &far.req);
    probe_wait(io, &far, 1);
}

int main(void)
{
    static const struct CMUnitTest body[] = {
        cmocka_unit_test(a_callers_loop_finishes_short_writes),
        cmocka_unit_test(a_poll_completes_when_its_descriptor_is_ready),
        cmocka_unit_test(polls_of_one_socket_for_different_events_are_independent),
        cmocka_unit_test(a_regular_file_is_always_ready),
        cmocka_unit_test(a_descriptor_number_used_again_is_polled_anew),
        cmocka_unit_test(a_read_that_must_wait_does_not_stop_the_turn),
        cmocka_unit_test(a_nonblocking_descriptor_says_eagain_or_waits),
        cmocka_unit_test(a_pipe_without_a_reader_is_epipe),
        cmocka_unit_test(an_offset_is_ignored_where_there_is_none),
        cmocka_unit_test(timers_end_in_the_order_of_their_deadlines_and_never_early),
        cmocka_unit_test(a_deadline_in_the_past_ends_at_once),
        cmocka_unit_test(a_turn_waits_until_its_deadline),
        cmocka_unit_test(a_turn_ends_with_the_first_timer),
        cmocka_unit_test(a_signal_ends_the_wait),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return run_on_backends(body, ARRAY_COUNT(body)) != 0;
}
