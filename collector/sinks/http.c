/* http.c - POSTs records to any server: as a JSON array, as lines, or as an array under a key. */
#include "collector/sinks/event.h"
#include "collector/sinks/http_send.h"
#include "lib/base/json_escape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ID_HEADER_MAX = 100 };
enum { BATCH_ARRAY, BATCH_NDJSON, BATCH_WRAPPED };

static const struct opt_word batch_formats[] = {
    {"array", BATCH_ARRAY}, {"ndjson", BATCH_NDJSON}, {"wrapped", BATCH_WRAPPED}, {NULL, 0}};

struct http_cfg {
    struct http_options http;
    uint32_t batch_format;
    const char *batch_wrapper_key;
    const char *id_header;
    bool envelope;
};

struct http_state {
    struct http_sink http;
    struct event_frame frame;
    const char *content_type;
    char *opening; /* of frame, when the key is in it */
};

static const struct opt http_opts[] = {
    OPT_TEXT_ALIAS_(struct http_cfg, http.url, "endpoint", "url", NULL, OPT_REQUIRED | OPT_URL, "URL to post to."),
    OPT_WORD_(struct http_cfg, batch_format, "batch_format", "array", batch_formats, 0,
              "A JSON array, one record per line, or an array under batch_wrapper_key."),
    OPT_TEXT_(struct http_cfg, batch_wrapper_key, "batch_wrapper_key", "logs", 0, "Key of the array, with wrapped."),
    OPT_TEXT_(struct http_cfg, id_header, "id_header", "Idempotency-Key", 0,
              "Header for an id that a resend has in common with what it repeats; empty: none."),
    HTTP_ENVELOPE_ROW(struct http_cfg),
    HTTP_OPTION_ROWS(struct http_cfg, http),
    OPT_END,
};

static int http_from_uri(void *cfg, const struct uri *u, struct err *e)
{
    return http_options_from_uri(&((struct http_cfg *)cfg)->http, u, "endpoint", e);
}

static int http_check(void *cfg, struct err *e)
{
    struct http_cfg *c = cfg;
    if (strlen(c->id_header) > ID_HEADER_MAX || strpbrk(c->id_header, " :\r\n\t"))
        return err_set(e, -EINVAL, "id_header: '%s' is no name of a header", c->id_header);
    if (c->batch_format == BATCH_WRAPPED && !*c->batch_wrapper_key)
        return err_set(e, -EINVAL, "batch_wrapper_key: must not be empty with batch_format=wrapped");
    return http_options_check(&c->http, "endpoint", e);
}

#define TEXT(literal) ((struct fapilog_text){"" literal, sizeof(literal) - 1})

static int set_wrapped(struct http_state *st, const char *key)
{
    const size_t len = strlen(key);
    unsigned flags = 0;
    st->opening = malloc(len * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK + 8);
    if (!st->opening)
        return -ENOMEM;
    char *end = st->opening;
    memcpy(end, "{\"", 2);
    end = json_escape(key, len, end + 2, &flags);
    memcpy(end, "\":[", 3);
    st->frame.opening = (struct fapilog_text){st->opening, (uint32_t)(end + 3 - st->opening)};
    st->frame.closing = TEXT("]}");
    return 0;
}

static int http_format_check(const void *cfg, const struct format_ops *f, struct err *e)
{
    const struct http_cfg *c = cfg;
    const int r = sink_needs_lines(cfg, f, e);
    if (r == 0 && !format_is_json(f) && c->batch_format != BATCH_NDJSON)
        return err_set(e, -EINVAL, "batch_format: records as %s are no JSON; allowed with format=%s: ndjson", f->name,
                       f->name);
    return r;
}

static int set_frame(struct sink *s, struct err *e)
{
    const struct http_cfg *c = s->cfg;
    struct http_state *st = s->state;
    const struct format_ops *f = s->format->ops;
    st->frame = (struct event_frame){.separator = c->batch_format == BATCH_NDJSON ? '\n' : ',',
                                     .is_envelope = c->envelope};
    st->content_type = c->batch_format != BATCH_NDJSON ? "application/json" :
                       format_is_json(f) ? "application/x-ndjson" : f->media_type;
    if (c->batch_format == BATCH_WRAPPED)
        return set_wrapped(st, c->batch_wrapper_key) < 0 ? err_set(e, -ENOMEM, "batch_wrapper_key: no memory") : 0;
    st->frame.opening = c->batch_format == BATCH_ARRAY ? TEXT("[") : TEXT("");
    st->frame.closing = c->batch_format == BATCH_ARRAY ? TEXT("]") : TEXT("");
    return 0;
}

static int http_open(struct sink *s, struct err *e)
{
    struct http_cfg *c = s->cfg;
    struct http_state *st = s->state;
    const int r = set_frame(s, e);
    return r < 0 ? r : http_sink_open(&st->http, s, &c->http, e);
}

static int http_close(struct sink *s, struct err *e)
{
    struct http_state *st = s->state;
    (void)e;
    http_sink_close(&st->http);
    free(st->opening);
    *st = (struct http_state){0};
    return 0;
}

static struct event_reader reader_of(struct http_send *m)
{
    const struct http_state *st = m->sink->state;
    return (struct event_reader){.r = m->request, .f = &st->frame};
}

static size_t on_read(struct http_request *q, char *out, size_t room)
{
    struct http_send *m = q->owner;
    if (out)
        return events_read(&m->reader, out, room);
    m->reader = reader_of(m);
    return 0;
}

/* Long bodies are never there as a whole: each copy of one drives what comes next out of the nearer caches. */
static bool set_body(struct http_send *m, const struct http_cfg *c)
{
    enum { SHORT_BYTES = 64 << 10 }; /* go in one piece with their headers */
    const struct http_state *st = m->sink->state;
    const struct sink_request *r = m->request;
    if (c->http.compression == HTTP_PLAIN && r->bytes > SHORT_BYTES) {
        m->q.read = on_read;
        m->q.body_len = events_len(r, &st->frame);
        return true;
    }
    if (buf_reserve(&m->body, events_bound(r, &st->frame)) < 0) {
        http_send_fail(m, SINK_RETRY, "out of memory");
        return false;
    }
    m->body.len = (size_t)(events_write(r, &st->frame, m->body.data) - m->body.data);
    return http_send_encode(m, c->http.compression);
}

static void http_send(struct sink *s, struct sink_request *r)
{
    const struct http_cfg *c = s->cfg;
    struct http_state *st = s->state;
    char id[ENTRY_ID_MAX];
    struct http_send *m = http_send_new(&st->http, s, r, 0);
    if (!m)
        return;
    http_send_header(m, "Content-Type: %s", st->content_type);
    if (*c->id_header) {
        http_send_id(r, id);
        http_send_header(m, "%s: %s", c->id_header, id);
    }
    if (set_body(m, c))
        http_send_start(m, c->http.url);
}

static const struct sink_remote_ops http_remote = {
    .limits = http_send_no_limits,
    .send = http_send,
    .cancel = http_send_cancel,
};

static const char *const aliases[] = {"https", "http+http", "http+https", NULL};
static const char *const env_prefixes[] = {"FAPILOG_HTTP__", NULL};
static const struct sink_default defaults[] = {
    {"batch_size", "1"}, {"batch_interval", "5s"}, {"timeout", "5s"}, {NULL, NULL}};

static const struct sink_derived derived[] = {HTTP_REQUEST_DERIVED("endpoint"), HTTP_PEER_DERIVED, {NULL, NULL}};

const struct sink_ops sink_http = {
    .abi = SINK_ABI,
    .scheme = "http",
    .aliases = aliases,
    .env_prefixes = env_prefixes,
    .defaults = defaults,
    .derived = derived,
    .summary = "POSTs records as JSON to any HTTP server.",
    .format_default = "fapilog", .format_check = http_format_check,
    .opts = http_opts,
    .cfg_size = sizeof(struct http_cfg),
    .state_size = sizeof(struct http_state),
    .check = http_check,
    .from_uri = http_from_uri,
    .remote = &http_remote,
    .open = http_open,
    .close = http_close,
};
