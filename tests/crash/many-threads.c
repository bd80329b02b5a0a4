/* As many threads as the machine lets, all alive at the same time, log at once, and end or are killed amid it: each
 * call is committed or counted as refused. FAPILOG_TEST_THREADS says how many (default 2000); skipped where there may
 * not be a thousand. */
#include <fapilog/fapilog.h>

#include "lib/base/atomics.h"
#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS_MAX = 16000, THREADS_LEAST = 1000, STACK = 64 << 10, CALLS = 20 };

struct thread {
    uint32_t begun, finished; /* calls */
};

struct shared {
    uint32_t made, alive;
    uint32_t gate; /* 1: all may go on */
    struct thread thread[THREADS_MAX];
};

struct crowd {
    uint32_t lanes;
    uint64_t lane_bytes;
    bool is_killed;
};

static struct shared *shared;
static fapilog_t *the_log;
static uint32_t threads_wanted;

static void call(struct thread *t, int i)
{
    /* order: relaxed - read when the process is gone */
    store_rlx(&t->begun, t->begun + 1);
    FAPILOG_INFO(the_log, "one of many", FL("i", i), FL("text", "text"));
    store_rlx(&t->finished, t->finished + 1); /* order: relaxed - as above */
}

static void *be_one_of_many(void *arg)
{
    struct thread *const t = arg;
    call(t, 0);
    /* order: relaxed - a count */
    __atomic_fetch_add(&shared->alive, 1, __ATOMIC_RELAXED);
    while (!load_rlx(&shared->gate)) /* order: relaxed - nothing is read behind it */
        (void)poll(NULL, 0, 100);
    for (int i = 1; i < CALLS; i++)
        call(t, i);
    return NULL;
}

static uint32_t make_threads(pthread_t *threads)
{
    pthread_attr_t attr;
    uint32_t made = 0;
    if (pthread_attr_init(&attr) != 0 || pthread_attr_setstacksize(&attr, STACK) != 0 ||
        pthread_attr_setguardsize(&attr, 0) != 0)
        _exit(1);
    while (made < threads_wanted && pthread_create(&threads[made], &attr, be_one_of_many, &shared->thread[made]) == 0)
        made++;
    return made;
}

static void child(void *arg)
{
    static pthread_t threads[THREADS_MAX];
    const struct crowd *const c = arg;
    const struct fapilog_options o = {.size = sizeof o, .lane_bytes = c->lane_bytes, .lanes = c->lanes};
    the_log = fapilog_open("crowd", &o);
    const uint32_t made = make_threads(threads);
    store_rlx(&shared->made, made); /* order: relaxed - a number */
    for (uint32_t i = 0; i < made; i++)
        if (pthread_join(threads[i], NULL) != 0)
            _exit(2);
}

static bool are_at_gate(void)
{
    const uint32_t made = load_rlx(&shared->made), alive = load_rlx(&shared->alive); /* order: relaxed - numbers */
    return made && alive == made;
}

/* From the parent, which sees all of them at the gate. */
static pid_t gather(const struct crowd *c)
{
    memset(shared, 0, sizeof *shared);
    const pid_t pid = scenario_start(child, (void *)(uintptr_t)c);
    bool are_there = false;
    for (int i = 0; i < 6 && !are_there; i++) /* a minute */
        are_there = SCENARIO_UNTIL(are_at_gate());
    assert_true(are_there);
    return pid;
}

static bool is_under_way(void)
{
    uint32_t some = 0;
    for (uint32_t i = 0; i < shared->made; i++)
        some += load_rlx(&shared->thread[i].finished) > 1; /* order: relaxed - a count */
    return some > shared->made / 10;
}

static void check_books(struct walk *w, const struct crowd *c)
{
    struct walk_totals t;
    uint64_t begun = 0, finished = 0;
    for (uint32_t i = 0; i < shared->made; i++) {
        begun += shared->thread[i].begun;
        finished += shared->thread[i].finished;
    }
    if (!walk_run(w, NULL, NULL, &t))
        fail_msg("%s", w->error);
    const uint64_t refused = t.dropped + w->sb->orphan_dropped;
    if (!c->is_killed)
        assert_int_equal(finished, shared->made * (uint64_t)CALLS);
    assert_in_range(t.events + refused, finished, begun);
    assert_int_equal(t.events, t.committed);
    print_message("%u threads alive at once, %u own lanes: %llu calls returned, %llu records, %llu refused\n",
                  shared->made, c->lanes, (unsigned long long)finished, (unsigned long long)t.events,
                  (unsigned long long)refused);
    if (c->lanes >= shared->made)
        assert_true(t.lanes_used >= shared->made && refused == 0);
}

static void log_at_once(struct scenario *s, const struct crowd *c)
{
    const pid_t pid = gather(c);
    const uint32_t made = shared->made;
    store_rlx(&shared->gate, 1); /* order: relaxed - nothing is read behind it */
    if (c->is_killed) {
        assert_true(SCENARIO_UNTIL(is_under_way()));
        assert_int_equal(kill(pid, SIGKILL), 0);
    }
    scenario_wait(s, pid);
    if (made < THREADS_LEAST) {
        print_message("skipped: only %u threads may be alive at once\n", made);
        skip();
    }
    assert_true(c->is_killed ? WIFSIGNALED(s->status) : s->status == 0);
    scenario_open(s);
    assert_int_equal(s->segs, 1);
    check_books(&s->seg[0], c);
}

static void threads_that_share_lanes_are_accounted_for(void **state)
{
    log_at_once(*state, &(struct crowd){.lanes = 64, .lane_bytes = 1 << 23});
}

static void threads_with_lanes_of_their_own_lose_nothing(void **state)
{
    log_at_once(*state, &(struct crowd){.lanes = threads_wanted, .lane_bytes = 1 << 14});
}

static void threads_that_are_killed_leave_exact_books(void **state)
{
    log_at_once(*state, &(struct crowd){.lanes = threads_wanted / 2, .lane_bytes = 1 << 14, .is_killed = true});
}

static int setup(void **state)
{
    const char *const text = getenv("FAPILOG_TEST_THREADS");
    const unsigned long n = text && *text ? strtoul(text, NULL, 10) : 2000;
    threads_wanted = n < THREADS_MAX ? (uint32_t)n : THREADS_MAX;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    return scenario_setup(state);
}

static int teardown(void **state)
{
    (void)munmap(shared, sizeof *shared);
    return scenario_teardown(state);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(threads_that_share_lanes_are_accounted_for),
        TEST(threads_with_lanes_of_their_own_lose_nothing),
        TEST(threads_that_are_killed_leave_exact_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
