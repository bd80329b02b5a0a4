/* What log calls promise to signal handlers and to threads that are cancelled. The functions of libc that may
 * allocate, or wait for a lock of its own, are wrapped: none is called inside of a log call, whatever its way. */
#include "lib/producer/internal.h"

#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- what must not be called ------------------------------------------------------------------------- */

static volatile sig_atomic_t inside;

static void note(const char *name)
{
    if (!inside)
        return;
    (void)!write(STDERR_FILENO, name, strlen(name));
    (void)!write(STDERR_FILENO, "() inside a log call\n", 21);
    _exit(70);
}

/* meson.build wraps each of these. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    note("malloc");
    return __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    note("calloc");
    return __real_calloc(count, size);
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    note("realloc");
    return __real_realloc(p, size);
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
    note("free");
    __real_free(p);
}

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__wrap_strdup(const char *s)
{
    note("strdup");
    return __real_strdup(s);
}

char *__real_strerror(int code);
char *__wrap_strerror(int code);
char *__wrap_strerror(int code)
{
    note("strerror");
    return __real_strerror(code);
}

char *__real_getenv(const char *name);
char *__wrap_getenv(const char *name);
char *__wrap_getenv(const char *name)
{
    note("getenv");
    return __real_getenv(name);
}

char *__real_secure_getenv(const char *name);
char *__wrap_secure_getenv(const char *name);
char *__wrap_secure_getenv(const char *name)
{
    note("secure_getenv");
    return __real_secure_getenv(name);
}

struct tm *__real_gmtime_r(const time_t *t, struct tm *ret);
struct tm *__wrap_gmtime_r(const time_t *t, struct tm *ret);
struct tm *__wrap_gmtime_r(const time_t *t, struct tm *ret)
{
    note("gmtime_r");
    return __real_gmtime_r(t, ret);
}

struct tm *__real_localtime_r(const time_t *t, struct tm *ret);
struct tm *__wrap_localtime_r(const time_t *t, struct tm *ret);
struct tm *__wrap_localtime_r(const time_t *t, struct tm *ret)
{
    note("localtime_r");
    return __real_localtime_r(t, ret);
}

int __real_dl_iterate_phdr(int (*f)(struct dl_phdr_info *, size_t, void *), void *arg);
int __wrap_dl_iterate_phdr(int (*f)(struct dl_phdr_info *, size_t, void *), void *arg);
int __wrap_dl_iterate_phdr(int (*f)(struct dl_phdr_info *, size_t, void *), void *arg)
{
    note("dl_iterate_phdr");
    return __real_dl_iterate_phdr(f, arg);
}

/* ---- the ways of a log call ---------------------------------------------------------------------------- */

static fapilog_t *logger;
static char large[300000];

static void log_all_ways(void)
{
    const struct fapilog_field odd = {.name = {"n", 1}, .type = FAPILOG_TYPE_F64, .v.f64 = 1e300};
    inside = 1;
    FAPILOG_INFO(logger, "small", FL("i", 1), FL("f", 0.1), FL("s", "text"));
    FAPILOG_ERRORF(logger, "%s %.3s %p %g", "a", "bcde", (void *)&inside, 0.5);
    FAPILOG_INFO(logger, "a block and more", FL_STRN("s", large, 100000));
    FAPILOG_INFO(logger, "a lane and more", FL_STRN("s", large, sizeof large));
    for (int i = 0; i < 5000; i++)
        FAPILOG_INFO(logger, "until the lane is full", FL_STRN("s", large, 500));
    struct fapilog_scope scope = fapilog_context_push(&odd, 1);
    FAPILOG_INFO(logger, "with a context", FL_IPV4("ip", "abcd"));
    (void)fapilog_log(logger, FAPILOG_LEVEL_INFO, "dynamic", 7, &odd, 1);
    (void)fapilog_context_set(&odd);
    fapilog_context_pop(&scope);
    struct fapilog_counters counters;
    fapilog_get_counters(logger, &counters);
    inside = 0;
}

static void in_handler(int signo)
{
    (void)signo;
    log_all_ways();
}

static int setup(void **state)
{
    memset(large, 'x', sizeof large);
    return scenario_setup(state);
}

static int teardown(void **state)
{
    return scenario_teardown(state);
}

static void in_a_ring(void *arg)
{
    logger = fapilog_open("svc", NULL);
    (void)signal(SIGUSR1, in_handler);
    (void)raise(SIGUSR1); /* the thread's first call */
    log_all_ways();
    self_writer()->hot.busy |= 1; /* as if a log call were interrupted */
    (void)raise(SIGUSR1);
    self_writer()->hot.busy &= ~1u;
}

static void calls_into_a_ring_neither_allocate_nor_lock(void **state)
{
    scenario_run(*state, in_a_ring, NULL);
}

static int child_status(void)
{
    int status = -1;
    const pid_t pid = fork();
    if (pid == 0) {
        log_all_ways(); /* the first one makes the child's segment, or tells why it cannot */
        _exit(0);
    }
    (void)waitpid(pid, &status, 0);
    return status;
}

static void in_children(void *arg)
{
    char away[128];
    logger = fapilog_open("svc", NULL);
    if (child_status() != 0)
        _exit(1);
    (void)snprintf(away, sizeof away, "%s-away", (const char *)arg);
    FILE *in_its_place = rename(arg, away) == 0 ? fopen(arg, "w") : NULL;
    const int status = child_status();
    if (!in_its_place || unlink(arg) < 0 || rename(away, arg) < 0 || status != 0)
        _exit(2);
}

static void a_forked_childs_first_call_neither_allocates_nor_locks(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, in_children, s->dir);
}

static void on_stderr(void *arg)
{
    const struct fapilog_options o = {
        .size = sizeof o, .ring_dir = "/proc/none", .fallback = FAPILOG_FALLBACK_STDERR};
    logger = fapilog_open("svc", &o);
    if (!freopen("/dev/null", "w", stderr))
        _exit(1);
    log_all_ways();
}

static void lines_on_stderr_neither_allocate_nor_lock(void **state)
{
    scenario_run(*state, on_stderr, NULL);
}

/* ---- cancellation ---------------------------------------------------------------------------------------- */

static void *open_cancelled(void *arg)
{
    (void)pthread_cancel(pthread_self());
    fapilog_close(fapilog_open("svc", NULL));
    *(bool *)arg = true;
    pthread_testcancel();
    return NULL;
}

static void cancel_while_opening(void *arg)
{
    pthread_t t;
    bool has_returned = false;
    (void)alarm(10);
    (void)pthread_create(&t, NULL, open_cancelled, &has_returned);
    (void)pthread_join(t, &arg);
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "not locked out");
    fapilog_close(log);
    _exit(has_returned && arg == PTHREAD_CANCELED ? 0 : 1);
}

static void a_thread_cancelled_while_it_opens_locks_nobody_out(void **state)
{
    scenario_run(*state, cancel_while_opening, NULL);
    assert_int_equal(((struct scenario *)*state)->segs, 2);
}

static void *log_cancelled(void *arg)
{
    (void)pthread_cancel(pthread_self());
    FAPILOG_INFO(logger, "a record");
    *(bool *)arg = true;
    pthread_testcancel();
    return NULL;
}

static void log_in_a_cancelled_thread(bool in_child)
{
    pthread_t t;
    void *end;
    bool has_returned = false;
    const pid_t pid = in_child ? fork() : 0;
    if (pid == 0) {
        (void)pthread_create(&t, NULL, log_cancelled, &has_returned);
        (void)pthread_join(t, &end);
        _exit(has_returned && end == PTHREAD_CANCELED ? 0 : 1);
    }
    int status = -1;
    (void)waitpid(pid, &status, 0);
    _exit(status == 0 ? 0 : 1);
}

static void cancel_in_a_child(void *arg)
{
    logger = fapilog_open("svc", NULL);
    log_in_a_cancelled_thread(true);
}

static void cancel_on_stderr(void *arg)
{
    on_stderr(NULL);
    log_in_a_cancelled_thread(false);
}

static void log_calls_are_no_cancellation_points(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    scenario_run(s, cancel_on_stderr, NULL);
    scenario_run(s, cancel_in_a_child, NULL);
    assert_int_equal(s->segs, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(walk_run(&s->seg[i], NULL, NULL, &t));
        assert_int_equal(t.events, s->seg[i].sb->parent_pid != 0); /* the child's has one */
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(calls_into_a_ring_neither_allocate_nor_lock),
        TEST(a_forked_childs_first_call_neither_allocates_nor_locks),
        TEST(lines_on_stderr_neither_allocate_nor_lock),
        TEST(a_thread_cancelled_while_it_opens_locks_nobody_out),
        TEST(log_calls_are_no_cancellation_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
