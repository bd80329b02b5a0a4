#include "collector/delivery/commit.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/fault.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define STATE_MAGIC UINT64_C(0x3154415453504146) /* "FAPSTAT1" */

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
    /* struct commit_sink[], then struct position[] */
};

struct commit {
    char path[PATH_MAX];
    unsigned char *map;
    size_t map_bytes;
    uint64_t slot_bytes;
    struct state_slot *last; /* newest valid slot, NULL when there is none yet */
};

static struct state_slot *slot_at(const struct commit *c, unsigned i)
{
    return (struct state_slot *)(c->map + HEADER_BYTES + i * c->slot_bytes);
}

static uint64_t slot_used(uint64_t sinks, uint64_t positions)
{
    return sizeof(struct state_slot) + sinks * sizeof(struct commit_sink) +
           positions * sizeof(struct position);
}

static uint64_t slot_hash(const struct state_slot *s)
{
    const size_t used = slot_used(s->sinks_count, s->positions_count);
    return XXH3_64bits(&s->sequence, used - offsetof(struct state_slot, sequence));
}

static bool slot_is_valid(const struct commit *c, const struct state_slot *s)
{
    return s->sequence && slot_used(s->sinks_count, s->positions_count) <= c->slot_bytes &&
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

static int state_map(struct commit *c, int fd, uint64_t slot_bytes, struct err *e)
{
    const size_t bytes = HEADER_BYTES + 2 * slot_bytes;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return err_sys(e, -errno, "map %s", c->path);
    c->map = map;
    c->map_bytes = bytes;
    c->slot_bytes = slot_bytes;
    return 0;
}

static int state_fill(struct commit *next, const struct commit *old, int fd, uint64_t slot_bytes,
                      const char *path_new, struct err *e)
{
    /* Allocated, not sparse: a store into a hole of a full tmpfs would be a SIGBUS. */
    int r = posix_fallocate(fd, 0, (off_t)(HEADER_BYTES + 2 * slot_bytes));
    if (r != 0)
        return err_sys(e, -r, "allocate %s", path_new);
    r = state_map(next, fd, slot_bytes, e);
    if (r < 0)
        return r;
    if (old->last) {
        next->last = slot_at(next, 0);
        memcpy(next->last, old->last, slot_used(old->last->sinks_count, old->last->positions_count));
    }
    struct state_header *h = (struct state_header *)next->map;
    h->slot_bytes = slot_bytes;
    h->magic = STATE_MAGIC;
    FAULT_POINT("state-grow");
    if (rename(path_new, next->path) < 0)
        return err_sys(e, -errno, "rename %s to %s", path_new, next->path);
    return 0;
}

/* A complete file appears under its name, or the one before stays. */
static int state_create(struct commit *c, uint64_t slot_bytes, struct err *e)
{
    char path_new[PATH_MAX + 8];
    (void)snprintf(path_new, sizeof path_new, "%s.new", c->path);
    auto_fd fd = open(path_new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, -errno, "create %s", path_new);
    struct commit next = { 0 };
    memcpy(next.path, c->path, sizeof next.path);
    const int r = state_fill(&next, c, fd, slot_bytes, path_new, e);
    if (r < 0)
        (void)unlink(path_new);
    void *unmap = r < 0 ? next.map : c->map;
    const size_t unmap_bytes = r < 0 ? next.map_bytes : c->map_bytes;
    if (unmap)
        (void)munmap(unmap, unmap_bytes);
    if (r == 0)
        *c = next;
    return r;
}

static int state_load(struct commit *c, int fd, struct err *e)
{
    struct stat st;
    struct state_header h;
    if (fstat(fd, &st) < 0)
        return err_sys(e, -errno, "stat %s", c->path);
    if (!S_ISREG(st.st_mode) || pread(fd, &h, sizeof h, 0) != sizeof h || h.magic != STATE_MAGIC ||
        h.slot_bytes < SLOT_BYTES_FIRST || h.slot_bytes > SLOT_BYTES_MAX ||
        (uint64_t)st.st_size != HEADER_BYTES + 2 * h.slot_bytes)
        return err_set(e, -EBADMSG, "%s is not a collector state file; remove it to start over", c->path);
    const int r = state_map(c, fd, h.slot_bytes, e);
    if (r < 0)
        return r;
    bool written = false;
    for (unsigned i = 0; i < 2; i++) {
        struct state_slot *s = slot_at(c, i);
        written |= s->sequence != 0;
        if (slot_is_valid(c, s) && (!c->last || s->sequence > c->last->sequence))
            c->last = s;
    }
    /* A collector killed inside its very first store leaves one slot half written and nothing to
     * lose: no record was delivered before that store. */
    if (written && !c->last && slot_at(c, 0)->sequence && slot_at(c, 1)->sequence)
        return err_set(e, -EBADMSG, "%s is damaged; remove it to start over (records may repeat)", c->path);
    return 0;
}

int commit_open(const char *dir, struct commit **ret, struct err *e)
{
    struct commit *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, -ENOMEM, "out of memory");
    int r;
    if ((size_t)snprintf(c->path, sizeof c->path, "%s/" COMMIT_FILE, dir) >= sizeof c->path) {
        r = err_set(e, -ENAMETOOLONG, "%s: path too long", dir);
    } else {
        auto_fd fd = open(c->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0)
            r = state_load(c, fd, e);
        else if (errno == ENOENT)
            r = state_create(c, SLOT_BYTES_FIRST, e);
        else
            r = err_sys(e, -errno, "open %s", c->path);
    }
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
    if (c->map)
        (void)munmap(c->map, c->map_bytes);
    free(c);
}

const struct commit_sink *commit_sinks(const struct commit *c, uint32_t *ret_count)
{
    *ret_count = c->last ? c->last->sinks_count : 0;
    return c->last ? slot_sinks(c->last) : NULL;
}

const struct position *commit_positions(const struct commit *c, uint32_t *ret_count)
{
    *ret_count = c->last ? c->last->positions_count : 0;
    return c->last ? slot_positions(c->last) : NULL;
}

const struct sink_mark *commit_mark(const struct commit *c, uint64_t identity)
{
    uint32_t count;
    const struct commit_sink *sink = commit_sinks(c, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (sink[i].identity == identity)
            return &sink[i].mark;
    }
    return NULL;
}

int commit_reserve(struct commit *c, uint32_t sinks, uint32_t positions, struct err *e)
{
    const uint64_t used = slot_used(sinks, positions);
    if (used <= c->slot_bytes)
        return 0;
    uint64_t bytes = c->slot_bytes;
    while (bytes < used)
        bytes *= 2;
    if (bytes > SLOT_BYTES_MAX)
        return err_set(e, -EFBIG, "%u positions are too many for %s", positions, c->path);
    return state_create(c, bytes, e);
}

uint32_t commit_room(const struct commit *c, uint32_t sinks)
{
    const uint64_t used = slot_used(sinks, 0);
    return used >= c->slot_bytes ? 0 : (uint32_t)((c->slot_bytes - used) / sizeof(struct position));
}

void commit_store(struct commit *c, const struct commit_sink *sinks, uint32_t sinks_count,
                  const struct position *positions, uint32_t positions_count)
{
    CHECK(slot_used(sinks_count, positions_count) <= c->slot_bytes);
    struct state_slot *s = c->last == slot_at(c, 0) ? slot_at(c, 1) : slot_at(c, 0);
    FAULT_POINT("persist-before");
    s->sinks_count = sinks_count;
    s->positions_count = positions_count;
    /* order: release - for the next process, as below */
    store_rel(&s->sequence, c->last ? c->last->sequence + 1 : 1);
    FAULT_POINT("persist-torn");
    if (sinks_count)
        memcpy(slot_sinks(s), sinks, sinks_count * sizeof *sinks);
    FAULT_POINT("persist-torn");
    if (positions_count) /* with none, there is no list */
        memmove(slot_positions(s), positions, positions_count * sizeof *positions);
    FAULT_POINT("persist-unhashed");
    /* order: only this process reads the slot, after its death: the compiler must not sink stores
     * below the hash */
    store_rel(&s->xxh3, slot_hash(s));
    FAULT_POINT("persist-after");
    c->last = s;
}
