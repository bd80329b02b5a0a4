/* Files of a spool are forced to disk beside the groups: on a busy disk that takes long, and nobody waits for it. The
 * disk is this test: it holds each fdatasync until it is told how that ends. */
#include "collector/delivery/spool/internal.h"
#include "collector/delivery/spool/seglog.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/common/held_syncs.h"

enum { SEGMENT = 4096 };

static char dir[] = "/dev/shm/fapilog-sync-XXXXXX";
static _Alignas(8) const char blocks[SEGMENT]; /* what is in them is nobody's business here */
static struct io *io;
static struct seglog seglog;
static uint64_t sequence;

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int group_start(void)
{
    sequence++;
    assert_int_equal(seglog_add_sealed(&seglog, blocks, sizeof blocks, sequence, 1), 0);
    return seglog_start(&seglog);
}

static int group_write(void)
{
    int r = group_start();
    if (r < 0)
        return r;
    while ((r = seglog_poll(&seglog)) == -EAGAIN)
        assert_true(io_turn(io, clock_mono_ns() + NS_PER_S) >= 0);
    return r;
}

static int set_up(void **state)
{
    struct err e;
    (void)state;
    (void)snprintf(dir, sizeof dir, "/dev/shm/fapilog-sync-XXXXXX");
    if (!mkdtemp(dir) || io_new(&(struct io_config){ .kind = IO_PLAIN, .queue_depth = 16 }, &io, &e) < 0)
        return -1;
    const struct seglog_config cfg = { .io = io, .dir = dir, .suffix = SPOOL_SUFFIX, .kind = SPOOL_ENTRIES,
        .sink = "fake", .format = "fake/own", .segment_bytes = SEGMENT, .sync = SINK_SYNC_INTERVAL,
        .sync_interval_ns = NS_PER_S };
    sequence = 0;
    return seglog_open(&seglog, &cfg, &e);
}

static int tear_down(void **state)
{
    (void)state;
    while (held_count)
        sync_ends(0);
    while (seglog_is_busy(&seglog))
        if (io_turn(io, clock_mono_ns() + NS_PER_S) < 0)
            return -1;
    while (seglog.first)
        if (seglog_drop(&seglog, seglog.first) < 0)
            return -1;
    seglog_close(&seglog);
    io_free(io);
    return rmdir(dir);
}

/* The timer has made the directory safe, and begins with the file that is open. */
static void timer_begins(uint64_t *now_ns)
{
    for (unsigned i = 0; i < 4 && !held_count; i++, *now_ns += NS_PER_S) {
        (void)seglog_tick(&seglog, *now_ns);
        assert_true(io_turn(io, 0) >= 0);
    }
    assert_int_equal(held_count, 1);
    assert_int_equal(held[0]->fd, seglog.fd);
}

static void a_file_that_has_come_to_its_end_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(group_write(), 0);
    const int first = seglog.fd;
    assert_int_equal(group_write(), 0);
    assert_int_equal(held_count, 1);
    assert_int_equal(held[0]->fd, first);
    assert_int_not_equal(seglog.fd, first);
    assert_true(seglog_is_busy(&seglog));
    assert_false(seglog_is_last_busy(&seglog));
    assert_true(is_open(first));
    sync_ends(0);
    assert_false(is_open(first));
    assert_false(seglog_is_busy(&seglog));
    assert_int_equal(seglog.first->bytes, sizeof(struct spool_file_head) + sizeof blocks);
    assert_int_equal(seglog.last->sequence, 2);
}

static void no_more_files_than_that_are_forced_to_disk_at_a_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= SEGLOG_SYNCS; i++)
        assert_int_equal(group_write(), 0);
    assert_int_equal(held_count, SEGLOG_SYNCS);
    assert_int_equal(group_start(), -EBUSY);
    assert_false(seglog_has_group(&seglog));
    sync_ends(0);
    assert_int_equal(group_write(), 0);
    assert_int_equal(held_count, SEGLOG_SYNCS);
}

static void a_file_that_is_forced_to_disk_is_once_more_where_it_was_written_to_since(void **state)
{
    uint64_t now = clock_mono_ns();
    (void)state;
    seglog.segment_bytes = 2 * SEGMENT;
    assert_int_equal(group_write(), 0);
    timer_begins(&now);
    const int first = seglog.fd;
    assert_int_equal(group_write(), 0); /* to the same file */
    assert_int_equal(seglog.fd, first);
    assert_int_equal(group_write(), 0); /* to the next one */
    assert_int_not_equal(seglog.fd, first);
    assert_int_equal(held_count, 1);
    sync_ends(0);
    assert_int_equal(held_count, 1);
    assert_true(is_open(first));
    sync_ends(0);
    assert_int_equal(held_count, 0);
    assert_false(is_open(first));
}

static void the_timer_does_not_fall_due_while_what_it_waits_for_is_under_way(void **state)
{
    uint64_t now = clock_mono_ns();
    (void)state;
    seglog.segment_bytes = 4 * SEGMENT;
    assert_int_equal(group_write(), 0);
    timer_begins(&now);
    assert_int_equal(group_write(), 0);
    for (unsigned i = 0; i < 3; i++, now += NS_PER_S) {
        assert_int_equal(seglog_tick(&seglog, now) < 0, false);
        assert_true(seglog_deadline(&seglog) == UINT64_MAX);
    }
    sync_ends(0);
    assert_true(seglog_deadline(&seglog) <= now);
    (void)seglog_tick(&seglog, now);
    assert_int_equal(held_count, 1);
}

static void a_file_that_is_just_being_forced_to_disk_is_closed_then(void **state)
{
    uint64_t now = clock_mono_ns();
    (void)state;
    assert_int_equal(group_write(), 0);
    timer_begins(&now);
    const int first = seglog.fd;
    assert_true(seglog_is_last_busy(&seglog));
    assert_int_equal(group_write(), 0);
    assert_false(seglog_is_last_busy(&seglog));
    sync_ends(0);
    assert_int_equal(held_count, 0);
    assert_false(is_open(first));
}

static void what_is_not_to_stay_in_the_page_cache_stays_there_while_a_file_is_forced_to_disk(void **state)
{
    (void)state;
    seglog.is_uncached = true;
    assert_int_equal(group_write(), 0);
    assert_true(seglog.req.is_uncached || seglog.is_uncached_refused);
    seglog.is_uncached_refused = false;
    assert_int_equal(group_write(), 0);
    assert_int_equal(held_count, 1);
    assert_false(seglog.req.is_uncached);
    assert_false(seglog.is_uncached_refused);
}

static void an_error_of_a_file_that_was_left_is_told_and_not_hidden_by_another_ones_success(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(group_write(), 0);
    assert_int_equal(held_count, 2);
    const int first = held[0]->fd;
    sync_ends(-EIO);
    assert_false(is_open(first));
    sync_ends(0);
    assert_int_equal(seglog_tick(&seglog, clock_mono_ns()), -EIO);
    assert_int_equal(seglog_tick(&seglog, clock_mono_ns()), 0);
}

static void an_older_file_can_be_dropped_while_it_is_forced_to_disk(void **state)
{
    (void)state;
    assert_int_equal(group_write(), 0);
    assert_int_equal(group_write(), 0);
    assert_int_equal(held_count, 1);
    assert_int_equal(seglog_drop(&seglog, seglog.first), 0);
    assert_ptr_equal(seglog.first, seglog.last);
    sync_ends(0);
    assert_false(seglog_is_busy(&seglog));
}

/* Beside the files of the others, in a folder of its own. */
static struct spool *spool_make(struct sink_delivery *d, char path[64])
{
    struct spool *s;
    struct err e;
    *d = (struct sink_delivery){ .spool_max_bytes = 64 << 20, .spool_segment_bytes = SEGMENT,
        .spool_sync = SINK_SYNC_INTERVAL, .spool_sync_interval_ns = 3600 * NS_PER_S, .spool_max_age_ns = OPT_UNSET };
    (void)snprintf(path, 64, "%s/spool", dir);
    const struct spool_config cfg = { .io = io, .dir = path, .sink = "fake", .format = "fake/own", .delivery = d };
    assert_int_equal(spool_open(&cfg, &s, &e), 0);
    return s;
}

/* Into the journal, and if possible from there into a file. */
static void image_put(struct spool *s, uint64_t now_ns)
{
    assert_true(spool_take_image(s, &(struct iovec){ (char *)blocks, sizeof blocks }, 1, 1, 0, true));
    spool_tick(s, now_ns);
    spool_tick(s, now_ns + 10 * NS_PER_MS);
    while (s->drain_blocks) {
        assert_true(io_turn(io, clock_mono_ns() + NS_PER_S) >= 0);
        spool_tick(s, now_ns + 10 * NS_PER_MS);
    }
}

static void a_journal_that_waits_for_files_to_be_safe_keeps_nobody_awake(void **state)
{
    uint64_t now = clock_mono_ns();
    struct sink_delivery d;
    char path[64], name[NAME_MAX];
    struct spool *s = spool_make(&d, path);
    (void)state;
    for (unsigned i = 0; i < SEGLOG_SYNCS + 1; i++, now += NS_PER_S)
        image_put(s, now);
    assert_int_equal(held_count, SEGLOG_SYNCS);
    assert_false(spool_journal_waits(s));
    image_put(s, now);
    assert_true(spool_journal_waits(s));
    assert_int_equal(spool_trouble(s), 0);
    assert_true(spool_deadline(s) > now + 10 * NS_PER_MS);
    sync_ends(0);
    spool_tick(s, spool_deadline(s));
    while (s->drain_blocks) {
        assert_true(io_turn(io, clock_mono_ns() + NS_PER_S) >= 0);
        spool_tick(s, now);
    }
    assert_false(spool_journal_waits(s));
    while (held_count)
        sync_ends(0);
    while (s->log.first)
        assert_true(spool_evict(s, &s->counts.dropped_size));
    spool_close(s);
    (void)snprintf(name, sizeof name, "%s/cursor", path);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_file_that_has_come_to_its_end_is_not_waited_for),
        TEST(no_more_files_than_that_are_forced_to_disk_at_a_time),
        TEST(a_file_that_is_forced_to_disk_is_once_more_where_it_was_written_to_since),
        TEST(the_timer_does_not_fall_due_while_what_it_waits_for_is_under_way),
        TEST(a_file_that_is_just_being_forced_to_disk_is_closed_then),
        TEST(what_is_not_to_stay_in_the_page_cache_stays_there_while_a_file_is_forced_to_disk),
        TEST(an_error_of_a_file_that_was_left_is_told_and_not_hidden_by_another_ones_success),
        TEST(a_journal_that_waits_for_files_to_be_safe_keeps_nobody_awake),
        TEST(an_older_file_can_be_dropped_while_it_is_forced_to_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
