/* otlp.c - exports records to anything that speaks OpenTelemetry's OTLP over HTTP. */
#include "collector/sinks/otlp.h"

#include "collector/format/gather.h"
#include "collector/format/otlp_proto.h"
#include "collector/sinks/http_send.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENCODING_PROTOBUF, ENCODING_JSON };

static const struct opt_word encodings[] = {{"protobuf", ENCODING_PROTOBUF}, {"json", ENCODING_JSON}, {NULL, 0}};

struct otlp_cfg {
    struct http_options http;
    uint32_t encoding;
    const char *path;
    bool is_grpc; /* the URI's scheme says so */
};

struct otlp_state {
    struct http_sink http;
    char *url;
    struct gather gather;
};

static const struct opt otlp_opts[] = {
    OPT_TEXT_ALIAS_(struct otlp_cfg, http.url, "endpoint", "url", "http://localhost:4318", 0,
                    "Server, with what is in front of path if there is anything."),
    OPT_TEXT_(struct otlp_cfg, path, "path", "/v1/logs", 0, "Put behind the endpoint, unless it ends with it."),
    OPT_WORD_(struct otlp_cfg, encoding, "encoding", "protobuf", encodings, 0, "How a request is written."),
    HTTP_OPTION_ROWS(struct otlp_cfg, http),
    OPT_END,
};

static int otlp_from_uri(void *cfg, const struct uri *u, struct err *e)
{
    struct otlp_cfg *c = cfg;
    c->is_grpc = !strchr(u->scheme, '+') && u->host && *u->host;
    return http_options_from_uri(&c->http, u, "endpoint", e);
}

static int otlp_check(void *cfg, struct err *e)
{
    struct otlp_cfg *c = cfg;
    if (c->is_grpc)
        return err_set(e, -EPROTONOSUPPORT, "otlp: means OTLP over gRPC, which is not supported; write "
                       "otlp+http://HOST:4318 or otlp+https://HOST");
    if (*c->path && *c->path != '/')
        return err_set(e, -EINVAL, "path: '%s' does not begin with '/'", c->path);
    for (const char *p = c->path; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return err_set(e, -EINVAL, "path: spaces and control characters must be written as %%20 and so on");
    return http_options_check(&c->http, "endpoint", e);
}

static int otlp_open(struct sink *s, struct err *e)
{
    const struct otlp_cfg *c = s->cfg;
    struct otlp_state *st = s->state;
    const char *url = c->http.url;
    size_t len = strlen(url);
    while (len && url[len - 1] == '/')
        len--;
    const size_t path = strlen(c->path);
    const bool is_whole = path == 0 || (len > path && strncmp(url + len - path, c->path, path) == 0);
    if (strcmp(s->format->ops->name, "otlp-json") != 0)
        return err_set(e, -EINVAL, "format: '%s' has no place in OTLP; leave it out", s->format->ops->name);
    if (asprintf(&st->url, "%.*s%s", path ? (int)len : (int)strlen(url), url, is_whole ? "" : c->path) < 0) {
        st->url = NULL;
        return err_set(e, -ENOMEM, "endpoint: out of memory");
    }
    return http_sink_open(&st->http, s, &c->http, e);
}

static int otlp_close(struct sink *s, struct err *e)
{
    struct otlp_state *st = s->state;
    (void)e;
    http_sink_close(&st->http);
    free(st->url);
    st->url = NULL;
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

/* The server tells how many it has rejected, never which, and forbids to send them again. Only when it was all of
 * them are they known. */
static bool on_answer(struct http_send *m, struct sink_result *result)
{
    const uint32_t count = m->request->count;
    char message[160];
    struct err e = {0};
    if (result->outcome != SINK_DELIVERED)
        return false;
    const uint64_t rejected =
        otlp_rejected(m->q.answer.data, m->q.answer.len, *m->body.data == '{', message, sizeof message);
    if (rejected == 0)
        return false;
    (void)snprintf(result->reason, sizeof result->reason, "%" PRIu64 " of %u records rejected: %s", rejected, count,
                   *message ? message : "no reason given");
    if (rejected >= count && (m->indices = calloc(count, sizeof *m->indices))) {
        for (uint32_t i = 0; i < count; i++)
            m->indices[i] = i;
        result->rejected = m->indices;
        result->rejected_count = count;
    } else if (m->sink->warn) {
        (void)err_set(&e, -EBADMSG, "%s; which ones is not said: they are lost", result->reason);
        m->sink->warn(m->sink, &e);
    }
    return false;
}

static void otlp_send(struct sink *s, struct sink_request *r)
{
    const struct otlp_cfg *c = s->cfg;
    struct otlp_state *st = s->state;
    bool is_json = false;
    struct http_send *m = http_send_new(&st->http, s, r, r->bytes);
    if (!m)
        return;
    const int error = otlp_request_write(r, &m->body, &is_json);
    if (error < 0) {
        http_send_fail(m, error == -ENOMEM ? SINK_RETRY : SINK_REFUSED,
                       error == -ENOMEM ? "out of memory" : "entries are damaged, or of both encodings");
        return;
    }
    m->answered = on_answer;
    http_send_header(m, "Content-Type: application/%s", is_json ? "json" : "x-protobuf");
    if (http_send_encode(m, c->http.compression))
        http_send_start(m, st->url);
}

static void otlp_cancel(struct sink *s, struct sink_request *r)
{
    (void)s;
    http_send_cancel(r);
}

static const struct sink_remote_ops otlp_remote = {
    .encode_bound = otlp_encode_bound,
    .encode = otlp_encode,
    .limits = http_send_no_limits,
    .send = otlp_send,
    .cancel = otlp_cancel,
};

static const char *const aliases[] = {"otlp+http", "otlp+https", NULL};
static const char *const env_prefixes[] = {"FAPILOG_OTLP__", NULL};
static const struct sink_default defaults[] = {
    {"batch_size", "512"}, {"batch_interval", "1s"}, {"timeout", "10s"}, {NULL, NULL}};

const struct sink_ops sink_otlp = {
    .abi = SINK_ABI,
    .scheme = "otlp",
    .aliases = aliases,
    .env_prefixes = env_prefixes,
    .defaults = defaults,
    .summary = "Exports records over OpenTelemetry's OTLP.",
    .format_default = "otlp-json",
    .opts = otlp_opts,
    .cfg_size = sizeof(struct otlp_cfg),
    .state_size = sizeof(struct otlp_state),
    .check = otlp_check,
    .from_uri = otlp_from_uri,
    .remote = &otlp_remote,
    .open = otlp_open,
    .close = otlp_close,
};
