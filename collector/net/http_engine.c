/* http_engine.c - curl's multi interface on the io: each socket is watched by one IO_POLL, which is made
 * again after each event, and one IO_TIMEOUT stands for the earliest of curl's timers. */
#include "collector/net/http_private.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

static const char engine_kind;

/* ---- sockets ---- */

static void socket_arm(struct http_socket *s);
static void run(struct http *h);

static void socket_let_go(struct http_socket *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        s->http->sockets = s->next;
    if (s->next)
        s->next->prev = s->prev;
    s->http = NULL;
}

static void socket_free_if_done(struct http_socket *s)
{
    if (!s->http && !s->is_armed && !s->is_running)
        free(s);
}

static int curl_mask(int result)
{
    if (result < 0)
        return CURL_CSELECT_ERR;
    return (result & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) | (result & POLLOUT ? CURL_CSELECT_OUT : 0) |
           (result & POLLERR ? CURL_CSELECT_ERR : 0);
}

static void on_socket(struct io_req *req, int result)
{
    struct http_socket *s = req->owner;
    struct http *h = s->http;
    int running;
    s->is_armed = false;
    if (h && result != -ECANCELED) {
        s->is_running = true;
        (void)curl_multi_socket_action(h->multi, s->fd, curl_mask(result), &running);
        s->is_running = false;
    }
    if (s->http)
        socket_arm(s);
    else
        socket_free_if_done(s);
    if (h)
        run(h);
}

static void socket_arm(struct http_socket *s)
{
    if (s->is_running) /* on_socket() does it */
        return;
    if (s->is_armed) {
        if (s->armed != s->wanted)
            io_cancel(s->http->io, &s->poll);
        return;
    }
    if (!s->wanted)
        return;
    s->poll = (struct io_req){.op = IO_POLL, .fd = s->fd, .events = s->wanted, .buf_index = -1, .done = on_socket,
                              .owner = s};
    s->armed = s->wanted;
    s->is_armed = true;
    io_submit(s->http->io, &s->poll);
}

static struct http_socket *socket_new(struct http *h, curl_socket_t fd)
{
    struct http_socket *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->http = h;
    s->fd = fd;
    s->next = h->sockets;
    if (s->next)
        s->next->prev = s;
    h->sockets = s;
    (void)curl_multi_assign(h->multi, fd, s);
    return s;
}

bool http_is_connected(const struct http_call *c, curl_socket_t fd)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    return fd >= 0 && getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
           (peer.ss_family != AF_UNIX || (c->q->peer && c->q->peer->unix_socket));
}

static void note_socket(CURL *easy, curl_socket_t fd, int what)
{
    struct http_call *c = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&c);
    if (!c || !c->q)
        return;
    c->is_connected |= http_is_connected(c, fd);
    c->fd = what == CURL_POLL_REMOVE ? -1 : fd;
}

/* curl's: it wants this socket watched in another way. */
static int on_watch(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct http *h = user;
    struct http_socket *s = socket_user;
    note_socket(easy, fd, what);
    if (what == CURL_POLL_REMOVE) {
        if (!s)
            return 0;
        if (s->is_armed)
            io_cancel(h->io, &s->poll);
        socket_let_go(s);
        socket_free_if_done(s);
        return 0;
    }
    if (!s && !(s = socket_new(h, fd)))
        return -1;
    s->wanted = (what & CURL_POLL_IN ? (uint32_t)POLLIN : 0) | (what & CURL_POLL_OUT ? (uint32_t)POLLOUT : 0);
    socket_arm(s);
    return 0;
}

/* ---- the timer ---- */

static void engine_free(struct http *h)
{
    while (h->idle.head)
        http_call_free(h->idle.head);
    tls_stores_done(&h->stores);
    free(h);
}

static void on_timer(struct io_req *req, int result)
{
    struct http *h = req->owner;
    int running;
    (void)result;
    h->is_timer_armed = false;
    if (h->is_closing) {
        engine_free(h);
        return;
    }
    if (h->curl_at_ns <= clock_mono_ns()) {
        h->curl_at_ns = UINT64_MAX;
        (void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    run(h);
}

void http_engine_arm(struct http *h)
{
    const uint64_t at = h->finished.head || h->refused ? 0 : h->curl_at_ns;
    if (h->is_timer_armed) {
        if (h->timer.deadline_ns > at)
            io_cancel(h->io, &h->timer); /* its done arms it again */
        return;
    }
    if (at == UINT64_MAX || h->is_closing)
        return;
    h->timer = (struct io_req){.op = IO_TIMEOUT, .deadline_ns = at ? at : clock_mono_ns(), .buf_index = -1,
                               .done = on_timer, .owner = h};
    h->is_timer_armed = true;
    io_submit(h->io, &h->timer);
}

/* curl's. It must not be called back from in here. */
static int on_timer_change(CURLM *multi, long timeout_ms, void *user)
{
    struct http *h = user;
    (void)multi;
    h->curl_at_ns = timeout_ms < 0 ? UINT64_MAX : clock_mono_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    http_engine_arm(h);
    return 0;
}

/* ---- what has come to its end ---- */

static void run(struct http *h)
{
    CURLMsg *message;
    int left;
    if (h->is_closing)
        return;
    while ((message = curl_multi_info_read(h->multi, &left)) != NULL) {
        struct http_call *c = NULL;
        const CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&c);
        http_call_end(c, code);
    }
    http_run_finished(h);
    http_engine_arm(h);
}

/* ---- life ---- */

static void start_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The memory lives until the timer has completed, and that of a socket until its poll has. */
static void on_shutdown(struct io_service *service)
{
    struct http *h = (struct http *)service;
    while (h->active.head)
        http_call_abort(h->active.head, -ECANCELED, "the collector stops", "");
    h->is_closing = true;
    while (h->finished.head || h->refused)
        http_run_finished(h);
    (void)curl_multi_cleanup(h->multi);
    while (h->sockets) {
        struct http_socket *s = h->sockets;
        if (s->is_armed)
            io_cancel(h->io, &s->poll);
        socket_let_go(s);
        socket_free_if_done(s);
    }
    if (h->is_timer_armed)
        io_cancel(h->io, &h->timer);
    else
        engine_free(h);
}

static int set_up(struct http *h)
{
    h->multi = curl_multi_init();
    if (!h->multi)
        return -ENOMEM;
    (void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
    (void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    (void)curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
    (void)curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    (void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CONNECTIONS_MAX);
    (void)curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return 0;
}

int http_get(struct io *io, struct http **ret, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http *h = (struct http *)io_service_find(io, &engine_kind);
    if (!h) {
        CHECK(pthread_once(&once, start_curl) == 0);
        h = calloc(1, sizeof *h);
        if (!h || set_up(h) < 0) {
            free(h);
            return err_set(e, -ENOMEM, "HTTP: out of memory");
        }
        h->io = io;
        h->curl_at_ns = UINT64_MAX;
        h->service = (struct io_service){.kind = &engine_kind, .shutdown = on_shutdown};
        io_attach(io, &h->service);
    }
    *ret = h;
    return 0;
}

void http_shutdown(struct io *io)
{
    struct io_service *s = io_service_find(io, &engine_kind);
    if (!s)
        return;
    io_detach(io, s);
    on_shutdown(s);
}
