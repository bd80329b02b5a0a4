#!/usr/bin/env python3
"""What the options of the PostgreSQL sink do to a real server."""
import json
import os
import shutil
import subprocess
import sys

from effects import Place, certificates, check, effect, main, never, wait_for
import postgres

SEND = os.environ.get("FAPILOG_SINK_SEND")
SIMPLE = "0"


def outcome(uri, env=None, records="1"):
    p = subprocess.run([SEND, uri, "add", SIMPLE, records, "send"], capture_output=True, text=True, timeout=60, check=False,
                       env={**os.environ, "PGCONNECT_TIMEOUT": "10", **(env or {})})
    check(p.returncode == 0, f"{uri}: {p.returncode} {p.stderr}")
    return json.loads(p.stdout)["outcome"]


def delivered(uri, **kwargs):
    said = outcome(uri, **kwargs)
    check(said == "delivered", f"{uri}: {said}")


def rows(pg, table, database="postgres"):
    return pg.sql(f"SELECT count(*) FROM {table}", database)


def columns(pg, table):
    return pg.sql(f"SELECT string_agg(column_name || ':' || data_type, ',' ORDER BY ordinal_position) FROM "
                  f"information_schema.columns WHERE table_name = '{table}'")


@effect("postgresql.dsn")
def a_connection_string_says_it_all():
    PG.sql("DROP TABLE IF EXISTS e1")
    delivered(f"postgresql:?dsn=host%3D127.0.0.1%20port%3D{PG.port}%20user%3Dfapilog%20dbname%3Dpostgres&table=e1")
    check(rows(PG, "e1") == "1", "row")


@effect("postgresql.host", "postgresql.port", "postgresql.user", "postgresql.database", "postgresql.password")
def the_server_is_found_by_single_options():
    PG.sql("DROP DATABASE IF EXISTS other")
    PG.sql("DROP ROLE IF EXISTS somebody")
    PG.sql("CREATE ROLE somebody LOGIN SUPERUSER PASSWORD 'right'")
    PG.sql("CREATE DATABASE other")
    hba = os.path.join(PG.data, "pg_hba.conf")
    with open(hba, encoding="utf-8") as f:
        before = f.read()
    with open(hba, "w", encoding="utf-8") as f: # in place: it stays the server's
        f.write("local other somebody scram-sha-256\n" + before)
    PG.sql("SELECT pg_reload_conf()")
    uri = f"postgresql:?host={PG.path}&port={PG.port}&user=somebody&database=other&table=e2"
    try:
        check(outcome(uri + "&password=wrong") != "delivered", "any password will do")
        delivered(uri + "&password=right")
        check(rows(PG, "e2", "other") == "1", "row")
        check(PG.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'e2'", "other") == "somebody", "user")
    finally:
        with open(hba, "w", encoding="utf-8") as f:
            f.write(before)
        PG.sql("SELECT pg_reload_conf()")


@effect("postgresql.table_name", "postgresql.schema_name")
def the_table_has_its_name():
    PG.sql("DROP SCHEMA IF EXISTS mine CASCADE")
    delivered(PG.uri("table_name=e3&schema_name=mine"))
    check(rows(PG, "mine.e3") == "1", "row")


@effect("postgresql.create_table")
def a_table_is_made_or_not():
    check(outcome(PG.uri("table=e4&create_table=false")) == "broken", "made")


@effect("postgresql.event_index")
def the_event_has_the_index_that_was_asked_for():
    for asked, want in (("gin", "USING gin (event)"), ("path_ops", "USING gin (event jsonb_path_ops)"), ("none", "")):
        PG.sql("DROP TABLE IF EXISTS e9")
        delivered(PG.uri(f"table=e9&event_index={asked}"))
        made = PG.sql("SELECT indexdef FROM pg_indexes WHERE indexname = 'idx_e9_event_gin'")
        check(made.endswith(want) and bool(made) == bool(want), f"{asked}: {made}")


@effect("postgresql.use_jsonb", "postgresql.extract_fields", "postgresql.record_id")
def the_table_has_its_columns():
    PG.sql("DROP TABLE IF EXISTS e5")
    delivered(PG.uri("table=e5&use_jsonb=false&extract_fields=message,order_id&record_id=false"))
    check(columns(PG, "e5") == "id:bigint,created_at:timestamp with time zone,timestamp:timestamp with time zone,message:text,"
          "order_id:text,event:json",
          columns(PG, "e5"))


@effect("postgresql.include_raw_json")
def the_event_is_whole_or_small():
    delivered(PG.uri("table=e6&include_raw_json=false"))
    delivered(PG.uri("table=e7"))
    small, whole = (PG.sql(f"SELECT length(event::text) FROM {t}") for t in ("e6", "e7"))
    check(int(small) < int(whole), f"{small} and {whole} bytes")


@effect("postgresql.max_pool_size")
def there_are_no_more_connections():
    with Place() as place:
        lock = subprocess.Popen([os.path.join(PG.bin, "psql"), "-h", "127.0.0.1", "-p", str(PG.port), "-U", "fapilog", "-d",
                                 "postgres", "-X", "-q"], stdin=subprocess.PIPE, text=True)
        delivered(PG.uri("table=e8"))
        lock.stdin.write("BEGIN; LOCK TABLE e8;\n") # rows wait, so each request needs a connection of its own
        lock.stdin.flush()
        c = place.collector(sink=PG.uri("table=e8&max_pool_size=1&batch_size=1&batch_interval=0s"))
        place.wait_ready(c)
        place.load_done("--records", 20)

        def connections():
            return int(PG.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%e8%' AND wait_event_type = 'Lock'"))
        wait_for("a connection", lambda: connections() == 1)
        never("more than one", lambda: connections() > 1)
        lock.stdin.write("COMMIT;\n")
        lock.stdin.close()
        lock.wait(timeout=20)
        c.kill()


@effect("postgresql.sslmode", "postgresql.tls_ca_file", "postgresql.tls_cert_file", "postgresql.tls_key_file")
def tls_is_wanted_and_verified():
    PG.sql("DROP TABLE IF EXISTS e9")
    PG.sql("ALTER SYSTEM SET ssl = 'off'")
    PG.sql("SELECT pg_reload_conf()")
    check(outcome(PG.uri("table=e9&sslmode=require")) != "delivered", "sslmode=require without TLS")
    c = certificates()
    for name in ("server.pem", "server.key", "ca.pem"):
        shutil.copy(c.path(name), os.path.join(PG.data, name))
        shutil.chown(os.path.join(PG.data, name), PG.user)
        os.chmod(os.path.join(PG.data, name), 0o600)
    for key, value in (("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key"), ("ssl_ca_file", "ca.pem"),
                       ("ssl", "on")):
        PG.sql(f"ALTER SYSTEM SET {key} = '{value}'")
    hba = os.path.join(PG.data, "pg_hba.conf")
    with open(hba, encoding="utf-8") as f:
        before = f.read()
    with open(hba, "w", encoding="utf-8") as f: # in place: it stays the server's
        f.write("hostssl all certified all trust clientcert=verify-ca\n" + before)
    PG.sql("DROP ROLE IF EXISTS certified")
    PG.sql("CREATE ROLE certified LOGIN SUPERUSER")
    PG.sql("SELECT pg_reload_conf()")
    wait_for("TLS", lambda: outcome(PG.uri("table=e9&sslmode=require")) == "delivered")
    PG.sql("DROP TABLE e9")
    uri = PG.uri("table=e9").replace("fapilog@", "certified@")
    check(outcome(uri + "&sslmode=verify-full") != "delivered", "an unknown server was trusted")
    check(outcome(f"{uri}&tls_ca_file={c.path('ca.pem')}&sslmode=verify-full") != "delivered", "no certificate")
    delivered(f"{uri}&tls_ca_file={c.path('ca.pem')}&sslmode=verify-full&tls_cert_file={c.path('client.pem')}&"
              f"tls_key_file={c.path('client.key')}")


if __name__ == "__main__":
    if "--list" in sys.argv:
        sys.exit(main())
    if not postgres.programs():
        print("PostgreSQL's server is not installed (Debian package postgresql)")
        sys.exit(77)
    with postgres.Postgres() as PG:
        sys.exit(main())
