"""A syslog-ng of our own on free ports of loopback. Its Debian package conflicts with rsyslog's: tests/servers/install
unpacks it, with the libraries that it needs, into a folder."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from loopback import free_port, make_certificates

ROOT = os.path.join(os.environ.get("FAPILOG_SERVERS") or os.path.expanduser("~/.cache/fapilog-servers"), "syslog-ng")
LIBRARIES = [os.path.join(ROOT, part) for part in ("usr/lib/syslog-ng", "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")]
CONF = """@version: 3.35
options {{ keep-hostname(yes); use-dns(no); log-msg-size(65536); frac-digits(6); stats-freq(0); }};
source counted {{ syslog(transport("tcp") ip("127.0.0.1") port({counted})); }};
source lines {{ network(transport("tcp") ip("127.0.0.1") port({lines}) flags(syslog-protocol)); }};
source udp {{ syslog(transport("udp") ip("127.0.0.1") port({udp}) so-rcvbuf(4194304)); }};
{secure}
destination out {{ file("{path}/out" template("$(format-json pri=$PRI time=$S_ISODATE host=$HOST program=$PROGRAM pid=$PID
  msgid=$MSGID message=$MSG --scope sdata)\\n")); }};
log {{ source(counted); source(lines); source(udp); {secure_too} destination(out); }};
"""
SECURE = """source secure {{ syslog(transport("tls") ip("127.0.0.1") port({tls})
  tls(key-file("{path}/server.key") cert-file("{path}/server.pem") peer-verify(optional-untrusted))); }};"""


def program():
    """None: it is not there."""
    path = os.path.join(ROOT, "usr/sbin/syslog-ng")
    return path if os.access(path, os.X_OK) else None


class SyslogNg:
    """Writes what arrives, parsed, as a JSON object for each message."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="fapilog-syslog-ng-", dir="/tmp")
        self.counted, self.lines, self.tls, self.udp = free_port(), free_port(), free_port(), free_port(socket.SOCK_DGRAM)
        self.has_tls = make_certificates(self.path)
        ports = {"path": self.path, "counted": self.counted, "lines": self.lines, "tls": self.tls, "udp": self.udp}
        name = os.path.join(self.path, "conf")
        with open(name, "w", encoding="utf-8") as f:
            f.write(CONF.format(secure=SECURE.format(**ports) if self.has_tls else "",
                                secure_too="source(secure);" if self.has_tls else "", **ports))
        where = [f"--{key}={os.path.join(self.path, key)}" for key in ("persist-file", "pidfile", "control")]
        with open(os.path.join(self.path, "err"), "wb") as err:
            self.process = subprocess.Popen(
                [program(), "--module-path=" + os.path.join(LIBRARIES[0], "3.38"), "-F", "-f", name, "--no-caps", *where],
                env={**os.environ, "LD_LIBRARY_PATH": ":".join(LIBRARIES)}, stdout=err, stderr=err)
        deadline = time.monotonic() + 20
        while not self.listens():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("syslog-ng did not start: " + self.said())
            time.sleep(0.02)

    def said(self):
        with open(os.path.join(self.path, "err"), encoding="utf-8", errors="replace") as f:
            return f.read()[-2000:]

    def listens(self):
        try:
            for port in [self.counted, self.lines] + ([self.tls] if self.has_tls else []):
                socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    def messages(self):
        try:
            with open(os.path.join(self.path, "out"), encoding="utf-8") as f:
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        shutil.rmtree(self.path, ignore_errors=True)
