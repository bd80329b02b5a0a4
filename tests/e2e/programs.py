"""Running the commands as a user does: bytes in, status and text out. Programs come from the environment,
as meson sets it: FAPILOG_COLLECTOR, FAPILOG_DUMP, FAPILOG_CAT, and test programs by their own names."""
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True  # nothing may appear in the source tree
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
from harness import *  # noqa: E402,F401,F403
from harness import COLLECTOR, check  # noqa: E402

DUMP = os.environ.get("FAPILOG_DUMP")
CAT = os.environ.get("FAPILOG_CAT")
IS_SANITIZED = os.environ.get("FAPILOG_SANITIZE", "none") != "none"


class Result:
    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    def text(self):
        return self.out.decode() + self.err.decode("utf-8", "replace")

    def lines(self):
        return [json.loads(line) for line in self.out.decode().splitlines()]


def environment(extra=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FAPILOG_") or k == "FAPILOG_IO"}
    clean.update(extra or {})
    return clean


def execute(argv, data=b"", env=None, status=None, seconds=60):
    """Runs a program to its end; its exit status must be `status` where that is given."""
    p = subprocess.run([str(a) for a in argv], input=data, capture_output=True, env=environment(env), timeout=seconds)
    r = Result(argv, p.returncode, p.stdout, p.stderr)
    check(status is None or r.status == status, f"{argv}: ended with {r.status}, not {status}: {r.text()[:2000]}")
    return r


def cat(place, data=b"", *args, env=None, status=0):
    return execute([CAT, "--rings", place.rings, *args], data, env, status)


def drained(place, *args):
    """The records of all rings, as parsed JSON of the canonical format."""
    execute([COLLECTOR, "--rings", place.rings, "--drain", "--sink", place.uri(), *args], status=0)
    return place.lines()


def messages(records):
    return [r["message"] for r in records]
