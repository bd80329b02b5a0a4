/* aws_chain.c - the chain itself: one fetch for all that wait, what comes of it, and how long that is good. */
#include "collector/net/aws_private.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STS_TIMEOUT_NS (10 * NS_PER_S)

static void go_on(struct aws_chain *c);

/* Of the wall, by which credentials expire. */
static int64_t now_s(void) { return (int64_t)(clock_real_ns() / NS_PER_S); }

static bool is_good_for(const struct aws_credentials *c, int64_t seconds)
{
    return aws_credentials_complete(c) && (c->expires_s == 0 || c->expires_s - seconds > now_s());
}

/* ---- the end of a fetch ---- */

static void end(struct aws_chain *c, const struct aws_credentials *found)
{
    struct aws_wait *all = c->waiting;
    c->waiting = NULL;
    c->step = AWS_STEP_IDLE;
    aws_plan_done(&c->plan);
    aws_credentials_done(&c->found);
    for (struct aws_wait *w; (w = all) != NULL;) {
        all = w->next;
        w->is_waiting = false;
        w->got(w, found, c->why);
    }
}

static void succeed(struct aws_chain *c)
{
    aws_credentials_done(&c->credentials);
    c->credentials = c->found;
    c->found = (struct aws_credentials){0};
    c->pause_until_ns = 0;
    end(c, &c->credentials);
}

void aws_chain_fail(struct aws_chain *c, const char *what, const char *why)
{
    (void)snprintf(c->why, sizeof c->why, "no AWS credentials: %s%s", what, why);
    if (is_good_for(&c->credentials, 0)) {
        c->pause_until_ns = clock_mono_ns() + AWS_PAUSE_S * NS_PER_S;
        end(c, &c->credentials);
        return;
    }
    aws_credentials_done(&c->credentials);
    end(c, NULL);
}

/* ---- requests ---- */

static void chain_free(struct aws_chain *c)
{
    aws_credentials_done(&c->credentials);
    aws_credentials_done(&c->found);
    aws_plan_done(&c->plan);
    http_request_done(&c->q);
    buf_done(&c->form);
    buf_done(&c->lines);
    free(c);
}

static void hear_sts(struct aws_chain *c)
{
    struct aws_credentials got = {0};
    if (aws_sts_credentials(c->q.response.data, c->q.response.len, &got) < 0) {
        aws_chain_fail(c, "the security token service answers what cannot be read", "");
        return;
    }
    aws_credentials_done(&c->found);
    c->found = got;
    c->role++;
    go_on(c);
}

static void refused(struct aws_chain *c)
{
    char text[260];
    const char *at = c->step == AWS_STEP_AGENT ? "container: " : "none in environment and profile; instance metadata: ";
    if (c->step == AWS_STEP_STS) {
        char what[200];
        aws_sts_explain(&c->q, text, sizeof text);
        (void)snprintf(what, sizeof what, "role %.120s: ", c->plan.role[c->role].arn);
        aws_chain_fail(c, what, text);
        return;
    }
    if (c->q.error)
        (void)snprintf(text, sizeof text, "%.150s", c->q.reason);
    else
        (void)snprintf(text, sizeof text, "HTTP %d", c->q.status); /* the rest of the answer may hold anything */
    aws_chain_fail(c, at, text);
}

static void on_response(struct http_request *q)
{
    struct aws_chain *c = q->owner;
    if (c->is_closing) {
        chain_free(c);
        return;
    }
    if (q->error || q->status != 200) {
        refused(c);
        return;
    }
    if (c->step == AWS_STEP_STS)
        hear_sts(c);
    else if (aws_metadata_hear(c))
        go_on(c);
}

void aws_chain_ask(struct aws_chain *c, enum aws_step step, const char *method, unsigned headers_count,
                   const struct http_peer *peer, uint64_t timeout_ns)
{
    static const struct http_peer direct = {.proxy = ""}; /* link-local addresses, never through a proxy */
    c->step = step;
    c->q.method = method;
    c->q.url = c->url;
    c->q.headers = c->headers;
    c->q.headers_count = headers_count;
    c->q.body = c->form.data;
    c->q.body_len = c->form.len;
    c->q.timeout_ns = timeout_ns;
    c->q.peer = peer ? peer : &direct;
    c->q.done = on_response;
    c->q.owner = c;
    http_submit(c->config.http, &c->q);
}

/* ---- roles ---- */

/* 0, or what is wrong in e. */
static int assume(struct aws_chain *c, bool by_token, struct err *e)
{
    static const struct http_peer defaults;
    auto_buf token = {0};
    unsigned headers = 1;
    int r = aws_sts_endpoint(c->config.region, c->url, e);
    if (r == 0 && by_token)
        r = aws_read_token("AWS web identity token", c->plan.token_file, &token, e);
    if (r < 0)
        return r;
    c->form.len = c->lines.len = 0;
    r = aws_sts_form(&c->plan.role[c->role], by_token ? token.data : NULL, &c->form);
    c->headers[0] = "Content-Type: application/x-www-form-urlencoded";
    if (r == 0 && !by_token) {
        r = aws_sts_sign(c->url, c->config.region, &c->found, &c->form, &c->lines);
        headers = r < 0 ? 0 : (unsigned)r;
        const char *line = c->lines.data;
        for (unsigned i = 0; i < headers; i++, line += strlen(line) + 1)
            c->headers[i] = line;
    }
    if (r < 0)
        return err_set(e, r, "out of memory");
    aws_chain_ask(c, AWS_STEP_STS, "POST", headers, c->config.peer ? c->config.peer : &defaults, STS_TIMEOUT_NS);
    return 0;
}

/* What has been found is all, or what the next role is assumed with. */
static void go_on(struct aws_chain *c)
{
    struct err e = {0};
    if (c->role == c->plan.roles_count)
        succeed(c);
    else if (assume(c, false, &e) < 0)
        aws_chain_fail(c, "", e.text);
}

/* ---- the beginning ---- */

static void on_program(void *owner, int error, const struct buf *output, const char *why)
{
    struct aws_chain *c = owner;
    c->process = NULL;
    if (error < 0)
        aws_chain_fail(c, "", why);
    else if (aws_from_json(output->data, output->len, &c->found) < 0)
        aws_chain_fail(c, "credential_process printed no JSON with AccessKeyId and SecretAccessKey", "");
    else if (!is_good_for(&c->found, 0))
        aws_chain_fail(c, "credential_process printed credentials that have expired", "");
    else
        go_on(c);
}

static void begin(struct aws_chain *c)
{
    struct err e = {0};
    int r = aws_plan_make(c->config.profile, &c->plan, &e);
    c->role = 0;
    c->form.len = 0;
    aws_credentials_done(&c->found);
    if (r < 0) {
        aws_chain_fail(c, "", e.text);
        return;
    }
    switch (c->plan.base) {
    case AWS_KEYS:
        c->found = c->plan.keys;
        c->plan.keys = (struct aws_credentials){0};
        go_on(c);
        return;
    case AWS_PROCESS:
        c->step = AWS_STEP_PROGRAM;
        r = aws_process_start(c->config.io, c->plan.process, AWS_PROCESS_TIMEOUT_S, on_program, c, &c->process, &e);
        break;
    case AWS_WEB_IDENTITY:
        r = assume(c, true, &e);
        break;
    case AWS_CONTAINER:
        if (!aws_ask_agent(c))
            r = err_set(&e, -ENOENT, "credential_source is EcsContainer, and AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is "
                                     "not set");
        break;
    case AWS_INSTANCE:
        aws_ask_instance(c);
        break;
    case AWS_ANY:
        if (!aws_ask_agent(c))
            aws_ask_instance(c);
        break;
    }
    if (r < 0)
        aws_chain_fail(c, "", e.text);
}

void aws_chain_get(struct aws_chain *c, struct aws_wait *w)
{
    const bool is_paused = clock_mono_ns() < c->pause_until_ns;
    if (c->step == AWS_STEP_IDLE && is_good_for(&c->credentials, is_paused ? 0 : AWS_EARLY_S)) {
        w->got(w, &c->credentials, "");
        return;
    }
    w->is_waiting = true;
    w->next = c->waiting;
    c->waiting = w;
    if (c->step == AWS_STEP_IDLE && !w->next)
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

void aws_chain_forget(struct aws_chain *c) { aws_credentials_done(&c->credentials); }

int aws_chain_new(const struct aws_chain_config *config, struct aws_chain **ret, struct err *e)
{
    struct aws_chain *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, -ENOMEM, "profile: out of memory");
    c->config = *config;
    *ret = c;
    return 0;
}

void aws_chain_free(struct aws_chain *c)
{
    if (!c)
        return;
    CHECK(!c->waiting);
    if (c->step == AWS_STEP_PROGRAM)
        aws_process_cancel(c->process);
    if (c->step == AWS_STEP_IDLE || c->step == AWS_STEP_PROGRAM) {
        chain_free(c);
        return;
    }
    c->is_closing = true;
    http_cancel(c->config.http, &c->q);
}
