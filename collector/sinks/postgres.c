/* The PostgreSQL sink: batches by binary COPY, a table that it makes itself, and rows that are not there
 * twice after a repeated try. */
#include "collector/sinks/postgres.h"

#include "lib/base/edit_distance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const struct opt_word event_indexes[] = {
    { "gin", PG_INDEX_GIN }, { "path_ops", PG_INDEX_PATH_OPS }, { "none", PG_INDEX_NONE }, { NULL, 0 },
};

static const struct opt postgres_opts[] = {
    OPT_TEXT_(struct pg_cfg, dsn, "dsn", NULL, OPT_SECRET,
              "Connection string of libpq; replaces host, port, database, user and password."),
    OPT_TEXT_(struct pg_cfg, host, "host", "localhost", 0, "Server; a path is the folder of its Unix socket."),
    OPT_NUM_(OPT_UINT, struct pg_cfg, port, "port", "5432", 1, 65535, 0, "Its port."),
    OPT_TEXT_(struct pg_cfg, database, "database", "fapilog", 0, "Database."),
    OPT_TEXT_(struct pg_cfg, user, "user", "fapilog", 0, "User."),
    OPT_TEXT_(struct pg_cfg, password, "password", NULL, OPT_SECRET, "Password."),
    OPT_TEXT_ALIAS_(struct pg_cfg, table, "table_name", "table", "logs", 0, "Table for the records."),
    OPT_TEXT_ALIAS_(struct pg_cfg, schema, "schema_name", "schema", "public", 0, "Its schema."),
    OPT_BOOL_(struct pg_cfg, create_table, "create_table", "true", 0,
              "Make schema, table and indexes where they are missing."),
    OPT_NUM_(OPT_UINT, struct pg_cfg, max_pool_size, "max_pool_size", "4", 1, PG_POOL_MAX, 0,
             "Connections, and so requests at once, at most."),
    OPT_BOOL_(struct pg_cfg, use_jsonb, "use_jsonb", "true", 0, "The event column is jsonb, otherwise json."),
    OPT_WORD_(struct pg_cfg, event_index, "event_index", "gin", event_indexes, 0,
              "Index over event, with create_table and use_jsonb: gin for all operators of jsonb, path_ops for @>, @? "
              "and @@ alone, which is cheaper, or none."),
    OPT_BOOL_(struct pg_cfg, include_raw_json, "include_raw_json", "true", OPT_LIVE,
              "The event column holds all of the record, otherwise only what is extracted."),
    OPT_LIST_(struct pg_cfg, extract_fields, "extract_fields", "timestamp,level,logger,correlation_id,message", 0,
              "Fields with a column of their own."),
    OPT_BOOL_(struct pg_cfg, record_id, "record_id", "true", 0,
              "Keep the record's id in a unique column, so that a record sent again is not there twice."),
    OPT_TEXT_(struct pg_cfg, sslmode, "sslmode", NULL, 0,
              "disable, allow, prefer, require, verify-ca, verify-full; without: verify-full if there is a "
              "tls_ca_file, else prefer."),
    OPT_TEXT_(struct pg_cfg, tls_ca_file, "tls_ca_file", NULL, OPT_FILE,
              "Certificates of the authorities to trust, PEM."),
    OPT_TEXT_(struct pg_cfg, tls_cert_file, "tls_cert_file", NULL, OPT_FILE, "Client certificate, PEM."),
    OPT_TEXT_(struct pg_cfg, tls_key_file, "tls_key_file", NULL, OPT_FILE, "Its key, PEM."),
    OPT_END,
};

static int set(struct pg_cfg *cfg, const char *name, const char *value, struct err *e)
{
    return value && *value ? opt_set(opt_find(postgres_opts, name), cfg, value, e) : 0;
}

/* postgresql://user:pw@host:5432/database?table=logs */
static int postgres_from_uri(void *opaque, const struct uri *u, struct err *e)
{
    struct pg_cfg *cfg = opaque;
    char port[8] = "";
    if (u->fragment)
        return err_set(e, -EINVAL, "URI fragment: has no meaning here");
    if (u->port)
        (void)snprintf(port, sizeof port, "%u", u->port);
    const struct uri_param parts[] = {
        { "host", u->host }, { "port", port }, { "user", u->user }, { "password", u->password },
        { "database", *u->path == '/' ? u->path + 1 : u->path },
    };
    int r = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && r == 0; i++)
        r = set(cfg, parts[i].key, parts[i].value, e);
    return r;
}

static int check_name(const char *option, const char *name, struct err *e)
{
    if (!*name || strlen(name) > PG_NAME_BYTES_MAX)
        return err_set(e, -EINVAL, "%s: '%s' must have 1..%d bytes", option, name, PG_NAME_BYTES_MAX);
    return 0;
}

static int check_sslmode(struct pg_cfg *cfg, struct err *e)
{
    static const char *const modes[] = { "disable", "allow", "prefer", "require", "verify-ca", "verify-full" };
    if (!cfg->sslmode)
        return opt_set(opt_find(postgres_opts, "sslmode"), cfg, cfg->tls_ca_file ? "verify-full" : "prefer", e);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(cfg->sslmode, modes[i]))
            return 0;
    return err_set(e, -EINVAL, "sslmode: '%s' is not one of disable, allow, prefer, require, verify-ca, verify-full",
                   cfg->sslmode);
}

static struct pg_column column_of(const char *name)
{
    static const struct pg_column known[] = {
        { "timestamp", PG_TIME, PG_TIMESTAMPTZ, UINT32_MAX },
        { "level", PG_LEVEL, PG_VARCHAR, 10 },
        { "message", PG_MESSAGE, PG_TEXT, UINT32_MAX },
        { "logger", PG_LOGGER, PG_VARCHAR, 255 },
        { "correlation_id", PG_FIELD, PG_VARCHAR, 64 },
        { "message_id", PG_MESSAGE_ID, PG_TEXT, UINT32_MAX },
        { "service", PG_SERVICE, PG_TEXT, UINT32_MAX },
        { "env", PG_ENV, PG_TEXT, UINT32_MAX },
        { "version", PG_VERSION, PG_TEXT, UINT32_MAX },
        { "host", PG_HOST, PG_TEXT, UINT32_MAX },
        { "pid", PG_PID, PG_TEXT, UINT32_MAX },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name))
            return known[i];
    return (struct pg_column){ name, PG_FIELD, PG_TEXT, UINT32_MAX };
}

/* The time comes first, asked for or not. */
static int choose_columns(const struct pg_cfg *cfg, struct pg_column *ret, uint32_t *ret_count, struct err *e)
{
    static const char *const ours[] = { "id", "created_at", "event", "record_id" };
    uint32_t n = 0;
    ret[n++] = column_of("timestamp");
    for (uint32_t i = 0; i < cfg->extract_fields.count; i++) {
        const char *name = cfg->extract_fields.item[i];
        if (!strcmp(name, "timestamp"))
            continue;
        if (n == PG_COLUMNS_MAX)
            return err_set(e, -E2BIG, "extract_fields: more than %d", PG_COLUMNS_MAX);
        const int r = check_name("extract_fields", name, e);
        if (r < 0)
            return r;
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            if (!strcmp(ours[k], name))
                return err_set(e, -EINVAL, "extract_fields: the column '%s' is the table's own", name);
        for (uint32_t k = 0; k < n; k++)
            if (!strcmp(ret[k].name, name))
                return err_set(e, -EINVAL, "extract_fields: '%s' is there twice", name);
        ret[n++] = column_of(name);
    }
    *ret_count = n;
    return 0;
}

/* The key of libpq that is nearest to the word which it has quoted; NULL: none is near. *ret_all keeps it. */
static const char *suggest_key(const char *why, PQconninfoOption **ret_all)
{
    char word[32] = "";
    const char *begin = strchr(why, '"');
    if (!begin || sscanf(begin, "\"%31[a-zA-Z_]\"", word) != 1 || !(*ret_all = PQconninfoParse("", NULL)))
        return NULL;
    for (const PQconninfoOption *o = *ret_all; o->keyword; o++)
        if (edit_distance(o->keyword, word) <= 2)
            return o->keyword;
    return NULL;
}

/* Of libpq's message only what stands before the first thing that it quotes is told: that may be a part of a
 * password. */
static int check_dsn(const char *dsn, struct err *e)
{
    char *why = NULL;
    const bool is_uri = dsn && (strncmp(dsn, "postgresql://", 13) == 0 || strncmp(dsn, "postgres://", 11) == 0);
    if (!dsn || (!is_uri && !strchr(dsn, '='))) /* then it is the name of a database */
        return 0;
    PQconninfoOption *parsed = PQconninfoParse(dsn, &why), *all = NULL;
    int r = 0;
    if (!parsed && !why)
        r = err_set(e, -ENOMEM, "dsn: out of memory");
    if (!parsed && why) {
        const char *near = suggest_key(why, &all);
        size_t len = 0;
        while (why[len] >= ' ' && why[len] <= '~' && why[len] != '"')
            len++;
        while (len && (why[len - 1] == ' ' || why[len - 1] == ':'))
            len--;
        r = err_set(e, -EINVAL, "dsn: %.*s%s%s%s (where is not shown: it may be in a password)", (int)len, why,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    PQfreemem(why);
    PQconninfoFree(parsed);
    PQconninfoFree(all);
    return r;
}

static int postgres_check(void *opaque, struct err *e)
{
    struct pg_cfg *cfg = opaque;
    struct pg_column column[PG_COLUMNS_MAX];
    uint32_t count;
    int r = check_name("table_name", cfg->table, e);
    if (r == 0)
        r = check_name("schema_name", cfg->schema, e);
    if (r == 0)
        r = choose_columns(cfg, column, &count, e);
    if (r == 0)
        r = check_dsn(cfg->dsn, e);
    if (r == 0 && cfg->tls_key_file && !cfg->tls_cert_file)
        r = err_set(e, -EINVAL, "tls_key_file: needs tls_cert_file");
    return r == 0 ? check_sslmode(cfg, e) : r;
}

static int postgres_open(struct sink *s, struct err *e)
{
    const struct pg_cfg *cfg = s->cfg;
    struct pg_state *st = s->state;
    int r = choose_columns(cfg, st->column, &st->columns_count, e);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < st->columns_count; i++)
        st->signature = XXH3_64bits_withSeed(st->column[i].name, strlen(st->column[i].name) + 1, st->signature);
    st->setup_sql = cfg->create_table ? pg_sql_setup(cfg, st) : NULL;
    st->columns_sql = pg_sql_columns(cfg);
    if (!st->columns_sql || (cfg->create_table && !st->setup_sql))
        return err_set(e, -ENOMEM, "out of memory");
    return pg_pool_new(s, &st->pool, e);
}

static int postgres_close(struct sink *s, struct err *e)
{
    struct pg_state *st = s->state;
    (void)e;
    pg_pool_free(st->pool);
    free(st->setup_sql);
    free(st->columns_sql);
    st->pool = NULL;
    st->setup_sql = st->columns_sql = NULL;
    return 0;
}

static void postgres_limits(struct sink *s, struct sink_limits *ret)
{
    const struct pg_cfg *cfg = s->cfg;
    *ret = (struct sink_limits){
        .in_flight = (uint32_t)cfg->max_pool_size,
        .entry_overhead = 64,
        .entry_bytes = 255 << 20, /* jsonb: under 256 MB of text */
    };
}

static void postgres_send(struct sink *s, struct sink_request *q)
{
    pg_pool_send(((struct pg_state *)s->state)->pool, q);
}

static void postgres_cancel(struct sink *s, struct sink_request *q)
{
    pg_pool_cancel(((struct pg_state *)s->state)->pool, q);
}

static const struct sink_remote_ops postgres_remote = {
    .encode_bound = pg_encode_bound, .encode = pg_encode, .limits = postgres_limits,
    .send = postgres_send, .cancel = postgres_cancel,
};

static const char *const postgres_aliases[] = { "postgres", NULL };
static const char *const postgres_env[] = { "FAPILOG_POSTGRES__", "FAPILOG_POSTGRESQL__", NULL };
static const struct sink_default postgres_defaults[] = {
    { "batch_size", "5000" }, { "timeout", "30s" },
    { "max_in_flight", "64" }, /* max_pool_size alone decides, limits() */
    { NULL, NULL },
};

const struct sink_ops sink_postgresql = {
    .abi = SINK_ABI, .scheme = "postgresql", .aliases = postgres_aliases, .env_prefixes = postgres_env,
    .defaults = postgres_defaults, .summary = "Writes into a PostgreSQL table, by binary COPY.",
    .format_default = "fapilog", .opts = postgres_opts, .cfg_size = sizeof(struct pg_cfg),
    .state_size = sizeof(struct pg_state), .check = postgres_check, .from_uri = postgres_from_uri,
    .remote = &postgres_remote, .open = postgres_open, .close = postgres_close,
};
