/* One connection: its socket on the reactor, its end, and how it is made. */
#include "collector/net/connect.h"
#include "collector/net/resolve.h"
#include "collector/net/tls.h"
#include "collector/sinks/postgres_conn.h"
#include "lib/base/keep.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#define CERTIFICATE_REFUSED "certificate verify failed" /* OpenSSL's words, which libpq hands on */
#define PORT_ADVICE "does PostgreSQL listen on this port, and without TLS from the first byte on?"
#define HOST_REFUSED "does not match host name"         /* its own */

static void conn_run(struct pg_conn *c);

/* ---- waiting ---- */

static void wait_arm(struct pg_wait *w);

static void on_event(struct io_req *req, int result)
{
    struct pg_wait *w = req->owner;
    struct pg_conn *c = w->conn;
    const bool is_old = w->generation != c->generation || result == -ECANCELED;
    w->is_armed = false;
    c->pool->armed--;
    if (!c->pool->is_freed && c->pg) {
        if (!is_old)
            conn_run(c);
        else if (w->is_wanted)
            wait_arm(w);
    }
    pg_pool_release(c->pool);
}

static void wait_arm(struct pg_wait *w)
{
    struct pg_conn *c = w->conn;
    w->is_armed = true;
    w->generation = c->generation;
    c->pool->armed++;
    w->req = (struct io_req){
        .op = IO_POLL, .fd = PQsocket(c->pg), .events = w->events, .done = on_event, .owner = w,
    };
    io_submit(c->pool->sink->io, &w->req);
}

/* One that is still armed for an earlier connection is armed anew when it ends. */
static void wait_for(struct pg_wait *w)
{
    w->is_wanted = true;
    if (!w->is_armed)
        wait_arm(w);
}

void pg_conn_wait_in(struct pg_conn *c) { wait_for(&c->in); }

void pg_conn_wait_out(struct pg_conn *c) { wait_for(&c->out); }

static void stop_waiting(struct pg_conn *c)
{
    c->in.is_wanted = c->out.is_wanted = false;
    if (c->in.is_armed)
        io_cancel(c->pool->sink->io, &c->in.req);
    if (c->out.is_armed)
        io_cancel(c->pool->sink->io, &c->out.req);
}

/* ---- the end ---- */

void pg_conn_close(struct pg_conn *c)
{
    resolve_cancel(c->resolve);
    c->resolve = NULL;
    stop_waiting(c);
    c->generation++;
    PQfinish(c->pg);
    c->pg = NULL;
    c->state = PG_CONN_CLOSED;
}

void pg_conn_end(struct pg_conn *c, struct sink_result *result)
{
    struct sink_request *q = c->q;
    c->q = NULL;
    c->data.len = 0;
    if (q)
        sink_request_done(c->pool->sink, q, result);
}

void pg_conn_fail(struct pg_conn *c, enum sink_outcome outcome, int status, const char *reason)
{
    struct sink_result result = { .outcome = outcome, .status = status };
    (void)snprintf(result.reason, sizeof result.reason, "%.*s", (int)strcspn(reason, "\r\n"), reason);
    pg_conn_close(c);
    pg_conn_end(c, &result);
}

/* ---- connecting ---- */

static bool says(const char *text, int len, const char *words)
{
    return memmem(text, (size_t)len, words, strlen(words)) != NULL;
}

/* Of what goes wrong before the server is known to be one. */
static const char *port_advice(const char *text, int len)
{
    static const char *const strange[] = {
        "server closed the connection unexpectedly", "could not receive data from server",
        "could not send ", "received invalid response to SSL negotiation",
        "expected authentication request from server",
    };
    static const int errors[] = { ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH };
    for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (says(text, len, strerror(errors[i])))
            return connect_advice(-errors[i]);
    for (unsigned i = 0; i < sizeof strange / sizeof strange[0]; i++)
        if (says(text, len, strange[i]))
            return PORT_ADVICE;
    return "";
}

/* libpq says that a certificate is refused, and not why; no other error of connect() than its text. ssl: of the
 * handshake, or NULL where libpq has begun and ended it in one call. */
static void fail_to_connect(struct pg_conn *c, const SSL *ssl)
{
    const char *const text = PQerrorMessage(c->pg);
    const int len = (int)strcspn(text, "\r\n");
    const bool is_refused = says(text, len, CERTIFICATE_REFUSED);
    const long why = is_refused && ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    const char *advice = tls_verify_advice(says(text, len, HOST_REFUSED) ? X509_V_ERR_HOSTNAME_MISMATCH : why);
    char reason[sizeof ((struct sink_result *)0)->reason];
    if (is_refused && why == X509_V_OK)
        advice = "has it expired, or does tls_ca_file not hold the authority that signed it?";
    if (!*advice)
        advice = port_advice(text, len);
    (void)snprintf(reason, sizeof reason, "%.*s%s%s%s%s", len, text, why != X509_V_OK ? ": " : "",
                   why != X509_V_OK ? X509_verify_cert_error_string(why) : "", *advice ? "; " : "", advice);
    pg_conn_fail(c, SINK_RETRY, 0, reason);
}

void pg_conn_late(struct pg_conn *c)
{
    const struct pg_cfg *cfg = c->pool->cfg;
    const bool is_looking = c->state == PG_CONN_RESOLVING;
    char to[120], late[200], reason[sizeof ((struct sink_result *)0)->reason];
    if (!is_looking && c->state != PG_CONN_CONNECTING) {
        pg_conn_fail(c, SINK_RETRY, 0, "no answer in time");
        return;
    }
    if (is_looking)
        (void)snprintf(to, sizeof to, "%.100s port %u", cfg->host, (unsigned)cfg->port);
    else
        (void)snprintf(to, sizeof to, "%.100s port %s", PQhost(c->pg), PQport(c->pg));
    if (!is_looking && PQstatus(c->pg) != CONNECTION_STARTED)
        (void)snprintf(reason, sizeof reason, "%s: no answer in time; " PORT_ADVICE, to);
    else
        (void)snprintf(reason, sizeof reason, "%s; %s",
                       connect_late(late, sizeof late, to, c->pool->sink->delivery.timeout_ns, "timeout"),
                       is_looking ? CONNECT_NAME_ADVICE : connect_advice(-ETIMEDOUT));
    pg_conn_fail(c, SINK_RETRY, 0, reason);
}

/* "relation exists already, skipping": libpq would print it. */
static void on_notice(void *arg, const PGresult *res)
{
    (void)arg, (void)res;
}

static void conn_connect(struct pg_conn *c)
{
    const struct pg_cfg *cfg = c->pool->cfg;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)cfg->port);
    const bool has_dsn = cfg->dsn && *cfg->dsn;
    const char *const keys[] = {
        "dbname", "host", "hostaddr", "port", "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey",
        "application_name", "client_encoding", NULL,
    };
    const char *const values[] = {
        has_dsn ? cfg->dsn : cfg->database,
        has_dsn ? NULL : *c->address ? c->hosts.data : cfg->host, *c->address ? c->address : NULL,
        has_dsn ? NULL : port, has_dsn ? NULL : cfg->user, has_dsn ? NULL : cfg->password, cfg->sslmode,
        keep_path(cfg->tls_ca_file), keep_path(cfg->tls_cert_file), keep_path(cfg->tls_key_file), "fapilog-collector",
        "UTF8", NULL,
    };
    c->pg = PQconnectStartParams(keys, values, 1);
    if (!c->pg) {
        pg_conn_fail(c, SINK_RETRY, 0, "out of memory");
        return;
    }
    if (PQstatus(c->pg) == CONNECTION_BAD) {
        fail_to_connect(c, NULL);
        return;
    }
    c->state = PG_CONN_CONNECTING;
    (void)PQsetNoticeReceiver(c->pg, on_notice, NULL);
    pg_conn_wait_out(c);
}

/* libpq tries one after the other, and wants a name for each. */
static int add_address(struct pg_conn *c, const struct addrinfo *a)
{
    const char *comma = *c->address ? "," : "";
    char text[PG_ADDRESS_BYTES];
    if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
        return 0;
    const size_t used = strlen(c->address);
    if (used + strlen(text) + sizeof "," > sizeof c->address)
        return 0;
    (void)snprintf(c->address + used, sizeof c->address - used, "%s%s", comma, text);
    const int r = buf_printf(&c->hosts, "%s%s", comma, c->pool->cfg->host);
    return r < 0 ? r : buf_cstr(&c->hosts) ? 0 : -ENOMEM;
}

static void on_resolved(void *owner, int error, const char *text, struct addrinfo *list)
{
    struct pg_conn *c = owner;
    c->resolve = NULL;
    c->hosts.len = 0;
    for (const struct addrinfo *a = list; a && error == 0; a = a->ai_next)
        error = add_address(c, a);
    if (list)
        freeaddrinfo(list);
    char reason[200];
    (void)snprintf(reason, sizeof reason, "%.100s: %s; " CONNECT_NAME_ADVICE, c->pool->cfg->host, text ? text : "");
    if (error < 0)
        pg_conn_fail(c, SINK_RETRY, 0, error == -ENOMEM ? "out of memory" : reason);
    else if (!*c->address) /* libpq would look the name up itself, and wait for it */
        pg_conn_fail(c, SINK_RETRY, 0, "none of its addresses can be written in digits");
    else
        conn_connect(c);
}

/* Names are looked up aside: libpq would wait for them. A path is a Unix socket. */
void pg_conn_open(struct pg_conn *c)
{
    const struct pg_cfg *cfg = c->pool->cfg;
    struct err e = { 0 };
    c->address[0] = '\0';
    if ((cfg->dsn && *cfg->dsn) || *cfg->host == '/') {
        conn_connect(c);
        return;
    }
    c->state = PG_CONN_RESOLVING;
    if (resolve_start(c->pool->sink->io, cfg->host, (uint16_t)cfg->port, SOCK_STREAM, on_resolved, c, &c->resolve,
                      &e) < 0)
        pg_conn_fail(c, SINK_RETRY, 0, e.text);
}

static void conn_run(struct pg_conn *c)
{
    if (c->state != PG_CONN_CONNECTING) {
        pg_job_work(c);
        return;
    }
    SSL *const ssl = PQsslStruct(c->pg, "OpenSSL"); /* from its hello on; it is gone from libpq when it has failed */
    if (ssl)
        (void)SSL_up_ref(ssl);
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING:
        stop_waiting(c);
        pg_conn_wait_in(c);
        break;
    case PGRES_POLLING_WRITING:
        stop_waiting(c);
        pg_conn_wait_out(c);
        break;
    case PGRES_POLLING_OK:
        (void)PQsetnonblocking(c->pg, 1);
        pg_setup_begin(c);
        if (c->pg)
            pg_job_work(c);
        break;
    default:
        fail_to_connect(c, ssl);
    }
    SSL_free(ssl);
}
