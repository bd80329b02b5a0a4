#!/usr/bin/env python3
"""What options of the sinks on this machine do: file, native, mmap and exec."""
import glob
import os
import signal
import subprocess
import sys
import time

from effects import COLLECTOR, Place, Server, check, effect, main, never, wait_for
import harness
from harness import line_count, stop

CAT = os.environ.get("FAPILOG_CAT")
COUNTER = os.environ.get("FAPILOG_COUNT_SYNCS")
IS_SANITIZED = os.environ.get("FAPILOG_SANITIZE", "none") != "none" # whose library has to be the first one
NOTHING_TO_SEE = "SKIPPED: a sanitizer's library has to be the first one"


class Syncs:
    """A collector of which every call that forces data to disk is counted."""

    def __init__(self, place, *sinks):
        self.path = os.path.join(place.path, "syncs")
        if os.path.exists(self.path):
            os.unlink(self.path)
        args = [x for sink in sinks for x in ("--sink", sink)]
        self.p = place.start([COLLECTOR, "--rings", place.rings, "--set", "io=plain", "--set", "flush_interval=10ms", *args],
                             env={"LD_PRELOAD": COUNTER, "COUNT_SYNCS": self.path})
        place.wait_ready(self.p)

    def count(self, what=b"x"):
        if not os.path.exists(self.path):
            return 0
        with open(self.path, "rb") as f:
            return f.read().count(what)


def syncs_of(uri, done):
    """How many there were when all records of a producer had been written, and at the end."""
    with Place() as place:
        c = Syncs(place, uri.format(out=place.out))
        place.load_done("--records", 100)
        wait_for("the records", lambda: done(place))
        wait_for("a ring that is put away", lambda: not harness.rings(place))
        before = c.count()
        stop(c.p)
        return before, c.count()


def written(name):
    return lambda place: os.path.exists(place.file(name)) and os.path.getsize(place.file(name)) > 0


def every(option):
    def registered(function):
        for sink in ("file", "native"):
            effect(f"{sink}.{option}")(lambda sink=sink: function(sink))
        return function
    return registered


@every("sync")
def files_are_forced_to_disk_where_asked(sink):
    if IS_SANITIZED:
        return NOTHING_TO_SEE
    check(syncs_of(f"{sink}://{{out}}/x?sync=always", written("x"))[0] > syncs_of(f"{sink}://{{out}}/x", written("x"))[0],
          "sync=always makes no difference")
    return ""


@every("sync_interval")
def files_are_forced_to_disk_as_often_as_asked(sink):
    if IS_SANITIZED:
        return NOTHING_TO_SEE
    with Place() as place:
        c = Syncs(place, f"{sink}://{place.out}/x?sync=interval&sync_interval=1h")
        place.load_done("--records", 100)
        wait_for("the records", lambda: written("x")(place))
        wait_for("a ring that is put away", lambda: not harness.rings(place))
        before = c.count()
        time.sleep(1.2) # longer than the default
        place.load_done("--records", 100, "--id", 2)
        wait_for("a ring that is put away", lambda: not harness.rings(place))
        check(c.count() == before, f"{c.count() - before} times although the hour is not over")
        stop(c.p)
    return ""


@every("writeback_bytes")
def files_are_written_back_as_often_as_asked(sink):
    if IS_SANITIZED:
        return NOTHING_TO_SEE
    counts = []
    for given in ("1MB", "0"):
        with Place() as place:
            c = Syncs(place, f"{sink}://{place.out}/x?writeback_bytes={given}")
            for i in range(2):
                place.load_done("--records", 3000, "--payload", 1000, "--lane-bytes", 1 << 23, "--id", i)
                wait_for("a ring that is put away", lambda place=place: not harness.rings(place))
            stop(c.p)
            check(os.path.getsize(place.file("x")) > 6 << 20, "there is little to write back")
            counts.append(c.count(b"w"))
    check(counts[0] > 1 and counts[1] == 0, f"{counts} times")
    return ""


@effect("mmap.flush_on_close")
def a_mapped_file_is_forced_to_disk_at_its_end():
    if IS_SANITIZED:
        return NOTHING_TO_SEE
    at = [syncs_of(f"mmap://{{out}}/x?flush_on_close={given}", lambda place: line_count(place.file("x")) >= 100)
          for given in ("true", "false")]
    check(at[0][1] - at[0][0] > at[1][1] - at[1][0], f"{at}")
    return ""


@effect("remote.spool_sync", "remote.spool_sync_interval")
def a_spool_is_forced_to_disk_as_asked():
    if IS_SANITIZED:
        return NOTHING_TO_SEE
    for options, is_synced in (("", True), ("spool_sync=never", False), ("spool_sync_interval=1h", False)):
        with Place() as place, Server(lambda q: "HTTP/1.1 503 Later") as server:
            c = Syncs(place, f"http://127.0.0.1:{server.port}/?queue_records=1&name=web&{options}")

            def spooled(place=place):
                return sum(os.path.getsize(p) for p in glob.glob(os.path.join(place.path, "state/spool/web/*.spool")))
            place.load_done("--records", 1000)
            wait_for("a spool", lambda: spooled() > 0)
            before = c.count()
            place.load_done("--records", 1000, "--id", 2)
            if is_synced:
                wait_for("the spool is forced to disk", lambda: c.count() > before)
            else:
                time.sleep(1.5) # longer than the default
                check(c.count() == before, f"{options}: {c.count() - before} times")
            c.p.kill()
    return ""


# ---- native ----

def drain(place, sink):
    place.drain(sink=sink)


@effect("native.directory")
def native_files_may_have_dated_names():
    with Place() as place:
        place.load_done("--records", 10)
        drain(place, f"native:?directory={place.out}/deep/er&prefix=x")
        check(len(glob.glob(place.file("deep/er/x*.fnl"))) == 1, f"{os.listdir(place.out)}")


@effect("native.interval")
def native_files_end_with_the_interval():
    with Place() as place:
        c = place.collector(sink=f"native://{place.out}/n?interval=1s")
        place.wait_ready(c)

        def archived():
            place.load_done("--records", 1)
            return len(glob.glob(place.file("n*"))) > 1
        wait_for("another file", archived)
        stop(c)


def native_files(options, *makes):
    """Sizes of the files after two drains, oldest first; `makes` works on the files in between."""
    with Place() as place:
        for i in range(2):
            place.load_done("--records", 2000, "--payload", 100, "--lane-bytes", 1 << 20, "--id", i)
            drain(place, f"native://{place.out}/n?max_bytes=40KB&{options if i else ''}")
            for make in makes[:1 - i]:
                make(place)
        return sorted(os.path.getsize(p) for p in glob.glob(place.file("n*")))


@effect("native.max_total_bytes")
def the_oldest_native_files_go_for_room():
    check(sum(native_files("max_total_bytes=150KB")) < 250 << 10 < sum(native_files("")), "max_total_bytes")


@effect("native.max_age")
def old_native_files_go():
    def age(place):
        for path in glob.glob(place.file("n*")):
            os.utime(path, (time.time() - 86400 * 3,) * 2)
    all_of, young = native_files("", age), native_files("max_age=2d", age)
    check(len(young) < len(all_of), f"{len(young)} of {len(all_of)}")


@effect("native.compress_level")
def native_files_get_smaller_for_more_work():
    words = [f"{i * i * 7919 % 10007:x}" for i in range(400)]
    lines = "".join(" ".join(words[(i * j) % 400] for j in range(1, 20)) + "\n" for i in range(2000)).encode()

    def size(level):
        with Place() as place:
            subprocess.run([CAT, "--rings", place.rings, "--quiet"], input=lines, check=True)
            drain(place, f"native://{place.out}/n?compress=zstd&compress_level={level}")
            return os.path.getsize(place.file("n"))
    check(size("12") < 0.9 * size("-5"), "the level makes no difference")


# ---- exec ----

def script(place, text):
    path = os.path.join(place.path, "program")
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o700)
    return path


@effect("exec.directory")
def a_program_starts_in_its_directory():
    with Place() as place:
        place.load_done("--records", 1)
        program = script(place, f"pwd > {place.out}/where; exec cat > /dev/null\n")
        drain(place, f"exec://{program}?directory={place.out}")
        with open(place.file("where")) as f:
            check(f.read().strip() == os.path.realpath(place.out), "in another one")


def starts(place, options, seconds):
    """How often a program that ends at once is started."""
    program = script(place, f"echo >> {place.out}/starts\n")
    c = place.collector(sink=f"exec://{program}?batch_interval=1ms&retry_base_delay=1ms&retry_max_delay=1ms&"
                        f"breaker_enabled=false&{options}")
    place.wait_ready(c)
    place.load_done("--records", 1)
    wait_for("a start", lambda: line_count(place.file("starts")) > 0)
    time.sleep(seconds)
    c.kill()
    return line_count(place.file("starts"))


@effect("exec.restart_min")
def a_program_is_not_started_again_too_soon():
    with Place() as place:
        check(starts(place, "restart_min=20s", 1) <= 2, "restart_min")


@effect("exec.restart_max")
def the_pause_before_a_start_grows_no_longer():
    with Place() as place:
        check(starts(place, "restart_min=10ms&restart_max=10ms", 2) > 12, "restart_max") # doubling: 8 in 2 s


@effect("exec.stop_timeout")
def a_program_that_does_not_end_has_so_much_time():
    with Place() as place:
        program = script(place, f"trap '' TERM\ncat > {place.out}/all\necho > {place.out}/ready\nsleep 3\n"
                         f"echo > {place.out}/finished\n")
        c = place.collector(sink=f"exec://{program}?batch_interval=1ms&stop_timeout=30s")
        place.wait_ready(c)
        place.load_done("--records", 1)
        wait_for("the record", lambda: line_count(place.file("all")) == 1)
        c.send_signal(signal.SIGTERM)
        c.communicate(timeout=60)
        check(os.path.exists(place.file("finished")), "it was killed before its time was up")


if __name__ == "__main__":
    sys.exit(main())
