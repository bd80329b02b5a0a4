#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/reader/native_stream.h"
#include "lib/reader/reader.h"
#include "tests/common/segment_builder.h"

#include <fapilog/native.h>

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

static char dir[PATH_MAX], path[PATH_MAX + 16], path_b[PATH_MAX + 16];
static int fd = -1;
static struct segment_builder b;
static struct reader *reader;
static struct fapilog_record rec;
static struct payload p;
static uint64_t sequence;
static uint32_t site;
static unsigned warnings;

static void on_warning(void *arg, const char *text)
{
    (void)arg;
    (void)text;
    warnings++;
}

static void put(const void *data, size_t len)
{
    assert_int_equal(write(fd, data, len), len);
}

static void put_block(uint16_t kind, uint32_t records, const void *data, uint32_t len)
{
    static const char zeros[8];
    struct fapilog_native_block h = {
        .sync = FAPILOG_NATIVE_SYNC, .kind = kind, .codec = FAPILOG_NATIVE_CODEC_NONE, .records = records,
        .raw_bytes = len, .stored_bytes = len, .sequence = sequence++, .xxh3 = XXH3_64bits(data, len)};
    h.header_xxh3 = XXH3_64bits(&h, 40);
    put(&h, sizeof h);
    put(data, len);
    put(zeros, -len & 7);
}

static void put_header(uint64_t identity)
{
    struct fapilog_native_header h = {.magic = FAPILOG_NATIVE_MAGIC, .endian = FAPILOG_ENDIAN_TAG,
                                      .major = FAPILOG_NATIVE_MAJOR, .header_size = sizeof h, .uuid_hi = identity};
    h.xxh3 = XXH3_64bits(&h, 120);
    put(&h, sizeof h);
}

static void put_registry(void)
{
    const uint64_t to = b.sb->registry_tail;
    uint8_t *block = malloc(sizeof(struct fapilog_native_registry) + to);
    const struct fapilog_native_registry head = {b.sb->uuid_hi, b.sb->uuid_lo, 0, to};
    memcpy(block, &head, sizeof head);
    memcpy(block + sizeof head, b.base + b.sb->registry_off, to);
    put_block(FAPILOG_NATIVE_KIND_REGISTRY, 0, block, (uint32_t)(sizeof head + to));
    free(block);
}

struct piece {
    uint32_t lane, tid;
    uint64_t from, to;
    uint32_t repeated;
    uint64_t anchor_cycles, anchor_real_ns;
};

static void put_spans(const struct piece *pieces, uint32_t count)
{
    struct fapilog_native_span head[8] = {0};
    uint8_t *block = malloc(1 << 20), *at = block;
    const struct fapilog_native_spans top = {.count = count};
    for (uint32_t i = 0; i < count; i++) {
        head[i] = (struct fapilog_native_span){.uuid_hi = b.sb->uuid_hi,
                                               .uuid_lo = b.sb->uuid_lo,
                                               .lane = pieces[i].lane,
                                               .tid = pieces[i].tid,
                                               .generation = b.lanes[pieces[i].lane].generation,
                                               .position = pieces[i].from,
                                               .bytes = (uint32_t)(pieces[i].to - pieces[i].from),
                                               .repeated = pieces[i].repeated,
                                               .anchor_cycles = pieces[i].anchor_cycles,
                                               .anchor_real_ns = pieces[i].anchor_real_ns,
                                               .thread = "worker"};
    }
    memcpy(at, &top, sizeof top);
    memcpy(at += sizeof top, head, count * sizeof head[0]);
    at += count * sizeof head[0];
    for (uint32_t i = 0; i < count; i++) {
        for (uint64_t pos = pieces[i].from; pos < pieces[i].to; pos += 8, at += 8)
            memcpy(at, builder_at(&b, pieces[i].lane, pos), 8);
    }
    put_block(FAPILOG_NATIVE_KIND_SPANS, 1, block, (uint32_t)(at - block));
    free(block);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/dev/shm/test-native-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s/a.fnl", dir);
    (void)snprintf(path_b, sizeof path_b, "%s/b.fnl", dir);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
    const int memfd = memfd_create("segment", MFD_CLOEXEC);
    builder_init(&b, memfd, &(struct builder_options){.lanes = 2, .cap_log2 = 16});
    site = builder_site(&b, 9, "tick", 1, &(struct builder_field){FAPILOG_TYPE_U64, "n"});
    sequence = 0;
    warnings = 0;
    put_header(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reader_free(reader);
    reader = NULL;
    (void)close(fd);
    (void)close(b.fd);
    builder_done(&b);
    (void)unlink(path);
    (void)unlink(path_b);
    return rmdir(dir);
}

static void put_described(void)
{
    put_block(FAPILOG_NATIVE_KIND_SEGMENT, 0, b.sb, FAPILOG_NATIVE_SEGMENT_BYTES);
    put_registry();
}

static void put_n(uint32_t lane, uint64_t n)
{
    payload_init(&p);
    payload_u64(&p, n);
    builder_event(&b, lane, 9, site, &p);
}

/* What is put goes into another file of the folder from here on. */
static void go_on_in_b(void)
{
    (void)close(fd);
    fd = open(path_b, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
    sequence = 0;
    put_header(0);
    put_described();
}

static void start(const char *what)
{
    struct err e = {0};
    assert_int_equal(reader_new(&reader, on_warning, NULL, &e), 0);
    if (reader_add(reader, what, &e) < 0 || reader_refresh(reader, &e) < 0)
        fail_msg("%s", e.text);
}

static int next(void)
{
    struct err e = {0};
    const int r = reader_next(reader, &rec, &e);
    if (r < 0)
        fail_msg("%s", e.text);
    return r;
}

static void expect_n(uint64_t n)
{
    assert_int_equal(next(), 1);
    assert_int_equal(rec.fields_count, 1);
    assert_int_equal(rec.fields[0].v.u64, n);
}

static void expect_damage(uint64_t want)
{
    struct reader_totals t;
    reader_totals(reader, &t);
    assert_int_equal(t.damaged, want);
}

static void records_come_back_with_all_that_they_had(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 700; n++)
        put_n(0, n);
    put_described();
    put_spans(&(struct piece){.lane = 0, .tid = 77, .from = 0, .to = b.lanes[0].pos}, 1);
    for (int by_dir = 0; by_dir < 2; by_dir++) {
        start(by_dir ? dir : path);
        for (uint64_t n = 0; n < 700; n++) {
            expect_n(n);
            assert_int_equal(rec.tid, 77);
            assert_int_equal(rec.thread.len, 6);
            assert_int_equal(rec.time_ns, INT64_C(1700000000000000000) + (int64_t)n * 1000);
            assert_memory_equal(rec.process->service.data, "svc", 3);
            assert_int_equal(rec.id.generation, 1);
        }
        assert_int_equal(next(), 0);
        expect_damage(0);
        assert_int_equal(warnings, 0);
        reader_free(reader);
        reader = NULL;
    }
}

static void lanes_of_a_block_are_merged_by_time(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 100; n++)
        put_n(n % 3 == 0, n);
    put_described();
    put_spans((struct piece[]){{0, 1, 0, b.lanes[0].pos, 0}, {1, 2, 0, b.lanes[1].pos, 0}}, 2);
    start(path);
    for (uint64_t n = 0; n < 100; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
}

static void spans_may_end_and_go_on_anywhere_between_records(void **state)
{
    (void)state;
    uint64_t cuts[9] = {0};
    for (uint64_t n = 0; n < 800; n++) {
        put_n(0, n);
        if (n % 100 == 99)
            cuts[n / 100 + 1] = b.lanes[0].pos;
    }
    put_described();
    for (uint32_t i = 0; i < 8; i += 2) /* two in one block, which go one after the other */
        put_spans((struct piece[]){{0, 1, cuts[i], cuts[i + 1], 0}, {0, 1, cuts[i + 1], cuts[i + 2], 0}}, 2);
    start(path);
    for (uint64_t n = 0; n < 800; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    expect_damage(0);
}

static void records_that_became_zeros_in_the_ring_are_damage(void **state)
{
    (void)state;
    enum { IN_BLOCK = (4096 - 48) / 24, GONE = 20 };
    for (uint64_t n = 0; n < IN_BLOCK + 1; n++)
        put_n(0, n);
    memset(builder_at(&b, 0, 4096 - (4096 - 48) % 24 - GONE * 24), 0, GONE * 24);
    put_described();
    put_spans(&(struct piece){.lane = 0, .tid = 77, .from = 0, .to = b.lanes[0].pos}, 1);
    start(path);
    for (uint64_t n = 0; n < IN_BLOCK - GONE; n++)
        expect_n(n);
    expect_n(IN_BLOCK);
    assert_int_equal(next(), 0);
    expect_damage(GONE);
}

static void put_context(uint32_t epoch)
{
    payload_init(&p);
    payload_dynamic(&p, 1, "");
    payload_name(&p, FAPILOG_TYPE_STRING, FAPILOG_ROLE_REQUEST_ID, "request_id");
    payload_text(&p, "r-1", 3);
    builder_context(&b, 0, epoch, &p);
}

static void put_with_epoch(uint64_t n, uint32_t epoch)
{
    payload_init(&p);
    payload_ext(&p, 0, epoch);
    payload_u64(&p, n);
    builder_put(&b, 0, FAPILOG_KIND_EVENT, 9, FAPILOG_FLAG_EXT, site, &p);
}

static void repeated_bytes_give_their_context_and_no_records(void **state)
{
    (void)state;
    put_context(3);
    put_with_epoch(1, 3);
    const uint64_t cut = b.lanes[0].pos;
    put_with_epoch(2, 3);
    put_described();
    put_spans(&(struct piece){.from = 0, .to = b.lanes[0].pos, .repeated = (uint32_t)cut}, 1);
    start(path);
    expect_n(2);
    assert_false(rec.context->lost);
    assert_memory_equal(rec.context->fields[0].v.data, "r-1", 3);
    assert_int_equal(next(), 0);
}

static void a_span_without_what_precedes_it_has_lost_its_context(void **state)
{
    (void)state;
    put_context(3);
    put_with_epoch(1, 3);
    const uint64_t cut = b.lanes[0].pos;
    put_with_epoch(2, 3);
    put_described();
    put_spans(&(struct piece){.from = cut, .to = b.lanes[0].pos}, 1);
    start(path);
    expect_n(2);
    assert_true(rec.context->lost);
}

static void bytes_that_come_twice_are_read_once(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 10; n++)
        put_n(0, n);
    put_described();
    put_spans(&(struct piece){.from = 0, .to = b.lanes[0].pos}, 1);
    put_spans(&(struct piece){.from = 0, .to = b.lanes[0].pos}, 1);
    start(path);
    for (uint64_t n = 0; n < 10; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
}

static void chains_of_fragments_may_cross_spans(void **state)
{
    (void)state;
    static char text[20000];
    const uint32_t large = builder_site(&b, 9, "large", 1, &(struct builder_field){FAPILOG_TYPE_STRING, "t"});
    payload_init(&p);
    payload_text(&p, text, sizeof text);
    builder_put_large(&b, 0, FAPILOG_KIND_EVENT, 9, 0, large, &p, 4000);
    put_described();
    put_spans((struct piece[]){{0, 1, 0, 8192, 0}, {0, 1, 8192, b.lanes[0].pos, 0}}, 2);
    start(path);
    assert_int_equal(next(), 1);
    assert_int_equal(rec.fields[0].len, sizeof text);
    assert_int_equal(next(), 0);
    expect_damage(0);
}

static void what_is_left_at_the_end_of_a_block_is_no_record(void **state)
{
    (void)state;
    put_with_epoch(0, 1);
    for (uint64_t n = 1; n <= 167; n++)
        put_n(0, n);
    assert_int_equal(b.lanes[0].pos, 4088);
    put_n(0, 168);
    const uint64_t left = FAPILOG_WORD0(3, FAPILOG_KIND_EVENT, 9, 0, site); /* of an earlier round */
    memcpy(builder_at(&b, 0, 4088), &left, sizeof left);
    put_described();
    put_spans(&(struct piece){.from = 0, .to = b.lanes[0].pos}, 1);
    start(path);
    for (uint64_t n = 0; n <= 168; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    expect_damage(0);
}

static void a_growing_file_is_followed(void **state)
{
    (void)state;
    struct err e = {0};
    put_described();
    start(path);
    assert_int_equal(next(), 0);
    uint64_t from = 0;
    for (uint64_t n = 0; n < 50; n++) {
        put_n(0, n);
        put_spans(&(struct piece){.from = from, .to = b.lanes[0].pos}, 1);
        from = b.lanes[0].pos;
        assert_int_equal(reader_refresh(reader, &e), 0);
        expect_n(n);
        assert_int_equal(next(), 0);
    }
}

/* The first block of a file may be younger than the second, and than the next file. */
static void order_is_by_time_wherever_in_the_files_records_stand(void **state)
{
    (void)state;
    uint64_t cuts[2][4] = {{0}};
    for (uint64_t n = 0; n < 300; n++) {
        put_n(n % 3 == 0, n);
        cuts[0][n / 100 + 1] = b.lanes[0].pos;
        cuts[1][n / 100 + 1] = b.lanes[1].pos;
    }
    put_described();
    put_spans(&(struct piece){.lane = 1, .from = cuts[1][2], .to = cuts[1][3]}, 1);
    put_spans(&(struct piece){.lane = 0, .from = 0, .to = cuts[0][2]}, 1);
    go_on_in_b();
    put_spans(&(struct piece){.lane = 0, .from = cuts[0][2], .to = cuts[0][3]}, 1);
    put_spans(&(struct piece){.lane = 1, .from = 0, .to = cuts[1][2]}, 1);
    start(dir);
    for (uint64_t n = 0; n < 300; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    expect_damage(0);
}

/* Each file has anchors of its own: what one says of a lane's times may contradict the other. */
static void a_lane_is_read_as_written_whatever_the_files_clocks_say(void **state)
{
    (void)state;
    uint64_t cut = 0;
    for (uint64_t n = 0; n < 200; n++) {
        put_n(0, n);
        if (n == 99)
            cut = b.lanes[0].pos;
    }
    const uint64_t now = b.cycles + 1000000000;
    put_described();
    put_spans(&(struct piece){.to = cut, .anchor_cycles = now, .anchor_real_ns = 1700000001000000000 + 50000}, 1);
    go_on_in_b();
    put_spans(&(struct piece){.from = cut, .to = b.lanes[0].pos, .anchor_cycles = now,
                              .anchor_real_ns = 1700000001000000000 - 50000}, 1);
    start(dir);
    for (uint64_t n = 0; n < 200; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
}

/* As when a file is copied. */
static void a_file_that_is_there_twice_is_shown_twice_in_order(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 100; n++)
        put_n(0, n);
    const struct piece all = {.to = b.lanes[0].pos};
    put_described();
    put_spans(&all, 1);
    go_on_in_b();
    put_spans(&all, 1);
    start(dir);
    for (uint64_t n = 0; n < 200; n++)
        expect_n(n / 2);
    assert_int_equal(next(), 0);
}

static void young_records_wait_for_older_ones_of_the_next_look(void **state)
{
    (void)state;
    struct err e = {0};
    uint64_t cuts[2] = {0};
    for (uint64_t n = 0; n < 100; n++) {
        put_n(n % 3 == 0, n);
        if (n == 49) {
            cuts[0] = b.lanes[0].pos;
            cuts[1] = b.lanes[1].pos;
        }
    }
    put_described();
    put_spans((struct piece[]){{.lane = 0, .to = b.lanes[0].pos}, {.lane = 1, .to = cuts[1]}}, 2);
    assert_int_equal(reader_new(&reader, on_warning, NULL, &e), 0);
    assert_int_equal(reader_add(reader, path, &e), 0);
    reader_hold(reader, INT64_C(1700000000000000000) + 49 * 1000, INT64_C(1700000000000000000) + 1000000);
    assert_int_equal(reader_refresh(reader, &e), 0);
    for (uint64_t n = 0; n < 50; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    assert_int_equal(reader_held_ns(reader), INT64_C(1700000000000000000) + 50 * 1000);
    put_spans(&(struct piece){.lane = 1, .from = cuts[1], .to = b.lanes[1].pos}, 1);
    assert_int_equal(reader_refresh(reader, &e), 0);
    assert_int_equal(next(), 0);
    reader_hold(reader, INT64_MAX, INT64_MAX);
    for (uint64_t n = 50; n < 100; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    assert_int_equal(reader_held_ns(reader), INT64_MAX);
}

/* An old archive of many hours: its first times stay right when the last anchor has been seen. */
static void times_of_the_beginning_are_exact_in_a_long_file(void **state)
{
    (void)state;
    enum { ANCHORS = 9000 };
    const uint64_t step = 100000000; /* 100 ms; the counter runs 50 ppm fast, and from the middle slow */
    put_n(0, 0);
    const uint64_t first = b.lanes[0].pos, t0 = b.sb->t0_cycles;
    put_described();
    uint64_t real = b.sb->t0_real_ns;
    for (uint64_t i = 1; i <= ANCHORS; i++) {
        real += step + (i < ANCHORS / 2 ? 5000 : -5000);
        put_spans(&(struct piece){.to = i == 1 ? first : 0, .anchor_cycles = t0 + i * step, .anchor_real_ns = real}, 1);
    }
    b.cycles = t0 + 100 * step;
    put_n(0, 1);
    put_spans(&(struct piece){.from = first, .to = b.lanes[0].pos}, 1);
    start(path);
    expect_n(0);
    expect_n(1);
    const int64_t want = (int64_t)(b.sb->t0_real_ns + 100 * (step + 5000));
    assert_true(rec.time_ns - want < 1000 && want - rec.time_ns < 1000);
}

static void what_is_damaged_costs_itself(void **state)
{
    (void)state;
    uint64_t cuts[4] = {0};
    for (uint64_t n = 0; n < 300; n++) {
        put_n(0, n);
        if (n % 100 == 99)
            cuts[n / 100 + 1] = b.lanes[0].pos;
    }
    put_described();
    off_t second = 0;
    for (uint32_t i = 0; i < 3; i++) {
        if (i == 1)
            second = lseek(fd, 0, SEEK_END);
        put_spans(&(struct piece){.from = cuts[i], .to = cuts[i + 1]}, 1);
    }
    auto_fd plain = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(plain, "x", 1, second + 500), 1);
    start(path);
    for (uint64_t n = 0; n < 100; n++)
        expect_n(n);
    for (uint64_t n = 200; n < 300; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    struct reader_totals t;
    reader_totals(reader, &t);
    assert_true(t.damaged > 0);
}

/* A hole that a cut ring left, or a broken writer: the hash is right, the record is not. */
static void a_damaged_record_costs_itself_and_not_its_span(void **state)
{
    (void)state;
    uint64_t at = 0;
    for (uint64_t n = 0; n < 10; n++) {
        if (n == 4)
            at = b.lanes[0].pos;
        put_n(0, n);
    }
    const uint64_t unknown = FAPILOG_WORD0(3, FAPILOG_KIND_EVENT, 9, 0, site + 100);
    memcpy(builder_at(&b, 0, at), &unknown, sizeof unknown);
    put_described();
    put_spans(&(struct piece){.to = b.lanes[0].pos}, 1);
    start(path);
    for (uint64_t n = 0; n < 10; n++) {
        if (n != 4)
            expect_n(n);
    }
    assert_int_equal(next(), 0);
    expect_damage(1);
}

/* Hashes that are right say nothing of what a broken writer put under them. */
static void spans_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct piece lies[] = {
        {.lane = FAPILOG_LANES_MAX, .from = 0, .to = 72}, {.from = 0, .to = 72, .repeated = 80},
        {.from = UINT64_MAX - 71, .to = UINT64_MAX - 7}};
    put_n(0, 1);
    put_described();
    for (size_t i = 0; i < ARRAY_COUNT(lies); i++) {
        struct fapilog_native_span head = {
            .uuid_hi = b.sb->uuid_hi, .uuid_lo = b.sb->uuid_lo, .lane = lies[i].lane, .generation = 1,
            .position = lies[i].from, .bytes = 72, .repeated = lies[i].repeated};
        uint8_t block[8 + sizeof head + 72] = {1};
        memcpy(block + 8, &head, sizeof head);
        memcpy(block + 8 + sizeof head, builder_at(&b, 0, 0), 72);
        put_block(FAPILOG_NATIVE_KIND_SPANS, 1, block, sizeof block);
    }
    put_spans(&(struct piece){.from = 0, .to = b.lanes[0].pos}, 1);
    start(path);
    expect_n(1);
    assert_int_equal(next(), 0);
    expect_damage(ARRAY_COUNT(lies));
}

static void random_bytes_under_good_hashes_are_survived(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    builder_done(&b);
    const unsigned events = builder_sample(&b, memfd_create("segment", MFD_CLOEXEC));
    put_described();
    uint8_t *data = b.base + b.sb->data_off;
    for (unsigned round = 0; round < 300; round++) {
        const uint64_t used = b.lanes[0].pos;
        uint8_t *image = malloc(used);
        memcpy(image, data, used);
        for (uint64_t off = 0; off < used; off += 4096) /* a block's header says where in the lane it stands */
            ((struct fapilog_block *)(void *)(data + off))->pos += round * 65536ul;
        for (unsigned i = 0; i < 3; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            data[x % used] = (uint8_t)(x >> 32);
        }
        put_spans(&(struct piece){.from = round * 65536ul, .to = round * 65536ul + used}, 1);
        memcpy(data, image, used);
        free(image);
    }
    start(path);
    unsigned n = 0;
    while (next() == 1)
        n++;
    assert_true(n <= events * 300);
    assert_true(n > events * 100); /* most are far from what was changed */
}

static void a_file_holds_as_many_processes_as_the_limit_says(void **state)
{
    (void)state;
    static _Alignas(8) uint8_t block[FAPILOG_NATIVE_SEGMENT_BYTES];
    struct fapilog_superblock sb = {.clock_kind = FAPILOG_CLOCK_MONOTONIC, .registry_size = 64};
    struct native_stream *s;
    assert_int_equal(native_stream_new(&s), 0);
    for (unsigned i = 0; i <= NATIVE_SEGMENTS_MAX; i++) {
        sb.uuid_lo = i;
        memcpy(block, &sb, sizeof block);
        native_stream_begin(s);
        assert_int_equal(native_stream_feed(s, FAPILOG_NATIVE_KIND_SEGMENT, block, sizeof block),
                         i < NATIVE_SEGMENTS_MAX ? 0 : -EBADMSG);
    }
    sb.uuid_lo = 7; /* known already */
    memcpy(block, &sb, sizeof block);
    native_stream_begin(s);
    assert_int_equal(native_stream_feed(s, FAPILOG_NATIVE_KIND_SEGMENT, block, sizeof block), 0);
    native_stream_close(s);
}

static void refresh(void)
{
    struct err e = {0};
    if (reader_refresh(reader, &e) < 0)
        fail_msg("%s", e.text);
}

/* Blocks in two writes each, one right behind the other. */
static void write_in_halves(uint32_t blocks)
{
    static uint8_t block[sizeof(struct fapilog_native_block) + 8192];
    const uint32_t len = sizeof block - sizeof(struct fapilog_native_block), half = sizeof block / 2;
    struct fapilog_native_block h = {.sync = FAPILOG_NATIVE_SYNC, .kind = 4711, .raw_bytes = len, .stored_bytes = len};
    h.xxh3 = XXH3_64bits(block + sizeof h, len);
    for (; h.sequence < blocks; h.sequence++) {
        h.header_xxh3 = XXH3_64bits(&h, 40);
        memcpy(block, &h, sizeof h);
        if (write(fd, block, half) != half || write(fd, block + half, half) != half)
            _exit(1);
    }
    _exit(0);
}

/* A block that is unfinished when it is looked at may be finished, and have others behind it, a moment later. */
static void what_is_written_while_it_is_read_is_no_damage(void **state)
{
    (void)state;
    enum { BLOCKS = 3000 };
    struct native_file *f;
    struct native_block block;
    struct err e = {0};
    int status, r;
    assert_int_equal(native_file_open(path, &f, &e), 0);
    const pid_t writer = fork();
    if (writer == 0)
        write_in_halves(BLOCKS);
    for (uint64_t n = 0; n < BLOCKS && f->skipped_bytes == 0; n += r > 0)
        assert_true((r = native_file_next(f, &block)) >= 0);
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    assert_int_equal(f->skipped_bytes, 0);
    assert_int_equal(f->lost_blocks, 0);
    native_file_close(f);
}

/* As by logrotate's copytruncate, while it is followed. */
static void a_file_that_was_cut_is_read_from_its_begin_again(void **state)
{
    (void)state;
    uint64_t at[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        for (uint64_t n = 0; n < 100; n++)
            put_n(0, 100 * i + n);
        if (i < 2)
            at[i + 1] = b.lanes[0].pos;
    }
    put_described();
    put_spans(&(struct piece){.lane = 0, .tid = 7, .from = 0, .to = at[1]}, 1);
    start(path);
    for (uint64_t n = 0; n < 100; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    put_spans(&(struct piece){.lane = 0, .tid = 7, .from = at[1], .to = at[2]}, 1);
    refresh(); /* has seen it, and not read it */
    assert_int_equal(ftruncate(fd, 0), 0);
    refresh(); /* nothing can be told yet */
    assert_int_equal(warnings, 0);
    put_header(0);
    sequence = 0;
    for (unsigned i = 0; i < 20; i++) /* longer than it was */
        put_described();
    put_spans(&(struct piece){.lane = 0, .tid = 7, .from = at[2], .to = b.lanes[0].pos}, 1);
    refresh();
    assert_int_equal(warnings, 1);
    for (uint64_t n = 200; n < 300; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    expect_damage(1); /* the span that was not read in time */
}

static void a_file_that_was_cut_may_be_longer_again_before_anybody_looks(void **state)
{
    (void)state;
    uint64_t at;
    for (uint64_t n = 0; n < 100; n++)
        put_n(0, n);
    at = b.lanes[0].pos;
    for (uint64_t n = 100; n < 1100; n++)
        put_n(0, n);
    put_described();
    put_spans(&(struct piece){.lane = 0, .tid = 7, .from = 0, .to = at}, 1);
    start(path);
    for (uint64_t n = 0; n < 100; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    put_header(1);
    sequence = 0;
    put_described();
    put_spans(&(struct piece){.lane = 0, .tid = 7, .from = at, .to = b.lanes[0].pos}, 1);
    refresh();
    assert_int_equal(warnings, 1);
    for (uint64_t n = 100; n < 1100; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    expect_damage(0);
}

/* A header that is longer than the file says nothing of a cut, however often it is looked at. */
static void a_header_beyond_the_end_is_no_cut(void **state)
{
    (void)state;
    struct fapilog_native_header h = {.magic = FAPILOG_NATIVE_MAGIC, .endian = FAPILOG_ENDIAN_TAG,
                                      .major = FAPILOG_NATIVE_MAJOR, .header_size = 1 << 20};
    assert_int_equal(ftruncate(fd, 0), 0);
    h.xxh3 = XXH3_64bits(&h, 120);
    put(&h, sizeof h);
    put_described();
    start(path);
    refresh();
    assert_int_equal(next(), 0);
    assert_int_equal(warnings, 0);
}

static void put_losses(const struct fapilog_native_loss *loss, uint32_t count, uint32_t stride)
{
    uint8_t block[512] = {0};
    const struct fapilog_native_losses top = {count, stride};
    memcpy(block, &top, sizeof top);
    for (uint32_t i = 0; i < count; i++)
        memcpy(block + sizeof top + (size_t)i * stride, &loss[i], sizeof *loss);
    put_block(FAPILOG_NATIVE_KIND_LOSSES, 0, block, (uint32_t)sizeof top + count * stride);
}

static void losses_take(void *arg, const struct native_process *p)
{
    struct native_losses_told *told = arg;
    told[0] = p->losses;
    for (uint32_t i = 0; i < 2 && i < p->lanes_count; i++)
        if (p->lanes[i])
            told[i + 1] = p->lanes[i]->losses;
}

static void expect_losses(uint64_t lost, struct native_losses_told ret[3])
{
    const char *name;
    struct native_figures f;
    const struct native_stream *s = reader_native_stream(reader, 0, &name);
    native_stream_figures(s, &f);
    assert_int_equal(f.lost, lost);
    memset(ret, 0, 3 * sizeof ret[0]);
    native_stream_segments(s, losses_take, ret);
}

static void losses_are_those_of_headers_and_of_the_blocks_behind_them(void **state)
{
    (void)state;
    struct native_losses_told told[3];
    b.lanes[0].dropped = 7; /* as the next header says */
    for (uint64_t n = 0; n < 10; n++)
        put_n(0, n);
    put_described();
    put_spans(&(struct piece){.lane = 0, .from = 0, .to = b.lanes[0].pos}, 1);
    start(path);
    expect_losses(7, told);
    assert_int_equal(told[1].dropped, 7);
    const struct fapilog_native_loss losses[] = {
        {.uuid_hi = b.sb->uuid_hi, .uuid_lo = b.sb->uuid_lo, .lane = 0, .dropped = 9, .last_ns = 5},
        {.uuid_hi = b.sb->uuid_hi, .uuid_lo = b.sb->uuid_lo, .lane = 1, .dropped = 1, .overwritten = 100},
        {.uuid_hi = b.sb->uuid_hi, .uuid_lo = b.sb->uuid_lo, .lane = FAPILOG_NATIVE_LANE_NONE, .no_lane = 1000,
         .unregistered = 10000, .truncated = 100000},
    };
    put_losses(losses, 3, sizeof losses[0] + 8); /* of a later version */
    put_losses(losses, 3, sizeof losses[0]); /* they count from the begin on: told twice, they are no more */
    struct err e = {0};
    assert_int_equal(reader_refresh(reader, &e), 0);
    expect_losses(9 + 1 + 100 + 1000 + 10000, told);
    assert_int_equal(told[0].truncated, 100000);
    assert_int_equal(told[1].dropped, 9);
    assert_int_equal(told[1].last_ns, 5);
    assert_int_equal(told[2].overwritten, 100);
    for (uint64_t n = 0; n < 10; n++)
        expect_n(n);
    assert_int_equal(next(), 0);
    expect_damage(0);
}

static void losses_that_lie_are_refused(void **state)
{
    (void)state;
    struct native_losses_told told[3];
    const struct fapilog_native_loss losses[] = {
        {.uuid_hi = b.sb->uuid_hi + 1, .uuid_lo = b.sb->uuid_lo, .dropped = 1},
        {.uuid_hi = b.sb->uuid_hi, .uuid_lo = b.sb->uuid_lo, .lane = FAPILOG_LANES_MAX, .dropped = 1},
        {.uuid_hi = b.sb->uuid_hi, .uuid_lo = b.sb->uuid_lo, .lane = 0, .dropped = 2, .last_ns = UINT64_MAX},
    };
    put_described();
    put_losses(losses, 3, sizeof losses[0]);
    put_losses(losses, 3, sizeof losses[0] - 8);
    put_block(FAPILOG_NATIVE_KIND_LOSSES, 0, losses, 4);
    put_block(FAPILOG_NATIVE_KIND_LOSSES, 0, &(struct fapilog_native_losses){UINT32_MAX, UINT32_MAX & ~7u}, 8);
    start(path);
    expect_losses(2, told);
    assert_int_equal(told[1].last_ns, 0);
    expect_damage(5);
}

static void blocks_of_an_unknown_kind_are_passed_over(void **state)
{
    (void)state;
    put_n(0, 1);
    put_block(77, 0, "what comes later", 16);
    put_described();
    put_spans(&(struct piece){.lane = 0, .from = 0, .to = b.lanes[0].pos}, 1);
    put_block(78, 0, "", 0);
    start(path);
    expect_n(1);
    assert_int_equal(next(), 0);
    expect_damage(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(records_come_back_with_all_that_they_had),
        T(lanes_of_a_block_are_merged_by_time),
        T(spans_may_end_and_go_on_anywhere_between_records),
        T(records_that_became_zeros_in_the_ring_are_damage),
        T(repeated_bytes_give_their_context_and_no_records),
        T(a_span_without_what_precedes_it_has_lost_its_context),
        T(bytes_that_come_twice_are_read_once),
        T(chains_of_fragments_may_cross_spans), T(what_is_left_at_the_end_of_a_block_is_no_record),
        T(a_growing_file_is_followed),
        T(a_file_holds_as_many_processes_as_the_limit_says),
        T(order_is_by_time_wherever_in_the_files_records_stand),
        T(a_lane_is_read_as_written_whatever_the_files_clocks_say),
        T(a_file_that_is_there_twice_is_shown_twice_in_order),
        T(young_records_wait_for_older_ones_of_the_next_look),
        T(times_of_the_beginning_are_exact_in_a_long_file),
        T(what_is_damaged_costs_itself),
        T(a_damaged_record_costs_itself_and_not_its_span),
        T(spans_that_lie_are_refused),
        T(what_is_written_while_it_is_read_is_no_damage),
        T(a_file_that_was_cut_is_read_from_its_begin_again),
        T(a_file_that_was_cut_may_be_longer_again_before_anybody_looks),
        T(a_header_beyond_the_end_is_no_cut),
        T(losses_are_those_of_headers_and_of_the_blocks_behind_them),
        T(losses_that_lie_are_refused),
        T(blocks_of_an_unknown_kind_are_passed_over),
        T(random_bytes_under_good_hashes_are_survived),
    };
    return cmocka_run_group_tests_name("reader-native", tests, NULL, NULL);
}
