#include "collector/daemon/replay.h"

#include "collector/daemon/replay_sink.h"
#include "collector/daemon/say.h"
#include "collector/delivery/deadletter.h"
#include "collector/delivery/spool/spool_file.h"
#include "collector/delivery/state_dir.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct replay {
    struct config config;
    const struct options *options;
    struct io *io;
    int lock_fd;               /* -1: no collector could use the directory */
    char dir[PATH_MAX];        /* of the files */
    struct replay_sink *sink[FAPILOG_SINKS_MAX]; /* of the configuration's, those that had something to do */
    struct replay_sink *to;    /* of the file under way */
    const char *file;
    FILE *books;
    uint64_t records, refused, damaged_files;
};

/* ---- one file ---- */

static int open_sink(struct replay *p, uint32_t i, struct err *e)
{
    const struct replay_sink_config cfg = {
        .io = p->io, .refused_dir = p->dir, .patience_ns = p->config.settings.shutdown_timeout_ns,
    };
    const int r = p->sink[i] ? 0 : replay_sink_open(p->config.sink[i], &cfg, &p->sink[i], e);
    p->to = p->sink[i];
    return r;
}

static int choose_sink(const struct replay *p, const struct spool_file_head *head, uint32_t *ret, struct err *e)
{
    const struct config *c = &p->config;
    char format[sizeof head->format];
    uint32_t i = 0;
    while (p->options->args.sinks_count != 1 && i < c->sinks_count && strcmp(c->sink[i]->common.name, head->sink) != 0)
        i++;
    if (i == c->sinks_count)
        return err_set(e, -ENOENT, "%s: its records are for a sink named %s, which the configuration does not have; "
                       "give its --config FILE, or --sink URI", p->file, head->sink);
    const struct sink *s = c->sink[i];
    if (!s->ops->remote)
        return err_set(e, -EINVAL, "%s: sink %s is a %s sink, which takes no dead letters", p->file, s->common.name,
                       s->ops->scheme);
    remote_format_id(s, format, sizeof format);
    if (strcmp(format, head->format) != 0)
        return err_set(e, -EINVAL, "%s: its records are written as %s, sink %s takes %s; give a sink of that type "
                       "and format", p->file, head->format, s->common.name, format);
    *ret = i;
    return 0;
}

static int on_entry(void *arg, const struct spool_file_head *head, const struct spool_item *item)
{
    struct replay *p = arg;
    (void)head;
    return replay_sink_put(p->to, item->entry);
}

static void say_books(struct replay *p, const struct remote_stats *before, uint64_t damaged)
{
    struct remote_stats now;
    replay_sink_stats(p->to, &now);
    const uint64_t taken = now.taken - before->taken, delivered = now.delivered - before->delivered;
    const uint64_t refused = now.dead + now.dropped_refused - before->dead - before->dropped_refused;
    (void)fprintf(p->books, "%s: records %" PRIu64 ", delivered %" PRIu64 ", refused again %" PRIu64, p->file, taken,
                  delivered, refused);
    if (damaged)
        (void)fprintf(p->books, ", damaged places %" PRIu64, damaged);
    (void)fputc('\n', p->books);
    p->records += taken;
    p->refused += refused;
}

/* Every record of it that could be read has another place now. */
static int put_away(struct replay *p, bool is_damaged, struct err *e)
{
    const char *path = p->file;
    char bad[PATH_MAX];
    if (!is_damaged)
        return unlink(path) < 0 ? err_sys(e, -errno, "remove %s", path) : 0;
    if (snprintf(bad, sizeof bad, "%s.bad", path) >= (int)sizeof bad)
        return err_set(e, -ENAMETOOLONG, "%s: path too long", path);
    if (rename(path, bad) < 0)
        return err_sys(e, -errno, "rename %s", path);
    (void)fprintf(p->books, "%s: kept as %s\n", path, bad);
    p->damaged_files++;
    return 0;
}

static int replay_whole(struct replay *p, struct err *e)
{
    struct remote_stats before;
    uint64_t damaged = 0;
    replay_sink_stats(p->to, &before);
    int r = deadletter_replay(p->file, on_entry, p, &damaged, e);
    const int settled = replay_sink_settle(p->to, e);
    r = settled < 0 ? settled : r;
    say_books(p, &before, damaged);
    return r < 0 ? r : put_away(p, damaged != 0, e);
}

/* ---- --check: what would be sent where ---- */

static int on_checked(void *arg, const struct spool_file_head *head, const struct spool_item *item)
{
    (void)head, (void)item;
    ++*(uint64_t *)arg;
    return 0;
}

static int check_whole(struct replay *p, const struct sink *s, struct err *e)
{
    uint64_t records = 0, damaged = 0;
    const int r = deadletter_replay(p->file, on_checked, &records, &damaged, e);
    (void)fprintf(p->books, "%s: records %" PRIu64 ", to sink %s", p->file, records, s->common.name);
    if (damaged)
        (void)fprintf(p->books, ", damaged places %" PRIu64, damaged);
    (void)fputc('\n', p->books);
    return r;
}

static int replay_file(struct replay *p, const char *path, struct err *e)
{
    uint32_t to = 0;
    struct spool_file f;
    p->file = path;
    int r = spool_file_open(&f, path, 0, e);
    if (r < 0)
        return r;
    const bool is_dead = f.kind == SPOOL_DEAD;
    const struct spool_file_head head = f.head;
    spool_file_close(&f);
    if (!is_dead)
        return err_set(e, -EINVAL, "%s: a spool; a collector with its sink delivers it by itself", path);
    r = choose_sink(p, &head, &to, e);
    if (r == 0 && p->options->check)
        return check_whole(p, p->config.sink[to], e);
    if (r == 0)
        r = open_sink(p, to, e);
    return r < 0 ? r : replay_whole(p, e);
}

/* ---- all files ---- */

static int is_dead_file(const struct dirent *d)
{
    uint64_t sequence;
    return spool_name_parse(d->d_name, &sequence) == SPOOL_DEAD;
}

static int replay_dir(struct replay *p, struct err *e)
{
    struct dirent **names;
    int r = 0;
    const int n = scandir(p->dir, &names, is_dead_file, alphasort); /* names have one length: that is by sequence */
    if (n < 0)
        return err_sys(e, -errno, "read %s", p->dir);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX + 256 + 2];
        (void)snprintf(path, sizeof path, "%s/%s", p->dir, names[i]->d_name);
        r = r == 0 ? replay_file(p, path, e) : r;
        free(names[i]);
    }
    free(names);
    return n ? r : err_set(e, -ENOENT, "%s: no dead letters (*" SPOOL_DEAD_SUFFIX ") in it", p->dir);
}

/* DIR/../../collector.lock is there when DIR is STATE/dead/NAME. */
static int lock_state(struct replay *p, struct err *e)
{
    char state[PATH_MAX + 8], lock[PATH_MAX + 32], real[PATH_MAX];
    struct stat st;
    (void)snprintf(state, sizeof state, "%s/../..", p->dir);
    if (!realpath(state, real))
        return err_sys(e, -errno, "%s", state);
    (void)snprintf(lock, sizeof lock, "%s/" STATE_DIR_LOCK, real);
    if (stat(lock, &st) < 0)
        return 0;
    p->lock_fd = state_dir_lock(real, e);
    if (p->lock_fd == -EBUSY)
        return err_wrap(e, -EBUSY, "stop that collector first (records wait in their rings), or replay a copy");
    return p->lock_fd < 0 ? p->lock_fd : 0;
}

static int open_all(struct replay *p, bool *ret_is_dir, struct err *e)
{
    const struct io_config cfg = { .kind = (enum io_kind)p->config.settings.io };
    struct stat st;
    if (!realpath(p->options->replay, p->dir) || stat(p->dir, &st) < 0)
        return err_sys(e, -errno, "%s", p->options->replay);
    *ret_is_dir = S_ISDIR(st.st_mode);
    if (!*ret_is_dir)
        *strrchr(p->dir, '/') = '\0';
    if (p->options->check)
        return 0; /* beside a collector, too */
    const int r = lock_state(p, e);
    return r < 0 ? r : io_new(&cfg, &p->io, e);
}

/* The name of the only sink that had something to do; NULL: there were several. */
static const char *only_sink(const struct replay *p)
{
    const char *name = NULL;
    for (uint32_t i = 0; i < p->config.sinks_count; i++) {
        if (p->sink[i] && name)
            return NULL;
        if (p->sink[i])
            name = p->config.sink[i]->common.name;
    }
    return name;
}

static int judge(const struct replay *p, struct err *e)
{
    const char *name = only_sink(p);
    if (p->refused)
        return err_set(e, -EIO, "%" PRIu64 " of %" PRIu64 " records were refused again; fapilog-dump %s/" REPLAY_REFUSED
                       "/dead%s%s says why", p->refused, p->records, p->dir, name ? "/" : "", name ? name : "");
    if (p->damaged_files)
        return err_set(e, -EBADMSG, "%" PRIu64 " files are damaged; what could be read of them was replayed",
                       p->damaged_files);
    return 0;
}

int replay_run(const struct options *o, FILE *f, struct err *e)
{
    struct replay *p = calloc(1, sizeof *p);
    bool is_dir = false;
    if (!p)
        return err_set(e, -ENOMEM, "out of memory");
    *p = (struct replay){ .options = o, .lock_fd = -1, .books = f };
    (void)signal(SIGPIPE, SIG_IGN);
    int r = config_load(&o->args, &p->config, e);
    if (r < 0) {
        say_problems(stderr, e);
        free(p);
        return r;
    }
    for (unsigned i = 0; i < p->config.warnings_count; i++)
        say_line(stderr, p->config.warning[i]);
    r = open_all(p, &is_dir, e);
    if (r == 0)
        r = is_dir ? replay_dir(p, e) : replay_file(p, o->replay, e);
    if (r == 0)
        r = judge(p, e);
    for (uint32_t i = 0; i < p->config.sinks_count; i++)
        replay_sink_close(p->sink[i]);
    io_free(p->io);
    cleanup_fd(&p->lock_fd);
    config_free(&p->config);
    free(p);
    return r;
}
