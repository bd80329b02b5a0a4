#include "lib/base/uri.h"

#include "lib/base/bytes_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Decodes in place. `part` is for the message only. */
static int decode(char *text, const char *part, struct err *e)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        uint8_t byte;
        if (!hex_read(in + 1, 1, &byte))
            return err_set(e, -EINVAL, "URI %s: '%%' must be followed by two hex digits", part);
        if (byte == 0)
            return err_set(e, -EINVAL, "URI %s: '%%00' is not allowed", part);
        *out++ = (char)byte;
        in += 2;
    }
    *out = '\0';
    return 0;
}

static int parse_scheme(char **at, struct uri *u, struct err *e)
{
    char *text = *at, *p = text;
    if (!isalpha((unsigned char)*p))
        return err_set(e, -EINVAL, "URI scheme: '%.*s' does not begin with a scheme such as file:",
                       (int)strcspn(text, "/:?@"), text);
    for (; isalnum((unsigned char)*p) || *p == '+' || *p == '-' || *p == '.' || *p == '_'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (*p != ':')
        return err_set(e, -EINVAL, "URI scheme: no ':' after '%.*s'; want a URI such as "
                       "file:///var/log/app.jsonl", (int)(p - text), text);
    *p = '\0';
    u->scheme = text;
    *at = p + 1;
    return 0;
}

static int parse_port(const char *text, struct uri *u, struct err *e)
{
    char *end;
    if (!*text)
        return 0;
    const unsigned long port = strtoul(text, &end, 10);
    /* Not shown: it may be half a password. */
    if (*end || !isdigit((unsigned char)*text) || port < 1 || port > 65535)
        return err_set(e, -EINVAL, "URI port: what follows the ':' of the host is not in 1..65535; in a password write "
                       "/ as %%2F, ? as %%3F, # as %%23");
    u->port = (uint16_t)port;
    return 0;
}

static int parse_user(char *info, struct uri *u, struct err *e)
{
    char *colon = strchr(info, ':');
    if (colon) {
        *colon = '\0';
        u->password = colon + 1;
        const int r = decode(colon + 1, "password", e);
        if (r < 0)
            return r;
    }
    u->user = info;
    return decode(info, "user", e);
}

/* [user[:password]@]host[:port] */
static int parse_authority(char *text, struct uri *u, struct err *e)
{
    char *at = strrchr(text, '@'), *port = NULL;
    int r;
    if (at) {
        *at = '\0';
        r = parse_user(text, u, e);
        if (r < 0)
            return r;
        text = at + 1;
    }
    if (*text == '[') {
        char *close = strchr(text, ']');
        if (!close || (close[1] && close[1] != ':'))
            return err_set(e, -EINVAL, "URI host: '%s' lacks its ']'", text);
        if (close[1] == ':')
            port = close + 2;
        *close = '\0';
        text++;
    } else if (!strchr(text, ',')) {
        port = strchr(text, ':');
        if (port)
            *port++ = '\0';
    }
    u->host = text;
    r = port ? parse_port(port, u, e) : 0;
    return r < 0 ? r : decode(text, "host", e);
}

static int parse_query(char *text, struct uri *u, struct err *e)
{
    unsigned count = 1;
    for (const char *p = text; *p; p++)
        count += *p == '&';
    if (count > URI_PARAMS_MAX)
        return err_set(e, -E2BIG, "URI query: more than %d parameters", URI_PARAMS_MAX);
    u->params = calloc(count, sizeof *u->params);
    if (!u->params)
        return err_set(e, -ENOMEM, "URI query: out of memory");
    unsigned place = 1;
    for (char *next; text; text = next, place++) {
        next = strchr(text, '&');
        if (next)
            *next++ = '\0';
        if (!*text)
            continue;
        char *value = strchr(text, '=');
        if (!value || value == text)
            return err_set(e, -EINVAL, "URI query: parameter %u is not key=value; in a password write ? as %%3F",
                           place);
        *value++ = '\0';
        int r = decode(text, "query", e);
        if (r == 0)
            r = decode(value, text, e);
        if (r < 0)
            return r;
        u->params[u->params_count++] = (struct uri_param){text, value};
    }
    return 0;
}

static int check_text(const char *text, struct err *e)
{
    const size_t len = strlen(text);
    if (len > URI_BYTES_MAX)
        return err_set(e, -E2BIG, "URI: longer than %d bytes", URI_BYTES_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return err_set(e, -EINVAL, "URI: control character at byte %zu", i);
    return 0;
}

static int parse_parts(char *text, struct uri *u, struct err *e)
{
    char *query, *fragment, *authority = NULL;
    int r = parse_scheme(&text, u, e);
    if (r < 0)
        return r;
    fragment = strchr(text, '#');
    if (fragment)
        *fragment++ = '\0';
    query = strchr(text, '?');
    if (query)
        *query++ = '\0';
    if (text[0] == '/' && text[1] == '/') {
        char *slash = strchr(text + 2, '/');
        authority = text; /* one byte to the left of the host is free: the path keeps its '/' */
        const size_t len = slash ? (size_t)(slash - text) - 2 : strlen(text + 2);
        memmove(authority, text + 2, len);
        authority[len] = '\0';
        text = slash ? slash : text + len;
    }
    u->path = text;
    u->fragment = fragment;
    r = decode(text, "path", e);
    if (r == 0 && fragment)
        r = decode(fragment, "fragment", e);
    if (r == 0 && authority)
        r = parse_authority(authority, u, e);
    if (r == 0 && query)
        r = parse_query(query, u, e);
    return r;
}

int uri_parse(const char *text, struct uri *ret, struct err *e)
{
    struct uri u = {.path = "", .text_bytes_ = strlen(text)};
    int r = check_text(text, e);
    if (r < 0)
        return r;
    u.text_ = strdup(text);
    if (!u.text_)
        return err_set(e, -ENOMEM, "URI: out of memory");
    r = parse_parts(u.text_, &u, e);
    if (r < 0) {
        uri_done(&u);
        return r;
    }
    *ret = u;
    return 0;
}

void uri_done(struct uri *u)
{
    if (u->text_)
        explicit_bzero(u->text_, u->text_bytes_); /* may hold a password */
    free(u->text_);
    free(u->params);
    *u = (struct uri){0};
}
