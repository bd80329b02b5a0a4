#!/usr/bin/env python3
"""The collector gives up while a write is under way: the kernel still uses the batch, the request and the
sink, so none of them may be freed. (Until commit 437a637 they were: SIGSEGV in io_free() with io_uring, seen
when a full tmpfs made a write slow.) A pipe that nobody reads makes a write that lasts as long as wanted.
Freed memory is overwritten (MALLOC_PERTURB_), so that whoever still reads it fails for certain."""
import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
from brokenserver import BrokenServer  # noqa: E402
from harness import COLLECTOR, Place, check, rings, run, wait_for  # noqa: E402

RECORDS = 2000  # several times what a pipe holds
GAVE_UP = "stay in their rings"


def stuck_collector(place, log):
    """A collector whose write to the console is under way and does not end; the reading end of its pipe."""
    place.load_done("--records", RECORDS)
    reading, writing = os.pipe()
    p = place.start([COLLECTOR, "--rings", place.rings, "--set", "shutdown_timeout=20ms", "--sink", "console:"],
                    env={"MALLOC_PERTURB_": "165"}, stdout=writing, stderr=log)
    os.close(writing)
    place.wait_ready(p)

    def pipe_is_full():
        held = struct.unpack("i", fcntl.ioctl(reading, termios.FIONREAD, b"\0" * 4))[0]
        return held > 60000
    wait_for("the pipe is full", pipe_is_full)
    p.send_signal(signal.SIGTERM)
    wait_for("the collector gives up", lambda: GAVE_UP in open(log.name).read())
    return p, reading


def ended(p, log):
    try:
        p.wait(timeout=30)
    except subprocess.TimeoutExpired:
        check(False, "the collector does not end")
    text = open(log.name).read()
    check(p.returncode == 1, f"ended with {p.returncode}, not 1: {text}")
    return text


def a_write_that_does_not_end_is_left_to_the_kernel():
    with Place() as place, open(os.path.join(place.path, "stderr"), "w") as log:
        p, reading = stuck_collector(place, log)
        text = ended(p, log)
        check("a write does not end" in text, f"messages: {text}")
        check(len(rings(place)) == 1, "the ring is gone")
        os.close(reading)


def a_write_that_ends_late_is_waited_for():
    with Place() as place, open(os.path.join(place.path, "stderr"), "w") as log:
        p, reading = stuck_collector(place, log)
        while os.read(reading, 1 << 20):
            pass
        text = ended(p, log)
        check("a write does not end" not in text, f"messages: {text}")
        os.close(reading)


def asks(p, deaf, scheme):
    """A request of the collector is under way, as long as what this returns."""
    if scheme == "exec":
        wait_for("the program runs", lambda: open(f"/proc/{p.pid}/task/{p.pid}/children").read())
        return contextlib.nullcontext()
    client, _ = deaf.accept()
    check(select.select([client], [], [], 30)[0], "nobody asks")
    return client


def requests_under_way_when_time_is_over_end_and_their_records_are_kept():
    """Of a server that takes connections and answers none; the time is over by a second signal, or by itself. The collector ended
    with an assertion then: a request was under way in what it was about to free."""
    for scheme, signals, on_full in [("http", 1, "spool"), ("http", 1, "block"), ("http", 2, "spool"), ("http", 2, "block"),
                                     ("otlp", 1, "spool"), ("otlp", 2, "block"), ("postgresql", 1, "block"),
                                     ("postgresql", 2, "spool"), ("exec", 1, "spool"), ("exec", 2, "block")]:
        with Place() as place, socket.create_server(("127.0.0.1", 0)) as deaf, BrokenServer(is_broken=False) as server, \
                open(os.path.join(place.path, "stderr"), "w") as log:
            written = place.load_done("--records", 100)
            uri = "exec:/bin/sleep?args=1000&stop_timeout=10ms&" if scheme == "exec" else \
                f"{scheme}://127.0.0.1:{deaf.getsockname()[1]}/?"
            p = place.start([COLLECTOR, "--rings", place.rings, "--set", f"shutdown_timeout={'1ms' if signals == 1 else '1h'}",
                             "--sink", f"{uri}batch_interval=1ms&on_full={on_full}"],
                            env={"MALLOC_PERTURB_": "165"}, stderr=log)
            place.wait_ready(p)
            with asks(p, deaf, scheme):
                p.send_signal(signal.SIGTERM)
                if signals > 1: # two that wait are one
                    wait_for("a second signal ends it", lambda p=p: p.poll() is not None or p.send_signal(signal.SIGTERM))
                text = ended(p, log)
            check("internal error" not in text and "does not end" not in text, text)
            if scheme == "http": # the next run delivers all, once
                place.drain(sink=server.uri())
                numbers = sorted(r["data"]["n"] for r in server.records)
                check(numbers == list(range(written)), f"{on_full}: {len(numbers)} of {written}")


def a_spool_is_named_although_its_sink_has_not_failed():
    """Its server has answered nothing yet, and there was no time to see whether it would."""
    with Place() as place, socket.create_server(("127.0.0.1", 0)) as deaf:
        uri = f"http://127.0.0.1:{deaf.getsockname()[1]}/?name=web&batch_interval=10ms&queue_records=50&timeout=1h"
        p = place.start([COLLECTOR, "--rings", place.rings, "--set", "shutdown_timeout=0", "--sink", uri])
        place.wait_ready(p)
        place.load_done("--records", RECORDS, "--block")
        spool = os.path.join(place.path, "state", "spool", "web")
        wait_for("most of it is spooled", lambda: not rings(place))
        p.send_signal(signal.SIGTERM)
        text = p.communicate(timeout=30)[1]
        check(os.listdir(spool) and "sink web: " in text and "records stay in its spool" in text, text)
        check(p.returncode == 1, f"{p.returncode}")


if __name__ == "__main__":
    sys.exit(run([
        a_write_that_does_not_end_is_left_to_the_kernel,
        a_write_that_ends_late_is_waited_for,
        requests_under_way_when_time_is_over_end_and_their_records_are_kept,
        a_spool_is_named_although_its_sink_has_not_failed,
    ]))
