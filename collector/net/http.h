/* http.h - HTTP/1.1 client requests on the reactor: libcurl's multi-socket interface, its sockets polled
 * and its timers kept by collector/io. One engine per reactor; connections are kept alive and shared by the
 * requests of one origin. Redirects are refused unless asked for, peers verified unless told otherwise, DNS
 * runs in curl's own resolver thread, bodies of answers are bounded, credentials never get into a message.
 *
 * The thread of the io owns the engine. `done` runs inside io_turn() (or the engine's end), never inside
 * http_submit() or http_cancel(). */
#ifndef COLLECTOR_NET_HTTP_H
#define COLLECTOR_NET_HTTP_H

#include "collector/io/io.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#include <stdbool.h>

struct http;
struct http_request;

enum { HTTP_HEADERS_MAX = 32, HTTP_RESPONSE_MAX = 1 << 20 };

/* How to reach and to trust a server; texts belong to the caller and outlive the requests. */
struct http_peer {
    const char *ca_file;    /* NULL: the system's */
    const char *cert_file, *key_file; /* client certificate, PEM; NULL: none */
    const char *proxy;      /* NULL: what the environment says (http_proxy, https_proxy, no_proxy); "": none */
    const char *proxy_user, *proxy_password; /* NULL: none, or those of the environment's URL */
    const char *unix_socket; /* NULL: TCP */
    bool is_unverified;     /* the peer's certificate and name are not checked */
    unsigned redirects_max; /* 0: a redirect is an answer like any other */
};

enum http_encoding { HTTP_PLAIN, HTTP_GZIP, HTTP_ZSTD };

typedef void http_done_fn(struct http_request *q);
/* The next bytes of a body, at most `room`; with out NULL: begin again, as after a connection that was lost. */
typedef size_t http_read_fn(struct http_request *q, char *out, size_t room);

/* Caller-owned, zeroed before the first use; must stay put until done. */
struct http_request {
    const char *method; /* "POST" */
    const char *url;
    const char *const *headers; /* "Name: value" */
    unsigned headers_count;
    unsigned headers_private; /* so many at the end are for the server of the URL alone: where a redirect leads to
                                 another scheme, host or port they stay behind, as do those that look secret */
    const char *body;   /* stays valid until done; already encoded */
    size_t body_len;
    http_read_fn *read; /* NULL, or where the body comes from instead, in portions: worth its while where it is long */
    uint64_t timeout_ns;
    const struct http_peer *peer; /* NULL: all defaults */
    http_done_fn *done;
    void *owner;
    /* The answer. */
    int error;          /* 0: there is a status; else -errno: -ECANCELED, -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH,
                           -ECONNRESET, -EPROTO, -EKEYREJECTED (TLS: nobody to trust),
                           -EACCES (a proxy does not want to connect), -EINVAL (URL), -ENOMEM ... */
    int status;
    uint64_t retry_after_ns; /* of a Retry-After header, seconds or a date; 0: none */
    bool is_cut;        /* the body is longer than may be: the status counts, the rest was not read */
    struct buf response;  /* of the body, at most HTTP_RESPONSE_MAX; freed by http_request_done() */
    char reason[200];   /* for people: the error, or status and the answer's beginning, printable */
    /* the engine's */
    void *private_;
    struct http_request *private_next;
};

/* The engine of this io: made when first asked for, gone with the io at the latest. */
int http_get(struct io *io, struct http **ret, struct err *e);
/* Ends what is under way (done runs with -ECANCELED) and the engine; io_free() does so by itself. No-op where
 * there is none; not from inside a done. */
void http_shutdown(struct io *io);

/* Never fails: an error that is found at once is reported by done as well. */
void http_submit(struct http *h, struct http_request *q);
void http_cancel(struct http *h, struct http_request *q);
void http_request_done(struct http_request *q); /* frees the answer; the request may be used again */

/* What a status or error means for delivery, the same for all HTTP sinks: see struct sink_result. */
enum http_class { HTTP_CLASS_OK, HTTP_CLASS_RETRY, HTTP_CLASS_REFUSED, HTTP_CLASS_BROKEN };
enum http_class http_classify(const struct http_request *q);

/* Encodes a body. 0 or -ENOMEM; appends to out. */
int http_encode(enum http_encoding encoding, const char *data, size_t len, struct buf *out);

#endif
