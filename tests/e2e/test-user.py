#!/usr/bin/env python3
"""A collector that root starts and that goes on as another user. The user is one of this test's own databases, which it
mounts over those of the machine, for the programs that it starts."""
import os
import pwd
import signal
import socket
import ssl
import sys
import threading

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from harness import *  # noqa: E402,F403
from brokenserver import BrokenServer  # noqa: E402
from manager import Manager  # noqa: E402

NAME, UID, EXTRA = "fapilog-test", 61184, 61190
ENTER = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@"'
CC = os.environ["FAPILOG_CC"].split()


def library_of(program):
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.search(r"libfapilog.so.0 => (\S+)", said)[1]


class UserPlace(Place):
    """Rings and output belong to the user; its programs lie where that user can reach them."""

    def __init__(self):
        super().__init__()
        os.chmod(self.path, 0o755)
        os.mkdir(os.path.join(self.path, "state"))
        for path in (self.rings, self.out, os.path.join(self.path, "state")):
            os.chown(path, UID, UID)
        self.passwd, self.group = os.path.join(self.path, "passwd"), os.path.join(self.path, "group")
        with open("/etc/passwd") as f, open(self.passwd, "w") as to:
            to.write(f.read() + f"{NAME}:x:{UID}:{UID}::{self.path}/home:/bin/sh\n")
        with open("/etc/group") as f, open(self.group, "w") as to:
            to.write(f.read() + f"{NAME}:x:{UID}:\nfapilog-extra:x:{EXTRA}:{NAME}\n")
        self.load_program = shutil.copy(LOAD, os.path.join(self.path, "load"))
        shutil.copy(library_of(LOAD), os.path.join(self.path, "libfapilog.so.0"))
        self.environment = {"LD_LIBRARY_PATH": self.path}

    def with_user(self, argv, env=None):
        return self.start(["unshare", "--mount", "sh", "-c", ENTER, "sh", self.passwd, self.group, *argv], env=env)

    def load(self, *args):
        return self.start([self.load_program, *map(str, args), self.rings], env=self.environment, stdin=subprocess.PIPE,
                          user=UID, group=UID, extra_groups=[])

    def configure(self, more="", mode=0o600, name="fapilog.yaml"):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"user: {NAME}\nrings: {self.rings}\n{more}")
        os.chmod(path, mode)
        return path

    def said(self, argv, status, as_user=False, env=None):
        p = self.start(argv, env=env, user=UID, group=UID, extra_groups=[]) if as_user else self.with_user(argv, env=env)
        out, err = p.communicate(timeout=30)
        check(p.returncode == status, f"ended with {p.returncode}, not {status}: {err}")
        return out, err


def status_of(pid, task=None):
    with open(f"/proc/{pid}/task/{task or pid}/status", encoding="utf-8", errors="replace") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def check_dropped(pid, gid=UID):
    tasks = os.listdir(f"/proc/{pid}/task")
    for task in tasks:
        try:
            s = status_of(pid, task)
        except (FileNotFoundError, ProcessLookupError): # one of those that compress, which come and go
            continue
        check(s["Uid"].split() == [str(UID)] * 4 and s["Gid"].split() == [str(gid)] * 4, f"{s['Uid']}, {s['Gid']}")
        check(set(s["Groups"].split()) == {str(gid), str(EXTRA)}, f"groups {s['Groups']}")
        check(all(int(s[k], 16) == 0 for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")), f"{s}")
        check(s["NoNewPrivs"] == "1", "new privileges are possible")
    return len(tasks)


def owner(path):
    st = os.lstat(path)
    return st.st_uid, st.st_gid, st.st_mode & 0o7777


def next_line(collector, text):
    seen = []
    for line in collector.stderr:
        seen.append(line)
        if text in line:
            return line
    raise Failure(f"never said: {text!r}; only {seen}")


# effect: settings.user
def it_goes_on_as_the_user_and_drains_its_rings():
    with UserPlace() as place:
        manager = Manager(place)
        os.chmod(manager.address, 0o777)
        path = place.configure(f"sinks: {{log: '{place.uri()}?compress=zstd&max_bytes=100KB&max_files=100000'}}\n")
        begin = ["setpriv", "--inh-caps=+chown", "--ambient-caps=+chown"]
        c = place.with_user([*begin, COLLECTOR, "--config", path, "--verbose"], env=manager.env())
        next_line(c, f"privileges dropped: user {NAME} (uid {UID}, gid {UID})")
        place.wait_ready(c)
        written = place.load_done("--records", 3000, "--threads", 2)
        wait_for("all is written", lambda: f"STATUS=0 rings, {written} records delivered" in manager.hear())
        wait_for("it is ready", lambda: "READY=1" in manager.hear())
        tasks = check_dropped(c.pid)
        with open(f"/proc/{c.pid}/limits", encoding="ascii") as f:
            limit = re.search(r"Max open files +(\d+)", f.read())[1]
        made = [os.path.join(d, f) for d in (place.rings, place.out) for f in os.listdir(d)]
        check({os.path.basename(p) for p in made} >= {"collector.lock", "collector.state", "collector.sock", "log.jsonl"}, made)
        for p in made:
            check(owner(p)[:2] == (UID, UID), f"{p} belongs to {owner(p)}")
        check(not owner(os.path.join(place.rings, "collector.sock"))[2] & 0o077, "others may connect")
        stop(c)
        return f"{written} records, {tasks} threads, files {limit}"


def there_is_no_way_back():
    """Asked of a program that it runs, which has all that it has: neither by a call nor by a program of root's."""
    with UserPlace() as place:
        answers, asker, root_id = (os.path.join(place.path, n) for n in ("answers", "asker", "id"))
        shutil.copy("/usr/bin/id", root_id)
        os.chmod(root_id, 0o4755)
        os.mkdir(answers)
        os.chown(answers, UID, UID)
        with open(asker, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{{ setpriv --reuid=0 id -u; setpriv --regid=0 --clear-groups id -g; {root_id} -u; }} "
                    f">{answers}/new 2>&1\nmv {answers}/new {answers}/all\nexec cat >/dev/null\n")
        os.chmod(asker, 0o755)
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        c = place.with_user([COLLECTOR, "--rings", place.rings, "--sink", f"exec://{asker}", "--user", NAME], env=env)
        place.load_done("--records", 10)
        wait_for("it has answered", lambda: os.path.exists(os.path.join(answers, "all")))
        with open(os.path.join(answers, "all"), encoding="utf-8") as f:
            said = f.read()
        check(len(re.findall("setpriv: .*not permitted", said)) == 2 and said.splitlines()[-1] == str(UID), said)
        # nor may that user read in its memory, where what only root may read is
        p = place.start(["cat", f"/proc/{c.pid}/environ"], user=UID, group=UID, extra_groups=[])
        check("Permission denied" in p.communicate(timeout=10)[1], "its memory can be read")
        stop(c)


def what_only_root_may_read_is_read_before():
    with UserPlace() as place, BrokenServer(is_broken=False) as server:
        secret = os.path.join(place.path, "secret")
        with open(secret, "w", encoding="utf-8") as f:
            f.write("hunter2\n")
        os.chmod(secret, 0o600)
        sinks = (f"sinks:\n  log: '{place.uri()}'\n  net: {{uri: '{server.uri()}', token: {{file: {secret}}}}}\n")
        path = place.configure(sinks)
        c = place.with_user([COLLECTOR, "--config", path])
        place.wait_ready(c)
        written = place.load_done("--records", 100)
        wait_for("it is delivered", lambda: len(server.records) >= written)
        c.send_signal(signal.SIGHUP)
        line = next_line(c, "configuration not taken over")
        check(f"{path}: cannot be read: Permission denied" in line and f"is {NAME} now: let that user read it" in line, line)
        place.configure(sinks + f"  more: '{place.uri('more.jsonl')}'\n", mode=0o644)
        c.send_signal(signal.SIGHUP)
        line = next_line(c, "only root may read it")
        check(f"reload: {secret}: " in line and "hunter2" not in line, line)
        next_line(c, "configuration taken over")
        written += place.load_done("--id", 2, "--records", 100)
        wait_for("it is delivered", lambda: len(server.records) >= written and line_count(place.file("more.jsonl")) >= 100)
        place.configure(sinks.replace(secret, secret + ".new"), mode=0o644)
        shutil.copy(secret, secret + ".new")
        os.chmod(secret + ".new", 0o600)
        c.send_signal(signal.SIGHUP)
        line = next_line(c, f"{secret}.new: cannot be read: Permission denied")
        stop(c)


class TlsServer:
    """Takes connections of clients that have the certificate."""

    def __init__(self, place):
        self.key, self.cert = os.path.join(place.path, "key.pem"), os.path.join(place.path, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        self.key, "-out", self.cert, "-subj", "/CN=test", "-days", "2", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        for path in (self.key, self.cert):
            os.chmod(path, 0o600)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        context.load_verify_locations(self.cert)
        context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.port, self.data = self.socket.getsockname()[1], b""
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.socket.accept()
        while more := connection.recv(65536):
            self.data += more
            if self.data.endswith(b"]"): # of a JSON array
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def certificates_and_keys_too():
    if not shutil.which("openssl"):
        return "skipped: openssl is not installed"
    told = [certificates_serve(scheme) for scheme in ("syslog+tls", "https")]
    return " ".join(t for t in told if t)


def certificates_serve(scheme):
    with UserPlace() as place:
        server = TlsServer(place)
        files = f"tls_ca_file={server.cert}&tls_cert_file={server.cert}&tls_key_file={server.key}"
        uri = f"{scheme}://127.0.0.1:{server.port}/?{files}&batch_interval=10ms&batch_size=100"
        if "syslog" not in subprocess.run([COLLECTOR, "--help"], capture_output=True, text=True, check=True).stdout:
            return "skipped: built without TLS streams"
        c = place.with_user([COLLECTOR, "--rings", place.rings, "--sink", uri, "--user", NAME])
        place.wait_ready(c)
        place.load_done("--records", 10)
        wait_for("it is delivered", lambda: server.data.count(b"load") >= 10)
        stop(c)
        _, said = place.said([COLLECTOR, "--rings", place.rings, "--sink", uri.replace("key.pem", "none.pem"), "--user", NAME,
                              "--drain"], 1)
        check("none.pem" in said, said)


def missing_directories_are_made_where_only_root_may_write():
    base = tempfile.mkdtemp(prefix="fapilog-e2e-", dir="/run")
    try:
        os.chmod(base, 0o755)
        with UserPlace() as place, BrokenServer() as server:
            place.rings = os.path.join(base, "rings")
            file = os.path.join(base, "log", "app", "log.jsonl")
            state = os.path.join(base, "state", "it")
            argv = [COLLECTOR, "--rings", place.rings, "--sink", f"file://{file}", "--sink", server.uri("&spool_max_bytes=1MB"),
                    "--user", f"{NAME}:fapilog-extra", "--set", f"state_dir={state}"]
            place.said([*argv, "--check"], 0)
            dead = os.path.join(place.path, "dead")
            os.mkdir(dead, 0o700)
            _, said = place.said([*argv, "--replay", dead], 1)
            check("Permission denied" in said and not os.listdir(base), f"{os.listdir(base)} {said}")
            root_only = [COLLECTOR, "--rings", os.path.join(base, "rings"), "--sink", "file:///root/fapilog-e2e.jsonl", *argv[-4:]]
            _, said = place.said([*root_only, "--drain"], 1)
            check("/root: Permission denied; sink file; the collector runs as uid " in said, said)
            c = place.with_user(argv)
            place.wait_ready(c)
            written = place.load_done("--records", 50)
            wait_for("it is written", lambda: line_count(file) >= written)
            check_dropped(c.pid, gid=EXTRA)
            expected = {"rings": (UID, EXTRA, 0o750), "log": (0, 0, 0o755), "log/app": (UID, EXTRA, 0o750),
                        "state": (0, 0, 0o755), "state/it": (UID, EXTRA, 0o700)}
            found = {name: owner(os.path.join(base, name)) for name in expected}
            check(found == expected, f"{found}")
            check(owner(file)[:2] == (UID, EXTRA), f"{owner(file)}")
            server.is_broken = False
            stop(c)
    finally:
        shutil.rmtree(base)


PLUGIN = r"""
#include <fapilog/plugin.h>
#include <stdio.h>
#include <unistd.h>
static __attribute__((constructor)) void loaded(void)
{
    FILE *f = fopen(WHERE, "a");
    if (f) {
        fprintf(f, "%u %u\n", (unsigned)geteuid(), (unsigned)getuid());
        fclose(f);
    }
}
"""


def plug_ins_are_loaded_as_the_user():
    include = os.path.join(os.environ["FAPILOG_SOURCE"], "include")
    with UserPlace() as place:
        where, source, plugin = place.file("loaded"), os.path.join(place.path, "p.c"), os.path.join(place.path, "p.so")
        with open(source, "w", encoding="utf-8") as f:
            f.write(PLUGIN)
        subprocess.run([*CC, "-shared", "-fPIC", f'-DWHERE="{where}"', "-I", include, "-o", plugin, source], check=True)
        argv = [COLLECTOR, "--rings", place.rings, "--sink", place.uri(), "--user", NAME, "--set", f"plugins={plugin}"]
        os.chmod(plugin, 0o755)
        _, said = place.said([*argv, "--check"], 1)
        check("is no plug-in" in said, said)
        with open(where, encoding="ascii") as f:
            check(f.read() == f"{UID} {UID}\n", "loaded as somebody else")
        os.chmod(plugin, 0o700)
        _, said = place.said([*argv, "--check"], 1)
        check(f"{plugin}" in said and "Permission denied" in said, said)


def who_is_not_root_is_told_what_to_do():
    if not os.access(COLLECTOR, os.X_OK) or subprocess.run([COLLECTOR, "--version"], user=UID, group=UID, extra_groups=[],
                                                           capture_output=True, check=False).returncode != 0:
        return "skipped: another user cannot run the collector that was built here"
    with UserPlace() as place:
        argv = [COLLECTOR, "--rings", place.rings, "--sink", place.uri(), "--drain", "--user"]
        _, said = place.said([*argv, "nobody"], 1, as_user=True)
        check("user: only root can become nobody" in said and "setpriv" in said and f"this is uid {UID}" in said, said)
        place.said([*argv, f"{UID}:{UID}"], 0, as_user=True)
        out, said = place.said([*argv[:-2], "--check", "--user", "nobody"], 0, as_user=True)
        check("only root can become nobody; checked as uid" in said and "user = nobody" in out, said)


def what_cannot_be_is_said():
    with UserPlace() as place:
        argv = [COLLECTOR, "--rings", place.rings, "--sink", place.uri(), "--drain"]
        _, said = place.said([*argv, "--user", "no-such"], 1)
        check("--user: 'no-such': there is no user 'no-such'" in said, said)
        _, said = place.said([*argv], 1)
        check(f"belongs to uid {UID}, not to us (uid 0)" in said and "as the user of the services: see --user" in said, said)
        os.chmod(place.rings, 0o755)
        _, said = place.said([*argv, "--user", "nobody"], 1)
        check(f"belongs to uid {UID}, not to us (uid {pwd.getpwnam('nobody').pw_uid})" in said and "chown nobody" in said, said)
        _, said = place.said([*argv], 0, env={"FAPILOG_USER": NAME})
        place.said([*argv, "--user", str(UID)], 0)
        os.chown(place.rings, 0, 0)
        place.said([*argv, "--user", "root"], 0)
        os.chmod(place.rings, 0o3770)  # for a group of users, sticky: nobody reads that
        _, said = place.said([*argv], 1)
        check("is writable by others (mode 3770, want 0750 or less)" in said and "--user" not in said, said)
        os.chmod(place.rings, 0o750)
        _, said = place.said([*argv, "--user", "root:daemon"], 1)
        check("is root, which has nothing to drop" in said, said)
        p = place.start(["setpriv", "--bounding-set=-setgid", "--inh-caps=-setgid", *argv, "--user", "nobody:nogroup"])
        said = p.communicate(timeout=20)[1]
        check(p.returncode == 1 and "which need CAP_SETGID" in said, said)


def can_run():
    if os.geteuid() != 0:
        return "only root can become another user"
    if os.environ.get("FAPILOG_SANITIZE", "none") != "none":
        return "sanitizers have threads of their own, and files for the user they began as"
    p = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return p.stderr.strip() if p.returncode else None


if __name__ == "__main__":
    if can_run():
        print(f"skipped: {can_run()}")
        sys.exit(77)
    sys.exit(run([it_goes_on_as_the_user_and_drains_its_rings, there_is_no_way_back, what_only_root_may_read_is_read_before,
                  certificates_and_keys_too, missing_directories_are_made_where_only_root_may_write,
                  plug_ins_are_loaded_as_the_user, who_is_not_root_is_told_what_to_do, what_cannot_be_is_said]))
