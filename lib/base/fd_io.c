#include "lib/base/fd_io.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

int fd_write_all(int fd, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = write(fd, (const char *)data + done, len - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

ssize_t fd_read_some(int fd, void *to, size_t size)
{
    for (;;) {
        const ssize_t n = read(fd, to, size);
        if (n >= 0)
            return n;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -errno;
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        const int r = poll(&ready, 1, FD_PIPE_WAIT_MS);
        if (r == 0)
            return -ETIME;
        if (r < 0 && errno != EINTR)
            return -errno;
    }
}

ssize_t fd_read_full(int fd, void *to, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t n = fd_read_some(fd, (char *)to + done, size - done);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t fd_pread_full(int fd, void *to, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t n = pread(fd, (char *)to + done, size - done, (off_t)(offset + done));
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)done;
}

void fd_limit_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}
