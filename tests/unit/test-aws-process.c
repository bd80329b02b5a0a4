/* credential_process: words of a command line, what a program is given and may do, what is said of one that fails. */
#include "collector/net/aws_process.h"
#include "collector/net/aws_words.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_command_line_falls_into_words(void **state)
{
    static const struct { const char *line, *words[4]; } cases[] = {
        {"a b", {"a", "b"}}, {"  a\t b  ", {"a", "b"}}, {"\"a b\" 'c \"d'", {"a b", "c \"d"}},
        {"a\\ b \"\\\"\\x\" '\\'", {"a b", "\"\\x", "\\"}}, {"a'b'\"c\"", {"abc"}}, {"'' x", {"", "x"}},
    };
    struct aws_words w;
    struct err e = {0};
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(aws_words_split(cases[i].line, 3, &w, &e), 0);
        for (unsigned k = 0; k < 4 && cases[i].words[k]; k++)
            assert_string_equal(w.word[k], cases[i].words[k]);
        assert_null(w.word[w.count]);
        assert_true(w.count == 4 || cases[i].words[w.count] == NULL);
        aws_words_done(&w);
    }
    assert_int_equal(aws_words_split("a 'b", 3, &w, &e), -EINVAL);
    assert_int_equal(aws_words_split("  ", 3, &w, &e), -EINVAL);
    assert_int_equal(aws_words_split("a b c d", 3, &w, &e), -E2BIG);
}

static struct {
    unsigned done;
    int error;
    char text[200], why[200];
    size_t len;
} seen;

static void on_done(void *owner, int error, const struct buf *output, const char *why)
{
    (void)owner;
    seen.done++;
    seen.error = error;
    seen.len = output->len;
    (void)snprintf(seen.text, sizeof seen.text, "%.*s", (int)output->len, output->data ? output->data : "");
    (void)snprintf(seen.why, sizeof seen.why, "%s", why);
}

static void run(enum io_kind kind, const char *command, unsigned seconds)
{
    struct aws_process *p;
    struct err e = {0};
    struct io *io;
    const uint64_t until = clock_mono_ns() + 30 * NS_PER_S;
    memset(&seen, 0, sizeof seen);
    CHECK(io_new(&(struct io_config){.kind = kind}, &io, NULL) == 0);
    if (aws_process_start(io, command, seconds, on_done, NULL, &p, &e) < 0)
        (void)snprintf(seen.why, sizeof seen.why, "%.190s", e.text);
    else
        while (!seen.done && clock_mono_ns() < until)
            CHECK(io_turn(io, until) >= 0);
    assert_int_equal(io_inflight(io), 0);
    io_free(io);
}

static void what_it_prints_is_read(void **state)
{
    static const enum io_kind kinds[] = {IO_AUTO, IO_PLAIN, IO_SIM};
    (void)state;
    CHECK(setenv("FAPILOG_SECRET", "hidden", 1) == 0 && setenv("OTHER", "passed", 1) == 0);
    for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
        run(kinds[i], "sh -c 'echo \"$OTHER,$FAPILOG_SECRET,\"; cat; echo end'", 20);
        assert_string_equal(seen.text, "passed,,\nend\n"); /* and nothing is on its standard input */
        assert_int_equal(seen.error, 0);
    }
    CHECK(unsetenv("FAPILOG_SECRET") == 0 && unsetenv("OTHER") == 0);
}

static void a_program_that_fails_is_explained(void **state)
{
    (void)state;
    run(IO_AUTO, "sh -c 'exit 3'", 20);
    assert_int_equal(seen.error, -EIO);
    assert_non_null(strstr(seen.why, "status 3"));
    run(IO_AUTO, "sh -c 'kill -9 $$'", 20);
    assert_non_null(strstr(seen.why, "signal 9"));
    run(IO_AUTO, "/no/such/program --x", 20);
    assert_int_equal(seen.done, 0);
    assert_non_null(strstr(seen.why, "/no/such/program cannot be run"));
    run(IO_AUTO, "'", 20);
    assert_non_null(strstr(seen.why, "credential_process: a quote"));
}

static void output_and_time_are_bounded(void **state)
{
    (void)state;
    run(IO_AUTO, "head -c 65536 /dev/zero", 20);
    assert_int_equal(seen.error, 0);
    assert_int_equal(seen.len, 65536);
    run(IO_AUTO, "head -c 65537 /dev/zero", 20);
    assert_non_null(strstr(seen.why, "more than 65536 bytes"));
    run(IO_AUTO, "yes", 20);
    assert_non_null(strstr(seen.why, "more than 65536 bytes"));
    run(IO_AUTO, "tail -f /dev/null", 1);
    assert_int_equal(seen.error, -ETIMEDOUT);
    assert_non_null(strstr(seen.why, "longer than 1 s"));
    run(IO_AUTO, "sh -c 'setsid tail -f /dev/null & echo $!'", 1); /* it is gone, its child has the pipe */
    assert_int_equal(seen.error, -ETIMEDOUT);
    CHECK(kill((pid_t)strtol(seen.text, NULL, 10), SIGKILL) == 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_line_falls_into_words),
        cmocka_unit_test(what_it_prints_is_read),
        cmocka_unit_test(a_program_that_fails_is_explained),
        cmocka_unit_test(output_and_time_are_bounded),
    };
    return cmocka_run_group_tests_name("aws-process", tests, NULL, NULL);
}
