/* Making a segment file. Signal safe: a forked child does this inside its first log call. */
#include "lib/producer/internal.h"
#include "lib/producer/mode.h"

#include "lib/base/atomics.h"
#include "lib/base/cleanup.h"
#include "lib/ring/clock.h"
#include "lib/ring/hash.h"
#include "lib/ring/liveness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>

enum { NAME_MAX_ = 64 };

struct making {
    int dir, fd, plain_fd; /* plain_fd: second description, without the lock */
    char proc_path[NAME_MAX_];
    char name[NAME_MAX_];
    char temporary[NAME_MAX_]; /* empty: O_TMPFILE */
    uint64_t uuid[2];
    uint8_t *base;
};

SELDOM static char *put_text(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    *to = '\0';
    return to;
}

SELDOM static char *put_number(char *to, uint64_t n)
{
    char digits[24];
    int i = 0;
    do
        digits[i++] = (char)('0' + n % 10);
    while (n /= 10);
    while (i)
        *to++ = digits[--i];
    *to = '\0';
    return to;
}

SELDOM static char *put_hex(char *to, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t b = ((const uint8_t *)bytes)[i];
        *to++ = "0123456789abcdef"[b >> 4];
        *to++ = "0123456789abcdef"[b & 15];
    }
    *to = '\0';
    return to;
}

SELDOM static size_t read_file(const char *path, char *ret, size_t size)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : read(fd, ret, size - 1);
    ret[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

SELDOM static uint64_t start_ticks(void)
{
    char text[1024];
    (void)read_file("/proc/self/stat", text, sizeof text);
    const char *s = strrchr(text, ')'); /* the name may hold anything; field 3 follows it */
    for (int field = 2; s && field < 22; field++) {
        s = strchr(s + 1, ' ');
    }
    uint64_t n = 0;
    for (s = s ? s + 1 : ""; *s >= '0' && *s <= '9'; s++)
        n = n * 10 + (uint64_t)(*s - '0');
    return n;
}

SELDOM static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

SELDOM static void read_boot_id(uint64_t ret[2])
{
    char text[64];
    uint8_t bytes[16] = {0};
    int n = 0;
    (void)read_file("/proc/sys/kernel/random/boot_id", text, sizeof text);
    for (const char *s = text; *s && n < 32; s++) {
        const int digit = hex_digit(*s);
        if (digit >= 0) {
            bytes[n / 2] = (uint8_t)(bytes[n / 2] << 4 | digit);
            n++;
        }
    }
    memcpy(ret, bytes, sizeof bytes);
}

SELDOM static void describe_process(struct fapilog_superblock *s)
{
    struct stat st;
    struct utsname names;
    char exe[1024];
    const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    const size_t len = strlen(exe);
    fapilogi_copy_text(s->exe, sizeof s->exe, exe + (len >= sizeof s->exe ? len - sizeof s->exe + 1 : 0));
    if (uname(&names) == 0)
        fapilogi_copy_text(s->host, sizeof s->host, names.nodename);
    if (stat("/proc/self/ns/pid", &st) == 0)
        s->pid_ns = st.st_ino;
    uint64_t boot[2];
    read_boot_id(boot);
    s->boot_hi = boot[0];
    s->boot_lo = boot[1];
    s->start_ticks = start_ticks();
    s->pid = process.pid;
    s->parent_pid = process.parent_pid;
    s->uid = (uint32_t)getuid();
    s->gid = (uint32_t)getgid();
    memcpy(s->service, process.service, sizeof process.service);
    memcpy(s->env, process.env, sizeof s->env);
    memcpy(s->version, process.version, sizeof s->version);
}

SELDOM static void describe_layout(struct fapilog_superblock *s)
{
    const struct geometry *g = &process.geometry;
    s->endian = FAPILOG_ENDIAN_TAG;
    s->major = FAPILOG_ABI_MAJOR;
    s->minor = FAPILOG_ABI_MINOR;
    s->super_size = sizeof *s;
    s->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
    s->file_size = g->file_size;
    s->ctl_off = g->ctl_off;
    s->ctl_size = g->ctl_size;
    s->registry_off = g->registry_off;
    s->registry_size = g->registry_size;
    s->lane_off = g->lane_off;
    s->data_off = g->data_off;
    s->lane_count = g->lane_count;
    s->lane_stride = sizeof(struct fapilog_lane);
    s->slot_stride = sizeof(struct fapilog_lane_slot);
}

SELDOM static void describe_lanes(uint8_t *base)
{
    const struct geometry *g = &process.geometry;
    struct fapilog_lane *lanes = (struct fapilog_lane *)(base + g->lane_off);
    for (uint32_t i = 0; i < g->lane_count; i++) {
        lanes[i].data_off = geometry_lane_off(g, i);
        lanes[i].cap_log2 = geometry_cap_log2(g, i);
        lanes[i].block_log2 = g->block_log2;
    }
}

/* The rate is measured once per process, over the time since `first`, stretched to 200 us. */
static struct clock_anchor measure_clock(const struct clock_anchor *first)
{
    struct clock_anchor now;
    if (process.counter_hz == 0) {
        do
            now = clock_anchor_take(process.clock_kind, 1);
        while (now.mono_ns - first->mono_ns < 200000);
    }
    now = clock_anchor_take(process.clock_kind, 8);
    if (process.clock_kind == FAPILOG_CLOCK_MONOTONIC)
        process.counter_hz = 1000000000u;
    else if (process.counter_hz == 0)
        process.counter_hz = clock_hz(first, &now);
    return now;
}

SELDOM static void fill(struct making *m, const struct clock_anchor *first)
{
    struct fapilog_superblock *s = (struct fapilog_superblock *)m->base;
    describe_process(s);
    describe_layout(s);
    describe_lanes(m->base);
    s->uuid_hi = m->uuid[0];
    s->uuid_lo = m->uuid[1];
    const struct clock_anchor now = measure_clock(first);
    s->clock_kind = process.clock_kind;
    s->t0_cycles = now.cycles;
    s->t0_real_ns = now.real_ns;
    s->t0_mono_ns = now.mono_ns;
    s->counter_hz = process.counter_hz;
    s->state = FAPILOG_STATE_LIVE;
    /* order: relaxed - nobody else has the file yet */
    s->registry_tail = load_rlx(&process.registry_used);
    s->magic = FAPILOG_MAGIC;
    s->xxh3 = hash64(s, offsetof(struct fapilog_superblock, xxh3));
}

SELDOM static int make_file(struct making *m, struct err *e)
{
    m->fd = openat(m->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
    if (m->fd >= 0) {
        put_number(put_text(m->proc_path, "/proc/self/fd/"), (uint64_t)m->fd);
        m->plain_fd = open(m->proc_path, O_RDWR | O_CLOEXEC);
        if (m->plain_fd >= 0)
            return 0;
        (void)close(m->fd); /* no /proc here: use a name */
    }
    put_text(put_text(m->temporary, "."), m->name);
    m->fd = openat(m->dir, m->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (m->fd >= 0)
        m->plain_fd = openat(m->dir, m->temporary, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (m->fd < 0 || m->plain_fd < 0)
        return err_sys(e, -errno, "segment: create a file in %s", process.dir.path);
    return 0;
}

SELDOM static int allocate(int fd, uint64_t from, uint64_t size)
{
    return fallocate(fd, 0, (off_t)from, (off_t)size) < 0 && errno != EOPNOTSUPP ? -errno : 0;
}

SELDOM static int size_and_map(struct making *m, struct err *e)
{
    const struct geometry *g = &process.geometry;
    struct rlimit most;
    if (g->file_size > GEOMETRY_FILE_MAX)
        return err_set(e, -EINVAL, "segment: %llu bytes, at most %llu are read: take fewer or smaller lanes",
                       (unsigned long long)g->file_size, (unsigned long long)GEOMETRY_FILE_MAX);
    int r = liveness_take(m->fd);
    if (r == 0 && getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur < g->file_size)
        r = -EFBIG; /* ftruncate() would raise SIGXFSZ */
    if (r == 0 && ftruncate(m->fd, (off_t)g->file_size) < 0)
        r = -errno;
    /* What is written outside of lanes must never meet a full file system: that would be SIGBUS. */
    if (r == 0)
        r = allocate(m->fd, 0, g->registry_off + process.registry_ready);
    if (r == 0)
        r = allocate(m->fd, g->lane_off, g->data_off - g->lane_off);
    if (r < 0) {
        r = err_sys(e, r, "segment: %llu bytes in %s", (unsigned long long)g->file_size, process.dir.path);
        if (r == -ENOSPC)
            return err_wrap(e, r, "the file system is full: make it larger, or remove other files from it");
        return r == -EFBIG ? err_wrap(e, r, "see ulimit -f, or take fewer or smaller lanes") : r;
    }
    m->base = mmap(process.segment_place, g->file_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    if (m->base == MAP_FAILED || madvise(m->base, g->file_size, MADV_DONTFORK) < 0)
        return err_sys(e, -errno, "segment: map %llu bytes: fewer or smaller lanes need less",
                       (unsigned long long)g->file_size);
    return 0;
}

/* Copies what mapping B shows now into the new file and puts the new file in its place: ids, levels and
 * rules stay what they were, at the addresses that loggers know. */
SELDOM static int replace_mapping_b(struct making *m, struct err *e)
{
    const struct geometry *g = &process.geometry;
    struct fapilog_ctl *ctl = (struct fapilog_ctl *)(m->base + g->ctl_off);
    memcpy(ctl->level, process.ctl->level, sizeof ctl->level);
    memcpy(ctl->rule, process.ctl->rule, sizeof ctl->rule);
    /* order: relaxed - entries that other threads of the parent had not finished stay empty */
    const uint64_t used = load_rlx(&process.registry_used);
    if (used > g->registry_size)
        return err_set(e, -ENOSPC, "segment: the registry is smaller than the last one");
    memcpy(m->base + g->registry_off, process.registry, used);
    const int flags = MAP_SHARED | MAP_FIXED;
    if (mmap(process.registry, g->registry_size, PROT_READ | PROT_WRITE, flags, m->plain_fd,
             (off_t)g->registry_off) == MAP_FAILED ||
        mmap(process.ctl, g->ctl_size, PROT_READ | PROT_WRITE, flags, m->plain_fd, (off_t)g->ctl_off) ==
            MAP_FAILED)
        return err_set(e, -errno, "segment: map the control pages");
    return 0;
}

SELDOM static int publish(struct making *m, struct err *e)
{
    int r;
    if (m->temporary[0])
        r = renameat(m->dir, m->temporary, m->dir, m->name);
    else
        r = linkat(AT_FDCWD, m->proc_path, m->dir, m->name, AT_SYMLINK_FOLLOW);
    if (r < 0)
        return err_sys(e, -errno, "segment: link %s", m->name);
    return 0;
}

SELDOM static int make(struct making *m, struct err *e)
{
    process.clock_kind = process.clock_kind ? process.clock_kind : clock_detect();
    const struct clock_anchor first = clock_anchor_take(process.clock_kind, 8);
    process.pid = (uint32_t)getpid();
    if (getrandom(m->uuid, sizeof m->uuid, 0) != sizeof m->uuid)
        return err_set(e, -EIO, "segment: no random bytes for its identity");
    char *to = put_text(put_number(m->name, process.pid), "-");
    put_text(put_hex(to, m->uuid, 8), FAPILOG_SEGMENT_SUFFIX);
    m->dir = ringdir_open(&process.dir, true, e);
    if (m->dir < 0)
        return m->dir;
    int r = make_file(m, e);
    if (r == 0)
        r = size_and_map(m, e);
    if (r == 0) {
        fill(m, &first);
        r = replace_mapping_b(m, e);
    }
    /* A collector that lives will find the new segment in a moment; until then the blocking policy goes
     * by this. */
    if (r == 0 && liveness_probe_collector(m->dir) > 0)
        process.ctl->heartbeat_ns = clock_mono_ns();
    if (r == 0)
        r = publish(m, e);
    return r;
}

SELDOM int fapilogi_segment_create(struct err *e)
{
    struct making m = {.dir = -1, .fd = -1, .plain_fd = -1, .base = MAP_FAILED};
    const int r = make(&m, e);
    if (r < 0 && m.temporary[0])
        (void)unlinkat(m.dir, m.temporary, 0);
    if (r < 0 && m.base != MAP_FAILED)
        (void)munmap(m.base, process.geometry.file_size);
    if (m.plain_fd >= 0)
        (void)close(m.plain_fd);
    if (m.fd >= 0)
        (void)close(m.fd);
    if (m.dir >= 0)
        (void)close(m.dir);
    if (r < 0)
        return r;
    struct area *a = process.area;
    a->base = m.base;
    a->super = (struct fapilog_superblock *)m.base;
    a->lanes = (struct fapilog_lane *)(m.base + process.geometry.lane_off);
    fapilogi_shared_init();
    mode_set(MODE_RING);
    return 0;
}
