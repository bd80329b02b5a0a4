#include "bench/harness/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

/* nftw() passes no argument to its callback; the program walks one directory at a time. */
static struct walk {
    int (*file)(const char *path, const struct stat *st);
    const char *marker;
    int64_t sum;
} walk;

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return type == FTW_F && S_ISREG(st->st_mode) ? walk.file(path, st) : 0;
}

static int64_t walk_files(const char *dir, const char *what, struct err *e)
{
    walk.sum = 0;
    if (nftw(dir, visit, 16, FTW_PHYS) != 0)
        return err_sys(e, -errno, "%s %s", what, dir);
    return walk.sum;
}

static int sync_file(const char *path, const struct stat *st)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : fdatasync(fd);
}

int outputs_sync(const char *dir, struct err *e)
{
    walk.file = sync_file;
    return (int)walk_files(dir, "sync", e);
}

static int add_size(const char *path, const struct stat *st)
{
    walk.sum += st->st_size;
    return 0;
}

int64_t outputs_bytes(const char *dir, struct err *e)
{
    walk.file = add_size;
    return walk_files(dir, "measure", e);
}

static int latest_write(const char *path, const struct stat *st)
{
    const int64_t ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    if (ns > walk.sum)
        walk.sum = ns;
    return 0;
}

uint64_t outputs_quiet_ns(const char *dir)
{
    struct timespec now;
    walk.file = latest_write;
    const int64_t written = walk_files(dir, "look at", NULL);
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t quiet = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - written;
    return written > 0 && quiet > 0 ? (uint64_t)quiet : 0;
}

static int count_lines(const char *path, const struct stat *st)
{
    if (st->st_size == 0)
        return 0;
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const size_t len = (size_t)st->st_size, marker_len = strlen(walk.marker);
    char *text = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        return -1;
    const char *at = text, *end = text + len;
    while ((at = memmem(at, (size_t)(end - at), walk.marker, marker_len))) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            break; /* a torn last line was not delivered */
        walk.sum++;
        at = newline + 1;
    }
    return munmap(text, len);
}

int64_t outputs_count(const char *dir, const char *marker, struct err *e)
{
    walk.file = count_lines;
    walk.marker = marker;
    return walk_files(dir, "count records in", e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

int outputs_remove(const char *dir, struct err *e)
{
    if (nftw(dir, remove_one, 16, FTW_PHYS | FTW_DEPTH) != 0 && errno != ENOENT)
        return err_sys(e, -errno, "remove %s", dir);
    return 0;
}
