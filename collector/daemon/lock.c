#include "collector/daemon/lock.h"

#include "lib/base/cleanup.h"

#include <fapilog/abi.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static int lock_refused(int fd, const char *dir, struct err *e)
{
    char pid[24] = "";
    const ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, " \n")] = '\0';
    return err_set(e, -EBUSY, "%s: another collector is at work here (pid %s)", dir, *pid ? pid : "unknown");
}

int lock_acquire(const char *dir, struct err *e)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/" FAPILOG_COLLECTOR_LOCK, dir) >= sizeof path)
        return err_set(e, -ENAMETOOLONG, "%s: path too long", dir);
    auto_fd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return err_sys(e, -errno, "open %s", path);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        if (errno == EAGAIN || errno == EACCES)
            return lock_refused(fd, dir, e);
        return err_sys(e, -errno, "lock %s", path);
    }
    /* Written over what the last one wrote: where rings fill the file system, a page given back is soon somebody
     * else's. The pid is for people; that there is no room for it keeps nobody from making room. */
    char pid[24];
    const int len = snprintf(pid, sizeof pid, "%-20d\n", (int)getpid());
    errno = 0;
    if (pwrite(fd, pid, (size_t)len, 0) != len && errno != ENOSPC && errno != EDQUOT)
        return err_sys(e, errno ? -errno : -EIO, "write %s", path);
    return take_fd(fd);
}
