/* What the collector does for a plug-in: struct fapilog_host. */
#include "collector/plugin/internal.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { WARNINGS_IN_WINDOW = 10 };

#define WARNINGS_WINDOW_NS (10 * NS_PER_S)

struct fapilog_watch {
    struct io_req req;
    struct plugin_sink_state *sink; /* NULL: unwatched */
    struct io *io;
    struct fapilog_watch *next;
    void (*ready)(void *owner, uint32_t revents);
    void *owner;
};

static struct plugin_sink_state *state_of(struct fapilog_sink *s) { return (struct plugin_sink_state *)(void *)s; }

/* ---- messages ---- */

static void say(struct plugin_sink_state *st, const char *text)
{
    struct err e = { 0 };
    (void)err_set(&e, -EIO, "%s", text);
    if (st->sink->warn)
        st->sink->warn(st->sink, &e);
}

static void host_warn(struct fapilog_sink *s, const char *text)
{
    struct plugin_sink_state *st = state_of(s);
    const uint64_t now = clock_mono_ns();
    if (now - st->window_ns >= WARNINGS_WINDOW_NS) {
        char more[60];
        (void)snprintf(more, sizeof more, "%u more messages", st->swallowed);
        if (st->swallowed)
            say(st, more);
        st->window_ns = now;
        st->said = st->swallowed = 0;
    }
    if (st->said == WARNINGS_IN_WINDOW) {
        st->swallowed++;
        return;
    }
    st->said++;
    say(st, text);
}

/* ---- answers ---- */

static bool are_indices(const uint32_t *index, uint32_t count, uint32_t limit)
{
    for (uint32_t i = 0; i < count; i++)
        if (!index || index[i] >= limit || (i && index[i] <= index[i - 1]))
            return false;
    return true;
}

/* Both ascend, so one walk finds an entry that is in both. */
static bool are_apart(const struct fapilog_result *r)
{
    for (uint32_t a = 0, b = 0; a < r->rejected_count && b < r->retry_count;) {
        if (r->rejected[a] == r->retry[b])
            return false;
        if (r->rejected[a] < r->retry[b])
            a++;
        else
            b++;
    }
    return true;
}

/* Nothing of it may end in the collector's books unseen. */
static bool is_possible(const struct fapilog_result *r, uint32_t count)
{
    return r->size >= sizeof *r && r->outcome <= FAPILOG_BROKEN &&
           (r->outcome == FAPILOG_DELIVERED || (!r->rejected_count && !r->retry_count)) &&
           are_indices(r->rejected, r->rejected_count, count) && are_indices(r->retry, r->retry_count, count) &&
           are_apart(r);
}

static struct plugin_request *take_request(struct plugin_sink_state *st, const struct fapilog_request *q)
{
    struct plugin_request **at = &st->requests;
    while (*at && &(*at)->api != q)
        at = &(*at)->next;
    struct plugin_request *r = *at;
    if (r)
        *at = r->next;
    return r;
}

static void host_done(struct fapilog_sink *s, struct fapilog_request *api, const struct fapilog_result *from)
{
    static const enum sink_outcome outcomes[] = {
        [FAPILOG_DELIVERED] = SINK_DELIVERED, [FAPILOG_RETRY] = SINK_RETRY, [FAPILOG_REFUSED] = SINK_REFUSED,
        [FAPILOG_BROKEN] = SINK_BROKEN,
    };
    struct plugin_sink_state *st = state_of(s);
    struct plugin_request *r = take_request(st, api);
    if (!r) {
        host_warn(s, "the plug-in has ended a request that is not under way");
        return;
    }
    struct sink_result result = { .outcome = SINK_RETRY };
    const char *reason = "the plug-in has given an impossible result";
    if (is_possible(from, r->api.count)) {
        result = (struct sink_result){
            .outcome = outcomes[from->outcome], .status = from->status, .retry_after_ns = from->retry_after_ns,
            .rejected = from->rejected, .rejected_count = from->rejected_count,
            .retry = from->retry, .retry_count = from->retry_count,
        };
        reason = from->reason ? from->reason : "";
    }
    (void)snprintf(result.reason, sizeof result.reason, "%.*s", (int)sizeof result.reason - 1, reason);
    struct sink_request *q = r->q;
    q->work = NULL;
    free(r);
    sink_request_done(st->sink, q, &result);
}

/* ---- descriptors and times ---- */

static void leave(struct fapilog_watch *w)
{
    struct fapilog_watch **at = &w->sink->watches;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    w->sink = NULL;
}

static void on_ready(struct io_req *req, int result)
{
    struct fapilog_watch *w = req->owner;
    if (w->sink && result == -EINTR) {
        io_submit(w->io, &w->req);
        return;
    }
    if (w->sink) {
        const uint32_t failed = req->op == IO_POLL ? POLLERR : 0;
        leave(w);
        w->ready(w->owner, result < 0 ? failed : (uint32_t)result);
    }
    free(w);
}

static struct fapilog_watch *watch_new(struct fapilog_sink *s, void (*ready)(void *owner, uint32_t revents),
                                       void *owner)
{
    struct plugin_sink_state *st = state_of(s);
    struct fapilog_watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct fapilog_watch){
        .sink = st, .io = st->sink->io, .next = st->watches, .ready = ready, .owner = owner,
    };
    st->watches = w;
    return w;
}

static struct fapilog_watch *host_watch(struct fapilog_sink *s, int fd, uint32_t events,
                                        void (*ready)(void *owner, uint32_t revents), void *owner)
{
    struct fapilog_watch *w = watch_new(s, ready, owner);
    if (!w)
        return NULL;
    w->req = (struct io_req){ .op = IO_POLL, .fd = fd, .events = events, .done = on_ready, .owner = w };
    io_submit(w->io, &w->req);
    return w;
}

static struct fapilog_watch *host_timer(struct fapilog_sink *s, uint64_t deadline_ns,
                                        void (*ready)(void *owner, uint32_t revents), void *owner)
{
    struct fapilog_watch *w = watch_new(s, ready, owner);
    if (!w)
        return NULL;
    w->req = (struct io_req){ .op = IO_TIMEOUT, .deadline_ns = deadline_ns, .done = on_ready, .owner = w };
    io_submit(w->io, &w->req);
    return w;
}

/* Its memory goes when the request comes back. */
static void host_unwatch(struct fapilog_watch *w)
{
    if (!w || !w->sink)
        return;
    leave(w);
    io_cancel(w->io, &w->req);
}

void plugin_end_watches(struct plugin_sink_state *st)
{
    while (st->watches)
        host_unwatch(st->watches);
}

/* ---- records in a stage ---- */

static struct stage_record *record_of(struct fapilog_edit *edit) { return (struct stage_record *)(void *)edit; }
static void *host_alloc(struct fapilog_edit *edit, size_t bytes) { return stage_alloc(record_of(edit), bytes); }

static struct fapilog_record *host_own_record(struct fapilog_edit *edit) { return stage_own(record_of(edit)); }
static struct fapilog_field *host_own_fields(struct fapilog_edit *edit) { return stage_own_fields(record_of(edit)); }

static int host_add_field(struct fapilog_edit *edit, const struct fapilog_field *f)
{
    return stage_add_field(record_of(edit), f);
}

static int host_drop_field(struct fapilog_edit *edit, uint32_t index)
{
    return index < record_of(edit)->r->fields_count ? stage_drop_field(record_of(edit), index) : -EINVAL;
}

const struct fapilog_host plugin_host = {
    .size = sizeof plugin_host, .major = FAPILOG_PLUGIN_MAJOR, .minor = FAPILOG_PLUGIN_MINOR,
    .warn = host_warn, .done = host_done, .watch = host_watch, .timer = host_timer, .unwatch = host_unwatch,
    .alloc = host_alloc, .own_record = host_own_record, .own_fields = host_own_fields, .add_field = host_add_field,
    .drop_field = host_drop_field, .emit = plugin_emit,
};
