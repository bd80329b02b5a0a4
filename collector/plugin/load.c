/* From a path to a loaded object. What is loaded is the file whose owner and mode were looked at, not what its name
 * stands for a moment later: the dynamic linker gets it by its descriptor. */
#include "collector/plugin/internal.h"
#include "collector/plugin/plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct plugin *loaded; /* for the life of the process, as the lists that they are in */

struct plugin_block {
    struct plugin_block *next;
    _Alignas(max_align_t) char data[];
};

void *plugin_alloc(struct plugin *p, size_t bytes)
{
    struct plugin_block *b = calloc(1, sizeof *b + bytes);
    if (!b)
        return NULL;
    b->next = p->blocks;
    p->blocks = b;
    return b->data;
}

void plugin_free(struct plugin *p)
{
    for (struct plugin_block *b = p->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    if (p->handle)
        (void)dlclose(p->handle);
    if (p->fd >= 0)
        (void)close(p->fd);
    free(p);
}

/* Whoever may write to it may do what the collector may do. */
static int check_owner(const char *path, const struct stat *st, struct err *e)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return err_set(e, -EPERM, "%s: belongs to user %u: must be root's or that of the collector's user %u", path,
                       st->st_uid, geteuid());
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return err_set(e, -EPERM, "%s: others may write to it (mode %04o): chmod go-w", path, st->st_mode & 07777);
    return 0;
}

static int check_version(const struct plugin *p, struct err *e)
{
    const struct fapilog_plugin *api = p->api;
    if (api->major != FAPILOG_PLUGIN_MAJOR || api->minor > FAPILOG_PLUGIN_MINOR)
        return err_set(e, -EPROTONOSUPPORT, "%s: was built for version %u.%u of <fapilog/plugin.h>, this collector has "
                       "%d.%d: build it with the collector's header", p->path, api->major, api->minor,
                       FAPILOG_PLUGIN_MAJOR, FAPILOG_PLUGIN_MINOR);
    if (api->size < sizeof *api)
        return err_set(e, -EINVAL, "%s: fapilog_plugin has %u bytes, version 1.0 has %zu", p->path, api->size,
                       sizeof *api);
    if (!api->name || !*api->name || !api->version)
        return err_set(e, -EINVAL, "%s: fapilog_plugin has no name or version", p->path);
    return 0;
}

static int link_in(struct plugin *p, struct err *e)
{
    char fd_path[40];
    (void)snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", p->fd);
    p->handle = dlopen(fd_path, RTLD_NOW | RTLD_LOCAL);
    if (!p->handle) {
        const char *why = dlerror();
        return err_set(e, -ENOEXEC, "%s: cannot be loaded: %s", p->path, why ? why : "no reason given");
    }
    p->api = dlsym(p->handle, "fapilog_plugin");
    if (!p->api)
        return err_set(e, -ENOEXEC, "%s: is no plug-in: it exports no fapilog_plugin (see FAPILOG_PLUGIN() in "
                       "<fapilog/plugin.h>)", p->path);
    const int r = check_version(p, e);
    return r < 0 ? r : plugin_register(p, e);
}

static bool is_loaded(const struct stat *st)
{
    for (const struct plugin *p = loaded; p; p = p->next)
        if (p->dev == st->st_dev && p->ino == st->st_ino)
            return true;
    return false;
}

/* Takes fd. */
static int load_file(const char *path, int fd, const struct stat *st, struct err *e)
{
    if (is_loaded(st)) {
        (void)close(fd);
        return 0;
    }
    struct plugin *p = calloc(1, sizeof *p);
    if (!p) {
        (void)close(fd);
        return err_set(e, -ENOMEM, "%s: out of memory", path);
    }
    *p = (struct plugin){ .fd = fd, .dev = st->st_dev, .ino = st->st_ino };
    char *copy = plugin_alloc(p, strlen(path) + 1);
    int r = copy ? 0 : err_set(e, -ENOMEM, "%s: out of memory", path);
    if (r == 0) {
        p->path = memcpy(copy, path, strlen(path) + 1);
        r = link_in(p, e);
    }
    if (r < 0) {
        plugin_free(p);
        return r;
    }
    p->next = loaded;
    loaded = p;
    return 0;
}

static int is_plugin(const struct dirent *d)
{
    const size_t len = strlen(d->d_name);
    return d->d_name[0] != '.' && len > 3 && strcmp(d->d_name + len - 3, ".so") == 0;
}

static int load_path(const char *path, bool is_nested, struct err *e);

static int load_directory(const char *path, struct err *e)
{
    struct dirent **name;
    int r = 0;
    const int n = scandir(path, &name, is_plugin, alphasort);
    if (n < 0)
        return err_sys(e, -errno, "%s", path);
    for (int i = 0; i < n; i++) {
        char file[PATH_MAX];
        if (r == 0 && snprintf(file, sizeof file, "%s/%s", path, name[i]->d_name) >= (int)sizeof file)
            r = err_set(e, -ENAMETOOLONG, "%s/%s: path too long", path, name[i]->d_name);
        if (r == 0)
            r = load_path(file, true, e);
        free(name[i]);
    }
    free(name);
    return r;
}

static int load_path(const char *path, bool is_nested, struct err *e)
{
    struct stat st;
    if (*path != '/')
        return err_set(e, -EINVAL, "'%s' must be an absolute path", path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
    if (r < 0)
        (void)err_sys(e, r, "%s", path);
    else
        r = check_owner(path, &st, e);
    if (r == 0 && S_ISREG(st.st_mode))
        return load_file(path, fd, &st, e);
    if (r == 0 && S_ISDIR(st.st_mode) && !is_nested)
        r = load_directory(path, e);
    else if (r == 0)
        r = err_set(e, -EINVAL, "%s: is neither a file nor a directory of files", path);
    if (fd >= 0)
        (void)close(fd);
    return r;
}

int plugins_load(const struct opt_list *paths, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; i < paths->count && r == 0; i++)
        r = load_path(paths->item[i], false, e);
    return r;
}
