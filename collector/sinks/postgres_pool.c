/* Connections to PostgreSQL, driven by libpq's non-blocking calls with its socket on the reactor.
 *
 *   CLOSED -> RESOLVING -> CONNECTING -> SETUP -> READY <-> job
 *
 * A job is a list of steps, one statement each; a COPY step also sends data. The first try of a request is a
 * plain binary COPY, which is one transaction. When that finds a record id that is there already, an
 * earlier try had got through after all: the rows then go through a temporary table, and those that exist are
 * left out. */
#include "collector/net/resolve.h"
#include "collector/sinks/postgres.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/keep.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

enum { STEPS_MAX = 4, PUT_BYTES = 1 << 20, ADDRESSES_MAX = 8, ADDRESS_BYTES = 64 };

enum conn_state { CLOSED, RESOLVING, CONNECTING, SETUP, READY, BUSY };

struct step {
    const char *sql;
    bool sends_data;
    bool reads_columns;
};

struct conn {
    struct pg_pool *pool;
    enum conn_state state;
    PGconn *pg;
    struct resolve *resolve;
    char address[ADDRESSES_MAX * ADDRESS_BYTES]; /* hostaddr, a list; "" for what libpq finds by itself */
    struct buf hosts;  /* as many times the host's name */
    struct sink_request *q;
    bool is_staged;    /* the job of q */
    bool has_record_id, has_event;
    uint32_t columns_found;
    char unfit[160];   /* why a column does not take what we would send; "": all do */
    struct step step[STEPS_MAX];
    unsigned steps_count, step_at;
    struct buf data;   /* of COPY */
    size_t data_at;
    bool is_data_ended;
    struct wait {
        struct io_req req;
        struct conn *conn;
        uint32_t events;
        bool is_armed;
        bool is_wanted;
        uint32_t generation; /* of the connection that it was armed for */
    } in, out;
    uint32_t generation;
};

struct pg_pool {
    struct sink *sink;
    const struct pg_cfg *cfg;
    const struct pg_state *st;
    char *copy_sql, *copy_plain_sql, *copy_staged_sql, *stage_sql, *unstage_sql;
    uint32_t *rejected; /* of the result being told: room for every entry of a request under way */
    uint32_t rejected_cap;
    bool is_freed;
    unsigned armed; /* requests of the reactor that still refer to us */
    uint32_t conns_count;
    struct conn conn[];
};

static void conn_run(struct conn *c);

static void pool_release(struct pg_pool *p)
{
    if (!p->is_freed || p->armed)
        return;
    for (uint32_t i = 0; i < p->conns_count; i++) {
        buf_done(&p->conn[i].data);
        buf_done(&p->conn[i].hosts);
    }
    free(p->copy_sql);
    free(p->copy_plain_sql);
    free(p->copy_staged_sql);
    free(p->stage_sql);
    free(p->unstage_sql);
    free(p->rejected);
    free(p);
}

/* ---- waiting ---- */

static void wait_arm(struct wait *w);

static void on_event(struct io_req *req, int result)
{
    struct wait *w = req->owner;
    struct conn *c = w->conn;
    const bool is_old = w->generation != c->generation || result == -ECANCELED;
    w->is_armed = false;
    c->pool->armed--;
    if (!c->pool->is_freed && c->pg) {
        if (!is_old)
            conn_run(c);
        else if (w->is_wanted)
            wait_arm(w);
    }
    pool_release(c->pool);
}

static void wait_arm(struct wait *w)
{
    struct conn *c = w->conn;
    w->is_armed = true;
    w->generation = c->generation;
    c->pool->armed++;
    w->req = (struct io_req){
        .op = IO_POLL, .fd = PQsocket(c->pg), .events = w->events, .done = on_event, .owner = w,
    };
    io_submit(c->pool->sink->io, &w->req);
}

/* One that is still armed for an earlier connection is armed anew when it ends. */
static void wait_for(struct wait *w)
{
    w->is_wanted = true;
    if (!w->is_armed)
        wait_arm(w);
}

static void wait_in(struct conn *c) { wait_for(&c->in); }
static void wait_out(struct conn *c) { wait_for(&c->out); }

static void stop_waiting(struct conn *c)
{
    c->in.is_wanted = c->out.is_wanted = false;
    if (c->in.is_armed)
        io_cancel(c->pool->sink->io, &c->in.req);
    if (c->out.is_armed)
        io_cancel(c->pool->sink->io, &c->out.req);
}

/* ---- the end of a request ---- */

static void conn_close(struct conn *c)
{
    resolve_cancel(c->resolve);
    c->resolve = NULL;
    stop_waiting(c);
    c->generation++;
    PQfinish(c->pg);
    c->pg = NULL;
    c->state = CLOSED;
}

static void request_end(struct conn *c, struct sink_result *result)
{
    struct sink_request *q = c->q;
    c->q = NULL;
    c->data.len = 0;
    if (q)
        sink_request_done(c->pool->sink, q, result);
}

static void fail(struct conn *c, enum sink_outcome outcome, int status, const char *reason)
{
    struct sink_result result = { .outcome = outcome, .status = status };
    (void)snprintf(result.reason, sizeof result.reason, "%.*s", (int)strcspn(reason, "\r\n"), reason);
    conn_close(c);
    request_end(c, &result);
}

static void delivered(struct conn *c)
{
    struct pg_pool *p = c->pool;
    struct sink_result result = { .outcome = SINK_DELIVERED, .rejected = p->rejected };
    for (uint32_t i = 0; i < c->q->count; i++)
        if (!pg_entry_fits(p->st, c->q->entry[i]))
            p->rejected[result.rejected_count++] = i;
    if (result.rejected_count)
        (void)snprintf(result.reason, sizeof result.reason, "spooled with other extract_fields than now");
    c->state = READY;
    request_end(c, &result);
}

/* Classes of SQLSTATE (appendix A of the manual): what another try, or somebody, can change. */
static enum sink_outcome classify(const char *state)
{
    static const char retry[][3] = { "08", "25", "40", "53", "55", "57", "58", "XX" };
    static const char refused[][3] = { "22", "23", "54" };
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++)
        if (!strncmp(state, refused[i], 2))
            return SINK_REFUSED;
    for (size_t i = 0; i < ARRAY_COUNT(retry); i++)
        if (!strncmp(state, retry[i], 2))
            return SINK_RETRY;
    return SINK_BROKEN;
}

/* Digits of a SQLSTATE as a number, letters as 10..35: 42P01 is unique as base 36. */
static int state_number(const char *state)
{
    return (int)strtol(state, NULL, 36);
}

static bool is_sent_twice(const struct conn *c, const char *state)
{
    return !strcmp(state, "23505") && c->has_record_id && !c->is_staged && c->q;
}

/* Whoever may only write is not allowed to make what is missing, nor to ask for it: the columns tell what is there. */
static bool may_not_make(const struct conn *c, const char *state)
{
    return c->state == SETUP && c->step_at == 0 && c->pool->st->setup_sql && !strcmp(state, "42501");
}

static void job_begin(struct conn *c);

/* The primary message only: detail and context quote rows. */
static void on_error(struct conn *c, const PGresult *res)
{
    char state[6], reason[256];
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *code = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    (void)snprintf(state, sizeof state, "%s", code ? code : "08006");
    (void)snprintf(reason, sizeof reason, "%s (SQLSTATE %s)", text ? text : "connection lost", state);
    if (is_sent_twice(c, state)) {
        c->is_staged = true;
        c->steps_count = 0; /* the rest of this job's results is read, then the next begins */
        return;
    }
    if (may_not_make(c, state))
        return;
    /* What fails outside a request is nothing that a record could be blamed for. */
    enum sink_outcome outcome = classify(state);
    if (c->state == SETUP && outcome == SINK_REFUSED)
        outcome = SINK_RETRY;
    fail(c, outcome, state_number(state), reason);
}

/* ---- steps ---- */

static void add_step(struct conn *c, const char *sql, bool sends_data, bool reads_columns)
{
    CHECK(c->steps_count < STEPS_MAX);
    c->step[c->steps_count++] = (struct step){ sql, sends_data, reads_columns };
}

static void step_begin(struct conn *c)
{
    c->data_at = 0;
    c->is_data_ended = false;
    if (PQsendQuery(c->pg, c->step[c->step_at].sql) != 1)
        fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
}

static void job_start(struct conn *c)
{
    c->step_at = 0;
    step_begin(c);
}

/* Before anything is sent: once the rows are there it is too late to have no memory for those that are not. */
static int reserve_rejected(struct pg_pool *p, uint32_t count)
{
    if (count <= p->rejected_cap)
        return 0;
    uint32_t *more = reallocarray(p->rejected, count, sizeof *more);
    if (!more)
        return -ENOMEM;
    p->rejected = more;
    p->rejected_cap = count;
    return 0;
}

static void job_begin(struct conn *c)
{
    struct pg_pool *p = c->pool;
    c->state = BUSY;
    c->steps_count = 0;
    c->data.len = 0;
    if (reserve_rejected(p, c->q->count) < 0 ||
        pg_copy_data(p->cfg, p->st, c->q, c->has_record_id, &c->data) < 0) {
        fail(c, SINK_RETRY, 0, "out of memory");
        return;
    }
    if (c->is_staged) {
        add_step(c, p->stage_sql, false, false);
        add_step(c, p->copy_staged_sql, true, false);
        add_step(c, p->unstage_sql, false, false);
    } else {
        add_step(c, c->has_record_id ? p->copy_sql : p->copy_plain_sql, true, false);
    }
    job_start(c);
}

static void setup_begin(struct conn *c)
{
    const struct pg_state *st = c->pool->st;
    c->state = SETUP;
    c->steps_count = 0;
    c->columns_found = 0;
    c->has_record_id = c->has_event = false;
    c->unfit[0] = '\0';
    if (st->setup_sql)
        add_step(c, st->setup_sql, false, false);
    add_step(c, st->columns_sql, false, true);
    job_start(c);
}

/* A binary COPY says no types: four letters would become a number without a word. Texts fit what is read as text:
 * texts, enumerations, types of users. */
static bool is_fit(enum pg_type type, char category)
{
    return type == PG_TIMESTAMPTZ ? category == 'D' : strchr("SEUXZ", category) != NULL;
}

static void unfit(struct conn *c, const char *name, const char *type, const char *gets)
{
    (void)snprintf(c->unfit, sizeof c->unfit, "column %s is of type %s, but it gets %s", name, type, gets);
}

/* The columns that are no extract_fields. */
static void read_own_column(struct conn *c, const char *name, const char *type)
{
    const struct pg_cfg *cfg = c->pool->cfg;
    const bool is_id = !strcmp(name, "record_id"), is_event = !strcmp(name, "event");
    c->has_record_id |= is_id;
    c->has_event |= is_event;
    if (is_id && cfg->record_id && strcmp(type, "bytea"))
        unfit(c, name, type, "bytes: bytea, or record_id=false");
    if (is_event && !strcmp(type, cfg->use_jsonb ? "json" : "jsonb"))
        unfit(c, name, type, cfg->use_jsonb ? "jsonb: use_jsonb=false" : "json: use_jsonb=true");
}

static void read_columns(struct conn *c, const PGresult *res)
{
    const struct pg_state *st = c->pool->st;
    for (int i = 0; i < PQntuples(res); i++) {
        const char *name = PQgetvalue(res, i, 0), *type = PQgetvalue(res, i, 2);
        read_own_column(c, name, type);
        for (uint32_t k = 0; k < st->columns_count; k++) {
            if (strcmp(name, st->column[k].name))
                continue;
            c->columns_found++;
            if (!is_fit(st->column[k].type, *PQgetvalue(res, i, 1)))
                unfit(c, name, type, st->column[k].type == PG_TIMESTAMPTZ ? "times: timestamptz" : "texts: text");
        }
    }
}

static void setup_end(struct conn *c)
{
    const struct pg_cfg *cfg = c->pool->cfg;
    char reason[256];
    if (!c->has_event || c->columns_found < c->pool->st->columns_count) {
        (void)snprintf(reason, sizeof reason, "table %.60s.%.60s is not there, or lacks the column event or one of "
                       "extract_fields; create_table=true makes it, where the user may", cfg->schema, cfg->table);
        fail(c, SINK_BROKEN, 0, reason);
        return;
    }
    if (*c->unfit) {
        (void)snprintf(reason, sizeof reason, "table %.60s: %.130s", cfg->table, c->unfit);
        fail(c, SINK_BROKEN, 0, reason);
        return;
    }
    c->has_record_id &= cfg->record_id;
    c->state = READY;
    if (c->q)
        job_begin(c);
}

/* All results of a step have been read. */
static void step_end(struct conn *c)
{
    if (c->steps_count == 0) { /* the same rows again, another way */
        job_begin(c);
    } else if (++c->step_at < c->steps_count) {
        step_begin(c);
    } else if (c->state == SETUP) {
        setup_end(c);
    } else {
        delivered(c);
    }
}

/* False: the socket is full. */
static bool put_data(struct conn *c)
{
    while (c->data_at < c->data.len) {
        const size_t left = c->data.len - c->data_at, n = left < PUT_BYTES ? left : PUT_BYTES;
        const int r = PQputCopyData(c->pg, c->data.data + c->data_at, (int)n);
        if (r == 0)
            return false;
        if (r < 0) {
            fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
            return false;
        }
        c->data_at += n;
    }
    if (!c->is_data_ended) {
        const int r = PQputCopyEnd(c->pg, NULL);
        if (r < 0)
            fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
        c->is_data_ended = r == 1;
        return r == 1;
    }
    return true;
}

/* One result; false: no further one can be had now, or the connection is gone. */
static bool take_result(struct conn *c)
{
    PGresult *res = PQgetResult(c->pg);
    if (!res) {
        step_end(c);
        return c->pg && c->state != READY;
    }
    bool goes_on = true;
    switch (PQresultStatus(res)) {
    case PGRES_COPY_IN:
        goes_on = c->steps_count > 0 && c->step[c->step_at].sends_data && put_data(c);
        break;
    case PGRES_TUPLES_OK:
        if (c->steps_count && c->step[c->step_at].reads_columns)
            read_columns(c, res);
        break;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        break;
    default:
        on_error(c, res);
        goes_on = c->pg != NULL;
    }
    PQclear(res);
    return goes_on;
}

static bool is_copying(const struct conn *c)
{
    return c->steps_count && c->step_at < c->steps_count && c->step[c->step_at].sends_data && !c->is_data_ended &&
           PQtransactionStatus(c->pg) == PQTRANS_ACTIVE && c->data_at > 0;
}

static void work(struct conn *c)
{
    if (PQconsumeInput(c->pg) != 1) {
        fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
        return;
    }
    if (is_copying(c) && !put_data(c) && !c->pg)
        return;
    while (c->pg && c->state != READY && !PQisBusy(c->pg) && take_result(c))
        ;
    if (!c->pg)
        return;
    const int left = PQflush(c->pg);
    if (left < 0)
        fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
    else if (left > 0 || is_copying(c))
        wait_out(c);
    if (c->pg)
        wait_in(c); /* also while idle: the server may say goodbye */
}

/* ---- connecting ---- */

/* "relation exists already, skipping": libpq would print it. */
static void on_notice(void *arg, const PGresult *res)
{
    (void)arg, (void)res;
}

static void conn_connect(struct conn *c)
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
    if (!c->pg || PQstatus(c->pg) == CONNECTION_BAD) {
        fail(c, SINK_RETRY, 0, c->pg ? PQerrorMessage(c->pg) : "out of memory");
        return;
    }
    c->state = CONNECTING;
    (void)PQsetNoticeReceiver(c->pg, on_notice, NULL);
    wait_out(c);
}

/* libpq tries one after the other, and wants a name for each. */
static int add_address(struct conn *c, const struct addrinfo *a)
{
    const char *comma = *c->address ? "," : "";
    char text[ADDRESS_BYTES];
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
    struct conn *c = owner;
    c->resolve = NULL;
    c->hosts.len = 0;
    for (const struct addrinfo *a = list; a && error == 0; a = a->ai_next)
        error = add_address(c, a);
    if (list)
        freeaddrinfo(list);
    if (error < 0)
        fail(c, SINK_RETRY, 0, error == -ENOMEM ? "out of memory" : text);
    else
        conn_connect(c);
}

/* libpq would look a name up itself, and wait for it. A path is a Unix socket. */
static void conn_open(struct conn *c)
{
    const struct pg_cfg *cfg = c->pool->cfg;
    struct err e = { 0 };
    c->address[0] = '\0';
    if ((cfg->dsn && *cfg->dsn) || *cfg->host == '/') {
        conn_connect(c);
        return;
    }
    c->state = RESOLVING;
    if (resolve_start(c->pool->sink->io, cfg->host, (uint16_t)cfg->port, SOCK_STREAM, on_resolved, c, &c->resolve,
                      &e) < 0)
        fail(c, SINK_RETRY, 0, e.text);
}

static void conn_run(struct conn *c)
{
    if (c->state != CONNECTING) {
        work(c);
        return;
    }
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING:
        stop_waiting(c);
        wait_in(c);
        break;
    case PGRES_POLLING_WRITING:
        stop_waiting(c);
        wait_out(c);
        break;
    case PGRES_POLLING_OK:
        (void)PQsetnonblocking(c->pg, 1);
        setup_begin(c);
        if (c->pg)
            work(c);
        break;
    default:
        fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
    }
}

/* ---- the pool ---- */

int pg_pool_new(struct sink *s, struct pg_pool **ret, struct err *e)
{
    const struct pg_cfg *cfg = s->cfg;
    const struct pg_state *st = s->state;
    struct pg_pool *p = calloc(1, sizeof *p + cfg->max_pool_size * sizeof p->conn[0]);
    if (!p)
        return err_set(e, -ENOMEM, "out of memory");
    p->sink = s;
    p->cfg = cfg;
    p->st = st;
    p->conns_count = (uint32_t)cfg->max_pool_size;
    for (uint32_t i = 0; i < p->conns_count; i++) {
        struct conn *c = &p->conn[i];
        c->pool = p;
        c->in.conn = c->out.conn = c;
        c->in.events = POLLIN;
        c->out.events = POLLOUT;
    }
    p->copy_sql = pg_sql_copy(cfg, st, true, false);
    p->copy_plain_sql = pg_sql_copy(cfg, st, false, false);
    p->copy_staged_sql = pg_sql_copy(cfg, st, true, true);
    p->stage_sql = pg_sql_stage(cfg, st);
    p->unstage_sql = pg_sql_unstage(cfg, st);
    *ret = p;
    if (p->copy_sql && p->copy_plain_sql && p->copy_staged_sql && p->stage_sql && p->unstage_sql)
        return 0;
    *ret = NULL;
    pg_pool_free(p);
    return err_set(e, -ENOMEM, "out of memory");
}

void pg_pool_free(struct pg_pool *p)
{
    if (!p)
        return;
    p->is_freed = true;
    for (uint32_t i = 0; i < p->conns_count; i++) {
        CHECK(!p->conn[i].q);
        conn_close(&p->conn[i]);
    }
    pool_release(p);
}

/* One that is ready, else one that must be opened. */
static struct conn *choose(struct pg_pool *p)
{
    struct conn *closed = NULL;
    for (uint32_t i = 0; i < p->conns_count; i++) {
        struct conn *c = &p->conn[i];
        if (c->state == READY && !c->q)
            return c;
        if (c->state == CLOSED && !c->q && !closed)
            closed = c;
    }
    return closed;
}

void pg_pool_send(struct pg_pool *p, struct sink_request *q)
{
    struct conn *c = choose(p);
    CHECK(c != NULL); /* limits(): as many requests as connections */
    c->q = q;
    c->is_staged = false;
    if (c->state == CLOSED) {
        conn_open(c);
    } else {
        job_begin(c);
        if (c->pg)
            work(c);
    }
}

/* The statement goes on in the server until it finds its client gone. */
void pg_pool_cancel(struct pg_pool *p, struct sink_request *q)
{
    for (uint32_t i = 0; i < p->conns_count; i++)
        if (p->conn[i].q == q)
            fail(&p->conn[i], SINK_RETRY, 0, "no answer in time");
}
