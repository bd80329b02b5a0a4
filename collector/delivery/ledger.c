#include "collector/delivery/ledger.h"

#include "collector/delivery/given_up.h"
#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/fault.h"
#include "lib/reader/guard.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { ENDIAN = 0x01020304 };

struct ledger {
    char path[PATH_MAX];
    struct ledger_map *map; /* NULL: somebody has cut the file, and it could not be made again */
    int guard;
    uint32_t damaged;       /* set by the guard: somebody has cut the file */
    uint64_t sequence;
    int64_t started_ns;
};

static uint64_t page_hash(const struct ledger_page *p)
{
    return XXH3_64bits(&p->sequence, sizeof *p - offsetof(struct ledger_page, sequence));
}

static bool page_is_valid(const struct ledger_page *p)
{
    return p->sequence && p->xxh3 == page_hash(p) && p->sinks_count <= LEDGER_SINKS_MAX &&
           p->stages_count <= LEDGER_STAGES_MAX;
}

static bool map_is_ours(const struct ledger_map *m)
{
    return m->magic == LEDGER_MAGIC && m->endian == ENDIAN && m->page_bytes == sizeof(struct ledger_page);
}

static bool map_file_is_whole(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(struct ledger_map);
}

static void ledger_unmap(struct ledger *l)
{
    guard_remove(l->guard);
    if (l->map)
        (void)munmap(l->map, sizeof *l->map);
    l->map = NULL;
    l->guard = -1;
}

static int ledger_map(struct ledger *l, struct err *e)
{
    auto_fd fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, -errno, "ledger: open %s", l->path);
    /* Allocated, not sparse: a store into a hole of a full disk would be a SIGBUS. */
    const int r = posix_fallocate(fd, 0, sizeof *l->map);
    if (r != 0 && !map_file_is_whole(fd))
        (void)unlink(l->path); /* half of one says nothing to anybody */
    if (r != 0)
        return err_sys(e, -r, "ledger: allocate %s", l->path);
    void *map = mmap(NULL, sizeof *l->map, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return err_sys(e, -errno, "ledger: map %s", l->path);
    l->map = map;
    l->damaged = 0;
    const int guard = guard_add(map, sizeof *l->map, PROT_READ | PROT_WRITE, &l->damaged);
    if (guard < 0) {
        ledger_unmap(l);
        return err_sys(e, guard, "ledger: watch %s", l->path);
    }
    l->guard = guard;
    return 0;
}

static int ledger_begin(struct ledger *l, struct err *e)
{
    const int r = ledger_map(l, e);
    if (r < 0)
        return r;
    if (!map_is_ours(l->map)) { /* it tells of runs that are over; nothing depends on it */
        memset(l->map, 0, sizeof *l->map);
        l->map->endian = ENDIAN;
        l->map->page_bytes = sizeof(struct ledger_page);
        l->map->magic = LEDGER_MAGIC;
    }
    for (unsigned i = 0; i < 2; i++)
        if (page_is_valid(&l->map->page[i]) && l->map->page[i].sequence > l->sequence)
            l->sequence = l->map->page[i].sequence;
    return 0;
}

int ledger_open(const char *state_dir, struct ledger **ret, struct err *e)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, -ENOMEM, "ledger: out of memory");
    l->guard = -1;
    const int r = snprintf(l->path, sizeof l->path, "%s/" LEDGER_FILE, state_dir) < (int)sizeof l->path
                      ? ledger_begin(l, e) : err_set(e, -ENAMETOOLONG, "ledger: %s: path too long", state_dir);
    if (r < 0) {
        free(l);
        return r;
    }
    l->started_ns = (int64_t)clock_real_ns();
    *ret = l;
    return 0;
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    ledger_unmap(l);
    free(l);
}

static void page_store(struct ledger *l, struct ledger_page *page)
{
    struct ledger_page *to = &l->map->page[++l->sequence % 2];
    page->sequence = l->sequence;
    page->time_ns = (int64_t)clock_real_ns();
    page->started_ns = l->started_ns;
    page->pid = (uint32_t)getpid();
    page->zero = 0;
    memset(page->sink + page->sinks_count, 0, (LEDGER_SINKS_MAX - page->sinks_count) * sizeof page->sink[0]);
    memset(page->stage + page->stages_count, 0, (LEDGER_STAGES_MAX - page->stages_count) * sizeof page->stage[0]);
    page->xxh3 = page_hash(page);
    memcpy(&to->sequence, &page->sequence, sizeof *to - offsetof(struct ledger_page, sequence));
    FAULT_POINT("ledger-unhashed");
    store_rel(&to->xxh3, page->xxh3); /* order: release - for who reads the file, also after our death */
}

int ledger_store(struct ledger *l, struct ledger_page *page, struct err *e)
{
    CHECK(page->sinks_count <= LEDGER_SINKS_MAX && page->stages_count <= LEDGER_STAGES_MAX);
    if (l->map) {
        page_store(l, page);
        /* order: acquire, pairs with the release in the guard's handler */
        if (map_is_ours(l->map) && !load_acq(&l->damaged))
            return 0;
        ledger_unmap(l);
    }
    const int r = ledger_begin(l, e);
    if (r < 0)
        return r;
    page_store(l, page);
    (void)err_set(e, -ENODATA, "ledger: %s was cut while it was in use, and is made again", l->path);
    return 1;
}

void ledger_sink_fill(struct ledger_sink *ret, const char *name, const struct remote_stats *s)
{
    *ret = (struct ledger_sink){
        .taken = s->taken, .delivered = s->delivered, .dropped_full = s->dropped_full,
        .dropped_spool_size = s->dropped_spool_size, .dropped_spool_age = s->dropped_spool_age,
        .dropped_corrupt = s->dropped_corrupt, .dropped_refused = s->dropped_refused, .dead = s->dead,
        .memory = s->queued_records, .spooled = s->spooled_records, .dead_evicted = s->dead_evicted,
    };
    (void)snprintf(ret->name, sizeof ret->name, "%s", name);
}

static int read_file(const char *path, struct ledger_map *ret, struct err *e)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return err_sys(e, -errno, "open %s", path);
    const ssize_t n = pread(fd, ret, sizeof *ret, 0);
    if (n < 0)
        return err_sys(e, -errno, "read %s", path);
    if (n != sizeof *ret || !map_is_ours(ret))
        return err_set(e, -EBADMSG, "%s is not a ledger of this version", path);
    return 0;
}

/* A page may be torn because it is being written; then the other one is whole. */
static int newest(const char *path, const struct ledger_map *m, struct ledger_page *ret, struct err *e)
{
    const struct ledger_page *best = NULL;
    for (unsigned i = 0; i < 2; i++)
        if (page_is_valid(&m->page[i]) && (!best || m->page[i].sequence > best->sequence))
            best = &m->page[i];
    if (!best)
        return err_set(e, -EBADMSG, "%s: nothing has been written to it, or it is damaged", path);
    *ret = *best;
    for (uint32_t i = 0; i < ret->sinks_count; i++)
        ret->sink[i].name[LEDGER_NAME_MAX - 1] = '\0';
    for (uint32_t i = 0; i < ret->stages_count; i++)
        ret->stage[i].name[LEDGER_NAME_MAX - 1] = '\0';
    return 0;
}

int ledger_read(const char *path, struct ledger_page *ret, struct err *e)
{
    char file[PATH_MAX];
    struct stat st;
    if (stat(path, &st) < 0)
        return err_sys(e, -errno, "%s", path);
    const char *below = S_ISDIR(st.st_mode) ? "/" LEDGER_FILE : "";
    if (snprintf(file, sizeof file, "%s%s", path, below) >= (int)sizeof file)
        return err_set(e, -ENAMETOOLONG, "%s: path too long", path);
    struct ledger_map *m = malloc(sizeof *m);
    if (!m)
        return err_set(e, -ENOMEM, "%s: out of memory", path);
    int r = read_file(file, m, e);
    if (r == 0)
        r = newest(file, m, ret, e);
    free(m);
    return r;
}

bool ledger_sink_balances(const struct ledger_sink *s)
{
    return s->taken == s->delivered + given_up_sum_of_ledger(s) + s->dead + s->memory + s->spooled;
}

bool ledger_balances(const struct ledger_page *p)
{
    const struct ledger_rings *r = &p->rings;
    bool good = r->written == r->committed + r->pending + r->dropped;
    for (uint32_t i = 0; i < p->sinks_count; i++)
        good &= ledger_sink_balances(&p->sink[i]);
    for (uint32_t i = 0; i < p->stages_count; i++)
        good &= p->stage[i].dropped <= p->stage[i].seen;
    return good;
}
