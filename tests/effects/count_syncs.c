/* Put in front of the C library (LD_PRELOAD): every call that forces data to disk adds a byte to the file that
 * COUNT_SYNCS names. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static void count(void)
{
    const char *const path = getenv("COUNT_SYNCS");
    const int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0 && write(fd, "x", 1) == 1)
        (void)close(fd);
}

EXPORT int fsync(int fd)
{
    int (*const real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    count();
    return real(fd);
}

EXPORT int fdatasync(int fd)
{
    int (*const real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    count();
    return real(fd);
}

EXPORT int msync(void *at, size_t len, int flags)
{
    int (*const real)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync");
    count();
    return real(at, len, flags);
}
