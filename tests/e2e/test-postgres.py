#!/usr/bin/env python3
"""The PostgreSQL sink against a real server: what it makes, what it writes, what it says when that fails."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
import postgres
from loopback import make_certificates, make_flawed_certificates

SEND = os.environ["FAPILOG_SINK_SEND"]
SIMPLE, TYPES, LAYERS, HOSTILE, HUGE, PRINTF, JSON, KINDS = 0, 2, 4, 7, 8, 9, 12, 24


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def send(uri, *commands, lines=1, warned=""):
    p = subprocess.run([SEND, uri, *map(str, commands)], capture_output=True, text=True, timeout=60)
    check(p.returncode == 0, f"{commands}: {p.returncode} {p.stderr}")
    check(p.stderr.count("\n") == bool(warned) and warned in p.stderr, p.stderr)
    said = [json.loads(line) for line in p.stdout.splitlines()]
    check(len(said) == lines, f"{said}")
    return said


def outcome(*args, **kwargs):
    return [said["outcome"] for said in send(*args, **kwargs)]


def it_makes_schema_table_and_indexes(pg):
    check(outcome(pg.uri("table=t1&schema=new%20schema"), "add", SIMPLE, 3, "send") == ["delivered"], "delivered")
    columns = pg.sql("""SELECT column_name || ':' || data_type || ':' || coalesce(character_maximum_length, 0)
        FROM information_schema.columns WHERE table_schema = 'new schema' AND table_name = 't1' ORDER BY ordinal_position""")
    check(columns.split("\n") == [
        "id:bigint:0", "created_at:timestamp with time zone:0", "timestamp:timestamp with time zone:0",
        "level:character varying:10", "logger:character varying:255", "correlation_id:character varying:64", "message:text:0",
        "record_id:bytea:0", "event:jsonb:0"], columns)
    indexes = pg.sql("SELECT indexname FROM pg_indexes WHERE schemaname = 'new schema' ORDER BY 1").split("\n")
    check(indexes == ["idx_t1_correlation_id", "idx_t1_event_gin", "idx_t1_level", "idx_t1_record_id", "idx_t1_timestamp",
                      "t1_pkey"], f"{indexes}")


def a_table_with_a_long_name_has_all_its_indexes(pg):
    """PostgreSQL cuts names at 63 bytes, and two tables may begin alike."""
    kinds = ["correlation_id", "event_gin", "level", "record_id", "timestamp"]
    for table in ("a" * 44, "a" * 45, "l" * 58, "l" * 63, "l" * 62 + "m", "ä" * 31):
        uri = pg.uri(f"table={table}")
        check(outcome(uri, "add", SIMPLE, 3, "send", "send", lines=2) == ["delivered"] * 2, table)
        check(pg.sql(f'SELECT count(*) FROM "{table}"') == "3", f"{table}: each is there once")
        names = pg.sql(f"SELECT indexname FROM pg_indexes WHERE tablename = '{table}' AND indexname LIKE 'idx%'").split("\n")
        check(len(names) == len(kinds), f"{table}: {names}")
        for kind in kinds:
            check(any(name.endswith("_" + kind) for name in names), f"{table}: {kind} of {names}")
        if len(table) == 44:
            check(sorted(names) == [f"idx_{table}_{kind}" for kind in kinds], f"{names}")


def rows_hold_columns_and_the_event(pg):
    send(pg.uri("table=t2"), "add", SIMPLE, 2, "send")
    row = pg.sql("SELECT to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), level, logger, message, "
                 "encode(record_id, 'hex'), event FROM t2 ORDER BY record_id LIMIT 1").split("|", 5)
    check(row[:3] == ["2026-11-21T08:37:04.123456", "INFO", "orders.matching"], f"{row}")
    check(row[4] == "666170696c6f67207365676d656e7421" + "00000003" + "00000001" + "0000000000000000", row[4])
    event = json.loads(row[5])
    check(event["level"] == "INFO" and event["message"] == row[3] and "data" in event and "log" not in event, f"{event}")


def every_record_goes_in(pg):
    for i, kind in enumerate(range(KINDS)):
        check(outcome(pg.uri("table=t3"), "add", kind, 1, "send") == ["delivered"], f"sample {kind}")
        check(pg.sql("SELECT count(DISTINCT record_id) FROM t3") == "1", f"sample {kind}")
        pg.sql("DELETE FROM t3")
    check(outcome(pg.uri("table=t3&include_raw_json=false"), "add", HOSTILE, 1, "add", HUGE, 1, "send") == ["delivered"],
          "small events")
    check(outcome(pg.uri("table=t4&use_jsonb=false&extract_fields=order_id,request_id,service,pid,message"),
                  "add", LAYERS, 5, "add", TYPES, 5, "add", JSON, 5, "send") == ["delivered"], "json, other columns")
    check(pg.sql("SELECT count(*) FROM t4 WHERE service = 'orders' AND pid = '1234'") == "15", "columns")


def a_request_sent_twice_is_there_once(pg):
    said = outcome(pg.uri("table=t5"), "add", SIMPLE, 1000, "send", "add", SIMPLE, 500, "send", "send", lines=3)
    check(said == ["delivered"] * 3, f"{said}")
    check(pg.sql("SELECT count(*), count(DISTINCT record_id) FROM t5") == "1500|1500", "rows")


def a_bad_row_refuses_the_request_and_says_why(pg):
    said = send(pg.uri("table=t6"), "add", SIMPLE, 5, "bad", "send", "clear", "add", SIMPLE, 5, "send", lines=2)
    check(said[0]["outcome"] == "refused" and "22P02" in said[0]["reason"], f"{said}")
    check(said[1]["outcome"] == "delivered" and pg.sql("SELECT count(*) FROM t6") == "5", f"{said}")


def a_number_that_numeric_cannot_hold_is_refused_by_jsonb_alone(pg):
    for number, is_taken in (("1e131071", True), ("1e131072", False), ("1e-16383", True), ("1e-16384", False)):
        for is_jsonb in ("true", "false"):
            table = f"t16_{is_jsonb}"
            said = send(pg.uri(f"table={table}&use_jsonb={is_jsonb}"), "json", f'{{"x": {number}}}', "send")[0]
            if is_taken or is_jsonb == "false":
                check(said["outcome"] == "delivered" and pg.sql(f"DELETE FROM {table} RETURNING 1").startswith("1"), f"{said}")
            else:
                check(said["outcome"] == "refused" and "22003" in said["reason"], f"{number}: {said}")


def entries_of_other_columns_are_all_refused(pg):
    """From a spool that an earlier configuration has filled: more than any table of ours would hold."""
    said = send(pg.uri("table=t14"), "add", SIMPLE, 2, "foreign", 5000, "add", SIMPLE, 1, "send")
    check(said[0]["outcome"] == "delivered" and "extract_fields" in said[0]["reason"], f"{said[0]['reason']}")
    check(said[0]["rejected"] == list(range(2, 5002)), f"{len(said[0]['rejected'])} of 5000")
    check(pg.sql("SELECT count(*) FROM t14") == "3", "rows")


def a_table_of_somebody_else_is_used_as_it_is(pg):
    said = send(pg.uri("table=t7&create_table=false"), "add", SIMPLE, 1, "send")
    check(said[0]["outcome"] == "broken" and "t7 is not there; create_table=true" in said[0]["reason"], f"{said}")
    pg.sql("CREATE TABLE t7 (timestamp TIMESTAMPTZ, message TEXT, event JSONB NOT NULL)")
    uri = pg.uri("table=t7&create_table=false&extract_fields=message")
    check(outcome(uri, "add", SIMPLE, 4, "send") == ["delivered"], "without record ids")
    check(pg.sql("SELECT count(*) FROM t7") == "4", "rows")
    for fields, name, way in (("message,user_id", "user_id", ", or take it out of extract_fields"), ("message", "event", "")):
        said = send(pg.uri(f"table=t7&create_table=false&extract_fields={fields}"), "add", SIMPLE, 1, "send")[0]
        check(said["outcome"] == "broken" and said["reason"].endswith(f"t7 has no column {name}; add it{way}"), f"{said}")
        pg.sql("ALTER TABLE t7 DROP COLUMN IF EXISTS event")


def who_may_only_insert_needs_nothing_made(pg):
    send(pg.uri("table=t10"), "add", SIMPLE, 1, "send")
    pg.sql("CREATE ROLE writer LOGIN; GRANT INSERT ON t10 TO writer; GRANT USAGE ON t10_id_seq TO writer")
    uri = pg.uri("table=t10").replace("fapilog@", "writer@")
    check(outcome(uri, "add", SIMPLE, 2, "send", "add", SIMPLE, 2, "send", lines=2) == ["delivered"] * 2, "permission")
    said = send(uri.replace("t10", "t11"), "add", SIMPLE, 1, "send")
    check(said[0]["outcome"] == "broken" and "where the user may" in said[0]["reason"], f"{said}")


def a_table_whose_record_id_is_not_unique_is_told(pg):
    columns = "id BIGSERIAL PRIMARY KEY, timestamp TIMESTAMPTZ, message TEXT, record_id BYTEA"
    told = "table public.t15 has no unique index over record_id alone: a record that is sent again is there twice; make one"
    for made, options, warned, rows in (
            ("", "", told, "6"), ("", "&record_id=false", "", "6"), ("CREATE INDEX ON t15 (record_id)", "", told, "6"),
            ("CREATE UNIQUE INDEX ON t15 (record_id, id)", "", told, "6"),
            ("CREATE UNIQUE INDEX ON t15 (record_id) WHERE id > 1000", "", told, "6"),
            ("CREATE UNIQUE INDEX ON t15 (record_id) INCLUDE (message)", "", "", "3"),
            ("ALTER TABLE t15 ADD UNIQUE (record_id)", "", "", "3")):
        pg.sql(f"DROP TABLE IF EXISTS t15; CREATE TABLE t15 ({columns}, event JSONB NOT NULL); {made}")
        uri = pg.uri(f"table=t15&create_table=false&extract_fields=message{options}")
        check(outcome(uri, "add", SIMPLE, 3, "send", "send", lines=2, warned=warned) == ["delivered"] * 2, made)
        check(pg.sql("SELECT count(*) FROM t15") == rows, f"{made or 'none'}{options}")


def a_column_of_another_type_is_no_place_for_a_text(pg):
    pg.sql("CREATE TYPE severity AS ENUM ('INFO', 'ERROR')")
    for level, time, said in (("int", "timestamptz", "level is of type integer"), ("severity", "timestamptz", None),
                              ("varchar(4)", "timestamp", None), ("text", "bigint", "timestamp is of type bigint")):
        pg.sql(f"DROP TABLE IF EXISTS t12; CREATE TABLE t12 (level {level}, timestamp {time}, event JSONB)")
        got = send(pg.uri("table=t12&create_table=false&extract_fields=level,timestamp"), "add", SIMPLE, 1, "send")[0]
        check(got["outcome"] == ("broken" if said else "delivered"), f"{level}, {time}: {got}")
        check(not said or said in got["reason"], f"{got}")
        check(pg.sql("SELECT count(*) FROM t12") == ("0" if said else "1"), "rows")


def a_table_of_the_other_json_type_refuses_no_record(pg):
    for event, more, option, said in (("JSON", "", "", "use_jsonb=false"), ("JSONB", "", "&use_jsonb=false", "use_jsonb=true"),
                                      ("JSON", "", "&use_jsonb=false", None), ("JSONB", ", record_id TEXT", "", "bytea"),
                                      ("JSONB", ", record_id TEXT", "&record_id=false", None)):
        pg.sql(f"DROP TABLE IF EXISTS t13; CREATE TABLE t13 (timestamp TIMESTAMPTZ, message TEXT, event {event}{more})")
        got = send(pg.uri(f"table=t13&create_table=false&extract_fields=message{option}"), "add", SIMPLE, 1, "send")[0]
        check(got["outcome"] == ("broken" if said else "delivered"), f"{event}{more} {option}: {got}")
        check(not said or said in got["reason"], f"{got}")


def what_fails_is_told_apart(pg):
    check(outcome(f"postgresql://fapilog@127.0.0.1:{postgres.free_port()}/x", "add", SIMPLE, 1, "send") == ["retry"], "no server")
    said = send(pg.uri(database="missing"), "add", SIMPLE, 1, "send")
    check(said[0]["outcome"] in ("retry", "broken") and "missing" in said[0]["reason"], f"{said}")
    pg.sql("CREATE ROLE reader LOGIN")
    send(pg.uri("table=t8"), "add", SIMPLE, 1, "send")
    said = send(pg.uri("table=t8&create_table=false").replace("fapilog@", "reader@"), "add", SIMPLE, 1, "send")
    check(said[0]["outcome"] == "broken" and "42501" in said[0]["reason"], f"{said}")


def every_address_of_a_name_is_tried(pg):
    """The first is one where nobody listens: /etc/hosts is another file in a mount namespace."""
    if os.geteuid() != 0 or not os.path.exists("/proc/net/if_inet6"):
        return "not seen: it takes root and IPv6"
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
        hosts.write("::1 several.test\n127.0.0.1 several.test\n")
        hosts.flush()
        os.chmod(hosts.name, 0o644)
        uri = pg.uri("table=t11").replace("127.0.0.1", "several.test")
        p = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts.name, SEND, uri,
                            "add", str(SIMPLE), "3", "send"], capture_output=True, text=True, timeout=60, check=False)
    check(p.returncode == 0 and '"outcome":"delivered"' in p.stdout, f"{p.stdout} {p.stderr}")
    return ""


def it_connects_again_after_a_restart(pg):
    p = subprocess.Popen([SEND, pg.uri("table=t9"), "add", str(SIMPLE), "10", "send"], stdout=subprocess.PIPE, text=True)
    check(p.communicate(timeout=30)[0].count('"outcome":"delivered"') == 1, "first")
    pg.stop()
    check(outcome(pg.uri("table=t9"), "add", SIMPLE, 1, "send") == ["retry"], "while it is down")
    pg.start()
    check(outcome(pg.uri("table=t9"), "add", SIMPLE, 20, "send") == ["delivered"], "afterwards")
    check(pg.sql("SELECT count(*) FROM t9") == "20", "the first ten are the same records")


UNKNOWN = "certificate verify failed; has it expired, or does tls_ca_file not hold the authority that signed it?"


def certificates_that_are_refused_say_why_and_what_helps(pg):
    with tempfile.TemporaryDirectory() as folder:
        if not make_certificates(folder):
            return "skipped: openssl is not installed; tools/setup test"
        make_flawed_certificates(folder)
        uri = pg.uri(f"table=t9&sslmode=verify-full&tls_ca_file={folder}/ca.pem")
        for name, words in (
                ("expired", "certificate has expired; the server needs a new one, unless the clock here is wrong"),
                ("alone", "self-signed certificate; give the certificate of the authority that signed it as tls_ca_file"),
                ("other", 'does not match host name "127.0.0.1"; the host that is given here must be a name or an address '
                          "in the certificate")):
            pg.use_certificate(f"{folder}/{name}.pem", f"{folder}/server.key")
            for _ in range(100): # in a handshake that libpq begins and ends in one call nothing can be asked
                (said,) = send(uri, "add", SIMPLE, 1, "send")
                check(said["outcome"] == "retry", f"{name}: {said}")
                if not said["reason"].endswith(UNKNOWN):
                    break
            check(words in said["reason"].replace("self signed", "self-signed"), f"{name}: {said}")
        pg.use_certificate(f"{folder}/server.pem", f"{folder}/server.key")
        check(outcome(uri, "add", SIMPLE, 1, "send") == ["delivered"], "a good one")
    return ""


def main():
    if not postgres.programs():
        print("PostgreSQL's server is not installed (Debian package postgresql)")
        return 77
    with postgres.Postgres() as pg:
        for test in (it_makes_schema_table_and_indexes, a_table_with_a_long_name_has_all_its_indexes,
                     rows_hold_columns_and_the_event, every_record_goes_in,
                     a_request_sent_twice_is_there_once, a_bad_row_refuses_the_request_and_says_why,
                     a_number_that_numeric_cannot_hold_is_refused_by_jsonb_alone,
                     entries_of_other_columns_are_all_refused, a_table_of_somebody_else_is_used_as_it_is, what_fails_is_told_apart,
                     who_may_only_insert_needs_nothing_made, a_column_of_another_type_is_no_place_for_a_text,
                     a_table_of_the_other_json_type_refuses_no_record, a_table_whose_record_id_is_not_unique_is_told,
                     every_address_of_a_name_is_tried, certificates_that_are_refused_say_why_and_what_helps,
                     it_connects_again_after_a_restart):
            print("ok", test.__name__, test(pg) or "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
