#!/usr/bin/env python3
"""SIGHUP under load: sinks come and go, and no record is lost or written twice."""
import os
import signal
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
from harness import *  # noqa: E402,F403
from manager import Manager  # noqa: E402


def path_of(place, name):
    return f", path: {place.file(name + '.jsonl')}"


def configure(place, *sinks, more=""):
    path = os.path.join(place.path, "fapilog.yaml")
    lines = "".join(f"  {name}: {{type: file{options if 'path' in options else path_of(place, name) + options}}}\n"
                    for name, options in sinks)
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(f"rings: {place.rings}\n{more}sinks:\n{lines}")
    os.rename(path + ".new", path)
    return path


def read_stderr(collector, until):
    """Lines as they come, up to the one that holds the text."""
    seen = []
    for line in collector.stderr:
        seen.append(line)
        if until in line:
            return line
    raise Failure(f"never said: {until!r}; only {seen}")


def is_pending(process, signal_number):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
        pending = int(re.search(r"^ShdPnd:\s*(\w+)$", f.read(), re.M)[1], 16)
    return bool(pending >> (signal_number - 1) & 1)


def grows(place, name):
    before = line_count(place.file(name))
    wait_for(f"{name} grows", lambda: line_count(place.file(name)) > before)


def keys(records):
    return [(d["producer"], d["thread"], d["n"]) for d in loads(records)]


def start(place, *sinks, more=""):
    path = configure(place, *sinks, more=more)
    collector = place.start([COLLECTOR, "--config", path])
    place.wait_ready(collector)
    producer = place.load("--id", 1, "--threads", 2, "--records", 0, "--pause-us", 500, "--burst", 20, "--block")
    return collector, producer


def sinks_come_and_go_under_load():
    with Place() as place:
        collector, producer = start(place, ("stays", ", max_bytes: 200KB, max_files: 100000"), ("goes", ""))
        grows(place, "goes.jsonl")
        configure(place, ("comes", ""), ("stays", ", max_bytes: 200KB, max_files: 100000"))
        collector.send_signal(signal.SIGHUP)
        line = read_stderr(collector, "configuration taken over")
        check(line.endswith("; sinks added: comes; sinks removed: goes; sinks kept: stays\n"), line)
        grows(place, "comes.jsonl")
        producer.terminate()
        written = written_by(producer)
        stop(collector)
        check_books(place.lines("stays*"), written, "the one that stays")
        gone, come = place.lines("goes*"), place.lines("comes*")
        check_each_once(gone, "the one that goes")
        check_each_once(come, "the one that comes")
        one, other = set(keys(gone)), set(keys(come))
        check(not one & other, f"{len(one & other)} records are in both")
        check(len(one | other) == written, f"written {written}, but {len(one | other)} are there")
        return f"{written} records, {len(one)} before and {len(other)} after"


def other_options_of_a_sink_take_effect_and_it_goes_on():
    with Place() as place:
        collector, producer = start(place, ("log", ""))
        grows(place, "log.jsonl")
        configure(place, ("log", ", max_bytes: 100KB, max_files: 100000"))
        collector.send_signal(signal.SIGHUP)
        line = read_stderr(collector, "configuration taken over")
        check(line.endswith("; opened anew: log (max_bytes, max_files)\n"), line)
        wait_for("it rotates", lambda: len(place.files()) > 3)
        producer.terminate()
        written = written_by(producer)
        stop(collector)
        check_books(place.lines(), written)
        return f"{written} records in {len(place.files())} files"


def what_is_wrong_changes_nothing():
    with Place() as place:
        collector, producer = start(place, ("log", ""))
        grows(place, "log.jsonl")
        with open(place.file("file"), "w", encoding="utf-8"):
            pass
        below_a_file = f", path: {place.file('file/log')}"  # found out when it is opened
        wrong = [([("log", ", max_bytes: much")], "", "max_bytes"),
                 ([("log", ", max_bytes: much, sync: seldom")], "", "sync"),  # the second thing has a line of its own
                 ([("log", "")], "window_batches: 9\n", "window_batches: changed, which takes a restart"),
                 ([("log", "")], "admin: none\nwindow_batches: 9\n", "window_batches, admin: changed"),
                 ([("log", ""), ("other", below_a_file)], "", "sink other")]
        for sinks, more, words in wrong:
            configure(place, *sinks, more=more)
            collector.send_signal(signal.SIGHUP)
            lines = [read_stderr(collector, "configuration not taken over") for _ in range(1 + (words == "sync"))]
            check(words in lines[-1], f"{words!r} is not in {lines!r}")
            grows(place, "log.jsonl")
        producer.terminate()
        written = written_by(producer)
        stop(collector)
        check_books(place.lines(), written)
        return f"{written} records"


def the_same_ring_directory_may_be_named_otherwise():
    with Place() as place:
        path = configure(place, ("log", ""))
        collector = place.start([COLLECTOR, "--config", path], env={"FAPILOG_RING_DIR": place.rings})
        place.wait_ready(collector)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"sinks: {{log: 'file://{place.file('other.jsonl')}'}}\n")
        collector.send_signal(signal.SIGHUP)
        said = read_stderr(collector, "taken over")
        check("configuration taken over" in said, said)
        with open(path, "a", encoding="utf-8") as f:
            f.write(f"rings: {place.path}\n")
        collector.send_signal(signal.SIGHUP)
        said = read_stderr(collector, "taken over")
        check("configuration not taken over: rings: changed, which takes a restart" in said, said)
        stop(collector)


def rule_of(place, prefix):
    """The level that the ring's rule for this prefix has; None: it has no such rule. See docs/abi/ring.md."""
    names = [n for n in os.listdir(place.rings) if n.endswith(".ring")]
    if not names:
        return None
    with open(os.path.join(place.rings, names[0]), "rb") as f:
        at = (data := f.read(1 << 16)).find(prefix.encode().ljust(56, b"\0"))
    return None if at < 0 else int.from_bytes(data[at + 56:at + 60], "little")


def a_level_that_is_taken_out_is_that_of_what_is_left():
    with Place() as place:
        collector, producer = start(place, ("log", ""), more="level: INFO\nlevels: {orders.fast: DEBUG}\n")
        wait_for("the rule is there", lambda: rule_of(place, "orders.fast"))
        debug = rule_of(place, "orders.fast")
        configure(place, ("log", ""), more="level: INFO\n")
        collector.send_signal(signal.SIGHUP)
        check("levels changed" in (said := read_stderr(collector, "taken over")), said)
        check((info := rule_of(place, "orders.fast")) > debug, f"{debug} is {info}")
        configure(place, ("log", ""), more="level: WARNING\n") # which governs it still
        collector.send_signal(signal.SIGHUP)
        read_stderr(collector, "taken over")
        check((warning := rule_of(place, "orders.fast")) > info, f"{info} is {warning}")
        configure(place, ("log", ""), more="level: WARNING\nlevels: {orders: INFO}\n")
        collector.send_signal(signal.SIGHUP)
        read_stderr(collector, "taken over")
        check(rule_of(place, "orders.fast") == info, f"{rule_of(place, 'orders.fast')} is not {info}")
        configure(place, ("log", ""), more="")
        collector.send_signal(signal.SIGHUP)
        read_stderr(collector, "services that run keep theirs")
        check(rule_of(place, "orders.fast") == info, "nothing governs it, and it was changed")
        producer.terminate()
        written_by(producer)
        stop(collector)


def a_file_that_has_become_empty_is_no_configuration():
    with Place() as place:
        def reloads(text, path, outcome):
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            collector.send_signal(signal.SIGHUP)
            said = read_stderr(collector, "taken over")
            check(outcome in said, f"{text!r}: {said}")

        path = configure(place, ("log", ""))
        collector = place.start([COLLECTOR, "--config", path], env={"FAPILOG_RING_DIR": place.rings})
        place.wait_ready(collector)
        for text in "", "# where\n", "---\n", "~\n":
            reloads(text, path, f"configuration not taken over: {path}: is empty, as one that is being written; where nothing is "
                    "to be set, write {}")
        place.load_done("--records", 10)
        wait_for("the sink is still there", lambda: line_count(place.file()) >= 10)
        reloads("{}\n", path, "sinks added: console; sinks removed: log")
        reloads("", path, "configuration not taken over")
        stop(collector)
    with Place() as place: # nothing is lost where there was nothing
        path = os.path.join(place.path, "nothing.yaml")
        with open(path, "w", encoding="utf-8"):
            pass
        collector = place.start([COLLECTOR, "--config", path, "--sink", place.uri()], env={"FAPILOG_RING_DIR": place.rings})
        place.wait_ready(collector)
        reloads("", path, "configuration taken over")
        reloads("flush_interval: 50ms", path, "settings changed: flush_interval")
        reloads("", path, "configuration not taken over")
        stop(collector)


def stages_change_under_load():
    """Each chain masks another field and adds another word: a record treated by the one before would show."""
    def chain(word, field):
        return f"stages:\n  - static: {{fields: {{word: {word}}}}}\n  - field_mask: {{fields_to_mask: [data.{field}, {field}]}}\n"

    chains = [("one", "payload"), ("two", "nothing"), ("three", "payload")]
    with Place() as place:
        collector, producer = start(place, ("log", ""), more=chain(*chains[0]))
        grows(place, "log.jsonl")
        for word, field in chains[1:]:
            configure(place, ("log", ""), more=chain(word, field))
            collector.send_signal(signal.SIGHUP)
            read_stderr(collector, "configuration taken over")
            grows(place, "log.jsonl")
        configure(place, ("log", ""))
        collector.send_signal(signal.SIGHUP)
        read_stderr(collector, "configuration taken over")
        grows(place, "log.jsonl")
        producer.terminate()
        written = written_by(producer)
        stop(collector)
        records = place.lines()
        check_books(records, written)
        loaded = [r for r in records if r["data"].get("producer") is not None]
        for r in loaded:
            is_masked = r["data"]["payload"] == "***"
            check(is_masked == (r["diagnostics"].get("word") in ("one", "three")), f"{r}")
        words = [r["diagnostics"].get("word") for r in loaded]
        order = [w for i, w in enumerate(words) if i == 0 or words[i - 1] != w]
        check(order == ["one", "two", "three", None], f"words in the file: {order}")
        return f"{written} records"


def what_the_stages_of_before_have_counted_is_told_by_a_reload():
    """The end of the window is far: without a word at the reload nobody would know of what was suppressed."""
    with Place() as place:
        stages = "stages: [{dedupe: {window: 1h, key_fields: [level]}}]\n"
        collector, producer = start(place, ("log", ""), more=stages)
        grows(place, "log.jsonl")
        producer.terminate()
        written = written_by(producer)
        configure(place, ("log", ""))
        collector.send_signal(signal.SIGHUP)
        read_stderr(collector, "configuration taken over")
        stop(collector)
        records = place.lines()
        told = sum(r["data"].get("suppressed_count", 0) for r in records)
        passed = len(loads(records))
        check(told > 0 and passed + told == written, f"written {written}, passed {passed}, told {told}")
        return f"{written} records, {told} of them told of"


def a_signal_during_a_reload_is_followed_by_another_reload():
    """A console that nobody reads holds the first one up."""
    with Place() as place:
        manager = Manager(place)
        path = configure(place, ("first", ""))
        with open(path, "a", encoding="utf-8") as f:
            f.write("  screen: 'console:'\n")
        collector = place.start([COLLECTOR, "--config", path], env=manager.env())
        place.wait_ready(collector)
        place.load_done("--records", 3000)
        wait_for("the file has more than the pipe holds", lambda: os.path.getsize(place.file("first.jsonl")) > 2 * 65536)
        configure(place, ("second", ""))
        collector.send_signal(signal.SIGHUP)
        wait_for("the first reload has begun", lambda: len(manager.states()) == 2)
        configure(place, ("third", ""))
        collector.send_signal(signal.SIGHUP)
        wait_for("the second signal was taken", lambda: not is_pending(collector, signal.SIGHUP))
        check(len(manager.states()) == 2, f"the first reload is over already: {manager.states()}")
        reader = threading.Thread(target=collector.stdout.read)
        reader.start()
        wait_for("the second reload has ended", lambda: len(manager.states()) == 5 and manager.states()[-1] == "READY=1")
        check(os.path.exists(place.file("third.jsonl")), "the configuration of the second signal is not there")
        collector.send_signal(signal.SIGTERM)
        check(collector.wait(20) == 0, "it does not end well")
        reader.join()
        check(len(manager.states()) == 6, f"{manager.states()}")


if __name__ == "__main__":
    sys.exit(run([sinks_come_and_go_under_load, a_level_that_is_taken_out_is_that_of_what_is_left,
                  stages_change_under_load, other_options_of_a_sink_take_effect_and_it_goes_on,
                  what_is_wrong_changes_nothing, a_file_that_has_become_empty_is_no_configuration,
                  the_same_ring_directory_may_be_named_otherwise,
                  what_the_stages_of_before_have_counted_is_told_by_a_reload,
                  a_signal_during_a_reload_is_followed_by_another_reload]))
