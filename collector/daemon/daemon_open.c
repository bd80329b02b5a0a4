#include "collector/daemon/daemon.h"
#include "collector/daemon/chain.h"
#include "collector/daemon/diagnostics.h"
#include "collector/daemon/endpoint.h"
#include "collector/daemon/lock.h"
#include "collector/daemon/reload.h"
#include "collector/daemon/run_ledger.h"
#include "collector/daemon/say.h"
#include "collector/delivery/state_dir.h"
#include "collector/format/printf_text.h"
#include "collector/ingest/levels.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/fd_io.h"
#include "lib/ring/ringdir.h"
#include "lib/where/where.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAST_WRITES_NS NS_PER_S

enum { DESCRIPTORS = 4096, DESCRIPTORS_MIN = 128 }; /* room in their table from the start */

static void on_message(void *arg, const char *text)
{
    daemon_say(arg, text);
}

static void on_attach(void *arg, struct source *s)
{
    struct daemon *d = arg;
    d->turn_at_ns = 0; /* its bell is armed at the end of the next turn */
    if (levels_apply(s, d->config.level, d->config.levels_count) < 0) {
        char text[256];
        (void)snprintf(text, sizeof text, "%s: no room for another level rule", s->name);
        on_message(d, text);
    }
    if (d->options->verbose) {
        char text[256];
        (void)snprintf(text, sizeof text, "%s: service %.*s, pid %u", s->name,
                       (int)s->seg->process.service.len, s->seg->process.service.data, s->seg->process.pid);
        daemon_tell(d, FAPILOG_LEVEL_INFO, text);
    }
}

/* When a table of descriptors grows that io_uring's workers share, the kernel waits for every CPU (synchronize_rcu()):
 * seconds have been seen where many processes came and went. Now nobody shares it yet, and it never shrinks. */
static void reserve_descriptors(void)
{
    for (int n = DESCRIPTORS; n >= DESCRIPTORS_MIN; n /= 2) { /* fewer, where the limit is lower */
        const int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, n - 1);
        if (fd >= 0) {
            (void)close(fd);
            return;
        }
    }
}

/* What is freed is taken again at once: requests and what they are made of come and go every few milliseconds.
 * Given back to the kernel each time, its pages would have to be faulted in again, a sixth of the CPU time of a
 * syslog sink. */
static void keep_memory(void)
{
    enum { LARGE_BYTES = 4 << 20, KEPT_BYTES = 8 << 20 };
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

/* Rings are read by nobody but the user whose services write them. */
static int explain_dir(const struct daemon *d, const char *path, int r, struct err *e)
{
    const struct privileges *p = &d->options->privileges;
    struct stat st;
    if (stat(path, &st) == 0 && st.st_uid == geteuid())
        return r;
    if (r == -EPERM || r == -EACCES)
        return p->is_done ? err_wrap(e, r, "it must belong to the user that the collector has become: chown %s",
                                     p->user.name)
                          : err_wrap(e, r, "the collector must run as the user of the services: see --user");
    return r;
}

/* A collector that was here before has left what it needs; the first one cannot do without. */
static int explain_space(int r, struct err *e)
{
    if (r != -ENOSPC && r != -EDQUOT)
        return r;
    return err_wrap(e, r, "the file system of the rings is full: name a directory on another one with "
                    "FAPILOG_STATE_DIR, remove other files from it, or make it larger (mount -o remount,size=...); "
                    "what the rings hold is kept");
}

static int open_dir(struct daemon *d, struct err *e)
{
    struct ringdir dir;
    int r = ringdir_choose(&dir, d->config.settings.rings, e);
    if (r < 0)
        return r;
    const int fd = ringdir_open(&dir, true, e);
    if (fd < 0)
        return explain_dir(d, dir.path, fd, e);
    (void)close(fd);
    (void)snprintf(d->dir, sizeof d->dir, "%s", dir.path);
    d->lock_fd = lock_acquire(d->dir, e);
    return d->lock_fd < 0 ? d->lock_fd : 0;
}

static int open_io(struct daemon *d, struct err *e)
{
    const struct io_config cfg = { .kind = (enum io_kind)d->config.settings.io };
    const int r = io_new(&cfg, &d->io, e);
    if (r == 0 && d->options->verbose) {
        char text[1024];
        (void)snprintf(text, sizeof text, "rings in %s, input and output by %s%s%s", d->dir, io_name(d->io),
                       *io_reason(d->io) ? ": " : "", io_reason(d->io));
        daemon_tell(d, FAPILOG_LEVEL_INFO, text);
    }
    return r;
}

static int open_config(struct daemon *d, struct err *e)
{
    int r = config_load(&d->options->args, &d->config, e);
    if (r < 0)
        say_problems(stderr, e);
    if (r == 0)
        r = endpoint_check(&d->config, e);
    for (unsigned i = 0; r == 0 && i < d->config.warnings_count; i++)
        daemon_tell(d, FAPILOG_LEVEL_WARNING, d->config.warning[i]);
    if (r == 0 && d->options->verbose && d->options->privileges.is_done) {
        char text[200];
        const struct user *u = &d->options->privileges.user;
        (void)snprintf(text, sizeof text, "privileges dropped: user %s (uid %u, gid %u)", u->name, (unsigned)u->uid,
                       (unsigned)u->gid);
        daemon_tell(d, FAPILOG_LEVEL_INFO, text);
    }
    return r;
}

/* A private copy: the slot it comes from is overwritten by the batches to come, and a segment may be
 * attached late. */
static int copy_redo(struct daemon *d, struct err *e)
{
    struct commit_state last;
    commit_last(d->commit, &last);
    d->segments.redo_count = last.positions_count;
    if (!last.positions_count)
        return 0;
    d->redo = malloc(d->segments.redo_count * sizeof *d->redo);
    if (!d->redo)
        return err_set(e, -ENOMEM, "out of memory");
    memcpy(d->redo, last.position, d->segments.redo_count * sizeof *d->redo);
    d->segments.redo = d->redo;
    return 0;
}

static int open_rings(struct daemon *d, struct err *e)
{
    d->segments.on_message = on_message;
    d->segments.on_attach = on_attach;
    d->segments.arg = d;
    int r = copy_redo(d, e);
    if (r == 0)
        r = segments_open(&d->segments, d->dir, d->io, &d->config.settings.ingest, e);
    if (r == 0)
        r = discover_open(&d->discover, &d->segments, e);
    if (r == 0)
        segments_prune(&d->segments);
    return r;
}

/* Only remote sinks keep something beside the rings. */
static int open_state(struct daemon *d, struct err *e)
{
    const char *source;
    if (!config_has_remote_sink(&d->config))
        return 0;
    int r = state_dir_choose(d->config.settings.delivery.state_dir, d->state_dir, &source, e);
    if (r == 0)
        r = state_dir_make(d->state_dir, e);
    if (r < 0)
        return err_wrap(e, r, "state directory");
    d->state_fd = state_dir_lock(d->state_dir, e);
    return d->state_fd < 0 ? d->state_fd : 0;
}

int daemon_open_routes(struct daemon *d, const struct config *c, struct routes **ret, struct err *e)
{
    const char *names[FAPILOG_SINKS_MAX];
    *ret = NULL;
    if (!c->routes.count)
        return 0;
    for (uint32_t i = 0; i < c->sinks_count; i++)
        names[i] = c->sink[i]->common.name;
    /* config_load() has said already which sinks get nothing */
    return routes_open(&c->routes, names, c->sinks_count, ret, NULL, e);
}

static int open_pipeline(struct daemon *d, struct err *e)
{
    struct pipeline_settings *s = &d->pipeline.settings;
    where_message_text = printf_text_make;
    int r = open_state(d, e);
    if (r == 0)
        r = chain_open(d, &d->config, &d->stages, e);
    if (r == 0)
        r = daemon_open_routes(d, &d->config, &d->routes, e);
    if (r < 0)
        return r;
    *s = d->config.settings.delivery;
    s->state_dir = d->state_dir;
    s->ring_dir = d->dir;
    s->stages = d->stages;
    s->is_apart = diagnostics_want_records(&d->config);
    s->routes = d->routes;
    s->route_config = d->routes ? &d->config.routes : NULL;
    d->pipeline.segments = &d->segments;
    r = pipeline_open(&d->pipeline, d->io, d->commit, d->config.sink, d->config.sinks_count, e);
    d->is_pipeline_open = r == 0;
    if (r == 0)
        diagnostics_choose_sinks(d);
    return r < 0 ? r : run_ledger_open(d, e);
}

/* Who begins at night with the end of a log wants to know what was running. --drain is for scripts. */
static void say_start(struct daemon *d)
{
    const struct config *c = &d->config;
    struct buf text = { 0 };
    if (d->options->drain)
        return;
    int r = buf_printf(&text, "version %s; rings in %s; %s%s%s%s%s%ssinks ", FAPILOG_VERSION, d->dir,
                       c->file ? "configuration " : "", c->file ? c->file : "", c->file ? "; " : "",
                       c->preset ? "preset " : "", c->preset ? c->preset : "", c->preset ? "; " : "");
    for (uint32_t i = 0; i < c->sinks_count && r == 0; i++) {
        const char *name = c->sink[i]->common.name, *type = c->sink[i]->ops->scheme;
        const bool is_plain = strcmp(name, type) == 0;
        r = buf_printf(&text, "%s%s%s%s%s", i ? ", " : "", name, is_plain ? "" : " (", is_plain ? "" : type,
                       is_plain ? "" : ")");
    }
    const char *line = buf_cstr(&text);
    if (line)
        daemon_tell(d, FAPILOG_LEVEL_INFO, line);
    buf_done(&text);
}

/* Rights are another matter for root, who tries what the collector may not. */
static int explain_rights(int r, struct err *e)
{
    return r == -EACCES || r == -EPERM ? err_wrap(e, r, "the collector runs as uid %u", (unsigned)geteuid()) : r;
}

int daemon_open(struct daemon *d, const struct options *o, struct err *e)
{
    memset(d, 0, sizeof *d);
    d->options = o;
    d->lock_fd = d->state_fd = d->signals.fd = d->discover.fd = d->segments.dir_fd = -1;
    d->notify.fd = -1;
    d->stop_at_ns = UINT64_MAX;
    d->started_ns = clock_mono_ns();
    d->pipeline.status_version = 1;
    d->pipeline.on_message = on_message;
    d->pipeline.message_arg = d;
    fd_limit_raise(); /* one descriptor per segment stays open for its liveness probe */
    reserve_descriptors();
    keep_memory();
    int r = diagnostics_open(d, e);
    if (r == 0)
        r = signals_block(e);
    if (r == 0)
        r = notify_open(&d->notify, e);
    if (r == 0)
        r = open_config(d, e);
    if (r == 0)
        r = open_dir(d, e);
    if (r == 0)
        r = open_io(d, e);
    if (r == 0)
        r = signals_open(&d->signals, d->io, e);
    if (r == 0)
        r = explain_space(commit_open(d->dir, d->config.settings.delivery.state_dir, &d->commit, e), e);
    if (r == 0)
        r = open_rings(d, e);
    if (r == 0)
        r = explain_rights(open_pipeline(d, e), e);
    if (r == 0)
        r = drain_init(&d->drain, &d->segments, d->pipeline.outputs.level_mask,
                       outputs_are_spans(&d->pipeline.outputs), e);
    if (r == 0)
        r = endpoint_open(d, e);
    if (r == 0)
        drain_set_fences(&d->drain, d->pipeline.fences, d->pipeline.fences_count);
    if (r == 0)
        say_start(d);
    return r;
}

/* A write that the kernel does not finish (a dead network file system) still uses our memory. A sync of a spool may
 * take what is left of shutdown_timeout. */
static bool wait_for_writes(struct daemon *d)
{
    uint64_t give_up_ns = clock_mono_ns() + LAST_WRITES_NS;
    if (d->stop_at_ns != UINT64_MAX && d->stop_at_ns > give_up_ns)
        give_up_ns = d->stop_at_ns;
    while (!pipeline_is_quiet(&d->pipeline) && clock_mono_ns() < give_up_ns) {
        if (io_turn(d->io, give_up_ns) < 0)
            break;
    }
    return pipeline_is_quiet(&d->pipeline);
}

/* Of a collector that has no time left: a sink that was told to end its request has its answer in a turn or two, and
 * who closes it must not come before that. */
static bool wait_for_answers(struct daemon *d)
{
    const uint64_t give_up_ns = clock_mono_ns() + LAST_WRITES_NS;
    bool is_asking;
    while ((is_asking = pipeline_hang_up(&d->pipeline, clock_mono_ns())) && clock_mono_ns() < give_up_ns) {
        if (io_turn(d->io, give_up_ns) < 0)
            break;
    }
    return !is_asking;
}

int daemon_close(struct daemon *d, struct err *e)
{
    int r = 0;
    reload_abandon(d);
    admin_close(d->admin);
    d->admin = NULL;
    if (d->is_pipeline_open && !wait_for_answers(d))
        return err_set(e, -EBUSY, "a request does not end; left to the kernel");
    if (d->is_pipeline_open && !wait_for_writes(d))
        return err_set(e, -EBUSY, "a write does not end; left to the kernel");
    if (d->is_pipeline_open) {
        pipeline_note_settled(&d->pipeline); /* what has just ended is not pending */
        run_ledger_write(d, UINT64_MAX);
        pipeline_abandon(&d->pipeline);
        r = pipeline_close(&d->pipeline, e);
    }
    drain_done(&d->drain);
    if (d->io) {
        discover_close(&d->discover);
        if (d->segments.dir_fd >= 0)
            segments_close(&d->segments);
        signals_close(&d->signals);
    }
    if (d->commit)
        commit_come_home(d->commit);
    commit_close(d->commit);
    free(d->redo);
    chain_close(d->stages);
    reload_close(d);
    routes_close(d->routes);
    io_free(d->io);
    diagnostics_close(d);
    config_free(&d->config);
    run_ledger_close(d);
    notify_close(&d->notify);
    cleanup_fd(&d->state_fd);
    cleanup_fd(&d->lock_fd);
    return r;
}
