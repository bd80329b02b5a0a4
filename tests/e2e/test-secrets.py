#!/usr/bin/env python3
"""What a redactor masks leaves the machine nowhere: secrets planted in messages, fields and nested JSON are looked
for in the bytes of every sink, spool and dead letter, in metrics, status and live tail, and in what is said."""
import base64
import glob
import http.server
import os
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from programs import *  # noqa: E402,F403
from adminclient import Admin  # noqa: E402
from brokenserver import BrokenServer  # noqa: E402

RECORDS = 200
SECRET = "hunter2xyz"
ADDRESS = "alice.liddell@example.org"
CARD = "4111111111111111"
TOLD = "order accepted"  # what nobody masks: shows that the search finds what is there


def lines():
    for i in range(RECORDS):
        yield json.dumps({
            "message": f"{TOLD} {i} card {CARD} for {ADDRESS}, secret={SECRET}", "password": f"{SECRET}-{i}",
            "user_token": [SECRET, i], "n": i,
            "deep": {"list": [{"api_key": SECRET, "n": i}], "text": f"https://bob:{SECRET}@host/x"}})


CONFIG = """
rings: {rings}
state_dir: {state}
shutdown_timeout: 1s
stages:
  - redact: {{presets: [CREDENTIALS, PCI_DSS], message: true, values: [all], fail_mode: closed}}
sinks:
  lines: file://{out}/lines.jsonl
  binary: native://{out}/native/
  console: 'console:?mode=pretty&stream=stderr'
  down: '{down}'
  picky: '{picky}'
"""


def configure(place, down, picky):
    path = place.file("fapilog.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(CONFIG.format(rings=place.rings, out=place.out, state=os.path.join(place.path, "state"),
                              down=down.uri(), picky=picky.uri()))
    return path


def tail(admin, is_asked, found):
    c = admin.connection()
    c.request("GET", "/tail?format=json")
    is_asked.set()
    r = c.getresponse()
    data = b""
    while data.count(b"\n") < RECORDS:
        more = r.read1(65536)
        if not more:
            break
        data += more
    found.append(data)
    c.close()


def look_for_secrets(where, data, expects=True):
    for planted in (SECRET, ADDRESS, CARD):
        check(planted.encode() not in data, f"{where} holds {planted}")
    check(not expects or TOLD.encode() in data, f"{where} holds no record at all")


def search_files(place):
    state = os.path.join(place.path, "state")
    with open(place.file("lines.jsonl"), "rb") as f:
        look_for_secrets("the file", f.read())
    for path in glob.glob(state + "/**/*", recursive=True) + glob.glob(place.out + "/native/*"):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                look_for_secrets(path, f.read(), expects=False)
    for what in ("out/native", "state/spool/down", "state/dead/picky"): # unpacked
        look_for_secrets(what, execute([DUMP, os.path.join(place.path, what)], status=0).out)


def secrets_are_nowhere():
    with Place() as place, BrokenServer() as down, BrokenServer(False, lambda r: r["data"]["n"] % 10 == 0) as picky:
        c = place.start([COLLECTOR, "--config", configure(place, down, picky), "--verbose"])
        admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()
        tailed, is_asked = [], threading.Event()
        listener = threading.Thread(target=tail, args=(admin, is_asked, tailed), daemon=True)
        listener.start()
        check(is_asked.wait(20), "no connection for the tail")
        check(admin.ask("GET", "/status")[0] == 200, "status")  # answered after the tail's request was read
        cat(place, "\n".join(lines()).encode() + b"\n", "--service", "orders", "--json")
        wait_for("the picky server has what it takes", lambda: len(picky.records) >= RECORDS * 9 // 10)
        for page in ("/metrics", "/status"):
            look_for_secrets(page, str(admin.ask("GET", page)).encode(), expects=False)
        listener.join(20)
        c.terminate()
        _, said = c.communicate(timeout=30)
        look_for_secrets("the console and diagnostics", said.encode())
        look_for_secrets("the tail", b"".join(tailed))
        look_for_secrets("a request", json.dumps(picky.records).encode())
        search_files(place)
        return f"{RECORDS} records, {len(picky.records)} taken by a server that refuses some"


def what_a_server_sends_back_is_blotted_out():
    """One that quotes what it was sent: the request line, each header, and the password."""
    planted = ["in-the-query", "in-a-header", "the-password"]

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            user = base64.b64decode(self.headers["Authorization"].split(" ")[1])
            body = f"{self.requestline} {self.headers['X-Sender']}".encode() + b" " + user
            self.send_response(422)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with Place() as place, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/in?key={planted[0]}"
        config = place.file("fapilog.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"rings: {place.rings}\nstate_dir: {place.path}/state\nsinks:\n  echo: {{type: http, endpoint: '{url}', "
                    f"batch_interval: 10ms, headers: {{X-Sender: {planted[1]}}}, user: alice, password: {planted[2]}}}\n")
        c = place.start([COLLECTOR, "--config", config, "--verbose"])
        admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()
        cat(place, b"hello\n")
        wait_for("a dead letter", lambda: admin.sum("sink_dead_letters_total") == 1)
        said = [str(admin.ask("GET", page)) for page in ("/status", "/metrics", "/readyz")]
        c.terminate()
        said += list(c.communicate(timeout=30))
        said.append(execute([DUMP, os.path.join(place.path, "state/dead/echo")], status=0).out.decode())
        said += list(place.start([COLLECTOR, "--config", config, "--check"]).communicate(timeout=30))
        server.shutdown()
        check("/in?key=*** HTTP/1.1 *** alice:***" in said[5], f"the reason is not there: {said[5]}")
        check("/in?***" in said[6], f"--check: {said[6]}")
        for text in said:
            for secret in planted:
                check(secret not in text, f"{secret} is in {text}")


if __name__ == "__main__":
    sys.exit(run([secrets_are_nowhere, what_a_server_sends_back_is_blotted_out]))
