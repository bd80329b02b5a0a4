#include "collector/sinks/fileset.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/sink_new.h"
#include "tests/common/sink_run.h"
#include "tests/unit/sink-file-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct run *start(struct run_state *state, const char *fmt)
{
    static struct run r;
    struct err e = {0};
    r = (struct run){0};
    const int result = run_open(&r, state, uri(fmt), NULL, &e);
    if (result < 0)
        fail_msg("%s", e.text);
    return &r;
}

static void stop(struct run *r)
{
    struct err e = {0};
    assert_int_equal(run_close(r, &e), 0);
}

static unsigned count_files(const char *part)
{
    static struct run_files files;
    unsigned n = 0;
    run_read_files(dir, &files);
    for (unsigned i = 0; i < files.count; i++)
        n += strstr(files.file[i].name, part) != NULL;
    run_files_free(&files);
    return n;
}

static unsigned count_ending(const char *suffix)
{
    static struct run_files files;
    unsigned n = 0;
    run_read_files(dir, &files);
    for (unsigned i = 0; i < files.count; i++) {
        const size_t len = strlen(files.file[i].name), tail = strlen(suffix);
        n += len >= tail && strcmp(files.file[i].name + len - tail, suffix) == 0;
    }
    run_files_free(&files);
    return n;
}

static off_t size_of(const char *name)
{
    char path[300];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void put_file(const char *path, const char *text)
{
    const int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static void give_time_of(const char *from, const char *to)
{
    struct stat st;
    assert_int_equal(stat(from, &st), 0);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, to, times, 0), 0);
}

/* Compression is done by a thread: tick until nothing is left to do. */
static void tick_until(struct run *r, const char *suffix, unsigned count)
{
    const uint64_t until = clock_mono_ns() + 8 * NS_PER_S;
    while (count_ending(suffix) != count && clock_mono_ns() < until) {
        const struct timespec pause = {.tv_nsec = 1000000};
        run_tick(r);
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(count_ending(suffix), count);
}


static void records_are_appended_to_what_is_there(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/sub/app.jsonl");
    assert_true(run_until(r, 20));
    stop(r);
    r = start(s, "file:$/sub/app.jsonl");
    assert_true(run_until(r, 40));
    stop(r);
    char sub[300];
    path_of(sub, "sub");
    assert_true(run_check_text(sub, 40, 0));
    assert_int_equal(count_files("nothing else"), 0);
    run_state_free(s);
}

static void size_rotation_numbers_the_archives(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/app.jsonl?max_bytes=1000");
    assert_true(run_until(r, 60));
    assert_true(count_files("app.jsonl.") >= 3);
    assert_true(size_of("app.jsonl") <= 1000 && size_of("app.jsonl") > 0);
    for (unsigned i = 1; i < count_files("app.jsonl"); i++) {
        char name[40];
        (void)snprintf(name, sizeof name, "app.jsonl.%u", i);
        assert_in_range(size_of(name), 800, 1000);
    }
    stop(r);
    assert_true(run_check_text(dir, 60, 0));
    run_state_free(s);
}

/* effect: file.path */
static void a_record_larger_than_a_file_goes_alone(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/app.jsonl?max_bytes=100");
    r->record_bytes = 300;
    assert_true(run_until(r, 4));
    stop(r);
    assert_int_equal(count_files("app"), 4);
    assert_int_equal(size_of("app.jsonl.3"), 300);
    assert_true(run_check_text(dir, 4, 300));
    run_state_free(s);
}

/* effect: file.max_bytes file.max_files */
static void keep_drops_the_oldest_archives(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/app.jsonl?max_bytes=100&keep=2");
    r->record_bytes = 100;
    assert_true(run_until(r, 10));
    run_tick(r);
    stop(r);
    assert_int_equal(count_files("app"), 3);
    assert_int_equal(size_of("app.jsonl.2"), 100);
    run_state_free(s);
}

static void keep_none_deletes_every_archive(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/app.jsonl?max_bytes=100&max_files=0");
    r->record_bytes = 100;
    assert_true(run_until(r, 10));
    run_tick(r);
    stop(r);
    assert_int_equal(count_files("app"), 1);
    run_state_free(s);
}

/* effect: file.directory file.mode file.prefix */
static void dated_names_have_the_date_and_a_number(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:?directory=$&prefix=app&max_bytes=100");
    r->record_bytes = 100;
    assert_int_equal(count_files("app"), 0); /* no empty file before the first record */
    assert_true(run_until(r, 3));
    clock_ns += 1000000000;
    assert_true(run_until(r, 4));
    stop(r);
    assert_int_equal(size_of("app-20251121-093000.jsonl"), 100);
    assert_int_equal(size_of("app-20251121-093000-1.jsonl"), 100);
    assert_int_equal(size_of("app-20251121-093000-2.jsonl"), 100);
    assert_int_equal(size_of("app-20251121-093001.jsonl"), 100);
    r = start(s, "file:$/?prefix=app&mode=text"); /* the same by another spelling; a new file at each start */
    assert_string_equal(r->sink->common.format, "logfmt");
    r->record_bytes = 100;
    assert_true(run_until(r, 5));
    stop(r);
    assert_int_equal(size_of("app-20251121-093001.log"), 100);
    assert_true(run_check_text(dir, 5, 100));
    run_state_free(s);
}

static void retention_leaves_other_prefixes_alone(void **state)
{
    (void)state;
    static const char *const others[] = {
        "app-api-20251120-000000.jsonl", "app-20251120-000000.txt", "app-20251120.jsonl", "app-2025112x-000000.log",
        "app-20251120-000000-x.jsonl", "app-20251120-000000-01.jsonl", "xapp-20251120-000000.jsonl", "app.jsonl",
        "app-20251120-000000.jsonl.bak", "app-20251120-000000.jsonl.gz.old",
    };
    char path[300];
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        path_of(path, others[i]);
        const int fd = open(path, O_CREAT | O_WRONLY, 0644);
        assert_int_equal(write(fd, "x\n", 2), 2);
        (void)close(fd);
    }
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:?directory=$&prefix=app&max_bytes=100&max_files=1");
    r->record_bytes = 100;
    assert_true(run_until(r, 6));
    run_tick(r);
    stop(r);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        assert_int_equal(size_of(others[i]), 2);
    assert_int_equal(count_files(""), ARRAY_COUNT(others) + 2);
    run_state_free(s);
}

/* effect: file.max_age file.max_total_bytes */
static void retention_by_bytes_and_age_runs_at_start(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.log?max_bytes=100");
    r->record_bytes = 100;
    assert_true(run_until(r, 8));
    stop(r);
    r = start(s, "file:$/a.log?max_bytes=100&max_total_bytes=350");
    run_tick(r);
    assert_int_equal(count_files("a.log."), 3);
    stop(r);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    clock_ns = (now.tv_sec + 7200) * INT64_C(1000000000);
    r = start(s, "file:$/a.log?max_bytes=100&max_age=1h");
    run_tick(r);
    assert_int_equal(count_files("a.log."), 0);
    assert_int_equal(size_of("a.log"), 100);
    stop(r);
    run_state_free(s);
}

#define SECOND INT64_C(1000000000)
#define DAY (86400 * SECOND)

static void pass(int64_t ns)
{
    clock_ns += ns;
    boot_ns += ns;
}

static void dated_name(char *ret, size_t size)
{
    struct tm tm;
    const time_t s = (time_t)(clock_ns / SECOND);
    assert_int_not_equal(strftime(ret, size, "app-%Y%m%d-%H%M%S.jsonl", gmtime_r(&s, &tm)), 0);
}

/* One record, which is a file; the kernel dates it by the test's clock. */
static void write_file(struct run *r, uint64_t number, char name[64])
{
    char path[300];
    pass(10 * SECOND);
    run_tick(r);
    assert_true(run_until(r, number));
    dated_name(name, 64);
    path_of(path, name);
    const struct timespec at[2] = {{clock_ns / SECOND, clock_ns % SECOND}, {clock_ns / SECOND, clock_ns % SECOND}};
    assert_int_equal(utimensat(AT_FDCWD, path, at, 0), 0);
    run_tick(r);
}

static bool is_there(const char *name)
{
    char path[300];
    path_of(path, name);
    return access(path, F_OK) == 0;
}

/* While the clock was ahead, files got dates that lie in the future when it is right again. */
static void the_files_left_last_are_kept_though_the_clock_was_ahead(void **state)
{
    (void)state;
    char today[3][64], ahead[2][64], again[4][64];
    uint64_t n = 0;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:?directory=$&prefix=app&max_bytes=100&max_files=3");
    r->record_bytes = 100;
    for (unsigned i = 0; i < 3; i++)
        write_file(r, ++n, today[i]);
    clock_ns += DAY;
    for (unsigned i = 0; i < 2; i++)
        write_file(r, ++n, ahead[i]);
    clock_ns -= DAY;
    write_file(r, ++n, again[0]);
    assert_true(is_there(ahead[1]) && is_there(ahead[0]) && is_there(today[2]) && !is_there(today[1]));
    for (unsigned i = 1; i < 4; i++)
        write_file(r, ++n, again[i]);
    assert_true(is_there(again[2]) && is_there(again[1]) && is_there(again[0]) && !is_there(ahead[1]));
    stop(r);
    run_state_free(s);
}

static void a_jump_of_the_clock_makes_no_file_old_until_it_has_lasted(void **state)
{
    (void)state;
    char first[64], second[64];
    uint64_t n = 0;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:?directory=$&prefix=app&max_bytes=100&max_age=6h");
    r->record_bytes = 100;
    write_file(r, ++n, first);
    write_file(r, ++n, second);
    for (unsigned i = 0; i < 3; i++) { /* and each time a file is left, which is when others are looked at */
        char name[64];
        clock_ns += DAY;
        write_file(r, ++n, name);
        write_file(r, ++n, name);
        assert_true(is_there(first) && is_there(second));
        clock_ns -= DAY;
        write_file(r, ++n, name);
    }
    clock_ns += DAY;
    for (unsigned i = 0; i < 361; i++) {
        pass(10 * SECOND);
        run_tick(r);
    }
    char name[64];
    write_file(r, ++n, name);
    write_file(r, ++n, name);
    assert_true(!is_there(first) && !is_there(second));
    stop(r);
    run_state_free(s);
}

/* effect: file.interval */
static void an_interval_ends_on_multiples_of_itself(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.log?interval=hourly");
    assert_true(run_until(r, 5));
    clock_ns += INT64_C(1799) * 1000000000; /* 09:59:59 */
    run_tick(r);
    assert_true(run_until(r, 10));
    assert_int_equal(count_files("a.log."), 0);
    clock_ns += INT64_C(1) * 1000000000;
    run_tick(r); /* no write is needed */
    assert_int_equal(count_files("a.log."), 1);
    assert_int_equal(size_of("a.log"), 0);
    clock_ns += INT64_C(7200) * 1000000000;
    run_tick(r); /* an empty file stays */
    assert_int_equal(count_files("a.log."), 1);
    assert_true(run_until(r, 15));
    stop(r);
    char path[300];
    path_of(path, "a.log");
    const struct timespec written[2] = {{.tv_sec = clock_ns / 1000000000}, {.tv_sec = clock_ns / 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, written, 0), 0);
    clock_ns += INT64_C(86400) * 1000000000;
    r = start(s, "file:$/a.log?interval=daily"); /* a file of yesterday is left at the first write */
    assert_true(run_until(r, 20));
    assert_int_equal(count_files("a.log."), 2);
    stop(r);
    assert_true(run_check_text(dir, 20, 0));
    run_state_free(s);
}

static void archives_are_compressed(const char *fmt, const char *suffix)
{
    struct run_state *s = run_state_new();
    struct run *r = start(s, fmt);
    assert_true(run_until(r, 100));
    static struct run_files files;
    unsigned archives = 0; /* in one look: the thread makes its temporary file at any time */
    run_read_files(dir, &files);
    for (unsigned i = 0; i < files.count; i++)
        archives += !strstr(files.file[i].name, ".tmp");
    run_files_free(&files);
    archives--; /* the live file */
    assert_true(archives >= 3);
    tick_until(r, suffix, archives);
    assert_int_equal(count_files(".tmp"), 0);
    stop(r);
    assert_int_equal(count_files(""), archives + 1);
    assert_true(run_check_text(dir, 100, 0));
    run_state_free(s);
}

/* effect: file.compress */
static void gzip_archives_hold_the_same_bytes(void **state)
{
    (void)state;
    archives_are_compressed("file:$/a.jsonl?max_bytes=1000&compress_rotated=true", ".gz");
}

static void zstd_archives_hold_the_same_bytes(void **state)
{
    (void)state;
    archives_are_compressed("file:?directory=$&max_bytes=1000&compress=zstd", ".zst");
}

static void leftovers_of_a_crash_are_finished_or_removed(void **state)
{
    (void)state;
    char from[300], to[300];
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl?max_bytes=1000");
    assert_true(run_until(r, 60));
    stop(r);
    path_of(to, "a.jsonl.2.zst.tmp"); /* half an archive */
    (void)close(open(to, O_CREAT | O_WRONLY, 0644));
    r = start(s, "file:$/a.jsonl?max_bytes=1000&compress=gzip");
    const unsigned archives = count_files("a.jsonl.") - 1;
    tick_until(r, ".gz", archives);
    stop(r);
    assert_int_equal(count_files(".tmp"), 0);
    path_of(from, "a.jsonl.1.gz");
    path_of(to, "a.jsonl.1"); /* an original that outlived its archive */
    put_file(to, "stale\n");
    give_time_of(from, to);
    r = start(s, "file:$/a.jsonl?max_bytes=1000&compress=gzip");
    run_tick(r);
    assert_int_equal(size_of("a.jsonl.1"), -1);
    stop(r);
    assert_true(run_check_text(dir, 60, 0));
    run_state_free(s);
}

/* Many compressors keep their original, or remove it in the end: until then theirs is not whole, and they may fail. */
static void an_archive_that_is_compressed_by_hand_stays(void **state)
{
    (void)state;
    char plain[300], packed[300];
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl?max_bytes=1000");
    assert_true(run_until(r, 20));
    path_of(plain, "a.jsonl.1");
    path_of(packed, "a.jsonl.1.zst");
    put_file(packed, "half of it");
    const off_t size = size_of("a.jsonl.1");
    assert_true(size > 0);
    run_tick(r);
    assert_int_equal(size_of("a.jsonl.1"), size);
    give_time_of(plain, packed); /* whole now, and to be kept all the same: who compresses here is not this sink */
    assert_int_equal(run_rotate(r), 0);
    assert_int_equal(size_of("a.jsonl.2"), size);
    assert_int_equal(size_of("a.jsonl.2.zst"), 10);
    stop(r);
    path_of(packed, "a.jsonl.2.zst");
    const struct timespec other[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, packed, other, 0), 0);
    r = start(s, "file:$/a.jsonl?max_bytes=1000&compress=zstd");
    run_tick(r);
    stop(r); /* which ends what it compresses */
    assert_int_equal(size_of("a.jsonl.1"), -1);
    assert_true(size_of("a.jsonl.1.zst") > 0);
    assert_int_equal(size_of("a.jsonl.2"), size);
    assert_int_equal(size_of("a.jsonl.2.zst"), 10);
    run_state_free(s);
}

static void rotation_by_hand_waits_for_the_disk_between_batches(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl?sync=interval&sync_interval=1h");
    assert_int_equal(run_rotate(r), 0); /* an empty file stays */
    assert_true(run_until(r, 10));
    assert_int_equal(run_rotate(r), 0);
    run_tick(r); /* the disk has answered: now the names change */
    run_tick(r);
    assert_int_equal(size_of("a.jsonl"), 0);
    assert_true(size_of("a.jsonl.1") > 0);
    assert_true(run_until(r, 20));
    assert_int_equal(run_rotate(r), 0);
    assert_true(run_until(r, 30)); /* a batch does not wait for a tick */
    assert_true(size_of("a.jsonl.2") > 0);
    stop(r);
    assert_true(run_check_text(dir, 30, 0));
    run_state_free(s);
}

static void reopen_follows_an_external_rotation(void **state)
{
    (void)state;
    char from[300], to[300];
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl");
    assert_true(run_until(r, 10));
    assert_int_equal(run_reopen(r), 0); /* nothing moved: nothing changes */
    path_of(from, "a.jsonl");
    path_of(to, "a.jsonl-20251121");
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(run_batch(r, 15), 0); /* before the signal: follows the file */
    assert_int_equal(run_reopen(r), 0);
    assert_true(run_until(r, 25));
    stop(r);
    assert_true(size_of("a.jsonl") > 0);
    assert_int_equal(count_files(""), 2);
    assert_true(run_check_text(dir, 25, 0));
    run_state_free(s);
}

static void a_deleted_file_is_made_again_without_a_signal(void **state)
{
    (void)state;
    char path[300];
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl");
    assert_true(run_until(r, 10));
    path_of(path, "a.jsonl");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(run_batch(r, 15), 0); /* seen even before the next tick */
    assert_true(size_of("a.jsonl") > 0);
    char to[300];
    path_of(to, "moved");
    assert_int_equal(rename(path, to), 0);
    const uint64_t until = clock_mono_ns() + 5 * NS_PER_S;
    while (size_of("a.jsonl") < 0 && clock_mono_ns() < until)
        run_tick(r);
    assert_int_equal(size_of("a.jsonl"), 0);
    stop(r);
    run_state_free(s);
}

static void a_removed_directory_is_made_again(void **state)
{
    (void)state;
    static const char *const settings[] = {"file:$/sub/deep/a.jsonl?sync=always", "file:?directory=$/sub/deep"};
    char sub[300], moved[300], deep[300];
    path_of(sub, "sub");
    path_of(moved, "moved");
    path_of(deep, "sub/deep");
    const unsigned fds = run_open_fds();
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        static struct run_files files;
        struct run_state *s = run_state_new();
        struct run *r = start(s, settings[i]);
        r->record_bytes = 50;
        assert_true(run_until(r, 10));
        run_remove(deep);
        assert_int_equal(rmdir(sub), 0);
        assert_int_equal(run_batch(r, 15), 0); /* the first of them, and not after a signal */
        assert_int_equal(rename(sub, moved), 0);
        const uint64_t until = clock_mono_ns() + 5 * NS_PER_S;
        while (access(deep, F_OK) < 0 && clock_mono_ns() < until) { /* noticed as a moved file is */
            run_tick(r);
            if (i == 1) /* whose file comes with a record */
                assert_int_equal(run_batch(r, r->next + 1), 0);
        }
        assert_true(run_until(r, r->next + 2));
        stop(r);
        run_read_files(deep, &files);
        assert_int_equal(files.count, 1);
        assert_int_equal(files.file[0].len % 50, 0);
        assert_true(files.file[0].len >= 100);
        run_files_free(&files);
        run_remove(dir);
        assert_int_equal(mkdir(dir, 0755), 0);
        run_state_free(s);
    }
    assert_int_equal(run_open_fds(), fds);
}

static void copytruncate_is_seen_and_leaves_no_hole(void **state)
{
    (void)state;
    char path[300];
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl");
    r->record_bytes = 50;
    assert_true(run_until(r, 10));
    path_of(path, "a.jsonl");
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(run_batch(r, 15), 0);
    assert_int_equal(size_of("a.jsonl"), 250);
    stop(r);
    /* a crash right after: what counts as written stays, what does not is cut */
    s->slot[s->slot_used].next = 15;
    r = start(s, "file:$/a.jsonl");
    assert_int_equal(size_of("a.jsonl"), 250);
    stop(r);
    run_state_free(s);
}

static void recovery_cuts_what_came_after_the_mark(void **state)
{
    (void)state;
    struct run_state *s = run_state_new(), *old = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl");
    assert_true(run_until(r, 10));
    *old = *s;
    const off_t size = size_of("a.jsonl");
    assert_true(run_until(r, 30));
    stop(r);
    r = start(old, "file:$/a.jsonl");
    assert_int_equal(size_of("a.jsonl"), size);
    assert_true(run_until(r, 40));
    stop(r);
    assert_true(run_check_text(dir, 40, 0));
    run_state_free(s);
    run_state_free(old);
}

static void recovery_never_cuts_a_file_with_other_content(void **state)
{
    (void)state;
    char path[300];
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl");
    r->record_bytes = 50;
    assert_true(run_until(r, 10));
    stop(r);
    path_of(path, "a.jsonl");
    const int fd = open(path, O_WRONLY | O_TRUNC); /* same inode, other bytes */
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(fd, "somebody else's\n", 16), 16);
    (void)close(fd);
    r = start(s, "file:$/a.jsonl");
    assert_int_equal(size_of("a.jsonl"), 1600);
    stop(r);
    run_state_free(s);
}

static void an_unfinished_line_does_not_swallow_the_next(void **state)
{
    (void)state;
    static struct run_files files;
    char path[300];
    path_of(path, "a.jsonl");
    const int fd = open(path, O_CREAT | O_WRONLY, 0644);
    assert_int_equal(write(fd, "torn", 4), 4);
    (void)close(fd);
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl");
    assert_true(run_until(r, 1));
    stop(r);
    run_read_files(dir, &files);
    assert_memory_equal(files.file[0].data, "torn\nrecord 00000000 ", 21);
    run_files_free(&files);
    run_state_free(s);
}

static void a_full_disk_keeps_the_records_and_work_resumes(void **state)
{
    (void)state;
    struct rlimit before, tight = {.rlim_cur = 777};
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl");
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight.rlim_max = before.rlim_max;
    r->record_bytes = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(run_batch(r, 5), 0);
    const int result = run_batch(r, 10); /* 277 bytes fit, then the "disk" is full */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(result, -EFBIG);
    assert_int_equal(size_of("a.jsonl"), 500); /* nothing half */
    assert_true(run_until(r, 20));
    stop(r);
    assert_true(run_check_text(dir, 20, 100));
    run_state_free(s);
}

static void the_file_that_a_write_was_meant_for_can_be_named(void **state)
{
    (void)state;
    char path[300];
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl");
    path_of(path, "a.jsonl");
    assert_string_equal(r->sink->ops->place(r->sink), path);
    stop(r);
    r = start(s, "file:?directory=$&prefix=app");
    assert_string_equal(r->sink->ops->place(r->sink), dir); /* no file yet */
    assert_int_equal(run_batch(r, 1), 0);
    path_of(path, "app-20251121-093000.jsonl");
    assert_string_equal(r->sink->ops->place(r->sink), path);
    stop(r);
    run_state_free(s);
}

static void two_sinks_cannot_share_a_file(void **state)
{
    (void)state;
    struct err e = {0};
    static struct run other;
    struct run_state *s = run_state_new(), *t = run_state_new();
    struct run *r = start(s, "file:$/a.jsonl");
    assert_int_equal(run_open(&other, t, uri("file:$/a.jsonl"), NULL, &e), -EBUSY);
    assert_non_null(strstr(e.text, "another collector or sink"));
    (void)run_close(&other, NULL);
    stop(r);
    run_state_free(s);
    run_state_free(t);
}

static void retention_spares_the_live_file_of_another_sink(void **state)
{
    (void)state;
    static struct run other;
    struct err e = {0};
    struct run_state *s = run_state_new(), *t = run_state_new();
    assert_int_equal(run_open(&other, t, uri("file:?directory=$&prefix=app"), NULL, &e), 0);
    assert_true(run_until(&other, 5));
    clock_ns += 1000000000;
    struct run *r = start(s, "file:?directory=$&prefix=app&max_bytes=300&max_files=0&compress=gzip");
    assert_true(run_until(r, 20));
    run_tick(r);
    assert_true(size_of("app-20251121-093000.jsonl") > 0);
    stop(r);
    assert_int_equal(count_files(""), 2);
    assert_int_equal(run_close(&other, NULL), 0);
    run_state_free(s);
    run_state_free(t);
}

static void a_symbolic_link_is_followed(void **state)
{
    (void)state;
    char path[300], target[300];
    path_of(target, "real");
    assert_int_equal(mkdir(target, 0755), 0);
    path_of(target, "real/a.jsonl");
    path_of(path, "link.jsonl");
    assert_int_equal(symlink(target, path), 0);
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:$/link.jsonl");
    r->record_bytes = 100;
    assert_true(run_until(r, 2));
    stop(r);
    r = start(s, "file:$/link.jsonl?max_bytes=100");
    r->record_bytes = 100;
    assert_true(run_until(r, 4));
    stop(r);
    assert_int_equal(size_of("link.jsonl"), 100);
    assert_int_equal(size_of("real/a.jsonl.1"), 100);
    run_state_free(s);
}

static void a_symbolic_link_to_nothing_is_followed_and_stays(void **state)
{
    (void)state;
    char path[300], target[300];
    struct stat st;
    path_of(target, "real");
    assert_int_equal(mkdir(target, 0755), 0);
    path_of(path, "link.jsonl");
    assert_int_equal(symlink("real/a.jsonl", path), 0);
    struct run_state *s = run_state_new(), *old = run_state_new();
    struct run *r = start(s, "file:$/link.jsonl?max_bytes=100");
    r->record_bytes = 100;
    path_of(target, "real/a.jsonl");
    assert_string_equal(r->sink->ops->place(r->sink), target);
    assert_true(run_until(r, 1));
    *old = *s;
    assert_true(run_until(r, 3));
    stop(r);
    assert_int_equal(size_of("real/a.jsonl"), 100);
    assert_int_equal(size_of("real/a.jsonl.2"), 100);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(count_files("link.jsonl."), 0);
    /* killed between the rename and the new file: it is a link to nothing again */
    assert_int_equal(unlink(target), 0);
    char first[300];
    path_of(first, "real/a.jsonl.2");
    const int fd = open(first, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "after the mark\n", 15), 15);
    (void)close(fd);
    r = start(old, "file:$/link.jsonl?max_bytes=100");
    assert_int_equal(size_of("real/a.jsonl.2"), 100);
    assert_int_equal(size_of("real/a.jsonl"), 0);
    stop(r);
    run_state_free(s);
    run_state_free(old);
}

static void devices_take_records_without_rotation(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "file:/dev/null?max_bytes=100&sync=always");
    assert_true(run_until(r, 50));
    stop(r);
    r = start(s, "file:/dev/null");
    assert_true(run_until(r, 60));
    stop(r);
    run_state_free(s);
}

static void contradictions_are_refused_before_anything_is_opened(void **state)
{
    (void)state;
    static const struct { const char *uri, *text; } cases[] = {
        {"file:", "path: must be given"},
        {"file:/a?directory=/b", "path: contradicts directory"},
        {"file:/a?path=/b", "path: given twice"},
        {"file:/a?mode=xml", "mode: 'xml' is not json, text or an octal file mode"},
        {"file:/a?mode=0999", "file_mode: '0999' is not an octal mode"},
        {"file:?directory=/b&prefix=x/y", "prefix: 'x/y' is not a file name"},
        {"file:/a?max_byte=10", "max_byte: no such option; did you mean 'max_bytes'?"},
        {"file:/a?compress=lz4", "compress: 'lz4' is not one of none, gzip, zstd"},
        {"file:/a?interval=500ms", "interval: '500ms' is outside 1s.."},
        {"file:/a?keep=1&max_files=2", "max_files: given twice"},
        {"file:/a?levels=ERROR,LOUD", "levels: 'LOUD' is not a level"},
        {"file://host/a", "URI host: 'host' has no meaning here; an absolute path has three slashes"},
        {"fiel:/a", "fiel: no such sink; did you mean 'file:'? (built in: "},
        {"gopher:/a", "gopher: no such sink (built in: "},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct sink *s = NULL;
        struct err e = {0};
        assert_true(sink_new(cases[i].uri, "--sink", &s, &e) < 0);
        if (!strstr(e.text, cases[i].text) || !strstr(e.text, "--sink"))
            fail_msg("%s: %s", cases[i].uri, e.text);
        assert_null(s);
    }
}

static void levels_become_a_mask(void **state)
{
    (void)state;
    uint32_t mask;
    char *const texts[] = {(char[]){"ERROR"}, (char[]){"30"}, (char[]){"error"}, (char[]){"info"}};
    const struct opt_list none = {0}, two = {(char **)(uintptr_t)texts, 2}, other = {(char **)(uintptr_t)texts + 2, 2};
    assert_int_equal(sink_level_mask(1, &none, &mask, NULL), 0);
    assert_true(mask == (UINT32_MAX & ~1u));
    assert_int_equal(sink_level_mask(13, NULL, &mask, NULL), 0);
    assert_true(mask == (UINT32_MAX << 13));
    assert_int_equal(sink_level_mask(1, &two, &mask, NULL), 0);
    assert_true(mask == (15u << 17 | 1u << 30));
    assert_int_equal(sink_level_mask(19, &other, &mask, NULL), 0);
    assert_true(mask == (3u << 19));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(records_are_appended_to_what_is_there),
        T(size_rotation_numbers_the_archives),
        T(a_record_larger_than_a_file_goes_alone),
        T(keep_drops_the_oldest_archives),
        T(keep_none_deletes_every_archive),
        T(dated_names_have_the_date_and_a_number),
        T(retention_leaves_other_prefixes_alone),
        T(retention_by_bytes_and_age_runs_at_start),
        T(the_files_left_last_are_kept_though_the_clock_was_ahead),
        T(a_jump_of_the_clock_makes_no_file_old_until_it_has_lasted),
        T(an_interval_ends_on_multiples_of_itself),
        T(gzip_archives_hold_the_same_bytes),
        T(zstd_archives_hold_the_same_bytes),
        T(leftovers_of_a_crash_are_finished_or_removed),
        T(an_archive_that_is_compressed_by_hand_stays),
        T(rotation_by_hand_waits_for_the_disk_between_batches),
        T(reopen_follows_an_external_rotation),
        T(a_deleted_file_is_made_again_without_a_signal),
        T(a_removed_directory_is_made_again),
        T(copytruncate_is_seen_and_leaves_no_hole),
        T(recovery_cuts_what_came_after_the_mark),
        T(recovery_never_cuts_a_file_with_other_content),
        T(an_unfinished_line_does_not_swallow_the_next),
        T(a_full_disk_keeps_the_records_and_work_resumes),
        T(the_file_that_a_write_was_meant_for_can_be_named),
        T(two_sinks_cannot_share_a_file),
        T(retention_spares_the_live_file_of_another_sink),
        T(a_symbolic_link_is_followed),
        T(a_symbolic_link_to_nothing_is_followed_and_stays),
        T(devices_take_records_without_rotation),
        T(contradictions_are_refused_before_anything_is_opened),
        T(levels_become_a_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
