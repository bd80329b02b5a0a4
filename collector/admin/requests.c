#include "collector/admin/internal.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char plain[] = "text/plain; charset=utf-8", json[] = "application/json";

static enum MHD_Result queue(struct MHD_Connection *c, unsigned status, const char *type, struct MHD_Response *r)
{
    if (!r)
        return MHD_NO;
    (void)MHD_add_response_header(r, "Content-Type", type);
    (void)MHD_add_response_header(r, "Cache-Control", "no-store");
    (void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(r, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; "
                                                                "script-src 'unsafe-inline'; connect-src 'self'");
    const enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

/* Takes the bytes over. */
static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *type, struct buf *body)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
    if (r)
        *body = (struct buf){ 0 };
    else
        buf_done(body);
    return queue(c, status, type, r);
}

enum MHD_Result admin_reply_text(struct MHD_Connection *c, unsigned status, const char *text)
{
    return queue(c, status, plain, MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                                   MHD_RESPMEM_MUST_COPY));
}

/* ---- who may ask ---- */

/* A browser sends the name that the user's page used: ours only if it says so. */
static bool names_local_host(const char *host)
{
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const size_t len = strlen(names[i]);
        if (strncasecmp(host, names[i], len) == 0 && (host[len] == '\0' || host[len] == ':'))
            return true;
    }
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.:") == strlen(host);
}

static bool may_ask(const struct admin *a, struct MHD_Connection *c)
{
    const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
    return !a->is_local || !host || names_local_host(host);
}

static bool may_change(struct MHD_Connection *c)
{
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Fapilog") != NULL;
}

/* ---- answers ---- */

static enum MHD_Result get_page(struct admin *a, struct MHD_Connection *c)
{
    (void)a;
    return queue(c, MHD_HTTP_OK, "text/html; charset=utf-8",
                 MHD_create_response_from_buffer(admin_page_bytes, (void *)(uintptr_t)admin_page,
                                                 MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result written(struct MHD_Connection *c, int r, const char *type, struct buf *body)
{
    if (r == 0)
        return reply(c, MHD_HTTP_OK, type, body);
    buf_done(body);
    return admin_reply_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
}

static enum MHD_Result get_metrics(struct admin *a, struct MHD_Connection *c)
{
    struct buf body = { 0 };
    const int r = metrics_write(&a->view, &body);
    return written(c, r, "text/plain; version=0.0.4; charset=utf-8", &body);
}

static enum MHD_Result get_status(struct admin *a, struct MHD_Connection *c)
{
    struct buf body = { 0 };
    const int r = status_write(&a->view, &body);
    return written(c, r, json, &body);
}

static enum MHD_Result get_health(struct admin *a, struct MHD_Connection *c)
{
    (void)a;
    return admin_reply_text(c, MHD_HTTP_OK, "ok\n");
}

static enum MHD_Result get_ready(struct admin *a, struct MHD_Connection *c)
{
    char text[1100], names[1024];
    if (*a->view.is_stopping)
        return admin_reply_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping\n");
    status_failing(&a->view, names, sizeof names);
    if (!*names)
        return admin_reply_text(c, MHD_HTTP_OK, "ready\n");
    (void)snprintf(text, sizeof text, "failing: %s\n", names);
    return admin_reply_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static unsigned status_of(int r)
{
    switch (r) {
    case -EALREADY: return MHD_HTTP_CONFLICT;
    case -ESHUTDOWN: return MHD_HTTP_SERVICE_UNAVAILABLE;
    case -ENOMEM: return MHD_HTTP_INTERNAL_SERVER_ERROR;
    default: return MHD_HTTP_BAD_REQUEST; /* what was asked for, or the configuration, is wrong */
    }
}

static enum MHD_Result done(struct MHD_Connection *c, int r, const struct err *e)
{
    char text[ERR_TEXT_MAX + 16];
    const char *more = e ? e->text : "";
    (void)snprintf(text, sizeof text, "%s%s%s\n", r < 0 ? "" : "done", r < 0 || !*more ? "" : ": ", more);
    return admin_reply_text(c, r < 0 ? status_of(r) : MHD_HTTP_OK, text);
}

static enum MHD_Result post_level(struct admin *a, struct MHD_Connection *c)
{
    struct err e = { 0 };
    const char *level = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "level");
    const char *logger = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "logger");
    if (!level || !*level)
        return admin_reply_text(c, MHD_HTTP_BAD_REQUEST,
                                "level: must be given, as in /level?level=DEBUG&logger=orders\n");
    const int r = a->actions.set_level(a->actions.arg, logger ? logger : "", level, &e);
    return done(c, r, &e);
}

/* The answer comes when the new configuration is in effect, or is not: the connection is suspended meanwhile, and
 * asks again. */
static enum MHD_Result post_reload(struct admin *a, struct MHD_Connection *c)
{
    struct err e = { 0 };
    if (a->reload.connection == c && a->reload.is_over) {
        a->reload.connection = NULL;
        return done(c, a->reload.result, &a->reload.error);
    }
    if (a->reload.connection)
        return done(c, err_set(&e, -EALREADY, "a reload is under way"), &e);
    const int r = a->actions.reload(a->actions.arg, &e);
    if (r < 0)
        return done(c, r, &e);
    a->reload.connection = c;
    a->reload.is_over = false;
    MHD_suspend_connection(c);
    return MHD_YES;
}

void admin_reload_ended(struct admin *a, int result, const char *text)
{
    if (!a || !a->reload.connection || a->reload.is_over)
        return;
    a->reload.is_over = true;
    a->reload.result = result;
    (void)snprintf(a->reload.error.text, sizeof a->reload.error.text, "%s", text);
    MHD_resume_connection(a->reload.connection);
    admin_wake(a);
}

static enum MHD_Result post_reopen(struct admin *a, struct MHD_Connection *c)
{
    a->actions.reopen(a->actions.arg);
    return done(c, 0, NULL);
}

static enum MHD_Result post_rotate(struct admin *a, struct MHD_Connection *c)
{
    a->actions.rotate(a->actions.arg);
    return done(c, 0, NULL);
}

static const char *const no_names[] = { NULL }, *const tail_names[] = { "format", "level", "where", NULL },
                  *const level_names[] = { "level", "logger", NULL };

static const struct resource {
    const char *url;
    bool changes;
    enum MHD_Result (*answer)(struct admin *a, struct MHD_Connection *c);
    const char *const *names; /* of arguments; NULL: whatever is given changes nothing */
} resources[] = {
    { "/", false, get_page, NULL },
    { "/metrics", false, get_metrics, NULL },
    { "/healthz", false, get_health, NULL },
    { "/readyz", false, get_ready, NULL },
    { "/status", false, get_status, NULL },
    { "/tail", false, tail_begin, tail_names },
    { "/level", true, post_level, level_names },
    { "/reload", true, post_reload, no_names },
    { "/reopen", true, post_reopen, no_names },
    { "/rotate", true, post_rotate, no_names },
};

struct arguments {
    const char *const *names;
    const char *wrong; /* the first one that none of the names is */
};

static enum MHD_Result look_at_argument(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct arguments *args = arg;
    (void)kind;
    (void)value;
    if (!*name) /* a '&' at the end */
        return MHD_YES;
    for (size_t i = 0; args->names[i]; i++)
        if (strcmp(args->names[i], name) == 0)
            return MHD_YES;
    args->wrong = name;
    return MHD_NO;
}

/* A misspelt argument would do more than was asked for: `loger=orders` would change the level of all. */
static const char *wrong_argument(const struct resource *res, struct MHD_Connection *c)
{
    struct arguments args = { .names = res->names };
    if (args.names)
        (void)MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, look_at_argument, &args);
    return args.wrong;
}

static enum MHD_Result refuse_argument(const struct resource *res, struct MHD_Connection *c, const char *wrong)
{
    char text[256];
    size_t len = (size_t)snprintf(text, sizeof text, "%.64s: no such argument; there %s", wrong,
                                  *res->names ? "are:" : "is none");
    for (size_t i = 0; res->names[i]; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, " %s", res->names[i]);
    (void)snprintf(text + len, sizeof text - len, "\n");
    return admin_reply_text(c, MHD_HTTP_BAD_REQUEST, text);
}

static const struct resource *find(const char *url)
{
    for (size_t i = 0; i < ARRAY_COUNT(resources); i++)
        if (strcmp(resources[i].url, url) == 0)
            return &resources[i];
    return NULL;
}

enum MHD_Result admin_answer(struct admin *a, struct MHD_Connection *c, const char *url, const char *method)
{
    const struct resource *res = find(url);
    if (!may_ask(a, c))
        return admin_reply_text(c, MHD_HTTP_FORBIDDEN, "the Host header must name this machine's loopback address\n");
    if (!res)
        return admin_reply_text(c, MHD_HTTP_NOT_FOUND,
                                "there are: / /metrics /healthz /readyz /status /tail; "
                                "POST /level /reload /reopen /rotate\n");
    const bool is_post = strcmp(method, "POST") == 0;
    if (is_post != res->changes || (!is_post && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0))
        return admin_reply_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, res->changes ? "wants POST\n" : "wants GET\n");
    if (res->changes && !may_change(c))
        return admin_reply_text(c, MHD_HTTP_FORBIDDEN, "wants the header X-Fapilog, as in curl -H 'X-Fapilog: 1'\n");
    const char *const wrong = wrong_argument(res, c);
    if (!wrong && res->answer == tail_begin && strcmp(method, "HEAD") == 0)
        return admin_reply_text(c, MHD_HTTP_OK, ""); /* there is nothing to wait for */
    return wrong ? refuse_argument(res, c, wrong) : res->answer(a, c);
}
