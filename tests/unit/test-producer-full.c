/* Full lanes, large records, a full registry: what is refused, and that it is counted. */
#include <fapilog/fapilog.h>

#include "lib/base/atomics.h"
#include "lib/base/clock.h"
#include "lib/ring/clock.h"
#include "tests/common/scenario.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LANE = 16384, BLOCK = 4096 };

/* What scenarios and the test tell each other. */
struct shared {
    volatile uint64_t calls;
    volatile uint64_t errors;
    volatile uint32_t stage;
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

static struct walk_totals walk_one(struct scenario *s, walk_func *f, void *arg)
{
    struct walk_totals t;
    assert_int_equal(s->segs, 1);
    if (!walk_run(&s->seg[0], f, arg, &t))
        fail_msg("%s", s->seg[0].error);
    return t;
}

static fapilog_t *open_small(uint32_t on_full)
{
    const struct fapilog_options o = {
        .size = sizeof o, .lane_bytes = LANE, .lanes = 2, .on_full = on_full, .registry_bytes = 1 << 16};
    return fapilog_open("svc", &o);
}

/* ---- discard ----------------------------------------------------------------------------------------- */

static void fill_discard(void *arg)
{
    fapilog_t *log = open_small(FAPILOG_ON_FULL_DISCARD);
    for (int i = 0; i < 1000; i++)
        FAPILOG_INFO(log, "info", FL("i", i), FL("j", i), FL("d", 0.5));
    for (int i = 0; i < 1000; i++)
        FAPILOG_ERROR(log, "error", FL("i", i), FL("j", i), FL("d", 0.5));
    fapilog_get_counters(log, &shared->counters);
    _exit(0);
}

static void count_errors(void *arg, const struct walk_record *r)
{
    *(uint64_t *)arg += r->level >= FAPILOG_LEVEL_ERROR;
}

static void a_full_lane_keeps_the_oldest_and_headroom_for_errors(void **state)
{
    uint64_t errors = 0;
    scenario_run(*state, fill_discard, NULL);
    const struct walk_totals t = walk_one(*state, count_errors, &errors);
    const uint64_t per_block = (BLOCK - 48) / 32;
    /* 3.5 blocks without the headroom of an eighth */
    const uint64_t infos = 3 * per_block + (BLOCK / 2 - 48) / 32;
    assert_int_equal(t.events, 4 * per_block);
    assert_int_equal(errors, 4 * per_block - infos);
    assert_int_equal(t.dropped, 2000 - t.events);
    assert_int_equal(t.dropped_bytes, 32 * t.dropped);
    assert_int_equal(shared->counters.written, t.events);
    assert_int_equal(shared->counters.dropped, t.dropped);
}

static void refill(void *arg)
{
    struct walk w;
    char path[512];
    fapilog_t *log = open_small(FAPILOG_ON_FULL_DISCARD);
    struct walk all[1];
    (void)path;
    if (walk_open_all(all, 1, getenv("FAPILOG_RING_DIR")) != 1)
        _exit(1);
    w = all[0];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 700; i++)
            FAPILOG_INFO(log, "r", FL("i", i));
        struct walk_totals t;
        if (!walk_run(&w, NULL, NULL, &t)) {
            fprintf(stderr, "%s\n", w.error);
            _exit(2);
        }
        shared->calls += t.events;
        walk_consume(&w);
        /* The block that is open has been counted, and will be again: take it off. */
        if (!walk_run(&w, NULL, NULL, &t))
            _exit(3);
        shared->calls -= t.events;
    }
    struct walk_totals t;
    if (!walk_run(&w, NULL, NULL, &t))
        _exit(4);
    shared->calls += t.events;
    fapilog_get_counters(log, &shared->counters);
    if (shared->counters.written + shared->counters.dropped != 50 * 700)
        _exit(5);
    _exit(0);
}

static void released_space_is_used_again_and_the_books_stay_exact(void **state)
{
    scenario_run(*state, refill, NULL);
    assert_int_equal(shared->counters.written, shared->calls);
    assert_true(shared->counters.dropped > 0);
}

/* ---- overwrite --------------------------------------------------------------------------------------- */

static void fill_overwrite(void *arg)
{
    fapilog_t *log = open_small(FAPILOG_ON_FULL_OVERWRITE);
    for (int i = 0; i < 5000; i++)
        FAPILOG_INFO(log, "o", FL("i", i), FL("j", i), FL("d", 0.5));
    _exit(0);
}

struct window {
    int first, last, count;
};

static void note_window(void *arg, const struct walk_record *r)
{
    struct window *w = arg;
    int i;
    memcpy(&i, r->args, sizeof i);
    if (w->count++ == 0)
        w->first = i;
    else
        assert_int_equal(i, w->last + 1);
    w->last = i;
}

static void a_flight_recorder_holds_the_newest_without_a_gap(void **state)
{
    struct window w = {0};
    scenario_run(*state, fill_overwrite, NULL);
    const struct walk_totals t = walk_one(*state, note_window, &w);
    assert_int_equal(w.last, 4999);
    assert_true(w.count > 3 * (BLOCK - 48) / 32);
    assert_int_equal(t.dropped, 0);
}

/* ---- block ------------------------------------------------------------------------------------------- */

static void fill_block(void *arg)
{
    fapilog_t *log = open_small(FAPILOG_ON_FULL_BLOCK);
    shared->stage = 1;
    while (shared->stage == 1) /* until the test has a heartbeat there */
        (void)poll(NULL, 0, 1);
    for (int i = 0; i < 20000; i++)
        FAPILOG_INFO(log, "b", FL("i", i));
    fapilog_get_counters(log, &shared->counters);
    _exit(0);
}

static void consume_slowly(struct walk *w)
{
    for (uint32_t i = 0; i < w->sb->lane_count; i++) {
        struct fapilog_lane_slot *slot = walk_slot(w, i);
        const uint64_t tail = load_acq(&w->lanes[i].tail); /* order: C2 acquire, pairs with C1 */
        if (tail - slot->head < BLOCK)
            continue;
        const uint64_t head = slot->head + BLOCK;
        store_rel(&slot->head, head); /* order: H1 release, pairs with H2 */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (load_rlx(&w->lanes[i].waiting)) /* order: relaxed - the fence above */
            syscall(SYS_futex, &slot->head, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

typedef uint64_t beat_func(void);

static void beat(struct walk *w, beat_func *next)
{
    store_rlx(&w->ctl->heartbeat_ns, next()); /* order: relaxed - a time stamp */
}

static void loses_nothing(struct scenario *s, beat_func *next)
{
    const pid_t pid = scenario_start(fill_block, NULL);
    assert_true(SCENARIO_UNTIL(shared->stage == 1));
    scenario_open(s);
    assert_int_equal(s->segs, 1);
    beat(&s->seg[0], next);
    shared->stage = 2;
    /* order: relaxed - a counter */
    assert_true(SCENARIO_UNTIL((beat(&s->seg[0], next), load_rlx(&s->seg[0].lanes[FAPILOG_SHARED_LANES].blocked))));
    while (waitpid(pid, &s->status, WNOHANG) == 0) {
        beat(&s->seg[0], next);
        consume_slowly(&s->seg[0]);
    }
    assert_int_equal(s->status, 0);
    assert_int_equal(shared->counters.written, 20000);
    assert_int_equal(shared->counters.dropped, 0);
    assert_true(shared->counters.blocked > 0);
}

static void a_blocking_producer_loses_nothing_while_the_collector_lives(void **state)
{
    loses_nothing(*state, clock_mono_ns);
}

static uint64_t an_hour_ahead(void)
{
    return clock_mono_ns() + 3600 * NS_PER_S;
}

static uint64_t just_booted(void)
{
    static uint64_t ns;
    return ++ns; /* changes, as it does every 400 ms */
}

static void a_collector_whose_clock_is_ahead_is_waited_for(void **state)
{
    loses_nothing(*state, an_hour_ahead);
}

static void a_collector_whose_clock_is_behind_is_waited_for(void **state)
{
    loses_nothing(*state, just_booted);
}

static void gives_up(struct scenario *s, beat_func *last)
{
    const pid_t pid = scenario_start(fill_block, NULL);
    assert_true(SCENARIO_UNTIL(shared->stage == 1));
    scenario_open(s);
    beat(&s->seg[0], last);
    shared->stage = 2;
    assert_true(SCENARIO_UNTIL(waitpid(pid, &s->status, WNOHANG) != 0));
    assert_int_equal(s->status, 0);
    assert_true(shared->counters.written > 0);
    assert_int_equal(shared->counters.written + shared->counters.dropped, 20000);
}

static void a_collector_whose_clock_was_ahead_is_given_up_when_it_is_gone(void **state)
{
    gives_up(*state, an_hour_ahead);
}

static void a_collector_that_has_been_gone_for_long_is_given_up(void **state)
{
    gives_up(*state, just_booted);
}

static void a_blocking_producer_without_a_collector_drops_at_once(void **state)
{
    struct scenario *s = *state;
    const pid_t pid = scenario_start(fill_block, NULL);
    assert_true(SCENARIO_UNTIL(shared->stage == 1));
    shared->stage = 2;
    scenario_wait(s, pid);
    assert_int_equal(s->status, 0);
    assert_true(shared->counters.written > 0);
    assert_int_equal(shared->counters.written + shared->counters.dropped, 20000);
}

/* ---- block, in a thread for which the library has no writer left --------------------------------------- */

enum {
    WRITERS = 1024, /* of a process with few lanes: see fapilogi_make_writers() */
    MANY_CALLS = 20000,
    HANDLED_MAX = 200,
};

static fapilog_t *many_log;
static pthread_barrier_t many_there;
static volatile uint64_t handled;
static char much[200000]; /* there is one lane for what is so large */

static void *take_a_writer(void *arg)
{
    FAPILOG_INFO(many_log, "here");
    (void)pthread_barrier_wait(&many_there);
    (void)pause();
    return arg;
}

static void log_in_handler(int sig)
{
    if (handled == HANDLED_MAX)
        return;
    handled++;
    FAPILOG_INFO(many_log, "handler", FL("sig", sig), FL_STRN("much", much, sizeof much));
}

static void *fill_as_one_too_many(void *arg)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGALRM);
    if (pthread_sigmask(SIG_UNBLOCK, &set, NULL) != 0)
        _exit(1);
    for (int i = 0; i < MANY_CALLS; i++)
        FAPILOG_INFO(many_log, "b", FL("i", i), FL_STRN("much", much, i % 100 ? 0 : sizeof much));
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        _exit(2);
    return arg;
}

/* *arg: how often a signal comes, in us; 0: never */
static void fill_from_many_threads(void *arg)
{
    const long us = *(const long *)arg;
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGALRM);
    const struct sigaction sa = {.sa_handler = log_in_handler};
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 || sigaction(SIGALRM, &sa, NULL) != 0)
        _exit(1);
    many_log = open_small(FAPILOG_ON_FULL_BLOCK);
    pthread_attr_t small;
    pthread_t t;
    if (pthread_attr_init(&small) != 0 || pthread_attr_setstacksize(&small, 128 << 10) != 0 ||
        pthread_barrier_init(&many_there, NULL, WRITERS + 1) != 0)
        _exit(2);
    for (int i = 0; i < WRITERS; i++)
        if (pthread_create(&t, &small, take_a_writer, NULL) != 0)
            _exit(77);
    (void)pthread_barrier_wait(&many_there);
    shared->stage = 1;
    while (shared->stage == 1) /* until the test has a heartbeat there */
        (void)poll(NULL, 0, 1);
    const struct itimerval often = {.it_interval = {0, us}, .it_value = {0, us}};
    if (setitimer(ITIMER_REAL, &often, NULL) != 0 || pthread_create(&t, NULL, fill_as_one_too_many, NULL) != 0 ||
        pthread_join(t, NULL) != 0)
        _exit(3);
    fapilog_get_counters(many_log, &shared->counters);
    shared->calls = WRITERS + MANY_CALLS + handled;
    shared->errors = handled;
    _exit(0);
}

static void run_many_threads(struct scenario *s, long us)
{
    const pid_t pid = scenario_start(fill_from_many_threads, &us);
    int status = 0;
    assert_true(SCENARIO_UNTIL(shared->stage == 1 || waitpid(pid, &status, WNOHANG) != 0));
    if (shared->stage != 1) {
        assert_int_equal(WEXITSTATUS(status), 77);
        skip(); /* may not start so many threads */
    }
    scenario_open(s);
    beat(&s->seg[0], clock_mono_ns);
    shared->stage = 2;
    const uint64_t start = clock_mono_ns();
    while (waitpid(pid, &s->status, WNOHANG) == 0) {
        beat(&s->seg[0], clock_mono_ns);
        consume_slowly(&s->seg[0]);
        if (clock_mono_ns() - start > 60 * NS_PER_S)
            (void)kill(pid, SIGKILL);
    }
    assert_int_equal(s->status, 0);
    assert_int_equal(shared->counters.written + shared->counters.dropped + shared->counters.orphaned, shared->calls);
}

static void a_thread_without_a_writer_blocks_too(void **state)
{
    run_many_threads(*state, 0);
    assert_int_equal(shared->counters.written, WRITERS + MANY_CALLS);
}

/* What a handler logs amid a call of such a thread is dropped where there is no room: it must not wait for the call. */
static void nor_does_it_wait_for_itself(void **state)
{
    run_many_threads(*state, 500);
    assert_in_range(shared->counters.dropped + shared->counters.orphaned, 0, shared->errors);
    assert_true(shared->errors > 0);
}

/* ---- large records ----------------------------------------------------------------------------------- */

static char text[3 << 20];
static uint32_t sizes[400];
static unsigned sizes_count;

static void add_sizes(uint32_t around, uint32_t from, uint32_t to)
{
    for (uint32_t n = around - from; n <= around + to; n++)
        sizes[sizes_count++] = n;
}

static void choose_sizes(void)
{
    sizes_count = 0;
    add_sizes(32768 - 48 - 16 - 4, 12, 12);  /* the largest that fits a block */
    add_sizes(32768, 4, 4);
    add_sizes(2 * (32768 - 64) - 24, 12, 12); /* ends of fragments */
    add_sizes(65536 - 20, 12, 12);           /* a quarter of the lane: then the jumbo lane */
    add_sizes(200000, 3, 3);
    add_sizes((1 << 20) - 4, 30, 12);        /* the limit of a record */
    sizes[sizes_count++] = sizeof text;
}

static void make_text(void)
{
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
}

static void log_large(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    struct walk w[1];
    if (walk_open_all(w, 1, getenv("FAPILOG_RING_DIR")) != 1)
        _exit(1);
    const char *mode = arg;
    for (unsigned i = 0; i < sizes_count; i++) {
        struct walk_totals t;
        FAPILOG_SCOPE(FL_REQUEST_ID("r"));
        if (*mode == 'd')
            (void)fapilog_log(log, FAPILOG_LEVEL_INFO, text, sizes[i], FAPILOG_FIELDS(FL("i", i)));
        else
            FAPILOG_INFO(log, "large", FL_STRN("t", text, sizes[i]), FL("i", i));
        FAPILOG_INFO(log, "after");
        if (!walk_run(w, NULL, NULL, &t)) {
            fprintf(stderr, "size %u: %s\n", sizes[i], w->error);
            _exit(2);
        }
        shared->calls += t.events;
        walk_consume(w);
        (void)walk_run(w, NULL, NULL, &t);
        shared->calls -= t.events;
    }
    fapilog_get_counters(log, &shared->counters);
    fapilog_close(log);
}

static void check_large(struct scenario *s, const char *mode)
{
    make_text();
    choose_sizes();
    scenario_run(s, log_large, (void *)(uintptr_t)mode);
    assert_int_equal(shared->counters.written, 2 * sizes_count);
    assert_int_equal(shared->counters.dropped + shared->counters.orphaned, 0);
    assert_in_range(shared->counters.truncated, 1, 60);
}

static void fragments_join_at_every_size_around_the_limits(void **state)
{
    check_large(*state, "site");
}

static void large_dynamic_records_join_too(void **state)
{
    check_large(*state, "dynamic");
}

static void log_cut(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    for (size_t i = 0; i < sizeof text - 1; i += 2) /* é */
        memcpy(text + i, "\xc3\xa9", 2);
    FAPILOG_INFO(log, "cut", FL("small", "kept"), FL_STRN("odd", text + 1, 2000001), FL_STRN("t", text, sizeof text));
    fapilog_close(log);
}

static void note_cut(void *arg, const struct walk_record *r)
{
    uint32_t len;
    assert_int_equal(r->flags & FAPILOG_FLAG_TRUNCATED, FAPILOG_FLAG_TRUNCATED);
    assert_in_range(r->args_len, FAPILOG_RECORD_BYTES_MAX - 32, FAPILOG_RECORD_BYTES_MAX);
    assert_memory_equal(r->args, "\4\0\0\0kept", 8);
    memcpy(&len, r->args + 8, 4);
    assert_int_equal(r->args[12], 0xa9);
    assert_int_equal(r->args[12 + len - 1], 0xa9); /* whole characters */
    const uint8_t *second = r->args + (12 + len + 3) / 4 * 4;
    memcpy(&len, second, 4);
    assert_int_equal(len % 2, 0);
    assert_true(len > 400000);
    ++*(int *)arg;
}

static void texts_beyond_the_limit_are_cut_at_a_character_and_marked(void **state)
{
    int n = 0;
    scenario_run(*state, log_cut, NULL);
    (void)walk_one(*state, note_cut, &n);
    assert_int_equal(n, 1);
    assert_int_equal(((struct scenario *)*state)->seg[0].sb->truncated, 1);
}

/* What lies behind one byte more than a record can hold must not be looked at: it is not there. */
static void log_endless(void *arg)
{
    enum { READABLE = FAPILOG_RECORD_BYTES_MAX + 4096 };
    fapilog_t *log = fapilog_open("svc", NULL);
    char *endless = mmap(NULL, READABLE + 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (endless == MAP_FAILED || mprotect(endless + READABLE, 4096, PROT_NONE) < 0)
        _exit(1);
    const struct fapilog_field field = {
        .name = {"t", 1}, .type = FAPILOG_TYPE_BYTES, .len = UINT32_MAX, .v.data = endless};
    if (fapilog_log(log, FAPILOG_LEVEL_INFO, "field", 5, &field, 1) != 0 ||
        fapilog_log(log, FAPILOG_LEVEL_INFO, endless, SIZE_MAX, NULL, 0) != 0)
        _exit(2);
    fapilog_close(log);
}

static void note_endless(void *arg, const struct walk_record *r)
{
    assert_int_equal(r->flags & FAPILOG_FLAG_TRUNCATED, FAPILOG_FLAG_TRUNCATED);
    ++*(int *)arg;
}

static void lengths_beyond_the_limit_read_no_further_than_it(void **state)
{
    int n = 0;
    scenario_run(*state, log_endless, NULL);
    (void)walk_one(*state, note_endless, &n);
    assert_int_equal(n, 2);
}

/* Names and stacks are not cut: what holds too much of them is refused, and a text beside them is cut. */
static void log_uncuttable(void *arg)
{
    enum { MANY = 17, STACK_MAX = FAPILOG_RECORD_BYTES_MAX - 8192 };
    fapilog_t *log = fapilog_open("svc", NULL);
    struct fapilog_field f[MANY];
    (void)arg;
    for (int i = 0; i < MANY; i++)
        f[i] = (struct fapilog_field){.name = {text, UINT16_MAX}, .type = FAPILOG_TYPE_NULL};
    if (fapilog_log(log, FAPILOG_LEVEL_INFO, "names", 5, f, MANY) != -EINVAL)
        _exit(1);
    f[0] = (struct fapilog_field){.type = FAPILOG_TYPE_STACK, .len = sizeof text / 8 * 8, .v.data = text};
    if (fapilog_log(log, FAPILOG_LEVEL_INFO, "stack", 5, f, 1) != -EINVAL)
        _exit(2);
    f[0].len = STACK_MAX;
    if (fapilog_log(log, FAPILOG_LEVEL_INFO, text, 65536, f, 1) != 0)
        _exit(3);
    fapilog_close(log);
}

static void note_fitting(void *arg, const struct walk_record *r)
{
    assert_int_equal(r->flags & FAPILOG_FLAG_TRUNCATED, FAPILOG_FLAG_TRUNCATED);
    assert_int_equal(r->fields_count, 1);
    assert_in_range(r->message_len, 1, 8192);
    ++*(int *)arg;
}

static void what_cannot_be_cut_is_refused(void **state)
{
    int n = 0;
    scenario_run(*state, log_uncuttable, NULL);
    const struct walk_totals t = walk_one(*state, note_fitting, &n);
    assert_int_equal(n, 1);
    assert_int_equal(t.events, 1);
}

/* ---- registry ---------------------------------------------------------------------------------------- */

#define REPEAT4(...) __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__
#define REPEAT16(...) REPEAT4(__VA_ARGS__) REPEAT4(__VA_ARGS__) REPEAT4(__VA_ARGS__) REPEAT4(__VA_ARGS__)
#define REPEAT64(...) REPEAT16(__VA_ARGS__) REPEAT16(__VA_ARGS__) REPEAT16(__VA_ARGS__) REPEAT16(__VA_ARGS__)

static void fill_registry(void *arg)
{
    const struct fapilog_options o = {.size = sizeof o, .registry_bytes = 4096};
    fapilog_t *log = fapilog_open("svc", &o);
    REPEAT64(FAPILOG_INFO(log, "a site of its own", FL("field", 1)); shared->calls++;)
    for (int i = 0; i < 100; i++)
        if (fapilog_with(log, FAPILOG_FIELDS(FL("n", i), FL("filler", "0123456789012345678901234567890123456789")))
            == log)
            shared->errors++;
    fapilog_get_counters(log, &shared->counters);
    fapilog_close(log);
}

static void a_full_registry_refuses_and_counts_records(void **state)
{
    scenario_run(*state, fill_registry, NULL);
    const struct walk_totals t = walk_one(*state, NULL, NULL);
    assert_true(t.events < shared->calls);
    assert_true(shared->errors > 0);
    assert_int_equal(t.events + shared->counters.unregistered, shared->calls);
}

/* ---- what a call returns ------------------------------------------------------------------------------ */

static unsigned long pages_mapped(void)
{
    char line[128] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f || !fgets(line, sizeof line, f) || fclose(f) != 0)
        _exit(2);
    return strtoul(line, NULL, 10);
}

/* They are put together in memory of their own: written or refused, that is given back. */
static void log_large_and_count(void *arg)
{
    (void)arg;
    fapilog_t *log = open_small(FAPILOG_ON_FULL_DISCARD);
    FAPILOG_INFO(log, "first", FL_STRN("t", text, BLOCK));
    const unsigned long before = pages_mapped();
    for (int i = 0; i < 1000; i++) {
        FAPILOG_INFO(log, "own lane", FL_STRN("t", text, BLOCK - 200));
        FAPILOG_INFO(log, "shared lane", FL_STRN("t", text, 3 * BLOCK));
    }
    fapilog_get_counters(log, &shared->counters);
    _exit(before == 0 || pages_mapped() > before + 100);
}

static void large_records_leave_no_memory_behind(void **state)
{
    scenario_run(*state, log_large_and_count, NULL);
    assert_true(shared->counters.written > 10 && shared->counters.dropped > 10);
}

static void log_and_look(void *arg)
{
    /* In place, as a chain, and in the lane of large ones. */
    static const size_t sizes[] = { 20, BLOCK - 300, BLOCK + 300, LANE };
    static char text[LANE];
    fapilog_t *log = open_small(FAPILOG_ON_FULL_DISCARD);
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 4000; i++) {
        const int r = fapilog_log(log, FAPILOG_LEVEL_INFO, text, sizes[i % 4], NULL, 0);
        shared->calls += r == 0;
        shared->errors += r == -ENOBUFS;
    }
    fapilog_get_counters(log, &shared->counters);
    _exit(0);
}

static void a_call_that_returns_0_has_written_its_record(void **state)
{
    shared->calls = shared->errors = 0;
    scenario_run(*state, log_and_look, NULL);
    const struct walk_totals t = walk_one(*state, NULL, NULL);
    assert_true(shared->errors > 0);
    assert_int_equal(shared->calls + shared->errors, 4000);
    assert_int_equal(shared->calls, t.events);
    assert_int_equal(shared->calls, shared->counters.written);
    assert_int_equal(shared->errors, shared->counters.dropped + shared->counters.orphaned);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_full_lane_keeps_the_oldest_and_headroom_for_errors),
        TEST(released_space_is_used_again_and_the_books_stay_exact),
        TEST(a_flight_recorder_holds_the_newest_without_a_gap),
        TEST(a_blocking_producer_loses_nothing_while_the_collector_lives),
        TEST(a_collector_whose_clock_is_ahead_is_waited_for),
        TEST(a_collector_whose_clock_is_behind_is_waited_for),
        TEST(a_collector_whose_clock_was_ahead_is_given_up_when_it_is_gone),
        TEST(a_collector_that_has_been_gone_for_long_is_given_up),
        TEST(a_blocking_producer_without_a_collector_drops_at_once),
        TEST(a_thread_without_a_writer_blocks_too),
        TEST(nor_does_it_wait_for_itself),
        TEST(fragments_join_at_every_size_around_the_limits),
        TEST(a_call_that_returns_0_has_written_its_record),
        TEST(large_records_leave_no_memory_behind),
        TEST(large_dynamic_records_join_too),
        TEST(texts_beyond_the_limit_are_cut_at_a_character_and_marked),
        TEST(lengths_beyond_the_limit_read_no_further_than_it),
        TEST(what_cannot_be_cut_is_refused),
        TEST(a_full_registry_refuses_and_counts_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
