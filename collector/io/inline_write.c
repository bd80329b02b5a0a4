#include "collector/io/inline_write.h"

#include "collector/io/io_ops.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>

/* A write that took longer met a disk that cannot follow. The pause until the next one is tried doubles each
 * time that it happens. */
static const uint64_t took_ns_max = 20 * NS_PER_MS;
static const uint64_t pause_ns_min = 10 * NS_PER_S;
static const uint64_t pause_ns_max = 3600 * NS_PER_S;

enum inline_way inline_choose(struct inline_writes *q, uint64_t bytes)
{
    if (q->is_refused || bytes < INLINE_LARGE_BYTES)
        return INLINE_CACHED;
    if (q->uncached_left > 0) {
        if (--q->uncached_left == 0)
            q->cost[INLINE_CACHED] = 0; /* find out anew */
        return INLINE_UNCACHED;
    }
    return q->cached++ % INLINE_SAMPLE_EVERY == 0 ? INLINE_UNCACHED : INLINE_CACHED;
}

static void cache_is_slow(struct inline_writes *q)
{
    if (q->uncached_next < INLINE_UNCACHED_MIN)
        q->uncached_next = INLINE_UNCACHED_MIN;
    q->cached = 0;
    q->uncached_left = q->uncached_next;
    q->uncached_next = q->uncached_next < INLINE_UNCACHED_MAX / 2 ? q->uncached_next * 2 : INLINE_UNCACHED_MAX;
}

void inline_learn(struct inline_writes *q, enum inline_way way, uint64_t bytes, uint64_t took_ns)
{
    uint64_t *const cost = &q->cost[way];
    uint64_t now = took_ns * 1000 / bytes + 1;
    if (*cost && now > *cost * 2) /* perhaps the thread was not running: one such is no proof */
        now = *cost * 2;
    *cost = *cost ? (*cost * 3 + now) / 4 : now;
    const bool known = q->cost[INLINE_CACHED] && q->cost[INLINE_UNCACHED];
    const bool is_cache_faster = known && q->cost[INLINE_CACHED] < q->cost[INLINE_UNCACHED];
    if (way == INLINE_UNCACHED && q->uncached_left > 0 && is_cache_faster) {
        q->uncached_left = 0;
        q->cost[INLINE_CACHED] = 0;
    }
    if (way == INLINE_CACHED && known && !is_cache_faster)
        cache_is_slow(q);
    else if (q->cached > INLINE_FORGET)
        q->uncached_next = 0;
}

static ssize_t make(const struct io_req *req, int flags)
{
    const struct iovec one = { .iov_base = req->buf, .iov_len = req->len };
    const bool is_vector = req->op == IO_WRITEV;
    const ssize_t n = pwritev2(req->fd, is_vector ? req->iov : &one, is_vector ? (int)req->len : 1, req->offset,
                               flags);
    return n < 0 ? -errno : n;
}

bool inline_write(struct inline_writes *q, const struct io_req *req, int *ret_result)
{
    const uint64_t start = clock_mono_ns();
    if (start < q->not_until_ns)
        return false;
    const enum inline_way way = inline_choose(q, io_req_bytes(req));
    ssize_t n = make(req, way == INLINE_UNCACHED ? RWF_DONTCACHE : 0);
    if (n == -EOPNOTSUPP && way == INLINE_UNCACHED) {
        q->is_refused = true;
        n = make(req, 0);
    }
    *ret_result = (int)n;
    const uint64_t took = clock_mono_ns() - start;
    if (n >= INLINE_LARGE_BYTES)
        inline_learn(q, way, (uint64_t)n, took);
    if (took > took_ns_max && way == INLINE_CACHED) {
        q->pause_ns = q->pause_ns ? q->pause_ns * 2 : pause_ns_min;
        if (q->pause_ns > pause_ns_max)
            q->pause_ns = pause_ns_max;
        q->not_until_ns = start + took + q->pause_ns;
    }
    return true;
}

bool inline_is_local(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return false;
    switch ((unsigned long)fs.f_type) {
    case EXT4_SUPER_MAGIC: case XFS_SUPER_MAGIC: case BTRFS_SUPER_MAGIC: case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC: case OVERLAYFS_SUPER_MAGIC:
        return true;
    default:
        return false;
    }
}
