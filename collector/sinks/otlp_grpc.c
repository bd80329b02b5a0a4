/* OTLP over gRPC: one unary call for each request. */
#include "collector/net/grpc.h"
#include "collector/net/http.h"
#include "collector/sinks/http_send.h"
#include "collector/sinks/otlp.h"
#include "lib/base/check.h"
#include "lib/base/str.h"
#include "lib/base/uri.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXPORT "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
#define TLS_ADVICE "where the port wants TLS, endpoint has to begin with https, a URI with otlps"
#define CONNECT_TIMEOUT_NS UINT64_C(10000000000)

enum { PORT = 4317 };

struct otlp_grpc {
    struct sink *sink;
    const struct http_options *options;
    struct grpc *engine;
    struct tls_config tls;
    SSL_CTX *tls_context;
    struct uri url;
    char *authority;
    bool was_told_cut;
};

struct otlp_call { /* sink_request.work */
    struct grpc_call q;
    struct otlp_grpc *grpc;
    struct sink_request *request;
    struct buf body, encoded;
};

/* ---- life ---- */

/* HTTP/2 and gRPC have no place for them, or keep it for themselves. */
static bool is_reserved(const char *name)
{
    static const char *const names[] = {"connection", "host", "keep-alive", "proxy-connection", "te", "upgrade", NULL};
    for (unsigned i = 0; names[i]; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return strncasecmp(name, "grpc-", 5) == 0;
}

static int check_headers(const struct opt_map *headers, struct err *e)
{
    size_t names = strlen("authorization") + strlen("user-agent");
    for (uint32_t i = 0; i < headers->count; i++) {
        if (is_reserved(headers->item[i].key))
            return err_set(e, -EINVAL, "headers: '%s' cannot be sent with protocol=grpc", headers->item[i].key);
        names += strlen(headers->item[i].key);
    }
    if (names > GRPC_NAMES_MAX)
        return err_set(e, -E2BIG, "headers: names of %zu bytes are more than %d, with protocol=grpc", names,
                       GRPC_NAMES_MAX);
    return 0;
}

int otlp_grpc_check(const struct http_options *o, struct err *e)
{
    const char *const path = strchr(strstr(o->url, "://") + 3, '/');
    if (path && path[1])
        return err_set(e, -EINVAL, "endpoint: '%s' has no meaning with protocol=grpc", path);
    if (strpbrk(o->url, "?#"))
        return err_set(e, -EINVAL, "endpoint: '?' and '#' have no meaning with protocol=grpc");
    if (o->compression == HTTP_ZSTD)
        return err_set(e, -EINVAL, "compression: zstd is not part of gRPC; allowed: none, gzip");
    const bool has_proxy = strcmp(o->proxy, "auto") != 0 && strcmp(o->proxy, "none") != 0;
    const bool has_proxy_user = empty_to_null(o->proxy_user) != NULL;
    if (has_proxy || has_proxy_user)
        return err_set(e, -EINVAL, "%s: only with protocol=http", has_proxy_user ? "proxy_user" : "proxy");
    if (o->redirects_max)
        return err_set(e, -EINVAL, "redirects_max: only with protocol=http");
    if (empty_to_null(o->unix_socket) && strncmp(o->url, "https", 5) == 0)
        return err_set(e, -EINVAL, "unix_socket: only without TLS, with protocol=grpc");
    return check_headers(&o->headers, e);
}

static int open_tls(struct otlp_grpc *g, struct err *e)
{
    g->tls = http_options_tls(g->options);
    g->tls.alpn = "h2";
    return tls_context(&g->tls, &g->tls_context, e);
}

static int open_engine(struct otlp_grpc *g, char *const *headers, unsigned count, struct err *e)
{
    int r = uri_parse(g->options->url, &g->url, e);
    if (r < 0)
        return err_wrap(e, r, "endpoint");
    const bool is_tls = strcmp(g->url.scheme, "https") == 0, is_v6 = strchr(g->url.host, ':') != NULL;
    const uint16_t port = g->url.port ? g->url.port : PORT;
    if (asprintf(&g->authority, "%s%s%s:%u", is_v6 ? "[" : "", g->url.host, is_v6 ? "]" : "", port) < 0) {
        g->authority = NULL;
        return err_set(e, -ENOMEM, "endpoint: out of memory");
    }
    if (is_tls && (r = open_tls(g, e)) < 0)
        return r;
    const char *const path = empty_to_null(g->options->unix_socket);
    const struct grpc_config cfg = {
        .stream = {.kind = path ? STREAM_UNIX : is_tls ? STREAM_TLS : STREAM_TCP, .host = g->url.host, .port = port,
                   .path = path, .tls = &g->tls, .tls_context = g->tls_context,
                   .connect_timeout_ns = CONNECT_TIMEOUT_NS},
        .authority = g->authority, .tls_advice = TLS_ADVICE,
        .headers = (const char *const *)headers, .headers_count = count,
    };
    g->engine = grpc_new(g->sink->io, &cfg);
    return g->engine ? 0 : err_set(e, -ENOMEM, "endpoint: out of memory");
}

int otlp_grpc_open(struct sink *s, const struct http_options *o, char *const *headers, unsigned count,
                   struct otlp_grpc **ret, struct err *e)
{
    struct otlp_grpc *g = calloc(1, sizeof *g);
    if (!g)
        return err_set(e, -ENOMEM, "out of memory");
    *ret = g; /* otlp_grpc_close() comes in any case */
    g->sink = s;
    g->options = o;
    return open_engine(g, headers, count, e);
}

void otlp_grpc_close(struct otlp_grpc *g)
{
    if (!g)
        return;
    grpc_free(g->engine);
    SSL_CTX_free(g->tls_context);
    uri_done(&g->url);
    free(g->authority);
    free(g);
}

/* ---- answers ---- */

static enum sink_outcome outcome_of_error(int error)
{
    if (error == -EKEYREJECTED || error == -EPROTONOSUPPORT)
        return SINK_BROKEN;
    return error == -E2BIG ? SINK_REFUSED : SINK_RETRY;
}

/* No grpc-status: not gRPC's own answer, but something's on the way. */
static enum sink_outcome outcome_of_http(int status)
{
    return status == 401 || status == 403 || status == 404 ? SINK_BROKEN : SINK_RETRY;
}

static enum sink_outcome outcome_of_status(int status, bool may_retry)
{
    switch (status) {
    case GRPC_OK:
        return SINK_DELIVERED;
    case GRPC_RESOURCE_EXHAUSTED: /* too much at once, or too long a message, which the core halves */
        return may_retry ? SINK_RETRY : SINK_REFUSED;
    case GRPC_CANCELLED: case GRPC_DEADLINE_EXCEEDED: case GRPC_ABORTED: case GRPC_OUT_OF_RANGE:
    case GRPC_UNAVAILABLE: case GRPC_DATA_LOSS:
        return SINK_RETRY;
    case GRPC_UNAUTHENTICATED: case GRPC_PERMISSION_DENIED: case GRPC_UNIMPLEMENTED:
        return SINK_BROKEN;
    default:
        return SINK_REFUSED;
    }
}

static void set_reason(const struct grpc_call *q, struct sink_result *ret)
{
    if (q->error)
        (void)snprintf(ret->reason, sizeof ret->reason, "%s", q->reason);
    else if (q->status < 0)
        (void)snprintf(ret->reason, sizeof ret->reason, "HTTP %d without a grpc-status", q->http_status);
    else if (q->status != GRPC_OK)
        (void)snprintf(ret->reason, sizeof ret->reason, "gRPC status %d%s%s", q->status, *q->reason ? ": " : "",
                       q->reason);
}

static void on_done(struct grpc_call *q)
{
    struct otlp_call *c = q->owner;
    struct sink *s = c->grpc->sink;
    struct sink_request *request = c->request;
    struct sink_result result = {.status = q->error ? 0 : q->status >= 0 ? q->status : q->http_status};
    uint32_t *indices = NULL;
    const bool has_retry_info = otlp_retry_info(q->details, &result.retry_after_ns);
    if (q->pushback_ns)
        result.retry_after_ns = q->pushback_ns;
    if (q->error)
        result.outcome = outcome_of_error(q->error);
    else if (q->status < 0)
        result.outcome = outcome_of_http(q->http_status);
    else
        result.outcome = outcome_of_status(q->status, has_retry_info || q->pushback_ns);
    set_reason(q, &result);
    if (q->is_cut && result.outcome == SINK_DELIVERED)
        http_sink_tell_cut(s, &c->grpc->was_told_cut);
    if (result.outcome == SINK_DELIVERED)
        otlp_partial(s, request->count, &q->response, false, &result, &indices);
    grpc_call_done(&c->q);
    buf_done(&c->body);
    buf_done(&c->encoded);
    free(c);
    request->work = NULL;
    sink_request_done(s, request, &result);
    free(indices);
}

/* ---- requests ---- */

static void fail(struct sink *s, struct sink_request *r, struct otlp_call *c, enum sink_outcome outcome,
                 const char *reason)
{
    struct sink_result result = {.outcome = outcome};
    (void)snprintf(result.reason, sizeof result.reason, "%s", reason);
    if (c) {
        buf_done(&c->body);
        buf_done(&c->encoded);
        free(c);
    }
    sink_request_done(s, r, &result);
}

void otlp_grpc_send(struct otlp_grpc *g, struct sink_request *r)
{
    const bool is_gzip = g->options->compression == HTTP_GZIP;
    struct otlp_call *c = calloc(1, sizeof *c);
    bool is_json = false;
    int error = c ? otlp_request_write(r, &c->body, &is_json) : -ENOMEM;
    if (error == 0 && is_gzip)
        error = http_encode(HTTP_GZIP, c->body.data, c->body.len, &c->encoded);
    if (error < 0 || is_json) {
        fail(g->sink, r, c, error == -ENOMEM ? SINK_RETRY : SINK_REFUSED,
             error == -ENOMEM ? "out of memory" : is_json ? "gRPC takes protobuf only, and the spool holds JSON" :
                                                            "entries are damaged, or of both encodings");
        return;
    }
    c->grpc = g;
    c->request = r;
    c->q = (struct grpc_call){.path = EXPORT, .message = is_gzip ? c->encoded.data : c->body.data,
                              .message_len = is_gzip ? c->encoded.len : c->body.len, .is_gzip = is_gzip,
                              .timeout_ns = g->sink->delivery.timeout_ns, .done = on_done, .owner = c};
    r->work = c;
    grpc_start(g->engine, &c->q);
}

void otlp_grpc_cancel(struct otlp_grpc *g, struct sink_request *r)
{
    struct otlp_call *c = r->work;
    if (c)
        grpc_cancel(g->engine, &c->q);
}
