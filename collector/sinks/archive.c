#include "collector/sinks/archive.h"

#include "collector/io/io.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { DATED_TRIES_MAX = 100000, NUMBER_DIGITS_MAX = 9 };

static bool take_number(const char **p, uint64_t *ret)
{
    uint64_t n = 0;
    unsigned digits = 0;
    if (**p == '0') /* we write no leading zeros, so such a name is not ours */
        return false;
    for (; isdigit((unsigned char)**p) && digits <= NUMBER_DIGITS_MAX; (*p)++, digits++)
        n = n * 10 + (unsigned)(**p - '0');
    *ret = n;
    return digits > 0 && digits <= NUMBER_DIGITS_MAX;
}

/* "-20261121-093000" */
static bool take_date(const char **p)
{
    static const char shape[] = "-########-######";
    for (const char *s = shape; *s; s++, (*p)++)
        if (*s == '#' ? !isdigit((unsigned char)**p) : **p != *s)
            return false;
    return true;
}

/* Is this a name of the set other than the live one? Fills kind and number. */
static bool archive_match(const struct archive_names *n, const char *name, enum archive_kind *ret_kind,
                   uint64_t *ret_number)
{
    static const struct { const char *suffix; enum archive_kind kind; } kinds[] = {
        {"", ARCHIVE_PLAIN}, {".gz", ARCHIVE_GZIP}, {".zst", ARCHIVE_ZSTD},
        {".gz.tmp", ARCHIVE_PARTIAL}, {".zst.tmp", ARCHIVE_PARTIAL},
    };
    const size_t stem = strlen(n->stem);
    uint64_t number = 0;
    if (strncmp(name, n->stem, stem) != 0)
        return false;
    const char *p = name + stem;
    if (n->is_dated) {
        if (!take_date(&p) || (*p == '-' && (p++, !take_number(&p, &number))))
            return false;
        if (strncmp(p, n->extension, strlen(n->extension)) != 0)
            return false;
        p += strlen(n->extension);
    } else if (*p++ != '.' || !take_number(&p, &number)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        if (strcmp(p, kinds[i].suffix) == 0) {
            *ret_kind = kinds[i].kind;
            *ret_number = number;
            return true;
        }
    return false;
}

static int younger_by_number(const void *a, const void *b)
{
    const struct archive *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number ? 1 : strcmp(x->name, y->name);
}

static int younger_by_time(const void *a, const void *b)
{
    const struct archive *x = a, *y = b;
    if (x->order_ns != y->order_ns)
        return x->order_ns > y->order_ns ? -1 : 1;
    if (x->mtime_ns != y->mtime_ns)
        return x->mtime_ns > y->mtime_ns ? -1 : 1;
    if (x->number != y->number)
        return x->number > y->number ? -1 : 1;
    return strcmp(y->name, x->name);
}

static int list_add(struct archive_list *l, const struct archive *a)
{
    if ((l->count & (l->count - 1)) == 0) {
        const size_t room = l->count ? l->count * 2 : 1;
        struct archive *item = reallocarray(l->item, room, sizeof *item);
        if (!item)
            return -ENOMEM;
        l->item = item;
    }
    l->item[l->count++] = *a;
    return 0;
}

void archive_list_sort(const struct archive_names *n, struct archive_list *l)
{
    if (l->count > 1)
        qsort(l->item, l->count, sizeof *l->item, n->is_dated ? younger_by_time : younger_by_number);
}

int archive_scan(const struct archive_names *n, uint64_t live_ino, struct archive_list *ret, struct err *e)
{
    auto_dir d = opendir(n->directory);
    auto_archive_list l = {0};
    struct dirent *entry;
    struct stat st;
    if (!d)
        return err_sys(e, -errno, "read directory %s", n->directory);
    while ((errno = 0, entry = readdir(d)) != NULL) {
        struct archive a = {0};
        if (!archive_match(n, entry->d_name, &a.kind, &a.number))
            continue;
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
            st.st_ino == live_ino)
            continue;
        (void)snprintf(a.name, sizeof a.name, "%s", entry->d_name);
        a.dev = st.st_dev;
        a.ino = st.st_ino;
        a.bytes = (uint64_t)st.st_size;
        a.mtime_ns = a.order_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
        if (list_add(&l, &a) < 0)
            return err_set(e, -ENOMEM, "read directory %s: out of memory", n->directory);
    }
    if (errno)
        return err_sys(e, -errno, "read directory %s", n->directory);
    archive_list_sort(n, &l);
    *ret = l;
    l = (struct archive_list){0};
    return 0;
}

void archive_list_done(struct archive_list *l)
{
    free(l->item);
    *l = (struct archive_list){0};
}

int archive_path(const struct archive_names *n, const char *name, char *ret, size_t size)
{
    const int len = snprintf(ret, size, "%s/%s", n->directory, name);
    return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

/* 1: free, 0: taken, -errno. A compressed file of that name takes it too. */
static int is_free(const struct archive_names *n, struct io *io, const char *name)
{
    static const char *const suffixes[] = {"", ".gz", ".zst"};
    char path[PATH_MAX + 8];
    struct stat st;
    for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
        const int len = snprintf(path, sizeof path, "%s/%s%s", n->directory, name, suffixes[i]);
        if (len < 0 || (size_t)len >= PATH_MAX)
            return -ENAMETOOLONG;
        const int r = io_stat(io, path, &st);
        if (r != -ENOENT)
            return r < 0 ? r : 0;
    }
    return 1;
}

int archive_dated_name(const struct archive_names *n, struct io *io, int64_t real_ns, char *ret, size_t size)
{
    char date[32], name[NAME_MAX + 1];
    struct tm tm;
    const time_t s = (time_t)(real_ns / 1000000000);
    if (!gmtime_r(&s, &tm) || !strftime(date, sizeof date, "%Y%m%d-%H%M%S", &tm))
        return -EOVERFLOW;
    for (unsigned i = 0; i < DATED_TRIES_MAX; i++) {
        char number[16] = "";
        if (i)
            (void)snprintf(number, sizeof number, "-%u", i);
        const int len = snprintf(name, sizeof name, "%s-%s%s%s", n->stem, date, number, n->extension);
        if (len < 0 || (size_t)len >= sizeof name)
            return -ENAMETOOLONG;
        const int r = is_free(n, io, name);
        if (r < 0)
            return r;
        if (r)
            return archive_path(n, name, ret, size);
    }
    return -EEXIST;
}

static int move(const struct archive_names *n, struct io *io, const struct archive *a, struct err *e)
{
    static const char *const suffixes[] = {
        [ARCHIVE_PLAIN] = "", [ARCHIVE_GZIP] = ".gz", [ARCHIVE_ZSTD] = ".zst",
    };
    char from[PATH_MAX], name[PATH_MAX], to[PATH_MAX];
    (void)snprintf(name, sizeof name, "%s.%" PRIu64 "%s", n->stem, a->number + 1, suffixes[a->kind]);
    int r = archive_path(n, a->name, from, sizeof from);
    if (r == 0)
        r = archive_path(n, name, to, sizeof to);
    if (r == 0)
        r = io_rename(io, from, to);
    return r < 0 ? err_sys(e, r, "rename %s to %s", from, name) : 0;
}

int archive_shift(const struct archive_names *n, struct io *io, struct err *e)
{
    auto_archive_list l = {0};
    uint64_t expected = 1;
    size_t run = 0;
    int r = archive_scan(n, 0, &l, e);
    if (r < 0)
        return r;
    for (; run < l.count && l.item[run].number <= expected; run++)
        if (l.item[run].number == expected && (run + 1 == l.count || l.item[run + 1].number != expected))
            expected++;
    /* From the oldest down, so that no name is ever taken; the first gap absorbs the move. */
    for (size_t i = run; i-- > 0 && r == 0;)
        if (l.item[i].kind != ARCHIVE_PARTIAL)
            r = move(n, io, &l.item[i], e);
    return r;
}
