#!/usr/bin/env python3
"""A large pipe through fapilog-cat with a collector at work: nothing is lost, all is in order.
FAPILOG_LINES: how many lines of 100 bytes (default 500000)."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403

LINES = int(os.environ.get("FAPILOG_LINES", "500000"))
LINE_BYTES = 100


def check_order(path):
    """Line n of the file holds line n of the pipe, whole."""
    whole = b"x" * (LINE_BYTES - 14)
    message = re.compile(rb'"message":"(\d{12}) (x+)"')
    with open(path, "rb") as f:
        for number, line in enumerate(f):
            found = message.search(line)
            check(found and int(found[1]) == number and found[2] == whole, f"{path}:{number + 1}: {line[:300]!r}")
    check(number + 1 == LINES, f"{number + 1} records of {LINES} lines")


def a_large_pipe_arrives_whole_and_in_order():
    space = os.statvfs("/tmp")
    needed = LINES * 400
    if space.f_bavail * space.f_frsize < 2 * needed:
        return f"SKIPPED: /tmp has less than {2 * needed >> 20} MiB"
    with Place("/tmp") as out, Place() as place:
        # format=json: a line of the canonical format is three times as long as what it holds
        c = place.collector(sink=out.uri(options="format=json"))
        place.wait_ready(c)
        began = time.monotonic()
        lines = subprocess.Popen([os.environ["FAPILOG_LINES_PROGRAM"], str(LINES)], stdout=subprocess.PIPE)
        p = place.start([CAT, "--rings", place.rings], stdin=lines.stdout)
        lines.stdout.close()
        _, err = p.communicate(timeout=1000)
        check(p.returncode == 0 and lines.wait() == 0 and not err, f"fapilog-cat ended with {p.returncode}: {err}")
        stop(c, seconds=300)
        seconds = time.monotonic() - began
        check_order(out.file())
        mb = LINES * LINE_BYTES / 1e6
        return f"{mb:.0f} MB in {seconds:.1f} s: {mb / seconds:.0f} MB/s, {LINES / seconds / 1e6:.2f} M lines/s"


if __name__ == "__main__":
    sys.exit(run([a_large_pipe_arrives_whole_and_in_order]))
