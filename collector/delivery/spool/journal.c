#include "collector/delivery/spool/journal.h"

#include "collector/io/inline_write.h"
#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/fault.h"
#include "lib/base/fd_io.h"
#include "lib/reader/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { BRING_BYTES = 1 << 20 }; /* a write, and so the largest folio */

static void path_of(const char *dir, char ret[PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%s/" JOURNAL_FILE, dir);
}

static uint64_t head_hash(const struct journal_map *m)
{
    return XXH3_64bits(m, offsetof(struct journal_map, xxh3));
}

bool journal_head_is_valid(const struct journal_map *m)
{
    return m->magic == JOURNAL_MAGIC && m->area_bytes == JOURNAL_AREA && m->xxh3 == head_hash(m);
}

static void head_seal(struct journal_map *m, const struct spool_file_head *whose)
{
    m->area_bytes = JOURNAL_AREA;
    memcpy(m->sink, whose->sink, sizeof m->sink);
    memcpy(m->format, whose->format, sizeof m->format);
    m->magic = JOURNAL_MAGIC;
    m->xxh3 = head_hash(m);
}

static void unmap(struct journal *j)
{
    guard_remove(j->guard);
    if (j->map)
        (void)munmap(j->map, JOURNAL_BYTES);
    *j = (struct journal){ .guard = -1 };
}

static int map_file(struct journal *j, int fd, const char *path, struct err *e)
{
    void *map = mmap(NULL, JOURNAL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    *j = (struct journal){ .guard = -1 };
    if (map == MAP_FAILED)
        return err_sys(e, -errno, "map %s", path);
    j->map = map;
    j->area = (char *)map + JOURNAL_AREA_OFFSET;
    j->guard = guard_add(map, JOURNAL_BYTES, PROT_READ | PROT_WRITE, &j->damaged);
    if (j->guard >= 0)
        return 0;
    const int r = j->guard;
    unmap(j);
    return err_sys(e, r, "watch %s", path);
}

/* Stores must not meet a full disk, nor a network. */
static int reserve(int fd, const char *path, struct err *e)
{
    int r;
    if (!inline_is_local(fd))
        return err_set(e, -EOPNOTSUPP, "%s: this file system may hang in any call", path);
    do {
        r = fallocate(fd, 0, 0, JOURNAL_BYTES) < 0 ? -errno : 0;
    } while (r == -EINTR);
    return r < 0 ? err_sys(e, r, "allocate %s", path) : 0;
}

/* A first store into a page that is not in the page cache costs the thread about 4 us, under load, 9 ms in all (ext4 of
 * Linux 6.18); large writes bring the same pages, in large folios, in 1 ms. */
static int pages_bring(int fd, const char *path, struct err *e)
{
    auto_free char *zeros = calloc(1, BRING_BYTES);
    int r = zeros ? 0 : -ENOMEM;
    for (size_t left = JOURNAL_BYTES, n; left && r == 0; left -= n) {
        n = left < BRING_BYTES ? left : BRING_BYTES;
        r = fd_write_all(fd, zeros, n);
    }
    return r < 0 ? err_sys(e, r, "write %s", path) : 0;
}

static bool is_ours(const struct journal_map *m, const struct spool_file_head *whose)
{
    if (journal_head_is_valid(m))
        return strncmp(m->format, whose->format, sizeof m->format) == 0;
    /* Its maker was killed, or it is damaged: then the blocks are read all the same. */
    return (!m->magic || m->magic == JOURNAL_MAGIC) && m->xxh3 != head_hash(m);
}

int journal_open(struct journal *j, const char *dir, const struct spool_file_head *whose, uint64_t found,
                 uint32_t *ret_lost, struct err *e)
{
    char path[PATH_MAX];
    path_of(dir, path);
    *ret_lost = 0;
    auto_fd fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_sys(e, -errno, "open %s", path);
    int r = reserve(fd, path, e); /* its maker was killed before, or somebody has cut it */
    if (r == 0)
        r = map_file(j, fd, path, e);
    if (r < 0)
        return r;
    if (!is_ours(j->map, whose)) {
        unmap(j);
        return err_set(e, -EBADMSG, "%s is of another version, or for another kind of sink or format than %s", path,
                       whose->format);
    }
    journal_scan(j, found, ret_lost);
    head_seal(j->map, whose);
    return 0;
}

int journal_create(struct journal *j, const char *dir, const struct spool_file_head *whose, struct err *e)
{
    char path[PATH_MAX];
    path_of(dir, path);
    auto_fd fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, -errno, "open %s", path);
    int r = reserve(fd, path, e);
    if (r == 0)
        r = pages_bring(fd, path, e);
    if (r == 0)
        r = map_file(j, fd, path, e);
    if (r < 0) {
        (void)unlink(path);
        return r;
    }
    head_seal(j->map, whose);
    return 0;
}

void journal_discard(struct journal *j, const char *dir)
{
    char path[PATH_MAX];
    path_of(dir, path);
    if (j->map)
        (void)unlink(path);
    unmap(j);
}

void journal_close(struct journal *j, const char *dir)
{
    if (journal_is_empty(j))
        journal_discard(j, dir);
    else
        unmap(j);
}

bool journal_is_damaged(const struct journal *j)
{
    return load_acq(&j->damaged); /* order: acquire, pairs with the release in the guard's handler */
}

/* ---- blocks ---- */

/* Where so many bytes go; UINT64_MAX: nowhere now. The end of the youngest block never meets the oldest. */
static uint64_t place_find(struct journal *j, uint64_t bytes)
{
    if (journal_is_empty(j))
        return bytes <= JOURNAL_AREA ? 0 : UINT64_MAX;
    const uint64_t from = journal_at(j, j->first)->offset, to = journal_end_of(journal_at(j, j->next - 1));
    if (to > from && JOURNAL_AREA - to >= bytes)
        return to;
    if (to > from)
        return bytes < from ? 0 : UINT64_MAX;
    return to + bytes < from ? to : UINT64_MAX;
}

int journal_add(struct journal *j, struct spool_block_head *h, const struct iovec *piece, uint32_t count)
{
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++)
        len += piece[i].iov_len;
    const uint64_t bound = spool_block_bound(len);
    if (bound > JOURNAL_BLOCK_MAX)
        return -ENOTSUP;
    if (journal_is_empty(j))
        j->first = j->next = h->sequence;
    const uint64_t offset = place_find(j, bound);
    if (offset == UINT64_MAX || h->sequence != j->next || j->next - j->first == JOURNAL_SLOTS)
        return -EAGAIN;
    char *to = j->area + offset;
    const size_t bytes = h->codec == SPOOL_ZSTD && count == 1 ? spool_block_seal(h, piece->iov_base, (uint32_t)len, to)
                                                              : spool_block_gather(h, piece, count, to);
    FAULT_POINT("journal-block");
    struct journal_slot *s = &j->map->slot[h->sequence % JOURNAL_SLOTS];
    store_rel(&s->offset, offset);        /* order: release - for the next process after our death, as written */
    store_rel(&s->sequence, h->sequence); /* order: release - as above: the block is whole */
    FAULT_POINT("journal-slot");
    if (journal_is_damaged(j))
        return -EAGAIN; /* its owner sees to that */
    *journal_at(j, j->next++) = (struct journal_block){ offset, (uint32_t)bytes, h->records };
    j->records += h->records;
    j->bytes += bytes;
    return 0;
}

uint32_t journal_peek(const struct journal *j, uint64_t max, const char **ret, size_t *ret_len, uint64_t *ret_records)
{
    uint64_t n = 0;
    *ret_len = 0;
    *ret_records = 0;
    for (uint64_t at = 0; j->first + n < j->next; n++) {
        const struct journal_block *b = &j->block[(j->first + n) % JOURNAL_SLOTS];
        if (!b->bytes)
            continue;
        if (!*ret_len)
            *ret = j->area + b->offset;
        else if (b->offset != at || *ret_len + b->bytes > max)
            break;
        at = journal_end_of(b);
        *ret_len += b->bytes;
        *ret_records += b->records;
    }
    return (uint32_t)n;
}

void journal_release(struct journal *j, uint32_t blocks)
{
    for (; blocks; blocks--) {
        CHECK(!journal_is_empty(j));
        /* order: release - for the next process after our death: after the write into the file */
        store_rel(&j->map->slot[j->first % JOURNAL_SLOTS].sequence, 0);
        FAULT_POINT("journal-release");
        j->records -= journal_at(j, j->first)->records;
        j->bytes -= journal_at(j, j->first++)->bytes;
    }
}
