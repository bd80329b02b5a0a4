/* What happens to files that are no longer written: leftovers, retention, compression. Nothing here may
 * cost a record or stop one: trouble is reported and tried again with the next round. */
#include "collector/sinks/fileset.h"
#include "collector/sinks/fileset_private.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

static int remove_archive(struct fileset *f, struct archive *a, const char *what)
{
    char path[PATH_MAX];
    int r = archive_path(&f->names, a->name, path, sizeof path);
    if (r == 0)
        r = io_unlink(f->sink->io, path);
    if (r < 0 && r != -ENOENT) {
        fileset_warn(f, r, what, path);
        return r;
    }
    a->name[0] = '\0'; /* gone */
    return 0;
}

/* Is it the live file of another writer with the same prefix? Numbered archives have no writer. */
static bool is_held(const struct fileset *f, const struct archive *a)
{
    char path[PATH_MAX];
    if (!f->cfg.is_dated || a->kind != ARCHIVE_PLAIN || archive_path(&f->names, a->name, path, sizeof path) < 0)
        return false;
    auto_fd fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static bool is_current_partial(const struct fileset *f, const struct archive *a)
{
    const char *slash = strrchr(f->job.partial, '/');
    return f->job.is_running && slash && strcmp(slash + 1, a->name) == 0;
}

/* Both "x" and "x.gz"? One of ours got its name when it was complete, with the time of the original. What somebody
 * makes by hand has another time at least while it is written, and may yet fail. */
static bool has_compressed(const struct archive_list *l, const struct archive *plain, bool is_ours)
{
    const size_t len = strlen(plain->name);
    for (size_t i = 0; i < l->count; i++) {
        const struct archive *a = &l->item[i];
        if ((a->kind == ARCHIVE_GZIP || a->kind == ARCHIVE_ZSTD) && strncmp(a->name, plain->name, len) == 0 &&
            a->name[len] == '.' && (!is_ours || a->mtime_ns == plain->mtime_ns))
            return true;
    }
    return false;
}

static int drop_duplicates(struct fileset *f, struct archive_list *l)
{
    if (f->cfg.codec == COMPRESS_NONE)
        return 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->item[i].kind == ARCHIVE_PLAIN && has_compressed(l, &l->item[i], true)) {
            const int r = remove_archive(f, &l->item[i], "remove compressed original");
            if (r < 0)
                return r;
        }
    return 0;
}

int fileset_drop_duplicates(struct fileset *f)
{
    auto_archive_list l = {0};
    struct err e;
    const int r = archive_scan(&f->names, f->ino, &l, &e);
    return r < 0 ? r : drop_duplicates(f, &l);
}

static void drop_leftovers(struct fileset *f, struct archive_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        struct archive *a = &l->item[i];
        if (a->kind == ARCHIVE_PARTIAL && !is_current_partial(f, a))
            (void)remove_archive(f, a, "remove unfinished archive"); /* warned about */
        else if (a->kind == ARCHIVE_PLAIN && a->bytes == 0 && !is_held(f, a))
            (void)remove_archive(f, a, "remove empty file");
    }
}

static void retain(struct fileset *f, struct archive_list *l)
{
    const int64_t real = fileset_real_ns(), now = age_clock_look(&f->ages, real, fileset_boot_ns());
    uint64_t kept = 0, bytes = 0;
    for (size_t i = 0; i < l->count; i++)
        l->item[i].order_ns = age_clock_order(&f->ages, l->item[i].mtime_ns, real);
    archive_list_sort(&f->names, l);
    for (size_t i = 0; i < l->count; i++) { /* youngest first */
        struct archive *a = &l->item[i];
        if (!a->name[0] || a->kind == ARCHIVE_PARTIAL)
            continue;
        bytes += a->bytes;
        const bool old = f->cfg.max_age_ns < INT64_MAX && now - a->mtime_ns > (int64_t)f->cfg.max_age_ns;
        if ((old || kept >= f->cfg.max_files || bytes > f->cfg.max_total_bytes) && !is_held(f, a))
            (void)remove_archive(f, a, "retention: remove"); /* warned about */
        else
            kept++;
    }
}

static void compress_next(struct fileset *f, const struct archive_list *l)
{
    char path[PATH_MAX], partial[PATH_MAX];
    if (f->cfg.codec == COMPRESS_NONE || f->job.is_running)
        return;
    for (size_t i = l->count; i-- > 0;) {
        const struct archive *a = &l->item[i];
        if (!a->name[0] || a->kind != ARCHIVE_PLAIN || has_compressed(l, a, false) || is_held(f, a))
            continue;
        int r = archive_path(&f->names, a->name, path, sizeof path);
        if (r == 0 && (size_t)snprintf(partial, sizeof partial, "%s%s.tmp", path,
                                       compress_suffix(f->cfg.codec)) >= sizeof partial)
            r = -ENAMETOOLONG;
        const int fd = r == 0 ? io_open(f->sink->io, path, O_RDONLY | O_NOFOLLOW, 0) : r;
        r = fd < 0 ? fd : compress_start(&f->job, f->cfg.codec, fd, a->ino, partial);
        if (r < 0)
            fileset_warn(f, r, "compress", path);
        return; /* the next one when this is done, or with the next round */
    }
}

static void tidy_again_soon(struct fileset *f)
{
    f->tidied_at_ns = (int64_t)clock_mono_ns() - FILESET_TIDY_NS + FILESET_SECOND;
}

void fileset_tidy(struct fileset *f)
{
    auto_archive_list l = {0};
    struct err e;
    f->is_tidy_due = false;
    const int r = archive_scan(&f->names, f->ino, &l, &e);
    if (r < 0) {
        fileset_warn(f, r, "read directory", f->names.directory);
        tidy_again_soon(f);
        return;
    }
    if (drop_duplicates(f, &l) < 0) {
        tidy_again_soon(f);
        return;
    }
    drop_leftovers(f, &l);
    retain(f, &l);
    compress_next(f, &l);
}

/* The original may have another number by now: it is known by its inode. */
static int take_over(struct fileset *f)
{
    auto_archive_list l = {0};
    char path[PATH_MAX], final[PATH_MAX];
    struct err e;
    int r = archive_scan(&f->names, f->ino, &l, &e);
    for (size_t i = 0; r == 0 && i < l.count; i++) {
        struct archive *a = &l.item[i];
        if (a->kind != ARCHIVE_PLAIN || a->ino != f->job.source_ino)
            continue;
        if (has_compressed(&l, a, false))
            return -ESTALE; /* somebody was faster */
        r = archive_path(&f->names, a->name, path, sizeof path);
        if (r == 0 && (size_t)snprintf(final, sizeof final, "%s%s", path, compress_suffix(f->job.codec)) >=
                          sizeof final)
            r = -ENAMETOOLONG;
        if (r == 0)
            r = io_rename(f->sink->io, f->job.partial, final);
        return r < 0 ? r : remove_archive(f, a, "remove compressed original");
    }
    return r < 0 ? r : -ESTALE; /* retention was faster */
}

static void compress_finished(struct fileset *f, int r)
{
    if (r == 0)
        return;
    if (r == 1)
        r = take_over(f);
    if (r < 0) {
        (void)io_unlink(f->sink->io, f->job.partial); /* may be gone, or have its final name */
        if (r != -ESTALE)
            fileset_warn(f, r, "compress into", f->job.partial);
        tidy_again_soon(f);
    }
    f->is_tidy_due = r == 0 || r == -ESTALE;
}

void fileset_compress_poll(struct fileset *f)
{
    if (f->job.is_running)
        compress_finished(f, compress_poll(&f->job));
}

void fileset_tidy_last(struct fileset *f)
{
    const uint64_t until = clock_mono_ns() + FILESET_COMPRESS_NS_MAX;
    do {
        if (f->is_tidy_due)
            fileset_tidy(f);
        if (f->job.is_running)
            compress_finished(f, compress_wait(&f->job, until));
    } while (f->is_tidy_due && clock_mono_ns() < until);
    compress_cancel(&f->job);
    (void)fileset_drop_duplicates(f); /* the next start tries again */
}
