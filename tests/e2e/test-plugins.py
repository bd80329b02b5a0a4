#!/usr/bin/env python3
"""Plug-ins, built with a compiler and the public headers alone, in a collector; and those that it must refuse."""
import os
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from harness import *  # noqa: E402,F403
from adminclient import Admin  # noqa: E402

SOURCE = os.environ["FAPILOG_SOURCE"]
CC = os.environ["FAPILOG_CC"].split()
MISTAKES = [ # in the order of tests/plugin/broken.c
    "was built for version 2.1 of <fapilog/plugin.h>, this collector has 1.1",
    "was built for version 1.2 of <fapilog/plugin.h>",
    "is no plug-in: it exports no fapilog_plugin",
    "undefined symbol: nobody_has_this",
    "there is a sink 'file' already",
    "size: '2 GB' is outside",
    "sink broken: option 0 'size' does not lie inside its configuration",
    "sink broken: option 'min_severity' has the name of one that every sink has",
    "struct fapilog_sink_kind has 8 bytes",
    "sink broken: there is no format 'morse'",
    "there is a sink 'broken' already",
]


def build(place, source, name, *flags):
    include = os.path.join(place.path, "include", "fapilog")
    if not os.path.isdir(include):
        os.makedirs(include)
        for header in ["plugin.h", "reader.h", "abi.h"]: # all that it may need
            shutil.copy(os.path.join(SOURCE, "include", "fapilog", header), include)
    folder = os.path.join(place.path, "plugins")
    os.makedirs(folder, mode=0o755, exist_ok=True)
    out = os.path.join(folder, name + ".so")
    subprocess.run([*CC, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *flags, "-I", os.path.dirname(include), "-o", out,
                    os.path.join(SOURCE, source)], check=True, timeout=60)
    os.chmod(out, 0o755)
    return out


def example(place):
    return build(place, "examples/plugin/example.c", "example", "-O2", "-std=c17", "-Wpedantic")


def said_by(place, *args, status):
    p = place.start([COLLECTOR, "--rings", place.rings, *args])
    out, err = p.communicate(timeout=30)
    check(p.returncode == status, f"{args} ended with {p.returncode}, not {status}: {err}")
    return out + err


class Receiver:
    """A Unix socket for datagrams."""

    def __init__(self, path):
        self.path, self.lines = path, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        while True:
            self.lines.append(self.socket.recv(1 << 16).decode())


def records_go_through_stage_format_and_sink_of_a_plugin():
    with Place() as place:
        folder = os.path.dirname(example(place))
        config = os.path.join(place.path, "fapilog.yaml")
        receiver = Receiver(os.path.join(place.path, "socket"))
        with open(config, "w") as f:
            f.write(f"plugins: [{folder}]\nstages:\n  - tag: {{value: of the test}}\n"
                    f"sinks:\n  datagram: {{type: datagram, path: {receiver.path}, batch_interval: 10ms}}\n"
                    f"  file: {{type: file, path: {place.file()}}}\n"
                    f"  tsv: {{type: file, path: {place.file('log.tsv')}, format: tsv}}\n")
        c = place.start([COLLECTOR, "--rings", place.rings, "--config", config])
        place.wait_ready(c)
        written = place.load_done("--id", 1, "--records", 2000, "--block")
        wait_for("all datagrams", lambda: len(receiver.lines) >= written)
        stop(c)
        check(len(receiver.lines) == written, f"{len(receiver.lines)} datagrams of {written} records")
        check(all(re.fullmatch(r"\d+\t\d+\t[^\t\n]+", line) for line in receiver.lines), f"{receiver.lines[0]!r}")
        check(len(open(place.file("log.tsv")).readlines()) == written, "the file has not every record")
        with open(place.file()) as f:
            check(all('"tag":"of the test"' in line for line in f if '"message":"load"' in line), "a field is missing")


def a_stage_of_a_plugin_makes_records():
    with Place() as place:
        config = os.path.join(place.path, "fapilog.yaml")
        for given, said in (("{level: INFO}", "1000 of 1000 records are of level 9 or above"),
                            ("{level: WARNING, share: 0.09, window: 1h}", "100 of 1000 records are of level 13 or above"),
                            ("{level: WARNING, share: 0.2}", None)):
            with open(config, "w") as f:
                f.write(f"plugins: [{example(place)}]\nstages:\n  - alarm: {given}\n  - match: {{where: 'level > ERROR'}}\n"
                        f"sinks:\n  file: {{type: file, path: {place.file()}}}\n")
            place.load_done("--records", 1000, "--errors", 10, "--block")
            p = place.start([COLLECTOR, "--rings", place.rings, "--config", config, "--drain"])
            check(p.wait(timeout=60) == 0, p.stderr.read())
            with open(place.file()) as f:
                made = [json.loads(line)["log"] for line in f]
            os.unlink(place.file())
            check([m["message"] for m in made] == ([said] if said else []), f"{given}: {made}")
            check(all(m["level"] == "WARNING" for m in made), f"{made}")
        with open(config, "w") as f:
            f.write(f"plugins: [{example(place)}]\nstages:\n  - alarm: {{level: LOUD, share: 2}}\n")
        text = said_by(place, "--config", config, "--check", status=1)
        check("stages.alarm.level: 'LOUD'" in text and "stages.alarm.share: '2' is outside 0..1" in text, text)


# effect: settings.plugins
def what_a_receiver_has_not_got_comes_when_it_is_there():
    with Place() as place:
        plugin, path = example(place), os.path.join(place.path, "socket")
        c = place.collector("--set", f"plugins={plugin}", sink=f"datagram:{path}?batch_interval=10ms&retry_base_delay=10ms"
                            "&retry_max_delay=50ms&breaker_threshold=1000&on_full=block")
        place.wait_ready(c)
        written = place.load_done("--id", 1, "--records", 300, "--block")
        receiver = Receiver(path)
        wait_for("all datagrams", lambda: len(receiver.lines) >= written)
        stop(c)
        check(len(receiver.lines) == written, f"{len(receiver.lines)} datagrams of {written} records")


def help_check_and_schema_know_what_is_in_it():
    with Place() as place:
        given = ["--set", f"plugins={example(place)}"]
        text = said_by(place, *given, "--help", status=0)
        check(re.search(r"datagram +Send each record as a datagram", text) and "(plug-in example 1.0," in text, text)
        check("Unix socket to send to." in said_by(place, *given, "--help", "datagram", status=0), "no rows of the sink")
        check("Its value." in said_by(place, *given, "--help", "tag", status=0), "no rows of the stage")
        check('"datagram"' in said_by(place, *given, "--schema", status=0), "not in the schema")
        text = said_by(place, *given, "--sink", "datagram:/run/x", "--check", status=0)
        check(re.search(r"sinks.datagram.path = /run/x ", text), text)
        check("without plug-ins" in said_by(place, "--set", "plugins=/no/such", "--help", status=0), "not said by --help")


def wrong_options_of_a_plugin_are_refused_as_those_of_others():
    with Place() as place:
        plugin = ["--set", f"plugins={example(place)}", "--check"]
        rows = [
            (["--sink", "datagram:"], "path: must be given: Unix socket to send to"),
            (["--sink", "datagram:/x?nonsense=1"], "nonsense: no such option"),
            (["--sink", "datagram:/" + "x" * 200], "path: a socket's has at most 107 bytes"),
        ]
        for args, want in rows:
            text = said_by(place, *plugin, *args, status=1)
            check(want in text, f"{args}: {text}")
        config = os.path.join(place.path, "fapilog.yaml")
        with open(config, "w") as f:
            f.write("stages:\n  - tag: {name: '', value: x}\n")
        text = said_by(place, *plugin, "--config", config, status=1)
        check("name: must not be empty" in text, text)


def what_is_not_a_good_plugin_is_refused_with_the_reason():
    with Place() as place:
        for kind, want in enumerate(MISTAKES, 1):
            flags = ["-Wl,-z,lazy"] if "undefined" in want else []
            path = build(place, "tests/plugin/broken.c", f"broken{kind}", f"-DKIND={kind}", *flags)
            text = said_by(place, "--set", f"plugins={path}", "--check", status=1)
            check(want in text and path in text, f"mistake {kind}: {text}")
        path = os.path.join(place.path, "plugins", "text.so")
        with open(path, "w") as f:
            f.write("not an object\n")
        os.chmod(path, 0o755)
        check("cannot be loaded" in said_by(place, "--set", f"plugins={path}", "--check", status=1), "text is loaded")


def what_others_may_write_to_is_not_loaded():
    with Place() as place:
        path = example(place)
        folder = os.path.dirname(path)

        def refused(what, want):
            text = said_by(place, "--set", f"plugins={what}", "--check", status=1)
            check(want in text, f"{what}: {text}")
        os.chmod(path, 0o775)
        refused(path, "others may write to it (mode 0775): chmod go-w")
        refused(folder, "others may write to it (mode 0775): chmod go-w")
        os.chmod(path, 0o755)
        os.chmod(folder, 0o757)
        refused(folder, "others may write to it (mode 0757)")
        os.chmod(folder, 0o755)
        refused(os.path.join(folder, "none.so"), "No such file")
        refused("example.so", "must be an absolute path")
        refused("/dev/null", "others may write to it")
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
            refused(path, "belongs to user 65534")
            os.chown(path, 0, 0)
        text = said_by(place, "--set", f"plugins={path},{folder}", "--check", status=0) # the same one twice is one
        check("plugins = " in text, text)


def a_reload_finds_new_plugins():
    with Place() as place:
        plugin, config = example(place), os.path.join(place.path, "fapilog.yaml")
        with open(config, "w") as f:
            f.write(f"sinks:\n  file: {{type: file, path: {place.file()}}}\n")
        c = place.start([COLLECTOR, "--rings", place.rings, "--config", config])
        place.wait_ready(c)
        with open(config, "w") as f:
            f.write(f"plugins: [{plugin}]\nsinks:\n  file: {{type: file, path: {place.file()}}}\n"
                    f"  tsv: {{type: file, path: {place.file('log.tsv')}, format: tsv}}\n")
        c.send_signal(signal.SIGHUP)
        wait_for("the new sink", lambda: os.path.exists(place.file("log.tsv")))
        written = place.load_done("--id", 1, "--records", 100, "--block")
        stop(c)
        check(line_count(place.file("log.tsv")) == written, "not every record")


def a_sink_that_ends_no_request_holds_up_no_reload_for_ever_and_goes_on():
    """The reload is refused, with its name, and both sinks go on: the pipeline of the one, the requests of the other."""
    with Place() as place:
        plugin, config = build(place, "tests/plugin/late.c", "late"), os.path.join(place.path, "fapilog.yaml")
        until = os.path.join(place.path, "until")

        def configure(*sinks):
            with open(config, "w") as f:
                f.write(f"plugins: [{plugin}]\nsinks:\n" + "".join(sinks))
        late = f"  slow: {{type: late, until: {until}, batch_interval: 10ms, spool_dir: {place.path}/spool}}\n"
        file = f"  file: {{type: file, path: {place.file()}}}\n"
        configure(late, file)
        c = place.start([COLLECTOR, "--rings", place.rings, "--config", config])
        place.wait_ready(c)
        admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()

        def delivered():
            return admin.metrics()["fapilog_sink_records_total", 'sink="slow"']
        written = place.load_done("--id", 1, "--records", 100, "--block")
        wait_for("all but the first request is answered", lambda: written - 10 <= delivered() < written)
        wait_for("the file has them", lambda: line_count(place.file()) == written)
        configure(file)
        status, text = admin.post("/reload")
        check(status == 400 and "sink slow does not finish what it has begun" in text, f"{status}: {text}")
        written += place.load_done("--id", 2, "--records", 100, "--block")
        wait_for("the file goes on", lambda: line_count(place.file()) == written)
        wait_for("the slow sink goes on", lambda: written - 10 <= delivered() < written)
        open(until, "w").close()
        wait_for("its first request ends", lambda: delivered() == written)
        status, text = admin.post("/reload")
        check(status == 200, f"{status}: {text}")
        check("sink slow does not finish" in stop(c), "the log does not say it")


if __name__ == "__main__":
    sys.exit(run([a_stage_of_a_plugin_makes_records,
                  records_go_through_stage_format_and_sink_of_a_plugin, what_a_receiver_has_not_got_comes_when_it_is_there,
                  help_check_and_schema_know_what_is_in_it, wrong_options_of_a_plugin_are_refused_as_those_of_others,
                  what_is_not_a_good_plugin_is_refused_with_the_reason, what_others_may_write_to_is_not_loaded,
                  a_reload_finds_new_plugins,
                  a_sink_that_ends_no_request_holds_up_no_reload_for_ever_and_goes_on]))
