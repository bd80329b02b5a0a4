/* stream.h - a client connection on the reactor: TCP, TLS over TCP, or a Unix stream socket; for protocols
 * that are not HTTP/1. Connecting, resolving and the TLS handshake take place in the background.
 *
 * Callbacks run inside io_turn() only. After `closed` the stream is dead: nothing more is called, and
 * stream_free() is due. stream_free() may be called at any time, also from a callback. The process ignores
 * SIGPIPE, since OpenSSL writes to sockets by write(). */
#ifndef COLLECTOR_NET_STREAM_H
#define COLLECTOR_NET_STREAM_H

#include "collector/io/io.h"
#include "collector/net/tls.h"

struct stream;

enum stream_kind { STREAM_TCP, STREAM_TLS, STREAM_UNIX };

/* Texts belong to the caller and outlive the stream. */
struct stream_config {
    enum stream_kind kind;
    const char *host;
    uint16_t port;
    const char *path;    /* STREAM_UNIX */
    const struct tls_config *tls; /* STREAM_TLS ... */
    SSL_CTX *tls_context;         /* ... made of it */
    uint64_t connect_timeout_ns;  /* until `opened`, the handshake included; an address that takes no connection is left
                                     for the next one much earlier */
};

struct stream_events {
    void (*opened)(void *owner);
    void (*received)(void *owner, const char *data, size_t len);
    void (*sent)(void *owner); /* what stream_send() was given lies in the kernel, all of it */
    /* error: 0 the peer has closed in good order, else a negative errno; reason for people, without host and port. */
    void (*closed)(void *owner, int error, const char *reason);
};

int stream_new(struct io *io, const struct stream_config *cfg, const struct stream_events *events, void *owner,
               struct stream **ret, struct err *e);
void stream_free(struct stream *st); /* NULL allowed */

bool stream_is_open(const struct stream *st);
/* How far it has come, for whoever gives it up: where, and the option that sets the time, may be NULL. NULL: it is
 * open. Else ret, or a text that stays. */
const char *stream_late(const struct stream *st, const char *to, uint64_t timeout_ns, const char *option, char *ret,
                        size_t size);
/* Of a plain one that was closed: what a port does that wants TLS. It has said nothing at all, or a TLS alert. */
bool stream_may_want_tls(const struct stream *st);
/* One at a time: the next after `sent`. The data stays valid until then, or until stream_free(). */
void stream_send(struct stream *st, const char *data, size_t len);
/* Bytes that the peer's kernel has not acknowledged (TCP), or its program not read (Unix). */
size_t stream_unacknowledged(const struct stream *st);
const char *stream_alpn(const struct stream *st); /* what TLS has agreed on, "" */

#endif
