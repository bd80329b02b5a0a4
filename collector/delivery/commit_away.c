#include "collector/delivery/commit_away.h"

#include "collector/delivery/commit.h"
#include "collector/delivery/state_dir.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

int commit_away_choose(const char *given, char ret[PATH_MAX], struct err *e)
{
    char dir[PATH_MAX];
    const char *source;
    uint64_t name;
    int r = state_dir_choose(given, dir, &source, e);
    if (r == 0)
        r = state_dir_make(dir, e);
    if (r < 0)
        return r;
    if (getrandom(&name, sizeof name, GRND_NONBLOCK) != (ssize_t)sizeof name)
        return err_sys(e, -errno, "state_dir: random name");
    if (snprintf(ret, PATH_MAX, "%s/" COMMIT_FILE ".%016" PRIx64, dir, name) >= PATH_MAX)
        return err_set(e, -ENAMETOOLONG, "state_dir: %s: path too long", dir);
    return 0;
}

int commit_away_link(const char *link, const char *path, struct err *e)
{
    char link_new[PATH_MAX + 8];
    (void)snprintf(link_new, sizeof link_new, "%s.new", link);
    (void)unlink(link_new); /* of a predecessor that was killed here */
    if (symlink(path, link_new) < 0)
        return err_sys(e, -errno, "make a link to %s", path);
    if (rename(link_new, link) < 0) {
        const int r = -errno;
        (void)unlink(link_new);
        return err_sys(e, r, "rename %s to %s", link_new, link);
    }
    return 0;
}

int commit_away_open(const char *link, char ret[PATH_MAX], struct err *e)
{
    struct stat st;
    const ssize_t len = readlink(link, ret, PATH_MAX - 1);
    if (len < 0)
        return err_sys(e, -errno, "read link %s", link);
    ret[len] = '\0';
    auto_fd fd = open(ret, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        const int r = err_sys(e, -errno, "open %s, where the link %s leads", ret, link);
        return err_wrap(e, r, "bring it back, or remove the link to start over (records may repeat)");
    }
    if (st.st_uid != geteuid())
        return err_set(e, -EPERM, "%s, where the link %s leads, belongs to uid %u", ret, link, (unsigned)st.st_uid);
    return take_fd(fd);
}
