#!/usr/bin/env python3
"""http and webhook: through a network that fails, over TLS to nginx, and signatures as receivers check them."""
import base64
import ctypes
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from receiver import SERVERS, SINK_SEND, Receiver, Skip, check_each, check_outcomes, harness, need, run, send
from adminclient import Admin
from faultproxy import FaultProxy
from loopback import make_certificates, make_flawed_certificates
from nginx import PROGRAM, Nginx

FAST = "retry_base_delay=1ms&retry_max_delay=20ms&batch_interval=10ms&breaker_enabled=false&timeout=2s"


def collected_through(faults, scheme="http", options="", records=300):
    receiver = Receiver()
    proxy = FaultProxy(receiver.port, faults)
    try:
        with harness.Place() as place:
            written = place.load_done("--records", records)
            text = place.drain(sink=f"{scheme}://127.0.0.1:{proxy.port}/in?batch_size=20&{FAST}{options}")
            check_each(receiver.events(), written, str(faults))
            harness.check(not proxy.faults, f"{proxy.faults} never happened: {text}")
            return list(receiver.requests)
    finally:
        proxy.close()
        receiver.close()


def nothing_is_lost_in_a_network_that_fails():
    collected_through(["reset", ("cut_request", 300), ("cut_answer", 5), ("status", 503), ("garbage", 200), "half_close",
                       ("status", 429, "Retry-After: 0"), ("status", 408)])


def nothing_is_lost_in_a_network_that_is_slow():
    collected_through([("delay", 0.05)])
    collected_through([("slow", 100)])


def a_server_that_says_nothing_is_left_and_tried_again():
    collected_through(["freeze"], options="", records=20)


def resends_have_the_same_key():
    keys = [h["Idempotency-Key"] for h, _ in collected_through([("cut_answer", 0)] * 3, options="&max_in_flight=1")]
    harness.check(len(keys) > len(set(keys)), "no request came twice")


def a_poisoned_record_costs_only_itself():
    receiver = Receiver(lambda body: 400 if b'"n":7,' in body or b'"n":7}' in body else 200)
    try:
        with harness.Place() as place:
            written = place.load_done("--records", 100)
            place.collector("--drain", sink=f"http://127.0.0.1:{receiver.port}/?batch_size=50&{FAST}").communicate(timeout=60)
            check_each(receiver.events(), written - 1, "all but one")
    finally:
        receiver.close()


# ---- nginx ----

LOCATIONS = """
    client_max_body_size 4k;
    location = /open {{ try_files /none @done; }}
    location = /certified {{ if ($ssl_client_verify != SUCCESS) {{ return 403; }} return 204; }}
    location = /private {{ auth_basic "x"; auth_basic_user_file {dir}/users; try_files /none @done; }}
    location @done {{ return 204; }}
"""


def nginx(place):
    need(PROGRAM, "tools/setup test")
    if not make_certificates(place.path):
        raise Skip("openssl is not installed; tools/setup test")
    with open(os.path.join(place.path, "users"), "w") as f:
        f.write("me:{PLAIN}right\n")
    return Nginx(place.path, LOCATIONS.format(dir=place.path), place.start, harness.wait_for).tls


def trust_certificates_and_passwords_of_nginx():
    with harness.Place() as place:
        url = nginx(place)
        ca = f"tls_ca_file={place.path}/ca.pem"
        pair = f"tls_cert_file={place.path}/client.pem&tls_key_file={place.path}/client.key"
        for path, options, outcome in [
                ("/open", "tls_verify=true", "broken"), # its CA is nobody's
                ("/open", "tls_verify=false", "delivered"),
                ("/open", ca, "delivered"),
                ("/certified", ca, "broken"),
                ("/certified", f"{ca}&{pair}", "delivered"),
                ("/private", ca, "broken"),
                ("/private", f"{ca}&user=me&password=wrong-secret", "broken"),
                ("/private", f"{ca}&user=me&password=right", "delivered")]:
            results = send(place, f"{url}{path}?{options}", 2, 1)
            check_outcomes(results, outcome, f"{path} {options}")
            harness.check("wrong-secret" not in str(results), "a password in a message")
        result, = send(place, f"{url.replace('https:', 'http:')}/open", 1, 1)
        harness.check(result["outcome"] == "broken" and result["reason"].endswith("the URL has to begin with https"), str(result))
        results = send(place, f"{url}/open?{ca}", 1, 1, 1, 5000)
        harness.check([r["status"] for r in results] == [413] and results[0]["outcome"] == "refused", str(results))


class Peer:
    """Takes connections, and does with each what greet() of its kind does."""
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            with client:
                client.settimeout(10)
                try:
                    self.greet(client)
                except OSError: # the client has refused
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


class Handshakes(Peer):
    """Greets clients by TLS with a certificate, or not at all, and hangs up."""
    def __init__(self, certificate=None, key=None):
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate, key)
        super().__init__()

    def greet(self, client):
        if self.context:
            self.context.wrap_socket(client, server_side=True).recv(1)
        else:
            client.recv(1)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def tls_that_fails_says_what_helps():
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        make_flawed_certificates(place.path)
        trust = "give the certificate of the authority that signed it as tls_ca_file"
        for name, ca, outcome, words in [
                ("server", "", "broken", trust), ("alone", "", "broken", trust), ("alone", "ca", "broken", trust),
                ("expired", "ca", "broken", "the server needs a new one, unless the clock here is wrong"),
                ("other", "ca", "broken", "the host that is given here must be a name or an address in the certificate"),
                (None, "ca", "retry", "the peer does not speak TLS on this port")]:
            server = Handshakes(name and f"{place.path}/{name}.pem", f"{place.path}/server.key")
            try:
                for scheme in ("https", "otlp+grpcs", "syslog+tls"):
                    for host in ("localhost", "127.0.0.1"):
                        trusted = f"?tls_ca_file={place.path}/{ca}.pem" if ca else ""
                        results = send(place, f"{scheme}://{host}:{server.port}{trusted}", 1, 1)
                        harness.check(len(results) == 1, f"{scheme} {name}: {results}")
                        check_outcomes(results, outcome, f"{scheme} {name}")
                        harness.check(results[0]["reason"].endswith("; " + words), f"{scheme} {name} {ca}: {results}")
            finally:
                server.close()


def with_an_authority_of_its_own_a_sink_trusts_no_other():
    """The system trusts the one that signed the server's certificate, in /etc/ssl/certs: the sink is told of another."""
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        make_flawed_certificates(place.path)
        trusted = os.path.join(place.path, "system")
        os.mkdir(trusted)
        shutil.copy(f"{place.path}/ca.pem", trusted)
        subprocess.run(["openssl", "rehash", trusted], check=True, capture_output=True, timeout=60)
        mount = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/ssl/certs && exec "$@"', trusted]
        if not os.path.isdir("/etc/ssl/certs") or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
            raise Skip("this user may not make a mount namespace")
        server = Handshakes(f"{place.path}/server.pem", f"{place.path}/server.key")
        try:
            for scheme in ("https", "otlp+grpcs", "syslog+tls"):
                for ca, refused in ((f"{place.path}/ca.pem", False), (f"{place.path}/alone.pem", True)):
                    p = subprocess.run([*mount, SINK_SEND, f"{scheme}://localhost:{server.port}?timeout=2s&tls_ca_file={ca}",
                                        "1", "1"], check=True, capture_output=True, text=True, timeout=60)
                    harness.check(("that signed it as tls_ca_file" in p.stdout) == refused, f"{scheme} {ca}: {p.stdout}")
        finally:
            server.close()


class Drain(Handshakes):
    """Takes by TLS whatever comes; one connection after the other."""
    def __init__(self, *pair):
        self.connections, self.refused, self.lines = 0, 0, 0
        super().__init__(*pair)

    def greet(self, client):
        try:
            c = self.context.wrap_socket(client, server_side=True)
        except OSError:
            self.refused += 1
            raise
        with c:
            self.connections += 1
            while data := c.recv(65536):
                self.lines += data.count(b"\n")


def a_handshake_that_fails_costs_no_other_connection():
    """What libcurl leaves in the errors of OpenSSL is not taken for one of another sink's connection."""
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        refused = Handshakes(f"{place.path}/server.pem", f"{place.path}/server.key")
        good = Drain(f"{place.path}/server.pem", f"{place.path}/server.key")
        try:
            syslog = f"syslog+tls://localhost:{good.port}?framing=newline&batch_interval=1ms&tls_ca_file={place.path}/ca.pem"
            c = place.start([harness.COLLECTOR, "--rings", place.rings, "--set", "admin=none", "--sink", syslog,
                             "--sink", f"https://localhost:{refused.port}/?{FAST}"])
            place.wait_ready(c)
            for i in range(10):
                place.load_done("--id", i, "--records", 10, "--block")
                harness.wait_for("all has come", lambda: good.lines >= 10 * i + 10) # pylint: disable=cell-var-from-loop
            harness.stop(c)
            harness.check((good.connections, good.lines) == (1, 100), f"{good.connections} connections, {good.lines} records")
        finally:
            refused.close()
            good.close()


def a_file_of_authorities_is_read_again_when_it_has_changed():
    """Somebody puts the right one there while the sink tries."""
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        make_flawed_certificates(place.path)
        server, file = Drain(f"{place.path}/server.pem", f"{place.path}/server.key"), f"{place.path}/authorities.pem"
        shutil.copy(f"{place.path}/alone.pem", file)
        try:
            c = place.start([harness.COLLECTOR, "--rings", place.rings, "--set", "admin=none", "--sink",
                             f"https://localhost:{server.port}/?{FAST}&tls_ca_file={file}"])
            place.wait_ready(c)
            place.load_done("--records", 1)
            harness.wait_for("it has been refused", lambda: server.refused > 0)
            harness.check(server.connections == 0, "it trusted a stranger")
            shutil.copy(f"{place.path}/ca.pem", file)
            harness.wait_for("it is trusted", lambda: server.connections > 0)
        finally:
            server.close()


class Answers(Drain):
    """Answers each request with 200, and hangs up unless told to keep the connection."""
    def __init__(self, *pair, keep=False):
        self.keep = keep
        super().__init__(*pair)

    def greet(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            c = self.context.wrap_socket(client, server_side=True)
        except OSError:
            self.refused += 1
            raise
        with c:
            self.connections += 1
            while c.recv(65536): # a request is less
                self.lines += 1
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                if not self.keep:
                    return


class Opens:
    """How often a file is opened from now on."""
    IN_OPEN = 0x20

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        harness.check(libc.inotify_add_watch(self.fd, path.encode(), self.IN_OPEN) >= 0, os.strerror(ctypes.get_errno()))

    def count(self):
        """Those since the last time; of some in a row that nobody has asked for, inotify keeps one."""
        try:
            return len(os.read(self.fd, 4096)) // 16
        except BlockingIOError:
            return 0

    def close(self):
        os.close(self.fd)


def settle(path):
    """A file that was changed in this second is not trusted to show the next change."""
    harness.wait_for("it is old enough", lambda: time.time() > os.stat(path).st_ctime + 1.1)


def authorities_are_read_once_for_many_connections():
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        server, ca = Answers(f"{place.path}/server.pem", f"{place.path}/server.key"), f"{place.path}/ca.pem"
        settle(ca)
        opens = Opens(ca)
        try:
            c = place.start([harness.COLLECTOR, "--rings", place.rings, "--set", "admin=none", "--sink",
                             f"https://localhost:{server.port}/?{FAST}&batch_size=1&tls_ca_file={ca}"])
            place.wait_ready(c)
            times = opens.count()
            for i in range(10):
                place.load_done("--id", i, "--records", 1)
                harness.wait_for("it has come", lambda: server.lines > i) # pylint: disable=cell-var-from-loop
                times += opens.count()
            harness.stop(c)
            harness.check(server.connections == 10, f"{server.connections} connections")
            harness.check(times <= 2, f"{times} times")
        finally:
            opens.close()
            server.close()


def who_trusts_others_gets_a_connection_of_its_own():
    """One sink trusts the server, and keeps its connection; the other does not, and must not find it."""
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        make_flawed_certificates(place.path)
        server = Answers(f"{place.path}/server.pem", f"{place.path}/server.key", keep=True)
        fast = FAST.replace("timeout=2s", "timeout=300ms")
        uri = f"https://localhost:{server.port}/?{fast}&batch_size=1&tls_ca_file={place.path}"
        try:
            c = place.start([harness.COLLECTOR, "--rings", place.rings, "--sink", f"{uri}/ca.pem", "--sink", f"{uri}/alone.pem"])
            admin = Admin(os.path.join(place.rings, "collector.sock")).wait_up()
            place.load_done("--records", 10)
            harness.wait_for("one has all", lambda: server.lines >= 10)
            tried = admin.sum("sink_retries_total")
            harness.wait_for("the other goes on trying", lambda: admin.sum("sink_retries_total") >= tried + 5)
            harness.check(server.lines == 10, f"{server.lines} requests")
            c.kill() # at its end it would wait for the other
            c.communicate(timeout=20)
        finally:
            server.close()


def whom_the_system_trusts_a_sink_does():
    """By its bundle or its directory, and no other; a bundle that is replaced counts for the next connection."""
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        make_flawed_certificates(place.path)
        folder = os.path.join(place.path, "system")
        bundle = f"{folder}/ca-certificates.crt"
        mount = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/ssl/certs && exec "$@"', folder]
        os.mkdir(folder)
        if not os.path.exists("/etc/ssl/certs/ca-certificates.crt") or \
                subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
            raise Skip("no bundle of Debian's, or this user may not make a mount namespace")
        server = Answers(f"{place.path}/server.pem", f"{place.path}/server.key")
        send_one = [*mount, SINK_SEND, f"https://localhost:{server.port}/?timeout=2s", "2", "1"]
        try:
            for inside, hashed, outcome in (("ca", None, "delivered"), ("alone", "ca", "delivered"), ("alone", None, "broken")):
                shutil.copy(f"{place.path}/{inside}.pem", bundle)
                name = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", f"{place.path}/ca.pem"], check=True,
                                      capture_output=True, text=True, timeout=60).stdout.strip()
                if hashed:
                    shutil.copy(f"{place.path}/{hashed}.pem", f"{folder}/{name}.0")
                elif os.path.exists(f"{folder}/{name}.0"):
                    os.unlink(f"{folder}/{name}.0")
                p = subprocess.run(send_one, check=True, capture_output=True, text=True, timeout=60)
                check_outcomes([json.loads(line) for line in p.stdout.splitlines()], outcome, f"{inside} {hashed}")
            os.unlink(bundle)
            p = subprocess.run(send_one, check=True, capture_output=True, text=True, timeout=60)
            result = json.loads(p.stdout.splitlines()[0])
            harness.check(result["outcome"] == "broken" and "/ca-certificates.crt: cannot be read" in result["reason"], p.stdout)
            shutil.copy(f"{place.path}/alone.pem", bundle)
            settle(bundle)
            c = place.start([*mount, harness.COLLECTOR, "--rings", place.rings, "--set", "admin=none", "--sink",
                             f"https://localhost:{server.port}/?{FAST}"])
            place.wait_ready(c)
            before = server.lines
            place.load_done("--records", 1)
            refused = server.refused
            harness.wait_for("it is refused", lambda: server.refused > refused)
            shutil.copy(f"{place.path}/ca.pem", bundle)
            harness.wait_for("it is trusted", lambda: server.lines > before)
            harness.stop(c)
        finally:
            server.close()


def grpc_without_http_2_is_nothing_to_try_again():
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        server = Handshakes(f"{place.path}/server.pem", f"{place.path}/server.key") # trusted, and without ALPN
        try:
            result, = send(place, f"otlps://127.0.0.1:{server.port}?tls_ca_file={place.path}/ca.pem", 1, 1)
            check_outcomes([result], "broken", "no ALPN")
            words = f"127.0.0.1:{server.port}: the server does not speak HTTP/2 (ALPN h2)"
            harness.check(result["reason"] == words, str(result))
        finally:
            server.close()


class OneLine(Peer):
    """Answers every connection with these bytes, or hangs up at once."""
    def __init__(self, line=b""):
        self.line = line
        super().__init__()

    def greet(self, client):
        client.sendall(self.line)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096): # a close with something unread would be a reset
            pass


class HangsUp(Peer):
    """Reads the beginning and resets the connection."""
    def greet(self, client):
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


WANTS_TLS = {"http": "; where the port wants TLS, the URL has to begin with https",
             "otlp+grpc": "; where the port wants TLS, endpoint has to begin with https, a URI with otlps",
             "syslog+tcp": "; where the port wants TLS, transport has to be tls",
             "postgresql": "; does PostgreSQL listen on this port, and without TLS from the first byte on?"}


def a_plain_connection_to_a_port_of_tls_says_what_it_may_want():
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        for server in (Handshakes(f"{place.path}/server.pem", f"{place.path}/server.key"), HangsUp()):
            try:
                for scheme, words in WANTS_TLS.items():
                    for size in (10, 1 << 20): # curl sees it when it reads, or while it writes
                        results = send(place, f"{scheme}://127.0.0.1:{server.port}?batch_bytes=8MB", 4, 4, 1, size)
                        check_outcomes(results, "retry", scheme)
                        harness.check(results[0]["reason"].endswith(words), f"{type(server)} {scheme} {size}: {results}")
            finally:
                server.close()


def a_port_of_another_kind_is_told():
    silent, other = OneLine(), OneLine(b"220 at your service\r\n")
    plain = "; where the port wants TLS, the URL has to begin with https"
    hung_up = "; the peer hung up in the handshake; does it speak TLS on this port?"
    no_tls = "; the peer does not speak TLS on this port"
    closed = "; is the server running, and is this its port?"
    with socket.socket() as nobody, harness.Place() as place:
        nobody.bind(("127.0.0.1", 0)) # and does not listen
        refusing = nobody.getsockname()[1]
        try:
            for scheme, port, words in [
                    ("http", silent.port, plain), ("http", other.port, plain), ("http", refusing, closed),
                    ("https", silent.port, hung_up), ("https", other.port, no_tls), ("https", refusing, closed),
                    ("otlp+grpcs", silent.port, hung_up), ("otlp+grpcs", other.port, no_tls), ("otlp+grpc", refusing, closed),
                    ("otlp+grpc", silent.port, WANTS_TLS["otlp+grpc"]), ("syslog+tcp", silent.port, WANTS_TLS["syslog+tcp"]),
                    ("otlp+grpc", other.port, "the peer does not speak HTTP/2 on this port"),
                    ("postgresql", silent.port, WANTS_TLS["postgresql"]), ("postgresql", other.port, WANTS_TLS["postgresql"]),
                    ("syslog+tls", silent.port, hung_up), ("syslog+tls", other.port, no_tls), ("syslog+tcp", refusing, closed)]:
                results = send(place, f"{scheme}://127.0.0.1:{port}", 1, 1)
                harness.check(len(results) == 1 and results[0]["reason"].endswith(words), f"{scheme}: {results}, not {words}")
                check_outcomes(results, "retry", scheme)
                if port == refusing:
                    harness.check(str(port) in results[0]["reason"], f"which port? {results}")
        finally:
            silent.close()
            other.close()


def files_that_are_of_no_use_are_found_before_the_start():
    with harness.Place() as place:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        folder = place.path
        with open(f"{folder}/words", "w", encoding="utf-8") as f:
            f.write("no certificate\n")
        subprocess.run(["openssl", "genrsa", "-out", f"{folder}/rsa.key", "2048"], check=True, capture_output=True, timeout=60)
        subprocess.run(["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", f"{folder}/client.key", "-out",
                        f"{folder}/locked.key"], check=True, capture_output=True, timeout=60)
        pair = f"tls_cert_file={folder}/client.pem&tls_key_file={folder}"
        flaws = [(f"tls_ca_file={folder}/words", f"tls_ca_file: {folder}/words holds no certificates"),
                 (f"tls_ca_file={folder}/client.key", f"tls_ca_file: {folder}/client.key holds no certificates"),
                 (f"tls_cert_file={folder}/words", f"tls_cert_file: {folder}/words does not begin with a certificate"),
                 (f"tls_cert_file={folder}/client.pem", f"tls_key_file is given): {folder}/client.pem holds no key"),
                 (f"{pair}/server.key", f"tls_key_file: {folder}/server.key is not the key of the certificate"),
                 (f"{pair}/rsa.key", f"tls_key_file: {folder}/rsa.key is not the key of the certificate"),
                 (f"{pair}/locked.key", f"tls_key_file: {folder}/locked.key holds no key"),
                 (f"{pair}/words", f"tls_key_file: {folder}/words holds no key")]
        schemes = ["https", "webhook+https", "loki+https", "otlps", "otlp+grpcs", "syslog+tls"]
        uris = [f"{scheme}://localhost:1/?" for scheme in schemes] + ["cloudwatch://group/stream?region=eu-west-1&"]
        asked = [(uris[0], flaw) for flaw in flaws] + [(uri, flaws[4]) for uri in uris[1:]]
        for uri, (options, words) in asked:
            for action in ("--check", "--drain"):
                c = place.collector(action, sink=uri + options)
                text = "".join(c.communicate(timeout=30))
                harness.check(c.returncode == 1 and words in text, f"{action} {uri}{options}: {c.returncode} {text}")
        place.drain("--check", sink=f"https://localhost/?tls_ca_file={folder}/ca.pem&{pair}/client.key")


def a_secret_is_in_no_message():
    receiver = Receiver(401)
    try:
        with harness.Place() as place:
            place.load_done("--records", 3)
            uri = f"http://me:pass-secret@127.0.0.1:{receiver.port}/?headers=X-Api-Key=key-secret&{FAST}"
            c = place.collector("--set", "shutdown_timeout=300ms", sink=uri)
            place.wait_ready(c)
            harness.wait_for("a request is refused", lambda: receiver.refused > 0)
            c.terminate()
            out, text = c.communicate(timeout=30)
            harness.check("secret" not in out + text, text)
    finally:
        receiver.close()


# ---- signatures ----

SECRET = base64.b64encode(b"0123456789abcdef01234567").decode()


def signed(options):
    receiver = Receiver()
    try:
        with harness.Place() as place:
            check_outcomes(send(place, f"webhook://127.0.0.1:{receiver.port}/?{options}", 4, 2), "delivered", options)
        harness.check(len(receiver.requests) == 2, "two requests")
        return receiver.requests
    finally:
        receiver.close()


def standardwebhooks_verifies():
    try:
        from standardwebhooks import Webhook, WebhookVerificationError
    except ImportError as e:
        raise Skip("standardwebhooks is not installed; tests/servers/install webhooks") from e
    for headers, body in signed(f"secret=whsec_{SECRET}&signature_mode=standard&batch_size=2"):
        lower = {k.lower(): v for k, v in headers.items()}
        harness.check(len(Webhook(f"whsec_{SECRET}").verify(body, lower)) == 2, "two records")
        try:
            Webhook(f"whsec_{SECRET}").verify(body + b" ", lower)
            raise harness.Failure("another body passes too")
        except WebhookVerificationError:
            pass


OCTOKIT = """
import { verify } from "@octokit/webhooks-methods";
const t = JSON.parse(process.argv[2]);
console.log(await verify(t.secret, t.payload, t.signature));
"""


def octokit_verifies():
    node, folder = need("node", "install Node.js"), os.path.join(SERVERS, "node")
    if not os.path.isdir(os.path.join(folder, "node_modules/@octokit/webhooks-methods")):
        raise Skip("@octokit/webhooks-methods is not installed; tests/servers/install webhooks")
    with harness.Place() as place:
        script = os.path.join(place.path, "verify.mjs")
        os.symlink(os.path.join(folder, "node_modules"), os.path.join(place.path, "node_modules"))
        with open(script, "w") as f:
            f.write(OCTOKIT)
        for headers, body in signed("secret=s3cret&batch_size=2"):
            payload = headers["X-Fapilog-Timestamp"] + "." + body.decode()
            for text, expected in ((payload, "true"), (payload + " ", "false")):
                task = json.dumps({"secret": "s3cret", "payload": text, "signature": headers["X-Fapilog-Signature-256"]})
                done = subprocess.run([node, script, task], capture_output=True, text=True, check=False)
                harness.check(done.stdout.strip() == expected, done.stdout + done.stderr)


if __name__ == "__main__":
    sys.exit(run([nothing_is_lost_in_a_network_that_fails, nothing_is_lost_in_a_network_that_is_slow,
                  a_server_that_says_nothing_is_left_and_tried_again,
                  resends_have_the_same_key, a_poisoned_record_costs_only_itself, trust_certificates_and_passwords_of_nginx,
                  tls_that_fails_says_what_helps, with_an_authority_of_its_own_a_sink_trusts_no_other,
                  a_handshake_that_fails_costs_no_other_connection, a_file_of_authorities_is_read_again_when_it_has_changed,
                  authorities_are_read_once_for_many_connections, who_trusts_others_gets_a_connection_of_its_own,
                  whom_the_system_trusts_a_sink_does, grpc_without_http_2_is_nothing_to_try_again, a_port_of_another_kind_is_told,
                  a_plain_connection_to_a_port_of_tls_says_what_it_may_want,
                  files_that_are_of_no_use_are_found_before_the_start, a_secret_is_in_no_message,
                  standardwebhooks_verifies, octokit_verifies]))
