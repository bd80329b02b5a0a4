#include "collector/delivery/commit.h"

#include "collector/delivery/commit_away.h"
#include "collector/io/inline_write.h"
#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/fault.h"
#include "lib/reader/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define STATE_MAGIC UINT64_C(0x3254415453504146)   /* "FAPSTAT2" */
#define STATE_MAGIC_1 UINT64_C(0x3154415453504146) /* "FAPSTAT1": no open batches */

enum { HEADER_BYTES = 4096, SLOT_BYTES_FIRST = 64 << 10, SLOT_BYTES_MAX = 1 << 30 };

struct state_header {
    uint64_t magic; /* last */
    uint64_t slot_bytes;
};

struct state_slot {
    uint64_t xxh3;     /* of everything that follows, up to the last entry */
    uint64_t sequence; /* 0: never written */
    uint32_t sinks_count;
    uint32_t positions_count;
    uint32_t opens_count;
    uint32_t opens_positions_count; /* of all open batches */
    /* struct commit_sink[], struct position[], struct slot_open[], struct position[] */
};

struct state_slot_1 {
    uint64_t xxh3;
    uint64_t sequence;
    uint32_t sinks_count;
    uint32_t positions_count;
};

struct slot_open {
    uint32_t settled;
    uint32_t count;
};

struct commit {
    char home[PATH_MAX]; /* in the directory of the rings: the file, or a link to it */
    char path[PATH_MAX]; /* of the file */
    char *state_dir;     /* as configured, NULL: not; where it goes when there is no room at home */
    bool is_away;
    unsigned char *map;
    size_t map_bytes;
    int guard;
    uint32_t damaged;    /* set by the guard: somebody has cut the file */
    uint64_t slot_bytes;
    struct state_slot *own[2]; /* the slots as this process knows them: the file is written to, and not read again */
    struct state_slot *last; /* of own: newest valid slot, NULL when there is none yet */
    struct commit_open open[COMMIT_OPENS_MAX]; /* of `last`, for commit_last() */
};

static struct state_slot *slot_at(const struct commit *c, unsigned i)
{
    return (struct state_slot *)(c->map + HEADER_BYTES + i * c->slot_bytes);
}

uint64_t commit_bytes(uint32_t sinks, uint64_t positions, uint32_t opens)
{
    return sizeof(struct state_slot) + sinks * sizeof(struct commit_sink) + positions * sizeof(struct position) +
           opens * sizeof(struct slot_open);
}

static uint64_t slot_used(const struct state_slot *s)
{
    return commit_bytes(s->sinks_count, (uint64_t)s->positions_count + s->opens_positions_count, s->opens_count);
}

static uint64_t slot_hash(const struct state_slot *s)
{
    return XXH3_64bits(&s->sequence, slot_used(s) - offsetof(struct state_slot, sequence));
}

static bool slot_is_valid(const struct commit *c, const struct state_slot *s)
{
    return s->sequence && s->opens_count <= COMMIT_OPENS_MAX && slot_used(s) <= c->slot_bytes &&
           s->xxh3 == slot_hash(s);
}

static struct commit_sink *slot_sinks(struct state_slot *s)
{
    return (struct commit_sink *)(s + 1);
}

static struct position *slot_positions(struct state_slot *s)
{
    return (struct position *)(slot_sinks(s) + s->sinks_count);
}

static struct slot_open *slot_opens(struct state_slot *s)
{
    return (struct slot_open *)(slot_positions(s) + s->positions_count);
}

static struct position *slot_open_positions(struct state_slot *s)
{
    return (struct position *)(slot_opens(s) + s->opens_count);
}

static int state_map(struct commit *c, int fd, uint64_t slot_bytes, struct err *e)
{
    const size_t bytes = HEADER_BYTES + 2 * slot_bytes;
    for (unsigned i = 0; i < 2; i++) {
        c->own[i] = malloc(slot_bytes);
        if (!c->own[i])
            return err_set(e, -ENOMEM, "%s: out of memory", c->path);
    }
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return err_sys(e, -errno, "map %s", c->path);
    c->map = map;
    c->map_bytes = bytes;
    c->slot_bytes = slot_bytes;
    return 0;
}

/* From where it stays: the guard's handler stores to c->damaged. */
static int state_watch(struct commit *c, struct err *e)
{
    c->damaged = 0;
    c->guard = guard_add(c->map, c->map_bytes, PROT_READ | PROT_WRITE, &c->damaged);
    return c->guard < 0 ? err_sys(e, c->guard, "watch %s", c->path) : 0;
}

static void state_unmap(struct commit *c)
{
    guard_remove(c->guard);
    if (c->map)
        (void)munmap(c->map, c->map_bytes);
    free(c->own[0]);
    free(c->own[1]);
    c->guard = -1;
    c->map = NULL;
    c->own[0] = c->own[1] = c->last = NULL;
}

/* Allocated, not sparse: a store into a hole of a full tmpfs would be a SIGBUS. Nor may stores wait for a network. */
static int state_reserve(const struct commit *c, int fd, uint64_t slot_bytes, const char *path_new, struct err *e)
{
    if (c->is_away && !inline_is_local(fd))
        return err_set(e, -EOPNOTSUPP, "%s: this file system may hang in any call", path_new);
    const int r = posix_fallocate(fd, 0, (off_t)(HEADER_BYTES + 2 * slot_bytes));
    return r ? err_sys(e, -r, "allocate %s", path_new) : 0;
}

/* The file appears under its name; one elsewhere counts from the moment that the link leads there. */
static int state_appear(const struct commit *next, const struct commit *old, const char *path_new, struct err *e)
{
    FAULT_POINT("state-grow");
    if (rename(path_new, next->path) < 0)
        return err_sys(e, -errno, "rename %s to %s", path_new, next->path);
    if (!next->is_away || old->is_away)
        return 0;
    FAULT_POINT("state-away");
    const int r = commit_away_link(next->home, next->path, e);
    if (r < 0)
        (void)unlink(next->path);
    return r;
}

static int state_fill(struct commit *next, const struct commit *old, int fd, uint64_t slot_bytes,
                      const char *path_new, struct err *e)
{
    int r = state_reserve(next, fd, slot_bytes, path_new, e);
    if (r < 0)
        return r;
    r = state_map(next, fd, slot_bytes, e);
    if (r < 0)
        return r;
    if (old->last) {
        next->last = next->own[0];
        memcpy(next->last, old->last, slot_used(old->last));
        memcpy(slot_at(next, 0), old->last, slot_used(old->last));
    }
    struct state_header *h = (struct state_header *)next->map;
    h->slot_bytes = slot_bytes;
    h->magic = STATE_MAGIC;
    return state_appear(next, old, path_new, e);
}

/* A complete file takes the place of the one before, or that one stays. */
static int state_move(struct commit *c, const char *path, uint64_t slot_bytes, struct err *e)
{
    char path_new[PATH_MAX + 8];
    (void)snprintf(path_new, sizeof path_new, "%s.new", path);
    auto_fd fd = open(path_new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, -errno, "create %s", path_new);
    struct commit next = { .state_dir = c->state_dir, .is_away = strcmp(path, c->home) != 0, .guard = -1 };
    memcpy(next.home, c->home, sizeof next.home);
    (void)snprintf(next.path, sizeof next.path, "%s", path);
    const int r = state_fill(&next, c, fd, slot_bytes, path_new, e);
    if (r < 0) {
        (void)unlink(path_new);
        state_unmap(&next);
        return r;
    }
    if (c->is_away && !next.is_away)
        (void)unlink(c->path); /* nothing leads there any more */
    state_unmap(c);
    *c = next;
    (void)state_watch(c, NULL); /* the one before has left its place in the guard */
    return 0;
}

static int state_move_away(struct commit *c, uint64_t slot_bytes, struct err *e)
{
    char path[PATH_MAX], rings[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", c->path);
    (void)snprintf(rings, sizeof rings, "%.*s", (int)(strrchr(c->home, '/') - c->home), c->home);
    const int r = c->is_away ? 0 : commit_away_choose(c->state_dir, rings, path, e);
    return r < 0 ? r : state_move(c, path, slot_bytes, e);
}

/* Where rings fill their file system, no record would be delivered, and so no ring be freed, without a state file. */
static int state_create(struct commit *c, uint64_t slot_bytes, struct err *e)
{
    struct err home = { 0 }, away = { 0 };
    const int r = state_move(c, c->home, slot_bytes, &home);
    if (r == 0)
        return 0;
    if (r != -ENOSPC && r != -EDQUOT)
        return err_set(e, r, "%s", home.text);
    return state_move_away(c, slot_bytes, &away) == 0 ? 0 : err_set(e, r, "%s; elsewhere: %s", home.text, away.text);
}

/* What the first version of the file says, as a slot of this one. NULL: nothing, or out of memory (errno). */
static struct state_slot *slot_from_1(const unsigned char *map, uint64_t slot_bytes)
{
    const struct state_slot_1 *newest = NULL;
    for (unsigned i = 0; i < 2; i++) {
        const struct state_slot_1 *s = (const struct state_slot_1 *)(map + HEADER_BYTES + i * slot_bytes);
        const uint64_t used = sizeof *s + s->sinks_count * sizeof(struct commit_sink) +
                              s->positions_count * sizeof(struct position);
        if (s->sequence && used <= slot_bytes &&
            s->xxh3 == XXH3_64bits(&s->sequence, used - offsetof(struct state_slot_1, sequence)) &&
            (!newest || s->sequence > newest->sequence))
            newest = s;
    }
    errno = 0;
    if (!newest)
        return NULL;
    const uint64_t bytes = commit_bytes(newest->sinks_count, newest->positions_count, 0);
    struct state_slot *s = malloc(bytes);
    if (!s)
        return NULL;
    *s = (struct state_slot){ .sequence = newest->sequence, .sinks_count = newest->sinks_count,
                              .positions_count = newest->positions_count };
    memcpy(s + 1, newest + 1, bytes - sizeof *s);
    s->xxh3 = slot_hash(s);
    return s;
}

static int state_migrate(struct commit *c, int fd, uint64_t slot_bytes, struct err *e)
{
    const size_t bytes = HEADER_BYTES + 2 * slot_bytes;
    unsigned char *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return err_sys(e, -errno, "map %s", c->path);
    struct state_slot *slot = slot_from_1(map, slot_bytes);
    int r = slot || !errno ? 0 : -errno;
    const bool was_written = ((const struct state_slot_1 *)(map + HEADER_BYTES))->sequence &&
                             ((const struct state_slot_1 *)(map + HEADER_BYTES + slot_bytes))->sequence;
    (void)munmap(map, bytes);
    if (r < 0)
        return err_sys(e, r, "take over %s", c->path);
    if (!slot && was_written)
        return err_set(e, -EBADMSG, "%s is damaged; remove it to start over (records may repeat)", c->path);
    c->last = slot;
    /* A slot of this version is a few bytes longer. */
    r = state_create(c, slot && slot_used(slot) > slot_bytes ? 2 * slot_bytes : slot_bytes, e);
    free(slot);
    return r;
}

/* What the file says of it; what it says of its length is not believed. */
static void slot_load(struct commit *c, unsigned i)
{
    struct state_slot *const own = c->own[i];
    const struct state_slot *const s = slot_at(c, i);
    *own = *s;
    if (own->opens_count <= COMMIT_OPENS_MAX && slot_used(own) <= c->slot_bytes)
        memcpy(own + 1, s + 1, slot_used(own) - sizeof *own);
}

static int state_load(struct commit *c, int fd, struct err *e)
{
    struct stat st;
    struct state_header h;
    if (fstat(fd, &st) < 0)
        return err_sys(e, -errno, "stat %s", c->path);
    if (!S_ISREG(st.st_mode) || pread(fd, &h, sizeof h, 0) != sizeof h ||
        (h.magic != STATE_MAGIC && h.magic != STATE_MAGIC_1) ||
        h.slot_bytes < SLOT_BYTES_FIRST || h.slot_bytes > SLOT_BYTES_MAX ||
        (uint64_t)st.st_size != HEADER_BYTES + 2 * h.slot_bytes)
        return err_set(e, -EBADMSG, "%s is not a collector state file; remove it to start over", c->path);
    if (h.magic == STATE_MAGIC_1)
        return state_migrate(c, fd, h.slot_bytes, e);
    int r = state_map(c, fd, h.slot_bytes, e);
    if (r == 0)
        r = state_watch(c, e);
    if (r < 0)
        return r;
    bool written = false;
    for (unsigned i = 0; i < 2; i++) {
        struct state_slot *s = c->own[i];
        slot_load(c, i);
        written |= s->sequence != 0;
        if (slot_is_valid(c, s) && (!c->last || s->sequence > c->last->sequence))
            c->last = s;
    }
    /* A collector killed inside its very first store leaves one slot half written and nothing to
     * lose: no record was delivered before that store. */
    if (written && !c->last && c->own[0]->sequence && c->own[1]->sequence)
        return err_set(e, -EBADMSG, "%s is damaged; remove it to start over (records may repeat)", c->path);
    return 0;
}

static int state_open(struct commit *c, struct err *e)
{
    (void)snprintf(c->path, sizeof c->path, "%s", c->home);
    auto_fd fd = open(c->home, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return state_create(c, SLOT_BYTES_FIRST, e);
    if (fd < 0 && errno != ELOOP)
        return err_sys(e, -errno, "open %s", c->home);
    if (fd < 0) {
        fd = commit_away_open(c->home, c->path, e);
        c->is_away = true;
    }
    return fd < 0 ? fd : state_load(c, fd, e);
}

int commit_open(const char *dir, const char *state_dir, struct commit **ret, struct err *e)
{
    struct commit *c = calloc(1, sizeof *c);
    if (c)
        c->guard = -1;
    if (c && state_dir)
        c->state_dir = strdup(state_dir);
    if (!c || (state_dir && !c->state_dir)) {
        free(c);
        return err_set(e, -ENOMEM, "out of memory");
    }
    commit_away_tidy(state_dir);
    const int r = (size_t)snprintf(c->home, sizeof c->home, "%s/" COMMIT_FILE, dir) < sizeof c->home
                      ? state_open(c, e) : err_set(e, -ENAMETOOLONG, "%s: path too long", dir);
    if (r < 0) {
        commit_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

void commit_close(struct commit *c)
{
    if (!c)
        return;
    state_unmap(c);
    free(c->state_dir);
    free(c);
}

const char *commit_away(const struct commit *c)
{
    return c->is_away ? c->path : NULL;
}

void commit_come_home(struct commit *c)
{
    struct statvfs fs;
    char dir[PATH_MAX];
    if (!c->is_away)
        return;
    (void)snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(c->home, '/') - c->home), c->home);
    /* A look, since each try would wake those who watch the directory. */
    if (statvfs(dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= HEADER_BYTES + 2 * c->slot_bytes)
        (void)state_move(c, c->home, c->slot_bytes, NULL);
}

void commit_last(struct commit *c, struct commit_state *ret)
{
    struct state_slot *s = c->last;
    *ret = (struct commit_state){ .open = c->open };
    if (!s)
        return;
    ret->sink = slot_sinks(s);
    ret->sinks_count = s->sinks_count;
    ret->position = slot_positions(s);
    ret->positions_count = s->positions_count;
    ret->opens_count = s->opens_count;
    const struct slot_open *open = slot_opens(s);
    const struct position *position = slot_open_positions(s), *end = position + s->opens_positions_count;
    for (uint32_t i = 0; i < s->opens_count; i++) {
        const uint32_t left = (uint32_t)(end - position), count = open[i].count < left ? open[i].count : left;
        c->open[i] = (struct commit_open){ .settled = open[i].settled, .count = count, .position = position };
        position += count;
    }
}

const struct sink_mark *commit_mark(struct commit *c, uint64_t identity)
{
    struct commit_state s;
    commit_last(c, &s);
    for (uint32_t i = 0; i < s.sinks_count; i++) {
        if (s.sink[i].identity == identity)
            return &s.sink[i].mark;
    }
    return NULL;
}

uint64_t commit_room(const struct commit *c)
{
    return c->slot_bytes;
}

int commit_reserve(struct commit *c, uint64_t need, struct err *e)
{
    uint64_t bytes = c->slot_bytes;
    while (bytes < need)
        bytes *= 2;
    if (bytes > SLOT_BYTES_MAX)
        return err_set(e, -EFBIG, "%llu bytes of positions are too many for %s", (unsigned long long)need, c->path);
    return bytes == c->slot_bytes ? 0 : state_create(c, bytes, e);
}

static void put_positions(struct position *to, const struct position *from, uint32_t count)
{
    if (count) /* with none, there is no list */
        memcpy(to, from, count * sizeof *to);
}

static void slot_build(struct state_slot *s, const struct commit_state *from, uint64_t sequence)
{
    s->sequence = sequence;
    s->sinks_count = from->sinks_count;
    s->positions_count = from->positions_count + from->kept_count;
    s->opens_count = from->opens_count;
    s->opens_positions_count = 0;
    for (uint32_t i = 0; i < from->opens_count; i++)
        s->opens_positions_count += from->open[i].count;
    if (from->sinks_count)
        memcpy(slot_sinks(s), from->sink, from->sinks_count * sizeof *from->sink);
    put_positions(slot_positions(s), from->position, from->positions_count);
    put_positions(slot_positions(s) + from->positions_count, from->kept, from->kept_count);
    struct position *to = slot_open_positions(s);
    for (uint32_t i = 0; i < from->opens_count; i++) {
        const struct commit_open *open = &from->open[i];
        slot_opens(s)[i] = (struct slot_open){ open->settled, open->count };
        put_positions(to, open->position, open->count);
        to += open->count;
    }
    s->xxh3 = slot_hash(s);
}

/* The hash last: until then it is one that is half written. */
static void slot_write(struct state_slot *to, const struct state_slot *s)
{
    const size_t sinks = s->sinks_count * sizeof(struct commit_sink), used = slot_used(s);
    memcpy(&to->sinks_count, &s->sinks_count, sizeof *s - offsetof(struct state_slot, sinks_count));
    store_rel(&to->sequence, s->sequence); /* order: release - for the next process, as with the hash */
    FAULT_POINT("persist-torn");
    memcpy(to + 1, s + 1, sinks);
    FAULT_POINT("persist-torn");
    memcpy((char *)(to + 1) + sinks, (const char *)(s + 1) + sinks, used - sizeof *s - sinks);
    FAULT_POINT("persist-unhashed");
    /* order: only this process reads the slot, after its death: the compiler must not sink stores
     * below the hash */
    store_rel(&to->xxh3, s->xxh3);
}

void commit_store(struct commit *c, const struct commit_state *from)
{
    const unsigned i = c->last == c->own[0];
    struct state_slot *s = c->own[i];
    CHECK(from->opens_count <= COMMIT_OPENS_MAX);
    uint64_t positions = (uint64_t)from->positions_count + from->kept_count;
    for (uint32_t k = 0; k < from->opens_count; k++)
        positions += from->open[k].count;
    CHECK(commit_bytes(from->sinks_count, positions, from->opens_count) <= c->slot_bytes);
    FAULT_POINT("persist-before");
    slot_build(s, from, c->last ? c->last->sequence + 1 : 1);
    slot_write(slot_at(c, i), s);
    FAULT_POINT("persist-after");
    c->last = s;
}

int commit_mend(struct commit *c, struct err *e)
{
    struct err own = { 0 };
    const struct state_header *h = (const struct state_header *)c->map;
    /* order: acquire, pairs with the release in the guard's handler */
    if (h->magic == STATE_MAGIC && !load_acq(&c->damaged))
        return 0;
    const int r = state_create(c, c->slot_bytes, &own);
    if (r < 0)
        return err_set(e, r, "%s was cut while it was in use, and cannot be made again now: %s; after a SIGKILL "
                       "records may repeat", c->path, own.text);
    (void)err_set(e, -ENODATA, "%s was cut while it was in use; it is made again, and nothing is missing in it",
                  c->path);
    return 1;
}
