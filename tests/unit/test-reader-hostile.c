/* A producer that is broken, or at war with its reader, while it is being read. */
#include "lib/base/check.h"
#include "lib/reader/guard.h"
#include "lib/reader/lane.h"
#include "tests/common/segment_builder.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct segment_builder b;
static struct segment *seg;
static struct lane_cursor cursor;
static struct fapilog_record rec;
static unsigned events; /* in the sample */
static volatile uint64_t sink;

static int build(void **state)
{
    (void)state;
    events = builder_sample(&b, memfd_create("segment", MFD_CLOEXEC));
    return 0;
}

static int unbuild(void **state)
{
    (void)state;
    lane_cursor_done(&cursor);
    segment_close(seg);
    seg = NULL;
    (void)close(b.fd);
    builder_done(&b);
    return 0;
}

static void seg_open(unsigned flags)
{
    struct err e = {0};
    segment_close(seg);
    seg = NULL;
    if (segment_open_fd(dup(b.fd), flags, NULL, &seg, &e) < 0)
        fail_msg("%s", e.text);
}

static void touch(const struct fapilog_record *r)
{
    for (uint32_t i = 0; i < r->message.len; i++)
        sink += (uint8_t)r->message.data[i];
    for (uint32_t i = 0; i < r->fields_count; i++) {
        for (uint32_t k = 0; k < r->fields[i].len; k++)
            sink += (uint8_t)r->fields[i].v.data[k];
    }
}

static unsigned walk(unsigned flags)
{
    unsigned n = 0;
    lane_cursor_done(&cursor);
    if (lane_cursor_init(&cursor, seg, 0, 0, flags) < 0)
        return 0;
    const uint64_t tail = lane_tail(&cursor);
    while (lane_next(&cursor, tail, &rec) == 1) {
        touch(&rec);
        n++;
    }
    return n;
}

static void truncation_under_the_mapping_is_damage_not_death(void **state)
{
    (void)state;
    seg_open(SEGMENT_CTL_WRITE);
    assert_int_equal(walk(0), events);
    const uint64_t tail = lane_tail(&cursor);
    lane_cursor_done(&cursor);
    assert_int_equal(lane_cursor_init(&cursor, seg, 0, 0, 0), 0);
    assert_int_equal(lane_next(&cursor, tail, &rec), 1);
    assert_int_equal(ftruncate(b.fd, (off_t)b.sb->data_off + 4096), 0);
    unsigned n = 1;
    while (lane_next(&cursor, tail, &rec) == 1)
        n++;
    assert_int_equal(n, events - 1); /* all but the large one, which lay beyond */
    assert_true(segment_is_damaged(seg));
    assert_true(cursor.damaged > 0);
    assert_int_equal(ftruncate(b.fd, 0), 0);
    assert_int_equal(load_acq(&segment_lane_shared(seg, 0)->tail), 0);
    segment_slot(seg, 0)->head = 4096; /* goes nowhere, harms nobody */
    assert_null(registry_site(&seg->registry, 9));
    b.base = mmap(b.base, b.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void a_truncated_dead_file_is_saved_as_far_as_it_goes(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(ftruncate(b.fd, (off_t)b.sb->data_off + 4096), 0);
    assert_int_equal(segment_open_fd(dup(b.fd), 0, NULL, &seg, &e), -EBADMSG);
    seg_open(SEGMENT_SALVAGE);
    assert_true(segment_is_damaged(seg));
    assert_int_equal(walk(LANE_COPY), events - 1);
}

static void a_bus_error_that_is_not_ours_still_kills(void **state)
{
    (void)state;
    const pid_t pid = fork();
    if (pid == 0) {
        (void)signal(SIGBUS, SIG_DFL);
        seg_open(0); /* installs the handler */
        const int fd = memfd_create("other", MFD_CLOEXEC);
        volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
        sink += (uint64_t)*p;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}

static void guarded_ranges_come_and_go(void **state)
{
    (void)state;
    uint32_t damaged = 0;
    int slots[64];
    for (int round = 0; round < 3; round++) {
        const int fd = memfd_create("range", MFD_CLOEXEC);
        volatile char *p = mmap(NULL, 64 * 4096, PROT_READ, MAP_SHARED, fd, 0);
        for (size_t i = 0; i < 64; i++)
            slots[i] = guard_add((const char *)(uintptr_t)p + i * 4096, 4096, PROT_READ, &damaged);
        damaged = 0;
        assert_int_equal(p[40 * 4096], 0);
        assert_int_equal(load_acq(&damaged), 1); /* as a handler wrote it: the compiler does not know */
        for (size_t i = 0; i < 64; i++) {
            assert_true(slots[i] >= 0 && slots[i] < 80); /* slots are used again */
            guard_remove(slots[i]);
        }
        (void)munmap((void *)(uintptr_t)p, 64 * 4096);
        (void)close(fd);
    }
}

static void so_many_ranges_as_one_user_may_have_rings_are_watched(void **state)
{
    enum { RINGS = 16384, RANGES = 2 * RINGS + 2 };
    static char nothing[1];
    uint32_t damaged = 0;
    (void)state;
    int *slots = calloc(RANGES, sizeof *slots);
    assert_non_null(slots);
    for (size_t i = 0; i < RANGES; i++)
        slots[i] = guard_add(nothing, 1, PROT_READ, &damaged);
    const int last = slots[RANGES - 1];
    for (size_t i = 0; i < RANGES; i++)
        guard_remove(slots[i]);
    free(slots);
    assert_true(last >= 0);
}

static uint32_t stop;

static void *flip_bytes(void *arg)
{
    const struct segment_builder *own = arg;
    uint64_t x = 0x9e3779b97f4a7c15;
    const uint64_t starts[] = {own->sb->data_off, own->sb->registry_off, own->sb->lane_off};
    const uint64_t lengths[] = {16384, 600, sizeof(struct fapilog_lane)};
    while (!load_rlx(&stop)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        const unsigned part = x % 16 ? 0 : 1 + x / 16 % 2;
        uint8_t *at = own->base + starts[part] + (x >> 20) % lengths[part];
        /* As another process would: no agreement with the reader. */
        store_rlx(at, (uint8_t)(load_rlx(at) ^ (1u << (x >> 10) % 8)));
    }
    return NULL;
}

static void bytes_may_change_while_they_are_read(void **state)
{
    (void)state;
    pthread_t thread;
    uint8_t *image = malloc(b.bytes);
    assert_non_null(image);
    memcpy(image, b.base, b.bytes);
    const struct fapilog_superblock sb = *b.sb;
    store_rlx(&stop, 0);
    assert_int_equal(pthread_create(&thread, NULL, flip_bytes, &b), 0);
    const time_t end = time(NULL) + 2;
    unsigned rounds = 0;
    while (time(NULL) < end) {
        struct err e;
        /* Healed again and again, or soon nothing would be left to be read. */
        memcpy(b.base + sb.registry_off, image + sb.registry_off, b.bytes - sb.registry_off);
        segment_close(seg);
        seg = NULL;
        if (segment_open_fd(dup(b.fd), SEGMENT_SALVAGE, NULL, &seg, &e) < 0)
            continue;
        for (unsigned i = 0; i < 8; i++)
            (void)walk(i % 2 ? LANE_COPY : 0);
        rounds++;
    }
    store_rlx(&stop, 1);
    (void)pthread_join(thread, NULL);
    free(image);
    assert_true(rounds > 10);
}

static void *write_records(void *arg)
{
    struct segment_builder *own = arg;
    static struct payload p;
    const uint32_t site = builder_site(own, 9, "pair", 2, (const struct builder_field[]){
        {FAPILOG_TYPE_U64, "n"}, {FAPILOG_TYPE_U64, "square"}});
    for (uint64_t n = 0; !load_rlx(&stop); n++) {
        payload_init(&p);
        payload_u64(&p, n);
        payload_u64(&p, n * n);
        builder_event(own, 0, 9, site, &p);
    }
    return NULL;
}

static void an_overwriting_writer_at_full_speed_never_yields_a_mixed_record(void **state)
{
    (void)state;
    pthread_t thread;
    unbuild(NULL);
    builder_init(&b, memfd_create("segment", MFD_CLOEXEC),
                 &(struct builder_options){.mode = FAPILOG_MODE_OVERWRITE});
    seg_open(0);
    assert_int_equal(lane_cursor_init(&cursor, seg, 0, 0, 0), 0);
    store_rlx(&stop, 0);
    assert_int_equal(pthread_create(&thread, NULL, write_records, &b), 0);
    const time_t end = time(NULL) + 2;
    uint64_t records = 0, next = 0;
    while (time(NULL) < end) {
        const uint64_t tail = lane_tail(&cursor);
        while (lane_next(&cursor, tail, &rec) == 1) {
            const uint64_t n = rec.fields[0].v.u64;
            assert_true(rec.fields[1].v.u64 == n * n);
            assert_true(n >= next);
            next = n + 1;
            records++;
        }
    }
    store_rlx(&stop, 1);
    (void)pthread_join(thread, NULL);
    const uint64_t tail = lane_tail(&cursor);
    while (lane_next(&cursor, tail, &rec) == 1)
        records++;
    assert_int_equal(cursor.damaged, 0);
    assert_int_equal(records + cursor.lost, b.lanes[0].seq); /* each is read, or counted as overwritten */
    assert_true(records > 1000);
}

static void *claim_lanes(void *arg)
{
    struct segment_builder *own = arg;
    for (uint32_t n = 1; !load_rlx(&stop); n++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%08x%08x", n, n);
        struct fapilog_lane *l = builder_lane(own, 0);
        store_rel(&l->state, n << 8 | FAPILOG_LANE_CLAIMING);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        store_rlx(&l->tid, n);
        for (size_t i = 0; i < 17; i++)
            store_rlx(&l->thread[i], name[i]);
        store_rel(&l->state, n << 8 | FAPILOG_LANE_ACTIVE); /* order: L1 release, pairs with L2 */
    }
    return NULL;
}

static void an_owner_is_never_half_the_last_and_half_the_next(void **state)
{
    (void)state;
    pthread_t thread;
    unsigned seen = 0;
    seg_open(0);
    store_rlx(&stop, 0);
    assert_int_equal(pthread_create(&thread, NULL, claim_lanes, &b), 0);
    const time_t end = time(NULL) + 2;
    while (time(NULL) < end) {
        struct segment_lane_owner o;
        char want[32];
        if (segment_lane_owner(seg, 0, &o) < 0 || o.tid == 100)
            continue;
        (void)snprintf(want, sizeof want, "%08x%08x", o.tid, o.tid);
        assert_string_equal(o.thread, want);
        assert_int_equal(o.generation, o.tid & 0xffffff);
        seen++;
    }
    store_rlx(&stop, 1);
    (void)pthread_join(thread, NULL);
    assert_true(seen > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, build, unbuild)
        T(truncation_under_the_mapping_is_damage_not_death),
        T(a_truncated_dead_file_is_saved_as_far_as_it_goes), T(a_bus_error_that_is_not_ours_still_kills),
        T(guarded_ranges_come_and_go), T(so_many_ranges_as_one_user_may_have_rings_are_watched),
        T(bytes_may_change_while_they_are_read),
        T(an_overwriting_writer_at_full_speed_never_yields_a_mixed_record),
        T(an_owner_is_never_half_the_last_and_half_the_next),
    };
    return cmocka_run_group_tests_name("reader-hostile", tests, NULL, NULL);
}
