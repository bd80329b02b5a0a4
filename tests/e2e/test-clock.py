#!/usr/bin/env python3
"""Somebody sets the wall clock, forwards and back, by an hour and by a day, while records flow: services, the collector
with its sinks, and fapilog-dump. Only their view of the clock is shifted (tests/common/clock_shift.c), not the machine's.

FAPILOG_ROUNDS: how many times over (default 1)."""
import mmap
import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403
from brokenserver import BrokenServer  # noqa: E402

SHIM = os.environ["FAPILOG_CLOCK_SHIFT"]
ROUNDS = int(os.environ.get("FAPILOG_ROUNDS", "1"))
SEED = int(os.environ.get("FAPILOG_SEED", str(int(time.time()))))
HOUR = 3600
DAY = 24 * HOUR
JUMPS = [HOUR, 0, DAY, 0, -HOUR, 0, -DAY, 0, DAY, -DAY, 1.5 * DAY, 0.5, -0.5, 0]  # where the clock stands, against the true one


class Clock:
    """Of all programs that are started with `env`."""

    def __init__(self, place):
        self.path = os.path.join(place.path, "clock")
        self.env = {"LD_PRELOAD": SHIM, "CLOCK_SHIFT": self.path}
        self.shifts = 0
        self.by = 0.0
        with open(self.path, "wb") as f:
            f.truncate(16 + 255 * 16)
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def set(self, by):
        struct.pack_into("<qq", self.map, 16 + 16 * self.shifts, time.time_ns(), int(by * 1e9))
        self.shifts += 1
        struct.pack_into("<Q", self.map, 0, self.shifts)
        self.by = by


def collector(place, clock, *args, sink, io):
    return place.start([COLLECTOR, "--rings", place.rings, "--sink", sink, "--set", f"state_dir={place.path}/state", *args],
                       env={**clock.env, "FAPILOG_IO": io})


def load(place, clock, *args):
    return place.start([LOAD, *map(str, args), place.rings], env=clock.env)


def files_of(directory):
    return [os.path.join(directory, name) for name in os.listdir(directory)]


def out_bytes(directory):
    return sum(os.path.getsize(p) for p in files_of(directory))


def records_of(directory):
    """In the order of their names, which is not that of time here."""
    return [r for path in files_of(directory) for r in read_lines(path)]


def check_once(records, written, what):
    seen = [(d["producer"], d["thread"], d["n"]) for d in loads(records)]
    check(len(seen) == written, f"{what}: {len(seen)} of {written} records")
    check(len(set(seen)) == written, f"{what}: {len(seen) - len(set(seen))} records twice")


def nothing_is_lost_twice_or_late(io):
    """All sinks at once; each record comes within seconds however the clock stands; killed twice on the way."""
    rng = random.Random(SEED)
    with Place() as place, BrokenServer(is_broken=False) as server:
        clock = Clock(place)
        dated, native = os.path.join(place.out, "dated"), os.path.join(place.out, "native")
        os.mkdir(dated)
        os.mkdir(native) # the collector is ready before it would make it
        sinks = [f"native://{native}/?interval=1h&max_bytes=30KB", server.uri()]
        args = [a for s in sinks for a in ("--sink", s)] + ["--set", "merge_window=50ms"]

        def start():
            c = collector(place, clock, *args, sink=f"file://{dated}/?prefix=log&interval=1h&max_bytes=100KB&max_age=80h", io=io)
            place.wait_ready(c)
            return c
        c = start()
        running = [load(place, clock, "--id", i, "--threads", 2, "--records", 0, "--burst", 10, "--pause-us", 5000, "--block")
                   for i in range(2)]
        for number, by in enumerate(JUMPS * ROUNDS):
            clock.set(by)
            if number % 5 == 3:
                c.kill()
                c.wait()
                c = start()
            before = (out_bytes(dated), len(server.records), out_bytes(native))
            wait_for(f"seed {SEED}: records arrive with the clock at {by} s",
                     lambda: out_bytes(dated) > before[0] + 30000 and len(server.records) > before[1] + 100 and
                     out_bytes(native) > before[2], seconds=10)
            flushed = load(place, clock, "--id", 100 + number, "--records", 1, "--flush-ms", 8000)
            out, _ = flushed.communicate(timeout=20)
            check("flush 0 " in out, f"clock at {by} s: {out}")
            time.sleep(rng.uniform(0, 0.1))
        for p in running:
            p.terminate()
        written = sum(written_by(p) for p in running) + len(JUMPS * ROUNDS)
        wait_for(f"seed {SEED}: the server has all {written}", lambda: has_all(server, written))
        stop(c)
        check_once(records_of(dated), written, f"seed {SEED}, file")
        r = execute([DUMP, "--format", "fapilog", native], env=clock.env, status=0)
        check_once([line["log"] for line in r.lines()], written, f"seed {SEED}, native")
        return f"{written} records, {len(files_of(dated))} and {len(files_of(native))} files"


def nothing_is_lost_twice_or_late_with_plain_calls():
    return nothing_is_lost_twice_or_late("plain")


def nothing_is_lost_twice_or_late_with_io_uring():
    return nothing_is_lost_twice_or_late("auto")


def numbers(path):
    return [d["n"] for d in loads(read_lines(path))]


def of_archives_the_newest_are_kept():
    """Files that were written while the clock was ahead do not push out those that came later."""
    with Place() as place:
        clock = Clock(place)
        c = collector(place, clock, sink=f"file://{place.out}/?prefix=log&max_bytes=20KB&max_files=4", io="auto")
        place.wait_ready(c)
        p = load(place, clock, "--records", 0, "--burst", 10, "--pause-us", 3000, "--block")

        def youngest():
            return max((n for path in files_of(place.out) for n in whole_numbers(path)), default=-1)

        for by in [0, DAY, 0, HOUR, -HOUR, 0] * ROUNDS:
            clock.set(by)
            before = youngest()
            wait_for(f"files are left with the clock at {by} s", lambda: youngest() > before + 600)
        p.terminate()
        written = written_by(p)
        stop(c)
        kept = sorted(n for path in files_of(place.out) for n in numbers(path))
        check(4 <= len(files_of(place.out)) <= 5, f"files {os.listdir(place.out)}")
        check(kept == list(range(written - len(kept), written)), f"of {written} these were kept: {kept[0]} to {kept[-1]}, "
                                                                 f"{len(kept)} in {len(files_of(place.out))} files")


def whole_numbers(path):
    """Of a file that is being written, or removed."""
    try:
        with open(path, "rb") as f:
            return [json.loads(line)["log"]["data"].get("n", -1) for line in f.read().split(b"\n")[:-1]]
    except FileNotFoundError:
        return []


def a_short_jump_makes_no_file_too_old():
    with Place() as place:
        clock = Clock(place)
        c = collector(place, clock, sink=f"file://{place.out}/?prefix=log&max_bytes=20KB&max_age=3h", io="auto")
        place.wait_ready(c)
        p = load(place, clock, "--records", 0, "--burst", 10, "--pause-us", 2000, "--block")
        for by in [0, DAY, 0, HOUR, 10 * DAY, -DAY, 0] * ROUNDS:
            clock.set(by)
            before = len(os.listdir(place.out))
            wait_for(f"files are left with the clock at {by} s", lambda: len(os.listdir(place.out)) > before + 2)
        p.terminate()
        written = written_by(p)
        stop(c)
        check_once(records_of(place.out), written, "with max_age")


def what_is_spooled_keeps_its_age_and_its_time_to_be_sent():
    """Nothing is given up since the clock jumped, and what the server gets late it gets at once when it can."""
    with Place() as place, BrokenServer() as server:
        clock = Clock(place)
        options = "&spool_max_age=2h&retry_deadline=3h&queue_records=100&spool_sync=always"
        c = collector(place, clock, "--verbose", "--sink", server.uri(options), sink=place.uri(), io="auto")
        place.wait_ready(c)
        written = 0
        for by in [0, DAY, -DAY, 2 * DAY] * ROUNDS:
            clock.set(by)
            time.sleep(1.2)  # the spool looks at ages each second
            written += written_by(load(place, clock, "--id", written, "--records", 3000, "--payload", 100, "--block"))
            wait_for("the file has them", lambda: line_count(place.file()) >= written)
        clock.set(-DAY)
        server.is_broken = False
        wait_for("the server has all", lambda: has_all(server, written), seconds=60)
        clock.set(0)
        text = stop(c)
        check("dropped" not in text and "dead" not in text, text)
        check_once(place.lines(), written, "file")
        return f"{written} records"


def arrived(server):
    with server.lock:
        return {r["context"]["message_id"] for r in server.records if r["message"] == "load"}


def has_all(server, written):
    """The count first: looking at each record again and again takes the time in which the server would take them."""
    return len(server.records) >= written and len(arrived(server)) == written


def a_collector_that_starts_goes_by_the_clock_and_counts_what_is_too_old():
    """Of what an earlier run has spooled only the clock can tell."""
    with Place() as place, BrokenServer() as server:
        clock = Clock(place)
        args = ["--drain", "--verbose", "--set", "shutdown_timeout=1s"]

        def drain(status):
            c = collector(place, clock, *args, sink=server.uri("&spool_max_age=2h"), io="auto")
            _, text = c.communicate(timeout=60)
            check(c.returncode == status, f"--drain ended with {c.returncode}: {text}")
            return text
        written = written_by(load(place, clock, "--records", 300))
        drain(1)
        clock.set(-DAY)
        drain(1)
        clock.set(HOUR)
        drain(1)
        clock.set(DAY)
        text = drain(1)
        check(f"dropped (older than spool_max_age) {written}" in text, text)
        check(not server.records, "the server was broken")


def what_is_followed_is_shown_once_whatever_the_clock_says():
    """Of rings and of native files; --since is about what was there before."""
    for what in ("rings", "files"):
        with Place() as place:
            clock = Clock(place)
            native = os.path.join(place.out, "native")
            c = collector(place, clock, sink=f"native://{native}/?max_bytes=200KB", io="auto")
            place.wait_ready(c)
            old = written_by(load(place, clock, "--id", 9, "--records", 10))
            wait_for("they are in a file", lambda: files_of(native) and out_bytes(native) > 1000)
            clock.set(HOUR)
            with open(os.path.join(place.path, "shown"), "w") as out:
                where = [place.rings] if what == "rings" else [native]
                d = place.start([DUMP, "--follow", "--since", "-5m", "--format", "json", *where], stdout=out, env=clock.env)
                wait_for("it is at work", lambda: handles_signals(d.pid))
                time.sleep(0.3)  # its first look has nothing to show
                p = load(place, clock, "--records", 0, "--burst", 10, "--pause-us", 5000, "--block")

                def shown():
                    with open(out.name) as f:
                        return [json.loads(line) for line in f.read().split("\n")[:-1]]
                for by in [HOUR, 0, DAY, 0, -DAY, DAY, -HOUR, 0]:
                    clock.set(by)
                    before = len(shown())
                    wait_for(f"{what}: records are shown with the clock at {by} s", lambda: len(shown()) > before + 50, seconds=10)
                p.terminate()
                written = written_by(p)
                wait_for(f"{what}: all are shown", lambda: len(shown()) >= written)
                stop(c)
                d.terminate()
                check(d.wait(timeout=20) == 0, "fapilog-dump has failed")
            lines = [r for r in shown() if r["message"] == "load"]
            check([r["n"] for r in lines] == list(range(written)), f"{what}: {len(lines)} of {written}, in another order, "
                                                                   f"or the {old} that are older than --since")


def handles_signals(pid):
    with open(f"/proc/{pid}/status") as f:
        caught = int(re.search(r"SigCgt:\s*([0-9a-f]+)", f.read()).group(1), 16)
    return caught >> 14 & 1  # SIGTERM


if __name__ == "__main__":
    if IS_SANITIZED:
        print("SKIPPED: a sanitizer's library has to be the first one")
        sys.exit(77)
    sys.exit(run([
        nothing_is_lost_twice_or_late_with_plain_calls,
        nothing_is_lost_twice_or_late_with_io_uring,
        of_archives_the_newest_are_kept,
        a_short_jump_makes_no_file_too_old,
        what_is_spooled_keeps_its_age_and_its_time_to_be_sent,
        a_collector_that_starts_goes_by_the_clock_and_counts_what_is_too_old,
        what_is_followed_is_shown_once_whatever_the_clock_says,
    ]))
