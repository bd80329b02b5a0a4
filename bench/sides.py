"""What the benchmarks of the whole collector share: private rings and outputs, CPU time of a collector, the machine's
state before and after, sides in turns, and one JSON object at the end. docs/benchmarks.md says what the figures mean."""
import argparse
import contextlib
import datetime
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True # nothing may appear in the source tree
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MARKER = "bench record" # bench/harness/shape.h
TICK = 0.002


class Missing(Exception):
    """A tool or server that is not there: exit code 77, which test runners take as skipped."""


def need(condition, text):
    if not condition:
        raise SystemExit(f"{os.path.basename(sys.argv[0])}: {text}")


def wait_for(what, condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        need(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(TICK)


class Run:
    """One run of a benchmark: its options, its programs, its figures."""

    def __init__(self, purpose, options=None):
        parser = argparse.ArgumentParser(description=purpose)
        parser.add_argument("--quick", action="store_true", help="shorter, under 90 s")
        parser.add_argument("--build", default=os.path.join(TOP, "build/bench"), help="build directory (build/bench)")
        parser.add_argument("--rounds", type=int, default=0, help="rounds over all sides")
        parser.add_argument("--json", help="file for the result")
        if options:
            options(parser)
        self.args = parser.parse_args()
        self.build = os.path.abspath(self.args.build)
        self.rounds = self.args.rounds or (3 if self.args.quick else 7)
        self.figures = {}
        self.failed = []
        self.ping = [self.ping_ns()]

    def program(self, path):
        full = os.path.join(self.build, path)
        need(os.access(full, os.X_OK), f"{full} is not built; meson setup {self.build} --buildtype=release "
             "-Dbench=enabled, then ninja there")
        return full

    def ping_ns(self):
        said = subprocess.run([self.program("bench/fapilog-bench"), "--ping"], capture_output=True, text=True, check=True)
        return float(said.stdout.split()[-2] if said.stdout.split()[-1] == "ns" else said.stdout.split()[-1])

    def note(self, name, value, text):
        self.figures[name] = value
        print(text, flush=True)

    def goal(self, is_reached, text):
        print(("reached: " if is_reached else "MISSED: ") + text, flush=True)
        if not is_reached:
            self.failed.append(text)

    def end(self):
        self.ping.append(self.ping_ns())
        result = {"benchmark": os.path.basename(sys.argv[0]), "time": datetime.datetime.now().isoformat("T", "seconds"),
                  "command": sys.argv, "machine": machine(), "load": os.getloadavg(), "ping_ns": self.ping,
                  "missed": self.failed, "figures": self.figures}
        print(f"{result['machine']['cpu']}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, "
              f"ping {self.ping[0]:.0f} to {self.ping[1]:.0f} ns: {' '.join(sys.argv)}")
        text = json.dumps(result, indent=1)
        if self.args.json:
            with open(self.args.json, "w", encoding="utf-8") as f:
                f.write(text + "\n")
        else:
            print(text)
        return 0


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.machine(), "cpus": os.cpu_count(), "kernel": platform.release()}


class Place:
    """Private rings on /dev/shm, outputs and state on a disk; gone at the end with all processes."""

    def __init__(self, run):
        self.run = run
        self.rings = tempfile.mkdtemp(prefix="fapilog-bench-", dir="/dev/shm")
        self.path = tempfile.mkdtemp(prefix="fapilog-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self.processes:
            if p.returncode is None:
                p.kill()
                p.wait()
            for stream in (p.stdin, p.stdout):
                if stream:
                    stream.close()
        shutil.rmtree(self.rings, ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name):
        return os.path.join(self.path, name)

    def environment(self, more=None):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("FAPILOG_")}
        clean.update(FAPILOG_RING_DIR=self.rings, FAPILOG_STATE_DIR=self.file("state"),
                     LD_LIBRARY_PATH=os.path.join(self.run.build, "lib/producer"), **(more or {}))
        return clean

    def start(self, argv, more=None, **kwargs):
        p = subprocess.Popen([str(a) for a in argv], env=self.environment(more), text=True, **kwargs)
        self.processes.append(p)
        return p

    def fill(self, count, shape="ten"):
        """Rings with so many records in them and nobody who has read any."""
        self.start([self.run.program("bench/bench-calls-fapilog"), "fapilog", shape, 0, count, self.path],
                   {"FAPILOG_LANE_SIZE": str(1 << max(20, 8 + count.bit_length())), "FAPILOG_ON_FULL": "discard"},
                   stdout=subprocess.DEVNULL).wait()

    def configure(self, text):
        path = self.file("fapilog.yaml")
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(f"rings: {self.rings}\n{text}")
        os.rename(path + ".new", path)
        return path

    def collector(self, *args, wrapper=(), log=None):
        with open(log or self.file("collector.log"), "a", encoding="utf-8") as f:
            return self.start([*wrapper, self.run.program("collector/daemon/fapilog-collector"), *args], stderr=f,
                              stdout=subprocess.DEVNULL)

    def wait_ready(self, collector):
        def is_ready():
            with contextlib.suppress(FileNotFoundError), open(os.path.join(self.rings, "collector.lock"), encoding="utf-8") as f:
                return f.read().strip() == str(collector.pid)
            return False
        wait_for("the collector is at work", is_ready)

    def log(self):
        with open(self.file("collector.log"), encoding="utf-8") as f:
            return f.read()

    def receiver(self, kind, marker=MARKER):
        return Receiver(self, kind, marker)


class Receiver:
    """bench-receiver, which is asked on its standard input."""

    def __init__(self, place, kind, marker):
        self.process = place.start([place.run.program("bench/bench-receiver"), kind, marker], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.port = self.ask("stats")["port"]

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def ended(process, status=0):
    """Waits for its end; CPU seconds, user and system."""
    _, how, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(how)
    need(process.returncode == status, f"{process.args[0]} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def stopped(process):
    process.send_signal(signal.SIGTERM)
    return ended(process)


def lines(path):
    count = 0
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            count += chunk.count(b"\n")
    return count


def cpu_of(pid):
    """CPU seconds of a process that runs, of all its threads, to the nanosecond."""
    used = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="utf-8") as f:
            used += int(f.read().split()[0])
    return used / 1e9


def memory_of(pid):
    """Anonymous memory and all of it, rings included, MiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        fields = dict(line.split(":", 1) for line in f)
    return [int(fields[k].split()[0]) / 1024 for k in ("RssAnon", "VmHWM")]


def median(values):
    return statistics.median(values)


def main(function):
    try:
        sys.exit(function())
    except Missing as e:
        print(f"{os.path.basename(sys.argv[0])}: {e}")
        sys.exit(77)
