#!/usr/bin/env python3
"""What people type and read: help, versions, messages and exit statuses of all commands, and manual pages."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403

COMMANDS = {"fapilog-collector": COLLECTOR, "fapilog-dump": DUMP, "fapilog-cat": CAT}
MAN = os.path.join(os.environ["FAPILOG_SOURCE"], "docs", "man")
COLUMNS = 100


def collector_check(place, *uris, status, said=()):
    args = [a for uri in uris for a in ("--sink", uri)]
    r = execute([COLLECTOR, "--rings", place.rings, "--check", *args], status=status)
    for word in said:
        check(word in r.err.decode(), f"{uris}: no '{word}' in: {r.err.decode()}")
    check(len(r.err.decode().splitlines()) <= 1, f"{uris}: more than one line: {r.err.decode()}")
    return r


def help_is_on_standard_output_and_fits_a_terminal():
    for name, program in COMMANDS.items():
        r = execute([program, "--help"], status=0)
        check(r.out and not r.err, f"{name}: {r.err}")
        check(execute([program, "-h"], status=0).out == r.out, f"{name}: -h differs from --help")
        text = r.out.decode()
        wide = [line for line in text.splitlines() if len(line) > COLUMNS]
        check(not wide, f"{name}: wider than {COLUMNS} columns: {wide}")
        check(text.lower().startswith(f"usage: {name} "), f"{name}: begins with {text[:40]!r}")
        check("0 done" in text or "0 all" in text, f"{name}: no exit statuses")


def help_of_each_sink_and_format_is_there():
    text = execute([COLLECTOR, "--help"], status=0).out.decode()
    sinks = [line.split()[0] for line in text.split("\nSinks:\n")[1].split("\n\n")[0].splitlines()]
    check({"console", "file", "mmap", "native"} <= set(sinks), f"sinks {sinks}")
    for sink in sinks:
        r = execute([COLLECTOR, "--help", sink], status=0)
        own = r.out.decode()
        check(not r.err and own.startswith(f"{sink}:"), f"{sink}: {r.text()[:200]}")
        wide = [line for line in own.splitlines() if len(line) > COLUMNS]
        check(not wide, f"{sink}: wider than {COLUMNS} columns: {wide}")
        for common in ("name", "format", "min_severity", "levels"):
            check(f"\n  {common} " in own, f"{sink}: {common} is missing")
        check("9223372036854775807" not in own, f"{sink}: a bound that is none")
    formats = text.split("\nFormats")[1].split("\n")[1].split()
    check({"fapilog", "dagstack", "otlp-json", "json", "logfmt", "pretty"} <= set(formats), f"formats {formats}")
    with Place() as place:
        for form in formats:
            collector_check(place, place.uri(options=f"format={form}"), status=0)
    r = execute([COLLECTOR, "--help", "fil"], status=2)
    check("fil" in r.err.decode() and "console" in r.err.decode(), f"{r.err}")


def the_first_commands_tell_what_they_do_and_do_nothing():
    """Asked for help, none of them begins to install or to build."""
    for name in ("quickstart", "check", "setup"):
        for option in ("--help", "-h"):
            r = execute([os.path.join(os.environ["FAPILOG_SOURCE"], "tools", name), option], status=0, seconds=10)
            check(f"Usage: tools/{name}" in r.out.decode() and not r.err, f"{name} {option}: {r.text()}")


def versions_agree():
    seen = set()
    for name, program in COMMANDS.items():
        r = execute([program, "--version"], status=0)
        words = r.out.decode().split()
        check(len(words) == 2 and words[0] == name and not r.err, f"{name}: {r.text()!r}")
        seen.add(words[1])
    check(len(seen) == 1, f"versions {seen}")


def wrong_options_are_status_2_and_the_right_one_is_named():
    for name, program in COMMANDS.items():
        for given, near in (("--rngs=x", "--rings"), ("--verison", "--version"), ("--hepl", "--help"),
                            ("--nothing-like-it", None), ("-Z", None)):
            r = execute([program, given], status=2)
            err = r.err.decode()
            check(not r.out and err.startswith(f"{name}: ") and given in err and "--help" in err, f"{name} {given}: {err}")
            check(("did you mean" in err) == bool(near) and (not near or f"'{near}'" in err), f"{name} {given}: {err}")
        r = execute([program, "--rings"], status=2)
        check("--rings: needs a value" in r.err.decode(), f"{name}: {r.err}")
    for program, args, said in ((COLLECTOR, ["--set", "merge_windw=1"], "'merge_window'"), (DUMP, ["--level", "LOUD"], "LOUD"),
                                (DUMP, ["--where", "a =="], "--where"), (DUMP, ["--since", "soon"], "'soon'"),
                                (DUMP, ["--format", "xml"], "xml"), (DUMP, ["--stats", "--verify"], "exclude"),
                                (COLLECTOR, ["stray"], "stray"), (COLLECTOR, ["--set", "io=slow"], "uring")):
        r = execute([program, *args], env={"FAPILOG_RING_DIR": "/tmp"}, status=2)
        check(said in r.err.decode() and not r.out, f"{args}: {r.text()}")


def what_fails_is_status_1_and_named():
    with Place() as place:
        missing = os.path.join(place.path, "missing")
        for argv in ([DUMP, missing], [DUMP, "--rings", missing], [CAT, "--rings", place.rings, missing],
                     [COLLECTOR, "--rings", os.path.join(missing, "below"), "--drain"],
                     [COLLECTOR, "--rings", place.rings, "--drain", "--sink", f"file://{missing}/below/log"]):
            if argv[0] == COLLECTOR and "--sink" in argv:
                os.chmod(place.path, 0o500)
            if os.geteuid() == 0 and "--sink" in argv:
                continue  # root may write anywhere
            r = execute(argv, status=1)
            os.chmod(place.path, 0o700)
            check(missing in r.err.decode(), f"{argv}: {r.text()}")
        deep = os.path.join(place.path, "d" * 100)
        os.mkdir(deep, 0o700)
        r = execute([COLLECTOR, "--rings", deep, "--sink", "console:"], env={"FAPILOG_STATE_DIR": place.path}, status=1)
        check("admin=unix:PATH, or none with admin=none" in r.err.decode(), f"{r.text()}")
        os.mkdir(place.file("empty"))
        r = execute([DUMP, place.rings], status=0)
        check(not r.out, f"an empty directory: {r.text()}")


def uris_that_are_wrong_say_what_would_be_right():
    with Place() as place:
        path = place.file()
        for uri, said in (
                ("nonsense", ["nonsense", "':'"]), ("", ["scheme"]), ("fil:///x", ["fil", "'file:'", "console", "native"]),
                ("kafka://b/t", ["kafka", "no such sink", "console, "]), ("file:", ["path", "directory"]),
                (f"file://{path}?max_byte=1", ["max_byte", "'max_bytes'", "max_files"]),
                (f"file://{path}?max_bytes=abc", ["max_bytes", "'abc'", "10MB"]),
                (f"file://{path}?interval=3x", ["interval", "'3x'", "500ms"]),
                (f"file://{path}?compress=rar", ["compress", "'rar'", "gzip", "zstd"]),
                (f"file://{path}?min_severity=LOUD", ["min_severity", "'LOUD'", "WARNING"]),
                (f"file://{path}?levels=INFO,LOUD", ["levels", "'LOUD'", "WARNING"]),
                (f"file://{path}?format=xml", ["sinks.file: format: 'xml'", "logfmt"]),
                (f"file://{path}%zz", ["%", "hex"]), ("console:?mode=loud", ["mode", "'loud'", "pretty"]),
                ("mmap:", ["path", "must be given"]), (f"native://{path}?compress=gzip", ["'gzip'", "zstd"])):
            collector_check(place, uri, status=1, said=said)
        collector_check(place, f"file://{path}?name=a", f"file://{path}2?name=a", status=1, said=["'a'"])
        collector_check(place, f"file://{path}?name=a", f"file://{path}?name=b", status=1, said=["a and b", "same place"])
        r = execute([COLLECTOR, "--rings", place.rings, "--check"], status=1,
                    env={"FAPILOG_SINKS": f"file://{path} fil:///x"})
        check("FAPILOG_SINKS" in r.err.decode(), f"the environment is not named: {r.err}")
        check(os.listdir(place.out) == [] and os.listdir(place.rings) == [], "--check leaves something behind")


def check_prints_the_values_in_effect():
    with Place() as place:
        uri = place.uri(options="max_bytes=10MB&compress=gzip&min_severity=ERROR&max_files=7&name=archive")
        r = execute([COLLECTOR, "--rings", place.rings, "--check", "--sink", uri, "--sink", "console:", "--set",
                     "flush_interval=250ms", "--set", "level.orders=DEBUG"], status=0)
        lines = [line.split("  ")[0] for line in r.out.decode().splitlines()]
        for line in (f"rings = {place.rings}", "flush_interval = 250ms", "level.orders = DEBUG",
                     f"sinks.archive.path = {place.file()}", "sinks.archive.compress = gzip",
                     "sinks.archive.max_bytes = 10MB", "sinks.archive.min_severity = ERROR",
                     "sinks.archive.max_files = 7", "sinks.console = console"):
            check(line in lines, f"'{line}' is missing in: {r.out.decode()}")


def options_of(text):
    return set(re.findall(r"--[a-z][a-z-]+", text))


def manual_pages_and_help_name_the_same_options():
    for name, program in COMMANDS.items():
        path = os.path.join(MAN, f"{name}.1.md")
        check(os.path.exists(path), f"{name} has no manual page")
        with open(path) as f:
            page = f.read()
        section = page.split("\n## OPTIONS\n")[1].split("\n## ")[0]
        described = set()
        for line in section.splitlines():
            if re.match(r"(\*\*|`)?-", line):  # a term of the list of options
                described |= options_of(line)
        shown = execute([program, "--help"], status=0).out.decode()
        listed = {o for line in shown.splitlines() if line.startswith("  --") for o in options_of(line.split("  ")[1])}
        check(described == listed, f"{name}: only in one of manual page and --help: {sorted(described ^ listed)}")
        for heading in ("NAME", "SYNOPSIS", "EXIT STATUS", "SEE ALSO"):
            check(f"## {heading}" in page, f"{name}: no {heading}")


def manual_page_and_help_name_every_preset():
    said = execute([COLLECTOR, "--check", "--preset", "nope"], status=1).err.decode()
    presets = said.split(" is not one of ")[1].strip().split(", ")
    check("dev" in presets and "none" in presets, f"{said}")
    with open(os.path.join(MAN, "fapilog-collector.1.md")) as f:
        page = f.read().split("\n`--preset` ")[1].split("\n\n")[0]
    shown = execute([COLLECTOR, "--help"], status=0).out.decode().split("\n  --preset ")[1].split("\n  --")[0]
    for place, text in (("--help", shown), ("the manual page", page)):
        missing = [x for x in presets if not re.search(rf"\b{x}\b", text)]
        check(not missing, f"{place} lacks {missing}: {text}")


def without(stream, argv, status):
    """Runs a program that was started with a standard stream closed."""
    return execute(["sh", "-c", f'exec "$0" "$@" {stream}&-', *argv], status=status)


def a_closed_standard_stream_is_no_place_for_records():
    with Place() as place:
        cat(place, b"line\n")
        r = without(">", [COLLECTOR, "--rings", place.rings, "--drain"], 1)
        check("standard output is closed" in r.err.decode(), r.err.decode())
        for name in ("collector.lock", "collector.state"):
            path = os.path.join(place.rings, name)
            with open(path, "rb") as f:
                check(b"message" not in f.read(), f"{name} holds a record")
        without("2>", [COLLECTOR, "--rings", place.rings, "--verbose", "--drain", "--sink", place.uri()], 0)
        with open(place.file(), "rb") as f:
            check(f.read().count(b"\n") == 1, "a message is in the file of the sink")
        check(messages(place.lines()) == ["line"], "the record is lost")
        r = without("<", [CAT, "--rings", place.rings], 1)
        check("standard input" in r.err.decode(), r.err.decode())


def what_cannot_be_written_is_status_1():
    with Place() as place:
        cat(place, b"line\n")
        rings = ("--rings", place.rings)
        for argv in ([COLLECTOR, "--help"], [COLLECTOR, "--help", "file"], [COLLECTOR, "--check", *rings], [COLLECTOR, "--sample"],
                     [COLLECTOR, "--schema"], [COLLECTOR, "--version"], [DUMP, "--help"], [DUMP, "--version"], [CAT, "--help"],
                     [DUMP, *rings], [DUMP, "--stats", *rings], [DUMP, "--verify", *rings]):
            r = execute(["sh", "-c", 'exec "$0" "$@" >/dev/full', *argv], status=1)
            check("write to stdout: No space left on device" in r.err.decode(), f"{argv}: {r.err}")


def a_directory_with_nothing_to_check_is_no_good_news():
    def verdict(status, said, *args):
        r = execute([DUMP, "--verify", *args], env={"FAPILOG_RING_DIR": place.rings}, status=status)
        check(said in r.text(), f"{args}: no '{said}' in {r.text()}")
        return r

    with Place() as place:
        open(place.file("log.jsonl"), "w", encoding="utf-8").close()
        said = "fapilog-dump: nothing to check: no rings and no native files in "
        verdict(1, said + place.rings + "; rings of other users")
        for args in [place.out], ["--rings", place.out]:
            check(not verdict(1, f"{said}{place.out}\n", *args).out, "a verdict on nothing")
        cat(place, b"line\n")
        r = verdict(1, f"{said}{place.out}\n", place.rings, place.out) # one that is good hides no other one
        check(b": good, 1 records" in r.out, f"{r.out}")
        drained(place) # the process has ended, and its ring is gone
        check(not rings(place) and not verdict(0, f"{place.rings}: empty\n").err, "a ring directory without rings")


def figures_of_a_directory_with_nothing_in_it_are_no_good_news():
    """A script that asks whether anybody drops would take the table of nothing for an answer."""
    def figures(status, said, *args):
        r = execute([DUMP, "--stats", *args], env={"FAPILOG_RING_DIR": place.rings}, status=status)
        check(said in r.err.decode(), f"{args}: no '{said}' in {r.text()}")

    with Place() as place:
        said = "fapilog-dump: no rings and no native files in "
        figures(1, said + place.rings + "; rings of other users")
        for args in [place.out], ["--rings", place.out], ["--format", "json", place.out]:
            figures(1, f"{said}{place.out}\n", *args)
        cat(place, b"line\n")
        figures(0, "")
        figures(1, f"{said}{place.out}\n", place.rings, place.out)
        drained(place)
        figures(0, said + place.rings)


def a_misspelt_variable_of_the_ring_directory_is_told_by_each():
    with Place() as place:
        commands = {"fapilog-dump": [DUMP], "fapilog": [CAT], "fapilog-collector": [COLLECTOR, "--check", "--sink", place.uri()]}
        for name, argv in commands.items():
            for wrong in "FAPILOG_RING_DIRR", "FAPILOG_RNIG_DIR", "FAPILOG_RING_DI":
                r = execute(argv, env={"FAPILOG_RING_DIR": place.rings, wrong: "/no/such"}, status=0)
                check(f"{name}: {wrong} has no effect; did you mean FAPILOG_RING_DIR?" in r.err.decode(), f"{argv}: {r.err}")
        quiet = {"FAPILOG_RING_DIR": place.rings, "FAPILOG_RING": "x", "FAPILOG_ENV": "x", "FAPILOG_RING_DIRR": ""}
        check("no effect" not in execute([DUMP], env=quiet, status=0).err.decode(), "dump names what is right, far off or empty")
        r = execute([DUMP, "--rings", place.rings], env={"FAPILOG_RING_DIRR": "x"}, status=0)
        check("no effect" not in r.err.decode(), f"it was not asked: {r.err}")


def a_symbolic_link_is_called_by_its_name():
    with Place() as place:
        cat(place, b"line\n")
        ring, = glob.glob(place.rings + "/*.ring")
        linked = os.path.join(place.path, "linked")
        os.mkdir(linked, 0o750)
        for name in ("a.ring", "a.fnl"):
            os.symlink(ring, os.path.join(linked, name))
        os.symlink(place.rings, os.path.join(place.path, "way"))
        err = execute([DUMP, linked], status=1).err.decode()
        for name in ("a.ring", linked + "/a.fnl"):
            check(f"{name} is a symbolic link" in err, err)
        check(f"to read what it leads to, give its path: {linked}/a.ring\n" in err, err)
        check("line" in execute([DUMP, linked + "/a.ring"], status=0).out.decode(), "the advice is not good")
        err = execute([COLLECTOR, "--rings", linked, "--drain"], status=1).err.decode()
        check("a.ring is a symbolic link" in err and "; remove it" in err and "Too many" not in err, err)
        err = execute([COLLECTOR, "--rings", place.path + "/way", "--drain"], status=1).err.decode()
        check("/way is a symbolic link: name the directory that it leads to" in err, err)


def who_has_seen_enough_ends_follow():
    """Also while there is nothing new to write."""
    with Place() as place:
        cat(place, b"line\n")
        for more in [], ["--stats"]:
            p = place.start([DUMP, "--rings", place.rings, "--follow", *more])
            check(p.stdout.readline(), "nothing is shown")
            p.stdout.close()
            check(p.wait(timeout=30) == 0, f"{more}: ended with {p.returncode}: {p.stderr.read()}")


def a_stream_that_does_not_wait_gets_all():
    with Place() as place:
        written = place.load_done("--records", 3000, "--payload", 100)
        ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        p = place.start([DUMP, "--rings", place.rings, "--format", "json"], stdout=theirs)
        os.close(theirs)
        data = b""
        with open(ours, "rb", buffering=0) as f:
            for part in iter(lambda: f.read(1000), b""): # less than it could give at once
                data += part
        check(p.wait(timeout=30) == 0, f"ended with {p.returncode}: {p.stderr.read()}")
        check(data.count(b"\n") == written, f"{data.count(10)} of {written} lines")


def who_closes_the_pipe_still_gets_the_verdict():
    with Place() as place:
        cat(place, b"line\n")
        ring = os.path.join(place.rings, rings(place)[0])
        for status in 0, 1:
            ours, theirs = os.pipe()
            os.close(ours)
            p = place.start([DUMP, "--verify", ring], stdout=theirs)
            os.close(theirs)
            check(p.wait(timeout=30) == status, f"ended with {p.returncode}, not {status}: {p.stderr.read()}")
            with open(ring, "r+b") as f: # one byte of what never changes
                f.seek(300)
                f.write(b"\xff")


def damaged_ring(place, lines, text):
    """A ring of which the header of the record `text` is spoilt; its name."""
    cat(place, b"".join(b"%d\n" % n for n in range(10000, 10000 + lines)), "--service", "dmg")
    name, = rings(place)
    with open(os.path.join(place.rings, name), "r+b") as f:
        f.seek(f.read().index(text) - 24)
        f.write(b"\xff" * 8)
    return name


def what_is_damaged_is_told_counted_and_kept():
    for scheme in ("file", "native"):
        with Place() as place:
            name = damaged_ring(place, 8000, b"10500")
            sink = place.uri() if scheme == "file" else f"native://{place.out}/"
            said = place.drain(sink=sink, status=1)
            check(re.search(r"\d+ bytes of rings are damaged, and were passed over: see above\n", said), said)
            check(re.search(name + r": damaged, \d+ bytes passed over\n", said), said)
            check(said.count("passed over") == 2 and re.search(r"processed \d+, bytes damaged \d+", said), said)
            bad = os.path.join(place.rings, name.replace(".ring", ".bad"))
            check(rings(place) == [] and os.path.exists(bad), f"{os.listdir(place.rings)}")
            execute([DUMP, "--verify", bad], status=1)
            if scheme == "native":  # which has what the ring held, as it was
                of_files = execute([DUMP, "--stats", place.out], status=0).text()
                check(re.search(r" raw\), 1 damaged\n", of_files), of_files)
                execute([DUMP, "--verify", place.out], status=1)
            if scheme == "file":
                told = [r for r in place.lines() if r["message"] == "records damaged"]
                check(len(told) == 1 and told[0]["level"] == "WARNING", f"{told}")
                data = told[0]["data"]
                check(data["bytes"] == data["total_bytes"] > 0 and data["thread"] == "fapilog-cat", f"{data}")
                check(data["records"] + len(place.lines()) - 1 == 8000, f"{data} and {len(place.lines())} lines")
                check(f"bytes damaged {data['bytes']}" in said, said)


def stats_know_the_time_of_a_record_of_several_blocks():
    for size in (70000, 1000000):
        with Place() as place:
            cat(place, b"a\n" + b"x" * size + b"\n", env={"FAPILOG_LANE_SIZE": "4MB"})
            text = execute([DUMP, "--rings", place.rings, "--stats"], status=0).text()
            found = re.search(r"holds records from (\d{4})\S+ to (\d{4})", text)
            check(found and found[1] == found[2], text)


def files_that_cannot_be_read_for_want_of_descriptors_are_status_1():
    with Place() as place:
        for n in range(12):
            cat(place, b"line\n")
        few = ["sh", "-c", 'ulimit -n 8; exec "$@"', "sh", DUMP, "--rings", place.rings]
        for more in ([], ["--stats"]):
            r = execute(few + more, status=1)
            check("could not be read" in r.err.decode() and r.out, f"{r.text()}")
        execute(few[4:], status=0)


def follow_waits_for_a_ring_directory_that_is_not_there():
    with Place() as place:
        away = os.path.join(place.path, "later")
        p = place.start([DUMP, "--rings", away, "--follow", "--format", "json"])
        check("later is not there yet; waiting" in p.stderr.readline(), "it says nothing")
        execute([CAT, "--rings", away], b"line\n", status=0)
        check('"message":"line"' in p.stdout.readline(), "no record")
        p.send_signal(signal.SIGTERM)
        check(p.wait(timeout=30) == 0, f"ended with {p.returncode}")
        p = place.start([DUMP, "--rings", away + "2", "--follow"])
        check("waiting" in p.stderr.readline(), "it says nothing")
        p.send_signal(signal.SIGTERM)
        check(p.wait(timeout=30) == 0, f"ended with {p.returncode} while it waited")


def on_a_terminal(place, argv, term):
    """What it shows there."""
    ours, theirs = os.openpty()
    p = place.start(argv, stdout=theirs, env={"TERM": term})
    os.close(theirs)
    data = b""
    try:
        for part in iter(lambda: os.read(ours, 1000), b""):
            data += part
    except OSError: # Linux says so when the other side is closed
        pass
    os.close(ours)
    check(p.wait(timeout=30) == 0, f"ended with {p.returncode}: {p.stderr.read()}")
    return data


def a_dumb_terminal_gets_no_escapes():
    with Place() as place:
        cat(place, b"line\n", "--level", "ERROR")
        argv = [DUMP, "--rings", place.rings]
        check(b"\x1b[" in on_a_terminal(place, argv, "xterm"), "no colours on a terminal")
        for term in ("dumb", ""):
            check(b"\x1b" not in on_a_terminal(place, argv, term), f"escapes on a dumb one, TERM={term!r}")
        sink = [COLLECTOR, "--rings", place.rings, "--drain", "--sink", "console:?mode=pretty"]
        check(b"\x1b" not in on_a_terminal(place, sink, ""), "escapes of the console sink")


STEERS = "a\x7fb\x9bc\u202ed\u2066e\u2028f\u0085g"


def no_format_lets_a_record_steer_a_terminal():
    raw = [c.encode() for c in "\x7f\x9b\x85"]
    bidi = [c.encode() for c in "\u202e\u2066\u2028"]
    with Place() as place:
        cat(place, STEERS.encode() + b"\n", "--field", "key=" + STEERS)
        dump = [DUMP, "--rings", place.rings, "--format"]
        for name in ("json", "fapilog", "dagstack", "logfmt", "raw", "pretty"):
            shown = on_a_terminal(place, dump + [name], "xterm")
            check(not [c for c in raw + bidi if c in shown], f"{name}: {shown}")
            if name in ("json", "fapilog", "dagstack"):
                check(STEERS in json.dumps(json.loads(shown), ensure_ascii=False), f"{name} says something else: {shown}")
        for name in ("logfmt", "raw"):
            shown = execute(dump + [name], status=0).out
            check(not [c for c in raw if c in shown] and b"\\u009b" in shown, f"{name}: {shown}")
        check(not [c for c in bidi if c in execute(dump + ["pretty"], status=0).out], "pretty turns text around")
        canonical = execute(dump + ["fapilog"], status=0).out
        check("\x9bc\u202ed".encode() in canonical, f"no canonical JSON: {canonical}")
        shown = on_a_terminal(place, [COLLECTOR, "--rings", place.rings, "--drain", "--sink", "console:?mode=json"], "xterm")
        check(not [c for c in raw + bidi if c in shown] and b"\\u009b" in shown, f"console: {shown}")
    for args in (["--level", "x\x1b[31m\x9b"], ["--nonsense\x9b\x1b"], ["/\x1b[31m\x9b"]):
        said = execute([CAT, "--rings", "/dev/shm", *args]).err
        check(said and b"\x1b" not in said and b"\xc2\x9b" not in said, f"{args}: {said}")


if __name__ == "__main__":
    sys.exit(run([
        help_is_on_standard_output_and_fits_a_terminal,
        help_of_each_sink_and_format_is_there,
        the_first_commands_tell_what_they_do_and_do_nothing,
        versions_agree,
        wrong_options_are_status_2_and_the_right_one_is_named,
        what_fails_is_status_1_and_named,
        uris_that_are_wrong_say_what_would_be_right,
        check_prints_the_values_in_effect,
        manual_pages_and_help_name_the_same_options,
        manual_page_and_help_name_every_preset,
        a_closed_standard_stream_is_no_place_for_records,
        what_cannot_be_written_is_status_1,
        a_directory_with_nothing_to_check_is_no_good_news,
        figures_of_a_directory_with_nothing_in_it_are_no_good_news,
        a_misspelt_variable_of_the_ring_directory_is_told_by_each,
        a_symbolic_link_is_called_by_its_name,
        a_stream_that_does_not_wait_gets_all,
        who_closes_the_pipe_still_gets_the_verdict,
        what_is_damaged_is_told_counted_and_kept,
        stats_know_the_time_of_a_record_of_several_blocks,
        files_that_cannot_be_read_for_want_of_descriptors_are_status_1,
        follow_waits_for_a_ring_directory_that_is_not_there,
        a_dumb_terminal_gets_no_escapes,
        no_format_lets_a_record_steer_a_terminal,
        who_has_seen_enough_ends_follow,
    ]))
