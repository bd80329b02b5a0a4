#!/usr/bin/env python3
"""What idleness costs: CPU and wake-ups of a collector with nothing to do, with and without a thousand idle
lanes, and memory of a process that logs."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403

PARKED = os.environ["FAPILOG_PARKED"]
LOOK_SECONDS = 5
MIB = 1 << 20


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0])


def wakeups(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M).group(1))


def look(collector):
    """CPU in percent and wake-ups over a while in which nothing happens."""
    cpu, woken, began = cpu_ns(collector.pid), wakeups(collector.pid), time.monotonic()
    time.sleep(LOOK_SECONDS)
    seconds = time.monotonic() - began
    return (cpu_ns(collector.pid) - cpu) / seconds / 1e7, (wakeups(collector.pid) - woken) * LOOK_SECONDS / seconds


def parked(place, threads, records=1):
    p = place.start([PARKED, str(threads), str(records), place.rings], stdin=subprocess.PIPE)
    check(p.stdout.readline() == "parked\n", "the producer failed")
    return p


def an_idle_collector_sleeps_whatever_the_number_of_lanes():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        none = look(c)
        p = parked(place, 1000)
        wait_for("the records are delivered", lambda: len(place.lines()) == 1000)
        many = look(c)
        p.communicate("\n")
        stop(c)
    text = f"no producer: {none[0]:.2f} % CPU, {none[1]:.0f} wake-ups in {LOOK_SECONDS} s; " \
           f"1000 idle lanes: {many[0]:.2f} %, {many[1]:.0f}"
    check(none[0] < 1 and none[1] < 200, text)
    check(many[0] - none[0] < 1 and many[1] < 200, text)
    return text


def resident_bytes(pid, inodes):
    """Of the ring's mappings, and of all of the process."""
    ring = total = 0
    is_ring = False
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                is_ring = int(line.split()[4]) in inodes
            elif line.startswith("Rss:"):
                size = int(line.split()[1]) * 1024
                total += size
                ring += size if is_ring else 0
    return ring, total


def a_process_with_one_logging_thread_grows_by_less_than_a_mebibyte():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        quiet, busy = parked(place, 1, 0), parked(place, 1, 100000)
        inodes = [os.stat(os.path.join(place.rings, name)).st_ino for name in rings(place)]
        before, after = resident_bytes(quiet.pid, inodes), resident_bytes(busy.pid, inodes)
        for p in (quiet, busy):
            p.communicate("\n")
        stop(c)
    text = f"ring {after[0] >> 10} KiB resident, process {(after[1] - before[1]) >> 10} KiB more than without logging"
    check(after[0] > 0, "no mapping of a ring")
    if IS_SANITIZED:
        return f"SKIPPED bounds, the sanitizer's memory counts too: {text}"
    check(after[0] < MIB and after[1] - before[1] < MIB, text)
    return text


if __name__ == "__main__":
    sys.exit(run([an_idle_collector_sleeps_whatever_the_number_of_lanes,
                  a_process_with_one_logging_thread_grows_by_less_than_a_mebibyte]))
