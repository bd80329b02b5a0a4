#include "tools/dump/sources.h"

#include "lib/base/cleanup.h"
#include "lib/base/edit_distance.h"
#include "lib/ring/ringdir.h"
#include "tools/dump/follow.h"
#include "tools/dump/safe_text.h"

#include <fapilog/abi.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is typed for a path at night. */
static bool is_number(const char *text)
{
    return *text && !text[strspn(text, "0123456789")];
}

/* What a sink has written for people, instead of a ring. */
static bool is_text(const char *path)
{
    char head[64];
    FILE *f = fopen(path, "re");
    const size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        (void)fclose(f);
    for (size_t i = 0; i < n; i++)
        if (iscntrl((unsigned char)head[i]) && !isspace((unsigned char)head[i]))
            return false;
    return n > 0;
}

static bool is_packed(const char *path)
{
    static const unsigned char heads[][4] = {
        {0x1f, 0x8b}, {0x28, 0xb5, 0x2f, 0xfd}, {0xfd, '7', 'z', 'X'}, {'B', 'Z', 'h'}};
    static const size_t lengths[] = {2, 4, 4, 3};
    unsigned char head[4] = {0};
    FILE *f = fopen(path, "re");
    const size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        (void)fclose(f);
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++)
        if (n == sizeof head && memcmp(head, heads[i], lengths[i]) == 0)
            return true;
    return false;
}

/* As the library says it to a service: rings that are not found may be where a misspelt variable points. */
static void look_for_misspelt(void)
{
    static const char variable[] = "FAPILOG_RING_DIR", prefix[] = "FAPILOG_";
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    enum { NEAR = 2 };
    for (char **v = environ; v && *v; v++) {
        char name[sizeof variable + NEAR];
        const size_t len = strspn(*v, letters);
        if (len >= sizeof name || (*v)[len] != '=' || !(*v)[len + 1] || strncmp(*v, prefix, sizeof prefix - 1) != 0)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)len, *v);
        if (strcmp(name, variable) != 0 && edit_distance(name, variable) <= NEAR)
            (void)fprintf(stderr, "fapilog-dump: %s has no effect; did you mean %s?\n", name, variable);
    }
}

static bool holds_any(const char *path)
{
    auto_dir dir = opendir(path);
    bool any = !dir; /* which was told already */
    for (const struct dirent *d; !any && (d = readdir(dir)) != NULL;)
        any = reader_is_name(d->d_name);
    return any;
}

/* 0, also of what is no directory. */
static int dir_check(const char *path, bool is_verdict, const char *others)
{
    char lock[PATH_MAX];
    struct stat st;
    safe_path text;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode) || holds_any(path))
        return 0;
    const bool is_rings = snprintf(lock, sizeof lock, "%s/" FAPILOG_COLLECTOR_LOCK, path) < (int)sizeof lock &&
                          stat(lock, &st) == 0;
    if (is_rings && is_verdict)
        printf("%s: empty\n", safe_clean_path(path, text));
    else
        (void)fprintf(stderr, "fapilog-dump: %sno rings and no native files in %s%s\n",
                      is_verdict ? "nothing to check: " : "", path, others);
    return is_rings ? 0 : -ENOENT;
}

int sources_check(const struct options *o, bool is_verdict, struct err *e)
{
    struct ringdir dir;
    int r = 0;
    for (int i = 0; i < o->paths_count; i++) {
        const int n = dir_check(o->paths[i], is_verdict, "");
        r = n < 0 ? n : r;
    }
    if ((!o->paths_count || o->rings) && ringdir_choose(&dir, o->rings, NULL) == 0) {
        const int n = dir_check(dir.path, is_verdict, o->rings ? "" : SOURCES_OTHERS);
        r = n < 0 ? n : r;
    }
    if (fflush(stdout) != 0 && errno != EPIPE)
        return err_sys(e, -errno, "write to stdout");
    return r;
}

static int rings_add(struct reader *r, const struct options *o, struct ringdir *dir, struct err *e)
{
    const int n = ringdir_choose(dir, o->rings, e);
    return n == 0 ? reader_add(r, dir->path, e) : n;
}

/* --follow may be started before what it is to follow. */
static int rings_wait(struct reader *r, const struct options *o, struct ringdir *dir, struct err *e)
{
    enum { LOOK_MS = 200 };
    safe_text text;
    int n = -ENOENT;
    follow_init();
    (void)fprintf(stderr, "fapilog-dump: %s is not there yet; waiting for a program that logs\n",
                  safe_clean(dir->path, strlen(dir->path), text));
    while (n == -ENOENT && follow_sleep(LOOK_MS)) {
        *e = (struct err){0};
        n = rings_add(r, o, dir, e);
    }
    return n == -ENOENT ? 0 : n; /* it was told to stop */
}

int sources_add(struct reader *r, const struct options *o, struct err *e)
{
    int n = 0;
    for (int i = 0; i < o->paths_count && n == 0; i++) {
        n = reader_add(r, o->paths[i], e);
        if (n == -EBADMSG && is_text(o->paths[i]))
            n = err_wrap(e, n, "it is text: read it with less, grep or jq");
        else if (n == -EBADMSG && is_packed(o->paths[i]))
            n = err_wrap(e, n, "it is packed: unpack it first (gunzip, unzstd)");
        if (n == -ENOENT && is_number(o->paths[i]))
            n = err_wrap(e, n, "of a process by its pid: --where 'pid == %s'", o->paths[i]);
    }
    if (n < 0 || (o->paths_count && !o->rings))
        return n;
    if (!o->rings)
        look_for_misspelt();
    struct ringdir dir = {0};
    n = rings_add(r, o, &dir, e);
    if (n == -ENOENT && o->follow && dir.path[0])
        return rings_wait(r, o, &dir, e);
    return n == -ENOENT ? err_wrap(e, n, "no program has logged there yet%s", o->rings ? "" : SOURCES_OTHERS) : n;
}
