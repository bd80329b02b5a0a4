#include "lib/base/fd_io.h"

#include <errno.h>
#include <stdbool.h>
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

static ssize_t read_full(int fd, char *to, size_t size, bool has_offset, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t n = has_offset ? pread(fd, to + done, size - done, (off_t)(offset + done))
                                     : read(fd, to + done, size - done);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)done;
}

ssize_t fd_read_full(int fd, void *to, size_t size)
{
    return read_full(fd, to, size, false, 0);
}

ssize_t fd_pread_full(int fd, void *to, size_t size, uint64_t offset)
{
    return read_full(fd, to, size, true, offset);
}

void fd_limit_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}
