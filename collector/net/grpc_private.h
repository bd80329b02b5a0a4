/* grpc_private.h - between the connections of gRPC (grpc.c) and what HTTP/2 says of its calls (grpc_session.c). */
#ifndef COLLECTOR_NET_GRPC_PRIVATE_H
#define COLLECTOR_NET_GRPC_PRIVATE_H

#include "collector/net/grpc.h"

#include <nghttp2/nghttp2.h>

struct grpc_link { /* a connection */
    struct grpc *grpc;
    struct stream *stream;
    nghttp2_session *session;
    struct grpc_call *calls;
    struct buf out; /* being sent */
    bool is_sending;
    bool is_leaving; /* the server takes no new calls: it goes when the last call has ended */
    bool is_dead;
    bool is_greeted; /* a frame has come: it is a server of HTTP/2 */
    unsigned heard;  /* rises with whatever is received */
    struct grpc_link *next;
};

struct grpc {
    struct io *io;
    struct grpc_config cfg;
    struct grpc_link *links, *current;
    struct grpc_call *finished; /* done is due */
    unsigned depth;
};

/* Takes a call from its connection; done follows. */
void grpc_finish(struct grpc_call *c, int error, const char *reason);

int grpc_session_new(struct grpc_link *l);
/* Hands a call to the session, or finishes it. */
void grpc_submit(struct grpc_call *c);

#endif
