/* The way of a batch: refresh, rotate when due, announce, append, force to disk. */
#include "collector/sinks/fileset.h"
#include "collector/sinks/fileset_private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
    SYNC_TRIES_MAX = 100,
    AT_WORK = 1 << 20, /* at the end of a file: to append there waits while the kernel writes it back */
};

int fileset_refresh(struct fileset *f)
{
    struct stat st;
    if (f->fd < 0 || f->is_device)
        return 0;
    int r = io_fstat(f->sink->io, f->fd, &st);
    if (r < 0)
        return r;
    if (f->has_leftover && (uint64_t)st.st_size > f->size) {
        r = io_ftruncate(f->sink->io, f->fd, (int64_t)f->size);
        if (r < 0)
            return r;
        st.st_size = (off_t)f->size;
    }
    f->has_leftover = false;
    if ((uint64_t)st.st_size != f->size) { /* copytruncate made it shorter, or somebody wrote to it */
        f->size = (uint64_t)st.st_size;
        f->is_mark_due = true;
        f->serial++;
        fileset_tail_load(f);
    }
    if (st.st_nlink == 0)
        f->is_reopen_due = true;
    return 0;
}

int fileset_clear(struct fileset *f)
{
    const int r = io_ftruncate(f->sink->io, f->fd, 0);
    return r < 0 ? r : fileset_refresh(f);
}

/* Tells the core where the next byte goes, when it does not know yet. */
static void announce(struct fileset *f)
{
    if (!f->is_mark_due)
        return;
    f->is_mark_due = false;
    sink_mark_changed(f->sink);
}

/* ---- force to disk ---- */

static void sync_step(struct fileset *f);

static void sync_finish(struct fileset *f, int result)
{
    fileset_done_fn *then = f->synced;
    f->synced = NULL;
    f->is_busy = false;
    f->synced_at_ns = (int64_t)clock_mono_ns();
    then(f, result);
}

static void sync_done(struct io_req *req, int result)
{
    struct fileset *f = req->owner;
    if (result == -EINTR && ++f->sync_tries < SYNC_TRIES_MAX) {
        io_submit(f->sink->io, req);
        return;
    }
    if (result < 0) {
        sync_finish(f, result);
        return;
    }
    if (req->op == IO_FDATASYNC)
        f->is_unsynced = false;
    else
        f->is_dir_unsynced = false;
    sync_step(f);
}

static void sync_step(struct fileset *f)
{
    const bool file = f->fd >= 0 && f->is_unsynced;
    if (!file && !f->is_dir_unsynced) {
        sync_finish(f, 0);
        return;
    }
    f->sync_req = (struct io_req){
        .op = file ? IO_FDATASYNC : IO_FSYNC, .fd = file ? f->fd : f->dir_fd,
        .buf_index = -1, .done = sync_done, .owner = f,
    };
    f->sync_tries = 0;
    io_submit(f->sink->io, &f->sync_req);
}

void fileset_sync(struct fileset *f, fileset_done_fn *then)
{
    CHECK(!f->is_busy);
    f->is_busy = true;
    f->synced = then;
    sync_step(f);
}

/* ---- write back ---- */

static void write_back_done(struct io_req *req, int result)
{
    struct fileset *f = req->owner;
    (void)result; /* of a hint. An error of the disk comes again with the next call that promises something */
    f->is_writing_back = false;
}

/* The kernel begins late by itself: the page cache fills up, and who forces the file to disk in the end waits for
 * all of it. The file may be left or closed meanwhile, which does no harm. */
static void write_back(struct fileset *f)
{
    const uint64_t end = f->size > AT_WORK ? (f->size - AT_WORK) / AT_WORK * AT_WORK : 0;
    if (f->size < f->written_back)
        f->written_back = f->size;
    const uint64_t fresh = end > f->written_back ? end - f->written_back : 0;
    if (f->is_writing_back || f->cfg.writeback_bytes == 0 || fresh < f->cfg.writeback_bytes)
        return;
    f->write_back_req = (struct io_req){
        .op = IO_WRITEBACK, .fd = f->fd, .offset = (int64_t)f->written_back,
        .len = fresh < UINT32_MAX ? (uint32_t)fresh : UINT32_MAX, .buf_index = -1, .done = write_back_done, .owner = f,
    };
    f->written_back = end;
    f->is_writing_back = true;
    io_submit(f->sink->io, &f->write_back_req);
}

/* ---- append ---- */

static void append_finish(struct fileset *f, int result)
{
    fileset_done_fn *appended = f->appended;
    const struct append *a = &f->append;
    f->is_busy = false;
    f->appended = NULL;
    if (result < 0) {
        f->has_leftover = true;
        const int r = fileset_refresh(f);
        if (r < 0) /* the next write tries again before anything else; a crash is cut by the mark */
            fileset_warn(f, r, "cut back", f->live);
    } else if (!f->is_device) {
        f->size += a->written;
        for (unsigned i = 0; i < a->pieces_count; i++)
            fileset_tail_add(f, a->pieces[i].data, a->pieces[i].len);
        write_back(f);
    }
    appended(f, result);
}

static void append_done(struct append *a, int result)
{
    struct fileset *f = a->owner;
    if (!f->is_device)
        f->is_unsynced |= a->written > 0;
    if (result == 0 && f->cfg.sync == FILESET_SYNC_ALWAYS && !f->is_device) {
        f->is_busy = false;
        fileset_sync(f, append_finish);
        return;
    }
    append_finish(f, result);
}

static void start(struct fileset *f, const struct piece *pieces, unsigned count, fileset_done_fn *then)
{
    CHECK(!f->is_busy);
    CHECK(f->fd >= 0);
    f->is_busy = f->is_at_work = true;
    f->appended = then;
    f->append.io = f->sink->io;
    f->append.fd = f->fd;
    f->append.pieces = pieces;
    f->append.pieces_count = count;
    f->append.done = append_done;
    f->append.owner = f;
    f->append.is_inline = f->is_inline && f->sink->is_alone;
    append_start(&f->append);
}

void fileset_append(struct fileset *f, const struct piece *pieces, unsigned count, fileset_done_fn *appended)
{
    f->is_footer_done = false;
    start(f, pieces, count, appended);
}

static void later_done(struct io_req *req, int result)
{
    struct fileset *f = req->owner;
    fileset_done_fn *then = f->appended;
    (void)result; /* of the timer */
    f->is_busy = false;
    f->appended = NULL;
    then(f, f->later_result);
}

void fileset_later(struct fileset *f, int result, fileset_done_fn *then)
{
    CHECK(!f->is_busy);
    f->is_busy = true;
    f->appended = then;
    f->later_result = result;
    f->later_req = (struct io_req){
        .op = IO_TIMEOUT, .fd = -1, .buf_index = -1, .done = later_done, .owner = f,
    };
    io_submit(f->sink->io, &f->later_req);
}

bool fileset_footer(struct fileset *f, fileset_done_fn *then)
{
    const struct piece *pieces;
    const unsigned count = f->footer(f, &pieces);
    f->is_footer_done = true;
    if (count)
        start(f, pieces, count, then);
    return count > 0;
}

/* ---- prepare ---- */

static void prepare_step(struct fileset *f);

/* Of what comes before a file is left, and of the sync timer. Files change only inside the core's own
 * calls, when it is ready for a new mark: so without a batch this is all, and the next tick goes on. */
static void settled(struct fileset *f)
{
    if (f->is_preparing)
        prepare_step(f);
}

static void synced(struct fileset *f, int result)
{
    if (result < 0) {
        /* What was acknowledged before cannot be taken back; with sync=always nothing was. */
        fileset_warn(f, result, "force to disk", f->live);
        f->is_unsynced = false;
    }
    settled(f);
}

static void ended(struct fileset *f, int result)
{
    if (result < 0) /* readers do without it */
        fileset_warn(f, result, "end", f->live);
    settled(f);
}

static bool footer_due(const struct fileset *f)
{
    return f->footer && !f->is_footer_done && f->fd >= 0 && f->size > 0;
}

static bool sync_due(const struct fileset *f)
{
    return f->is_unsynced && f->cfg.sync == FILESET_SYNC_INTERVAL &&
           (int64_t)clock_mono_ns() - f->synced_at_ns >= (int64_t)f->cfg.sync_interval_ns;
}

/* Leaves the current file where that is due. A rotation that fails is put off, not insisted on: the
 * records are worth more than the size of a file. */
static int change_file(struct fileset *f, bool rotate)
{
    int r = 0;
    if (f->is_reopen_due) {
        r = fileset_reopen_now(f);
    } else if (rotate && (r = fileset_rotate_now(f, f->ready != NULL)) < 0) {
        fileset_warn(f, r, "rotate", f->live);
        f->retry_at_ns = (int64_t)clock_mono_ns() + FILESET_SECOND;
        r = 0;
    }
    return r;
}

/* Starts what has to be done before the file is left; true while that is under way. */
static bool settle(struct fileset *f, bool leaves)
{
    if (leaves && footer_due(f) && fileset_footer(f, ended))
        return true;
    if (!f->is_unsynced || f->cfg.sync == FILESET_SYNC_NEVER || !(leaves || sync_due(f)))
        return false;
    fileset_sync(f, synced);
    return true;
}

static void prepare_finish(struct fileset *f, int result)
{
    fileset_done_fn *ready = f->ready;
    f->ready = NULL;
    f->wanted = 0;
    f->is_preparing = false;
    if (ready)
        ready(f, result);
}

static void prepare_step(struct fileset *f)
{
    /* What the clock gives a date to, it has been seen for. */
    (void)age_clock_look(&f->ages, fileset_real_ns(), fileset_boot_ns());
    int r = fileset_refresh(f);
    const bool rotate = r == 0 && fileset_rotation_due(f, f->wanted);
    if (r == 0 && settle(f, rotate || f->is_reopen_due))
        return;
    if (r == 0)
        r = change_file(f, rotate);
    if (r == 0 && f->fd < 0)
        r = f->cfg.is_dated ? fileset_open_dated(f) : fileset_open_live(f);
    if (r == 0)
        announce(f);
    prepare_finish(f, r);
}

void fileset_prepare(struct fileset *f, uint64_t bytes, fileset_done_fn *ready)
{
    CHECK(!f->is_preparing);
    f->ready = ready;
    f->wanted = bytes;
    f->is_preparing = true;
    if (!f->is_busy) /* else settled() goes on with it */
        prepare_step(f);
}

/* ---- timers ---- */

/* Leaves the file where that is due and possible at once; else it starts what must come first. */
static int change_between_batches(struct fileset *f)
{
    int r = fileset_refresh(f);
    const bool rotate = r == 0 && fileset_rotation_due(f, 0);
    if (r < 0 || !(rotate || f->is_reopen_due || (f->fd < 0 && !f->cfg.is_dated)) || settle(f, true))
        return r;
    r = change_file(f, rotate);
    if (r == 0 && f->fd < 0 && !f->cfg.is_dated)
        r = fileset_open_live(f);
    if (r == 0)
        announce(f);
    return r;
}

/* Was the file renamed or removed without a signal? */
static void look(struct fileset *f, int64_t now)
{
    struct stat st;
    if (f->fd < 0 || f->is_device || now - f->looked_at_ns < FILESET_LOOK_NS)
        return;
    f->looked_at_ns = now;
    const int r = io_stat(f->sink->io, f->live, &st);
    if (r == -ENOENT || (r == 0 && (st.st_ino != f->ino || st.st_dev != f->dev)))
        f->is_reopen_due = true;
}

void fileset_tick(struct fileset *f)
{
    const int64_t now = (int64_t)clock_mono_ns();
    f->is_at_work = true;
    if (f->is_busy || f->is_preparing || f->dir_fd < 0)
        return;
    fileset_compress_poll(f);
    (void)age_clock_look(&f->ages, fileset_real_ns(), fileset_boot_ns());
    look(f, now);
    if (f->is_reopen_due || fileset_rotation_due(f, 0)) {
        const int r = change_between_batches(f);
        if (r < 0) /* the next write tries again, and reports it */
            fileset_warn(f, r, "reopen", f->live);
        return;
    }
    if (!f->is_device && (f->is_tidy_due || now - f->tidied_at_ns >= FILESET_TIDY_NS)) {
        f->tidied_at_ns = now;
        announce(f);
        fileset_tidy(f);
    }
    (void)settle(f, false);
}

int fileset_reopen(struct fileset *f, struct err *e)
{
    struct stat st;
    if (f->is_device || f->dir_fd < 0)
        return 0;
    if (f->fd >= 0) {
        const int r = io_stat(f->sink->io, f->live, &st);
        if (r < 0 && r != -ENOENT)
            return err_sys(e, r, "reopen %s", f->live);
        if (r == 0 && st.st_ino == f->ino && st.st_dev == f->dev)
            return 0;
    }
    f->is_reopen_due = f->fd >= 0;
    if (f->is_busy || f->is_preparing)
        return 0;
    const int r = change_between_batches(f);
    return r < 0 ? err_sys(e, r, "reopen %s", f->live) : 0;
}

const char *fileset_place(const struct fileset *f)
{
    return f->cfg.is_dated && f->fd < 0 ? f->cfg.directory : f->live;
}

int fileset_rotate(struct fileset *f, struct err *e)
{
    f->is_rotation_due = f->size > 0;
    if (!f->is_rotation_due || f->is_busy || f->is_preparing)
        return 0;
    const int r = change_between_batches(f);
    return r < 0 ? err_sys(e, r, "rotate %s", f->live) : 0;
}
