/* fork() in a signal handler that has interrupted a log call, at its instructions or some of the many: what the child
 * logs in the handler is in a segment of its own, and the parent's call goes on as if nothing had been. */
#include <fapilog/fapilog.h>

#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { LANE = 1 << 14, BLOCK = LANE / 4, CHILD_EVENTS = 3, TRAP_FLAG = 1 << 8 };

static volatile int steps_left;
static volatile pid_t forked;
static fapilog_t *stepped;
static char text[BLOCK];

static void step_begin(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void step(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    if (--steps_left > 0)
        return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    if (steps_left < 0)
        return;
    forked = fork();
    if (forked == 0) {
        for (int i = 0; i < CHILD_EVENTS; i++)
            FAPILOG_INFO(stepped, "child", FL("i", i));
        _exit(0);
    }
}

/* ---- what is interrupted ------------------------------------------------------------------------------- */

static void log_in_place(int k)
{
    FAPILOG_INFO(stepped, "in place", FL("k", k));
}

static void log_chain(int k)
{
    FAPILOG_INFO(stepped, "chain", FL("k", k), FL_STRN("text", text, BLOCK - 100));
}

static void log_in_shared_lane(int k)
{
    FAPILOG_INFO(stepped, "more than a quarter of the lane", FL("k", k), FL_STRN("text", text, BLOCK));
}

static void log_new_place(int k)
{
    const struct fapilog_location at = {{"file", 4}, {"function", 8}, (uint32_t)k, 0};
    (void)fapilog_log_at(stepped, FAPILOG_LEVEL_INFO, "its place is registered", 23, NULL, 0, &at);
}

static void log_with_new_context(int k)
{
    FAPILOG_SCOPE(FL("bound", k));
    FAPILOG_INFO(stepped, "context", FL("k", k));
}

struct way {
    void (*log)(int k);
    int stride;       /* of the instructions, where there are many */
    bool opens_block; /* each call does */
};

/* ---- the parent --------------------------------------------------------------------------------------- */

static uint64_t filler;

static void consume(struct walk *w)
{
    for (uint32_t i = 0; i < w->sb->lane_count; i++) {
        walk_slot(w, i)->done = w->lanes[i].tail;
        walk_slot(w, i)->head = w->lanes[i].tail / BLOCK * BLOCK;
    }
}

/* So that the next call opens a block, whose memory is there already. */
static void fill_block(struct walk *w)
{
    const struct fapilog_lane *lane = &w->lanes[FAPILOG_SHARED_LANES];
    while (lane->tail < LANE || BLOCK - lane->tail % BLOCK >= 24) {
        FAPILOG_INFO(stepped, "filler", FL("i", 1));
        filler++;
        consume(w);
    }
}

/* Removes the child's segment; false: it does not hold what the child has logged. */
static bool look_at_child(pid_t pid)
{
    char prefix[24], path[512];
    const int len = snprintf(prefix, sizeof prefix, "%d-", (int)pid);
    const char *const dir = getenv("FAPILOG_RING_DIR");
    DIR *d = opendir(dir);
    bool is_right = false;
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, prefix, (size_t)len) != 0)
            continue;
        struct walk w;
        struct walk_totals t;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        is_right = walk_open(&w, path) && walk_run(&w, NULL, NULL, &t) && t.events == CHILD_EVENTS && !t.dropped;
        walk_close(&w);
        (void)unlink(path);
    }
    (void)closedir(d);
    return is_right;
}

static void fork_at_each_instruction(void *arg)
{
    const struct way *way = arg;
    const struct sigaction on_begin = {.sa_sigaction = step_begin, .sa_flags = SA_SIGINFO};
    const struct sigaction on_step = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
    static struct walk w[1];
    struct walk_totals t;
    struct fapilog_counters c;
    (void)sigaction(SIGUSR2, &on_begin, NULL);
    (void)sigaction(SIGTRAP, &on_step, NULL);
    const struct fapilog_options o = {.size = sizeof o, .lane_bytes = LANE};
    stepped = fapilog_open("svc", &o);
    if (walk_open_all(w, 1, getenv("FAPILOG_RING_DIR")) != 1)
        _exit(1);
    FAPILOG_INFO(stepped, "first");
    uint64_t calls = 1;
    for (bool is_behind = false; !is_behind; calls++) {
        consume(w);
        if (way->opens_block)
            fill_block(w);
        forked = 0;
        steps_left = (int)calls * way->stride;
        (void)raise(SIGUSR2);
        way->log((int)calls);
        is_behind = steps_left > 0; /* the call had fewer instructions: the rest is not its */
        steps_left = 0;
        int status = 0;
        if (forked && (waitpid(forked, &status, 0) != forked || status != 0 || !look_at_child(forked)))
            _exit(2);
        if (!walk_run(w, NULL, NULL, &t))
            _exit(3);
    }
    fapilog_get_counters(stepped, &c);
    if (calls < 10 || c.written != calls + filler || c.dropped || c.orphaned || c.unregistered)
        _exit(4);
    fapilog_close(stepped);
}

static void a_fork_amid_a_call_disturbs_neither_parent_nor_child(void **state)
{
    struct scenario *s = *state;
    struct way ways[] = {
        {log_in_place, 2, false},        {log_in_place, 5, true},     {log_chain, 23, false},
        {log_in_shared_lane, 97, false}, {log_new_place, 11, false}, {log_with_new_context, 11, false},
    };
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        scenario_wait(s, scenario_start(fork_at_each_instruction, &ways[i]));
        if (s->status != 0)
            fail_msg("way %u: status %x", i, (unsigned)s->status);
    }
}
#endif

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scenario_setup, scenario_teardown)
    const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
        TEST(a_fork_amid_a_call_disturbs_neither_parent_nor_child),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
