#include "lib/base/check.h"
#include "lib/reader/lane.h"
#include "tests/common/segment_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[PATH_MAX];
static int dir_fd = -1;
static struct segment_builder b;
static struct segment *seg;
static struct err e;

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/dev/shm/test-reader-segment-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int fd = openat(dir_fd, "1-1.ring", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    builder_init(&b, fd, &(struct builder_options){.lanes = 3});
    memset(&e, 0, sizeof e);
    seg = NULL;
    return dir_fd < 0 || fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    segment_close(seg);
    (void)close(b.fd);
    builder_done(&b);
    static const char *const names[] = {"1-1.ring",  "link.ring",  "hard.ring",
                                        "fifo.ring", "sub.ring/x", "short.ring"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        (void)unlinkat(dir_fd, names[i], 0);
    (void)unlinkat(dir_fd, "sub.ring", AT_REMOVEDIR);
    (void)close(dir_fd);
    return rmdir(dir);
}

static int open_with(const char *name, unsigned flags, const struct segment_limits *limits)
{
    segment_close(seg);
    seg = NULL;
    return segment_open(dir_fd, name, flags, limits, &seg, &e);
}

static void a_valid_segment_opens_and_describes_itself(void **state)
{
    (void)state;
    assert_int_equal(open_with("1-1.ring", 0, NULL), 0);
    assert_int_equal(seg->lanes_count, 3);
    assert_int_equal(seg->process.pid, 4242);
    assert_memory_equal(seg->process.service.data, "svc", 3);
    assert_int_equal(seg->process.service.len, 3);
    assert_memory_equal(seg->process.version.data, "1.2.3", 5);
    assert_int_equal(seg->process.uuid[0], 0x88);
    assert_int_equal(seg->lanes[2].cap_log2, 14);
    assert_false(seg->slow_fs);
    assert_false(segment_is_damaged(seg));
}

static void only_the_collector_writes_and_only_to_ctl(void **state)
{
    (void)state;
    assert_int_equal(open_with("1-1.ring", SEGMENT_CTL_WRITE, NULL), 0);
    store_rel(&segment_slot(seg, 2)->head, 4096);
    seg->ctl->heartbeat_ns = 99;
    assert_int_equal(builder_slot(&b, 2)->head, 4096);
    const pid_t pid = fork();
    if (pid == 0) { /* the mapping of the file itself refuses a store */
        (void)signal(SIGSEGV, SIG_DFL);
        struct fapilog_lane *lane = (struct fapilog_lane *)(uintptr_t)segment_lane_shared(seg, 0);
        lane->tail = 1;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(open_with("1-1.ring", 0, NULL), 0);
    assert_int_equal(seg->ctl->heartbeat_ns, 99);
}

static void links_fifos_directories_and_paths_are_refused(void **state)
{
    (void)state;
    assert_int_equal(symlinkat("1-1.ring", dir_fd, "link.ring"), 0);
    assert_int_equal(mkfifoat(dir_fd, "fifo.ring", 0600), 0);
    assert_int_equal(mkdirat(dir_fd, "sub.ring", 0700), 0);
    assert_int_equal(open_with("link.ring", 0, NULL), -ELOOP);
    assert_non_null(strstr(e.text, "link.ring is a symbolic link"));
    assert_int_equal(open_with("fifo.ring", 0, NULL), -EPERM);
    assert_int_equal(open_with("sub.ring", 0, NULL), -EPERM);
    assert_int_equal(open_with("../1-1.ring", 0, NULL), -EXDEV);
    assert_int_equal(open_with("/etc/passwd", 0, NULL), -EXDEV);
    assert_int_equal(open_with("none.ring", 0, NULL), -ENOENT);
    assert_int_equal(linkat(dir_fd, "1-1.ring", dir_fd, "hard.ring", 0), 0);
    assert_int_equal(open_with("1-1.ring", 0, NULL), -EPERM);
    assert_int_equal(open_with("1-1.ring", SEGMENT_ANY_FS, NULL), 0);
}

static void files_of_other_owners_need_leave(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(fchown(b.fd, 12345, 12345), 0);
    assert_int_equal(open_with("1-1.ring", 0, NULL), -EPERM);
    assert_int_equal(open_with("1-1.ring", SEGMENT_ANY_OWNER, NULL), 0);
    assert_int_equal(seg->uid, 12345);
}

/* Bytes, so that one table holds fields of any size; little endian, as the machines we run on. */
static const struct {
    size_t off, size;
    uint64_t value;
} superblock_lies[] = {
#define LIE(field, value) {offsetof(struct fapilog_superblock, field), sizeof b.sb->field, value}
    LIE(magic, 1), LIE(endian, 0x04030201), LIE(major, 2), LIE(major, 0), LIE(incompat, 1),
    LIE(incompat, UINT64_C(1) << 63), LIE(super_size, 0), LIE(super_size, 4095),
    LIE(super_size, UINT32_MAX), LIE(file_size, 0), LIE(file_size, 4096),
    LIE(file_size, UINT64_MAX), LIE(file_size, UINT64_C(1) << 40), LIE(ctl_off, 0),
    LIE(ctl_off, 4097), LIE(ctl_off, UINT64_MAX - 4095), LIE(ctl_off, UINT64_C(1) << 40),
    LIE(ctl_size, 0), LIE(ctl_size, 8192), LIE(ctl_size, UINT64_MAX),
    LIE(ctl_size, UINT64_MAX - 4095), LIE(registry_off, 0), LIE(registry_off, 4096),
    LIE(registry_off, 1), LIE(registry_off, UINT64_MAX - 63), LIE(registry_size, 0),
    LIE(registry_size, 63), LIE(registry_size, UINT64_MAX), LIE(registry_size, 1u << 30),
    LIE(lane_off, 0), LIE(lane_off, 7), LIE(lane_off, 4096), LIE(lane_off, UINT64_MAX - 63),
    LIE(data_off, 0), LIE(data_off, 4096), LIE(data_off, UINT64_MAX), LIE(data_off, UINT64_MAX - 7),
    LIE(lane_count, 0), LIE(lane_count, 16385), LIE(lane_count, UINT32_MAX), LIE(lane_count, 4000),
    LIE(lane_stride, 0), LIE(lane_stride, 128), LIE(lane_stride, 257), LIE(lane_stride, UINT32_MAX),
    LIE(slot_stride, 0), LIE(slot_stride, 32), LIE(slot_stride, 65), LIE(slot_stride, UINT32_MAX),
    LIE(clock_kind, 0), LIE(clock_kind, 4), LIE(clock_kind, UINT32_MAX),
#undef LIE
};

static void each_wrong_field_is_refused_with_a_reason(void **state)
{
    (void)state;
    const struct fapilog_superblock good = *b.sb;
    for (size_t i = 0; i < ARRAY_COUNT(superblock_lies); i++) {
        *b.sb = good;
        memcpy(b.base + superblock_lies[i].off, &superblock_lies[i].value, superblock_lies[i].size);
        builder_seal(&b);
        for (unsigned flags = 0; flags <= SEGMENT_SALVAGE; flags += SEGMENT_SALVAGE) {
            const int r = open_with("1-1.ring", flags, NULL);
            if (r != -EBADMSG && r != -ENOTSUP)
                fail_msg("lie %zu at %zu: %d", i, superblock_lies[i].off, r);
            assert_true(strlen(e.text) > 10);
        }
    }
    *b.sb = good;
    assert_int_equal(open_with("1-1.ring", 0, NULL), 0);
}

static void every_flipped_bit_of_the_superblock_is_noticed(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 576 * 8; bit++) {
        b.base[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (open_with("1-1.ring", 0, NULL) == 0)
            fail_msg("bit %zu", bit);
        b.base[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(open_with("1-1.ring", 0, NULL), 0);
}

static void a_flipped_bit_of_the_superblock_is_mended_where_all_is_to_be_saved(void **state)
{
    (void)state;
    const struct fapilog_superblock good = *b.sb;
    for (size_t bit = 0; bit < 576 * 8; bit++) {
        b.base[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (open_with("1-1.ring", SEGMENT_SALVAGE, NULL) < 0)
            fail_msg("bit %zu: %s", bit, e.text);
        assert_true(segment_is_damaged(seg));
        assert_memory_equal(&seg->sb, &good, offsetof(struct fapilog_superblock, xxh3));
        b.base[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void impossible_lanes_are_refused_or_left_out(void **state)
{
    (void)state;
    static const struct { uint64_t data_off; uint8_t cap, block; } lies[] = {
        {1, 14, 12},       {4096, 14, 12},          {UINT64_MAX - 63, 14, 12}, {UINT64_C(1) << 30, 14, 12},
        {0x40000, 13, 12}, {0x40000, 31, 12},       {0x40000, 255, 12},        {0x40000, 14, 11},
        {0x40000, 14, 19}, {0x40000, 14, 14},       {0x40000, 14, 255},        {0x40000, 20, 12},
    };
    for (size_t i = 0; i < ARRAY_COUNT(lies); i++) {
        struct fapilog_lane *l = builder_lane(&b, 1);
        const struct fapilog_lane good = *l;
        l->data_off = lies[i].data_off;
        l->cap_log2 = lies[i].cap;
        l->block_log2 = lies[i].block;
        assert_int_equal(open_with("1-1.ring", 0, NULL), -EBADMSG);
        assert_int_equal(open_with("1-1.ring", SEGMENT_SALVAGE, NULL), 0);
        assert_true(segment_is_damaged(seg));
        struct lane_cursor c;
        assert_int_equal(lane_cursor_init(&c, seg, 1, 0, 0), -EINVAL);
        assert_int_equal(lane_cursor_init(&c, seg, 2, 0, 0), 0);
        lane_cursor_done(&c);
        *l = good;
    }
}

static void lanes_that_share_their_bytes_are_refused(void **state)
{
    (void)state;
    builder_lane(&b, 1)->cap_log2 = 15; /* two lanes' worth: over lane 2 */
    assert_int_equal(open_with("1-1.ring", 0, NULL), -EBADMSG);
}

static void a_lane_without_geometry_gets_it_later(void **state)
{
    (void)state;
    const struct fapilog_lane good = *builder_lane(&b, 2);
    memset(builder_lane(&b, 2), 0, sizeof good);
    assert_int_equal(open_with("1-1.ring", 0, NULL), 0);
    assert_false(segment_lane_refresh(seg, 2));
    *builder_lane(&b, 2) = good;
    assert_true(segment_lane_refresh(seg, 2));
    assert_int_equal(seg->lanes[2].data_off, good.data_off);
}

static void limits_are_kept(void **state)
{
    (void)state;
    assert_int_equal(open_with("1-1.ring", 0, &(struct segment_limits){.file_bytes_max = b.bytes}), 0);
    assert_int_equal(open_with("1-1.ring", 0, &(struct segment_limits){.file_bytes_max = b.bytes - 1}),
                     -EBADMSG);
    assert_int_equal(open_with("1-1.ring", 0, &(struct segment_limits){.lanes_max = 2}), -EBADMSG);
    assert_int_equal(open_with("1-1.ring", 0, &(struct segment_limits){.registry_bytes_max = 8192}),
                     -EBADMSG);
}

static void a_short_or_empty_file_is_refused(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 4095, 4096, b.bytes - 1};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        const int fd = openat(dir_fd, "short.ring", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, b.base, sizes[i]), sizes[i]);
        (void)close(fd);
        assert_int_equal(open_with("short.ring", 0, NULL), -EBADMSG);
    }
}

static void the_lock_tells_whether_the_producer_lives(void **state)
{
    (void)state;
    int ready[2], stop[2];
    char c = 0;
    assert_int_equal(open_with("1-1.ring", 0, NULL), 0);
    assert_int_equal(segment_is_alive(seg), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        const int fd = openat(dir_fd, "1-1.ring", O_RDWR | O_CLOEXEC);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        c = (char)(fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 1 : 2);
        /* The mapping keeps the description, and so the lock, after the close. */
        if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
            c = 3;
        (void)close(fd);
        if (write(ready[1], &c, 1) == 1)
            (void)!read(stop[0], &c, 1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 1);
    assert_int_equal(segment_is_alive(seg), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(segment_is_alive(seg), 0);
    for (int i = 0; i < 2; i++) {
        (void)close(ready[i]);
        (void)close(stop[i]);
    }
}

static void a_claim_under_way_yields_no_half_owner(void **state)
{
    (void)state;
    struct segment_lane_owner o;
    assert_int_equal(open_with("1-1.ring", 0, NULL), 0);
    assert_int_equal(segment_lane_owner(seg, 1, &o), 0);
    assert_int_equal(o.tid, 101);
    assert_string_equal(o.thread, "worker");
    assert_int_equal(o.generation, 1);
    memset(builder_lane(&b, 1)->thread, 'x', 32); /* without a NUL */
    assert_int_equal(segment_lane_owner(seg, 1, &o), 0);
    assert_int_equal(strlen(o.thread), 31);
    builder_lane(&b, 1)->state = 2 << 8 | FAPILOG_LANE_CLAIMING;
    assert_int_equal(segment_lane_owner(seg, 1, &o), -EAGAIN);
}

static void texts_without_an_end_are_cut_at_their_field(void **state)
{
    (void)state;
    memset(b.sb->service, 'x', sizeof b.sb->service + sizeof b.sb->host);
    builder_seal(&b);
    assert_int_equal(open_with("1-1.ring", 0, NULL), 0);
    assert_int_equal(seg->process.service.len, sizeof b.sb->service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_valid_segment_opens_and_describes_itself), T(only_the_collector_writes_and_only_to_ctl),
        T(links_fifos_directories_and_paths_are_refused), T(files_of_other_owners_need_leave),
        T(each_wrong_field_is_refused_with_a_reason), T(every_flipped_bit_of_the_superblock_is_noticed),
        T(a_flipped_bit_of_the_superblock_is_mended_where_all_is_to_be_saved),
        T(impossible_lanes_are_refused_or_left_out), T(lanes_that_share_their_bytes_are_refused),
        T(a_lane_without_geometry_gets_it_later), T(limits_are_kept), T(a_short_or_empty_file_is_refused),
        T(the_lock_tells_whether_the_producer_lives), T(a_claim_under_way_yields_no_half_owner),
        T(texts_without_an_end_are_cut_at_their_field),
    };
    return cmocka_run_group_tests_name("reader-segment", tests, NULL, NULL);
}
