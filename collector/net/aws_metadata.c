/* aws_metadata.c - the links of the chain that the machine itself answers: the agent of a container, and the instance
 * metadata service. */
#include "collector/net/aws_private.h"

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT_NS (2 * NS_PER_S)

enum { ROLE_MAX = 256, TOKEN_MAX = 4096, ENDPOINT_MAX = 600 };
_Static_assert(ENDPOINT_MAX + ROLE_MAX + 100 < sizeof ((struct aws_chain *)0)->url, "a path lies between them");

static void ask(struct aws_chain *c, enum aws_step step, const char *method, const char *header, const char *value)
{
    c->lines.len = 0;
    if (value && (buf_printf(&c->lines, "%s: %s", header, value) < 0 || !buf_cstr(&c->lines))) {
        aws_chain_fail(c, "out of memory", "");
        return;
    }
    c->headers[0] = c->lines.data;
    aws_chain_ask(c, step, method, value != NULL, NULL, TIMEOUT_NS);
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
        if (strncmp(url + 7, hosts[i], len) != 0)
            continue;
        const char *port = url + 7 + len, *path = *port == ':' ? port + 1 + strspn(port + 1, "0123456789") : port;
        if (*path == '/') /* and no "127.0.0.1:80@elsewhere/" */
            return true;
    }
    return false;
}

/* The file wins. Neither: ret stays empty. What it holds becomes a header. */
static int read_token(struct buf *ret, struct err *e)
{
    const char *text = env_text("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    const char *path = env_text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    int r = 0;
    if (path)
        r = aws_read_token("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, ret, e);
    else if (text && buf_append(ret, text, strlen(text) + 1) < 0)
        r = err_set(e, -ENOMEM, "out of memory");
    if (r == 0 && ret->len && strpbrk(ret->data, "\r\n"))
        r = err_set(e, -EBADMSG, "AWS_CONTAINER_AUTHORIZATION_TOKEN%s: more than one line", path ? "_FILE" : "");
    return r;
}

bool aws_ask_agent(struct aws_chain *c)
{
    const char *relative = env_text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = env_text("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    auto_buf token = {0};
    struct err e = {0};
    if (!relative && !full)
        return false;
    const int n = snprintf(c->url, sizeof c->url, "%s%s", relative ? "http://169.254.170.2" : "",
                           relative ? relative : full);
    if (n < 0 || (size_t)n >= sizeof c->url)
        aws_chain_fail(c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is too long", "");
    else if (!is_trusted(c->url))
        aws_chain_fail(c, "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor a local address", "");
    else if (read_token(&token, &e) < 0)
        aws_chain_fail(c, e.text, "");
    else
        ask(c, AWS_STEP_AGENT, "GET", "Authorization", token.len ? token.data : NULL);
    return true;
}

/* ---- instance ---- */

static const char *endpoint_of_instance(void)
{
    const char *endpoint = env_text("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    return endpoint ? endpoint : "http://169.254.169.254";
}

static void set_url(struct aws_chain *c, const char *path, const char *role)
{
    const char *endpoint = endpoint_of_instance();
    size_t len = strlen(endpoint);
    while (len && endpoint[len - 1] == '/')
        len--;
    (void)snprintf(c->url, sizeof c->url, "%.*s/latest/%s%.*s", (int)len, endpoint, path, (int)ROLE_MAX, role);
}

void aws_ask_instance(struct aws_chain *c)
{
    const char *disabled = env_text("AWS_EC2_METADATA_DISABLED");
    if (disabled && strcasecmp(disabled, "true") == 0) {
        aws_chain_fail(c, "none in the environment, in the profile or of a container, and ",
                       "AWS_EC2_METADATA_DISABLED is true");
        return;
    }
    if (strlen(endpoint_of_instance()) > ENDPOINT_MAX) {
        aws_chain_fail(c, "AWS_EC2_METADATA_SERVICE_ENDPOINT is too long", "");
        return;
    }
    set_url(c, "api/token", "");
    ask(c, AWS_STEP_TOKEN, "PUT", "X-aws-ec2-metadata-token-ttl-seconds", "21600");
}

/* ---- answers ---- */

static bool take_text(const struct http_request *q, char *ret, size_t size)
{
    const int n = snprintf(ret, size, "%.*s", (int)q->response.len, q->response.data ? q->response.data : "");
    ret[strcspn(ret, "\r\n")] = '\0'; /* of several roles the first */
    return n > 0 && (size_t)n < size && *ret;
}

bool aws_metadata_hear(struct aws_chain *c)
{
    char text[TOKEN_MAX];
    switch (c->step) {
    case AWS_STEP_TOKEN:
        if (!take_text(&c->q, text, sizeof text))
            break;
        set_url(c, "meta-data/iam/security-credentials/", "");
        ask(c, AWS_STEP_ROLE, "GET", "X-aws-ec2-metadata-token", text);
        return false;
    case AWS_STEP_ROLE:
        if (!take_text(&c->q, text, ROLE_MAX))
            break;
        set_url(c, "meta-data/iam/security-credentials/", text);
        aws_chain_ask(c, AWS_STEP_METADATA, "GET", 1, NULL, TIMEOUT_NS); /* the token is still in its header */
        return false;
    default:
        if (aws_from_json(c->q.response.data, c->q.response.len, &c->found) == 0)
            return true;
        break;
    }
    aws_chain_fail(c, c->step == AWS_STEP_AGENT ? "the container's agent" : "the instance metadata service",
                   " answers what cannot be read");
    return false;
}
