#!/usr/bin/env python3
"""The collector and a real rsyslog: every way that messages travel, what the server makes of them, and what
becomes of records while it is away."""
import os
import shutil
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "common"), os.path.join(HERE, "..", "servers")]
from harness import *  # noqa: E402,F403
import syslogd  # noqa: E402

CAT = os.environ["FAPILOG_CAT"]
QUICK = "batch_interval=20ms&retry_base_delay=20ms&retry_max_delay=100ms&breaker_enabled=false"
HAS_TLS = os.path.exists("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so")


def send_lines(place, first, count):
    p = place.start([CAT, "--rings", place.rings, "--service", "orders", "--level", "WARNING", "--field", "shop=a]b"],
                    stdin=subprocess.PIPE)
    _, err = p.communicate("".join(f"message {i}\n" for i in range(first, first + count)), timeout=60)
    check(p.returncode == 0, f"fapilog-cat: {err}")


def numbers(server):
    return [int(line[7].split()[-1]) for line in server.lines() if line[7].strip().startswith("message ")]


def deliver(server, uri, count=2000):
    """All of them arrive, each once, in order; the lines that the server has made of them."""
    before = len(server.lines())
    with Place() as place:
        collector = place.collector(sink=uri)
        place.wait_ready(collector)
        send_lines(place, 0, count)
        wait_for("all messages are there", lambda: len(server.lines()) >= before + count)
        stop(collector)
    lines = server.lines()[before:]
    check([int(line[7].split()[-1]) for line in lines] == list(range(count)), "order, or number, of messages")
    return lines


def look(line, has_data=True):
    check(line[0] == str(1 * 8 + 4) and line[3] == "orders", f"{line}")
    check(not has_data or ("record=\"" in line[6] and 'shop="a\\]b"' in line[6] and 'level="WARNING"' in line[6]), f"{line}")


def every_way_arrives(server):
    ways = {"tcp": f"syslog+tcp://127.0.0.1:{server.tcp}?{QUICK}",
            "tcp, line feeds": f"syslog+tcp://localhost:{server.tcp}?framing=newline&{QUICK}",
            "unix": f"syslog+unix://{server.unix}?{QUICK}"}
    for name, uri in ways.items():
        look(deliver(server, uri)[0])
        print("   ", name)
    look(deliver(server, f"syslog+udp://127.0.0.1:{server.udp}?{QUICK}", 200)[0])
    lines = deliver(server, f"syslog+tcp://127.0.0.1:{server.tcp}?protocol=rfc3164&structured_data=false&{QUICK}", 100)
    look(lines[0], has_data=False)


def tls_is_verified(server):
    if not server.has_tls:
        print("    left out: rsyslog-gnutls or openssl is missing")
        return
    good = f"syslog+tls://localhost:{server.tls}?tls_ca_file={server.path}/ca.pem&{QUICK}"
    look(deliver(server, good)[0])
    with Place() as place:
        collector = place.collector(sink=f"syslog+tls://localhost:{server.tls}?{QUICK}")
        place.wait_ready(collector)
        send_lines(place, 0, 10)
        wait_for("the certificate is refused", lambda: "certificate" in status_of(place))
        stop(collector)


def status_of(place):
    """What flush and tools show of the sinks: here, from the collector's own socket."""
    import http.client
    import socket

    class Unix(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(os.path.join(place.rings, "collector.sock"))
    try:
        c = Unix("localhost", timeout=5)
        c.request("GET", "/status")
        return c.getresponse().read().decode()
    except OSError:
        return ""


def a_server_that_was_away_gets_everything(server):
    before = len(server.lines())
    with Place() as place:
        collector = place.collector(sink=f"syslog+tcp://127.0.0.1:{server.tcp}?{QUICK}")
        place.wait_ready(collector)
        send_lines(place, 0, 500)
        wait_for("the first are there", lambda: len(server.lines()) >= before + 500)
        server.stop()
        send_lines(place, 500, 1000)
        server.start()
        wait_for("the others are there", lambda: len(server.lines()) >= before + 1500)
        stop(collector)
    seen = [int(line[7].split()[-1]) for line in server.lines()[before:]]
    check(sorted(set(seen)) == list(range(1500)), "records are missing")


def main():
    if not shutil.which("rsyslogd"):
        print("rsyslog is not installed (Debian package rsyslog)")
        return 77
    with syslogd.Rsyslog(HAS_TLS) as server:
        for test in (every_way_arrives, tls_is_verified, a_server_that_was_away_gets_everything):
            test(server)
            print("ok", test.__name__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
