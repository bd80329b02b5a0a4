#!/usr/bin/env python3
"""Rings on a tmpfs that is full: a page that nobody has touched cannot be had there, by readers either, to whom a look at
it is a SIGBUS. Lanes that end exactly with a block have such pages right behind their tails."""
import os
import re
import signal
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from programs import *  # noqa: E402,F403

WHOLE_BLOCKS = os.environ["FAPILOG_WHOLE_BLOCKS"]


def tails(path):
    """Of the lanes that have something in them; and their blocks' length."""
    with open(path, "rb") as f:
        data = f.read(4096)
        (lane_off,), (lanes, stride) = struct.unpack_from("=Q", data, 176), struct.unpack_from("=II", data, 192)
        found = []
        for i in range(lanes):
            f.seek(lane_off + i * stride)
            lane = f.read(stride)
            tail = struct.unpack_from("=Q", lane, 0)[0]
            if tail:
                found.append((tail, 1 << lane[145]))
    return found


def fill_up(small):
    with open(os.path.join(small, "rest"), "wb") as f:
        f.write(bytes(4096 * os.statvfs(small).f_bavail))
    check(os.statvfs(small).f_bavail == 0, "the file system is not full")


class Full:
    """A service with whole blocks, and no memory behind them."""

    def __init__(self, place, small, policy):
        self.place, self.small = place, small
        place.rings = os.path.join(small, "rings")
        os.mkdir(place.rings, 0o750)
        self.service = place.start([WHOLE_BLOCKS, policy, place.rings], stdin=subprocess.PIPE)
        self.written = self.told()
        self.ring = os.path.join(place.rings, rings(place)[0])
        self.check_tails()
        fill_up(small)

    def told(self):
        return int(re.search(r"written (\d+)", self.service.stdout.readline()).group(1))

    def more(self):
        self.service.stdin.write("more\n")
        self.service.stdin.flush()
        self.written = self.told()

    def check_tails(self):
        found = tails(self.ring)
        check(len(found) == 3 and all(tail % block == 0 for tail, block in found), f"tails and blocks: {found}")

    def check_whole(self, what):
        check(os.statvfs(self.small).f_bavail == 0, f"{what}: the file system has room now")
        check(not rings(self.place, ".bad"), f"{what}: the ring was put aside")


def dump_whole(full):
    argv = [DUMP, full.place.rings]
    for args, expected in [((), full.written), (("--last", 7), 7)]:
        r = execute(argv + list(args), status=0)
        check(r.out.count(b"\n") == expected and not r.err, f"{args}: {r.out.count(10)} of {expected}: {r.err[:500]}")
    r = execute(argv + ["--verify"], status=0)
    check(f": good, {full.written} records" in r.text(), r.text())
    r = execute(argv + ["--stats"], status=0)
    check("amaged" not in r.text() and not r.err, r.text())
    path = os.path.join(full.place.path, "followed")
    with open(path, "w", encoding="utf-8") as out:
        p = full.place.start(argv + ["--follow"], stdout=out)
        wait_for("all is followed", lambda: line_count(path) >= full.written)
        p.terminate()
        _, text = p.communicate(timeout=20)
    check(p.returncode == 0 and not text and line_count(path) == full.written, f"--follow: {p.returncode} {text}")
    full.check_whole("dump")


def with_full(policy, test):
    with Place() as place, small_disk(place, "4m") as small:
        if not small:
            return "SKIPPED: cannot mount a small tmpfs"
        return test(Full(place, small, policy))


def dump_reads_them(policy="discard"):
    def test(full):
        dump_whole(full)
        full.service.kill()
        full.service.wait()
        dump_whole(full)
    return with_full(policy, test)


def dump_reads_what_may_be_overwritten():
    return dump_reads_them("overwrite")


def argv_of_sinks(place, names):
    uris = {"file": place.uri(), "native": f"native://{place.out}/log.fnl"}
    return [a for name in names for a in ("--sink", uris[name])]


def check_delivered(full, names):
    if "file" in names:
        n = sum(r["message"] == "whole" for r in full.place.lines("*.jsonl"))
        check(n == full.written, f"{n} of {full.written} records in the file")
    if "native" in names:
        r = execute([DUMP, "--verify", os.path.join(full.place.out, "log.fnl")], status=0)
        check(f": good, {full.written} records" in r.text(), r.text())


def collects(policy, names):
    def live_and_dead(full):
        place = full.place
        argv = [COLLECTOR, "--rings", place.rings, *argv_of_sinks(place, names)]
        c = place.start(argv)
        wait_for("what was there is delivered", lambda: is_delivered(full))
        full.more()
        wait_for("what lives is delivered", lambda: is_delivered(full))
        text = stop(c)
        check("put aside" not in text, text)
        full.check_whole("a collector")
        check_delivered(full, names)
        full.service.kill()
        full.service.wait()
        text = execute(argv + ["--drain"], status=0).text()
        check("put aside" not in text and not rings(place) and not rings(place, ".bad"), text)
        check_delivered(full, names)

    def dead(full):
        full.service.kill()
        full.service.wait()
        argv = [COLLECTOR, "--rings", full.place.rings, *argv_of_sinks(full.place, names), "--drain"]
        text = execute(argv, status=0).text()
        check("put aside" not in text and not rings(full.place) and not rings(full.place, ".bad"), text)
        check_delivered(full, names)
    return with_full(policy, live_and_dead) or with_full(policy, dead)


def is_delivered(full):
    """By what the collector says in the ring itself: slot.done of each lane is its tail."""
    with open(full.ring, "rb") as f:
        data = f.read(4096)
        ctl_off, lane_off = struct.unpack_from("=Q", data, 144)[0], struct.unpack_from("=Q", data, 176)[0]
        lanes, lane_stride, slot_stride = struct.unpack_from("=III", data, 192)
        for i in range(lanes):
            f.seek(lane_off + i * lane_stride)
            tail = f.read(8)
            f.seek(ctl_off + 8192 + i * slot_stride + 8)
            if tail != f.read(8):
                return False
    return True


def a_file_gets_all_of_them():
    return collects("discard", ["file"])


def a_native_file_gets_all_of_them():
    return collects("discard", ["native"])


def both_get_all_of_them():
    return collects("discard", ["file", "native"])


def a_file_gets_what_may_be_overwritten():
    return collects("overwrite", ["file"])


def a_native_file_gets_what_may_be_overwritten():
    return collects("overwrite", ["native"])


if __name__ == "__main__":
    sys.exit(run([dump_reads_them, dump_reads_what_may_be_overwritten, a_file_gets_all_of_them,
                  a_native_file_gets_all_of_them, both_get_all_of_them, a_file_gets_what_may_be_overwritten,
                  a_native_file_gets_what_may_be_overwritten]))
