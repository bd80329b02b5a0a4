#!/usr/bin/env python3
"""What the collector's settings and the options that all sinks have do, seen from outside."""
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time

from effects import COLLECTOR, Place, Server, check, effect, main, never, wait_for
import harness
from harness import line_count, rings, stop

CAT, DUMP = os.environ.get("FAPILOG_CAT"), os.environ.get("FAPILOG_DUMP")


def cat(place, text, *args, rings_dir=None):
    harness.check(subprocess.run([CAT, "--rings", rings_dir or place.rings, "--quiet", *args], input=text.encode(),
                                 check=False).returncode == 0, "fapilog-cat")


def config(place, text):
    path = os.path.join(place.path, "fapilog.yaml")
    with open(path, "w") as f:
        f.write(f"rings: {place.rings}\n" + text)
    return path


def drained(place, *args, env=None, status=0):
    p = place.start([COLLECTOR, "--drain", *args], env=env)
    out, err = p.communicate(timeout=60)
    check(p.returncode == status, f"{args}: {p.returncode}: {err}")
    return out + err


def texts(path):
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [json.loads(line)["message"] for line in f]


def metric(place, name):
    p = place.start(["curl", "-s", "--unix-socket", os.path.join(place.rings, "collector.sock"), "http://x/metrics"])
    found = re.search(rf"^fapilog_{name} (\S+)$", p.communicate(timeout=20)[0], re.M)
    return float(found.group(1)) if found else None


# ---- settings ----

@effect("settings.rings")
def rings_are_where_they_are_said_to_be():
    with Place() as place:
        other = os.path.join(place.path, "other")
        os.mkdir(other, 0o750)
        cat(place, "there\n", rings_dir=other)
        text = drained(place, "--set", f"rings={other}", "--sink", place.uri(options="format=json"),
                       env={"FAPILOG_RING_DIR": place.rings})
        check(texts(place.file()) == ["there"], text)


@effect("settings.flush_interval")
def a_record_waits_in_its_ring_no_longer():
    with Place() as place:
        c = place.collector("--set", "flush_interval=60s")
        place.wait_ready(c)
        time.sleep(1) # who has just looked takes a few records for the beginning of many
        p = place.load("--records", 20, "--pause-us", 20000, "--wait") # the first ones come when the ring is found
        check(p.stdout.readline().startswith("written"), "the producer has failed")
        never("all came before their time", lambda: line_count(place.file()) == 20)
        stop(c)
        check(line_count(place.file()) == 20, "some are lost")
        p.communicate("\n", timeout=20)


@effect("settings.shutdown_timeout")
def what_is_not_drained_in_time_stays():
    with Place() as place:
        for given, is_all in (("0s", False), ("60s", True)):
            c = place.collector("--set", f"shutdown_timeout={given}")
            place.wait_ready(c)
            c.send_signal(signal.SIGSTOP)
            written = place.load_done("--records", 100000, "--lane-bytes", 1 << 24)
            c.send_signal(signal.SIGTERM)
            c.send_signal(signal.SIGCONT)
            c.communicate(timeout=60)
            check((line_count(place.file()) >= written) == is_all, f"{given}: {line_count(place.file())} of {written}")


@effect("settings.window_batches")
def one_sink_is_ahead_of_another_by_so_many_batches():
    silence = threading.Event()
    with Place() as place, Server(lambda q: silence.wait(60) and "HTTP/1.1 200 OK") as server:
        c = place.collector("--set", "window_batches=3", "--set", "flush_interval=1ms", "--sink",
                            f"http://127.0.0.1:{server.port}/?on_full=block&timeout=60s", "--set", "shutdown_timeout=10ms")
        place.wait_ready(c)
        p = place.load("--records", 0, "--pause-us", 2000)
        wait_for("a full window", lambda: metric(place, "window_batches") == 3)
        never("more than that", lambda: metric(place, "window_batches") > 3)
        p.terminate()
        p.communicate(timeout=20)
        c.kill()
        silence.set()


@effect("adaptive.batch_sizing")
def batches_grow_under_pressure():
    silence = threading.Event()
    with Place() as place, Server(lambda q: silence.wait(60) and "HTTP/1.1 200 OK") as server:
        c = place.collector("--set", "adaptive.enabled=true", "--set", "adaptive.batch_sizing=true", "--set",
                            "adaptive.check_interval=20ms", "--set", "adaptive.filter_tightening=false", "--sink",
                            f"http://127.0.0.1:{server.port}/?on_full=block&queue_records=10&timeout=60s")
        place.wait_ready(c)
        wait_for("metrics", lambda: metric(place, "pressure_batch_scale") == 1)
        p = place.load("--records", 0, "--pause-us", 100)
        wait_for("larger batches", lambda: metric(place, "pressure_batch_scale") == 8)
        p.terminate()
        p.communicate(timeout=20)
        c.kill()
        silence.set()


@effect("settings.state_dir")
def spools_are_in_the_state_directory():
    with Place() as place, Server(lambda q: "HTTP/1.1 400 No") as server:
        cat(place, "refused\n")
        drained(place, "--rings", place.rings, "--set", f"state_dir={place.path}/here", "--sink",
                f"http://127.0.0.1:{server.port}/?name=web", status=1)
        check(os.listdir(os.path.join(place.path, "here/dead")) == ["web"], "no dead letters there")


@effect("settings.segments_max", "settings.bytes_max", "settings.lanes_max")
def rings_beyond_a_limit_are_refused():
    for limit in ("segments_max=1", "bytes_max=1MB", "lanes_max=1"):
        with Place() as place:
            running = [place.load("--records", 5, "--id", i, "--wait") for i in range(2)]
            for p in running:
                wait_for("a producer", lambda: len(rings(place)) == 2)
            c = place.collector("--set", limit)
            place.wait_ready(c)
            wait_for("what is within the limit", lambda: line_count(place.file()) >= (5 if "segments" in limit else 0))
            c.terminate()
            text = c.communicate(timeout=30)[1]
            check(line_count(place.file()) < 10 and "more than" in text, f"{limit}: {text}")
            for p in running:
                p.communicate("\n", timeout=20)


@effect("settings.admin")
def the_admin_endpoint_is_where_it_is_said_to_be():
    with Place() as place:
        for admin, there in (("unix", "rings/collector.sock"), (f"unix:{place.path}/my.sock", "my.sock"), ("none", None)):
            c = place.collector("--set", f"admin={admin}")
            place.wait_ready(c)
            if there:
                wait_for(there, lambda there=there: os.path.exists(os.path.join(place.path, there)))
            found = [n for n in ("rings/collector.sock", "my.sock") if os.path.exists(os.path.join(place.path, n))]
            check(found == ([there] if there else []), f"{admin}: {found}")
            stop(c)


@effect("settings.diagnostics", "settings.diagnostics_sinks")
def what_the_collector_says_goes_where_it_is_told():
    with Place() as place:
        with open(os.path.join(place.rings, "junk.ring"), "wb") as f:
            f.write(bytes(100))
        path = config(place, f"diagnostics: records\ndiagnostics_sinks: [two]\nsinks:\n"
                             f"  one: '{place.uri('one', 'format=json')}'\n  two: '{place.uri('two', 'format=json')}'\n")
        text = drained(place, "--config", path, status=1) # what it could not read may have held records
        check("junk.ring" not in text, f"stderr has it: {text}")
        check(not texts(place.file("one")) and "junk.ring" in texts(place.file("two"))[0], "not in the sink that was named")


@effect("settings.io")
def io_uring_is_used_or_not():
    with Place() as place:
        c = place.collector("--set", "io=plain")
        place.wait_ready(c)
        cat(place, "x\n")
        wait_for("it", lambda: line_count(place.file()) == 1)
        fds = [os.readlink(f"/proc/{c.pid}/fd/{n}") for n in os.listdir(f"/proc/{c.pid}/fd")]
        check(not any("io_uring" in fd for fd in fds), f"{fds}")
        stop(c)
        try_it = place.collector("--set", "io=uring", "--verbose")
        wait_for("a start, or a refusal", lambda: place.is_ready(try_it) or try_it.poll() is not None)
        if try_it.poll() is None:
            fds = [os.readlink(f"/proc/{try_it.pid}/fd/{n}") for n in os.listdir(f"/proc/{try_it.pid}/fd")]
            check(any("io_uring" in fd for fd in fds), f"{fds}")
            stop(try_it)
        else:
            text = try_it.communicate()[1]
            check("io_uring" in text or "uring" in text, text)


# ---- routing ----

def routed(routing, routes="[{levels: [ERROR], to: [a]}, {levels: [ERROR, WARNING], to: [b]}]"):
    """Which sinks got which levels."""
    with Place() as place:
        path = config(place, "sinks:\n" + "".join(f"  {n}: '{place.uri(n, 'format=json')}'\n" for n in "abc") +
                      f"routes: {routes}\nrouting: {{{routing}}}\n")
        for level in ("INFO", "WARNING", "ERROR"):
            cat(place, level[0] + "\n", "--level", level)
        drained(place, "--config", path)
        return {n: "".join(texts(place.file(n))) for n in "abc"}


@effect("routing.enabled")
def routes_can_be_turned_off():
    check(routed("enabled: false") == {"a": "IWE", "b": "IWE", "c": "IWE"}, "routes count")


@effect("routing.overlap")
def the_first_route_may_decide_alone():
    check(routed("overlap: true") == {"a": "E", "b": "WE", "c": ""}, "both count")
    check(routed("overlap: false") == {"a": "E", "b": "W", "c": ""}, "the first one decides")


@effect("routing.fallback")
def what_no_route_wants_has_a_place():
    check(routed("fallback: [c]") == {"a": "E", "b": "WE", "c": "I"}, "not there")


# ---- what all sinks have ----

def of_levels(options):
    with Place() as place:
        for level in ("DEBUG", "INFO", "WARNING", "ERROR"):
            cat(place, level[0] + "\n", "--level", level)
        drained(place, "--rings", place.rings, "--sink", place.uri(options="format=json&" + options))
        return "".join(texts(place.file()))


@effect("sink.min_severity", "sink.levels")
def a_sink_may_want_some_levels_only():
    check(of_levels("min_severity=WARNING") == "WE", "min_severity")
    check(of_levels("levels=DEBUG,ERROR") == "DE", "levels")


@effect("sink.name")
def a_sink_goes_by_its_name():
    with Place() as place:
        cat(place, "x\n")
        drained(place, "--rings", place.rings, "--sink", place.uri(options="name=mine"), "--set", "sinks.mine.format=json")
        check(texts(place.file()) == ["x"], "the option is not that of the sink with this name")


@effect("sink.source")
def call_sites_are_written_where_asked():
    with Place() as place:
        place.load_done("--records", 1)
        drained(place, "--rings", place.rings, "--sink", place.uri("with", "format=json&source=true"),
                "--sink", place.uri("without", "format=json"))
        with open(place.file("with")) as a, open(place.file("without")) as b:
            check("load.c" in a.read() and "load.c" not in b.read(), "source")


@effect("file.file_mode", "native.file_mode")
def files_have_their_permissions():
    with Place() as place:
        cat(place, "x\n")
        before = os.umask(0)
        try:
            drained(place, "--rings", place.rings, "--sink", place.uri("f", "file_mode=0604"),
                    "--sink", f"native://{place.out}/n?file_mode=0604")
        finally:
            os.umask(before)
        for name in "fn":
            check(stat.S_IMODE(os.stat(place.file(name)).st_mode) == 0o604, name)


if __name__ == "__main__":
    sys.exit(main())
