#include "tests/unit/sink-probe.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char dir[64], path[96], uri[512];

static const struct io_config backends[] = {
    { .kind = IO_AUTO },
    { .kind = IO_PLAIN },
    { .kind = IO_SIM, .sim_seed = 11 },
};

static int setup(void **state)
{
    (void)snprintf(dir, sizeof dir, "/tmp/fapilog-mmap-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s/log", dir);
    return 0;
}

static int teardown(void **state)
{
    char other[128];

    (void)snprintf(other, sizeof other, "%s.1", path);
    (void)unlink(other);
    (void)unlink(path);
    return rmdir(dir);
}

static const char *uri_with(const char *params)
{
    (void)snprintf(uri, sizeof uri, "mmap://%s?%s", path, params);
    return uri;
}

static void put_file(const char *text, size_t len)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static uint64_t file_size(void)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

static void assert_file(const char *expected, size_t len)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *const back = malloc(len + 1);

    assert_true(fd >= 0);
    assert_int_equal(file_size(), len);
    assert_int_equal(pread(fd, back, len + 1, 0), len);
    assert_memory_equal(back, expected, len);
    free(back);
    close(fd);
}

/* While the sink has it open: the lines, and NULs up to the end. */
static void assert_open_file(const char *expected, size_t len)
{
    const size_t size = file_size();
    char *const back = malloc(size);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(size > len);
    assert_int_equal(pread(fd, back, size, 0), size);
    assert_memory_equal(back, expected, len);
    for (size_t i = len; i < size; i++)
        assert_int_equal(back[i], 0);
    free(back);
    close(fd);
}

static char *many_lines(unsigned count)
{
    char *const text = malloc(count * 64);
    size_t len = 0;

    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, 64, "line %06u %0*u\n", i, (int)(i % 40) + 1, 0);
    return text;
}

/* effect: mmap.initial_size */
static void a_new_file_has_its_initial_size_and_ends_cut_to_its_lines(void **state)
{
    for (size_t b = 0; b < ARRAY_COUNT(backends); b++) {
        struct sink_probe *const p = sink_probe_open(uri_with("initial_size=64KiB"), backends[b]);
        struct stat st;

        assert_int_equal(file_size(), 65536);
        assert_int_equal(sink_probe_write(p, 1, "one\ntwo\n"), 0);
        assert_int_equal(sink_probe_write(p, 2, "three\n"), 0);
        assert_int_equal(file_size(), 65536);
        assert_int_equal(sink_probe_close(p), 0);
        assert_file("one\ntwo\nthree\n", 14);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0111, 0);
        assert_int_equal(unlink(path), 0);
    }
}

static void it_goes_on_at_the_end_of_what_is_there(void **state)
{
    put_file("old\n", 4);
    for (uint64_t i = 1; i <= 3; i++) {
        struct sink_probe *const p = sink_probe_open(uri_with(""), backends[0]);

        assert_int_equal(sink_probe_write(p, i, "new\n"), 0);
        assert_int_equal(sink_probe_close(p), 0);
    }
    assert_file("old\nnew\nnew\nnew\n", 16);
}

static void a_last_line_without_a_feed_gets_one(void **state)
{
    struct sink_probe *p;

    put_file("by hand", 7);
    p = sink_probe_open(uri_with(""), backends[0]);
    assert_int_equal(sink_probe_write(p, 1, "new\n"), 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("by hand\nnew\n", 12);
}

/* What a crash leaves: lines, a torn record with a gap, reserved NULs. */
static void what_a_crash_left_is_cut_to_whole_lines(void **state)
{
    static const struct { size_t lines, torn, nuls; } cases[] = {
        { 0, 0, 4096 }, { 8, 0, 1 }, { 8, 0, 200000 }, { 8, 5, 1 }, { 8, 5, 70000 },
        { 65536, 3, 65536 }, { 131072 - 3, 100000, 65536 }, { 8, 70000, 3 }, { 0, 70000, 3 },
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *const text = calloc(1, 400000);
        const size_t lines = cases[i].lines;

        memset(text, 'x', lines + cases[i].torn);
        if (lines > 0)
            text[lines - 1] = text[lines / 2] = '\n';
        if (cases[i].torn > 2)
            text[lines + 1] = '\0';
        put_file(text, lines + cases[i].torn + cases[i].nuls);
        struct sink_probe *const p = sink_probe_open(uri_with(""), backends[0]);

        assert_int_equal(sink_probe_write(p, 1, "next\n"), 0);
        (void)memcpy(text + lines, "next\n", 5);
        assert_open_file(text, lines + 5);
        assert_int_equal(sink_probe_close(p), 0);
        assert_file(text, lines + 5);
        free(text);
    }
}

static void what_is_no_file_of_lines_is_left_alone(void **state)
{
    enum { SIZE = 18 << 20 };
    char *const text = malloc(SIZE);
    struct sink_probe *const p = sink_probe_new(uri_with(""), backends[1]);

    memset(text, 'x', SIZE);
    text[SIZE - 1] = '\0';
    put_file(text, SIZE);
    assert_int_equal(p->sink->ops->open(p->sink, &p->err), -EBADMSG);
    assert_non_null(strstr(p->err.text, "not a file of lines"));
    assert_file(text, SIZE);
    assert_int_equal(sink_probe_close(p), 0);
    free(text);

    (void)snprintf(uri, sizeof uri, "mmap:///dev/null");
    struct sink_probe *const null = sink_probe_new(uri, backends[1]);

    assert_int_equal(null->sink->ops->open(null->sink, &null->err), -EINVAL);
    assert_int_equal(sink_probe_close(null), 0);
}

/* effect: mmap.growth_chunk */
static void it_grows_by_its_steps(void **state)
{
    char *const text = many_lines(3000);
    struct sink_probe *const p = sink_probe_open(uri_with("initial_size=4096&growth_chunk=10000"),
                                                 backends[0]);
    char *const twice = malloc(2 * strlen(text));

    assert_int_equal(sink_probe_write(p, 1, text), 0);
    assert_true(file_size() >= strlen(text));
    assert_true(file_size() < strlen(text) + 10000);
    assert_int_equal((file_size() - 4096) % 10000, 0);
    assert_int_equal(sink_probe_write(p, 2, text), 0);
    assert_int_equal(sink_probe_close(p), 0);
    memcpy(twice, text, strlen(text));
    memcpy(twice + strlen(text), text, strlen(text));
    assert_file(twice, 2 * strlen(text));
    free(text);
    free(twice);
}

static void the_size_limit_refuses_a_batch_whole_and_says_why_once(void **state)
{
    struct sink_probe *const p = sink_probe_open(uri_with("max_size=4096"), backends[0]);
    char line[4091];
    struct sink_mark before, after;

    memset(line, 'x', sizeof line);
    line[4089] = '\n';
    line[4090] = '\0';
    assert_int_equal(file_size(), 4096);
    assert_int_equal(p->sink->ops->room(p->sink), 4096);
    assert_int_equal(sink_probe_write(p, 1, line), 0);
    assert_int_equal(p->sink->ops->room(p->sink), 6);
    p->sink->ops->mark(p->sink, &before);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sink_probe_write(p, 2, "abc\ndef\n"), -ENOSPC);
    p->sink->ops->mark(p->sink, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(p->warnings, 1);
    assert_non_null(strstr(p->warning.text, "max_size 4096"));
    assert_non_null(strstr(p->warning.text, path));
    assert_string_equal(p->sink->ops->place(p->sink), path);
    assert_int_equal(sink_probe_write(p, 3, "12345\n"), 0); /* what fits is taken, to the last byte */
    assert_int_equal(p->sink->ops->room(p->sink), 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_int_equal(file_size(), 4096);
}

static void a_line_longer_than_any_file_is_refused_and_holds_up_no_other(void **state)
{
    enum { LIMIT = 4096 };
    char longest[LIMIT + 1], longer[LIMIT + 2], batch[3 * LIMIT];
    struct sink_probe *p = sink_probe_open(uri_with("max_size=4096"), backends[0]);

    memset(longest, 'l', LIMIT);
    memcpy(longest + LIMIT - 1, "\n", 2);
    memset(longer, 'x', LIMIT + 1);
    memcpy(longer + LIMIT, "\n", 2);
    for (uint64_t id = 1; id <= 2; id++) {
        assert_int_equal(sink_probe_write(p, id, longer), 0);
        assert_int_equal(p->sink->refused, 1);
        assert_int_equal(p->sink->refused_bytes, LIMIT + 1);
    }
    assert_int_equal(p->warnings, 1);
    assert_non_null(strstr(p->warning.text, "a record of 4097 bytes is longer than max_size 4096"));
    (void)snprintf(batch, sizeof batch, "one\n%stwo\n%s", longer, "three\n");
    assert_int_equal(sink_probe_write(p, 3, batch), 0); /* the others of its batch are written */
    assert_int_equal(p->sink->refused, 1);
    assert_open_file("one\ntwo\nthree\n", strlen("one\ntwo\nthree\n"));
    assert_int_equal(sink_probe_write(p, 4, longest), -ENOSPC); /* that one a fresh file can take: it waits */
    assert_int_equal(p->sink->refused, 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_int_equal(unlink(path), 0);
    p = sink_probe_open(uri_with("max_size=4096"), backends[0]);
    assert_int_equal(sink_probe_write(p, 1, longest), 0);
    assert_int_equal(p->sink->refused, 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_file(longest, LIMIT);
}

/* effect: mmap.max_size */
static void the_last_step_of_growth_ends_at_the_limit(void **state)
{
    struct sink_probe *const p = sink_probe_open(uri_with("initial_size=4096&max_size=10000"), backends[0]);
    char *const text = many_lines(150);

    assert_true(strlen(text) > 4096);
    assert_int_equal(sink_probe_write(p, 1, text), 0);
    assert_int_equal(file_size(), 10000);
    assert_int_equal(sink_probe_close(p), 0);
    free(text);
}

static void a_refused_growth_keeps_the_records(void **state)
{
    char *const text = many_lines(2000);
    const struct rlimit limit = { .rlim_cur = 8192, .rlim_max = RLIM_INFINITY };
    struct rlimit old;

    for (size_t b = 0; b < ARRAY_COUNT(backends); b++) {
        struct sink_probe *const p = sink_probe_open(uri_with("initial_size=4096&growth_chunk=4096"),
                                                     backends[b]);

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        const int first = sink_probe_write(p, 1, "fits\n"), second = sink_probe_write(p, 2, text);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(first, 0);
        assert_int_equal(second, -EFBIG);
        assert_int_equal(sink_probe_write(p, 2, text), 0);
        assert_int_equal(sink_probe_close(p), 0);
        assert_int_equal(file_size(), 5 + strlen(text));
        assert_int_equal(unlink(path), 0);
    }
    free(text);
}

/* Fails every call in turn, once and from then on, and retries like the core until all is written. */
static void any_failing_call_costs_no_line_and_doubles_none(void **state)
{
    char *const text = many_lines(1200), *const all = malloc(200000);

    (void)snprintf(all, 200000, "first\n%slast\n", text);
    for (int64_t n = 1; n <= 16; n++) {
        struct sink_probe *const p = sink_probe_new(
            uri_with("initial_size=4096&growth_chunk=8192&periodic_flush_bytes=1000"),
            (struct io_config){ .kind = IO_SIM, .sim_fail_at = n, .sim_error = n % 2 ? EIO : ENOSPC });
        const char *const batches[] = { "first\n", text, "last\n" };
        int r;

        while (p->sink->ops->open(p->sink, &p->err) < 0)
            assert_int_equal(p->sink->ops->close(p->sink, &p->err), 0);
        for (uint64_t i = 0; i < ARRAY_COUNT(batches); i++)
            while (sink_probe_write(p, i + 1, batches[i]) < 0)
                ;
        r = sink_probe_close(p);
        if (r < 0) { /* the NULs are still there; the next open cuts them */
            struct sink_probe *const again = sink_probe_open(uri_with(""), backends[1]);

            assert_int_equal(sink_probe_close(again), 0);
        }
        assert_file(all, strlen(all));
        assert_int_equal(unlink(path), 0);
    }
    free(text);
    free(all);
}

/* effect: mmap.path mmap.periodic_flush_bytes */
static void a_batch_whose_flush_failed_does_not_stay_when_another_comes(void **state)
{
    /* calls: open, fstat, ftruncate, then per batch fstat and fdatasync */
    struct sink_probe *const p = sink_probe_open(uri_with("periodic_flush_bytes=1"), (struct io_config){
        .kind = IO_SIM, .sim_fail_at = 7, .sim_error = EIO });

    assert_int_equal(sink_probe_write(p, 1, "kept\n"), 0);
    assert_int_equal(sink_probe_write(p, 2, "a long line whose flush fails\n"), -EIO);
    assert_int_equal(sink_probe_write(p, 3, "short\n"), 0);
    assert_open_file("kept\nshort\n", 11);
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("kept\nshort\n", 11);
}

static uint64_t syncs_of(const char *params, unsigned lines)
{
    struct sink_probe *const p = sink_probe_open(uri_with(params), (struct io_config){ .kind = IO_SIM });
    const uint64_t before = io_sim_calls(p->io);
    uint64_t calls;

    for (unsigned i = 0; i < lines; i++)
        assert_int_equal(sink_probe_write(p, i + 1, "0123456\n"), 0);
    calls = io_sim_calls(p->io) - before - lines; /* each write asks for the file's size */
    assert_int_equal(sink_probe_close(p), 0);
    assert_int_equal(unlink(path), 0);
    return calls;
}

static void the_periodic_flush_comes_at_each_crossing_not_only_at_multiples(void **state)
{
    assert_int_equal(syncs_of("", 100), 0);
    assert_int_equal(syncs_of("periodic_flush_bytes=100", 99), 99 / 13); /* 13 lines of 8 bytes pass 100 */
    assert_int_equal(syncs_of("periodic_flush_bytes=16", 100), 50);
    assert_int_equal(syncs_of("periodic_flush_bytes=1", 100), 100);
}

static void recovery_cuts_exactly_behind_the_mark(void **state)
{
    struct sink_probe *p = sink_probe_open(uri_with(""), backends[0]);
    struct sink_mark mark, none = { 0 }, other;

    assert_int_equal(sink_probe_write(p, 1, "counted\n"), 0);
    p->sink->ops->mark(p->sink, &mark);
    assert_int_equal(sink_probe_write(p, 2, "not counted, long\n"), 0);
    assert_int_equal(sink_probe_close(p), 0);

    p = sink_probe_open(uri_with(""), backends[0]);
    other = mark;
    other.word[1]++;
    assert_int_equal(p->sink->ops->recover(p->sink, &none, &p->err), 0);
    assert_int_equal(p->sink->ops->recover(p->sink, &other, &p->err), 0); /* of another file */
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("counted\nnot counted, long\n", 26);

    p = sink_probe_open(uri_with(""), backends[0]);
    assert_int_equal(p->sink->ops->recover(p->sink, &mark, &p->err), 0);
    assert_int_equal(sink_probe_write(p, 2, "again\n"), 0);
    assert_int_equal(p->warnings, 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("counted\nagain\n", 14);

    mark.word[3] = 1000;
    p = sink_probe_open(uri_with(""), backends[0]);
    assert_int_equal(p->sink->ops->recover(p->sink, &mark, &p->err), 0);
    assert_int_equal(p->warnings, 1); /* the file lost lines that had been committed */
    assert_int_equal(sink_probe_close(p), 0);
}

static void a_moved_file_is_left_whole_and_a_new_one_begun(void **state)
{
    struct sink_probe *const p = sink_probe_open(uri_with(""), backends[0]);
    char moved[128];

    (void)snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(sink_probe_write(p, 1, "old\n"), 0);
    assert_int_equal(p->sink->ops->reopen(p->sink, &p->err), 0); /* nothing moved: nothing happens */
    assert_int_equal(sink_probe_write(p, 2, "old too\n"), 0);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(p->sink->ops->reopen(p->sink, &p->err), 0);
    assert_int_equal(p->marks, 0);
    assert_int_equal(sink_probe_write(p, 3, "new\n"), 0);
    assert_int_equal(p->marks, 1);
    assert_int_equal(p->mark.word[3], 0); /* persisted before the first byte */
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("new\n", 4);
    assert_int_equal(rename(moved, path), 0);
    assert_file("old\nold too\n", 12);
}

static uint64_t size_of(const char *name)
{
    struct stat st;

    assert_int_equal(stat(name, &st), 0);
    return (uint64_t)st.st_size;
}

/* Its collector was killed before it was told to leave it. */
static void a_moved_file_is_cut_behind_the_mark(void **state)
{
    struct sink_probe *p = sink_probe_open(uri_with(""), backends[0]);
    struct sink_mark mark, other;
    char moved[128];

    (void)snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(sink_probe_write(p, 1, "counted\n"), 0);
    p->sink->ops->mark(p->sink, &mark);
    assert_int_equal(sink_probe_write(p, 2, "not counted\n"), 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_int_equal(rename(path, moved), 0);
    if (!mark.word[2])
        skip(); /* this file system does not say when it was made */

    p = sink_probe_open(uri_with(""), backends[0]);
    other = mark;
    other.word[2]++; /* an older file of this inode number */
    assert_int_equal(p->sink->ops->recover(p->sink, &other, &p->err), 0);
    other.word[2] = 0;
    assert_int_equal(p->sink->ops->recover(p->sink, &other, &p->err), 0);
    assert_int_equal(size_of(moved), 20);
    assert_int_equal(p->sink->ops->recover(p->sink, &mark, &p->err), 0);
    assert_int_equal(size_of(moved), 8);
    mark.word[3] = 100; /* cut by somebody else since */
    assert_int_equal(p->sink->ops->recover(p->sink, &mark, &p->err), 0);
    assert_int_equal(size_of(moved), 8);
    assert_int_equal(p->warnings, 0);
    assert_int_equal(sink_probe_write(p, 3, "again\n"), 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("again\n", 6);
    assert_int_equal(rename(moved, path), 0);
    assert_file("counted\n", 8);
}

static void a_moved_file_that_another_has_is_left_to_it(void **state)
{
    struct sink_probe *p = sink_probe_open(uri_with(""), backends[0]);
    struct sink_mark mark;
    char moved[128];

    (void)snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(sink_probe_write(p, 1, "counted\n"), 0);
    p->sink->ops->mark(p->sink, &mark);
    assert_int_equal(sink_probe_close(p), 0);
    assert_int_equal(rename(path, moved), 0);
    if (!mark.word[2])
        skip();

    const int fd = open(moved, O_RDWR | O_APPEND | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(write(fd, "theirs\n", 7), 7);
    p = sink_probe_open(uri_with(""), backends[0]);
    assert_int_equal(p->sink->ops->recover(p->sink, &mark, &p->err), 0);
    assert_int_equal(p->warnings, 1);
    assert_int_equal(size_of(moved), 15);
    assert_int_equal(sink_probe_close(p), 0);
    close(fd);
}

static void a_file_truncated_by_others_goes_on_at_its_new_end(void **state)
{
    struct sink_probe *const p = sink_probe_open(uri_with("initial_size=64KiB"), backends[0]);

    assert_int_equal(sink_probe_write(p, 1, "copied away\n"), 0);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(sink_probe_write(p, 2, "after\n"), 0);
    assert_int_equal(p->marks, 1);
    assert_int_equal(p->mark.word[3], 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("after\n", 6);
}

/* A page and more, so that what was mapped last is behind the end. */
static void a_batch_after_a_truncation_is_asked_room_for_and_stored(void **state)
{
    static const uint64_t ends[] = { 0, 5, 4096, 4100 };
    char *const text = many_lines(1200), *const all = malloc(200000);

    for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
        struct sink_probe *const p = sink_probe_open(uri_with("initial_size=4096&max_size=1MiB"), backends[0]);

        assert_int_equal(sink_probe_write(p, 1, text), 0);
        assert_int_equal(p->sink->ops->room(p->sink), (1 << 20) - strlen(text));
        assert_int_equal(truncate(path, (off_t)ends[i]), 0);
        assert_true(p->sink->ops->room(p->sink) > 0);
        assert_int_equal(sink_probe_write(p, 2, "after\n"), 0);
        assert_int_equal(sink_probe_close(p), 0);
        (void)snprintf(all, 200000, "%.*s%safter\n", (int)ends[i], text,
                       ends[i] && text[ends[i] - 1] != '\n' ? "\n" : "");
        assert_file(all, strlen(all));
        assert_int_equal(unlink(path), 0);
    }
    free(text);
    free(all);
}

static void a_truncated_file_does_not_grow_when_it_is_closed(void **state)
{
    struct sink_probe *const p = sink_probe_open(uri_with("initial_size=64KiB"), backends[0]);

    assert_int_equal(sink_probe_write(p, 1, "copied away\n"), 0);
    assert_int_equal(truncate(path, 7), 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("copied ", 7);
}

static void truncate_now(struct sink *s)
{
    sink_probe_marked(s);
    assert_int_equal(truncate(path, 0), 0);
}

/* The mark of a fresh file is the last thing before a batch is stored. */
static void a_batch_whose_file_is_truncated_meanwhile_is_stored_again(void **state)
{
    char *const text = many_lines(1200), moved[128];
    struct sink_probe *const p = sink_probe_open(uri_with(""), backends[0]);

    (void)snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(p->sink->ops->reopen(p->sink, &p->err), 0);
    p->sink->mark_changed = truncate_now;
    assert_int_equal(sink_probe_write(p, 1, text), -EIO);
    assert_int_equal(file_size(), 0);
    p->sink->mark_changed = sink_probe_marked;
    assert_int_equal(sink_probe_write(p, 1, text), 0);
    assert_int_equal(p->mark.word[3], 0);
    assert_int_equal(sink_probe_write(p, 2, "more\n"), 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_int_equal(file_size(), strlen(text) + 5);
    (void)memcpy(text + strlen(text), "more\n", 6);
    assert_file(text, strlen(text));
    free(text);
}

static void a_batch_that_began_with_a_feed_begins_with_it_again(void **state)
{
    /* calls: open, fstat, ftruncate, then fstat and fdatasync */
    struct sink_probe *p;

    put_file("by hand", 7);
    p = sink_probe_open(uri_with("periodic_flush_bytes=1"), (struct io_config){
        .kind = IO_SIM, .sim_fail_at = 5, .sim_error = EIO });
    assert_int_equal(sink_probe_write(p, 1, "flush fails\n"), -EIO);
    assert_int_equal(sink_probe_write(p, 1, "flush fails\n"), 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("by hand\nflush fails\n", 20);
}

static void a_second_writer_is_refused(void **state)
{
    struct sink_probe *const p = sink_probe_open(uri_with(""), backends[0]);
    struct sink_probe *const q = sink_probe_new(uri, backends[0]);

    assert_int_equal(q->sink->ops->open(q->sink, &q->err), -EBUSY);
    assert_non_null(strstr(q->err.text, "another process writes to it"));
    assert_int_equal(sink_probe_close(q), 0);
    assert_int_equal(sink_probe_write(p, 1, "mine\n"), 0);
    assert_int_equal(sink_probe_close(p), 0);
    assert_file("mine\n", 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_new_file_has_its_initial_size_and_ends_cut_to_its_lines),
        TEST(it_goes_on_at_the_end_of_what_is_there),
        TEST(a_last_line_without_a_feed_gets_one),
        TEST(what_a_crash_left_is_cut_to_whole_lines),
        TEST(what_is_no_file_of_lines_is_left_alone),
        TEST(it_grows_by_its_steps),
        TEST(the_size_limit_refuses_a_batch_whole_and_says_why_once),
        TEST(a_line_longer_than_any_file_is_refused_and_holds_up_no_other),
        TEST(the_last_step_of_growth_ends_at_the_limit),
        TEST(a_refused_growth_keeps_the_records),
        TEST(any_failing_call_costs_no_line_and_doubles_none),
        TEST(a_batch_whose_flush_failed_does_not_stay_when_another_comes),
        TEST(the_periodic_flush_comes_at_each_crossing_not_only_at_multiples),
        TEST(recovery_cuts_exactly_behind_the_mark),
        TEST(a_moved_file_is_left_whole_and_a_new_one_begun),
        TEST(a_moved_file_is_cut_behind_the_mark),
        TEST(a_moved_file_that_another_has_is_left_to_it),
        TEST(a_file_truncated_by_others_goes_on_at_its_new_end),
        TEST(a_batch_after_a_truncation_is_asked_room_for_and_stored),
        TEST(a_truncated_file_does_not_grow_when_it_is_closed),
        TEST(a_batch_whose_file_is_truncated_meanwhile_is_stored_again),
        TEST(a_batch_that_began_with_a_feed_begins_with_it_again),
        TEST(a_second_writer_is_refused),
    };

    (void)signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests_name("mmap", tests, NULL, NULL);
}
