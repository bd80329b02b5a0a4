#include "collector/net/aws_sts.h"
#include "collector/net/header_secrets.h"
#include "collector/net/sigv4.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- requests ---- */

int aws_sts_endpoint(const char *region, char ret[AWS_STS_ENDPOINT_MAX], struct err *e)
{
    const char *given = getenv("AWS_ENDPOINT_URL_STS");
    if (!given || !*given) {
        (void)snprintf(ret, AWS_STS_ENDPOINT_MAX, "https://sts.%.100s.amazonaws.com%s/", region,
                       strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
        return 0;
    }
    const bool is_http = strncmp(given, "http://", 7) == 0 || strncmp(given, "https://", 8) == 0;
    const char *path = is_http ? strchr(strstr(given, "://") + 3, '/') : NULL;
    const int n = snprintf(ret, AWS_STS_ENDPOINT_MAX, "%s%s", given, path ? "" : "/");
    if (!is_http || n >= AWS_STS_ENDPOINT_MAX || strpbrk(given, "?#@ "))
        return err_set(e, -EINVAL, "AWS_ENDPOINT_URL_STS: no URL of http or https, or longer than %d bytes",
                       AWS_STS_ENDPOINT_MAX - 1);
    return 0;
}

static int add(struct buf *b, const char *name, const char *value)
{
    int r = value ? buf_printf(b, "&%s=", name) : 0;
    for (; value && *value && r == 0; value++) {
        const unsigned char c = (unsigned char)*value;
        r = isalnum(c) || strchr("-._~", c) ? buf_append(b, value, 1) : buf_printf(b, "%%%02X", c);
    }
    return r;
}

int aws_sts_form(const struct aws_role *role, const char *token, struct buf *ret)
{
    char name[40];
    (void)snprintf(name, sizeof name, "fapilog-%llu", (unsigned long long)(clock_real_ns() / NS_PER_S));
    int r = buf_printf(ret, "Action=%s&Version=2011-06-15", token ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    if (r == 0)
        r = add(ret, "RoleArn", role->arn);
    if (r == 0)
        r = add(ret, "RoleSessionName", role->session_name ? role->session_name : name);
    if (r == 0)
        r = add(ret, "DurationSeconds", role->duration);
    if (r == 0 && !token)
        r = add(ret, "ExternalId", role->external_id);
    return r < 0 ? r : add(ret, "WebIdentityToken", token);
}

static int add_line(struct buf *b, const char *name, const char *value)
{
    const int r = buf_printf(b, "%s: %s", name, value);
    return r < 0 ? r : buf_append(b, "", 1);
}

int aws_sts_sign(const char *endpoint, const char *region, const struct aws_credentials *keys, const struct buf *form,
                 struct buf *ret)
{
    char stamp[SIGV4_STAMP_SIZE], host[AWS_STS_ENDPOINT_MAX];
    const char *at = strstr(endpoint, "://") + 3, *path = strchr(at, '/');
    auto_buf text = {0};
    struct sigv4_header headers[4] = {
        {"content-type", "application/x-www-form-urlencoded"}, {"host", host}, {"x-amz-date", stamp}};
    unsigned n = 3;
    (void)snprintf(host, sizeof host, "%.*s", (int)(path - at), at);
    sigv4_stamp((int64_t)(clock_real_ns() / NS_PER_S), stamp);
    if (keys->token)
        headers[n++] = (struct sigv4_header){"x-amz-security-token", keys->token};
    const struct sigv4 what = {
        .key_id = keys->key_id, .secret = keys->secret, .region = region, .service = "sts", .stamp = stamp,
        .method = "POST", .path = path, .query = "", .header = headers, .headers_count = n, .payload = form->data,
        .payload_len = form->len};
    int r = sigv4_authorization(&what, &text);
    if (r == 0)
        r = buf_cstr(&text) ? add_line(ret, "Authorization", text.data) : -ENOMEM;
    for (unsigned i = 0; i < n && r == 0; i++)
        if (strcmp(headers[i].name, "host") != 0)
            r = add_line(ret, headers[i].name, headers[i].value);
    return r < 0 ? r : (int)n; /* all but the host, and the signature */
}

/* ---- answers ---- */

/* The text of the first element of this name: the answers that are read here have no other markup in it. */
static bool element(const char *text, size_t len, const char *name, const char **ret, size_t *ret_len)
{
    char open[60], close[60];
    (void)snprintf(open, sizeof open, "<%s>", name);
    (void)snprintf(close, sizeof close, "</%s>", name);
    const char *from = text ? memmem(text, len, open, strlen(open)) : NULL;
    if (!from)
        return false;
    from += strlen(open);
    const char *to = memmem(from, len - (size_t)(from - text), close, strlen(close));
    if (!to)
        return false;
    *ret = from;
    *ret_len = (size_t)(to - from);
    return true;
}

static int copy(const char *text, size_t len, const char *name, char **ret)
{
    const char *from;
    size_t n;
    if (!element(text, len, name, &from, &n) || n == 0)
        return -EBADMSG;
    *ret = strndup(from, n);
    return *ret ? 0 : -ENOMEM;
}

int aws_sts_credentials(const char *text, size_t len, struct aws_credentials *ret)
{
    const char *inside;
    char when[40] = "";
    struct tm tm = {0};
    size_t n;
    if (!element(text, len, "Credentials", &inside, &n))
        return -EBADMSG;
    int r = copy(inside, n, "AccessKeyId", &ret->key_id);
    if (r == 0)
        r = copy(inside, n, "SecretAccessKey", &ret->secret);
    if (r == 0)
        r = copy(inside, n, "SessionToken", &ret->token);
    if (r == 0 && element(inside, n, "Expiration", &inside, &n))
        (void)snprintf(when, sizeof when, "%.*s", (int)n, inside);
    if (r == 0 && !strptime(when, "%Y-%m-%dT%H:%M:%S", &tm))
        r = -EBADMSG;
    ret->expires_s = r == 0 ? (int64_t)timegm(&tm) : 0;
    if (r < 0)
        aws_credentials_done(ret);
    return r;
}

void aws_sts_explain(const struct http_request *q, char *ret, size_t size)
{
    const char *code, *message;
    size_t code_len, message_len;
    if (q->error || !element(q->response.data, q->response.len, "Code", &code, &code_len) ||
        !element(q->response.data, q->response.len, "Message", &message, &message_len)) {
        if (q->error)
            (void)snprintf(ret, size, "%.150s", q->reason);
        else
            (void)snprintf(ret, size, "HTTP %d", q->status);
        return;
    }
    const int n = snprintf(ret, size, "%.*s: %.*s", code_len < 60 ? (int)code_len : 60, code,
                           message_len < 180 ? (int)message_len : 180, message);
    for (int i = 0; i < n && (size_t)i + 1 < size; i++)
        if (!isprint((unsigned char)ret[i]))
            ret[i] = '?';
    header_secrets_hide(q->headers, q->headers_count, ret);
}
