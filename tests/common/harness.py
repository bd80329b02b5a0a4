"""What the end-to-end and crash tests of the collector share: starting programs, reading output,
balancing the books. Programs come from the environment, as meson sets it: FAPILOG_COLLECTOR,
FAPILOG_LOAD, FAPILOG_LIBRARY_PATH."""
import glob
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "servers"))

COLLECTOR = os.environ["FAPILOG_COLLECTOR"]
LOAD = os.environ["FAPILOG_LOAD"]


class Failure(Exception):
    pass


class Skip(Exception):
    """What the test function needs is not here."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait_for(what, condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(0.005)


class Place:
    """A temporary directory with rings and out inside; gone at the end, with all processes."""

    def __init__(self, base=None):
        base = base or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.path = tempfile.mkdtemp(prefix="fapilog-e2e-", dir=base)
        self.rings = os.path.join(self.path, "rings")
        self.out = os.path.join(self.path, "out")
        os.mkdir(self.rings, 0o750)
        os.mkdir(self.out)
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
                p.wait()
            for stream in (p.stdout, p.stderr, p.stdin):
                if stream:
                    stream.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name="log.jsonl"):
        return os.path.join(self.out, name)

    def uri(self, name="log.jsonl", options=""):
        return "file://" + self.file(name) + (("?" + options) if options else "")

    def start(self, argv, env=None, **kwargs):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("FAPILOG_")}
        if "FAPILOG_IO" in os.environ:
            clean["FAPILOG_IO"] = os.environ["FAPILOG_IO"]
        clean["FAPILOG_STATE_DIR"] = os.path.join(self.path, "state") # never that of the machine
        clean.update(env or {})
        kwargs.setdefault("stderr", subprocess.PIPE)
        kwargs.setdefault("stdout", subprocess.PIPE)
        p = subprocess.Popen(argv, env=clean, text=True, **kwargs)
        self.processes.append(p)
        return p

    def collector(self, *args, sink=None, env=None):
        return self.start([COLLECTOR, "--rings", self.rings, "--sink", sink or self.uri(), *args], env=env)

    def is_ready(self, collector):
        """Whether it has the lock; signals and rings are its from then on."""
        try:
            with open(os.path.join(self.rings, "collector.lock")) as f:
                return f.read().strip() == str(collector.pid) and collector.poll() is None
        except FileNotFoundError:
            return False

    def wait_ready(self, collector):
        def is_ready():
            check(collector.poll() is None, f"collector ended with {collector.returncode}")
            return self.is_ready(collector)
        wait_for("the collector is at work", is_ready)

    def drain(self, *args, sink=None, env=None, status=0):
        p = self.collector("--drain", *args, sink=sink, env=env)
        _, text = p.communicate(timeout=60)
        check(p.returncode == status, f"--drain ended with {p.returncode}, not {status}: {text}")
        return text

    def load(self, *args):
        return self.start([LOAD, *map(str, args), self.rings], stdin=subprocess.PIPE)

    def load_done(self, *args):
        """Runs a producer to its end; how many records it has written."""
        return written_by(self.load(*args))

    def files(self, pattern="log*"):
        """Oldest first: the live file has no number, the highest number is the oldest archive."""
        def age(path):
            number = re.search(r"\.(\d+)(\.gz)?$", path)
            return -int(number.group(1)) if number else 0
        return sorted(glob.glob(os.path.join(self.out, pattern)), key=age)

    def lines(self, pattern="log*"):
        return [r for path in self.files(pattern) for r in read_lines(path)]


class small_disk:
    """A tmpfs of that size in a place; None where we may not mount."""

    def __init__(self, place, size):
        self.path = os.path.join(place.path, "small")
        self.size = size

    def __enter__(self):
        os.mkdir(self.path)
        argv = ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", self.path]
        self.is_mounted = subprocess.run(argv, capture_output=True).returncode == 0
        return self.path if self.is_mounted else None

    def __exit__(self, *_):
        if self.is_mounted:
            subprocess.run(["umount", "-l", self.path], check=True)


def written_by(producer, seconds=60):
    out, err = producer.communicate(timeout=seconds)
    check(producer.returncode == 0, f"producer ended with {producer.returncode}: {err}")
    return int(re.search(r"written (\d+)", out).group(1))


def stop(collector, sig=signal.SIGTERM, status=0, seconds=30):
    collector.send_signal(sig)
    _, text = collector.communicate(timeout=seconds)
    check(collector.returncode == status, f"collector ended with {collector.returncode}, not {status}: {text}")
    return text


def content(path):
    """Unpacked."""
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")
    with opened as f:
        return f.read()


def read_lines(path):
    data = content(path)
    check(not data or data.endswith(b"\n"), f"{path}: the last line is torn")
    records = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            records.append(json.loads(line)["log"])
        except (ValueError, KeyError) as e:
            raise Failure(f"{path}:{number}: not a record: {line[:200]!r}") from e
    return records


def line_count(path):
    """Of a file that is being written."""
    try:
        with open(path, "rb") as f:
            return f.read().count(b"\n")
    except FileNotFoundError:
        return 0


def dropped(records):
    return sum(r["data"]["count"] for r in records if r["message"] == "records dropped")


def loads(records):
    return [r["data"] for r in records if r["message"] == "load"]


def sequences(records):
    """The numbers of each producer's threads in the order of the output."""
    all_of = {}
    for d in loads(records):
        all_of.setdefault((d["producer"], d["thread"]), []).append(d["n"])
    return all_of


def check_each_once(records, what=""):
    for who, numbers in sequences(records).items():
        for before, after in zip(numbers, numbers[1:]):
            check(after != before, f"{what}: producer and thread {who}: {after} is there twice")
            check(after > before, f"{what}: producer and thread {who}: {after} comes after {before}")


def check_books(records, written, what=""):
    check_each_once(records, what)
    delivered = len(loads(records))
    check(delivered + dropped(records) == written,
          f"{what}: written {written}, but delivered {delivered} and dropped {dropped(records)}")


def rings(place, suffix=".ring"):
    return [n for n in os.listdir(place.rings) if n.endswith(suffix)]


def reason_of(text):
    """Of a function that returned instead of testing; None: it tested."""
    found = re.match(r"skipped: *(.*)", text or "", re.I | re.S)
    return found.group(1) if found else None


def run(tests):
    """Runs the functions named on the command line, or all; 0 when each passed, 77 when each was skipped. The line
    SKIPPED of each function that was is what tests/common/left_out.py looks for."""
    names = sys.argv[1:] or [t.__name__ for t in tests]
    failed, passed, skipped = 0, 0, []
    for test in tests:
        if test.__name__ not in names:
            continue
        began = time.monotonic()
        try:
            text = test() or ""
            reason = reason_of(text)
        except Skip as e:
            reason = str(e)
        except (Failure, subprocess.TimeoutExpired, OSError) as e:
            failed += 1
            print(f"FAIL {test.__name__}: {e}", flush=True)
            continue
        if reason is not None:
            skipped.append(test.__name__)
            print(f"SKIPPED: {test.__name__}: {reason}", flush=True)
            continue
        passed += 1
        print(f"ok   {test.__name__} ({time.monotonic() - began:.1f} s) {text}", flush=True)
    if skipped:
        print(f"{passed} passed, {len(skipped)} skipped ({' '.join(skipped)})", flush=True)
    return 1 if failed else 77 if skipped and not passed else 0
