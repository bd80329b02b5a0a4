/* How syslog messages travel. No variant of the protocol has an acknowledgement of its own, so a request
 * counts as delivered when
 *   TCP, TLS     the peer's TCP has acknowledged its last byte (SIOCOUTQ is 0): what only lies in our own
 *                socket when a connection breaks is sent again. Of the first request of a connection that says
 *                little: a server that refuses our certificate does so after our side of the handshake (TLS 1.3),
 *                and a proxy takes connections before it knows of a server; so it counts only when the connection
 *                has lasted a moment longer;
 *   Unix stream  the peer has read it;
 *   datagrams    the kernel has taken it, and knows of no refusal.
 * One request is under way at a time, which keeps the order. */
#include "collector/net/connect.h"
#include "collector/net/resolve.h"
#include "collector/sinks/syslog.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/num.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PORT_PLAIN = 514,
    PORT_TLS = 6514,
    DATAGRAMS = 64,
    FRAME_BYTES_MAX = 8, /* of one message in a stream: its length and a blank, or a line feed */
};
_Static_assert(ENTRY_BYTES_MAX < 10000000, "seven digits and a blank");

#define ACK_PAUSE_FIRST_NS (200 * 1000)
#define ACK_PAUSE_MAX_NS (50 * NS_PER_MS)
#define CONNECT_TIMEOUT_NS (10 * NS_PER_S)
#define PROOF_NS (100 * NS_PER_MS) /* how long a new connection has to last behind its first acknowledgement */

struct syslog_link {
    struct sink *sink;
    const struct syslog_cfg *cfg;
    struct sink_request *q; /* under way; NULL: none */
    struct stream *stream;
    struct buf body;
    struct resolve *resolve;
    int fd; /* datagrams */
    uint32_t next; /* entry to send */
    uint32_t *rejected;
    uint32_t rejected_count, rejected_cap;
    struct io_req poll, timer;
    bool is_polling, is_timing;
    uint64_t ack_pause_ns;
    uint64_t proof_ns; /* when the first request of this connection counts; 0: not acknowledged yet */
    bool is_proven, is_freed;
};

static uint16_t port_of(const struct syslog_cfg *cfg)
{
    if (cfg->port != OPT_UNSET)
        return (uint16_t)cfg->port;
    return cfg->transport == SYSLOG_TLS ? PORT_TLS : PORT_PLAIN;
}

static void link_release(struct syslog_link *l)
{
    if (!l->is_freed || l->is_polling || l->is_timing)
        return;
    free(l->rejected);
    buf_done(&l->body);
    free(l);
}

static void end(struct syslog_link *l, enum sink_outcome outcome, const char *reason)
{
    struct sink_request *q = l->q;
    if (!q)
        return;
    struct sink_result result = { .outcome = outcome };
    if (outcome == SINK_DELIVERED) {
        result.rejected = l->rejected;
        result.rejected_count = l->rejected_count;
        reason = l->rejected_count ? "longer than a datagram can be" : "";
    }
    (void)snprintf(result.reason, sizeof result.reason, "%.*s", (int)sizeof result.reason - 1, reason);
    l->q = NULL;
    sink_request_done(l->sink, q, &result);
}

static void fail(struct syslog_link *l, int error, const char *reason)
{
    const bool needs_somebody = error == -EKEYREJECTED;
    char text[300];
    if (l->cfg->path && *l->cfg->path)
        (void)snprintf(text, sizeof text, "%s: %s", l->cfg->path, reason);
    else
        (void)snprintf(text, sizeof text, "%s port %u: %s", l->cfg->host, port_of(l->cfg), reason);
    end(l, needs_somebody ? SINK_BROKEN : SINK_RETRY, text);
}

/* ---- streams ---- */

static void drop_stream(struct syslog_link *l)
{
    stream_free(l->stream);
    l->stream = NULL;
    l->is_proven = false;
    l->proof_ns = 0;
}

static void on_closed(void *owner, int error, const char *reason)
{
    struct syslog_link *l = owner;
    char text[300];
    const bool wants_tls = !l->is_proven && stream_may_want_tls(l->stream);
    (void)snprintf(text, sizeof text, "%.200s%s", reason,
                   wants_tls ? "; where the port wants TLS, transport has to be tls" : "");
    drop_stream(l);
    fail(l, error, text);
}

/* Servers that speak first say nothing that syslog knows. */
static void on_received(void *owner, const char *data, size_t len)
{
    (void)owner, (void)data, (void)len;
}

static void on_timer(struct io_req *req, int result);

static bool is_acknowledged(struct syslog_link *l, uint64_t now_ns)
{
    if (stream_unacknowledged(l->stream) > 0)
        return false;
    if (!l->proof_ns)
        l->proof_ns = now_ns + PROOF_NS;
    l->is_proven = l->is_proven || l->cfg->transport == SYSLOG_UNIX_STREAM || now_ns >= l->proof_ns;
    return l->is_proven;
}

static void look_for_ack(struct syslog_link *l)
{
    const uint64_t now_ns = clock_mono_ns();
    if (!l->q || !l->stream)
        return;
    if (is_acknowledged(l, now_ns)) {
        end(l, SINK_DELIVERED, "");
        return;
    }
    if (l->is_timing)
        return;
    l->is_timing = true;
    const bool is_on_probation = l->proof_ns && !l->is_proven;
    l->timer = (struct io_req){
        .op = IO_TIMEOUT, .deadline_ns = is_on_probation ? l->proof_ns : now_ns + l->ack_pause_ns, .done = on_timer,
        .owner = l,
    };
    l->ack_pause_ns = l->ack_pause_ns * 2 < ACK_PAUSE_MAX_NS ? l->ack_pause_ns * 2 : ACK_PAUSE_MAX_NS;
    io_submit(l->sink->io, &l->timer);
}

static void on_timer(struct io_req *req, int result)
{
    struct syslog_link *l = req->owner;
    (void)result; /* cancelled or not: a look does no harm */
    l->is_timing = false;
    if (!l->is_freed)
        look_for_ack(l);
    link_release(l);
}

static void on_sent(void *owner)
{
    struct syslog_link *l = owner;
    l->ack_pause_ns = ACK_PAUSE_FIRST_NS;
    look_for_ack(l);
}

/* The request as it travels, in one piece. */
static int frame(struct syslog_link *l)
{
    const struct sink_request *q = l->q;
    const bool is_counted = syslog_is_octet_counted(l->cfg);
    l->body.len = 0;
    if (buf_reserve(&l->body, q->bytes + q->count * (size_t)(FRAME_BYTES_MAX) + NUM_INT_MAX) < 0)
        return -ENOMEM;
    char *out = l->body.data;
    for (uint32_t i = 0; i < q->count; i++) {
        const struct entry_head *h = q->entry[i];
        if (is_counted) {
            out = num_u64(out, h->payload_len);
            *out++ = ' ';
        }
        memcpy(out, entry_payload(h), h->payload_len);
        out += h->payload_len;
        if (!is_counted)
            *out++ = '\n';
    }
    l->body.len = (size_t)(out - l->body.data);
    return 0;
}

static void on_opened(void *owner)
{
    struct syslog_link *l = owner;
    if (!l->q)
        return;
    if (frame(l) < 0)
        end(l, SINK_RETRY, "out of memory");
    else
        stream_send(l->stream, l->body.data, l->body.len);
}

static void stream_start(struct syslog_link *l)
{
    static const struct stream_events events = {
        .opened = on_opened, .received = on_received, .sent = on_sent, .closed = on_closed,
    };
    static const enum stream_kind kinds[] = {
        [SYSLOG_TCP] = STREAM_TCP, [SYSLOG_TLS] = STREAM_TLS, [SYSLOG_UNIX_STREAM] = STREAM_UNIX,
    };
    struct syslog_state *st = l->sink->state;
    const struct stream_config cfg = {
        .kind = kinds[l->cfg->transport], .host = l->cfg->host, .port = port_of(l->cfg), .path = l->cfg->path,
        .tls = &st->tls, .tls_context = st->tls_context, .connect_timeout_ns = CONNECT_TIMEOUT_NS,
    };
    struct err e = { 0 };
    if (l->stream && stream_is_open(l->stream))
        on_opened(l);
    else if (!l->stream && stream_new(l->sink->io, &cfg, &events, l, &l->stream, &e) < 0)
        end(l, SINK_RETRY, e.text);
}

/* ---- datagrams ---- */

static void datagrams_send(struct syslog_link *l);

static void on_writable(struct io_req *req, int result)
{
    struct syslog_link *l = req->owner;
    (void)result;
    l->is_polling = false;
    if (!l->is_freed && l->q && l->fd >= 0) /* not while the next socket waits for an address */
        datagrams_send(l);
    link_release(l);
}

static void wait_writable(struct syslog_link *l)
{
    if (l->is_polling)
        return;
    l->is_polling = true;
    l->poll = (struct io_req){ .op = IO_POLL, .fd = l->fd, .events = POLLOUT, .done = on_writable, .owner = l };
    io_submit(l->sink->io, &l->poll);
}

static void drop_socket(struct syslog_link *l)
{
    if (l->is_polling)
        io_cancel(l->sink->io, &l->poll);
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
}

static int reject_next(struct syslog_link *l)
{
    if (l->rejected_count == l->rejected_cap) {
        const uint32_t cap = l->rejected_cap ? l->rejected_cap * 2 : 64;
        uint32_t *more = realloc(l->rejected, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        l->rejected = more;
        l->rejected_cap = cap;
    }
    l->rejected[l->rejected_count++] = l->next++;
    return 0;
}

/* A few at once; how many the kernel has taken, or -errno for the first. */
static int send_some(struct syslog_link *l)
{
    struct mmsghdr msg[DATAGRAMS];
    struct iovec iov[DATAGRAMS];
    unsigned n = 0;
    for (; n < DATAGRAMS && l->next + n < l->q->count; n++) {
        const struct entry_head *h = l->q->entry[l->next + n];
        iov[n] = (struct iovec){ (void *)(uintptr_t)entry_payload(h), h->payload_len };
        msg[n] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[n], .msg_iovlen = 1 } };
    }
    const int sent = sendmmsg(l->fd, msg, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

/* Of a host that is near it is there already: nobody listens. */
static int refusal(const struct syslog_link *l)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

static void refuse(struct syslog_link *l, int error)
{
    const char *const advice = l->cfg->transport == SYSLOG_UDP ? connect_advice(error) : "";
    char text[200];
    (void)snprintf(text, sizeof text, "%s%s%s", strerror(-error), *advice ? "; " : "", advice);
    drop_socket(l);
    fail(l, error, text);
}

static void datagrams_send(struct syslog_link *l)
{
    while (l->next < l->q->count) {
        int r = send_some(l);
        if (r > 0) {
            l->next += (uint32_t)r;
            continue;
        }
        if (r == -EAGAIN || r == -EINTR || r == -ENOBUFS) {
            wait_writable(l);
            return;
        }
        if (r == -EMSGSIZE)
            r = reject_next(l);
        if (r < 0) {
            refuse(l, r);
            return;
        }
    }
    const int refused = refusal(l);
    if (refused)
        refuse(l, refused);
    else
        end(l, SINK_DELIVERED, "");
}

static int socket_open(struct syslog_link *l, int family, const struct sockaddr *sa, socklen_t len)
{
    const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, sa, len) < 0) {
        const int error = -errno;
        (void)close(fd);
        return error;
    }
    l->fd = fd;
    return 0;
}

static void on_resolved(void *owner, int error, const char *text, struct addrinfo *list)
{
    struct syslog_link *l = owner;
    const char *advice = list ? "" : CONNECT_NAME_ADVICE;
    char why[200];
    l->resolve = NULL;
    for (const struct addrinfo *a = list; a && l->fd < 0; a = a->ai_next) {
        error = socket_open(l, a->ai_family, a->ai_addr, a->ai_addrlen);
        text = strerror(-error);
        advice = connect_advice(error);
    }
    (void)snprintf(why, sizeof why, "%s%s%s", text, *advice ? "; " : "", advice);
    if (list)
        freeaddrinfo(list);
    if (l->fd < 0)
        fail(l, error, why);
    else if (l->q)
        datagrams_send(l);
}

static int connect_path(struct syslog_link *l)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", l->cfg->path);
    return socket_open(l, AF_UNIX, (const struct sockaddr *)&sa, sizeof sa);
}

static void datagrams_start(struct syslog_link *l)
{
    struct err e = { 0 };
    int r = 0;
    if (l->fd < 0 && l->cfg->transport == SYSLOG_UDP && !l->resolve)
        r = resolve_start(l->sink->io, l->cfg->host, port_of(l->cfg), SOCK_DGRAM, on_resolved, l, &l->resolve, &e);
    else if (l->fd < 0 && l->cfg->transport == SYSLOG_UNIX)
        r = connect_path(l);
    if (r < 0)
        fail(l, r, *e.text ? e.text : strerror(-r));
    else if (l->fd >= 0)
        datagrams_send(l);
}

/* ---- both ---- */

int syslog_link_new(struct sink *s, struct syslog_link **ret, struct err *e)
{
    struct syslog_link *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, -ENOMEM, "out of memory");
    l->sink = s;
    l->cfg = s->cfg;
    l->fd = -1;
    *ret = l;
    return 0;
}

void syslog_link_free(struct syslog_link *l)
{
    if (!l)
        return;
    CHECK(!l->q);
    l->is_freed = true;
    drop_stream(l);
    drop_socket(l);
    resolve_cancel(l->resolve);
    if (l->is_timing)
        io_cancel(l->sink->io, &l->timer);
    link_release(l);
}

void syslog_link_send(struct syslog_link *l, struct sink_request *q)
{
    CHECK(!l->q);
    l->q = q;
    l->next = 0;
    l->rejected_count = 0;
    if (syslog_is_stream(l->cfg))
        stream_start(l);
    else
        datagrams_start(l);
}

/* What is half-way in a stream cannot be taken back: the connection goes, too. */
void syslog_link_cancel(struct syslog_link *l, struct sink_request *q)
{
    if (l->q != q)
        return;
    const uint64_t timeout_ns = l->sink->delivery.timeout_ns;
    const char *late = NULL;
    char text[200], what[100];
    if (l->stream) {
        late = stream_late(l->stream, NULL, timeout_ns, "timeout", text, sizeof text);
    } else if (l->resolve) { /* goes on: the next request finds its answer */
        late = text;
        (void)snprintf(text, sizeof text, "%s; " CONNECT_NAME_ADVICE,
                       connect_late(what, sizeof what, NULL, timeout_ns, "timeout"));
    }
    drop_stream(l);
    drop_socket(l);
    fail(l, -ETIMEDOUT, late ? late : "no acknowledgement in time");
}
