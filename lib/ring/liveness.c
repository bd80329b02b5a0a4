#include "lib/ring/liveness.h"

#include <fapilog/abi.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int liveness_take(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole) < 0 ? -errno : 0;
}

int liveness_probe(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &whole) < 0)
        return -errno;
    return whole.l_type != F_UNLCK;
}

int liveness_probe_collector(int dir)
{
    const int fd = openat(dir, FAPILOG_COLLECTOR_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    const int r = liveness_probe(fd);
    (void)close(fd);
    return r;
}
