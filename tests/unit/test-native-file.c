#include "lib/base/fd_io.h"
#include "lib/reader/native_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

/* Hostile native files: what walking them costs is counted in bytes read, since what is hashed is read before. */

enum { LIE_EVERY = 64, PAYLOAD_BYTES = 64, FILE_BYTES = 256 << 10, READ_FACTOR_MAX = 32 };

ssize_t __real_fd_pread_full(int fd, void *to, size_t size, uint64_t offset);
ssize_t __wrap_fd_pread_full(int fd, void *to, size_t size, uint64_t offset);

static uint64_t bytes_read;
static _Alignas(8) uint8_t image[FILE_BYTES + 4096];
static size_t len, a_end;

ssize_t __wrap_fd_pread_full(int fd, void *to, size_t size, uint64_t offset)
{
    const ssize_t n = __real_fd_pread_full(fd, to, size, offset);
    bytes_read += n > 0 ? (uint64_t)n : 0;
    return n;
}

static int begin(void **state)
{
    (void)state;
    struct fapilog_native_header h = {.magic = FAPILOG_NATIVE_MAGIC, .endian = FAPILOG_ENDIAN_TAG,
                                      .major = FAPILOG_NATIVE_MAJOR, .header_size = sizeof h};
    h.xxh3 = XXH3_64bits(&h, offsetof(struct fapilog_native_header, xxh3));
    memset(image, 0, sizeof image);
    memcpy(image, &h, sizeof h);
    len = sizeof h;
    bytes_read = 0;
    return 0;
}

static void put_head(size_t at, uint32_t stored_bytes, uint64_t hash)
{
    struct fapilog_native_block h = {.sync = FAPILOG_NATIVE_SYNC, .kind = FAPILOG_NATIVE_KIND_SPANS, .records = 1,
                                     .raw_bytes = stored_bytes, .stored_bytes = stored_bytes, .xxh3 = hash};
    h.header_xxh3 = XXH3_64bits(&h, offsetof(struct fapilog_native_block, header_xxh3));
    memcpy(image + at, &h, sizeof h);
}

static void put_block(char fill)
{
    char payload[PAYLOAD_BYTES];
    memset(payload, fill, sizeof payload);
    put_head(len, sizeof payload, XXH3_64bits(payload, sizeof payload));
    memcpy(image + len + sizeof(struct fapilog_native_block), payload, sizeof payload);
    len += sizeof(struct fapilog_native_block) + sizeof payload;
}

/* Headers whose payloads would end at `end`, and are not what they say: the bytes of the last one. */
static uint64_t put_lies(size_t count, size_t end)
{
    size_t bytes = 0;
    for (; count; count--, len += LIE_EVERY) {
        bytes = end - len - sizeof(struct fapilog_native_block);
        put_head(len, (uint32_t)bytes, 1);
    }
    return bytes;
}

static void put_junk(void)
{
    memset(image + len, 'x', LIE_EVERY);
    len += LIE_EVERY;
}

/* The first bytes of the payloads that come back. */
static void expect_blocks(const char *want)
{
    struct native_file *f;
    struct native_block b;
    const int fd = memfd_create("native", MFD_CLOEXEC);
    uint64_t skipped = sizeof(struct fapilog_native_header);
    assert_int_equal(write(fd, image, len), len);
    assert_int_equal(native_file_open_fd(fd, "native", &f, NULL), 0);
    for (; *want; want++) {
        assert_int_equal(native_file_next(f, &b), 1);
        assert_int_equal(b.data[0], *want);
        skipped += sizeof(struct fapilog_native_block) + b.len;
    }
    assert_int_equal(native_file_next(f, &b), 0);
    assert_int_equal(skipped + f->skipped_bytes + f->torn_bytes, len); /* whatever is not given is told */
    native_file_close(f);
}

static void heads_that_lie_cost_no_more_than_the_file_is_long(void **state)
{
    (void)state;
    put_block('a');
    (void)put_lies(FILE_BYTES / LIE_EVERY, len + FILE_BYTES + 8); /* into the block behind */
    put_block('b');
    expect_blocks("ab");
    assert_in_range(bytes_read, len, READ_FACTOR_MAX * (uint64_t)len);
}

/* A header where the one that lies ends is no proof of the payload, but the walk goes on there: it is read once. */
static void heads_that_lie_up_to_a_header_are_passed_over(void **state)
{
    (void)state;
    (void)put_lies(FILE_BYTES / LIE_EVERY, len + FILE_BYTES);
    put_block('b');
    expect_blocks("b");
    assert_in_range(bytes_read, len, 3 * (uint64_t)len);
}

/* Lies that come to exactly what may be hashed in vain while a block is hashed as well, or to one byte more. */
static void a_block_in_front_of_damage_is_read_until_too_much_was_in_vain(void **state)
{
    for (uint32_t over = 0; over <= 1; over++) {
        uint64_t left = NATIVE_FILE_VAIN_FACTOR * (uint64_t)FILE_BYTES - PAYLOAD_BYTES;
        (void)begin(state);
        for (unsigned i = 0; i < NATIVE_FILE_VAIN_FACTOR; i++)
            left -= put_lies(1, FILE_BYTES - 8);
        put_head(len, (uint32_t)left + over, 1);
        len += LIE_EVERY;
        put_block('a');
        put_junk();
        len = FILE_BYTES - sizeof(struct fapilog_native_block) - PAYLOAD_BYTES;
        put_block('b');
        expect_blocks(over ? "b" : "ab");
    }
}

/* Block a, and then up to `end` what is no whole block. What a writer adds (64 bytes) makes one of it, or does not. */
static void expect_tail(size_t end, bool is_damaged, int after)
{
    struct native_file *f;
    struct native_block b;
    const int fd = memfd_create("native", MFD_CLOEXEC);
    assert_int_equal(write(fd, image, end), end);
    assert_int_equal(native_file_open_fd(fd, "native", &f, NULL), 0);
    assert_int_equal(native_file_next(f, &b), 1);
    assert_int_equal(native_file_next(f, &b), 0);
    assert_int_equal(f->torn_bytes, end - a_end);
    assert_int_equal(f->is_tail_damaged, is_damaged);
    assert_int_equal(write(fd, image + end, LIE_EVERY), LIE_EVERY);
    assert_int_equal(native_file_next(f, &b), after);
    assert_int_equal(f->is_tail_damaged, is_damaged);
    native_file_close(f);
}

static void what_stands_behind_the_last_block_is_unfinished_or_damaged(void **state)
{
    enum { HEAD = sizeof(struct fapilog_native_block), BLOCK = HEAD + PAYLOAD_BYTES };
    (void)state;
    put_block('a');
    a_end = len;
    put_block('b');
    expect_tail(a_end + HEAD, false, 1);
    expect_tail(a_end + HEAD - 8, false, 0);
    image[a_end + BLOCK - 1] ^= 1; /* the last byte of b, of which something follows that is no header */
    expect_tail(a_end + BLOCK + LIE_EVERY, true, 0);
    image[a_end + 20] ^= 1; /* how long b is */
    expect_tail(a_end + BLOCK, true, 0);
    memset(image + a_end, 0, BLOCK);
    expect_tail(a_end + HEAD, true, 0);
}

/* Up to there the last write has come, before a kill or while we look: all of a block but some of its padding. */
static void padding_that_is_not_there_yet_is_no_cut(void **state)
{
    enum { HEAD = sizeof(struct fapilog_native_block), ODD = PAYLOAD_BYTES - 3 };
    struct native_file *f;
    struct native_block b;
    for (unsigned missing = 0; missing < 8; missing++) {
        const bool is_good = missing < 4;
        (void)begin(state);
        memset(image + len + HEAD, 'a', ODD);
        put_head(len, ODD, XXH3_64bits(image + len + HEAD, ODD) + !is_good);
        a_end = len += HEAD + PAYLOAD_BYTES;
        put_block('b');
        const size_t end = a_end - missing % 4;
        const int fd = memfd_create("native", MFD_CLOEXEC);
        assert_int_equal(write(fd, image, end), end);
        assert_int_equal(native_file_open_fd(fd, "native", &f, NULL), 0);
        if (is_good)
            assert_int_equal(native_file_next(f, &b), 1);
        assert_int_equal(native_file_next(f, &b), 0);
        assert_int_equal(native_file_next(f, &b), 0);
        assert_int_equal(write(fd, image + end, len - end), len - end);
        assert_int_equal(native_file_next(f, &b), 1);
        assert_int_equal(b.data[0], 'b');
        assert_int_equal(f->cuts, 0);
        assert_int_equal(f->skipped_blocks, !is_good);
        native_file_close(f);
    }
}

#define T(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(heads_that_lie_cost_no_more_than_the_file_is_long),
        T(heads_that_lie_up_to_a_header_are_passed_over),
        T(a_block_in_front_of_damage_is_read_until_too_much_was_in_vain),
        T(what_stands_behind_the_last_block_is_unfinished_or_damaged),
        T(padding_that_is_not_there_yet_is_no_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
