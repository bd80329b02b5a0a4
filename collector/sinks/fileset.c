/* Opening, recovering and closing; what a file is known by. */
#include "collector/sinks/fileset.h"
#include "collector/io/inline_write.h"
#include "collector/sinks/fileset_private.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

/* sink_mark.word */
enum { MARK_DEV, MARK_INO, MARK_SIZE, MARK_TAIL, MARK_MAGIC, MARK_SEQUENCE };

static const uint64_t mark_magic = 0x316b72616d656c66; /* "flemark1" */

static int64_t real_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int64_t (*fileset_real_ns)(void) = real_ns;

static int64_t boot_ns(void) { return (int64_t)clock_boot_ns(); }

int64_t (*fileset_boot_ns)(void) = boot_ns;

static int parse_mode(struct fileset_cfg *cfg, struct err *e)
{
    char *end;
    const unsigned long bits = strtoul(cfg->file_mode, &end, 8);
    if (end == cfg->file_mode || *end || bits > 0777 || !(bits & 0200))
        return err_set(e, -EINVAL, "file_mode: '%s' is not an octal mode such as 0644", cfg->file_mode);
    cfg->mode_bits = (mode_t)bits;
    return 0;
}

int fileset_check(struct fileset_cfg *cfg, struct err *e)
{
    struct stat st;
    if (cfg->path && cfg->directory)
        return err_set(e, -EINVAL, "path: contradicts directory; the first keeps one name for the live file, "
                                   "the second dates every name");
    if (!cfg->path && !cfg->directory)
        return err_set(e, -EINVAL, "path: must be given, or directory");
    cfg->is_dated = cfg->directory || cfg->path[strlen(cfg->path) - 1] == '/' ||
                    (stat(cfg->path, &st) == 0 && S_ISDIR(st.st_mode));
    if (cfg->is_dated &&
        (!cfg->prefix || !*cfg->prefix || strchr(cfg->prefix, '/') || strlen(cfg->prefix) > 150))
        return err_set(e, -EINVAL, "prefix: '%s' is not a file name of 1..150 bytes",
                       cfg->prefix ? cfg->prefix : "");
    if (cfg->max_bytes == OPT_UNSET)
        cfg->max_bytes = cfg->is_dated ? FILESET_BYTES_DEFAULT : 0;
    return parse_mode(cfg, e);
}

void fileset_warn(struct fileset *f, int code, const char *what, const char *name)
{
    struct err e;
    if (!f->sink->warn)
        return;
    (void)err_sys(&e, code, "%s %s", what, name);
    f->sink->warn(f->sink, &e);
}

static int make_directories(struct fileset *f, char *path, struct err *e)
{
    for (char *p = path + 1;; p++) {
        if (*p && *p != '/')
            continue;
        const char kept = *p;
        *p = '\0';
        struct stat st;
        int r = io_stat(f->sink->io, path, &st);
        if (r == -ENOENT)
            r = io_mkdir(f->sink->io, path, 0755);
        if (r < 0 && r != -EEXIST)
            return err_sys(e, r, "directory %s", path);
        *p = kept;
        if (!kept)
            return 0;
    }
}

/* The real file, beside which archives lie; NULL: there is none yet. A link to nothing is given its file first, or it
 * would be the link that rotation renames. */
static int resolve(struct fileset *f, const char *given, char **ret, struct err *e)
{
    struct stat st;
    *ret = realpath(given, NULL);
    if (*ret || lstat(given, &st) < 0 || !S_ISLNK(st.st_mode))
        return 0;
    const int fd = fileset_open_file(f, given, 0);
    if (fd < 0)
        return err_sys(e, fd, "open %s", given);
    (void)io_close(f->sink->io, fd); /* nothing was written to it */
    *ret = realpath(given, NULL);
    return *ret ? 0 : err_sys(e, -errno, "follow %s", given);
}

/* Splits the path into an existing directory and a name. */
static int find_directory(struct fileset *f, struct err *e)
{
    struct archive_names *n = &f->names;
    const char *given = f->cfg.is_dated && f->cfg.directory ? f->cfg.directory : f->cfg.path;
    char path[PATH_MAX], *resolved = NULL;
    int r = f->cfg.is_dated ? 0 : resolve(f, given, &resolved, e);
    if (r < 0)
        return r;
    if (resolved) {
        const int len = snprintf(path, sizeof path, "%s", resolved);
        free(resolved);
        CHECK((size_t)len < sizeof path);
    } else if ((size_t)snprintf(path, sizeof path, "%s", given) >= sizeof path) {
        return err_set(e, -ENAMETOOLONG, "path %.60s...: longer than %d bytes", given, PATH_MAX - 1);
    }
    char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!f->cfg.is_dated) {
        if (snprintf(n->stem, sizeof n->stem, "%s", name) > NAME_MAX - 20) /* room for .number.zst.tmp */
            return err_set(e, -ENAMETOOLONG, "path %s: the name is too long for archives", path);
        if (slash)
            *(slash == path ? slash + 1 : slash) = '\0';
        else
            (void)snprintf(path, sizeof path, ".");
    } else {
        (void)snprintf(n->stem, sizeof n->stem, "%s", f->cfg.prefix);
        (void)snprintf(n->extension, sizeof n->extension, "%s", f->cfg.extension);
        while (strlen(path) > 1 && path[strlen(path) - 1] == '/')
            path[strlen(path) - 1] = '\0';
    }
    n->is_dated = f->cfg.is_dated;
    r = make_directories(f, path, e);
    if (r < 0)
        return r;
    resolved = realpath(path, NULL);
    if (!resolved)
        return err_sys(e, -errno, "directory %s", path);
    (void)snprintf(n->directory, sizeof n->directory, "%s", resolved);
    free(resolved);
    return 0;
}

/* Remembers the last bytes of what counts as written. Without read permission there is no tail, and
 * the inode alone has to do. */
void fileset_tail_load(struct fileset *f)
{
    f->tail_len = 0;
    const unsigned want = f->size < FILESET_TAIL ? (unsigned)f->size : FILESET_TAIL;
    const ssize_t n = want ? pread(f->fd, f->tail, want, (off_t)(f->size - want)) : 0;
    if (n == (ssize_t)want)
        f->tail_len = want;
}

void fileset_tail_add(struct fileset *f, const void *data, uint64_t len)
{
    if (len >= FILESET_TAIL) {
        memcpy(f->tail, (const char *)data + len - FILESET_TAIL, FILESET_TAIL);
        f->tail_len = FILESET_TAIL;
        return;
    }
    const unsigned room = FILESET_TAIL - (unsigned)len, keep = f->tail_len < room ? f->tail_len : room;
    memmove(f->tail, f->tail + f->tail_len - keep, keep);
    if (len)
        memcpy(f->tail + keep, data, len);
    f->tail_len = keep + (unsigned)len;
}

static uint64_t tail_hash(const void *tail, unsigned len)
{
    const uint64_t h = len ? XXH3_64bits(tail, len) : 0;
    return len && !h ? 1 : h; /* 0 says: not known */
}

void fileset_schedule(struct fileset *f, int64_t from_ns)
{
    const int64_t interval = f->cfg.interval_ns < INT64_MAX ? (int64_t)f->cfg.interval_ns : 0;
    f->rotate_at_ns = interval ? from_ns - from_ns % interval + interval : INT64_MAX;
}

/* One writer per file; file systems without locks go without. */
static int lock(struct io *io, int fd)
{
    return io_lock(io, fd, FILESET_LOCK_NS_MAX) == -EBUSY ? -EBUSY : 0;
}

int fileset_adopt(struct fileset *f, int fd)
{
    struct stat st;
    int r = io_fstat(f->sink->io, fd, &st);
    if (r == 0 && S_ISREG(st.st_mode))
        r = lock(f->sink->io, fd);
    if (r < 0)
        return r;
    f->fd = fd;
    f->is_device = !S_ISREG(st.st_mode);
    f->is_inline = S_ISREG(st.st_mode) && inline_is_local(fd);
    f->dev = st.st_dev;
    f->ino = f->is_device ? 0 : st.st_ino;
    f->size = f->written_back = f->is_device ? 0 : (uint64_t)st.st_size;
    f->has_leftover = f->is_unsynced = false;
    f->is_mark_due = true;
    f->is_dir_unsynced = true;
    f->tail_len = 0;
    f->is_footer_done = false;
    f->serial++;
    if (!f->is_device)
        fileset_tail_load(f);
    /* an old file belongs to the interval in which it was last written */
    fileset_schedule(f, f->size ? st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec
                                : fileset_real_ns());
    return 0;
}

static int open_file(struct fileset *f, const char *path, int flags)
{
    struct stat st;
    int fd = io_stat(f->sink->io, path, &st);
    if (fd == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISDIR(st.st_mode)))
        return -EINVAL; /* opening one might wait for ever */
    fd = io_open(f->sink->io, path, O_RDWR | O_APPEND | O_CREAT | O_NOCTTY | flags, f->cfg.mode_bits);
    if (fd == -EACCES) /* write-only: then the tail cannot be looked at */
        fd = io_open(f->sink->io, path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | flags, f->cfg.mode_bits);
    return fd;
}

static int open_directory(struct fileset *f)
{
    const int fd = io_open(f->sink->io, f->names.directory, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    if (f->dir_fd >= 0)
        (void)io_close(f->sink->io, f->dir_fd); /* opened for reading: nothing can be lost */
    f->dir_fd = fd;
    return 0;
}

/* A directory that was removed, or moved away, since it was opened is made again. */
int fileset_open_file(struct fileset *f, const char *path, int flags)
{
    char directory[PATH_MAX];
    struct err e;
    const int fd = open_file(f, path, flags);
    if (fd != -ENOENT || f->dir_fd < 0)
        return fd;
    (void)snprintf(directory, sizeof directory, "%s", f->names.directory);
    int r = make_directories(f, directory, &e);
    if (r == 0)
        r = open_directory(f);
    return r < 0 ? r : open_file(f, path, flags);
}

int fileset_open_live(struct fileset *f)
{
    const int fd = fileset_open_file(f, f->live, 0);
    if (fd < 0)
        return fd;
    const int r = fileset_adopt(f, fd);
    if (r < 0)
        (void)io_close(f->sink->io, fd);
    return r;
}

int fileset_open(struct fileset *f, struct sink *s, const struct fileset_cfg *cfg, struct err *e)
{
    f->sink = s;
    f->cfg = *cfg;
    f->fd = f->dir_fd = -1;
    f->rotate_at_ns = INT64_MAX;
    f->is_tidy_due = true;
    f->synced_at_ns = (int64_t)clock_mono_ns();
    (void)age_clock_look(&f->ages, fileset_real_ns(), fileset_boot_ns());
    int r = find_directory(f, e);
    if (r < 0)
        return r;
    r = open_directory(f);
    if (r < 0)
        return err_sys(e, r, "open directory %s", f->names.directory);
    if (f->cfg.is_dated) {
        if (faccessat(AT_FDCWD, f->names.directory, W_OK | X_OK, AT_EACCESS) < 0)
            return err_sys(e, -errno, "write to directory %s", f->names.directory);
        return 0; /* the file comes with the first record */
    }
    r = archive_path(&f->names, f->names.stem, f->live, sizeof f->live);
    if (r == 0)
        r = fileset_open_live(f);
    if (r == -EBUSY)
        return err_set(e, r, "open %s: another collector or sink writes to it", f->live);
    if (r == -EINVAL)
        return err_set(e, r, "open %s: not a file", f->live);
    return r < 0 ? err_sys(e, r, "open %s", f->live) : 0;
}

void fileset_mark(const struct fileset *f, struct sink_mark *ret)
{
    *ret = (struct sink_mark){0};
    ret->word[MARK_MAGIC] = mark_magic;
    ret->word[MARK_SEQUENCE] = f->sequence;
    if (f->fd < 0 || f->is_device)
        return;
    ret->word[MARK_DEV] = f->dev;
    ret->word[MARK_INO] = f->ino;
    ret->word[MARK_SIZE] = f->size;
    ret->word[MARK_TAIL] = tail_hash(f->tail, f->tail_len);
}

/* Cuts what was written after the mark. 1: done, 0: not the file that was marked. */
static int cut_to_mark(struct fileset *f, int fd, const struct sink_mark *mark)
{
    uint8_t tail[FILESET_TAIL];
    struct stat st;
    const uint64_t size = mark->word[MARK_SIZE];
    int r = io_fstat(f->sink->io, fd, &st);
    if (r < 0)
        return r;
    if ((uint64_t)st.st_size < size)
        return 0;
    const unsigned len = size < FILESET_TAIL ? (unsigned)size : FILESET_TAIL;
    if (len && mark->word[MARK_TAIL]) {
        const ssize_t n = pread(fd, tail, len, (off_t)(size - len));
        if (n != (ssize_t)len)
            return n < 0 && errno != EBADF ? -errno : 0;
        if (tail_hash(tail, len) != mark->word[MARK_TAIL])
            return 0; /* same inode number, other bytes: rewritten meanwhile, not ours to cut */
    }
    if ((uint64_t)st.st_size == size || (f->is_footer && f->is_footer(fd, size, (uint64_t)st.st_size)))
        return 1;
    r = io_ftruncate(f->sink->io, fd, (int64_t)size);
    return r < 0 ? r : 1;
}

/* The file may have any name by now: ours or one that an external rotation chose. */
static int recover_renamed(struct fileset *f, const struct sink_mark *mark)
{
    auto_dir d = opendir(f->names.directory);
    char path[PATH_MAX];
    struct dirent *entry;
    struct stat st;
    if (!d)
        return -errno;
    while ((errno = 0, entry = readdir(d)) != NULL) {
        if (entry->d_ino != mark->word[MARK_INO] || (f->ino && entry->d_ino == f->ino) ||
            archive_path(&f->names, entry->d_name, path, sizeof path) < 0)
            continue;
        if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_dev != mark->word[MARK_DEV])
            continue;
        const int fd = io_open(f->sink->io, path, O_RDWR | O_NOFOLLOW, 0);
        if (fd < 0)
            return fd;
        const int r = cut_to_mark(f, fd, mark);
        const int closed = io_close(f->sink->io, fd);
        return r < 0 ? r : closed;
    }
    return -errno;
}

static int recover(struct fileset *f, const struct sink_mark *mark, struct err *e)
{
    if (mark->word[MARK_MAGIC] != mark_magic) {
        static const struct sink_mark nothing;
        if (memcmp(mark, &nothing, sizeof nothing) == 0)
            return 0;
        return err_set(e, -EBADMSG, "recover %s: the mark was not made by this sink", f->names.stem);
    }
    f->sequence = mark->word[MARK_SEQUENCE];
    if (!mark->word[MARK_INO])
        return 0;
    if (f->fd < 0 || f->ino != mark->word[MARK_INO] || f->dev != mark->word[MARK_DEV]) {
        const int r = recover_renamed(f, mark);
        return r < 0 ? err_sys(e, r, "recover in %s", f->names.directory) : 0;
    }
    int r = cut_to_mark(f, f->fd, mark);
    if (r < 0)
        return err_sys(e, r, "recover %s", f->live);
    r = fileset_refresh(f);
    return r < 0 ? err_sys(e, r, "recover %s", f->live) : 0;
}

int fileset_recover(struct fileset *f, const struct sink_mark *mark, struct err *e)
{
    const int r = recover(f, mark, e);
    f->is_at_work = r == 0;
    return r;
}

static bool is_under_way(const struct fileset *f)
{
    return f->is_busy || f->is_writing_back;
}

static void drain(struct fileset *f)
{
    const uint64_t until = clock_mono_ns() + FILESET_CLOSE_NS_MAX;
    while (is_under_way(f) && clock_mono_ns() < until)
        if (io_turn(f->sink->io, until) < 0)
            break;
    if (is_under_way(f)) { /* a disk that does not answer must not hold up the end of the collector */
        io_cancel(f->sink->io, &f->sync_req);
        io_cancel(f->sink->io, &f->write_back_req);
        while (is_under_way(f) && io_turn(f->sink->io, UINT64_MAX) >= 0)
            ;
    }
}

static void keep_result(struct fileset *f, int result)
{
    f->close_result = result;
}

int fileset_close(struct fileset *f, struct err *e)
{
    int r = 0;
    if (!f->sink || !f->sink->io)
        return 0;
    drain(f);
    f->close_result = 0;
    if (f->fd >= 0) {
        r = fileset_refresh(f);
        if (r == 0 && f->footer && !f->is_footer_done && f->size > 0 && fileset_footer(f, keep_result)) {
            drain(f);
            r = f->close_result;
        }
        if (f->cfg.sync != FILESET_SYNC_NEVER && f->is_unsynced) {
            fileset_sync(f, keep_result);
            drain(f);
        }
        const int closed = io_close(f->sink->io, f->fd);
        r = r < 0 ? r : f->close_result < 0 ? f->close_result : closed;
        f->fd = -1;
    }
    if (f->dir_fd >= 0) {
        if (!f->is_device && f->is_at_work)
            fileset_tidy_last(f);
        (void)io_close(f->sink->io, f->dir_fd); /* opened for reading: nothing can be lost */
    }
    f->dir_fd = -1;
    return r < 0 ? err_sys(e, r, "close %s", f->live) : 0;
}
