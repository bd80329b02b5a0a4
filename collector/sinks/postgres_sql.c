/* The statements of the PostgreSQL sink. Names are always quoted, with quotes doubled. */
#include "collector/sinks/postgres.h"

#include <errno.h>

#include <stdlib.h>
#include <string.h>

static int put(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

static int put_quoted(struct buf *b, const char *text, char quote)
{
    int r = buf_append(b, &quote, 1);
    for (; *text && r == 0; text++) {
        if (*text == quote)
            r = buf_append(b, &quote, 1);
        if (r == 0)
            r = buf_append(b, text, 1);
    }
    return r < 0 ? r : buf_append(b, &quote, 1);
}

static int put_name(struct buf *b, const char *name)
{
    return put_quoted(b, name, '"');
}

/* "idx_<table>_<what>" */
static int put_index_name(struct buf *b, const char *table, const char *what)
{
    auto_buf name = { 0 };
    if (buf_printf(&name, "idx_%s_%s", table, what) < 0 || !buf_cstr(&name))
        return -ENOMEM;
    return put_name(b, name.data);
}

static int put_table(struct buf *b, const struct pg_cfg *cfg)
{
    return put_name(b, cfg->schema) | put(b, ".") | put_name(b, cfg->table);
}

static char *take(struct buf *b, int failed)
{
    const char *text = failed ? NULL : buf_cstr(b);
    if (text)
        return b->data;
    buf_done(b);
    return NULL;
}

static int put_type(struct buf *b, const struct pg_column *c)
{
    switch (c->type) {
    case PG_TIMESTAMPTZ: return put(b, " TIMESTAMPTZ");
    case PG_VARCHAR: return buf_printf(b, " VARCHAR(%u)", c->chars_max);
    default: return put(b, " TEXT");
    }
}

static bool has_column(const struct pg_state *st, const char *name)
{
    for (uint32_t i = 0; i < st->columns_count; i++)
        if (strcmp(st->column[i].name, name) == 0)
            return true;
    return false;
}

static int put_index(struct buf *b, const struct pg_cfg *cfg, const char *kind, const char *what, const char *rest)
{
    return put(b, "CREATE ") | put(b, kind) | put(b, " IF NOT EXISTS ") | put_index_name(b, cfg->table, what) |
           put(b, " ON ") | put_table(b, cfg) | put(b, rest) | put(b, ";\n");
}

static int put_indexes(struct buf *b, const struct pg_cfg *cfg, const struct pg_state *st)
{
    int bad = put_index(b, cfg, "INDEX", "timestamp", " (\"timestamp\" DESC)");
    if (has_column(st, "level"))
        bad |= put_index(b, cfg, "INDEX", "level", " (\"level\")");
    if (has_column(st, "correlation_id"))
        bad |= put_index(b, cfg, "INDEX", "correlation_id",
                         " (\"correlation_id\") WHERE \"correlation_id\" IS NOT NULL");
    if (cfg->use_jsonb && cfg->event_index != PG_INDEX_NONE)
        bad |= put_index(b, cfg, "INDEX", "event_gin", cfg->event_index == PG_INDEX_GIN ?
                         " USING GIN (\"event\")" : " USING GIN (\"event\" jsonb_path_ops)");
    if (cfg->record_id)
        bad |= put_index(b, cfg, "UNIQUE INDEX", "record_id", " (\"record_id\")");
    return bad;
}

/* One string, hence one transaction; the lock lets several connections try at once. */
char *pg_sql_setup(const struct pg_cfg *cfg, const struct pg_state *st)
{
    struct buf b = { 0 };
    int bad = put(&b, "SELECT pg_advisory_xact_lock(hashtext(") | put_quoted(&b, cfg->table, '\'') |
              put(&b, "));\nCREATE SCHEMA IF NOT EXISTS ") | put_name(&b, cfg->schema) |
              put(&b, ";\nCREATE TABLE IF NOT EXISTS ") | put_table(&b, cfg) |
              put(&b, " (id BIGSERIAL PRIMARY KEY, created_at TIMESTAMPTZ NOT NULL DEFAULT NOW()");
    for (uint32_t i = 0; i < st->columns_count; i++)
        bad |= put(&b, ", ") | put_name(&b, st->column[i].name) | put_type(&b, &st->column[i]);
    if (cfg->record_id)
        bad |= put(&b, ", record_id BYTEA");
    bad |= put(&b, cfg->use_jsonb ? ", event JSONB NOT NULL);\n" : ", event JSON NOT NULL);\n");
    bad |= put_indexes(&b, cfg, st);
    return take(&b, bad);
}

char *pg_sql_columns(const struct pg_cfg *cfg)
{
    struct buf b = { 0 };
    const int bad = put(&b, "SELECT a.attname, t.typcategory, format_type(a.atttypid, a.atttypmod) "
                            "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
                            "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid "
                            "WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ") |
                    put_quoted(&b, cfg->schema, '\'') | put(&b, " AND c.relname = ") |
                    put_quoted(&b, cfg->table, '\'');
    return take(&b, bad);
}

static int put_columns(struct buf *b, const struct pg_state *st, bool has_record_id)
{
    int bad = 0;
    for (uint32_t i = 0; i < st->columns_count; i++)
        bad |= put_name(b, st->column[i].name) | put(b, ", ");
    return bad | put(b, has_record_id ? "record_id, event" : "event");
}

char *pg_sql_copy(const struct pg_cfg *cfg, const struct pg_state *st, bool has_record_id, bool is_staged)
{
    struct buf b = { 0 };
    int bad = put(&b, "COPY ");
    bad |= is_staged ? put(&b, "pg_temp.fapilog_stage") : put_table(&b, cfg);
    bad |= put(&b, " (") | put_columns(&b, st, has_record_id) | put(&b, ") FROM STDIN (FORMAT binary)");
    return take(&b, bad);
}

/* The second try of a request whose rows may be there already, in part or all. */
char *pg_sql_stage(const struct pg_cfg *cfg, const struct pg_state *st)
{
    struct buf b = { 0 };
    const int bad = put(&b, "BEGIN; CREATE TEMP TABLE fapilog_stage ON COMMIT DROP AS SELECT ") |
                    put_columns(&b, st, true) | put(&b, " FROM ") | put_table(&b, cfg) | put(&b, " WITH NO DATA");
    return take(&b, bad);
}

char *pg_sql_unstage(const struct pg_cfg *cfg, const struct pg_state *st)
{
    struct buf b = { 0 };
    const int bad = put(&b, "INSERT INTO ") | put_table(&b, cfg) | put(&b, " (") | put_columns(&b, st, true) |
                    put(&b, ") SELECT ") | put_columns(&b, st, true) |
                    put(&b, " FROM pg_temp.fapilog_stage ON CONFLICT DO NOTHING; COMMIT");
    return take(&b, bad);
}
