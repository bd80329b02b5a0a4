#include "collector/delivery/commit.h"
#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct place {
    char dir[64];
    char file[96];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/test-commit-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    (void)snprintf(p->file, sizeof p->file, "%s/" COMMIT_FILE, p->dir);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    (void)unlink(p->file);
    assert_int_equal(rmdir(p->dir), 0);
    free(p);
    return 0;
}

static struct commit *open_it(const struct place *p)
{
    struct commit *c = NULL;
    struct err e = { 0 };
    if (commit_open(p->dir, NULL, &c, &e) < 0)
        fail_msg("%s", e.text);
    return c;
}

static struct commit_sink make_sink(uint64_t identity, uint64_t value)
{
    return (struct commit_sink){ .identity = identity, .mark = { .word = { value, value + 1 } } };
}

static struct position make_position(uint32_t lane, uint64_t done)
{
    return (struct position){ .uuid_hi = 1, .uuid_lo = 2, .lane = lane, .done = done, .delivered = done / 8 };
}

static void store(struct commit *c, uint64_t value)
{
    const struct commit_sink sinks[] = { make_sink(11, value), make_sink(22, value * 2) };
    const struct position positions[] = { make_position(0, value * 8), make_position(3, value * 16) };
    const struct position first[] = { make_position(0, value * 24) };
    const struct position second[] = { make_position(3, value * 32), make_position(POSITION_SEGMENT, value) };
    const struct commit_open open[] = { { 3, 1, first }, { 1, 2, second } };
    const struct commit_state s = { sinks, positions, open, 2, 2, 2 };
    commit_store(c, &s);
}

/* What is there, by its first mark; -1: nothing. */
static int64_t stored(struct commit *c)
{
    struct commit_state state;
    commit_last(c, &state);
    const struct commit_sink *s = state.sink;
    const struct position *p = state.position;
    const struct commit_open *open = state.open;
    if (!state.sinks_count)
        return -1;
    assert_int_equal(state.sinks_count, 2);
    assert_int_equal(state.positions_count, 2);
    assert_int_equal(state.opens_count, 2);
    assert_int_equal(open[0].settled, 3);
    assert_int_equal(open[0].count, 1);
    assert_int_equal(open[0].position[0].done, s[0].mark.word[0] * 24);
    assert_int_equal(open[1].settled, 1);
    assert_int_equal(open[1].count, 2);
    assert_int_equal(open[1].position[0].done, s[0].mark.word[0] * 32);
    assert_int_equal(open[1].position[1].lane, POSITION_SEGMENT);
    assert_int_equal(p[0].done, s[0].mark.word[0] * 8);
    assert_int_equal(p[1].done, s[0].mark.word[0] * 16);
    assert_int_equal(s[1].mark.word[0], s[0].mark.word[0] * 2);
    return (int64_t)s[0].mark.word[0];
}

static void a_new_file_has_nothing(void **state)
{
    struct commit *c = open_it(*state);
    assert_int_equal(stored(c), -1);
    assert_null(commit_mark(c, 11));
    commit_close(c);
}

static void the_last_store_is_there_after_reopening(void **state)
{
    for (uint64_t i = 1; i < 8; i++) {
        struct commit *c = open_it(*state);
        assert_int_equal(stored(c), i == 1 ? -1 : (int64_t)i - 1);
        store(c, i);
        assert_int_equal(stored(c), i);
        commit_close(c);
    }
}

static void marks_are_found_by_identity(void **state)
{
    struct commit *c = open_it(*state);
    store(c, 5);
    assert_int_equal(commit_mark(c, 11)->word[0], 5);
    assert_int_equal(commit_mark(c, 22)->word[0], 10);
    assert_null(commit_mark(c, 33));
    commit_close(c);
}

static uint8_t *map_file(const struct place *p, size_t *ret_bytes)
{
    const int fd = open(p->file, O_RDWR);
    struct stat st;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    *ret_bytes = (size_t)st.st_size;
    uint8_t *map = mmap(NULL, *ret_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    (void)close(fd);
    return map;
}

/* Of the slot written last: header 32 bytes, two sinks of 72, two positions of 64, two open batches of 8 with
 * three positions. */
enum { SLOT_USED = 32 + 2 * 72 + 2 * 64 + 2 * 8 + 3 * 64 };

static void any_damaged_byte_gives_way_to_the_store_before(void **state)
{
    struct commit *c = open_it(*state);
    store(c, 1);
    store(c, 2);
    commit_close(c);
    size_t bytes;
    uint8_t *map = map_file(*state, &bytes);
    uint8_t *second = map + 4096 + (bytes - 4096) / 2;
    for (unsigned i = 0; i < SLOT_USED; i++) {
        second[i] ^= 0x40;
        c = open_it(*state);
        assert_int_equal(stored(c), 1);
        commit_close(c);
        second[i] ^= 0x40;
    }
    c = open_it(*state);
    assert_int_equal(stored(c), 2);
    commit_close(c);
    (void)munmap(map, bytes);
}

static void two_damaged_slots_are_refused_not_forgotten(void **state)
{
    struct commit *c = open_it(*state);
    struct err e = { 0 };
    store(c, 1);
    store(c, 2);
    commit_close(c);
    size_t bytes;
    uint8_t *map = map_file(*state, &bytes);
    map[4096 + 40] ^= 1;
    map[4096 + (bytes - 4096) / 2 + 40] ^= 1;
    assert_int_equal(commit_open(((struct place *)*state)->dir, NULL, &c, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "damaged"));
    (void)munmap(map, bytes);
}

/* By whatever did not know better, while it is mapped. */
static void cut(const struct place *p, off_t to, bool is_as_long_again)
{
    struct stat st;
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(truncate(p->file, to), 0);
    if (is_as_long_again)
        assert_int_equal(truncate(p->file, st.st_size), 0);
}

static void one_that_is_cut_while_it_is_in_use_is_made_again(void **state)
{
    const struct place *p = *state;
    struct commit *c = open_it(p);
    struct err e = { 0 };
    for (uint64_t i = 1; i < 9; i++) {
        store(c, 2 * i);
        assert_int_equal(commit_mend(c, &e), 0);
        cut(p, i % 4 < 2 ? 0 : 5000, i % 4 == 1); /* 5000: in the first slot */
        assert_int_equal(stored(c), 2 * i);
        if (i == 5) /* and it grows while nobody knows */
            assert_int_equal(commit_reserve(c, 2 * commit_room(c), &e), 0);
        store(c, 2 * i + 1);
        store(c, 2 * i + 1);
        const int r = commit_mend(c, &e);
        assert_int_equal(r, i == 5 ? 0 : 1);
        assert_true(r == 0 || strstr(e.text, "was cut while it was in use; it is made again"));
        assert_int_equal(commit_mend(c, &e), 0);
        struct commit *const next = open_it(p); /* as after a kill */
        assert_int_equal(stored(next), 2 * i + 1);
        commit_close(next);
    }
    commit_close(c);
}

static void one_that_cannot_be_made_again_is_as_soon_as_it_can_be(void **state)
{
    const struct place *p = *state;
    struct commit *c = open_it(p);
    struct err e = { 0 };
    char path_new[128];
    (void)snprintf(path_new, sizeof path_new, "%s.new", p->file);
    store(c, 1);
    cut(p, 0, false);
    assert_int_equal(mkdir(path_new, 0700), 0);
    for (uint64_t i = 2; i < 4; i++) {
        store(c, i);
        assert_int_equal(commit_mend(c, &e), -EISDIR);
        assert_non_null(strstr(e.text, "cannot be made again"));
        assert_int_equal(stored(c), i);
    }
    assert_int_equal(rmdir(path_new), 0);
    store(c, 4);
    assert_int_equal(commit_mend(c, &e), 1);
    commit_close(c);
    c = open_it(p);
    assert_int_equal(stored(c), 4);
    commit_close(c);
}

static void a_file_of_another_kind_is_refused(void **state)
{
    const struct place *p = *state;
    struct commit *c;
    struct err e = { 0 };
    const int fd = open(p->file, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "hello", 5), 5);
    (void)close(fd);
    assert_int_equal(commit_open(p->dir, NULL, &c, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "not a collector state file"));
}

static void growing_keeps_what_was_stored(void **state)
{
    struct commit *c = open_it(*state);
    store(c, 7);
    const uint64_t more = 5 * commit_room(c);
    assert_int_equal(commit_reserve(c, more, NULL), 0);
    assert_true(commit_room(c) >= more);
    assert_int_equal(stored(c), 7);
    const uint32_t many = (uint32_t)((commit_room(c) - commit_bytes(1, 0, 0)) / sizeof(struct position));
    struct position *positions = calloc(many, sizeof *positions);
    for (uint32_t i = 0; i < many; i++)
        positions[i] = make_position(i, i * 8);
    const struct commit_sink sink = make_sink(11, 8);
    const struct commit_state full = { .sink = &sink, .sinks_count = 1, .position = positions,
                                       .positions_count = many };
    commit_store(c, &full);
    commit_close(c);
    c = open_it(*state);
    struct commit_state got;
    commit_last(c, &got);
    assert_int_equal(got.positions_count, many);
    assert_int_equal(got.opens_count, 0);
    assert_memory_equal(got.position, positions, many * sizeof *positions);
    free(positions);
    commit_close(c);
}

static void more_than_a_slot_may_hold_is_refused_and_nothing_lost(void **state)
{
    struct commit *c = open_it(*state);
    struct err e = { 0 };
    store(c, 7);
    assert_int_equal(commit_reserve(c, (UINT64_C(1) << 30) + 1, &e), -EFBIG);
    assert_int_equal(stored(c), 7);
    commit_close(c);
}

static void what_a_slot_says_may_be_stored_again_from_itself(void **state)
{
    struct commit *c = open_it(*state);
    store(c, 3);
    for (int i = 0; i < 3; i++) {
        struct commit_state same;
        commit_last(c, &same);
        commit_store(c, &same);
        assert_int_equal(stored(c), 3);
    }
    commit_close(c);
}

/* A file of the first version, as it was written: a slot of 24 bytes and no open batches. */
static void write_version_1(const struct place *p, uint64_t sequence, uint64_t value)
{
    enum { SLOT = 64 << 10, FIRST = 4096 };
    struct {
        uint64_t xxh3, sequence;
        uint32_t sinks, positions;
        struct commit_sink sink[2];
        struct position position[2];
    } slot = { 0, sequence, 2, 2, { make_sink(11, value), make_sink(22, value * 2) },
               { make_position(0, value * 8), make_position(3, value * 16) } };
    const uint64_t header[2] = { UINT64_C(0x3154415453504146), SLOT };
    slot.xxh3 = XXH3_64bits(&slot.sequence, sizeof slot - sizeof slot.xxh3);
    const int fd = open(p->file, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, FIRST + 2 * SLOT), 0);
    assert_int_equal(pwrite(fd, header, sizeof header, 0), sizeof header);
    assert_int_equal(pwrite(fd, &slot, sizeof slot, FIRST + (sequence % 2 ? SLOT : 0)), sizeof slot);
    (void)close(fd);
}

static void a_file_of_the_first_version_is_taken_over(void **state)
{
    write_version_1(*state, 6, 4);
    write_version_1(*state, 7, 5);
    for (int i = 0; i < 2; i++) {
        struct commit_state got;
        struct commit *c = open_it(*state);
        commit_last(c, &got);
        assert_int_equal(got.sinks_count, 2);
        assert_int_equal(got.opens_count, 0);
        assert_int_equal(got.positions_count, 2);
        assert_int_equal(commit_mark(c, 22)->word[0], 10);
        assert_int_equal(got.position[1].done, 80);
        commit_close(c);
    }
}

static void a_damaged_file_of_the_first_version_is_refused(void **state)
{
    struct commit *c;
    struct err e = { 0 };
    size_t bytes;
    write_version_1(*state, 6, 4);
    write_version_1(*state, 7, 5);
    uint8_t *map = map_file(*state, &bytes);
    map[4096 + 40] ^= 1;
    map[4096 + (bytes - 4096) / 2 + 40] ^= 1;
    assert_int_equal(commit_open(((struct place *)*state)->dir, NULL, &c, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "damaged"));
    (void)munmap(map, bytes);
}

/* ---- a directory without room ---- */

struct small {
    const struct place *p;
    char away[80], link[PATH_MAX];
};

/* A tmpfs in a mount name space of our own, for the rings. */
static bool mount_small(const char *dir)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", dir, "tmpfs", 0, "size=64k") == 0;
}

static void clear(const char *dir)
{
    DIR *d = opendir(dir);
    for (const struct dirent *entry; d && (entry = readdir(d));)
        (void)unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        (void)closedir(d);
}

static void make_room(const struct small *s)
{
    assert_int_equal(mount("tmpfs", s->p->dir, "tmpfs", MS_REMOUNT, "size=1m"), 0);
}

static void in_a_small_directory(const struct place *p, void (*test)(struct small *s))
{
    int status;
    struct small s = { .p = p };
    (void)snprintf(s.away, sizeof s.away, "%s.away", p->dir);
    const pid_t child = fork();
    if (child == 0) {
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        (void)setenv("FAPILOG_STATE_DIR", s.away, 1);
        if (!mount_small(p->dir))
            _exit(77);
        test(&s);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    clear(s.away);
    (void)rmdir(s.away);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("mounting a tmpfs is not allowed here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void assert_away(struct small *s, struct commit *c)
{
    const ssize_t len = readlink(s->p->file, s->link, sizeof s->link - 1);
    assert_true(len > 0);
    s->link[len] = '\0';
    assert_non_null(commit_away(c));
    assert_string_equal(commit_away(c), s->link);
    assert_int_equal(strncmp(s->link, s->away, strlen(s->away)), 0);
    assert_int_equal(access(s->link, F_OK), 0);
}

static void assert_home(struct small *s, struct commit *c)
{
    struct stat st;
    assert_null(commit_away(c));
    assert_int_equal(lstat(s->p->file, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(access(s->link, F_OK), -1);
    assert_int_equal(rmdir(s->away), 0); /* nothing is left there */
}

static void away_and_back(struct small *s)
{
    struct commit *c = open_it(s->p);
    assert_away(s, c);
    store(c, 4);
    commit_close(c);
    (void)setenv("FAPILOG_STATE_DIR", "/dev/null", 1); /* wherever the next one would put it */
    c = open_it(s->p);
    assert_int_equal(stored(c), 4);
    store(c, 5);
    assert_int_equal(commit_reserve(c, 2 * commit_room(c), NULL), 0);
    assert_int_equal(stored(c), 5);
    commit_come_home(c);
    assert_away(s, c);
    make_room(s);
    commit_come_home(c);
    assert_home(s, c);
    assert_int_equal(stored(c), 5);
    store(c, 6);
    commit_close(c);
    c = open_it(s->p);
    assert_int_equal(stored(c), 6);
    commit_close(c);
}

static void a_directory_without_room_has_a_link_to_it(void **state)
{
    in_a_small_directory(*state, away_and_back);
}

static void grow_away(struct small *s)
{
    make_room(s);
    struct commit *c = open_it(s->p);
    store(c, 3);
    assert_int_equal(commit_reserve(c, 1 << 20, NULL), 0);
    assert_away(s, c);
    assert_int_equal(stored(c), 3);
    assert_int_equal(mount("tmpfs", s->p->dir, "tmpfs", MS_REMOUNT, "size=8m"), 0);
    assert_int_equal(commit_reserve(c, 2 << 20, NULL), 0);
    assert_home(s, c);
    assert_int_equal(stored(c), 3);
    commit_close(c);
}

static void what_grows_goes_where_there_is_room(void **state)
{
    in_a_small_directory(*state, grow_away);
}

static void nowhere(struct small *s)
{
    struct err e = { 0 };
    struct commit *c;
    (void)setenv("FAPILOG_STATE_DIR", "/dev/null", 1);
    assert_int_equal(commit_open(s->p->dir, NULL, &c, &e), -ENOSPC);
    assert_non_null(strstr(e.text, "No space left on device; elsewhere: state_dir: /dev/null is not a directory"));
    assert_int_equal(commit_open(s->p->dir, s->p->dir, &c, &e), -ENOSPC); /* the same file system */
    assert_int_equal(access(s->p->file, F_OK), -1);
    assert_int_equal(commit_open(s->p->dir, s->away, &c, &e), 0);
    assert_away(s, c);
    commit_close(c);
    assert_int_equal(unlink(s->link), 0);
    assert_int_equal(commit_open(s->p->dir, s->away, &c, &e), -ENOENT); /* or what was delivered would be again */
    assert_non_null(strstr(e.text, "bring it back, or remove the link to start over (records may repeat)"));
    const int fd = open(s->link, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_int_equal(fchown(fd, 12345, 12345), 0);
    assert_int_equal(commit_open(s->p->dir, s->away, &c, &e), -EPERM);
    (void)close(fd);
    assert_int_equal(unlink(s->link), 0);
}

static void without_room_or_a_file_at_the_end_of_the_link_it_is_refused(void **state)
{
    in_a_small_directory(*state, nowhere);
}

static void make_file(const char *dir, const char *name)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static bool is_there(const char *dir, const char *name)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* Such a file names its boot; that another one has come is as if it named another. */
static void outlive_a_boot(struct small *s)
{
    static const char *const kept[] = { "collector.state.0123456789abcdef", "collector.state.0123456789abcdef.new",
                                        "collector.state.0123456701234567890abcdefg", "collector.state.01234567",
                                        "collector.states.0123456789abcdef01234567", "collector.state",
                                        "collector.lock" };
    struct commit *c = open_it(s->p);
    assert_away(s, c);
    const char *const name = s->link + strlen(s->away) + 1, *const digits = name + strlen("collector.state.");
    char old[64], old_new[72];
    assert_int_equal(strspn(digits, "0123456789abcdef"), 24);
    assert_int_equal(strlen(digits), 24);
    (void)snprintf(old, sizeof old, "%s", name);
    old[strlen("collector.state.")] ^= 1;
    (void)snprintf(old_new, sizeof old_new, "%s.new", old);
    make_file(s->away, old);
    make_file(s->away, old_new);
    for (unsigned i = 0; i < sizeof kept / sizeof kept[0]; i++)
        make_file(s->away, kept[i]);
    store(c, 3);
    commit_close(c);
    c = open_it(s->p);
    assert_away(s, c);
    assert_int_equal(stored(c), 3);
    commit_close(c);
    assert_false(is_there(s->away, old) || is_there(s->away, old_new));
    for (unsigned i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_true(is_there(s->away, kept[i]));
}

static void what_rings_in_memory_had_away_is_removed_after_a_boot(void **state)
{
    in_a_small_directory(*state, outlive_a_boot);
}

static void fill(const struct small *s)
{
    struct statvfs room;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/ballast", s->p->dir);
    assert_int_equal(statvfs(s->p->dir, &room), 0);
    const int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)(room.f_bavail * room.f_bsize)), 0);
    (void)close(fd);
}

/* Goes away, grows there, and comes back. */
static void travel(struct small *s)
{
    struct commit *c = open_it(s->p);
    CHECK(commit_reserve(c, 2 * commit_room(c), NULL) == 0 && commit_away(c));
    CHECK(commit_reserve(c, 2 * commit_room(c), NULL) == 0 && commit_away(c));
    (void)mount("tmpfs", s->p->dir, "tmpfs", MS_REMOUNT, "size=8m");
    commit_come_home(c);
    CHECK(!commit_away(c));
    commit_close(c);
}

static void kill_on_the_way(struct small *s)
{
    static const char *const points[] = { "state-grow:1", "state-away:1", "state-grow:2", "state-grow:3", "never:1" };
    make_room(s);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        int status;
        struct commit *c = open_it(s->p);
        store(c, 7);
        commit_close(c);
        fill(s);
        const pid_t child = fork();
        if (child == 0) {
            (void)setenv("FAPILOG_FAULT", points[i], 1);
            CHECK(fault_init() == 0);
            travel(s);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WIFSIGNALED(status), strcmp(points[i], "never:1") != 0);
        c = open_it(s->p);
        assert_int_equal(stored(c), 7);
        commit_close(c);
        clear(s->p->dir);
        clear(s->away);
        assert_int_equal(mount("tmpfs", s->p->dir, "tmpfs", MS_REMOUNT, "size=1m"), 0);
    }
}

static void killed_on_the_way_it_is_here_or_there(void **state)
{
    in_a_small_directory(*state, kill_on_the_way);
}

/* A child is killed at the nth passing of the point; the file then holds the one store or the other. */
static void killed_at(struct place *p, const char *point, int64_t before, int64_t after)
{
    struct commit *c = open_it(p);
    store(c, 1);
    store(c, 2);
    commit_close(c);
    const pid_t child = fork();
    if (child == 0) {
        (void)setenv("FAPILOG_FAULT", point, 1);
        CHECK(fault_init() == 0);
        c = open_it(p);
        store(c, 3);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    c = open_it(p);
    const int64_t got = stored(c);
    if (got != before && got != after)
        fail_msg("%s: %lld", point, (long long)got);
    commit_close(c);
    (void)unlink(p->file);
}

static void killed_inside_a_store_one_whole_slot_remains(void **state)
{
    killed_at(*state, "persist-before:1", 2, 2);
    killed_at(*state, "persist-torn:1", 2, 2);
    killed_at(*state, "persist-torn:2", 2, 2);
    killed_at(*state, "persist-unhashed:1", 2, 2);
    killed_at(*state, "persist-after:1", 3, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_file_has_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_store_is_there_after_reopening, setup, teardown),
        cmocka_unit_test_setup_teardown(marks_are_found_by_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(any_damaged_byte_gives_way_to_the_store_before, setup, teardown),
        cmocka_unit_test_setup_teardown(two_damaged_slots_are_refused_not_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_cut_while_it_is_in_use_is_made_again, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_cannot_be_made_again_is_as_soon_as_it_can_be, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_another_kind_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(growing_keeps_what_was_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(more_than_a_slot_may_hold_is_refused_and_nothing_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_slot_says_may_be_stored_again_from_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_the_first_version_is_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_file_of_the_first_version_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_inside_a_store_one_whole_slot_remains, setup, teardown),
        cmocka_unit_test_setup_teardown(a_directory_without_room_has_a_link_to_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_grows_goes_where_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(without_room_or_a_file_at_the_end_of_the_link_it_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_rings_in_memory_had_away_is_removed_after_a_boot, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_on_the_way_it_is_here_or_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
