#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

void scenario_init(struct scenario *s)
{
    memset(s, 0, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "/dev/shm/fapilog-test-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    assert_int_equal(setenv("FAPILOG_RING_DIR", s->dir, 1), 0);
}

void scenario_done(struct scenario *s)
{
    char path[512];
    for (unsigned i = 0; i < s->segs; i++)
        walk_close(&s->seg[i]);
    DIR *d = opendir(s->dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", s->dir, e->d_name);
        (void)unlink(path);
    }
    if (d)
        (void)closedir(d);
    assert_int_equal(rmdir(s->dir), 0);
}

int scenario_setup(void **state)
{
    struct scenario *s = malloc(sizeof *s);
    assert_non_null(s);
    scenario_init(s);
    *state = s;
    return 0;
}

int scenario_teardown(void **state)
{
    scenario_done(*state);
    free(*state);
    return 0;
}

pid_t scenario_start(scenario_func *f, void *arg)
{
    (void)fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        f(arg);
        _exit(0);
    }
    return pid;
}

void scenario_wait(struct scenario *s, pid_t pid)
{
    assert_int_equal(waitpid(pid, &s->status, 0), pid);
}

void scenario_open(struct scenario *s)
{
    s->segs = walk_open_all(s->seg, WALK_SEGMENTS_MAX, s->dir);
}

void scenario_run(struct scenario *s, scenario_func *f, void *arg)
{
    scenario_wait(s, scenario_start(f, arg));
    assert_int_equal(s->status, 0);
    scenario_open(s);
}
