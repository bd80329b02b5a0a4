#!/usr/bin/env python3
"""A collector with a file and an HTTP server: neither waits for the other, and what the server has not got lies
in the spool or in the ring."""
import datetime
import os
import random
import socket
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "common")]
from harness import *  # noqa: E402,F403
from brokenserver import BrokenServer  # noqa: E402

MAX_IN_FLIGHT = 4  # the default
KILLS = int(os.environ.get("FAPILOG_TEST_KILLS", "12"))
SMALL = "&batch_size=500&batch_interval=20ms"
MANY = "&batch_size=10&batch_interval=20ms"  # requests of a batch
FULL = MANY + "&on_full=block"  # and no spool that has some of it
SPOOLED = MANY + "&queue_records=100"  # most of it has been there: in the journal, or
FORCED = SPOOLED + "&spool_sync=always"  # written some time before that counts
ANSWER_TAKES = 0.001
WHOLE = "&batch_size=50000&batch_bytes=16MB&batch_interval=1ms"
SEED = int(os.environ.get("FAPILOG_SEED", str(int(time.time()))))


class Server(BrokenServer):
    def __init__(self):
        super().__init__(is_broken=False)

    def uri(self, options=""):
        return self.uri_with("&retry_base_delay=10ms&retry_max_delay=50ms&breaker_enabled=false&timeout=60s" + options)

    def take(self, lines, life):
        """As text only: there are over a million."""
        time.sleep(ANSWER_TAKES)
        with self.lock:
            if self.is_broken:
                return 503
            self.requests.append((life, lines))
            return 204

    def seen(self):
        with self.lock:
            data = (d for _, lines in self.requests for line in lines for d in loads([json.loads(line)]))
            return {(d["producer"], d["thread"], d["n"]) for d in data}

    def resent(self):
        """Of each life the requests that had records which a later one sent again; how many records came twice, and how
        many there are."""
        first, again, last, twice = {}, {}, {}, 0
        with self.lock:
            # What an earlier collector had sent may be taken later than what its successor sends: threads take them.
            requests = sorted(enumerate(self.requests), key=lambda r: r[1][0])
        for number, (life, lines) in requests:
            for line in lines:
                key = json.loads(line)["context"]["message_id"]
                before = first.setdefault(key, (life, number, line))
                if before[1:] == (number, line):
                    continue
                check_same(before[2], line)
                check(last.get(key, before[0]) < life, f"{key} came twice from one collector")
                last[key] = life
                again.setdefault(before[0], set()).add(before[1])
                twice += 1
        return again, twice, len(first)


def check_same(one, other):
    """To the byte, but for a last digit of the time: another collector has seen other moments of the two clocks, and a
    few nanoseconds may be on the other side of a millisecond."""
    if one == other:
        return
    records = [json.loads(line) for line in (one, other)]
    times = [datetime.datetime.fromisoformat(r.pop("timestamp").replace("Z", "+00:00")) for r in records]
    check(records[0] == records[1] and abs(times[0] - times[1]) <= datetime.timedelta(milliseconds=1),
          f"the same id, and another record: {one} {other}")


def start(place, server, *args, options="", env=None):
    state = os.path.join(place.path, "state")
    return place.collector("--sink", server.uri(options), "--set", f"state_dir={state}", *args, env=env)


def kill_again_and_again(kills, options):
    """Until all has arrived. What came twice was in flight at a kill."""
    rng = random.Random(SEED)
    with Place() as place, Server() as server:
        producer = place.load("--id", 1, "--threads", 2, "--records", 0, "--pause-us", 1000, "--burst", 20, "--block")
        for _ in range(kills):
            c = start(place, server, options=options)
            place.wait_ready(c)
            server.is_broken = rng.random() < 0.3
            time.sleep(rng.uniform(0.01, 0.15))
            c.kill()
            c.wait()
            server.next_life()
        server.is_broken = False
        c = start(place, server, options=options)
        place.wait_ready(c)
        producer.terminate()
        written = written_by(producer)
        stop(c)  # what the server has not got yet goes to the spool
        server.next_life()
        drain(place, server, status=0, options=options)
        check(len(server.seen()) == written, f"seed {SEED}: {len(server.seen())} of {written} arrived")
        check_books(place.lines(), written, f"seed {SEED}")
        again, twice, ids = server.resent()
        check(ids >= written, f"seed {SEED}: {ids} ids for {written} records and the collector's own")
        most = max((len(requests) for requests in again.values()), default=0)
        text = f"seed {SEED}: {written} records, {twice} sent twice, of at most {most} requests before a kill"
        check(most <= MAX_IN_FLIGHT, text)
        return text


def both_get_everything_whenever_the_collector_is_killed():
    return kill_again_and_again(KILLS, SMALL)


def of_requests_that_end_in_the_middle_of_batches_only_those_in_flight_at_a_kill_come_twice():
    return kill_again_and_again(KILLS, FULL)


def of_requests_that_hold_whole_batches_only_those_in_flight_at_a_kill_come_twice():
    return kill_again_and_again(KILLS, WHOLE)


def of_what_goes_to_the_spool_only_requests_in_flight_at_a_kill_come_twice():
    return " | ".join(kill_again_and_again(KILLS, options) for options in (SPOOLED, FORCED))


def while_the_server_is_down_files_go_on_and_its_records_are_spooled():
    with Place() as place, Server() as server:
        server.is_broken = True
        c = start(place, server, "--verbose", options=SMALL)
        place.wait_ready(c)
        written = place.load_done("--records", 20000, "--block")
        wait_for("the file has all of them", lambda: line_count(place.file()) == written)
        text = stop(c)
        check(f"spooled {written}" in text, f"the balance: {text}")
        check(not server.requests, "a broken server has records")
        text = drain(place, server, status=1)
        check("stay in its spool" in text, f"--drain said: {text}")
        server.is_broken = False
        drain(place, server, status=0)
        check(len(server.seen()) == written, f"{len(server.seen())} of {written} arrived")
        check_books(place.lines(), written)
        return f"{written} records"


def files_of_it_that_another_program_cuts_are_made_again():
    with Place() as place, Server() as server:
        server.is_broken = True
        state = os.path.join(place.path, "state")
        c = start(place, server, options=SPOOLED)
        place.wait_ready(c)
        written = place.load_done("--id", 1, "--records", 2000, "--block")
        wait_for("the file has all of them", lambda: line_count(place.file()) == written)
        cut = [os.path.join(place.rings, "collector.state"), os.path.join(place.rings, "collector.acked"),
               os.path.join(state, "collector.ledger"), os.path.join(state, "spool", "http", "cursor")]
        for path in cut:
            os.truncate(path, 0)
        written += place.load_done("--id", 2, "--records", 2000, "--block")
        wait_for("they are made again", lambda: all(os.stat(path).st_size for path in cut))
        c.kill()
        _, text = c.communicate(timeout=60)
        for path in cut:
            check(f"{path} was cut while it was in use" in text, f"{path}: {text}")
        server.is_broken = False
        server.next_life()
        drain(place, server, status=0, options=SPOOLED)
        check(len(server.seen()) == written, f"{len(server.seen())} of {written} arrived")
        check_each_once(place.lines())
        check_books(place.lines(), written)
        again, twice, _ = server.resent()  # the server may be mended before it sees requests of the killed one
        check(max((len(requests) for requests in again.values()), default=0) <= MAX_IN_FLIGHT, f"{twice} came twice")


def drain(place, server, status, options=SMALL):
    c = start(place, server, "--drain", "--set", "shutdown_timeout=1s", options=options)
    _, text = c.communicate(timeout=60)
    check(c.returncode == status, f"--drain ended with {c.returncode}, not {status}: {text}")
    return text


def a_drain_that_has_no_time_says_where_the_records_are():
    """In the spool, not as 0 bytes in the rings: whether the time is over in the last attempt or before it."""
    with Place() as place, socket.create_server(("127.0.0.1", 0)) as nobody:
        uri = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        nobody.close()
        place.load_done("--records", 50)
        place.drain("--set", "shutdown_timeout=1s", sink=uri, status=1)
        for timeout in ("0s", "1ms", "2ms", "5ms", "20ms"):
            text = place.drain("--set", f"shutdown_timeout={timeout}", sink=uri, status=1)
            last = text.splitlines()[-1]
            check("sink http: 50 records stay in its spool" in last and " 0 bytes" not in last, f"{timeout}: {text}")


def drain_tells_when_something_was_not_delivered():
    with Place() as place, BrokenServer(is_broken=False, refuses=lambda r: r["data"]["n"] == 7) as server:
        place.load_done("--records", 50)
        text = drain(place, server, 1, "")
        check(f"sink http: 1 records were refused for good; fapilog-dump {place.path}/state/dead/http says why" in text, text)
        check(len(server.records) == 49, f"{len(server.records)} of 49 arrived")
        server.is_broken = True
        place.load_done("--records", 50)
        text = drain(place, server, 1, "&on_full=drop_oldest")
        check("50 records were given up" in text and "503" in text, text)
        # What the rings are rid of is not what the server has.
        check("collector: processed 50; " in text and "; http delivered 0 records, 0 bytes, dropped (queue full) 50" in text, text)


class SlowServer(BrokenServer):
    """Slower than its services, so that there is always something that waits for it."""

    def uri(self, options=""):
        return self.uri_with("&batch_size=1&max_in_flight=1" + options)

    def take(self, lines, life):
        time.sleep(0.01)
        return super().take(lines, life)


def a_drain_ends_although_services_go_on_logging():
    for options in ("", "&on_full=block", "&on_full=spool&queue_records=10"):
        with Place() as place, SlowServer(is_broken=False) as server:
            written = place.load_done("--records", 100)
            going_on = place.load("--id", 1, "--records", 0, "--burst", 1, "--pause-us", 2000)
            wait_for("it is going on", lambda: len(rings(place)) == 2)
            drain(place, server, 0, options)
            got = [d for d in loads(server.records) if d["producer"] == 0]
            check(len(got) == written, f"{len(got)} of {written} arrived")
            check(going_on.poll() is None, "the service has ended")
            going_on.terminate()
            going_on.communicate(timeout=20)


def a_file_that_cannot_be_read_hides_no_others():
    with Place() as place, Server() as server:
        server.is_broken = True
        written = place.load_done("--records", 500)
        drain(place, server, status=1, options=SMALL + "&spool_sync=always")
        spool = os.path.join(place.path, "state", "spool")
        os.mkdir(os.path.join(spool, "another"))
        for name in ("http", "another"):
            os.symlink("/nowhere", os.path.join(spool, name, "0000000000009999.spool"))

        def said(*args, status):
            r = subprocess.run([os.environ["FAPILOG_DUMP"], *args], capture_output=True, text=True, timeout=60)
            check(r.returncode == status, f"{args}: status {r.returncode}: {r.stderr}")
            return r
        r = said("--verify", spool, status=1)
        check(f"{written} records" in r.stdout and "0 damaged places, 2 that cannot be read" in r.stderr, r.stdout + r.stderr)
        for path in (spool, os.path.join(spool, "http")):
            r = said(path, status=1)
            check(len(r.stdout.splitlines()) == written, f"{path}: {len(r.stdout.splitlines())} of {written}: {r.stderr}")
            check("0000000000009999.spool" in r.stderr, r.stderr)


def an_outage_stands_in_the_log_of_the_collector():
    """When it begins and when it is over, what was refused, and what services lost; each once."""
    with Place() as place, BrokenServer(refuses=lambda r: r["data"].get("n") == 7) as server:
        log = os.path.join(place.path, "stderr")

        def said(words):
            with open(log) as f:
                return words in f.read()
        with open(log, "w") as f:
            c = place.start([COLLECTOR, "--rings", place.rings, "--sink", server.uri()], stderr=f)
        place.wait_ready(c)
        place.load_done("--records", 5)
        wait_for("the outage is told", lambda: said("sink http: does not work: HTTP 503; its records wait in memory and in the "
                                                    "rings; more go to its spool, up to 1024.0 MB, then the oldest are given up\n"))
        written = place.load_done("--records", 20000, "--payload", 500) # more than a lane holds
        wait_for("the spool is told", lambda: said("sink http: its records wait in its spool, up to 1024.0 MB, then the oldest are "
                                                   "given up\n"))
        wait_for("losses are told", lambda: said("collector: services: ") or written == 20000)
        server.is_broken = False
        wait_for("its end is told", lambda: said("sink http: works again after "))
        wait_for("the dead letter is told", lambda: said(f"sink http: 1 records refused for good; fapilog-dump {place.path}/state/"
                                                         "dead/http says why"))
        stop(c)
        with open(log) as f:
            text = f.read()
        for words in ("does not work", "works again", "refused for good", "wait in its spool"):
            check(text.count(words) == 1, f"'{words}' not once: {text}")
        check("503" not in text.split("works again")[1], text)


def who_blocks_does_not_use_up_the_time_to_stop():
    """Also where its batches are all that may be open, and more waits in the ring."""
    for records, payload, options in ((500, 10, ()), (14000, 1000, ("--set", "window_batches=3"))):
        with Place() as place, BrokenServer() as server:
            c = place.start([COLLECTOR, "--rings", place.rings, "--sink", server.uri("&on_full=block"), "--sink", place.uri(),
                             "--set", "shutdown_timeout=1h", *options])
            place.wait_ready(c)
            written = place.load_done("--records", records, "--payload", payload, "--lane-bytes", 32 << 20)
            wait_for("the file has what it can get", lambda least=min(written, 500): line_count(place.file()) >= least)
            text = stop(c, status=1)
            check("503" in text and "stay in their rings" in text, text)
            server.is_broken = False
            drain(place, server, 0, "")
            check(len(server.records) == written, f"{len(server.records)} of {written}")
            check_books(place.lines(), written)


def nobody_else_writes_to_a_spool():
    with Place() as place, Place() as elsewhere, BrokenServer() as server:
        spool = os.path.join(place.path, "own")
        link = os.path.join(place.path, "link")
        os.mkdir(spool)
        os.symlink(spool, link)

        def sink(name, where):
            return ("--sink", server.uri(f"&name={name}&spool_dir={where}"))

        def refused(where, words, *args):
            p = where.start([COLLECTOR, "--rings", where.rings, *args])
            out, text = p.communicate(timeout=20)
            check(p.returncode == 1 and words in text, f"{args}: {p.returncode}: {out}{text}")
        for other in (spool, spool + "/", link):
            refused(place, f"sinks.b.spool_dir: {other} is where sink a writes to as well ({spool} there); give one "
                    "another spool_dir", "--check", *sink("a", spool), *sink("b", other))
        new = os.path.join(place.path, "new") # is not there yet
        refused(place, f"{new}/ is where sink a writes to as well", *sink("a", new), *sink("b", new + "/"))
        c = place.start([COLLECTOR, "--rings", place.rings, *sink("a", spool)])
        place.wait_ready(c)
        refused(elsewhere, "another sink or collector uses it", *sink("a", spool))
        stop(c)


def memory_stays_below_the_sum_of_the_page():
    """docs/operations.md, Memory: a queue that is full, and a file. What is resident has the rings and the journal as well."""
    threads, window, queue, batch, flight = 4, 3, 4, 0.25, 2
    most = (20 + 0.2 + 0.05 * threads + 1.2 * window + 1.25 * queue + flight * (3 * batch + 2) + window) + 8
    with Place() as place:
        sink = "http://127.0.0.1:1/?on_full=drop_oldest&queue_bytes=4MB&batch_bytes=256KB&max_in_flight=2"
        c = place.collector("--sink", sink, "--set", f"window_batches={window}")
        place.wait_ready(c)
        written = place.load_done("--threads", threads, "--records", 100000, "--payload", 200, "--block")
        wait_for("all is taken", lambda: not any(n.endswith(".ring") for n in os.listdir(place.rings)))
        with open(f"/proc/{c.pid}/status", encoding="utf-8") as f:
            peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1]) / 1024
        stop(c)
        check(peak < most + 4, f"{peak} MiB, and the page says {most} and 4 of rings")
        return f"{written} records, {peak:.0f} of {most + 4:.0f} MiB"


if __name__ == "__main__":
    sys.exit(run([both_get_everything_whenever_the_collector_is_killed,
                  of_requests_that_hold_whole_batches_only_those_in_flight_at_a_kill_come_twice,
                  of_requests_that_end_in_the_middle_of_batches_only_those_in_flight_at_a_kill_come_twice,
                  of_what_goes_to_the_spool_only_requests_in_flight_at_a_kill_come_twice,
                  while_the_server_is_down_files_go_on_and_its_records_are_spooled,
                  files_of_it_that_another_program_cuts_are_made_again, nobody_else_writes_to_a_spool,
                  an_outage_stands_in_the_log_of_the_collector, who_blocks_does_not_use_up_the_time_to_stop,
                  a_drain_that_has_no_time_says_where_the_records_are,
        drain_tells_when_something_was_not_delivered, a_file_that_cannot_be_read_hides_no_others,
                  a_drain_ends_although_services_go_on_logging, memory_stays_below_the_sum_of_the_page]))
