/* Any bytes at all as a file of a spool or of dead letters: walked block by block, each entry to its last byte,
 * without a crash, a read outside or a hang. libFuzzer swaps main (-Dfuzz=true); as an ordinary test it replays
 * the files that it is given, or else mutates valid files from a printed seed and makes many checksums right. */
#include "collector/delivery/spool/spool_file.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink; /* keeps the reads */

static void touch(const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sink += ((const uint8_t *)data)[i];
}

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
enum { FILE_MAX = 16384, BLOCKS = 4, ENTRIES = 3, RAW_MAX = 4096 };

static uint8_t valid[FILE_MAX], image[FILE_MAX];
static size_t valid_bytes;
static size_t block_at[BLOCKS];

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

static uint64_t state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Mostly into heads and the begin of what is stored: that is where lengths and counts stand. */
static void mutate(void)
{
    static const uint64_t values[] = {
        0, 1, 7, 8, 55, 56, 64, 4095, INT32_MAX, 1u << 30, UINT32_MAX, UINT64_MAX,
    };
    const uint64_t v = next_random() % 2 ? values[next_random() % ARRAY_COUNT(values)] : next_random();
    const bool anywhere = next_random() % 4 == 0;
    size_t at = anywhere ? next_random() % valid_bytes : block_at[next_random() % BLOCKS] + next_random() % 160;
    at = at < valid_bytes - 8 ? at : valid_bytes - 8;
    switch (next_random() % 4) {
    case 0: image[at] ^= (uint8_t)(1u << next_random() % 8); break;
    case 1: memcpy(image + (at & ~3ul), &v, 4); break;
    case 2: memcpy(image + (at & ~7ul), &v, 8); break;
    default: memmove(image + (at & ~7ul), image + (next_random() % (valid_bytes - 64) & ~7ul), 48); break;
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

static void mutations_run(enum spool_kind kind, unsigned count, uint64_t seed)
{
    auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC);
    const time_t start = time(NULL);
    CHECK(fd >= 0);
    valid_make(kind);
    CHECK(pwrite(fd, valid, valid_bytes, 0) == (ssize_t)valid_bytes);
    CHECK(walk(fd, 0) == BLOCKS);
    printf("seed %" PRIu64 "\n", seed);
    state = seed;
    for (unsigned i = 0; i < count && time(NULL) - start < 8; i++) {
        memcpy(image, valid, valid_bytes);
        for (uint64_t n = 1 + next_random() % 4; n; n--)
            mutate();
        reseal();
        const size_t len = next_random() % 8 ? valid_bytes : next_random() % valid_bytes;
        CHECK(ftruncate(fd, 0) == 0);
        CHECK(pwrite(fd, image, len, 0) == (ssize_t)len);
        (void)walk(fd, i % 2 ? kind : 0);
    }
}

static void replay(const char *path)
{
    struct stat st;
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    auto_free uint8_t *data = malloc((size_t)st.st_size + 1);
    CHECK(data != NULL);
    CHECK(read(fd, data, (size_t)st.st_size) == st.st_size);
    (void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    const char *given = getenv("FUZZ_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 10) | 1 : 88172645463325252u;
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc == 1) {
        mutations_run(SPOOL_ENTRIES, 20000, seed);
        mutations_run(SPOOL_DEAD, 20000, seed);
    }
    return 0;
}
#endif
