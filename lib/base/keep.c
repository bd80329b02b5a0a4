#include "lib/base/keep.h"

#include "lib/base/cleanup.h"
#include "lib/base/fd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct kept {
    char *path;
    int fd;
    char name[32]; /* of the descriptor, as a path */
    bool is_stream; /* a pipe: what was read of it is nowhere else */
    bool is_used;
};

static struct kept kept[KEEP_FILES_MAX];
static unsigned kept_count;
static bool is_recording;

static bool is_forbidden(int error)
{
    return error == EACCES || error == EPERM;
}

static struct kept *find(const char *path)
{
    for (unsigned i = 0; i < kept_count; i++)
        if (strcmp(kept[i].path, path) == 0)
            return &kept[i];
    return NULL;
}

/* -EFBIG: there is more than may be kept. */
static int copy(int from, int to)
{
    char data[4096];
    size_t total = 0;
    int r = 0;
    for (;;) {
        const ssize_t n = fd_read_some(from, data, sizeof data);
        if (n <= 0) {
            r = (int)n;
            break;
        }
        total += (size_t)n;
        r = total > KEEP_BYTES_MAX ? -EFBIG : fd_write_all(to, data, (size_t)n);
        if (r < 0)
            break;
    }
    explicit_bzero(data, sizeof data);
    return r;
}

static int add(const char *path, int from, bool is_stream, struct err *e)
{
    auto_fd fd = memfd_create("fapilog-kept", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_sys(e, -errno, "%s: memory to keep it in", path);
    const int r = copy(from, fd);
    if (r == -EFBIG)
        return err_set(e, r, "%s: is longer than the %d bytes that are kept of a file", path, KEEP_BYTES_MAX);
    if (r < 0)
        return err_sys(e, r, "%s: cannot be kept", path);
    if (fchmod(fd, 0400) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return err_sys(e, -errno, "%s: memory to keep it in", path);
    struct kept *k = &kept[kept_count];
    *k = (struct kept){.path = strdup(path), .fd = fd, .is_stream = is_stream};
    if (!k->path)
        return err_set(e, -ENOMEM, "out of memory");
    (void)snprintf(k->name, sizeof k->name, "/proc/self/fd/%d", take_fd(fd));
    kept_count++;
    return 0;
}

void keep_record(bool is_on)
{
    is_recording = is_on;
}

int keep_file(const char *path, struct err *e)
{
    struct stat st;
    if (!path || !*path || find(path))
        return 0;
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode))
        return 0;
    if (kept_count == KEEP_FILES_MAX)
        return err_set(e, -E2BIG, "%s: there are over %d files to be read as root", path, KEEP_FILES_MAX);
    return add(path, fd, !S_ISREG(st.st_mode), e);
}

int keep_open(const char *path)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    if (is_recording) {
        const int r = keep_file(path, NULL);
        if (r < 0)
            return r;
    }
    struct kept *k = find(path);
    int fd = k && k->is_stream ? -1 : open(path, flags);
    if (fd >= 0)
        return fd;
    if (!k || (!k->is_stream && !is_forbidden(errno)))
        return -errno;
    k->is_used |= !k->is_stream;
    fd = open(k->name, flags); /* not dup(): a position of its own */
    return fd < 0 ? -errno : fd;
}

const char *keep_path(const char *path)
{
    if (!path || access(path, R_OK) == 0 || !is_forbidden(errno))
        return path;
    struct kept *k = find(path);
    if (!k)
        return path;
    k->is_used = true;
    return k->name;
}

int keep_give(uid_t uid, gid_t gid, struct err *e)
{
    for (unsigned i = 0; i < kept_count; i++)
        if (fchown(kept[i].fd, uid, gid) < 0)
            return err_sys(e, -errno, "%s: hand it to user %u", kept[i].path, (unsigned)uid);
    return 0;
}

void keep_prune(void)
{
    unsigned left = 0;
    for (unsigned i = 0; i < kept_count; i++) {
        if (kept[i].is_stream || (access(kept[i].path, R_OK) < 0 && is_forbidden(errno))) {
            kept[left++] = kept[i];
            continue;
        }
        (void)close(kept[i].fd);
        free(kept[i].path);
    }
    kept_count = left;
}

void keep_tell(void (*say)(void *arg, const char *path), void *arg)
{
    for (unsigned i = 0; i < kept_count; i++) {
        if (kept[i].is_used && say)
            say(arg, kept[i].path);
        kept[i].is_used = false;
    }
}
