/* Threads that end, segments that are closed and loggers that are made, with a signal, another thread or a collector in
 * between. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
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
#include <signal.h>
#include <time.h>
#include <unistd.h>

void __real_fapilogi_bell(void);
void __wrap_fapilogi_bell(void);

static int signal_at_bell;

void __wrap_fapilogi_bell(void)
{
    if (signal_at_bell)
        (void)raise(signal_at_bell);
    __real_fapilogi_bell();
}

void __real_fapilogi_thread_exit_arm(void);
void __wrap_fapilogi_thread_exit_arm(void);

static int signal_at_arm;

void __wrap_fapilogi_thread_exit_arm(void)
{
    const int sig = signal_at_arm;
    signal_at_arm = 0;
    if (sig)
        (void)raise(sig);
    __real_fapilogi_thread_exit_arm();
}

uint32_t __real_fapilogi_register_logger(const struct fapilog_logger_entry *head, const char *name, const char *service,
                                         const uint8_t *fields);
uint32_t __wrap_fapilogi_register_logger(const struct fapilog_logger_entry *head, const char *name, const char *service,
                                         const uint8_t *fields);

static uint32_t level_at_register;

/* A collector sets a level for all, and does not see the logger yet. */
uint32_t __wrap_fapilogi_register_logger(const struct fapilog_logger_entry *head, const char *name, const char *service,
                                         const uint8_t *fields)
{
    struct fapilog_level_rule *rule = &process.ctl->rule[0];
    if (level_at_register) {
        store_rlx(&rule->level, level_at_register); /* order: relaxed - the release of `used` publishes it */
        store_rel(&rule->used, 1u); /* order: release, pairs with the acquire of whoever looks for a rule */
    }
    return __real_fapilogi_register_logger(head, name, service, fields);
}

static fapilog_t *handler_log;

static void handler(int sig)
{
    FAPILOG_SCOPE(FL("signal", sig));
    FAPILOG_INFO(handler_log, "in a handler");
}

/* ---- closing ------------------------------------------------------------------------------------------- */

static void *close_and_open_again(void *arg)
{
    (void)arg;
    FAPILOG_INFO(handler_log, "in the first segment");
    signal_at_bell = SIGUSR1;
    fapilog_close(handler_log);
    signal_at_bell = 0;
    handler_log = fapilog_open("svc", NULL);
    FAPILOG_INFO(handler_log, "in the second segment");
    return NULL;
}

static void close_under_a_signal(void *arg)
{
    struct sigaction sa = {.sa_handler = handler};
    pthread_t t;
    (void)arg;
    handler_log = fapilog_open("svc", NULL);
    if (sigaction(SIGUSR1, &sa, NULL) != 0 || pthread_create(&t, NULL, close_and_open_again, NULL) != 0 ||
        pthread_join(t, NULL) != 0)
        _exit(1);
}

static void note_lane(void *arg, const struct walk_record *r)
{
    *(uint32_t *)arg = r->lane;
}

static void a_handler_that_logs_during_a_close_keeps_no_lane(void **state)
{
    struct scenario *s = *state;
    uint32_t lane = 0;
    scenario_run(s, close_under_a_signal, NULL);
    assert_int_equal(s->segs, 2);
    for (unsigned i = 0; i < 2; i++) {
        struct walk_totals t;
        if (!walk_run(&s->seg[i], note_lane, &lane, &t))
            fail_msg("%s", s->seg[i].error);
        assert_int_equal(t.events, 1);
        assert_in_range(lane, FAPILOG_SHARED_LANES, s->seg[i].sb->lane_count - 1);
        assert_int_equal(FAPILOG_LANE_STATE(s->seg[i].lanes[lane].state), FAPILOG_LANE_CLOSING);
    }
}

/* ---- the end of a thread ------------------------------------------------------------------------------- */

static struct fapilog_lane *ended_lane;

static uint32_t state_of_ended(void)
{
    /* order: acquire, pairs with the release of who ended - the lane has been named */
    const struct fapilog_lane *lane = load_acq(&ended_lane);
    return lane ? FAPILOG_LANE_STATE(load_acq(&lane->state)) : FAPILOG_LANE_FREE; /* order: L2 acquire, pairs with L1 */
}

static void *log_and_end(void *arg)
{
    (void)arg;
    FAPILOG_INFO(handler_log, "before the end");
    store_rel(&ended_lane, self_writer()->lane); /* order: release, pairs with the acquire in state_of_ended() */
    return NULL;
}

/* As if another thread were in the midst of a close, which takes the memory of the lane away. */
static void end_while_locked(void *arg)
{
    pthread_t t;
    struct timespec until;
    (void)arg;
    handler_log = fapilog_open("svc", NULL);
    fapilogi_lock();
    if (pthread_create(&t, NULL, log_and_end, NULL) != 0)
        _exit(1);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    if (pthread_timedjoin_np(t, NULL, &until) != ETIMEDOUT)
        _exit(2);
    if (state_of_ended() != FAPILOG_LANE_ACTIVE)
        _exit(3);
    fapilogi_unlock();
    if (pthread_join(t, NULL) != 0 || state_of_ended() != FAPILOG_LANE_CLOSING)
        _exit(4);
}

static void a_thread_gives_its_lane_back_before_or_after_a_close(void **state)
{
    scenario_run(*state, end_while_locked, NULL);
}

static void *bind_under_a_signal(void *arg)
{
    (void)arg;
    signal_at_arm = SIGUSR1;
    FAPILOG_SCOPE(FL("n", 1));
    if (signal_at_arm || !self_writer())
        _exit(2);
    store_rel(&ended_lane, self_writer()->lane); /* order: release, pairs with the acquire in state_of_ended() */
    return NULL;
}

static void log_first_in_a_handler(void *arg)
{
    struct sigaction sa = {.sa_handler = handler};
    pthread_t t;
    (void)arg;
    handler_log = fapilog_open("svc", NULL);
    if (sigaction(SIGUSR1, &sa, NULL) != 0 || pthread_create(&t, NULL, bind_under_a_signal, NULL) != 0 ||
        pthread_join(t, NULL) != 0)
        _exit(1);
    if (state_of_ended() != FAPILOG_LANE_CLOSING)
        _exit(3);
}

static void a_lane_that_a_handler_claimed_amid_a_binding_is_given_back(void **state)
{
    scenario_run(*state, log_first_in_a_handler, NULL);
}

/* ---- levels -------------------------------------------------------------------------------------------- */

static void make_a_logger_meanwhile(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", NULL);
    level_at_register = FAPILOG_LEVEL_DEBUG;
    if (*fapilog_logger(log, "orders")->level != FAPILOG_LEVEL_DEBUG)
        _exit(1);
    fapilog_close(log);
}

static void a_level_that_is_set_while_a_logger_is_made_reaches_it(void **state)
{
    scenario_run(*state, make_a_logger_meanwhile, NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scenario_setup, scenario_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_handler_that_logs_during_a_close_keeps_no_lane),
        TEST(a_thread_gives_its_lane_back_before_or_after_a_close),
        TEST(a_lane_that_a_handler_claimed_amid_a_binding_is_given_back),
        TEST(a_level_that_is_set_while_a_logger_is_made_reaches_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
