/* A directory that cannot be read to its end is told: what was not seen is not taken for gone. */
#include "collector/delivery/spool/seglog.h"
#include "collector/ingest/discover.h"
#include "lib/reader/reader.h"
#include "tests/unit/ingest-fixture.h"

#include <limits.h>

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

static void by_a_spool(void **state)
{
    struct place *p = *state;
    struct err e = { 0 };
    static struct seglog l;
    const struct seglog_config cfg = { .io = p->io, .suffix = "spool", .kind = SPOOL_ENTRIES, .dir = p->dir,
                                       .sink = "s", .format = "f", .segment_bytes = 1 << 20 };
    entries_left = 2;
    assert_int_equal(seglog_open(&l, &cfg, NULL, NULL, &e), -EIO);
    expect_told(&e, p->dir);
    assert_int_equal(seglog_open(&l, &cfg, NULL, NULL, &e), 0);
    seglog_close(&l);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(by_the_reader), T(by_a_collector_that_starts), T(and_looked_at_again_by_one_that_runs), T(by_a_spool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
