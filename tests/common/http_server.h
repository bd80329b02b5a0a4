/* http_server.h - an HTTP server in a thread of the test, whose answers are whatever bytes the test wants,
 * right or wrong. */
#ifndef TESTS_COMMON_HTTP_SERVER_H
#define TESTS_COMMON_HTTP_SERVER_H

#include "lib/base/buf.h"

#include <stdbool.h>

struct http_server;

struct http_server_request {
    const char *head;    /* NUL-terminated: request line and headers, with their line ends */
    const char *body;    /* NUL-terminated */
    size_t body_len;
    unsigned connection; /* from 0, in the order of accept */
    unsigned number;     /* from 0, over all connections */
};

enum http_server_then {
    HTTP_SERVER_KEEP,
    HTTP_SERVER_CLOSE,
    HTTP_SERVER_RESET, /* with RST */
    HTTP_SERVER_HANG,  /* says nothing more */
};

/* Runs in the server's thread: appends the whole answer, and says what becomes of the connection. */
typedef enum http_server_then http_server_fn(void *arg, const struct http_server_request *q, struct buf *answer);

/* On a free loopback port, or on a Unix socket when a path is given. Ends the test when it cannot. */
struct http_server *http_server_start(http_server_fn *answer, void *arg, const char *unix_path);
unsigned http_server_port(const struct http_server *s);
void http_server_stop(struct http_server *s);

/* An answer with Content-Length; `headers` are whole lines, or "". */
void http_server_respond(struct buf *answer, int status, const char *headers, const char *body);
/* The value of a header, in a buffer that the next call uses again; NULL: not there. */
const char *http_server_header(const struct http_server_request *q, const char *name);

#endif
