/* loki.c - pushes records to Grafana Loki, or to what takes its push requests. */
#include "collector/sinks/loki.h"
#include "collector/sinks/entry_order.h"
#include "collector/sinks/event.h"
#include "collector/sinks/http_send.h"

#include <errno.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENCODING_JSON, ENCODING_PROTOBUF };

static const struct opt_word encodings[] = {{"json", ENCODING_JSON}, {"protobuf", ENCODING_PROTOBUF}, {NULL, 0}};

#define PUSH_PATH "/loki/api/v1/push"

struct loki_cfg {
    struct http_options http;
    uint32_t encoding;
    const char *tenant_id;
    struct opt_map labels;
    struct opt_list label_keys;
    struct opt_list structured_metadata;
    bool envelope;
};

struct loki_state {
    struct http_sink http;
    struct loki_labels labels;
    struct loki_push push;
    char *url;
};

static const struct opt loki_opts[] = {
    OPT_TEXT_ALIAS_(struct loki_cfg, http.url, "url", "endpoint", "http://localhost:3100", OPT_URL,
                    "Server, with the path in front of " PUSH_PATH " if it has one."),
    OPT_WORD_(struct loki_cfg, encoding, "encoding", "json", encodings, 0,
              "How a push is written: JSON, or protobuf compressed with snappy."),
    OPT_TEXT_(struct loki_cfg, tenant_id, "tenant_id", NULL, 0, "Tenant, for the X-Scope-OrgID header."),
    OPT_MAP_(struct loki_cfg, labels, "labels", "service=fapilog", 0, "Labels that every record has."),
    OPT_LIST_(struct loki_cfg, label_keys, "label_keys", "level", 0,
              "Labels from the record: level, logger, service, env, version, host, pid, thread, or any field."),
    OPT_LIST_(struct loki_cfg, structured_metadata, "structured_metadata", NULL, 0,
              "Structured metadata of each record: the same names, and record_id."),
    HTTP_ENVELOPE_ROW(struct loki_cfg),
    HTTP_OPTION_ROWS(struct loki_cfg, http),
    OPT_END,
};

static int loki_from_uri(void *cfg, const struct uri *u, struct err *e)
{
    return http_options_from_uri(&((struct loki_cfg *)cfg)->http, u, "url", e);
}

static int loki_check(void *cfg, struct err *e)
{
    struct loki_cfg *c = cfg;
    struct loki_labels *tried = malloc(sizeof *tried);
    int r = tried ? loki_labels_init(tried, &c->labels, &c->label_keys, &c->structured_metadata, e)
                  : err_set(e, -ENOMEM, "labels: out of memory");
    free(tried);
    if (r < 0)
        return r;
    if (c->encoding == ENCODING_PROTOBUF && c->http.compression != HTTP_PLAIN)
        return err_set(e, -EINVAL, "compression: must be none with encoding=protobuf, which has its own");
    if (c->http.compression == HTTP_ZSTD)
        return err_set(e, -EINVAL, "compression: Loki does not read zstd; allowed: none, gzip");
    if (c->tenant_id && (strlen(c->tenant_id) > 150 || strpbrk(c->tenant_id, "\r\n")))
        return err_set(e, -EINVAL, "tenant_id: longer than 150 bytes, or with a line end");
    return http_options_check(&c->http, "url", e);
}

static int loki_open(struct sink *s, struct err *e)
{
    const struct loki_cfg *c = s->cfg;
    struct loki_state *st = s->state;
    st->push.is_envelope = c->envelope;
    st->url = http_options_url(c->http.url, PUSH_PATH);
    if (!st->url)
        return err_set(e, -ENOMEM, "url: out of memory");
    const int r = loki_labels_init(&st->labels, &c->labels, &c->label_keys, &c->structured_metadata, e);
    return r < 0 ? r : http_sink_open(&st->http, s, &c->http, e);
}

static int loki_close(struct sink *s, struct err *e)
{
    struct loki_state *st = s->state;
    (void)e;
    http_sink_close(&st->http);
    loki_push_done(&st->push);
    free(st->url);
    st->url = NULL;
    return 0;
}

/* ---- records ---- */

static size_t loki_encode_bound(struct sink *s, const struct fapilog_record *r)
{
    const struct loki_state *st = s->state;
    return st->labels.bound + st->labels.metadata_bound + s->format->ops->bound(s->format, r);
}

/* Group and meta; where the payload begins. */
static char *put_labels(const struct loki_state *st, const struct fapilog_record *r, char *out, uint16_t *ret_group_len,
                        uint16_t *ret_meta_len)
{
    char *const meta = loki_labels_write(&st->labels, r, out);
    char *const payload = loki_metadata_write(&st->labels, r, meta);
    *ret_group_len = (uint16_t)(meta - out);
    *ret_meta_len = (uint16_t)(payload - meta);
    return payload;
}

static char *loki_encode(struct sink *s, const struct fapilog_record *r, char *out, uint16_t *ret_group_len,
                         uint16_t *ret_meta_len)
{
    char *const payload = put_labels(s->state, r, out, ret_group_len, ret_meta_len);
    return s->format->ops->write(s->format, r, payload) - 1; /* without the line feed */
}

static char *loki_encode_within(struct sink *s, const struct fapilog_record *r, char *out, size_t room,
                                uint16_t *ret_group_len, uint16_t *ret_meta_len)
{
    const struct loki_state *st = s->state;
    if (!s->format->ops->write_within || room < st->labels.bound + st->labels.metadata_bound)
        return NULL;
    char *const payload = put_labels(st, r, out, ret_group_len, ret_meta_len);
    char *const end = s->format->ops->write_within(s->format, r, payload, room - (size_t)(payload - out));
    return end ? end - 1 : NULL;
}

/* ---- requests ---- */

static bool is_taken(int status) { return status == 200 || status == 204; }

static bool on_response(struct http_send *m, struct sink_result *result)
{
    const struct loki_stream stream = {.count = m->request->count};
    if (result->outcome == SINK_DELIVERED && !is_taken(m->q.status)) {
        result->outcome = SINK_RETRY; /* a proxy, or no Loki at all */
        return false;
    }
    if (m->q.status != 400 || !m->indices)
        return false;
    const uint32_t ignored = loki_ignored(m->q.response.data, m->q.response.len, &stream);
    if (ignored == 0)
        return false;
    entry_order_ascending(m->indices, ignored);
    result->outcome = SINK_DELIVERED;
    result->rejected = m->indices;
    result->rejected_count = ignored;
    return false;
}

/* The order of its entries, in case that the answer names the oldest: possible for a single stream only, since
 * Loki tells of one even if it left out entries of several. */
static int keep_order(struct http_send *m, struct loki_push *p)
{
    if (p->streams != 1)
        return 0;
    m->indices = calloc(m->request->count, sizeof *m->indices);
    if (!m->indices)
        return -ENOMEM;
    memcpy(m->indices, p->order, m->request->count * sizeof *m->indices);
    return 0;
}

static int snap(struct http_send *m)
{
    size_t len = snappy_max_compressed_length(m->body.len);
    if (buf_reserve(&m->encoded, len) < 0 ||
        snappy_compress(m->body.data, m->body.len, m->encoded.data, &len) != SNAPPY_OK)
        return -ENOMEM;
    m->encoded.len = len;
    m->q.body = m->encoded.data;
    m->q.body_len = len;
    return 0;
}

static void loki_send(struct sink *s, struct sink_request *r)
{
    const struct loki_cfg *c = s->cfg;
    struct loki_state *st = s->state;
    const bool is_json = c->encoding == ENCODING_JSON;
    struct http_send *m = http_send_new(&st->http, s, r, r->bytes + 64 * (size_t)r->count);
    if (!m)
        return;
    int error = loki_push_sort(&st->push, r);
    if (error == 0)
        error = is_json ? loki_push_json(&st->push, r, &m->body) : loki_push_protobuf(&st->push, r, &m->body);
    if (error == 0)
        error = keep_order(m, &st->push);
    if (error == 0 && !is_json)
        error = snap(m);
    if (error < 0) {
        http_send_fail(m, SINK_RETRY, "out of memory");
        return;
    }
    m->on_response = on_response;
    http_send_header(m, "Content-Type: application/%s", is_json ? "json" : "x-protobuf");
    if (c->tenant_id && *c->tenant_id)
        http_send_header(m, "X-Scope-OrgID: %s", c->tenant_id);
    if (!is_json || http_send_encode(m, c->http.compression))
        http_send_start(m, st->url);
}

static const struct sink_remote_ops loki_remote = {
    .encode_bound = loki_encode_bound,
    .encode = loki_encode,
    .encode_within = loki_encode_within,
    .limits = http_send_no_limits,
    .send = loki_send,
    .cancel = http_send_cancel,
};

static const char *const aliases[] = {"loki+http", "loki+https", "grafana_loki", NULL};
static const char *const env_prefixes[] = {"FAPILOG_LOKI__", NULL};
static const struct sink_default defaults[] = {
    {"batch_size", "100"}, {"batch_interval", "5s"}, {"timeout", "10s"}, {NULL, NULL}};

static const struct sink_derived derived[] = {HTTP_REQUEST_DERIVED("url"), HTTP_PEER_DERIVED, {NULL, NULL}};

const struct sink_ops sink_loki = {
    .abi = SINK_ABI,
    .scheme = "loki",
    .aliases = aliases,
    .env_prefixes = env_prefixes,
    .defaults = defaults,
    .derived = derived,
    .summary = "Pushes records to Grafana Loki.",
    .format_default = "fapilog", .format_check = sink_needs_lines,
    .opts = loki_opts,
    .cfg_size = sizeof(struct loki_cfg),
    .state_size = sizeof(struct loki_state),
    .check = loki_check,
    .from_uri = loki_from_uri,
    .remote = &loki_remote,
    .open = loki_open,
    .close = loki_close,
};
