/* The mmap sink beside other processes: killed at any time, read while it writes, on a full disk. */
#include "tests/unit/sink-probe.h"

#include "lib/base/atomics.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>

static char dir[64], path[96], uri[256];

static int setup(void **state)
{
    (void)snprintf(dir, sizeof dir, "/tmp/fapilog-mmap-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s/log", dir);
    (void)snprintf(uri, sizeof uri, "mmap://%s?initial_size=4096&growth_chunk=8192", path);
    return 0;
}

static int teardown(void **state)
{
    (void)unlink(path);
    return rmdir(dir);
}

/* A child whose assertions end it, instead of going on with the tests of its parent. */
static pid_t fork_child(void)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        (void)alarm(20);
    }
    return pid;
}

static uint32_t hash(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x7feb352d;
    x = (x ^ (x >> 15)) * 0x846ca68b;
    return x ^ (x >> 16);
}

enum { BATCH_LINES = 100, LONG_LINE = 20000, LINE_MAX_BYTES = LONG_LINE + 200 };
enum { BATCH_TEXT_MAX = BATCH_LINES * 170 + BATCH_LINES / 25 * LINE_MAX_BYTES };

/* Line n of the endless log that the writers write: its number and a tail of its own length; some are
 * long, so that a reader or a kill can meet one half-way. */
static size_t line_make(uint32_t n, char *ret)
{
    const int tail = (int)(hash(n) % 150) + (n % 25 ? 0 : LONG_LINE);
    int len = snprintf(ret, LINE_MAX_BYTES, "%08u ", n);

    memset(ret + len, 'a' + (int)(hash(n) % 26), (size_t)tail);
    len += tail;
    ret[len++] = '\n';
    return (size_t)len;
}

static size_t batch_make(uint64_t id, char *ret)
{
    size_t len = 0;

    for (uint32_t i = 0; i < BATCH_LINES; i++)
        len += line_make((uint32_t)(id - 1) * BATCH_LINES + i, ret + len);
    return len;
}

/* What the core's commit file is to the sink: position and mark change together or not at all. */
struct committed {
    uint64_t count; /* batches; the slot to use is count % 2 */
    struct sink_mark mark[2];
};

static void commit(struct committed *c, struct sink_probe *p, uint64_t count)
{
    p->sink->ops->mark(p->sink, &c->mark[count % 2]);
    /* order: release - the mark is there before it counts; read after the writer's death */
    store_rel(&c->count, count);
}

static struct sink_probe *open_recovered(const struct committed *c, struct io_config cfg)
{
    struct sink_probe *const p = sink_probe_open(uri, cfg);
    const uint64_t count = load_acq(&c->count); /* order: acquire, pairs with commit() */

    assert_int_equal(p->sink->ops->recover(p->sink, &c->mark[count % 2], &p->err), 0);
    return p;
}

__attribute__((noreturn)) static void write_until_killed(struct committed *c, struct io_config cfg)
{
    struct sink_probe *const p = open_recovered(c, cfg);
    char *const text = malloc(BATCH_TEXT_MAX);

    if (c->count == 0)
        commit(c, p, 0);
    for (uint64_t id = c->count + 1;; id++) {
        sink_probe_batch(p, id, text, batch_make(id, text));
        p->done = 0;
        sink_probe_start(p);
        if (sink_probe_wait(p, 1) == 0)
            commit(c, p, id);
    }
}

/* Whole lines, in order, from the first on, up to the last line feed. Returns the bytes after it. */
static size_t check_lines(const char *text, size_t len, uint32_t *ret_lines)
{
    char line[LINE_MAX_BYTES];

    for (*ret_lines = 0; len > 0; (*ret_lines)++) {
        const char *const feed = memchr(text, '\n', len);
        size_t expected;

        if (!feed)
            break;
        expected = line_make(*ret_lines, line);
        assert_int_equal(feed + 1 - text, expected);
        assert_memory_equal(text, line, expected);
        text += expected;
        len -= expected;
    }
    return len;
}

static char *read_file(size_t *ret_len)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *text;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    text = malloc((size_t)st.st_size + 1);
    assert_int_equal(pread(fd, text, (size_t)st.st_size, 0), st.st_size);
    *ret_len = (size_t)st.st_size;
    close(fd);
    return text;
}

static void a_killed_writer_neither_loses_nor_tears_nor_doubles_a_line(void **state)
{
    struct committed *const c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint32_t lines, random = (uint32_t)clock_mono_ns();
    const uint64_t deadline = clock_mono_ns() + 8 * NS_PER_S;
    size_t len;
    char *text;
    int status;

    assert_true(c != MAP_FAILED);
    print_message("seed %u\n", random);
    for (int round = 0; round < 40 || (c->count < 40 && clock_mono_ns() < deadline); round++) {
        const struct io_config cfg = { .kind = round % 2 ? IO_PLAIN : IO_AUTO };
        const struct timespec pause = { .tv_nsec = (random = hash(random)) % 6000000 };
        const pid_t pid = fork_child();

        if (pid == 0)
            write_until_killed(c, cfg);
        (void)nanosleep(&pause, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, SIGKILL);
        if (access(path, F_OK) < 0)
            continue; /* killed before it began */
        text = read_file(&len);
        (void)check_lines(text, len, &lines);
        assert_true(lines >= c->count * BATCH_LINES); /* all that was committed is there, whole */
        free(text);
    }
    assert_true(c->count >= 40);
    assert_int_equal(sink_probe_close(open_recovered(c, (struct io_config){ .kind = IO_PLAIN })), 0);
    text = read_file(&len);
    assert_int_equal(check_lines(text, len, &lines), 0);
    assert_int_equal(lines, c->count * BATCH_LINES);
    free(text);
    munmap(c, sizeof *c);
}

enum { READ_BATCHES = 60, READ_LINES = READ_BATCHES * BATCH_LINES };

/* A reader by read(2), as tail(1) is one: whole lines before the first NUL. */
static void follow_by_read(void)
{
    uint32_t lines = 0;

    while (lines < READ_LINES) {
        size_t len;
        char *const text = read_file(&len);

        (void)check_lines(text, strnlen(text, len), &lines);
        free(text);
    }
}

/* A reader that maps the file: a line whose feed it sees is whole. */
static void follow_mapped(void)
{
    const size_t size = (size_t)READ_BATCHES * BATCH_TEXT_MAX;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *const map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    char line[LINE_MAX_BYTES];
    size_t at = 0;

    assert_true(map != MAP_FAILED);
    for (uint32_t n = 0; n < READ_LINES; n++) {
        const size_t expected = line_make(n, line);
        struct stat st;

        do
            assert_int_equal(fstat(fd, &st), 0);
        while (at + expected > (size_t)st.st_size);
        /* order: acquire, pairs with store_record() - the line before the feed is whole */
        while (load_acq(map + at + expected - 1) != '\n')
            ;
        assert_memory_equal(map + at, line, expected);
        at += expected;
    }
}

static void readers_see_whole_lines_while_it_writes(void **state)
{
    void (*const readers[])(void) = { follow_by_read, follow_mapped };
    struct sink_probe *const p = sink_probe_open(uri, (struct io_config){ .kind = IO_PLAIN });
    char *const text = malloc(BATCH_TEXT_MAX);
    pid_t pid[ARRAY_COUNT(readers)];

    for (size_t i = 0; i < ARRAY_COUNT(readers); i++) {
        pid[i] = fork_child();
        if (pid[i] == 0) {
            readers[i]();
            _exit(0);
        }
    }
    for (uint64_t id = 1; id <= READ_BATCHES; id++) {
        sink_probe_batch(p, id, text, batch_make(id, text));
        p->done = 0;
        sink_probe_start(p);
        assert_int_equal(sink_probe_wait(p, 1), 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(readers); i++) {
        int status;

        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(sink_probe_close(p), 0);
    free(text);
}

/* A tmpfs of 1 MiB in a mount name space of our own. */
static bool mount_small(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", dir, "tmpfs", 0, "size=1m") == 0;
}

/* 0, or why the batch of that id was not taken. */
static int offer(struct sink_probe *p, uint64_t id, char *text)
{
    const unsigned before = p->done;

    sink_probe_batch(p, id, text, batch_make(id, text));
    sink_probe_start(p);
    return sink_probe_wait(p, before + 1);
}

static int expect_batches(uint64_t count)
{
    uint32_t lines;
    size_t len;
    char *const back = read_file(&len);

    assert_int_equal(check_lines(back, len, &lines), 0);
    assert_int_equal(lines, count * BATCH_LINES);
    free(back);
    return 0;
}

static int fill_and_free(void)
{
    struct sink_probe *const p = sink_probe_open(uri, (struct io_config){ .kind = IO_AUTO });
    char *const text = malloc(BATCH_TEXT_MAX), ballast[128];
    uint64_t id = 1;
    int fd;

    (void)snprintf(ballast, sizeof ballast, "%s/ballast", dir);
    fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(posix_fallocate(fd, 0, 512 << 10), 0);
    close(fd);
    for (; offer(p, id, text) == 0; id++) /* until the disk is full: an error, no signal */
        assert_true(id < 100);
    assert_int_equal(p->result, -ENOSPC);
    assert_int_equal(unlink(ballast), 0);
    p->done = 0;
    sink_probe_start(p); /* the same batch again */
    assert_int_equal(sink_probe_wait(p, 1), 0);
    assert_int_equal(sink_probe_close(p), 0);
    free(text);
    return expect_batches(id);
}

static int start_full(void)
{
    char *const text = malloc(BATCH_TEXT_MAX), ballast[128];
    struct statvfs room;
    uint64_t id = 1;

    (void)snprintf(ballast, sizeof ballast, "%s/ballast", dir);
    const int fd = open(ballast, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(statvfs(dir, &room), 0);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)(room.f_bavail * room.f_bsize)), 0);
    struct sink_probe *p = sink_probe_open(uri, (struct io_config){ .kind = IO_PLAIN }); /* a new file */
    assert_int_equal(offer(p, 1, text), -ENOSPC);
    assert_int_equal(ftruncate(fd, (off_t)((room.f_bavail - 32) * room.f_bsize)), 0);
    while (offer(p, id, text) == 0) /* less than a step of growth is used as well */
        id++;
    assert_true(id > 1);
    assert_int_equal(sink_probe_close(p), 0);
    p = sink_probe_open(uri, (struct io_config){ .kind = IO_PLAIN }); /* one that is there */
    while (offer(p, id, text) == 0) /* the end of a page, perhaps */
        id++;
    assert_int_equal(p->result, -ENOSPC);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(offer(p, id, text), 0);
    assert_int_equal(sink_probe_close(p), 0);
    close(fd);
    free(text);
    return expect_batches(id);
}

static void on_a_small_disk(int (*test)(void))
{
    const pid_t pid = fork_child();
    int status;

    if (pid == 0)
        _exit(mount_small() ? test() : 77);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("mounting a tmpfs is not allowed here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void a_full_disk_is_an_error_and_heals(void **state)
{
    on_a_small_disk(fill_and_free);
}

static void a_full_disk_does_not_keep_it_from_starting(void **state)
{
    on_a_small_disk(start_full);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_killed_writer_neither_loses_nor_tears_nor_doubles_a_line),
        TEST(readers_see_whole_lines_while_it_writes),
        TEST(a_full_disk_is_an_error_and_heals),
        TEST(a_full_disk_does_not_keep_it_from_starting),
    };

    return cmocka_run_group_tests_name("mmap beside others", tests, NULL, NULL);
}
