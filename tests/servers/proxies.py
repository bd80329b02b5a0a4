"""Real forward proxies, on free loopback ports: tinyproxy, squid (over TLS, too) and microsocks. Each is given a directory
and, where it shall ask for them, a user and a password; it may be killed and started again on its port."""
import glob
import os
import shutil
import signal
import subprocess

from loopback import free_port, is_open

TINYPROXY = """
Port {port}
Listen 127.0.0.1
LogFile "{dir}/tinyproxy.log"
LogLevel Connect
Timeout 30
MaxClients 50
"""

SQUID = """
http_port 127.0.0.1:{port}
access_log stdio:{dir}/access.log
cache_log {dir}/cache.log
pid_filename none
coredump_dir {dir}
cache deny all
shutdown_lifetime 0 seconds
buffered_logs off
"""

SQUID_AUTHENTICATION = """
auth_param basic program /usr/lib/squid/basic_ncsa_auth {dir}/users
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""


class Proxy:
    """`wait_for` is the harness's: wait_for(what, condition)."""
    package = program = None
    scheme = "http"

    def __init__(self, directory, wait_for, user=None, password=None):
        self.dir, self.user, self.password = directory, user, password
        self.wait_for = wait_for
        self.process = None
        os.makedirs(directory, exist_ok=True)
        self.port = free_port()
        self.config = os.path.join(directory, "proxy.conf")
        with open(self.config, "w") as f:
            f.write(self.text())
        self.start()

    @classmethod
    def is_installed(cls):
        return shutil.which(cls.program) is not None or os.access(cls.program, os.X_OK)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        with open(os.path.join(self.dir, "stderr.log"), "ab") as err:
            self.process = subprocess.Popen(self.argv(), stdout=subprocess.DEVNULL, stderr=err, start_new_session=True)
        self.wait_for(f"{self.program} listens", self.is_listening)

    def is_listening(self):
        if self.process.poll() is not None:
            raise OSError(f"{self.program} ended with {self.process.returncode}; see {self.dir}")
        return is_open(self.port)

    def kill(self):
        """It and its helpers, with every connection through it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def asked(self, is_tls, port):
        """How often, by its log, it was asked for a server on this port of loopback."""
        wanted = f"CONNECT 127.0.0.1:{port}" if is_tls else f"POST http://127.0.0.1:{port}/"
        return self.log().count(wanted)

    def log(self):
        text = ""
        for name in ("tinyproxy.log", "access.log", "stderr.log"):
            try:
                with open(os.path.join(self.dir, name)) as f:
                    text += f.read()
            except FileNotFoundError:
                pass
        return text

    def text(self):
        raise NotImplementedError

    def argv(self):
        raise NotImplementedError


class Tinyproxy(Proxy):
    package = program = "tinyproxy"

    def text(self):
        return TINYPROXY.format(port=self.port, dir=self.dir) + (f"BasicAuth {self.user} {self.password}\n" if self.user else "")

    def argv(self):
        return [self.program, "-d", "-c", self.config]


class Squid(Proxy):
    package, program = "squid", "/usr/sbin/squid"

    def text(self):
        text = SQUID.format(port=self.port, dir=self.dir)
        if os.geteuid() == 0: # it does not want to be root
            os.chmod(os.path.dirname(self.dir), 0o755)
            shutil.chown(self.dir, "proxy")
            text += "cache_effective_user proxy\n"
        if not self.user:
            return text + "http_access allow all\n"
        hashed = subprocess.run(["openssl", "passwd", "-apr1", self.password], capture_output=True, text=True, check=True)
        with open(os.path.join(self.dir, "users"), "w") as f:
            f.write(f"{self.user}:{hashed.stdout}")
        return text + SQUID_AUTHENTICATION.format(dir=self.dir)

    def argv(self):
        return [self.program, "-N", "-n", self.service(), "-f", self.config]

    def service(self):
        """Its shared memory has this name, for two of them not to collide."""
        return f"fapilogtest{self.port}"

    def kill(self):
        super().kill()
        for path in glob.glob(f"/dev/shm/{self.service()}-*"): # which it would have removed
            os.unlink(path)


class SquidOverTls(Squid):
    """With a server.pem and server.key of the directory above."""
    scheme = "https"

    def text(self):
        text = super().text()
        for name in ("server.pem", "server.key"):
            shutil.copy(os.path.join(os.path.dirname(self.dir), name), self.dir)
            if os.geteuid() == 0:
                shutil.chown(os.path.join(self.dir, name), "proxy")
        return text.replace(f"http_port 127.0.0.1:{self.port}",
                            f"https_port 127.0.0.1:{self.port} tls-cert={self.dir}/server.pem tls-key={self.dir}/server.key")


class Microsocks(Proxy):
    package = program = "microsocks"
    scheme = "socks5h"

    def text(self):
        return "" # all is in its arguments

    def argv(self):
        known = ["-u", self.user, "-P", self.password] if self.user else []
        return [self.program, "-i", "127.0.0.1", "-p", str(self.port), *known]

    def asked(self, is_tls, port):
        return self.log().count(f"connected to 127.0.0.1:{port}")


HTTP_PROXIES = (Tinyproxy, Squid)
PROXIES = HTTP_PROXIES + (SquidOverTls, Microsocks)
