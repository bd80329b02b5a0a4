#!/usr/bin/env python3
"""The PostgreSQL sink and what is none, or says what nobody asked for: nothing counts as delivered, nothing grows, nothing
falls over."""
import json
import os
import sys
import threading

from receiver import Skip, harness, run, send
from adminclient import Admin
from fakepg import NOTICE, NOTIFICATION, READY, FakePostgres, done, refusal, table

FLOOD_BYTES = 100 << 20
GROWTH_KB = 30 << 10


def outcome(**answers):
    server = FakePostgres(**answers)
    try:
        with harness.Place() as place:
            result, = send(place, server.uri("&timeout=5s"), 3, 3)
            return result["outcome"], result["reason"]
    finally:
        server.close()


def rows_that_were_not_taken_are_not_delivered():
    harness.check(outcome()[0] == "delivered", "not even by one that does everything right")
    for copy in (done(b"COPY 3"), READY, done(b"SELECT 1"), table([(b"x",)])):
        got = outcome(copy=copy)
        harness.check(got == ("retry", "the server ended COPY before it had the rows"), f"{copy}: {got}")


def columns_that_are_not_there_are_not_read():
    for columns in (table([(b"timestamp",)]), table([(b"event", b"U")])):
        got = outcome(columns=columns)
        harness.check(got == ("retry", "the server answers something else than it was asked"), f"{got}")
    for columns in (READY, done(b"SELECT 0"), table([(b"", b"", b"", b"")])):
        got = outcome(columns=columns)
        harness.check(got[0] == "broken", f"{got}")


def resident_kb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def what_is_said_unasked_is_not_kept():
    if "address" in os.environ.get("FAPILOG_SANITIZE", ""):
        raise Skip("AddressSanitizer keeps what is freed")
    for unasked in (NOTICE, NOTIFICATION):
        said = threading.Event()

        def flood(c, unasked=unasked, said=said):
            c.sendall(done(b"COPY 1"))
            for _ in range(FLOOD_BYTES // len(unasked)):
                c.sendall(unasked)
            said.set()
        server = FakePostgres(rows=lambda c, f=flood: threading.Thread(target=f, args=(c,), daemon=True).start())
        with harness.Place() as place:
            c = place.start([harness.COLLECTOR, "--rings", place.rings, "--sink", server.uri("&batch_interval=10ms")])
            place.wait_ready(c)
            before = resident_kb(c)
            place.load_done("--records", 1)
            harness.check(said.wait(60), "the server could not say it all")
            harness.check(resident_kb(c) - before < GROWTH_KB, f"{before} KB became {resident_kb(c)}")
        server.close()


def rows_that_nobody_asked_for_are_not_kept():
    if "address" in os.environ.get("FAPILOG_SANITIZE", ""):
        raise Skip("AddressSanitizer keeps what is freed")
    row = [b"x" * 7000] * 3
    for what in "setup", "columns":
        harness.check(outcome(setup=table([row] * 3))[0] == "delivered", "some rows more do no harm")
        said = threading.Event()

        def flood(c, said=said):
            begin, one = table([row], None), table([row] * 100, None)
            try:
                c.sendall(begin)
                for _ in range(FLOOD_BYTES // len(one)):
                    c.sendall(one[one.index(b"D", 20):])
            finally:
                said.set() # or it was hung up
        server = FakePostgres(**{what: flood})
        with harness.Place() as place:
            c = place.start([harness.COLLECTOR, "--rings", place.rings, "--sink",
                             server.uri("&batch_interval=10ms&timeout=60s&breaker_recovery=1h")])
            place.wait_ready(c)
            admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()
            before = resident_kb(c)
            place.load_done("--records", 1)
            harness.check(said.wait(60), "the server is read no more")
            harness.wait_for("it is refused", lambda: admin.sum("sink_errors_total") > 0)
            harness.check(resident_kb(c) - before < GROWTH_KB, f"{what}: {before} KB became {resident_kb(c)}")
            sink, = json.loads(admin.get("/status")[1])["sinks"]
            harness.check(sink["last_reason"] == "the server answers something else than it was asked", sink["last_reason"])
        server.close()


def a_reason_that_ends_within_a_character_is_shown():
    server = FakePostgres(columns=refusal("\u00e9" * 200))
    with harness.Place() as place:
        c = place.start([harness.COLLECTOR, "--rings", place.rings, "--sink", server.uri("&batch_interval=10ms")])
        place.wait_ready(c)
        admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()
        place.load_done("--records", 1)
        harness.wait_for("it has failed", lambda: admin.sum("sink_errors_total") > 0)
        sink, = json.loads(admin.get("/status")[1])["sinks"]
        harness.check(sink["last_reason"].startswith("\u00e9" * 100), sink["last_reason"])
    server.close()


if __name__ == "__main__":
    sys.exit(run([rows_that_were_not_taken_are_not_delivered, columns_that_are_not_there_are_not_read,
                  what_is_said_unasked_is_not_kept, rows_that_nobody_asked_for_are_not_kept,
                  a_reason_that_ends_within_a_character_is_shown]))
