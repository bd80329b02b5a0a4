/* cloudwatch.c - puts records into Amazon CloudWatch Logs. A request is a put; where group or stream is
 * missing, they are made and the put is repeated, all within the one request of the core. */
#include "collector/sinks/cloudwatch.h"
#include "collector/net/aws.h"
#include "collector/net/sigv4.h"
#include "collector/sinks/event.h"
#include "collector/sinks/http_send.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_NS (24 * 3600 * NS_PER_S)

struct cloudwatch_cfg {
    struct http_options http;
    const char *log_group_name, *log_stream_name;
    const char *region, *profile;
    bool create_log_group, create_log_stream;
    uint64_t max_event_bytes;
    bool envelope;
};

struct cloudwatch_state {
    struct http_sink http;
    struct aws_chain *chain;
    char stream[CLOUDWATCH_NAME_MAX + 1];
    char host[256], path[512]; /* of the endpoint, as signed */
    char token[CLOUDWATCH_TOKEN_MAX]; /* of old or emulated services, which want the last one */
};

enum step { STEP_PUT, STEP_GROUP, STEP_STREAM };

/* A request on its way. */
struct steps {
    struct aws_wait wait; /* first */
    struct http_send *send;
    enum step step;
    unsigned creations, refreshes, tokens; /* each is done once at most */
};

static const struct opt cloudwatch_opts[] = {
    OPT_TEXT_(struct cloudwatch_cfg, log_group_name, "log_group_name", "/fapilog/default", 0, "Log group."),
    OPT_TEXT_(struct cloudwatch_cfg, log_stream_name, "log_stream_name", NULL, 0,
              "Log stream; without: the host's name and the time of the start."),
    OPT_TEXT_(struct cloudwatch_cfg, region, "region", NULL, 0,
              "Region; without: AWS_REGION, AWS_DEFAULT_REGION, the profile's."),
    OPT_TEXT_(struct cloudwatch_cfg, profile, "profile", NULL, 0,
              "Profile in the shared files; without: what AWS tools would take, AWS_PROFILE included."),
    OPT_BOOL_(struct cloudwatch_cfg, create_log_group, "create_log_group", "true", 0, "Make the group when missing."),
    OPT_BOOL_(struct cloudwatch_cfg, create_log_stream, "create_log_stream", "true", 0,
              "Make the stream when missing."),
    OPT_TEXT_ALIAS_(struct cloudwatch_cfg, http.url, "endpoint_url", "url", NULL, OPT_URL,
                    "Endpoint; without: that of the region."),
    OPT_NUM_(OPT_SIZE, struct cloudwatch_cfg, max_event_bytes, "max_event_bytes", "1048550", 1024, 1048550, 0,
             "A longer record is a dead letter."),
    HTTP_ENVELOPE_ROW(struct cloudwatch_cfg),
    HTTP_PEER_ROWS(struct cloudwatch_cfg, http),
    OPT_END,
};

/* ---- options ---- */

static int set_text(const char **at, const char *value, size_t len)
{
    char *copy = strndup(value, len);
    if (!copy)
        return -ENOMEM;
    free((char *)*at);
    *at = copy;
    return 0;
}

/* cloudwatch://REGION/GROUP/STREAM; what stands before the last slash is the group. */
static int cloudwatch_from_uri(void *cfg, const struct uri *u, struct err *e)
{
    struct cloudwatch_cfg *c = cfg;
    const char *path = u->path + (*u->path == '/'), *slash = strrchr(path, '/');
    int r = 0;
    if (u->user || u->port || u->fragment)
        return err_set(e, -EINVAL, "URI: only cloudwatch://REGION/GROUP/STREAM has a meaning here; credentials come "
                                   "from where AWS tools look for them");
    if (u->host && *u->host)
        r = set_text(&c->region, u->host, strlen(u->host));
    if (r == 0 && *path)
        r = set_text(&c->log_group_name, path, slash ? (size_t)(slash - path) : strlen(path));
    if (r == 0 && slash && slash[1])
        r = set_text(&c->log_stream_name, slash + 1, strlen(slash + 1));
    return r < 0 ? err_set(e, r, "URI: out of memory") : 0;
}

static bool is_group_name(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_-/.#", *p))
            return false;
    return *name && strlen(name) <= CLOUDWATCH_NAME_MAX;
}

static int check_names(const struct cloudwatch_cfg *c, struct err *e)
{
    if (!is_group_name(c->log_group_name))
        return err_set(e, -EINVAL, "log_group_name: '%.100s'; allowed are 1 to %d letters, digits and _-/.#",
                       c->log_group_name, CLOUDWATCH_NAME_MAX);
    if (c->log_stream_name && (strlen(c->log_stream_name) > CLOUDWATCH_NAME_MAX || strpbrk(c->log_stream_name, ":*")))
        return err_set(e, -EINVAL, "log_stream_name: '%.100s' has a ':' or '*' or is longer than %d bytes",
                       c->log_stream_name, CLOUDWATCH_NAME_MAX);
    for (const char *p = c->region; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-')
            return err_set(e, -EINVAL, "region: '%.100s' is none", c->region);
    return 0;
}

static int cloudwatch_check(void *cfg, struct err *e)
{
    struct cloudwatch_cfg *c = cfg;
    char url[200];
    if (!c->region || !*c->region) {
        char *region = aws_region(c->profile);
        free((char *)c->region);
        c->region = region;
        if (!region)
            return err_set(e, -EINVAL, "region: required; for example eu-central-1, or set AWS_REGION");
    }
    int r = check_names(c, e);
    if (r < 0)
        return r;
    if (!c->http.url || !*c->http.url) {
        (void)snprintf(url, sizeof url, "https://logs.%.100s.amazonaws.com%s", c->region,
                       strncmp(c->region, "cn-", 3) == 0 ? ".cn" : "");
        r = set_text(&c->http.url, url, strlen(url));
    }
    return r < 0 ? err_set(e, r, "endpoint_url: out of memory") : http_options_check(&c->http, "endpoint_url", e);
}

/* ---- life ---- */

/* As curl will send them: a port that goes without saying is left out. */
static int split_endpoint(struct cloudwatch_state *st, const char *url, struct err *e)
{
    const char *host = strstr(url, "://") + 3;
    size_t len = strcspn(host, "/?#");
    const char *path = host + len;
    const char *port = strncmp(url, "https", 5) == 0 ? ":443" : ":80";
    const size_t port_len = strlen(port);
    if (len >= sizeof st->host || strlen(path) >= sizeof st->path || strpbrk(path, "?#"))
        return err_set(e, -EINVAL, "endpoint_url: too long, or with a query");
    if (len > port_len && strncmp(host + len - port_len, port, port_len) == 0)
        len -= port_len;
    (void)snprintf(st->host, sizeof st->host, "%.*s", (int)len, host);
    (void)snprintf(st->path, sizeof st->path, "%s", *path ? path : "/");
    return 0;
}

static int cloudwatch_open(struct sink *s, struct err *e)
{
    const struct cloudwatch_cfg *c = s->cfg;
    struct cloudwatch_state *st = s->state;
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    if (c->log_stream_name && *c->log_stream_name)
        (void)snprintf(st->stream, sizeof st->stream, "%s", c->log_stream_name);
    else
        (void)snprintf(st->stream, sizeof st->stream, "%s-%llu", host,
                       clock_real_ns() / NS_PER_MS);
    int r = split_endpoint(st, c->http.url, e);
    if (r == 0)
        r = http_sink_open(&st->http, s, &c->http, e);
    const struct aws_chain_config chain = {.io = s->io, .http = st->http.engine, .profile = c->profile,
                                           .region = c->region, .peer = &st->http.peer};
    return r < 0 ? r : aws_chain_new(&chain, &st->chain, e);
}

static int cloudwatch_close(struct sink *s, struct err *e)
{
    struct cloudwatch_state *st = s->state;
    (void)e;
    aws_chain_free(st->chain);
    st->chain = NULL;
    http_sink_close(&st->http);
    return 0;
}

static void cloudwatch_limits(struct sink *s, struct sink_limits *ret)
{
    const struct cloudwatch_cfg *c = s->cfg;
    *ret = (struct sink_limits){
        .records = CLOUDWATCH_EVENTS_MAX, .bytes = CLOUDWATCH_BYTES_MAX, .entry_overhead = CLOUDWATCH_EVENT_OVERHEAD,
        .entry_bytes = (uint32_t)c->max_event_bytes, .span_ns = DAY_NS,
    };
}

static size_t cloudwatch_encode_bound(struct sink *s, const struct fapilog_record *r)
{
    return s->format->ops->bound(s->format, r);
}

/* The payload is exactly what the service counts. */
static char *cloudwatch_encode(struct sink *s, const struct fapilog_record *r, char *out, uint16_t *ret_group_len,
                               uint16_t *ret_meta_len)
{
    const struct cloudwatch_cfg *c = s->cfg;
    char *const end = s->format->ops->write(s->format, r, out) - 1; /* without the line feed */
    *ret_group_len = *ret_meta_len = 0;
    return event_unwrap(out, end, c->envelope);
}

/* ---- requests ---- */

static int sign(struct http_send *m, const struct aws_credentials *credentials, const char *target)
{
    const struct cloudwatch_cfg *c = m->sink->cfg;
    const struct cloudwatch_state *st = m->sink->state;
    char stamp[SIGV4_STAMP_SIZE];
    auto_buf text = {0};
    struct sigv4_header headers[5] = {
        {"content-type", "application/x-amz-json-1.1"}, {"host", st->host}, {"x-amz-date", stamp}};
    unsigned n = 3;
    sigv4_stamp((int64_t)(clock_real_ns() / NS_PER_S), stamp);
    if (credentials->token)
        headers[n++] = (struct sigv4_header){"x-amz-security-token", credentials->token};
    headers[n++] = (struct sigv4_header){"x-amz-target", target};
    const struct sigv4 what = {
        .key_id = credentials->key_id, .secret = credentials->secret, .region = c->region, .service = "logs",
        .stamp = stamp, .method = "POST", .path = st->path, .query = "", .header = headers, .headers_count = n,
        .payload = m->q.body, .payload_len = m->q.body_len};
    if (sigv4_authorization(&what, &text) < 0 || !buf_cstr(&text))
        return -ENOMEM;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(headers[i].name, "host") != 0)
            http_send_header(m, "%s: %s", headers[i].name, headers[i].value);
    http_send_header(m, "Authorization: %s", text.data);
    return 0;
}

static int write_body(struct http_send *m, enum step step)
{
    const struct cloudwatch_cfg *c = m->sink->cfg;
    const struct cloudwatch_state *st = m->sink->state;
    switch (step) {
    case STEP_PUT:
        return cloudwatch_put(m->request, m->indices, c->log_group_name, st->stream, st->token, &m->body);
    case STEP_GROUP:
        return cloudwatch_create_group(c->log_group_name, &m->body);
    case STEP_STREAM:
        return cloudwatch_create_stream(c->log_group_name, st->stream, &m->body);
    }
    return -EINVAL;
}

static void on_credentials(struct aws_wait *w, const struct aws_credentials *credentials, const char *why)
{
    static const char *const targets[] = {
        [STEP_PUT] = "Logs_20140328.PutLogEvents", [STEP_GROUP] = "Logs_20140328.CreateLogGroup",
        [STEP_STREAM] = "Logs_20140328.CreateLogStream"};
    const struct steps *t = w->owner;
    struct http_send *m = t->send;
    const struct cloudwatch_cfg *c = m->sink->cfg;
    if (!credentials) {
        http_send_fail(m, SINK_BROKEN, why);
        return;
    }
    http_send_clear(m);
    int r = write_body(m, t->step);
    m->q.body = m->body.data;
    m->q.body_len = m->body.len;
    if (r == 0)
        r = sign(m, credentials, targets[t->step]);
    if (r < 0)
        http_send_fail(m, SINK_RETRY, "out of memory");
    else
        http_send_start(m, c->http.url);
}

static bool go(struct http_send *m, enum step step)
{
    struct cloudwatch_state *st = m->sink->state;
    struct steps *t = m->steps;
    t->step = step;
    t->wait.got = on_credentials;
    t->wait.owner = t;
    aws_chain_get(st->chain, &t->wait);
    return true;
}

/* What is missing is made once; group and stream are looked for only when a put has failed. */
static bool make_missing(struct http_send *m, struct sink_result *result)
{
    const struct cloudwatch_cfg *c = m->sink->cfg;
    struct steps *t = m->steps;
    if (t->creations++) {
        result->outcome = SINK_RETRY; /* made just now: it takes the service a moment */
        return false;
    }
    if (c->create_log_group)
        return go(m, STEP_GROUP);
    if (c->create_log_stream)
        return go(m, STEP_STREAM);
    result->outcome = SINK_BROKEN;
    return false;
}

static void take_rejected(struct http_send *m, struct sink_result *result)
{
    const uint32_t count = m->request->count;
    uint32_t *rejected = m->indices + count;
    result->outcome = SINK_DELIVERED;
    if (m->q.status != 200)
        return;
    result->rejected_count = cloudwatch_rejected(&m->q, m->indices, count, rejected);
    result->rejected = rejected;
    if (result->rejected_count)
        (void)snprintf(result->reason, sizeof result->reason, "too old, too new or expired for CloudWatch Logs");
}

static bool on_put(struct http_send *m, struct sink_result *result, enum cloudwatch_verdict verdict, const char *token)
{
    struct cloudwatch_state *st = m->sink->state;
    struct steps *t = m->steps;
    switch (verdict) {
    case CLOUDWATCH_DONE:
        take_rejected(m, result);
        return false;
    case CLOUDWATCH_MISSING:
        return make_missing(m, result);
    case CLOUDWATCH_TOKEN:
        result->outcome = SINK_RETRY;
        (void)snprintf(st->token, sizeof st->token, "%s", token);
        return t->tokens++ == 0 && go(m, STEP_PUT);
    case CLOUDWATCH_REFUSED:
        result->outcome = SINK_REFUSED;
        return false;
    default:
        result->outcome = verdict == CLOUDWATCH_LATER ? SINK_RETRY : SINK_BROKEN;
        return false;
    }
}

static bool on_creation(struct http_send *m, struct sink_result *result, enum cloudwatch_verdict verdict)
{
    const struct cloudwatch_cfg *c = m->sink->cfg;
    struct steps *t = m->steps;
    const bool is_there = verdict == CLOUDWATCH_DONE || verdict == CLOUDWATCH_EXISTS;
    /* Who may not make the group may still make a stream in it. */
    if (t->step == STEP_GROUP && (is_there || verdict == CLOUDWATCH_DENIED))
        return go(m, c->create_log_stream ? STEP_STREAM : STEP_PUT);
    if (is_there)
        return go(m, STEP_PUT);
    result->outcome = verdict == CLOUDWATCH_LATER ? SINK_RETRY : SINK_BROKEN;
    return false;
}

static bool on_response(struct http_send *m, struct sink_result *result)
{
    struct cloudwatch_state *st = m->sink->state;
    struct steps *t = m->steps;
    char token[CLOUDWATCH_TOKEN_MAX] = "";
    const enum cloudwatch_verdict verdict = cloudwatch_judge(&m->q, token);
    if (verdict == CLOUDWATCH_EXPIRED || verdict == CLOUDWATCH_DENIED)
        aws_chain_forget(st->chain); /* files may hold others by now */
    if (verdict == CLOUDWATCH_EXPIRED && t->refreshes++ == 0)
        return go(m, t->step);
    return t->step == STEP_PUT ? on_put(m, result, verdict, token) : on_creation(m, result, verdict);
}

static void cloudwatch_send(struct sink *s, struct sink_request *r)
{
    struct cloudwatch_state *st = s->state;
    struct http_send *m = http_send_new(&st->http, s, r, r->bytes + 64 * (size_t)r->count + 1024);
    if (!m)
        return;
    if (!m->steps)
        m->steps = malloc(sizeof(struct steps));
    m->indices = calloc(2 * (size_t)r->count, sizeof *m->indices);
    if (!m->steps || !m->indices) {
        http_send_fail(m, SINK_RETRY, "out of memory");
        return;
    }
    *(struct steps *)m->steps = (struct steps){.send = m};
    cloudwatch_order(r, m->indices);
    m->on_response = on_response;
    (void)go(m, STEP_PUT);
}

static void cloudwatch_cancel(struct sink *s, struct sink_request *r)
{
    struct cloudwatch_state *st = s->state;
    struct http_send *m = r->work;
    struct steps *t = m ? m->steps : NULL;
    if (!t || !t->wait.is_waiting) {
        http_send_cancel(s, r);
        return;
    }
    aws_chain_cancel(st->chain, &t->wait);
    http_send_fail(m, SINK_RETRY, "cancelled while waiting for AWS credentials");
}

static const struct sink_remote_ops cloudwatch_remote = {
    .encode_bound = cloudwatch_encode_bound,
    .encode = cloudwatch_encode,
    .limits = cloudwatch_limits,
    .send = cloudwatch_send,
    .cancel = cloudwatch_cancel,
};

static const char *const aliases[] = {"cloud_watch", NULL};
static const char *const env_prefixes[] = {"FAPILOG_CLOUDWATCH__", NULL};
static const struct sink_default defaults[] = {{"batch_size", "100"}, {"batch_interval", "5s"}, {NULL, NULL}};

static const struct sink_derived derived[] = {HTTP_PEER_DERIVED, {NULL, NULL}};

const struct sink_ops sink_cloudwatch = {
    .abi = SINK_ABI,
    .scheme = "cloudwatch",
    .aliases = aliases,
    .env_prefixes = env_prefixes,
    .defaults = defaults,
    .derived = derived,
    .summary = "Puts records into Amazon CloudWatch Logs.",
    .format_default = "fapilog", .format_check = sink_needs_lines,
    .opts = cloudwatch_opts,
    .cfg_size = sizeof(struct cloudwatch_cfg),
    .state_size = sizeof(struct cloudwatch_state),
    .check = cloudwatch_check,
    .from_uri = cloudwatch_from_uri,
    .remote = &cloudwatch_remote,
    .open = cloudwatch_open,
    .close = cloudwatch_close,
};
