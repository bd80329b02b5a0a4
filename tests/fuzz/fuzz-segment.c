/* Any bytes at all as a segment: opened, walked and read to the last field, without a crash, a read
 * outside the file or a hang. libFuzzer swaps main (-Dfuzz=true); as an ordinary test it replays the
 * files or folders that it is given, or else mutates a valid image from a printed seed.
 *
 * An input that begins with the magic is a segment. Any other is a list of changes to a valid one, since
 * a fuzzer works best on few bytes: u8 (bit 0: hashes stay wrong), then u32 offset, u8 count, bytes. */
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/reader/lane.h"
#include "tests/common/segment_builder.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink; /* keeps the reads */

static void text_touch(struct fapilog_text t)
{
    for (uint32_t i = 0; i < t.len; i++)
        sink += (uint8_t)t.data[i];
}

static void fields_touch(const struct fapilog_record *r, const struct fapilog_field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct fapilog_field *f = &fields[i];
        CHECK(f->type < FAPILOG_TYPE_COUNT);
        CHECK(f->role < FAPILOG_ROLE_COUNT);
        text_touch(f->name);
        if (f->len)
            text_touch((struct fapilog_text){f->v.data, f->len});
        if (f->type == FAPILOG_TYPE_STACK && r->module_of && f->len >= 8) {
            struct fapilog_text path;
            uint64_t address, offset;
            memcpy(&address, f->v.data, sizeof address);
            if (r->module_of(r->module_arg, address, &path, &offset))
                text_touch(path);
        }
    }
}

static void record_touch(const struct fapilog_record *r)
{
    CHECK(r->level >= 1 && r->level <= 31);
    CHECK(r->fields_count <= FAPILOG_FIELDS_MAX);
    text_touch(r->message);
    text_touch(r->thread);
    text_touch(r->logger->name);
    text_touch(r->logger->service);
    fields_touch(r, r->fields, r->fields_count);
    fields_touch(r, r->logger->fields, r->logger->fields_count);
    if (r->context)
        fields_touch(r, r->context->fields, r->context->fields_count);
    if (r->site) {
        text_touch(r->site->file);
        text_touch(r->site->function);
    }
    sink += (uint64_t)r->time_ns;
}

static uint64_t lane_walk(struct segment *seg, uint32_t lane, uint64_t pos, unsigned flags)
{
    static struct lane_cursor c;
    struct fapilog_record rec;
    uint64_t events = 0, last = pos;
    if (lane_cursor_init(&c, seg, lane, pos, flags) == 0) {
        const uint64_t tail = lane_tail(&c);
        while (lane_next(&c, tail, &rec) == 1) {
            CHECK(c.pos > last);
            last = c.pos;
            record_touch(&rec);
            events++;
        }
        CHECK(c.pos <= tail || tail < pos || tail % 8);
    }
    lane_cursor_done(&c);
    return events;
}

static uint64_t segment_walk(struct segment *seg)
{
    uint64_t good, bad, events = 0;
    text_touch(seg->process.service);
    text_touch(seg->process.exe);
    for (uint32_t i = 0; i < seg->lanes_count; i++) {
        const uint64_t oldest = lane_oldest(seg, i);
        (void)lane_walk(seg, i, oldest, 0);
        (void)lane_walk(seg, i, oldest + 4096 + 72, LANE_COPY); /* perhaps within a block */
        events += lane_walk(seg, i, oldest, LANE_COPY);
    }
    registry_verify(&seg->registry, &good, &bad);
    return events;
}

static uint64_t image_walk(int fd)
{
    static const struct segment_limits limits = {.file_bytes_max = 64u << 20, .lanes_max = 256};
    static const unsigned modes[] = {SEGMENT_SALVAGE, 0, SEGMENT_CTL_WRITE};
    uint64_t events = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(modes); i++) {
        struct segment *seg;
        struct err e;
        if (segment_open_fd(dup(fd), modes[i] | SEGMENT_ANY_FS, &limits, &seg, &e) < 0)
            continue;
        events = segment_walk(seg);
        segment_close(seg);
    }
    return events;
}

/* Mutants whose hashes are right get deeper. */
static void hashes_mend(struct segment_builder *b, uint64_t registry_off)
{
    const uint64_t bytes = b->opt.registry_bytes;
    for (uint64_t off = FAPILOG_REGISTRY_PREAMBLE; off + 16 < bytes; off += 8) {
        uint64_t word0;
        memcpy(&word0, b->base + registry_off + off, sizeof word0);
        const uint32_t kind = FAPILOG_ENTRY_KIND(word0), len = FAPILOG_ENTRY_BYTES(word0);
        if (kind >= FAPILOG_ENTRY_SITE && kind <= FAPILOG_ENTRY_MODULE && len >= 16 && len <= bytes - off &&
            b->sb->registry_off == registry_off)
            builder_entry_rehash(b, (uint32_t)(off / 8));
    }
    builder_seal(b);
}

static void changes_apply(uint8_t *image, size_t bytes, const uint8_t *data, size_t size)
{
    while (size > 5) {
        uint32_t off;
        memcpy(&off, data, sizeof off);
        const size_t count = data[4];
        data += 5;
        size -= 5;
        for (size_t i = 0; i < count && i < size; i++)
            image[(off + i) % bytes] = data[i];
        data += count < size ? count : size;
        size -= count < size ? count : size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t magic = FAPILOG_MAGIC;
    auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0);
    if (size > sizeof magic && memcmp(data, &magic, sizeof magic) == 0) {
        CHECK(write(fd, data, size) == (ssize_t)size);
    } else if (size) {
        struct segment_builder b;
        (void)builder_sample(&b, fd);
        const uint64_t registry_off = b.sb->registry_off;
        changes_apply(b.base, b.bytes, data + 1, size - 1);
        if (!(data[0] & 1))
            hashes_mend(&b, registry_off);
        builder_done(&b);
    }
    (void)image_walk(fd);
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
static uint64_t state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static uint64_t interesting(void)
{
    static const uint64_t values[] = {0,   1,    7,    8,     15,        16,         24,        47,        48,
                                      255, 4095, 4096, 65535, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};
    return values[next_random() % ARRAY_COUNT(values)];
}

/* Where the valid image has its structures: that is where a mutation hurts. */
static struct { uint64_t off, bytes; } parts[5];

static void parts_find(const struct segment_builder *b)
{
    const struct fapilog_superblock *sb = b->sb;
    const uint64_t offs[] = {0, sb->registry_off, sb->lane_off, sb->data_off, sb->data_off};
    const uint64_t bytes[] = {640, 600, 256, 1200, 16384 - 64};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        parts[i].off = offs[i];
        parts[i].bytes = bytes[i];
    }
}

static size_t offset_pick(void)
{
    const size_t i = next_random() % ARRAY_COUNT(parts);
    return (size_t)(parts[i].off + next_random() % parts[i].bytes);
}

static void mutate(struct segment_builder *b)
{
    const size_t at = offset_pick();
    const uint64_t v = next_random() % 2 ? interesting() : next_random();
    switch (next_random() % 5) {
    case 0: b->base[at] ^= (uint8_t)(1u << next_random() % 8); break;
    case 1: b->base[at] = (uint8_t)v; break;
    case 2: memcpy(b->base + (at & ~3ul), &v, 4); break;
    case 3: memcpy(b->base + (at & ~7ul), &v, 8); break;
    default: memmove(b->base + (at & ~7ul), b->base + (offset_pick() & ~7ul), 8 * (next_random() % 8));
    }
}

static int mutations_run(unsigned count, uint64_t seed)
{
    auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC), valid_fd = memfd_create("valid", MFD_CLOEXEC);
    struct segment_builder b, valid;
    const struct timespec start = {.tv_sec = time(NULL)};
    CHECK(fd >= 0 && valid_fd >= 0);
    const unsigned events = builder_sample(&valid, valid_fd);
    builder_done(&valid);
    CHECK(image_walk(valid_fd) == events);
    printf("seed %" PRIu64 "\n", seed);
    state = seed;
    (void)builder_sample(&b, fd);
    uint8_t *image = malloc(b.bytes);
    CHECK(image != NULL);
    memcpy(image, b.base, b.bytes);
    parts_find(&b);
    for (unsigned i = 0; i < count && time(NULL) - start.tv_sec < 8; i++) {
        memcpy(b.base, image, b.bytes);
        for (uint64_t n = 1 + next_random() % 4; n; n--)
            mutate(&b);
        if (next_random() % 8)
            hashes_mend(&b, parts[1].off);
        (void)image_walk(fd);
    }
    free(image);
    builder_done(&b);
    return 0;
}

static int path_replay(const char *path)
{
    struct stat st;
    CHECK(stat(path, &st) == 0);
    if (S_ISDIR(st.st_mode)) {
        auto_dir d = opendir(path);
        CHECK(d != NULL);
        for (const struct dirent *entry; (entry = readdir(d));) {
            char name[PATH_MAX];
            (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
            if (entry->d_name[0] != '.')
                (void)path_replay(name);
        }
        return 0;
    }
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *data = malloc((size_t)st.st_size + 1);
    CHECK(fd >= 0 && data != NULL);
    CHECK(read(fd, data, (size_t)st.st_size) == st.st_size);
    (void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        (void)path_replay(argv[i]);
    const char *seed = getenv("FUZZ_SEED");
    return argc > 1 ? 0 : mutations_run(20000, seed ? strtoull(seed, NULL, 10) | 1 : 88172645463325252u);
}
#endif
