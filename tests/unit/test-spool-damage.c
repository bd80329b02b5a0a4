/* A spool that was cut at any byte, or of which any byte is another: what was whole is delivered, the rest is
 * counted, and the books balance. The same for a disk that fails at any call. */
#include "tests/unit/remote-fixture.h"

#include "collector/delivery/spool/block.h"
#include "collector/delivery/spool/cursor.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <xxhash.h>

enum { BLOCKS = 3, RECORDS = 4, ALL = BLOCKS * RECORDS };

static const struct io_config plain = { .kind = IO_PLAIN, .queue_depth = 16 };

/* One file with three blocks; its bytes and its path. */
static size_t spool_make(char *path, size_t path_size, char **ret)
{
    struct fake_ticket t[BLOCKS];
    struct stat st;
    f->script = always_fail;
    start();
    for (int i = 0; i < BLOCKS; i++) {
        fake_put(f, RECORDS, 40, &t[i]);
        remote_relieve(f->r);
        fake_until(f, 0, t[i].settled);
    }
    fake_stop(f);
    f->script = NULL;
    (void)snprintf(path, path_size, "%s/spool/fake/%016x.spool", f->state, 1);
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    *ret = malloc((size_t)st.st_size);
    assert_int_equal(read(fd, *ret, (size_t)st.st_size), st.st_size);
    (void)close(fd);
    return (size_t)st.st_size;
}

/* A spool with these bytes and no cursor. */
static void spool_put_back(const char *path, const char *data, size_t len)
{
    char dir[FAKE_PATH + 32], cursor[FAKE_PATH + 64];
    (void)snprintf(dir, sizeof dir, "%s/spool/fake", f->state);
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && (snprintf(cursor, sizeof cursor, "%s/%.40s", dir, e->d_name)) > 0)
            (void)unlink(cursor);
    (void)closedir(d);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    (void)close(fd);
    memset(f->delivered, 0, f->delivered_cap);
    memset(f->last, 0, sizeof f->last_own);
    f->order_breaks = 0;
}

/* Runs until nothing is left; how many of the blocks were delivered in whole. */
static unsigned run_to_the_end(void)
{
    unsigned blocks = 0;
    start();
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_true(fake_is_balanced(f));
    assert_int_equal(f->order_breaks, 0);
    for (int b = 0; b < BLOCKS; b++) {
        unsigned n = 0;
        for (int i = 0; i < RECORDS; i++) {
            assert_true(f->delivered[b * RECORDS + i] <= 1);
            n += f->delivered[b * RECORDS + i];
        }
        assert_true(n == 0 || n == RECORDS);
        blocks += n == RECORDS;
    }
    fake_stop(f);
    return blocks;
}

static void delivered_reserve(void)
{
    f->delivered = calloc(1, 1024);
    f->delivered_cap = 1024;
}

static size_t block_ends(const char *data, size_t len, size_t ends[BLOCKS])
{
    size_t at = sizeof(struct spool_file_head), n = 0;
    struct spool_block_head h;
    while (n < BLOCKS && spool_block_find(data, len, SPOOL_ENTRIES, &at, &h))
        ends[n++] = at += spool_block_bytes(&h);
    return n;
}

static unsigned blocks_before(const size_t ends[BLOCKS], size_t at)
{
    unsigned whole = 0;
    while (whole < BLOCKS && ends[whole] <= at)
        whole++;
    return whole;
}

static void cut_at_any_byte_the_blocks_before_are_delivered(void **state)
{
    char path[FAKE_PATH + 64], *data;
    size_t ends[BLOCKS];
    (void)state;
    fake_init(f, &plain);
    delivered_reserve();
    const size_t len = spool_make(path, sizeof path, &data);
    assert_int_equal(block_ends(data, len, ends), BLOCKS);
    for (size_t cut = 0; cut <= len; cut++) {
        spool_put_back(path, data, cut);
        assert_int_equal(run_to_the_end(), blocks_before(ends, cut));
    }
    free(data);
    fake_done(f);
}

/* A power failure leaves a file as long as it was to become, with zeros where nothing has been written. */
static void where_zeros_begin_at_any_byte_the_blocks_before_are_delivered(void **state)
{
    char path[FAKE_PATH + 64], *data;
    size_t ends[BLOCKS];
    (void)state;
    fake_init(f, &plain);
    delivered_reserve();
    const size_t len = spool_make(path, sizeof path, &data);
    char *zeroed = calloc(1, len);
    assert_int_equal(block_ends(data, len, ends), BLOCKS);
    for (size_t at = 0; at <= len; at++) {
        const unsigned whole = blocks_before(ends, at);
        spool_put_back(path, zeroed, len);
        const unsigned blocks = run_to_the_end();
        if (blocks < whole || blocks > whole + 1) /* padding, and what is zero anyway */
            fail_msg("zeros from byte %zu of %zu on leave %u blocks, not %u", at, len, blocks, whole);
        if (at < len)
            zeroed[at] = data[at];
    }
    free(zeroed);
    free(data);
    fake_done(f);
}

static void files_that_are_not_ours_are_left_alone(void **state)
{
    static const char *const names[] = { "ffffffffffffffff.spool", "8000000000000000.spool", "0000000000000000.spool",
                                         "00000000000000A0.spool", "0000000000000001.spool.swp", "core" };
    enum { NAMES = sizeof names / sizeof names[0] };
    char path[FAKE_PATH + 64], other[FAKE_PATH + 96], *data;
    (void)state;
    fake_init(f, &plain);
    delivered_reserve();
    start();
    fake_stop(f);
    for (unsigned i = 0; i < NAMES; i++) {
        (void)snprintf(other, sizeof other, "%s/spool/fake/%s", f->state, names[i]);
        const int fd = open(other, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    (void)spool_make(path, sizeof path, &data);
    free(data);
    assert_int_equal(run_to_the_end(), BLOCKS);
    for (unsigned i = 0; i < NAMES; i++) {
        (void)snprintf(other, sizeof other, "%s/spool/fake/%s", f->state, names[i]);
        assert_int_equal(unlink(other), 0);
    }
    fake_done(f);
}

/* What could not be read is there to be looked at. */
static void assert_is_kept(const char *path, const char *data, size_t len)
{
    char bad[FAKE_PATH + 70];
    (void)snprintf(bad, sizeof bad, "%s.bad", path);
    char *kept = malloc(len + 1);
    const int fd = open(bad, O_RDONLY);
    assert_true(kept && fd >= 0 && read(fd, kept, len + 1) == (ssize_t)len);
    assert_memory_equal(kept, data, len);
    (void)close(fd);
    free(kept);
}

static void of_a_flipped_bit_only_its_block_suffers(void **state)
{
    char path[FAKE_PATH + 64], *data;
    size_t ends[BLOCKS];
    (void)state;
    fake_init(f, &plain);
    delivered_reserve();
    const size_t len = spool_make(path, sizeof path, &data);
    assert_int_equal(block_ends(data, len, ends), BLOCKS);
    for (size_t at = 0; at < len; at++) {
        data[at] ^= (char)(1 << at % 8);
        spool_put_back(path, data, len);
        const unsigned blocks = run_to_the_end();
        if (blocks < BLOCKS - (at >= sizeof(struct spool_file_head)))
            fail_msg("byte %zu of %zu costs %u blocks", at, len, BLOCKS - blocks);
        if (blocks < BLOCKS && at < ends[BLOCKS - 2]) /* behind that it may be an unfinished write */
            assert_is_kept(path, data, len);
        data[at] ^= (char)(1 << at % 8);
    }
    free(data);
    fake_done(f);
}

static void a_damaged_cursor_costs_no_record(void **state)
{
    char path[FAKE_PATH + 64], cursor[FAKE_PATH + 64], *data;
    (void)state;
    fake_init(f, &plain);
    delivered_reserve();
    const size_t len = spool_make(path, sizeof path, &data);
    (void)snprintf(cursor, sizeof cursor, "%s/spool/fake/cursor", f->state);
    for (unsigned at = 0; at < 64 + sizeof(struct cursor_slot) * 5; at++) {
        struct cursor_map *map = calloc(1, sizeof *map);
        map->magic = CURSOR_MAGIC;
        ((char *)map)[at] ^= (char)(1 << at % 8);
        spool_put_back(path, data, len);
        const int fd = open(cursor, O_WRONLY | O_CREAT, 0600);
        assert_int_equal(write(fd, map, sizeof *map), sizeof *map);
        (void)close(fd);
        free(map);
        assert_int_equal(run_to_the_end(), BLOCKS);
    }
    free(data);
    fake_done(f);
}

/* fluent-bit#9669, rsyslog#3800: ENOSPC in the files of a queue; a storm of messages. */
static void a_disk_that_fails_at_any_call_costs_nothing(void **state)
{
    (void)state;
    for (int64_t at = 1; at < 400; at++) {
        struct io_config cfg = { .kind = IO_SIM, .queue_depth = 16, .sim_seed = 3, .sim_fail_at = at,
                                 .sim_fail_from = at % 2 == 0, .sim_error = at % 3 ? ENOSPC : EIO };
        struct fake_ticket t[BLOCKS];
        struct err e;
        fake_init(f, &cfg);
        f->script = always_fail;
        f->sink->delivery.spool_sync = at % 5 ? SINK_SYNC_INTERVAL : SINK_SYNC_ALWAYS;
        if (fake_start(f, &e) < 0) { /* said at the start, by name */
            assert_true(e.text[0] != '\0');
            fake_done(f);
            continue;
        }
        for (int i = 0; i < BLOCKS; i++) {
            fake_put(f, RECORDS, 40, &t[i]);
            remote_relieve(f->r);
            for (int n = 0; n < 20; n++)
                fake_run(f, NS_PER_S / 4);
            assert_true(fake_is_balanced(f));
        }
        assert_true(f->messages <= 4);
        f->script = NULL;
        if (!cfg.sim_fail_from) {
            fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
            for (int n = 0; n < ALL; n++)
                assert_int_equal(f->delivered[n], 1);
        } else { /* what lies in the spool cannot be read, the rest is delivered all the same */
            fake_until(f, NS_PER_S, fake_stats(f).queued_records == 0);
        }
        assert_true(fake_is_balanced(f));
        fake_done(f);
    }
}

enum { FIRST = 4, FAILED = 2500 };

/* The oldest stay in the spool. */
static bool fail_the_first(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    if (fake_number(q->entry[0]) < FIRST)
        return always_fail(g, q, a);
    *a = (struct sink_result){ .outcome = SINK_DELIVERED };
    return true;
}

/* A file with one block, and a group of two more, as far as the limit of its length allows. Returns where the group's
 * first block ends. */
static size_t group_fail_at(size_t limit)
{
    struct rlimit before, most;
    static struct fake_ticket t[2]; /* settled after this call at times */
    memset(t, 0, sizeof t);
    char path[FAKE_PATH + 64];
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    most = (struct rlimit){ limit ? limit : before.rlim_cur, before.rlim_max };
    f->script = always_fail;
    start();
    fake_put(f, FIRST, 40, &t[0]);
    remote_relieve(f->r);
    fake_until(f, 0, t[0].settled);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &most), 0);
    fake_put(f, FAILED, 100, &t[1]);
    remote_relieve(f->r);
    fake_until(f, 0, t[1].settled || f->messages);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)snprintf(path, sizeof path, "%s/spool/fake/%016x.spool", f->state, 1);
    char data[65536];
    size_t ends[BLOCKS] = {0};
    const int fd = open(path, O_RDONLY);
    const ssize_t len = read(fd, data, sizeof data);
    (void)close(fd);
    assert_true(fd >= 0 && len > 0);
    (void)block_ends(data, (size_t)len, ends);
    return ends[1];
}

static void what_a_failed_write_leaves_is_not_found_by_the_next_run(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    fake_init(f, &plain);
    fake_option(f, "retry_base_delay", "1h");
    fake_option(f, "breaker_enabled", "false");
    const size_t end = group_fail_at(0);
    assert_true(end > 0);
    fake_stop(f);
    fake_done(f);
    fake_init(f, &plain);
    fake_option(f, "retry_base_delay", "1ms");
    fake_option(f, "breaker_enabled", "false");
    f->delivered = calloc(1, 8192);
    f->delivered_cap = 8192;
    (void)group_fail_at(end + 8);
    assert_non_null(strstr(f->message, "spool: "));
    f->script = fail_the_first;
    fake_until(f, NS_PER_MS, fake_stats(f).delivered == FAILED);
    fake_stop(f); /* as a kill would */
    f->script = NULL;
    start();
    fake_until(f, NS_PER_MS, remote_is_idle(f->r, true));
    for (int n = 0; n < FIRST + FAILED; n++)
        assert_int_equal(f->delivered[n], 1);
    assert_true(fake_is_balanced(f));
    fake_done(f);
}

/* It could not be opened for once: a run without descriptors, a disk that was read-only. */
static void a_file_that_one_run_cannot_read_is_delivered_by_the_next(void **state)
{
    char path[FAKE_PATH + 64], away[FAKE_PATH + 70], *data;
    struct fake_ticket t;
    (void)state;
    fake_init(f, &plain);
    delivered_reserve();
    (void)spool_make(path, sizeof path, &data);
    free(data);
    (void)snprintf(away, sizeof away, "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(symlink(away, path), 0);
    f->message[0] = '\0';
    start();
    assert_non_null(strstr(f->message, "1 files cannot be read and are left alone"));
    f->script = always_fail;
    fake_put(f, RECORDS, 40, &t);
    remote_relieve(f->r);
    fake_until(f, 0, t.settled);
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    fake_stop(f);
    assert_int_equal(rename(away, path), 0);
    start();
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    for (int n = 0; n < ALL + RECORDS; n++)
        assert_int_equal(f->delivered[n], 1);
    assert_true(fake_is_balanced(f));
    fake_done(f);
}

static void a_head_of_another_length_counts_as_damaged(void **state)
{
    struct spool_file_head h = { .kind = SPOOL_ENTRIES };
    (void)state;
    spool_file_head_seal(&h);
    assert_true(spool_file_head_is_valid(&h));
    h.head_bytes += 8;
    h.xxh3 = XXH3_64bits(&h, offsetof(struct spool_file_head, xxh3));
    assert_false(spool_file_head_is_valid(&h));
}

/* Of a spool that the last run has left whole, with its cursor, some bytes are left; `expected` blocks are gone. */
static void cut_and_start(size_t cut_blocks, size_t more, unsigned expected)
{
    char path[FAKE_PATH + 64], *data, text[64];
    size_t ends[BLOCKS];
    fake_init(f, &plain);
    delivered_reserve();
    const size_t len = spool_make(path, sizeof path, &data);
    assert_int_equal(block_ends(data, len, ends), BLOCKS);
    free(data);
    f->script = always_fail;
    start(); /* takes note of them, as the pipeline does */
    fake_stop(f);
    f->script = NULL;
    f->message[0] = '\0';
    assert_int_equal(cut_blocks ? truncate(path, (off_t)(ends[cut_blocks - 1] + more)) : unlink(path), 0);
    (void)snprintf(text, sizeof text, "%u blocks that were put here are gone", expected);
    start();
    assert_true(expected ? strstr(f->message, text) != NULL : !f->message[0]);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_true(fake_is_balanced(f));
    fake_stop(f);
    f->message[0] = '\0';
    start(); /* it is said once */
    assert_false(f->message[0]);
    fake_stop(f);
    fake_done(f);
}

static void blocks_that_are_gone_are_told(void **state)
{
    (void)state;
    cut_and_start(3, 0, 0);
    cut_and_start(2, 10, 1);
    cut_and_start(1, 0, 2);
    cut_and_start(0, 0, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_at_any_byte_the_blocks_before_are_delivered),
        cmocka_unit_test(where_zeros_begin_at_any_byte_the_blocks_before_are_delivered),
        cmocka_unit_test(files_that_are_not_ours_are_left_alone),
        cmocka_unit_test(of_a_flipped_bit_only_its_block_suffers),
        cmocka_unit_test(a_head_of_another_length_counts_as_damaged),
        cmocka_unit_test(a_damaged_cursor_costs_no_record),
        cmocka_unit_test(blocks_that_are_gone_are_told),
        cmocka_unit_test(what_a_failed_write_leaves_is_not_found_by_the_next_run),
        cmocka_unit_test(a_file_that_one_run_cannot_read_is_delivered_by_the_next),
        cmocka_unit_test(a_disk_that_fails_at_any_call_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
