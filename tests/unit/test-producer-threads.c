/* Threads, signal handlers and forked children: who writes where, and that nothing is lost uncounted. */
#include <fapilog/fapilog.h>

#include "lib/base/atomics.h"
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
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    uint64_t calls;
    uint64_t in_handler;
    struct fapilog_counters counters;
};
static struct shared *shared;

static int setup(void **state)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    return scenario_setup(state);
}

static int teardown(void **state)
{
    (void)munmap(shared, sizeof *shared);
    return scenario_teardown(state);
}

/* All that was called is in the ring or counted as refused. */
static struct walk_totals check_books(struct walk *w, uint64_t calls, walk_func *f, void *arg)
{
    struct walk_totals t;
    if (!walk_run(w, f, arg, &t))
        fail_msg("%s", w->error);
    assert_int_equal(t.events + t.dropped + w->sb->orphan_dropped, calls);
    return t;
}

static fapilog_t *the_log;
static uint32_t stage; /* of what two threads do in turns */

static fapilog_t *open_with(uint32_t lanes, uint64_t lane_bytes)
{
    const struct fapilog_options o = {.size = sizeof o, .lane_bytes = lane_bytes, .lanes = lanes};
    the_log = fapilog_open("svc", &o);
    return the_log;
}

static void *log_ten(void *arg)
{
    for (int i = 0; i < 10; i++)
        FAPILOG_INFO(the_log, "ten", FL("i", i));
    return arg;
}

static void run_thread(void *(*f)(void *), void *arg)
{
    pthread_t t;
    if (pthread_create(&t, NULL, f, arg) != 0 || pthread_join(t, NULL) != 0)
        _exit(9);
}

/* ---- lanes come and go ------------------------------------------------------------------------------- */

static void reuse_lanes(void *arg)
{
    struct walk w[1];
    struct walk_totals t;
    (void)open_with(2, 16384);
    if (walk_open_all(w, 1, getenv("FAPILOG_RING_DIR")) != 1)
        _exit(1);
    for (int i = 0; i < 300; i++) {
        run_thread(log_ten, NULL);
        if (!walk_run(w, NULL, NULL, &t)) {
            fprintf(stderr, "%s\n", w->error);
            _exit(2);
        }
        walk_consume(w);
    }
    fapilog_get_counters(the_log, &shared->counters);
}

static void a_drained_lane_is_claimed_again_with_the_next_generation(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, reuse_lanes, NULL);
    assert_int_equal(shared->counters.written, 3000);
    assert_int_equal(shared->counters.dropped + shared->counters.orphaned, 0);
    const struct fapilog_lane *own = &s->seg[0].lanes[FAPILOG_SHARED_LANES];
    assert_int_equal(FAPILOG_LANE_GENERATION(own[0].state) + FAPILOG_LANE_GENERATION(own[1].state), 300);
    assert_int_equal(s->seg[0].lanes[1].tail, 0); /* nobody had to share */
}

static void undrained_lanes(void *arg)
{
    (void)open_with(2, 16384);
    for (int i = 0; i < 5; i++)
        run_thread(log_ten, NULL);
}

static void note_tid(void *arg, const struct walk_record *r)
{
    uint64_t *shared_records = arg;
    if (r->lane < FAPILOG_SHARED_LANES) {
        assert_true(r->tid != 0);
        assert_true(r->flags & FAPILOG_FLAG_TID);
        ++*shared_records;
    }
}

static void an_undrained_lane_is_left_alone(void **state)
{
    struct scenario *s = *state;
    uint64_t on_shared = 0;
    scenario_run(s, undrained_lanes, NULL);
    (void)check_books(&s->seg[0], 50, note_tid, &on_shared);
    assert_int_equal(on_shared, 30);
}

static void *log_with_context(void *arg)
{
    FAPILOG_SCOPE(FL("thread", (int)(intptr_t)arg));
    for (int i = 0; i < 500; i++) {
        FAPILOG_INFO(the_log, "crowd", FL("thread", (int)(intptr_t)arg));
        if (i % 50 == 0)
            sched_yield();
    }
    return NULL;
}

static void crowd(void *arg)
{
    pthread_t t[16];
    (void)open_with(2, 65536);
    for (intptr_t i = 0; i < 16; i++)
        if (pthread_create(&t[i], NULL, log_with_context, (void *)i) != 0)
            _exit(9);
    for (int i = 0; i < 16; i++)
        pthread_join(t[i], NULL);
}

static void check_context(void *arg, const struct walk_record *r)
{
    int mine, bound;
    memcpy(&mine, r->args, sizeof mine);
    if (r->lane >= FAPILOG_SHARED_LANES) {
        assert_true(r->context_known && r->epoch);
        return;
    }
    assert_int_equal(r->context_count, 1);
    memcpy(&bound, r->context + r->context_len - 4, sizeof bound);
    assert_int_equal(bound, mine);
    ++*(uint64_t *)arg;
}

static void threads_beyond_the_lanes_share_and_bring_their_context(void **state)
{
    struct scenario *s = *state;
    uint64_t on_shared = 0;
    scenario_run(s, crowd, NULL);
    (void)check_books(&s->seg[0], 16 * 500, check_context, &on_shared);
    assert_true(on_shared > 1000);
}

static void *log_once(void *arg)
{
    FAPILOG_INFO(the_log, "short life", FL("n", (int)(intptr_t)arg));
    return NULL;
}

static void short_threads(void *arg)
{
    (void)open_with(64, 0);
    for (intptr_t i = 0; i < 10000; i++)
        run_thread(log_once, (void *)i);
    fapilog_get_counters(the_log, &shared->counters);
}

static void ten_thousand_short_threads_are_all_accounted_for(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, short_threads, NULL);
    const struct walk_totals t = check_books(&s->seg[0], 10000, NULL, NULL);
    assert_int_equal(shared->counters.written, t.events);
    assert_true(t.events > 5000);
}

enum { ROUNDS = WALK_SEGMENTS_MAX, ENDING_THREADS = 4 };

static uint32_t logged;

static void *log_and_tell(void *arg)
{
    FAPILOG_INFO(the_log, "the last call");
    /* order: release, pairs with the acquire in end_beside_closes() - the call is over */
    __atomic_fetch_add(&logged, 1, __ATOMIC_RELEASE);
    return arg;
}

/* Threads whose calls are over, and whose ends are not. */
static void end_beside_closes(void *arg)
{
    pthread_attr_t attr;
    pthread_t t;
    (void)arg;
    if (pthread_attr_init(&attr) != 0 || pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) != 0)
        _exit(1);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        (void)open_with(8, 16384);
        for (int i = 0; i < ENDING_THREADS; i++)
            if (pthread_create(&t, &attr, log_and_tell, NULL) != 0)
                _exit(9);
        /* order: acquire, pairs with the release in log_and_tell() - the call is over */
        while (__atomic_load_n(&logged, __ATOMIC_ACQUIRE) != round * ENDING_THREADS)
            sched_yield();
        fapilog_close(the_log);
    }
}

static void threads_that_end_beside_a_close_do_no_harm(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, end_beside_closes, NULL);
    assert_int_equal(s->segs, ROUNDS);
    for (unsigned i = 0; i < s->segs; i++)
        (void)check_books(&s->seg[i], ENDING_THREADS, NULL, NULL);
}

/* ---- signal handlers --------------------------------------------------------------------------------- */

static volatile uint64_t handled;

static void on_alarm(int sig)
{
    (void)sig;
    FAPILOG_WARNING(the_log, "handler", FL("n", (uint64_t)handled), FL("text", "from a handler"));
    handled++;
}

static void storm(void *arg)
{
    const struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    const struct itimerval often = {.it_interval = {0, 50}, .it_value = {0, 50}}, never = {0};
    const struct fapilog_options o = {.size = sizeof o, .lane_bytes = 1 << 24, .lanes = 1};
    static char big[20000];
    the_log = fapilog_open("svc", &o);
    memset(big, 'x', sizeof big);
    if (sigaction(SIGALRM, &sa, NULL) != 0 || setitimer(ITIMER_REAL, &often, NULL) != 0)
        _exit(1);
    const uint64_t until = clock_mono_ns() + NS_PER_S;
    uint64_t i = 0;
    for (; clock_mono_ns() < until; i++) {
        FAPILOG_INFO(the_log, "main", FL("i", i), FL_STRN("t", big, i % 1000 == 0 ? sizeof big : i % 64));
        if (i % 64 == 0) {
            FAPILOG_SCOPE(FL("i", i));
            FAPILOG_INFO(the_log, "scope");
            i++;
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    shared->calls = i + handled;
    shared->in_handler = handled;
    _exit(0);
}

struct handler_view {
    uint64_t from_handler, nested;
};

static void note_handler(void *arg, const struct walk_record *r)
{
    struct handler_view *v = arg;
    v->from_handler += r->level == FAPILOG_LEVEL_WARNING;
    v->nested += (r->flags & FAPILOG_FLAG_NESTED) != 0;
    if (r->flags & FAPILOG_FLAG_NESTED)
        assert_true(r->lane < FAPILOG_SHARED_LANES && r->level == FAPILOG_LEVEL_WARNING);
}

static void a_storm_of_signals_loses_nothing_uncounted(void **state)
{
    struct scenario *s = *state;
    struct handler_view v = {0};
    scenario_run(s, storm, NULL);
    (void)check_books(&s->seg[0], shared->calls, note_handler, &v);
    assert_true(v.nested > 0);
    assert_true(v.from_handler > v.nested);
}

/* ---- children ---------------------------------------------------------------------------------------- */

static void wait_for(pid_t pid)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        _exit(8);
}

static pid_t raw_clone(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void log_generation(fapilog_t *log, fapilog_t *child_logger, int depth, pid_t (*make)(void))
{
    FAPILOG_INFO(log, "generation", FL("depth", depth));
    FAPILOG_INFO(child_logger, "named", FL("depth", depth));
    if (depth == 3)
        return;
    const pid_t pid = make();
    if (pid == 0) {
        log_generation(log, child_logger, depth + 1, make);
        _exit(0);
    }
    wait_for(pid);
    FAPILOG_INFO(log, "generation", FL("depth", depth));
}

static void fork_family(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    fapilog_t *named = fapilog_with(fapilog_logger(log, "a.b"), FAPILOG_FIELDS(FL("k", 1)));
    pid_t (*make)(void) = arg;
    FAPILOG_SCOPE(FL_REQUEST_ID("kept by children"));
    log_generation(log, named, 0, make);
    fapilog_close(log);
}

struct family_view {
    int depth;
    unsigned named, plain;
};

static void note_family(void *arg, const struct walk_record *r)
{
    struct family_view *v = arg;
    memcpy(&v->depth, r->args, sizeof v->depth);
    assert_true(r->context_known && r->epoch);
    if (r->logger)
        v->named++;
    else
        v->plain++;
}

static void check_generations(struct scenario *s, scenario_func *f, void *make)
{
    uint32_t pid_of[4] = {0}, parent_of[4] = {0};
    scenario_run(s, f, make);
    assert_int_equal(s->segs, 4);
    for (unsigned i = 0; i < 4; i++) {
        struct family_view v = {.depth = -1};
        struct walk_totals t;
        if (!walk_run(&s->seg[i], note_family, &v, &t))
            fail_msg("%s", s->seg[i].error);
        assert_in_range(v.depth, 0, 3);
        assert_int_equal(v.named, 1);
        assert_int_equal(v.plain, v.depth == 3 ? 1 : 2);
        pid_of[v.depth] = s->seg[i].sb->pid;
        parent_of[v.depth] = s->seg[i].sb->parent_pid;
    }
    assert_int_equal(parent_of[0], 0);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(parent_of[i], pid_of[i - 1]);
}

static void a_forked_child_has_a_segment_of_its_own_with_the_same_ids(void **state)
{
    check_generations(*state, fork_family, (void *)fork);
}

static void a_raw_clone_is_noticed_too(void **state)
{
    check_generations(*state, fork_family, (void *)raw_clone);
}

static void fork_quietly(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "parent");
    const pid_t pid = fork();
    if (pid == 0) {
        FAPILOG_DEBUG(log, "below the threshold");
        exit(0);
    }
    wait_for(pid);
    FAPILOG_INFO(log, "parent");
}

static void a_child_that_logs_nothing_makes_nothing(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, fork_quietly, NULL);
    assert_int_equal(s->segs, 1);
    (void)check_books(&s->seg[0], 2, NULL, NULL);
    assert_int_equal(s->seg[0].sb->state, FAPILOG_STATE_LIVE); /* not marked by the child's exit */
}

/* In a child of a process with threads. The address sanitizer's allocator may have been locked at the fork, by a thread
 * that the child lacks, and a new thread would wait for it for ever. */
static void log_ten_in_a_thread(void)
{
#ifdef __SANITIZE_ADDRESS__
    (void)log_ten(NULL);
#else
    pthread_t t;
    if (pthread_create(&t, NULL, log_ten, NULL) != 0 || pthread_join(t, NULL) != 0)
        _exit(7);
#endif
}

static void *log_and_fork(void *arg)
{
    for (int i = 0; i < 20; i++) {
        FAPILOG_INFO(the_log, "parent", FL("i", i));
        const pid_t pid = fork();
        if (pid == 0) {
            FAPILOG_INFO(the_log, "child");
            log_ten_in_a_thread();
            _exit(0);
        }
        wait_for(pid);
    }
    return arg;
}

static void fork_under_load(void *arg)
{
    pthread_t t[3];
    (void)open_with(8, 65536);
    if (pthread_create(&t[0], NULL, log_and_fork, NULL) != 0 ||
        pthread_create(&t[1], NULL, log_with_context, (void *)1) != 0 ||
        pthread_create(&t[2], NULL, log_with_context, (void *)2) != 0)
        _exit(9);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
}

static void forks_amid_logging_threads_leave_every_segment_whole(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, fork_under_load, NULL);
    assert_int_equal(s->segs, 21);
    for (unsigned i = 0; i < s->segs; i++)
        (void)check_books(&s->seg[i], s->seg[i].sb->parent_pid ? 11 : 1020, NULL, NULL);
}

static void *bind_only(void *arg)
{
    struct fapilog_scope s = fapilog_context_push(FAPILOG_FIELDS(FL("n", 1)));
    return s.error ? NULL : arg;
}

static long mapped_kb(void)
{
    char line[128];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        (void)sscanf(line, "VmData: %ld", &kb);
    if (f)
        (void)fclose(f);
    return kb;
}

static void bind_in_many_threads(void *arg)
{
    (void)fapilog_open("svc", NULL);
    run_thread(bind_only, &shared);
    const long before = mapped_kb();
    for (int i = 0; i < 1000; i++)
        run_thread(bind_only, &shared);
    shared->calls = (uint64_t)(mapped_kb() - before);
}

static void contexts_are_freed_with_their_threads(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped: a sanitizer keeps memory of its own for each thread\n");
    skip();
#endif
    scenario_run(*state, bind_in_many_threads, NULL);
    assert_in_range(shared->calls, 0, 500); /* kB; a thousand contexts are 4000 */
}

static void *log_and_stay(void *arg)
{
    FAPILOG_INFO(the_log, "of the thread");
    store_rel(&stage, 1);         /* order: release, pairs with the acquire in thread_logs_first() */
    while (load_acq(&stage) == 1) /* order: acquire, pairs with the release in thread_logs_first() */
        sched_yield();
    return arg;
}

/* The thread that forked comes to its child's segment when another one has taken what was its own in the parent. */
static void thread_logs_first(void *arg)
{
    pthread_t t;
    (void)arg;
    FAPILOG_INFO(open_with(4, 16384), "parent");
    const pid_t pid = fork();
    if (pid == 0) {
        if (pthread_create(&t, NULL, log_and_stay, NULL) != 0)
            _exit(7);
        while (load_acq(&stage) == 0) /* order: acquire, pairs with the release in log_and_stay() */
            sched_yield();
        FAPILOG_WARNING(the_log, "of the thread that forked");
        store_rel(&stage, 2); /* order: release, pairs with the acquire in log_and_stay() */
        _exit(pthread_join(t, NULL));
    }
    wait_for(pid);
}

static void note_lanes(void *arg, const struct walk_record *r)
{
    ((uint32_t *)arg)[r->level == FAPILOG_LEVEL_WARNING] = r->lane;
}

static void a_thread_of_a_child_may_be_the_first_to_log(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, thread_logs_first, NULL);
    assert_int_equal(s->segs, 2);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t lanes[2] = {0};
        if (!s->seg[i].sb->parent_pid)
            continue;
        (void)check_books(&s->seg[i], 2, note_lanes, lanes);
        assert_true(lanes[0] != lanes[1]);
    }
}

static void close_in_child(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "parent");
    const pid_t pid = fork();
    if (pid == 0) {
        fapilog_close(log);
        FAPILOG_INFO(log, "nothing");
        log = fapilog_open("svc", NULL);
        FAPILOG_INFO(log, "child");
        the_log = log;
        run_thread(log_once, NULL);
        fapilog_close(log);
        _exit(0);
    }
    wait_for(pid);
    FAPILOG_INFO(log, "parent");
    fapilog_close(log);
}

static void a_child_may_close_and_open_without_the_parent_noticing(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, close_in_child, NULL);
    assert_int_equal(s->segs, 2);
    for (unsigned i = 0; i < 2; i++)
        (void)check_books(&s->seg[i], 2, NULL, NULL);
}

static void prepared(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    const int r = fapilog_prepare(log);
    if (r != 0 && r != -12 && r != -1)
        _exit(1);
    for (int i = 0; i < 100; i++)
        FAPILOG_INFO(log, "rt", FL("i", i));
}

static void a_prepared_thread_has_a_real_time_lane(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, prepared, NULL);
    (void)check_books(&s->seg[0], 100, NULL, NULL);
    assert_int_equal(s->seg[0].lanes[FAPILOG_SHARED_LANES].flags, FAPILOG_LANE_REALTIME);
}

static void *take_the_lane(void *arg)
{
    FAPILOG_INFO(the_log, "mine");
    store_rel(&stage, 1);         /* order: release, pairs with the acquire in prepare_late() */
    while (load_acq(&stage) == 1) /* order: acquire, pairs with the release in prepare_late() */
        sched_yield();
    return arg;
}

/* Finds no lane at first, and one later. */
static void prepare_late(void *arg)
{
    pthread_t t;
    struct walk w[1];
    (void)arg;
    (void)open_with(1, 16384);
    if (walk_open_all(w, 1, getenv("FAPILOG_RING_DIR")) != 1 || pthread_create(&t, NULL, take_the_lane, NULL) != 0)
        _exit(9);
    while (load_acq(&stage) == 0) /* order: acquire, pairs with the release in take_the_lane() */
        sched_yield();
    FAPILOG_INFO(the_log, "shared");
    if (fapilog_prepare(the_log) != -EAGAIN)
        _exit(1);
    store_rel(&stage, 2); /* order: release, pairs with the acquire in take_the_lane() */
    if (pthread_join(t, NULL) != 0)
        _exit(2);
    walk_consume(w);
    const int r = fapilog_prepare(the_log);
    if (r != 0 && r != -ENOMEM && r != -EPERM) /* what may not be locked has been prepared else */
        _exit(3);
    FAPILOG_INFO(the_log, "own");
}

static void a_thread_that_found_no_lane_can_be_prepared_later(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, prepare_late, NULL);
    (void)check_books(&s->seg[0], 3, NULL, NULL);
    assert_int_equal(s->seg[0].lanes[FAPILOG_SHARED_LANES].flags, FAPILOG_LANE_REALTIME);
}

/* ---- many that wait --------------------------------------------------------------------------------------- */

static void *log_for_ever(void *arg)
{
    for (;;)
        FAPILOG_INFO(the_log, "filler", FL("n", (int)(intptr_t)arg));
    return NULL;
}

/* Lane 0 is for large records. */
static bool all_wait(const struct walk *w)
{
    for (uint32_t i = 1; i <= FAPILOG_SHARED_LANES; i++)
        if (!load_rlx(&w->lanes[i].waiting)) /* order: relaxed - it stays: nobody reads */
            return false;
    return true;
}

static uint64_t cpu_us(void)
{
    struct rusage r;
    if (getrusage(RUSAGE_SELF, &r) < 0)
        _exit(3);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static void stand_still(void *arg)
{
    const struct fapilog_options o = {
        .size = sizeof o, .lane_bytes = 16384, .lanes = 1, .on_full = FAPILOG_ON_FULL_BLOCK};
    struct walk w[1];
    pthread_t t;
    (void)arg;
    the_log = fapilog_open("svc", &o);
    if (walk_open_all(w, 1, getenv("FAPILOG_RING_DIR")) != 1)
        _exit(1);
    walk_beat(w);
    for (intptr_t i = 0; i < 8; i++)
        if (pthread_create(&t, NULL, log_for_ever, (void *)i) != 0)
            _exit(9);
    if (!SCENARIO_UNTIL((walk_beat(w), all_wait(w))))
        _exit(2);
    const uint64_t before = cpu_us(), until = clock_mono_ns() + NS_PER_S;
    for (; clock_mono_ns() < until; walk_beat(w))
        (void)poll(NULL, 0, 20);
    shared->calls = cpu_us() - before;
    _exit(all_wait(w) ? 0 : 4);
}

static void threads_that_wait_for_a_shared_lane_sleep(void **state)
{
    scenario_run(*state, stand_still, NULL);
    assert_in_range(shared->calls, 0, 300000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_drained_lane_is_claimed_again_with_the_next_generation),
        TEST(an_undrained_lane_is_left_alone),
        TEST(threads_beyond_the_lanes_share_and_bring_their_context),
        TEST(ten_thousand_short_threads_are_all_accounted_for),
        TEST(threads_that_end_beside_a_close_do_no_harm),
        TEST(a_storm_of_signals_loses_nothing_uncounted),
        TEST(a_forked_child_has_a_segment_of_its_own_with_the_same_ids),
        TEST(a_raw_clone_is_noticed_too),
        TEST(a_child_that_logs_nothing_makes_nothing),
        TEST(forks_amid_logging_threads_leave_every_segment_whole),
        TEST(a_child_may_close_and_open_without_the_parent_noticing),
        TEST(a_thread_of_a_child_may_be_the_first_to_log),
        TEST(contexts_are_freed_with_their_threads),
        TEST(a_prepared_thread_has_a_real_time_lane),
        TEST(a_thread_that_found_no_lane_can_be_prepared_later),
        TEST(threads_that_wait_for_a_shared_lane_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
