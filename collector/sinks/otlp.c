/* otlp.c - exports records to anything that speaks OpenTelemetry's OTLP, over gRPC or over HTTP. */
#include "collector/sinks/otlp.h"

#include "collector/format/gather.h"
#include "collector/format/otlp_proto.h"
#include "collector/sinks/http_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROTOCOL_GRPC, PROTOCOL_HTTP };
enum { ENCODING_PROTOBUF, ENCODING_JSON };

#define PATH "/v1/logs"

static const struct opt_word protocols[] = {{"grpc", PROTOCOL_GRPC}, {"http", PROTOCOL_HTTP}, {NULL, 0}};
static const struct opt_word encodings[] = {{"protobuf", ENCODING_PROTOBUF}, {"json", ENCODING_JSON}, {NULL, 0}};

struct otlp_cfg {
    struct http_options http;
    uint32_t protocol, encoding;
    const char *path;
};

struct otlp_state {
    struct http_sink http;
    struct otlp_grpc *grpc; /* NULL: HTTP */
    char *url;
    struct gather gather;
};

static const struct opt otlp_opts[] = {
    OPT_TEXT_ALIAS_(struct otlp_cfg, http.url, "endpoint", "url", NULL, OPT_URL,
                    "Server: http://, or https:// for TLS; without: port 4317 (grpc) or 4318 (http) of localhost."),
    OPT_WORD_(struct otlp_cfg, protocol, "protocol", "grpc", protocols, 0, "How a request travels."),
    OPT_TEXT_(struct otlp_cfg, path, "path", PATH, 0,
              "Put behind the endpoint, unless it ends with it; with protocol=http."),
    OPT_WORD_(struct otlp_cfg, encoding, "encoding", "protobuf", encodings, 0,
              "How a request is written; json with protocol=http only."),
    HTTP_OPTION_ROWS(struct otlp_cfg, http),
    OPT_END,
};

static int otlp_from_uri(void *cfg, const struct uri *u, struct err *e)
{
    struct otlp_cfg *c = cfg;
    struct uri copy = *u;
    if (strcmp(u->scheme, "otlps") == 0 || strcmp(u->scheme, "otlp+grpcs") == 0)
        copy.scheme = "https";
    return http_options_from_uri(&c->http, &copy, "endpoint", e);
}

static int check_path(const char *path, struct err *e)
{
    if (*path && *path != '/')
        return err_set(e, -EINVAL, "path: '%s' does not begin with '/'", path);
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return err_set(e, -EINVAL, "path: spaces and control characters must be written as %%20 and so on");
    return 0;
}

static int otlp_check(void *cfg, struct err *e)
{
    struct otlp_cfg *c = cfg;
    const bool is_grpc = c->protocol == PROTOCOL_GRPC;
    if (!c->http.url)
        c->http.url = strdup(is_grpc ? "http://localhost:4317" : "http://localhost:4318");
    if (!c->http.url)
        return err_set(e, -ENOMEM, "endpoint: out of memory");
    if (is_grpc && c->encoding == ENCODING_JSON)
        return err_set(e, -EINVAL, "encoding: json only with protocol=http, as in otlp+http://");
    if (is_grpc && strcmp(c->path, PATH) != 0)
        return err_set(e, -EINVAL, "path: only with protocol=http, as in otlp+http://");
    int r = check_path(c->path, e);
    if (r == 0)
        r = http_options_check(&c->http, "endpoint", e);
    return r == 0 && is_grpc ? otlp_grpc_check(&c->http, e) : r;
}

static int otlp_format_check(const void *cfg, const struct format_ops *f, struct err *e)
{
    (void)cfg;
    return strcmp(f->name, "otlp-json") == 0
               ? 0 : err_set(e, -EINVAL, "format: '%s' has no place in OTLP; leave it out", f->name);
}

static int otlp_open(struct sink *s, struct err *e)
{
    const struct otlp_cfg *c = s->cfg;
    struct otlp_state *st = s->state;
    st->url = http_options_url(c->http.url, c->path);
    if (!st->url)
        return err_set(e, -ENOMEM, "endpoint: out of memory");
    int r = http_sink_open(&st->http, s, &c->http, e); /* gRPC has its headers from there */
    if (r == 0 && c->protocol == PROTOCOL_GRPC)
        r = otlp_grpc_open(s, &c->http, st->http.header, st->http.headers_count, &st->grpc, e);
    return r;
}

static int otlp_close(struct sink *s, struct err *e)
{
    struct otlp_state *st = s->state;
    (void)e;
    otlp_grpc_close(st->grpc);
    http_sink_close(&st->http);
    free(st->url);
    st->url = NULL;
    st->grpc = NULL;
    return 0;
}

/* ---- records ---- */

static size_t otlp_encode_bound(struct sink *s, const struct fapilog_record *r)
{
    const struct otlp_cfg *c = s->cfg;
    return c->encoding == ENCODING_JSON ? s->format->ops->bound(s->format, r) : otlp_proto_bound(r);
}

static char *otlp_encode(struct sink *s, const struct fapilog_record *r, char *out, uint16_t *ret_group_len,
                         uint16_t *ret_meta_len)
{
    const struct otlp_cfg *c = s->cfg;
    struct otlp_state *st = s->state;
    *ret_meta_len = 0;
    if (c->encoding == ENCODING_JSON)
        return otlp_entry_json(s->format, r, out, ret_group_len);
    return otlp_entry_protobuf(&st->gather, s->format, r, out, ret_group_len);
}

/* ---- requests ---- */

static bool on_response(struct http_send *m, struct sink_result *result)
{
    if (result->outcome == SINK_DELIVERED)
        otlp_partial(m->sink, m->request->count, &m->q.response, *m->body.data == '{', result, &m->indices);
    return false;
}

static void otlp_send(struct sink *s, struct sink_request *r)
{
    const struct otlp_cfg *c = s->cfg;
    struct otlp_state *st = s->state;
    bool is_json = false;
    if (st->grpc) {
        otlp_grpc_send(st->grpc, r);
        return;
    }
    struct http_send *m = http_send_new(&st->http, s, r, r->bytes);
    if (!m)
        return;
    const int error = otlp_request_write(r, &m->body, &is_json);
    if (error < 0) {
        http_send_fail(m, error == -ENOMEM ? SINK_RETRY : SINK_REFUSED,
                       error == -ENOMEM ? "out of memory" : "entries are damaged, or of both encodings");
        return;
    }
    m->on_response = on_response;
    http_send_header(m, "Content-Type: application/%s", is_json ? "json" : "x-protobuf");
    if (http_send_encode(m, c->http.compression))
        http_send_start(m, st->url);
}

static void otlp_cancel(struct sink *s, struct sink_request *r)
{
    struct otlp_state *st = s->state;
    if (st->grpc)
        otlp_grpc_cancel(st->grpc, r);
    else
        http_send_cancel(s, r);
}

static const struct sink_remote_ops otlp_remote = {
    .encode_bound = otlp_encode_bound,
    .encode = otlp_encode,
    .limits = http_send_no_limits,
    .send = otlp_send,
    .cancel = otlp_cancel,
};

static const char *const aliases[] = {"otlps", "otlp+grpc", "otlp+grpcs", "otlp+http", "otlp+https", NULL};
static const struct sink_alias alias_options[] = {
    {"otlp+http", "protocol", "http"}, {"otlp+https", "protocol", "http"}, {NULL, NULL, NULL}};
static const char *const env_prefixes[] = {"FAPILOG_OTLP__", NULL};
static const struct sink_default defaults[] = {
    {"batch_size", "512"}, {"batch_interval", "1s"}, {"timeout", "10s"}, {NULL, NULL}};

static const struct sink_derived derived[] = {HTTP_REQUEST_DERIVED("endpoint"), HTTP_PEER_DERIVED, {NULL, NULL}};

const struct sink_ops sink_otlp = {
    .abi = SINK_ABI,
    .scheme = "otlp",
    .aliases = aliases,
    .alias_options = alias_options,
    .env_prefixes = env_prefixes,
    .defaults = defaults,
    .derived = derived,
    .summary = "Exports records over OpenTelemetry's OTLP.",
    .format_default = "otlp-json", .format_check = otlp_format_check,
    .opts = otlp_opts,
    .cfg_size = sizeof(struct otlp_cfg),
    .state_size = sizeof(struct otlp_state),
    .check = otlp_check,
    .from_uri = otlp_from_uri,
    .remote = &otlp_remote,
    .open = otlp_open,
    .close = otlp_close,
};
