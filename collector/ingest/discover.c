#include "collector/ingest/discover.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#define RESCAN_PAUSE_NS NS_PER_S
#define ROOM_PAUSE_NS (100 * NS_PER_MS)

/* A name with a dot in front is a segment in the making, where the file system has no O_TMPFILE. */
static bool is_segment_name(const char *name)
{
    const size_t len = strlen(name), suffix = strlen(FAPILOG_SEGMENT_SUFFIX);
    return name[0] != '.' && len > suffix && !strcmp(name + len - suffix, FAPILOG_SEGMENT_SUFFIX);
}

static void try_attach(struct discover *d, const char *name)
{
    if (!is_segment_name(name))
        return;
    const int r = segments_attach(d->segments, name);
    if (r == -EMFILE || r == -ENFILE || r == -ENOMEM) {
        d->wants_scan = true;
        d->scan_at_ns = clock_mono_ns() + RESCAN_PAUSE_NS;
    }
}

static int scan(struct discover *d, struct err *e)
{
    auto_fd fd = openat(d->segments->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, -errno, "open %s", d->segments->dir);
    auto_dir dir = fdopendir(fd);
    if (!dir)
        return err_sys(e, -errno, "read %s", d->segments->dir);
    fd = -1; /* the stream owns it */
    const struct dirent *entry;
    segments_look_begin(d->segments);
    while ((errno = 0, entry = readdir(dir)))
        try_attach(d, entry->d_name);
    if (errno)
        return err_sys(e, -errno, "read directory %s", d->segments->dir);
    segments_look_end(d->segments);
    return 0;
}

/* A directory that somebody has open says nothing when it is removed; but our lock has to go first, and without it
 * we are not alone here any more. */
static bool is_farewell(const struct inotify_event *event)
{
    return event->mask & IN_MOVE_SELF || (event->len && event->mask & (IN_DELETE | IN_MOVED_FROM) &&
                                          strcmp(event->name, FAPILOG_COLLECTOR_LOCK) == 0);
}

static void take_event(struct discover *d, const struct inotify_event *event)
{
    d->is_gone |= is_farewell(event);
    if (event->mask & IN_Q_OVERFLOW) {
        d->wants_scan = true;
        d->scan_at_ns = 0;
    } else if (event->len && event->mask & (IN_CREATE | IN_MOVED_TO)) {
        try_attach(d, event->name);
    } else if (event->len && event->mask & (IN_DELETE | IN_MOVED_FROM)) {
        segments_vanished(d->segments, event->name);
    }
}

void discover_look(struct discover *d)
{
    _Alignas(struct inotify_event) char buffer[16384];
    ssize_t n;
    while ((n = read(d->fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t off = 0; off + (ssize_t)sizeof(struct inotify_event) <= n;) {
            const struct inotify_event *event = (const void *)(buffer + off);
            take_event(d, event);
            off += (ssize_t)(sizeof *event + event->len);
        }
    }
}

static void discover_arm(struct discover *d);

static void on_readable(struct io_req *req, int result)
{
    struct discover *d = req->owner;
    d->is_armed = false;
    if (result == -ECANCELED || d->is_closing)
        return;
    discover_look(d);
    discover_arm(d);
}

static void discover_arm(struct discover *d)
{
    CHECK(!d->is_armed);
    d->req = (struct io_req){ .op = IO_POLL, .fd = d->fd, .events = POLLIN, .buf_index = -1,
                              .done = on_readable, .owner = d };
    d->is_armed = true;
    io_submit(d->segments->io, &d->req);
}

int discover_open(struct discover *d, struct segments *t, struct err *e)
{
    *d = (struct discover){ .segments = t, .fd = -1 };
    d->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (d->fd < 0)
        return err_sys(e, -errno, "inotify");
    const uint32_t events = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MOVE_SELF;
    if (inotify_add_watch(d->fd, t->dir, events | IN_ONLYDIR) < 0)
        return err_sys(e, -errno, "watch %s", t->dir);
    discover_arm(d);
    return scan(d, e);
}

/* For a ring over a quota, or beyond what may be open. */
static void want_scan_for_room(struct discover *d, uint64_t now_ns)
{
    d->segments->has_room_again = false;
    if (!d->wants_scan)
        d->scan_at_ns = now_ns + ROOM_PAUSE_NS; /* more may go together */
    d->wants_scan = true;
}

void discover_run(struct discover *d, uint64_t now_ns)
{
    if (d->segments->has_room_again)
        want_scan_for_room(d, now_ns);
    if (!d->wants_scan || now_ns < d->scan_at_ns)
        return;
    d->wants_scan = false;
    if (scan(d, NULL) < 0) {
        d->wants_scan = true;
        d->scan_at_ns = now_ns + RESCAN_PAUSE_NS;
    }
}

uint64_t discover_deadline(const struct discover *d)
{
    return d->wants_scan ? d->scan_at_ns : UINT64_MAX;
}

void discover_close(struct discover *d)
{
    if (d->fd < 0)
        return;
    d->is_closing = true; /* the poll may complete before it can be cancelled */
    if (d->is_armed)
        io_cancel(d->segments->io, &d->req);
    while (d->is_armed && io_turn(d->segments->io, 0) >= 0)
        ;
    cleanup_fd(&d->fd);
    d->fd = -1;
}
