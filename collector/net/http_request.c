/* http_request.c - one request: from its description to a curl handle, and from curl's answer back. */
#include "collector/net/connect.h"
#include "collector/net/header_secrets.h"
#include "collector/net/http_private.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RETRY_AFTER_MAX_S (24 * 3600)

static void calls_add(struct http_calls *l, struct http_call *c)
{
    c->prev = NULL;
    c->next = l->head;
    if (c->next)
        c->next->prev = c;
    l->head = c;
}

static void calls_remove(struct http_calls *l, struct http_call *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        l->head = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->prev = c->next = NULL;
}

static struct http_call *call_new(struct http *h)
{
    struct http_call *c = h->idle.head;
    if (c) {
        calls_remove(&h->idle, c);
        h->idle_count--;
        return c;
    }
    c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->http = h;
    c->easy = curl_easy_init();
    if (c->easy)
        return c;
    free(c);
    return NULL;
}

/* It must be idle. */
void http_call_free(struct http_call *c)
{
    CHECK(c->state == HTTP_CALL_IDLE);
    calls_remove(&c->http->idle, c);
    c->http->idle_count--;
    curl_easy_cleanup(c->easy);
    free(c);
}

/* Handles are used again: making one costs more than a request. */
static void call_put_back(struct http_call *c)
{
    struct http *h = c->http;
    curl_slist_free_all(c->headers);
    c->headers = NULL;
    c->q = NULL;
    c->state = HTTP_CALL_IDLE;
    curl_easy_reset(c->easy);
    calls_add(&h->idle, c);
    if (h->idle_count++ >= HTTP_IDLE_MAX)
        http_call_free(c);
}

/* ---- setting up ---- */

static size_t on_response(char *data, size_t size, size_t count, void *user)
{
    struct http_call *c = user;
    struct buf *response = &c->q->response;
    const size_t len = size * count;
    if (response->len + len > HTTP_RESPONSE_MAX)
        c->stop = -EMSGSIZE;
    else if (buf_append(response, data, len) < 0)
        c->stop = -ENOMEM;
    return c->stop ? CURL_WRITEFUNC_ERROR : len;
}

static bool has_header(const struct http_request *q, const char *name)
{
    const size_t len = strlen(name);
    for (unsigned i = 0; i < q->headers_count; i++)
        if (strncasecmp(q->headers[i], name, len) == 0 && q->headers[i][len] == ':')
            return true;
    return false;
}

static int add_header(struct http_call *c, const char *text)
{
    struct curl_slist *longer = curl_slist_append(c->headers, text);
    if (!longer)
        return -ENOMEM;
    c->headers = longer;
    return 0;
}

static bool goes_along(const struct http_request *q, unsigned header)
{
    return header < q->headers_count - q->headers_private && !header_is_secret(q->headers[header]);
}

static int set_headers(struct http_call *c, bool is_elsewhere)
{
    const struct http_request *q = c->q;
    curl_slist_free_all(c->headers);
    c->headers = NULL;
    int r = add_header(c, "Expect:"); /* no round trip in front of long bodies */
    if (r == 0 && !has_header(q, "Content-Type"))
        r = add_header(c, "Content-Type:"); /* not curl's, which takes all bodies for forms */
    for (unsigned i = 0; i < q->headers_count && r == 0; i++)
        if (!is_elsewhere || goes_along(q, i))
            r = add_header(c, q->headers[i]);
    (void)curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
    return r;
}

/* "": none; NULL: what curl finds in the environment. */
static CURLcode set_way(CURL *easy, const struct http_peer *p, const char *url)
{
    return curl_easy_setopt(easy, CURLOPT_PROXY, p && p->proxy ? p->proxy : http_is_exempt(url) ? "" : NULL);
}

static void set_proxy(CURL *easy, const struct http_peer *p)
{
    if (p->proxy_user)
        (void)curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, p->proxy_user);
    if (p->proxy_password)
        (void)curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, p->proxy_password);
    if (p->is_unverified) { /* of a proxy that is itself reached over TLS */
        (void)curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, 0L);
    }
}

static void set_peer(CURL *easy, const struct http_peer *p)
{
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, p->is_unverified ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, p->is_unverified ? 0L : 2L);
    http_trust(easy, p);
    if (p->cert_file)
        (void)curl_easy_setopt(easy, CURLOPT_SSLCERT, p->cert_file);
    if (p->key_file)
        (void)curl_easy_setopt(easy, CURLOPT_SSLKEY, p->key_file);
    set_proxy(easy, p);
    if (p->unix_socket)
        (void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, p->unix_socket);
}

static size_t on_read(char *out, size_t size, size_t count, void *user)
{
    struct http_request *const q = ((struct http_call *)user)->q;
    return q->read(q, out, size * count);
}

/* Curl goes back to the beginning only. */
static int on_seek(void *user, curl_off_t offset, int origin)
{
    struct http_request *const q = ((struct http_call *)user)->q;
    if (offset || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    (void)q->read(q, NULL, 0);
    return CURL_SEEKFUNC_OK;
}

static void set_source(struct http_call *c)
{
    struct http_request *const q = c->q;
    (void)q->read(q, NULL, 0);
    (void)curl_easy_setopt(c->easy, CURLOPT_READFUNCTION, on_read);
    (void)curl_easy_setopt(c->easy, CURLOPT_READDATA, c);
    (void)curl_easy_setopt(c->easy, CURLOPT_SEEKFUNCTION, on_seek);
    (void)curl_easy_setopt(c->easy, CURLOPT_SEEKDATA, c);
}

static void set_body(struct http_call *c)
{
    const struct http_request *q = c->q;
    CURL *const easy = c->easy;
    if (strcmp(q->method, "GET") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
    if (q->read)
        set_source(c);
    else
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, q->body ? q->body : "");
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)HTTP_UPLOAD_BUFFER);
    if (strcmp(q->method, "POST") != 0)
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
}

static int set_up(struct http_call *c)
{
    static const struct http_peer defaults;
    const struct http_request *q = c->q;
    const uint64_t timeout_ms = (q->timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
    CURL *easy = c->easy;
    c->error[0] = c->tls.text[0] = '\0';
    c->stop = 0;
    c->redirects = 0;
    c->fd = -1;
    c->is_connected = false;
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->error);
    /* A redirect never takes encryption away. */
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, strncasecmp(q->url, "https:", 6) == 0 ? "https" : "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* nobody waits for a resolver that hangs */
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_response);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms < 86400000 ? timeout_ms : 86400000));
    set_peer(easy, q->peer ? q->peer : &defaults);
    set_body(c);
    if (curl_easy_setopt(easy, CURLOPT_URL, q->url) != CURLE_OK || set_way(easy, q->peer, q->url) != CURLE_OK)
        return -ENOMEM;
    return set_headers(c, false);
}

/* ---- redirects ---- */

static bool is_same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = NULL, *y = NULL;
    const bool is_same = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                         curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(x, y) == 0;
    curl_free(x);
    curl_free(y);
    return is_same;
}

static bool is_same_server(const char *a, const char *b)
{
    CURLU *x = curl_url(), *y = curl_url();
    const bool is_same = x && y && curl_url_set(x, CURLUPART_URL, a, 0) == CURLUE_OK &&
                         curl_url_set(y, CURLUPART_URL, b, 0) == CURLUE_OK && is_same_part(x, y, CURLUPART_SCHEME) &&
                         is_same_part(x, y, CURLUPART_HOST) && is_same_part(x, y, CURLUPART_PORT);
    curl_url_cleanup(x);
    curl_url_cleanup(y);
    return is_same;
}

/* The same request to where the server points. Curl would do that, too, but takes all headers along except for
 * Authorization and Cookie. */
static bool follow(struct http_call *c)
{
    const struct http_peer *p = c->q->peer;
    char *to = NULL;
    (void)curl_easy_getinfo(c->easy, CURLINFO_REDIRECT_URL, &to);
    if (!to || !p || c->redirects >= p->redirects_max)
        return false;
    c->redirects++;
    const bool is_elsewhere = !is_same_server(c->q->url, to);
    c->q->response.len = 0;
    c->fd = -1;
    c->is_connected = false;
    (void)curl_multi_remove_handle(c->http->multi, c->easy);
    if (c->q->read)
        (void)c->q->read(c->q, NULL, 0);
    if (set_way(c->easy, p, to) != CURLE_OK || curl_easy_setopt(c->easy, CURLOPT_URL, to) != CURLE_OK ||
        set_headers(c, is_elsewhere) < 0 || curl_multi_add_handle(c->http->multi, c->easy) != CURLM_OK)
        http_call_abort(c, -ENOMEM, "out of memory", "");
    return true;
}

/* ---- the way back ---- */

static void finish(struct http_call *c)
{
    c->state = HTTP_CALL_FINISHED;
    calls_add(&c->http->finished, c);
    http_engine_arm(c->http);
}

/* A server that refuses may close before it has read all of the body, and the reset that follows cut off the
 * rest of its answer: what it has said about the request counts. */
static bool is_cut_refusal(CURLcode code, long status)
{
    return status >= 400 && (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_PARTIAL_FILE);
}

/* Where redirects have led. */
static const char *url_of(const struct http_call *c)
{
    char *url = NULL;
    (void)curl_easy_getinfo(c->easy, CURLINFO_EFFECTIVE_URL, &url);
    return url ? url : c->q->url;
}

/* How far it had come when the time was over, in the same words whether curl or who cancels has noticed first. Returns
 * the advice. */
static const char *progress(const struct http_call *c, char *ret, size_t size)
{
    curl_off_t found = 0, started = 0;
    long answered = 0;
    char to[120];
    (void)curl_easy_getinfo(c->easy, CURLINFO_NAMELOOKUP_TIME_T, &found);
    (void)curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &started);
    (void)curl_easy_getinfo(c->easy, CURLINFO_HEADER_SIZE, &answered);
    const bool has_proxy = http_name_peer(c->q->peer, url_of(c), to, sizeof to);
    if (started || c->is_connected || http_is_connected(c, c->fd)) {
        const bool is_tls = strncasecmp(url_of(c), "https:", 6) == 0;
        (void)snprintf(ret, size, "%s", answered ? "no whole answer in time" : started ? "no answer in time" :
                       has_proxy ? "no way through the proxy in time" : is_tls ? CONNECT_SHAKES_TOO_LONG :
                       "no answer in time");
        return "";
    }
    (void)connect_late(ret, size, to, c->q->timeout_ns, "timeout");
    return found ? connect_advice(-ETIMEDOUT) : CONNECT_NAME_ADVICE;
}

static void explain(struct http_call *c, CURLcode code, long os_errno)
{
    char text[CURL_ERROR_SIZE + 100], to[120] = "";
    const char *advice;
    const bool is_proxy = code != CURLE_OK && http_name_peer(c->q->peer, url_of(c), to, sizeof to);
    if (!c->stop && code == CURLE_OPERATION_TIMEDOUT) {
        advice = progress(c, text, sizeof text);
    } else if (*c->tls.text) { /* curl knows only that there was something */
        (void)snprintf(text, sizeof text, "%.*s", (int)sizeof text - 1, c->tls.text);
        advice = "";
    } else {
        const char *const why = code == CURLE_COULDNT_CONNECT && os_errno > 0 ? strerror((int)os_errno) : "";
        if (*why && is_proxy) /* curl does not say that it is one */
            (void)snprintf(text, sizeof text, "no connection to %s: %s", to, why);
        else
            (void)snprintf(text, sizeof text, "%s%s%s", *c->error ? c->error : curl_easy_strerror(code),
                           *why ? ": " : "", why);
        advice = http_advice(c->easy, code, os_errno, text, is_proxy);
    }
    http_explain(c->q, text, advice);
}

void http_call_end(struct http_call *c, CURLcode code)
{
    struct http_request *q = c->q;
    if (code == CURLE_OK && !c->stop && follow(c))
        return;
    curl_off_t retry_after = 0;
    long status = 0, os_errno = 0, sent = 0, connect_status = 0;
    (void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os_errno);
    (void)curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &sent);
    (void)curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_after);
    (void)curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    q->is_cut = c->stop == -EMSGSIZE; /* what it would go on to say undoes nothing */
    if (q->is_cut || (!c->stop && is_cut_refusal(code, status))) {
        code = CURLE_OK;
        c->stop = 0;
    }
    q->error = c->stop ? c->stop : http_errno(code, os_errno, sent > 0);
    q->status = q->error ? 0 : (int)status;
    if (retry_after > 0)
        q->retry_after_ns = (uint64_t)(retry_after < RETRY_AFTER_MAX_S ? retry_after : RETRY_AFTER_MAX_S) * NS_PER_S;
    explain(c, code, os_errno);
    if (q->error && !c->stop && connect_status)
        q->error = http_proxy_error(q, connect_status);
    (void)curl_multi_remove_handle(c->http->multi, c->easy);
    calls_remove(&c->http->active, c);
    finish(c);
}

void http_call_abort(struct http_call *c, int error, const char *reason, const char *advice)
{
    if (c->state == HTTP_CALL_ACTIVE) {
        (void)curl_multi_remove_handle(c->http->multi, c->easy);
        calls_remove(&c->http->active, c);
    }
    c->q->error = error;
    http_explain(c->q, reason, advice);
    finish(c);
}

/* In the place of the call of a request that has none. */
static struct http_call no_call = {.state = HTTP_CALL_FINISHED};

static void refuse(struct http *h, struct http_request *q)
{
    q->error = -ENOMEM;
    http_explain(q, "out of memory", "");
    q->private_ = &no_call;
    q->private_next = h->refused;
    h->refused = q;
    http_engine_arm(h);
}

void http_run_finished(struct http *h)
{
    struct http_calls now = h->finished;
    struct http_request *refused = h->refused;
    h->finished.head = NULL;
    h->refused = NULL;
    for (struct http_request *q; (q = refused) != NULL;) {
        refused = q->private_next;
        q->private_ = NULL;
        q->done(q);
    }
    for (struct http_call *c; (c = now.head) != NULL;) {
        struct http_request *q = c->q;
        calls_remove(&now, c);
        q->private_ = NULL;
        call_put_back(c);
        q->done(q);
    }
}

void http_submit(struct http *h, struct http_request *q)
{
    CHECK(q->private_ == NULL && q->done != NULL);
    CHECK(q->headers_count <= HTTP_HEADERS_MAX);
    q->error = q->status = 0;
    q->is_cut = false;
    q->retry_after_ns = 0;
    q->response.len = 0;
    q->reason[0] = '\0';
    struct http_call *c = call_new(h);
    if (!c) {
        refuse(h, q);
        return;
    }
    c->q = q;
    q->private_ = c;
    const int r = h->is_closing ? -ECANCELED : set_up(c);
    if (r < 0) {
        http_call_abort(c, r, r == -ENOMEM ? "out of memory" : "the collector stops", "");
        return;
    }
    c->state = HTTP_CALL_ACTIVE;
    calls_add(&h->active, c);
    if (curl_multi_add_handle(h->multi, c->easy) != CURLM_OK)
        http_call_abort(c, -ENOMEM, "out of memory", "");
}

void http_cancel(struct http *h, struct http_request *q)
{
    struct http_call *c = q->private_;
    (void)h;
    if (c && c->state == HTTP_CALL_ACTIVE) {
        char text[200];
        const char *const advice = progress(c, text, sizeof text);
        http_call_abort(c, -ECANCELED, text, advice);
    }
}

void http_request_done(struct http_request *q)
{
    CHECK(q->private_ == NULL);
    buf_done(&q->response);
}
