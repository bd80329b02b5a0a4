/* Stops a logging process at every single instruction and looks at its segment: whatever it was killed at,
 * every committed record is complete and the books are exact.
 *
 *     calls finished <= committed + refused <= calls finished + 1 */
#include <fapilog/fapilog.h>

#include "lib/base/atomics.h"
#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    volatile uint64_t finished; /* calls */
    volatile uint32_t drain;    /* the child asks for room */
};
static struct shared *shared;

static void open_log(fapilog_t **ret, uint32_t on_full)
{
    const struct fapilog_options o = {
        .size = sizeof o, .lane_bytes = 16384, .lanes = 1, .registry_bytes = 8192, .on_full = on_full};
    *ret = fapilog_open("step", &o);
}

#define CALL(...) do { __VA_ARGS__; shared->finished++; } while (0)

static void calls(fapilog_t *log)
{
    static char text[5000];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 3; i++)
        CALL(FAPILOG_INFO(log, "plain", FL("i", i), FL("j", i), FL("d", 0.5)));
    CALL(FAPILOG_INFO(log, "text", FL("a", "short"), FL_STRN("b", text, 100)));
    CALL(FAPILOG_ERROR(log, "urgent", FL_ERRNO("error", EIO)));
    {
        FAPILOG_SCOPE(FL_REQUEST_ID("r-1"), FL("n", 1));
        CALL(FAPILOG_INFO(log, "in a scope", FL("n", 2)));
        CALL(FAPILOG_INFOF(log, "%s of %d", "formatted", 3));
        CALL((void)fapilog_log(log, FAPILOG_LEVEL_INFO, "dynamic", 7, FAPILOG_FIELDS(FL("n", 4))));
    }
    CALL(FAPILOG_INFO(log, "chain in the jumbo lane", FL_STRN("t", text, sizeof text)));
    CALL(FAPILOG_INFO(log, "chain in the own lane", FL_STRN("t", text, 4045)));
    for (int i = 0; i < 4; i++) /* over the end of a block, and of the lane */
        CALL(FAPILOG_INFO(log, "large", FL_STRN("t", text, 3500)));
    shared->drain = 1;
    for (int i = 0; i < 3; i++)
        CALL(FAPILOG_INFO(log, "after room was made", FL_STRN("t", text, 3500)));
}

static void child(void *arg)
{
    fapilog_t *log;
    open_log(&log, (uint32_t)(uintptr_t)arg);
    (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    (void)raise(SIGSTOP);
    calls(log);
    _exit(0);
}

enum { WAIT_STEPS = 500 }; /* the way into the futex, and for as long as it sleeps */

struct walker {
    struct walk *w;
    uint32_t on_full;
    uint64_t steps;
    uint64_t waited; /* of these since a thread began to wait for room */
    unsigned drains;
};

/* In every lane the blocks say how many events came before them, whatever has become of those. */
static void check(struct walker *k)
{
    struct walk_totals t;
    const uint64_t finished = shared->finished;
    if (!walk_run(k->w, NULL, NULL, &t))
        fail_msg("after %llu steps, %llu calls: %s", (unsigned long long)k->steps, (unsigned long long)finished,
                 k->w->error);
    const uint64_t booked = t.committed + t.dropped + load_rlx(&k->w->sb->orphan_dropped);
    if (booked < finished || booked > finished + 1)
        fail_msg("after %llu steps: %llu calls, %llu in the books", (unsigned long long)k->steps,
                 (unsigned long long)finished, (unsigned long long)booked);
}

static bool is_waiting(const struct walk *w)
{
    for (uint32_t i = 0; i < w->sb->lane_count; i++)
        if (load_rlx(&w->lanes[i].waiting)) /* order: relaxed - the process is stopped */
            return true;
    return false;
}

/* A reader that is alive, and late. */
static void read_along(struct walker *k)
{
    walk_beat(k->w);
    k->waited = is_waiting(k->w) ? k->waited + 1 : 0;
    const bool is_due = k->on_full == FAPILOG_ON_FULL_BLOCK ? k->waited == WAIT_STEPS : shared->drain;
    if (!is_due || k->on_full == FAPILOG_ON_FULL_OVERWRITE)
        return;
    if (!walk_take(k->w, NULL, NULL, NULL))
        fail_msg("after %llu steps: %s", (unsigned long long)k->steps, k->w->error);
    shared->drain = 0;
    k->drains++;
}

static struct walker step_through(struct scenario *s, uint32_t on_full)
{
    const pid_t pid = scenario_start(child, (void *)(uintptr_t)on_full);
    scenario_wait(s, pid);
    assert_true(WIFSTOPPED(s->status));
    scenario_open(s);
    assert_int_equal(s->segs, 1);
    struct walker k = {.w = &s->seg[0], .on_full = on_full};
    for (;; k.steps++) {
        read_along(&k);
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
            fail_msg("ptrace: %s", strerror(errno));
        scenario_wait(s, pid);
        if (!WIFSTOPPED(s->status))
            break;
        assert_int_equal(WSTOPSIG(s->status), SIGTRAP);
        check(&k);
    }
    assert_int_equal(s->status, 0);
    assert_true(k.steps > 5000);
    check(&k);
    print_message("%llu instructions, %llu calls, room was given %u times\n", (unsigned long long)k.steps,
                  (unsigned long long)shared->finished, k.drains);
    return k;
}

static int setup(void **state)
{
    struct scenario *s = malloc(sizeof *s);
    scenario_init(s);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    (void)munmap(shared, sizeof *shared);
    scenario_done(*state);
    free(*state);
    return 0;
}

static void discard_is_whole_at_every_instruction(void **state)
{
    assert_int_equal(step_through(*state, FAPILOG_ON_FULL_DISCARD).drains, 1);
}

static void overwrite_is_whole_at_every_instruction(void **state)
{
    (void)step_through(*state, FAPILOG_ON_FULL_OVERWRITE);
}

static void block_is_whole_at_every_instruction(void **state)
{
    struct walk_totals t;
    struct walker k = step_through(*state, FAPILOG_ON_FULL_BLOCK);
    assert_true(k.drains > 0);
    assert_true(walk_run(k.w, NULL, NULL, &t));
    assert_int_equal(t.dropped, 0);
    assert_int_equal(t.committed, shared->finished); /* who waits for a reader that lives loses nothing */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(discard_is_whole_at_every_instruction),
        TEST(overwrite_is_whole_at_every_instruction),
        TEST(block_is_whole_at_every_instruction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
