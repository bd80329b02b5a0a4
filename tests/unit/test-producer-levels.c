/* Levels that the program itself changes, and statements that run seldom. */
#include <fapilog/fapilog.h>

#include "lib/base/clock.h"
#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child, whose exit status is the line that was not as it should be. */
#define WANT(condition) \
    do { \
        if (!(condition)) { \
            (void)fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            _exit(1); \
        } \
    } while (0)

static bool is_threshold(fapilog_t *log, uint32_t level)
{
    return fapilog_enabled(log, level) && (level == 1 || !fapilog_enabled(log, level - 1));
}

/* ---- levels */

static void set_levels(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", NULL), *other = fapilog_open("other", NULL);
    fapilog_t *a = fapilog_logger(log, "a"), *ab = fapilog_logger(log, "a.b"), *aside = fapilog_logger(log, "ab");
    fapilog_t *bound = fapilog_with(ab, FAPILOG_FIELDS(FL("n", 1)));
    WANT(fapilog_set_level(a, FAPILOG_LEVEL_DEBUG) == 0);
    WANT(is_threshold(a, FAPILOG_LEVEL_DEBUG) && is_threshold(ab, FAPILOG_LEVEL_DEBUG));
    WANT(is_threshold(bound, FAPILOG_LEVEL_DEBUG) && is_threshold(fapilog_logger(log, "a.later"), FAPILOG_LEVEL_DEBUG));
    WANT(is_threshold(log, FAPILOG_LEVEL_INFO) && is_threshold(aside, FAPILOG_LEVEL_INFO));
    WANT(fapilog_set_level(bound, FAPILOG_LEVEL_ERROR) == 0); /* its name's */
    WANT(is_threshold(ab, FAPILOG_LEVEL_ERROR) && is_threshold(a, FAPILOG_LEVEL_DEBUG));
    WANT(is_threshold(fapilog_logger(log, "a.b.c"), FAPILOG_LEVEL_ERROR));
    WANT(fapilog_set_level(log, FAPILOG_LEVEL_WARNING) == 0);
    WANT(is_threshold(ab, FAPILOG_LEVEL_WARNING) && is_threshold(aside, FAPILOG_LEVEL_WARNING));
    WANT(is_threshold(fapilog_logger(log, "new"), FAPILOG_LEVEL_WARNING));
    WANT(is_threshold(other, FAPILOG_LEVEL_INFO) && is_threshold(fapilog_logger(other, "a"), FAPILOG_LEVEL_INFO));
    WANT(fapilog_set_level(log, FAPILOG_LEVEL_OFF) == 0 && !fapilog_enabled(log, 30));
    FAPILOG_SECURITY(log, "nothing passes");
    WANT(fapilog_set_level(log, FAPILOG_LEVEL_TRACE) == 0);
    FAPILOG_TRACE(ab, "all pass");
}

static void a_level_is_set_for_a_name_and_those_below_it(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    scenario_run(s, set_levels, NULL);
    assert_true(walk_run(&s->seg[0], NULL, NULL, &t));
    assert_int_equal(t.events, 1);
}

/* As a collector does: the rule, and the words of those which it governs. */
static void set_rule(struct fapilog_ctl *ctl, unsigned i, const char *prefix, uint32_t level, unsigned words)
{
    (void)snprintf(ctl->rule[i].prefix, sizeof ctl->rule[i].prefix, "%s", prefix);
    ctl->rule[i].level = level;
    ctl->rule[i].used = 1;
    for (unsigned slot = 0; slot < 8; slot++)
        if (words >> slot & 1)
            ctl->level[slot] = level;
}

static void set_levels_beside_rules(void *arg)
{
    struct walk w[1];
    (void)arg;
    fapilog_t *log = fapilog_open("svc", NULL), *a = fapilog_logger(log, "a"); /* words 0 and 1 */
    WANT(walk_open_all(w, 1, getenv("FAPILOG_RING_DIR")) == 1);
    set_rule(w->ctl, 0, "", FAPILOG_LEVEL_ERROR, 3);
    set_rule(w->ctl, 1, "a.deep", FAPILOG_LEVEL_TRACE, 0);
    WANT(fapilog_set_level(a, FAPILOG_LEVEL_DEBUG) == 0);
    WANT(is_threshold(a, FAPILOG_LEVEL_DEBUG) && is_threshold(log, FAPILOG_LEVEL_ERROR));
    WANT(is_threshold(fapilog_logger(log, "a.x"), FAPILOG_LEVEL_DEBUG)); /* word 2; longer than "" */
    WANT(is_threshold(fapilog_logger(log, "a.deep"), FAPILOG_LEVEL_TRACE)); /* longer than "a" */
    set_rule(w->ctl, 2, "a", FAPILOG_LEVEL_WARNING, 6);
    WANT(is_threshold(a, FAPILOG_LEVEL_WARNING)); /* the last word counts, for later ones too */
    WANT(is_threshold(fapilog_logger(log, "a.y"), FAPILOG_LEVEL_WARNING));
    WANT(fapilog_set_level(a, FAPILOG_LEVEL_INFO) == 0);
    WANT(is_threshold(a, FAPILOG_LEVEL_INFO) && is_threshold(fapilog_logger(log, "a.z"), FAPILOG_LEVEL_INFO));
}

static void the_last_word_on_a_level_counts(void **state)
{
    scenario_run(*state, set_levels_beside_rules, NULL);
}

static void set_level_where_it_cannot_be(void *arg)
{
    (void)arg;
    WANT(fapilog_set_level(NULL, FAPILOG_LEVEL_INFO) == -EINVAL);
    fapilog_t *log = fapilog_open("svc", NULL);
    WANT(fapilog_set_level(log, 0) == -EINVAL && fapilog_set_level(log, FAPILOG_LEVEL_OFF + 1) == -EINVAL);
    WANT(fapilog_set_level(fapilog_logger(NULL, "none"), FAPILOG_LEVEL_INFO) == -EINVAL);
    WANT(fapilog_set_level(log, FAPILOG_LEVEL_ERROR) == 0);
    const pid_t pid = fork();
    if (pid == 0) { /* it has that level, and changes its own alone */
        WANT(is_threshold(log, FAPILOG_LEVEL_ERROR) && fapilog_set_level(log, FAPILOG_LEVEL_DEBUG) == 0);
        WANT(is_threshold(log, FAPILOG_LEVEL_DEBUG) && is_threshold(fapilog_logger(log, "x"), FAPILOG_LEVEL_DEBUG));
        _exit(0);
    }
    int status;
    WANT(waitpid(pid, &status, 0) == pid && status == 0 && is_threshold(log, FAPILOG_LEVEL_ERROR));
    char name[32];
    fapilog_t *last = log, *above = fapilog_logger(log, "logger");
    for (int i = 0; i < FAPILOG_LOGGERS_MAX; i++) {
        (void)snprintf(name, sizeof name, "logger.%d", i);
        last = fapilog_logger(log, name);
    }
    WANT(fapilog_set_level(last, FAPILOG_LEVEL_DEBUG) == -ENOSPC && is_threshold(log, FAPILOG_LEVEL_ERROR));
    WANT(fapilog_set_level(above, FAPILOG_LEVEL_DEBUG) == 0); /* below it are some that have their word from log */
    WANT(is_threshold(above, FAPILOG_LEVEL_DEBUG) && is_threshold(log, FAPILOG_LEVEL_ERROR));
    fapilog_close(log);
    WANT(fapilog_set_level(log, FAPILOG_LEVEL_DEBUG) == -ENOTCONN && !fapilog_enabled(log, 30));
    log = fapilog_open("svc", NULL); /* as its options say again */
    WANT(is_threshold(log, FAPILOG_LEVEL_INFO) && is_threshold(last, FAPILOG_LEVEL_INFO));
}

static void a_level_that_cannot_be_set_is_told_and_changes_nothing(void **state)
{
    scenario_run(*state, set_level_where_it_cannot_be, NULL);
}

static void levels_are_read_as_in_the_environment(void **state)
{
    (void)state;
    assert_int_equal(fapilog_level_from_text("debug"), FAPILOG_LEVEL_DEBUG);
    assert_int_equal(fapilog_level_from_text("Warn"), FAPILOG_LEVEL_WARNING);
    assert_int_equal(fapilog_level_from_text("OFF"), FAPILOG_LEVEL_OFF);
    assert_int_equal(fapilog_level_from_text("loud"), 0);
    assert_int_equal(fapilog_level_from_text(""), 0);
    assert_int_equal(fapilog_level_from_text(NULL), 0);
}

/* From here to the end of this part as a program that was compiled with -DFAPILOG_COMPILE_LEVEL=FAPILOG_LEVEL_INFO. */
#undef FAPILOG_COMPILE_LEVEL
#define FAPILOG_COMPILE_LEVEL FAPILOG_LEVEL_INFO

static void calls_below_the_compiled_level_are_not_there(void **state)
{
    (void)state;
    unsigned evaluated = 0;
    assert_int_equal(fapilog_capture_start(10), 0);
    fapilog_t *log = fapilog_open("svc", NULL);
    assert_int_equal(fapilog_set_level(log, FAPILOG_LEVEL_TRACE), 0);
    FAPILOG_DEBUG(log, "not there", FL("n", ++evaluated));
    FAPILOG_DEBUGF(log, "not there: %u", ++evaluated);
    FAPILOG_LOG(log, FAPILOG_LEVEL_INFO - evaluated - 1, "not there", FL("n", ++evaluated));
    FAPILOG_INFO(log, "there", FL("n", ++evaluated));
    assert_int_equal(fapilog_capture_next()->level, FAPILOG_LEVEL_INFO);
    assert_null(fapilog_capture_next());
    assert_int_equal(evaluated, 1);
    fapilog_close(log);
    fapilog_capture_stop();
}

#undef FAPILOG_COMPILE_LEVEL
#define FAPILOG_COMPILE_LEVEL 1

/* ---- statements that run seldom */

enum { THREADS = 4, ROUNDS = 1000 };
static uint64_t ran[4], suppressed;

static void *all_kinds(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        FAPILOG_ONCE(__atomic_fetch_add(&ran[0], 1, __ATOMIC_RELAXED));
        FAPILOG_EVERY(10, __atomic_fetch_add(&ran[1], 1, __ATOMIC_RELAXED));
        FAPILOG_LIMIT(UINT64_MAX, __atomic_fetch_add(&ran[2], 1, __ATOMIC_RELAXED));
        FAPILOG_LIMIT(0, __atomic_fetch_add(&ran[3], 1, __ATOMIC_RELAXED);
                      __atomic_fetch_add(&suppressed, fapilog_suppressed, __ATOMIC_RELAXED));
    }
    return arg;
}

static void all_threads_count_together(void **state)
{
    pthread_t thread[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, all_kinds, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(ran[0], 1);
    assert_int_equal(ran[1], THREADS * ROUNDS / 10);
    assert_int_equal(ran[2], 1);
    assert_in_range(ran[3], 1, THREADS * ROUNDS); /* those who lose a race are suppressed; the last of them may wait */
    assert_in_range(suppressed, 0, THREADS * ROUNDS - ran[3]);
}

static uint64_t limited(uint64_t interval_ns, uint64_t *ret_suppressed)
{
    uint64_t runs = 0;
    FAPILOG_LIMIT(interval_ns, runs++; *ret_suppressed = fapilog_suppressed);
    return runs;
}

static void a_limit_tells_what_it_has_passed_over(void **state)
{
    uint64_t over = 99;
    (void)state;
    errno = 42;
    const uint64_t began = clock_mono_ns();
    assert_int_equal(limited(50 * NS_PER_MS, &over), 1);
    assert_int_equal(over, 0);
    uint64_t passed_over = 0;
    while (limited(50 * NS_PER_MS, &over) == 0)
        passed_over++;
    assert_int_equal(over, passed_over);
    assert_true(clock_mono_ns() - began >= 50 * NS_PER_MS && errno == 42);
}

#define RUN(f) cmocka_unit_test_setup_teardown(f, scenario_setup, scenario_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_level_is_set_for_a_name_and_those_below_it),
        RUN(the_last_word_on_a_level_counts),
        RUN(a_level_that_cannot_be_set_is_told_and_changes_nothing),
        cmocka_unit_test(levels_are_read_as_in_the_environment),
        cmocka_unit_test(calls_below_the_compiled_level_are_not_there),
        cmocka_unit_test(all_threads_count_together),
        cmocka_unit_test(a_limit_tells_what_it_has_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
