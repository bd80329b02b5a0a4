/* The file beneath the mmap sink: finding its end, growing and cutting. */
#include "collector/sinks/mmap_file.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SCAN_BYTES = 65536,
    /* More than this after the last line feed is no torn record but a file of something else. */
    TORN_BYTES_MAX = 16 << 20,
};

/* A killed predecessor's last request can hold the lock for a moment after its end. */
static const uint64_t lock_wait_ns = 500 * NS_PER_MS;

static int read_at(int fd, char *buf, uint64_t from, uint64_t len)
{
    for (uint64_t got = 0; got < len;) {
        const ssize_t n = pread(fd, buf + got, len - got, (off_t)(from + got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        got += (uint64_t)n;
    }
    return 0;
}

static bool is_text(char c)
{
    return c != '\0';
}

static bool is_feed(char c)
{
    return c == '\n';
}

/* The end of the last byte before `end` that `matches`; 0 when there is none. */
static int scan_back(int fd, uint64_t end, bool (*matches)(char), uint64_t *ret)
{
    char buf[SCAN_BYTES];

    for (*ret = 0; end > 0;) {
        const uint64_t len = end < sizeof buf ? end : sizeof buf;
        const int r = read_at(fd, buf, end - len, len);

        if (r < 0)
            return r;
        for (uint64_t i = len; i > 0; i--) {
            if (matches(buf[i - 1])) {
                *ret = end - len + i;
                return 0;
            }
        }
        end -= len;
    }
    return 0;
}

/* The end of the last stretch that the file system holds data of: reserved blocks are not read. */
static uint64_t data_end(int fd, uint64_t size)
{
    off_t end = 0;

    for (off_t data; (data = lseek(fd, end, SEEK_DATA)) >= 0;) {
        end = lseek(fd, data, SEEK_HOLE);
        if (end < 0)
            return size;
    }
    return errno == ENXIO && (uint64_t)end < size ? (uint64_t)end : size;
}

/* Where the next line goes. A torn record always leaves a NUL, where its line feed would be, so a
 * file without one at its end is taken as it is. */
static int find_end(int fd, uint64_t size, uint64_t *ret, struct err *e)
{
    uint64_t text;
    int r = scan_back(fd, data_end(fd, size), is_text, &text);

    *ret = text;
    if (r == 0 && text < size)
        r = scan_back(fd, text, is_feed, ret);
    if (r < 0)
        return err_sys(e, r, "read");
    if (text - *ret > TORN_BYTES_MAX)
        return err_set(e, -EBADMSG, "not a file of lines: no line feed in the last %" PRIu64 " bytes",
                       text - *ret);
    return 0;
}

/* Whether the line before `end` is to be ended first. */
static int look_for_feed(int fd, uint64_t end, bool *ret_lacks)
{
    char last = '\n';
    const int r = end ? read_at(fd, &last, end - 1, 1) : 0;

    *ret_lacks = !is_feed(last);
    return r;
}

/* Gives [from, to) blocks, so that storing there cannot fail. */
static int reserve(int fd, uint64_t from, uint64_t to)
{
    int r = 0;

    if (from < to) {
        do {
            r = fallocate(fd, 0, (off_t)from, (off_t)(to - from)) < 0 ? -errno : 0;
        } while (r == -EINTR);
    }
    if (r != -EOPNOTSUPP)
        return r;
    /* This file system only knows blocks that were written. */
    return -posix_fallocate(fd, (off_t)from, (off_t)(to - from));
}

/* There is no mapping of no bytes. */
static int map_size(struct mmap_file *f, uint64_t size)
{
    void *map = NULL;

    if (size && f->map)
        map = mremap(f->map, f->size, size, MREMAP_MAYMOVE);
    else if (size)
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    else if (f->map)
        CHECK(munmap(f->map, f->size) == 0);
    if (map == MAP_FAILED)
        return -errno;
    f->map = map;
    f->size = size;
    return 0;
}

bool mmap_file_is_full(int r)
{
    return r == -ENOSPC || r == -EDQUOT;
}

int mmap_file_resize(struct io *io, struct mmap_file *f, uint64_t keep, uint64_t size)
{
    int r = io_ftruncate(io, f->fd, (int64_t)size);

    if (r == 0)
        r = reserve(f->fd, keep, size);
    if (r < 0) {
        (void)io_ftruncate(io, f->fd, (int64_t)f->size); /* should it fail too, there are NULs to spare */
        return r;
    }
    return map_size(f, size);
}

/* The room behind the lines is there for speed alone: where the disk has none, the next batch asks again. */
static int resize_or_end(struct io *io, struct mmap_file *f, uint64_t end, uint64_t size)
{
    const int r = mmap_file_resize(io, f, end, size);

    return mmap_file_is_full(r) ? mmap_file_resize(io, f, end, end) : r;
}

int mmap_file_cut(struct io *io, struct mmap_file *f, uint64_t end)
{
    const uint64_t size = f->size;
    bool lacks_feed = false;
    int r = io_ftruncate(io, f->fd, (int64_t)end);

    if (r == 0)
        r = look_for_feed(f->fd, end, &lacks_feed);
    if (r < 0)
        return r;
    f->lacks_feed = lacks_feed;
    f->written = f->stored = end;
    if (f->flushed > end)
        f->flushed = end;
    return resize_or_end(io, f, end, size);
}

int mmap_file_mend(struct mmap_file *f)
{
    if (!f->has_holes)
        return 0;
    void *const map = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    CHECK(munmap(f->map, f->size) == 0);
    f->map = map;
    f->has_holes = false;
    return 0;
}

/* Tells a file from a later one that was given the same inode number; 0 where it is not recorded. */
static uint64_t birth_ns(int fd)
{
    struct statx stx;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) < 0 || !(stx.stx_mask & STATX_BTIME))
        return 0;
    return (uint64_t)stx.stx_btime.tv_sec * NS_PER_S + stx.stx_btime.tv_nsec;
}

static void file_drop(struct mmap_file *f)
{
    if (f->map)
        CHECK(munmap(f->map, f->size) == 0);
    if (f->fd >= 0)
        (void)close(f->fd);
    *f = (struct mmap_file){ .fd = -1 };
}

static int file_prepare(struct io *io, struct mmap_file *f, uint64_t size, struct err *e)
{
    struct stat st;
    uint64_t end;
    int r = io_lock(io, f->fd, lock_wait_ns);

    if (r < 0)
        return r == -EBUSY ? err_set(e, r, "another process writes to it") : err_sys(e, r, "flock");
    r = io_fstat(io, f->fd, &st);
    if (r < 0)
        return err_sys(e, r, "fstat");
    if (!S_ISREG(st.st_mode))
        return err_set(e, -EINVAL, "not a regular file");
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->birth_ns = birth_ns(f->fd);
    f->size = (uint64_t)st.st_size;
    r = find_end(f->fd, f->size, &end, e);
    if (r < 0)
        return r;
    r = look_for_feed(f->fd, end, &f->lacks_feed);
    if (r < 0)
        return err_sys(e, r, "read");
    if (size < end)
        size = end;
    if (end < f->size)
        r = io_ftruncate(io, f->fd, (int64_t)end);
    if (r == 0)
        r = resize_or_end(io, f, end, size);
    if (r < 0)
        return err_sys(e, r, "cannot be given %" PRIu64 " bytes", size);
    f->written = f->stored = f->flushed = end;
    return 0;
}

int mmap_file_open(struct io *io, const char *path, uint64_t size, struct mmap_file *f, struct err *e)
{
    int r;

    *f = (struct mmap_file){ .fd = -1 };
    r = io_open(io, path, O_RDWR | O_CREAT | O_NOCTTY | O_NONBLOCK, 0644);
    if (r < 0)
        return err_sys(e, r, "open %s", path);
    f->fd = r;
    r = file_prepare(io, f, size, e);
    if (r == 0)
        return 0;
    file_drop(f);
    return err_wrap(e, r, "%s", path);
}

int mmap_file_close(struct io *io, struct mmap_file *f, bool flush)
{
    const int fd = f->fd;
    struct stat st;
    int r, closed;

    if (fd < 0)
        return 0;
    f->fd = -1;
    if (f->map)
        CHECK(munmap(f->map, f->size) == 0);
    f->map = NULL;
    r = io_fstat(io, fd, &st);
    if (r == 0 && (uint64_t)st.st_size > f->written)
        r = io_ftruncate(io, fd, (int64_t)f->written);
    if (r == 0 && flush && fdatasync(fd) < 0)
        r = -errno;
    closed = io_close(io, fd);
    r = r < 0 ? r : closed;
    return r;
}

/* ---- a file that was moved away ---- */

/* Its name, or -ENOENT. */
static int find_inode(const char *directory, uint64_t ino, char *ret, size_t size)
{
    auto_dir d = opendir(directory);
    const struct dirent *entry;

    if (!d)
        return -errno;
    while ((errno = 0, entry = readdir(d)) != NULL) {
        if (entry->d_ino != ino)
            continue;
        return snprintf(ret, size, "%s/%s", directory, entry->d_name) < (int)size ? 0 : -ENAMETOOLONG;
    }
    return errno ? -errno : -ENOENT;
}

static int cut_moved(struct io *io, int fd, const struct mmap_file *moved, uint64_t end)
{
    struct stat st;
    int r = io_fstat(io, fd, &st);

    if (r < 0 || !S_ISREG(st.st_mode) || st.st_dev != moved->dev || st.st_ino != moved->ino ||
        birth_ns(fd) != moved->birth_ns || (uint64_t)st.st_size <= end)
        return r;
    r = io_lock(io, fd, lock_wait_ns);
    return r < 0 ? r : io_ftruncate(io, fd, (int64_t)end);
}

int mmap_file_cut_moved(struct io *io, const char *path, const struct mmap_file *moved, uint64_t end, struct err *e)
{
    const char *const slash = strrchr(path, '/');
    char directory[PATH_MAX], name[PATH_MAX];

    if (!moved->ino || !moved->birth_ns)
        return 0;
    (void)snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path + (slash == path)) : 1,
                   slash ? path : ".");
    int r = find_inode(directory, moved->ino, name, sizeof name);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return err_sys(e, r, "look in %s for the file that was %s", directory, path);
    const int fd = io_open(io, name, O_RDWR | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0);
    r = fd < 0 ? fd : cut_moved(io, fd, moved, end);
    if (fd >= 0) {
        const int closed = io_close(io, fd);
        r = r < 0 ? r : closed;
    }
    return r < 0 ? err_sys(e, r, "cut %s, which was %s, at %" PRIu64, name, path, end) : 0;
}
