"""What the end-to-end tests of HTTP sinks share: a receiver that keeps what it is sent, servers that are
started on free ports and ended with the test, and the programs of the build."""
import gzip
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request

sys.dont_write_bytecode = True # nothing may appear in the source tree
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "common"))

import harness # noqa: E402
from harness import Skip, run # noqa: E402,F401 pylint: disable=unused-import
from loopback import free_port # noqa: E402,F401 pylint: disable=unused-import

SERVERS = os.environ.get("FAPILOG_SERVERS", os.path.expanduser("~/.cache/fapilog-servers"))
SINK_SEND = os.environ["FAPILOG_SINK_SEND"]
PYTHON_ENV = {"PYTHONPATH": os.path.join(SERVERS, "python")}
sys.path.append(PYTHON_ENV["PYTHONPATH"])


def need(path, how):
    found = path if os.path.isabs(path) and os.access(path, os.X_OK) else shutil.which(path)
    if not found:
        raise Skip(f"{os.path.basename(path)} is not installed; {how}")
    return found


def get(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as answer:
        return answer.read()


def wait_http(url, process, seconds=60):
    def is_up():
        harness.check(process.poll() is None, f"the server ended with {process.returncode}")
        try:
            get(url)
            return True
        except urllib.error.HTTPError as e:
            return e.code < 500
        except OSError:
            return False
    harness.wait_for(f"{url} answers", is_up, seconds)


class Receiver:
    """Keeps (headers, body) of each request; `status` may be a function of the body. `answer` is the body of each answer."""

    def __init__(self, status=200, answer=b""):
        self.requests = []
        self.refused = 0
        self.status = status
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.status(body) if callable(outer.status) else outer.status
                if status < 300:
                    outer.requests.append((dict(self.headers), body))
                else:
                    outer.refused += 1
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_): # connections that a fault has cut
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def events(self):
        for headers, body in self.requests:
            if headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            event = json.loads(body)
            yield from event if isinstance(event, list) else [event]


def send(place, uri, records, batch, *more, env=None, status=0):
    """Runs sink-send; what became of each request."""
    p = place.start([SINK_SEND, uri, str(records), str(batch), *map(str, more)], env=env)
    out, err = p.communicate(timeout=60)
    harness.check(p.returncode == status, f"sink-send ended with {p.returncode}: {err}")
    return [json.loads(line) for line in out.splitlines()] if status == 0 else err


def check_outcomes(results, outcome, what):
    for r in results:
        harness.check(r["outcome"] == outcome, f"{what}: {r['outcome']}, not {outcome}: {r['reason']}")


def check_each(events, written, what):
    """Every record of load is there; what is there twice is the same record."""
    numbers = {}
    for e in events:
        if e["message"] == "load":
            numbers.setdefault((e["data"]["thread"], e["data"]["n"]), set()).add(e["context"]["message_id"])
    harness.check(len(numbers) == written, f"{what}: {len(numbers)} of {written} records arrived")
    harness.check(all(len(ids) == 1 for ids in numbers.values()), f"{what}: a resend has another id")


def version_of(argv, pattern):
    text = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = re.search(pattern, text.stdout + text.stderr)
    return found.group(1) if found else "?"
