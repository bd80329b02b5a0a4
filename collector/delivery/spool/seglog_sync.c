/* Files are forced to disk while groups are written: on a disk that is busy it takes a hundred milliseconds and more,
 * for which whoever spools would stand still. */
#include "collector/delivery/spool/seglog.h"

#include "lib/base/cleanup.h"

#include <errno.h>

enum { NONE = SEGLOG_SYNCS }; /* of indices into syncs[] */

static unsigned sync_of(const struct seglog *l, int fd)
{
    unsigned i = 0;
    while (i < SEGLOG_SYNCS && !(l->syncs[i].log && l->syncs[i].fd == fd))
        i++;
    return i;
}

static unsigned sync_unused(const struct seglog *l)
{
    unsigned i = 0;
    while (i < SEGLOG_SYNCS && l->syncs[i].log)
        i++;
    return i;
}

bool seglog_is_syncing(const struct seglog *l, int fd)
{
    return sync_of(l, fd) != NONE;
}

bool seglog_has_sync(const struct seglog *l)
{
    for (unsigned i = 0; i < SEGLOG_SYNCS; i++)
        if (l->syncs[i].log)
            return true;
    return false;
}

static void on_synced(struct io_req *req, int result)
{
    struct seglog_sync *y = req->owner;
    struct seglog *l = y->log;
    if (result < 0 || l->sync_result == 0)
        l->sync_result = result < 0 ? result : 1;
    if (y->is_again) {
        y->is_again = false;
        io_submit(l->io, req);
        return;
    }
    y->log = NULL;
    if (y->is_rolled)
        (void)io_close(l->io, y->fd); /* an error was told by the sync */
    else if (y->fd == l->fd)
        l->is_dirty |= result < 0;
    else
        l->must_sync_dir |= result < 0;
}

static void sync_start(struct seglog *l, struct seglog_sync *y, enum io_op op, int fd)
{
    *y = (struct seglog_sync){
        .log = l, .fd = fd, .req = { .op = op, .fd = fd, .buf_index = -1, .done = on_synced, .owner = y },
    };
    io_submit(l->io, &y->req);
}

int seglog_roll(struct seglog *l)
{
    unsigned i = sync_of(l, l->fd);
    if (i != NONE) {
        l->syncs[i].is_again = l->is_dirty;
        l->syncs[i].is_rolled = true;
    } else if (l->is_dirty) {
        if ((i = sync_unused(l)) == NONE)
            return -EBUSY;
        sync_start(l, &l->syncs[i], IO_FDATASYNC, l->fd);
        l->syncs[i].is_rolled = true;
    } else {
        (void)io_close(l->io, l->fd);
    }
    l->fd = -1;
    l->is_dirty = false;
    l->sync_due_ns = 0;
    return 0;
}

/* The timer has something to do. */
static bool is_waiting(const struct seglog *l)
{
    return l->sync == SINK_SYNC_INTERVAL && l->fd >= 0 && l->step == SEGLOG_IDLE && (l->is_dirty || l->must_sync_dir);
}

/* The directory first, then the file. One that is on its way to the disk already is waited for. */
static unsigned timers_sync(const struct seglog *l)
{
    return seglog_is_syncing(l, l->must_sync_dir ? l->dir_fd : l->fd) ? NONE : sync_unused(l);
}

int seglog_tick(struct seglog *l, uint64_t now_ns)
{
    const int r = l->sync_result;
    l->sync_result = 0;
    if (l->sync != SINK_SYNC_INTERVAL || l->fd < 0 || l->step != SEGLOG_IDLE)
        return r;
    if (!is_waiting(l))
        l->sync_due_ns = 0;
    else if (!l->sync_due_ns)
        l->sync_due_ns = now_ns + l->sync_interval_ns;
    if (!l->sync_due_ns || now_ns < l->sync_due_ns)
        return r;
    const bool is_dir = l->must_sync_dir;
    const unsigned i = timers_sync(l);
    if (i == NONE)
        return r;
    sync_start(l, &l->syncs[i], is_dir ? IO_FSYNC : IO_FDATASYNC, is_dir ? l->dir_fd : l->fd);
    l->sync_due_ns = is_dir ? now_ns : 0; /* the file itself is next */
    if (is_dir)
        l->must_sync_dir = false;
    else
        l->is_dirty = false;
    return r;
}

uint64_t seglog_deadline(const struct seglog *l)
{
    return is_waiting(l) && l->sync_due_ns && timers_sync(l) != NONE ? l->sync_due_ns : UINT64_MAX;
}
