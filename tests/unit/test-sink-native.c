#include "collector/sinks/fileset.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/reader/guard.h"
#include "lib/reader/native_file.h"
#include "tests/common/native_run.h"
#include "tests/common/sink_run.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

static char dir[200];
static int64_t clock_ns;

static int64_t test_clock(void) { return clock_ns; }

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "%s/fapilog-native-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    clock_ns = INT64_C(1763717400) * 1000000000; /* 2025-11-21 09:30:00 UTC */
    fileset_real_ns = test_clock;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    run_kill_at(0);
    run_remove(dir);
    return 0;
}

static void uri(char ret[600], const char *fmt)
{
    (void)snprintf(ret, 600, fmt, dir);
}

static struct run *start_on(struct run_state *state, enum io_kind kind, const char *fmt)
{
    static struct run r;
    const struct io_config io = {.kind = kind};
    struct err e = {0};
    char text[600];
    uri(text, fmt);
    r = (struct run){0};
    if (run_open(&r, state, text, &io, &e) < 0)
        fail_msg("%s", e.text);
    return &r;
}

static struct run *start(struct run_state *state, const char *fmt)
{
    return start_on(state, IO_PLAIN, fmt);
}

static void stop(struct run *r)
{
    struct err e = {0};
    assert_int_equal(run_close(r, &e), 0);
}

static void clean(void)
{
    run_remove(dir);
    assert_int_equal(mkdir(dir, 0755), 0);
}

static void path_of(char ret[300], const char *name) { (void)snprintf(ret, 300, "%s/%s", dir, name); }

static unsigned count_files(void)
{
    static struct run_files files;
    run_read_files(dir, &files);
    const unsigned n = files.count;
    run_files_free(&files);
    return n;
}

static struct native_file *open_file(const char *name)
{
    struct native_file *f = NULL;
    struct err e = {0};
    char path[300];
    path_of(path, name);
    if (native_file_open(path, &f, &e) < 0)
        fail_msg("%s", e.text);
    return f;
}

static void spans_come_back_as_they_lay_in_the_ring(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/a.fnl");
    assert_true(run_until(r, 300));
    stop(r);
    assert_true(native_run_check(dir, 300));
    run_state_free(s);
}

/* effect: native.compress */
static void compressed_blocks_hold_the_same_and_less_bytes(void **state)
{
    (void)state;
    struct stat plain, packed;
    char path[300];
    struct run_state *s = run_state_new(), *t = run_state_new();
    struct run *r = start(s, "native:%s/a.fnl");
    assert_true(run_until(r, 300));
    stop(r);
    path_of(path, "a.fnl");
    assert_int_equal(stat(path, &plain), 0);
    assert_int_equal(unlink(path), 0);
    r = start(t, "native:%s/a.fnl?compress=zstd&compress_level=3");
    assert_true(run_until(r, 300));
    stop(r);
    assert_int_equal(stat(path, &packed), 0);
    assert_true(packed.st_size < plain.st_size);
    assert_true(native_run_check(dir, 300));
    run_state_free(s);
    run_state_free(t);
}

/* Writes one batch of one span whose registry is `registry`. */
static void write_with_registry(struct run *r, struct fapilog_superblock *super, const void *registry, uint64_t tail,
                                uint64_t position)
{
    static _Alignas(8) char data[64];
    const struct sink_span span = {
        .super = super, .registry = registry, .registry_tail = tail, .data = data, .len = sizeof data,
        .position = position, .thread = {"", 0},
    };
    r->batch = (struct sink_batch){.id = position + 1, .bytes = sizeof data, .spans = &span, .spans_count = 1};
    r->is_done = false;
    r->sink->ops->write(r->sink, &r->batch);
    while (!r->is_done)
        assert_true(io_turn(r->io, UINT64_MAX) >= 0);
    assert_int_equal(r->result, 0);
}

static void an_unfinished_registry_entry_is_written_again_when_complete(void **state)
{
    (void)state;
    static _Alignas(8) uint8_t registry[256];
    struct fapilog_superblock super = {.uuid_hi = 7, .uuid_lo = 8};
    const uint64_t word0 = FAPILOG_ENTRY_WORD0(64, FAPILOG_ENTRY_SITE, XXH3_64bits(registry + 72, 56));
    struct native_block b;
    struct native_registry reg;
    uint64_t from[8], to[8];
    unsigned n = 0;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/a.fnl");
    memcpy(registry + 128, &word0, 8); /* the second is complete, the first is not */
    write_with_registry(r, &super, registry, 192, 0);
    write_with_registry(r, &super, registry, 192, 64); /* nothing new: nothing is repeated */
    memcpy(registry + 64, &word0, 8);
    write_with_registry(r, &super, registry, 192, 128);
    write_with_registry(r, &super, registry, 192, 192);
    memset(registry + 192, 0xff, 8); /* a length that leads out of the registry */
    write_with_registry(r, &super, registry, 256, 256);
    write_with_registry(r, &super, registry, 256, 320);
    stop(r);
    struct native_file *f = open_file("a.fnl");
    while (native_file_next(f, &b) > 0)
        if (b.kind == FAPILOG_NATIVE_KIND_REGISTRY && n < ARRAY_COUNT(from)) {
            assert_int_equal(native_registry_view(&b, &reg), 0);
            from[n] = reg.from;
            to[n++] = reg.to;
        }
    native_file_close(f);
    assert_int_equal(n, 3);
    assert_int_equal(from[0], 0);
    assert_int_equal(from[1], 64);
    assert_int_equal(to[1], 128); /* the one behind it was complete */
    assert_int_equal(from[2], 192);
    assert_int_equal(to[2], 256);
    run_state_free(s);
}

/* A thread that was killed while it registered leaves a gap for ever: what comes behind it is stored once. */
static void what_lies_behind_a_gap_of_the_registry_is_stored_once(void **state)
{
    (void)state;
    enum { ENTRIES = 20, BYTES = 64 + (ENTRIES + 1) * 64 };
    static _Alignas(8) uint8_t registry[BYTES];
    struct fapilog_superblock super = {.uuid_hi = 7, .uuid_lo = 8};
    const uint64_t word0 = FAPILOG_ENTRY_WORD0(64, FAPILOG_ENTRY_SITE, XXH3_64bits(registry + 72, 56));
    struct native_block b;
    struct native_registry reg;
    uint64_t stored = 0;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/a.fnl");
    memset(registry + 64 + 16, 'x', 24); /* of the one that is never finished */
    for (uint64_t at = 128; at < BYTES; at += 64) {
        memcpy(registry + at, &word0, 8);
        write_with_registry(r, &super, registry, at + 64, at - 128);
    }
    stop(r);
    struct native_file *f = open_file("a.fnl");
    while (native_file_next(f, &b) > 0)
        if (b.kind == FAPILOG_NATIVE_KIND_REGISTRY) {
            assert_int_equal(native_registry_view(&b, &reg), 0);
            stored += reg.to - reg.from;
        }
    native_file_close(f);
    assert_int_equal(stored, BYTES);
    run_state_free(s);
}

/* What was dropped behind the last record is in the file, though no record comes with it. */
static void losses_without_records_are_written_behind_their_segment(void **state)
{
    (void)state;
    struct fapilog_superblock super = {.uuid_hi = 7, .uuid_lo = 8};
    const struct sink_loss losses[] = {
        {.super = &super, .lane = 3, .last_ns = 99, .dropped = 5, .overwritten = 6},
        {.super = &super, .lane = UINT32_MAX, .no_lane = 1, .unregistered = 2, .truncated = 4},
    };
    struct native_block b;
    struct native_losses it;
    struct fapilog_native_loss loss;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/a.fnl");
    r->batch = (struct sink_batch){.id = 1, .losses = losses, .losses_count = ARRAY_COUNT(losses)};
    r->is_done = false;
    r->sink->ops->write(r->sink, &r->batch);
    while (!r->is_done)
        assert_true(io_turn(r->io, UINT64_MAX) >= 0);
    assert_int_equal(r->result, 0);
    stop(r);
    struct native_file *f = open_file("a.fnl");
    assert_int_equal(native_file_next(f, &b), 1);
    assert_int_equal(b.kind, FAPILOG_NATIVE_KIND_SEGMENT);
    assert_int_equal(native_file_next(f, &b), 1);
    assert_int_equal(native_losses_view(&b, &it), 0);
    assert_int_equal(native_losses_next(&it, &loss), 1);
    assert_int_equal(loss.uuid_lo, 8);
    assert_int_equal(loss.lane, 3);
    assert_int_equal(loss.last_ns, 99);
    assert_int_equal(loss.dropped, 5);
    assert_int_equal(loss.overwritten, 6);
    assert_int_equal(native_losses_next(&it, &loss), 1);
    assert_int_equal(loss.lane, FAPILOG_NATIVE_LANE_NONE);
    assert_int_equal(loss.no_lane, 1);
    assert_int_equal(loss.unregistered, 2);
    assert_int_equal(loss.truncated, 4);
    assert_int_equal(native_losses_next(&it, &loss), 0);
    native_file_close(f);
    run_state_free(s);
}

enum { CUT_PAGES = 8, PAGE = 4096 };

/* A batch of two spans: of a segment in a file, which is cut to one page under the write, and of another. */
static void write_while_cut(struct run *r, char *ring, int ring_fd, const char *other)
{
    static struct fapilog_superblock super[2] = {{.uuid_hi = 1, .uuid_lo = 1}, {.uuid_hi = 2, .uuid_lo = 2}};
    static _Alignas(8) uint8_t registry[64];
    struct sink_span span[2];
    for (unsigned i = 0; i < 2; i++)
        span[i] = (struct sink_span){
            .super = &super[i], .registry = registry, .registry_tail = sizeof registry,
            .data = i ? other : ring, .len = CUT_PAGES * PAGE, .thread = {"", 0}, .records = 1,
        };
    r->batch = (struct sink_batch){.id = 1, .bytes = 2 * CUT_PAGES * PAGE, .spans = span, .spans_count = 2};
    r->is_done = false;
    r->sink->ops->write(r->sink, &r->batch); /* is hashed by now, and given to the kernel in io_turn() */
    assert_int_equal(ftruncate(ring_fd, PAGE), 0);
    for (unsigned turns = 0; !r->is_done && turns < 1000; turns++)
        assert_true(io_turn(r->io, clock_mono_ns() + 10 * NS_PER_S) >= 0);
    assert_true(r->is_done);
}

static void a_ring_cut_short_under_the_write_costs_only_itself(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        static _Alignas(8) char other[CUT_PAGES * PAGE];
        uint32_t damaged = 0;
        auto_fd ring_fd = memfd_create("ring", MFD_CLOEXEC);
        assert_int_equal(ftruncate(ring_fd, CUT_PAGES * PAGE), 0);
        char *ring = mmap(NULL, CUT_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd, 0);
        assert_ptr_not_equal(ring, MAP_FAILED);
        memset(ring, 'r', CUT_PAGES * PAGE);
        memset(other, 'o', sizeof other);
        const int slot = guard_add(ring, CUT_PAGES * PAGE, PROT_READ | PROT_WRITE, &damaged);
        assert_true(slot >= 0);
        assert_int_equal(setenv("FAPILOG_IO", i & 1 ? "plain" : "auto", 1), 0);
        struct run_state *s = run_state_new();
        struct run *r = start_on(s, IO_AUTO, i & 2 ? "native:%s/a.fnl?compress=zstd" : "native:%s/a.fnl");
        write_while_cut(r, ring, ring_fd, other);
        assert_int_equal(r->result, 0);
        assert_int_equal(r->failures, 0);
        if (!(i & 2)) /* what is compressed was read before */
            assert_int_equal(damaged, 1);
        stop(r);
        struct native_file *f = open_file("a.fnl");
        struct native_block b;
        struct native_spans spans;
        struct native_span span;
        bool is_whole = false;
        while (native_file_next(f, &b) > 0) {
            if (b.kind != FAPILOG_NATIVE_KIND_SPANS)
                continue;
            assert_int_equal(native_spans_view(&b, &spans), 0);
            while (native_spans_next(&spans, &span) > 0)
                is_whole |= span.head.uuid_hi == 2 && !memcmp(span.data, other, sizeof other);
        }
        assert_int_equal(f->skipped_blocks + f->lost_blocks + f->skipped_bytes, 0);
        assert_true(is_whole);
        native_file_close(f);
        guard_remove(slot);
        assert_int_equal(munmap(ring, CUT_PAGES * PAGE), 0);
        run_state_free(s);
        clean();
    }
    assert_int_equal(unsetenv("FAPILOG_IO"), 0);
}

/* effect: native.max_bytes native.prefix */
static void every_file_decodes_alone(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/?prefix=app&max_bytes=6000");
    assert_true(run_until(r, 400));
    stop(r);
    assert_true(count_files() > 4);
    assert_true(native_run_check(dir, 400)); /* which keeps nothing from one file for the next */
    char path[300];
    struct stat st;
    path_of(path, "app-20251121-093000.fnl");
    assert_int_equal(stat(path, &st), 0);
    run_state_free(s);
}

/* effect: native.max_files */
static void retention_counts_files(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/?max_bytes=6000&max_files=2");
    assert_true(run_until(r, 400));
    run_tick(r);
    stop(r);
    assert_int_equal(count_files(), 3);
    run_state_free(s);
}

static void a_new_file_repeats_the_begin_of_the_ring_block(void **state)
{
    (void)state;
    struct native_block b;
    struct native_spans spans;
    struct native_span span;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/a.fnl");
    assert_true(run_until(r, 10));
    assert_int_equal(run_rotate(r), 0);
    assert_true(run_until(r, 15));
    stop(r);
    struct native_file *f = open_file("a.fnl");
    int kinds = 0;
    while (native_file_next(f, &b) > 0) {
        kinds |= 1 << b.kind;
        if (b.kind != FAPILOG_NATIVE_KIND_SPANS)
            continue;
        assert_int_equal(native_spans_view(&b, &spans), 0);
        assert_int_equal(native_spans_next(&spans, &span), 1);
        assert_int_equal(span.head.position, 0);
        assert_int_equal(span.head.repeated, 48 + 5 * 48); /* header and five records of the first file */
        assert_memory_equal(span.data, native_run_lane(0), span.head.bytes);
    }
    assert_int_equal(kinds, 1 << FAPILOG_NATIVE_KIND_SEGMENT | 1 << FAPILOG_NATIVE_KIND_REGISTRY |
                            1 << FAPILOG_NATIVE_KIND_SPANS | 1 << FAPILOG_NATIVE_KIND_LOSSES |
                            1 << FAPILOG_NATIVE_KIND_INDEX);
    native_file_close(f);
    assert_true(native_run_check(dir, 15));
    run_state_free(s);
}

/* effect: native.path */
static void a_finished_file_ends_in_its_index(void **state)
{
    (void)state;
    static struct run_files files;
    struct native_block b;
    struct native_index index;
    struct fapilog_native_trailer end;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/?max_bytes=6000");
    assert_true(run_until(r, 200));
    stop(r);
    r = start(s, "native:%s/?max_bytes=6000"); /* recovery leaves the index, which has no records */
    stop(r);
    run_read_files(dir, &files);
    uint64_t records = 0;
    for (unsigned i = 0; i < files.count; i++) {
        memcpy(&end, files.file[i].data + files.file[i].len - sizeof end, sizeof end);
        assert_true(end.magic == FAPILOG_NATIVE_TRAILER);
        struct native_file *f = open_file(files.file[i].name);
        f->offset = end.index_offset;
        assert_int_equal(native_file_next(f, &b), 1);
        assert_int_equal(native_index_view(&b, &index), 0);
        records += index.records;
        uint64_t *offsets = calloc(index.count, sizeof *offsets);
        for (uint64_t k = 0; k < index.count; k++)
            offsets[k] = index.entry[k].offset;
        const uint64_t count = index.count;
        for (uint64_t k = 0; k < count; k++) {
            f->offset = offsets[k];
            assert_int_equal(native_file_next(f, &b), 1);
            assert_int_equal(b.offset, offsets[k]);
        }
        free(offsets);
        native_file_close(f);
    }
    assert_int_equal(records, 200);
    run_files_free(&files);
    run_state_free(s);
}

static void a_run_appends_to_the_file_of_another(void **state)
{
    (void)state;
    struct run_state *s = run_state_new();
    for (uint64_t end = 20; end <= 60; end += 20) {
        struct run *r = start(s, "native:%s/a.fnl");
        assert_true(run_until(r, end));
        stop(r);
    }
    assert_int_equal(count_files(), 1);
    assert_true(native_run_check(dir, 60));
    run_state_free(s);
}

static void other_files_are_left_alone(void **state)
{
    (void)state;
    static struct run r;
    char path[300], text[600], bytes[200];
    struct err e = {0};
    struct run_state *s = run_state_new();
    path_of(path, "a.fnl");
    memset(bytes, 'x', sizeof bytes);
    const int fd = open(path, O_CREAT | O_WRONLY, 0644);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    (void)close(fd);
    uri(text, "native:%s/a.fnl");
    assert_int_equal(run_open(&r, s, text, NULL, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "not a native file"));
    (void)run_close(&r, NULL);
    static const off_t lens[] = {100, 9, 1};
    for (size_t i = 0; i < ARRAY_COUNT(lens); i++) {
        struct stat st;
        assert_int_equal(truncate(path, lens[i]), 0);
        assert_int_equal(run_open(&r, s, text, NULL, &e), -EBADMSG);
        (void)run_close(&r, NULL);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, lens[i]);
    }
    assert_int_equal(native_file_open(path, &(struct native_file *){NULL}, &e), -EBADMSG);
    run_state_free(s);
}

/* What a power failure may leave; where the marks of the run before are lost, nobody asks to recover. */
static void a_file_that_ends_within_its_header_begins_anew(void **state)
{
    (void)state;
    static const struct { off_t header, size; } cases[] = {{127, 127}, {20, 20}, {3, 3}, {0, 127}, {0, 1}, {40, 90}};
    char path[300];
    path_of(path, "a.fnl");
    for (size_t i = 0; i < ARRAY_COUNT(cases) * 2; i++) {
        struct run_state *s = run_state_new();
        struct run *r = start(s, "native:%s/a.fnl");
        const bool has_mark = i % 2;
        assert_true(run_until(r, 20));
        stop(r);
        assert_int_equal(truncate(path, cases[i / 2].header), 0);
        assert_int_equal(truncate(path, cases[i / 2].size), 0);
        s->slot[s->slot_used].next = 0;
        s->has_mark = has_mark;
        r = start(s, "native:%s/a.fnl");
        assert_true(run_until(r, 20));
        stop(r);
        assert_true(native_run_check(dir, 20));
        assert_int_equal(count_files(), 1);
        run_state_free(s);
        clean();
    }
}

/* Records that come back from a damaged copy, each at most once and whole. */
static unsigned survivors(const char *bytes, size_t len, uint64_t *ret_skipped)
{
    char path[300];
    struct native_file *f;
    struct native_block b;
    struct native_spans spans;
    struct native_span span;
    unsigned records = 0;
    path_of(path, "copy");
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    assert_int_equal(write(fd, bytes, len), len);
    (void)close(fd);
    if (native_file_open(path, &f, NULL) < 0)
        return 0;
    int r;
    while ((r = native_file_next(f, &b)) > 0)
        if (b.kind == FAPILOG_NATIVE_KIND_SPANS && native_spans_view(&b, &spans) == 0)
            while (native_spans_next(&spans, &span) > 0) {
                const uint8_t *lane = native_run_lane(span.head.lane);
                assert_memory_equal(span.data, lane + span.head.position, span.head.bytes);
                records += span.head.records;
            }
    assert_int_equal(r, 0);
    *ret_skipped = f->skipped_bytes + f->torn_bytes;
    native_file_close(f);
    return records;
}

static void damage_costs_one_block(const char *fmt)
{
    static struct run_files files;
    struct run_state *s = run_state_new();
    struct run *r = start(s, fmt);
    assert_true(run_until(r, 100));
    stop(r);
    run_read_files(dir, &files);
    char *bytes = files.file[0].data;
    const size_t len = files.file[0].len;
    uint64_t skipped;
    assert_int_equal(survivors(bytes, len, &skipped), 100);
    assert_int_equal(skipped, 0);
    for (size_t at = sizeof(struct fapilog_native_header); at < len; at += 37) {
        bytes[at] ^= 0x55;
        const unsigned left = survivors(bytes, len, &skipped);
        assert_in_range(left, 100 - RUN_BATCH_RECORDS, 100);
        bytes[at] ^= 0x55;
    }
    for (size_t cut = 0; cut < len; cut += 101) {
        const unsigned left = survivors(bytes, cut, &skipped);
        assert_true(left <= 100);
    }
    run_files_free(&files);
    run_state_free(s);
}

static void one_flipped_byte_costs_at_most_its_block(void **state)
{
    (void)state;
    damage_costs_one_block("native:%s/a.fnl");
}

static void one_flipped_byte_costs_at_most_its_compressed_block(void **state)
{
    (void)state;
    damage_costs_one_block("native:%s/a.fnl?compress=zstd");
}

static void what_is_appended_behind_a_torn_block_is_found(void **state)
{
    (void)state;
    static struct run_files files;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/a.fnl");
    assert_true(run_until(r, 50));
    stop(r);
    run_read_files(dir, &files);
    const size_t len = files.file[0].len;
    char *bytes = malloc(2 * len);
    memcpy(bytes, files.file[0].data, len);
    /* the last third of the file behind one that ends inside a block */
    struct native_file *f = open_file("a.fnl");
    struct native_block b;
    uint64_t cut = 0, from = 0;
    while (native_file_next(f, &b) > 0) {
        if (b.offset < len / 3)
            cut = b.offset + 48 + 16;
        if (b.offset < 2 * len / 3)
            from = b.offset;
    }
    native_file_close(f);
    cut &= ~(uint64_t)7;
    memmove(bytes + cut, files.file[0].data + from, len - from);
    uint64_t skipped;
    const unsigned left = survivors(bytes, cut + len - from, &skipped);
    assert_in_range(left, 25, 45);
    assert_int_equal(skipped, 64);
    free(bytes);
    run_files_free(&files);
    run_state_free(s);
}

static void a_growing_file_is_read_on(void **state)
{
    (void)state;
    struct native_block b;
    unsigned records = 0;
    struct run_state *s = run_state_new();
    struct run *r = start(s, "native:%s/a.fnl");
    assert_true(run_until(r, 10));
    struct native_file *f = open_file("a.fnl");
    while (native_file_next(f, &b) > 0)
        records += b.records;
    assert_int_equal(records, 10);
    assert_true(run_until(r, 30));
    while (native_file_next(f, &b) > 0)
        records += b.records;
    assert_int_equal(records, 30);
    assert_int_equal(f->skipped_bytes + f->torn_bytes, 0);
    native_file_close(f);
    stop(r);
    run_state_free(s);
}

/* ---- faults and kills ---- */

static const char *const settings[] = {
    "native:%s/a.fnl",
    "native:%s/a.fnl?max_bytes=4000&sync=always",
    "native:%s/?max_bytes=4000&compress=zstd&sync=interval&sync_interval=1ms",
    "native:%s/?interval=1s",
};

enum { SWEEP_RECORDS = 60 };

static bool run_in_steps(struct run *r)
{
    for (uint64_t end = 20; end <= SWEEP_RECORDS; end += 20) {
        if (!run_until(r, end))
            return false;
        clock_ns += 400000000;
    }
    return true;
}

static void one_failing_call_costs_no_record(void **state)
{
    (void)state;
    static struct run r;
    const unsigned fds = run_open_fds();
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        char text[600];
        uri(text, settings[i]);
        uint64_t calls = 1;
        for (uint64_t n = 1; n <= calls + 8; n++) {
            struct err e = {0};
            struct io_config fault = {.kind = IO_SIM, .sim_seed = n, .sim_fail_at = (int64_t)n};
            struct run_state *s = run_state_new();
            int result = run_open(&r, s, text, &fault, &e);
            if (result < 0) {
                (void)run_close(&r, NULL);
                fault.sim_fail_at = 0;
                result = run_open(&r, s, text, &fault, &e);
            }
            assert_int_equal(result, 0);
            assert_true(run_in_steps(&r));
            calls = io_sim_calls(r.io);
            (void)run_close(&r, NULL); /* may report the fault: all records are written before it */
            if (!native_run_check(dir, SWEEP_RECORDS))
                fail_msg("%s: fault at call %llu", text, (unsigned long long)n);
            run_state_free(s);
            clean();
        }
    }
    assert_int_equal(run_open_fds(), fds);
}

static int run_child(struct run_state *s, const char *text, uint64_t n)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static struct run r;
        struct err e = {0};
        alarm(20);
        run_kill_at(n);
        if (run_open(&r, s, text, NULL, &e) < 0 || !run_in_steps(&r) || run_close(&r, &e) < 0) {
            fprintf(stderr, "%s step %llu: %s\n", text, (unsigned long long)n, e.text);
            _exit(1);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void death_at_any_step_leaves_each_record_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        char text[600];
        uri(text, settings[i]);
        bool killed = true;
        for (uint64_t n = 1; killed; n += RUN_KILL_STRIDE) {
            struct run_state *s = run_state_new();
            const int code = run_child(s, text, n);
            assert_true(code == 99 || code == 0);
            killed = code == 99;
            assert_int_equal(run_child(s, text, 0), 0);
            if (!native_run_check(dir, SWEEP_RECORDS))
                fail_msg("%s: killed at step %llu", text, (unsigned long long)n);
            run_state_free(s);
            clean();
        }
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(spans_come_back_as_they_lay_in_the_ring),
        T(compressed_blocks_hold_the_same_and_less_bytes),
        T(an_unfinished_registry_entry_is_written_again_when_complete),
        T(what_lies_behind_a_gap_of_the_registry_is_stored_once),
        T(losses_without_records_are_written_behind_their_segment),
        T(a_ring_cut_short_under_the_write_costs_only_itself),
        T(every_file_decodes_alone),
        T(retention_counts_files),
        T(a_new_file_repeats_the_begin_of_the_ring_block),
        T(a_finished_file_ends_in_its_index),
        T(a_run_appends_to_the_file_of_another),
        T(other_files_are_left_alone),
        T(a_file_that_ends_within_its_header_begins_anew),
        T(one_flipped_byte_costs_at_most_its_block),
        T(one_flipped_byte_costs_at_most_its_compressed_block),
        T(what_is_appended_behind_a_torn_block_is_found),
        T(a_growing_file_is_read_on),
        T(one_failing_call_costs_no_record),
        T(death_at_any_step_leaves_each_record_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
