#!/usr/bin/env python3
"""otlp: what OpenTelemetry's own messages read out of requests, and what VictoriaLogs keeps of them."""
import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.parse

from receiver import SERVERS, SINK_SEND, Receiver, Skip, check_outcomes, free_port, get, harness, need, run, send, wait_http
from faultproxy import FaultProxy
from loopback import is_open, make_certificates

KINDS = 27 # SAMPLE_COUNT
DEPTH = 24 # of JSON; what is deeper is text in protobuf
VARYING = {"observed_time_unix_nano"} # the clock when it is serialized


def messages():
    try:
        from google.protobuf import json_format
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
    except ImportError as e:
        raise Skip(f"{e.name} is not installed; tests/servers/install otlp") from e
    return logs_service_pb2.ExportLogsServiceRequest, json_format


def body_of(request):
    headers, body = request
    return gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body


def export(receiver, options, *commands, uri=None):
    """The bodies of the requests that commands made."""
    del receiver.requests[:]
    uri = (uri or f"otlp+http://127.0.0.1:{receiver.port}?") + options
    p = subprocess.run([SINK_SEND, uri, *map(str, commands)], capture_output=True, text=True, timeout=60, check=False)
    harness.check(p.returncode == 0, f"sink-send ended with {p.returncode}: {p.stderr}")
    harness.check(all(json.loads(line)["outcome"] == "delivered" for line in p.stdout.splitlines()), p.stdout)
    return [body_of(r) for r in receiver.requests]


def parse_json(text, json_format, request):
    """OTLP's JSON has ids in hexadecimal, where protobuf's own has base64."""
    import base64

    def fix(pairs):
        for key, value in pairs.items():
            if key in ("traceId", "spanId"):
                pairs[key] = base64.b64encode(bytes.fromhex(value)).decode()
        return pairs
    return json_format.Parse(json.dumps(json.loads(text, object_hook=fix)), request(), max_recursion_depth=1000)


def plain(value, depth=0):
    kind = value.WhichOneof("value")
    if depth == DEPTH and (kind in ("array_value", "kvlist_value") or value.string_value[:1] in ("[", "{")):
        return "deeper"
    if kind == "array_value":
        return [plain(v, depth + 1) for v in value.array_value.values]
    if kind == "kvlist_value":
        return {kv.key: plain(kv.value, depth + 1) for kv in value.kvlist_value.values}
    number = getattr(value, kind) if kind else None
    return (kind, repr(number + 0.0) if kind == "double_value" else number)


def attributes(owner):
    found = {kv.key: plain(kv.value) for kv in owner.attributes}
    harness.check(len(found) == len(owner.attributes), "an attribute is there twice")
    return found


def contents(request):
    """Everything of a request, comparable."""
    found = []
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for r in scope.log_records:
                fields = {f.name: v for f, v in r.ListFields() if f.name not in VARYING | {"attributes", "body"}}
                found.append((attributes(resource.resource), scope.scope.name, fields, plain(r.body), attributes(r)))
    return found


def single_floats(records):
    """otlp-json writes the shortest text of a float, protobuf its value; RFC 8785 has no -0."""
    import struct
    for _, _, _, _, attrs in records:
        for key, value in attrs.items():
            if isinstance(value, tuple) and value[0] == "double_value" and key == "f32":
                attrs[key] = ("double_value", struct.unpack("f", struct.pack("f", float(value[1])))[0])
    return records


def protobuf_and_json_say_the_same_of_every_record():
    request, json_format = messages()
    receiver = Receiver()
    commands = [c for kind in range(KINDS) for c in ("add", kind, 1, "send", "clear")]
    as_protobuf = export(receiver, "source=true", *commands)
    as_json = export(receiver, "source=true&encoding=json", *commands)
    harness.check(len(as_protobuf) == len(as_json) == KINDS, f"{len(as_protobuf)} and {len(as_json)} requests")
    for kind, (binary, text) in enumerate(zip(as_protobuf, as_json)):
        left = single_floats(contents(request.FromString(binary)))
        right = single_floats(contents(parse_json(text, json_format, request)))
        harness.check(len(left) == 1, f"kind {kind}: {len(left)} records")
        harness.check(left == right, f"kind {kind}:\n{left}\n{right}")
    receiver.close()
    return f"{KINDS} kinds of records"


def groups_and_compression_are_read():
    request, _ = messages()
    receiver = Receiver()
    for options in ("compression=none", "compression=gzip"):
        body, = export(receiver, options, "add", 0, 2, "add", 1, 1, "add", 0, 2, "send")
        parsed = request.FromString(body)
        sizes = sorted(len(r.scope_logs[0].log_records) for r in parsed.resource_logs)
        harness.check(sizes == [1, 4], f"{options}: groups of {sizes}")
    receiver.close()


# ---- VictoriaLogs ----

def victoria(place):
    program = need(os.path.join(SERVERS, "bin/victoria-logs"), "tests/servers/install victoria-logs")
    port = free_port()
    p = place.start([program, f"-storageDataPath={place.out}/vl", f"-httpListenAddr=127.0.0.1:{port}",
                     "-memory.allowedBytes=64MB"])
    wait_http(f"http://127.0.0.1:{port}/health", p)
    return port


def stored(port, query):
    text = urllib.parse.urlencode({"query": query, "limit": 2000})
    return [json.loads(line) for line in get(f"http://127.0.0.1:{port}/select/logsql/query?{text}").decode().splitlines()]


def victorialogs_takes_protobuf():
    with harness.Place() as place:
        port = victoria(place)
        done = 0
        for more in ("compression=none", "compression=gzip", "compression=zstd"):
            results = send(place, f"otlp+http://127.0.0.1:{port}/insert/opentelemetry?{more}", 200, 100)
            check_outcomes(results, "delivered", more)
            done += 200
            harness.wait_for(f"{done} records", lambda want=done: len(stored(port, "load")) >= want)
        got = stored(port, "load")
        harness.check({int(r["n"]) for r in got} == set(range(200)), "numbers are missing")
        for r in got:
            harness.check(r["_msg"] == "load" and r["service.name"] == "orders", str(r))
            harness.check(r["trace_id"] == "0123456789abcdef0123456789abcdef", str(r))
            harness.check(r["severity_text"] in ("INFO", "ERROR", "DEBUG"), str(r))


def the_collector_delivers_through_faults():
    with harness.Place() as place:
        port = victoria(place)
        proxy = FaultProxy(port, ["reset", ("cut_answer", 4), ("status", 429), ("status", 503), ("cut_request", 50)])
        written = place.load_done("--records", 500)
        place.drain(sink=f"otlp+http://127.0.0.1:{proxy.port}/insert/opentelemetry?batch_size=50&retry_base_delay=1ms"
                         "&retry_max_delay=20ms&batch_interval=10ms&breaker_enabled=false&timeout=5s&compression=gzip")
        proxy.close()

        def numbers():
            return {(r["thread"], r["n"]) for r in stored(port, "*") if r["_msg"] == "load"}
        harness.wait_for(f"{written} records", lambda: len(numbers()) == written)
        uids = {(r["thread"], r["n"], r["log.record.uid"]) for r in stored(port, "*") if r["_msg"] == "load"}
        harness.check(len(uids) == written, "a resend has another id")


# ---- gRPC ----

class Service:
    """A gRPC server of Google's own code. `answer` is called with (request, context) and returns a response."""

    def __init__(self, answer=None, credentials=None, options=(), unix=None):
        try:
            import grpc
            from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
        except ImportError as e:
            raise Skip(f"{e.name} is not installed; tests/servers/install otlp") from e
        from concurrent import futures
        outer = self
        self.requests = []
        self.response = logs_service_pb2.ExportLogsServiceResponse

        class Logs(logs_service_pb2_grpc.LogsServiceServicer):
            def Export(self, request, context): # pylint: disable=invalid-name
                response = answer(request, context) if answer else outer.response()
                outer.requests.append((dict(context.invocation_metadata()), request, context.time_remaining()))
                return response

        self.server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0), *options])
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), self.server)
        self.port = self.server.add_secure_port("127.0.0.1:0", credentials) if credentials else \
            self.server.add_insecure_port(f"unix:{unix}" if unix else "127.0.0.1:0")
        self.server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop(None).wait()

    def records(self):
        for _, request, _ in self.requests:
            for _, _, _, body, attrs in contents(request):
                if body == ("string_value", "load"):
                    yield attrs


def grpc_takes_requests():
    with harness.Place() as place, Service() as service:
        for compression in ("none", "gzip"):
            del service.requests[:]
            results = send(place, f"otlp://127.0.0.1:{service.port}?compression={compression}&headers=x-Tenant=t&token=abc"
                           "&timeout=7s", 3000, 1000, 1, 1000)
            check_outcomes(results, "delivered", compression)
            harness.check({r["n"][1] for r in service.records()} == set(range(3000)), "records are missing")
            for metadata, _, remaining in service.requests:
                harness.check(metadata["x-tenant"] == "t" and metadata["authorization"] == "Bearer abc", str(metadata))
                harness.check(metadata["user-agent"].startswith("fapilog/"), str(metadata))
                harness.check(0 < remaining <= 7, f"a deadline in {remaining} s")


OTELCOL = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
  otlp/tls:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpcs}", tls: {tls}}}
      http: {{endpoint: "127.0.0.1:{https}", tls: {tls}}}
exporters:
  otlphttp: {{endpoint: "http://127.0.0.1:{out}", encoding: json, compression: none, sending_queue: {{enabled: false}}}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines: {{logs: {{receivers: [otlp, otlp/tls], exporters: [otlphttp]}}}}
"""


def the_opentelemetry_collector_hands_on_what_it_was_sent():
    """It hands on JSON, for which Python's messages know no depth that is too deep."""
    request, json_format = messages()
    program = need(os.path.join(SERVERS, "bin/otelcol"), "tests/servers/install otelcol")
    commands = [c for kind in range(KINDS) for c in ("add", kind, 1, "send", "clear")]
    with harness.Place() as place, contextlib.closing(Receiver()) as receiver:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        ports = {name: free_port() for name in ("grpc", "http", "grpcs", "https")}
        path = os.path.join(place.path, "otelcol.yaml")
        with open(path, "w") as f:
            f.write(OTELCOL.format(out=receiver.port, tls=f'{{cert_file: "{place.path}/server.pem", key_file: '
                                   f'"{place.path}/server.key"}}', **ports))
        wait_http(f"http://127.0.0.1:{ports['http']}/v1/logs", place.start([program, "--config", path]))
        harness.wait_for("all receivers listen", lambda: all(is_open(port) for port in ports.values()))
        wanted = [single_floats(contents(request.FromString(b))) for b in export(receiver, "source=true", *commands)]
        ca = f"tls_ca_file={place.path}/ca.pem&"
        ways = [(scheme, name, f"{more}{encoding}{compression}")
                for scheme, name, more, encodings, compressions in (
                    ("otlp", "grpc", "", [""], ["", "compression=gzip&"]),
                    ("otlps", "grpcs", ca, [""], ["", "compression=gzip&"]),
                    ("otlp+http", "http", "", ["", "encoding=json&"], ["", "compression=gzip&", "compression=zstd&"]),
                    ("otlp+https", "https", ca, ["encoding=json&"], ["compression=gzip&"]))
                for encoding in encodings for compression in compressions]
        for scheme, name, options in ways:
            uri = f"{scheme}://127.0.0.1:{ports[name]}?{options}"
            got = export(receiver, "source=true", *commands, uri=uri)
            harness.check(len(got) == KINDS, f"{uri}: {len(got)} requests")
            for kind, body in enumerate(got):
                found = single_floats(contents(parse_json(body, json_format, request)))
                harness.check(found == wanted[kind], f"{uri} kind {kind}:\n{found}\n{wanted[kind]}")
        return f"{len(ways)} ways, {KINDS} kinds of records each"


def grpc_calls_share_a_connection():
    state = {"now": 0, "peak": 0}
    both = threading.Event()
    peers = set()

    def answer(_request, context):
        state["now"] += 1
        peers.add(context.peer())
        state["peak"] = max(state["peak"], state["now"])
        if state["now"] > 1:
            both.set()
        both.wait(1)
        state["now"] -= 1
        return service.response()
    with harness.Place() as place:
        path = os.path.join(place.path, "otlp.sock")
        for unix in (None, path):
            both.clear()
            peers.clear()
            state["peak"] = 0
            with Service(answer, unix=unix) as service:
                written = place.load_done("--records", 300)
                place.drain(sink=f"otlp://127.0.0.1:{service.port}?batch_size=10&batch_interval=10ms&max_in_flight=4" +
                            (f"&unix_socket={path}" if unix else ""))
                harness.check(state["peak"] > 1, "one call at a time")
                harness.check(len(peers) == 1, f"several connections: {peers}")
                harness.check(len(list(service.records())) == written, f"not all of {written} records")


def grpc_over_tls():
    import grpc
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        with open(os.path.join(place.path, "server.key"), "rb") as k, open(os.path.join(place.path, "server.pem"), "rb") as c:
            pair = (k.read(), c.read())
        with Service(credentials=grpc.ssl_server_credentials([pair])) as service:
            for scheme, options, outcome in (("otlps", f"tls_ca_file={place.path}/ca.pem", "delivered"),
                                             ("otlps", f"tls_ca_file={place.path}/ca.pem&compression=gzip", "delivered"),
                                             ("otlp+grpcs", "tls_verify=false", "delivered"),
                                             ("otlps", "tls_verify=true", "broken")):
                check_outcomes(send(place, f"{scheme}://127.0.0.1:{service.port}?{options}", 20, 10), outcome, options)
            harness.check(len(service.requests) == 6, f"{len(service.requests)} requests")


def grpc_statuses_mean_what_they_should():
    import grpc
    codes = {"retry": "CANCELLED DEADLINE_EXCEEDED ABORTED OUT_OF_RANGE UNAVAILABLE DATA_LOSS",
             "broken": "UNAUTHENTICATED PERMISSION_DENIED UNIMPLEMENTED",
             "refused": "INVALID_ARGUMENT NOT_FOUND ALREADY_EXISTS FAILED_PRECONDITION INTERNAL UNKNOWN RESOURCE_EXHAUSTED"}
    state = {}

    def answer(_request, context):
        if state.get("details"):
            context.set_trailing_metadata((("grpc-status-details-bin", state["details"]),))
        context.abort(state["code"], "no \u20ac")
    with harness.Place() as place, Service(answer) as service:
        uri = f"otlp://127.0.0.1:{service.port}"
        for outcome, names in codes.items():
            for name in names.split():
                state["code"] = grpc.StatusCode[name]
                result, = send(place, uri, 1, 1)
                harness.check(result["outcome"] == outcome, f"{name}: {result}")
                harness.check(result["status"] == grpc.StatusCode[name].value[0] and "no ???" in result["reason"], str(result))
        # google.rpc.Status with RetryInfo of 2.5 seconds
        delay = b"\x08\x02\x10" + b"\x80\xca\xb5\xee\x01"
        info = b"\x0a" + bytes([len(delay)]) + delay
        name = b"type.googleapis.com/google.rpc.RetryInfo"
        packed = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(info)]) + info
        state["code"], state["details"] = grpc.StatusCode.RESOURCE_EXHAUSTED, b"\x08\x08\x1a" + bytes([len(packed)]) + packed
        result, = send(place, uri, 1, 1)
        harness.check(result["outcome"] == "retry" and result["retry_after"] == 2.5, str(result))


def grpc_partial_success_is_reported():
    with harness.Place() as place, Service(lambda r, c: service.response(
            partial_success={"rejected_log_records": 3, "error_message": "too old"})) as service:
        result, = send(place, f"otlp://127.0.0.1:{service.port}", 3, 3)
        harness.check(result["outcome"] == "delivered" and result["rejected"] == [0, 1, 2], str(result))
        result, = send(place, f"otlp://127.0.0.1:{service.port}", 4, 4)
        harness.check(result["rejected"] == [] and result["refused"] == 3, str(result))
        harness.check("3 of 4 records rejected: too old" in result["reason"], str(result))


def what_is_rejected_without_a_name_is_in_the_books_and_drain_says_so():
    """2 of 5: which ones is not said, their number is."""
    receiver = Receiver(answer=b'{"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}}')

    def check(uri):
        with harness.Place() as place:
            place.load_done("--records", 5)
            text = place.drain("--verbose", sink=f"{uri}batch_interval=1s", status=1)
            for part in ("sink otlp: 2 of 5 records rejected: too old; which ones is not said: they are lost",
                         "otlp delivered 3 records", "dropped (refused, not kept as dead letters) 2",
                         "sink otlp: 2 records were given up; last: 2 of 5 records rejected: too old"):
                harness.check(part in text, f"{uri}: no '{part}' in: {text}")
            harness.check("dead letters 2" not in text, text)

    check(f"otlp+http://127.0.0.1:{receiver.port}?encoding=json&")
    receiver.close()
    with Service(lambda r, c: service.response(
            partial_success={"rejected_log_records": 2, "error_message": "too old"})) as service:
        check(f"otlp://127.0.0.1:{service.port}?")


def a_grpc_answer_that_is_too_long_counts_by_its_status():
    import grpc
    state = {"ok": True}

    def answer(_request, context):
        if not state["ok"]:
            context.set_code(grpc.StatusCode.UNAVAILABLE)
        return service.response(partial_success={"rejected_log_records": 3, "error_message": "x" * (2 << 20)})
    with harness.Place() as place, Service(answer) as service:
        for _ in range(2):
            result, = send(place, f"otlp://127.0.0.1:{service.port}", 3, 3)
            harness.check(result["outcome"] == "delivered" and result["rejected"] == [], str(result))
        state["ok"] = False
        result, = send(place, f"otlp://127.0.0.1:{service.port}", 3, 3)
        harness.check(result["outcome"] == "retry", str(result))


def an_answer_without_grpc_status_is_a_failure():
    """A server in a few bytes: SETTINGS, then headers of stream 1 that end it."""
    def serve(status):
        c, _ = listener.accept()
        with c:
            c.sendall(b"\0\0\0\4\0\0\0\0\0")
            seen = b""
            while len(seen) < 150: # preface, SETTINGS, and most of the call's headers
                seen += c.recv(4096)
            c.sendall(b"\0\0\1\1\5\0\0\0\1" + status)
            while c.recv(4096):
                pass
    with harness.Place() as place:
        # :status 200 and 404 out of HPACK's table
        for status, outcome in ((b"\x88", "retry"), (b"\x8d", "broken")):
            with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
                threading.Thread(target=serve, args=(status,), daemon=True).start()
                result, = send(place, f"otlp://127.0.0.1:{listener.getsockname()[1]}?timeout=5s", 1, 1)
                harness.check(result["outcome"] == outcome and "without a grpc-status" in result["reason"], str(result))


def grpc_through_faults_and_goaway():
    options = [("grpc.max_connection_age_ms", 30), ("grpc.max_connection_age_grace_ms", 1000)]
    with harness.Place() as place, Service(options=options) as service:
        faults = ["reset", ("cut_answer", 4), ("cut_answer", 60), ("cut_request", 50)]
        proxy, written, rounds = FaultProxy(service.port, faults), 0, 0
        while len(proxy.seen) < 7 and rounds < 20: # connections: those of the faults, and two that were sent away
            written += place.load_done("--records", 2000)
            place.drain(sink=f"otlp://127.0.0.1:{proxy.port}?batch_size=10&retry_base_delay=1ms&retry_max_delay=20ms"
                             "&batch_interval=10ms&breaker_enabled=false&timeout=5s")
            rounds += 1
        proxy.close()
        uids = {r["log.record.uid"] for r in service.records()}
        harness.check(len(uids) == written, f"{len(uids)} ids for {written} records")
        return f"{len(proxy.seen)} connections"


if __name__ == "__main__":
    sys.exit(run([protobuf_and_json_say_the_same_of_every_record, groups_and_compression_are_read,
                  victorialogs_takes_protobuf, the_collector_delivers_through_faults,
                  the_opentelemetry_collector_hands_on_what_it_was_sent, grpc_takes_requests,
                  grpc_calls_share_a_connection, grpc_over_tls, grpc_statuses_mean_what_they_should,
                  grpc_partial_success_is_reported, what_is_rejected_without_a_name_is_in_the_books_and_drain_says_so,
                  a_grpc_answer_that_is_too_long_counts_by_its_status,
                  an_answer_without_grpc_status_is_a_failure, grpc_through_faults_and_goaway]))
