#!/usr/bin/env python3
"""Times of records, which are converted from the CPU's counter, against the clock that the producer read
right before and after each call. FAPILOG_SECONDS: how long (default 5)."""
import os
import sys
import calendar

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403

TIMED = os.environ["FAPILOG_TIMED"]
SECONDS = int(os.environ.get("FAPILOG_SECONDS", "5"))
BOUND_NS = 100_000


def nanoseconds(text):
    date, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(fraction.ljust(9, "0"))


def read(path):
    with open(path, encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    return [r for r in records if r["message"] == "timed"]


def check_times(records):
    check(len(records) > SECONDS * 100, f"only {len(records)} records in {SECONDS} s")
    check([r["n"] for r in records] == list(range(len(records))), "records are missing or out of order")
    outside = []
    for record, following in zip(records, records[1:]):
        at = nanoseconds(record["time"])
        outside.append(max(record["before"] - at, at - following["after_last"], 0))
    outside.sort()
    text = f"{len(outside)} records, outside of [before, after] by p50 {outside[len(outside) // 2]} ns, " \
           f"p99 {outside[len(outside) * 99 // 100]} ns, max {outside[-1]} ns"
    check(outside[-1] < BOUND_NS, text)
    return text


def times_of_collected_records_are_those_of_their_calls():
    with Place() as place:
        c = place.collector(sink=place.uri(options="format=json"))
        place.wait_ready(c)
        execute([TIMED, SECONDS, place.rings], status=0, seconds=SECONDS + 30)
        stop(c)
        return check_times(read(place.file()))


def times_of_records_collected_late_are_those_of_their_calls():
    with Place() as place:
        execute([TIMED, 1, place.rings], status=0, env={"FAPILOG_LANE_SIZE": "16MB"})
        execute([COLLECTOR, "--rings", place.rings, "--drain", "--sink", place.uri(options="format=json")], status=0)
        records = read(place.file())
        global SECONDS
        SECONDS = 1
        return check_times(records)


if __name__ == "__main__":
    sys.exit(run([times_of_collected_records_are_those_of_their_calls,
                  times_of_records_collected_late_are_those_of_their_calls]))
