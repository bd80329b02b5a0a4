#include "collector/delivery/commit_away.h"

#include "collector/delivery/commit.h"
#include "collector/delivery/state_dir.h"
#include "lib/base/cleanup.h"
#include "lib/ring/boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* Names are 16 hex digits of chance; where the rings and the link among them do not outlive this boot of the machine,
 * 8 digits of it stand in front. */
enum { CHANCE_DIGITS = 16, BOOT_DIGITS = 8 };

/* 0: unknown. */
static uint32_t this_boot(void)
{
    uint64_t id[2];
    boot_id(id);
    const uint64_t both = id[0] ^ id[1];
    return (uint32_t)(both ^ both >> 32);
}

/* The boot that ends the life of a file in that directory; 0: it lives on, or nobody knows. */
static uint32_t boot_of(const char *dir)
{
    struct statfs fs;
    return statfs(dir, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC) ? this_boot() : 0;
}

/* Of a boot that is over. */
static bool is_left_over(const char *name, uint32_t boot)
{
    static const char prefix[] = COMMIT_FILE ".";
    const char *const digits = name + sizeof prefix - 1;
    char of[BOOT_DIGITS + 1] = "";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    const size_t len = strspn(digits, "0123456789abcdef");
    if (len != BOOT_DIGITS + CHANCE_DIGITS || (digits[len] && strcmp(digits + len, ".new") != 0))
        return false;
    memcpy(of, digits, BOOT_DIGITS);
    return strtoul(of, NULL, 16) != boot;
}

void commit_away_tidy(const char *given)
{
    char path[PATH_MAX];
    const char *source;
    struct err unsaid;
    struct stat st;
    const uint32_t boot = this_boot();
    DIR *const d = boot && state_dir_choose(given, path, &source, &unsaid) == 0 ? opendir(path) : NULL;
    for (const struct dirent *entry; d && (entry = readdir(d));) {
        if (is_left_over(entry->d_name, boot) && fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && st.st_uid == geteuid())
            (void)unlinkat(dirfd(d), entry->d_name, 0);
    }
    if (d)
        (void)closedir(d);
}

int commit_away_choose(const char *given, const char *rings, char ret[PATH_MAX], struct err *e)
{
    const uint32_t boot = boot_of(rings);
    char of[BOOT_DIGITS + 1] = "";
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
    if (boot)
        (void)snprintf(of, sizeof of, "%0*" PRIx32, BOOT_DIGITS, boot);
    if (snprintf(ret, PATH_MAX, "%s/" COMMIT_FILE ".%s%0*" PRIx64, dir, of, CHANCE_DIGITS, name) >= PATH_MAX)
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
