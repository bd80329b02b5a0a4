#!/usr/bin/env python3
"""A collector with a program behind it: one that reads everything, that dies now and then, that reads nothing, that is
not there."""
import os
import select
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
from harness import *  # noqa: E402,F403

FAST = ("batch_interval=10ms&restart_min=10ms&retry_base_delay=10ms&retry_max_delay=50ms"
        "&breaker_threshold=1000&breaker_recovery=50ms")


def program(place, body):
    path = os.path.join(place.path, "program")
    with open(path, "w") as f:
        f.write(f"#!/bin/sh\ncd {place.out}\n{body}\n")
    os.chmod(path, 0o700)
    return f"exec://{path}?{FAST}"


def received(place):
    """Whole lines only: one that a program has read in part comes again."""
    records = []
    for path in place.files("got*"):
        with open(path, "rb") as f:
            data = f.read()
        records += [json.loads(line)["log"] for line in data.split(b"\n")[:-1]]
    return records


def no_child_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return not f.read().split()
    except FileNotFoundError:
        return True


def a_program_gets_each_record_once():
    with Place() as place:
        c = place.collector(sink=program(place, "exec cat >> got"))
        place.wait_ready(c)
        written = place.load_done("--id", 1, "--threads", 2, "--records", 20000, "--block")
        wait_for("all records", lambda: line_count(place.file("got")) >= written)
        stop(c)
        check_books(received(place), written)


def one_that_dies_now_and_then_costs_no_record():
    with Place() as place:
        # dd reads not a byte more than it is told, so what it has read it has written; each has a file of its own.
        c = place.collector(sink=program(place, "exec dd bs=1 count=50000 2>/dev/null > got.$$"))
        place.wait_ready(c)
        written = place.load_done("--id", 1, "--records", 2000, "--block")
        wait_for("all records", lambda: len(loads(received(place))) >= written, 60)
        text = stop(c)
        numbers = [d["n"] for d in loads(received(place))]
        check(len(numbers) == len(set(numbers)) == written, f"{len(set(numbers))} of {written} in {len(numbers)} lines")
        check(len(place.files("got*")) > 2, "it has died hardly ever")
        check("ended with status 0" in text, f"nobody says that it ends: {text}")


def one_that_reads_nothing_holds_up_nobody_else_and_nothing_is_lost():
    with Place() as place:
        uri = program(place, "echo $$ >> pids; exec sleep 1000") + "&timeout=100ms&stop_timeout=1s"
        c = place.collector("--sink", uri)
        place.wait_ready(c)
        written = place.load_done("--id", 1, "--records", 3000, "--block")
        wait_for("the file has all", lambda: line_count(place.file()) >= written)
        wait_for("it is stopped and started anew", lambda: line_count(place.file("pids")) >= 3)
        pid = c.pid
        text = stop(c)
        check(no_child_of(pid), "it is left behind")
        for line in open(place.file("pids")):
            check(not os.path.exists(f"/proc/{line.strip()}"), f"program {line.strip()} is left behind")
        check("was killed by signal 15" in text, f"nobody says that it is stopped: {text}")
        place.drain(sink=program(place, "exec cat >> got")) # out of the spool
        check_books(received(place), written)


def one_that_is_missing_is_named_and_its_records_wait():
    with Place() as place:
        uri = program(place, "exec cat >> got")
        os.rename(os.path.join(place.path, "program"), os.path.join(place.path, "elsewhere"))
        c = place.collector(sink=uri)
        place.wait_ready(c)
        written = place.load_done("--id", 1, "--records", 500, "--block")
        said = b""
        while b"cannot be run: path: No such file" not in said:
            check(select.select([c.stderr], [], [], 20)[0], f"not said: {said}")
            said += os.read(c.stderr.fileno(), 4096)
        os.rename(os.path.join(place.path, "elsewhere"), os.path.join(place.path, "program"))
        wait_for("all records", lambda: line_count(place.file("got")) >= written)
        stop(c)
        check_books(received(place), written)


if __name__ == "__main__":
    sys.exit(run([a_program_gets_each_record_once, one_that_dies_now_and_then_costs_no_record,
                  one_that_reads_nothing_holds_up_nobody_else_and_nothing_is_lost,
                  one_that_is_missing_is_named_and_its_records_wait]))
