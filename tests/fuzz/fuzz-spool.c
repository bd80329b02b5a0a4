/* Any bytes at all as a file of a spool or of dead letters: walked block by block, each entry to its last byte,
 * without a crash, a read outside or a hang. libFuzzer swaps main (-Dfuzz=true); as an ordinary test it replays
 * the files that it is given, or else mutates valid files from a printed seed and makes many checksums right. */
#include "tests/fuzz/fuzz_file.h"

#include "collector/delivery/spool/spool_file.h"

#include <xxhash.h>

static void block_touch(struct spool_file *f, const struct spool_block_head *h)
{
    struct spool_item i;
    const char *raw;
    size_t at = 0;
    if (spool_file_load(f, h, &raw) < 0)
        return;
    touch(raw, h->raw_bytes);
    while (spool_item_next(raw, h->raw_bytes, f->kind, &at, &i)) {
        CHECK(at <= h->raw_bytes);
        if (i.dead)
            touch(i.reason, i.dead->reason_len);
        touch(entry_group(i.entry), i.entry->group_len);
        touch(entry_meta(i.entry), i.entry->meta_len);
        touch(entry_payload(i.entry), i.entry->payload_len);
    }
}

/* Whole blocks found; 0 also when it is refused. */
static unsigned walk(int fd, enum spool_kind kind)
{
    struct spool_file f;
    struct spool_block_head h;
    unsigned blocks = 0;
    if (spool_file_open_fd(&f, dup(fd), "fuzz", kind, NULL) < 0)
        return 0;
    uint64_t last = 0;
    while (spool_file_next(&f, &h) > 0) {
        CHECK(f.offset > last && f.offset <= f.size);
        last = f.offset;
        block_touch(&f, &h);
        blocks++;
    }
    spool_file_close(&f);
    return blocks;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(write(fd, data, size) == (ssize_t)size);
    for (enum spool_kind kind = 0; kind <= SPOOL_DEAD; kind++)
        (void)walk(fd, kind);
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
enum { BLOCKS = 4, ENTRIES = 3, RAW_MAX = 4096 };

static size_t raw_make(enum spool_kind kind, unsigned block, char *raw)
{
    size_t len = 0;
    for (unsigned n = 0; n < ENTRIES; n++) {
        struct fapilog_record r = { .level = 9, .time_ns = 1000 + n };
        if (kind == SPOOL_DEAD) {
            const struct spool_dead_head d = { .bytes = sizeof d + 8, .reason_len = 5, .status = 400, .attempts = n };
            memcpy(raw + len, &d, sizeof d);
            memcpy(raw + len + sizeof d, "whyso\0\0", 8);
            len += d.bytes;
        }
        struct entry_head *h = (struct entry_head *)(void *)(raw + len);
        char *end = (char *)(h + 1);
        for (unsigned i = 0; i < 40 + 50 * n; i++)
            *end++ = (char)(block % 2 ? i * i * 31 + n : 'x'); /* every other one cannot be packed */
        len += (size_t)(entry_finish(h, &r, 3, 2, end) - (char *)h);
    }
    return len;
}

static void valid_make(enum spool_kind kind)
{
    _Alignas(8) static char raw[RAW_MAX];
    struct spool_file_head h = { .kind = (uint16_t)kind, .sequence = 1, .sink = "fake", .format = "fake/own" };
    spool_file_head_seal(&h);
    memcpy(valid, &h, sizeof h);
    valid_bytes = sizeof h;
    for (unsigned b = 0; b < BLOCKS; b++) {
        struct spool_block_head block = { .kind = (uint16_t)kind, .codec = SPOOL_ZSTD, .records = ENTRIES,
                                          .sequence = b + 1 };
        const size_t len = raw_make(kind, b, raw);
        block_at[b] = valid_bytes;
        valid_bytes += spool_block_seal(&block, raw, (uint32_t)len, (char *)valid + valid_bytes);
    }
}

/* Mutants whose checksums are right get deeper. */
static void reseal(void)
{
    if (next_random() % 8) {
        struct spool_file_head h;
        memcpy(&h, image, sizeof h);
        spool_file_head_seal(&h);
        memcpy(image, &h, sizeof h);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct spool_block_head h;
        memcpy(&h, image + block_at[i], sizeof h);
        if (next_random() % 8 == 0 || h.stored_bytes > valid_bytes - block_at[i] - sizeof h)
            continue;
        h.sync = SPOOL_BLOCK_SYNC;
        h.xxh3 = XXH3_64bits(image + block_at[i] + sizeof h, h.stored_bytes);
        h.head_xxh3 = XXH3_64bits(&h, offsetof(struct spool_block_head, head_xxh3));
        memcpy(image + block_at[i], &h, sizeof h);
    }
}

static enum spool_kind kind_now;

static void walk_mutant(int fd, unsigned i)
{
    (void)walk(fd, i % 2 ? kind_now : 0);
}

int main(int argc, char **argv)
{
    auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    for (kind_now = SPOOL_ENTRIES; kind_now <= SPOOL_DEAD && argc == 1; kind_now++) {
        valid_make(kind_now);
        CHECK(ftruncate(fd, 0) == 0);
        CHECK(pwrite(fd, valid, valid_bytes, 0) == (ssize_t)valid_bytes);
        CHECK(walk(fd, 0) == BLOCKS);
        mutations_run(fd, BLOCKS, 20000, seed_given(), reseal, walk_mutant);
    }
    return 0;
}
#endif
