/* A spool that is read while it is written. */
#include "collector/delivery/spool/internal.h"
#include "collector/sinks/entry.h"
#include "collector/sinks/sink.h"
#include "lib/base/clock.h"
#include "lib/base/opt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/dev/shm/fapilog-spool-read-XXXXXX";
static struct io *io;
static struct spool *spool;
static struct sink_delivery delivery;

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

static unsigned reallocs_left = UINT_MAX; /* then one fails */

void *__wrap_realloc(void *p, size_t size)
{
    return reallocs_left-- == 0 ? NULL : __real_realloc(p, size);
}

ssize_t __real_pread64(int fd, void *to, size_t size, off_t offset);
ssize_t __wrap_pread64(int fd, void *to, size_t size, off_t offset);

static off_t broken_from = INT64_MAX; /* of any file, the disk does not give what lies behind it */

ssize_t __wrap_pread64(int fd, void *to, size_t size, off_t offset)
{
    if (offset < broken_from)
        return __real_pread64(fd, to, size, offset);
    errno = EIO;
    return -1;
}

static char said[512];

static void on_message(void *arg, const char *text)
{
    (void)arg;
    (void)snprintf(said, sizeof said, "%s", text);
}

static int open_it(void)
{
    struct err e;
    const struct spool_config cfg = { .io = io, .dir = dir, .sink = "fake", .format = "fake/own", .delivery = &delivery,
                                      .on_message = on_message };
    said[0] = '\0';
    return spool_open(&cfg, &spool, &e);
}

static int set_up(void **state)
{
    struct err e;
    (void)state;
    (void)snprintf(dir, sizeof dir, "/dev/shm/fapilog-spool-read-XXXXXX");
    if (!mkdtemp(dir) || io_new(&(struct io_config){ .kind = IO_PLAIN, .queue_depth = 16 }, &io, &e) < 0 ||
        opt_defaults(sink_delivery_opts, &delivery, &e) < 0)
        return -1;
    delivery.spool_sync = SINK_SYNC_NEVER;
    return open_it();
}

static int tear_down(void **state)
{
    char command[100];
    (void)state;
    spool_close(spool);
    io_free(io);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static void turn(void)
{
    assert_true(io_turn(io, clock_mono_ns() + NS_PER_MS) >= 0);
}

static void entry_write(const struct entry_head *entry)
{
    int r;
    assert_int_equal(spool_put(spool, entry, 0, false, NULL, NULL), 0);
    assert_int_equal(spool_write(spool), 0);
    while ((r = spool_poll(spool)) == -EAGAIN)
        turn();
    assert_int_equal(r, 0);
}

/* A block of one record. */
static void block_write(uint64_t position)
{
    entry_write(&(struct entry_head){ .bytes = sizeof(struct entry_head), .position = position });
}

/* The next block, whose one record is not settled; NULL: there is none. */
static struct spool_block *block_take(uint64_t *ret_position)
{
    struct spool_block *b;
    char *raw;
    uint32_t len;
    for (int n = 0; n < 100; n++) {
        if (spool_read(spool, clock_mono_ns(), &b, &raw, &len) > 0) {
            *ret_position = ((const struct entry_head *)(const void *)raw)->position;
            free(raw);
            return b;
        }
        turn();
    }
    return NULL;
}

/* The position of the next record; 0: there is none. */
static uint64_t block_read(void)
{
    uint64_t position = 0;
    struct spool_block *b = block_take(&position);
    if (b)
        spool_settle(spool, b, 0);
    return position;
}

static void a_block_behind_one_that_was_damaged_when_it_was_read_is_read(void **state)
{
    char path[100];
    struct spool_counts counts;
    (void)state;
    block_write(1);
    (void)snprintf(path, sizeof path, "%s/%016x.spool", dir, 1);
    const int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "X", 1, sizeof(struct spool_file_head)), 1); /* no block's head any more */
    (void)close(fd);
    assert_int_equal(block_read(), 0);
    block_write(2);
    block_write(3);
    assert_int_equal(block_read(), 2);
    assert_int_equal(block_read(), 3);
    assert_int_equal(block_read(), 0);
    spool_counts(spool, &counts);
    assert_int_equal(counts.dropped_corrupt + counts.records, 1);
}

static unsigned blocks_held(void)
{
    unsigned n = 0;
    for (const struct spool_block *b = spool->held; b; b = b->next)
        n++;
    return n;
}

/* Whoever puts or reads a block looks for its place among them. */
static void blocks_that_are_done_behind_one_that_is_not_are_not_kept(void **state)
{
    uint64_t position = 0;
    (void)state;
    for (uint64_t i = 1; i <= 50; i++)
        block_write(i);
    struct spool_block *first = block_take(&position);
    assert_int_equal(position, 1);
    for (uint64_t i = 2; i <= 50; i++)
        assert_int_equal(block_read(), i);
    assert_int_equal(blocks_held(), 1);
    assert_int_equal(spool->cursor.base, first->sequence);
    spool_settle(spool, first, 0);
    assert_int_equal(blocks_held(), 0);
    assert_int_equal(spool->cursor.base, 51);
}

/* A block whose record stays in memory, as one of a request that is under way does. */
static struct spool_block *block_write_held(uint64_t position)
{
    _Alignas(8) const struct entry_head entry = { .bytes = sizeof entry, .position = position };
    struct spool_block *b;
    uint32_t index;
    assert_int_equal(spool_put(spool, &entry, 0, false, &b, &index), 0);
    block_write(position + 1000);
    return b;
}

static void blocks_that_others_hold_are_passed_over_in_any_order_of_their_answers(void **state)
{
    enum { COUNT = 8 };
    struct spool_block *b[COUNT];
    (void)state;
    for (uint64_t i = 0; i < COUNT; i++) /* of two blocks each: the first one held */
        b[i] = block_write_held(i + 1);
    spool_settle(spool, b[3], 0);
    spool_settle(spool, b[0], 0);
    assert_int_equal(blocks_held(), COUNT); /* the reader has to know them */
    for (uint64_t i = 0; i < COUNT / 2; i++)
        assert_int_equal(block_read(), i + 1001);
    assert_int_equal(blocks_held(), COUNT - 2);
    assert_ptr_equal(spool_held(spool, b[2]->sequence), b[2]);
    assert_null(spool_held(spool, b[2]->sequence + 1));
    assert_ptr_equal(spool_held(spool, b[COUNT - 1]->sequence), b[COUNT - 1]);
    spool_settle(spool, b[2], 0);
    spool_settle(spool, b[6], 0);
    spool_settle(spool, b[1], 0);
    for (uint64_t i = COUNT / 2; i < COUNT; i++)
        assert_int_equal(block_read(), i + 1001);
    assert_int_equal(block_read(), 0);
    assert_int_equal(blocks_held(), 3);
    spool_settle(spool, b[7], 0);
    spool_settle(spool, b[4], 0);
    spool_settle(spool, b[5], 0);
    assert_int_equal(blocks_held(), 0);
    assert_int_equal(spool->cursor.base, 2 * COUNT + 1);
    assert_false(spool_has_records(spool));
}

static bool has_file(uint64_t sequence, const char *suffix)
{
    char path[100];
    (void)snprintf(path, sizeof path, "%s/%016" PRIx64 ".spool%s", dir, sequence, suffix);
    return access(path, F_OK) == 0;
}

/* The record of the first block is not. */
static void files_that_are_done_with_go_from_between_others_and_are_not_missed(void **state)
{
    uint64_t position = 0;
    struct spool_counts counts;
    char path[100];
    (void)state;
    delivery.spool_segment_bytes = 200; /* a file for each block */
    spool_tick(spool, clock_mono_ns());
    for (uint64_t i = 1; i <= 5; i++)
        block_write(i);
    struct spool_block *first = block_take(&position);
    assert_int_equal(position, 1);
    (void)snprintf(path, sizeof path, "%s/%016x.spool", dir, 3);
    const int fd = open(path, O_RDWR);
    const off_t at = sizeof(struct spool_file_head) + sizeof(struct spool_block_head);
    assert_int_equal(pwrite(fd, "X", 1, at), 1);
    (void)close(fd);
    assert_int_equal(block_read(), 2);
    assert_int_equal(block_read(), 4);
    struct spool_block *last = block_take(&position);
    assert_int_equal(position, 5);
    spool_tick(spool, clock_mono_ns());
    assert_true(has_file(1, "") && !has_file(2, "") && has_file(3, ".bad") && !has_file(4, "") && has_file(5, ""));
    spool_set_noted(spool);
    spool_close(spool);
    assert_int_equal(open_it(), 0);
    assert_string_equal(said, "");
    assert_int_equal(block_read(), 1);
    assert_int_equal(block_read(), 5);
    assert_int_equal(block_read(), 0);
    spool_counts(spool, &counts);
    assert_int_equal(counts.records, 0);
    spool_tick(spool, clock_mono_ns());
    assert_true(!has_file(1, "") && !has_file(5, ""));
    block_write(6);
    assert_int_equal(spool->log.last->sequence, 6);
    (void)first, (void)last;
}

static void a_group_whose_first_block_finds_no_memory_is_not_begun(void **state)
{
    static char raw[4096], blocks[64];
    struct seglog *const l = &spool->log;
    const struct seglog_block b = { .kind = SPOOL_ENTRIES, .codec = SPOOL_PLAIN, .raw = raw, .raw_len = sizeof raw,
                                    .records = 1 };
    (void)state;
    reallocs_left = 1; /* there is room for the head of the file */
    assert_int_equal(seglog_add(l, &b), 0);
    assert_int_equal(reallocs_left, UINT_MAX);
    assert_false(seglog_has_group(l));
    assert_int_equal(seglog_add_sealed(l, blocks, sizeof blocks, 1, 1), 0); /* the journal's */
    seglog_abort(l);
    assert_int_equal(seglog_add(l, &b), 1);
    reallocs_left = 0; /* what was there before stays */
    assert_int_equal(seglog_add(l, &b), 0);
    reallocs_left = UINT_MAX;
    assert_true(seglog_has_group(l));
    seglog_abort(l);
    block_write(1);
    assert_int_equal(block_read(), 1);
}

/* As long as some of what scanning looks at. */
static void long_block_write(uint64_t position)
{
    enum { LONG = 100 << 10 };
    static _Alignas(8) char buf[LONG];
    struct entry_head *const entry = (struct entry_head *)(void *)buf;
    uint64_t seed = position;
    for (unsigned i = sizeof *entry; i < LONG; i++) { /* cannot be packed */
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        buf[i] = (char)(seed >> 56);
    }
    *entry = (struct entry_head){ .bytes = LONG, .payload_len = LONG - sizeof *entry, .position = position };
    entry_write(entry);
}

static void a_file_that_a_start_cannot_read_to_its_end_waits_for_one_that_can(void **state)
{
    struct spool_counts counts;
    (void)state;
    for (uint64_t i = 1; i <= 3; i++)
        long_block_write(i);
    spool_close(spool);
    broken_from = 150 << 10; /* in the second block, which is as whole as its head */
    assert_int_equal(open_it(), 0);
    assert_non_null(strstr(said, "1 files cannot be read"));
    assert_non_null(strstr(said, strerror(EIO)));
    block_write(4);
    assert_int_equal(block_read(), 4);
    spool_tick(spool, clock_mono_ns());
    spool_close(spool);
    broken_from = INT64_MAX;
    assert_int_equal(open_it(), 0);
    spool_counts(spool, &counts);
    assert_int_equal(counts.found, 3);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(block_read(), i);
    assert_int_equal(block_read(), 0);
    spool_counts(spool, &counts);
    assert_int_equal(counts.records + counts.dropped_corrupt, 0);
    assert_string_equal(said, "");
}

static void one_that_is_refused_touches_nothing_of_the_one_that_has_the_directory(void **state)
{
    const struct spool_config cfg = { .io = io, .dir = dir, .sink = "fake", .format = "fake/own",
                                      .delivery = &delivery };
    char path[100];
    struct spool *second;
    struct err e;
    (void)state;
    block_write(1);
    assert_int_equal(block_read(), 1);
    (void)snprintf(path, sizeof path, "%s/" CURSOR_FILE, dir);
    memcpy(&spool->cursor.file->magic, "SPLCURS3", 8); /* of a later version */
    const uint64_t base = spool->cursor.base;
    assert_int_equal(spool_open(&cfg, &second, &e), -EBUSY);
    assert_memory_equal(&spool->cursor.file->magic, "SPLCURS3", 8);
    assert_true(spool->cursor.file->base[0].sequence == base || spool->cursor.file->base[1].sequence == base);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(spool_open(&cfg, &second, &e), -EBUSY);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_cursor_that_is_cut_while_it_is_in_use_costs_nothing(void **state)
{
    uint64_t position = 0;
    char path[100];
    (void)state;
    spool_close(spool);
    assert_int_equal(open_it(), 0); /* cmocka has put its handler in front of the guard's */
    for (uint64_t i = 1; i <= 4; i++)
        block_write(i);
    (void)block_take(&position);
    assert_int_equal(block_read(), 2);
    (void)snprintf(path, sizeof path, "%s/" CURSOR_FILE, dir);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(block_read(), 3);
    spool_tick(spool, clock_mono_ns() + 2 * NS_PER_S);
    assert_non_null(strstr(said, "was cut while it was in use; it is made again"));
    assert_int_equal(truncate(path, 0), 0); /* and right before the end */
    spool_close(spool);
    assert_int_equal(open_it(), 0);
    assert_int_equal(block_read(), 1);
    assert_int_equal(block_read(), 4);
    assert_int_equal(block_read(), 0);
}

static void a_cursor_of_another_version_is_told_of(void **state)
{
    char path[100];
    (void)state;
    block_write(1);
    assert_int_equal(block_read(), 1);
    spool_close(spool);
    (void)snprintf(path, sizeof path, "%s/" CURSOR_FILE, dir);
    const int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "SPLCURS1", 8, 0), 8);
    (void)close(fd);
    assert_int_equal(open_it(), 0);
    assert_non_null(strstr(said, CURSOR_FILE ": of another version"));
    assert_int_equal(block_read(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_block_behind_one_that_was_damaged_when_it_was_read_is_read),
        TEST(blocks_that_are_done_behind_one_that_is_not_are_not_kept),
        TEST(files_that_are_done_with_go_from_between_others_and_are_not_missed),
        TEST(a_group_whose_first_block_finds_no_memory_is_not_begun),
        TEST(a_file_that_a_start_cannot_read_to_its_end_waits_for_one_that_can),
        TEST(one_that_is_refused_touches_nothing_of_the_one_that_has_the_directory),
        TEST(a_cursor_that_is_cut_while_it_is_in_use_costs_nothing),
        TEST(a_cursor_of_another_version_is_told_of),
        TEST(blocks_that_others_hold_are_passed_over_in_any_order_of_their_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
