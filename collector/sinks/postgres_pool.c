/* As many connections as requests may be under way, each made when it is first needed. */
#include "collector/sinks/postgres_conn.h"
#include "lib/base/check.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

void pg_pool_release(struct pg_pool *p)
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
        struct pg_conn *c = &p->conn[i];
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
        pg_conn_close(&p->conn[i]);
    }
    pg_pool_release(p);
}

/* One that is ready, else one that must be opened. */
static struct pg_conn *choose(struct pg_pool *p)
{
    struct pg_conn *closed = NULL;
    for (uint32_t i = 0; i < p->conns_count; i++) {
        struct pg_conn *c = &p->conn[i];
        if (c->state == PG_CONN_READY && !c->q)
            return c;
        if (c->state == PG_CONN_CLOSED && !c->q && !closed)
            closed = c;
    }
    return closed;
}

void pg_pool_send(struct pg_pool *p, struct sink_request *q)
{
    struct pg_conn *c = choose(p);
    CHECK(c != NULL); /* limits(): as many requests as connections */
    c->q = q;
    c->is_staged = false;
    if (c->state == PG_CONN_CLOSED) {
        pg_conn_open(c);
    } else {
        pg_job_begin(c);
        if (c->pg)
            pg_job_work(c);
    }
}

/* The statement goes on in the server until it finds its client gone. */
void pg_pool_cancel(struct pg_pool *p, struct sink_request *q)
{
    for (uint32_t i = 0; i < p->conns_count; i++)
        if (p->conn[i].q == q)
            pg_conn_late(&p->conn[i]);
}
