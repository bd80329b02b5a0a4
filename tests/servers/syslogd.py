"""Syslog servers of our own on free ports of loopback: rsyslog, and syslog-ng where it is unpacked (their
Debian packages conflict: tests/servers/install puts the second into a folder)."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from loopback import free_port, make_certificates

RSYSLOG = """
global(workDirectory="{path}" maxMessageSize="64k" {tls})
module(load="imudp") module(load="imtcp" {stream}) module(load="imuxsock" SysSock.Use="off")
template(name="line" type="string"
  string="%pri%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\\n")
ruleset(name="all") {{ action(type="omfile" file="{out}" template="line" asyncWriting="off") }}
input(type="imudp" address="127.0.0.1" port="{udp}" ruleset="all")
input(type="imtcp" address="127.0.0.1" port="{tcp}" ruleset="all" {plain})
{secure}
input(type="imuxsock" socket="{unix}" ruleset="all" useSpecialParser="off" parseHostname="on" RateLimit.Interval="0")
"""


class Rsyslog:
    """Writes what arrives, parsed, one line a message with its parts between bars."""

    def __init__(self, has_tls):
        self.path = tempfile.mkdtemp(prefix="fapilog-rsyslog-", dir="/tmp")
        self.out = os.path.join(self.path, "out")
        self.unix = os.path.join(self.path, "log.sock")
        self.udp, self.tcp, self.tls = free_port(socket.SOCK_DGRAM), free_port(), free_port()
        self.has_tls = has_tls and make_certificates(self.path)
        self.process = None
        self.start()

    def configuration(self):
        tls = secure = plain = ""
        if self.has_tls:
            tls = (f'defaultNetstreamDriverCAFile="{self.path}/ca.pem" defaultNetstreamDriverCertFile="{self.path}/server.pem" '
                   f'defaultNetstreamDriverKeyFile="{self.path}/server.key"')
            secure = (f'input(type="imtcp" address="127.0.0.1" port="{self.tls}" ruleset="all" StreamDriver.Name="gtls" '
                      'StreamDriver.Mode="1" StreamDriver.AuthMode="anon")')
            plain = 'StreamDriver.Name="ptcp" StreamDriver.Mode="0"'
        return RSYSLOG.format(path=self.path, out=self.out, udp=self.udp, tcp=self.tcp, unix=self.unix, tls=tls, secure=secure,
                              plain=plain, stream="")

    def start(self):
        name = os.path.join(self.path, "rsyslog.conf")
        with open(name, "w", encoding="utf-8") as f:
            f.write(self.configuration())
        with open(os.path.join(self.path, "err"), "ab") as err:
            self.process = subprocess.Popen(["rsyslogd", "-n", "-f", name, "-i", os.path.join(self.path, "pid")],
                                            stdout=err, stderr=err)
        deadline = time.monotonic() + 20
        while not self.listens():
            if time.monotonic() > deadline or self.process.poll() is not None:
                with open(os.path.join(self.path, "err"), encoding="utf-8", errors="replace") as f:
                    raise RuntimeError("rsyslog did not start: " + f.read()[-2000:])
            time.sleep(0.02)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.tcp), 1).close()
            return os.path.exists(self.unix)
        except OSError:
            return False

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        self.process.wait(20)

    def lines(self):
        try:
            with open(self.out, encoding="utf-8") as f:
                return [line.rstrip("\n").split("|", 7) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.path, ignore_errors=True)
