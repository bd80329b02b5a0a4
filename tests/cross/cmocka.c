#include <cmocka.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RUNS, FAILED, SKIPPED };

static jmp_buf end_of_test;
static pid_t runner;

void cross_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    if (getpid() != runner)
        _exit(1); /* a child of the test */
    longjmp(end_of_test, FAILED);
}

void cross_skip(void)
{
    longjmp(end_of_test, SKIPPED);
}

static int run_one(const struct CMUnitTest *t, void **state)
{
    const int how = setjmp(end_of_test);
    if (how == RUNS) {
        if (t->setup && t->setup(state) != 0)
            cross_fail(__FILE__, __LINE__, "setup failed");
        t->run(state);
    }
    if (t->teardown && t->teardown(state) != 0)
        return FAILED;
    return how;
}

/* CROSS_SKIP: names of tests that the emulator cannot run, separated by spaces. */
static int is_left_out(const char *name)
{
    const char *const list = getenv("CROSS_SKIP");
    const size_t len = strlen(name);
    for (const char *at = list; at && (at = strstr(at, name)); at += len) {
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return 1;
    }
    return 0;
}

int cross_run(const struct CMUnitTest *tests, size_t count, cross_fixture *setup, cross_fixture *teardown)
{
    static const char *const words[] = {"ok", "FAIL", "skip"};
    void *group = NULL;
    int failed = 0;
    runner = getpid();
    if (setup && setup(&group) != 0)
        return 1;
    for (size_t i = 0; i < count; i++) {
        void *state = group;
        const int how = is_left_out(tests[i].name) ? SKIPPED : run_one(&tests[i], &state);
        printf("  %-5s%s\n", words[how], tests[i].name);
        fflush(stdout);
        failed += how == FAILED;
    }
    if (teardown && teardown(&group) != 0)
        failed++;
    return failed;
}
