"""What the tests of effects share: a list of options, each with a function that shows what it does, and a server that
keeps what it is sent. A program of such tests prints the options that it shows with --list."""
import base64
import gzip
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True # nothing may appear in the source tree
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, "common"), os.path.join(TESTS, "servers")]
if "--list" in sys.argv: # as a lint does, which has no programs
    os.environ.setdefault("FAPILOG_COLLECTOR", "")
    os.environ.setdefault("FAPILOG_LOAD", "")

import harness # noqa: E402
from harness import COLLECTOR, Place, check, wait_for # noqa: E402,F401

FEW = 0.7 # seconds in which what must not come has its chance: a slow machine passes
TABLE = []


def effect(*options):
    """The function shows what these options do; it is a test under the name of each of them."""
    def registered(function):
        for option in options:
            def body():
                try:
                    return function()
                except subprocess.CalledProcessError as e:
                    raise harness.Failure(f"{e}: {e.stderr}") from e
            body.__name__ = option
            TABLE.append(body)
        return function
    return registered


def main():
    if "--list" in sys.argv:
        for test in TABLE:
            print(test.__name__)
        return 0
    return harness.run(TABLE)


def never(what, condition):
    """Not within FEW seconds. It can miss a mistake on a slow machine, and cannot tell of one that is none."""
    try:
        wait_for(what, condition, FEW)
    except harness.Failure:
        return
    raise harness.Failure(what)


# ---- an HTTP server ----

class Request:
    def __init__(self, head, body):
        self.line, *lines = head.split("\r\n")
        self.headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        self.body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    def user(self):
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        return base64.b64decode(value).decode() if kind == "Basic" else None


class Server:
    """Keeps requests; `answer` makes the head of the answer of one."""

    def __init__(self, answer=None, path=None, context=None):
        self.requests = []
        self.answer = answer or (lambda request: "HTTP/1.1 200 OK")
        self.context = context
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.port = None if path else self.listener.getsockname()[1]
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            with self.context.wrap_socket(peer, server_side=True) if self.context else peer as s:
                stream = s.makefile("rb")
                while self._one(s, stream):
                    pass
        except (OSError, ValueError):
            pass # who does not like the certificate goes away

    def _one(self, s, stream):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return False
            head += line
        request = Request(head[:-4].decode(), b"")
        body = stream.read(int(request.headers.get("content-length", 0)))
        self.requests.append(Request(head[:-4].decode(), body))
        s.sendall(self.answer(self.requests[-1]).encode() + b"\r\nContent-Length: 2\r\n\r\n{}")
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


class Certificates:
    """A CA, a server's certificate for 127.0.0.1 and a client's; made once."""
    made = None

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="fapilog-certificates-")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                      "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
        with open(self.path("ext"), "w") as f:
            f.write("subjectAltName=IP:127.0.0.1\n")
        for name in ("server", "client"):
            self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                          "-out", f"{name}.csr", "-subj", f"/CN={name}")
            self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                          "-out", f"{name}.pem", "-days", "2", "-extfile", "ext")

    def _openssl(self, *args):
        done = subprocess.run(["openssl", *args], cwd=self.folder.name, capture_output=True, text=True, check=False)
        check(done.returncode == 0, done.stderr)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def context(self, wants_client=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        if wants_client:
            context.load_verify_locations(self.path("ca.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
            context.maximum_version = ssl.TLSVersion.TLSv1_2 # refused in the handshake, not after it
        return context


def certificates():
    Certificates.made = Certificates.made or Certificates()
    return Certificates.made
