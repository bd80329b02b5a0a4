/* http_private.h - the engine's inside: calls, each of which is a request with its curl handle, and the
 * sockets that curl wants watched. Private to collector/net. */
#ifndef COLLECTOR_NET_HTTP_PRIVATE_H
#define COLLECTOR_NET_HTTP_PRIVATE_H

#include "collector/net/http.h"
#include "collector/net/tls_store.h"

#include <curl/curl.h>

enum { HTTP_IDLE_MAX = 16, HTTP_CONNECTIONS_MAX = 64, HTTP_UPLOAD_BUFFER = 256 << 10 };

enum http_call_state {
    HTTP_CALL_IDLE,     /* in h->idle */
    HTTP_CALL_ACTIVE,   /* in h->active; curl has it */
    HTTP_CALL_FINISHED, /* in h->finished, or its done is about to run */
};

struct http_call {
    struct http_call *prev, *next;
    struct http *http;
    struct http_request *q;
    CURL *easy;
    struct curl_slist *headers;
    enum http_call_state state;
    unsigned redirects;            /* that were followed */
    curl_socket_t fd;              /* that curl has watched last for it, or -1 */
    bool is_connected;             /* the socket before that one was; curl tells it only after the handshake */
    int stop;                      /* why the answer was not read to its end: -EMSGSIZE, -ENOMEM */
    char error[CURL_ERROR_SIZE];
    struct err tls;                /* why the authorities to trust could not be read; "": they could */
};

struct http_calls {
    struct http_call *head;
};

struct http_socket {
    struct http *http;             /* NULL: curl has let it go */
    struct io_req poll;
    struct http_socket *prev, *next;
    curl_socket_t fd;
    uint32_t wanted, armed;        /* poll events */
    bool is_armed, is_running;     /* its poll is under way; curl works on it */
};

struct http {
    struct io_service service;     /* first */
    struct io *io;
    CURLM *multi;
    struct io_req timer;
    bool is_timer_armed, is_closing;
    uint64_t curl_at_ns;           /* when curl wants to be called; UINT64_MAX: not */
    struct http_calls active, finished, idle;
    struct http_request *refused;  /* there was no memory for their calls; their done is still to run */
    unsigned idle_count;
    struct http_socket *sockets;
    struct tls_stores stores;
};


/* Whether the socket is one to a peer that has taken the connection; no pair of curl's own. */
bool http_is_connected(const struct http_call *c, curl_socket_t fd);
/* Sets the timer for what is next. */
void http_engine_arm(struct http *h);
/* The call has ended: takes the answer over from curl. Its done runs in this turn or the next. */
void http_call_end(struct http_call *c, CURLcode code);
/* The same without an answer. */
void http_call_abort(struct http_call *c, int error, const char *reason, const char *advice);
/* Runs the done of what had finished when it was called. */
void http_run_finished(struct http *h);
void http_call_free(struct http_call *c);

/* Sets whom a peer and its proxy are trusted by, and has it read once for all connections where that can be. */
void http_trust(CURL *easy, const struct http_peer *p);
/* curl's verdict as -errno. is_sent: the request went out. */
int http_errno(CURLcode code, long os_errno, bool is_sent);
/* Who a request for this URL is connected to, without credentials: "HOST port PORT", "the proxy HOST port PORT", with
 * the variable of the environment that has it behind it, or a path. True: a proxy. */
bool http_name_peer(const struct http_peer *p, const char *url, char *ret, size_t size);
/* Whether the host of the URL is an address of IPv6 that no_proxy has: curl 7.88 would not see it in a network
 * (fd00::/8), nor written otherwise (0:0::1, [::1]). */
bool http_is_exempt(const char *url);
/* What a proxy's answer to CONNECT means. 0: nothing; else what went wrong, explained in q->reason. */
int http_proxy_error(struct http_request *q, long connect_status);
/* Fills in q->reason from curl's text with the advice behind it (may be ""), or from status and answer. */
void http_explain(struct http_request *q, const char *curl_text, const char *advice);
/* What the operator can do about it, with the server or its proxy; "" where the text says enough. */
const char *http_advice(CURL *easy, CURLcode code, long os_errno, const char *curl_text, bool is_proxy);

#endif
