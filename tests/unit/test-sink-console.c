#include "tests/unit/sink-probe.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

/* The tests put pipes, files and terminals in the place of standard error, which the test runner does
 * not use while a test runs. */
static int saved_stderr = -1;

static int setup(void **state)
{
    saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    (void)unsetenv("NO_COLOR");
    (void)setenv("TERM", "xterm", 1);
    return saved_stderr < 0;
}

static int teardown(void **state)
{
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
    return 0;
}

static const char uri[] = "console:?stream=stderr";

static const struct io_config backends[] = {
    { .kind = IO_AUTO },
    { .kind = IO_PLAIN },
    { .kind = IO_SIM, .sim_seed = 5 },
};

/* Puts `fd` in the place of standard error and closes it. */
static void redirect(int fd)
{
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
}

static int pipe_as_stderr(int flags)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC | flags), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
    redirect(fds[1]);
    return fds[0];
}

/* The other end of a terminal that stands in for standard error. */
static int terminal_as_stderr(void)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    int slave;
    struct termios t;

    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    assert_int_equal(tcgetattr(slave, &t), 0);
    cfmakeraw(&t);
    assert_int_equal(tcsetattr(slave, TCSANOW, &t), 0);
    redirect(slave);
    return master;
}

static char *many_lines(unsigned count)
{
    char *const text = malloc(count * 64);
    size_t len = 0;

    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, 64, "line %06u of the batch, and some more of it\n", i);
    return text;
}

static void read_some(int fd, char *into, size_t *len, size_t max)
{
    const ssize_t n = read(fd, into + *len, max - *len);

    assert_true(n > 0);
    *len += (size_t)n;
}

/* Turns until the batch is done, reading what it writes, `step` bytes at a time. */
static size_t drain(struct sink_probe *p, int fd, char *into, size_t max, size_t step)
{
    const uint64_t deadline = clock_mono_ns() + 8 * NS_PER_S;
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    size_t len = 0;

    while (p->done == 0 || poll(&pfd, 1, 0) > 0) {
        assert_true(clock_mono_ns() < deadline);
        assert_true(io_turn(p->io, clock_mono_ns() + NS_PER_MS) >= 0);
        if (poll(&pfd, 1, 0) > 0)
            read_some(fd, into, &len, len + step < max ? len + step : max);
    }
    return len;
}

/* effect: console.stream */
static void a_batch_larger_than_the_pipe_arrives_whole(void **state)
{
    char *const text = many_lines(4000), *const back = malloc(400000);

    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        for (size_t b = 0; b < ARRAY_COUNT(backends); b++) {
            const int fd = pipe_as_stderr(flags);
            struct sink_probe *const p = sink_probe_open(uri, backends[b]);

            sink_probe_batch(p, 1, text, strlen(text));
            sink_probe_start(p);
            assert_int_equal(drain(p, fd, back, 400000, 3000), strlen(text));
            assert_int_equal(p->result, 0);
            assert_memory_equal(back, text, strlen(text));
            assert_int_equal(sink_probe_close(p), 0);
            close(fd);
        }
    }
    free(text);
    free(back);
}

static void interruptions_and_short_writes_lose_nothing(void **state)
{
    char *const text = many_lines(400), *const back = malloc(40000);

    for (uint64_t seed = 1; seed < 30; seed++) {
        const int fd = pipe_as_stderr(0);
        struct sink_probe *const p = sink_probe_new(uri, (struct io_config){
            .kind = IO_SIM, .sim_seed = seed, .sim_fault_ppm = 300000 });
        size_t len = 0;

        while (p->sink->ops->open(p->sink, &p->err) < 0)
            ;
        sink_probe_batch(p, seed, text, strlen(text));
        for (p->result = -1; p->result < 0;) { /* as the core: a failed batch comes again */
            p->done = 0;
            sink_probe_start(p);
            len += drain(p, fd, back + len, 40000 - len, 4096);
        }
        assert_int_equal(len, strlen(text));
        assert_memory_equal(back, text, len);
        (void)sink_probe_close(p); /* may fail by injection too */
        close(fd);
    }
    free(text);
    free(back);
}

static void a_full_pipe_waits_without_spinning(void **state)
{
    char *const text = many_lines(200);

    for (size_t b = 0; b + 1 < ARRAY_COUNT(backends); b++) {
        const int fd = pipe_as_stderr(0);
        struct sink_probe *const p = sink_probe_open(uri, backends[b]);
        char back[20000];
        unsigned turns = 0;

        sink_probe_batch(p, 1, text, strlen(text));
        sink_probe_start(p);
        for (const uint64_t end = clock_mono_ns() + 100 * NS_PER_MS; clock_mono_ns() < end; turns++)
            assert_true(io_turn(p->io, end) >= 0);
        assert_int_equal(p->done, 0);
        assert_true(turns < 20);
        assert_int_equal(drain(p, fd, back, sizeof back, 4096), strlen(text));
        assert_int_equal(p->result, 0);
        assert_int_equal(sink_probe_close(p), 0);
        close(fd);
    }
    free(text);
}

static void a_stopped_terminal_waits_without_spinning_or_blocking(void **state)
{
    for (size_t b = 0; b + 1 < ARRAY_COUNT(backends); b++) {
        const int master = terminal_as_stderr();
        struct sink_probe *const p = sink_probe_open(uri, backends[b]);
        char back[64];
        size_t len = 0;
        unsigned turns = 0;

        assert_int_equal(tcflow(STDERR_FILENO, TCOOFF), 0);
        sink_probe_batch(p, 1, "after ^S\n", 9);
        sink_probe_start(p);
        for (const uint64_t end = clock_mono_ns() + 100 * NS_PER_MS; clock_mono_ns() < end; turns++)
            assert_true(io_turn(p->io, end) >= 0);
        assert_int_equal(p->done, 0);
        assert_true(turns < 40); /* a stopped terminal may say that it is ready: then it is a pause */
        assert_int_equal(tcflow(STDERR_FILENO, TCOON), 0);
        assert_int_equal(sink_probe_wait(p, 1), 0);
        read_some(master, back, &len, sizeof back);
        assert_memory_equal(back, "after ^S\n", 9);
        assert_int_equal(sink_probe_close(p), 0);
        close(master);
    }
}

static void an_interrupted_write_is_no_failure(void **state)
{
    const int fd = pipe_as_stderr(0);
    struct sink_probe *const p = sink_probe_open(uri, (struct io_config){
        .kind = IO_SIM, .sim_fail_at = 3, .sim_error = EINTR });

    assert_int_equal(sink_probe_write(p, 1, "x\n"), 0);
    assert_int_equal(io_sim_calls(p->io), 4); /* stat, open, the interrupted write, the write */
    assert_int_equal(sink_probe_close(p), 0);
    close(fd);
}

/* Every write is refused although the pipe is ready. */
static void a_descriptor_that_is_ready_but_takes_nothing_is_not_asked_in_a_loop(void **state)
{
    const int fd = pipe_as_stderr(0);
    struct sink_probe *const p = sink_probe_open(uri, (struct io_config){
        .kind = IO_SIM, .sim_fail_at = 3, .sim_fail_from = true, .sim_error = EAGAIN });

    sink_probe_batch(p, 1, "x\n", 2);
    sink_probe_start(p);
    for (const uint64_t end = clock_mono_ns() + 100 * NS_PER_MS; clock_mono_ns() < end;)
        assert_true(io_turn(p->io, end) >= 0);
    assert_int_equal(p->done, 0);
    assert_true(io_sim_calls(p->io) > 4); /* it does try again */
    assert_true(io_sim_calls(p->io) < 40);
    (void)sink_probe_close(p);
    close(fd);
}

static void the_shared_descriptor_keeps_its_flags(void **state)
{
    const int fd = pipe_as_stderr(0);
    struct sink_probe *const p = sink_probe_open(uri, backends[0]);

    assert_int_equal(sink_probe_write(p, 1, "x\n"), 0);
    assert_false(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
    assert_int_equal(sink_probe_close(p), 0);
    assert_int_not_equal(fcntl(STDERR_FILENO, F_GETFD), -1); /* nor is it closed */
    close(fd);
}

static void a_vanished_reader_is_epipe_once_per_batch(void **state)
{
    for (size_t b = 0; b < ARRAY_COUNT(backends); b++) {
        const int fd = pipe_as_stderr(0);
        struct sink_probe *const p = sink_probe_open(uri, backends[b]);

        assert_int_equal(sink_probe_write(p, 1, "read\n"), 0);
        close(fd);
        assert_int_equal(sink_probe_write(p, 2, "unread\n"), -EPIPE);
        assert_int_equal(sink_probe_write(p, 2, "unread\n"), -EPIPE);
        assert_int_equal(io_turn(p->io, clock_mono_ns() + NS_PER_MS), 0);
        assert_int_equal(p->done, 3);
        assert_int_equal(sink_probe_close(p), 0);

        /* Gone before the sink was opened. */
        close(pipe_as_stderr(0));
        struct sink_probe *const late = sink_probe_open(uri, backends[b]);

        assert_int_equal(sink_probe_write(late, 1, "unread\n"), -EPIPE);
        assert_int_equal(sink_probe_close(late), 0);
    }
}

static void a_retry_goes_on_where_the_failed_try_stopped(void **state)
{
    for (size_t b = 0; b < ARRAY_COUNT(backends); b++) {
        char *const text = many_lines(100), back[8192];
        const struct rlimit half = { .rlim_cur = 3000, .rlim_max = RLIM_INFINITY };
        struct rlimit old;
        const int fd = temp_file(0);

        redirect(dup(fd));
        struct sink_probe *const p = sink_probe_open(uri, backends[b]);

        assert_int_equal(sink_probe_write(p, 1, "before\n"), 0);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &half), 0);
        const int failed = sink_probe_write(p, 2, text);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(failed, -EFBIG);
        assert_int_equal(sink_probe_write(p, 2, text), 0);
        assert_int_equal(sink_probe_write(p, 3, "after\n"), 0);
        assert_int_equal(sink_probe_close(p), 0);

        const ssize_t n = pread(fd, back, sizeof back, 0);
        assert_int_equal(n, 7 + strlen(text) + 6);
        assert_memory_equal(back, "before\n", 7);
        assert_memory_equal(back + 7, text, strlen(text));
        assert_memory_equal(back + n - 6, "after\n", 6);
        free(text);
        close(fd);
    }
}

static void a_redirected_file_shares_its_position(void **state)
{
    char back[64] = "";
    const int fd = temp_file(0);

    redirect(dup(fd));
    assert_int_equal(write(fd, "shell\n", 6), 6);
    struct sink_probe *const p = sink_probe_open(uri, backends[0]);

    assert_int_equal(sink_probe_write(p, 1, "record\n"), 0);
    assert_int_equal(write(fd, "shell again\n", 12), 12);
    assert_int_equal(sink_probe_write(p, 2, "record again\n"), 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_true(pread(fd, back, sizeof back - 1, 0) > 0);
    assert_string_equal(back, "shell\nrecord\nshell again\nrecord again\n");
    close(fd);
}

static void a_closed_stream_is_refused_by_name(void **state)
{
    struct sink_probe *const p = sink_probe_new(uri, backends[0]);
    struct err e = { 0 };

    close(STDERR_FILENO);
    assert_int_equal(p->sink->ops->open(p->sink, &e), -EBADF);
    assert_string_equal(e.text, "console: stderr: Bad file descriptor");
    assert_int_equal(sink_probe_close(p), 0);
}

static const char *format_of(const char *text)
{
    struct sink_probe *const p = sink_probe_new(text, backends[1]);
    static char name[32];

    (void)snprintf(name, sizeof name, "%s", p->sink->common.format);
    sink_probe_free(p);
    return name;
}

static bool colour_of(const char *text)
{
    struct sink_probe *const p = sink_probe_new(text, backends[1]);
    const bool colour = p->sink->ops->format_colour(p->sink->cfg);

    sink_probe_free(p);
    return colour;
}

/* effect: console.mode */
static void people_get_pretty_and_programs_get_json(void **state)
{
    int fd = terminal_as_stderr();

    assert_string_equal(format_of("console:?stream=stderr"), "pretty");
    assert_string_equal(format_of("console:?stream=stderr&mode=json"), "fapilog");
    assert_string_equal(format_of("console:?stream=stderr&mode=json&format=logfmt"), "logfmt");
    close(fd);
    fd = pipe_as_stderr(0);
    assert_string_equal(format_of("console:?stream=stderr"), "fapilog");
    assert_string_equal(format_of("console:?stream=stderr&mode=pretty"), "pretty");
    close(fd);
}

static void colours_are_for_terminals_that_did_not_refuse_them(void **state)
{
    int fd = terminal_as_stderr();

    assert_true(colour_of(uri));
    assert_int_equal(setenv("NO_COLOR", "", 1), 0); /* empty means nothing, says no-color.org */
    assert_true(colour_of(uri));
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    assert_false(colour_of(uri));
    assert_int_equal(unsetenv("NO_COLOR"), 0);
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    assert_false(colour_of(uri));
    assert_int_equal(setenv("TERM", "xterm", 1), 0);
    close(fd);
    fd = pipe_as_stderr(0);
    assert_false(colour_of("console:?stream=stderr&mode=pretty"));
    close(fd);
}

static void an_empty_batch_is_done(void **state)
{
    struct sink_probe *const p = sink_probe_open(uri, backends[0]);

    assert_int_equal(sink_probe_write(p, 1, ""), 0);
    assert_int_equal(sink_probe_close(p), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_batch_larger_than_the_pipe_arrives_whole),
        TEST(interruptions_and_short_writes_lose_nothing),
        TEST(a_full_pipe_waits_without_spinning),
        TEST(a_stopped_terminal_waits_without_spinning_or_blocking),
        TEST(an_interrupted_write_is_no_failure),
        TEST(a_descriptor_that_is_ready_but_takes_nothing_is_not_asked_in_a_loop),
        TEST(the_shared_descriptor_keeps_its_flags),
        TEST(a_vanished_reader_is_epipe_once_per_batch),
        TEST(a_retry_goes_on_where_the_failed_try_stopped),
        TEST(a_redirected_file_shares_its_position),
        TEST(a_closed_stream_is_refused_by_name),
        TEST(people_get_pretty_and_programs_get_json),
        TEST(colours_are_for_terminals_that_did_not_refuse_them),
        TEST(an_empty_batch_is_done),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
