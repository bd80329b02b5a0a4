/* What callers do that they should not, or that is at the edge of what they may. */
#include <fapilog/fapilog.h>

#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
enum { is_sanitized = 1 };
#else
enum { is_sanitized = 0 };
#endif

static int start(void **state)
{
    (void)state;
    return fapilog_capture_start(100);
}

static int stop(void **state)
{
    (void)state;
    fapilog_capture_stop();
    return 0;
}

static const struct fapilog_field *field_of(const struct fapilog_record *r, const char *name)
{
    const struct fapilog_field *f = fapilog_capture_field(r, name);
    assert_non_null(f);
    return f;
}

static void functions_refuse_null_pointers(void **state)
{
    (void)state;
    fapilog_t *log = fapilog_open("svc", NULL);
    const struct fapilog_field nameless = {.name = {NULL, 3}, .type = FAPILOG_TYPE_I64};
    assert_false(fapilog_enabled(NULL, FAPILOG_LEVEL_SECURITY));
    assert_int_equal(fapilog_log(NULL, FAPILOG_LEVEL_INFO, "m", 1, NULL, 0), -EINVAL);
    assert_int_equal(fapilog_log(log, FAPILOG_LEVEL_INFO, NULL, 1, NULL, 0), -EINVAL);
    assert_int_equal(fapilog_log(log, FAPILOG_LEVEL_INFO, "m", 1, NULL, 1), -EINVAL);
    assert_int_equal(fapilog_log(log, FAPILOG_LEVEL_INFO, "m", 1, &nameless, 1), -EINVAL);
    assert_ptr_equal(fapilog_with(log, NULL, 1), log);
    assert_ptr_equal(fapilog_with(log, &nameless, 1), log);
    assert_ptr_equal(fapilog_logger(log, NULL), log);
    assert_int_equal(fapilog_context_push(NULL, 1).error, -EINVAL);
    assert_int_equal(fapilog_context_set(NULL), -EINVAL);
    assert_int_equal(fapilog_context_set(&nameless), -EINVAL);
    fapilog_context_pop(NULL);
    fapilog_get_counters(NULL, NULL);
    assert_null(fapilog_capture_next());
    assert_int_equal(fapilog_log(log, FAPILOG_LEVEL_INFO, NULL, 0, NULL, 0), 0);
    assert_non_null(fapilog_capture_next());
    fapilog_close(NULL);
    fapilog_close(log);
}

static void below_no_logger_there_is_one_that_drops(void **state)
{
    (void)state;
    fapilog_t *log = fapilog_open("svc", NULL);
    fapilog_t *named = fapilog_logger(NULL, "name"), *bound = fapilog_with(NULL, FAPILOG_FIELDS(FL("n", 1)));
    FAPILOG_SECURITY(named, "dropped");
    FAPILOG_SECURITY(bound, "dropped");
    FAPILOG_SECURITY(fapilog_logger(named, "below"), "dropped");
    assert_null(fapilog_capture_next());
    fapilog_close(log);
}

static void values_at_the_edge_of_their_types_arrive(void **state)
{
    (void)state;
    fapilog_t *log = fapilog_open("svc", NULL);
    const volatile unsigned char uchar = 200;
    FAPILOG_INFO(log, "edges", FL("i64", INT64_MIN), FL("u64", UINT64_MAX), FL("nan", (double)NAN), FL("uchar", uchar),
                 FL("none", (const char *)NULL), FL("empty", ""), FL_STRN("nul", "a\0b", 3), FL_STRN("null", NULL, 5),
                 FL_BYTES("bytes", NULL, 5), FL_JSON("json", NULL), FL_ERRNO("errno", INT_MIN), FL_ERRNO("minus", -2),
                 FL("wide", 1e4000L));
    const struct fapilog_record *r = fapilog_capture_next();
    assert_non_null(r);
    assert_true(field_of(r, "i64")->v.i64 == INT64_MIN && field_of(r, "u64")->v.u64 == UINT64_MAX);
    assert_true(isnan(field_of(r, "nan")->v.f64) && isinf(field_of(r, "wide")->v.f64));
    assert_int_equal(field_of(r, "uchar")->type, FAPILOG_TYPE_U8);
    assert_int_equal(field_of(r, "uchar")->v.u64, 200);
    assert_int_equal(field_of(r, "none")->len, 6);
    assert_memory_equal(field_of(r, "none")->v.data, "(null)", 6);
    assert_int_equal(field_of(r, "nul")->len, 3);
    assert_memory_equal(field_of(r, "nul")->v.data, "a\0b", 3);
    assert_int_equal(field_of(r, "empty")->len + field_of(r, "null")->len + field_of(r, "bytes")->len, 0);
    assert_memory_equal(field_of(r, "json")->v.data, "null", 4);
    assert_true(field_of(r, "errno")->v.i64 == INT_MIN && field_of(r, "minus")->v.i64 == 2);
    fapilog_close(log);
}

static int evaluated;

static int log_inside(fapilog_t *log)
{
    FAPILOG_INFO(log, "inner");
    return ++evaluated;
}

static void values_are_evaluated_once_and_may_log(void **state)
{
    (void)state;
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_DEBUG(log, "below the threshold", FL("n", log_inside(log)));
    assert_int_equal(evaluated, 0);
    FAPILOG_INFO(log, "outer", FL("n", log_inside(log)));
    assert_memory_equal(fapilog_capture_next()->message.data, "inner", 5);
    const struct fapilog_record *r = fapilog_capture_next();
    assert_memory_equal(r->message.data, "outer", 5);
    assert_int_equal(field_of(r, "n")->v.i64, 1);
    FAPILOG_INFOF(log, "%d", log_inside(log));
    FAPILOG_SCOPE(FL("n", log_inside(log)));
    assert_int_equal(evaluated, 3);
    fapilog_close(log);
}

__attribute__((noinline)) static void log_stack(fapilog_t *log)
{
    FAPILOG_INFO(log, "stack", FL_STACK("at"));
}

/* Also where a sanitizer stands between the library and backtrace(). */
static void the_first_frame_of_a_stack_is_the_caller(void **state)
{
    (void)state;
    fapilog_t *log = fapilog_open("svc", NULL);
    log_stack(log);
    const struct fapilog_field *f = field_of(fapilog_capture_next(), "at");
    uint64_t frame;
    assert_true(f->len >= 16);
    memcpy(&frame, f->v.data, sizeof frame);
    assert_in_range(frame - (uint64_t)(uintptr_t)log_stack, 1, 65536);
    fapilog_close(log);
}

/* ---- with a segment */

/* Of all system calls, write and exit_group are left. */
static bool forbid_system_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void log_under_seccomp(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", NULL);
    const int r = fapilog_prepare(log);
    if ((r && r != -ENOMEM && r != -EPERM) || !forbid_system_calls())
        _exit(9);
    for (int i = 0; i < 1000; i++)
        FAPILOG_INFO(log, "info", FL("i", i));
    FAPILOG_ERROR(log, "error");
    _exit(0);
}

static void a_prepared_thread_logs_under_a_seccomp_filter(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    if (is_sanitized) /* whose run-time makes system calls of its own */
        skip();
    scenario_run(s, log_under_seccomp, NULL);
    assert_int_equal(s->segs, 1);
    assert_true(walk_run(&s->seg[0], NULL, NULL, &t));
    assert_int_equal(t.events, 1001);
}

static void log_by_vfork(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "parent");
    const pid_t pid = vfork();
    if (pid == 0) {
        FAPILOG_INFO(log, "child");
        _exit(0);
    }
    (void)waitpid(pid, NULL, 0);
    FAPILOG_INFO(log, "parent");
}

static void a_child_of_vfork_logs_into_the_segment_of_its_parent(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    scenario_run(s, log_by_vfork, NULL);
    assert_int_equal(s->segs, 1);
    assert_true(walk_run(&s->seg[0], NULL, NULL, &t));
    assert_int_equal(t.events, 3);
}

static void open_after_fork(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "child");
    log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "child");
}

static void a_child_of_a_process_that_has_closed_makes_one_segment(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "parent");
    fapilog_close(log);
    scenario_run(s, open_after_fork, NULL);
    assert_int_equal(s->segs, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(walk_run(&s->seg[i], NULL, NULL, &t));
        assert_int_equal(t.events, s->seg[i].sb->pid == (uint32_t)getpid() ? 1 : 2);
    }
}

static void change_user(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", NULL);
    if (setresuid(65534, 65534, 65534) != 0)
        _exit(9);
    FAPILOG_INFO(log, "as another user");
    const pid_t pid = fork();
    if (pid == 0) {
        (void)close(STDERR_FILENO); /* where it says that it logs nothing */
        FAPILOG_INFO(log, "child");
        _exit(0);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        _exit(8);
    fapilog_close(log);
    FAPILOG_INFO(log, "closed");
}

static void a_process_that_becomes_another_user_goes_on_logging(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    if (geteuid() != 0)
        skip();
    scenario_run(s, change_user, NULL);
    assert_int_equal(s->segs, 1);
    assert_true(walk_run(&s->seg[0], NULL, NULL, &t));
    assert_int_equal(t.events, 1);
}

#define CAPTURED(f) cmocka_unit_test_setup_teardown(f, start, stop)
#define RUN(f) cmocka_unit_test_setup_teardown(f, scenario_setup, scenario_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(functions_refuse_null_pointers),
        CAPTURED(below_no_logger_there_is_one_that_drops),
        CAPTURED(values_at_the_edge_of_their_types_arrive),
        CAPTURED(values_are_evaluated_once_and_may_log),
        CAPTURED(the_first_frame_of_a_stack_is_the_caller),
        RUN(a_prepared_thread_logs_under_a_seccomp_filter),
        RUN(a_child_of_vfork_logs_into_the_segment_of_its_parent),
        RUN(a_child_of_a_process_that_has_closed_makes_one_segment),
        RUN(a_process_that_becomes_another_user_goes_on_logging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
