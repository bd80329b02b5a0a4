/* Any bytes at all as notes of what remote sinks have settled: loaded without a crash or a hang, and a record is left
 * out only where a whole slot says so. libFuzzer swaps main (-Dfuzz=true); as an ordinary test it replays the files
 * that it is given, or else mutates slots from a printed seed and makes most checksums right. */
#include "tests/fuzz/fuzz_file.h"

#include "collector/delivery/acked/slots.h"
#include "collector/ingest/segments.h"

#include <stddef.h>
#include <xxhash.h>

enum { LANES = 4, POSITIONS = 16, IDENTITY = 5 };

static char dir[64], path[96];

static void dir_make(void)
{
    if (*dir)
        return;
    (void)snprintf(dir, sizeof dir, "/tmp/fuzz-acked-XXXXXX");
    CHECK(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/" ACKED_FILE, dir);
}

static void file_write(const void *data, size_t size)
{
    auto_fd fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

/* Records of all lanes and positions. */
static struct parcel *parcel_make(void)
{
    struct parcel *p = parcel_new(LANES * POSITIONS * entry_bound(0));
    CHECK(p);
    for (uint32_t i = 0; i < LANES * POSITIONS; i++) {
        struct entry_head *h = (struct entry_head *)(void *)(p->data + p->bytes);
        const struct fapilog_record r = { .level = 9, .id = { .lane = i % LANES, .position = i / LANES } };
        p->bytes += (uint64_t)(entry_finish(h, &r, 0, 0, (char *)(h + 1)) - (char *)h);
        p->records++;
    }
    return p;
}

static bool is_told(const struct acked_file *f, const struct entry_head *h)
{
    for (uint32_t i = 0; i < ACKED_SLOTS; i++) {
        const struct acked_slot *s = &f->slot[i];
        if (s->xxh3 == XXH3_64bits(&s->identity, sizeof *s - offsetof(struct acked_slot, identity)) &&
            s->identity == IDENTITY && !s->uuid[0] && !s->uuid[1] && s->lane == h->lane && s->first <= h->position &&
            h->position <= s->last)
            return true;
    }
    return false;
}

static void check_rest(const struct acked *a, const struct acked_file *f, struct parcel *all)
{
    struct parcel *rest;
    uint64_t at = 0, left = 0;
    CHECK(acked_leave_out(a, IDENTITY, all, &rest) == 0);
    while (at < all->bytes) {
        const struct entry_head *h = (const void *)(all->data + at);
        const bool is_there = left < rest->bytes && memcmp(rest->data + left, h, h->bytes) == 0;
        CHECK(is_there || is_told(f, h));
        left += is_there ? h->bytes : 0;
        at += h->bytes;
    }
    CHECK(left == rest->bytes);
    parcel_unref(rest);
}

/* With what follows a start: notes go, and come. */
static void use(struct acked *a, struct parcel *all)
{
    const struct segments none = { .is_incomplete = true };
    const struct acked_stream s = acked_begin(a, IDENTITY);
    acked_entries(&s, 0, (const void *)all->data, all->records);
    acked_keep(a, (const uint64_t[]){ IDENTITY, 0 }, 2);
    acked_prune(a, &none);
    for (uint32_t lane = 0; lane < LANES; lane++)
        acked_forget(a, &(struct position){ .lane = lane, .done = UINT64_MAX }, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acked_file copy;
    struct acked *a;
    struct err e;
    dir_make();
    memset(&copy, 0, sizeof copy);
    memcpy(&copy, data, size < sizeof copy ? size : sizeof copy);
    file_write(size <= sizeof copy ? &copy : (const void *)data, size <= sizeof copy ? sizeof copy : size);
    const int r = acked_open(dir, &a, &e);
    CHECK(r == 0 || r == 1);
    struct parcel *all = parcel_make();
    if (r == 1)
        CHECK(acked_count(a) == 0);
    check_rest(a, &copy, all);
    use(a, all);
    parcel_unref(all);
    acked_close(a);
    return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
enum { SLOTS_USED = BLOCKS_MAX };

/* The rest of the file is zeros. */
static void valid_make(void)
{
    struct acked_head h = { .magic = ACKED_MAGIC, .endian = 0x01020304, .slots = ACKED_SLOTS };
    memcpy(valid, &h, sizeof h);
    for (uint32_t i = 0; i < SLOTS_USED; i++) {
        const struct acked_slot s = { .identity = IDENTITY, .lane = i % LANES, .first = i, .last = 2 * i };
        block_at[i] = sizeof h + i * sizeof s;
        memcpy(valid + block_at[i], &s, sizeof s);
    }
    valid_bytes = sizeof h + SLOTS_USED * sizeof(struct acked_slot);
}

/* Mutants whose checksums are right get deeper. */
static void reseal(void)
{
    struct acked_head h;
    struct acked_slot s;
    memcpy(&h, image, sizeof h);
    h.xxh3 = XXH3_64bits(&h, offsetof(struct acked_head, xxh3));
    if (next_random() % 16)
        memcpy(image, &h, sizeof h);
    for (unsigned i = 0; i < SLOTS_USED; i++) {
        memcpy(&s, image + block_at[i], sizeof s);
        s.xxh3 = XXH3_64bits(&s.identity, sizeof s - offsetof(struct acked_slot, identity));
        if (next_random() % 8)
            memcpy(image + block_at[i], &s, sizeof s);
    }
}

static void load_mutant(int fd, unsigned i)
{
    static uint8_t data[FILE_MAX];
    const ssize_t size = pread(fd, data, sizeof data, 0);
    (void)i;
    CHECK(size >= 0);
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
}

int main(int argc, char **argv)
{
    auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    valid_make();
    if (argc == 1)
        mutations_run(fd, SLOTS_USED, 5000, seed_given(), reseal, load_mutant);
    (void)unlink(path);
    (void)rmdir(dir);
    return 0;
}
#endif
