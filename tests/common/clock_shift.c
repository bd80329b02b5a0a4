/* Put in front of the C library (LD_PRELOAD): the wall clock as somebody has set it, for one process. CLOCK_SHIFT names
 * a file of struct shifts, which a test writes; times of files are those that the kernel would have given them had its
 * clock been set. All other clocks, and the machine's own, stay as they are. */
#undef _FILE_OFFSET_BITS /* which would make one name of stat and stat64 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { SHIFTS_MAX = 255, NS = 1000000000 };

struct shifts {
    uint64_t count;
    uint64_t reserved;
    struct {
        int64_t from_ns; /* of the kernel's clock; rising */
        int64_t by_ns;
    } shift[SHIFTS_MAX];
};

static const struct shifts *shifts;

__attribute__((constructor)) static void begin(void)
{
    const char *const path = getenv("CLOCK_SHIFT");
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *const at = fd >= 0 ? mmap(NULL, sizeof *shifts, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (at != MAP_FAILED)
        shifts = at;
    if (fd >= 0)
        (void)close(fd);
}

static int64_t shift_at(int64_t kernel_ns)
{
    /* order: acquire, pairs with the test's store of the count behind the entry */
    const uint64_t count = shifts ? __atomic_load_n(&shifts->count, __ATOMIC_ACQUIRE) : 0;
    int64_t by = 0;
    for (uint64_t i = 0; i < count && i < SHIFTS_MAX && shifts->shift[i].from_ns <= kernel_ns; i++)
        by = shifts->shift[i].by_ns;
    return by;
}

static struct timespec shifted(struct timespec t)
{
    int64_t ns = (int64_t)t.tv_sec * NS + t.tv_nsec;
    ns += shift_at(ns);
    return (struct timespec){.tv_sec = ns / NS, .tv_nsec = ns % NS};
}

EXPORT int clock_gettime(clockid_t id, struct timespec *ret)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const int r = real(id, ret);
    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        *ret = shifted(*ret);
    return r;
}

EXPORT int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    const int r = clock_gettime(CLOCK_REALTIME, &t);
    *ret = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return r;
}

EXPORT time_t time(time_t *ret)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (ret)
        *ret = t.tv_sec;
    return t.tv_sec;
}

static int dated(int r, struct stat *st)
{
    if (r == 0) {
        st->st_mtim = shifted(st->st_mtim);
        st->st_ctim = shifted(st->st_ctim);
        st->st_atim = shifted(st->st_atim);
    }
    return r;
}

/* struct stat64 is struct stat where a long has 64 bits; either name may be called. */
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "one structure");
#define WRAP(name, params, args) \
    EXPORT int name params \
    { \
        static int(*real) params; \
        if (!real) \
            real = (int(*) params)dlsym(RTLD_NEXT, #name); \
        return dated(real args, (struct stat *)st); \
    }

WRAP(stat, (const char *restrict path, struct stat *restrict st), (path, st))
WRAP(lstat, (const char *restrict path, struct stat *restrict st), (path, st))
WRAP(fstat, (int fd, struct stat *st), (fd, st))
WRAP(fstatat, (int fd, const char *restrict path, struct stat *restrict st, int flags), (fd, path, st, flags))
WRAP(stat64, (const char *restrict path, struct stat64 *restrict st), (path, st))
WRAP(lstat64, (const char *restrict path, struct stat64 *restrict st), (path, st))
WRAP(fstat64, (int fd, struct stat64 *st), (fd, st))
WRAP(fstatat64, (int fd, const char *restrict path, struct stat64 *restrict st, int flags), (fd, path, st, flags))
