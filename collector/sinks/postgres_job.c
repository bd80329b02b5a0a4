/* What goes through a connection: a list of steps, one statement each; a COPY step also sends data. */
#include "collector/sinks/postgres_conn.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PUT_BYTES = 1 << 20 }; /* of COPY data, handed to libpq at once */
enum { ROWS_MAX = 2000 }; /* of an answer: a table has 1600 columns at most, and nothing else is asked for */
enum { COLUMN_NAME, COLUMN_CATEGORY, COLUMN_TYPE, COLUMN_IS_UNIQUE, COLUMN_PARTS }; /* of pg_sql_columns() */

/* ---- how it ends ---- */

static void delivered(struct pg_conn *c)
{
    struct pg_pool *p = c->pool;
    struct sink_result result = { .outcome = SINK_DELIVERED, .rejected = p->rejected };
    for (uint32_t i = 0; i < c->q->count; i++)
        if (!pg_entry_fits(p->st, c->q->entry[i]))
            p->rejected[result.rejected_count++] = i;
    if (result.rejected_count)
        (void)snprintf(result.reason, sizeof result.reason, "spooled with other extract_fields than now");
    c->state = PG_CONN_READY;
    pg_conn_end(c, &result);
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

static bool is_sent_twice(const struct pg_conn *c, const char *state)
{
    return !strcmp(state, "23505") && c->has_record_id && !c->is_staged && c->q;
}

/* Whoever may only write is not allowed to make what is missing, nor to ask for it: the columns tell what is there. */
static bool may_not_make(const struct pg_conn *c, const char *state)
{
    return c->state == PG_CONN_SETUP && c->step_at == 0 && c->pool->st->setup_sql && !strcmp(state, "42501");
}

/* The primary message only: detail and context quote rows. */
static void on_error(struct pg_conn *c, const PGresult *res)
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
    if (c->state == PG_CONN_SETUP && outcome == SINK_REFUSED)
        outcome = SINK_RETRY;
    pg_conn_fail(c, outcome, state_number(state), reason);
}

/* ---- steps ---- */

static void add_step(struct pg_conn *c, const char *sql, bool sends_data, bool reads_columns)
{
    CHECK(c->steps_count < PG_STEPS_MAX);
    c->step[c->steps_count++] = (struct pg_step){ sql, sends_data, reads_columns };
}

static void step_begin(struct pg_conn *c)
{
    c->data_at = 0;
    c->is_data_ended = false;
    c->rows = 0;
    if (PQsendQuery(c->pg, c->step[c->step_at].sql) != 1)
        pg_conn_fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
    else
        (void)PQsetSingleRowMode(c->pg); /* libpq would keep all rows of an answer, however many they are */
}

static void steps_begin(struct pg_conn *c)
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

void pg_job_begin(struct pg_conn *c)
{
    struct pg_pool *p = c->pool;
    c->state = PG_CONN_BUSY;
    c->steps_count = 0;
    c->data.len = 0;
    if (reserve_rejected(p, c->q->count) < 0 ||
        pg_copy_data(p->cfg, p->st, c->q, c->has_record_id, &c->data) < 0) {
        pg_conn_fail(c, SINK_RETRY, 0, "out of memory");
        return;
    }
    if (c->is_staged) {
        add_step(c, p->stage_sql, false, false);
        add_step(c, p->copy_staged_sql, true, false);
        add_step(c, p->unstage_sql, false, false);
    } else {
        add_step(c, c->has_record_id ? p->copy_sql : p->copy_plain_sql, true, false);
    }
    steps_begin(c);
}

void pg_setup_begin(struct pg_conn *c)
{
    const struct pg_state *st = c->pool->st;
    c->state = PG_CONN_SETUP;
    c->steps_count = 0;
    c->columns_found = 0;
    c->has_table = c->has_record_id = c->has_event = c->is_id_unique = false;
    c->unfit[0] = '\0';
    if (st->setup_sql)
        add_step(c, st->setup_sql, false, false);
    add_step(c, st->columns_sql, false, true);
    steps_begin(c);
}

/* ---- the table ---- */

/* A binary COPY says no types: four letters would become a number without a word. Texts fit what is read as text:
 * texts, enumerations, types of users. */
static bool is_fit(enum pg_type type, char category)
{
    return type == PG_TIMESTAMPTZ ? category == 'D' : strchr("SEUXZ", category) != NULL;
}

static void unfit(struct pg_conn *c, const char *name, const char *type, const char *gets)
{
    (void)snprintf(c->unfit, sizeof c->unfit, "column %s is of type %s, but it gets %s", name, type, gets);
}

/* The columns that are no extract_fields. */
static void read_own_column(struct pg_conn *c, const char *name, const char *type, bool is_unique)
{
    const struct pg_cfg *cfg = c->pool->cfg;
    const bool is_id = !strcmp(name, "record_id"), is_event = !strcmp(name, "event");
    c->has_record_id |= is_id;
    c->is_id_unique |= is_id && is_unique;
    c->has_event |= is_event;
    if (is_id && cfg->record_id && strcmp(type, "bytea"))
        unfit(c, name, type, "bytes: bytea, or record_id=false");
    if (is_event && !strcmp(type, cfg->use_jsonb ? "json" : "jsonb"))
        unfit(c, name, type, cfg->use_jsonb ? "jsonb: use_jsonb=false" : "json: use_jsonb=true");
}

static void answers_something_else(struct pg_conn *c)
{
    pg_conn_fail(c, SINK_RETRY, 0, "the server answers something else than it was asked");
}

static void read_columns(struct pg_conn *c, const PGresult *res)
{
    const struct pg_state *st = c->pool->st;
    if (PQnfields(res) < COLUMN_PARTS) {
        answers_something_else(c);
        return;
    }
    c->has_table |= PQntuples(res) > 0;
    for (int i = 0; i < PQntuples(res); i++) {
        const char *name = PQgetvalue(res, i, COLUMN_NAME), *type = PQgetvalue(res, i, COLUMN_TYPE);
        read_own_column(c, name, type, *PQgetvalue(res, i, COLUMN_IS_UNIQUE) == 't');
        for (uint32_t k = 0; k < st->columns_count; k++) {
            if (strcmp(name, st->column[k].name))
                continue;
            c->columns_found |= UINT32_C(1) << k;
            if (!is_fit(st->column[k].type, *PQgetvalue(res, i, COLUMN_CATEGORY)))
                unfit(c, name, type, st->column[k].type == PG_TIMESTAMPTZ ? "times: timestamptz" : "texts: text");
        }
    }
}

/* The first that is wanted and not there; NULL: all are. */
static const char *missing_column(const struct pg_conn *c)
{
    const struct pg_state *st = c->pool->st;
    if (!c->has_event)
        return "event";
    for (uint32_t k = 0; k < st->columns_count; k++)
        if (!(c->columns_found >> k & 1))
            return st->column[k].name;
    return NULL;
}

/* Nothing would refuse a record that is sent again. */
static void tell_not_unique(struct pg_conn *c)
{
    struct pg_pool *p = c->pool;
    struct err e = { 0 };
    if (!c->has_record_id || c->is_id_unique || p->was_told_not_unique || !p->sink->warn)
        return;
    p->was_told_not_unique = true;
    (void)err_set(&e, -ENOKEY, "table %.60s.%.60s has no unique index over record_id alone: a record that is sent "
                  "again is there twice; make one (CREATE UNIQUE INDEX), or say record_id=false", p->cfg->schema,
                  p->cfg->table);
    p->sink->warn(p->sink, &e);
}

static void setup_end(struct pg_conn *c)
{
    const struct pg_cfg *cfg = c->pool->cfg;
    const char *missing = missing_column(c);
    char reason[256];
    if (missing && !c->has_table)
        (void)snprintf(reason, sizeof reason, "table %.60s.%.60s is not there; create_table=true makes it, where the "
                       "user may", cfg->schema, cfg->table);
    else if (missing)
        (void)snprintf(reason, sizeof reason, "table %.60s.%.60s has no column %.60s; add it%s", cfg->schema,
                       cfg->table, missing, strcmp(missing, "event") && strcmp(missing, "timestamp")
                       ? ", or take it out of extract_fields" : "");
    if (missing) {
        pg_conn_fail(c, SINK_BROKEN, 0, reason);
        return;
    }
    if (*c->unfit) {
        (void)snprintf(reason, sizeof reason, "table %.60s: %.130s", cfg->table, c->unfit);
        pg_conn_fail(c, SINK_BROKEN, 0, reason);
        return;
    }
    c->has_record_id &= cfg->record_id;
    tell_not_unique(c);
    c->state = PG_CONN_READY;
    if (c->q)
        pg_job_begin(c);
}

/* ---- results ---- */

/* What stands between us and the server may answer a COPY, and have no idea of it. */
static bool lacks_rows(const struct pg_conn *c)
{
    return c->step[c->step_at].sends_data && !c->is_data_ended;
}

/* All results of a step have been read. */
static void step_end(struct pg_conn *c)
{
    if (c->steps_count == 0) { /* the same rows again, another way */
        pg_job_begin(c);
    } else if (lacks_rows(c)) {
        pg_conn_fail(c, SINK_RETRY, 0, "the server ended COPY before it had the rows");
    } else if (++c->step_at < c->steps_count) {
        step_begin(c);
    } else if (c->state == PG_CONN_SETUP) {
        setup_end(c);
    } else {
        delivered(c);
    }
}

/* False: the socket is full. */
static bool put_data(struct pg_conn *c)
{
    while (c->data_at < c->data.len) {
        const size_t left = c->data.len - c->data_at, n = left < PUT_BYTES ? left : PUT_BYTES;
        const int r = PQputCopyData(c->pg, c->data.data + c->data_at, (int)n);
        if (r == 0)
            return false;
        if (r < 0) {
            pg_conn_fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
            return false;
        }
        c->data_at += n;
    }
    if (!c->is_data_ended) {
        const int r = PQputCopyEnd(c->pg, NULL);
        if (r < 0)
            pg_conn_fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
        c->is_data_ended = r == 1;
        return r == 1;
    }
    return true;
}

/* A row, or what is behind the last one. */
static void take_rows(struct pg_conn *c, const PGresult *res)
{
    c->rows += (uint32_t)PQntuples(res);
    if (c->rows > ROWS_MAX)
        answers_something_else(c);
    else if (c->steps_count && c->step[c->step_at].reads_columns)
        read_columns(c, res);
}

/* One result; false: no further one can be had now, or the connection is gone. */
static bool take_result(struct pg_conn *c)
{
    PGresult *res = PQgetResult(c->pg);
    if (!res) {
        step_end(c);
        return c->pg && c->state != PG_CONN_READY;
    }
    bool goes_on = true;
    switch (PQresultStatus(res)) {
    case PGRES_COPY_IN:
        goes_on = c->steps_count > 0 && c->step[c->step_at].sends_data && put_data(c);
        break;
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
        take_rows(c, res);
        goes_on = c->pg != NULL;
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

static bool is_copying(const struct pg_conn *c)
{
    return c->steps_count && c->step_at < c->steps_count && c->step[c->step_at].sends_data && !c->is_data_ended &&
           PQtransactionStatus(c->pg) == PQTRANS_ACTIVE && c->data_at > 0;
}

/* What the server says unasked is read, also while nothing is asked: libpq would keep it for later, however much it
 * is. Notices are dropped as they come. */
static void drop_unasked(PGconn *pg)
{
    for (PGnotify *n; (n = PQnotifies(pg)) != NULL;)
        PQfreemem(n);
}

void pg_job_work(struct pg_conn *c)
{
    if (PQconsumeInput(c->pg) != 1) {
        pg_conn_fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
        return;
    }
    drop_unasked(c->pg);
    if (is_copying(c) && !put_data(c) && !c->pg)
        return;
    while (c->pg && c->state != PG_CONN_READY && !PQisBusy(c->pg) && take_result(c))
        ;
    if (!c->pg)
        return;
    const int left = PQflush(c->pg);
    if (left < 0)
        pg_conn_fail(c, SINK_RETRY, 0, PQerrorMessage(c->pg));
    else if (left > 0 || is_copying(c))
        pg_conn_wait_out(c);
    if (c->pg)
        pg_conn_wait_in(c); /* also while idle: the server may say goodbye */
}
