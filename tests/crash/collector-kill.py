#!/usr/bin/env python3
"""SIGKILLs the collector at every named step and at random instants under load, starts it again, and
checks that files hold each record exactly once, in the order of its thread, with no torn line and with no byte that
was not logged.

FAPILOG_KILLS: random kills per case (default 40). FAPILOG_SEED repeats a run."""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
from harness import *  # noqa: E402,F403
from load_lines import LoadLines  # noqa: E402

KILLS = int(os.environ.get("FAPILOG_KILLS", "40"))
SEED = int(os.environ.get("FAPILOG_SEED", str(int(time.time()))))

POINTS = ["turn", "read", "serialize", "batch-closed", "write", "sink-done", "written", "persist-before",
          "persist-torn", "persist-unhashed", "persist-after", "release-counters", "release-done",
          "release-head", "released"]
ROTATING_POINTS = ["mark-changed", "persist-torn", "write", "sink-done", "rotate"]
ROTATION = "max_bytes=200KB&max_files=100000"


class Case:
    """Producers at work, and a collector that is killed and started again and again."""

    def __init__(self, place, options="", has_second=False):
        self.place = place
        self.sink = place.uri(options=options)
        self.has_second = has_second
        self.more = ["--sink", place.uri("second.jsonl", "max_bytes=300KB&max_files=100000")] if has_second else []
        self.rng = random.Random(SEED)
        self.whole = LoadLines(payload=30, errors=7, contexts=16)
        self.running = [place.load("--id", i, "--threads", 2, "--records", 0, "--pause-us", 2000, "--burst", 20,
                                   "--block", *self.whole.options()) for i in range(2)]
        self.whole.pids = {i: p.pid for i, p in enumerate(self.running)}

    def start(self, env=None):
        return self.place.collector(*self.more, sink=self.sink, env=env)

    def killed_at(self, point, count, after_start=None):
        """Runs the collector until the fault kills it; False when the step was not passed in time."""
        c = self.start({"FAPILOG_FAULT": f"{point}:{count}"})
        if after_start:
            wait_for("the collector is at work, or dead", lambda: self.place.is_ready(c) or c.poll() is not None)
            after_start(self.place, c)
        try:
            c.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            c.kill()
            c.wait()
            return False
        check(c.returncode == -signal.SIGKILL, f"{point}: ended with {c.returncode}: {c.stderr.read()}")
        return True

    def finish(self):
        # A collector must be there while producers wait for room.
        c = self.start()
        self.place.wait_ready(c)
        for p in self.running:
            p.terminate()
        written = sum(written_by(p) for p in self.running)
        stop(c)
        self.place.drain(*self.more, sink=self.sink)
        check(not rings(self.place), f"rings of ended producers stay behind: {rings(self.place)}")
        self.check_output("log*", written, f"seed {SEED}")
        if self.has_second:
            self.check_output("second*", written, f"seed {SEED}, second sink")
        return f"{written} records"

    def check_output(self, pattern, written, what):
        check_books(self.place.lines(pattern), written, what)
        self.whole.check([line for path in self.place.files(pattern) for line in content(path).split(b"\n")], what)


def every_point(case, points, after_start=None):
    missed = []
    for point in points:
        hit = False
        for _ in range(4):
            hit |= case.killed_at(point, case.rng.choice([1, 1, 2, 3, 7]), after_start)
        if not hit:
            missed.append(point)
    text = case.finish()
    check(not missed, f"these steps were never passed: {missed}")
    return text


def at_random(case):
    for _ in range(KILLS):
        c = case.start()
        time.sleep(case.rng.uniform(0.002, 0.08))
        c.kill()
        c.wait()
    return f"{case.finish()}, {KILLS} kills"


def killed_at_each_step_files_hold_each_record_once():
    with Place() as place:
        return every_point(Case(place), POINTS)


def killed_at_each_step_of_a_rotation_files_hold_each_record_once():
    def rotate_soon(of, collector):
        for _ in range(10):
            if of.is_ready(collector):
                collector.send_signal(signal.SIGUSR1)
                time.sleep(0.003)
    with Place() as place:
        return every_point(Case(place, ROTATION), ROTATING_POINTS, rotate_soon)


def killed_at_each_step_two_sinks_hold_each_record_once():
    with Place() as place:
        return every_point(Case(place, "", True), ["write", "sink-done", "written", "persist-after", "mark-changed"])


def killed_at_random_files_hold_each_record_once():
    with Place() as place:
        return at_random(Case(place))


def killed_at_random_under_rotation_two_sinks_hold_each_record_once():
    with Place() as place:
        return at_random(Case(place, ROTATION, True))


if __name__ == "__main__":
    sys.exit(run([killed_at_each_step_files_hold_each_record_once,
                  killed_at_each_step_of_a_rotation_files_hold_each_record_once,
                  killed_at_each_step_two_sinks_hold_each_record_once,
                  killed_at_random_files_hold_each_record_once,
                  killed_at_random_under_rotation_two_sinks_hold_each_record_once]))
