/* What every sink promises, and every local one beside that, checked over the list that the build makes. With
 * --print SCHEME it prints the options table of a sink's page instead. */
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "tests/common/native_run.h"
#include "tests/common/sink_new.h"
#include "tests/common/sink_run.h"
#include "tests/conformance/sink_options.h"

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

enum { RECORDS = 25 };

static const char *docs;
static char dir[200], text[400];
static int saved_stdout = -1;

static const struct sink_ops *ops_of(void **state) { return *state; }

static const char *uri_of(const struct sink_ops *ops)
{
    const struct opt *path = opt_find(ops->opts, "path");
    if (ops->remote)
        (void)snprintf(text, sizeof text, path && path->flags & OPT_REQUIRED ? "%s:///bin/false" : "%s://localhost/",
                       ops->scheme);
    else if (path)
        (void)snprintf(text, sizeof text, "%s:%s/out", ops->scheme, dir);
    else
        (void)snprintf(text, sizeof text, "%s:?stream=stdout", ops->scheme);
    return text;
}

/* A sink without a path writes to standard output: a file, while it runs. */
static void redirect(const struct sink_ops *ops)
{
    char path[300];
    if (ops->remote || opt_find(ops->opts, "path"))
        return;
    (void)fflush(stdout);
    saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    (void)snprintf(path, sizeof path, "%s/out", dir);
    auto_fd fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
}

static void restore(void)
{
    if (saved_stdout < 0)
        return;
    (void)fflush(stdout);
    CHECK(dup2(saved_stdout, STDOUT_FILENO) >= 0);
    (void)close(saved_stdout);
    saved_stdout = -1;
}

static int set_up(void **state)
{
    (void)snprintf(dir, sizeof dir, "%s/fapilog-sink-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir))
        return -1;
    redirect(*state);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    restore();
    run_remove(dir);
    return 0;
}

static void again(const struct sink_ops *ops)
{
    restore();
    run_remove(dir);
    CHECK(mkdir(dir, 0755) == 0);
    redirect(ops);
}

static bool complete(const struct sink_ops *ops)
{
    return ops->wants_raw ? native_run_check(dir, RECORDS) : run_check_text(dir, RECORDS, 0);
}

/* ---- options ---- */

static void every_row_holds_its_rules(void **state)
{
    const struct sink_ops *ops = ops_of(state);
    const struct opt *const tables[] = {ops->opts, sink_common_opts, sink_delivery_opts};
    const size_t sizes[] = {ops->cfg_size, sizeof(struct sink_common), sizeof(struct sink_delivery)};
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        assert_int_equal(options_defaults_parse_and_print_back(tables[i], sizes[i]), 0);
        assert_int_equal(options_refuse_what_is_outside(tables[i], sizes[i]), 0);
        assert_int_equal(options_are_named_and_explained(tables[i]), 0);
    }
    for (const struct opt *row = sink_common_opts; row->type != OPT_END_ROW; row++)
        assert_null(opt_find(ops->opts, row->name)); /* would hide the common one */
    for (const struct opt *row = sink_delivery_opts; ops->remote && row->type != OPT_END_ROW; row++)
        assert_null(opt_find(ops->opts, row->name));
}

static void an_unknown_key_is_refused_with_what_is_allowed(void **state)
{
    const struct sink_ops *ops = ops_of(state);
    struct sink *s = NULL;
    struct err e = {0};
    char uri[600];
    (void)snprintf(uri, sizeof uri, "%s%snonsense=1", uri_of(ops), strchr(uri_of(ops), '?') ? "&" : "?");
    assert_int_equal(sink_new(uri, "FAPILOG_SINKS", &s, &e), -EINVAL);
    assert_null(s);
    assert_non_null(strstr(e.text, "nonsense: no such option"));
    assert_non_null(strstr(e.text, "min_severity"));
    assert_non_null(strstr(e.text, ops->opts[0].name));
    assert_non_null(strstr(e.text, "FAPILOG_SINKS"));
    if (ops->remote)
        return;
    (void)snprintf(uri, sizeof uri, "%s%sbatch_size=1", uri_of(ops), strchr(uri_of(ops), '?') ? "&" : "?");
    assert_int_equal(sink_new(uri, "FAPILOG_SINKS", &s, &e), -EINVAL);
    assert_non_null(strstr(e.text, "speak to a server"));
}

static void its_page_lists_every_option(void **state)
{
    const struct sink_ops *ops = ops_of(state);
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s.md", docs, ops->scheme);
    auto_stream in = fopen(path, "re");
    if (!in)
        fail_msg("%s is missing", path);
    static char page[1 << 17];
    page[fread(page, 1, sizeof page - 1, in)] = '\0';
    assert_int_equal(options_are_documented(ops->opts, page), 0);
}

static void its_global_says_what_it_is(void **state)
{
    const struct sink_ops *ops = ops_of(state);
    assert_int_equal(ops->abi, SINK_ABI);
    assert_ptr_equal(sink_find(ops->scheme), ops);
    assert_true(strlen(ops->summary) > 10 && strlen(ops->summary) < 80);
    assert_non_null(ops->open);
    assert_non_null(ops->close);
    if (ops->remote) {
        assert_true(ops->format_default || ops->format_choose || ops->remote->encode);
        assert_true(!ops->remote->encode == !ops->remote->encode_bound);
        assert_true(ops->remote->limits && ops->remote->send && ops->remote->cancel);
        assert_false(ops->wants_raw || ops->write || ops->recover || ops->room || ops->mark || ops->reopen ||
                     ops->rotate);
        return;
    }
    assert_true(ops->wants_raw == (!ops->format_default && !ops->format_choose));
    assert_non_null(ops->write);
    assert_true(!ops->recover == !ops->mark);
}

/* ---- the life of a sink ---- */

static void runs_on(const struct sink_ops *ops, enum io_kind kind)
{
    const struct io_config io = {.kind = kind};
    static struct run r;
    struct run_state *s = run_state_new();
    const unsigned fds = run_open_fds();
    for (uint64_t end = 10; end <= 30; end += 10) {
        struct err e = {0};
        r = (struct run){0};
        if (run_open(&r, s, uri_of(ops), &io, &e) < 0)
            fail_msg("%s", e.text);
        assert_true(run_until(&r, end < RECORDS ? end : RECORDS));
        assert_int_equal(r.failures, 0);
        assert_int_equal(run_close(&r, &e), 0);
        assert_int_equal(run_open_fds(), fds);
    }
    assert_true(complete(ops));
    run_state_free(s);
}

static void records_arrive_once_over_several_runs(void **state)
{
    runs_on(ops_of(state), IO_PLAIN);
}

/* io_uring where the kernel lets us. */
static void records_arrive_once_on_the_best_backend(void **state)
{
    runs_on(ops_of(state), IO_AUTO);
}

static void recovery_can_be_repeated(void **state)
{
    const struct sink_ops *ops = ops_of(state);
    static struct run r;
    struct run_state *s = run_state_new();
    struct err e = {0};
    if (!ops->recover)
        skip();
    assert_int_equal(run_open(&r, s, uri_of(ops), NULL, &e), 0);
    assert_true(run_until(&r, 10));
    const struct run_state at10 = *s;
    assert_true(run_until(&r, 20));
    assert_int_equal(run_close(&r, &e), 0);
    *s = at10;
    for (int i = 0; i < 3; i++) { /* open recovers; so does each call after it */
        r = (struct run){0};
        assert_int_equal(run_open(&r, s, uri_of(ops), NULL, &e), 0);
        assert_int_equal(ops->recover(r.sink, &s->slot[s->slot_used].mark, &e), 0);
        assert_int_equal(ops->recover(r.sink, &s->slot[s->slot_used].mark, &e), 0);
        assert_true(run_until(&r, i < 2 ? 10 : RECORDS));
        assert_int_equal(run_close(&r, &e), 0);
    }
    assert_true(complete(ops));
    run_state_free(s);
}

static void an_empty_mark_and_a_foreign_one_cut_nothing(void **state)
{
    const struct sink_ops *ops = ops_of(state);
    static struct run r;
    struct run_state *s = run_state_new();
    struct err e = {0};
    struct sink_mark mark = {0};
    if (!ops->recover)
        skip();
    assert_int_equal(run_open(&r, s, uri_of(ops), NULL, &e), 0);
    assert_true(run_until(&r, RECORDS));
    assert_int_equal(run_close(&r, &e), 0);
    s->has_mark = 0;
    r = (struct run){0};
    assert_int_equal(run_open(&r, s, uri_of(ops), NULL, &e), 0);
    assert_int_equal(ops->recover(r.sink, &mark, &e), 0);
    memset(&mark, 0x5a, sizeof mark);
    (void)ops->recover(r.sink, &mark, &e); /* may be refused, must not be obeyed */
    assert_int_equal(run_close(&r, &e), 0);
    assert_true(complete(ops));
    run_state_free(s);
}

static void a_failed_open_says_why_and_leaks_nothing(void **state)
{
    const struct sink_ops *ops = ops_of(state);
    static struct run r;
    struct run_state *s = run_state_new();
    const unsigned fds = run_open_fds();
    char uri[300];
    if (!opt_find(ops->opts, "path"))
        skip();
    (void)snprintf(uri, sizeof uri, "%s:/proc/no/such/place", ops->scheme);
    struct err e = {0};
    assert_true(run_open(&r, s, uri, NULL, &e) < 0);
    assert_non_null(strstr(e.text, "/proc/no"));
    (void)run_close(&r, NULL);
    assert_int_equal(run_open_fds(), fds);
    run_state_free(s);
}

static void one_failing_call_costs_no_record(void **state)
{
    const struct sink_ops *ops = ops_of(state);
    static struct run r;
    const unsigned fds = run_open_fds();
    uint64_t calls = 1;
    for (uint64_t n = 1; n <= calls + 8; n++) {
        struct err e = {0};
        struct io_config fault = {.kind = IO_SIM, .sim_seed = n, .sim_fail_at = (int64_t)n};
        struct run_state *s = run_state_new();
        r = (struct run){0};
        int result = run_open(&r, s, uri_of(ops), &fault, &e);
        if (result < 0) {
            assert_int_not_equal(e.text[0], '\0');
            (void)run_close(&r, NULL);
            fault.sim_fail_at = 0;
            result = run_open(&r, s, uri_of(ops), &fault, &e);
        }
        assert_int_equal(result, 0);
        assert_true(run_until(&r, RECORDS));
        calls = io_sim_calls(r.io);
        (void)run_close(&r, NULL); /* may report the fault */
        r = (struct run){0}; /* the next start finds whatever the fault left */
        assert_int_equal(run_open(&r, s, uri_of(ops), NULL, &e), 0);
        assert_int_equal(run_close(&r, &e), 0);
        if (!complete(ops))
            fail_msg("%s: fault at call %llu", ops->scheme, (unsigned long long)n);
        run_state_free(s);
        again(ops);
    }
    assert_int_equal(run_open_fds(), fds);
}

static int run_child(struct run_state *s, const char *uri, uint64_t n)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static struct run r;
        struct err e = {0};
        alarm(20);
        run_kill_at(n);
        if (run_open(&r, s, uri, NULL, &e) < 0 || !run_until(&r, RECORDS) || run_close(&r, &e) < 0) {
            fprintf(stderr, "%s: step %llu: %s\n", uri, (unsigned long long)n, e.text);
            _exit(1);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void death_at_any_step_leaves_each_record_once(void **state)
{
    const struct sink_ops *ops = ops_of(state);
    if (!ops->recover)
        skip();
    bool killed = true;
    for (uint64_t n = 1; killed; n += RUN_KILL_STRIDE) {
        struct run_state *s = run_state_new();
        const int code = run_child(s, uri_of(ops), n);
        assert_true(code == 99 || code == 0);
        killed = code == 99;
        assert_int_equal(run_child(s, uri_of(ops), 0), 0);
        if (!complete(ops))
            fail_msg("%s: killed at step %llu", ops->scheme, (unsigned long long)n);
        run_state_free(s);
        again(ops);
    }
}

#define BODY(f) {#f, f, false}
#define LOCAL(f) {#f, f, true}

static const struct {
    const char *name;
    void (*run)(void **state);
    bool is_local; /* of sinks that write to something which they can cut back */
} bodies[] = {
    BODY(its_global_says_what_it_is),
    BODY(every_row_holds_its_rules),
    BODY(an_unknown_key_is_refused_with_what_is_allowed),
    BODY(its_page_lists_every_option),
    LOCAL(records_arrive_once_over_several_runs),
    LOCAL(records_arrive_once_on_the_best_backend),
    LOCAL(recovery_can_be_repeated),
    LOCAL(an_empty_mark_and_a_foreign_one_cut_nothing),
    LOCAL(a_failed_open_says_why_and_leaks_nothing),
    LOCAL(one_failing_call_costs_no_record),
    LOCAL(death_at_any_step_leaves_each_record_once),
};

enum { SINKS_MAX = 64 };

static int print_options(const char *scheme)
{
    char line[1024];
    const struct sink_ops *ops = sink_find(scheme);
    if (!ops)
        return 2;
    printf("| option | values | default | meaning |\n|---|---|---|---|\n");
    for (const struct opt *row = ops->opts; row->type != OPT_END_ROW; row++) {
        options_doc_line(row, line, sizeof line);
        printf("%s\n", line);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[SINKS_MAX * ARRAY_COUNT(bodies)];
    static char names[SINKS_MAX * ARRAY_COUNT(bodies)][120];
    size_t n = 0;
    if (argc == 3 && strcmp(argv[1], "--print") == 0)
        return print_options(argv[2]);
    docs = argc > 1 ? argv[1] : "docs/sinks";
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++)
        for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
            CHECK(n < ARRAY_COUNT(tests));
            if (bodies[i].is_local && (*ops)->remote)
                continue;
            (void)snprintf(names[n], sizeof names[n], "%s: %s", (*ops)->scheme, bodies[i].name);
            tests[n] = (struct CMUnitTest){names[n], bodies[i].run, set_up, tear_down, (void *)*ops};
            n++;
        }
    return _cmocka_run_group_tests("sink", tests, n, NULL, NULL);
}
