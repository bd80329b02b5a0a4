#!/usr/bin/env python3
"""--replay: dead letters reach a server that takes them now, each once, and nothing else becomes of them."""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from harness import *  # noqa: E402,F403
from adminclient import Admin  # noqa: E402
from brokenserver import BrokenServer  # noqa: E402


def numbers(records):
    return sorted(d["n"] for d in loads(records))


def is_seventh(record):
    return record["data"]["n"] % 7 == 0


def dead_dir(place):
    return os.path.join(place.path, "state", "dead", "http")


def dead_files(path):
    return sorted(n for n in os.listdir(path) if n.endswith(".dead")) if os.path.isdir(path) else []


def replay(place, path, *args, status=0):
    p = place.start([COLLECTOR, "--replay", path, *args])
    _, text = p.communicate(timeout=60)
    check(p.returncode == status, f"--replay ended with {p.returncode}, not {status}: {text}")
    return text


def refuse_some(place, server, count, *args):
    """A collector whose server refuses every seventh record for good; how many became dead letters."""
    server.is_broken = False
    server.refuses = is_seventh
    c = place.start([COLLECTOR, "--rings", place.rings, "--sink", server.uri(), "--verbose", *args])
    place.wait_ready(c)
    written = place.load_done("--records", count, "--block")
    refused = len(range(0, count, 7))
    admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()
    wait_for("all are delivered or dead",
             lambda: admin.sum("sink_records_total") + admin.sum("sink_dead_letters_total") == written)
    text = stop(c)
    check(f"dead letters {refused}" in text, f"the balance: {text}")
    return refused


def all_are_delivered_once_when_the_server_takes_them():
    with Place() as place, BrokenServer() as server:
        refused = refuse_some(place, server, 2000)
        server.refuses = lambda record: False
        text = replay(place, dead_dir(place), "--sink", server.uri())
        check(f"records {refused}, delivered {refused}, refused again 0" in text, text)
        got = numbers(server.records)
        check(got == list(range(2000)), f"{len(got)} of 2000 arrived")
        check(os.listdir(dead_dir(place)) == [], f"left: {os.listdir(dead_dir(place))}")
        text = replay(place, dead_dir(place), "--sink", server.uri(), status=1)
        check("no dead letters" in text, text)
        return f"{refused} of 2000 replayed"


def what_is_refused_again_lies_in_refused_and_can_be_replayed_from_there():
    with Place() as place, BrokenServer() as server:
        refused = refuse_some(place, server, 700)
        text = replay(place, dead_dir(place), "--sink", server.uri(), status=1)
        again = os.path.join(dead_dir(place), "refused", "dead", "http")
        check(f"{refused} of {refused} records were refused again; fapilog-dump {again} says why" in text, text)
        check(dead_files(dead_dir(place)) == [], "the file is gone: its records have another place")
        check(len(dead_files(again)) == 1, f"{again}: {os.listdir(again)}")
        server.refuses = lambda record: False
        replay(place, again, "--sink", server.uri())
        check(numbers(server.records) == list(range(700)), "not all arrived once")


def the_sink_of_their_name_is_found_in_the_configuration():
    with Place() as place, BrokenServer() as server, BrokenServer(is_broken=False) as other:
        refused = refuse_some(place, server, 70)
        server.refuses = lambda record: False
        path = os.path.join(place.path, "config.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"sinks:\n  elsewhere: {{uri: '{other.uri()}'}}\n  http: {{uri: '{server.uri()}'}}\n")
        replay(place, dead_dir(place), "--config", path)
        check(numbers(server.records) == list(range(70)) and not other.records, "the wrong server")
        return f"{refused} records"


def a_check_says_what_would_be_sent_and_sends_nothing():
    with Place() as place, BrokenServer() as server:
        refused = refuse_some(place, server, 70)
        before = len(server.records)
        file = os.path.join(dead_dir(place), dead_files(dead_dir(place))[0])
        c = place.start([COLLECTOR, "--rings", place.rings, "--sink", server.uri()])  # holds the directory
        place.wait_ready(c)
        p = place.start([COLLECTOR, "--check", "--replay", dead_dir(place), "--sink", server.uri()])
        out, text = p.communicate(timeout=60)
        check(p.returncode == 0 and out == f"{file}: records {refused}, to sink http\n", f"{p.returncode}: {out}{text}")
        stop(c)
        text = replay(place, dead_dir(place), "--check", "--sink", "console:", "--sink", place.uri(), status=1)
        check("which the configuration does not have" in text, text)
        check(os.path.exists(file) and len(server.records) == before, "something was sent, or is gone")


def a_server_that_is_down_leaves_the_file_as_it_is():
    with Place() as place, BrokenServer() as server:
        refused = refuse_some(place, server, 70)
        server.is_broken = True
        text = replay(place, dead_dir(place), "--sink", server.uri(), "--set", "shutdown_timeout=300ms", status=1)
        check("503" in text and "stay in their file" in text and f"records {refused}, delivered 0" in text, text)
        check(len(dead_files(dead_dir(place))) == 1, "the file is gone")
        server.is_broken, server.refuses = False, lambda record: False
        replay(place, dead_dir(place), "--sink", server.uri())
        check(numbers(server.records) == list(range(70)), "not all arrived once")


def damage_costs_itself_and_the_file_is_put_aside():
    with Place() as place, BrokenServer() as server:
        refuse_some(place, server, 70)
        refuse_some(place, server, 70)  # another run, another file
        files = dead_files(dead_dir(place))
        check(len(files) == 2, f"{files}")
        server.refuses = lambda record: False
        before = len(server.records)
        with open(os.path.join(dead_dir(place), files[0]), "r+b") as f:
            f.seek(260)
            f.write(b"damage")
        text = replay(place, dead_dir(place), "--sink", server.uri(), status=1)
        check("1 files are damaged" in text and "damaged places 1" in text, text)
        check(os.listdir(dead_dir(place)) == [files[0] + ".bad"], f"{os.listdir(dead_dir(place))}")
        delivered = [int(n) for n in re.findall(r"delivered (\d+)", text)]
        check(delivered[0] < 10 and delivered[1] == 10, text)
        check(len(server.records) == before + sum(delivered), f"{len(server.records)} after {before}")


def what_cannot_be_is_refused_with_what_to_do():
    with Place() as place, BrokenServer() as server:
        refuse_some(place, server, 70)
        wrong = [(["--sink", place.uri()], "takes no dead letters"),
                 (["--sink", server.uri() + "&format=json"], "written as http/fapilog"),
                 (["--sink", place.uri(), "--sink", place.uri("other")], "a sink named http")]
        for args, words in wrong:
            text = replay(place, dead_dir(place), *args, status=1)
            check(words in text, f"{words!r} is not in {text}")
        check("No such file" in replay(place, place.path + "/nothing", "--sink", server.uri(), status=1), "nothing")
        check("--drain" in replay(place, dead_dir(place), "--drain", status=2), "--drain")
        c = place.start([COLLECTOR, "--rings", place.rings, "--sink", server.uri()])
        place.wait_ready(c)
        text = replay(place, dead_dir(place), "--sink", server.uri(), status=1)
        check("stop that collector first" in text and str(c.pid) in text, text)
        stop(c)
        check(len(dead_files(dead_dir(place))) == 1, "the file is gone")


if __name__ == "__main__":
    sys.exit(run([all_are_delivered_once_when_the_server_takes_them,
                  what_is_refused_again_lies_in_refused_and_can_be_replayed_from_there,
                  the_sink_of_their_name_is_found_in_the_configuration, a_check_says_what_would_be_sent_and_sends_nothing,
                  a_server_that_is_down_leaves_the_file_as_it_is,
                  damage_costs_itself_and_the_file_is_put_aside, what_cannot_be_is_refused_with_what_to_do]))
