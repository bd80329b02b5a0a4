/* The exec sink: records as lines on the standard input of a program.
 *
 * A pipe acknowledges nothing by itself. A record counts as delivered once the program has read its last byte: when a
 * request is written, the pipe is watched until it is empty (FIONREAD). When the program ends first, or takes too
 * long, what it had not read is known to the byte; the records that it had read as a whole are delivered, and the
 * others are sent to its successor. */
#include "collector/sinks/exec.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum { IOVS = 64 };

#define LOOK_PAUSE_FIRST_NS (100 * NS_PER_US)
#define LOOK_PAUSE_MAX_NS (20 * NS_PER_MS)

struct exec_link {
    struct sink *sink;
    const struct exec_cfg *cfg;
    struct exec_program *program;
    struct sink_request *q; /* under way; NULL: none */
    bool is_begun;          /* q: the present process may have got some of it */
    uint32_t next;          /* entry to write ... */
    uint32_t at;            /* ... from this byte, its line feed included */
    uint64_t written;       /* bytes of q that went into the pipe */
    struct io_req poll, timer;
    bool is_polling, is_timing, is_freed;
    uint64_t look_pause_ns;
    uint64_t restart_pause_ns, start_at_ns;
};

struct exec_state {
    struct exec_link *link;
};

#define S NS_PER_S

static const struct opt exec_opts[] = {
    OPT_TEXT_(struct exec_cfg, path, "path", NULL, OPT_REQUIRED | OPT_PROGRAM,
              "Program to run; absolute, there is no shell."),
    OPT_LIST_ALIAS_(struct exec_cfg, args, "args", "arg", "", 0, "Its arguments."),
    OPT_MAP_(struct exec_cfg, env, "env", "", OPT_SECRET,
             "Environment variables for it; of the collector's it gets few."),
    OPT_TEXT_(struct exec_cfg, directory, "directory", "/", 0, "Its working directory; absolute."),
    OPT_NUM_(OPT_DURATION, struct exec_cfg, restart_min_ns, "restart_min", "100ms", 10 * NS_PER_MS, 3600 * S, 0,
             "Pause before it is started again; it doubles while no request gets through."),
    OPT_NUM_(OPT_DURATION, struct exec_cfg, restart_max_ns, "restart_max", "30s", 10 * NS_PER_MS, 3600 * S, 0,
             "Longest such pause."),
    OPT_NUM_(OPT_DURATION, struct exec_cfg, stop_timeout_ns, "stop_timeout", "2s", 0, 60 * S, 0,
             "Time that it has for ending by itself before it is killed."),
    OPT_END,
};

static void proceed(struct exec_link *l);

static void link_release(struct exec_link *l)
{
    if (l->is_freed && !l->is_polling && !l->is_timing)
        free(l);
}

/* ---- the end of a request ---- */

static void end(struct exec_link *l, struct sink_result *result, const char *reason)
{
    struct sink_request *q = l->q;
    (void)snprintf(result->reason, sizeof result->reason, "%.*s", (int)sizeof result->reason - 1, reason);
    l->q = NULL;
    l->is_begun = false;
    sink_request_done(l->sink, q, result);
}

static void fail(struct exec_link *l, enum sink_outcome outcome, const char *reason)
{
    struct sink_result result = { .outcome = outcome };
    end(l, &result, reason);
}

static void delivered(struct exec_link *l)
{
    l->restart_pause_ns = 0;
    fail(l, SINK_DELIVERED, "");
}

/* How many entries it has read as a whole. */
static uint32_t entries_within(const struct sink_request *q, uint64_t bytes)
{
    uint32_t n = 0;
    for (uint64_t end_of = 0; n < q->count; n++) {
        end_of += q->entry[n]->payload_len + 1u;
        if (end_of > bytes)
            break;
    }
    return n;
}

/* The process will read no more of it. */
static void split(struct exec_link *l, uint64_t unread, const char *reason)
{
    const uint64_t taken = unread < l->written ? l->written - unread : 0; /* it may have put bytes there itself */
    const uint32_t read = entries_within(l->q, taken), left = l->q->count - read;
    if (left == 0) {
        delivered(l);
        return;
    }
    uint32_t *retry = read ? malloc(left * sizeof *retry) : NULL;
    if (!retry) {
        fail(l, SINK_RETRY, reason);
        return;
    }
    for (uint32_t i = 0; i < left; i++)
        retry[i] = read + i;
    struct sink_result result = { .outcome = SINK_DELIVERED, .retry = retry, .retry_count = left };
    end(l, &result, reason);
    free(retry);
}

static void give_up(struct exec_link *l, const char *what)
{
    char reason[256];
    (void)snprintf(reason, sizeof reason, "%.150s: %s", l->cfg->path, what);
    if (!l->is_begun || !exec_program_is_running(l->program)) {
        fail(l, SINK_RETRY, reason);
        return;
    }
    const uint64_t unread = exec_program_take_back(l->program);
    exec_program_stop(l->program);
    split(l, unread, reason);
}

/* ---- waiting ---- */

static void on_timer(struct io_req *req, int result)
{
    struct exec_link *l = req->owner;
    (void)result; /* cancelled or not: a look does no harm */
    l->is_timing = false;
    if (!l->is_freed)
        proceed(l);
    link_release(l);
}

static void wait_until(struct exec_link *l, uint64_t deadline_ns)
{
    if (l->is_timing)
        return;
    l->is_timing = true;
    l->timer = (struct io_req){ .op = IO_TIMEOUT, .deadline_ns = deadline_ns, .done = on_timer, .owner = l };
    io_submit(l->sink->io, &l->timer);
}

static void on_writable(struct io_req *req, int result)
{
    struct exec_link *l = req->owner;
    (void)result;
    l->is_polling = false;
    if (!l->is_freed)
        proceed(l);
    link_release(l);
}

static void wait_writable(struct exec_link *l)
{
    if (l->is_polling)
        return;
    l->is_polling = true;
    l->poll = (struct io_req){
        .op = IO_POLL, .fd = exec_program_input(l->program), .events = POLLOUT, .done = on_writable, .owner = l,
    };
    io_submit(l->sink->io, &l->poll);
}

/* ---- through the pipe ---- */

static unsigned gather(const struct exec_link *l, struct iovec *iov)
{
    unsigned n = 0;
    uint32_t at = l->at;
    for (uint32_t i = l->next; i < l->q->count && n + 2 <= IOVS; i++, at = 0) {
        const struct entry_head *h = l->q->entry[i];
        if (at < h->payload_len)
            iov[n++] = (struct iovec){ (void *)(uintptr_t)(entry_payload(h) + at), h->payload_len - at };
        iov[n++] = (struct iovec){ (void *)(uintptr_t)"\n", 1 };
    }
    return n;
}

static void move_on(struct exec_link *l, size_t bytes)
{
    l->written += bytes;
    while (bytes) {
        const size_t left = l->q->entry[l->next]->payload_len + 1u - l->at;
        if (bytes < left) {
            l->at += (uint32_t)bytes;
            return;
        }
        bytes -= left;
        l->next++;
        l->at = 0;
    }
}

/* There is no event for "has been read": it is looked for, ever more seldom. */
static void look_whether_read(struct exec_link *l)
{
    if (exec_program_unread(l->program) == 0) {
        delivered(l);
        return;
    }
    wait_until(l, clock_mono_ns() + l->look_pause_ns);
    l->look_pause_ns = l->look_pause_ns * 2 < LOOK_PAUSE_MAX_NS ? l->look_pause_ns * 2 : LOOK_PAUSE_MAX_NS;
}

static void feed(struct exec_link *l)
{
    struct iovec iov[IOVS];
    l->is_begun = true;
    while (l->next < l->q->count) {
        const ssize_t n = writev(exec_program_input(l->program), iov, (int)gather(l, iov));
        if (n > 0) {
            move_on(l, (size_t)n);
            l->look_pause_ns = LOOK_PAUSE_FIRST_NS;
        } else if (n < 0 && errno == EAGAIN) {
            wait_writable(l);
            return;
        } else if (n < 0 && errno == EPIPE && exec_program_is_missing(l->program)) {
            return; /* on_ended() comes, and knows why */
        } else if (n < 0 && errno != EINTR) {
            give_up(l, errno == EPIPE ? "has closed its standard input" : strerror(errno));
            return;
        }
    }
    look_whether_read(l);
}

static void back_off(struct exec_link *l)
{
    const uint64_t twice = l->restart_pause_ns ? l->restart_pause_ns * 2 : l->cfg->restart_min_ns;
    l->restart_pause_ns = twice < l->cfg->restart_max_ns ? twice : l->cfg->restart_max_ns;
    l->start_at_ns = clock_mono_ns() + l->restart_pause_ns;
}

static void start(struct exec_link *l)
{
    struct err e = { 0 };
    if (clock_mono_ns() < l->start_at_ns) {
        wait_until(l, l->start_at_ns);
        return;
    }
    if (exec_program_start(l->program, &e) == 0) {
        feed(l);
        return;
    }
    back_off(l);
    fail(l, SINK_RETRY, e.text);
}

/* The next step of the request; called whenever something may have changed. */
static void proceed(struct exec_link *l)
{
    if (!l->q || exec_program_is_stopping(l->program)) /* then on_ended() comes */
        return;
    if (exec_program_is_running(l->program))
        feed(l);
    else
        start(l);
}

static void on_ended(void *owner, const char *how, bool is_missing, uint64_t unread)
{
    struct exec_link *l = owner;
    char reason[256];
    back_off(l);
    if (l->is_polling)
        io_cancel(l->sink->io, &l->poll);
    if (!l->q)
        return;
    (void)snprintf(reason, sizeof reason, "%.150s: %.100s", l->cfg->path, how);
    if (!l->is_begun)
        wait_until(l, l->start_at_ns);
    else if (is_missing)
        fail(l, SINK_BROKEN, reason);
    else
        split(l, unread, reason);
}

/* ---- the table ---- */

static int exec_check(void *opaque, struct err *e)
{
    const struct exec_cfg *cfg = opaque;
    if (*cfg->path != '/')
        return err_set(e, -EINVAL, "path: '%s' must be absolute, as in exec:///usr/bin/program", cfg->path);
    if (*cfg->directory != '/')
        return err_set(e, -EINVAL, "directory: '%s' must be absolute", cfg->directory);
    if (cfg->restart_min_ns > cfg->restart_max_ns)
        return err_set(e, -EINVAL, "restart_min: must not be longer than restart_max");
    for (uint32_t i = 0; i < cfg->env.count; i++) {
        if (strchr(cfg->env.item[i].key, '='))
            return err_set(e, -EINVAL, "env: a name must not hold '='");
    }
    return 0;
}

static int exec_open(struct sink *s, struct err *e)
{
    static const struct exec_events events = { on_ended };
    struct exec_state *st = s->state;
    struct exec_link *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, -ENOMEM, "out of memory");
    l->sink = s;
    l->cfg = s->cfg;
    st->link = l;
    return exec_program_new(s, &events, l, &l->program, e);
}

static int exec_close(struct sink *s, struct err *e)
{
    struct exec_state *st = s->state;
    struct exec_link *l = st->link;
    (void)e;
    st->link = NULL;
    if (!l)
        return 0;
    CHECK(!l->q);
    l->is_freed = true;
    exec_program_free(l->program);
    if (l->is_polling)
        io_cancel(s->io, &l->poll);
    if (l->is_timing)
        io_cancel(s->io, &l->timer);
    link_release(l);
    return 0;
}

static void exec_limits(struct sink *s, struct sink_limits *ret)
{
    (void)s;
    *ret = (struct sink_limits){ .in_flight = 1, .entry_overhead = 1 };
}

static void exec_send(struct sink *s, struct sink_request *q)
{
    struct exec_link *l = ((struct exec_state *)s->state)->link;
    CHECK(!l->q);
    l->q = q;
    l->is_begun = false;
    l->next = l->at = 0;
    l->written = 0;
    l->look_pause_ns = LOOK_PAUSE_FIRST_NS;
    proceed(l);
}

static void exec_cancel(struct sink *s, struct sink_request *q)
{
    struct exec_link *l = ((struct exec_state *)s->state)->link;
    if (l->q == q)
        give_up(l, l->is_begun ? "has not read its input in time" : "is still being stopped or waits to be started");
}

static const struct sink_remote_ops exec_remote = { .limits = exec_limits, .send = exec_send, .cancel = exec_cancel };

static const struct sink_default exec_defaults[] = { { "max_in_flight", "1" }, { NULL, NULL } };

static const char *const env_prefixes[] = {"FAPILOG_EXEC__", NULL};

const struct sink_ops sink_exec = {
    .abi = SINK_ABI, .scheme = "exec", .env_prefixes = env_prefixes, .defaults = exec_defaults,
    .summary = "Writes to the standard input of a program.", .format_default = "fapilog",
    .opts = exec_opts, .cfg_size = sizeof(struct exec_cfg), .state_size = sizeof(struct exec_state),
    .check = exec_check, .remote = &exec_remote, .open = exec_open, .close = exec_close,
};
