"""A PostgreSQL server of its own, in a temporary folder, on a free port of loopback. Debian's packages put
the server's programs beside PATH."""
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time

from loopback import free_port


def programs():
    """Where initdb is, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    path = found[-1] if found else shutil.which("initdb")
    return os.path.dirname(path) if path else None


class Postgres:
    """The server refuses to run as root: then it runs as the package's user."""

    def __init__(self):
        self.bin = programs()
        self.path = tempfile.mkdtemp(prefix="fapilog-pg-", dir="/tmp")
        self.port = free_port()
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.path, pwd.getpwnam(self.user).pw_uid, -1)
        self.data = os.path.join(self.path, "data")
        self.run("initdb", "-D", self.data, "-U", "fapilog", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.start()

    def run(self, program, *args):
        argv = [os.path.join(self.bin, program), *args]
        if self.user:
            argv = ["runuser", "-u", self.user, "--", *argv]
        return subprocess.run(argv, check=True, capture_output=True, text=True, cwd=self.path, timeout=60).stdout

    def start(self):
        options = f"-p {self.port} -k {self.path} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "-D", self.data, "-l", os.path.join(self.path, "log"), "-w", "-o", options, "start")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def sql(self, text, database="postgres"):
        argv = [os.path.join(self.bin, "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "fapilog", "-d", database,
                "-X", "-A", "-t", "-F", "|", "-v", "ON_ERROR_STOP=1", "-c", text]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def use_certificate(self, certificate, key):
        for name, source in (("server.pem", certificate), ("server.key", key)):
            to = os.path.join(self.data, name)
            shutil.copy(source, to)
            os.chmod(to, 0o600)
            if self.user:
                shutil.chown(to, self.user)
        for option, value in (("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key"), ("ssl", "on")):
            self.sql(f"ALTER SYSTEM SET {option} = '{value}'")
        self.stop() # a reload takes its time
        self.start()

    def cpu(self):
        """CPU seconds of all its processes, those that have ended too."""
        with open(os.path.join(self.data, "postmaster.pid"), encoding="utf-8") as f:
            postmaster = int(f.readline())
        ticks = 0
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8") as f:
                    fields = f.read().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(name) == postmaster:
                ticks += sum(map(int, fields[11:15])) # children that it has waited for, too
            elif int(fields[1]) == postmaster:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def uri(self, options="", database="postgres"):
        return f"postgresql://fapilog@127.0.0.1:{self.port}/{database}" + ("?" + options if options else "")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop("immediate")
        except subprocess.CalledProcessError:
            pass
        deadline = time.monotonic() + 5
        while os.path.exists(self.path) and time.monotonic() < deadline:
            shutil.rmtree(self.path, ignore_errors=True)
