/* What can only be seen or set from inside the library, or with a hand on the machine: another clock, the bell,
 * a full file system, errno. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/anchor.h"
#include "lib/ring/clock.h"
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
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static struct walk_totals walk_one(struct scenario *s)
{
    struct walk_totals t;
    assert_int_equal(s->segs, 1);
    if (!walk_run(&s->seg[0], NULL, NULL, &t))
        fail_msg("%s", s->seg[0].error);
    return t;
}

static struct walk *own_segment(void)
{
    static struct walk w[1];
    if (walk_open_all(w, 1, getenv("FAPILOG_RING_DIR")) != 1)
        _exit(90);
    return w;
}

/* ---- clock ------------------------------------------------------------------------------------------- */

static void log_with_another_clock(void *arg)
{
    process.clock_kind = FAPILOG_CLOCK_MONOTONIC;
    fapilog_t *log = fapilog_open("svc", NULL);
    for (int i = 0; i < 3000; i++)
        FAPILOG_INFO(log, "i", FL("i", i));
    FAPILOG_ERROR(log, "urgent");
    fapilog_close(log);
}

static void note_time(void *arg, const struct walk_record *r)
{
    uint64_t *last = arg;
    assert_true(r->cycles >= *last);
    *last = r->cycles;
}

static void without_a_trusted_counter_records_hold_the_monotonic_clock(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    uint64_t last = clock_mono_ns();
    scenario_run(s, log_with_another_clock, NULL);
    assert_int_equal(s->seg[0].sb->clock_kind, FAPILOG_CLOCK_MONOTONIC);
    assert_int_equal(s->seg[0].sb->counter_hz, 1000000000);
    assert_true(walk_run(&s->seg[0], note_time, &last, &t));
    assert_int_equal(t.events, 3001);
    assert_in_range(last, 1, clock_mono_ns());
}

static void anchors_agree_with_the_clocks(void **state)
{
    (void)state;
    const uint32_t kind = clock_detect();
    const struct clock_anchor a = clock_anchor_take(kind, 8);
    const uint64_t start = clock_mono_ns();
    while (clock_mono_ns() - start < 20 * NS_PER_MS)
        ;
    const struct clock_anchor b = clock_anchor_take(kind, 8);
    const uint64_t hz = clock_hz(&a, &b);
    assert_true(hz > 1000000);
    const uint64_t by_real = b.real_ns - a.real_ns, by_mono = b.mono_ns - a.mono_ns;
    assert_true(by_real - by_mono + 100000 < 200000); /* no clock was set meanwhile */
    assert_int_equal(clock_hz(&a, &a), 0);
}

/* The header of the block that the calling thread has open. */
static const struct fapilog_block *open_block(void)
{
    const struct writer *w = self_writer();
    return (const struct fapilog_block *)(const void *)(w->hot.data + ((block_end(w) - w->block) & w->hot.mask));
}

static const struct fapilog_block *next_block(fapilog_t *log)
{
    const uint64_t end = block_end(self_writer());
    while (block_end(self_writer()) == end)
        FAPILOG_INFO(log, "filler", FL("i", 1));
    return open_block();
}

static void open_blocks(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", &(struct fapilog_options){.size = sizeof(struct fapilog_options),
                                                                   .on_full = FAPILOG_ON_FULL_OVERWRITE});
    FAPILOG_INFO(log, "first");
    struct writer *w = self_writer();
    const uint64_t first = open_block()->cycles;
    if (!first || first > clock_now(process.clock_kind))
        _exit(1);
    w->anchor_cycles = UINT64_MAX; /* however slow this machine is */
    if (next_block(log)->cycles != first || next_block(log)->cycles != first)
        _exit(2);
    w->anchor_cycles = 0;
    const uint64_t second = next_block(log)->cycles;
    if (second <= first || second > clock_now(process.clock_kind))
        _exit(3);
    for (int i = 0; i < 20; i++) { /* ever longer, up to four seconds */
        w->anchor.cycles = 1;
        (void)next_block(log);
    }
    if (w->anchor_cycles > process.counter_hz * 4 || w->anchor_cycles < process.counter_hz * 2)
        _exit(4);
    fapilog_close(log);
}

static void open_beside_an_anchor(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", &(struct fapilog_options){.size = sizeof(struct fapilog_options),
                                                                   .on_full = FAPILOG_ON_FULL_OVERWRITE});
    FAPILOG_INFO(log, "first");
    struct writer *w = self_writer();
    const uint64_t now = clock_now(process.clock_kind), second = process.counter_hz;
    w->anchor_cycles = second * 2;
    anchor_publish(process.ctl, now - second, 4711);
    w->anchor.cycles = 1;
    const struct fapilog_block *young = next_block(log);
    if (young->cycles != now - second || young->real_ns != 4711)
        _exit(1);
    w->anchor_cycles = second * 2;
    anchor_publish(process.ctl, now - second * 2, 4711);
    w->anchor.cycles = 1;
    const struct fapilog_block *old = next_block(log);
    if (old->cycles < now || old->real_ns == 4711)
        _exit(2);
    w->anchor_cycles = second * 2;
    anchor_publish(process.ctl, now + second * 60, 4711); /* of a counter that is ahead of ours */
    w->anchor.cycles = 1;
    const struct fapilog_block *ahead = next_block(log);
    if (ahead->cycles < now || ahead->real_ns == 4711)
        _exit(3);
    fapilog_close(log);
}

static void an_anchor_of_the_collector_is_taken_while_it_is_young(void **state)
{
    scenario_run(*state, open_beside_an_anchor, NULL);
    (void)walk_one(*state);
}

static void blocks_that_follow_soon_repeat_the_anchor(void **state)
{
    scenario_run(*state, open_blocks, NULL);
    (void)walk_one(*state);
}

/* A thread that logs little takes the memory of a block, one that goes on takes the rest in large steps. */
static void fill_first_lap(void *arg)
{
    (void)arg;
    enum { STEP = 256 << 10 };
    fapilog_t *log = fapilog_open("svc", &(struct fapilog_options){.size = sizeof(struct fapilog_options),
                                                                   .lane_bytes = 1 << 20,
                                                                   .on_full = FAPILOG_ON_FULL_OVERWRITE});
    FAPILOG_INFO(log, "first");
    const struct writer *w = self_writer();
    if (w->populated != w->block)
        _exit(1);
    uint64_t seen = w->block;
    for (int step = 0; step < 3; step++) {
        (void)next_block(log);
        seen += STEP;
        if (w->populated != seen)
            _exit(2);
        while (block_end(w) < seen)
            (void)next_block(log);
    }
    (void)next_block(log);
    if (w->populated != UINT64_MAX)
        _exit(3);
    fapilog_close(log);
}

static void memory_comes_as_it_is_needed(void **state)
{
    scenario_run(*state, fill_first_lap, NULL);
    (void)walk_one(*state);
}

/* What the collector has released is looked at when the last look has been used up, not before. */
static void open_beside_collector(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", NULL);
    struct walk *view = own_segment();
    FAPILOG_INFO(log, "first");
    (void)next_block(log);
    const struct writer *w = self_writer();
    struct fapilog_lane_slot *slot = walk_slot(view, w->index);
    const uint64_t much = w->cap / 4 + w->block;
    if (w->open_until != much)
        _exit(1);
    slot->head = w->block;
    while (block_end(w) < much)
        (void)next_block(log);
    if (w->open_until != much)
        _exit(2);
    (void)next_block(log);
    if (w->open_until != much + w->block || w->hot.limit[1] != block_end(w))
        _exit(3);
    while (w->lane->dropped == 0)
        FAPILOG_INFO(log, "filler", FL("i", 1));
    if (w->lane->tail > slot->head + w->cap - w->headroom || w->lane->tail + 64 < slot->head + w->cap - w->headroom)
        _exit(4);
    slot->head = w->lane->tail / w->block * w->block;
    FAPILOG_INFO(log, "there is room again");
    if (w->lane->dropped != 1)
        _exit(5);
    fapilog_close(log);
}

/* Records of `size` bytes and of one level, across two ends of a block. */
static void fill_blocks(fapilog_t *log, uint32_t level, const char *text, uint64_t size)
{
    const struct writer *w = self_writer();
    uint64_t before = w->hot.tail;
    for (int blocks = 0; blocks < 2; before = w->hot.tail) {
        const uint64_t end = block_end(w);
        FAPILOG_LOG(log, level, "filler", FL("text", text));
        const bool is_next = block_end(w) != end;
        if (w->hot.tail - (is_next ? end + sizeof(struct fapilog_block) : before) != size)
            _exit(1);
        if (is_next && end - before >= size)
            _exit(2); /* it had fitted in */
        blocks += is_next;
    }
}

static void look_ahead_and_go_on(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", &(struct fapilog_options){.size = sizeof(struct fapilog_options),
                                                                   .on_full = FAPILOG_ON_FULL_OVERWRITE});
    char text[4000];
    FAPILOG_INFO(log, "first");
    (void)next_block(log);
    for (uint64_t len = 4; len < sizeof text; len += 800) { /* with its length, at multiples of 8 */
        memset(text, 'x', sizeof text);
        text[len] = 0;
        fill_blocks(log, FAPILOG_LEVEL_INFO, text, 16 + len + 4);
        fill_blocks(log, FAPILOG_LEVEL_ERROR, text, 16 + len + 4);
    }
    fapilog_close(log);
}

static void looking_ahead_costs_no_room(void **state)
{
    scenario_run(*state, look_ahead_and_go_on, NULL);
    (void)walk_one(*state);
}

static void head_is_read_when_it_matters(void **state)
{
    scenario_run(*state, open_beside_collector, NULL);
}

/* A collector that has just died: for a moment longer it is waited for. */
static void wait_with_errno(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", &(struct fapilog_options){.size = sizeof(struct fapilog_options),
                                                                   .on_full = FAPILOG_ON_FULL_BLOCK});
    struct walk *w = own_segment();
    FAPILOG_INFO(log, "first");
    const struct fapilog_lane *lane = self_writer()->lane;
    w->ctl->heartbeat_ns = clock_mono_ns() - 1800 * NS_PER_MS;
    errno = 4711;
    while (!lane->dropped)
        FAPILOG_INFO(log, "filler", FL("i", 1));
    if (errno != 4711)
        _exit(1);
    if (lane->blocked == 0)
        _exit(2);
    fapilog_close(log);
}

static void waiting_for_room_keeps_errno(void **state)
{
    scenario_run(*state, wait_with_errno, NULL);
    (void)walk_one(*state);
}

/* ---- a signal at each instruction of the way to a new block ------------------------------------------ */

#if defined(__x86_64__)
enum { STEPS = 1500, TRAP_FLAG = 1 << 8 };

static volatile int steps_left;
static fapilog_t *stepped;

static void step_begin(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

/* The thread's own call is somewhere in the middle: this one finds the lane as it is just then. */
static void step(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    if (--steps_left > 0)
        return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    if (steps_left == 0)
        for (int i = 0; i < 3; i++)
            FAPILOG_INFO(stepped, "handler", FL("i", i));
}

static uint64_t records_in_block(const struct writer *w, uint64_t pos)
{
    uint64_t count = 0;
    for (uint64_t at = pos + sizeof(struct fapilog_block); at < pos + w->block && at < w->hot.tail;) {
        uint64_t word0;
        memcpy(&word0, w->hot.data + (at & w->hot.mask), sizeof word0);
        if (!word0)
            break;
        count++;
        at += FAPILOG_WORD0_SIZE(word0);
    }
    return count;
}

/* What has been committed since the block before the open one was begun is all there. */
static bool is_whole(const struct writer *w)
{
    const uint64_t open = block_end(w) - w->block, before = open - w->block;
    const struct fapilog_block *b = (const void *)(w->hot.data + (before & w->hot.mask));
    return b->pos == before && b->seq + records_in_block(w, before) + records_in_block(w, open) == w->hot.count;
}

/* With less than *arg bytes left in the block. */
static void interrupt_openings(void *arg)
{
    const uint64_t *left = arg;
    const struct sigaction on_begin = {.sa_sigaction = step_begin, .sa_flags = SA_SIGINFO};
    const struct sigaction on_step = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
    (void)sigaction(SIGUSR2, &on_begin, NULL);
    (void)sigaction(SIGTRAP, &on_step, NULL);
    stepped = fapilog_open("svc", &(struct fapilog_options){.size = sizeof(struct fapilog_options),
                                                            .lane_bytes = 1 << 14});
    struct walk *view = own_segment();
    FAPILOG_INFO(stepped, "first");
    const struct writer *w = self_writer();
    struct fapilog_lane_slot *slot = walk_slot(view, w->index);
    for (int k = 1; k <= STEPS; k++) {
        /* Its memory is there then. */
        for (int i = 0; w->hot.tail < w->cap || block_end(w) - w->hot.tail >= *left; i++) {
            FAPILOG_INFO(stepped, "filler", FL("i", i));
            slot->head = w->hot.tail / w->block * w->block; /* as a collector that keeps up */
        }
        steps_left = k;
        (void)raise(SIGUSR2);
        FAPILOG_INFO(stepped, "opens", FL("i", k));
        const bool is_behind = steps_left > 0; /* the call had fewer instructions: the rest is not its */
        steps_left = 0;
        FAPILOG_INFO(stepped, "last", FL("i", k));
        if (!is_whole(w))
            _exit(2);
        if (is_behind)
            break;
    }
    fapilog_close(stepped);
}

static void a_signal_in_the_midst_of_an_opening_loses_nothing(void **state)
{
    struct scenario *s = *state;
    enum { RECORD = 24 };
    uint64_t left[] = {RECORD, 1023 + RECORD}; /* the block is opened, the next one is looked ahead for */
    for (unsigned i = 0; i < 2; i++) {
        scenario_wait(s, scenario_start(interrupt_openings, &left[i]));
        assert_int_equal(s->status, 0);
    }
}
#endif

/* ---- bell -------------------------------------------------------------------------------------------- */

static void ring(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    struct walk *w = own_segment();
    w->ctl->bell = FAPILOG_BELL_SLEEPING;
    FAPILOG_INFO(log, "quiet");
    if (w->ctl->bell != FAPILOG_BELL_SLEEPING)
        _exit(1);
    FAPILOG_ERROR(log, "loud");
    if (w->ctl->bell != FAPILOG_BELL_RUNG)
        _exit(2);
    w->ctl->bell = FAPILOG_BELL_AWAKE;
    FAPILOG_ERROR(log, "nobody sleeps");
    if (w->ctl->bell != FAPILOG_BELL_AWAKE)
        _exit(3);
    w->ctl->bell = FAPILOG_BELL_SLEEPING;
    uint64_t tail = 0;
    for (int i = 0; w->ctl->bell == FAPILOG_BELL_SLEEPING; i++) {
        FAPILOG_INFO(log, "much", FL("i", i));
        tail = w->lanes[FAPILOG_SHARED_LANES].tail;
    }
    const struct writer *lane = self_writer();
    const uint64_t much = lane->cap / 4 + lane->block; /* that wait for certain: head is a block boundary */
    if (tail < much || tail > much + 100)
        _exit(4);
    w->ctl->bell = FAPILOG_BELL_SLEEPING;
    (void)fapilog_prepare(log);
    FAPILOG_ERROR(log, "a real-time lane never rings");
    for (int i = 0; i < 5000; i++)
        FAPILOG_INFO(log, "much", FL("i", i));
    if (w->ctl->bell != FAPILOG_BELL_SLEEPING)
        _exit(5);
}

static void the_bell_is_rung_by_errors_and_by_much_that_waits(void **state)
{
    scenario_run(*state, ring, NULL);
}

/* Records above a quarter of the lane go to one that real-time threads share with others. */
static void fill_as_real_time(void *arg)
{
    const struct fapilog_options o = {
        .size = sizeof o, .lane_bytes = 16384, .lanes = 1, .on_full = FAPILOG_ON_FULL_BLOCK};
    static char large[8000];
    struct fapilog_counters c = {0};
    (void)arg;
    fapilog_t *log = fapilog_open("svc", &o);
    struct walk *w = own_segment();
    (void)fapilog_prepare(log);
    w->ctl->bell = FAPILOG_BELL_SLEEPING;
    walk_beat(w);
    for (int i = 0; i < 100000 && c.dropped == 0; i++) {
        FAPILOG_INFO(log, "large", FL_STRN("text", large, sizeof large));
        fapilog_get_counters(log, &c);
    }
    if (c.written == 0 || c.dropped == 0)
        _exit(1);
    if (w->ctl->bell != FAPILOG_BELL_SLEEPING)
        _exit(2);
    _exit(c.blocked ? 3 : 0);
}

static void a_real_time_thread_neither_waits_nor_rings_with_large_records(void **state)
{
    scenario_run(*state, fill_as_real_time, NULL);
}

/* ---- what no reader would take ----------------------------------------------------------------------- */

/* As it would be if there were no memory for cutting it: past the look at names that fapilog_log() has. */
static void log_too_large(void *arg)
{
    enum { LEN = FAPILOG_RECORD_BYTES_MAX / 2 };
    const struct fapilog_options o = {.size = sizeof o, .lanes = 1, .lane_bytes = *(uint64_t *)arg};
    static uint64_t frames[LEN / 8];
    struct fapilog_field f[3];
    size_t list;
    fapilog_t *log = fapilog_open("svc", &o);
    for (int i = 0; i < 3; i++)
        f[i] = (struct fapilog_field){.type = FAPILOG_TYPE_STACK, .len = LEN, .v.data = (const char *)frames};
    if (!fapilogi_list_size(f, 3, &list))
        _exit(1);
    struct fapilogi_pending *p = fapilogi_begin_slow(
        log, FAPILOG_WORD0(0, FAPILOG_KIND_DYNAMIC, FAPILOG_LEVEL_INFO, 0, 0), sizeof(struct fapilog_dynamic) + list);
    if (!p)
        _exit(2);
    memcpy(p->args, &(struct fapilog_dynamic){.fields_count = 3}, sizeof(struct fapilog_dynamic));
    fapilogi_list_fill((uint8_t *)p->args + sizeof(struct fapilog_dynamic), f, 3);
    if (fapilogi_finish_slow(p))
        _exit(3);
    struct fapilog_counters c;
    fapilog_get_counters(log, &c);
    _exit(c.written == 0 && c.dropped + c.orphaned == 1 ? 0 : 4);
}

static void a_record_that_stays_too_large_is_counted_as_dropped(void **state)
{
    scenario_run(*state, log_too_large, &(uint64_t){0});
    assert_int_equal(walk_one(*state).events, 0);
}

static void so_it_is_where_the_lane_could_hold_it(void **state)
{
    scenario_run(*state, log_too_large, &(uint64_t){16 << 20});
    assert_int_equal(walk_one(*state).events, 0);
}

/* ---- limits of the machine ----------------------------------------------------------------------------- */

static void fill_file_system(void *arg)
{
    const struct fapilog_options o = {.size = sizeof o, .registry_bytes = 1 << 20, .ring_dir = arg};
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", arg, "tmpfs", 0, "size=192k,mode=0750") != 0)
        _exit(77);
    fapilog_t *log = fapilog_open("svc", &o);
    if (!fapilog_enabled(log, FAPILOG_LEVEL_ERROR))
        _exit(1); /* the segment itself must fit */
    for (int i = 0; i < 100000; i++)
        FAPILOG_INFO(log, "i", FL("i", i));
    for (int i = 0; i < 2000; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "logger.%d", i);
        (void)fapilog_logger(log, name);
    }
    struct fapilog_counters c;
    fapilog_get_counters(log, &c);
    if (c.written == 0 || c.dropped == 0 || c.written + c.dropped != 100000)
        _exit(2);
    _exit(0);
}

static void prepare_on_full_file_system(void *arg)
{
    const struct fapilog_options o = {.size = sizeof o, .lane_bytes = 1 << 20, .ring_dir = arg};
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", arg, "tmpfs", 0, "size=512k,mode=0750") != 0)
        _exit(77);
    fapilog_t *log = fapilog_open("svc", &o);
    if (!fapilog_enabled(log, FAPILOG_LEVEL_ERROR) || fapilog_prepare(log) != -ENOSPC)
        _exit(1);
    for (int i = 0; i < 100000; i++)
        FAPILOG_INFO(log, "i", FL("i", i));
    struct fapilog_counters c;
    fapilog_get_counters(log, &c);
    _exit(c.written == 0 || c.dropped == 0 || c.written + c.dropped != 100000 ? 2 : 0);
}

static void a_lane_without_memory_is_not_prepared(void **state)
{
    struct scenario *s = *state;
    scenario_wait(s, scenario_start(prepare_on_full_file_system, s->dir));
    if (WIFEXITED(s->status) && WEXITSTATUS(s->status) == 77)
        skip(); /* may not mount */
    assert_int_equal(s->status, 0);
}

static void a_full_file_system_is_a_full_lane_and_no_signal(void **state)
{
    struct scenario *s = *state;
    scenario_wait(s, scenario_start(fill_file_system, s->dir));
    if (WIFEXITED(s->status) && WEXITSTATUS(s->status) == 77)
        skip(); /* may not mount */
    assert_int_equal(s->status, 0);
}

static void open_with_a_small_file_limit(void *arg)
{
    const struct rlimit small = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_FSIZE, &small) != 0)
        _exit(1);
    (void)!freopen("/dev/null", "w", stderr);
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "nothing");
    fapilog_close(log);
}

static void a_file_size_limit_is_no_signal_either(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, open_with_a_small_file_limit, NULL);
    assert_int_equal(s->segs, 0);
}

static void log_under_errno(void *arg)
{
    static char text[100000];
    const struct fapilog_options o = {.size = sizeof o, .lane_bytes = 16384, .lanes = 1};
    fapilog_t *log = fapilog_open("svc", &o);
    errno = 42;
    for (int i = 0; i < 2000 && errno == 42; i++)
        FAPILOG_ERROR(log, "full at some time", FL("i", i), FL_STRN("t", text, i == 5 || i == 1999 ? sizeof text : 3));
    (void)fapilog_log(log, FAPILOG_LEVEL_INFO, "x", 1, NULL, 0);
    const pid_t pid = fork();
    if (pid == 0) {
        errno = 42;
        FAPILOG_INFO(log, "child");
        _exit(errno != 42);
    }
    int status, saved = errno;
    if (waitpid(pid, &status, 0) != pid || status != 0 || saved != 42)
        _exit(1);
}

static void no_call_changes_errno(void **state)
{
    scenario_run(*state, log_under_errno, NULL);
}

/* ---- where everything lies ------------------------------------------------------------------------------ */

enum { TABLE_REACH = 2 << 20, TABLE_LINE_REACH = 32 << 10 }; /* of the page tables, of pages of 4 KiB */

static bool is_within(uintptr_t reach, const void *a, const void *b)
{
    return (uintptr_t)a / reach == (uintptr_t)b / reach;
}

static bool lies_together(const fapilog_t *log)
{
    const struct writer *w = self_writer();
    return is_within(TABLE_LINE_REACH, log, log->level) && is_within(TABLE_LINE_REACH, log, w) &&
           is_within(TABLE_REACH, w->hot.shared_tail, w->hot.data) &&
           is_within(TABLE_REACH, w->hot.data, w->hot.data + w->cap - 1);
}

static void log_and_look(void *arg)
{
    (void)arg;
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "parent");
    if (!lies_together(log))
        _exit(1);
    const pid_t pid = fork();
    if (pid == 0) {
        FAPILOG_INFO(log, "child");
        _exit(!lies_together(log));
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        _exit(2);
    fapilog_close(log);
    log = fapilog_open("svc", NULL);
    if (process.area->base != process.segment_place) /* the thread's lane may be the next one */
        _exit(3);
    fapilog_close(log);
}

static void what_a_call_looks_at_shares_page_tables(void **state)
{
    scenario_run(*state, log_and_look, NULL);
}

/* The place for a segment is only asked for. */
static void log_elsewhere(void *arg)
{
    (void)arg;
    fapilog_close(fapilog_open("svc", NULL));
    uint8_t *const taken = mmap(process.segment_place + 4096, 4096, PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "here");
    if (taken != process.segment_place + 4096 || process.area->base == process.segment_place ||
        self_writer()->hot.count != 1)
        _exit(1);
}

static void a_segment_whose_place_is_taken_lies_elsewhere(void **state)
{
    scenario_run(*state, log_elsewhere, NULL);
}

/* ---- loggers ------------------------------------------------------------------------------------------- */

static void many_loggers(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    struct walk *w = own_segment();
    fapilog_t *last = log;
    const uintptr_t ctl = (uintptr_t)process.ctl;
    char name[32];
    if (ctl - (uintptr_t)log >= 4096)
        _exit(3); /* the page before the level words */
    for (int i = 1; i < FAPILOG_LOGGERS_MAX + 10; i++) {
        (void)snprintf(name, sizeof name, "logger.%d", i);
        last = fapilog_logger(log, name);
        if (last == log)
            _exit(1);
    }
    w->ctl->level[0] = FAPILOG_LEVEL_ERROR; /* the parent's word governs those without one */
    if (fapilog_enabled(last, FAPILOG_LEVEL_INFO) ||
        !fapilog_enabled(fapilog_logger(log, "logger.1"), FAPILOG_LEVEL_INFO))
        _exit(2);
    if (ctl - (uintptr_t)last <= LOGGERS_BYTES)
        _exit(4); /* that memory is used up */
    const pid_t pid = fork();
    if (pid == 0)
        _exit(fapilog_enabled(log, FAPILOG_LEVEL_INFO) || !fapilog_enabled(log, FAPILOG_LEVEL_ERROR));
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        _exit(5);
    FAPILOG_ERROR(last, "here");
}

static void loggers_beyond_the_level_words_share_their_parents(void **state)
{
    scenario_run(*state, many_loggers, NULL);
    assert_int_equal(walk_one(*state).events, 1);
}

/* ---- a context in signal handlers ---------------------------------------------------------------------- */

static fapilog_t *handler_log;
static int refused;

static void handler(int sig)
{
    FAPILOG_SCOPE(FL("signal", sig));
    FAPILOG_INFO(handler_log, "in a handler");
}

static void context_storm(void *arg)
{
    struct sigaction sa = {.sa_handler = handler};
    handler_log = fapilog_open("svc", NULL);
    if (sigaction(SIGALRM, &sa, NULL) != 0)
        _exit(1);
    const struct itimerval often = {.it_interval = {0, 100}, .it_value = {0, 100}};
    (void)setitimer(ITIMER_REAL, &often, NULL);
    const uint64_t until = clock_mono_ns() + 300 * NS_PER_MS;
    for (int i = 0; clock_mono_ns() < until; i++) {
        FAPILOG_SCOPE(FL("i", i), FL("text", "bound"));
        if (fapilog_set_user_id("u") != 0)
            refused++;
        FAPILOG_DEBUG(handler_log, "off");
        if (i % 100 == 0)
            FAPILOG_INFO(handler_log, "main");
    }
    if (refused)
        _exit(2); /* only a handler can find a change under way */
    _exit(0);
}

static void handlers_bind_contexts_while_the_thread_does(void **state)
{
    scenario_run(*state, context_storm, NULL);
    (void)walk_one(*state);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scenario_setup, scenario_teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_a_trusted_counter_records_hold_the_monotonic_clock),
        TEST(anchors_agree_with_the_clocks),
        TEST(blocks_that_follow_soon_repeat_the_anchor),
        TEST(an_anchor_of_the_collector_is_taken_while_it_is_young),
        TEST(memory_comes_as_it_is_needed),
        TEST(head_is_read_when_it_matters),
        TEST(looking_ahead_costs_no_room),
        TEST(waiting_for_room_keeps_errno),
#if defined(__x86_64__)
        TEST(a_signal_in_the_midst_of_an_opening_loses_nothing),
#endif
        TEST(the_bell_is_rung_by_errors_and_by_much_that_waits),
        TEST(a_real_time_thread_neither_waits_nor_rings_with_large_records),
        TEST(a_record_that_stays_too_large_is_counted_as_dropped),
        TEST(so_it_is_where_the_lane_could_hold_it),
        TEST(a_full_file_system_is_a_full_lane_and_no_signal),
        TEST(a_lane_without_memory_is_not_prepared),
        TEST(a_file_size_limit_is_no_signal_either),
        TEST(no_call_changes_errno),
        TEST(what_a_call_looks_at_shares_page_tables),
        TEST(a_segment_whose_place_is_taken_lies_elsewhere),
        TEST(loggers_beyond_the_level_words_share_their_parents),
        TEST(handlers_bind_contexts_while_the_thread_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
