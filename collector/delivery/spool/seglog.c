#include "collector/delivery/spool/seglog.h"

#include "collector/io/inline_write.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void seglog_path(const struct seglog *l, const struct seglog_segment *seg, char ret[PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%s/%016" PRIx64 "%s", l->dir, seg->sequence, l->suffix);
}

static bool is_in_step(const struct seglog *l)
{
    return l->step != SEGLOG_IDLE && l->step != SEGLOG_DONE;
}

bool seglog_is_busy(const struct seglog *l)
{
    return is_in_step(l) || seglog_has_sync(l);
}

bool seglog_is_last_busy(const struct seglog *l)
{
    return is_in_step(l) || seglog_is_syncing(l, l->fd);
}

void seglog_close(struct seglog *l)
{
    CHECK(!seglog_is_busy(l));
    if (l->fd >= 0)
        (void)io_close(l->io, l->fd);
    if (l->dir_fd >= 0)
        (void)io_close(l->io, l->dir_fd);
    l->fd = l->dir_fd = -1;
    free(l->group);
    l->group = NULL;
    while (l->first) {
        struct seglog_segment *next = l->first->next;
        free(l->first);
        l->first = next;
    }
    l->last = NULL;
}

static bool group_reserve(struct seglog *l, size_t more)
{
    if (l->group_cap - l->group_len >= more)
        return true;
    char *group = realloc(l->group, l->group_len + more);
    if (!group)
        return false;
    l->group = group;
    l->group_cap = l->group_len + more;
    return true;
}

/* Whether the group begins a new file. */
static bool is_rolling(const struct seglog *l)
{
    return l->fd < 0 || l->last->bytes >= l->segment_bytes;
}

static bool group_begin(struct seglog *l, uint64_t sequence)
{
    CHECK(l->step == SEGLOG_IDLE);
    l->group_sequence = sequence;
    l->group_records = 0;
    if (!is_rolling(l))
        return true;
    if (!group_reserve(l, sizeof l->head))
        return false;
    l->head.sequence = sequence;
    l->head.time_ns = (int64_t)clock_real_ns();
    spool_file_head_seal(&l->head);
    memcpy(l->group, &l->head, sizeof l->head);
    l->group_len = sizeof l->head;
    return true;
}

static void group_forget(struct seglog *l)
{
    l->group_len = l->group_done = l->sealed_len = 0;
    l->sealed = NULL;
    l->group_blocks = 0;
    l->step = SEGLOG_IDLE;
}

uint64_t seglog_add(struct seglog *l, const struct seglog_block *b)
{
    struct spool_block_head h = {
        .kind = (uint16_t)b->kind, .codec = (uint16_t)b->codec, .records = b->records, .sequence = l->next_sequence,
        .time_ns = b->time_ns, .oldest_ns = b->oldest_ns,
    };
    const bool is_first = !l->group_len;
    if ((is_first && !group_begin(l, l->next_sequence)) || !group_reserve(l, spool_block_bound(b->raw_len))) {
        if (is_first)
            group_forget(l); /* a file's head alone is no group */
        return 0;
    }
    l->group_len += spool_block_seal(&h, b->raw, b->raw_len, l->group + l->group_len);
    l->group_blocks++;
    l->group_records += b->records;
    return l->next_sequence++;
}

int seglog_add_sealed(struct seglog *l, const char *blocks, size_t len, uint64_t sequence, uint64_t records)
{
    CHECK(!seglog_has_group(l));
    if (!group_begin(l, sequence))
        return -ENOMEM;
    l->sealed = blocks;
    l->sealed_len = len;
    l->group_records = records;
    return 0;
}

bool seglog_has_group(const struct seglog *l)
{
    return l->group_len + l->sealed_len > 0;
}

static size_t group_bytes(const struct seglog *l)
{
    return l->group_len + l->sealed_len;
}

/* The numbers of blocks that nobody has can be given again. */
static void sequences_return(struct seglog *l)
{
    if (!l->sealed && !l->must_cut)
        l->next_sequence = l->group_sequence;
}

/* What has been written is cut off at once: the next run would take its whole blocks for ours, though their records may
 * be delivered by then, and for those of the journal that have got the same numbers. */
static void group_fail(struct seglog *l, int result)
{
    l->must_cut = l->group_done > 0 && io_ftruncate(l->io, l->fd, (int64_t)l->last->bytes) < 0;
    sequences_return(l);
    l->result = result;
    l->step = SEGLOG_DONE;
}

static void group_next(struct seglog *l);

static void on_done(struct io_req *req, int result)
{
    struct seglog *l = req->owner;
    if (result == -EOPNOTSUPP && req->is_uncached) {
        l->is_uncached_refused = true;
        result = 0;
    } else if (result == -EINTR || result == -EAGAIN)
        result = 0;
    else if (result == 0 && l->step == SEGLOG_WRITE)
        result = -EIO; /* a disk that takes nothing and says nothing */
    else if (result >= 0 && l->step == SEGLOG_WRITE)
        l->group_done += (size_t)result;
    else if (result >= 0) {
        l->must_sync_dir = l->must_sync_dir && l->step != SEGLOG_DIR_SYNC;
        l->is_dirty = l->is_dirty && l->step == SEGLOG_DIR_SYNC;
    }
    FAULT_POINT("spool-write");
    if (result < 0)
        group_fail(l, result);
    else
        group_next(l);
}

/* Not while a file is forced to disk: what goes there at once waits until that is over. */
static bool may_be_uncached(const struct seglog *l)
{
    return l->is_uncached && !l->is_uncached_refused && !seglog_has_sync(l);
}

static void request(struct seglog *l, enum seglog_step step, enum io_op op, int fd)
{
    const bool is_sealed = l->sealed && l->group_done >= l->group_len;
    l->step = step;
    l->req.op = op;
    l->req.fd = fd;
    l->req.data = is_sealed ? l->sealed + (l->group_done - l->group_len) : l->group + l->group_done;
    l->req.len = op == IO_WRITE ? (uint32_t)((is_sealed ? group_bytes(l) : l->group_len) - l->group_done) : 0;
    l->req.offset = op == IO_WRITE ? (int64_t)(l->last->bytes + l->group_done) : 0;
    l->req.is_inline = op == IO_WRITE && l->is_inline && l->is_local;
    l->req.is_uncached = op == IO_WRITE && is_sealed && may_be_uncached(l);
    l->req.buf_index = -1;
    l->req.done = on_done;
    l->req.owner = l;
    io_submit(l->io, &l->req);
}

static int segment_begin(struct seglog *l)
{
    struct seglog_segment *seg = calloc(1, sizeof *seg);
    char path[PATH_MAX];
    if (!seg)
        return -ENOMEM;
    seg->sequence = l->group_sequence;
    seg->is_listed = true;
    seg->oldest_ns = seg->youngest_ns = (int64_t)clock_boot_ns();
    seglog_path(l, seg, path);
    const int fd = io_open(l->io, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        free(seg);
        return fd;
    }
    l->fd = fd;
    l->is_local = inline_is_local(fd);
    if (l->last)
        l->last->next = seg;
    else
        l->first = seg;
    l->last = seg;
    l->must_sync_dir = l->sync != SINK_SYNC_NEVER;
    return 0;
}

/* The next step of the group, whatever was done before. */
static void group_next(struct seglog *l)
{
    if (l->group_done < group_bytes(l))
        return request(l, SEGLOG_WRITE, IO_WRITE, l->fd);
    l->is_dirty = l->sync != SINK_SYNC_NEVER && (l->is_dirty || l->step == SEGLOG_WRITE);
    if (l->sync == SINK_SYNC_ALWAYS && l->must_sync_dir)
        return request(l, SEGLOG_DIR_SYNC, IO_FSYNC, l->dir_fd);
    if (l->sync == SINK_SYNC_ALWAYS && l->is_dirty)
        return request(l, SEGLOG_DATA_SYNC, IO_FDATASYNC, l->fd);
    l->result = 0;
    l->step = SEGLOG_DONE;
}

static int group_refuse(struct seglog *l, int r)
{
    sequences_return(l);
    group_forget(l);
    return r;
}

void seglog_abort(struct seglog *l)
{
    if (seglog_has_group(l))
        (void)group_refuse(l, 0);
}

int seglog_start(struct seglog *l)
{
    CHECK(l->step == SEGLOG_IDLE && seglog_has_group(l));
    l->group_done = 0;
    if (l->fd >= 0 && l->must_cut) { /* what a failed group has left must not be taken for ours */
        const int r = io_ftruncate(l->io, l->fd, (int64_t)l->last->bytes);
        if (r < 0)
            return group_refuse(l, r);
        l->must_cut = false;
    }
    int r = l->fd >= 0 && is_rolling(l) ? seglog_roll(l) : 0;
    if (r == 0 && l->fd < 0)
        r = segment_begin(l);
    if (r < 0)
        return group_refuse(l, r);
    group_next(l);
    return 0;
}

static void last_remove(struct seglog *l)
{
    char path[PATH_MAX];
    struct seglog_segment **at = &l->first, *before = NULL;
    for (; *at != l->last; at = &(*at)->next)
        before = *at;
    seglog_path(l, l->last, path);
    (void)io_unlink(l->io, path); /* empty or torn: the next run cuts it */
    l->bytes -= l->last->bytes;
    free(l->last);
    *at = NULL;
    l->last = before;
}

/* A file that no group has ever been written to is begun anew. */
static void segment_forget(struct seglog *l)
{
    if (l->fd < 0 || l->last->bytes > 0)
        return;
    (void)io_close(l->io, take_fd(l->fd));
    last_remove(l);
    l->must_cut = false;
}

void seglog_drop_begun(struct seglog *l, uint64_t sequence)
{
    if (l->fd < 0 && l->last && l->last->sequence == sequence && !l->last->records)
        last_remove(l);
}

int64_t seglog_age_ns(const struct seglog_segment *seg, int64_t time_ns)
{
    const int64_t now = (int64_t)clock_boot_ns(), least = now - seg->youngest_ns, most = now - seg->oldest_ns;
    const int64_t age = (int64_t)clock_real_ns() - time_ns;
    return age < least ? least : age > most ? most : age;
}

int seglog_poll(struct seglog *l)
{
    if (l->step == SEGLOG_IDLE)
        return 0;
    if (l->step != SEGLOG_DONE)
        return -EAGAIN;
    if (l->result == 0) {
        l->last->bytes += group_bytes(l);
        l->last->records += l->group_records;
        l->last->youngest_ns = (int64_t)clock_boot_ns();
        l->bytes += group_bytes(l);
    }
    group_forget(l);
    if (l->result < 0)
        segment_forget(l);
    return l->result;
}

int seglog_drop(struct seglog *l, struct seglog_segment *seg)
{
    struct seglog_segment **at = &l->first, *before = NULL;
    char path[PATH_MAX];
    for (; *at != seg; at = &(*at)->next)
        before = *at;
    seglog_path(l, seg, path);
    if (seg == l->last && l->fd >= 0) {
        CHECK(!seglog_is_last_busy(l));
        (void)io_close(l->io, take_fd(l->fd));
        l->is_dirty = l->must_sync_dir = l->must_cut = false;
        l->sync_due_ns = 0;
    }
    const int r = io_unlink(l->io, path);
    if (r < 0 && r != -ENOENT)
        return r;
    *at = seg->next;
    if (l->last == seg)
        l->last = before;
    l->bytes -= seg->bytes;
    seg->is_listed = false;
    seg->next = NULL;
    if (seg->pins == 0)
        free(seg);
    return 0;
}

void seglog_unpin(struct seglog_segment *seg)
{
    CHECK(seg->pins > 0);
    if (--seg->pins == 0 && !seg->is_listed)
        free(seg);
}
