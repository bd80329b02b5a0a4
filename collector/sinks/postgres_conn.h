/* postgres_conn.h - connections to PostgreSQL, driven by libpq's non-blocking calls with its socket on the reactor.
 * Private to the PostgreSQL sink.
 *
 *   CLOSED -> RESOLVING -> CONNECTING -> SETUP -> READY <-> BUSY with a job
 *
 * postgres_conn.c takes a connection up to its first statement, postgres_job.c through setup and jobs; the pool
 * (postgres_pool.c) says which connection a request goes to. What fails closes the connection, and the next request
 * makes it anew. All run on the thread of the io; none waits. */
#ifndef COLLECTOR_SINKS_POSTGRES_CONN_H
#define COLLECTOR_SINKS_POSTGRES_CONN_H

#include "collector/sinks/postgres.h"

#include <libpq-fe.h>

enum { PG_STEPS_MAX = 4, PG_ADDRESSES_MAX = 8, PG_ADDRESS_BYTES = 64 };

enum pg_conn_state {
    PG_CONN_CLOSED, PG_CONN_RESOLVING, PG_CONN_CONNECTING, PG_CONN_SETUP, PG_CONN_READY, PG_CONN_BUSY,
};

struct pg_step {
    const char *sql;
    bool sends_data;
    bool reads_columns;
};

struct pg_conn {
    struct pg_pool *pool;
    enum pg_conn_state state;
    PGconn *pg;
    struct resolve *resolve;
    char address[PG_ADDRESSES_MAX * PG_ADDRESS_BYTES]; /* hostaddr, a list; "" for what libpq finds by itself */
    struct buf hosts;  /* as many times the host's name */
    struct sink_request *q;
    bool is_staged;    /* the job of q */
    bool has_table, has_record_id, is_id_unique, has_event;
    uint32_t columns_found; /* a bit for each */
    char unfit[160];   /* why a column does not take what we would send; "": all do */
    struct pg_step step[PG_STEPS_MAX];
    unsigned steps_count, step_at;
    struct buf data;   /* of COPY */
    size_t data_at;
    bool is_data_ended;
    uint32_t rows;     /* that the step's answer has had so far */
    struct pg_wait {
        struct io_req req;
        struct pg_conn *conn;
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
    bool is_freed, was_told_not_unique;
    unsigned armed; /* requests of the reactor that still refer to us */
    uint32_t conns_count;
    struct pg_conn conn[];
};

/* Frees a pool that was given up, once the reactor has let go of it. */
void pg_pool_release(struct pg_pool *p);

/* ---- postgres_conn.c ---- */

/* Makes the connection; pg_setup_begin() follows, or pg_conn_fail(). */
void pg_conn_open(struct pg_conn *c);
void pg_conn_close(struct pg_conn *c); /* no-op when it is closed */
/* Closes it, and ends its request, if it has one, with this outcome. */
void pg_conn_fail(struct pg_conn *c, enum sink_outcome outcome, int status, const char *reason);
/* Its request's time is over. */
void pg_conn_late(struct pg_conn *c);
/* Ends its request, if it has one. */
void pg_conn_end(struct pg_conn *c, struct sink_result *result);
void pg_conn_wait_in(struct pg_conn *c);
void pg_conn_wait_out(struct pg_conn *c);

/* ---- postgres_job.c ---- */

/* Has the table made, where that is wanted, and looks at its columns; then comes the job of the request. */
void pg_setup_begin(struct pg_conn *c);
/* The first try of a request is a plain binary COPY, which is one transaction. When that finds a record id that is
 * there already, an earlier try had got through after all: the rows then go through a temporary table, and those that
 * exist are left out. */
void pg_job_begin(struct pg_conn *c);
/* As far as it goes without waiting. Afterwards the connection waits for its socket, or is closed. */
void pg_job_work(struct pg_conn *c);

#endif
