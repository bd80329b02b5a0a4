/* Producers and a collector in one process, on the same addresses: ThreadSanitizer goes by addresses, and
 * would not connect the two mappings that they have of a segment in real life. The reader's segment is
 * therefore bent to the producer's mapping. Also an ordinary test: every record arrives once, whole, and
 * in its thread's order. */
#include "lib/producer/internal.h"
#include "lib/reader/lane.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    THREADS = 4,
    LANES = 3, /* fewer than threads: some share */
    RUN_MS = 1500,
    LARGE_BYTES = 24000, /* more than a block */
};

struct worker {
    fapilog_t *log;
    uint32_t index;
    uint32_t logged;
};

struct collector {
    struct segment *seg;
    const uint8_t *base;     /* of its own mapping */
    struct fapilog_ctl *ctl; /* the same */
    struct lane_cursor cursor[LANES + FAPILOG_SHARED_LANES];

    uint64_t received;
    uint32_t is_stopped;
};

static char large[LARGE_BYTES + 1];
static uint32_t is_over;

static bool is_set(const uint32_t *flag)
{
    return load_acq(flag) != 0; /* order: acquire, pairs with the release where it is set */
}

/* ---- producers ---- */

static void log_one(struct worker *w)
{
    const uint32_t n = w->logged++;
    switch (n % 64) {
    case 7:
        FAPILOG_INFO(w->log, "tick", FL("thread", w->index), FL("n", n), FL("text", large));
        break;
    case 13:
        FAPILOG_ERROR(w->log, "tick", FL("thread", w->index), FL("n", n));
        break;
    case 21:
        FAPILOG_INFOF(w->log, "%u %u", w->index, n);
        break;
    case 42: {
        const struct fapilog_field fields[] = {
            {.name = {"thread", 6}, .type = FAPILOG_TYPE_U32, .v.u64 = w->index},
            {.name = {"n", 1}, .type = FAPILOG_TYPE_U32, .v.u64 = n},
        };
        (void)fapilog_log(w->log, FAPILOG_LEVEL_INFO, "tick", 4, fields, 2);
        break;
    }
    default:
        FAPILOG_INFO(w->log, "tick", FL("thread", w->index), FL("n", n), FL("text", "abc"), FL("real", 0.5));
    }
}

static void *produce(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < 2000 && !is_set(&is_over); i++) {
        for (int k = 0; k < 5; k++) {
            FAPILOG_SCOPE(FL_REQUEST_ID("r-1"), FL("i", i));
            log_one(w);
        }
        log_one(w);
        if (i % 500 == 250) {
            char name[16];
            struct fapilog_counters counters;
            (void)snprintf(name, sizeof name, "sub%d", i / 500);
            FAPILOG_DEBUG(fapilog_logger(w->log, name), "not written");
            fapilog_get_counters(w->log, &counters);
            CHECK(fapilog_flush(w->log, 5 * NS_PER_S, NULL) == 0);
        }
    }
    return NULL;
}

/* Threads come and go: their lanes are claimed again by others. */
static void *produce_in_turns(void *arg)
{
    while (!is_set(&is_over)) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, produce, arg) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

/* ---- collector ---- */

static void collector_open(struct collector *c, const char *dir, const char *name)
{
    struct err e = {0};
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (segment_open(fd, name, SEGMENT_CTL_WRITE, NULL, &c->seg, &e) < 0)
        fail_msg("%s", e.text);
    (void)close(fd);
    c->base = c->seg->base;
    c->ctl = c->seg->ctl;
    c->seg->base = process.area->base;
    c->seg->ctl = process.ctl;
    c->seg->registry.base = process.registry;
    /* Alive from the first record on: the blocking policy does not wait for a collector that never was.
     * order: relaxed - a time stamp */
    store_rlx(&process.ctl->heartbeat_ns, clock_mono_ns());
    for (uint32_t i = 0; i < c->seg->lanes_count; i++)
        assert_int_equal(lane_cursor_init(&c->cursor[i], c->seg, i, 0, 0), 0);
}

static void collector_close(struct collector *c)
{
    for (uint32_t i = 0; i < c->seg->lanes_count; i++)
        lane_cursor_done(&c->cursor[i]);
    c->seg->base = c->base;
    c->seg->ctl = c->ctl;
    segment_close(c->seg);
}

static void take(struct collector *c, const struct fapilog_record *r)
{
    CHECK(r->fields_count >= 2);
    const uint64_t thread = r->fields[0].v.u64, n = r->fields[1].v.u64;
    CHECK(thread < THREADS);
    CHECK(n < UINT32_MAX);
    if (r->fields_count == 3) {
        CHECK(r->fields[2].len == LARGE_BYTES);
        CHECK(memcmp(r->fields[2].v.data, large, LARGE_BYTES) == 0);
    }
    if (r->context && !r->context->lost) {
        CHECK(r->context->fields_count == 2);
        CHECK(memcmp(r->context->fields[0].v.data, "r-1", 3) == 0);
    }
    c->received++;
}

/* Records of one thread may lie in several lanes, its own and shared ones; in each their order holds. */
static void lane_take(struct collector *c, uint32_t i)
{
    struct lane_cursor *cursor = &c->cursor[i];
    struct fapilog_lane_slot *slot = segment_slot(c->seg, i);
    struct fapilog_record r;
    uint32_t next[THREADS] = {0};
    const uint64_t tail = lane_tail(cursor);
    int result;
    while ((result = lane_next(cursor, tail, &r)) > 0) {
        take(c, &r);
        const uint32_t thread = (uint32_t)r.fields[0].v.u64, n = (uint32_t)r.fields[1].v.u64;
        CHECK(n >= next[thread]);
        next[thread] = n + 1;
    }
    CHECK(result == 0);
    store_rel(&slot->head, cursor->pos & ~(uint64_t)(cursor->block_bytes - 1)); /* order: H1 release */
    store_rel(&slot->done, cursor->pos);                                        /* order: D1 release */
    (void)syscall(SYS_futex, &slot->head, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void *collect(void *arg)
{
    struct collector *c = arg;
    for (bool is_last = false; !is_last;) {
        is_last = is_set(&c->is_stopped);
        store_rlx(&process.ctl->heartbeat_ns, clock_mono_ns()); /* order: relaxed - a time stamp */
        for (uint32_t i = 0; i < c->seg->lanes_count; i++)
            lane_take(c, i);
        (void)syscall(SYS_futex, &process.ctl->flush_ack, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
        (void)sched_yield();
    }
    return NULL;
}

/* ---- tests ---- */

static void find_ring(const char *dir, char *ret, size_t size)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    *ret = 0;
    for (struct dirent *entry; (entry = readdir(d));)
        if (strstr(entry->d_name, FAPILOG_SEGMENT_SUFFIX))
            (void)snprintf(ret, size, "%s", entry->d_name);
    (void)closedir(d);
}

static void end(const char *dir, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void check_books(const struct collector *c, fapilog_t *log, uint64_t logged, uint32_t on_full)
{
    struct fapilog_counters counters;
    fapilog_get_counters(log, &counters);
    print_message("%" PRIu64 " records, %" PRIu64 " dropped, %" PRIu64 " orphaned, %" PRIu64 " waits\n", logged,
                  counters.dropped, counters.orphaned, counters.blocked);
    assert_int_equal(counters.written, c->received);
    assert_int_equal(counters.written + counters.dropped + counters.orphaned, logged);
    if (on_full == FAPILOG_ON_FULL_BLOCK)
        assert_int_equal(counters.dropped, 0);
}

static void run(uint32_t on_full)
{
    char dir[] = "/dev/shm/fapilog-tsan-XXXXXX", name[256];
    struct worker worker[THREADS];
    pthread_t thread[THREADS], reader;
    static struct collector c;

    assert_non_null(mkdtemp(dir));
    const struct fapilog_options options = {
        .size = sizeof options, .ring_dir = dir, .lanes = LANES, .lane_bytes = 128 << 10, .on_full = on_full};
    fapilog_t *log = fapilog_open("tsan", &options);
    assert_non_null(process.area->base);
    memset(&c, 0, sizeof c);
    store_rel(&is_over, 0u); /* order: release - before the threads start */
    find_ring(dir, name, sizeof name);
    collector_open(&c, dir, name);
    store_rlx(&process.ctl->heartbeat_ns, clock_mono_ns()); /* order: relaxed - a time stamp */
    CHECK(pthread_create(&reader, NULL, collect, &c) == 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        worker[i] = (struct worker){log, i, 0};
        CHECK(pthread_create(&thread[i], NULL, produce_in_turns, &worker[i]) == 0);
    }
    for (int ms = 0; ms < RUN_MS; ms += 50) {
        /* What the collector's level rules do. order: relaxed - a threshold */
        store_rlx(&process.ctl->level[ms % 4], FAPILOG_LEVEL_INFO - (ms % 100 ? 1 : 0));
        (void)nanosleep(&(struct timespec){.tv_nsec = 50 * NS_PER_MS}, NULL);
    }
    store_rel(&is_over, 1u); /* order: release, pairs with is_set() */
    uint64_t logged = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(thread[i], NULL) == 0);
        logged += worker[i].logged;
    }
    store_rel(&c.is_stopped, 1u); /* order: release, pairs with is_set() */
    CHECK(pthread_join(reader, NULL) == 0);
    check_books(&c, log, logged, on_full);
    fapilog_close(log);
    collector_close(&c);
    end(dir, name);
}

static void waiting_producers_and_a_collector_have_no_race(void **state)
{
    (void)state;
    run(FAPILOG_ON_FULL_BLOCK);
}

static void dropping_producers_and_a_collector_have_no_race(void **state)
{
    (void)state;
    run(FAPILOG_ON_FULL_DISCARD);
}

int main(void)
{
    memset(large, 'L', LARGE_BYTES);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_producers_and_a_collector_have_no_race),
        cmocka_unit_test(dropping_producers_and_a_collector_have_no_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
