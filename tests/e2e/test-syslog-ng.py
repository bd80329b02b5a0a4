#!/usr/bin/env python3
"""The collector and a real syslog-ng: octet counting, line feeds, TLS and UDP. What it makes of each message is compared,
value by value, with what a file of the same records says."""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "common"), os.path.join(HERE, "..", "servers")]
from harness import *  # noqa: E402,F403
import syslog_ng  # noqa: E402

CAT = os.environ["FAPILOG_CAT"]
QUICK = "batch_interval=20ms&retry_base_delay=20ms&retry_max_delay=100ms&breaker_enabled=false"
LEVELS = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
TEXTS = ["plain", 'a "quoted" word', "a]b[c", "back\\slash", "\\]\"", "Grüße, 日本語, 🍕", "", "x" * 1500, " blanks  around ",
         "=,;|<14>1"]


def records(count):
    for i in range(count):
        yield {"level": list(LEVELS)[i % len(LEVELS)], "message": f"message {i}: {TEXTS[i % len(TEXTS)][:40]}", "n": i,
               "text": TEXTS[i % len(TEXTS)], "real": i / 8, "yes": i % 2 == 0, "negative": -i}


def write(place, given):
    p = place.start([CAT, "--rings", place.rings, "--service", "orders", "--json"], stdin=subprocess.PIPE)
    _, err = p.communicate("".join(json.dumps(r) + "\n" for r in given), timeout=60)
    check(p.returncode == 0, f"fapilog-cat: {err}")


def text_of(value):
    return value if isinstance(value, str) else json.dumps(value)


def look(message, line, given):
    """What syslog-ng has read, the same record in a file, and what was logged."""
    data = message["_SDATA"]["fapilog@32473"]
    level = given["level"]
    check(message["pri"] == str(8 + LEVELS[level]) and data["level"] == level == line["level"], f"{message}")
    check(message["program"] == "orders" == line["service"] and message["pid"] == str(line["pid"]), f"{message}")
    check(message["message"] == given["message"] == line["message"], f"{message} is not {given}")
    check(message["time"].rstrip("Z").removesuffix("+00:00") == line["time"].rstrip("Z")[:26], f"{message['time']} {line['time']}")
    for name in ("n", "text", "real", "yes", "negative"):
        check(line[name] == given[name] and data[name] == text_of(line[name]), f"{name}: {data[name]!r}, not {line[name]!r}")
    check(re.fullmatch("[0-9a-f-]{36}(-[0-9a-f]+){3}", data["record"]), data["record"])
    return data["record"]


def arrives(server, uri, count):
    before = len(server.messages())
    given = list(records(count))
    with Place() as place:
        file = os.path.join(place.out, "lines")
        collector = place.start([COLLECTOR, "--rings", place.rings, "--sink", f"file://{file}?format=json", "--sink", uri])
        place.wait_ready(collector)
        write(place, given)
        wait_for("all messages are there", lambda: len(server.messages()) >= before + count)
        stop(collector)
        with open(file, encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
    messages = server.messages()[before:]
    check(len(messages) == len(lines) == count, f"{len(messages)} messages, {len(lines)} lines of {count}")
    ids = {look(m, line, g) for m, line, g in zip(messages, lines, given)}
    check(len(ids) == count, "each record has an id of its own")


def main():
    if not syslog_ng.program():
        print("syslog-ng is not unpacked: tests/servers/install syslog-ng")
        return 77
    with syslog_ng.SyslogNg() as server:
        ways = {"octet counting": (f"syslog+tcp://127.0.0.1:{server.counted}?{QUICK}", 2000),
                "line feeds": (f"syslog+tcp://127.0.0.1:{server.lines}?framing=newline&{QUICK}", 2000),
                "UDP": (f"syslog+udp://127.0.0.1:{server.udp}?message_bytes=8KB&{QUICK}", 200)}
        if server.has_tls:
            ways["TLS"] = (f"syslog+tls://localhost:{server.tls}?tls_ca_file={server.path}/ca.pem&{QUICK}", 2000)
        else:
            print("left out, openssl is missing: TLS")
        for name, (uri, count) in ways.items():
            arrives(server, uri, count)
            print("ok", name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
