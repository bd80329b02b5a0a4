#!/usr/bin/env python3
"""A world that is told to stop leaves no process, no mount and no folder behind."""
import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from harness import check, run, wait_for  # noqa: E402

SEED = "1"  # has a small disk and small rings


def children_of(pid):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(name))
    return found


def folder_of(pids):
    """That of the world, by what its collector was started with."""
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                words = f.read().split("\0")
        except OSError:
            continue
        for word in words if words[0].endswith("fapilog-collector") else []:
            if "/fapilog-e2e-" in word:
                head, _, rest = word.partition("/fapilog-e2e-")
                return f"{head}/fapilog-e2e-{rest.split('/')[0]}"
    return None


def mounts_below(path):
    with open("/proc/self/mounts", encoding="utf-8") as f:
        return [line.split()[1] for line in f if line.split()[1].startswith(path + "/")]


def stopped_by(number):
    chaos = [sys.executable, os.path.join(HERE, "chaos.py"), SEED, "--seconds", "60"]
    with subprocess.Popen(chaos, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        try:
            found = []
            wait_for("a collector runs", lambda: found.append(folder_of(children_of(p.pid))) or found[-1], 60)
            folder, children = found[-1], children_of(p.pid)
            mounts = len(mounts_below(folder))
            p.send_signal(number)
            check(p.wait(60) == 128 + number, f"ended with {p.returncode}")
        finally:
            p.kill()
    left = [pid for pid in children if os.path.exists(f"/proc/{pid}")]
    check(not left, f"processes are left: {left}")
    check(not mounts_below(folder) and not os.path.exists(folder), f"left: {folder}, mounts {mounts_below(folder)}")
    return mounts


def a_world_that_is_told_to_stop_leaves_nothing():
    mounts = [stopped_by(number) for number in (signal.SIGTERM, signal.SIGINT)]
    return f"{mounts} mounts"  # none where they are not allowed


if __name__ == "__main__":
    sys.exit(run([a_world_that_is_told_to_stop_leaves_nothing]))
