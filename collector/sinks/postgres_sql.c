/* The statements of the PostgreSQL sink. Names are always quoted, with quotes doubled. */
#include "collector/sinks/postgres.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* A statement being put together; after the first error nothing is added. */
struct sql {
    struct buf text;
    int error;
};

static void put_bytes(struct sql *s, const char *data, size_t len)
{
    if (s->error == 0)
        s->error = buf_append(&s->text, data, len);
}

static void put(struct sql *s, const char *text)
{
    put_bytes(s, text, strlen(text));
}

static void put_quoted(struct sql *s, const char *text, char quote)
{
    put_bytes(s, &quote, 1);
    for (; *text; text++) {
        if (*text == quote)
            put_bytes(s, &quote, 1);
        put_bytes(s, text, 1);
    }
    put_bytes(s, &quote, 1);
}

static void put_name(struct sql *s, const char *name)
{
    put_quoted(s, name, '"');
}

static void put_text(struct sql *s, const char *text)
{
    put_quoted(s, text, '\'');
}

static void put_table(struct sql *s, const struct pg_cfg *cfg)
{
    put_name(s, cfg->schema);
    put(s, ".");
    put_name(s, cfg->table);
}

/* The statement, on the heap; NULL: no memory. */
static char *finish(struct sql *s)
{
    if (s->error == 0 && buf_cstr(&s->text))
        return s->text.data;
    buf_done(&s->text);
    return NULL;
}

static void put_type(struct sql *s, const struct pg_column *c)
{
    switch (c->type) {
    case PG_TIMESTAMPTZ:
        put(s, " TIMESTAMPTZ");
        break;
    case PG_VARCHAR:
        if (s->error == 0)
            s->error = buf_printf(&s->text, " VARCHAR(%u)", c->chars_max);
        break;
    default:
        put(s, " TEXT");
    }
}

static bool has_column(const struct pg_state *st, const char *name)
{
    for (uint32_t i = 0; i < st->columns_count; i++)
        if (strcmp(st->column[i].name, name) == 0)
            return true;
    return false;
}

/* "idx_<table>_<what>". PostgreSQL would cut a longer one, so that all indexes of a table had one name: of such a
 * table's name the beginning and a hash are left. */
static int index_name(const char *table, const char *what, struct buf *ret)
{
    enum { AROUND_BYTES = sizeof "idx__12345678_" - 1 };
    const size_t len = strlen(table), rest = strlen(what);
    if (sizeof "idx__" - 1 + len + rest <= PG_NAME_BYTES_MAX)
        return buf_printf(ret, "idx_%s_%s", table, what);
    size_t keep = PG_NAME_BYTES_MAX - AROUND_BYTES - rest;
    while (keep > 0 && ((uint8_t)table[keep] & 0xc0) == 0x80) /* not within a character */
        keep--;
    return buf_printf(ret, "idx_%.*s_%08" PRIx32 "_%s", (int)keep, table, (uint32_t)XXH3_64bits(table, len), what);
}

static void put_index(struct sql *s, const struct pg_cfg *cfg, const char *kind, const char *what, const char *rest)
{
    auto_buf name = { 0 };
    if (index_name(cfg->table, what, &name) < 0 || !buf_cstr(&name)) {
        s->error = -ENOMEM;
        return;
    }
    put(s, "CREATE ");
    put(s, kind);
    put(s, " IF NOT EXISTS ");
    put_name(s, name.data);
    put(s, " ON ");
    put_table(s, cfg);
    put(s, rest);
    put(s, ";\n");
}

static void put_indexes(struct sql *s, const struct pg_cfg *cfg, const struct pg_state *st)
{
    put_index(s, cfg, "INDEX", "timestamp", " (\"timestamp\" DESC)");
    if (has_column(st, "level"))
        put_index(s, cfg, "INDEX", "level", " (\"level\")");
    if (has_column(st, "correlation_id"))
        put_index(s, cfg, "INDEX", "correlation_id", " (\"correlation_id\") WHERE \"correlation_id\" IS NOT NULL");
    if (cfg->use_jsonb && cfg->event_index != PG_INDEX_NONE)
        put_index(s, cfg, "INDEX", "event_gin", cfg->event_index == PG_INDEX_GIN ?
                  " USING GIN (\"event\")" : " USING GIN (\"event\" jsonb_path_ops)");
    if (cfg->record_id)
        put_index(s, cfg, "UNIQUE INDEX", "record_id", " (\"record_id\")");
}

/* One string, hence one transaction; the lock lets several connections try at once. */
char *pg_sql_setup(const struct pg_cfg *cfg, const struct pg_state *st)
{
    struct sql s = { 0 };
    put(&s, "SELECT pg_advisory_xact_lock(hashtext(");
    put_text(&s, cfg->table);
    put(&s, "));\nCREATE SCHEMA IF NOT EXISTS ");
    put_name(&s, cfg->schema);
    put(&s, ";\nCREATE TABLE IF NOT EXISTS ");
    put_table(&s, cfg);
    put(&s, " (id BIGSERIAL PRIMARY KEY, created_at TIMESTAMPTZ NOT NULL DEFAULT NOW()");
    for (uint32_t i = 0; i < st->columns_count; i++) {
        put(&s, ", ");
        put_name(&s, st->column[i].name);
        put_type(&s, &st->column[i]);
    }
    if (cfg->record_id)
        put(&s, ", record_id BYTEA");
    put(&s, cfg->use_jsonb ? ", event JSONB NOT NULL);\n" : ", event JSON NOT NULL);\n");
    put_indexes(&s, cfg, st);
    return finish(&s);
}

char *pg_sql_columns(const struct pg_cfg *cfg)
{
    struct sql s = { 0 };
    /* The last: whether a row of a value that is there already is refused, whatever else the row holds. */
    put(&s, "SELECT a.attname, t.typcategory, format_type(a.atttypid, a.atttypmod), "
            "EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND "
            "i.indimmediate AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) "
            "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid "
            "WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ");
    put_text(&s, cfg->schema);
    put(&s, " AND c.relname = ");
    put_text(&s, cfg->table);
    return finish(&s);
}

static void put_columns(struct sql *s, const struct pg_state *st, bool has_record_id)
{
    for (uint32_t i = 0; i < st->columns_count; i++) {
        put_name(s, st->column[i].name);
        put(s, ", ");
    }
    put(s, has_record_id ? "record_id, event" : "event");
}

char *pg_sql_copy(const struct pg_cfg *cfg, const struct pg_state *st, bool has_record_id, bool is_staged)
{
    struct sql s = { 0 };
    put(&s, "COPY ");
    if (is_staged)
        put(&s, "pg_temp.fapilog_stage");
    else
        put_table(&s, cfg);
    put(&s, " (");
    put_columns(&s, st, has_record_id);
    put(&s, ") FROM STDIN (FORMAT binary)");
    return finish(&s);
}

/* The second try of a request whose rows may be there already, in part or all. */
char *pg_sql_stage(const struct pg_cfg *cfg, const struct pg_state *st)
{
    struct sql s = { 0 };
    put(&s, "BEGIN; CREATE TEMP TABLE fapilog_stage ON COMMIT DROP AS SELECT ");
    put_columns(&s, st, true);
    put(&s, " FROM ");
    put_table(&s, cfg);
    put(&s, " WITH NO DATA");
    return finish(&s);
}

char *pg_sql_unstage(const struct pg_cfg *cfg, const struct pg_state *st)
{
    struct sql s = { 0 };
    put(&s, "INSERT INTO ");
    put_table(&s, cfg);
    put(&s, " (");
    put_columns(&s, st, true);
    put(&s, ") SELECT ");
    put_columns(&s, st, true);
    put(&s, " FROM pg_temp.fapilog_stage ON CONFLICT DO NOTHING; COMMIT");
    return finish(&s);
}
