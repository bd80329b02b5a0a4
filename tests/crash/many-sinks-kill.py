#!/usr/bin/env python3
"""SIGKILLs a collector with six sinks of different kinds under load: plain, rotating, rotating with gzip and
with zstd, native, and one on a disk that waits for each batch to be there, so that it lags behind the others.
Each of them holds each record exactly once in the end, to the byte.

FAPILOG_KILLS: how often (default 25). FAPILOG_SEED repeats a run."""
import os
import random
import shutil
import struct
import subprocess
import tempfile
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
from harness import *  # noqa: E402,F403
from load_lines import LoadLines  # noqa: E402

KILLS = int(os.environ.get("FAPILOG_KILLS", "25"))
SEED = int(os.environ.get("FAPILOG_SEED", str(int(time.time()))))
DUMP = os.environ["FAPILOG_DUMP"]
ROTATION = "max_bytes=150KB&max_files=100000"
POINTS = ["write", "sink-done", "written", "persist-torn", "persist-after", "mark-changed", "rotate", "release-head",
          "settled"]
SLOW = tempfile.mkdtemp(prefix="fapilog-slow-", dir="/var/tmp")


def sinks(place):
    kinds = {"plain": "", "rotated": ROTATION, "gzip": ROTATION + "&compress=gzip"}
    if shutil.which("zstd"):
        kinds["zstd"] = ROTATION + "&compress=zstd"
    uris = {kind: f"file://{place.out}/{kind}/log.jsonl?name={kind}&{options}" for kind, options in kinds.items()}
    uris["native"] = f"native://{place.out}/native/?name=native&compress=zstd&max_bytes=150KB&max_files=100000"
    for kind in uris:
        os.mkdir(os.path.join(place.out, kind))
    for name in os.listdir(SLOW):
        os.unlink(os.path.join(SLOW, name))
    uris["slow"] = f"file://{SLOW}/log.jsonl?name=slow&sync=always&{ROTATION}"
    return uris


def open_batches(place):
    """Batches that only some of the sinks had, as the newest slot of the state file says. On a busy machine the first
    collectors may have been killed before they had made one."""
    try:
        with open(os.path.join(place.rings, "collector.state"), "rb") as f:
            data = f.read()
    except FileNotFoundError:
        return 0
    magic, slot_bytes = struct.unpack_from("<8sQ", data)
    check(magic == b"FAPSTAT2", f"the state file begins with {magic}")
    slots = [struct.unpack_from("<QQIIII", data, 4096 + i * slot_bytes) for i in range(2)]
    return max(slots, key=lambda slot: slot[1])[4]


def start(place, uris, env=None):
    args = [a for uri in list(uris)[1:] for a in ("--sink", uri)]
    stages = os.path.join(place.path, "stages.yaml")
    if os.path.exists(stages):
        args += ["--config", stages]
    return place.collector(*args, sink=uris[0], env=env)


def archives(directory):
    """Oldest first; the live file has no number."""
    def age(name):
        number = re.match(r"log\.jsonl\.(\d+)", name)
        return -int(number.group(1)) if number else 0
    return [os.path.join(directory, name) for name in sorted(os.listdir(directory), key=age)]


def lines_of(place, kind):
    """And how many files hold them."""
    directory = SLOW if kind == "slow" else os.path.join(place.out, kind)
    if kind == "native":
        argv = [DUMP, "--format", "fapilog", directory]
        data = subprocess.run(argv, check=True, capture_output=True).stdout
        return data.splitlines(), len(os.listdir(directory))
    lines = []
    for path in archives(directory):
        data = content(path)
        check(not data or data.endswith(b"\n"), f"{path}: the last line is torn")
        lines += data.splitlines()
    return lines, len(archives(directory))


def kill_at_random(place, uris, rng):
    c = start(place, uris)
    time.sleep(rng.uniform(0.005, 0.15))
    c.kill()
    c.wait()


def kill_at_a_point(place, uris, rng):
    c = start(place, uris, {"FAPILOG_FAULT": f"{rng.choice(POINTS)}:{rng.randint(1, 12)}"})
    try:
        c.wait(timeout=0.4)
    except subprocess.TimeoutExpired:
        c.kill()
        c.wait()


COMPRESSED = {"gzip": ".gz", "zstd": ".zst"}


def all_packed(place, kind):
    """All but the live file, and one that may just have been left."""
    there = archives(os.path.join(place.out, kind))
    return sum(not p.endswith(COMPRESSED[kind]) for p in there) <= 2


def killed_with_many_sinks_each_holds_each_record_once(stages=None, kills=KILLS):
    rng = random.Random(SEED)
    with Place() as place:
        kinds = sinks(place)
        if stages:
            with open(os.path.join(place.path, "stages.yaml"), "w") as f:
                f.write(stages)
        uris = list(kinds.values())
        whole = LoadLines(payload=30, errors=7, contexts=16, masked="***" if stages else None)
        running = [place.load("--id", i, "--threads", 2, "--records", 0, "--pause-us", 2000, "--burst", 20,
                              "--block", *whole.options()) for i in range(2)]
        whole.pids = {i: p.pid for i, p in enumerate(running)}
        left_open = done = 0
        while done < kills or (left_open == 0 and done < 10 * kills): # chance may keep the sinks in step for a while
            (kill_at_a_point if done % 2 else kill_at_random)(place, uris, rng)
            left_open += open_batches(place)
            done += 1
        c = start(place, uris)
        place.wait_ready(c)
        for p in running:
            p.terminate()
        written = sum(written_by(p) for p in running)
        stop(c)
        c = start(place, uris)
        place.wait_ready(c)
        wait_for("rings of ended producers are removed", lambda: not rings(place))
        for kind in set(COMPRESSED) & set(kinds):
            wait_for(f"{kind} archives are packed", lambda: all_packed(place, kind), seconds=120)
        stop(c)
        files = {}
        for kind in kinds:
            lines, files[kind] = lines_of(place, kind)
            records = [json.loads(line)["log"] for line in lines]
            what = f"seed {SEED}, sink {kind}"
            whole.check(lines, what)
            if kind == "native":
                check_native(records, written, what)
            else:
                check_books(records, written, what)
        check(files["gzip"] > 3 and files["plain"] == 1, f"seed {SEED}: files {files}")
        check(left_open > 0, f"seed {SEED}: the sinks were in step at each of the kills")
        return f"{written} records, {done} kills, {left_open} open batches taken over, files {files}"


def behind_stages_native_files_hold_each_record_once_too():
    return killed_with_many_sinks_each_holds_each_record_once("stages: [field_mask: {fields: [payload]}]\n", KILLS // 2)


def check_native(records, written, what):
    """Spans of several files need not come in the order of time, so only what is there is looked at."""
    seen = {(d["producer"], d["thread"], d["n"]) for d in loads(records)}
    check(len(seen) == len(loads(records)), f"{what}: {len(loads(records)) - len(seen)} records are there twice")
    check(len(seen) == written, f"{what}: written {written}, but {len(seen)} are there")


if __name__ == "__main__":
    try:
        sys.exit(run([killed_with_many_sinks_each_holds_each_record_once,
                      behind_stages_native_files_hold_each_record_once_too]))
    finally:
        shutil.rmtree(SLOW)
