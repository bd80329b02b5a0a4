/* grpc.h - unary gRPC calls to one server: HTTP/2 (nghttp2) over a stream, in plain text with prior knowledge or
 * over TLS. Calls share a connection, which is made when the first needs it and made anew when it has gone.
 *
 * `done` runs inside io_turn(), grpc_start() or grpc_cancel(); it may start and cancel calls. */
#ifndef COLLECTOR_NET_GRPC_H
#define COLLECTOR_NET_GRPC_H

#include "collector/net/stream.h"
#include "lib/base/buf.h"

#include <stdbool.h>

struct grpc;
struct grpc_call;

enum {
    GRPC_HEADERS_MAX = 32,
    GRPC_NAMES_MAX = 2048, /* bytes of their names together */
    GRPC_RESPONSE_MAX = 1 << 20,
    GRPC_DETAILS_MAX = 4096,
};

struct grpc_config {
    struct stream_config stream;
    const char *authority;      /* host:port */
    const char *tls_advice;     /* what to do where a plain port seems to want TLS */
    const char *const *headers; /* "name: value", of every call; names in any case */
    unsigned headers_count;
};

enum grpc_status { /* those that somebody here asks for */
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

/* Caller-owned, zeroed before the first use; must stay put until done. */
struct grpc_call {
    const char *path;    /* "/package.Service/Method" */
    const char *message; /* stays valid until done */
    size_t message_len;
    bool is_gzip;        /* the message is */
    uint64_t timeout_ns; /* told to the server; the caller cancels by itself */
    void (*done)(struct grpc_call *c);
    void *owner;
    /* The answer. */
    int error;           /* 0: an HTTP answer came to its end; else -errno: -ECANCELED, -ECONNREFUSED, -EKEYREJECTED */
    int http_status;
    int status;          /* enum grpc_status; -1: none came */
    bool is_cut;         /* the message was longer than GRPC_RESPONSE_MAX: the status counts, it is not there */
    struct buf response;   /* the message; freed by grpc_call_done() */
    char details[GRPC_DETAILS_MAX]; /* grpc-status-details-bin as it came, base64; "": none, or too long */
    uint64_t pushback_ns; /* grpc-retry-pushback-ms; 0: none */
    char reason[200];    /* for people, printable */
    /* private */
    struct grpc_link *link;
    int32_t id;
    size_t sent;
    unsigned heard; /* when it began */
    struct buf data;
    struct grpc_call *next;
};

/* Texts of the configuration belong to the caller and outlive it. NULL: no memory. */
struct grpc *grpc_new(struct io *io, const struct grpc_config *cfg);
void grpc_free(struct grpc *g); /* NULL allowed; no calls are under way; not from inside a done */

void grpc_start(struct grpc *g, struct grpc_call *c);
/* Ends it with -ECANCELED. A server that has said nothing since the call began loses its connection too. */
void grpc_cancel(struct grpc *g, struct grpc_call *c);
void grpc_call_done(struct grpc_call *c); /* frees the answer */

#endif
