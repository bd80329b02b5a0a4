#include "collector/sinks/http_send.h"

#include "lib/base/bytes_text.h"
#include "lib/base/check.h"
#include "lib/base/keep.h"
#include "lib/base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

/* ---- what every request of a sink has ---- */

static int add_line(struct http_sink *h, const char *name, const char *value)
{
    struct buf line = {0};
    CHECK(h->headers_count < HTTP_HEADERS_MAX);
    if (buf_printf(&line, *value ? "%s: %s" : "%s;%s", name, value) < 0 || !buf_cstr(&line)) {
        buf_done(&line);
        return -ENOMEM;
    }
    h->header[h->headers_count++] = line.data;
    return 0;
}

static int add_basic(struct http_sink *h, const struct http_options *o)
{
    auto_buf plain = {0}, text = {0};
    int r = buf_printf(&plain, "%s:%s", o->user, o->password ? o->password : "");
    if (r == 0)
        r = buf_reserve(&text, 7 + BASE64_SIZE(plain.len));
    if (r < 0)
        return r;
    CHECK(buf_printf(&text, "Basic ") == 0);
    text.len = (size_t)(base64_write(plain.data, plain.len, text.data + text.len) - text.data);
    return buf_cstr(&text) ? add_line(h, "Authorization", text.data) : -ENOMEM;
}

static int add_bearer(struct http_sink *h, const struct http_options *o)
{
    auto_buf text = {0};
    if (buf_printf(&text, "Bearer %s", o->token) < 0 || !buf_cstr(&text))
        return -ENOMEM;
    return add_line(h, "Authorization", text.data);
}

/* They say what the body is, which the sink knows better. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding",
                                       "Expect", NULL};
    for (unsigned i = 0; ours[i]; i++)
        if (strcasecmp(ours[i], name) == 0)
            return true;
    return false;
}

static int add_all(struct http_sink *h, const struct http_options *o)
{
    int r = 0;
    if (o->token && *o->token)
        r = add_bearer(h, o);
    else if (o->user && *o->user)
        r = add_basic(h, o);
    if (r == 0 && o->user_agent && *o->user_agent)
        r = add_line(h, "User-Agent", o->user_agent);
    for (uint32_t i = 0; i < o->headers.count && r == 0; i++)
        if (!is_ours(o->headers.item[i].key))
            r = add_line(h, o->headers.item[i].key, o->headers.item[i].value);
    return r;
}

int http_sink_open(struct http_sink *h, struct sink *s, const struct http_options *o, struct err *e)
{
    const struct tls_config tls = http_options_tls(o);
    *h = (struct http_sink){.options = o};
    h->peer = (struct http_peer){
        .ca_file = keep_path(tls.ca_file), .cert_file = keep_path(tls.cert_file), .key_file = keep_path(tls.key_file),
        .proxy = strcmp(o->proxy, "auto") == 0 ? NULL : strcmp(o->proxy, "none") == 0 ? "" : o->proxy,
        .proxy_user = empty_to_null(o->proxy_user), .proxy_password = empty_to_null(o->proxy_password),
        .unix_socket = empty_to_null(o->unix_socket), .is_unverified = tls.is_unverified,
        .redirects_max = (unsigned)o->redirects_max,
    };
    const int r = http_get(s->io, &h->engine, e);
    if (r < 0)
        return r;
    return add_all(h, o) < 0 ? err_set(e, -ENOMEM, "headers: out of memory") : 0;
}

static void send_free(struct http_send *m)
{
    http_request_done(&m->q);
    buf_done(&m->body);
    buf_done(&m->encoded);
    buf_done(&m->lines);
    free(m->indices);
    free(m->steps);
    free(m);
}

void http_sink_close(struct http_sink *h)
{
    for (unsigned i = 0; i < h->headers_count; i++)
        free(h->header[i]);
    for (struct http_send *m; (m = h->idle);) {
        h->idle = m->next;
        send_free(m);
    }
    *h = (struct http_sink){0};
}

/* ---- one request ---- */

static void end(struct http_send *m, const struct sink_result *result)
{
    struct http_sink *h = m->http;
    m->request->work = NULL;
    sink_request_done(m->sink, m->request, result);
    m->request = NULL;
    m->next = h->idle;
    h->idle = m;
}

void http_send_fail(struct http_send *m, enum sink_outcome outcome, const char *reason)
{
    struct sink_result result = {.outcome = outcome};
    (void)snprintf(result.reason, sizeof result.reason, "%s", reason);
    end(m, &result);
}

struct http_send *http_send_new(struct http_sink *h, struct sink *s, struct sink_request *r, size_t body_bytes)
{
    struct http_send *m = h->idle;
    if (m)
        h->idle = m->next;
    else
        m = calloc(1, sizeof *m);
    if (!m) {
        const struct sink_result result = {.outcome = SINK_RETRY, .reason = "out of memory"};
        sink_request_done(s, r, &result);
        return NULL;
    }
    m->sink = s;
    m->http = h;
    m->request = r;
    m->on_response = NULL;
    free(m->indices);
    m->indices = NULL;
    http_send_clear(m);
    r->work = m;
    if (buf_reserve(&m->body, body_bytes) == 0)
        return m;
    http_send_fail(m, SINK_RETRY, "out of memory");
    return NULL;
}

void http_send_clear(struct http_send *m)
{
    m->q.read = NULL;
    m->body.len = m->encoded.len = m->lines.len = 0;
    m->lines_count = 0;
    m->is_short = false;
}

void http_send_header(struct http_send *m, const char *format, ...)
{
    va_list args;
    CHECK(m->lines_count < HTTP_HEADERS_MAX);
    m->line_at[m->lines_count] = m->lines.len;
    va_start(args, format);
    if (buf_vprintf(&m->lines, format, args) < 0 || buf_append(&m->lines, "", 1) < 0)
        m->is_short = true;
    else
        m->lines_count++;
    va_end(args);
}

bool http_send_encode(struct http_send *m, enum http_encoding encoding)
{
    m->q.body = m->body.data;
    m->q.body_len = m->body.len;
    if (encoding == HTTP_PLAIN)
        return true;
    if (http_encode(encoding, m->body.data, m->body.len, &m->encoded) < 0) {
        http_send_fail(m, SINK_RETRY, "out of memory");
        return false;
    }
    m->q.body = m->encoded.data;
    m->q.body_len = m->encoded.len;
    http_send_header(m, "Content-Encoding: %s", encoding == HTTP_GZIP ? "gzip" : "zstd");
    return true;
}

void http_sink_tell_cut(struct sink *s, bool *was_told)
{
    struct err e = {0};
    if (*was_told || !s->warn)
        return;
    *was_told = true;
    (void)err_set(&e, -EMSGSIZE, "the server says that it has taken the records, in an answer longer than 1 MiB, which "
                                 "is not read to its end: should it tell of rejected ones, they are lost and count "
                                 "as delivered");
    s->warn(s, &e);
}

static void on_done(struct http_request *q)
{
    struct http_send *m = q->owner;
    static const enum sink_outcome outcomes[] = {
        [HTTP_CLASS_OK] = SINK_DELIVERED, [HTTP_CLASS_RETRY] = SINK_RETRY, [HTTP_CLASS_REFUSED] = SINK_REFUSED,
        [HTTP_CLASS_BROKEN] = SINK_BROKEN,
    };
    struct sink_result result = {.outcome = outcomes[http_classify(q)], .status = q->status,
                                 .retry_after_ns = q->retry_after_ns};
    (void)snprintf(result.reason, sizeof result.reason, "%s", q->reason);
    if (q->is_cut && m->on_response && result.outcome == SINK_DELIVERED)
        http_sink_tell_cut(m->sink, &m->http->was_told_cut);
    if (m->on_response && m->on_response(m, &result))
        return;
    end(m, &result);
}

void http_send_start(struct http_send *m, const char *url)
{
    struct http_sink *h = m->http;
    if (m->is_short) {
        http_send_fail(m, SINK_RETRY, "out of memory");
        return;
    }
    CHECK(m->lines_count + h->headers_count <= HTTP_HEADERS_MAX);
    for (unsigned i = 0; i < m->lines_count; i++)
        m->header[i] = m->lines.data + m->line_at[i];
    memcpy(m->header + m->lines_count, h->header, h->headers_count * sizeof *h->header);
    m->q.method = "POST";
    m->q.url = url;
    m->q.headers = m->header;
    m->q.headers_count = m->lines_count + h->headers_count;
    m->q.headers_private = h->headers_count;
    m->q.timeout_ns = m->sink->delivery.timeout_ns;
    m->q.peer = &h->peer;
    m->q.done = on_done;
    m->q.owner = m;
    http_submit(h->engine, &m->q);
}

void http_send_no_limits(struct sink *s, struct sink_limits *ret)
{
    (void)s;
    *ret = (struct sink_limits){0};
}

void http_send_cancel(struct sink *s, struct sink_request *r)
{
    struct http_send *m = r->work;
    (void)s;
    if (m)
        http_cancel(m->http->engine, &m->q);
}

enum {
    ID_BYTES = sizeof(struct entry_head) - offsetof(struct entry_head, uuid),
    IDS_AT_ONCE = 32,
};

void http_send_id(const struct sink_request *r, char *ret)
{
    char ids[IDS_AT_ONCE * ID_BYTES]; /* hashing each by itself would cost four times as much */
    XXH3_state_t state;
    XXH128_canonical_t hash;
    if (r->count == 1) {
        *entry_id_text(r->entry[0], ret) = '\0';
        return;
    }
    (void)XXH3_128bits_reset(&state);
    for (uint32_t i = 0, n = 0; i < r->count; i += n) {
        for (n = 0; n < IDS_AT_ONCE && i + n < r->count; n++)
            memcpy(ids + (size_t)n * ID_BYTES, r->entry[i + n]->uuid, ID_BYTES);
        (void)XXH3_128bits_update(&state, ids, (size_t)n * ID_BYTES);
    }
    XXH128_canonicalFromHash(&hash, XXH3_128bits_digest(&state));
    *hex_write(hash.digest, sizeof hash.digest, ret) = '\0';
}
