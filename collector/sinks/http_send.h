/* http_send.h - one request of entries on its way over HTTP: what all such sinks share between send() and
 * sink_request_done(). */
#ifndef COLLECTOR_SINKS_HTTP_SEND_H
#define COLLECTOR_SINKS_HTTP_SEND_H

#include "collector/net/http.h"
#include "collector/sinks/event.h"
#include "collector/sinks/http_options.h"
#include "collector/sinks/sink.h"

struct http_send;

/* Part of the state of a sink. */
struct http_sink {
    struct http *engine;
    const struct http_options *options;
    struct http_peer peer;
    char *header[HTTP_HEADERS_MAX]; /* what every request has */
    unsigned headers_count;
    struct http_send *idle;         /* their buffers are used again */
    bool was_told_cut;
};

/* An answer that says that all was taken, and more than is read. Where the sink would look for records that were
 * rejected all the same, that is told, once. */
void http_sink_tell_cut(struct sink *s, bool *was_told);

/* May change what the status alone says; arrays that the result points to must live as long as the send.
 * True: the request goes on, the sink has started the next step of it. */
typedef bool http_response_fn(struct http_send *m, struct sink_result *result);

struct http_send {
    struct http_request q;
    struct sink *sink;
    struct http_sink *http;
    struct sink_request *request;
    struct event_reader reader;      /* of a sink whose body is read from the entries */
    struct buf body, encoded, lines; /* lines: of headers, each with a NUL */
    size_t line_at[HTTP_HEADERS_MAX];
    const char *header[HTTP_HEADERS_MAX];
    unsigned lines_count;
    bool is_short;                   /* of memory */
    http_response_fn *on_response;      /* may be NULL */
    uint32_t *indices;               /* the sink's, for partial success; freed with the request */
    void *steps;                     /* the sink's, for requests of several steps; freed with the send, which is
                                        used again */
    struct http_send *next;
};

int http_sink_open(struct http_sink *h, struct sink *s, const struct http_options *o, struct err *e);
void http_sink_close(struct http_sink *h);

/* A send for this request, with `body_bytes` free in its body; NULL: no memory, and the request is done. */
struct http_send *http_send_new(struct http_sink *h, struct sink *s, struct sink_request *r, size_t body_bytes);
/* Before another step: no headers, no body. */
void http_send_clear(struct http_send *m);
/* One more header, "Name: value". */
void http_send_header(struct http_send *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Encodes the body as the option says. Its exact bytes are in q.body afterwards. False: no memory, and the
 * request is done. */
bool http_send_encode(struct http_send *m, enum http_encoding encoding);
void http_send_start(struct http_send *m, const char *url);
/* Instead of the start: the request is done. */
void http_send_fail(struct http_send *m, enum sink_outcome outcome, const char *reason);
/* For limits() of sinks whose protocol has none. */
void http_send_no_limits(struct sink *s, struct sink_limits *ret);
/* For cancel() of sinks. */
void http_send_cancel(struct sink *s, struct sink_request *r);

/* The same for every resend of these very entries, after a crash too: the id of a record that is alone, else
 * a hash of all ids. At most ENTRY_ID_MAX bytes with the NUL. */
void http_send_id(const struct sink_request *r, char *ret);

#endif
