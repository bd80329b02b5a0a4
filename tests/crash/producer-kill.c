/* Kills logging processes at random moments and balances the books: what was called is in the ring or counted
 * as refused, but for at most one call in flight per thread. FAPILOG_TEST_KILLS says how often (default 50),
 * FAPILOG_TEST_SEED makes a run repeat its delays. */
#include <fapilog/fapilog.h>

#include "lib/base/clock.h"
#include "lib/ring/liveness.h"
#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3 };

struct shared {
    struct {
        volatile uint64_t begun, finished;
    } thread[THREADS];
    volatile uint32_t ready;
};
static struct shared *shared;
static fapilog_t *the_log;

static void *load(void *arg)
{
    const unsigned n = (unsigned)(uintptr_t)arg;
    static char text[30000];
    memset(text, 'x', sizeof text);
    for (uint64_t i = 0;; i++) {
        shared->thread[n].begun++;
        if (i % 500 == 0)
            FAPILOG_INFO(the_log, "large", FL_STRN("t", text, i % sizeof text));
        else if (i % 7 == 0)
            FAPILOG_ERROR(the_log, "error", FL("i", i), FL("t", "text"));
        else
            FAPILOG_INFO(the_log, "info", FL("i", i), FL("d", 0.5));
        shared->thread[n].finished++;
    }
    return NULL;
}

static void child(void *arg)
{
    const struct fapilog_options o = {
        .size = sizeof o, .lane_bytes = 1 << 18, .lanes = 2, .on_full = (uint32_t)(uintptr_t)arg};
    the_log = fapilog_open("kill", &o);
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, load, (void *)i) != 0)
            _exit(1);
    }
    shared->ready = 1;
    for (;;)
        pause();
}

static void check_dead(struct walk *w)
{
    const int fd = open(w->path, O_RDONLY);
    assert_int_equal(liveness_probe(fd), 0);
    (void)close(fd);
    assert_int_equal(w->sb->state, FAPILOG_STATE_LIVE);
}

static void check_books(struct walk *w, bool exact)
{
    struct walk_totals t;
    uint64_t begun = 0, finished = 0;
    if (!walk_run(w, NULL, NULL, &t))
        fail_msg("%s", w->error);
    for (int i = 0; i < THREADS; i++) {
        begun += shared->thread[i].begun;
        finished += shared->thread[i].finished;
    }
    const uint64_t booked = t.events + t.dropped + w->sb->orphan_dropped;
    if (exact) {
        assert_in_range(booked, finished, begun);
        assert_true(begun - finished <= THREADS);
    }
}

static void kill_once(uint32_t on_full, unsigned delay_us)
{
    struct scenario s;
    scenario_init(&s);
    memset(shared, 0, sizeof *shared);
    const pid_t pid = scenario_start(child, (void *)(uintptr_t)on_full);
    assert_true(SCENARIO_UNTIL(shared->ready));
    (void)nanosleep(&(struct timespec){.tv_nsec = delay_us * 1000L}, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    scenario_wait(&s, pid);
    scenario_open(&s);
    assert_int_equal(s.segs, 1);
    check_dead(&s.seg[0]);
    check_books(&s.seg[0], on_full == FAPILOG_ON_FULL_DISCARD);
    scenario_done(&s);
}

static unsigned long number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

static void a_killed_process_leaves_whole_records_and_exact_books(void **state)
{
    const unsigned long kills = number("FAPILOG_TEST_KILLS", 50);
    const unsigned long seed = number("FAPILOG_TEST_SEED", clock_mono_ns() & 0xffffff);
    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    print_message("FAPILOG_TEST_SEED=%lu\n", seed);
    srandom((unsigned)seed);
    for (unsigned long i = 0; i < kills; i++)
        kill_once(i % 3 ? FAPILOG_ON_FULL_DISCARD : FAPILOG_ON_FULL_OVERWRITE, (unsigned)random() % 3000);
    (void)munmap(shared, sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_killed_process_leaves_whole_records_and_exact_books)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
