/* What sinks write to and run, as far as the file system tells before anything is opened: no two of them on one file,
 * however it is spelt, and programs that are there. */
#include "collector/config/build.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    struct sink *sink;
    const char *option; /* that names it */
    const char *text;   /* as it was given */
    bool is_there, is_dir;
    dev_t dev;
    ino_t ino;
    char path[PATH_MAX]; /* of what is not there yet: without links */
};

static const char *text_of(const struct opt *row, const void *cfg)
{
    const char *text;
    memcpy(&text, (const char *)cfg + row->offset, sizeof text);
    return text && *text ? text : NULL;
}

/* A link to a file that is not there stays one: the sink makes the file that it leads to. */
static void follow_links(char text[PATH_MAX])
{
    enum { HOPS_MAX = 40 };
    for (unsigned hops = 0; hops < HOPS_MAX; hops++) {
        char link[PATH_MAX], dir[PATH_MAX] = "";
        const ssize_t len = readlink(text, link, sizeof link - 1);
        if (len <= 0)
            return;
        link[len] = '\0';
        const char *slash = strrchr(text, '/');
        if (*link != '/' && slash)
            (void)snprintf(dir, sizeof dir, "%.*s", (int)(slash - text) + 1, text);
        if (snprintf(text, PATH_MAX, "%s%s", dir, link) >= PATH_MAX)
            return;
    }
}

/* Directories that are not there are made, so that ".." behind them leads back. */
static void append(char path[PATH_MAX], const char *rest)
{
    while (*rest) {
        const size_t len = strcspn(rest, "/"), used = strlen(path);
        if (len == 2 && memcmp(rest, "..", 2) == 0) {
            char *slash = strrchr(path, '/');
            if (slash)
                slash[slash == path] = '\0';
        } else if (len && !(len == 1 && *rest == '.')) {
            const char *const between = used && path[used - 1] == '/' ? "" : "/";
            (void)snprintf(path + used, PATH_MAX - used, "%s%.*s", between, (int)len, rest);
        }
        rest += len + (rest[len] == '/');
    }
}

/* Where a file that is not there would be: what is there of its way may be spelt in many ways, the rest in one. */
static void resolve(struct place *p)
{
    char text[PATH_MAX], way[PATH_MAX];
    (void)snprintf(text, sizeof text, "%s", p->text);
    for (size_t len = strlen(text); len > 1 && text[len - 1] == '/'; len--)
        text[len - 1] = '\0';
    follow_links(text);
    if (snprintf(way, sizeof way, "%s%s", *text == '/' ? "" : "./", text) >= (int)sizeof way)
        way[sizeof way - 1] = '\0';
    for (char *slash; (slash = strrchr(way, '/')) != NULL; *slash = '\0') {
        const size_t from = (size_t)(slash - way) + 1;
        const char *const rest = text + from - (*text == '/' ? 0 : 2);
        slash[slash == way] = '\0';
        auto_free char *real = realpath(way, NULL);
        if (!real)
            continue;
        (void)snprintf(p->path, sizeof p->path, "%s", real);
        append(p->path, rest);
        return;
    }
    (void)snprintf(p->path, sizeof p->path, "%s", text);
}

/* false: nothing that two sinks cannot share, as /dev/null or a terminal. */
static bool look(struct place *p)
{
    struct stat st;
    p->is_there = stat(p->text, &st) == 0;
    if (p->is_there && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return false;
    if (p->is_there) {
        p->dev = st.st_dev;
        p->ino = st.st_ino;
        p->is_dir |= S_ISDIR(st.st_mode);
    } else {
        resolve(p);
    }
    return true;
}

/* Files in one directory are told apart by what their names begin and end with. */
static bool names_differ(const struct sink *a, const struct sink *b)
{
    static const char *const options[] = { "prefix", "mode" };
    bool differ = a->ops != b->ops;
    for (size_t i = 0; i < ARRAY_COUNT(options) && !differ; i++) {
        const struct opt *row = opt_find(a->ops->opts, options[i]);
        differ = row && !opt_equal(row, a->cfg, b->cfg);
    }
    return differ;
}

static bool is_same(const struct place *a, const struct place *b)
{
    if (a->is_there != b->is_there || a->is_dir != b->is_dir)
        return false;
    if (a->is_there ? a->dev != b->dev || a->ino != b->ino : strcmp(a->path, b->path) != 0)
        return false;
    return !a->is_dir || a->sink->ops->remote || !names_differ(a->sink, b->sink);
}

static void compare(struct build *b, const struct place *place, unsigned count, const struct place *p)
{
    char key[300];
    for (unsigned i = 0; i < count; i++) {
        const char *const name = p->sink->common.name, *const other = place[i].sink->common.name;
        if (place[i].sink == p->sink || !is_same(&place[i], p))
            continue;
        (void)snprintf(key, sizeof key, "sinks.%s.%s", name, p->option);
        build_problem(b, -EEXIST, "%s: %s: %s is where sink %s writes to as well (%s there); give one another %s",
                      config_source(b->c, key), key, p->text, other, place[i].text,
                      p->is_dir && !p->sink->ops->remote ? "directory or prefix" : p->option);
        return;
    }
}

/* Returns how many there are with this one. */
static unsigned add(struct build *b, struct place *place, unsigned count, struct sink *s, const struct opt *row,
                    const void *cfg, bool is_dir)
{
    const char *text = text_of(row, cfg);
    struct place *p = &place[count];
    if (!text)
        return count;
    *p = (struct place){ .sink = s, .option = row->name, .text = text,
                         .is_dir = is_dir || text[strlen(text) - 1] == '/' };
    if (!look(p))
        return count;
    compare(b, place, count, p);
    return count + 1;
}

enum { PLACES_OF_A_SINK = 3 }; /* path, directory, spool_dir */

static void check_places(struct build *b)
{
    const struct opt *rows;
    unsigned count = 0;
    void *cfg;
    auto_free struct place *place = malloc(sizeof *place * (FAPILOG_SINKS_MAX * PLACES_OF_A_SINK + 1));
    for (uint32_t i = 0; i < b->c->sinks_count && place; i++) {
        struct sink *s = b->c->sink[i];
        for (unsigned t = 0; (rows = sink_table(s, t, &cfg)); t++)
            for (; rows->type != OPT_END_ROW && count < (i + 1) * PLACES_OF_A_SINK; rows++)
                if (rows->flags & (OPT_OUTPUT | OPT_OUTPUT_DIR) || strcmp(rows->name, "spool_dir") == 0)
                    count = add(b, place, count, s, rows, cfg, !(rows->flags & OPT_OUTPUT));
    }
}

static const char *why_not_run(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0 || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        return strerror(errno);
    return S_ISREG(st.st_mode) ? NULL : "not a file";
}

/* A warning only: the sink tries again and again, and its records wait meanwhile. */
static void check_programs(struct build *b)
{
    for (uint32_t i = 0; i < b->c->sinks_count; i++) {
        const struct sink *s = b->c->sink[i];
        for (const struct opt *row = s->ops->opts; row && row->type != OPT_END_ROW; row++) {
            char key[300];
            const char *path = row->flags & OPT_PROGRAM ? text_of(row, s->cfg) : NULL;
            const char *why = path ? why_not_run(path) : NULL;
            if (!why)
                continue;
            (void)snprintf(key, sizeof key, "sinks.%s.%s", s->common.name, row->name);
            build_warn(b, "%s: %s: %s cannot be run: %s; records wait for it", config_source(b->c, key), key, path,
                       why);
        }
    }
}

void build_check_outputs(struct build *b)
{
    check_places(b);
    check_programs(b);
}
