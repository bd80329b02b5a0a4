/* Files that were read before a privilege was given up. Where the test is root it becomes another user on the way. */
#include "lib/base/fd_io.h"
#include "lib/base/keep.h"
#include "lib/base/opt_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOMEBODY = 61184 };

static char dir[] = "/tmp/fapilog-keep-XXXXXX";

static const char *make_file(const char *name, size_t size, const char *text, mode_t mode)
{
    static char path[4][128];
    static unsigned turn;
    char *p = path[turn++ % 4];
    (void)snprintf(p, sizeof path[0], "%s/%s", dir, name);
    const int fd = open(p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(size ? ftruncate(fd, (off_t)size) : 0, 0);
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
    return p;
}

static int told;

static void count(void *arg, const char *path)
{
    assert_string_equal(path, arg);
    told++;
}

/* In a child: what happens to the process cannot be taken back. */
static void in_a_child(void (*body)(void))
{
    int status;
    const pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void use_what_was_kept(void)
{
    char *secret = NULL;
    struct err e = { 0 };
    const char *hidden = make_file("hidden", 0, "opensesame\n", 0600), *open_file = make_file("open", 0, "hello", 0644);
    keep_record(true);
    assert_int_equal(opt_reference(OPT_FROM_FILE, hidden, &secret, &e), 0);
    assert_string_equal(secret, "opensesame");
    free(secret);
    const int fd = keep_open(open_file);
    assert_true(fd >= 0);
    (void)close(fd);
    int ends[2];
    char pipe_name[32];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "once", 4), 4);
    (void)close(ends[1]);
    (void)snprintf(pipe_name, sizeof pipe_name, "/dev/fd/%d", ends[0]);
    assert_int_equal(opt_reference(OPT_FROM_FILE, pipe_name, &secret, &e), 0);
    assert_string_equal(secret, "once");
    free(secret);
    keep_record(false);
    assert_int_equal(keep_give(SOMEBODY, SOMEBODY, &e), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(setresgid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
    assert_int_equal(setresuid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
    keep_prune();
    assert_int_equal(access(hidden, R_OK), -1);
    for (unsigned i = 0; i < 2; i++) { /* each time from its first byte */
        assert_int_equal(opt_reference(OPT_FROM_FILE, hidden, &secret, &e), 0);
        assert_string_equal(secret, "opensesame");
        free(secret);
    }
    assert_int_equal(opt_reference(OPT_FROM_FILE, pipe_name, &secret, &e), 0);
    assert_string_equal(secret, "once");
    free(secret);
    keep_tell(count, (void *)(uintptr_t)hidden);
    assert_int_equal(told, 1);
    keep_tell(count, (void *)(uintptr_t)hidden);
    assert_int_equal(told, 1);
    assert_ptr_equal(keep_path(open_file), open_file);
    const char *name = keep_path(hidden);
    struct stat st;
    assert_int_equal(strncmp(name, "/proc/self/fd/", 14), 0);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_uid, SOMEBODY); /* as libraries want it of a key */
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_true(open(name, O_WRONLY | O_CLOEXEC) < 0);
    assert_int_equal(keep_open("/proc/1/mem"), -EACCES); /* nobody has kept it */
}

static void a_secret_is_read_as_root_and_used_as_somebody(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    in_a_child(use_what_was_kept);
}

/* What somebody writes into the pipe each time that it is waited for; nothing more: it is never closed. */
static struct {
    int reader, writer, polls;
    const char *const *pieces;
} late = { -1, -1, 0, NULL };

/* In place of the one of libc: here it is known for certain that somebody waits. */
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    assert_int_equal(count, 1);
    assert_int_equal(fds->events, POLLIN);
    assert_int_equal(timeout_ms, FD_PIPE_WAIT_MS);
    late.polls++;
    if (!late.pieces)
        return 0; /* the time is over */
    if (*late.pieces) {
        assert_int_equal(write(late.writer, *late.pieces, strlen(*late.pieces)), (ssize_t)strlen(*late.pieces));
        late.pieces++;
    } else {
        assert_int_equal(close(late.writer), 0);
    }
    return ppoll(fds, count, &(struct timespec){ .tv_sec = FD_PIPE_WAIT_MS / 1000 }, NULL);
}

static const char *late_pipe(const char *const *pieces)
{
    static char name[32];
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    late.reader = ends[0];
    late.writer = ends[1];
    late.polls = 0;
    late.pieces = pieces;
    (void)snprintf(name, sizeof name, "/dev/fd/%d", late.reader);
    return name;
}

static const char *const two_pieces[] = { "open", "sesame\n", NULL };

static void a_secret_from_a_pipe_is_waited_for_to_its_end(void **state)
{
    (void)state;
    char *secret = NULL;
    struct err e = { 0 };
    if (opt_reference(OPT_FROM_FILE, late_pipe(two_pieces), &secret, &e) < 0)
        fail_msg("%s", e.text);
    assert_string_equal(secret, "opensesame");
    assert_int_equal(late.polls, 3); /* the last time for the end */
    free(secret);
    (void)close(late.reader);
}

static void keep_a_pipe(void)
{
    char data[32];
    struct err e = { 0 };
    const char *const name = late_pipe(two_pieces);
    if (keep_file(name, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(late.polls, 3);
    const int fd = keep_open(name);
    assert_int_equal(read(fd, data, sizeof data), 11);
    assert_memory_equal(data, "opensesame\n", 11);
}

static void what_is_kept_of_a_pipe_is_waited_for_to_its_end(void **state)
{
    (void)state;
    in_a_child(keep_a_pipe);
}

static void a_pipe_that_nobody_writes_into_is_given_up(void **state)
{
    (void)state;
    char *secret = NULL;
    struct err e = { 0 };
    const char *name = late_pipe(NULL);
    assert_int_equal(opt_reference(OPT_FROM_FILE, name, &secret, &e), -ETIME);
    assert_non_null(strstr(e.text, "cannot be read: "));
    assert_int_equal(late.polls, 1);
    assert_int_equal(keep_file(name, &e), -ETIME);
    assert_non_null(strstr(e.text, "cannot be kept: "));
    assert_int_equal(late.polls, 2);
    (void)close(late.reader);
    (void)close(late.writer);
}

static void reach_the_limits(void)
{
    struct err e = { 0 };
    char name[32];
    assert_int_equal(keep_file(make_file("most", KEEP_BYTES_MAX, "x", 0600), &e), 0);
    assert_int_equal(keep_file(make_file("too-long", KEEP_BYTES_MAX + 1, "x", 0600), &e), -EFBIG);
    assert_non_null(strstr(e.text, "is longer than the 4194304 bytes that are kept"));
    assert_int_equal(keep_file(dir, &e), 0); /* not a file: whoever opens it says so */
    assert_int_equal(keep_file("/does/not/exist", &e), 0);
    for (int i = 1; i < KEEP_FILES_MAX; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        assert_int_equal(keep_file(make_file(name, 0, "x", 0600), &e), 0);
        assert_int_equal(keep_file(make_file(name, 0, "x", 0600), &e), 0); /* once is enough */
    }
    assert_int_equal(keep_file(make_file("one-more", 0, "x", 0600), &e), -E2BIG);
    assert_non_null(strstr(e.text, "over 256 files"));
    keep_prune(); /* all of them may be read */
    assert_int_equal(keep_file(make_file("one-more", 0, "x", 0600), &e), 0);
}

static void limits_are_told(void **state)
{
    (void)state;
    in_a_child(reach_the_limits);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_read_as_root_and_used_as_somebody),
        cmocka_unit_test(a_secret_from_a_pipe_is_waited_for_to_its_end),
        cmocka_unit_test(what_is_kept_of_a_pipe_is_waited_for_to_its_end),
        cmocka_unit_test(a_pipe_that_nobody_writes_into_is_given_up),
        cmocka_unit_test(limits_are_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
