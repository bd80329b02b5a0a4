#!/usr/bin/env python3
"""The admin endpoint: what it shows is true, what it changes takes effect, and no client holds up a record."""
import os
import shutil
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from harness import *  # noqa: E402,F403
from adminclient import Admin, promtool_check  # noqa: E402
from brokenserver import BrokenServer  # noqa: E402
from loopback import free_port  # noqa: E402

GETS = ["/", "/metrics", "/healthz", "/readyz", "/status"]
POSTS = ["/level?level=INFO&", "/reopen", "/rotate"]
FLOW = ("--records", 0, "--pause-us", 1000, "--burst", 10)


def start(place, *args, **kwargs):
    c = place.collector(*args, **kwargs)
    place.wait_ready(c)
    return c, Admin(os.path.join(place.rings, "collector.sock")).wait_up()


def start_tcp(place, *args):
    port = free_port()
    c = place.collector("--set", f"admin=127.0.0.1:{port}", *args)
    place.wait_ready(c)
    return c, Admin(port).wait_up()


def end_load(producer):
    producer.terminate()
    return written_by(producer)


def every_endpoint_answers_on_both_kinds_of_sockets():
    for begin in (start, start_tcp):
        with Place() as place:
            c, admin = begin(place)
            for path in GETS:
                status, body, headers = admin.ask("GET", path)
                check(status == 200 and body, f"{path}: {status}")
                check(headers["X-Content-Type-Options"] == "nosniff", f"{path}: {headers}")
                check(admin.ask("HEAD", path)[:2] == (200, ""), f"HEAD {path}")
                admin.expect(405, "GET", admin.post(path))
            for path in POSTS:
                admin.expect(200, "done", admin.post(path))
                admin.expect(405, "POST", admin.get(path))
            admin.expect(404, "/metrics", admin.get("/nothing"))
            admin.expect(400, "no configuration file", admin.post("/reload"))
            admin.expect(400, "level: 'LOUD'", admin.post("/level?level=LOUD"))
            admin.expect(400, "level: must be given", admin.post("/level"))
            admin.expect(400, "logger: its name", admin.post("/level?level=INFO&logger=" + "x" * 300))
            admin.expect(400, "loger: no such argument; there are: level logger\n", admin.post("/level?level=DEBUG&loger=orders"))
            admin.expect(400, "sink: no such argument; there is none\n", admin.post("/rotate?sink=file"))
            admin.expect(400, "levle: no such argument; there are: format level where\n", admin.get("/tail?levle=ERROR"))
            stop(c)
            check(not os.path.exists(os.path.join(place.rings, "collector.sock")), "the socket is left")


def the_socket_is_for_its_owner_only():
    with Place() as place:
        c, admin = start(place)
        check(os.stat(admin.where).st_mode & 0o077 == 0, "others may connect")
        c.kill()  # leaves the socket, which is no hindrance
        c.wait()
        c, admin = start(place)
        stop(c)


def other_sites_pages_can_neither_read_nor_change():
    with Place() as place:
        c, admin = start_tcp(place)
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "127.0.0.1evil"):
            admin.expect(403, "Host", admin.ask("GET", "/status", {"Host": host}))
        for host in ("localhost", f"127.0.0.1:{admin.where}", "[::1]:9", "127.8.8.8", "LOCALHOST:1"):
            check(admin.ask("GET", "/status", {"Host": host})[0] == 200, f"{host} is refused")
        for path in POSTS + ["/reload"]:
            admin.expect(403, "X-Fapilog", admin.ask("POST", path))
        stop(c)


# effect: settings.admin_allow_remote
def addresses_of_other_machines_are_refused_unless_allowed():
    port = free_port()
    for listen in (f"0.0.0.0:{port}", f"[::]:{port}"):
        with Place() as place:
            c = place.collector("--set", f"admin={listen}")
            _, text = c.communicate(timeout=20)
            check(c.returncode == 1 and "admin_allow_remote=true" in text, f"{listen}: {c.returncode}, {text}")
    with Place() as place:
        c = place.collector("--set", f"admin=0.0.0.0:{port}", "--set", "admin_allow_remote=true")
        place.wait_ready(c)
        Admin(port).wait_up()
        stop(c)


def addresses_that_are_none_are_refused_before_anything_is_opened():
    wrong = [("nonsense", "HOST:PORT"), ("example.org:80", "no address and port"), ("127.0.0.1:x", "1..65535"),
             ("127.0.0.1:0", "1..65535"), ("127.0.0.1:65536", "1..65535"), ("127.0.0.1:99999", "1..65535"),
             ("unix:", "1..107 bytes"), ("unix:/" + "x" * 107, "1..107 bytes"), ("0.0.0.0:80", "admin_allow_remote=true")]
    for listen, words in wrong:
        for how in ((), ("--check",)):
            with Place() as place:
                c = place.collector("--set", f"admin={listen}", *how)
                _, text = c.communicate(timeout=20)
                check(c.returncode == 1 and "--set: admin: " in text and words in text,
                      f"{listen}: {c.returncode}, {text}")
                check(not os.listdir(place.rings), f"{listen}: the rings were opened")


def a_socket_of_somebody_else_is_not_taken_over():
    with Place() as place, socket.socket(socket.AF_UNIX) as other:
        path = os.path.join(place.path, "other.sock")
        other.bind(path)
        other.listen()
        c = place.collector("--set", f"admin=unix:{path}")
        _, text = c.communicate(timeout=20)
        check(c.returncode == 1 and "somebody else listens" in text, f"{c.returncode}, {text}")
        other.close() # as after a SIGKILL: the name is left
        c = place.collector("--set", f"admin=unix:{path}")
        place.wait_ready(c)
        Admin(path).wait_up()
        stop(c)
    with Place() as place, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        c = place.collector("--set", "admin=127.0.0.1:%d" % other.getsockname()[1])
        _, text = c.communicate(timeout=20)
        check(c.returncode == 1 and "another program listens there; take another port" in text, f"{c.returncode}, {text}")


def metrics_are_valid_and_balance_with_the_books():
    with Place() as place:
        path = os.path.join(place.path, "config.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"rings: {place.rings}\nstages: [sampling: {{rate: 0.5}}]\nsinks:\n"
                    f"  errors: {{type: file, path: {place.file('errors.jsonl')}}}\n"
                    "routes: [{levels: [ERROR], sinks: [errors]}]\n")
        load = ("--threads", 2, "--records", 20000, "--errors", 3, "--lane-bytes", 65536)
        written = place.load_done(*load) # more than the lanes hold
        c = place.start([COLLECTOR, "--config", path])
        place.wait_ready(c)
        admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()
        written += place.load_done(*load)

        def counts():
            now = admin.metrics()
            return {n: sum(v for (name, _), v in now.items() if name == f"fapilog_events_{n}_total")
                    for n in ("processed", "dropped", "stage_dropped", "filtered", "unrouted")}

        def balance():
            n = counts()
            return n["processed"] + n["dropped"] + n["stage_dropped"] + n["unrouted"]
        # Records of the collector itself (of drops) are in none of them, though no route wants them.
        wait_for("all records are accounted for", lambda: balance() >= written)
        n = counts()
        check(balance() == written and n["dropped"] > 0, f"written {written}, {n}")
        check(n["stage_dropped"] == n["filtered"] > 0 and n["unrouted"] > 0, f"{n}")
        status = json.loads(admin.get("/status")[1])
        check(status["totals"]["processed"] == n["processed"] and status["totals"]["filtered"] == n["filtered"], "status")
        text = admin.get("/metrics")[1]
        said = promtool_check(text)
        stop(c)
        check(len(loads(place.lines("errors*"))) == n["processed"], f"{n}, the file has {len(loads(place.lines('errors*')))}")
        return f"written {written}: {n}; promtool {'is not installed' if said is None else 'has nothing to say'}"


def the_table_of_metrics_is_complete():
    with open(os.path.join(os.environ["FAPILOG_SOURCE"], "docs", "operations.md"), encoding="utf-8") as f:
        rows = dict(re.findall(r"^\| `(fapilog_\w+)` \| (\w+) \|", f.read(), re.M))
    with Place() as place, BrokenServer(is_broken=False) as server:
        path = os.path.join(place.path, "config.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("stages: [rate_limit: {capacity: 10}]\n")
        c, admin = start(place, "--config", path, "--sink", server.uri("&spool_max_bytes=8MB&spool_segment_bytes=1MB"))
        check(admin.metrics()["fapilog_sink_spool_bytes_limit", 'sink="http"'] == 8 << 20, "the limit of the spool")
        found = dict(re.findall(r"^# TYPE (\w+) (\w+)$", admin.get("/metrics")[1], re.M))
        stop(c)
    check(rows == found, f"docs/operations.md and /metrics differ in {set(rows.items()) ^ set(found.items())}")
    return f"{len(found)} families"


def alerts_are_of_metrics_that_are_there():
    rules = os.path.join(os.environ["FAPILOG_SOURCE"], "packaging", "prometheus", "fapilog.rules.yml")
    with open(rules, encoding="utf-8") as f:
        text = f.read()
    with open(os.path.join(os.environ["FAPILOG_SOURCE"], "docs", "operations.md"), encoding="utf-8") as f:
        page = f.read()
    unknown = [m for m in re.findall(r"fapilog_\w+", text) if f"| `{m}` |" not in page]
    check(not unknown, f"the rules name {unknown}")
    alerts = re.findall(r"alert: (\w+)", text)
    check(alerts == re.findall(r"^\| `(Fapilog\w+)` \|", page, re.M), "rules and page name different alerts")
    if shutil.which("promtool"):
        p = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, check=False)
        check(p.returncode == 0, f"promtool: {p.stdout}{p.stderr}")
    return f"{len(alerts)} alerts"


def tail_shows_what_is_asked_for():
    with Place() as place:
        c, admin = start(place)
        admin.expect(400, "format: 'xml'", admin.get("/tail?format=xml"))
        admin.expect(400, "level: 'LOUD'", admin.get("/tail?level=LOUD"))
        admin.expect(400, "where", admin.get("/tail?where=n+%3D%3D"))
        producer = place.load("--errors", 5, *FLOW)
        tails = {name: admin.tail(query) for name, query in (
            ("pretty", ""), ("json", "?format=json"), ("logfmt", "?format=logfmt&level=ERROR"),
            ("where", "?format=json&where=n+%3E+10"))}
        for name, t in tails.items():
            check(t.status == 200, f"{name}: {t.status}")
        check("load" in tails["pretty"].line(), "pretty")
        check(json.loads(tails["json"].line())["message"] == "load", "json")
        for _ in range(5):
            line = tails["logfmt"].line()
            check("level=ERROR" in line or "level=error" in line, f"logfmt: {line}")
        for _ in range(20):
            check(json.loads(tails["where"].line())["n"] > 10, "where")
        for t in tails.values():
            t.close()
        written = end_load(producer)
        stop(c)
        check_books(place.lines(), written)


def a_slow_tail_loses_records_and_is_told_but_delays_nothing():
    with Place() as place:
        c, admin = start(place)
        slow = admin.tail("?format=json", receive_bytes=4096)
        written = place.load_done("--records", 20000, "--payload", 100, "--block")
        wait_for("the file has all of them", lambda: line_count(place.file()) >= written)
        seen = told = 0
        while seen + told < written:
            line = slow.line()
            m = re.match(r"# (\d+) records left out", line)
            told += int(m[1]) if m else 0
            seen += 0 if m else 1
            check(m or json.loads(line)["message"] == "load", line)
        check(told > 0 and seen + told == written, f"seen {seen}, told of {told}, written {written}")
        slow.close()
        stop(c)
        check_books(place.lines(), written)
        return f"{seen} of {written} seen, {told} told"


def tails_whose_client_is_gone_end_and_the_17th_is_refused():
    with Place() as place:
        c, admin = start(place)
        tails = [admin.tail() for _ in range(16)]
        check(all(t.status == 200 for t in tails), "16 are allowed")
        refused = admin.tail()
        check(refused.status == 503 and "too many" in refused.line(), f"the 17th: {refused.status}")
        refused.close()
        for i, t in enumerate(tails):  # no record ever came: nothing was written to them
            if i % 2 == 0:
                t.sock.sendall(b"x" if i % 4 else b"GET /tail HTTP/1.1\r\nHo")  # nobody reads that
            t.close()

        def take_all():
            free = [admin.tail() for _ in range(16)]
            for t in free:
                t.close()
            return all(t.status == 200 for t in free)
        wait_for("idle tails whose clients are gone make room", take_all)
        check(admin.ask("HEAD", "/tail")[0] == 200, "HEAD")
        stop(c)


def a_tail_whose_client_has_stopped_makes_room_when_another_wants_it():
    with Place() as place:
        c, admin = start(place)
        reading = admin.tail()
        stopped = [admin.tail("?format=json", receive_bytes=4096) for _ in range(15)]
        written = place.load_done("--records", 20000, "--payload", 100, "--block")
        wait_for("the file has all of them", lambda: line_count(place.file()) >= written)
        refused = admin.tail()
        check(refused.status == 503, f"{refused.status}: they may still come to it")
        lines = threading.Thread(target=lambda: [reading.line() for _ in range(100)], daemon=True)
        lines.start()

        def is_free():
            t = admin.tail()
            t.close()
            return t.status == 200
        wait_for("one makes room", is_free)
        lines.join(20)
        check(not lines.is_alive(), "who reads goes on")
        for t in [reading, *stopped]:
            t.close()
        stop(c)
        check_books(place.lines(), written)


def many_clients_at_once_are_served():
    with Place() as place:
        c, admin = start_tcp(place)
        producer = place.load("--block", *FLOW)
        problems, rounds = [], 20

        def ask():
            try:
                for path in GETS * (rounds // len(GETS)):
                    status, _ = Admin(admin.where).get(path)
                    if status != 200:
                        problems.append(f"{path}: {status}")
            except (OSError, Failure) as e:
                problems.append(repr(e))
        threads = [threading.Thread(target=ask) for _ in range(80)]  # more than it serves at once
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check(not problems, f"{len(problems)} problems: {problems[:3]}")
        written = end_load(producer)
        stop(c)
        check_books(place.lines(), written)
        return f"{len(threads) * rounds} requests beside {written} records"


def connections_beyond_the_limit_and_half_requests_harm_nobody():
    with Place() as place:
        c, admin = start_tcp(place)
        held = []
        for i in range(60):
            s = socket.create_connection(("127.0.0.1", admin.where), timeout=20)
            s.sendall(b"GET /status HTTP/1.1\r\nHost: local"[:3 + i])
            held.append(s)
        check(admin.get("/healthz")[0] == 200, "60 silent clients are in the way")
        for s in held:
            s.close()
        raw = socket.create_connection(("127.0.0.1", admin.where), timeout=20)
        raw.sendall(b"POST /rotate HTTP/1.1\r\nHost: localhost\r\nX-Fapilog: 1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100000)
        try:
            answer = raw.recv(100)
        except ConnectionError:
            answer = b""
        check(not answer.startswith(b"HTTP/1.1 200"), f"a body over the limit: {answer}")
        raw.close()
        stop(c)


def a_level_that_is_changed_reaches_running_services():
    with Place() as place:
        c, admin = start(place)
        producer = place.load(*FLOW)
        wait_for("records flow", lambda: line_count(place.file()) > 10)
        admin.expect(200, "done", admin.post("/level?level=ERROR"))

        def is_quiet():
            before = line_count(place.file())
            deadline = time.monotonic() + 0.3
            while time.monotonic() < deadline:
                time.sleep(0.01)
            return line_count(place.file()) == before
        wait_for("it is quiet", is_quiet)
        before = line_count(place.file())
        admin.expect(200, "done", admin.post("/level?level=debug"))
        wait_for("records flow again", lambda: line_count(place.file()) > before + 10)
        end_load(producer)
        stop(c)


def readyz_names_the_sink_that_fails_until_it_works():
    with Place() as place, BrokenServer() as server:
        c, admin = start(place, "--sink", server.uri())
        admin.expect(200, "ready", admin.get("/readyz"))
        place.load_done("--records", 10)
        wait_for("readyz says so", lambda: admin.get("/readyz") == (503, "failing: http\n"))
        m = admin.metrics()
        check(m["fapilog_sink_failing", 'sink="http"'] == 1 and m["fapilog_sink_failing", 'sink="file"'] == 0, "metrics")
        sinks = {s["name"]: s for s in json.loads(admin.get("/status")[1])["sinks"]}
        check(sinks["http"]["state"] == "failing" and "503" in sinks["http"]["last_reason"], f"{sinks['http']}")
        server.is_broken = False
        wait_for("it is ready again", lambda: admin.get("/readyz") == (200, "ready\n"))
        wait_for("all is delivered", lambda: admin.metrics()["fapilog_sink_records_total", 'sink="http"'] == 10)
        stop(c)


def configure(place, name, more=""):
    path = os.path.join(place.path, "fapilog.yaml")
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(f"rings: {place.rings}\nsinks:\n  log: {{type: file, path: {place.file()}{more}}}\n"
                f"  {name}: {{type: file, path: {place.file(name + '.jsonl')}}}\n")
    os.rename(path + ".new", path)
    return path


def a_reload_answers_when_it_is_over_and_loses_nothing():
    with Place() as place:
        c = place.start([COLLECTOR, "--config", configure(place, "one")])
        place.wait_ready(c)
        admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()
        producer = place.load("--threads", 2, "--block", *FLOW)
        wait_for("records flow", lambda: line_count(place.file()) > 10)
        for before, name in (("one", "two"), ("two", "three"), ("three", "four")):
            configure(place, name)
            changes = f"done: sinks added: {name}; sinks removed: {before}; sinks kept: log\n"
            admin.expect(200, changes, admin.post("/reload"))
            names = [s["name"] for s in json.loads(admin.get("/status")[1])["sinks"]]
            check(names == ["log", name], f"the answer came before the change: {names}")
        configure(place, "four", ", max_bytes: much")
        admin.expect(400, "max_bytes", admin.post("/reload"))
        m = admin.metrics()
        check(m["fapilog_reconfigure_total", 'result="ok"'] == 3, "ok")
        check(m["fapilog_reconfigure_total", 'result="rejected"'] == 1, "rejected")
        written = end_load(producer)
        stop(c)
        check_books(place.lines(), written)
        return f"{written} records"


def clients_do_not_hold_up_the_end():
    with Place() as place:
        c, admin = start_tcp(place)
        producer = place.load("--block", *FLOW)
        tails = [admin.tail("?format=json") for _ in range(3)]
        idle = socket.create_connection(("127.0.0.1", admin.where), timeout=20)
        check(tails[0].line(), "records flow")
        written = end_load(producer)
        stop(c, seconds=10)
        check_books(place.lines(), written)
        last = [t.answer.read() for t in tails]  # chunked to its end: IncompleteRead is a failure
        check(all(text.endswith(b"}\n") for text in last), "a tail ends within a line")
        for t in tails:
            t.close()
        idle.close()


def more_formats_than_the_call_sites_have_room_for_are_refused():
    with Place() as place:
        formats = [(f, s) for s in ("false", "true") for f in ("fapilog", "dagstack", "otlp-json", "json", "logfmt")]
        sinks = [a for i, (f, s) in enumerate(formats)
                 for a in ("--sink", place.uri(f"{i}.log", f"format={f}&source={s}"))]
        c = place.start([COLLECTOR, "--rings", place.rings, *sinks])
        _, text = c.communicate(timeout=20)
        check(c.returncode == 1 and "more than 9 formats" in text, f"{c.returncode}: {text}")
        c = place.start([COLLECTOR, "--rings", place.rings, *sinks[:18]])
        place.wait_ready(c)
        admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()
        tails = {f: admin.tail("?format=" + f) for f in ("pretty", "json", "logfmt")}
        place.load_done("--records", 5)
        check("| load producer=0" in tails["pretty"].line(), "pretty")
        check(' msg="load" ' in tails["logfmt"].line(), "logfmt")
        check(json.loads(tails["json"].line())["message"] == "load", "json")
        for t in tails.values():
            t.close()
        stop(c)


def status_says_how_far_a_silent_server_has_come():
    """One that does not even accept, and one that stops in the middle of its answer."""
    def begin_to_answer(listener):
        while True:
            try:
                c = listener.accept()[0]
            except OSError:
                return
            connections.append(c)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")

    connections = []
    with Place() as place, socket.create_server(("127.0.0.1", 0)) as deaf, socket.create_server(("127.0.0.1", 0)) as half:
        threading.Thread(target=begin_to_answer, args=(half,), daemon=True).start()
        sinks = []
        for name, server in (("deaf", deaf), ("half", half)):
            sinks += ["--sink", f"http://127.0.0.1:{server.getsockname()[1]}/?name={name}&timeout=50ms&batch_interval=10ms"]
        c, admin = start(place, *sinks)
        place.load_done("--records", 1)

        def reasons():
            return {s["name"]: s["last_reason"] for s in json.loads(admin.get("/status")[1])["sinks"] if s["name"] != "file"}
        said = {"deaf": "no answer in time", "half": "no whole answer in time"} # one try or another, on a machine that is busy
        wait_for("both say how far they have come", lambda: reasons() == said)
        stop(c)
        for one in connections:
            one.close()


if __name__ == "__main__":
    sys.exit(run([every_endpoint_answers_on_both_kinds_of_sockets, the_socket_is_for_its_owner_only,
                  other_sites_pages_can_neither_read_nor_change, addresses_of_other_machines_are_refused_unless_allowed,
                  addresses_that_are_none_are_refused_before_anything_is_opened, a_socket_of_somebody_else_is_not_taken_over,
                  metrics_are_valid_and_balance_with_the_books, the_table_of_metrics_is_complete,
                  alerts_are_of_metrics_that_are_there, tail_shows_what_is_asked_for,
                  a_slow_tail_loses_records_and_is_told_but_delays_nothing,
                  tails_whose_client_is_gone_end_and_the_17th_is_refused,
                  a_tail_whose_client_has_stopped_makes_room_when_another_wants_it, many_clients_at_once_are_served,
                  connections_beyond_the_limit_and_half_requests_harm_nobody,
                  a_level_that_is_changed_reaches_running_services, readyz_names_the_sink_that_fails_until_it_works,
                  a_reload_answers_when_it_is_over_and_loses_nothing, clients_do_not_hold_up_the_end,
                  more_formats_than_the_call_sites_have_room_for_are_refused, status_says_how_far_a_silent_server_has_come]))
