/* Any bytes at all as a native file: walked block by block, each view to its last byte, without a crash, a
 * read outside or a hang. libFuzzer swaps main (-Dfuzz=true); as an ordinary test it replays the files that
 * it is given, or else mutates a valid file from a printed seed and makes many checksums right again. */
#include "tests/fuzz/fuzz_file.h"

#include "lib/reader/native_file.h"
#include "lib/reader/reader.h"

#include <xxhash.h>
#include <zstd.h>

static void block_touch(const struct native_block *b)
{
    struct fapilog_superblock super;
    struct native_registry registry;
    struct native_spans spans;
    struct native_span span;
    struct native_index index;
    struct native_losses losses;
    struct fapilog_native_loss loss;
    touch(b->data, b->len);
    if (native_segment_view(b, &super) == 0)
        touch(&super, sizeof super);
    if (native_registry_view(b, &registry) == 0)
        touch(registry.data, registry.to - registry.from);
    if (native_index_view(b, &index) == 0)
        touch(index.entry, index.count * sizeof *index.entry);
    if (native_losses_view(b, &losses) == 0)
        while (native_losses_next(&losses, &loss) > 0)
            touch(&loss, sizeof loss);
    if (native_spans_view(b, &spans) < 0)
        return;
    while (native_spans_next(&spans, &span) > 0) {
        CHECK(span.head.repeated <= span.head.bytes);
        CHECK(span.head.bytes % 8 == 0);
        touch(span.data, span.head.bytes);
        touch(span.head.thread, strlen(span.head.thread));
    }
}

/* Whole blocks found; 0 also when it is refused. */
static unsigned walk(int fd)
{
    struct native_file *f;
    struct native_block b;
    unsigned blocks = 0;
    struct err e;
    if (native_file_open_fd(dup(fd), "fuzz", &f, &e) < 0)
        return 0;
    uint64_t last = 0;
    while (native_file_next(f, &b) > 0) {
        CHECK(b.offset > last);
        CHECK(f->offset > b.offset);
        last = b.offset;
        block_touch(&b);
        blocks++;
    }
    native_file_close(f);
    return blocks;
}

/* The same file as tools see it, twice, so that lanes have two sources. Records found. */
static unsigned records(int fd)
{
    char path[64];
    struct reader *r;
    struct fapilog_record rec;
    struct err e;
    unsigned found = 0;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(reader_new(&r, NULL, NULL, &e) == 0);
    for (int i = 0; i < 2; i++) {
        if (reader_add(r, path, &e) < 0 || reader_refresh(r, &e) < 0)
            break;
    }
    while (reader_next(r, &rec, &e) > 0) {
        touch(rec.message.data, rec.message.len);
        found++;
    }
    reader_free(r);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(write(fd, data, size) == (ssize_t)size);
    (void)walk(fd);
    (void)records(fd);
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
enum { SPAN_BYTES = 1024, BLOCKS = 7 };

static void head_seal(struct fapilog_native_block *h, const void *stored)
{
    h->xxh3 = XXH3_64bits(stored, h->stored_bytes);
    h->header_xxh3 = XXH3_64bits(h, offsetof(struct fapilog_native_block, header_xxh3));
}

static void header_seal(uint8_t *file)
{
    struct fapilog_native_header h;
    memcpy(&h, file, sizeof h);
    h.xxh3 = XXH3_64bits(&h, offsetof(struct fapilog_native_header, xxh3));
    memcpy(file, &h, sizeof h);
}

static void block_add(unsigned i, uint16_t kind, const void *raw, uint32_t len, bool packed)
{
    struct fapilog_native_block h = {
        .sync = FAPILOG_NATIVE_SYNC, .kind = kind, .raw_bytes = len, .stored_bytes = len, .sequence = i,
        .codec = packed ? FAPILOG_NATIVE_CODEC_ZSTD : FAPILOG_NATIVE_CODEC_NONE,
    };
    uint8_t *to = valid + valid_bytes + sizeof h;
    if (packed)
        h.stored_bytes = (uint32_t)ZSTD_compress(to, FILE_MAX - valid_bytes - sizeof h, raw, len, 1);
    else
        memcpy(to, raw, len);
    head_seal(&h, to);
    memcpy(valid + valid_bytes, &h, sizeof h);
    block_at[i] = valid_bytes;
    valid_bytes += sizeof h + ((h.stored_bytes + 7u) & ~7u);
}

static void valid_make(void)
{
    struct fapilog_native_header h = {
        .magic = FAPILOG_NATIVE_MAGIC, .endian = FAPILOG_ENDIAN_TAG, .major = FAPILOG_NATIVE_MAJOR,
        .header_size = sizeof h,
    };
    struct fapilog_superblock super = {
        .magic = FAPILOG_MAGIC, .clock_kind = FAPILOG_CLOCK_MONOTONIC, .registry_size = 256};
    struct { struct fapilog_native_registry head; uint8_t bytes[256]; } registry = {{0, 0, 0, 256}, {1}};
    struct {
        struct fapilog_native_spans top;
        struct fapilog_native_span head[2];
        uint8_t data[2 * SPAN_BYTES];
    } spans = {
        {2, 0}, {{.bytes = SPAN_BYTES, .generation = 1, .repeated = 48, .thread = "main"},
                 {.bytes = SPAN_BYTES, .generation = 1, .lane = 1}}, {7},
    };
    enum { RECORD = 48, PER_SPAN = SPAN_BYTES / RECORD };
    for (unsigned i = 0; i < 2 * PER_SPAN; i++) { /* the first of each span is a block header */
        uint64_t *const rec = (uint64_t *)(void *)(spans.data + i / PER_SPAN * SPAN_BYTES + i % PER_SPAN * RECORD);
        const bool is_block = i % PER_SPAN == 0;
        rec[0] = FAPILOG_WORD0(RECORD / 8, is_block ? FAPILOG_KIND_BLOCK : FAPILOG_KIND_DYNAMIC, 9, 0, is_block);
        rec[1] = is_block ? 0 : 1000 + i;
    }
    struct {
        struct fapilog_native_index head;
        struct fapilog_native_index_entry entry[3];
        struct fapilog_native_trailer end;
    } index = {{3, 2}, {{0}}, {0, FAPILOG_NATIVE_TRAILER}};
    const struct {
        struct fapilog_native_losses top;
        struct fapilog_native_loss loss[2];
    } losses = {{2, sizeof losses.loss[0]},
                {{.lane = 1, .dropped = 3}, {.lane = FAPILOG_NATIVE_LANE_NONE, .no_lane = 2}}};
    memcpy(valid, &h, sizeof h);
    header_seal(valid);
    valid_bytes = sizeof h;
    block_add(0, FAPILOG_NATIVE_KIND_SEGMENT, &super, FAPILOG_NATIVE_SEGMENT_BYTES, false);
    block_add(1, FAPILOG_NATIVE_KIND_REGISTRY, &registry, sizeof registry, false);
    block_add(2, FAPILOG_NATIVE_KIND_SPANS, &spans, sizeof spans, false);
    block_add(3, FAPILOG_NATIVE_KIND_REGISTRY, &registry, sizeof registry, true);
    block_add(4, FAPILOG_NATIVE_KIND_SPANS, &spans, sizeof spans, true);
    block_add(5, FAPILOG_NATIVE_KIND_LOSSES, &losses, sizeof losses, false);
    block_add(6, FAPILOG_NATIVE_KIND_INDEX, &index, sizeof index, false);
}

/* Mutants whose checksums are right get deeper. */
static void reseal(void)
{
    if (next_random() % 8)
        header_seal(image);
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct fapilog_native_block h;
        memcpy(&h, image + block_at[i], sizeof h);
        if (next_random() % 8 == 0 || h.stored_bytes > valid_bytes - block_at[i] - sizeof h)
            continue;
        h.sync = FAPILOG_NATIVE_SYNC;
        head_seal(&h, image + block_at[i] + sizeof h);
        memcpy(image + block_at[i], &h, sizeof h);
    }
}

static void walk_mutant(int fd, unsigned i)
{
    (void)i;
    (void)walk(fd);
    (void)records(fd);
}

int main(int argc, char **argv)
{
    auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc > 1)
        return 0;
    valid_make();
    CHECK(pwrite(fd, valid, valid_bytes, 0) == (ssize_t)valid_bytes);
    CHECK(walk(fd) == BLOCKS);
    CHECK(records(fd) > 0);
    mutations_run(fd, BLOCKS, 20000, seed_given(), reseal, walk_mutant);
    return 0;
}
#endif
