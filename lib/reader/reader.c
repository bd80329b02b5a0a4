#include "lib/reader/reader_internal.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/reader/native_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static const char native_suffix[] = ".fnl";
/* Rings, and those that the collector keeps: delivered ones of the dead, and damaged ones. */
static const char *const segment_suffixes[] = {FAPILOG_SEGMENT_SUFFIX, ".dead", ".bad"};

void reader_warn(const struct reader *r, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (r->warn)
        r->warn(r->warn_arg, text);
}

int reader_new(struct reader **ret, reader_warn_func *warn_func, void *warn_arg, struct err *e)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, -ENOMEM, "no memory for a reader");
    r->warn = warn_func;
    r->warn_arg = warn_arg;
    r->watch_fd = -1;
    reader_hold(r, INT64_MAX, INT64_MAX);
    *ret = r;
    return 0;
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->segments_count; i++)
        reader_segment_free(r, r->segments[i]);
    for (size_t i = 0; i < r->natives_count; i++)
        reader_native_free(r, r->natives[i]);
    reader_groups_free(r);
    for (size_t i = 0; i < r->dirs_count; i++)
        free(r->dirs[i]);
    for (size_t i = 0; i < r->names_count; i++)
        free(r->names[i]);
    cleanup_fd(&r->watch_fd);
    free(r->segments);
    free(r->natives);
    free(r->dirs);
    free(r->names);
    free(r->heap);
    free(r);
}

/* ---- the heap ---- */

static bool earlier(const struct reader_source *a, const struct reader_source *b)
{
    if (a->rec.time_ns != b->rec.time_ns)
        return a->rec.time_ns < b->rec.time_ns;
    return a->rec.cycles < b->rec.cycles;
}

static void heap_swap(struct reader *r, size_t i, size_t j)
{
    struct reader_source *src = r->heap[i];
    r->heap[i] = r->heap[j];
    r->heap[j] = src;
}

int reader_offer(struct reader *r, struct reader_source *src, struct err *e)
{
    CHECK(!src->pending);
    if (r->heap_count == r->heap_max) {
        const size_t max = r->heap_max ? 2 * r->heap_max : 64;
        struct reader_source **more = realloc(r->heap, max * sizeof *more);
        if (!more)
            return err_set(e, -ENOMEM, "no memory to merge %zu sources", max);
        r->heap = more;
        r->heap_max = max;
    }
    size_t i = r->heap_count++;
    r->heap[i] = src;
    src->pending = true;
    for (; i && earlier(r->heap[i], r->heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap_swap(r, i, (i - 1) / 2);
    return 0;
}

static struct reader_source *heap_pop(struct reader *r)
{
    CHECK(r->heap_count > 0);
    struct reader_source *top = r->heap[0];
    r->heap[0] = r->heap[--r->heap_count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < r->heap_count; child++)
            least = earlier(r->heap[child], r->heap[least]) ? child : least;
        if (least == i)
            break;
        heap_swap(r, i, least);
        i = least;
    }
    top->pending = false;
    return top;
}

void reader_hold(struct reader *r, int64_t from_ns, int64_t to_ns)
{
    r->hold_from_ns = from_ns;
    r->hold_to_ns = to_ns;
}

int64_t reader_held_ns(const struct reader *r)
{
    return r->heap_count ? r->heap[0]->rec.time_ns : INT64_MAX;
}

static bool is_held(const struct reader *r, const struct reader_source *src)
{
    return src->rec.time_ns > r->hold_from_ns && src->rec.time_ns <= r->hold_to_ns;
}

int reader_next(struct reader *r, struct fapilog_record *ret, struct err *e)
{
    struct reader_source *src = r->current;
    r->current = NULL;
    for (;;) {
        const int n = src ? src->advance(r, src, e) : 0;
        if (n < 0)
            return n;
        if (!r->heap_count || is_held(r, r->heap[0]))
            return 0;
        src = heap_pop(r);
        if (!src->is_asleep)
            break;
    }
    r->current = src;
    r->records++;
    *ret = src->rec;
    return 1;
}

/* ---- files and directories ---- */

/* Files are renamed while they are followed: a ring to .dead, when it is delivered. */
static bool is_same_stem(const char *path, const char *other)
{
    const char *dot = strrchr(path, '.'), *other_dot = strrchr(other, '.');
    const size_t stem = dot ? (size_t)(dot - path) : 0;
    return other_dot && stem == (size_t)(other_dot - other) && memcmp(path, other, stem) == 0;
}

/* The ring by its inode number, which nobody else gets while it is open; that of one that was closed may soon be
 * another file's, and `path` (NULL: none) has to be right, too. */
static struct reader_segment *segment_find(const struct reader *r, const struct stat *st, const char *path)
{
    for (size_t i = 0; i < r->segments_count; i++) {
        struct reader_segment *s = r->segments[i];
        if (s->dev == st->st_dev && s->ino == st->st_ino && (s->seg || (path && is_same_stem(s->path, path))))
            return s;
    }
    return NULL;
}

static bool is_known(struct reader *r, const char *path, const struct stat *st)
{
    struct reader_segment *s = segment_find(r, st, path);
    struct reader_native *n = s ? NULL : reader_native_find(r, st->st_dev, st->st_ino);
    if (s)
        s->seen = true;
    if (n)
        n->seen = true; /* it is open, like a ring */
    return s || n;
}

/* Named a second time, or found in a directory that was named before it. */
static bool is_named_again(struct reader *r, const struct stat *st)
{
    struct reader_segment *s = segment_find(r, st, NULL);
    struct reader_native *n = s ? NULL : reader_native_find(r, st->st_dev, st->st_ino);
    if (s)
        s->named = s->seen = true;
    if (n)
        n->named = n->seen = true;
    return s || n;
}

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

static bool is_segment_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(segment_suffixes); i++) {
        if (has_suffix(name, segment_suffixes[i]))
            return true;
    }
    return false;
}

/* log.fnl, and what rotation makes of it: log.fnl.1, log.fnl.2 ... */
static bool is_native_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    const size_t stem = dot ? (size_t)(dot - name) : 0, n = sizeof native_suffix - 1;
    if (dot && dot[1] && dot[1 + strspn(dot + 1, "0123456789")] == '\0')
        return stem > n && memcmp(dot - n, native_suffix, n) == 0;
    return has_suffix(name, native_suffix);
}

bool reader_is_name(const char *name)
{
    return name[0] != '.' && (is_segment_name(name) || is_native_name(name));
}

/* A sink whose path is a file opens it before there is a record. */
static bool is_empty_yet(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
}

static int entry_add(struct reader *r, int dir_fd, const char *name, const char *path, struct err *e)
{
    if (is_segment_name(name))
        return reader_segment_add(r, dir_fd, name, path, e);
    auto_fd fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == ELOOP)
        return err_set(e, -ELOOP, "%s is a symbolic link, and links are not followed in a directory", path);
    if (fd < 0)
        return err_sys(e, -errno, "%s", path);
    return is_empty_yet(fd) ? 0 : reader_native_add_fd(r, take_fd(fd), path, false, e);
}

/* log.fnl.gz, log.fnl.1.zst ... */
static bool is_packed_name(const char *name)
{
    static const char *const suffixes[] = {".gz", ".zst", ".xz", ".bz2"};
    char stem[NAME_MAX + 1];
    for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
        if (!has_suffix(name, suffixes[i]))
            continue;
        (void)snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - strlen(suffixes[i])), name);
        return is_native_name(stem) || is_segment_name(stem);
    }
    return false;
}

struct scan {
    size_t packed, left_out; /* files that are not read: packed; too many */
};

/* Of one entry. 0, also where it cannot be read, which is told; -ENOMEM; -EACCES: none of them can be looked at. */
static int entry_look(struct reader *r, int dir_fd, const char *path, const char *name, bool quiet, struct scan *ret,
                      struct err *e)
{
    struct stat st;
    struct err why = {0};
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == EACCES ? err_sys(e, -EACCES, "look into the directory of %s", path) : 0;
    if (is_known(r, path, &st))
        return 0;
    const int n = entry_add(r, dir_fd, name, path, &why);
    if (n == -ENOMEM)
        return err_set(e, n, "%s", why.text);
    if (n == -EMFILE || n == -ENFILE) {
        ret->left_out++;
    } else if (n < 0 && n != -ENOENT && !quiet) { /* not unlinked meanwhile, nor told before */
        r->closed.refused++;
        reader_warn(r, "%s%s%s", why.text, n == -ELOOP ? "; to read what it leads to, give its path: " : "",
                    n == -ELOOP ? path : "");
    }
    return 0;
}

static void scan_tell(struct reader *r, const char *dir, const struct scan *seen, bool quiet)
{
    if (seen->packed && !quiet)
        reader_warn(r, "%s: %zu packed files (.gz ...) are not read; unpack them to see what is in them", dir,
                    seen->packed);
    if (!seen->left_out || r->was_told_limit)
        return;
    r->was_told_limit = true;
    r->closed.refused += seen->left_out;
    reader_warn(r, "%s: %zu files are not read: too many open files; raise the limit (ulimit -n), or name fewer", dir,
                seen->left_out);
}

static int dir_scan(struct reader *r, const char *dir, bool quiet, struct err *e)
{
    struct scan seen = {0};
    auto_dir d = opendir(dir);
    if (!d)
        return err_sys(e, -errno, "directory %s", dir);
    for (const struct dirent *entry; (errno = 0, entry = readdir(d));) {
        char path[PATH_MAX];
        const char *name = entry->d_name;
        seen.packed += is_packed_name(name);
        if (!reader_is_name(name))
            continue;
        const bool fits = (size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path;
        if (!fits && !quiet)
            reader_warn(r, "%s: not read, its path is too long", name);
        const int n = fits ? entry_look(r, dirfd(d), path, name, quiet, &seen, e) : 0;
        if (n < 0)
            return n;
    }
    const int failed = errno;
    scan_tell(r, dir, &seen, quiet);
    return failed ? err_sys(e, -failed, "read directory %s", dir) : 0;
}

static int path_keep(char ***paths, size_t *count, const char *path, struct err *e)
{
    char **more = realloc(*paths, (*count + 1) * sizeof *more);
    if (more)
        *paths = more;
    char *copy = strdup(path);
    if (!more || !copy) {
        free(copy);
        return err_set(e, -ENOMEM, "no memory for %s", path);
    }
    (*paths)[(*count)++] = copy;
    return 0;
}

/* Once, however often it is named. */
static int dir_add(struct reader *r, const char *path, const struct stat *st, struct err *e)
{
    for (size_t i = 0; i < r->dirs_count; i++) {
        struct stat other;
        if (stat(r->dirs[i], &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino)
            return 0;
    }
    const int n = path_keep(&r->dirs, &r->dirs_count, path, e);
    return n < 0 ? n : dir_scan(r, path, false, e);
}

static bool is_native(int fd)
{
    uint64_t magic = 0;
    return pread(fd, &magic, sizeof magic, 0) == sizeof magic && magic == FAPILOG_NATIVE_MAGIC;
}

int reader_add(struct reader *r, const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_sys(e, -errno, "%s", path);
    if (S_ISDIR(st.st_mode))
        return dir_add(r, path, &st, e);
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(e, -errno, "%s", path);
    const bool is_ours = is_native_name(path) && S_ISREG(st.st_mode), is_known_file = is_named_again(r, &st);
    if (!is_native(fd) && !is_ours)
        return is_known_file ? 0 : reader_segment_add_fd(r, take_fd(fd), path, e);
    const int n = path_keep(&r->names, &r->names_count, path, e);
    if (n < 0 || is_known_file)
        return n;
    if (!is_empty_yet(fd))
        return reader_native_add_fd(r, take_fd(fd), path, true, e);
    reader_warn(r, "%s is empty: nothing has been written to it yet", path);
    return 0;
}

enum name_state { NAME_OLD, NAME_NEW, NAME_NONE };

/* NAME_OLD: a file that was known before this scan; NAME_NEW: one that was not; NAME_NONE: nothing that can be read. */
static int name_look(struct reader *r, const char *path, struct err *e)
{
    struct stat st;
    struct err why = {0};
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return NAME_NONE;
    const struct reader_native *known = reader_native_find(r, st.st_dev, st.st_ino);
    if (known)
        return known->scan == r->scans ? NAME_NEW : NAME_OLD;
    if (!is_native(fd))
        return NAME_NONE;
    const int n = reader_native_add_fd(r, take_fd(fd), path, true, &why);
    return n == -ENOMEM ? err_set(e, n, "%s", why.text) : n == 0 ? NAME_NEW : NAME_NONE;
}

/* From the live file on, which may be empty yet, to one that was known before. Names change meanwhile, upwards: the
 * same file may be met again under its next number, and one number may have none for a moment. */
static int rotated_scan(struct reader *r, const char *name, struct err *e)
{
    enum { ROTATED_MAX = 1000 };
    int n = name_look(r, name, e), before = NAME_NEW;
    for (unsigned k = 1; n > NAME_OLD && (n == NAME_NEW || before == NAME_NEW) && k < ROTATED_MAX; k++) {
        char path[PATH_MAX];
        before = n;
        n = snprintf(path, sizeof path, "%s.%u", name, k) < (int)sizeof path ? name_look(r, path, e) : NAME_OLD;
    }
    return n < 0 ? n : 0;
}

static ino_t inode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Rotation has put another file where one was that was named: also those that came and went between two looks. Where
 * all names have moved on in the middle of the search, it begins again. */
static int name_scan(struct reader *r, const char *name, struct err *e)
{
    enum { TRIES_MAX = 100 };
    ino_t live;
    int n, tries = 0;
    do {
        live = inode_of(name);
        n = rotated_scan(r, name, e);
    } while (n == 0 && inode_of(name) != live && ++tries < TRIES_MAX);
    return n;
}

static int names_scan(struct reader *r, struct err *e)
{
    int n = 0;
    for (size_t i = 0; i < r->names_count && n == 0; i++)
        n = name_scan(r, r->names[i], e);
    return n;
}

static int dirs_scan(struct reader *r, struct err *e)
{
    int n = 0;
    r->scans++;
    for (size_t i = 0; i < r->segments_count; i++)
        r->segments[i]->seen = r->segments[i]->named;
    for (size_t i = 0; i < r->natives_count; i++)
        r->natives[i]->seen = r->natives[i]->named;
    for (size_t i = 0; i < r->dirs_count && n >= 0; i++)
        n = dir_scan(r, r->dirs[i], true, e);
    return n < 0 ? n : names_scan(r, e);
}

int reader_rescan(struct reader *r, struct err *e)
{
    const int n = dirs_scan(r, e);
    if (n >= 0) {
        reader_segments_retire(r);
        reader_natives_retire(r);
    }
    return n;
}

int reader_refresh(struct reader *r, struct err *e)
{
    int n = dirs_scan(r, e);
    for (size_t i = 0; i < r->segments_count && n >= 0; i++)
        n = reader_segment_refresh(r, r->segments[i], e);
    if (n >= 0)
        n = reader_natives_refresh(r, e);
    if (n >= 0) { /* after a last look at what they hold */
        reader_segments_retire(r);
        reader_natives_retire(r);
    }
    r->has_looked = true;
    return n;
}

/* Without a watch, new files wait for the next look. */
static void watch_begin(struct reader *r)
{
    r->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    for (size_t i = 0; r->watch_fd >= 0 && i < r->dirs_count; i++)
        (void)inotify_add_watch(r->watch_fd, r->dirs[i], IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

bool reader_wait_files(struct reader *r, int timeout_ms)
{
    _Alignas(struct inotify_event) char events[4096];
    if (r->watch_fd < 0 && r->dirs_count)
        watch_begin(r);
    struct pollfd p = {.fd = r->watch_fd, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) <= 0)
        return false;
    while (read(r->watch_fd, events, sizeof events) > 0)
        ;
    return true;
}

size_t reader_segments(const struct reader *r, struct reader_segment *const **ret)
{
    *ret = r->segments;
    return r->segments_count;
}

void reader_totals(const struct reader *r, struct reader_totals *ret)
{
    *ret = r->closed;
    for (size_t i = 0; i < r->segments_count; i++)
        reader_segment_totals(r->segments[i], ret);
    for (size_t i = 0; i < r->natives_count; i++)
        reader_native_totals(r->natives[i], ret);
    ret->records = r->records;
}

size_t reader_natives_count(const struct reader *r)
{
    return r->natives_count;
}

struct native_stream *reader_native_stream(const struct reader *r, size_t i, const char **ret_path)
{
    CHECK(i < r->natives_count);
    *ret_path = r->natives[i]->path;
    return r->natives[i]->stream;
}
