/* postgres.h - the parts of the PostgreSQL sink: options, SQL, a record as a row, connections. */
#ifndef COLLECTOR_SINKS_POSTGRES_H
#define COLLECTOR_SINKS_POSTGRES_H

#include "collector/sinks/sink.h"
#include "lib/base/buf.h"
#include "lib/base/time_text.h"

enum {
    PG_COLUMNS_MAX = 32,       /* extracted fields */
    PG_COLUMN_BYTES_MAX = 8 << 10, /* of text in one; the event column has all of it */
    PG_POOL_MAX = 64,
    PG_NAME_BYTES_MAX = 63,    /* of an identifier: NAMEDATALEN - 1 */
};

/* How the event column is indexed, where it is jsonb. */
enum pg_event_index { PG_INDEX_GIN, PG_INDEX_PATH_OPS, PG_INDEX_NONE };

enum pg_type { PG_TIMESTAMPTZ, PG_VARCHAR, PG_TEXT };

/* What a column is filled from: something that the record knows itself, or a field of that name. */
enum pg_source {
    PG_FIELD, PG_TIME, PG_LEVEL, PG_MESSAGE, PG_LOGGER, PG_MESSAGE_ID, PG_SERVICE, PG_ENV, PG_VERSION, PG_HOST, PG_PID,
};

struct pg_column {
    const char *name;    /* of the field and the column */
    enum pg_source source;
    enum pg_type type;
    uint32_t chars_max;  /* PG_VARCHAR; else UINT32_MAX */
};

struct pg_cfg {
    const char *dsn, *host, *database, *user, *password, *table, *schema;
    const char *sslmode, *tls_ca_file, *tls_cert_file, *tls_key_file;
    uint64_t port, max_pool_size;
    uint32_t event_index; /* enum pg_event_index */
    bool create_table, use_jsonb, include_raw_json, record_id;
    struct opt_list extract_fields;
};

struct pg_pool;

struct pg_state {
    struct pg_column column[PG_COLUMNS_MAX];
    uint32_t columns_count;
    uint64_t signature; /* of the columns: entries that were encoded for others are refused */
    char *setup_sql;   /* NULL: the table is somebody else's affair */
    char *columns_sql; /* which of its columns there are */
    struct pg_pool *pool;
    struct time_text time;
};


/* ---- SQL ---- */

char *pg_sql_setup(const struct pg_cfg *cfg, const struct pg_state *st); /* NULL: no memory; so are the next */
char *pg_sql_columns(const struct pg_cfg *cfg);
/* "COPY ..." into the table, or into the temporary table of the repeated try. */
char *pg_sql_copy(const struct pg_cfg *cfg, const struct pg_state *st, bool has_record_id, bool is_staged);
char *pg_sql_stage(const struct pg_cfg *cfg, const struct pg_state *st);
char *pg_sql_unstage(const struct pg_cfg *cfg, const struct pg_state *st);

/* ---- rows ---- */

size_t pg_encode_bound(struct sink *s, const struct fapilog_record *r);
char *pg_encode(struct sink *s, const struct fapilog_record *r, char *out, uint16_t *ret_group_len,
                uint16_t *ret_meta_len);
bool pg_entry_fits(const struct pg_state *st, const struct entry_head *h);
/* The whole data of a binary COPY, without the entries that do not fit. */
int pg_copy_data(const struct pg_cfg *cfg, const struct pg_state *st, const struct sink_request *q, bool has_record_id,
                 struct buf *out);

/* ---- connections ---- */

int pg_pool_new(struct sink *s, struct pg_pool **ret, struct err *e);
void pg_pool_free(struct pg_pool *p); /* NULL allowed */
void pg_pool_send(struct pg_pool *p, struct sink_request *q);
void pg_pool_cancel(struct pg_pool *p, struct sink_request *q);

#endif
