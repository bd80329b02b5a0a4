/* Finding what an earlier run has left. Synchronous: it happens before the first record. */
#include "collector/delivery/spool/seglog.h"
#include "collector/delivery/spool/spool_file.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define LOCK_WAIT_NS NS_PER_S /* what a killed run had given to the kernel may hold the lock a little longer */

struct name_list {
    uint64_t *sequence;
    size_t count, cap;
};

static int name_add(struct name_list *l, uint64_t sequence)
{
    if (l->count == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 64;
        uint64_t *bigger = realloc(l->sequence, cap * sizeof *bigger);
        if (!bigger)
            return -ENOMEM;
        l->sequence = bigger;
        l->cap = cap;
    }
    l->sequence[l->count++] = sequence;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int names_read(const struct seglog *l, struct name_list *names, struct err *e)
{
    auto_dir dir = opendir(l->dir);
    if (!dir)
        return err_sys(e, -errno, "open %s", l->dir);
    for (const struct dirent *d; (errno = 0, d = readdir(dir));) {
        uint64_t sequence;
        if (spool_name_parse(d->d_name, &sequence) == l->kind && name_add(names, sequence) < 0)
            return err_set(e, -ENOMEM, "%s: out of memory", l->dir);
    }
    if (errno) /* without the others, one of those found would pass for the last one */
        return err_sys(e, -errno, "read directory %s", l->dir);
    if (names->count)
        qsort(names->sequence, names->count, sizeof *names->sequence, compare);
    return 0;
}

/* Bytes behind the last whole block were never acknowledged to anybody: the write that they belong to has not
 * ended. Returns the length that is left. */
static uint64_t tail_cut(struct seglog *l, const struct spool_file *f, const char *path)
{
    const int fd = io_open(l->io, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        return f->size;
    const int r = io_ftruncate(l->io, fd, (int64_t)f->offset);
    (void)io_close(l->io, fd);
    return r < 0 ? f->size : f->offset;
}

void seglog_date(struct seglog_segment *seg, int64_t time_ns)
{
    const int64_t now = (int64_t)clock_boot_ns(), age = (int64_t)clock_real_ns() - time_ns;
    const int64_t at = now - (age > 0 ? age : 0);
    const bool is_first = !seg->oldest_ns && !seg->youngest_ns;
    seg->oldest_ns = is_first || at < seg->oldest_ns ? at : seg->oldest_ns;
    seg->youngest_ns = is_first || at > seg->youngest_ns ? at : seg->youngest_ns;
}

/* How many blocks it holds is not known: none of their numbers may be given again. */
static void leave_alone(struct seglog *l, const struct seglog_segment *seg, uint32_t *counter)
{
    ++*counter;
    if (l->next_sequence < seg->sequence + SEGLOG_SKIP)
        l->next_sequence = seg->sequence + SEGLOG_SKIP;
    if (!l->left_sequence || seg->sequence < l->left_sequence)
        l->left_sequence = seg->sequence;
}

struct head_list {
    struct spool_block_head *head;
    uint32_t count, cap;
};

static int head_add(struct head_list *l, const struct spool_block_head *h)
{
    if (grow((void **)&l->head, &l->cap, l->count + 1, sizeof *l->head) < 0)
        return -ENOMEM;
    l->head[l->count++] = *h;
    return 0;
}

static int heads_read(struct spool_file *f, struct head_list *heads)
{
    struct spool_block_head h;
    int r;
    heads->count = 0;
    while ((r = spool_file_next(f, &h)) > 0)
        if (head_add(heads, &h) < 0)
            return -ENOMEM;
    return r;
}

/* 1: ours; 0: to be left alone; -ENOMEM. What is behind a place that cannot be read is not known: if the rest were
 * ours, it would be counted by nobody, and its numbers given again. It waits as a whole for a run that can read it. */
static int segment_scan(struct seglog *l, struct seglog_segment *seg, bool is_last, struct head_list *heads,
                        seglog_block_fn *on_block, void *arg)
{
    struct spool_file f;
    struct err e;
    char path[PATH_MAX];
    seglog_path(l, seg, path);
    int r = spool_file_open(&f, path, l->kind, &e);
    const bool is_foreign = r == 0 && f.has_head && strcmp(f.head.format, l->head.format) != 0;
    if (r == 0 && !is_foreign && (r = heads_read(&f, heads)) < 0)
        (void)err_sys(&e, r, "read %s", path);
    if (r < 0 && !l->unreadable)
        l->why = e;
    if (r < 0 || is_foreign) {
        leave_alone(l, seg, is_foreign ? &l->foreign : &l->unreadable);
        spool_file_close(&f);
        return r == -ENOMEM ? r : 0;
    }
    for (uint32_t i = 0; i < heads->count; i++) {
        const struct spool_block_head *h = &heads->head[i];
        seglog_date(seg, h->time_ns);
        seg->records += h->records;
        l->next_sequence = h->sequence >= l->next_sequence ? h->sequence + 1 : l->next_sequence;
        on_block(arg, seg, h);
    }
    seg->bytes = is_last && f.torn_bytes ? tail_cut(l, &f, path) : f.size;
    spool_file_close(&f);
    return 1;
}

static void segment_list(struct seglog *l, struct seglog_segment *seg)
{
    seg->is_listed = true;
    if (l->last)
        l->last->next = seg;
    else
        l->first = seg;
    l->last = seg;
    l->bytes += seg->bytes;
}

static int segments_scan(struct seglog *l, const struct name_list *names, seglog_block_fn *on_block, void *arg,
                         struct err *e)
{
    struct head_list heads = {0};
    int r = 0;
    for (size_t i = 0; i < names->count && r >= 0; i++) {
        struct seglog_segment *seg = calloc(1, sizeof *seg);
        r = -ENOMEM;
        if (!seg)
            break;
        seg->sequence = names->sequence[i];
        l->next_sequence = seg->sequence >= l->next_sequence ? seg->sequence + 1 : l->next_sequence;
        r = segment_scan(l, seg, i + 1 == names->count, &heads, on_block, arg);
        if (r > 0)
            segment_list(l, seg);
        else
            free(seg);
    }
    free(heads.head);
    return r < 0 ? err_set(e, r, "%s: out of memory", l->dir) : 0;
}

static int directory_make(struct seglog *l, struct err *e)
{
    char part[SEGLOG_DIR_MAX];
    for (char *slash = l->dir; (slash = strchr(slash + 1, '/'));) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - l->dir), l->dir);
        (void)io_mkdir(l->io, part, 0700); /* the last one tells */
    }
    const int r = io_mkdir(l->io, l->dir, 0700);
    if (r < 0 && r != -EEXIST)
        return err_sys(e, r, "make directory %s", l->dir);
    l->dir_fd = io_open(l->io, l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    return l->dir_fd < 0 ? err_sys(e, l->dir_fd, "open %s", l->dir) : 0;
}

/* Two that write the same files would overwrite each other's blocks. Where a file system has no locks (-ENOLCK and the
 * like), the state directory's has to do. */
static int directory_lock(const struct seglog *l, struct err *e)
{
    if (io_lock(l->io, l->dir_fd, LOCK_WAIT_NS) != -EBUSY)
        return 0;
    return err_set(e, -EBUSY, "%s: another sink or collector uses it; each sink needs a directory of its own", l->dir);
}

int seglog_open(struct seglog *l, const struct seglog_config *cfg, struct err *e)
{
    *l = (struct seglog){
        .io = cfg->io, .suffix = cfg->suffix, .kind = cfg->kind, .segment_bytes = cfg->segment_bytes,
        .sync = cfg->sync, .sync_interval_ns = cfg->sync_interval_ns, .fd = -1, .dir_fd = -1, .next_sequence = 1,
        .head = { .kind = (uint16_t)cfg->kind },
    };
    (void)snprintf(l->head.sink, sizeof l->head.sink, "%s", cfg->sink);
    (void)snprintf(l->head.format, sizeof l->head.format, "%s", cfg->format);
    if ((size_t)snprintf(l->dir, sizeof l->dir, "%s", cfg->dir) >= sizeof l->dir)
        return err_set(e, -ENAMETOOLONG, "%s: path too long", cfg->dir);
    int r = directory_make(l, e);
    if (r == 0)
        r = directory_lock(l, e);
    if (r < 0)
        seglog_close(l);
    return r;
}

int seglog_find(struct seglog *l, seglog_block_fn *on_block, void *arg, struct err *e)
{
    struct name_list names = {0};
    int r = names_read(l, &names, e);
    if (r == 0)
        r = segments_scan(l, &names, on_block, arg, e);
    free(names.sequence);
    if (r < 0)
        seglog_close(l);
    return r;
}
