/* http_response.c - what an answer, or the lack of one, means: as -errno, as a class, and in words. */
#include "collector/net/connect.h"
#include "collector/net/header_secrets.h"
#include "collector/net/http_private.h"
#include "collector/net/tls.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/x509_vfy.h>

int http_errno(CURLcode code, long os_errno, bool is_sent)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
        return os_errno > 0 ? -(int)os_errno : -ECONNREFUSED;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return -ECONNRESET;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return -EKEYREJECTED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: /* of our URL; or what came back is not HTTP */
        return is_sent ? -EPROTO : -EINVAL;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EPROTO;
    }
}

static bool is_for_later(long status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

#define WANTS_A_PASSWORD "the proxy wants proxy_user and proxy_password, or others"

int http_proxy_error(struct http_request *q, long connect_status)
{
    if (connect_status < 300) /* what went wrong came after it */
        return q->error;
    const char *why = connect_status == 407 || connect_status == 401 ? ": " WANTS_A_PASSWORD :
                      connect_status == 403 ? ": the proxy does not allow this host and port" : "";
    (void)snprintf(q->reason, sizeof q->reason, "HTTP %ld to CONNECT%s", connect_status, why);
    return is_for_later(connect_status) ? -EHOSTUNREACH : -EACCES;
}

/* What a port does to a plain request that it cannot read ... */
#define WANTS_HTTPS "where the port wants TLS, the URL has to begin with https"

#define PROXY_WANTS_HTTPS "does a proxy listen there? Where it wants TLS, its URL has to begin with https"

/* ... unless it answers: nginx, Go's net/http, Apache. No record is at fault. */
static bool is_for_tls(const struct http_request *q)
{
    static const char *const says[] = {
        "plain HTTP request was sent to HTTPS port", "sent an HTTP request to an HTTPS server",
        "speaking plain HTTP to an SSL-enabled server port",
    };
    if (q->status != 400 || strncasecmp(q->url, "http:", 5) != 0)
        return false;
    for (unsigned i = 0; i < sizeof says / sizeof says[0]; i++)
        if (memmem(q->response.data, q->response.len, says[i], strlen(says[i])))
            return true;
    return false;
}

static bool is_our_fault(int error) { return error == -EKEYREJECTED || error == -EACCES || error == -EINVAL; }

enum http_class http_classify(const struct http_request *q)
{
    if (q->error)
        return is_our_fault(q->error) ? HTTP_CLASS_BROKEN : HTTP_CLASS_RETRY;
    if (q->status >= 200 && q->status < 300)
        return HTTP_CLASS_OK;
    if (is_for_later(q->status))
        return HTTP_CLASS_RETRY;
    if (is_for_tls(q))
        return HTTP_CLASS_BROKEN;
    /* A redirect that nobody asked for, or who we are: the records are not at fault. */
    return q->status < 400 || q->status == 401 || q->status == 403 || q->status == 407 ? HTTP_CLASS_BROKEN
                                                                                       : HTTP_CLASS_REFUSED;
}

/* ---- reasons ---- */

/* The beginning of the answer in one line of printable ASCII. */
static void quote(const struct buf *response, char *ret, size_t size)
{
    size_t n = 0;
    bool was_space = true;
    for (size_t i = 0; i < response->len && n + 1 < size; i++) {
        const unsigned char c = (unsigned char)response->data[i];
        const bool space = isspace(c) != 0;
        if (!space || !was_space)
            ret[n++] = space ? ' ' : isprint(c) ? (char)c : '?';
        was_space = space;
    }
    ret[n] = '\0';
}

/* Those of X509_V_ERR_...; another library's are other numbers. */
static long verify_result(CURL *easy)
{
    const char *library = curl_version_info(CURLVERSION_NOW)->ssl_version;
    long server = X509_V_OK, proxy = X509_V_OK;
    if (!library || strncmp(library, "OpenSSL", 7) != 0)
        return X509_V_OK;
    (void)curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &server);
    (void)curl_easy_getinfo(easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &proxy);
    return server > X509_V_ERR_UNSPECIFIED ? server : proxy; /* unspecified: it did not come to that */
}

const char *http_advice(CURL *easy, CURLcode code, long os_errno, const char *curl_text, bool is_proxy)
{
    const char *scheme = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_SCHEME, &scheme);
    const bool is_plain = scheme && strcasecmp(scheme, "http") == 0;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY:
        return CONNECT_NAME_ADVICE;
    case CURLE_COULDNT_CONNECT:
        return connect_advice(-(int)os_errno);
    case CURLE_SSL_CONNECT_ERROR:
        return strstr(curl_text, "SSL_ERROR_SYSCALL") || strstr(curl_text, "reset") ? TLS_HANGUP_ADVICE :
               tls_handshake_advice(curl_text);
    case CURLE_PEER_FAILED_VERIFICATION: /* curl compares names by itself, before it takes over OpenSSL's result */
        return tls_verify_advice(strstr(curl_text, "subject name") ? X509_V_ERR_HOSTNAME_MISMATCH
                                                                   : verify_result(easy));
    case CURLE_GOT_NOTHING: case CURLE_RECV_ERROR: case CURLE_SEND_ERROR: case CURLE_UNSUPPORTED_PROTOCOL:
        return is_proxy ? PROXY_WANTS_HTTPS : is_plain ? WANTS_HTTPS : "";
    default:
        return "";
    }
}

void http_explain(struct http_request *q, const char *curl_text, const char *advice)
{
    char text[400];
    if (q->error) {
        const size_t behind = *advice ? strlen(advice) + 2 : 0;
        (void)snprintf(q->reason, sizeof q->reason, "%.*s%s%s", (int)(sizeof q->reason - 1 - behind), curl_text,
                       *advice ? "; " : "", advice);
        return;
    }
    if (q->status == 407) {
        (void)snprintf(q->reason, sizeof q->reason, "HTTP 407: " WANTS_A_PASSWORD);
        return;
    }
    if (is_for_tls(q)) {
        (void)snprintf(q->reason, sizeof q->reason,
                       "HTTP 400: the port wants TLS, and the URL has to begin with https");
        return;
    }
    quote(&q->response, text, sizeof text);
    header_secrets_hide(q->headers, q->headers_count, text);
    (void)snprintf(q->reason, sizeof q->reason, "HTTP %d%s%.180s", q->status, *text ? ": " : "", text);
}
