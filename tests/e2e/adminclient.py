"""A client of the admin endpoint, for its tests: requests over TCP or a Unix socket, and metrics, which are checked as
they are parsed."""
import http.client
import re
import shutil
import socket
import subprocess

from harness import check, wait_for

SAMPLE = re.compile(r'^([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$')
TYPES = ("counter", "gauge")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def parse_metrics(text):
    """{(name, labels): value}; every rule of the text format that a scraper relies on is checked."""
    samples, types, helped, current = {}, {}, set(), None
    check(text.endswith("\n"), "metrics: the last line has no end")
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            check(current not in helped, f"metrics: {current} has two HELP lines")
            helped.add(current)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            check(name == current and name not in types, f"metrics: TYPE of {name} is out of place")
            check(kind in TYPES, f"metrics: {name} is a {kind}")
            check((kind == "counter") == name.endswith("_total"), f"metrics: {name} is a {kind}")
            types[name] = kind
        else:
            m = SAMPLE.match(line)
            check(m is not None, f"metrics: not a sample: {line!r}")
            check(m[1] == current and m[1] in types, f"metrics: {line!r} is not under its TYPE")
            check((m[1], m[2] or "") not in samples, f"metrics: {line!r} is there twice")
            samples[m[1], m[2] or ""] = float(m[3])
    return samples, types


def promtool_check(text):
    """What promtool has to say; None where it is not installed."""
    if not shutil.which("promtool"):
        return None
    p = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    check(p.returncode == 0, f"promtool: {p.stdout}{p.stderr}")
    return p.stderr


class Admin:
    """`where` is the path of a socket or a port of 127.0.0.1."""

    def __init__(self, where):
        self.where = where
        self.before = {}

    def connection(self):
        if isinstance(self.where, int):
            return http.client.HTTPConnection("127.0.0.1", self.where, timeout=20)
        return UnixConnection(self.where)

    def ask(self, method, path, headers=None):
        c = self.connection()
        try:
            c.request(method, path, headers=headers or {})
            answer = c.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            c.close()

    def get(self, path):
        return self.ask("GET", path)[:2]

    def post(self, path):
        return self.ask("POST", path, {"X-Fapilog": "1"})[:2]

    def expect(self, status, words, answer):
        check(answer[0] == status and words in answer[1], f"answered {answer[:2]}, not {status} with {words!r}")

    def metrics(self):
        """As parse_metrics(); counters may not have gone down since the last call."""
        status, text = self.get("/metrics")
        check(status == 200, f"/metrics: {status}")
        samples, types = parse_metrics(text)
        for key, value in samples.items():
            if types[key[0]] == "counter":
                check(value >= self.before.get(key, 0), f"{key} went from {self.before.get(key)} to {value}")
        self.before = samples
        return samples

    def sum(self, name):
        return sum(v for (n, _), v in self.metrics().items() if n == "fapilog_" + name)

    def wait_up(self):
        def is_up():
            try:
                return self.get("/healthz") == (200, "ok\n")
            except OSError:
                return False
        wait_for("the endpoint answers", is_up)
        return self

    def tail(self, query="", receive_bytes=None):
        return Tail(self, query, receive_bytes)


class Tail:
    """Lines of /tail as they come; nothing is read that is not asked for."""

    def __init__(self, admin, query, receive_bytes):
        self.sock = socket.socket(socket.AF_INET if isinstance(admin.where, int) else socket.AF_UNIX)
        if receive_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.sock.settimeout(20)
        self.sock.connect(("127.0.0.1", admin.where) if isinstance(admin.where, int) else admin.where)
        self.sock.sendall(f"GET /tail{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.answer = http.client.HTTPResponse(self.sock)
        self.answer.begin()
        self.status = self.answer.status

    def line(self):
        return self.answer.readline().decode().rstrip("\n")

    def close(self):
        self.answer.close()
        self.sock.close()
