/* Files that were read before a privilege was given up. Where the test is root it becomes another user on the way. */
#include "lib/base/keep.h"
#include "lib/base/opt_secret.h"

#include <errno.h>
#include <fcntl.h>
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
        cmocka_unit_test(limits_are_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
