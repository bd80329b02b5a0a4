#!/usr/bin/env python3
"""fapilog-cat from lines to what the collector writes of them."""
import os
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403

MIB = 1 << 20
FULL = MIB - 32  # the rest of a record are lengths and where it comes from


def each_line_is_one_record_in_order_empty_ones_too():
    with Place() as place:
        r = cat(place, b"first\n\n\nfourth\n" + b"".join(b"%d\n" % n for n in range(500)) + b"no line feed")
        check(not r.out and not r.err, f"says something: {r.text()}")
        expected = ["first", "", "", "fourth", *map(str, range(500)), "no line feed"]
        check(messages(drained(place)) == expected, "lines differ")
    with Place() as place:
        cat(place, b"")
        check(drained(place) == [], "no line is no record")


def bytes_that_are_no_utf8_are_replaced_and_marked():
    lines = [bytes(b for b in range(256) if b != 10), b"\xff\xfe\xc3(", b"\xe2\x82", b"a\0b", b"\xed\xa0\x80",
             b"\xf4\x90\x80\x80", b"\xc0\xaf", "\u20ac \U0001f48e \x7f \u2028".encode(), b"carriage\rreturn"]
    with Place() as place:
        cat(place, b"\n".join(lines) + b"\n")
        records = drained(place)
        check(len(records) == len(lines), f"{len(records)} records of {len(lines)} lines")
        for record, line in zip(records, lines):
            expected = line.decode("utf-8", "replace")
            check(record["message"] == expected, f"{line!r}: {record['message']!r}")
            is_marked = record["diagnostics"].get("invalid") == "utf8"
            check(is_marked == ("\ufffd" in expected), f"{line!r}: mark is {is_marked}")


def lines_of_files_from_windows_have_no_carriage_return_at_their_end():
    with Place() as place:
        cat(place, b"one\r\n\r\ntwo\n")
        check(messages(drained(place)) == ["one", "", "two"], "lines differ")
    with Place() as place:
        r = cat(place, b'{"message": "one"}\r\nplain\r\n\t{"message": "two\\r"}\t\r\n', "--json")
        check(r.err.count(b"logged as plain text") == 1, f"{r.err}")
        check(messages(drained(place)) == ["one", "plain", "two\r"], "lines of JSON differ")


def a_line_that_fills_a_record_is_whole_and_a_byte_more_is_cut_marked_and_counted():
    lines = [b"x" * FULL, b"y" * (MIB + 1), b"between", b"z" * MIB, b"\xc3\xa4" * (3 * MIB), b"end"]
    with Place() as place:
        r = cat(place, b"\n".join(lines), env={"FAPILOG_LANE_SIZE": "16MB"})
        check("3 lines were longer" in r.err.decode(), f"summary: {r.err}")
        records = [r for r in drained(place) if r["message"] != "records truncated"]
        for message, line in zip([m.encode() for m in messages(records)], lines):
            least = min(len(line), FULL)
            check(least <= len(message) <= MIB and line.startswith(message), f"{len(message)} bytes of {len(line)}")
        marks = [bool(r["diagnostics"].get("truncated")) for r in records]
        check(marks == [len(line) > FULL for line in lines], f"marks of a cut: {marks}")
    with Place() as place:
        r = cat(place, lines[1], "--quiet", env={"FAPILOG_LANE_SIZE": "16MB"})
        check(not r.err, f"--quiet says {r.err}")


def long_and_short_lines_arrive_in_order_while_a_collector_reads():
    lines = []
    for size in (300000, FULL, 10, 262144, MIB - 5000, 16384, FULL) * 3:
        lines.append(b"%d " % len(lines) + b"l" * (size - 4))
        lines += [b"%d short" % (len(lines) + i) for i in range(50)]
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        cat(place, b"\n".join(lines))
        stop(c)
        got = [m.encode() for m in messages(place.lines())]
        numbers = [int(m.split()[0]) for m in got]
        check(numbers == list(range(len(lines))), f"order {numbers}")
        check(got == lines, "lines differ")


def json_members_become_fields_of_their_types():
    nested = {"list": [1, 2.5, None, True, {"deep": ["\u00e9\"\\", []]}], "empty": {}}
    rows = [{"message": "m", "level": "warning", "int": 42, "negative": -2**63, "big": 2**63 - 1, "real": 0.1,
             "text": "t\u00e4\n", "yes": True, "no": False, "nothing": None, "nested": nested, "": "no name"},
            {"msg": "second", "severity": "ERROR", "k": 1e300}, {"body": "third", "level": "nonsense"},
            {"no": "message"}, {}]
    with Place() as place:
        cat(place, "".join(json.dumps(r) + "\n" for r in rows).encode(), "--json", "--level", "DEBUG")
        records = drained(place)
        check(messages(records) == ["m", "second", "third", "", ""], f"messages {messages(records)}")
        check([r["level"] for r in records] == ["WARNING", "ERROR", "DEBUG", "DEBUG", "DEBUG"], "levels")
        taken = {"message", "msg", "body", "severity"}
        for record, row in zip(records, rows):
            expected = {k: v for k, v in row.items() if k not in taken and (k != "level" or v == "nonsense")}
            check(record["data"] == expected, f"{record['data']} instead of {expected}")
            check(all(type(record["data"][k]) is type(v) for k, v in expected.items()), f"types of {record['data']}")


def what_journalctl_writes_has_message_and_level():
    rows = [{"MESSAGE": "m%d" % n, "PRIORITY": str(n), "_PID": "1"} for n in range(8)] + [{"MESSAGE": "x", "PRIORITY": "8"}]
    with Place() as place:
        cat(place, "".join(json.dumps(r) + "\n" for r in rows).encode(), "--json")
        records = drained(place)
        check(messages(records) == [r["MESSAGE"] for r in rows], f"messages {messages(records)}")
        levels = ["CRITICAL"] * 3 + ["ERROR", "WARNING", "INFO", "INFO", "DEBUG", "INFO"]
        check([r["level"] for r in records] == levels, f"levels {[r['level'] for r in records]}")
        check(records[8]["data"] == {"PRIORITY": "8"}, f"{records[8]['data']}")
    odd = ({"MESSAGE": list(b"b\xc3\xa9\x1b["), "PRIORITY": 3}, {"MESSAGE": [1, 256]}, {"MESSAGE": [], "PRIORITY": 9})
    with Place() as place:
        cat(place, "".join(json.dumps(r) + "\n" for r in odd).encode(), "--json")
        records = drained(place)
        check(messages(records) == ["b\u00e9\x1b[", "", ""], f"messages {messages(records)}")
        check([r["level"] for r in records] == ["ERROR", "INFO", "INFO"], f"{records}")
        check(records[1]["data"] == {"MESSAGE": [1, 256]} and records[2]["data"] == {"MESSAGE": [], "PRIORITY": 9}, f"{records}")


def a_signal_ends_the_input_and_nothing_that_was_read_is_lost():
    for number in (signal.SIGINT, signal.SIGTERM):
        with Place() as place:
            p = subprocess.Popen([CAT, "--rings", place.rings], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            wait_for("the ring is there", lambda: rings(place))
            p.stdin.write(b"one\ntwo\nhalf")
            p.stdin.flush()
            p.send_signal(number)
            said = p.stderr.read()
            check(p.wait(20) == 0 and not said, f"{number}: {p.returncode}, {said}")
            p.stdin.close()
            check(messages(drained(place)) == ["one", "two", "half"], f"{number}: lines are missing")


def json_keeps_members_beyond_the_limit_of_fields():
    for count in (63, 64, 65, 200):
        with Place() as place:
            row = {f"k{n}": n for n in range(count)}
            cat(place, json.dumps({"message": "many", **row}).encode(), "--json", env={"FAPILOG_LANE_SIZE": "1MB"})
            data = drained(place)[0]["data"]
            data.update(data.pop("_rest", {}))
            check(data == row, f"{count} members: {sorted(set(row) ^ set(data))} differ")


def json_numbers_too_large_for_64_bits_do_not_spoil_their_line():
    row = '{"message":"m","u":18446744073709551615,"above":18446744073709551616,"below":-9223372036854775809,' \
          '"huge":1e999,"list":[1,99999999999999999999],"after":7}'
    with Place() as place:
        r = cat(place, row.encode() + b"\n", "--json")
        check(not r.err, f"complains: {r.err}")
        record = drained(place)[0]
        check(record["message"] == "m", f"the line became the message {record['message']!r}")
        data = record["data"]
        expected = {"u": "18446744073709551615", "above": "18446744073709551616", "below": "-9223372036854775809", "huge": "1e999",
                    "list": [1, "99999999999999999999"], "after": 7}
        check(data == expected, f"{data}")


def json_lines_that_are_no_objects_are_logged_as_they_are():
    bad = [b"plain", b"[1]", b'{"a":', b'{"a":1} x', b"", b"\xff{}", b"7", b'{"a":"\xff"}', b"{" * 2000]
    with Place() as place:
        r = cat(place, b"".join(line + b"\n" for line in bad + bad), "--json")
        err = r.err.decode()
        check("standard input:1:" in err and f"{2 * len(bad)} lines in all" in err, f"messages: {err}")
        check(err.count("logged as plain text") == 10, f"not the first ten are named: {err}")
        check(messages(drained(place)) == [line.decode("utf-8", "replace") for line in bad + bad], "lines differ")


def json_that_no_record_can_hold_as_such_is_logged_all_the_same():
    rows = [{"message": "a", "level": "OFF"}, {"message": "b", "severity": "31"}, {"message": "c", "level": " off "},
            {"message": "d", "level": "OFF", "severity": "ERROR"}, {"message": "e", "level": "30"}]
    with Place() as place:
        r = cat(place, "".join(json.dumps(row) + "\n" for row in rows).encode(), "--json")
        check(not r.err, f"complains: {r.err}")
        records = drained(place)
        check(messages(records) == list("abcde"), f"messages {messages(records)}")
        data = [r["data"] for r in records]
        expected = [{"level": "OFF"}, {"severity": "31"}, {"level": " off "}, {"level": "OFF"}, {}]
        check(data == expected, f"fields {data}")
        check(records[0]["level"] == records[1]["level"] == "INFO" and records[3]["level"] == "ERROR", "levels")
    with Place() as place:
        lines = [json.dumps({"message": "name", "k" * size: 1}).encode() for size in (65535, 65536)]
        lines.append(json.dumps({"k" * 65300 + str(n): 1 for n in range(10, 26)}).encode()) # each would do, all are too much
        r = cat(place, b"\n".join(lines + [b"{}"]), "--json", env={"FAPILOG_LANE_SIZE": "16MB"})
        check([f"standard input:{n}: JSON, but with names too long" in r.err.decode() for n in (1, 2, 3, 4)] ==
              [False, True, True, False], f"{r.err}")
        got = messages(drained(place))
        check(got[:2] + got[3:] == ["name", lines[1].decode(), ""], "the line with the longer name")
        check(got[2] in lines[2].decode() and len(got[2]) > MIB - 8192, "the line with the long names")
    with Place() as place:
        r = cat(place, b"a\n", "--field", "k" * 65536 + "=v", status=1)
        check("--field: a ring does not hold" in r.err.decode(), f"{r.err}")


def fields_level_and_service_go_with_every_record():
    with Place() as place:
        cat(place, b"a\nb\n", "--field", "host=web1", "--field", "eq=a=b", "--field", "empty=", "--level", "audit",
            "--service", "kernel")
        for r in drained(place):
            check(r["data"] == {"host": "web1", "eq": "a=b", "empty": ""}, f"fields {r['data']}")
            check(r["level"] == "AUDIT" and r["diagnostics"]["service"] == "kernel", f"{r}")
    with Place() as place:
        many = [a for n in range(64) for a in ("--field", f"f{n}={n}")]
        cat(place, b"a\n", *many)
        check(len(drained(place)[0]["data"]) == 64, "64 fields")
        r = cat(place, b"", *many, "--field", "x=y", status=2)
        check("64" in r.err.decode(), f"{r.err}")
    with Place() as place:
        cat(place, b'{"message":"m","k":"own"}', "--json", "--field", "k=every", "--field", "l=every")
        check(drained(place)[0]["data"] == {"k": "own", "l": "every"}, "a record's own field goes first")


def files_are_read_in_turn_and_a_dash_is_standard_input():
    with Place() as place:
        for name in "ab":
            with open(place.file(f"{name}.txt"), "w") as f:
                f.write(f"{name}1\n{name}2")
        cat(place, b"in\n", place.file("a.txt"), "-", place.file("b.txt"))
        check(messages(drained(place)) == ["a1", "a2", "in", "b1", "b2"], "order of files")


def a_file_that_cannot_be_read_is_named_and_the_others_are_logged():
    with Place() as place:
        with open(place.file("good.txt"), "w") as f:
            f.write("good\n")
        r = cat(place, b"", place.file("missing.txt"), place.out, place.file("good.txt"), status=1)
        err = r.err.decode()
        check(f"{place.file('missing.txt')}: No such file" in err and f"{place.out}: Is a directory" in err, err)
        check(messages(drained(place)) == ["good"], "the good file")


def wrong_usage_is_status_2():
    with Place() as place:
        for args, said in ((["--level", "LOUD"], "LOUD"), (["--level", "OFF"], "is no level of a record"),
                           (["--level", "31"], "is no level of a record"), (["--field", "novalue"], "novalue"),
                           (["--field", "=x"], "=x"),
                           (["--nonsense"], "--nonsense"), (["--rings"], "--rings")):
            r = execute([CAT, *args], status=2)
            check(said in r.err.decode() and "--help" in r.err.decode() and not r.out, f"{args}: {r.text()}")
        check(os.listdir(place.rings) == [], "wrong usage makes a ring")


def without_a_usable_directory_the_exit_status_is_1():
    with Place() as place:
        path = os.path.join(place.path, "a-file")
        with open(path, "w"):
            pass
        r = execute([CAT, "--rings", path], b"a\n", status=1)
        check(path in r.err.decode(), f"no reason: {r.err}")


def with_a_collector_all_lines_arrive_in_order():
    with Place() as place:
        c = place.collector()
        place.wait_ready(c)
        lines = [b"%d %s" % (n, b"x" * (n % 200)) for n in range(100000)]
        cat(place, b"\n".join(lines))
        stop(c)
        check(messages(place.lines()) == [line.decode() for line in lines], "lines are missing or out of order")


def without_a_collector_what_does_not_fit_is_counted():
    with Place() as place:
        count = 20000
        r = cat(place, b"".join(b"%d\n" % n for n in range(count)), env={"FAPILOG_LANE_SIZE": "64KB"}, status=1)
        lost = int(re.search(r"(\d+) of (\d+) lines were dropped", r.err.decode()).group(1))
        check(str(count) in r.err.decode(), f"{r.err}")
        records = drained(place)
        kept = [m for m in messages(records) if m != "records dropped"]
        check(kept == [str(n) for n in range(count - lost)], f"not the oldest {count - lost} are kept, but {len(kept)}")
        check(dropped(records) == lost, f"the collector reports {dropped(records)} drops, fapilog-cat {lost}")


def with_wait_nothing_is_lost_while_there_is_no_collector():
    lines = b"".join(b"%09d %s\n" % (n, b"x" * 90) for n in range(20000))
    for size in ("64KB", "512KB"):
        with Place() as place:
            env = {"FAPILOG_LANE_SIZE": size}
            said = cat(place, lines, "--quiet", env=env, status=1).err.decode()
            check(said.count("were dropped") == 1, "nothing was dropped without")
        with Place() as place:
            p = place.start([CAT, "--rings", place.rings, "--wait"], stdin=subprocess.PIPE, env=env)
            feeder = threading.Thread(target=lambda: p.communicate(lines.decode()))
            feeder.start()
            wait_for("a ring that waits", lambda: rings(place) and p.poll() is None and feeder.is_alive())
            for _ in range(2):  # one comes, goes, and another one comes
                c = place.collector()
                place.wait_ready(c)
                wait_for("records", lambda: line_count(place.file()) or p.poll() is not None)
                stop(c)
            c = place.collector()
            place.wait_ready(c)
            feeder.join(60)
            check(p.returncode == 0, f"it ended with {p.returncode}")
            stop(c)
            check([m.split()[0] for m in messages(place.lines())] == ["%09d" % n for n in range(20000)], "lines are missing")


def a_signal_ends_the_wait():
    with Place() as place:
        p = place.start([CAT, "--rings", place.rings, "--wait"], stdin=subprocess.PIPE, env={"FAPILOG_LANE_SIZE": "64KB"})
        feeder = threading.Thread(target=lambda: p.communicate("y\n" * 100000))
        feeder.start()
        wait_for("the message", lambda: rings(place) and os.path.exists(f"/proc/{p.pid}"))
        wait_for("its handler", lambda: has_handler(p.pid, signal.SIGTERM))
        p.send_signal(signal.SIGTERM)
        feeder.join(30)
        check(p.returncode in (0, 1), f"it ended with {p.returncode}")


def has_handler(pid, number):
    with open(f"/proc/{pid}/status") as f:
        caught = int(re.search(r"^SigCgt:\s*(\w+)", f.read(), re.M)[1], 16)
    return caught >> (number - 1) & 1


if __name__ == "__main__":
    sys.exit(run([
        each_line_is_one_record_in_order_empty_ones_too,
        bytes_that_are_no_utf8_are_replaced_and_marked,
        lines_of_files_from_windows_have_no_carriage_return_at_their_end,
        a_line_that_fills_a_record_is_whole_and_a_byte_more_is_cut_marked_and_counted,
        long_and_short_lines_arrive_in_order_while_a_collector_reads,
        json_members_become_fields_of_their_types,
        what_journalctl_writes_has_message_and_level,
        a_signal_ends_the_input_and_nothing_that_was_read_is_lost,
        json_keeps_members_beyond_the_limit_of_fields,
        json_numbers_too_large_for_64_bits_do_not_spoil_their_line,
        json_lines_that_are_no_objects_are_logged_as_they_are,
        json_that_no_record_can_hold_as_such_is_logged_all_the_same,
        fields_level_and_service_go_with_every_record,
        files_are_read_in_turn_and_a_dash_is_standard_input,
        a_file_that_cannot_be_read_is_named_and_the_others_are_logged,
        wrong_usage_is_status_2,
        without_a_usable_directory_the_exit_status_is_1,
        with_a_collector_all_lines_arrive_in_order,
        without_a_collector_what_does_not_fit_is_counted,
        with_wait_nothing_is_lost_while_there_is_no_collector,
        a_signal_ends_the_wait,
    ]))
