#include "collector/daemon/check.h"

#include "collector/daemon/chain.h"
#include "collector/daemon/endpoint.h"
#include "collector/daemon/private_dirs.h"
#include "collector/daemon/say.h"
#include "collector/delivery/state_dir.h"
#include "lib/base/str.h"
#include "lib/ring/ringdir.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the start would say of it; it need not be there yet. Whoever checks may be somebody else than the collector. */
static void try_rings(const struct options *o, const struct ringdir *dir)
{
    struct err why = { 0 };
    char text[ERR_TEXT_MAX + 64];
    if (o->privileges.is_done)
        return;
    const int fd = ringdir_open(dir, false, &why);
    if (fd >= 0) {
        (void)close(fd);
    } else if (fd != -ENOENT) {
        (void)snprintf(text, sizeof text, "%s; looked at as uid %u", why.text, (unsigned)geteuid());
        say_line(stderr, text);
    }
}

/* Where nobody gives a directory; one that root would make for the user does not have to be there. */
static int print_rings(const struct options *o, const struct config *c, FILE *f, struct err *e)
{
    char path[PATH_MAX];
    struct ringdir dir;
    const int r = ringdir_choose(&dir, c->settings.rings, e);
    const char *env = env_text("FAPILOG_RING_DIR");
    if (r == 0)
        try_rings(o, &dir);
    if (r == 0 && !c->settings.rings)
        (void)fprintf(f, "rings = %s  # %s\n",
                      o->privileges.is_done ? private_dirs_rings(c, &o->privileges.user, path) : dir.path,
                      env ? "FAPILOG_RING_DIR" : "default");
    return r;
}

/* One that is missing is made by root for the user, or told at the start. */
static void try_state(const struct options *o, const char *path)
{
    struct err why = { 0 };
    struct stat st;
    char text[ERR_TEXT_MAX + 64];
    if (o->privileges.is_done && stat(path, &st) < 0 && errno == ENOENT)
        return;
    if (state_dir_try(path, &why) == 0)
        return;
    (void)snprintf(text, sizeof text, "%s; looked at as uid %u", why.text, (unsigned)geteuid());
    say_line(stderr, text);
}

/* Spools and dead letters: whoever looks for them should not have to go through the rules. */
static int print_state(const struct options *o, const struct config *c, FILE *f, struct err *e)
{
    char path[PATH_MAX];
    const char *source = "default", *given = c->settings.delivery.state_dir;
    if (!config_has_remote_sink(c))
        return 0;
    if (!(o->privileges.is_done && private_dirs_state(c, &o->privileges.user, path))) {
        const int r = state_dir_choose(given, path, &source, e);
        if (r < 0)
            return err_wrap(e, r, "state directory");
    }
    try_state(o, path);
    if (!given) /* else it stands among the settings */
        (void)fprintf(f, "state_dir = %s  # %s\n", path, source);
    return 0;
}

/* The directory, or the nearest one above it that is there. */
static char *nearest(char *path)
{
    struct stat st;
    while (stat(path, &st) < 0 && errno == ENOENT && strcmp(path, "/") != 0 && strcmp(path, ".") != 0)
        path = dirname(path);
    return path;
}

/* Whether a file there can be written or made, or files in that directory; 0 or -errno. */
static int try_output(const char *path, bool makes_parents, struct err *why)
{
    char above[PATH_MAX];
    struct stat st;
    (void)snprintf(above, sizeof above, "%s", path);
    const bool is_there = stat(path, &st) == 0;
    if (!is_there && errno != ENOENT)
        return err_sys(why, -errno, "%s", path);
    if (is_there && !S_ISDIR(st.st_mode))
        return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? err_sys(why, -errno, "%s", path) : 0;
    char *at = is_there ? above : dirname(above);
    const bool has_parent = access(at, F_OK) == 0;
    if (makes_parents)
        at = nearest(at);
    const int r = directory_try(at);
    if (r == 0)
        return 0;
    return err_sys(why, r, "%s%s", has_parent ? "make files in " : makes_parents ? "make directories in " : "", at);
}

/* A warning only: it may be mended before the start, and a directory that is missing root makes for the user. */
static void try_outputs(const struct options *o, struct sink *s)
{
    const struct opt *rows;
    void *cfg;
    for (unsigned i = 0; (rows = sink_table(s, i, &cfg)); i++)
        for (; rows->type != OPT_END_ROW; rows++) {
            char text[ERR_TEXT_MAX + 400];
            struct err why = { 0 };
            const char *const *path = (const char *const *)(const void *)((const char *)cfg + rows->offset);
            const int r = rows->flags & (OPT_OUTPUT | OPT_OUTPUT_DIR) && *path
                              ? try_output(*path, rows->flags & OPT_PARENTS, &why) : 0;
            if (r == 0 || (r == -ENOENT && o->privileges.is_done))
                continue;
            (void)snprintf(text, sizeof text, "sinks.%s.%s: %s; looked at as uid %u", s->common.name, rows->name,
                           why.text, (unsigned)geteuid());
            say_line(stderr, text);
        }
}

int check_write(const struct options *o, FILE *f, struct err *e)
{
    struct config c;
    const struct user *u = &o->privileges.user;
    int r = config_load(&o->args, &c, e);
    if (r < 0) {
        say_problems(stderr, e);
        return r;
    }
    for (unsigned i = 0; i < c.warnings_count; i++)
        say_line(stderr, c.warning[i]);
    if (c.settings.user && u->uid != geteuid())
        (void)fprintf(stderr, "fapilog-collector: user: only root can become %s; checked as uid %u\n", u->name,
                      (unsigned)geteuid());
    for (uint32_t i = 0; i < c.sinks_count; i++)
        try_outputs(o, c.sink[i]);
    r = endpoint_check(&c, e);
    if (r == 0)
        r = chain_try(&c, e);
    if (r == 0)
        r = print_rings(o, &c, f, e);
    if (r == 0)
        r = print_state(o, &c, f, e);
    if (r == 0)
        config_print(&c, f);
    config_free(&c);
    return r;
}
