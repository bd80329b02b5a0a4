#include "tools/dump/spool_paths.h"

#include "collector/delivery/ledger.h"
#include "collector/delivery/spool/cursor.h"
#include "collector/delivery/spool/journal.h"
#include "collector/delivery/spool/spool_file.h"
#include "lib/base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *spool_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool has_records(const char *name)
{
    uint64_t sequence;
    return spool_name_parse(name, &sequence) || strcmp(name, JOURNAL_FILE) == 0;
}

static bool name_is_ours(const char *name)
{
    return has_records(name) || strcmp(name, LEDGER_FILE) == 0 || strcmp(name, CURSOR_FILE) == 0;
}

/* Under another name, by its head. */
static bool file_is_ours(const char *path)
{
    struct spool_file f;
    if (spool_file_open(&f, path, 0, NULL) < 0)
        return false;
    spool_file_close(&f);
    return true;
}

/* 1: a name in this directory is one of these; 0: none is. */
static int any_in(const char *path, bool (*is)(const char *name), struct err *e)
{
    auto_dir dir = opendir(path);
    if (!dir)
        return err_sys(e, -errno, "open directory %s", path);
    for (const struct dirent *d; (errno = 0, d = readdir(dir));)
        if (is(d->d_name))
            return 1;
    return errno ? err_sys(e, -errno, "read directory %s", path) : 0;
}

/* STATE/spool or STATE/dead, by name and the ledger beside it: nothing needs to be in it. */
static bool is_parent_by_name(const char *real)
{
    char ledger[PATH_MAX];
    const char *const name = spool_path_base(real);
    struct stat st;
    if (strcmp(name, "spool") != 0 && strcmp(name, "dead") != 0)
        return false;
    return snprintf(ledger, sizeof ledger, "%.*s" LEDGER_FILE, (int)(name - real), real) < (int)sizeof ledger &&
           stat(ledger, &st) == 0;
}

/* Copied elsewhere: nothing but directories, and in one of them what a sink leaves. */
static int is_parent_by_content(const char *path, struct err *e)
{
    struct err denied = {0};
    int is = 0;
    auto_dir dir = opendir(path);
    if (!dir)
        return err_sys(e, -errno, "open directory %s", path);
    for (const struct dirent *d; is >= 0 && (errno = 0, d = readdir(dir));) {
        char below[PATH_MAX];
        struct stat st;
        if (*d->d_name == '.')
            continue;
        if (snprintf(below, sizeof below, "%s/%s", path, d->d_name) >= (int)sizeof below || stat(below, &st) < 0 ||
            !S_ISDIR(st.st_mode))
            return 0;
        is = is ? is : any_in(below, name_is_ours, e);
        if (is == -EACCES) { /* which does not hide the others */
            denied = e ? *e : (struct err){.code = is};
            is = 0;
        }
    }
    if (!is && denied.code)
        return err_set(e, denied.code, "%s", denied.text);
    return is >= 0 && errno ? err_sys(e, -errno, "read directory %s", path) : is;
}

int spool_dir_is_of_all_sinks(const char *path, struct err *e)
{
    auto_free char *real = realpath(path, NULL);
    struct stat st;
    if (!real || stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    const int has_ours = any_in(real, name_is_ours, e);
    if (has_ours)
        return has_ours < 0 ? has_ours : 0;
    return is_parent_by_name(real) ? 1 : is_parent_by_content(real, e);
}

/* Nothing has to be in it any more, or ever was. */
static bool is_child_by_name(const char *path)
{
    auto_free char *real = realpath(path, NULL);
    char *slash = real ? strrchr(real, '/') : NULL;
    if (!slash)
        return false;
    *slash = '\0';
    return is_parent_by_name(real);
}

int spool_path_is_ours(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return 0;
    if (!S_ISDIR(st.st_mode))
        return (name_is_ours(spool_path_base(path)) && strcmp(spool_path_base(path), CURSOR_FILE) != 0) ||
               file_is_ours(path);
    int is = any_in(path, name_is_ours, e);
    if (is == 0)
        is = spool_dir_is_of_all_sinks(path, e);
    return is ? is : is_child_by_name(path);
}

int spool_dir_is_empty(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    const int has = any_in(path, has_records, e);
    return has < 0 ? has : !has;
}
