"""The servers of a world: they take records over HTTP (http, webhook, loki) or as syslog, remember which request brought
which, and fail as they are told. `life` is that of the collector which opened the connection."""
import http.server
import json
import os
import re
import socket
import sys
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "servers"))
import faultproxy  # noqa: E402


class Taken:
    """A request. `is_unsure`: the client may not know that it was taken, for reasons of our own. `rejected`: records that it was
    told are rejected; `lost`: of which it was told their number."""

    def __init__(self, life, records, is_unsure=False, rejected=(), lost=()):
        self.life, self.records, self.is_unsure, self.rejected, self.lost = life, records, is_unsure, rejected, lost


def keys_of(taken):
    """Of records, not of what else there is."""
    data = (e.get("data", {}) for request in taken for e in request.records)
    return {(d["p"], d["t"], d["n"]) for d in data if "p" in d}


class Proxy(faultproxy.FaultProxy):
    """Knows of each connection whose it was, and whether it was harmed."""

    def __init__(self, port):
        self.life, self.origin, self.probes = 0, {}, set()
        self.here = threading.local()
        super().__init__(port)

    def _serve(self, client):
        self.here.life = self.life
        try:
            self.probes.add(client.getpeername())
        except OSError:
            pass  # gone already
        super()._serve(client)

    def _forward(self, client, server, fault):
        self.origin[server.getsockname()] = (self.here.life, fault[0])
        super()._forward(client, server, fault)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # ends accept(), which would keep it open
        super().close()

    def next_life(self):
        """The collector is dead: what it has opened is accepted before what its successor opens."""
        with socket.create_connection(("127.0.0.1", self.port)) as probe:
            own = probe.getsockname()
            deadline = time.monotonic() + 10
            while own not in self.probes and time.monotonic() < deadline:
                time.sleep(0.001)
        self.life += 1


class HttpServer:
    """Behind a proxy. `mode`: ok, a status, or hang; `poison`: every how-manieth number is refused for good."""

    scheme = "http"

    def __init__(self, poison=0):
        self.taken, self.mode, self.poison = [], "ok", poison
        self.lock = threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body of an answer are one piece

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # cut off
                    self.close_connection = True
                    return
                status, headers, answer = owner.answer(body, self.client_address)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                self.wfile.flush()
                owner.answered(self.client_address)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024

            def handle_error(self, *_):  # a client that was killed
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.listen(self.server)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def listen(self, server):
        """The port for clients."""
        self.proxy = Proxy(server.server_address[1])
        return self.proxy.port

    def origin(self, address):
        """(life, whether its connection is harmed)"""
        life, fault = self.proxy.origin.get(address, (self.proxy.life, "pass"))
        return life, fault != "pass"

    def answer(self, body, address):
        is_unsure = False
        while self.mode == "hang":
            is_unsure = True
            time.sleep(0.01)
        life, is_harmed = self.origin(address)
        mode = self.mode
        if mode == "429":
            return 429, [("Retry-After", "1")], b""
        if mode not in ("ok", "partial"):
            return int(mode), [], b""
        records = list(events_of(body))
        if self.poison and any(is_poison(r, self.poison) for r in records):
            return 422, [], b""
        taken = Taken(life, records, is_unsure or is_harmed)
        answer = b"{}"
        if mode == "partial" and records:
            answer = (reject_begin if b'"logEvents"' in body else reject_number)(taken)
        self.keep(taken, address)
        return 200, [("Content-Type", "application/json")], answer

    def keep(self, taken, _):
        with self.lock:
            self.taken.append(taken)

    def answered(self, address):
        """The last request of this client."""

    def seen(self):
        with self.lock:
            return keys_of(self.taken)

    def fail(self, how):
        """A mode, or a fault of connections."""
        if how in ("ok", "hang", "partial") or how.isdigit():
            self.mode = how
        else:
            self.proxy.always = faultproxy.parse(how)

    def heal(self):
        self.mode, self.proxy.always = "ok", "pass"

    def next_life(self):
        self.proxy.next_life()

    def close(self):
        self.heal()
        self.proxy.close()
        self.server.shutdown()
        self.server.server_close()


def reject_begin(taken):
    """As CloudWatch says it: what is too old. Events come in order of time."""
    count = 1 + len(taken.records) // 3
    taken.rejected, taken.records = taken.records[:count], taken.records[count:]
    return json.dumps({"nextSequenceToken": "1", "rejectedLogEventsInfo": {"tooOldLogEventEndIndex": count}}).encode()


def reject_number(taken):
    """As OTLP says it: how many, now all of them and now some."""
    count = len(taken.records) if len(taken.records) % 2 else len(taken.records) // 2
    gone, taken.records = taken.records[:count], taken.records[count:]
    taken.rejected, taken.lost = ((), gone) if taken.records else (gone, ())
    return json.dumps({"partialSuccess": {"rejectedLogRecords": str(count), "errorMessage": "chaos"}}).encode()


def is_poison(event, every):
    n = event.get("data", {}).get("n")
    return n is not None and n % every == every - 1


def events_of(body):
    """Of the bodies of http (lines, array), webhook (array), loki (streams), otlp and cloudwatch."""
    for line in body.splitlines():
        value = json.loads(line)
        if isinstance(value, dict) and "resourceLogs" in value:
            yield from otlp_events(value)
        elif isinstance(value, dict) and "severityText" in value:  # in a dead letter, which has no resource
            yield otlp_event(value, None)
        elif isinstance(value, dict) and "logEvents" in value:
            yield from (json.loads(event["message"]) for event in value["logEvents"])
        elif isinstance(value, dict) and "streams" in value:
            yield from (json.loads(entry[1]) for stream in value["streams"] for entry in stream["values"])
        else:
            yield from value if isinstance(value, list) else [value]


def attributes(of):
    found = {}
    for one in of.get("attributes", ()):
        (kind, value), = one["value"].items()
        found[one["key"]] = int(value) if kind == "intValue" else value
    return found


def otlp_events(request):
    """In the form of the fapilog format's events, as far as books need it."""
    for resource in request["resourceLogs"]:
        pid = attributes(resource["resource"]).get("process.pid")
        for record in (r for scope in resource["scopeLogs"] for r in scope["logRecords"]):
            yield otlp_event(record, pid)


def otlp_event(record, pid):
    data = attributes(record)
    return {"message": record["body"]["stringValue"], "level": record["severityText"],
            "context": {"message_id": data.get("log.record.uid")}, "diagnostics": {"pid": pid}, "data": data}


class SyslogServer:
    """RFC 5424 over TCP with octet counting. Nothing acknowledges a message there, so it never breaks a connection: it can
    only stop reading."""

    scheme = "syslog+tcp"

    def __init__(self):
        self.taken, self.life, self.is_stalled = [], 0, False
        self.lock = threading.Lock()
        self.accepted = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, address = self.listener.accept()
            except OSError:
                return
            life = self.origin(address)
            if life is not None:
                threading.Thread(target=self._read, args=(client, life), daemon=True).start()
            self.accepted.add(address)

    def origin(self, _):
        """The life of the collector that has connected."""
        return self.life

    def _read(self, client, life):
        data = b""
        while True:
            while self.is_stalled:
                time.sleep(0.01)
            try:
                piece = client.recv(65536)
            except OSError:
                return
            if not piece:
                return  # what is left is half a message of somebody who was killed
            data += piece
            try:
                messages, data = split_octets(data)
            except ValueError:
                return  # an HTTP request: the port was a proxy's of another world a moment ago
            self.keep([Taken(life, [syslog_event(m)], True) for m in messages])

    def keep(self, taken):
        with self.lock:
            self.taken += taken

    def seen(self):
        with self.lock:
            return keys_of(self.taken)

    def fail(self, how):
        self.is_stalled = how == "hang"

    def heal(self):
        self.is_stalled = False

    def next_life(self):
        with socket.create_connection(("127.0.0.1", self.port)) as probe:
            own = probe.getsockname()
            deadline = time.monotonic() + 10
            while own not in self.accepted and time.monotonic() < deadline:
                time.sleep(0.001)
        self.life += 1

    def close(self):
        self.heal()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def split_octets(data):
    messages = []
    while True:
        length, space, rest = data.partition(b" ")
        if not space or len(rest) < int(length):
            return messages, data
        messages.append(rest[:int(length)].decode())
        data = rest[int(length):]


PARAM = re.compile(r'([^ =\]"]+)="((?:[^"\\\]]|\\.)*)"')


def syslog_event(message):
    """In the form of the fapilog format's events, as far as books need it."""
    head = message.split(" ", 6)
    params = dict(PARAM.findall(head[6]))
    data = {name: int(params[name]) if params[name].isdigit() else params[name]
            for name in ("p", "t", "n", "len", "text", "count", "total", "lane", "reason") if name in params}
    is_report = message.endswith("records dropped")
    return {"message": "records dropped" if is_report else "chaos" if "p" in data else "", "level": params["level"],
            "context": {"message_id": params["record"]}, "diagnostics": {"pid": int(head[4])}, "data": data}
