#include "collector/delivery/spool/cursor.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/fault.h"
#include "lib/base/fd_io.h"
#include "lib/reader/guard.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { PAGE = 4096 };

static struct cursor_map *map_file(const char *path, struct err *e)
{
    auto_fd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        (void)err_sys(e, -errno, "open %s", path);
        return NULL;
    }
    /* Allocated, not sparse: a store into a hole of a full disk would be a SIGBUS. */
    const int r = posix_fallocate(fd, 0, sizeof(struct cursor_map));
    if (r != 0) {
        (void)err_sys(e, -r, "allocate %s", path);
        return NULL;
    }
    void *map = mmap(NULL, sizeof(struct cursor_map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        (void)err_sys(e, -errno, "map %s", path);
        return NULL;
    }
    return map;
}

static int file_attach(struct cursor *c, struct cursor_map *file, const char *path, struct err *e)
{
    c->damaged = 0;
    c->guard = guard_add(file, sizeof *file, PROT_READ | PROT_WRITE, &c->damaged);
    if (c->guard >= 0) {
        c->file = file;
        return 0;
    }
    (void)munmap(file, sizeof *file);
    return err_sys(e, c->guard, "watch %s", path);
}

static void file_detach(struct cursor *c)
{
    guard_remove(c->guard);
    if (c->file)
        (void)munmap(c->file, sizeof *c->file);
    c->file = NULL;
    c->guard = -1;
}

static void put(const struct cursor *c, uint64_t *to, uint64_t value)
{
    *to = value;
    if (c->file) /* order: release - for the next process after our death: in the order written */
        store_rel((uint64_t *)(void *)c->file + (to - (const uint64_t *)(const void *)c->map), value);
}

static uint64_t base_hash(uint64_t sequence)
{
    return XXH3_64bits_withSeed(&sequence, sizeof sequence, CURSOR_MAGIC);
}

static uint64_t seal_of(uint64_t number, unsigned index)
{
    return XXH3_64bits_withSeed(&number, sizeof number, CURSOR_MAGIC + index);
}

/* What a word says. A store at a time is made to one of the two, of one bit: where they differ in more, the disk has
 * one or both from another time. */
static uint64_t bits_of(uint64_t done, uint64_t check, uint64_t seal)
{
    const uint64_t wrong = ~(done ^ check ^ seal);
    return wrong & (wrong - 1) ? 0 : done & ~(check ^ seal);
}

static void bits_begin(const struct cursor *c, uint64_t *done, uint64_t *check, uint64_t seal)
{
    put(c, done, 0);
    put(c, check, ~seal);
}

static void bits_add(const struct cursor *c, uint64_t *done, uint64_t *check, uint64_t seal, uint64_t bit,
                     const char *fault)
{
    const uint64_t bits = bits_of(*done, *check, seal) | bit;
    put(c, done, bits);
    FAULT_POINT(fault);
    put(c, check, ~bits ^ seal);
}

static uint64_t noted_read(const uint64_t noted[3])
{
    if (noted[0] == noted[1] || noted[0] == noted[2])
        return noted[0];
    return noted[1] == noted[2] ? noted[1] : 0;
}

static struct cursor_map *map_memory(void)
{
    void *map = mmap(NULL, sizeof(struct cursor_map), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    return map;
}

/* As much as there is: a file of an older version wants to grow, for which a full disk has no room. Pages with nothing
 * in them take no memory. */
static void file_read(struct cursor_map *to, const char *path)
{
    static const char zeros[PAGE];
    char page[PAGE];
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    for (size_t at = 0; fd >= 0 && at < sizeof *to; at += PAGE) {
        const size_t left = sizeof *to - at;
        const ssize_t n = fd_pread_full(fd, page, left < PAGE ? left : PAGE, at);
        if (n > 0 && memcmp(page, zeros, (size_t)n) != 0)
            memcpy((char *)to + at, page, (size_t)n);
    }
}

static void begin_anew(struct cursor *c)
{
    (void)munmap(c->map, sizeof *c->map);
    c->map = map_memory();
    if (c->file)
        memset(c->file, 0, sizeof *c->file);
    put(c, &c->map->magic, CURSOR_MAGIC);
}

void cursor_open(struct cursor *c, const char *dir, struct err *e)
{
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/" CURSOR_FILE, dir);
    *e = (struct err){0};
    *c = (struct cursor){ .map = map_memory(), .guard = -1 };
    file_read(c->map, path);
    struct cursor_map *file = map_file(path, e);
    if (file)
        (void)file_attach(c, file, path, e);
    if (c->map->magic != CURSOR_MAGIC) {
        if (c->map->magic && c->file)
            (void)err_set(e, -EBADMSG, "%s: of another version, or damaged; it is begun anew, and records that were "
                          "delivered may be sent again", path);
        begin_anew(c);
    }
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t sequence = c->map->base[i].sequence;
        if (c->map->base[i].xxh3 == base_hash(sequence) && sequence > c->base)
            c->base = sequence;
    }
    c->noted = noted_read(c->map->noted);
    for (unsigned i = 0; i < CURSOR_FAR; i++)
        c->far[i] = c->map->slot[CURSOR_NEAR + i].sequence;
}

bool cursor_was_cut(struct cursor *c)
{
    /* order: acquire, pairs with the release in the guard's handler */
    if (!c->file || (c->file->magic == CURSOR_MAGIC && !load_acq(&c->damaged)))
        return false;
    file_detach(c);
    return true;
}

int cursor_mend(struct cursor *c, const char *dir, struct err *e)
{
    char path[PATH_MAX + 16], fresh[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/" CURSOR_FILE, dir);
    (void)snprintf(fresh, sizeof fresh, "%s/" CURSOR_FILE ".new", dir);
    struct cursor_map *file = map_file(fresh, e);
    if (!file || file_attach(c, file, fresh, e) < 0)
        return e->code;
    memcpy(c->file, c->map, sizeof *c->map);
    if (rename(fresh, path) == 0)
        return 0;
    (void)err_sys(e, -errno, "rename %s to %s", fresh, path);
    file_detach(c);
    (void)unlink(fresh);
    return e->code;
}

void cursor_close(struct cursor *c)
{
    if (!c->map)
        return;
    file_detach(c);
    (void)munmap(c->map, sizeof *c->map);
    c->map = NULL;
}

/* ---- blocks that are settled as a whole ---- */

static uint64_t group_key(uint64_t sequence)
{
    return sequence / 64 + 1;
}

static struct cursor_group *group_at(const struct cursor *c, uint64_t sequence)
{
    return &c->map->group[group_key(sequence) % CURSOR_GROUPS];
}

static uint64_t group_done(const struct cursor_group *g)
{
    const bool is_one = g->key && g->key < group_key(SPOOL_SEQUENCE_MAX);
    return is_one ? bits_of(g->done, g->check, seal_of(g->key, CURSOR_WORDS)) : 0;
}

static bool is_whole(const struct cursor *c, uint64_t sequence)
{
    const struct cursor_group *g = group_at(c, sequence);
    return g->key == group_key(sequence) && group_done(g) >> sequence % 64 & 1;
}

/* The one whose place it takes is older: at worst what it said is sent again. */
static void group_begin(const struct cursor *c, struct cursor_group *g, uint64_t key)
{
    put(c, &g->key, 0);
    FAULT_POINT("cursor-group");
    bits_begin(c, &g->done, &g->check, seal_of(key, CURSOR_WORDS));
    put(c, &g->key, key);
}

void cursor_settle_whole(struct cursor *c, uint64_t sequence)
{
    struct cursor_group *g = group_at(c, sequence);
    const uint64_t bit = UINT64_C(1) << sequence % 64, key = group_key(sequence);
    if (sequence < c->base || (g->key > key && g->key < group_key(SPOOL_SEQUENCE_MAX)))
        return;
    if (g->key != key)
        group_begin(c, g, key);
    bits_add(c, &g->done, &g->check, seal_of(key, CURSOR_WORDS), bit, "cursor-whole");
}

uint64_t cursor_next(const struct cursor *c)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < CURSOR_GROUPS; i++) {
        const uint64_t done = group_done(&c->map->group[i]);
        const uint64_t sequence = done ? (c->map->group[i].key - 1) * 64 + 63 - (unsigned)__builtin_clzll(done) : 0;
        last = sequence > last ? sequence : last;
    }
    for (unsigned i = 0; i < CURSOR_SLOTS; i++) {
        const uint64_t sequence = c->map->slot[i].sequence;
        if (sequence > last && sequence < SPOOL_SEQUENCE_MAX)
            last = sequence;
    }
    return last + 1;
}

uint64_t cursor_kept_from(const struct cursor *c)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < CURSOR_GROUPS; i++)
        if (group_done(&c->map->group[i]) && c->map->group[i].key > last)
            last = c->map->group[i].key;
    return last > CURSOR_GROUPS ? (last - CURSOR_GROUPS) * 64 : 0;
}

void cursor_set_base(struct cursor *c, uint64_t sequence)
{
    if (sequence <= c->base)
        return;
    const unsigned i = c->map->base[0].sequence == c->base && c->base; /* not over the present one */
    put(c, &c->map->base[i].sequence, sequence);
    FAULT_POINT("cursor-base");
    put(c, &c->map->base[i].xxh3, base_hash(sequence));
    c->base = sequence;
}

void cursor_set_noted(struct cursor *c, uint64_t sequence)
{
    if (sequence == c->noted)
        return;
    for (unsigned i = 0; i < 3; i++) {
        put(c, &c->map->noted[i], sequence);
        FAULT_POINT("cursor-noted");
    }
    c->noted = sequence;
}

/* NULL: it has none. */
static struct cursor_slot *slot_of(const struct cursor *c, uint64_t sequence)
{
    struct cursor_slot *near = &c->map->slot[sequence % CURSOR_NEAR];
    if (near->sequence == sequence)
        return near;
    for (unsigned i = 0; i < CURSOR_FAR; i++)
        if (c->far[i] == sequence)
            return &c->map->slot[CURSOR_NEAR + i];
    return NULL;
}

static struct cursor_slot *slot_new(struct cursor *c, uint64_t sequence)
{
    if (sequence < c->base + CURSOR_NEAR)
        return &c->map->slot[sequence % CURSOR_NEAR];
    for (unsigned i = 0; i < CURSOR_FAR; i++) {
        if (!c->far[i] || c->far[i] < c->base || is_whole(c, c->far[i])) { /* none, or all of it is settled */
            c->far[i] = sequence;
            return &c->map->slot[CURSOR_NEAR + i];
        }
    }
    return NULL;
}

void cursor_begin(struct cursor *c, uint64_t sequence)
{
    struct cursor_slot *s = slot_of(c, sequence) ? NULL : slot_new(c, sequence);
    if (!s)
        return;
    put(c, &s->sequence, 0);
    FAULT_POINT("cursor-slot");
    for (unsigned i = 0; i < CURSOR_WORDS; i++)
        bits_begin(c, &s->done[i], &s->check[i], seal_of(sequence, i));
    put(c, &s->sequence, sequence);
}

void cursor_settle(struct cursor *c, uint64_t sequence, uint32_t index)
{
    struct cursor_slot *s = slot_of(c, sequence);
    if (!s || index >= SPOOL_BLOCK_RECORDS)
        return;
    const unsigned i = index / 64;
    bits_add(c, &s->done[i], &s->check[i], seal_of(sequence, i), UINT64_C(1) << index % 64, "cursor-settle");
}

static uint64_t word_of(const struct cursor_slot *s, unsigned i)
{
    return bits_of(s->done[i], s->check[i], seal_of(s->sequence, i));
}

static bool is_done(const struct cursor_slot *s, uint32_t index)
{
    return index < SPOOL_BLOCK_RECORDS && word_of(s, index / 64) >> index % 64 & 1;
}

bool cursor_is_settled(const struct cursor *c, uint64_t sequence, uint32_t index)
{
    if (sequence < c->base || is_whole(c, sequence))
        return true;
    const struct cursor_slot *s = slot_of(c, sequence);
    return s && is_done(s, index);
}

uint32_t cursor_touched(const struct cursor *c, uint64_t from, uint64_t to)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < CURSOR_SLOTS; i++) {
        const struct cursor_slot *s = &c->map->slot[i];
        uint64_t done = 0;
        for (unsigned k = 0; k < CURSOR_WORDS; k++)
            done |= word_of(s, k);
        n += done && s->sequence >= from && s->sequence < to && !is_whole(c, s->sequence);
    }
    for (unsigned i = 0; i < CURSOR_GROUPS; i++) {
        const struct cursor_group *g = &c->map->group[i];
        for (uint64_t left = group_done(g); left; left &= left - 1) {
            const uint64_t sequence = (g->key - 1) * 64 + (unsigned)__builtin_ctzll(left);
            n += sequence >= from && sequence < to;
        }
    }
    return n;
}

uint32_t cursor_unsettled(const struct cursor *c, uint64_t sequence, uint32_t records)
{
    if (sequence < c->base || is_whole(c, sequence))
        return 0;
    const struct cursor_slot *s = slot_of(c, sequence);
    const uint32_t kept = records < SPOOL_BLOCK_RECORDS ? records : SPOOL_BLOCK_RECORDS;
    uint32_t n = records;
    for (uint32_t i = 0; s && i * 64 < kept; i++) {
        const uint64_t mask = kept - i * 64 < 64 ? (UINT64_C(1) << (kept - i * 64)) - 1 : ~UINT64_C(0);
        n -= (uint32_t)__builtin_popcountll(word_of(s, i) & mask);
    }
    return n;
}
