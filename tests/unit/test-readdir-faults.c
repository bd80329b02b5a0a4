/* A directory that cannot be read to its end is told: what was not seen is not taken for gone. */
#include "collector/delivery/spool/internal.h"
#include "collector/ingest/dead.h"
#include "collector/ingest/discover.h"
#include "lib/reader/reader.h"
#include "tests/unit/ingest-fixture.h"
#include "tools/dump/spool_paths.h"

#include <limits.h>
#include <sys/stat.h>

struct dirent *__real_readdir64(DIR *dir);
struct dirent *__wrap_readdir64(DIR *dir);

static unsigned entries_left = UINT_MAX;

struct dirent *__wrap_readdir64(DIR *dir)
{
    if (entries_left != UINT_MAX && entries_left-- == 0) {
        entries_left = UINT_MAX;
        errno = EIO;
        return NULL;
    }
    return __real_readdir64(dir);
}

static void expect_told(const struct err *e, const char *dir)
{
    assert_int_equal(entries_left, UINT_MAX); /* the fault has happened */
    assert_non_null(strstr(e->text, dir));
    assert_non_null(strstr(e->text, strerror(EIO)));
}

static void by_the_reader(void **state)
{
    struct place *p = *state;
    struct err e = { 0 };
    struct reader *r;
    struct reader_segment *const *segments;
    (void)make(p, &(struct builder_options){ 0 });
    assert_int_equal(reader_new(&r, NULL, NULL, &e), 0);
    assert_int_equal(reader_add(r, p->dir, &e), 0);
    assert_int_equal(reader_refresh(r, &e), 0);
    for (unsigned after = 0; after < 3; after++) {
        entries_left = after;
        e = (struct err){ 0 };
        assert_int_equal(reader_refresh(r, &e), -EIO);
        expect_told(&e, p->dir);
    }
    assert_int_equal(reader_refresh(r, &e), 0);
    assert_int_equal(reader_segments(r, &segments), 1);
    reader_free(r);
}

static void by_a_collector_that_starts(void **state)
{
    struct place *p = *state;
    struct err e = { 0 };
    struct discover d;
    entries_left = 1;
    assert_int_equal(discover_open(&d, &p->segments, &e), -EIO);
    expect_told(&e, p->dir);
    discover_close(&d);
}

static void and_looked_at_again_by_one_that_runs(void **state)
{
    struct place *p = *state;
    struct err e = { 0 };
    struct discover d;
    assert_int_equal(discover_open(&d, &p->segments, &e), 0);
    (void)make(p, &(struct builder_options){ 0 });
    d.wants_scan = true; /* as when events were lost */
    d.scan_at_ns = 0;
    entries_left = 0;
    discover_run(&d, 1);
    assert_int_equal(p->segments.count, 0);
    assert_true(d.wants_scan);
    discover_run(&d, discover_deadline(&d));
    assert_int_equal(p->segments.count, 1);
    assert_false(d.wants_scan);
    discover_close(&d);
}

/* As who sets a goal does: a ring that is attached later has none. */
static void what_has_appeared_is_there_without_a_turn(void **state)
{
    struct place *p = *state;
    struct err e = { 0 };
    struct discover d;
    assert_int_equal(discover_open(&d, &p->segments, &e), 0);
    discover_look(&d);
    assert_int_equal(p->segments.count, 0);
    (void)make(p, &(struct builder_options){ 0 });
    discover_look(&d);
    assert_int_equal(p->segments.count, 1);
    discover_close(&d);
}

static void by_a_spool(void **state)
{
    struct place *p = *state;
    struct err e = { 0 };
    static struct seglog l;
    const struct seglog_config cfg = { .io = p->io, .suffix = "spool", .kind = SPOOL_ENTRIES, .dir = p->dir,
                                       .sink = "s", .format = "f", .segment_bytes = 1 << 20 };
    entries_left = 2;
    assert_int_equal(seglog_open(&l, &cfg, &e), 0);
    assert_int_equal(seglog_find(&l, NULL, NULL, &e), -EIO);
    expect_told(&e, p->dir);
    assert_int_equal(seglog_open(&l, &cfg, &e), 0);
    assert_int_equal(seglog_find(&l, NULL, NULL, &e), 0);
    seglog_close(&l);
}

static void file_make(const char *dir, const char *name)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static unsigned files_with(const char *dir, const char *suffix)
{
    DIR *const d = opendir(dir);
    unsigned count = 0;
    for (const struct dirent *entry; (entry = readdir(d));) {
        const size_t len = strlen(entry->d_name), end = strlen(suffix);
        count += len > end && !strcmp(entry->d_name + len - end, suffix);
    }
    (void)closedir(d);
    return count;
}

/* The newest of half of them may be one of the oldest. */
static void where_dead_segments_are_kept(void **state)
{
    struct place *p = *state;
    struct err e = { 0 };
    char name[32];
    for (unsigned i = 0; i < 6; i++) {
        (void)snprintf(name, sizeof name, "%u" SEGMENT_DEAD_SUFFIX, i);
        file_make(p->dir, name);
    }
    for (unsigned after = 0; after < 8; after++) {
        entries_left = after;
        e = (struct err){ 0 };
        assert_int_equal(dead_prune(p->segments.dir_fd, p->dir, 1, &e), -EIO);
        expect_told(&e, p->dir);
        assert_int_equal(files_with(p->dir, SEGMENT_DEAD_SUFFIX), 6);
    }
    p->settings.keep_dead = 2;
    entries_left = 5;
    segments_prune(&p->segments);
    assert_non_null(strstr(p->said, strerror(EIO)));
    assert_non_null(strstr(p->said, p->dir));
    assert_int_equal(files_with(p->dir, SEGMENT_DEAD_SUFFIX), 6);
    segments_prune(&p->segments);
    assert_int_equal(files_with(p->dir, SEGMENT_DEAD_SUFFIX), 2);
}

static void where_damaged_spool_files_are_kept(void **state)
{
    struct place *p = *state;
    static struct spool s;
    struct seglog_segment seg = { .sequence = 100 };
    char name[64], path[PATH_MAX];
    s = (struct spool){ .cfg = { .io = p->io, .on_message = on_message, .message_arg = p } };
    (void)snprintf(s.log.dir, sizeof s.log.dir, "%s", p->dir);
    s.log.suffix = SPOOL_SUFFIX;
    for (unsigned i = 1; i <= 2 * SPOOL_BAD_MAX; i++) {
        (void)snprintf(name, sizeof name, "%016x.spool.bad", i);
        file_make(p->dir, name);
    }
    seglog_path(&s.log, &seg, path);
    file_make(p->dir, strrchr(path, '/') + 1);
    entries_left = 2 + SPOOL_BAD_MAX + 2;
    spool_quarantine(&s, &seg);
    assert_int_equal(entries_left, UINT_MAX);
    assert_non_null(strstr(p->said, strerror(EIO)));
    assert_non_null(strstr(p->said, p->dir));
    assert_int_equal(files_with(p->dir, ".spool.bad"), 2 * SPOOL_BAD_MAX + 1);
    seg.sequence++;
    seglog_path(&s.log, &seg, path);
    file_make(p->dir, strrchr(path, '/') + 1);
    spool_quarantine(&s, &seg);
    assert_int_equal(files_with(p->dir, ".spool.bad"), SPOOL_BAD_MAX);
}

/* A spool is not a directory of rings, nor an empty one. */
static void by_the_tool_that_shows_spools(void **state)
{
    struct place *p = *state;
    char child[PATH_MAX / 2], file[PATH_MAX];
    (void)snprintf(child, sizeof child, "%s/a-sink", p->dir);
    assert_int_equal(mkdir(child, 0700), 0);
    file_make(child, "0000000000000001.spool");
    int (*const questions[])(const char *path, struct err *e) = { spool_path_is_ours, spool_dir_is_of_all_sinks,
                                                                 spool_dir_is_empty };
    for (unsigned i = 0; i < ARRAY_COUNT(questions); i++) {
        for (unsigned after = 0; after < 2; after++) {
            struct err e = { 0 };
            entries_left = after;
            assert_int_equal(questions[i](p->dir, &e), -EIO);
            expect_told(&e, p->dir);
        }
    }
    struct err e = { 0 };
    for (unsigned after = 0; after < 4 + 3 + 3 + 1; after++) { /* its names and end, again, and those of the sink */
        entries_left = after;
        assert_int_equal(spool_dir_is_of_all_sinks(p->dir, &e), -EIO);
        expect_told(&e, p->dir);
    }
    assert_int_equal(spool_dir_is_of_all_sinks(p->dir, &e), 1);
    assert_int_equal(spool_path_is_ours(p->dir, &e), 1);
    assert_int_equal(spool_path_is_ours(child, &e), 1);
    assert_int_equal(spool_dir_is_empty(child, &e), 0);
    (void)snprintf(file, sizeof file, "%s/0000000000000001.spool", child);
    assert_int_equal(unlink(file) + rmdir(child), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(by_the_reader), T(by_a_collector_that_starts), T(and_looked_at_again_by_one_that_runs),
        T(what_has_appeared_is_there_without_a_turn), T(by_a_spool),
        T(where_dead_segments_are_kept), T(where_damaged_spool_files_are_kept), T(by_the_tool_that_shows_spools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
