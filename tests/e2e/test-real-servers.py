#!/usr/bin/env python3
"""Real servers that are frozen (SIGSTOP), stopped and started again, or whose disk is full, while records come: the file beside
them does not wait, everything arrives, what comes twice has the same id, and the books balance to the record."""
import contextlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.parse

from receiver import SERVERS, Skip, free_port, get, harness, need, run, wait_http
from programs import DUMP
import postgres
import syslogd

EACH = 400 # records of an outage
QUICK = ("batch_size=100&batch_interval=20ms&timeout=500ms&retry_base_delay=10ms&retry_max_delay=200ms&breaker_recovery=100ms"
         "&dead_letters=false&queue_records=200")


def books(place):
    """What is written of each sink and of the rings, once all of it balances."""
    dump = place.start([DUMP, "--stats", os.path.join(place.path, "state")])
    text, said = dump.communicate(timeout=20)
    harness.check(dump.returncode == 0 and "The books balance." in text, f"the books: {text}{said}")
    return {words[0]: [int(n) for n in words[1:7]] for words in map(str.split, text.splitlines()) if words[-1] == "balanced"}


class World:
    """A collector with a file and sinks of one server; `numbers` tells which records that server has, with their ids."""

    def __init__(self, place, *uris, env=None):
        self.place, self.written = place, 0
        more = [word for uri in uris for word in ("--sink", uri)]
        self.collector = place.collector(*more, env=env)
        place.wait_ready(self.collector)

    def log(self):
        self.written += self.place.load_done("--id", self.written, "--records", EACH, "--block")
        harness.wait_for("the file has them", lambda: harness.line_count(self.place.file()) >= self.written)

    def wait_all(self, what, numbers):
        harness.wait_for(f"{what}: all of {self.written} have arrived", lambda: len(numbers()) >= self.written, 60)

    def end(self, sinks, kept=0):
        said = harness.stop(self.collector)
        each = books(self.place)
        harness.check(len(each) == 1 + sinks, f"{each}")
        for name, (taken, delivered, dropped, dead, memory, spooled) in each.items():
            harness.check(taken == delivered == self.written and dropped + dead + memory + spooled == kept,
                          f"{name} of {self.written}: {each}: {said}")


def only_dead_letter(place, taken, *words):
    """Of the PostgreSQL sink, which has delivered all else."""
    each = books(place)
    harness.check(each == {"postgresql": [taken, taken - 1, 0, 1, 0, 0]}, f"{taken} records: {each}")
    dump = place.start([DUMP, os.path.join(place.path, "state", "dead", "postgresql")])
    text = "".join(dump.communicate(timeout=20))
    harness.check(all(text.count(word) == 1 for word in words), f"{words} are not once in {text}")


# ---- VictoriaLogs: http, loki and otlp at once ----

class Victoria:
    def __init__(self, place, data):
        self.place, self.data, self.port = place, data, free_port()
        self.program = need(os.path.join(SERVERS, "bin/victoria-logs"), "tests/servers/install victoria-logs")
        self.process = None
        self.start()

    def start(self):
        self.process = self.place.start(
            [self.program, f"-storageDataPath={self.data}/vl", f"-httpListenAddr=127.0.0.1:{self.port}",
             "-memory.allowedBytes=64MB"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_http(f"http://127.0.0.1:{self.port}/health", self.process)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def is_full(self):
        return re.search(rb"^vl_storage_is_read_only\S* 1$", get(f"http://127.0.0.1:{self.port}/metrics"), re.MULTILINE)

    def uris(self):
        at = f"127.0.0.1:{self.port}/insert"
        lines = urllib.parse.quote(f"http://{at}/jsonline?_msg_field=message&_time_field=timestamp&_stream_fields=logger", "")
        return (f"http:?endpoint={lines}&batch_format=ndjson&{QUICK}",
                f"loki://{at}?labels=app=loki&{QUICK}",
                f"otlp+http://{at}/opentelemetry?{QUICK}")

    def numbers(self, sink):
        """{(producer, n): ids} of what one of the sinks has brought."""
        of, prefix, key = {"http": ('"data.n":* app:""', "data.", "context.message_id"),
                           "loki": ('{app="loki"}', "data.", "context.message_id"),
                           "otlp": ('"service.name":*', "", "log.record.uid")}[sink]
        query = urllib.parse.urlencode({"query": of, "limit": 100000})
        text = get(f"http://127.0.0.1:{self.port}/select/logsql/query?{query}").decode()
        found = {}
        for line in map(json.loads, text.splitlines()):
            if "load" in (line.get("_msg"), line.get("message")): # no report of the collector's own
                found.setdefault((line[prefix + "producer"], line[prefix + "n"]), set()).add(line[key])
        return found


def victorialogs_frozen_stopped_and_full():
    with harness.Place() as place, harness.small_disk(place, "48m") as disk:
        server = Victoria(place, disk or place.out)
        world = World(place, *server.uris())
        ballast = os.path.join(disk or place.out, "ballast")

        def fill():
            with open(ballast, "wb") as f: # it refuses records when less than 10 MB are left
                f.write(bytes(40 << 20))
            harness.wait_for("it refuses records", server.is_full)

        outages = [("frozen", server.freeze, server.thaw), ("stopped", server.stop, server.start)]
        if disk:
            outages.append(("full", fill, lambda: os.unlink(ballast)))
        for what, away, back in outages:
            world.log()
            away()
            world.log()
            back()
            for sink in ("http", "loki", "otlp"):
                world.wait_all(f"{what}, {sink}", lambda: server.numbers(sink)) # pylint: disable=cell-var-from-loop
        world.end(3)
        for sink in ("http", "loki", "otlp"):
            twice = [n for n, ids in server.numbers(sink).items() if len(ids) != 1]
            harness.check(not twice, f"{sink}: sent again with another id: {twice[:5]}")
        return f"{world.written} records" + ("" if disk else "; no small tmpfs can be mounted: not full")


# ---- PostgreSQL ----

def family(pid):
    """A process and its children."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as f:
        return [pid, *map(int, f.read().split())]


def tablespace(pg, disk):
    """Tables of this server's user lie on that disk from now on."""
    path = os.path.join(disk, "tables")
    os.mkdir(path)
    if pg.user:
        shutil.chown(path, pg.user)
        os.chmod(os.path.dirname(disk), 0o711)
    pg.sql(f"CREATE TABLESPACE small LOCATION '{path}'")
    pg.sql("ALTER ROLE fapilog SET default_tablespace = small")


def fill_up(path):
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as f:
        while True:
            f.write(bytes(4096))


def postgresql_frozen_killed_and_full():
    if not postgres.programs():
        raise Skip("PostgreSQL is not installed; tools/setup test")
    with harness.Place() as place, harness.small_disk(place, "16m") as disk, postgres.Postgres() as pg:
        if disk:
            tablespace(pg, disk)
        ballast = os.path.join(disk or place.out, "ballast")
        world = World(place, pg.uri(f"table=frozen&{QUICK}"))

        def signal_all(sig):
            with open(os.path.join(pg.data, "postmaster.pid"), encoding="utf-8") as f:
                for pid in family(int(f.readline())):
                    with contextlib.suppress(ProcessLookupError): # a worker that has ended meanwhile
                        os.kill(pid, sig)

        def numbers():
            return pg.sql("SELECT DISTINCT event->'data'->>'producer', event->'data'->>'n' FROM frozen").split("\n")

        def has_refused():
            with open(os.path.join(pg.path, "log"), encoding="utf-8") as f:
                return "No space left" in f.read()

        def empty():
            harness.wait_for("its disk is full", has_refused)
            os.unlink(ballast)

        outages = [("frozen", lambda: signal_all(signal.SIGSTOP), lambda: signal_all(signal.SIGCONT)),
                   ("killed", lambda: pg.stop("immediate"), pg.start)]
        if disk:
            outages.append(("full", lambda: fill_up(ballast), empty))
        else:
            print("SKIPPED: postgresql_frozen_killed_and_full: the full disk: cannot mount a small tmpfs")
        for what, away, back in outages:
            world.log()
            harness.wait_for("the table is there", lambda: pg.sql("SELECT to_regclass('frozen') IS NOT NULL") == "t")
            away()
            world.log()
            back()
            world.wait_all(what, numbers)
        world.end(1)
        count = pg.sql("SELECT count(*) FROM frozen")
        harness.check(count == str(world.written), f"{count} rows for {world.written} records")
        return f"{world.written} records"


def postgresql_a_bad_row_costs_only_itself():
    """One that a constraint of somebody's own table refuses, in the middle of a request."""
    if not postgres.programs():
        raise Skip("PostgreSQL is not installed; tools/setup test")
    with harness.Place() as place, postgres.Postgres() as pg:
        pg.sql("CREATE TABLE checked (timestamp TIMESTAMPTZ, level TEXT, logger TEXT, correlation_id TEXT, message TEXT, "
               "record_id BYTEA UNIQUE, event JSONB NOT NULL, CHECK (event->'data'->>'n' <> '137'))")
        written = place.load_done("--records", EACH)
        text = place.drain(sink=pg.uri("table=checked&create_table=false"), status=1)
        harness.check("sink postgresql: 1 records were refused for good" in text, text)
        got = pg.sql("SELECT event->'data'->>'n' FROM checked ORDER BY (event->'data'->>'n')::int").split("\n")
        harness.check(got == [str(n) for n in range(written) if n != 137], f"{len(got)} rows of {written} records: {got}")
        only_dead_letter(place, written, '"status":"23514"', '\\"n\\":137,')


# ---- moto, which keeps nothing that a restart would find ----

def cloudwatch_frozen():
    cloudwatch = importlib.import_module("test-cloudwatch")
    with harness.Place() as place:
        port = cloudwatch.moto(place)
        server = place.processes[-1]
        uri = f"cloudwatch://eu-west-1/group/stream?endpoint_url=http%3A%2F%2F127.0.0.1%3A{port}&{QUICK}"
        world = World(place, uri.replace("timeout=500ms", "timeout=2s"), env=cloudwatch.KEYS)

        def numbers():
            ids = {}
            for event in map(json.loads, (e["message"] for e in cloudwatch.events(port, "group", "stream"))):
                ids.setdefault((event["data"]["producer"], event["data"]["n"]), set()).add(event["context"]["message_id"])
            return ids

        world.log()
        world.wait_all("at first", numbers)
        server.send_signal(signal.SIGSTOP)
        world.log()
        server.send_signal(signal.SIGCONT)
        world.wait_all("frozen", numbers)
        world.end(1)
        harness.check(all(len(ids) == 1 for ids in numbers().values()), "a record came again with another id")
        return f"{world.written} records"


# ---- rsyslog ----

def rsyslog_frozen_and_stopped():
    if not shutil.which("rsyslogd"):
        raise Skip("rsyslog is not installed; tools/setup test")
    with harness.Place() as place, syslogd.Rsyslog(False) as server:
        world = World(place, f"syslog+tcp://127.0.0.1:{server.tcp}?{QUICK}")

        def numbers():
            return {line[6] for line in server.lines() if line[7].strip() == "load"}

        def ids():
            return {data.split(' producer=')[1] for data in numbers()}

        for what, away, back in (("frozen", lambda: server.process.send_signal(signal.SIGSTOP),
                                  lambda: server.process.send_signal(signal.SIGCONT)),
                                 ("stopped", server.stop, server.start)):
            world.log()
            world.wait_all(f"before it is {what}", ids) # what lies unread in its socket when it ends is lost to it
            away()
            world.log()
            back()
            world.wait_all(what, ids)
        world.end(1)
        harness.check(len(numbers()) == len(ids()), "a record came again with another id")
        return f"{world.written} records"


if __name__ == "__main__":
    sys.exit(run([victorialogs_frozen_stopped_and_full, postgresql_frozen_killed_and_full,
                  postgresql_a_bad_row_costs_only_itself, cloudwatch_frozen, rsyslog_frozen_and_stopped]))
