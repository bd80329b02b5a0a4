#include "lib/ring/ringdir.h"

#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static int set(struct ringdir *ret, bool in_tmp, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int set(struct ringdir *ret, bool in_tmp, struct err *e, const char *fmt, ...)
{
    struct ringdir d = {.in_tmp = in_tmp};
    char path[RINGDIR_PATH_MAX], here[RINGDIR_PATH_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(path, sizeof path, fmt, ap);
    va_end(ap);
    const bool is_relative = path[0] != '/' && getcwd(here, sizeof here);
    if (n >= 0 && (size_t)n < sizeof path)
        n = snprintf(d.path, sizeof d.path, "%s%s%s", is_relative ? here : "", is_relative ? "/" : "", path);
    if (n < 0 || (size_t)n >= sizeof d.path)
        return err_set(e, -ENAMETOOLONG, "ring directory: the path is longer than %d bytes",
                       RINGDIR_PATH_MAX - 1);
    *ret = d;
    return 0;
}

static bool is_ours(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 022) == 0;
}

int ringdir_choose(struct ringdir *ret, const char *given, struct err *e)
{
    const char *text = given && *given ? given : secure_getenv("FAPILOG_RING_DIR");
    if (text && *text)
        return set(ret, false, e, "%s", text);
    struct ringdir run;
    const unsigned uid = (unsigned)geteuid();
    if (set(&run, false, e, "/run/fapilog/%u", uid) == 0 && is_ours(run.path)) {
        *ret = run;
        return 0;
    }
    text = secure_getenv("XDG_RUNTIME_DIR");
    if (text && *text && is_ours(text))
        return set(ret, false, e, "%s/fapilog", text);
    return set(ret, true, e, "/tmp/fapilog-%u", uid);
}

/* The kernel calls a link "not a directory". */
static int explain_open(const char *path, int r, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
        return err_set(e, r, "ring directory: %s is a symbolic link: name the directory that it leads to", path);
    return err_sys(e, r, "ring directory: open %s", path);
}

int ringdir_open(const struct ringdir *dir, bool create, struct err *e)
{
    if (create && mkdir(dir->path, dir->in_tmp ? 0700 : 0750) < 0 && errno != EEXIST) {
        const int r = err_sys(e, -errno, "ring directory: make %s", dir->path);
        if (r == -ENOENT)
            return err_wrap(e, r, "the directory above it must be there");
        return err_wrap(e, r, "FAPILOG_RING_DIR can name another one");
    }
    auto_fd fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return explain_open(dir->path, -errno, e);
    if (st.st_uid != geteuid())
        return err_set(e, -EPERM, "ring directory: %s belongs to uid %u, not to us (uid %u)", dir->path,
                           (unsigned)st.st_uid, (unsigned)geteuid());
    const unsigned mode = st.st_mode & 07777;
    if ((mode & 022) && (mode & S_ISVTX))
        return err_set(e, -EPERM, "ring directory: %s is writable by others (mode %o, want 0750 or less): name one "
                           "of your own, which may lie below it", dir->path, mode);
    if (mode & 022)
        return err_set(e, -EPERM, "ring directory: %s is writable by others (mode %o, want 0750 or less): "
                           "chmod go-w %s", dir->path, mode, dir->path);
    return take_fd(fd);
}

bool ringdir_in_memory(int dir_fd)
{
    struct statfs fs;
    return fstatfs(dir_fd, &fs) == 0 &&
           (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC);
}
