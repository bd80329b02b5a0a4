/* Which way large writes take: through the page cache, or past it where it has become the slower way. */
#include "collector/io/inline_write.h"

#include "tests/unit/io-probe.h"

#include <sys/statfs.h>

#include <linux/magic.h>

enum { BYTES = 1 << 20, FAST_NS = 200000, SLOW_NS = 2000000, UNCACHED_NS = 400000 };

/* How many of `writes` large ones went by the cache, when a write costs that much. */
static unsigned run(struct inline_writes *q, unsigned writes, uint64_t cached_ns, uint64_t uncached_ns)
{
    unsigned uncached = 0;

    for (unsigned i = 0; i < writes; i++) {
        const enum inline_way way = inline_choose(q, BYTES);

        uncached += way == INLINE_UNCACHED;
        inline_learn(q, way, BYTES, way == INLINE_UNCACHED ? uncached_ns : cached_ns);
    }
    return uncached;
}

static void a_fast_cache_is_used_but_for_samples(void **state)
{
    struct inline_writes q = { 0 };

    (void)state;
    assert_int_equal(run(&q, 10 * INLINE_SAMPLE_EVERY, FAST_NS, UNCACHED_NS), 10);
}

static void a_slow_cache_is_left_alone_longer_each_time(void **state)
{
    struct inline_writes q = { 0 };
    unsigned before;

    (void)state;
    (void)run(&q, 100, FAST_NS, UNCACHED_NS);
    assert_in_range(run(&q, 100, SLOW_NS, UNCACHED_NS), 80, 99);
    before = q.uncached_next;
    assert_in_range(run(&q, 10000, SLOW_NS, UNCACHED_NS), 9970, 9999);
    assert_true(before < q.uncached_next);
    assert_int_equal(q.uncached_next, INLINE_UNCACHED_MAX);
    /* Fast again, it is found out after the last time at most, and soon nothing is remembered. */
    (void)run(&q, INLINE_UNCACHED_MAX, FAST_NS, UNCACHED_NS);
    assert_int_equal(run(&q, 10 * INLINE_SAMPLE_EVERY, FAST_NS, UNCACHED_NS), 10);
    assert_int_equal(q.uncached_next, 0);
}

static void one_write_that_took_long_is_no_proof(void **state)
{
    struct inline_writes q = { 0 };

    (void)state;
    (void)run(&q, 100, FAST_NS, UNCACHED_NS);
    inline_learn(&q, INLINE_CACHED, BYTES, 1000 * SLOW_NS);
    assert_int_equal(inline_choose(&q, BYTES), INLINE_CACHED);
    assert_int_equal(q.uncached_left, 0);
}

static void a_disk_that_cannot_follow_brings_the_cache_back(void **state)
{
    struct inline_writes q = { 0 };

    (void)state;
    (void)run(&q, 1000, SLOW_NS, UNCACHED_NS);
    assert_true(run(&q, 100, SLOW_NS, UNCACHED_NS) > 50);
    assert_true(run(&q, 1000, SLOW_NS, 100 * SLOW_NS) < 100);
}

static void small_writes_take_the_cache(void **state)
{
    struct inline_writes q = { 0 };

    (void)state;
    (void)run(&q, 1000, SLOW_NS, UNCACHED_NS);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(inline_choose(&q, INLINE_LARGE_BYTES - 1), INLINE_CACHED);
}

static void write_and_compare(struct inline_writes *q, int fd, unsigned count)
{
    char *const data = malloc(BYTES), *const back = malloc(BYTES);

    assert_non_null(data);
    assert_non_null(back);
    for (unsigned i = 0; i < count; i++) {
        struct iovec iov[2] = { { data, 1000 }, { data + 1000, BYTES - 1000 } };
        struct io_req req = { .op = IO_WRITE, .fd = fd, .data = data, .len = BYTES,
                              .offset = (int64_t)i * BYTES };
        int result = 0;

        if (i % 2) {
            req.op = IO_WRITEV;
            req.iov = iov;
            req.len = 2;
        }
        memset(data, 'a' + (int)(i % 26), BYTES);
        assert_true(inline_write(q, &req, &result));
        assert_int_equal(result, BYTES);
        assert_int_equal(pread(fd, back, BYTES, (off_t)i * BYTES), BYTES);
        assert_memory_equal(back, data, BYTES);
    }
    free(data);
    free(back);
}

static void both_ways_write_the_same(void **state)
{
    struct inline_writes q = { .uncached_left = 4 };
    const int fd = temp_file(0);

    (void)state;
    write_and_compare(&q, fd, 8);
    close(fd);
}

static void a_file_system_that_cannot_is_asked_once(void **state)
{
    struct inline_writes q = { 0 };
    struct statfs fs;
    const int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    (void)state;
    if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
        skip();
    write_and_compare(&q, fd, 2);
    assert_true(q.is_refused);
    assert_int_equal(run(&q, 10 * INLINE_SAMPLE_EVERY, SLOW_NS, UNCACHED_NS), 0);
    close(fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fast_cache_is_used_but_for_samples),
        cmocka_unit_test(a_slow_cache_is_left_alone_longer_each_time),
        cmocka_unit_test(one_write_that_took_long_is_no_proof),
        cmocka_unit_test(a_disk_that_cannot_follow_brings_the_cache_back),
        cmocka_unit_test(small_writes_take_the_cache),
        cmocka_unit_test(both_ways_write_the_same),
        cmocka_unit_test(a_file_system_that_cannot_is_asked_once),
    };

    return cmocka_run_group_tests_name("quick writes", tests, NULL, NULL);
}
