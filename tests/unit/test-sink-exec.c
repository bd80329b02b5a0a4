/* The exec sink with real programs: shell scripts that read everything, die, read nothing, complain. */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/remote_run.h"
#include "tests/common/sink_new.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ENTRIES = 200, WAIT_S = 20 };

static struct remote_run run;
static struct entry_head *entry[ENTRIES];
static unsigned entries;
static char dir[64];
static char warnings[1 << 14];

static const char *in_dir(const char *name)
{
    static char path[100];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static const char *content(const char *name)
{
    static char text[1 << 20];
    FILE *f = fopen(in_dir(name), "re");
    text[f ? fread(text, 1, sizeof text - 1, f) : 0] = '\0';
    if (f)
        CHECK(fclose(f) == 0);
    return text;
}

static pid_t pid_told(void)
{
    char *end;
    const long pid = strtol(content("pid"), &end, 10);
    return *end == '\n' ? (pid_t)pid : 0;
}

static void on_warn(struct sink *s, const struct err *e)
{
    (void)s;
    const size_t used = strlen(warnings);
    (void)snprintf(warnings + used, sizeof warnings - used, "%s\n", e->text);
}

static void script(const char *body)
{
    const int fd = open(in_dir("program"), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0700);
    CHECK(fd >= 0 && dprintf(fd, "#!/bin/sh\ncd %s\necho $$ > pid\n%s\n", dir, body) > 0 && close(fd) == 0);
}

/* `parameters` begins with '?', or is empty. */
static void start(const char *body, const char *parameters)
{
    char uri[400];
    struct err e = {0};
    script(body);
    (void)snprintf(uri, sizeof uri, "exec://%s%s", in_dir("program"), parameters);
    if (remote_run_open(&run, uri, &e) < 0)
        fail_msg("%s", e.text);
    run.sink->warn = on_warn;
}

static void make_entries(unsigned count, uint32_t text_bytes)
{
    for (entries = 0; entries < count; entries++)
        entry[entries] = remote_run_entry(&run, entries, INT64_C(1795250224000000000), text_bytes);
}

static const struct sink_result *send_from(unsigned first)
{
    const struct remote_run_request *q = remote_run_send(&run, entry + first, entries - first, 1);
    remote_run_wait(&run);
    assert_int_equal(q->done_count, 1);
    return &q->result;
}

static void send_whole(void)
{
    const struct sink_result *r = send_from(0);
    if (r->outcome != SINK_DELIVERED || r->retry_count)
        fail_msg("outcome %d, %u left: %s", r->outcome, r->retry_count, r->reason);
}

/* What the entries are as lines, from `first`. */
static size_t lines_of(unsigned first, unsigned end, char *ret)
{
    size_t len = 0;
    for (unsigned i = first; i < end; i++) {
        memcpy(ret + len, entry_payload(entry[i]), entry[i]->payload_len);
        len += entry[i]->payload_len;
        ret[len++] = '\n';
    }
    ret[len] = '\0';
    return len;
}

static void stop(void)
{
    if (run.sink)
        remote_run_close(&run);
    for (unsigned i = 0; i < entries; i++)
        free(entry[i]);
    entries = 0;
    memset(&run, 0, sizeof run);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/fapilog-exec-XXXXXX");
    warnings[0] = '\0';
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    stop();
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* neither a process nor a zombie is left */
    static const char *const names[] = { "program", "pid", "out", "said" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        (void)unlink(in_dir(names[i]));
    return rmdir(dir);
}

/* effect: exec.path */
static void a_program_gets_every_record_as_a_line_in_order(void **state)
{
    (void)state;
    static char want[1 << 20];
    start("exec cat >> out", "");
    make_entries(ENTRIES, 2000); /* several times what a pipe holds */
    send_whole();
    (void)lines_of(0, entries, want);
    (void)remote_run_send(&run, entry, 1, 1);
    remote_run_wait(&run);
    stop(); /* end of input: cat writes what it has read */
    assert_memory_equal(content("out"), want, strlen(want));
    assert_string_equal(warnings, "");
}

/* dd takes exactly as many bytes as it is told. */
static void what_a_program_had_read_when_it_died_is_delivered_and_the_rest_is_not(void **state)
{
    (void)state;
    static char want[1 << 20];
    start("exec dd bs=1 count=1000 2>/dev/null >> out", "?restart_min=10ms");
    make_entries(20, 100);
    const struct sink_result *result = send_from(0);
    unsigned whole = 0;
    while (lines_of(0, whole + 1, want) <= 1000)
        whole++;
    assert_true(whole > 0 && whole < entries);
    assert_int_equal(result->outcome, SINK_DELIVERED);
    assert_int_equal(result->retry_count, entries - whole);
    for (unsigned i = 0; i < result->retry_count; i++)
        assert_int_equal(result->retry[i], whole + i);
    assert_non_null(strstr(result->reason, "ended with status 0"));
    CHECK(unlink(in_dir("out")) == 0);
    (void)send_from(whole); /* its successor begins with a whole line */
    const size_t len = lines_of(whole, entries, want);
    assert_memory_equal(content("out"), want, len < 1000 ? len : 1000);
}

static void a_program_that_reads_nothing_is_stopped_when_time_is_up(void **state)
{
    (void)state;
    start("exec sleep 1000", "?stop_timeout=10s");
    make_entries(3, 10);
    struct remote_run_request *q = remote_run_send(&run, entry, entries, 1);
    const uint64_t give_up = clock_mono_ns() + WAIT_S * NS_PER_S;
    while (!strchr(content("pid"), '\n')) {
        assert_true(clock_mono_ns() < give_up);
        assert_true(io_turn(run.io, clock_mono_ns() + 5 * NS_PER_MS) >= 0);
    }
    assert_false(q->is_done);
    const pid_t pid = pid_told();
    run.sink->ops->remote->cancel(run.sink, &q->q);
    assert_true(q->is_done);
    assert_int_equal(q->result.outcome, SINK_RETRY);
    assert_non_null(strstr(q->result.reason, "has not read its input in time"));
    while (kill(pid, 0) == 0) {
        assert_true(clock_mono_ns() < give_up);
        assert_true(io_turn(run.io, clock_mono_ns() + 5 * NS_PER_MS) >= 0);
    }
    assert_non_null(strstr(warnings, "was killed by signal 15"));
}

static void a_program_that_closes_its_input_is_replaced(void **state)
{
    (void)state;
    start("exec <&-; exec sleep 1000", "?stop_timeout=10s");
    make_entries(ENTRIES, 1000); /* more than the pipe holds, so that the end of its reader is met */
    const struct sink_result *result = send_from(0);
    assert_int_equal(result->outcome, SINK_RETRY);
    assert_non_null(strstr(result->reason, "has closed its standard input"));
}

/* Also when there is more to write than a pipe holds, so that it is found closed before the process is seen to end. */
static void a_program_that_is_not_there_breaks_the_sink_with_the_reason(void **state)
{
    (void)state;
    start("exit 0", "");
    CHECK(unlink(in_dir("program")) == 0);
    make_entries(ENTRIES, 1000);
    const struct sink_result *result = send_from(0);
    assert_int_equal(result->outcome, SINK_BROKEN);
    assert_non_null(strstr(result->reason, "cannot be run: path: No such file or directory"));
    assert_non_null(strstr(result->reason, in_dir("program")));
    script("exec cat >> out"); /* and when somebody has acted it goes on */
    send_whole();
}

static void what_it_says_on_standard_error_is_told_up_to_a_limit(void **state)
{
    (void)state;
    start("printf '\\033[31mred\\n' >&2; i=0\n"
          "while [ $i -lt 100 ]; do i=$((i+1)); echo line $i >&2; done; exec cat >> out", "");
    make_entries(1, 10);
    send_whole();
    stop();
    assert_non_null(strstr(warnings, "program: ?[31mred\n"));
    assert_non_null(strstr(warnings, "program: line 9\n"));
    assert_null(strstr(warnings, "line 10\n"));
    assert_non_null(strstr(warnings, "program: 91 more lines\n"));
}

/* effect: exec.args exec.env */
static void it_gets_its_arguments_and_environment_and_nothing_else(void **state)
{
    (void)state;
    CHECK(setenv("FAPILOG_TEST_SECRET", "hidden", 1) == 0 && setenv("FAPILOG_TEST_TOKEN", "env:HOME", 1) == 0);
    start("{ echo \"[$1][$2]\"; pwd -P; env; ls /proc/self/fd; } > said; exec cat >> out",
          "?args=[\"a%20b\",\"*\"]&env=TOKEN=x%3Dy,SHIP=env:FAPILOG_TEST_TOKEN&directory=/");
    make_entries(1, 10);
    send_whole();
    const char *said = content("said");
    assert_memory_equal(said, "[a b][*]\n", 9);
    assert_non_null(strstr(said, "\nTOKEN=x=y\n"));
    assert_non_null(strstr(said, "\nSHIP=env:HOME\n")); /* what lies there is not read once more */
    assert_non_null(strstr(said, "\nPATH="));
    assert_null(strstr(said, "FAPILOG_TEST_SECRET"));
    assert_non_null(strstr(said, "\n0\n1\n2\n3\n")); /* 3: the directory that ls reads */
    assert_null(strstr(said, "\n4\n"));
}

static bool is_child_slow;

int __wrap_setpgid(pid_t pid, pid_t group);
int __real_setpgid(pid_t pid, pid_t group);

/* The child's own is for process 0. */
int __wrap_setpgid(pid_t pid, pid_t group)
{
    if (!pid && is_child_slow)
        (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    return __real_setpgid(pid, group);
}

/* It is no program yet, and was not killed: who closed the sink waited for its end. */
static void one_that_has_hardly_begun_is_killed(void **state)
{
    (void)state;
    is_child_slow = true;
    start("sleep 1\necho > late", "?stop_timeout=2ms");
    make_entries(1, 10);
    (void)remote_run_send(&run, entry, 1, 1);
    run.sink->ops->remote->cancel(run.sink, &run.request[0].q);
    remote_run_wait(&run);
    remote_run_close(&run);
    is_child_slow = false;
    assert_string_equal(content("late"), "");
    assert_int_equal(access(in_dir("late"), F_OK), -1);
}

static void one_that_does_not_want_to_end_is_killed(void **state)
{
    (void)state;
    start("trap '' TERM; while read line; do echo \"$line\" >> out; done; while :; do sleep 1000; done",
          "?stop_timeout=200ms");
    make_entries(1, 10);
    send_whole();
    stop(); /* teardown finds no child */
}

/* The test is init for what its child leaves behind, so that the end of the program can be seen. */
static void it_dies_with_the_collector(void **state)
{
    (void)state;
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    const pid_t collector = fork();
    CHECK(collector >= 0);
    if (collector == 0) {
        start("while read line; do echo \"$line\" >> out; done; while :; do sleep 1000; done", "");
        make_entries(1, 10);
        (void)send_from(0);
        (void)kill(getpid(), SIGKILL);
    }
    int status;
    CHECK(waitpid(collector, &status, 0) == collector);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    const pid_t program = pid_told();
    assert_true(program > 0);
    alarm(WAIT_S);
    CHECK(waitpid(program, &status, 0) == program);
    alarm(0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    (void)kill(-program, SIGKILL); /* its children were not the kernel's business */
    while (waitpid(-1, &status, 0) > 0)
        ;
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

static void wrong_options_are_refused_with_the_reason(void **state)
{
    static const struct { const char *uri, *text; } rows[] = {
        { "exec:", "path" },
        { "exec:cat", "path: 'cat' must be absolute" },
        { "exec://cat", "URI host" },
        { "exec:///bin/cat?directory=tmp", "directory: 'tmp' must be absolute" },
        { "exec:///bin/cat?restart_min=2s&restart_max=1s", "restart_min: must not be longer" },
        { "exec:///bin/cat?env={\"a%3Db\":\"c\"}", "env: a name" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sink *s = NULL;
        struct err e = {0};
        if (sink_new(rows[i].uri, "test", &s, &e) != -EINVAL || !strstr(e.text, rows[i].text))
            fail_msg("%s: %s", rows[i].uri, e.text);
    }
}

int main(void)
{
#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_DIR(a_program_gets_every_record_as_a_line_in_order),
        WITH_DIR(what_a_program_had_read_when_it_died_is_delivered_and_the_rest_is_not),
        WITH_DIR(a_program_that_reads_nothing_is_stopped_when_time_is_up),
        WITH_DIR(a_program_that_closes_its_input_is_replaced),
        WITH_DIR(a_program_that_is_not_there_breaks_the_sink_with_the_reason),
        WITH_DIR(what_it_says_on_standard_error_is_told_up_to_a_limit),
        WITH_DIR(it_gets_its_arguments_and_environment_and_nothing_else),
        WITH_DIR(one_that_has_hardly_begun_is_killed),
        WITH_DIR(one_that_does_not_want_to_end_is_killed),
        WITH_DIR(it_dies_with_the_collector),
        cmocka_unit_test(wrong_options_are_refused_with_the_reason),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as the collector does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
