#include "collector/sinks/http_options.h"

#include "lib/base/buf.h"
#include "lib/base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct opt_word http_encoding_words[] = {
    {"none", HTTP_PLAIN},
    {"gzip", HTTP_GZIP},
    {"zstd", HTTP_ZSTD},
    {NULL, 0},
};

static int set_text(const char **at, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free((char *)*at);
    *at = copy;
    return 0;
}

/* ---- from a URI ---- */

static bool is_tls(const char *scheme)
{
    const char *plus = strrchr(scheme, '+');
    return strcmp(plus ? plus + 1 : scheme, "https") == 0;
}

/* The parts of a URI were decoded; what has no place in a path is encoded again. */
static int append_path(struct buf *b, const char *path)
{
    int r = 0;
    for (; *path && r == 0; path++) {
        const unsigned char c = (unsigned char)*path;
        if (isalnum(c) || strchr("/-._~!$&'()*+,;=:@", c))
            r = buf_append(b, path, 1);
        else
            r = buf_printf(b, "%%%02X", c);
    }
    return r;
}

static int build_url(struct buf *b, const struct uri *u)
{
    const bool v6 = strchr(u->host, ':') != NULL;
    int r = buf_printf(b, "%s://%s%s%s", is_tls(u->scheme) ? "https" : "http", v6 ? "[" : "", u->host, v6 ? "]" : "");
    if (r == 0 && u->port)
        r = buf_printf(b, ":%u", u->port);
    return r < 0 ? r : append_path(b, u->path);
}

int http_options_from_uri(struct http_options *o, const struct uri *u, const char *url_name, struct err *e)
{
    auto_buf url = {0};
    const bool has_host = u->host && *u->host;
    if (!has_host && !*u->path)
        return 0; /* the parameters say where */
    if (!has_host)
        return err_set(e, -EINVAL, "URI host: missing; write %s://HOST/PATH or give %s", u->scheme, url_name);
    if (strchr(u->host, ','))
        return err_set(e, -EINVAL, "URI host: '%s' is a list; one host is allowed", u->host);
    if (u->fragment)
        return err_set(e, -EINVAL, "URI fragment: '#%s' has no meaning here", u->fragment);
    int r = build_url(&url, u);
    if (r == 0)
        r = buf_cstr(&url) ? set_text(&o->url, url.data) : -ENOMEM;
    if (r == 0 && u->user)
        r = set_text(&o->user, u->user);
    if (r == 0 && u->password)
        r = set_text(&o->password, u->password);
    return r < 0 ? err_set(e, r, "%s: out of memory", url_name) : 0;
}

char *http_options_url(const char *url, const char *path)
{
    const size_t path_len = strlen(path);
    size_t len = strlen(url);
    char *ret;
    while (path_len && len && url[len - 1] == '/')
        len--;
    const bool is_whole = len > path_len && strncmp(url + len - path_len, path, path_len) == 0;
    return asprintf(&ret, "%.*s%s", (int)len, url, is_whole ? "" : path) < 0 ? NULL : ret;
}

/* ---- checks ---- */

/* A URL and what it is called, with the options that its user and password belong in. */
struct url_option {
    const char *name, *user_name, *password_name;
    const char **url, **user, **password;
};

/* http://user:password@host: what is secret must not be part of the URL, which is shown. */
static int split_user(const struct url_option *o, struct err *e)
{
    const char *host = strstr(*o->url, "://") + 3;
    const char *at = memchr(host, '@', strcspn(host, "/?#"));
    auto_uri u = {0};
    auto_buf url = {0};
    if (!at)
        return 0;
    int r = uri_parse(*o->url, &u, NULL);
    if (r < 0 || !u.user)
        return err_set(e, -EINVAL, "%s: what stands before '@' cannot be read; use %s and %s", o->name, o->user_name,
                       o->password_name);
    r = buf_printf(&url, "%.*s%s", (int)(host - *o->url), *o->url, at + 1);
    if (r == 0 && !*o->user)
        r = set_text(o->user, u.user);
    if (r == 0 && !*o->password && u.password)
        r = set_text(o->password, u.password);
    if (r == 0)
        r = buf_cstr(&url) ? set_text(o->url, url.data) : -ENOMEM;
    return r < 0 ? err_set(e, r, "%s: out of memory", o->name) : 0;
}

static int check_url(struct http_options *o, const char *url_name, struct err *e)
{
    if (!o->url || !*o->url)
        return err_set(e, -EINVAL, "%s: required; for example https://host/path", url_name);
    if (strncasecmp(o->url, "http://", 7) != 0 && strncasecmp(o->url, "https://", 8) != 0)
        return err_set(e, -EINVAL, "%s: '%.*s...' does not begin with http:// or https://", url_name,
                       (int)strcspn(o->url, ":/@?#"), o->url); /* no more: a password may follow */
    for (char *p = (char *)(uintptr_t)o->url; *p != ':'; p++) /* everybody else asks for "https" */
        *p = (char)tolower((unsigned char)*p);
    for (const char *p = o->url; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return err_set(e, -EINVAL, "%s: spaces and control characters must be written as %%20 and so on", url_name);
    return split_user(&(struct url_option){.name = url_name, .user_name = "user", .password_name = "password",
                                           .url = &o->url, .user = &o->user, .password = &o->password}, e);
}

static bool is_token(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
            return false;
    return *name != '\0';
}

static int check_headers(const struct opt_map *headers, struct err *e)
{
    if (headers->count > HTTP_HEADERS_MAX / 2)
        return err_set(e, -E2BIG, "headers: %u are more than %d", headers->count, HTTP_HEADERS_MAX / 2);
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct opt_pair *p = &headers->item[i];
        if (!is_token(p->key))
            return err_set(e, -EINVAL, "headers: '%s' is no name of a header", p->key);
        for (const char *c = p->value; *c; c++)
            if ((unsigned char)*c < ' ' && *c != '\t')
                return err_set(e, -EINVAL, "headers: the value of '%s' has a control character", p->key);
    }
    return 0;
}

struct tls_config http_options_tls(const struct http_options *o)
{
    return (struct tls_config){.ca_file = empty_to_null(o->tls_ca_file), .cert_file = empty_to_null(o->tls_cert_file),
                               .key_file = empty_to_null(o->tls_key_file), .is_unverified = !o->tls_verify};
}

static int check_files(const struct http_options *o, struct err *e)
{
    const struct tls_config tls = http_options_tls(o);
    return tls_check_files(&tls, e);
}

static bool has_control(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

static int check_authentication(const struct http_options *o, struct err *e)
{
    if (o->token && *o->token && o->user && *o->user)
        return err_set(e, -EINVAL, "token: contradicts user; give one of them");
    if (o->password && *o->password && !(o->user && *o->user))
        return err_set(e, -EINVAL, "password: needs user");
    if (o->user && strchr(o->user, ':'))
        return err_set(e, -EINVAL, "user: basic authentication has no place for a ':'");
    if (has_control(o->token) || has_control(o->user_agent))
        return err_set(e, -EINVAL, "%s: has a control character", has_control(o->token) ? "token" : "user_agent");
    return 0;
}

/* ---- the proxy ---- */

/* As curl does, HOST:PORT is taken for http://HOST:PORT. Messages show no URL: its password may be in it. */
static int check_proxy_url(struct http_options *o, struct err *e)
{
    static const char *const schemes[] = {"http", "https", "socks5", "socks5h", NULL};
    auto_buf url = {0};
    auto_uri u = {0};
    unsigned i = 0;
    if (!strstr(o->proxy, "://")) {
        if (buf_printf(&url, "http://%s", o->proxy) < 0 || !buf_cstr(&url) || set_text(&o->proxy, url.data) < 0)
            return err_set(e, -ENOMEM, "proxy: out of memory");
    }
    if (uri_parse(o->proxy, &u, NULL) < 0 || !*u.host || strchr(u.host, ',') || strcspn(u.path, "/") != 0 ||
        u.path[*u.path == '/'] || u.params_count || u.fragment || has_control(u.host))
        return err_set(e, -EINVAL, "proxy: no URL of a proxy; allowed are auto, none and URLs like http://HOST:PORT");
    while (schemes[i] && strcmp(schemes[i], u.scheme) != 0)
        i++;
    if (!schemes[i])
        return err_set(e, -EINVAL, "proxy: '%.20s' is no kind of proxy; allowed: http, https, socks5, socks5h",
                       u.scheme);
    return split_user(&(struct url_option){.name = "proxy", .user_name = "proxy_user",
                                           .password_name = "proxy_password", .url = &o->proxy,
                                           .user = &o->proxy_user, .password = &o->proxy_password}, e);
}

static int check_proxy(struct http_options *o, struct err *e)
{
    const bool is_none = strcmp(o->proxy, "none") == 0;
    const int r = is_none || strcmp(o->proxy, "auto") == 0 ? 0 : check_proxy_url(o, e);
    if (r < 0)
        return r;
    if (is_none && o->proxy_user && *o->proxy_user)
        return err_set(e, -EINVAL, "proxy_user: contradicts proxy=none");
    if (o->proxy_password && *o->proxy_password && !(o->proxy_user && *o->proxy_user))
        return err_set(e, -EINVAL, "proxy_password: needs proxy_user");
    if (o->proxy_user && strchr(o->proxy_user, ':'))
        return err_set(e, -EINVAL, "proxy_user: basic authentication has no place for a ':'");
    return 0;
}

int http_options_check(struct http_options *o, const char *url_name, struct err *e)
{
    int r = check_url(o, url_name, e);
    if (r == 0)
        r = check_proxy(o, e);
    if (r == 0)
        r = check_headers(&o->headers, e);
    if (r == 0)
        r = check_authentication(o, e);
    return r < 0 ? r : check_files(o, e);
}
