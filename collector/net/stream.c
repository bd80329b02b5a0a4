#include "collector/net/stream.h"

#include "collector/net/connect.h"
#include "collector/net/resolve.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/err.h>

enum { READ_BYTES = 16 << 10, READS_MAX = 16 /* in one go */ };

#define ADDRESS_NS (NS_PER_S / 4) /* for an address that others follow: a node that is gone, IPv6 that leads nowhere */

enum stream_state { RESOLVING, CONNECTING, SHAKING, OPEN, DEAD };

struct stream {
    struct io *io;
    struct stream_config cfg;
    struct stream_events events;
    void *owner;
    enum stream_state state;
    struct resolve *resolve;
    struct addrinfo *list, *next; /* addresses left to try */
    int fd;
    SSL *ssl;
    const char *data; /* being sent */
    size_t len;
    struct io_req in, out, timer;
    bool in_armed, out_armed, timer_armed;
    uint64_t deadline_ns, address_ns; /* of connecting; of the address that is being tried, UINT64_MAX: the last one */
    bool is_timer_old; /* its deadline has changed */
    bool is_address_over; /* the next one follows as soon as the poll is out of the way */
    bool is_announced; /* `opened` has been called */
    bool has_heard;    /* something has come ... */
    bool was_alerted;  /* ... and it was a TLS alert in the place of the first bytes */
    bool is_freed;     /* stream_free() has been called: goes away with its last request */
    unsigned calls;    /* callbacks on the stack */
    char alpn[16];
};

static void stream_step(struct stream *st);
static void on_timer(struct io_req *req, int result);

/* ---- end of life ---- */

static void stream_release(struct stream *st)
{
    if (!st->is_freed || st->in_armed || st->out_armed || st->timer_armed || st->calls)
        return;
    SSL_free(st->ssl);
    if (st->list)
        freeaddrinfo(st->list);
    if (st->fd >= 0)
        (void)close(st->fd);
    free(st);
}

static void cancel_all(struct stream *st)
{
    resolve_cancel(st->resolve);
    st->resolve = NULL;
    if (st->in_armed)
        io_cancel(st->io, &st->in);
    if (st->out_armed)
        io_cancel(st->io, &st->out);
    if (st->timer_armed)
        io_cancel(st->io, &st->timer);
}

void stream_free(struct stream *st)
{
    if (!st)
        return;
    CHECK(!st->is_freed);
    st->is_freed = true;
    if (st->state == OPEN && st->ssl)
        (void)SSL_shutdown(st->ssl); /* says goodbye, waits for nothing */
    st->state = DEAD;
    cancel_all(st);
    stream_release(st);
}

static void stream_fail(struct stream *st, int error, const char *reason)
{
    if (st->state == DEAD)
        return;
    st->state = DEAD;
    cancel_all(st);
    st->events.closed(st->owner, error, reason);
}

static void fail_to_connect(struct stream *st, int error, const char *what, const char *advice)
{
    char reason[400];
    (void)snprintf(reason, sizeof reason, "%s%s%s", what, *advice ? "; " : "", advice);
    stream_fail(st, error, reason);
}

/* ---- connecting ---- */

static void arm(struct stream *st, struct io_req *req, bool *armed, uint32_t events);

static void address_leave(struct stream *st);

static void on_event(struct io_req *req, int result)
{
    struct stream *st = req->owner;
    *(req == &st->in ? &st->in_armed : &st->out_armed) = false;
    st->calls++;
    if (st->is_address_over && st->state == CONNECTING && result < 0)
        address_leave(st);
    else if (st->state != DEAD && result < 0 && result != -EINTR && result != -ECANCELED)
        stream_fail(st, result, strerror(-result));
    else if (st->state != DEAD)
        stream_step(st);
    st->calls--;
    stream_release(st);
}

static void arm(struct stream *st, struct io_req *req, bool *armed, uint32_t events)
{
    if (*armed || st->state == DEAD)
        return;
    *armed = true;
    *req = (struct io_req){ .op = IO_POLL, .fd = st->fd, .events = events, .done = on_event, .owner = st };
    io_submit(st->io, req);
}

static void wait_in(struct stream *st) { arm(st, &st->in, &st->in_armed, POLLIN); }
static void wait_out(struct stream *st) { arm(st, &st->out, &st->out_armed, POLLOUT); }

static void timer_arm(struct stream *st)
{
    if (st->timer_armed) {
        st->is_timer_old = true;
        io_cancel(st->io, &st->timer);
        return;
    }
    st->timer_armed = true;
    st->timer = (struct io_req){
        .op = IO_TIMEOUT, .deadline_ns = st->address_ns < st->deadline_ns ? st->address_ns : st->deadline_ns,
        .done = on_timer, .owner = st,
    };
    io_submit(st->io, &st->timer);
}

static int try_address(struct stream *st, int family, int protocol, const struct sockaddr *sa, socklen_t len)
{
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0)
        return -errno;
    if (family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(fd, sa, len) < 0 && errno != EINPROGRESS) {
        const int error = -errno;
        (void)close(fd);
        return error;
    }
    st->fd = fd;
    st->state = CONNECTING;
    wait_out(st);
    return 0;
}

/* The next address that can be tried at all. */
static void connect_next(struct stream *st, int error)
{
    while (st->next) {
        const struct addrinfo *a = st->next;
        st->next = a->ai_next;
        error = try_address(st, a->ai_family, a->ai_protocol, a->ai_addr, a->ai_addrlen);
        if (error == 0) {
            st->is_address_over = false;
            st->address_ns = st->next ? clock_mono_ns() + ADDRESS_NS : UINT64_MAX;
            timer_arm(st);
            return;
        }
    }
    fail_to_connect(st, error, strerror(-error), connect_advice(error));
}

static void address_leave(struct stream *st)
{
    (void)close(st->fd);
    st->fd = -1;
    connect_next(st, -ETIMEDOUT);
}

static void connected(struct stream *st)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(st->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error) {
        (void)close(st->fd);
        st->fd = -1;
        connect_next(st, -error);
        return;
    }
    if (!st->ssl) {
        st->state = OPEN;
    } else if (SSL_set_fd(st->ssl, st->fd) != 1) {
        stream_fail(st, -ENOMEM, "TLS: out of memory");
        return;
    } else {
        st->state = SHAKING;
        st->address_ns = UINT64_MAX;
        timer_arm(st);
    }
    stream_step(st);
}

static void on_resolved(void *owner, int error, const char *text, struct addrinfo *list)
{
    struct stream *st = owner;
    st->resolve = NULL;
    st->calls++;
    st->list = st->next = list;
    if (error < 0)
        fail_to_connect(st, error == -ENOENT ? -EHOSTUNREACH : error, text, CONNECT_NAME_ADVICE);
    else
        connect_next(st, -EHOSTUNREACH);
    st->calls--;
    stream_release(st);
}

static void connect_unix(struct stream *st)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", st->cfg.path);
    const int r = try_address(st, AF_UNIX, 0, (const struct sockaddr *)&sa, sizeof sa);
    if (r < 0)
        stream_fail(st, r, strerror(-r));
}

const char *stream_late(const struct stream *st, const char *to, uint64_t timeout_ns, const char *option, char *ret,
                        size_t size)
{
    char what[200];
    if (st->state >= OPEN)
        return NULL;
    if (st->state == SHAKING)
        return CONNECT_SHAKES_TOO_LONG;
    (void)snprintf(ret, size, "%s; %s", connect_late(what, sizeof what, to, timeout_ns, option),
                   st->state == RESOLVING ? CONNECT_NAME_ADVICE : connect_advice(-ETIMEDOUT));
    return ret;
}

static void connect_too_late(struct stream *st)
{
    char what[300];
    stream_fail(st, -ETIMEDOUT, stream_late(st, NULL, st->cfg.connect_timeout_ns, NULL, what, sizeof what));
}

/* Also the start of a Unix stream: connect() there answers at once, and callbacks wait for io_turn(). */
static void on_timer(struct io_req *req, int result)
{
    struct stream *st = req->owner;
    const bool is_old = st->is_timer_old;
    st->timer_armed = st->is_timer_old = false;
    st->calls++;
    if (st->state == RESOLVING && st->cfg.kind == STREAM_UNIX && result == 0) {
        connect_unix(st);
    } else if (st->state < OPEN && is_old) {
        timer_arm(st);
    } else if (st->state == CONNECTING && st->next && clock_mono_ns() < st->deadline_ns) {
        st->is_address_over = true;
        io_cancel(st->io, &st->out);
    } else if (st->state < OPEN && result == 0) {
        connect_too_late(st);
    }
    st->calls--;
    stream_release(st);
}

int stream_new(struct io *io, const struct stream_config *cfg, const struct stream_events *events, void *owner,
               struct stream **ret, struct err *e)
{
    struct stream *st = calloc(1, sizeof *st);
    if (!st)
        return err_set(e, -ENOMEM, "out of memory");
    *st = (struct stream){ .io = io, .cfg = *cfg, .events = *events, .owner = owner, .fd = -1 };
    int r = 0;
    if (cfg->kind == STREAM_UNIX && strlen(cfg->path) >= sizeof ((struct sockaddr_un *)0)->sun_path)
        r = err_set(e, -ENAMETOOLONG, "%s: the path of a socket has at most %zu bytes", cfg->path,
                    sizeof ((struct sockaddr_un *)0)->sun_path - 1);
    if (r == 0 && cfg->kind == STREAM_TLS)
        r = tls_session(cfg->tls_context, cfg->tls, cfg->host, &st->ssl, e);
    if (r == 0 && cfg->kind != STREAM_UNIX)
        r = resolve_start(io, cfg->host, cfg->port, SOCK_STREAM, on_resolved, st, &st->resolve, e);
    if (r < 0) {
        SSL_free(st->ssl);
        free(st);
        return r;
    }
    st->deadline_ns = clock_mono_ns() + (cfg->kind == STREAM_UNIX ? 0 : cfg->connect_timeout_ns);
    st->address_ns = UINT64_MAX;
    timer_arm(st);
    *ret = st;
    return 0;
}

/* ---- reading and writing ---- */

/* What others on this thread have left there - libcurl does, with each handshake that fails - would be taken for an
 * error of the call that comes. */
static void forget_errors(void)
{
    ERR_clear_error();
    errno = 0;
}

/* 1..: bytes; 0: the peer has closed; -EAGAIN: wait as armed; else -errno, with the reason. */
static ssize_t tls_result(struct stream *st, int result, char *reason, size_t size)
{
    const int saved = errno;
    switch (SSL_get_error(st->ssl, result)) {
    case SSL_ERROR_WANT_READ: wait_in(st); return -EAGAIN;
    case SSL_ERROR_WANT_WRITE: wait_out(st); return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        (void)snprintf(reason, size, "%s", saved ? strerror(saved) : "connection closed");
        return saved ? -saved : -ECONNRESET;
    default:
        (void)tls_reason(st->ssl, reason, size);
        return SSL_get_verify_result(st->ssl) == X509_V_OK ? -EPROTO : -EKEYREJECTED;
    }
}

static ssize_t plain_result(struct stream *st, ssize_t n, bool is_read, char *reason, size_t size)
{
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR) {
        is_read ? wait_in(st) : wait_out(st);
        return -EAGAIN;
    }
    const int error = -errno;
    (void)snprintf(reason, size, "%s", strerror(-error));
    return error;
}

static ssize_t take(struct stream *st, char *buf, char *reason, size_t size)
{
    if (!st->ssl)
        return plain_result(st, recv(st->fd, buf, READ_BYTES, 0), true, reason, size);
    forget_errors();
    const int n = SSL_read(st->ssl, buf, READ_BYTES);
    return n > 0 ? n : tls_result(st, n, reason, size);
}

static ssize_t give(struct stream *st, char *reason, size_t size)
{
    if (!st->ssl)
        return plain_result(st, send(st->fd, st->data, st->len, MSG_NOSIGNAL), false, reason, size);
    forget_errors();
    const int n = SSL_write(st->ssl, st->data, st->len > INT32_MAX ? INT32_MAX : (int)st->len);
    return n > 0 ? n : tls_result(st, n, reason, size);
}

static void shake(struct stream *st)
{
    char reason[256];
    forget_errors();
    const int n = SSL_connect(st->ssl);
    if (n != 1) {
        const ssize_t r = tls_result(st, n, reason, sizeof reason);
        if (r == 0 || r == -ECONNRESET || r == -EPIPE)
            fail_to_connect(st, -ECONNRESET, r == 0 ? "closed during the TLS handshake" : reason, TLS_HANGUP_ADVICE);
        else if (r != -EAGAIN)
            stream_fail(st, (int)r, reason);
        return;
    }
    const unsigned char *alpn;
    unsigned len;
    SSL_get0_alpn_selected(st->ssl, &alpn, &len);
    (void)snprintf(st->alpn, sizeof st->alpn, "%.*s", (int)len, (const char *)alpn);
    st->state = OPEN;
}

static void write_all(struct stream *st)
{
    char reason[256];
    while (st->state == OPEN && st->len) {
        const ssize_t n = give(st, reason, sizeof reason);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            stream_fail(st, n == 0 ? -ECONNRESET : (int)n, n == 0 ? "connection closed" : reason);
            return;
        }
        st->data += n;
        st->len -= (size_t)n;
        if (!st->len)
            st->events.sent(st->owner);
    }
}

static void hear(struct stream *st, const char *data, size_t len)
{
    if (!st->has_heard)
        st->was_alerted = len >= 2 && data[0] == SSL3_RT_ALERT && data[1] == SSL3_VERSION_MAJOR;
    st->has_heard = true;
    st->events.received(st->owner, data, len);
}

static void read_some(struct stream *st)
{
    char buf[READ_BYTES], reason[256];
    for (unsigned i = 0; st->state == OPEN; i++) {
        if (i == READS_MAX) { /* others have their turn; what waits wakes us at once */
            wait_in(st);
            return;
        }
        const ssize_t n = take(st, buf, reason, sizeof reason);
        if (n == -EAGAIN)
            return;
        if (n > 0)
            hear(st, buf, (size_t)n);
        else
            stream_fail(st, (int)n, n == 0 ? "closed by the peer" : reason);
    }
}

static void announce(struct stream *st)
{
    if (st->state != OPEN || st->is_announced)
        return;
    st->is_announced = true;
    if (st->timer_armed)
        io_cancel(st->io, &st->timer);
    st->events.opened(st->owner);
}

static void stream_step(struct stream *st)
{
    if (st->state == CONNECTING) {
        connected(st);
        return;
    }
    if (st->state == SHAKING)
        shake(st);
    announce(st);
    write_all(st);
    read_some(st);
}

bool stream_is_open(const struct stream *st)
{
    return st->state == OPEN;
}

bool stream_may_want_tls(const struct stream *st)
{
    return st->cfg.kind == STREAM_TCP && st->is_announced && (!st->has_heard || st->was_alerted);
}

void stream_send(struct stream *st, const char *data, size_t len)
{
    CHECK(st->len == 0 && len > 0 && st->state == OPEN);
    st->data = data;
    st->len = len;
    wait_out(st); /* callbacks wait for io_turn() */
}

size_t stream_unacknowledged(const struct stream *st)
{
    int bytes = 0;
    if (st->fd < 0 || ioctl(st->fd, SIOCOUTQ, &bytes) < 0 || bytes < 0)
        return 0;
    return (size_t)bytes;
}

const char *stream_alpn(const struct stream *st)
{
    return st->alpn;
}
