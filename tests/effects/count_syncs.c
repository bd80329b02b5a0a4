/* Put in front of the C library (LD_PRELOAD): every call that forces data to disk adds an x to the file that
 * COUNT_SYNCS names, every one that only begins to write it a w. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static void count(const char *what)
{
    const char *const path = getenv("COUNT_SYNCS");
    const int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0 && write(fd, what, 1) == 1)
        (void)close(fd);
}

EXPORT int fsync(int fd)
{
    int (*const real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    count("x");
    return real(fd);
}

EXPORT int fdatasync(int fd)
{
    int (*const real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    count("x");
    return real(fd);
}

EXPORT int msync(void *at, size_t len, int flags)
{
    int (*const real)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync");
    count("x");
    return real(at, len, flags);
}

EXPORT int sync_file_range(int fd, off64_t from, off64_t len, unsigned flags)
{
    int (*const real)(int, off64_t, off64_t, unsigned) =
        (int (*)(int, off64_t, off64_t, unsigned))dlsym(RTLD_NEXT, "sync_file_range");
    count("w");
    return real(fd, from, len, flags);
}
