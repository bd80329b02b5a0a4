#include "collector/delivery/state_dir.h"

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define ANOTHER "another one is given by state_dir or FAPILOG_STATE_DIR"

static int set(char ret[PATH_MAX], const char **ret_source, const char *source, struct err *e, const char *dir,
               const char *below)
{
    *ret_source = source;
    if (snprintf(ret, PATH_MAX, "%s%s", dir, below) >= PATH_MAX - 256) /* names go behind it */
        return err_set(e, -ENAMETOOLONG, "%s: '%.64s...' is too long for a directory", source, dir);
    if (ret[0] != '/')
        return err_set(e, -EINVAL, "%s: '%s' is not an absolute path", source, dir);
    return 0;
}

int state_dir_choose(const char *given, char ret[PATH_MAX], const char **ret_source, struct err *e)
{
    const char *dir;
    if (given && *given)
        return set(ret, ret_source, "state_dir", e, given, "");
    if ((dir = env_text("FAPILOG_STATE_DIR")))
        return set(ret, ret_source, "FAPILOG_STATE_DIR", e, dir, "");
    if ((dir = env_text("STATE_DIRECTORY"))) {
        const int r = set(ret, ret_source, "STATE_DIRECTORY", e, dir, "");
        ret[strcspn(ret, ":")] = '\0';
        return r;
    }
    if (geteuid() == 0)
        return set(ret, ret_source, "the default for root", e, "/var/lib/fapilog", "");
    if ((dir = env_text("XDG_STATE_HOME")))
        return set(ret, ret_source, "XDG_STATE_HOME", e, dir, "/fapilog");
    if ((dir = env_text("HOME")))
        return set(ret, ret_source, "HOME", e, dir, "/.local/state/fapilog");
    return err_set(e, -ENOENT, "state_dir: no directory for spools and dead letters: neither FAPILOG_STATE_DIR, "
                               "STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set");
}

int state_dir_make(const char *path, struct err *e)
{
    char part[PATH_MAX];
    struct stat st;
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        (void)mkdir(part, 0755); /* the last one tells */
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_wrap(e, err_sys(e, -errno, "state_dir: make directory %s", path), ANOTHER);
    if (stat(path, &st) < 0)
        return err_sys(e, -errno, "state_dir: %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(e, -ENOTDIR, "state_dir: %s is not a directory", path);
    if (access(path, W_OK | X_OK) < 0)
        return err_sys(e, -errno, "state_dir: write into %s; give another with FAPILOG_STATE_DIR", path);
    return 0;
}

/* Rights say nothing to root, who may do all and cannot make a file in /proc all the same. A name that is too long
 * shows it: it is made nowhere, and refused for its length only where others could be made. */
int directory_try(const char *path)
{
    char name[NAME_MAX + 2];
    auto_fd fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
        return -errno;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    if (mkdirat(fd, name, 0700) == 0) /* a file system without that bound */
        return unlinkat(fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
    return errno == ENAMETOOLONG ? 0 : -errno;
}

int state_dir_try(const char *path, struct err *e)
{
    char at[PATH_MAX];
    struct stat st;
    (void)snprintf(at, sizeof at, "%s", path);
    while (stat(at, &st) < 0) {
        char *slash = strrchr(at, '/');
        if (errno != ENOENT || !slash)
            return err_sys(e, -errno, "state_dir: %s", at);
        slash[slash == at] = '\0';
    }
    if (!S_ISDIR(st.st_mode))
        return err_set(e, -ENOTDIR, "state_dir: %s is not a directory", at);
    const int r = directory_try(at);
    if (r < 0)
        return err_wrap(e, err_sys(e, r, "state_dir: %s%s", strcmp(at, path) == 0 ? "" : "make directory ", path),
                        ANOTHER);
    return 0;
}

static int lock_refused(int fd, const char *path, struct err *e)
{
    char pid[24] = "";
    const ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return err_set(e, -EBUSY, "state_dir: %s: another collector is at work here (pid %s); each needs one of its own",
                   path, *pid ? pid : "unknown");
}

int state_dir_lock(const char *path, struct err *e)
{
    char file[PATH_MAX], pid[24];
    if (snprintf(file, sizeof file, "%s/" STATE_DIR_LOCK, path) >= (int)sizeof file)
        return err_set(e, -ENAMETOOLONG, "state_dir: %s: path too long", path);
    auto_fd fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, -errno, "state_dir: open %s", file);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return errno == EAGAIN || errno == EACCES ? lock_refused(fd, path, e)
                                                  : err_sys(e, -errno, "state_dir: lock %s", file);
    const int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    errno = 0;
    if ((ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) != len) && errno != ENOSPC && errno != EDQUOT)
        return err_sys(e, errno ? -errno : -EIO, "state_dir: write %s", file); /* no pid costs a message its end only */
    return take_fd(fd);
}
