/* A spool that is read while it is written. */
#include "collector/delivery/spool/spool.h"
#include "collector/sinks/entry.h"
#include "collector/sinks/sink.h"
#include "lib/base/clock.h"
#include "lib/base/opt.h"

#include <errno.h>
#include <fcntl.h>
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

static int set_up(void **state)
{
    struct err e;
    (void)state;
    (void)snprintf(dir, sizeof dir, "/dev/shm/fapilog-spool-read-XXXXXX");
    if (!mkdtemp(dir) || io_new(&(struct io_config){ .kind = IO_PLAIN, .queue_depth = 16 }, &io, &e) < 0 ||
        opt_defaults(sink_delivery_opts, &delivery, &e) < 0)
        return -1;
    delivery.spool_sync = SINK_SYNC_NEVER;
    const struct spool_config cfg = {
        .io = io, .dir = dir, .sink = "fake", .format = "fake/own", .delivery = &delivery };
    return spool_open(&cfg, &spool, &e);
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

/* A block of one record. */
static void block_write(uint64_t position)
{
    _Alignas(8) const struct entry_head entry = { .bytes = sizeof entry, .position = position };
    assert_int_equal(spool_put(spool, &entry, 0, false, NULL, NULL), 0);
    assert_int_equal(spool_write(spool), 0);
    int r;
    while ((r = spool_poll(spool)) == -EAGAIN)
        turn();
    assert_int_equal(r, 0);
}

/* The position of the next record; 0: there is none. */
static uint64_t block_read(void)
{
    struct spool_block *b;
    char *raw;
    uint32_t len;
    for (int n = 0; n < 100; n++) {
        if (spool_read(spool, clock_mono_ns(), &b, &raw, &len) > 0) {
            const uint64_t position = ((const struct entry_head *)(const void *)raw)->position;
            free(raw);
            spool_settle(spool, b, 0);
            return position;
        }
        turn();
    }
    return 0;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_block_behind_one_that_was_damaged_when_it_was_read_is_read, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
