/* A ring directory with a collector's ingest and up to four segments, which the test writes. */
#ifndef TESTS_UNIT_INGEST_FIXTURE_H
#define TESTS_UNIT_INGEST_FIXTURE_H

#include "collector/ingest/drain.h"
#include "collector/ingest/release.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/segment_builder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BUILDERS = 4 };

struct place {
    char dir[64];
    struct io *io;
    struct ingest_settings settings;
    struct segments segments;
    struct drain drain;
    struct checkpoint checkpoint;
    struct segment_builder builder[BUILDERS];
    unsigned builders;
    char said[4096];
};

static inline void on_message(void *arg, const char *text)
{
    struct place *p = arg;
    (void)snprintf(p->said, sizeof p->said, "%s", text);
}

static inline int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    struct err e = { 0 };
    (void)snprintf(p->dir, sizeof p->dir, "/dev/shm/test-drain-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->settings = (struct ingest_settings){ .lane_budget_bytes = 64 << 10, .segments_max = 100,
                                            .lanes_max = 10000, .bytes_max = 1ull << 30 };
    assert_int_equal(io_new(&(struct io_config){ .kind = IO_PLAIN }, &p->io, &e), 0);
    assert_int_equal(segments_open(&p->segments, p->dir, p->io, &p->settings, &e), 0);
    p->segments.on_message = on_message;
    p->segments.arg = p;
    assert_int_equal(drain_init(&p->drain, &p->segments, UINT32_MAX, false, &e), 0);
    *state = p;
    return 0;
}

static inline int teardown(void **state)
{
    struct place *p = *state;
    drain_done(&p->drain);
    checkpoint_done(&p->checkpoint);
    segments_close(&p->segments);
    io_free(p->io);
    for (unsigned i = 0; i < p->builders; i++) {
        close(p->builder[i].fd);
        builder_done(&p->builder[i]);
    }
    DIR *d = opendir(p->dir);
    const struct dirent *entry;
    while ((entry = readdir(d)))
        (void)unlinkat(dirfd(d), entry->d_name, 0);
    (void)closedir(d);
    assert_int_equal(rmdir(p->dir), 0);
    free(p);
    return 0;
}

static inline struct segment_builder *make(struct place *p, const struct builder_options *opt)
{
    struct segment_builder *b = &p->builder[p->builders];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%u.ring", p->dir, p->builders++);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    builder_init(b, fd, opt);
    b->sb->uuid_lo += p->builders;
    builder_seal(b);
    return b;
}

static inline int attach(struct place *p, unsigned index)
{
    char name[16];
    (void)snprintf(name, sizeof name, "%u.ring", index);
    return segments_attach(&p->segments, name);
}

static inline void put(struct segment_builder *b, uint32_t lane, uint8_t level, uint64_t n)
{
    static struct payload payload;
    payload_init(&payload);
    payload_dynamic(&payload, 1, "m");
    payload_name(&payload, FAPILOG_TYPE_U64, FAPILOG_ROLE_DATA, "n");
    payload_u64(&payload, n);
    builder_put(b, lane, FAPILOG_KIND_DYNAMIC, level, 0, 0, &payload);
}

static inline void begin(struct place *p, unsigned flags)
{
    assert_int_equal(drain_begin(&p->drain, clock_mono_ns(), flags, NULL), 0);
}

/* Takes all of a turn; the numbers of the records go to ret, reports as UINT64_MAX. */
static inline unsigned take(struct place *p, uint64_t *ret, unsigned room)
{
    const struct fapilog_record *r;
    unsigned count = 0;
    while ((r = drain_peek(&p->drain))) {
        assert_true(count < room);
        ret[count++] = r->internal ? UINT64_MAX : r->fields[0].v.u64;
        (void)drain_accept(&p->drain);
    }
    return count;
}

static inline void commit(struct place *p)
{
    assert_int_equal(drain_checkpoint(&p->drain, &p->checkpoint, NULL), 0);
    release_checkpoint(&p->checkpoint);
}

#endif
