#include "collector/daemon/private_dirs.h"

#include "collector/delivery/state_dir.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STATE_BELOW "/var/lib/fapilog/"

/* Of a path without links: each directory of it. */
static bool is_roots_alone(const char *real)
{
    char part[PATH_MAX];
    struct stat st;
    for (const char *end = real; end; end = strchr(end + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(end == real ? 1 : end - real), real);
        if (stat(part, &st) < 0 || st.st_uid != 0 || st.st_mode & 022)
            return false;
    }
    return stat(real, &st) == 0 && st.st_uid == 0 && !(st.st_mode & 022);
}

/* The directories that are there, without links; *ret_rest: what of the path comes behind them. NULL: unclear. */
static char *find_existing(const char *path, const char **ret_rest)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    for (;;) {
        (void)snprintf(part, sizeof part, "%.*s", (int)len, path);
        char *real = realpath(*part ? part : "/", NULL);
        *ret_rest = path + len;
        if (real || errno != ENOENT || !len)
            return real;
        while (len && path[len - 1] == '/')
            len--;
        while (len && path[len - 1] != '/')
            len--;
    }
}

static int make_one(const char *path, bool is_last, mode_t mode, const struct user *u, struct err *e)
{
    if (mkdir(path, is_last ? mode : 0755) < 0)
        return errno == EEXIST ? 0 : err_sys(e, -errno, "make directory %s", path);
    if (is_last && lchown(path, u->uid, u->gid) < 0)
        return err_sys(e, -errno, "give directory %s to user %s", path, u->name);
    return chmod(path, is_last ? mode : 0755) < 0 ? err_sys(e, -errno, "mode of directory %s", path) : 0; /* umask */
}

int private_dir_make(const char *path, mode_t mode, const struct user *u, struct err *e)
{
    char whole[2 * PATH_MAX];
    const char *rest;
    if (*path != '/' || strlen(path) >= PATH_MAX || strstr(path, "/../"))
        return 0;
    auto_free char *real = find_existing(path, &rest);
    rest += strspn(rest, "/");
    if (!real || !*rest || !is_roots_alone(real))
        return 0;
    size_t used = (size_t)snprintf(whole, sizeof whole, "%s", strcmp(real, "/") == 0 ? "" : real);
    int r = 0;
    while (*rest && r == 0) {
        const size_t len = strcspn(rest, "/");
        used += (size_t)snprintf(whole + used, sizeof whole - used, "/%.*s", (int)len, rest);
        rest += len;
        rest += strspn(rest, "/");
        r = make_one(whole, !*rest, mode, u, e);
    }
    return r;
}

const char *private_dirs_rings(const struct config *c, const struct user *u, char ret[PATH_MAX])
{
    const char *given = c->settings.rings && *c->settings.rings ? c->settings.rings : env_text("FAPILOG_RING_DIR");
    (void)snprintf(ret, PATH_MAX, "/run/fapilog/%u", (unsigned)u->uid);
    return given ? given : ret;
}

bool private_dirs_state(const struct config *c, const struct user *u, char ret[PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, STATE_BELOW "%s", u->name);
    return !c->settings.delivery.state_dir && !env_text("FAPILOG_STATE_DIR") && !env_text("STATE_DIRECTORY");
}

static int make_state(const struct config *c, const struct user *u, struct err *e)
{
    char path[PATH_MAX];
    const char *source, *given = c->settings.delivery.state_dir;
    if (private_dirs_state(c, u, path) && setenv("STATE_DIRECTORY", path, 1) < 0)
        return err_sys(e, -errno, "STATE_DIRECTORY");
    if (!config_has_remote_sink(c))
        return 0;
    const int r = state_dir_choose(given, path, &source, e);
    return r < 0 ? r : private_dir_make(path, 0700, u, e);
}

static int make_output(const struct opt *row, const void *cfg, const struct user *u, struct err *e)
{
    const char *const *member = (const char *const *)(const void *)((const char *)cfg + row->offset);
    char path[PATH_MAX];
    if (!*member || (size_t)snprintf(path, sizeof path, "%s", *member) >= sizeof path)
        return 0; /* which the sink refuses */
    if (row->flags & OPT_OUTPUT && strrchr(path, '/'))
        *strrchr(path, '/') = '\0';
    return *path ? private_dir_make(path, 0750, u, e) : 0;
}

static int make_outputs(struct sink *s, const struct user *u, struct err *e)
{
    const struct opt *rows;
    void *cfg;
    int r = 0;
    for (unsigned i = 0; (rows = sink_table(s, i, &cfg)); i++)
        for (; rows->type != OPT_END_ROW && r == 0; rows++)
            if (rows->flags & (OPT_OUTPUT | OPT_OUTPUT_DIR))
                r = make_output(rows, cfg, u, e);
    return r < 0 ? err_wrap(e, r, "sink %s", s->common.name) : 0;
}

int private_dirs_make(const struct config *c, const struct user *u, struct err *e)
{
    char path[PATH_MAX];
    int r = private_dir_make(private_dirs_rings(c, u, path), 0750, u, e);
    if (r == 0)
        r = make_state(c, u, e);
    for (uint32_t i = 0; i < c->sinks_count && r == 0; i++)
        r = make_outputs(c->sink[i], u, e);
    return r;
}
