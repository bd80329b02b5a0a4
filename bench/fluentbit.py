"""fluent-bit beside our sinks: it gets records like ours by the Forward protocol, and sends them on."""
import contextlib
import os
import shutil
import socket
import struct
import subprocess
import time

from sides import MARKER, cpu_of, lines, wait_for

CONFIG = """[SERVICE]
    flush 0.2
[INPUT]
    name forward
    listen 127.0.0.1
    port {port}
[OUTPUT]
    match *
{output}
"""
SIDES = [
    ("fluent-bit, file", "    name file\n    path {dir}\n    file out.jsonl\n    format plain"),
    ("fluent-bit, http", "    name http\n    host 127.0.0.1\n    port {to}\n    uri /in\n    format json_lines"),
    ("fluent-bit, loki", "    name loki\n    host 127.0.0.1\n    port {to}\n    labels service=fapilog\n    label_keys $level"),
]


def program():
    """None: it is not here."""
    return os.environ.get("FLUENT_BIT") or shutil.which("fluent-bit", path=os.environ["PATH"] + ":/opt/fluent-bit/bin")


def packed(value):
    """msgpack, as far as our records need it."""
    if isinstance(value, str):
        return struct.pack(">BB", 0xd9, len(value)) + value.encode()
    if isinstance(value, float):
        return struct.pack(">Bd", 0xcb, value)
    if isinstance(value, int):
        return struct.pack(">BQ", 0xcf, value)
    if isinstance(value, bytes):
        return struct.pack(">BI", 0xc6, len(value)) + value
    if isinstance(value, list):
        return struct.pack(">B", 0x90 | len(value)) + b"".join(packed(v) for v in value)
    return struct.pack(">B", 0x80 | len(value)) + b"".join(packed(k) + packed(v) for k, v in value.items())


def lot(first, count):
    """A message of the Forward protocol, mode PackedForward."""
    return packed(["bench", b"".join(packed([1795250224, {
        "level": "INFO", "logger": "bench", "message": MARKER, "service": "bench", "pid": 1234, "n": i, "b": i * 7, "c": i * 0.25,
    }]) for i in range(first, first + count))])


def connected(port):
    out = socket.socket()

    def is_connected():
        with contextlib.suppress(ConnectionRefusedError):
            out.connect(("127.0.0.1", port))
            return True
        return False
    wait_for("fluent-bit listens", is_connected)
    return out


def feed(out, count, rate):
    lots, due = [lot(i * 1000, 1000) for i in range(100)], time.monotonic()
    for i in range(count // 1000):
        out.sendall(lots[i % len(lots)])
        due += 1000 / rate
        time.sleep(max(0, due - time.monotonic()))
    out.close()


def sent(place, output, port, count, rate):
    """CPU us a record, without what it takes to start."""
    server, conf = place.receiver("http"), place.file("fluent-bit.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(CONFIG.format(port=port, output=output.format(to=server.port, dir=place.path)))
    daemon = place.start([program(), "-q", "-c", conf], stdout=subprocess.DEVNULL)
    out = connected(port)
    began = cpu_of(daemon.pid)
    feed(out, count, rate)
    wait_for("fluent-bit has sent all", lambda: max(server.ask("stats")["records"], lines(place.file("out.jsonl"))) >= count)
    return (cpu_of(daemon.pid) - began) / count * 1e6
