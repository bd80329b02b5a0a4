#!/usr/bin/env python3
"""SIGKILLs the collector at every named step and at random instants under load, starts it again, and
checks that files hold each record exactly once, in the order of its thread, with no torn line.

FAPILOG_KILLS: random kills per case (default 40). FAPILOG_SEED repeats a run."""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
from harness import *  # noqa: E402,F403

KILLS = int(os.environ.get("FAPILOG_KILLS", "40"))
SEED = int(os.environ.get("FAPILOG_SEED", str(int(time.time()))))

POINTS = ["turn", "read", "serialize", "batch-closed", "write", "sink-done", "written", "persist-before",
          "persist-torn", "persist-unhashed", "persist-after", "release-counters", "release-done",
          "release-head", "released"]
ROTATING_POINTS = ["mark-changed", "persist-torn", "write", "sink-done", "rotate"]
ROTATION = "max_bytes=200KB&max_files=100000"


def killed_at(place, point, count, sink, after_start=None):
    """Runs the collector until the fault kills it; False when the step was not passed in time."""
    c = place.collector(sink=sink, env={"FAPILOG_FAULT": f"{point}:{count}"})
    if after_start:
        wait_for("the collector is at work, or dead already", lambda: place.is_ready(c) or c.poll() is not None)
        after_start(place, c)
    try:
        c.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        c.kill()
        c.wait()
        return False
    check(c.returncode == -signal.SIGKILL, f"{point}: ended with {c.returncode}: {c.stderr.read()}")
    return True


def producers(place):
    """Two processes with two threads each, at work until they are told to stop."""
    return [place.load("--id", i, "--threads", 2, "--records", 0, "--pause-us", 2000, "--burst", 20,
                       "--payload", 30, "--block") for i in range(2)]


def finish(place, running, sink, what):
    # A collector must be there while producers wait for room.
    c = place.collector(sink=sink)
    place.wait_ready(c)
    for p in running:
        p.terminate()
    written = sum(written_by(p) for p in running)
    stop(c)
    place.drain(sink=sink)
    check(not rings(place), f"{what}: rings of ended producers stay behind: {rings(place)}")
    check_books(place.lines(), written, what)
    return written


def every_point(points, options, signal_first=None):
    rng = random.Random(SEED)
    missed = []
    with Place() as place:
        sink = place.uri(options=options)
        running = producers(place)
        for point in points:
            hit = False
            for _ in range(4):
                hit |= killed_at(place, point, rng.choice([1, 1, 2, 3, 7]), sink, signal_first)
            if not hit:
                missed.append(point)
        written = finish(place, running, sink, f"seed {SEED}")
    check(not missed, f"these steps were never passed: {missed}")
    return f"{written} records"


def killed_at_each_step_files_hold_each_record_once():
    return every_point(POINTS, "")


def killed_at_each_step_of_a_rotation_files_hold_each_record_once():
    def rotate_soon(place, collector):
        for _ in range(10):
            if place.is_ready(collector):
                collector.send_signal(signal.SIGUSR1)
                time.sleep(0.003)
    return every_point(ROTATING_POINTS, ROTATION, rotate_soon)


def at_random(options):
    rng = random.Random(SEED + 1)
    with Place() as place:
        sink = place.uri(options=options)
        running = producers(place)
        for _ in range(KILLS):
            c = place.collector(sink=sink)
            time.sleep(rng.uniform(0.002, 0.08))
            c.kill()
            c.wait()
        written = finish(place, running, sink, f"seed {SEED}")
    return f"{written} records, {KILLS} kills"


def killed_at_random_files_hold_each_record_once():
    return at_random("")


def killed_at_random_under_rotation_files_hold_each_record_once():
    return at_random(ROTATION)


if __name__ == "__main__":
    sys.exit(run([killed_at_each_step_files_hold_each_record_once,
                  killed_at_each_step_of_a_rotation_files_hold_each_record_once,
                  killed_at_random_files_hold_each_record_once,
                  killed_at_random_under_rotation_files_hold_each_record_once]))
