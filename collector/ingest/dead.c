#include "collector/ingest/dead.h"

#include "lib/base/cleanup.h"

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

static DIR *open_dir(int dir_fd)
{
    auto_fd fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d)
        fd = -1; /* the stream owns it */
    return d;
}

void dead_prune(int dir_fd, uint64_t keep)
{
    auto_dir dir = open_dir(dir_fd);
    auto_free struct dead_file *all = NULL;
    size_t count = 0, cap = 0;
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        struct stat st;
        if (!is_dead_name(entry->d_name) || fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (count == cap) {
            cap = cap ? cap * 2 : 64;
            struct dead_file *more = realloc(all, cap * sizeof *all);
            if (!more)
                return;
            all = more;
        }
        all[count].renamed = st.st_ctim;
        (void)snprintf(all[count++].name, sizeof all->name, "%s", entry->d_name);
    }
    if (count <= keep)
        return;
    qsort(all, count, sizeof *all, newest_first);
    for (size_t i = keep; i < count; i++)
        (void)unlinkat(dir_fd, all[i].name, 0);
}
