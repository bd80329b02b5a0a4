/* Kills logging processes at random moments and balances the books: what was called is committed or counted as
 * refused, but for at most one call in flight per thread. Some have lanes so large that they never fill, some a
 * reader that gives room, some neither, so that kills come in accepting lanes, in full ones, in waiting threads and
 * between laps.
 * FAPILOG_TEST_KILLS says how often (default 90), FAPILOG_TEST_SEED makes a run repeat its delays. */
#include <fapilog/fapilog.h>

#include "lib/base/check.h"
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
    volatile uint32_t stage;
};
static struct shared *shared;
static fapilog_t *the_log;

/* A round: what is logged into, and whether somebody reads. */
struct round {
    uint32_t on_full;
    uint64_t lane_bytes;
    bool has_reader;
    unsigned pause; /* calls of a thread before it rests a moment, 0: never */
    unsigned delay_us;
};

static struct round the_round; /* the child's */

/* Of all rounds. */
struct sums {
    uint64_t calls, refused;
    unsigned rounds, accepting, waited, overwritten;
};

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
        if (the_round.pause && i % the_round.pause == 0)
            (void)nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    return NULL;
}

static void child(void *arg)
{
    the_round = *(const struct round *)arg;
    const struct fapilog_options o = {
        .size = sizeof o, .lane_bytes = the_round.lane_bytes, .lanes = 2, .on_full = the_round.on_full};
    the_log = fapilog_open("kill", &o);
    shared->stage = 1;
    while (shared->stage != 2) /* until there is a reader's heartbeat, which a thread that waits for room looks at */
        (void)poll(NULL, 0, 1);
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, load, (void *)i) != 0)
            _exit(1);
    }
    shared->stage = 3;
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

/* What was overwritten or taken counts as well: the blocks that are there say how many events came before them. */
static void check_books(struct walk *w, const struct round *r, struct sums *sums)
{
    struct walk_totals t;
    uint64_t begun = 0, finished = 0;
    if (!walk_run(w, NULL, NULL, &t))
        fail_msg("%s", w->error);
    for (int i = 0; i < THREADS; i++) {
        begun += shared->thread[i].begun;
        finished += shared->thread[i].finished;
    }
    const uint64_t refused = t.dropped + w->sb->orphan_dropped;
    assert_true(begun - finished <= THREADS);
    assert_in_range(t.committed + refused, finished, begun);
    if (r->on_full == FAPILOG_ON_FULL_OVERWRITE)
        sums->overwritten += t.events < t.committed;
    else if (!r->has_reader)
        assert_int_equal(t.events, t.committed);
    if (r->on_full != FAPILOG_ON_FULL_DISCARD)
        assert_int_equal(t.dropped, 0);
    sums->calls += begun;
    sums->refused += refused;
    sums->rounds++;
}

/* Whether a lane of a thread could have taken the next record when the process died, and whether a thread waited. */
static void look_at_lanes(struct walk *w, struct sums *sums)
{
    bool has_room = false, waits = false;
    for (uint32_t i = FAPILOG_SHARED_LANES; i < w->sb->lane_count; i++) {
        const struct fapilog_lane *const l = &w->lanes[i];
        const uint64_t block = UINT64_C(1) << l->block_log2, end = (l->tail + block - 1) & ~(block - 1);
        has_room |= l->mode == FAPILOG_MODE_OVERWRITE ||
                    end + block + l->headroom <= walk_slot(w, i)->head + (UINT64_C(1) << l->cap_log2);
        waits |= l->waiting != 0;
    }
    sums->accepting += has_room;
    sums->waited += waits;
}

static void read_along(struct walk *w, unsigned delay_us)
{
    const uint64_t start = clock_mono_ns(), until = start + delay_us * UINT64_C(1000);
    do {
        walk_beat(w);
        if (!walk_take(w, NULL, NULL, NULL))
            fail_msg("%s", w->error);
        assert_true(clock_mono_ns() - start < 10 * NS_PER_S);
    } while (shared->stage != 3 || clock_mono_ns() < until);
}

static void kill_once(const struct round *r, struct sums *sums)
{
    struct scenario s;
    scenario_init(&s);
    memset(shared, 0, sizeof *shared);
    const pid_t pid = scenario_start(child, (void *)(uintptr_t)r);
    assert_true(SCENARIO_UNTIL(shared->stage == 1));
    scenario_open(&s);
    assert_int_equal(s.segs, 1);
    walk_beat(&s.seg[0]);
    shared->stage = 2;
    if (r->has_reader)
        read_along(&s.seg[0], r->delay_us);
    else if (SCENARIO_UNTIL(shared->stage == 3))
        (void)nanosleep(&(struct timespec){.tv_nsec = r->delay_us * 1000L}, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    scenario_wait(&s, pid);
    check_dead(&s.seg[0]);
    check_books(&s.seg[0], r, sums);
    look_at_lanes(&s.seg[0], sums);
    scenario_done(&s);
}

static unsigned long number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

/* The policies in turns, each in all settings; without a reader nobody waits for room. */
static struct round round_of(unsigned long i)
{
    static const struct round settings[] = {
        {.lane_bytes = 1 << 18, .has_reader = true, .pause = 400},
        {.lane_bytes = 1 << 23},
        {.lane_bytes = 1 << 20, .has_reader = true},
        {.lane_bytes = 1 << 18},
    };
    struct round r = settings[i / 3 % ARRAY_COUNT(settings)];
    r.on_full = i % 3 == 0 ? FAPILOG_ON_FULL_OVERWRITE : i % 3 == 1 ? FAPILOG_ON_FULL_DISCARD : FAPILOG_ON_FULL_BLOCK;
    r.has_reader = r.on_full == FAPILOG_ON_FULL_BLOCK || (r.has_reader && r.on_full == FAPILOG_ON_FULL_DISCARD);
    r.delay_us = (unsigned)random() % 3000;
    return r;
}

static void a_killed_process_leaves_whole_records_and_exact_books(void **state)
{
    const unsigned long kills = number("FAPILOG_TEST_KILLS", 90);
    const unsigned long seed = number("FAPILOG_TEST_SEED", clock_mono_ns() & 0xffffff);
    struct sums sums = {0};
    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    print_message("FAPILOG_TEST_SEED=%lu\n", seed);
    srandom((unsigned)seed);
    for (unsigned long i = 0; i < kills; i++) {
        const struct round r = round_of(i);
        kill_once(&r, &sums);
    }
    (void)munmap(shared, sizeof *shared);
    print_message("%u kills: %u while a lane had room, %u while a thread waited, %u after a lap was overwritten; "
                  "%.1f M calls, %.0f %% refused\n", sums.rounds, sums.accepting, sums.waited, sums.overwritten,
                  (double)sums.calls / 1e6, 100.0 * (double)sums.refused / (double)sums.calls);
    assert_true(sums.accepting * 2 > sums.rounds && sums.waited > 0 && sums.overwritten > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_killed_process_leaves_whole_records_and_exact_books)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
