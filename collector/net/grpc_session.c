#include "collector/net/grpc_private.h"
#include "collector/net/header_secrets.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 5, TIMEOUT_DIGITS_MAX = 99999999 };

/* ---- requests ---- */

static size_t copy_part(const char *from, size_t len, size_t at, uint8_t *buf, size_t room)
{
    const size_t n = at >= len ? 0 : len - at < room ? len - at : room;
    if (n)
        memcpy(buf, from + at, n);
    return n;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    struct grpc_call *c = nghttp2_session_get_stream_user_data(session, id);
    (void)source, (void)user;
    if (!c)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* ended meanwhile */
    const uint32_t len = (uint32_t)c->message_len;
    const char prefix[PREFIX] = {(char)c->is_gzip, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};
    size_t n = copy_part(prefix, PREFIX, c->sent, buf, room);
    if (c->sent + n >= PREFIX)
        n += copy_part(c->message, c->message_len, c->sent + n - PREFIX, buf + n, room - n);
    c->sent += n;
    if (c->sent == PREFIX + c->message_len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

struct headers {
    nghttp2_nv nv[GRPC_HEADERS_MAX + 12];
    size_t count;
    char names[GRPC_NAMES_MAX]; /* in lower case */
    size_t names_used;
};

static void add(struct headers *h, const char *name, size_t name_len, const char *value)
{
    CHECK(h->count < ARRAY_COUNT(h->nv));
    h->nv[h->count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name, .namelen = name_len,
                                     .value = (uint8_t *)(uintptr_t)value, .valuelen = strlen(value)};
}
#define ADD(h, name, value) add((h), "" name, sizeof(name) - 1, (value))

/* "Name: value" or "Name;", which has none. HTTP/2 knows names in lower case only. */
static bool add_line(struct headers *h, const char *line)
{
    const size_t len = strcspn(line, ":;");
    char *const name = h->names + h->names_used;
    if (len > sizeof h->names - h->names_used)
        return false;
    for (size_t i = 0; i < len; i++)
        name[i] = (char)tolower((unsigned char)line[i]);
    h->names_used += len;
    const char *value = line + len + (line[len] != '\0');
    add(h, name, len, value + strspn(value, " "));
    return true;
}

/* The next call has a connection of its own. */
static void take_no_more(struct grpc_link *l)
{
    l->is_leaving = true;
    if (l->grpc->current == l)
        l->grpc->current = NULL;
}

void grpc_submit(struct grpc_call *c)
{
    struct grpc_link *l = c->link;
    const struct grpc_config *cfg = &l->grpc->cfg;
    struct headers h = {0};
    char timeout[24];
    const uint64_t ms = c->timeout_ns / NS_PER_MS;
    bool fits = c->message_len <= UINT32_MAX;
    (void)snprintf(timeout, sizeof timeout, "%" PRIu64 "m", ms < TIMEOUT_DIGITS_MAX ? ms : TIMEOUT_DIGITS_MAX);
    ADD(&h, ":method", "POST");
    ADD(&h, ":scheme", cfg->stream.kind == STREAM_TLS ? "https" : "http");
    ADD(&h, ":path", c->path);
    ADD(&h, ":authority", cfg->authority);
    ADD(&h, "te", "trailers");
    ADD(&h, "content-type", "application/grpc");
    ADD(&h, "grpc-accept-encoding", "identity");
    if (c->is_gzip)
        ADD(&h, "grpc-encoding", "gzip");
    if (ms)
        ADD(&h, "grpc-timeout", timeout);
    for (unsigned i = 0; i < cfg->headers_count && i < GRPC_HEADERS_MAX; i++)
        fits = fits && add_line(&h, cfg->headers[i]);
    const nghttp2_data_provider body = {.read_callback = on_read};
    const int32_t id = fits ? nghttp2_submit_request(l->session, NULL, h.nv, h.count, &body, c) : 0;
    if (id > 0)
        c->id = id;
    else
        grpc_finish(c, fits ? -EPROTO : -E2BIG, fits ? nghttp2_strerror(id) : "headers or message are too long");
    if (nghttp2_session_get_next_stream_id(l->session) > INT32_MAX) /* a connection has 2^30 of them */
        take_no_more(l);
}

/* ---- answers ---- */

static bool is_name(const uint8_t *name, size_t len, const char *expected)
{
    return len == strlen(expected) && memcmp(name, expected, len) == 0;
}

static uint64_t number(const uint8_t *value, size_t len)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9' || n > UINT32_MAX)
            return UINT64_MAX;
        n = n * 10 + (uint64_t)(value[i] - '0');
    }
    return len ? n : UINT64_MAX;
}

/* grpc-message: what is no printable ASCII comes as %XX, and is not shown. */
static void set_reason(struct grpc_call *c, const uint8_t *value, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < sizeof c->reason; i++) {
        unsigned byte = value[i];
        char digits[3] = {0};
        if (byte == '%' && i + 2 < len) {
            memcpy(digits, value + i + 1, 2);
            byte = (unsigned char)strtoul(digits, NULL, 16);
            i += 2;
        }
        c->reason[n++] = isprint((int)byte) ? (char)byte : '?';
    }
    c->reason[n] = '\0';
    header_secrets_hide(c->link->grpc->cfg.headers, c->link->grpc->cfg.headers_count, c->reason);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t len, uint8_t flags, void *user)
{
    struct grpc_call *c = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    const uint64_t n = number(value, len);
    (void)flags, (void)user;
    if (!c)
        return 0;
    if (is_name(name, name_len, ":status"))
        c->http_status = n < 1000 ? (int)n : 0;
    else if (is_name(name, name_len, "grpc-status"))
        c->status = n < 1000 ? (int)n : -1;
    else if (is_name(name, name_len, "grpc-message"))
        set_reason(c, value, len);
    else if (is_name(name, name_len, "grpc-retry-pushback-ms"))
        c->pushback_ns = n <= UINT32_MAX ? n * NS_PER_MS : 0;
    else if (is_name(name, name_len, "grpc-status-details-bin") && len < sizeof c->details) {
        memcpy(c->details, value, len);
        c->details[len] = '\0';
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    struct grpc_call *c = nghttp2_session_get_stream_user_data(session, id);
    (void)flags, (void)user;
    if (!c || c->http_status != 200) /* a page of a proxy's: the status is enough */
        return 0;
    c->is_cut |= c->data.len + len > GRPC_RESPONSE_MAX;
    if (!c->is_cut && buf_append(&c->data, data, len) < 0) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        grpc_finish(c, -ENOMEM, "out of memory");
    }
    return 0; /* the status comes at the end */
}

/* One message without compression, which is all that was asked for. */
static void unpack(struct grpc_call *c)
{
    const uint8_t *p = (const uint8_t *)c->data.data;
    if (c->is_cut || c->data.len < PREFIX || p[0] != 0)
        return;
    const size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (len == c->data.len - PREFIX)
        (void)buf_append(&c->response, p + PREFIX, len);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct grpc_call *c = nghttp2_session_get_stream_user_data(session, id);
    char reason[100];
    (void)user;
    if (!c)
        return 0;
    unpack(c);
    if (code == NGHTTP2_NO_ERROR || c->status >= 0) {
        grpc_finish(c, 0, "");
        return 0;
    }
    (void)snprintf(reason, sizeof reason, "the server ended the call: %s", nghttp2_http2_strerror(code));
    grpc_finish(c, -ECONNRESET, reason);
    return 0;
}

/* After GOAWAY the calls that the server has not seen end now, the others when they are answered. */
static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct grpc_link *l = user;
    (void)session;
    l->is_greeted = true;
    if (frame->hd.type != NGHTTP2_GOAWAY)
        return 0;
    take_no_more(l);
    for (struct grpc_call *c = l->calls, *next; c; c = next) {
        next = c->next;
        if (c->id == 0 || c->id > frame->goaway.last_stream_id)
            grpc_finish(c, -ECONNRESET, "the server went away before it saw the call");
    }
    return 0;
}

int grpc_session_new(struct grpc_link *l)
{
    static const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return -ENOMEM;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    const int r = nghttp2_session_client_new(&l->session, callbacks, l);
    nghttp2_session_callbacks_del(callbacks);
    if (r != 0)
        return -ENOMEM;
    return nghttp2_submit_settings(l->session, NGHTTP2_FLAG_NONE, settings, ARRAY_COUNT(settings)) == 0 ? 0 : -ENOMEM;
}
