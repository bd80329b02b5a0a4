/* webhook.c - POSTs records with a signature by which the receiver knows the sender. What is signed are the
 * bytes that go out, compressed if they are, and the time of this very attempt. */
#include "collector/sinks/event.h"
#include "collector/sinks/http_send.h"
#include "collector/sinks/webhook_sign.h"
#include "lib/base/bytes_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SIGN_HMAC, SIGN_HEADER, SIGN_STANDARD };

static const struct opt_word signature_modes[] = {
    {"hmac", SIGN_HMAC}, {"header", SIGN_HEADER}, {"standard", SIGN_STANDARD}, {NULL, 0}};

struct webhook_cfg {
    struct http_options http;
    const char *secret;
    uint32_t signature_mode;
    bool envelope;
};

struct webhook_state {
    struct http_sink http;
    struct event_frame frame;
    struct webhook_key *key; /* NULL: nothing is signed */
};

static const struct opt webhook_opts[] = {
    OPT_TEXT_ALIAS_(struct webhook_cfg, http.url, "endpoint", "url", NULL, OPT_REQUIRED | OPT_URL, "URL to post to."),
    OPT_TEXT_(struct webhook_cfg, secret, "secret", NULL, OPT_SECRET, "Shared secret; without: nothing is signed."),
    OPT_WORD_(struct webhook_cfg, signature_mode, "signature_mode", "hmac", signature_modes, 0,
              "Sign as fapilog does, send the secret itself, or sign as standardwebhooks.com says."),
    HTTP_ENVELOPE_ROW(struct webhook_cfg),
    HTTP_OPTION_ROWS(struct webhook_cfg, http),
    OPT_END,
};

static bool has_secret(const struct webhook_cfg *c) { return c->secret != NULL; }

static int webhook_from_uri(void *cfg, const struct uri *u, struct err *e)
{
    return http_options_from_uri(&((struct webhook_cfg *)cfg)->http, u, "endpoint", e);
}

/* *ret stays NULL where nothing is signed with it. */
static int make_key(const struct webhook_cfg *c, struct webhook_key **ret, struct err *e)
{
    if (!has_secret(c) || c->signature_mode == SIGN_HEADER)
        return 0;
    return webhook_key_new(c->secret, c->signature_mode == SIGN_STANDARD, ret, e);
}

static int webhook_check(void *cfg, struct err *e)
{
    struct webhook_cfg *c = cfg;
    if (c->secret && !*c->secret) /* from an empty file or variable: signatures are wanted */
        return err_set(e, -EINVAL, "secret: is empty; leave the option out to sign nothing");
    if (c->signature_mode != SIGN_HMAC && !has_secret(c))
        return err_set(e, -EINVAL, "signature_mode: needs secret");
    if (has_secret(c) && strlen(c->secret) > WEBHOOK_SECRET_MAX)
        return err_set(e, -E2BIG, "secret: longer than %d bytes", WEBHOOK_SECRET_MAX);
    if (c->signature_mode == SIGN_HEADER && strpbrk(c->secret, "\r\n"))
        return err_set(e, -EINVAL, "secret: a line end cannot be sent in a header");
    struct webhook_key *tried = NULL;
    const int r = make_key(c, &tried, e);
    webhook_key_free(tried);
    return r < 0 ? r : http_options_check(&c->http, "endpoint", e);
}

static int webhook_format_check(const void *cfg, const struct format_ops *f, struct err *e)
{
    (void)cfg;
    return f->is_lines && format_is_json(f) ? 0 : err_set(e, -EINVAL, "format: '%s' is no JSON in lines", f->name);
}

static int webhook_open(struct sink *s, struct err *e)
{
    struct webhook_cfg *c = s->cfg;
    struct webhook_state *st = s->state;
    st->frame = (struct event_frame){.separator = ',', .is_envelope = c->envelope};
    const int r = make_key(c, &st->key, e);
    return r < 0 ? r : http_sink_open(&st->http, s, &c->http, e);
}

static int webhook_close(struct sink *s, struct err *e)
{
    struct webhook_state *st = s->state;
    (void)e;
    http_sink_close(&st->http);
    webhook_key_free(st->key);
    *st = (struct webhook_state){0};
    return 0;
}

/* ---- signatures ---- */

static int sign_hmac(struct http_send *m, struct webhook_key *key)
{
    char prefix[32], hex[2 * WEBHOOK_MAC_BYTES];
    uint8_t mac[WEBHOOK_MAC_BYTES];
    const int64_t now = time(NULL);
    const int n = snprintf(prefix, sizeof prefix, "%" PRId64 ".", now);
    if (webhook_sign(key, prefix, (size_t)n, m->q.body, m->q.body_len, mac) < 0)
        return -ENOMEM;
    (void)hex_write(mac, sizeof mac, hex);
    http_send_header(m, "X-Fapilog-Timestamp: %" PRId64, now);
    http_send_header(m, "X-Fapilog-Signature-256: sha256=%.*s", (int)sizeof hex, hex);
    return 0;
}

static int sign_standard(struct http_send *m, struct webhook_key *key, const char *id)
{
    char prefix[ENTRY_ID_MAX + 40], text[BASE64_SIZE(WEBHOOK_MAC_BYTES)];
    uint8_t mac[WEBHOOK_MAC_BYTES];
    const int64_t now = time(NULL);
    const int n = snprintf(prefix, sizeof prefix, "msg_%s.%" PRId64 ".", id, now);
    if (webhook_sign(key, prefix, (size_t)n, m->q.body, m->q.body_len, mac) < 0)
        return -ENOMEM;
    (void)base64_write(mac, sizeof mac, text);
    http_send_header(m, "webhook-id: msg_%s", id);
    http_send_header(m, "webhook-timestamp: %" PRId64, now);
    http_send_header(m, "webhook-signature: v1,%.*s", (int)sizeof text, text);
    return 0;
}

/* What is sent unsigned would be refused, or worse, taken. */
static int sign(struct http_send *m, const struct webhook_cfg *c, struct webhook_key *key, const char *id)
{
    if (c->signature_mode == SIGN_HEADER)
        http_send_header(m, "X-Webhook-Secret: %s", c->secret);
    if (!key)
        return 0;
    return c->signature_mode == SIGN_HMAC ? sign_hmac(m, key) : sign_standard(m, key, id);
}

static void webhook_send(struct sink *s, struct sink_request *r)
{
    const struct webhook_cfg *c = s->cfg;
    struct webhook_state *st = s->state;
    char id[ENTRY_ID_MAX];
    struct event_frame frame = st->frame;
    /* The option may change while records wait: more than one are of a time when batches were larger. */
    if (s->delivery.batch_size > 1 || r->count > 1) {
        frame.opening = (struct fapilog_text){"[", 1};
        frame.closing = (struct fapilog_text){"]", 1};
    }
    struct http_send *m = http_send_new(&st->http, s, r, events_bound(r, &frame));
    if (!m)
        return;
    m->body.len = (size_t)(events_write(r, &frame, m->body.data) - m->body.data);
    http_send_header(m, "Content-Type: application/json");
    if (!http_send_encode(m, c->http.compression))
        return;
    http_send_id(r, id);
    http_send_header(m, "Idempotency-Key: %s", id);
    if (sign(m, c, st->key, id) < 0)
        http_send_fail(m, SINK_RETRY, "the signature: out of memory");
    else
        http_send_start(m, c->http.url);
}

static const struct sink_remote_ops webhook_remote = {
    .limits = http_send_no_limits,
    .send = webhook_send,
    .cancel = http_send_cancel,
};

static const char *const aliases[] = {"webhook+http", "webhook+https", NULL};
static const struct sink_default defaults[] = {
    {"batch_size", "1"}, {"batch_interval", "5s"}, {"timeout", "5s"}, {NULL, NULL}};

static const struct sink_derived derived[] = {HTTP_REQUEST_DERIVED("endpoint"), HTTP_PEER_DERIVED, {NULL, NULL}};

static const char *const env_prefixes[] = {"FAPILOG_WEBHOOK__", NULL};

const struct sink_ops sink_webhook = {
    .abi = SINK_ABI,
    .scheme = "webhook",
    .aliases = aliases,
    .env_prefixes = env_prefixes,
    .defaults = defaults,
    .derived = derived,
    .summary = "POSTs records as JSON with a signature (HMAC-SHA256).",
    .format_default = "fapilog", .format_check = webhook_format_check,
    .opts = webhook_opts,
    .cfg_size = sizeof(struct webhook_cfg),
    .state_size = sizeof(struct webhook_state),
    .check = webhook_check,
    .from_uri = webhook_from_uri,
    .remote = &webhook_remote,
    .open = webhook_open,
    .close = webhook_close,
};
