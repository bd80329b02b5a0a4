#include "lib/reader/segment.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/reader/guard.h"
#include "lib/ring/liveness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <xxhash.h>

enum { OWNER_TRIES = 16 };

static int file_open(int dir_fd, const char *name, int oflags, struct err *e)
{
    const struct open_how how = {
        .flags = (uint64_t)(unsigned)oflags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof how);
    /* An old kernel, or a seccomp profile that knows no openat2. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        if (strchr(name, '/') || strcmp(name, "..") == 0)
            return err_set(e, -EXDEV, "%s: not a name within the ring directory", name);
        fd = openat(dir_fd, name, oflags);
    }
    if (fd < 0 && errno == ELOOP)
        return err_set(e, -ELOOP, "%s is a symbolic link, and links are not followed in a ring directory", name);
    return fd < 0 ? err_sys(e, -errno, "open %s", name) : fd;
}

static bool fs_is_memory(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 &&
           (fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static int file_admit(struct segment *s, unsigned flags, uint64_t *ret_bytes, struct err *e)
{
    struct stat st;
    if (fstat(s->fd, &st) < 0)
        return err_sys(e, -errno, "fstat");
    if (!S_ISREG(st.st_mode))
        return err_set(e, -EPERM, "not a regular file");
    if (st.st_uid != geteuid() && !(flags & SEGMENT_ANY_OWNER))
        return err_set(e, -EPERM, "belongs to uid %u", (unsigned)st.st_uid);
    if (st.st_nlink > 1 && !(flags & SEGMENT_ANY_FS)) /* 0: unlinked meanwhile, the content is as good */
        return err_set(e, -EPERM, "has %lu links", (unsigned long)st.st_nlink);
    s->slow_fs = !fs_is_memory(s->fd);
    if (s->slow_fs && st.st_uid != geteuid() && !(flags & SEGMENT_ANY_FS))
        return err_set(e, -EPERM, "belongs to uid %u and is not on tmpfs or hugetlbfs", (unsigned)st.st_uid);
    s->uid = st.st_uid;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    *ret_bytes = (uint64_t)st.st_size;
    return 0;
}

static uint64_t superblock_hash(const struct fapilog_superblock *sb)
{
    return XXH3_64bits(sb, offsetof(struct fapilog_superblock, xxh3));
}

/* A single flipped bit is found by trying each: a tool need not give up a file for it. */
static void superblock_repair(struct fapilog_superblock *sb)
{
    uint8_t *const byte = (uint8_t *)sb;
    for (size_t i = 0; i < offsetof(struct fapilog_superblock, xxh3); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            byte[i] ^= (uint8_t)(1u << bit);
            if (superblock_hash(sb) == sb->xxh3)
                return;
            byte[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static int superblock_read(struct segment *s, uint64_t file_bytes, unsigned flags,
                           const struct segment_limits *limits, struct err *e)
{
    const ssize_t n = pread(s->fd, &s->sb, sizeof s->sb, 0);
    if (n < 0)
        return err_sys(e, -errno, "read superblock");
    if ((size_t)n < sizeof s->sb)
        return err_set(e, -EBADMSG, "not a ring: it has %zd bytes", n);
    const bool is_wrong = superblock_hash(&s->sb) != s->sb.xxh3;
    if (is_wrong && flags & SEGMENT_SALVAGE)
        superblock_repair(&s->sb);
    const int r = segment_check(&s->sb, file_bytes, flags, limits, e);
    if (r < 0)
        return r;
    /* Only SEGMENT_SALVAGE gets here with either of these. */
    s->damaged = s->sb.file_size > file_bytes || is_wrong;
    return 0;
}

/* Maps the file. Where it is shorter than its superblock says (SEGMENT_SALVAGE), zeros stand for the
 * rest: a signal for each missing page would take long. */
static void *file_map(int fd, uint64_t bytes, uint64_t file_bytes)
{
    if (file_bytes >= bytes)
        return mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    void *zeros = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED ||
        mmap(zeros, file_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
        return zeros;
    const int saved = errno;
    (void)munmap(zeros, bytes);
    errno = saved;
    return MAP_FAILED;
}

static int guard_failed(int r, struct err *e)
{
    if (r == -ENOMEM)
        return err_set(e, r, "more than %d rings cannot be watched for files that are cut", GUARD_RANGES_MAX / 2);
    return err_sys(e, r, "guard the mapping");
}

static int map(struct segment *s, uint64_t file_bytes, unsigned flags, struct err *e)
{
    void *base = file_map(s->fd, s->sb.file_size, file_bytes);
    if (base == MAP_FAILED)
        return err_sys(e, -errno, "map %" PRIu64 " bytes", s->sb.file_size);
    s->base = base;
    s->bytes = s->sb.file_size;
    s->guard = guard_add(base, s->bytes, PROT_READ, &s->damaged);
    if (s->guard < 0)
        return guard_failed(s->guard, e);
    s->ctl = (struct fapilog_ctl *)(void *)((uint8_t *)base + s->sb.ctl_off);
    if (!(flags & SEGMENT_CTL_WRITE))
        return 0;
    base = mmap(NULL, s->sb.ctl_size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, (off_t)s->sb.ctl_off);
    if (base == MAP_FAILED)
        return err_sys(e, -errno, "map ctl for writing");
    s->ctl_map = base;
    s->ctl_bytes = s->sb.ctl_size;
    s->ctl = base;
    s->ctl_guard = guard_add(base, s->ctl_bytes, PROT_READ | PROT_WRITE, &s->damaged);
    return s->ctl_guard < 0 ? guard_failed(s->ctl_guard, e) : 0;
}

static bool lane_geometry(const struct segment *s, uint32_t lane, struct segment_lane *ret)
{
    const struct fapilog_lane *l = segment_lane_shared(s, lane);
    /* order: relaxed - constant since the file got its name */
    const struct segment_lane g = {load_rlx(&l->data_off), load_rlx(&l->cap_log2), load_rlx(&l->block_log2)};
    if (g.cap_log2 < FAPILOG_LANE_LOG2_MIN || g.cap_log2 > FAPILOG_LANE_LOG2_MAX ||
        g.block_log2 < FAPILOG_BLOCK_LOG2_MIN || g.block_log2 > FAPILOG_BLOCK_LOG2_MAX ||
        g.block_log2 >= g.cap_log2)
        return false;
    const uint64_t cap = UINT64_C(1) << g.cap_log2;
    if (g.data_off % 64 || g.data_off < s->sb.data_off || g.data_off > s->sb.file_size ||
        s->sb.file_size - g.data_off < cap)
        return false;
    *ret = g;
    return true;
}

bool segment_lane_refresh(struct segment *s, uint32_t lane)
{
    struct segment_lane g;
    CHECK(lane < s->lanes_count);
    if (s->lanes[lane].cap_log2)
        return true;
    /* Lanes that lie over each other would make a small file as much work as a large one. */
    if (!lane_geometry(s, lane, &g) ||
        s->lanes_bytes + (UINT64_C(1) << g.cap_log2) > s->lanes_bytes_max)
        return false;
    s->lanes_bytes += UINT64_C(1) << g.cap_log2;
    s->lanes[lane] = g;
    return true;
}

static int lanes_read(struct segment *s, unsigned flags, struct err *e)
{
    s->lanes_count = s->sb.lane_count;
    /* A lane whose flipped bit makes it as large as all of them shall not shut out the others. */
    s->lanes_bytes_max = (s->sb.file_size - s->sb.data_off) * (flags & SEGMENT_SALVAGE ? 2 : 1);
    s->lanes = calloc(s->lanes_count, sizeof s->lanes[0]);
    if (!s->lanes)
        return err_set(e, -ENOMEM, "no memory for %" PRIu32 " lanes", s->lanes_count);
    for (uint32_t i = 0; i < s->lanes_count; i++) {
        /* order: relaxed - a constant, or not there yet */
        if (segment_lane_refresh(s, i) || !load_rlx(&segment_lane_shared(s, i)->data_off))
            continue;
        if (!(flags & SEGMENT_SALVAGE))
            return err_set(e, -EBADMSG, "lane %" PRIu32 " has an impossible geometry", i);
        s->damaged = 1;
    }
    return 0;
}

static struct fapilog_text text_of(const char *s, size_t size)
{
    return (struct fapilog_text){s, (uint32_t)strnlen(s, size)};
}

void segment_process_init(struct segment *s)
{
    const struct fapilog_superblock *sb = &s->sb;
    memcpy(s->process.uuid, &sb->uuid_hi, 16);
    s->process.pid = sb->pid;
    s->process.service = text_of(sb->service, sizeof sb->service);
    s->process.host = text_of(sb->host, sizeof sb->host);
    s->process.exe = text_of(sb->exe, sizeof sb->exe);
    s->process.env = text_of(sb->env, sizeof sb->env);
    s->process.version = text_of(sb->version, sizeof sb->version);
}

static int views_init(struct segment *s, const struct segment_limits *limits, struct err *e)
{
    const uint32_t anchors = limits && limits->anchors_max ? limits->anchors_max : CLOCK_MAP_ANCHORS_DEFAULT;
    int r = clock_map_init(&s->clock, s->sb.clock_kind, s->sb.counter_hz, anchors);
    if (r < 0)
        return err_sys(e, r, "clock");
    clock_map_add(&s->clock, s->sb.t0_cycles, (int64_t)s->sb.t0_real_ns);
    segment_process_init(s);
    r = registry_init(&s->registry, s->base + s->sb.registry_off, s->sb.registry_size,
                      &segment_shared(s)->registry_tail, s->process.service);
    return r < 0 ? err_sys(e, r, "registry") : 0;
}

static int segment_load(struct segment *s, unsigned flags, const struct segment_limits *limits, struct err *e)
{
    uint64_t file_bytes = 0;
    int r = file_admit(s, flags, &file_bytes, e);
    if (r >= 0)
        r = superblock_read(s, file_bytes, flags, limits, e);
    if (r >= 0)
        r = map(s, file_bytes, flags, e);
    if (r >= 0)
        r = lanes_read(s, flags, e);
    return r < 0 ? r : views_init(s, limits, e);
}

int segment_open_fd(int fd, unsigned flags, const struct segment_limits *limits, struct segment **ret,
                    struct err *e)
{
    struct segment *s = calloc(1, sizeof *s);
    if (!s) {
        cleanup_fd(&fd);
        return err_set(e, -ENOMEM, "no memory for a segment");
    }
    s->fd = fd;
    s->guard = s->ctl_guard = -1;
    const int r = segment_load(s, flags, limits, e);
    if (r < 0) {
        segment_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

int segment_open(int dir_fd, const char *name, unsigned flags, const struct segment_limits *limits,
                 struct segment **ret, struct err *e)
{
    const int access = flags & SEGMENT_CTL_WRITE ? O_RDWR : O_RDONLY;
    const int fd = file_open(dir_fd, name, access | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, e);
    if (fd < 0)
        return fd;
    const int r = segment_open_fd(fd, flags, limits, ret, e);
    return r < 0 ? err_wrap(e, r, "segment %s", name) : 0;
}

void segment_process_done(struct segment *s)
{
    for (unsigned i = 0; i < FAPILOG_SITE_CACHE_SLOTS; i++) {
        free(s->process.cache[i]);
        s->process.cache[i] = NULL;
    }
}

void segment_forget_caches(struct segment *s)
{
    registry_forget_caches(&s->registry);
    segment_process_done(s);
}

void segment_close(struct segment *s)
{
    if (!s)
        return;
    registry_done(&s->registry);
    clock_map_done(&s->clock);
    segment_process_done(s);
    guard_remove(s->ctl_guard);
    guard_remove(s->guard);
    if (s->ctl_map)
        (void)munmap(s->ctl_map, s->ctl_bytes);
    if (s->base)
        (void)munmap((void *)(uintptr_t)s->base, s->bytes);
    free(s->lanes);
    cleanup_fd(&s->fd);
    free(s);
}

int segment_is_alive(const struct segment *s)
{
    return liveness_probe(s->fd);
}

int segment_lane_owner(const struct segment *s, uint32_t lane, struct segment_lane_owner *ret)
{
    CHECK(lane < s->lanes_count);
    const struct fapilog_lane *l = segment_lane_shared(s, lane);
    for (int i = 0; i < OWNER_TRIES; i++) {
        /* order: L2 acquire, pairs with L1 - tid, name and mode of this generation are written */
        const uint32_t before = load_acq(&l->state);
        struct segment_lane_owner o = {
            .generation = FAPILOG_LANE_GENERATION(before), .state = FAPILOG_LANE_STATE(before),
            .tid = load_rlx(&l->tid), .mode = load_rlx(&l->mode), .flags = load_rlx(&l->flags),
            .headroom = load_rlx(&l->headroom), .open_cycles = load_rlx(&l->open_cycles),
        };
        /* order: relaxed - L2 above, and the second look below */
        for (size_t c = 0; c < sizeof o.thread - 1; c++)
            o.thread[c] = load_rlx(&l->thread[c]);
        /* order: acquire - the copies above come before the second look */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        /* order: relaxed - the fence orders it */
        if (load_rlx(&l->state) == before && o.state != FAPILOG_LANE_CLAIMING) {
            *ret = o;
            return 0;
        }
    }
    return -EAGAIN;
}
