#!/usr/bin/env python3
"""More comes in than goes out: the ladder goes up, what is protected arrives, the books balance, and the ladder comes
down again."""
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403
from adminclient import Admin  # noqa: E402
from brokenserver import BrokenServer  # noqa: E402

ERRORS = 500  # every so-manieth record of the load is one


class Slow(BrokenServer):
    """Takes a request and its records, one request at a time, and never more than 100 of them a second."""

    def __init__(self):
        super().__init__(is_broken=False)
        self.turn = threading.Lock()

    def take(self, lines, life):
        with self.turn:
            time.sleep(0.01)  # this is what makes it slow; nothing waits for it
            return super().take(lines, life)

    def uri(self, options=""):
        return self.uri_with("&batch_interval=10ms&batch_size=30&max_in_flight=1&timeout=60s&on_full=block" + options)

    def seen(self):
        with self.lock:
            return list(self.records)


def get(place, url):
    return Admin(os.path.join(place.rings, "collector.sock")).get(url)[1]


def wait_up(place, collector):
    def answers():
        check(collector.poll() is None, f"collector ended with {collector.returncode}")
        try:
            return get(place, "/healthz") == "ok\n"
        except OSError:
            return False
    wait_for("the collector answers", answers)


def pressure(place):
    return json.loads(get(place, "/status"))["pressure"]


def shed(place, level):
    found = re.search(r'fapilog_events_shed_total\{pressure="%s"\} (\d+)' % level, get(place, "/metrics"))
    return int(found.group(1))


def overload(place):
    """Far more than the lane holds and the sink takes, until it is told to end."""
    return place.load("--id", 1, "--records", 0, "--burst", 50, "--pause-us", 1000, "--errors", ERRORS,
                      "--lane-bytes", 65536)


def numbers(records, producer):
    return [d["n"] for d in loads(records) if d["producer"] == producer]


def what_is_protected_survives_an_overload_and_everything_passes_after_it():
    with Place() as place, Slow() as server:
        c = place.collector("--set", "adaptive.enabled=true", "--set", "adaptive.check_interval=20ms",
                            "--set", "adaptive.cooldown=100ms", "--set", f"state_dir={place.path}/state", "--verbose",
                            sink=server.uri())
        wait_up(place, c)
        producer = overload(place)
        wait_for("records are shed at CRITICAL", lambda: shed(place, "CRITICAL") > 1000)
        producer.terminate()
        written = written_by(producer)
        wait_for("the pressure is over", lambda: pressure(place)["level"] == "NORMAL")
        check("fapilog_pressure_level 0" in get(place, "/metrics"), "the gauge of the level")
        later = place.load_done("--id", 2, "--records", 100)
        wait_for("what comes later arrives", lambda: len(numbers(server.seen(), 2)) == later)
        text = stop(c)
        records = server.seen()
        errors = [n for n in numbers(records, 1) if n % ERRORS == 0]
        check(errors == list(range(0, written, ERRORS)), f"{len(errors)} errors of {written} records arrived")
        check_books(records, written + later)
        reported = sum(r["data"]["count"] for r in records if r["data"].get("reason") == "pressure")
        check(f"dropped (by stages) {reported}" in text, f"{reported} reported as shed; the balance: {text}")
        for level in ("ELEVATED", "HIGH", "CRITICAL"):
            check(f"pressure: up to {level}" in text, f"no step up to {level}: {text}")
        check("pressure: down to NORMAL" in text, f"no way back: {text}")
        return f"{written} written, {len(numbers(records, 1))} delivered, {reported} shed"


def the_production_preset_sheds_while_its_console_stands_still():
    with Place() as place:
        c = place.start([COLLECTOR, "--rings", place.rings, "--preset", "production", "--set",
                         f"state_dir={place.path}/state"])
        wait_up(place, c)
        producer = overload(place)
        wait_for("nobody reads, and the pressure is CRITICAL", lambda: pressure(place)["level"] == "CRITICAL")
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(c.stdout))
        reader.start()
        wait_for("records are shed", lambda: pressure(place)["shed"] > 0)
        producer.terminate()
        written = written_by(producer)
        wait_for("the pressure is over", lambda: pressure(place)["level"] == "NORMAL")
        c.send_signal(signal.SIGTERM)
        reader.join(30)
        check(c.wait(30) == 0, f"the collector failed: {c.stderr.read()}")
        check_books([json.loads(line)["log"] for line in lines], written)
        return f"{written} written, {len(lines)} lines"


def without_adaptive_there_is_no_pressure():
    with Place() as place:
        c = place.collector()
        wait_up(place, c)
        check("pressure" not in json.loads(get(place, "/status")), "a pressure that nobody asked for")
        stop(c)


def a_reload_turns_it_on_and_off():
    with Place() as place:
        path = os.path.join(place.path, "fapilog.yaml")

        def write(enabled):
            with open(path, "w") as f:
                f.write(f"adaptive: {{enabled: {enabled}}}\nsinks: {{all: '{place.uri()}'}}\n")

        def status():
            return json.loads(get(place, "/status"))

        write("false")
        c = place.start([COLLECTOR, "--rings", place.rings, "--config", path])
        wait_up(place, c)
        for reloads, enabled in ((1, "true"), (2, "false")):
            write(enabled)
            c.send_signal(signal.SIGHUP)
            wait_for("the reload", lambda: status()["reloads"] == reloads)
            check(("pressure" in status()) == (enabled == "true"), f"after enabled: {enabled}")
            written = place.load_done("--id", reloads, "--records", 100)
        wait_for("all records", lambda: line_count(place.file()) == 2 * written)
        stop(c)


def start_with(place, *args, env=None):
    return place.start([COLLECTOR, "--rings", place.rings, "--set", f"state_dir={place.path}/state", *args], env=env)


def own(records):
    return [r for r in records if r.get("logger") == "fapilog.collector"]


def refused_rings(place):
    return int(re.search(r"fapilog_ring_segments_refused_total (\d+)", get(place, "/metrics")).group(1))


def make_junk(place, times):
    """A ring that is none, again and again: the collector says the same of it each time."""
    path = os.path.join(place.rings, "junk.ring")
    for n in range(times):
        with open(path + ".new", "wb") as f:
            f.write(bytes(100))
        os.rename(path + ".new", path)
        wait_for("the collector has looked at it", lambda: refused_rings(place) == n + 1)
        os.unlink(path)


def the_same_message_is_said_once_and_counted():
    with Place() as place:
        c = start_with(place, "--sink", place.uri())
        wait_up(place, c)
        make_junk(place, 5)
        text = stop(c)
        said = [line for line in text.splitlines() if "junk.ring" in line]
        check(len(said) == 2 and said[1] == said[0] + " (4 times more)", f"{said}")
        check(not own(place.lines()), "records that nobody asked for")


def what_the_collector_says_may_be_records():
    with Place() as place:
        path = os.path.join(place.path, "fapilog.yaml")

        def write(diagnostics):
            with open(path, "w") as f:
                f.write(f"diagnostics: {diagnostics}\nstages: [{{level: {{min: CRITICAL}}}}]\n"
                        f"sinks: {{one: '{place.uri('log.jsonl')}', two: '{place.uri('other.jsonl')}'}}\n"
                        "diagnostics_sinks: [one]\n")

        write("stderr")
        c = start_with(place, "--config", path)
        wait_up(place, c)
        write("records")  # from here on the sinks may not share what they get
        c.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: json.loads(get(place, "/status"))["reloads"] == 1)
        make_junk(place, 1)
        wait_for("two records", lambda: len(own(place.lines())) == 2)
        text = stop(c)
        records = place.lines()
        check([r["level"] for r in records] == ["INFO", "WARNING"], f"{records}")
        check("taken over" in records[0]["message"] and "junk.ring" in records[1]["message"], f"{records}")
        check(records[0]["diagnostics"]["service"] == "fapilog-collector", f"{records}")
        check("junk.ring" not in text, f"stderr has it too: {text}")
        check(not place.lines("other*"), "a sink that was not named has it")


def a_sink_that_fails_is_told_of_in_another():
    with Place() as place, open("/dev/full", "wb") as full:
        c = place.start([COLLECTOR, "--rings", place.rings, "--sink", place.uri(), "--sink", "console:?format=json",
                         "--set", "diagnostics=both", "--set", "shutdown_timeout=200ms"], stdout=full)
        wait_up(place, c)
        written = place.load_done("--records", 10)
        wait_for("the file has what is said of the console", lambda: len(own(place.lines())) > 1)
        text = stop(c, status=1)
        records = place.lines()
        first, said = (r["message"] for r in own(records)[:2])
        check(first.startswith("version ") and first.endswith("; sinks file, console"), first)
        check(said.startswith("sink console: No space left on device"), said)
        check(f"fapilog-collector: {said}" in text, f"stderr has it not: {text}")
        check(len(loads(records)) == written, "the file has the records too")


if __name__ == "__main__":
    sys.exit(run([
        what_is_protected_survives_an_overload_and_everything_passes_after_it,
        the_production_preset_sheds_while_its_console_stands_still,
        without_adaptive_there_is_no_pressure,
        a_reload_turns_it_on_and_off,
        the_same_message_is_said_once_and_counted,
        what_the_collector_says_may_be_records,
        a_sink_that_fails_is_told_of_in_another,
    ]))
