#!/usr/bin/env python3
"""The collector as its users meet it: producers on one side, files on the other, and the books balanced
to the record: written = delivered + dropped (by reason) + pending."""
import collections
import contextlib
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
from harness import *  # noqa: E402,F403


def live_records_arrive_and_the_books_balance():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        written = place.load_done("--threads", 4, "--records", 20000, "--payload", 40)
        stop(c)
        check_books(place.lines(), written)
        check(not rings(place), "the ring of an ended producer stays")
        return f"{written} written, {dropped(place.lines())} dropped"


def a_waiting_producer_loses_nothing():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        written = place.load_done("--threads", 3, "--records", 20000, "--block")
        stop(c)
        check_books(place.lines(), written)
        check(dropped(place.lines()) == 0, "records were dropped")


def records_written_without_a_collector_are_delivered_later():
    with Place() as place:
        written = place.load_done("--records", 500) + place.load_done("--id", 1, "--records", 500)
        check(len(rings(place)) == 2, "the rings do not outlive their producers")
        place.drain()
        check_books(place.lines(), written)
        check(len(loads(place.lines())) == 1000, "not all was delivered")
        check(not rings(place), "delivered rings stay")


def dropped_records_are_reported_to_the_record():
    with Place() as place:
        written = place.load_done("--threads", 2, "--records", 5000, "--lane-bytes", 16384)
        place.drain()
        lines = place.lines()
        check(dropped(lines) > 5000, "lanes of 16 KiB held nearly everything")
        check_books(lines, written)
        report = next(r for r in lines if r["message"] == "records dropped")
        check(report["level"] == "WARNING" and report["data"]["reason"] == "lane full", f"report: {report}")
        place.drain()
        check(len(place.lines()) == len(lines), "a second run reports or delivers again")


def drops_before_a_restart_are_reported_once():
    with Place() as place:
        p = place.load("--threads", 1, "--records", 3000, "--lane-bytes", 16384, "--wait")
        check(p.stdout.readline().startswith("written"), "the producer has failed")
        place.drain()
        first = dropped(place.lines())
        check(first > 0, "nothing was dropped")
        place.drain()
        check(dropped(place.lines()) == first, "the same drops are reported twice")
        check_books(place.lines(), 3000)


def totals_of_reports_rise_by_their_counts():
    """So that one that comes again within a greater count can be told from a new one."""
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        written = place.load_done("--threads", 2, "--records", 20000, "--lane-bytes", 16384, "--burst", 1000, "--pause-us", 10000)
        stop(c)
        totals = {}
        reports = [r["data"] for r in place.lines() if r["message"] == "records dropped"]
        check(len(reports) > 2, f"{reports}")
        for d in reports:
            totals[d["lane"]] = totals.get(d["lane"], 0) + d["count"]
            check(d["total"] == totals[d["lane"]], f"{d}: {totals}")
        check_books(place.lines(), written)


def overwritten_records_are_counted():
    with Place() as place:
        written = place.load_done("--records", 5000, "--lane-bytes", 32768, "--overwrite")
        place.drain()
        lines = place.lines()
        check_books(lines, written)
        check(loads(lines)[-1]["n"] == 4999, "the newest record is not there")


def overwritten_records_of_several_blocks_are_counted():
    with Place() as place:
        written = place.load_done("--records", 60, "--lane-bytes", 1 << 20, "--overwrite", "--payload", 50000)
        text = place.drain()
        check_books(place.lines(), written)
        check("damaged" not in text, text)


def the_rings_of_the_dead_do_not_outlive_a_stop():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        written = place.load_done("--forks", 300, "--records", 3, "--lanes", 2, "--lane-bytes", 16384)
        stop(c)
        check(len(loads(place.lines())) == written, "not all was delivered")
        check(not rings(place), f"{len(rings(place))} rings stay")


def a_ring_directory_that_vanishes_ends_the_collector():
    away = {
        "removed": lambda place: shutil.rmtree(place.rings),
        "renamed": lambda place: os.rename(place.rings, place.rings + ".away"),
        "unlocked": lambda place: os.unlink(os.path.join(place.rings, "collector.lock")),
    }
    for what, act in away.items():
        with Place() as place:
            c = place.collector()
            place.wait_ready(c)
            p = place.load("--records", 100, "--wait")
            check(p.stdout.readline().startswith("written"), "the producer has failed")
            wait_for("its socket", lambda place=place: os.path.exists(os.path.join(place.rings, "collector.sock")))
            wait_for("it has the ring", lambda place=place: line_count(place.file()) > 0)
            act(place)
            _, text = c.communicate(timeout=30)
            check(c.returncode == 1, f"{what}: status {c.returncode}, {text}")
            check(place.rings in text and "start the collector again" in text, f"{what}: {text}")
            check(len(loads(place.lines())) == 100, f"{what}: what the ring held is not delivered")


def a_killed_producer_loses_nothing_that_was_committed():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        running = [place.load("--id", i, "--threads", 2, "--records", 0, "--block", "--burst", 100,
                              "--pause-us", 3000) for i in range(3)]
        time.sleep(0.3)
        for p in running:
            p.kill()
            p.wait()
        wait_for("the rings of killed producers are removed", lambda: not rings(place))
        stop(c)
        for who, numbers in sequences(place.lines()).items():
            check(numbers == list(range(len(numbers))), f"{who}: a record is missing in the middle")
        return f"{len(loads(place.lines()))} records"


def thousands_of_segments_appear_and_vanish():
    """As many as FAPILOG_SEGMENTS says are there at once, and a quarter of that come while they are drained."""
    at_once = int(os.environ.get("FAPILOG_SEGMENTS", "2000"))
    in_a_row, records, seconds = at_once // 4, 3, 20 + at_once // 20
    args = ("--records", records, "--lanes", 2, "--lane-bytes", 16384)
    with Place() as place:
        written_by(place.load("--forks", at_once, *args), seconds)
        check(len(rings(place)) == at_once, f"{len(rings(place))} of {at_once} rings are there")
        c = place.collector()
        written_by(place.load("--forks", in_a_row, *args), seconds)
        wait_for("all rings are removed", lambda: not rings(place), seconds)
        stop(c)
        found = collections.Counter((d["producer"], d["n"]) for d in loads(place.lines()))
        expected = {(i, n): 2 if i < in_a_row else 1 for i in range(at_once) for n in range(records)}
        wrong = {who for who in expected.keys() | found.keys() if expected.get(who) != found.get(who)}
        check(not wrong, f"{len(wrong)} records of {len(expected)} are not there once: {sorted(wrong)[:5]}")
        return f"{at_once} at once, {in_a_row} in a row"


def a_second_collector_is_refused_and_names_the_first():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        text = place.drain(status=1)
        check(f"pid {c.pid}" in text, f"the message does not name the pid: {text}")
        stop(c)
        place.drain()


def records_of_all_threads_are_merged_by_time():
    with Place() as place:
        c = place.collector("--set", "merge_window=20ms")
        place.wait_ready(c)
        running = [place.load("--id", i, "--threads", 3, "--records", 2000, "--pause-us", 50) for i in range(2)]
        written = sum(written_by(p) for p in running)
        stop(c)
        check_books(place.lines(), written)
        times = [r["timestamp"] for r in place.lines() if r["message"] == "load"]
        late = [(a, b) for a, b in zip(times, times[1:]) if b < a]
        check(not late, f"{len(late)} of {len(times)} records are older than the one before: {late[:3]}")


def a_producer_that_flushes_is_answered_soon():
    with Place() as place:
        c = place.collector("--set", "flush_interval=10s")
        place.wait_ready(c)
        p = place.load("--records", 100, "--flush-ms", 20000)
        out, _ = p.communicate(timeout=30)
        _, result, _, after = out.split()[:4]
        check(result == "0", f"flush failed: {out}")
        check(int(after) < 2_000_000, f"flush took {after} us")
        check(len(loads(place.lines())) == 100, "acknowledged, but not in the file")
        stop(c)
        return f"{after} us"


def an_idle_collector_uses_no_time():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        running = [place.load("--id", i, "--threads", 1, "--records", 10, "--lanes", 250, "--lane-bytes", 16384,
                              "--wait") for i in range(4)]
        wait_for("the records are delivered", lambda: line_count(place.file()) == 40)

        def ticks():
            with open(f"/proc/{c.pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])
        before = ticks()
        time.sleep(2)
        used = ticks() - before
        check(used <= 6, f"{used} ticks of CPU in 2 s of idleness")
        for p in running:
            p.communicate("\n")
        stop(c)
        return f"{used} ticks in 2 s"


def a_level_set_at_the_collector_reaches_running_services():
    with Place() as place:
        c = place.collector("--set", "level=ERROR")
        place.wait_ready(c)
        place.load_done("--records", 400, "--errors", 4, "--pause-us", 1000)
        stop(c)
        levels = [r["level"] for r in place.lines()]
        late = levels[len(levels) // 2:]
        check(len(late) >= 40 and set(late) == {"ERROR"}, f"levels after the rule: {set(late)}, {len(levels)} records")


def sinks_take_the_levels_that_they_ask_for():
    with Place() as place:
        written = place.load_done("--records", 1000, "--errors", 10)
        place.drain("--sink", place.uri("errors.jsonl", "min_severity=ERROR"))
        check(len(read_lines(place.file())) == written, "the first sink has not all")
        errors = read_lines(place.file("errors.jsonl"))
        check(len(errors) == 100 and {r["level"] for r in errors} == {"ERROR"}, f"{len(errors)} errors")


def records_of_any_size_pass():
    with Place() as place:
        sizes = [0, 1, 1000, 15000, 16384, 40000, 500000, 900000]
        for i, size in enumerate(sizes):
            place.load_done("--id", i, "--records", 3, "--payload", size, "--lane-bytes", 8 << 20)
        place.drain()
        got = {}
        for d in loads(place.lines()):
            got.setdefault(d["producer"], []).append(len(d["payload"]))
        check(got == {i: [size] * 3 for i, size in enumerate(sizes)}, f"sizes: {got}")


def a_record_that_no_file_of_the_mmap_sink_can_take_is_counted_and_holds_up_no_other():
    with Place() as place:
        for i, size in enumerate((1000, 40000, 2000)):
            place.load_done("--id", i, "--records", 3, "--payload", size)
        text = place.drain("--verbose", sink=f"mmap://{place.file()}?max_size=32KB", status=1)
        for part in ("is longer than max_size 32768, so that no file can take it", "mmap delivered 6 records",
                     "dropped (refused, not kept as dead letters) 3",
                     "sink mmap: 3 records were given up: it could never take them"):
            check(part in text, f"no '{part}': {text}")
        check(sorted(len(d["payload"]) for d in loads(place.lines())) == [1000] * 3 + [2000] * 3, "the others are there")
        check(not rings(place), "nothing waits")


def rotation_by_size_keeps_every_record_once():
    with Place() as place:
        c = place.collector(sink=place.uri(options="max_bytes=100KB&max_files=1000"))
        place.wait_ready(c)
        written = place.load_done("--threads", 2, "--records", 5000, "--block")
        stop(c)
        check(len(place.files()) > 10, f"only {len(place.files())} files")
        check_books(place.lines(), written)


def has_content(path):
    return lambda: os.path.exists(path) and os.path.getsize(path)


def sighup_follows_a_file_that_was_moved_away():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        p = place.load("--threads", 2, "--records", 0, "--pause-us", 500, "--block")
        for i in range(5, 0, -1):
            wait_for("records are in the file", has_content(place.file()))
            os.rename(place.file(), place.file(f"log.jsonl.{i}"))
            c.send_signal(signal.SIGHUP)
        wait_for("records are in the file", has_content(place.file()))
        p.terminate()
        written = written_by(p)
        stop(c)
        check(len(place.files()) == 6, f"files: {place.files()}")
        check_books(place.lines(), written)


def sigusr1_rotates():
    with Place() as place:
        c = place.collector(sink=place.uri(options="max_files=100"))
        place.wait_ready(c)
        p = place.load("--threads", 2, "--records", 0, "--pause-us", 500, "--block")
        for i in range(3):
            wait_for("records are in the file", has_content(place.file()))
            c.send_signal(signal.SIGUSR1)
            wait_for("an archive appears", lambda: len(place.files("log.jsonl.*")) == i + 1)
        p.terminate()
        written = written_by(p)
        stop(c)
        check_books(place.lines(), written)


def sigterm_under_load_stops_and_the_next_run_goes_on():
    with Place() as place:
        p = place.load("--threads", 2, "--records", 0, "--pause-us", 500, "--burst", 50, "--block")
        for _ in range(5):
            c = place.collector()
            place.wait_ready(c)
            time.sleep(0.05)
            stop(c)
        c = place.collector()
        place.wait_ready(c)
        p.terminate()
        written = written_by(p)
        stop(c)
        check_books(place.lines(), written)
        return f"{written} records"


def either_signal_delivers_what_the_rings_hold_and_ends_with_0():
    for sig in (signal.SIGINT, signal.SIGTERM):
        with Place() as place:
            c = place.collector()
            place.wait_ready(c)
            p = place.load("--threads", 2, "--records", 0, "--pause-us", 500, "--burst", 50)
            wait_for("records arrive", lambda: line_count(place.file()) > 0)
            c.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
            p.terminate()
            written = written_by(p)
            check(line_count(place.file()) < written, "nothing waits in the rings")
            c.send_signal(sig)
            c.send_signal(signal.SIGCONT)
            _, text = c.communicate(timeout=30)
            check(c.returncode == 0, f"{sig.name}: ended with {c.returncode}: {text}")
            check_books(place.lines(), written, sig.name)
            check(not rings(place), f"{sig.name}: rings are left")


def a_sink_that_cannot_write_keeps_the_records_and_fails_the_drain():
    with Place() as place, small_disk(place, "64k") as small:
        if not small:
            return "SKIPPED: cannot mount a small tmpfs"
        written = place.load_done("--records", 1000)
        text = place.drain("--set", "shutdown_timeout=300ms", sink=f"file://{small}/log.jsonl", status=1)
        why = f"sink file: {small}/log.jsonl: No space left on device; "
        check(why + "trying again" in text and "stay in their rings" in text, f"message: {text}")
        check(text.count(why) == 2, f"not both lines name the file: {text}")
        check(len(rings(place)) == 1, "the ring is gone")
        place.drain()
        check(len(place.lines()) + len(read_lines(f"{small}/log.jsonl")) >= written, "records are lost")


def a_full_disk_loses_nothing_and_is_left_by_itself():
    return fills_and_heals("file") or fills_and_heals("mmap")


def fills_and_heals(scheme):
    with Place() as place, small_disk(place, "400k") as small:
        if not small:
            return "SKIPPED: cannot mount a small tmpfs"
        ballast = os.path.join(small, "ballast")
        with open(ballast, "wb") as f:
            f.write(b"x" * (256 << 10))
        path = os.path.join(small, "log.jsonl")
        c = place.collector(sink=f"{scheme}://{path}")
        place.wait_ready(c)
        written = place.load_done("--records", 800, "--pause-us", 500)
        time.sleep(0.3)
        check(rings(place), "everything fits on the full disk")
        os.unlink(ballast)
        wait_for("the rest is written", lambda: not rings(place))
        text = stop(c)
        check(text.count("No space") == 1 and "works again" in text, f"messages: {text}") # rsyslog#3800: each failed write told
        check_books(read_lines(path), written)
        check(len(read_lines(path)) == written, "records are missing")


def a_full_disk_holds_up_no_other_sink():
    return holds_up_no_other("file") or holds_up_no_other("mmap")


def holds_up_no_other(scheme):
    with Place() as place, small_disk(place, "400k") as small:
        if not small:
            return "SKIPPED: cannot mount a small tmpfs"
        ballast = os.path.join(small, "ballast")
        with open(ballast, "wb") as f:
            f.write(b"x" * (256 << 10))
        path = os.path.join(small, "log.jsonl")
        c = place.collector("--sink", f"{scheme}://{path}")
        place.wait_ready(c)
        written = place.load_done("--records", 800, "--pause-us", 500)
        wait_for("the other has all of them", lambda: line_count(place.file()) == written)
        check(line_count(path) < written and rings(place), "everything fits on the full disk")
        c.kill()  # who had what survives it
        c.wait()
        os.unlink(ballast)
        c = place.collector("--sink", f"{scheme}://{path}")
        wait_for("the rest is written", lambda: not rings(place))
        stop(c)
        check_books(read_lines(path), written)
        check_books(place.lines(), written)
        check(len(read_lines(path)) == written, "records are missing")


def fill_up(small):
    with open(os.path.join(small, "rest"), "wb") as f:
        f.write(bytes(4096 * os.statvfs(small).f_bavail))


def rings_that_fill_their_file_system_can_be_drained():
    with Place() as place, small_disk(place, "1m") as small:
        if not small:
            return "SKIPPED: cannot mount a small tmpfs"
        place.rings = os.path.join(small, "rings")
        os.mkdir(place.rings, 0o750)
        with open(os.path.join(small, "other"), "wb") as f:
            f.write(bytes(960 << 10))
        text = place.drain(env={"FAPILOG_STATE_DIR": "/dev/null/x"}, status=1)
        check("No space left" in text and "on another one with FAPILOG_STATE_DIR" in text and "make it larger" in text, text)
        os.unlink(os.path.join(small, "other"))
        place.drain()
        written = place.load_done("--records", 20000, "--payload", 60, "--lane-bytes", 8 << 20)
        fill_up(small)
        place.drain()
        check_books(place.lines(), written)
        check(dropped(place.lines()) > 0, "all had room")


def the_first_collector_of_a_full_file_system_delivers_each_record_once():
    """Killed meanwhile, and followed by one that would put its state elsewhere."""
    for point in "none:1", "sink-done:1", "persist-unhashed:2", "persist-after:2", "released:1":
        with Place() as place, small_disk(place, "1m") as small:
            if not small:
                return "SKIPPED: cannot mount a small tmpfs"
            place.rings = os.path.join(small, "rings")
            os.mkdir(place.rings, 0o750)
            written = place.load_done("--records", 20000, "--payload", 60, "--lane-bytes", 8 << 20)
            fill_up(small)
            state, kept = os.path.join(place.rings, "collector.state"), os.path.join(place.path, "state")
            text = place.drain(env={"FAPILOG_FAULT": point}, status=0 if point == "none:1" else -9)
            check("has no room for collector.state, which is kept as " + kept in text, text)
            if point != "none:1":
                check(os.path.dirname(os.readlink(state)) == kept, "no link")
                place.drain(env={"FAPILOG_STATE_DIR": place.path + "/other"})
            check_books(place.lines(), written)
            check(dropped(place.lines()) > 0, "all had room")
            check(os.path.isfile(state) and not os.path.islink(state) and not os.listdir(kept), "it did not come back")


def a_damaged_segment_is_refused_and_others_go_on():
    with Place() as place:
        place.load_done("--id", 1, "--records", 50)
        bad = rings(place)[0]
        written = place.load_done("--id", 2, "--records", 50)
        with open(os.path.join(place.rings, bad), "r+b") as f:
            f.truncate(8192)
        with open(os.path.join(place.rings, "1-nonsense.ring"), "wb") as f:
            f.write(b"nonsense" * 1000)
        text = place.drain(status=1)
        check("nonsense" in text, f"nothing is said about the file that is no segment: {text}")
        good = [d for d in loads(place.lines()) if d["producer"] == 2]
        check(len(good) == written, "the good segment was not delivered")


def its_first_line_says_what_runs():
    """But not with --drain, which scripts use, and nowhere else than where it is to speak."""
    with Place() as place:
        version, _ = place.start([COLLECTOR, "--version"]).communicate(timeout=30)
        check(place.drain() == "", "--drain is not quiet")
        for more, said in (([], True), (["--sink", "console:"], True), (["--set", "diagnostics=none"], False)):
            collector = place.collector(*more)
            place.wait_ready(collector)
            text = stop(collector)
            sinks = "file, console" if "console:" in more else "file"
            want = f"fapilog-collector: version {version.split()[1]}; rings in {place.rings}; sinks {sinks}\n" if said else ""
            check(text == want, f"{text!r}, not {want!r}")
        path = place.file("named.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"preset: minimal\nsinks: {{all: '{place.uri()}'}}\n")
        collector = place.start([COLLECTOR, "--rings", place.rings, "--config", path])
        place.wait_ready(collector)
        text = stop(collector)
        check(text.endswith(f"; configuration {path}; preset minimal; sinks all (file)\n"), text)


def errors_at_the_end_and_at_the_start_cannot_steer_the_terminal_either():
    with Place() as place:
        for args in (["--set", "flush_interval=\x1b[31m1\nfapilog-collector: all is well"], ["--rings", "/no\x1b[31m/such"],
                     ["--set", "plugins=/no\x1b[31m/such", "--help"], ["--replay", "/no\x1b[31m/such"]):
            collector = place.collector(*args)
            _, text = collector.communicate(timeout=30)
            check("\\x1b[31m" in text and "\x1b" not in text, repr(text))
            check(text.count("\nfapilog-collector: ") == 0, repr(text))


def names_of_files_cannot_steer_the_terminal():
    with Place() as place:
        with open(os.path.join(place.rings, "1-\x1b[31m\nnonsense.ring"), "wb") as f:
            f.write(b"nonsense" * 1000)
        text = place.drain(status=1)
        check("1-\\x1b[31m\\nnonsense.ring" in text and "\x1b" not in text, repr(text))


# effect: settings.keep_dead
def delivered_rings_are_kept_when_asked():
    with Place() as place:
        for i in range(4):
            place.load_done("--id", i, "--records", 10)
        place.drain("--set", "keep_dead=2")
        check(not rings(place) and len(rings(place, ".dead")) == 2, f"left: {os.listdir(place.rings)}")
        place.drain()
        check(not rings(place, ".dead"), "old .dead files stay when none are to be kept")


def the_console_gets_json_lines_when_it_is_no_terminal():
    with Place() as place:
        written = place.load_done("--records", 10)
        p = place.start([COLLECTOR, "--rings", place.rings, "--drain"])
        out, err = p.communicate(timeout=30)
        check(p.returncode == 0 and not err, f"status {p.returncode}: {err}")
        check(len([json.loads(line) for line in out.splitlines()]) == written, "records are missing")


def spans_go_to_the_native_sink():
    with Place() as place:
        written = place.load_done("--threads", 2, "--records", 3000)
        text = place.drain("--verbose", sink=f"native://{place.out}/")
        check(f"native delivered {written} records" in text, text)


def a_native_sink_takes_the_levels_that_it_asks_for():
    with Place() as place:
        written = place.load_done("--records", 1000, "--errors", 10)
        text = place.drain("--verbose", sink=f"native://{place.out}/?min_severity=ERROR")
        check("native delivered 100 records" in text and written == 1000, text)


def spans_of_overwritten_lanes_are_counted_too():
    loads = ("--records", 5000, "--lane-bytes", 32768), ("--records", 60, "--lane-bytes", 1 << 20, "--payload", 50000)
    for load in loads:
        with Place() as place:
            written = place.load_done("--overwrite", *load)
            text = place.drain("--verbose", sink=f"native://{place.out}/")
            delivered = int(re.search(r"processed (\d+)", text).group(1))
            lost = int(re.search(r"overwritten\) (\d+)", text).group(1))
            check(delivered > 10 and delivered + lost == written, f"{delivered} + {lost} of {written}: {text}")
            check(f"native delivered {delivered} records" in text, text)


def a_service_without_room_for_a_ring_says_what_to_do():
    with Place() as place, small_disk(place, "16k") as small:
        if not small:
            return "SKIPPED: cannot mount a small tmpfs"
        os.chmod(small, 0o700)
        _, err = place.start([LOAD, "--records", "1", small]).communicate(timeout=30)
        check("logging is off: segment: " in err and "No space left on device; the file system is full: make it larger" in err,
              err)


def a_ledger_that_cannot_be_made_is_an_error_with_a_reason():
    with Place() as place:
        os.makedirs(os.path.join(place.path, "state", "collector.ledger"))
        p = place.collector(sink="http://127.0.0.1:9/") # none but a remote sink's is kept
        _, err = p.communicate(timeout=30)
        check(p.returncode == 1 and "ledger: open " in err and "Is a directory" in err, f"{p.returncode}: {err}")


def written_by_ledger(path):
    """docs/abi/ledger.md: what the newest of its two pages says; None: there is none."""
    with contextlib.suppress(OSError), open(path, "rb") as f:
        data = f.read()
        size, = struct.unpack_from("<I", data, 12)
        pages = [data[64 + i * size:] for i in range(2)]
        newest = max(pages, key=lambda page: struct.unpack_from("<Q", page, 8))
        return struct.unpack_from("<Q", newest, 48)[0] if any(newest[8:16]) else None
    return None


def a_full_state_disk_keeps_nobody_from_starting():
    """The first start: nothing of what it keeps there has been made."""
    with Place() as place, small_disk(place, "256k") as small:
        if not small:
            return "SKIPPED: cannot mount a small tmpfs"
        state, fill = os.path.join(small, "state"), os.path.join(small, "fill")
        os.mkdir(state)
        with open(fill, "wb", buffering=0) as f:
            with contextlib.suppress(OSError):
                while f.write(b"x" * 4096):
                    pass
        c = place.collector("--sink", "http://127.0.0.1:9/", sink=place.uri(), env={"FAPILOG_STATE_DIR": state})
        place.wait_ready(c)
        place.load_done("--records", 100)
        wait_for("the file has them", lambda: line_count(place.file()) == 100)
        check(not os.path.exists(state + "/collector.ledger"), "half a ledger")
        p = place.collector("--sink", "http://127.0.0.1:9/", sink=place.uri("other"), env={"FAPILOG_STATE_DIR": state})
        _, err = p.communicate(timeout=30)
        check(p.returncode == 1 and "another collector is at work" in err, f"not locked: {err}")
        os.remove(fill)
        wait_for("the ledger is written", lambda: written_by_ledger(state + "/collector.ledger") == 100)
        text = stop(c)
        check(text.count("ledger: allocate") == 1 and "it is made when there is room" in text, text)


def its_table_of_descriptors_does_not_grow():
    """Growing it stops the collector for as long as the kernel likes, where the workers of io_uring share it."""
    with Place() as place:
        for limit in 4096, 1024, 200:
            p = place.start([COLLECTOR, "--rings", place.rings, "--sink", place.uri()],
                            preexec_fn=lambda n=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
            place.wait_ready(p)
            with open(f"/proc/{p.pid}/status") as f:
                size = int(re.search(r"FDSize:\s+(\d+)", f.read()).group(1))
            check(limit // 2 < size <= 4096, f"FDSize {size} of at most {limit}")
            stop(p)


def a_ring_that_no_collector_would_read_is_not_made():
    """64 GB of address space, hardly any memory: four lanes are shared."""
    with Place() as place:
        for lanes in 59, 60:
            out, err = place.load("--records", 5, "--lane-bytes", 1 << 30, "--lanes", lanes).communicate(timeout=30)
            is_made = lanes == 59
            check(err == "" if is_made else "logging is off: segment: " in err and "take fewer or smaller lanes" in err, err)
            check(len(rings(place)) == is_made, f"{os.listdir(place.rings)}")
            text = place.drain("--verbose")
            check(f"processed {5 * is_made}" in text and "allowed are" not in text, text)


def a_flush_tells_when_a_sink_fails():
    with Place() as place, small_disk(place, "16k") as small:
        if not small:
            return "SKIPPED: cannot mount a small tmpfs"
        c = place.collector(sink=f"file://{small}/log.jsonl")
        place.wait_ready(c)
        out, _ = place.load("--records", 500, "--flush-ms", 1000).communicate(timeout=30)
        check(out.startswith("flush -5 "), f"not EIO: {out}")
        c.kill()


def wrong_usage_is_status_2_and_says_why():
    with Place() as place:
        for args, said in ((["--set", "flush_intervall=1s"], "flush_interval"), (["--set", "lane_budget=1"], "4KB"),
                           (["--nonsense"], "--nonsense"), (["--set", "level.x=LOUD"], "LOUD"), (["x"], "x"),
                           (["--rings"], "--rings"), (["--help", "nosink"], "nosink"), (["--confg", "x"], "--config")):
            p = place.start([COLLECTOR, *args])
            _, err = p.communicate(timeout=10)
            check(p.returncode == 2 and said in err, f"{args}: status {p.returncode}: {err}")
        for args in (["--help"], ["--help", "file"], ["--version"],
                     ["--check", "--rings", place.rings, "--sink", place.uri()]):
            p = place.start([COLLECTOR, *args])
            out, err = p.communicate(timeout=10)
            check(p.returncode == 0 and out and not err, f"{args}: status {p.returncode}: {err}")
        p = place.start([COLLECTOR, "--check", "--rings", place.rings, "--sink", "fil:///x"])
        _, err = p.communicate(timeout=10)
        check(p.returncode == 1 and "fil" in err, f"status {p.returncode}: {err}")


def sinks_come_from_the_environment():
    with Place() as place:
        written = place.load_done("--records", 10)
        p = place.start([COLLECTOR, "--rings", place.rings, "--drain"],
                        env={"FAPILOG_SINKS": f" {place.uri('log1')}\n\t{place.uri('log2')} "})
        p.communicate(timeout=30)
        check(p.returncode == 0 and len(place.lines()) == 2 * written, "not both sinks have the records")


def more_rings_than_files_may_be_open_are_read_one_after_the_other():
    with Place() as place:
        written = sum(place.load_done("--records", 5, "--id", i) for i in range(40))
        c = place.start([COLLECTOR, "--rings", place.rings, "--sink", place.uri()],
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
        place.wait_ready(c)
        wait_for("all is delivered", lambda: line_count(place.file()) == written, 60)
        check("are kept for sinks" in stop(c), "nothing is said")


def a_ring_over_a_quota_is_taken_when_another_one_has_gone():
    with Place() as place:
        written = sum(place.load_done("--records", 10, "--id", i) for i in range(3))
        c = place.collector("--set", "segments_max=1")
        wait_for("all is delivered", lambda: line_count(place.file()) == written)
        wait_for("no ring is left", lambda: not [n for n in os.listdir(place.rings) if n.endswith(".ring")])
        stop(c)


def drain_fails_where_rings_were_refused():
    with Place() as place:
        for i in range(3):
            place.load_done("--records", 10, "--id", i)
        c = place.collector("--set", "segments_max=2", "--drain")
        text = c.communicate(timeout=30)[1]
        check(c.returncode == 1 and "1 ring was refused, and not read" in text, f"{c.returncode}: {text}")
        check(line_count(place.file()) == 20, "what is within the limit is not there")
        c = place.collector("--drain")
        check(c.wait(timeout=30) == 0, c.stderr.read())
        check(line_count(place.file()) == 30, "the others")


if __name__ == "__main__":
    sys.exit(run([
        live_records_arrive_and_the_books_balance,
        a_waiting_producer_loses_nothing,
        records_written_without_a_collector_are_delivered_later,
        dropped_records_are_reported_to_the_record,
        drops_before_a_restart_are_reported_once,
        totals_of_reports_rise_by_their_counts,
        overwritten_records_are_counted,
        overwritten_records_of_several_blocks_are_counted,
        a_killed_producer_loses_nothing_that_was_committed,
        thousands_of_segments_appear_and_vanish,
        the_rings_of_the_dead_do_not_outlive_a_stop,
        a_ring_directory_that_vanishes_ends_the_collector,
        a_second_collector_is_refused_and_names_the_first,
        records_of_all_threads_are_merged_by_time,
        a_producer_that_flushes_is_answered_soon,
        an_idle_collector_uses_no_time,
        a_level_set_at_the_collector_reaches_running_services,
        sinks_take_the_levels_that_they_ask_for,
        records_of_any_size_pass,
        a_record_that_no_file_of_the_mmap_sink_can_take_is_counted_and_holds_up_no_other,
        rotation_by_size_keeps_every_record_once,
        sighup_follows_a_file_that_was_moved_away,
        sigusr1_rotates,
        sigterm_under_load_stops_and_the_next_run_goes_on,
        either_signal_delivers_what_the_rings_hold_and_ends_with_0,
        a_sink_that_cannot_write_keeps_the_records_and_fails_the_drain,
        a_full_disk_loses_nothing_and_is_left_by_itself, a_full_disk_holds_up_no_other_sink,
        rings_that_fill_their_file_system_can_be_drained,
        the_first_collector_of_a_full_file_system_delivers_each_record_once,
        a_damaged_segment_is_refused_and_others_go_on,
        its_first_line_says_what_runs,
        errors_at_the_end_and_at_the_start_cannot_steer_the_terminal_either,
        names_of_files_cannot_steer_the_terminal,
        delivered_rings_are_kept_when_asked,
        the_console_gets_json_lines_when_it_is_no_terminal,
        spans_go_to_the_native_sink,
        a_native_sink_takes_the_levels_that_it_asks_for,
        spans_of_overwritten_lanes_are_counted_too,
        a_flush_tells_when_a_sink_fails,
        a_service_without_room_for_a_ring_says_what_to_do,
        a_ledger_that_cannot_be_made_is_an_error_with_a_reason,
        a_full_state_disk_keeps_nobody_from_starting,
        its_table_of_descriptors_does_not_grow,
        a_ring_that_no_collector_would_read_is_not_made,
        wrong_usage_is_status_2_and_says_why,
        sinks_come_from_the_environment,
        a_ring_over_a_quota_is_taken_when_another_one_has_gone,
        more_rings_than_files_may_be_open_are_read_one_after_the_other,
        drain_fails_where_rings_were_refused,
    ]))
