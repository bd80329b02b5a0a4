#!/usr/bin/env python3
"""What a sink that fails under load is given are images of the ring: every kind of record comes out of the spool as the file
beside it has it, however it got there."""
import collections
import json
import os
import signal
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "common")]
from harness import *  # noqa: E402,F403
from brokenserver import BrokenServer  # noqa: E402

EVERYTHING, DUMP = os.environ["FAPILOG_EVERYTHING"], os.environ["FAPILOG_DUMP"]
BLOCK, IMAGE = b"FAPBLOCK", 3
FLOOD = 3000 # records: more than the batch by which the collector sees that it has to hurry


def collector(place, server, *args, options="", env=None):
    return place.collector("--sink", server.uri("&format=json&source=true" + options), "--set", "shutdown_timeout=1s",
                           *args, sink=place.uri(options="format=json&source=true"), env=env)


def in_file(place):
    with open(place.file(), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def spool(place):
    return os.path.join(place.path, "state", "spool", "http")


def images(place):
    """Blocks of the spool that are images, and the records in them."""
    blocks = records = 0
    for name in os.listdir(spool(place)):
        with open(os.path.join(spool(place), name), "rb") as f:
            data = f.read() if name.endswith(".spool") else b""
        at = data.find(BLOCK)
        while at >= 0:
            _, kind, _, count = struct.unpack_from("<8sHHI", data, at)
            blocks += kind == IMAGE
            records += count if kind == IMAGE else 0
            at = data.find(BLOCK, at + 8)
    return blocks, records


def logged_while_stopped(place, c, *more):
    """All that is there is read in one go; what it has to be read by then is not the first batch."""
    c.send_signal(signal.SIGSTOP)
    written = place.load_done("--records", FLOOD, "--threads", 2)
    p = place.start([EVERYTHING, place.rings, *more], stdin=subprocess.PIPE)
    _, err = p.communicate(timeout=60)
    check(p.returncode == 0, err)
    written += place.load_done("--records", FLOOD, "--threads", 2)
    c.send_signal(signal.SIGCONT)
    return written


def timeless(record):
    """Times are interpolated between other anchors."""
    return json.dumps({k: v for k, v in record.items() if k != "time"}, sort_keys=True)


def sourceless(records):
    """Whether a sink wants call sites is not told by the images in its spool."""
    return [{k: v for k, v in r.items() if k not in ("file", "line", "function")} for r in records]


def check_same(what, seen, expected):
    seen, expected = (collections.Counter(map(timeless, records)) for records in (seen, expected))
    check(seen == expected, f"{what}: {list((seen - expected).items())[:3]} instead of {list((expected - seen).items())[:3]}")


def spool_up(place, server, *more, options=""):
    c = collector(place, server, options=options)
    place.wait_ready(c)
    first = place.load_done("--records", 10)
    wait_for("the server has failed", lambda: server.refused)
    written = logged_while_stopped(place, c, *more)
    wait_for("the file has all of it", lambda: line_count(place.file()) > first + written)
    text = stop(c)
    check("spooled" in text, f"the balance: {text}")
    blocks, records = images(place)
    check(blocks > 1 and records > written / 2, f"{records} of {written} records in {blocks} images: {text}")
    return records


class Server(BrokenServer):
    refused = 0

    def take(self, *request):
        self.refused += self.is_broken
        return super().take(*request)


def what_comes_out_of_the_spool_is_what_the_file_has():
    with Place() as place, Server() as server:
        records = spool_up(place, server)
        shown = subprocess.run([DUMP, spool(place)], capture_output=True, text=True, check=True).stdout.splitlines()
        in_payloads = [json.loads(json.loads(line)["payload"]) for line in shown]
        check_same("fapilog-dump", sourceless(in_payloads), sourceless(in_file(place)))
        told = subprocess.run([DUMP, "--verify", spool(place)], capture_output=True, text=True, check=True).stdout
        check("DAMAGED" not in told, told)
        server.is_broken = False
        drained = collector(place, server, "--drain")
        _, text = drained.communicate(timeout=60)
        check(drained.returncode == 0, text)
        check_same("the server", server.records, in_file(place))
        check([r for r in server.records if r["message"] == "of a place" and r["function"] == "log_shapes"], "of a function")
        return f"{records} records as images"


def a_damaged_image_costs_its_own_records():
    with Place() as place, Server() as server:
        spool_up(place, server)
        name = next(n for n in sorted(os.listdir(spool(place))) if n.endswith(".spool"))
        path = os.path.join(spool(place), name)
        with open(path, "r+b") as f:
            data = f.read()
            at = data.find(BLOCK)
            while struct.unpack_from("<H", data, at + 8)[0] != IMAGE:
                at = data.find(BLOCK, at + 8)
            count, stored = struct.unpack_from("<I", data, at + 12)[0], struct.unpack_from("<I", data, at + 20)[0]
            f.seek(at + 64 + stored // 2)
            f.write(b"\0damage\0")
        server.is_broken = False
        drained = collector(place, server, "--drain")
        _, text = drained.communicate(timeout=60)
        check(f"{count}" in text and "damaged" in text, text)
        lost = len(in_file(place)) - len(server.records)
        check(lost == count, f"{lost} records are missing, {count} were in the block: {text}")
        return f"{count} records of one block"


def drained_to(place, server, options=""):
    server.is_broken = False
    c = collector(place, server, "--drain", options=options)
    _, text = c.communicate(timeout=60)
    check(c.returncode == 0, text)
    return server.records


def loggers_and_context_are_in_the_image_that_needs_them():
    """Without addresses of code, which would bring the whole registry along."""
    with Place() as place, Server() as server:
        records = spool_up(place, server, "0")
        seen = drained_to(place, server)
        check_same("the server", seen, in_file(place))
        child = [r for r in seen if r["message"] == "layers"]
        check(len(child) == 1 and child[0]["logger"] == "matching", f"{child}")
        return f"{records} records as images"


def a_sink_of_some_levels_gets_those_only():
    with Place() as place, Server() as server:
        records = spool_up(place, server, "500", options="&min_severity=INFO")
        seen = drained_to(place, server, "&min_severity=INFO")
        high = [r for r in in_file(place) if r["level"] not in ("TRACE", "DEBUG")]
        check(len(high) < len(in_file(place)), "there is nothing to leave out")
        check_same("the server", seen, high)
        return f"{records} of {len(high)} records as images"


def killed_right_after_an_image_was_spooled_none_of_it_comes_twice():
    """In the journal or, where there is none, in a file; the ring still holds it."""
    for point, options in (("journal-slot:1", ""), ("journal-slot:2", ""), ("spool-written:2", ""), ("cursor-noted:4", ""),
                           ("cursor-noted:5", ""), ("spool-write:1", "&spool_sync=always"),
                           ("spool-written:1", "&spool_sync=always")):
        with Place() as place, Server() as server:
            c = collector(place, server, options=options, env={"FAPILOG_FAULT": point})
            place.wait_ready(c)
            producer = place.load("--records", 0, "--threads", 2, "--pause-us", 500, "--burst", 100, "--block")
            wait_for(f"{point} is passed", lambda c=c: c.poll() == -signal.SIGKILL)
            producer.terminate()
            written_by(producer)
            check_same(point, drained_to(place, server, options), in_file(place))


if __name__ == "__main__":
    sys.exit(run([killed_right_after_an_image_was_spooled_none_of_it_comes_twice,
                  loggers_and_context_are_in_the_image_that_needs_them, a_sink_of_some_levels_gets_those_only,
                  what_comes_out_of_the_spool_is_what_the_file_has, a_damaged_image_costs_its_own_records]))
