/* bench-insert DSN TABLE ROWS CONNECTIONS: reads all rows of a table (but for id and created_at, which the server
 * fills in), empties it, says so on stdout, waits for a line on stdin, and inserts the same rows again by multi-row
 * INSERTs, so many rows a statement, each a transaction of its own: prepared once a connection, with binary
 * parameters, over so many connections at once. Says how many rows that were, and the seconds and CPU seconds of
 * inserting. What a client without COPY can do at best. */
#include <libpq-fe.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"

enum { PARAMS_MAX = 65535, CONNECTIONS_MAX = 16 }; /* of one statement in the protocol */

struct job {
    const char *dsn, *table;
    const PGresult *rows;
    char *columns; /* "a","b" */
    int columns_count, rows_count, batch;
    atomic_int next;
};

static void need(bool condition, const PGconn *c)
{
    if (condition)
        return;
    fprintf(stderr, "bench-insert: %s", PQerrorMessage(c));
    exit(1);
}

static PGresult *run(PGconn *c, const char *sql, int result_format)
{
    PGresult *res = PQexecParams(c, sql, 0, NULL, NULL, NULL, NULL, result_format);
    need(PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK, c);
    return res;
}

static PGconn *connect_to(const char *dsn)
{
    PGconn *c = PQconnectdb(dsn);
    need(PQstatus(c) == CONNECTION_OK, c);
    return c;
}

/* "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)" */
static char *statement(const struct job *j, int rows)
{
    struct buf b = {0};
    int bad = buf_printf(&b, "INSERT INTO %s (%s) VALUES ", j->table, j->columns);
    for (int i = 0; i < rows; i++) {
        for (int k = 0; k < j->columns_count; k++)
            bad |= buf_printf(&b, "%s$%d", k ? "," : i ? ",(" : "(", i * j->columns_count + k + 1);
        bad |= buf_append(&b, ")", 1);
    }
    CHECK(!bad && buf_cstr(&b));
    return b.data;
}

struct params {
    const char *value[PARAMS_MAX];
    int length[PARAMS_MAX], format[PARAMS_MAX];
    Oid type[PARAMS_MAX];
};

static void fill(struct params *p, const struct job *j, int first, int rows)
{
    for (int i = 0, n = 0; i < rows; i++)
        for (int k = 0; k < j->columns_count; k++, n++) {
            const bool is_null = PQgetisnull(j->rows, first + i, k);
            p->value[n] = is_null ? NULL : PQgetvalue(j->rows, first + i, k);
            p->length[n] = is_null ? 0 : PQgetlength(j->rows, first + i, k);
            p->format[n] = 1;
            p->type[n] = PQftype(j->rows, k);
        }
}

static void prepare(PGconn *c, const struct job *j, const struct params *p, const char *name, int rows)
{
    char *const sql = statement(j, rows);
    PGresult *const res = PQprepare(c, name, sql, rows * j->columns_count, p->type);
    need(PQresultStatus(res) == PGRES_COMMAND_OK, c);
    PQclear(res);
    free(sql);
}

static void *insert(void *arg)
{
    struct job *const j = arg;
    struct params *const p = malloc(sizeof *p);
    CHECK(p != NULL);
    PGconn *const c = connect_to(j->dsn);
    int prepared = 0;
    for (;;) {
        /* Which thread takes which rows does not matter; what they are was written before the threads began. */
        const int first = atomic_fetch_add_explicit(&j->next, j->batch, memory_order_relaxed);
        if (first >= j->rows_count)
            break;
        const int rows = j->rows_count - first < j->batch ? j->rows_count - first : j->batch;
        fill(p, j, first, rows);
        char name[16];
        (void)snprintf(name, sizeof name, "s%d", rows);
        if (prepared != rows)
            prepare(c, j, p, name, rows);
        prepared = rows;
        PGresult *const res = PQexecPrepared(c, name, rows * j->columns_count, p->value, p->length, p->format, 0);
        need(PQresultStatus(res) == PGRES_COMMAND_OK, c);
        PQclear(res);
    }
    PQfinish(c);
    free(p);
    return NULL;
}

/* The rows as binary parameters. */
static void read_rows(struct job *j, PGconn *c)
{
    struct buf sql = {0};
    CHECK(buf_printf(&sql, "SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) FROM pg_attribute "
                     "WHERE attrelid = '%s'::regclass AND attnum > 0 AND NOT attisdropped "
                     "AND attname NOT IN ('id', 'created_at')",
                     j->table) == 0 && buf_cstr(&sql));
    PGresult *const names = run(c, sql.data, 0);
    j->columns = strdup(PQgetvalue(names, 0, 0));
    PQclear(names);
    sql.len = 0;
    CHECK(j->columns && buf_printf(&sql, "SELECT %s FROM %s ORDER BY id", j->columns, j->table) == 0 && buf_cstr(&sql));
    j->rows = run(c, sql.data, 1);
    j->columns_count = PQnfields(j->rows);
    j->rows_count = PQntuples(j->rows);
    sql.len = 0;
    CHECK(buf_printf(&sql, "TRUNCATE %s", j->table) == 0 && buf_cstr(&sql));
    PQclear(run(c, sql.data, 0));
    buf_done(&sql);
}

static double now(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int number(const char *text)
{
    char *end;
    const long v = strtol(text, &end, 10);
    return *text && !*end && v > 0 && v <= PARAMS_MAX ? (int)v : 0;
}

int main(int argc, char **argv)
{
    const int batch = argc == 5 ? number(argv[3]) : 0, connections = argc == 5 ? number(argv[4]) : 0;
    if (batch < 1 || connections < 1 || connections > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: %s DSN TABLE ROWS CONNECTIONS\n", argv[0]);
        return 2;
    }
    struct job j = {.dsn = argv[1], .table = argv[2], .batch = batch};
    PGconn *const c = connect_to(j.dsn);
    read_rows(&j, c);
    CHECK((long)batch * j.columns_count <= PARAMS_MAX);
    printf("ready\n");
    (void)fflush(stdout);
    (void)getchar();
    pthread_t thread[CONNECTIONS_MAX];
    const double began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < connections; i++)
        CHECK(pthread_create(&thread[i], NULL, insert, &j) == 0);
    for (int i = 0; i < connections; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    printf("{\"rows\": %d, \"seconds\": %.6f, \"cpu\": %.6f}\n", j.rows_count, now(CLOCK_MONOTONIC) - began,
           now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    PQfinish(c);
    return 0;
}
