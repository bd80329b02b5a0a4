#!/usr/bin/env python3
"""Native files that the collector wrote, as fapilog-dump shows them: in order, whatever file and block a
record stands in."""
import calendar
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from time import strptime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
from harness import Place, check, line_count, run, stop, wait_for, written_by  # noqa: E402

DUMP = os.environ["FAPILOG_DUMP"]


def nanoseconds(time):
    return calendar.timegm(strptime(time[:19], "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(time[20:29])


def late(records):
    """How many are older than the one before. Files, and blocks in them, have anchors of their own between which times
    are interpolated: a thread's records may step back by some of its nanoseconds there."""
    times = [nanoseconds(r["time"]) for r in records]
    return sum(b < a - 1000 for a, b in zip(times, times[1:]))


def dump(place, *args):
    p = place.start([DUMP, *args, place.out])
    out, err = p.communicate(timeout=60)
    check(p.returncode == 0 and not err, f"{args}: status {p.returncode}: {err}")
    return [json.loads(line) for line in out.splitlines()]


def fill(place, threads=3, records=4000):
    """Files of several blocks each, whose lanes hold different stretches of time."""
    written = 0
    for i in range(2):
        written += place.load_done("--id", i, "--threads", threads, "--records", records, "--lane-bytes", 1 << 20)
    place.drain("--set", "lane_budget=16KB", sink=f"native://{place.out}/?max_bytes=40KB")
    check(len(os.listdir(place.out)) > 5, f"files: {os.listdir(place.out)}")
    return written


def records_of_many_files_are_in_order_of_time():
    with Place() as place:
        written = fill(place)
        lines = [r for r in dump(place, "--format", "json") if r["message"] == "load"]
        check(len(lines) == written, f"{len(lines)} of {written}")
        check(late(lines) == 0, f"{late(lines)} records are older than the one before")
        last = {}
        for r in lines:
            who = (r["producer"], r["thread"])
            check(r["n"] == last.get(who, -1) + 1, f"{who}: {r['n']} after {last.get(who)}")
            last[who] = r["n"]
        return f"{written} records in {len(os.listdir(place.out))} files"


def stats_tell_what_the_files_hold():
    with Place() as place:
        written = fill(place)
        files = dump(place, "--stats", "--format", "json")
        check(len(files) == len(os.listdir(place.out)), "a file is missing")
        lanes = [l for f in files for p in f["processes"] for l in p["lanes"]]
        check(sum(f["records"] for f in files) == written, "records of files")
        check(sum(l["records"] for l in lanes) == written, "records of lanes")
        for f in files:
            check(f["state"] == "native" and f["damaged"] == 0, f"{f}")
            check(f["bytes"] == os.path.getsize(f["path"]), f"bytes: {f}")
            check(f["from"] <= f["to"], f"times: {f}")
        text = subprocess.run([DUMP, "--stats", place.out], capture_output=True, text=True).stdout
        check(text.count("native file, ") == len(files), text)


def losses(files):
    """Of several files: their counts go on from one to the next."""
    told = {}
    for f in files:
        for p in f["processes"]:
            own = [("own", p["orphans"] + p["unregistered"])]
            for who, n in own + [(l["lane"], l["dropped"] + l["lost"]) for l in p["lanes"]]:
                told[p["uuid"], who] = max(n, told.get((p["uuid"], who), 0))
    return sum(told.values())


def check_native_books(place, written, what=""):
    """Written = in the files + lost, by the native files alone."""
    files = dump(place, "--stats", "--format", "json")
    records, lost = sum(f["records"] for f in files), losses(files)
    check(records + lost == written, f"{what}: written {written}, but {records} are there and {lost} lost")
    text = subprocess.run([DUMP, "--stats", place.out], capture_output=True, text=True).stdout
    check(f" {records} records, {lost} lost\n" in text if len(files) > 1 else f", {lost} lost, " in text, text)
    return lost


def what_was_dropped_stands_in_the_files():
    """Most of it behind the last record of its lane, and some where there was no lane."""
    for what, args in (("own lanes", ["--threads", 4]), ("lanes of all", ["--threads", 12, "--lanes", 4]),
                       ("overwritten", ["--threads", 2, "--overwrite"])):
        for options in ("", "max_bytes=100KB", "compress=zstd&max_bytes=20KB"):
            with Place() as place:
                written = place.load_done("--records", 5000, "--lane-bytes", 65536, *args)
                place.drain("--set", "lane_budget=16KB", sink=f"native://{place.out}/?{options}")
                lost = check_native_books(place, written, f"{what}, {options}")
                check(lost > written // 4, f"{what}: only {lost} of {written} were lost")
                p = place.start([DUMP, "--verify", place.out])
                out, _ = p.communicate(timeout=60)
                check(p.returncode == 0 and out.count(": good") == len(os.listdir(place.out)), out)
                check("records by its end, see --stats" in out, out)


def drops_without_records_reach_a_file_while_the_service_lives():
    with Place() as place:
        load = place.load("--records", 20000, "--lane-bytes", 65536, "--wait")
        wait_for("all is written", lambda: load.stdout.readline().startswith("written"))
        place.drain(sink=f"native://{place.file('a.fnl')}")
        check_native_books(place, 20000)
        before = os.path.getsize(place.file("a.fnl"))
        place.drain(sink=f"native://{place.file('a.fnl')}")
        check(os.path.getsize(place.file("a.fnl")) == before, "what did not change was told again")


def killed_collectors_leave_the_books_of_native_files_right():
    with Place() as place:
        running = [place.load("--id", i, "--threads", 2, "--records", 0, "--lane-bytes", 65536, "--burst", 2000,
                              "--pause-us", 3000) for i in range(2)]
        points = ["write", "sink-done", "written", "persist-torn", "persist-after", "mark-changed", "settled"]
        kills = 0
        for i in range(3 * len(points)):
            c = place.collector(sink=f"native://{place.out}/?max_bytes=500KB", env={
                "FAPILOG_FAULT": f"{points[i % len(points)]}:{1 + i // len(points) * 3}"})
            try:
                kills += c.wait(timeout=0.5) != 0
            except subprocess.TimeoutExpired:
                c.kill()
                c.wait()
        for p in running:
            p.terminate()
        written = sum(written_by(p) for p in running)
        place.drain(sink=f"native://{place.out}/?max_bytes=500KB")
        check(kills > len(points), f"{kills} kills")
        lost = check_native_books(place, written)
        check(lost > 0, "nothing was lost")
        return f"{written} records, {lost} lost, {kills} kills, {len(os.listdir(place.out))} files"


def behind_stages_the_losses_are_told_too():
    with Place() as place:
        written = place.load_done("--threads", 2, "--records", 5000, "--lane-bytes", 65536)
        config = os.path.join(place.path, "stages.yaml")
        with open(config, "w") as f:
            f.write("stages: [field_mask: {fields: [payload]}]\n")
        place.drain("--config", config, sink=f"native://{place.out}/")
        lines = dump(place, "--format", "json")
        loads = sum(r["message"] == "load" for r in lines)
        reports = sum(r["count"] for r in lines if r["message"] == "records dropped")
        lost = losses(dump(place, "--stats", "--format", "json"))
        check(loads + lost == written and reports == lost, f"{loads} and {lost} of {written}, reported {reports}")


def following_files_shows_records_in_order():
    with Place() as place:
        with open(os.path.join(place.path, "shown"), "w") as out:
            c = place.collector("--set", "lane_budget=16KB", sink=f"native://{place.out}/?max_bytes=100KB")
            place.wait_ready(c)
            d = place.start([DUMP, "--follow", "--format", "json", place.out], stdout=out)
            running = [place.load("--id", i, "--threads", 2, "--records", 2000, "--pause-us", 300) for i in range(2)]
            written = sum(written_by(p) for p in running)

            def shown():
                with open(out.name) as f:
                    return [json.loads(line) for line in f.read().split("\n")[:-1]]
            wait_for("all records are shown", lambda: len(shown()) >= written)
            stop(c)
            d.terminate()
            check(d.wait(timeout=20) == 0, "fapilog-dump has failed")
            lines = shown()
            check(len(lines) == written, f"{len(lines)} of {written}")
            check(late(lines) == 0, f"{late(lines)} of {written} are older than the one before")


def verify_tells_of_a_file_that_ends_inside_of_a_block():
    with Place() as place:
        written = place.load_done("--records", 20000, "--lane-bytes", 4 << 20)
        place.drain(sink=f"native://{place.file('whole.fnl')}")
        size = os.path.getsize(place.file("whole.fnl"))

        def verify(name):
            p = place.start([DUMP, "--verify", place.file(name)])
            out, err = p.communicate(timeout=60)
            check(p.returncode == 0 and ": good" in out, f"{name}: status {p.returncode}: {out}{err}")
            return out
        check("no whole block" not in verify("whole.fnl"), "a whole file")
        with open(place.file("whole.fnl"), "rb") as f, open(place.file("cut.fnl"), "wb") as cut:
            cut.write(f.read(size // 2))
        text = verify("cut.fnl")
        check("bytes are no whole block: being written, or cut off" in text, text)
        os.unlink(place.file("whole.fnl"))
        check(0 < len(dump(place, "--format", "json")) < written, "a file that is cut off")
        os.truncate(place.file("cut.fnl"), 5000)
        out, err = place.start([DUMP, place.file("cut.fnl")]).communicate(timeout=60)
        is_told = "no records there; the last " in err and "no whole block" in err
        check(not out and is_told, f"its first block is cut off: {out}{err}")


def archives_with_numbers_are_shown_with_their_live_file():
    """Before there is a record, while files get new names, and afterwards."""
    with Place() as place:
        c = place.collector(sink=f"native://{place.out}/log.fnl?max_bytes=20KB&max_files=1000")
        place.wait_ready(c)
        wait_for("the live file is there", lambda: os.path.exists(place.file("log.fnl")))
        check(os.path.getsize(place.file("log.fnl")) == 0, "an empty file was expected")
        for args in ([place.out], ["--verify", place.out], [place.file("log.fnl")]):
            p = place.start([DUMP, *args])
            _, err = p.communicate(timeout=60)
            check(p.returncode == 0, f"{args}: status {p.returncode}: {err}")
        with open(os.path.join(place.path, "shown"), "w") as out:
            d = place.start([DUMP, "--follow", "--format", "json", place.out], stdout=out)
            written = place.load_done("--records", 4000, "--pause-us", 100, "--payload", 60, "--block")
            stop(c)
            archives = len(os.listdir(place.out)) - 1
            check(archives > 3, f"{archives} archives")

            def shown():
                with open(out.name) as f:
                    return [json.loads(line)["n"] for line in f.read().split("\n")[:-1]]
            wait_for("all records are shown", lambda: len(shown()) >= written)
            d.terminate()
            check(d.wait(timeout=20) == 0, "fapilog-dump has failed")
        check(shown() == list(range(written)), f"followed: {len(shown())} of {written}")
        lines = dump(place, "--format", "json")
        check([r["n"] for r in lines] == list(range(written)), f"{len(lines)} of {written} in {archives} archives")
        check(len(dump(place, "--stats", "--format", "json")) == archives + 1, "--stats leaves out archives")
        twice, _ = place.start([DUMP, "--format", "json", place.file("log.fnl"), place.out, place.file("log.fnl.1"),
                                place.file("log.fnl")]).communicate(timeout=60)
        check(twice.count("\n") == written, f"files that are named twice: {twice.count(chr(10))} of {written}")


def shown_in(path):
    with open(path) as f:
        return [json.loads(line)["n"] for line in f.read().split("\n")[:-1]]


def following_one_file_goes_on_where_rotation_leads():
    """From a file in which there is nothing yet, over files that come and go between two looks."""
    with Place() as place:
        c = place.collector(sink=f"native://{place.out}/log.fnl?max_bytes=20KB&max_files=1000")
        place.wait_ready(c)
        wait_for("the live file is there", lambda: os.path.exists(place.file("log.fnl")))
        path = os.path.join(place.path, "shown")
        with open(path, "w") as out:
            d = place.start([DUMP, "--follow", "--format", "json", place.file("log.fnl")], stdout=out)
            wait_for("it says that the file is empty", lambda: "is empty" in d.stderr.readline())
            written = place.load_done("--records", 6000, "--pause-us", 100, "--payload", 60, "--block")
            wait_for("all records are shown", lambda: len(shown_in(path)) >= written)
            stop(c)
            d.terminate()
            check(d.wait(timeout=20) == 0, "fapilog-dump has failed")
        check(shown_in(path) == list(range(written)), f"{len(shown_in(path))} of {written}")
        return f"{written} records in {len(os.listdir(place.out))} files"


def open_files(pid, directory):
    """Also those that are deleted; while they are opened and closed."""
    targets = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            targets.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return sum(t.startswith(directory) for t in targets)


def memory_of_following(place, directory, files, lines):
    """Of its own, in KiB, once all is shown."""
    os.mkdir(directory)
    for i in range(files):
        shutil.copy(place.file("log.fnl"), os.path.join(directory, f"{i}.fnl"))
    with open(directory + ".lines", "w", encoding="utf-8") as out:
        # meson has malloc fill what it gives, and so touch what is asked for and not used
        d = place.start([DUMP, "--follow", directory], stdout=out, env={"MALLOC_PERTURB_": "0"})
        wait_for("all is shown", lambda: line_count(out.name) == files * lines)
        with open(f"/proc/{d.pid}/status", encoding="utf-8") as f:
            kib = int(re.search(r"RssAnon:\s+(\d+) kB", f.read()).group(1))
        stop(d)
    return kib


def following_many_files_takes_little_memory_for_each():
    if os.environ.get("FAPILOG_SANITIZE", "none") != "none":
        return "SKIPPED: sanitizers take memory of their own"
    with Place() as place:
        written = place.load_done("--threads", 2, "--records", 20000, "--lane-bytes", 4 << 20)
        place.drain(sink="native://" + place.file("log.fnl"))
        one = memory_of_following(place, os.path.join(place.path, "one"), 1, written)
        many = memory_of_following(place, os.path.join(place.path, "many"), 41, written)
        check((many - one) / 40 < 100, f"{one} KiB with one file, {many} KiB with 41")
        return f"{(many - one) / 40:.0f} KiB a file"


def handles(pid, signo):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"SigCgt:\s*(\w+)", f.read())[1], 16) >> (signo - 1) & 1


def is_asleep(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(")")[2].split()[0] == "S"


def a_signal_ends_following_within_a_long_file():
    """What is read of it is more than a pipe holds: it waits for us when the signal comes."""
    with Place() as place:
        written = place.load_done("--records", 100000, "--payload", 100, "--lane-bytes", 32 << 20)
        place.drain(sink=f"native://{place.out}/")
        for number in (signal.SIGINT, signal.SIGTERM):
            p = place.start([DUMP, "--format", "json", "--follow", place.out])
            check("load" in p.stdout.readline(), "no record")
            wait_for("it waits for us", lambda: is_asleep(p.pid))
            p.send_signal(number)
            wait_for("it has seen the signal", lambda: not handles(p.pid, number))
            lines, err = p.communicate(timeout=30)
            count = lines.count("\n") + 1
            check(p.returncode == 0 and not err, f"{number}: ended with {p.returncode}: {err}")
            check(lines.endswith("}\n") and count < written / 10, f"{number}: {count} lines of {written} after the signal")
        p = place.start([DUMP, "--format", "json", "--follow", place.out])
        check("load" in p.stdout.readline(), "no record")
        wait_for("it waits for us", lambda: is_asleep(p.pid))
        p.terminate()
        wait_for("it has seen the signal", lambda: not handles(p.pid, signal.SIGTERM))
        p.terminate()
        check(p.wait(timeout=30) == -signal.SIGTERM, f"a second signal: ended with {p.returncode}")
        p.communicate()


def a_signal_ends_at_once_what_does_not_follow():
    """Its output goes where nothing is taken, so that it does not end by itself."""
    with Place() as place:
        place.load_done("--records", 1000)
        place.drain(sink=f"native://{place.out}/")
        for args in [], ["--verify"], ["--stats"], ["--stats", "--follow"]:
            ours, theirs = os.pipe()
            os.set_blocking(theirs, False)
            try:
                while True:
                    os.write(theirs, b"-" * 4096)
            except BlockingIOError:
                os.set_blocking(theirs, True)
            p = place.start([DUMP, *args, place.out], stdout=theirs)
            wait_for("it writes", lambda: is_asleep(p.pid))
            p.terminate()
            check(p.wait(timeout=30) == -signal.SIGTERM, f"{args}: ended with {p.returncode}: {p.stderr.read()}")
            os.close(ours)
            os.close(theirs)


def following_lets_go_of_files_that_retention_has_removed():
    with Place() as place:
        c = place.collector(sink=f"native://{place.out}/?max_bytes=20KB&max_files=3")
        place.wait_ready(c)
        path = os.path.join(place.path, "shown")
        with open(path, "w") as out:
            d = place.start([DUMP, "--follow", "--format", "json", place.out], stdout=out)
            written = place.load_done("--records", 6000, "--pause-us", 100, "--payload", 60, "--block")
            wait_for("all records are shown", lambda: len(shown_in(path)) >= written)
            check(len(os.listdir(place.out)) <= 4, f"{os.listdir(place.out)}")
            wait_for("removed files are closed", lambda: open_files(d.pid, place.out) <= 4)
            again = place.load_done("--id", 2, "--records", 500, "--block")
            wait_for("what comes then is shown", lambda: len(shown_in(path)) >= written + again)
            stop(c)
            d.terminate()
            check(d.wait(timeout=20) == 0, "fapilog-dump has failed")
        check(shown_in(path) == list(range(written)) + list(range(again)), f"{len(shown_in(path))} of {written} and {again}")


def limited(argv, soft, hard):
    return subprocess.run(["prlimit", f"--nofile={soft}:{hard}", *argv], capture_output=True, text=True, timeout=60)


def more_files_than_may_be_open_are_told_in_one_line():
    with Place() as place:
        written = fill(place)
        files = len(os.listdir(place.out))
        check(files > 9, f"{files} files")
        r = limited([DUMP, "--format", "json", place.out], 10, 1000)
        check(r.returncode == 0 and not r.stderr, f"the limit is not raised: {r.stderr}")
        check(sum(json.loads(line)["message"] == "load" for line in r.stdout.splitlines()) == written, "records are missing")
        r = limited([DUMP, "--stats", "--format", "json", place.out], 10, 10)
        read = len(r.stdout.splitlines())
        check(0 < read < files and f"{files - read} files are not read: too many open files" in r.stderr and
              r.stderr.count("too many open files") == 1 and r.returncode == 1, f"{read} of {files}: {r.stderr}")


def what_cannot_be_read_is_told():
    with Place() as place:
        place.load_done("--records", 50)
        place.drain(sink=f"native://{place.file('log.fnl')}")
        subprocess.run(["gzip", "-k", place.file("log.fnl")], check=True)

        def said(*args):
            return subprocess.run([DUMP, *args], capture_output=True, text=True, timeout=60)
        check("1 packed files (.gz ...) are not read" in said(place.out).stderr, "a packed file in a directory")
        r = said(place.file("log.fnl.gz"))
        check(r.returncode == 1 and f"{place.file('log.fnl.gz')}: not a ring" in r.stderr and "unpack it" in r.stderr, r.stderr)
        with open(place.file("junk.fnl"), "w") as f:
            f.write("x" * 9000)
        check(f"{place.file('junk.fnl')}: not a native file" in said(place.file("junk.fnl")).stderr, "junk")
        deep = os.path.join(place.out, "x" * 200)
        os.mkdir(deep)
        os.rename(place.file("log.fnl"), os.path.join(deep, "log.fnl"))
        check(f"{deep}/log.fnl: good" in said("--verify", deep).stdout, "a long path is cut")
        check(json.loads(said("--stats", "--format", "json", deep).stdout)["path"] == f"{deep}/log.fnl", "a long path is cut")


def out_bytes(place):
    return sum(os.path.getsize(os.path.join(place.out, name)) for name in os.listdir(place.out))


def a_producer_that_cuts_its_ring_short_costs_only_its_own_records():
    with Place() as place:
        c = place.collector(sink=f"native://{place.out}/")
        place.wait_ready(c)
        good = place.load("--id", 1, "--threads", 2, "--records", 0, "--pause-us", 2000, "--burst", 20, "--block")
        rounds = 4
        for i in range(rounds):
            before = out_bytes(place)
            bad = place.load("--id", 100 + i, "--threads", 2, "--records", 50000, "--pause-us", 500, "--burst", 50,
                             "--block")
            wait_for("records are delivered", lambda: out_bytes(place) > before + 200000)
            ring = [n for n in os.listdir(place.rings) if n.startswith(f"{bad.pid}-")][0]
            os.truncate(os.path.join(place.rings, ring), 4096)
            bad.kill()
            bad.wait()
            wait_for("the ring is put aside", lambda: ring.replace(".ring", ".bad") in os.listdir(place.rings))
        good.terminate()
        written = written_by(good)
        text = stop(c)
        check(text.count("put aside as .bad") == rounds, f"messages: {text}")
        check("Bad address" not in text, f"the sink has failed: {text}")
        p = place.start([DUMP, "--format", "json", "--where", "producer == 1", place.out])
        lines = [json.loads(line) for line in p.communicate(timeout=60)[0].splitlines()]
        for thread in (0, 1):
            numbers = [r["n"] for r in lines if r["thread"] == thread]
            check(numbers == list(range(len(numbers))), f"thread {thread}: a record is missing")
        check(len(lines) == written, f"{len(lines)} of {written}")
        return f"{written} records, {out_bytes(place)} bytes"


if __name__ == "__main__":
    sys.exit(run([
        records_of_many_files_are_in_order_of_time,
        stats_tell_what_the_files_hold,
        what_was_dropped_stands_in_the_files,
        drops_without_records_reach_a_file_while_the_service_lives,
        killed_collectors_leave_the_books_of_native_files_right,
        behind_stages_the_losses_are_told_too,
        following_files_shows_records_in_order,
        following_one_file_goes_on_where_rotation_leads,
        following_many_files_takes_little_memory_for_each,
        a_signal_ends_following_within_a_long_file,
        a_signal_ends_at_once_what_does_not_follow,
        following_lets_go_of_files_that_retention_has_removed,
        more_files_than_may_be_open_are_told_in_one_line,
        what_cannot_be_read_is_told,
        verify_tells_of_a_file_that_ends_inside_of_a_block,
        archives_with_numbers_are_shown_with_their_live_file,
        a_producer_that_cuts_its_ring_short_costs_only_its_own_records,
    ]))
