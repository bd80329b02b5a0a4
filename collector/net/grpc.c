#include "collector/net/grpc_private.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_BYTES = 64 << 10, AUTHORITY_SHOWN = 60 };

/* ---- the end of calls ---- */

void grpc_finish(struct grpc_call *c, int error, const char *reason)
{
    struct grpc_link *l = c->link;
    struct grpc_call **at = &l->calls;
    for (; *at != c; at = &(*at)->next)
        CHECK(*at);
    *at = c->next;
    c->next = NULL;
    if (l->session && c->id > 0)
        (void)nghttp2_session_set_stream_user_data(l->session, c->id, NULL);
    c->error = error;
    if (error)
        (void)snprintf(c->reason, sizeof c->reason, "%.*s", (int)sizeof c->reason - 1, reason);
    for (at = &l->grpc->finished; *at;)
        at = &(*at)->next;
    *at = c;
}

static void finish_all(struct grpc_link *l, int error, const char *reason)
{
    l->is_dead = true;
    if (l->grpc->current == l)
        l->grpc->current = NULL;
    while (l->calls)
        grpc_finish(l->calls, error, reason);
}

/* What went wrong with the connection itself: says with whom, and where the peer has never spoken HTTP/2 what to look
 * at. */
static void link_fail(struct grpc_link *l, int error, const char *reason)
{
    const struct grpc_config *cfg = &l->grpc->cfg;
    const bool wants_tls = !l->is_greeted && stream_may_want_tls(l->stream);
    char text[sizeof ((struct grpc_call *)0)->reason];
    if (l->heard && !l->is_greeted)
        reason = "the peer does not speak HTTP/2 on this port";
    (void)snprintf(text, sizeof text, "%.*s: %s%s%s", AUTHORITY_SHOWN, cfg->authority, reason, wants_tls ? "; " : "",
                   wants_tls ? cfg->tls_advice : "");
    finish_all(l, error, text);
}

static void link_free(struct grpc_link *l)
{
    stream_free(l->stream);
    nghttp2_session_del(l->session);
    buf_done(&l->out);
    free(l);
}

static void enter(struct grpc *g) { g->depth++; }

/* What callbacks have brought to its end is told, and freed, when nobody is inside any more. */
static void leave(struct grpc *g)
{
    if (g->depth == 1) {
        for (struct grpc_call *c; (c = g->finished);) {
            g->finished = c->next;
            c->next = NULL;
            c->link = NULL;
            c->done(c);
        }
        for (struct grpc_link **at = &g->links, *l; (l = *at);) {
            if (l->is_dead || (l->is_leaving && !l->calls)) {
                *at = l->next;
                link_free(l);
            } else {
                at = &l->next;
            }
        }
    }
    g->depth--;
}

/* ---- the connection ---- */

static void flush(struct grpc_link *l)
{
    const uint8_t *data;
    if (l->is_dead || l->is_sending || !stream_is_open(l->stream))
        return;
    l->out.len = 0;
    while (l->out.len < OUT_BYTES) {
        const ssize_t n = nghttp2_session_mem_send(l->session, &data);
        if (n < 0 || (n > 0 && buf_append(&l->out, data, (size_t)n) < 0)) {
            link_fail(l, n < 0 ? -EPROTO : -ENOMEM, n < 0 ? nghttp2_strerror((int)n) : "out of memory");
            return;
        }
        if (n == 0)
            break;
    }
    if (l->out.len) {
        l->is_sending = true;
        stream_send(l->stream, l->out.data, l->out.len);
    } else if (!nghttp2_session_want_read(l->session)) {
        link_fail(l, -ECONNRESET, "the connection has come to its end");
    }
}

static void on_opened(void *owner)
{
    struct grpc_link *l = owner;
    struct grpc *g = l->grpc;
    enter(g);
    if (g->cfg.stream.kind == STREAM_TLS && strcmp(stream_alpn(l->stream), "h2") != 0)
        link_fail(l, -EPROTONOSUPPORT, "the server does not speak HTTP/2 (ALPN h2)");
    for (struct grpc_call *c = l->calls, *next; c; c = next) {
        next = c->next;
        grpc_submit(c);
    }
    flush(l);
    leave(g);
}

static void on_received(void *owner, const char *data, size_t len)
{
    struct grpc_link *l = owner;
    struct grpc *g = l->grpc;
    enter(g);
    l->heard++;
    const ssize_t n = l->is_dead ? 0 : nghttp2_session_mem_recv(l->session, (const uint8_t *)data, len);
    if (n < 0)
        link_fail(l, n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO, nghttp2_strerror((int)n));
    flush(l);
    leave(g);
}

static void on_sent(void *owner)
{
    struct grpc_link *l = owner;
    struct grpc *g = l->grpc;
    enter(g);
    l->is_sending = false;
    flush(l);
    leave(g);
}

static void on_closed(void *owner, int error, const char *reason)
{
    struct grpc_link *l = owner;
    struct grpc *g = l->grpc;
    enter(g);
    link_fail(l, error ? error : -ECONNRESET, reason);
    leave(g);
}

static struct grpc_link *link_new(struct grpc *g, struct err *e)
{
    static const struct stream_events events = {
        .opened = on_opened, .received = on_received, .sent = on_sent, .closed = on_closed,
    };
    struct grpc_link *l = calloc(1, sizeof *l);
    if (!l || grpc_session_new(l) < 0) {
        (void)err_set(e, -ENOMEM, "out of memory");
        free(l);
        return NULL;
    }
    l->grpc = g;
    if (stream_new(g->io, &g->cfg.stream, &events, l, &l->stream, e) < 0) {
        l->stream = NULL;
        link_free(l);
        return NULL;
    }
    l->next = g->links;
    g->links = l;
    g->current = l;
    return l;
}

/* ---- what callers see ---- */

struct grpc *grpc_new(struct io *io, const struct grpc_config *cfg)
{
    struct grpc *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->io = io;
    g->cfg = *cfg;
    return g;
}

void grpc_free(struct grpc *g)
{
    if (!g)
        return;
    CHECK(g->depth == 0);
    for (struct grpc_link *l; (l = g->links);) {
        CHECK(!l->calls);
        g->links = l->next;
        link_free(l);
    }
    free(g);
}

void grpc_start(struct grpc *g, struct grpc_call *c)
{
    struct err e = {0};
    enter(g);
    c->error = c->http_status = 0;
    c->status = -1;
    c->response.len = c->data.len = 0;
    c->is_cut = false;
    c->details[0] = c->reason[0] = '\0';
    c->pushback_ns = 0;
    c->id = 0;
    c->sent = 0;
    struct grpc_link *l = g->current ? g->current : link_new(g, &e);
    if (!l) {
        c->error = e.code;
        (void)snprintf(c->reason, sizeof c->reason, "%.*s", (int)sizeof c->reason - 1, e.text);
        c->next = g->finished;
        g->finished = c;
    } else {
        c->link = l;
        c->heard = l->heard;
        c->next = l->calls;
        l->calls = c;
        if (stream_is_open(l->stream))
            grpc_submit(c);
        flush(l);
    }
    leave(g);
}

static bool is_under_way(const struct grpc_call *c)
{
    const struct grpc_call *at = c->link ? c->link->calls : NULL;
    while (at && at != c)
        at = at->next;
    return at != NULL;
}

/* How far it had come when the time was over. */
static const char *progress(const struct grpc_call *c, bool is_silent, char *ret, size_t size)
{
    const struct grpc_link *l = c->link;
    char to[AUTHORITY_SHOWN + 1];
    (void)snprintf(to, sizeof to, "%s", l->grpc->cfg.authority);
    const char *late = stream_late(l->stream, to, c->timeout_ns, "timeout", ret, size);
    if (late)
        return late;
    return is_silent ? "no answer in time; the server says nothing at all" : "no answer in time";
}

void grpc_cancel(struct grpc *g, struct grpc_call *c)
{
    struct grpc_link *l = c->link;
    char text[sizeof c->reason];
    if (!is_under_way(c))
        return;
    enter(g);
    const bool is_silent = l->heard == c->heard;
    if (c->id > 0)
        (void)nghttp2_submit_rst_stream(l->session, NGHTTP2_FLAG_NONE, c->id, NGHTTP2_CANCEL);
    const char *const reason = progress(c, is_silent, text, sizeof text);
    grpc_finish(c, -ECANCELED, reason);
    if (is_silent)
        finish_all(l, -ETIMEDOUT, reason);
    flush(l);
    leave(g);
}

void grpc_call_done(struct grpc_call *c)
{
    buf_done(&c->response);
    buf_done(&c->data);
}
