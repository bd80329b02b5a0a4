#include "collector/ingest/dead.h"

#include "lib/base/cleanup.h"
#include "lib/base/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

struct dead_file {
    struct timespec renamed;
    char name[160];
};

static int newest_first(const void *a, const void *b)
{
    const struct dead_file *x = a, *y = b;
    if (x->renamed.tv_sec != y->renamed.tv_sec)
        return x->renamed.tv_sec < y->renamed.tv_sec ? 1 : -1;
    return (x->renamed.tv_nsec < y->renamed.tv_nsec) - (x->renamed.tv_nsec > y->renamed.tv_nsec);
}

static bool is_dead_name(const char *name)
{
    const size_t len = strlen(name), suffix = strlen(SEGMENT_DEAD_SUFFIX);
    return len > suffix && len < sizeof((struct dead_file *)0)->name &&
           !strcmp(name + len - suffix, SEGMENT_DEAD_SUFFIX);
}

static int names_read(int dir_fd, const char *dir, struct dead_file **all, uint32_t *count, struct err *e)
{
    auto_fd fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_dir stream = fd < 0 ? NULL : fdopendir(fd);
    uint32_t cap = 0;
    if (!stream)
        return err_sys(e, -errno, "open directory %s", dir);
    fd = -1; /* the stream owns it */
    for (const struct dirent *entry; (errno = 0, entry = readdir(stream));) {
        struct stat st;
        if (!is_dead_name(entry->d_name) || fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (grow((void **)all, &cap, *count + 1, sizeof **all) < 0)
            return err_set(e, -ENOMEM, "%s: out of memory", dir);
        struct dead_file *const f = &(*all)[(*count)++];
        f->renamed = st.st_ctim;
        memcpy(f->name, entry->d_name, strlen(entry->d_name) + 1); /* is_dead_name() */
    }
    return errno ? err_sys(e, -errno, "read directory %s", dir) : 0;
}

int dead_prune(int dir_fd, const char *dir, uint64_t keep, struct err *e)
{
    auto_free struct dead_file *all = NULL;
    uint32_t count = 0;
    int r = names_read(dir_fd, dir, &all, &count, e);
    if (r < 0 || count <= keep)
        return r;
    qsort(all, count, sizeof *all, newest_first);
    for (uint64_t i = keep; i < count; i++) {
        if (unlinkat(dir_fd, all[i].name, 0) < 0 && errno != ENOENT)
            r = err_sys(e, -errno, "remove %s/%s", dir, all[i].name);
    }
    return r;
}
