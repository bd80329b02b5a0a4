/* aws_chain.c - the chain itself, and its links that are asked over HTTP: container and instance. */
#include "collector/net/aws.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REQUEST_TIMEOUT_NS (2 * NS_PER_S)

enum { EARLY_S = 300, ROLE_MAX = 256, TOKEN_MAX = 4096 };

enum step { STEP_IDLE, STEP_CONTAINER, STEP_TOKEN, STEP_ROLE, STEP_INSTANCE };

struct aws_chain {
    struct http *http;
    char *profile;
    struct aws_credentials credentials;
    struct aws_wait *waiting;
    struct http_request q;
    enum step step;
    char url[1024];
    char header[TOKEN_MAX + 64];
    const char *headers[1];
    bool is_closing;
    char why[300];
};

static void answered(struct http_request *q);

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void tell(struct aws_chain *c, const struct aws_credentials *found)
{
    struct aws_wait *all = c->waiting;
    c->waiting = NULL;
    c->step = STEP_IDLE;
    for (struct aws_wait *w; (w = all) != NULL;) {
        all = w->next;
        w->is_waiting = false;
        w->got(w, found, c->why);
    }
}

static void ask(struct aws_chain *c, enum step step, const char *method, bool has_header)
{
    static const struct http_peer direct = {.proxy = ""}; /* link-local addresses, never through a proxy */
    c->step = step;
    c->headers[0] = c->header;
    c->q.method = method;
    c->q.url = c->url;
    c->q.headers = c->headers;
    c->q.headers_count = has_header;
    c->q.timeout_ns = REQUEST_TIMEOUT_NS;
    c->q.peer = &direct;
    c->q.done = answered;
    c->q.owner = c;
    http_submit(c->http, &c->q);
}

/* ---- container ---- */

/* The token goes to the container's own agent only, or over TLS. */
static bool is_trusted(const char *url)
{
    static const char *const hosts[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "127.0.0.1", "localhost",
                                        "[::1]", NULL};
    if (strncmp(url, "https://", 8) == 0)
        return true;
    for (unsigned i = 0; hosts[i] && strncmp(url, "http://", 7) == 0; i++) {
        const size_t len = strlen(hosts[i]);
        if (strncmp(url + 7, hosts[i], len) == 0 && (url[7 + len] == '/' || url[7 + len] == ':'))
            return true;
    }
    return false;
}

static void read_token(char *ret, size_t size)
{
    const char *text = env("AWS_CONTAINER_AUTHORIZATION_TOKEN"), *path = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    *ret = '\0';
    if (text)
        (void)snprintf(ret, size, "%s", text);
    if (!path)
        return;
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : read(fd, ret, size - 1);
    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, "\r\n")] = '\0';
}

static bool ask_container(struct aws_chain *c)
{
    const char *relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    char token[TOKEN_MAX];
    if (!relative && !full)
        return false;
    (void)snprintf(c->url, sizeof c->url, "%s%s", relative ? "http://169.254.170.2" : "", relative ? relative : full);
    if (!is_trusted(c->url)) {
        (void)snprintf(c->why, sizeof c->why, "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor a local "
                                              "address");
        tell(c, NULL);
        return true;
    }
    read_token(token, sizeof token);
    (void)snprintf(c->header, sizeof c->header, "Authorization: %s", token);
    ask(c, STEP_CONTAINER, "GET", *token != '\0');
    return true;
}

/* ---- instance ---- */

static void set_instance_url(struct aws_chain *c, const char *path, const char *role)
{
    const char *endpoint = env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    endpoint = endpoint ? endpoint : "http://169.254.169.254";
    size_t len = strlen(endpoint);
    while (len && endpoint[len - 1] == '/')
        len--;
    (void)snprintf(c->url, sizeof c->url, "%.*s/latest/%s%.*s", (int)len, endpoint, path, (int)ROLE_MAX, role);
}

static void ask_instance(struct aws_chain *c)
{
    const char *disabled = env("AWS_EC2_METADATA_DISABLED");
    if (disabled && strcasecmp(disabled, "true") == 0) {
        (void)snprintf(c->why, sizeof c->why, "no AWS credentials in the environment, in the profile or of a "
                                              "container");
        tell(c, NULL);
        return;
    }
    set_instance_url(c, "api/token", "");
    (void)snprintf(c->header, sizeof c->header, "X-aws-ec2-metadata-token-ttl-seconds: 21600");
    ask(c, STEP_TOKEN, "PUT", true);
}

static bool take_text(const struct http_request *q, char *ret, size_t size)
{
    const int n = snprintf(ret, size, "%.*s", (int)q->answer.len, q->answer.data ? q->answer.data : "");
    ret[strcspn(ret, "\r\n")] = '\0'; /* of several roles the first */
    return n > 0 && (size_t)n < size && *ret;
}

static void next_step(struct aws_chain *c)
{
    char text[TOKEN_MAX];
    switch (c->step) {
    case STEP_TOKEN:
        if (!take_text(&c->q, text, sizeof text))
            break;
        (void)snprintf(c->header, sizeof c->header, "X-aws-ec2-metadata-token: %s", text);
        set_instance_url(c, "meta-data/iam/security-credentials/", "");
        ask(c, STEP_ROLE, "GET", true);
        return;
    case STEP_ROLE:
        if (!take_text(&c->q, text, ROLE_MAX))
            break;
        set_instance_url(c, "meta-data/iam/security-credentials/", text);
        ask(c, STEP_INSTANCE, "GET", true);
        return;
    default:
        if (aws_from_json(c->q.answer.data, c->q.answer.len, &c->credentials) < 0)
            break;
        tell(c, &c->credentials);
        return;
    }
    (void)snprintf(c->why, sizeof c->why, "no AWS credentials: the %s answers what cannot be read",
                   c->step == STEP_CONTAINER ? "container's agent" : "instance metadata service");
    aws_credentials_done(&c->credentials);
    tell(c, NULL);
}

static void chain_free(struct aws_chain *c)
{
    aws_credentials_done(&c->credentials);
    http_request_done(&c->q);
    free(c->profile);
    free(c);
}

static void answered(struct http_request *q)
{
    struct aws_chain *c = q->owner;
    char status[16];
    if (c->is_closing) {
        chain_free(c);
        return;
    }
    if (!q->error && q->status == 200) {
        next_step(c);
        return;
    }
    (void)snprintf(status, sizeof status, "HTTP %d", q->status); /* the rest of the answer may hold anything */
    (void)snprintf(c->why, sizeof c->why, "no AWS credentials: %s: %.150s",
                   c->step == STEP_CONTAINER ? "container" : "none in environment and profile; instance metadata",
                   q->error ? q->reason : status);
    tell(c, NULL);
}

/* ---- the chain ---- */

static bool is_fresh(const struct aws_credentials *c)
{
    const int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
    return aws_credentials_complete(c) && (c->expires_s == 0 || c->expires_s - EARLY_S > now_s);
}

static void begin(struct aws_chain *c)
{
    struct err e = {0};
    aws_credentials_done(&c->credentials);
    int r = aws_from_environment(&c->credentials);
    if (r == -ENOENT)
        r = aws_from_files(c->profile, &c->credentials, &e);
    if (r == 0) {
        tell(c, &c->credentials);
    } else if (r != -ENOENT) {
        (void)snprintf(c->why, sizeof c->why, "no AWS credentials: %.200s", *e.text ? e.text : "out of memory");
        tell(c, NULL);
    } else if (c->profile && *c->profile) {
        (void)snprintf(c->why, sizeof c->why, "no AWS credentials: the profile '%.100s' has none", c->profile);
        tell(c, NULL);
    } else if (!ask_container(c)) {
        ask_instance(c);
    }
}

void aws_chain_get(struct aws_chain *c, struct aws_wait *w)
{
    if (is_fresh(&c->credentials) && c->step == STEP_IDLE) {
        w->got(w, &c->credentials, "");
        return;
    }
    w->is_waiting = true;
    w->next = c->waiting;
    c->waiting = w;
    if (c->step == STEP_IDLE && !w->next)
        begin(c);
}

void aws_chain_cancel(struct aws_chain *c, struct aws_wait *w)
{
    for (struct aws_wait **at = &c->waiting; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            w->is_waiting = false;
            return;
        }
}

void aws_chain_forget(struct aws_chain *c)
{
    if (c->step == STEP_IDLE)
        aws_credentials_done(&c->credentials);
}

int aws_chain_new(struct http *http, const char *profile, struct aws_chain **ret, struct err *e)
{
    struct aws_chain *c = calloc(1, sizeof *c);
    if (c && profile && *profile)
        c->profile = strdup(profile);
    if (!c || (profile && *profile && !c->profile)) {
        free(c);
        return err_set(e, -ENOMEM, "profile: out of memory");
    }
    c->http = http;
    *ret = c;
    return 0;
}

void aws_chain_free(struct aws_chain *c)
{
    if (!c)
        return;
    CHECK(!c->waiting);
    if (c->step == STEP_IDLE) {
        chain_free(c);
        return;
    }
    c->is_closing = true;
    http_cancel(c->http, &c->q);
}
