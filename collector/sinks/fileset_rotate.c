/* Leaving one file for the next. Each step leaves names from which the next start finds its way: see the
 * order in fileset.h. */
#include "collector/sinks/fileset.h"
#include "collector/sinks/fileset_private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool fileset_rotation_due(struct fileset *f, uint64_t bytes)
{
    if (f->fd < 0 || f->is_device)
        return false;
    if (f->rotate_at_ns != INT64_MAX) {
        const int64_t now = fileset_real_ns();
        const int64_t interval = (int64_t)f->cfg.interval_ns;
        /* an empty file is never rotated, and a clock set back must not keep one open for long */
        if (f->size == 0 ? now >= f->rotate_at_ns : f->rotate_at_ns - now > interval)
            fileset_schedule(f, now);
        if (f->size && now >= f->rotate_at_ns)
            f->is_rotation_due = true;
    }
    if (f->size == 0)
        f->is_rotation_due = false;
    else if (f->cfg.max_bytes && bytes && f->size + bytes > f->cfg.max_bytes)
        f->is_rotation_due = true;
    return f->is_rotation_due && (int64_t)clock_mono_ns() >= f->retry_at_ns;
}

uint64_t fileset_room(struct fileset *f)
{
    const uint64_t max = f->cfg.max_bytes;
    if (!max || f->is_device)
        return UINT64_MAX;
    return f->size < max ? max - f->size : max; /* a full file is left before the next batch */
}

static void leave(struct fileset *f, int fd)
{
    const int r = io_close(f->sink->io, fd);
    if (r < 0) /* network file systems report lost writes here; nothing can be repeated any more */
        fileset_warn(f, r, "close", f->live);
    f->is_rotation_due = false;
    f->is_tidy_due = true;
}

static void forget(struct fileset *f)
{
    f->fd = -1;
    f->dev = f->ino = f->size = 0;
    f->tail_len = 0;
    f->is_unsynced = false;
    f->has_leftover = false;
    f->is_mark_due = true;
    f->rotate_at_ns = INT64_MAX;
}

int fileset_open_dated(struct fileset *f)
{
    char path[PATH_MAX];
    int r = archive_dated_name(&f->names, f->sink->io, fileset_real_ns(), path, sizeof path);
    if (r < 0)
        return r;
    const int fd = fileset_open_file(f, path, O_EXCL);
    if (fd < 0)
        return fd;
    r = fileset_adopt(f, fd);
    if (r < 0) {
        (void)io_close(f->sink->io, fd);
        (void)io_unlink(f->sink->io, path); /* empty; if it stays, retention removes it */
        return r;
    }
    (void)snprintf(f->live, sizeof f->live, "%s", path);
    return 0;
}

static int rotate_dated(struct fileset *f, bool open_next)
{
    const int old = f->fd;
    if (open_next) {
        const int r = fileset_open_dated(f);
        if (r < 0)
            return r;
    } else {
        forget(f);
    }
    leave(f, old);
    return 0;
}

static int rotate_numbered(struct fileset *f)
{
    char first[PATH_MAX], name[PATH_MAX];
    struct err e;
    const int old = f->fd;
    (void)snprintf(name, sizeof name, "%s.1", f->names.stem);
    int r = archive_path(&f->names, name, first, sizeof first);
    if (r == 0)
        r = fileset_drop_duplicates(f);
    if (r == 0)
        r = archive_shift(&f->names, f->sink->io, &e);
    if (r == 0)
        r = io_rename(f->sink->io, f->live, first);
    if (r < 0)
        return r;
    r = fileset_open_live(f);
    if (r < 0) {
        const int back = io_rename(f->sink->io, first, f->live);
        if (back < 0) /* the descriptor is still good; the live name comes back with the next look */
            fileset_warn(f, back, "rename back to", f->live);
        return r;
    }
    leave(f, old);
    return 0;
}

int fileset_rotate_now(struct fileset *f, bool open_next)
{
    CHECK(f->fd >= 0);
    return f->cfg.is_dated ? rotate_dated(f, open_next) : rotate_numbered(f);
}

int fileset_reopen_now(struct fileset *f)
{
    struct stat st;
    f->is_reopen_due = false;
    if (f->fd < 0)
        return 0;
    int r = io_stat(f->sink->io, f->live, &st);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && st.st_ino == f->ino && st.st_dev == f->dev)
        return 0;
    const int old = f->fd;
    if (f->cfg.is_dated) {
        forget(f);
    } else {
        r = fileset_open_live(f);
        if (r < 0) {
            f->is_reopen_due = true;
            return r;
        }
    }
    leave(f, old);
    return 0;
}
