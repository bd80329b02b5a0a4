"""A machine of its own under a real systemd: namespaces, an overlay over this machine's files, nothing of which is written to."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
UPPER_BYTES = "128m" # programs and the journal
BOOT_SECONDS = 40
# What this machine would do besides, and what would reach its kernel.
NOT_STARTED = ("timers.target", "sockets.target", "getty.target", "systemd-modules-load.service", "modprobe@.service",
               "systemd-sysctl.service", "systemd-binfmt.service", "systemd-udevd.service", "systemd-udev-trigger.service")


class CannotBoot(Exception):
    pass


def cgroup_root():
    """Where the version 2 hierarchy is mounted."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if words[words.index("-") + 1] == "cgroup2":
                return words[4]
    raise CannotBoot("no cgroup2 is mounted")


class Booted:
    """`files`: {path: text or a file to copy} that the machine has besides."""

    def __init__(self, files):
        self.pid, self.unshare, self.cgroup = None, None, None
        for program in ("/lib/systemd/systemd", "unshare", "nsenter", "pivot_root"):
            if not shutil.which(program):
                raise CannotBoot(f"{program} is not installed")
        self.path = tempfile.mkdtemp(prefix="fapilog-boot-", dir="/var/tmp")
        try:
            self.prepare(files)
            self.boot()
        except BaseException:
            self.close()
            raise

    def must(self, *argv):
        p = subprocess.run(argv, capture_output=True, text=True, check=False)
        if p.returncode:
            raise CannotBoot(f"{argv[0]}: {p.stderr.strip()}")

    def prepare(self, files):
        self.must("mount", "-t", "tmpfs", "-o", "mode=755,size=" + UPPER_BYTES, "fapilog-test", self.path)
        for name in ("upper", "work", "root"):
            os.mkdir(os.path.join(self.path, name))
        os.makedirs(os.path.join(self.path, "upper", "etc/systemd/system"))
        for name in NOT_STARTED:
            os.symlink("/dev/null", os.path.join(self.path, "upper", "etc/systemd/system", name))
        for name, content in files.items():
            self.put(os.path.join(self.path, "upper", name.lstrip("/")), content)
        try:
            self.cgroup = tempfile.mkdtemp(prefix="fapilog-test-", dir=cgroup_root())
        except OSError as e:
            raise CannotBoot(f"cgroup: {e}") from e

    @staticmethod
    def put(path, content):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(content, str):
            with open(path, "w", encoding="utf-8") as f:
                f.write(content)
            os.chmod(path, 0o644)
        else:
            shutil.copy(content[0], path)
            os.chmod(path, 0o755)

    def boot(self):
        def enter():
            with open(os.path.join(self.cgroup, "cgroup.procs"), "w", encoding="ascii") as f:
                f.write(str(os.getpid()))
        self.log = open(os.path.join(self.path, "log"), "w+", encoding="utf-8")
        self.unshare = subprocess.Popen(
            ["unshare", "--kill-child", "--fork", "--pid", "--mount", "--ipc", "--uts", "--net", "--cgroup",
             os.path.join(HERE, "systemd-boot"), self.path], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            preexec_fn=enter)
        deadline = time.monotonic() + BOOT_SECONDS
        while self.run("systemctl", "is-system-running").stdout.strip() not in ("running", "degraded"):
            if self.unshare.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise CannotBoot(f"systemd does not boot here: {self.log.read()[-500:].strip() or 'it says nothing'}")
            time.sleep(0.02)

    def find_pid(self):
        if not self.pid:
            with open(f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children", encoding="ascii") as f:
                children = f.read().split()
            with open(f"/proc/{children[0]}/comm", encoding="ascii") as f:
                is_systemd = f.read().strip() == "systemd"
            self.pid = children[0] if is_systemd else None
        return self.pid

    def run(self, *argv, timeout=30):
        """Runs a program in it."""
        try:
            pid = self.find_pid()
        except (OSError, IndexError):
            pid = None
        if not pid:
            return subprocess.CompletedProcess(argv, 1, "", "it has no process 1 yet")
        return subprocess.run(["nsenter", "--target", pid, "--all", *argv], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout, check=False)

    def file(self, path):
        """Its name outside."""
        return f"/proc/{self.pid}/root{path}"

    def close(self):
        if self.unshare:
            self.unshare.kill()  # and with it process 1, and with that all others
            self.unshare.wait()
            self.log.close()
        deadline = time.monotonic() + 10
        while self.cgroup and os.path.isdir(self.cgroup) and time.monotonic() < deadline:
            for folder, _, _ in os.walk(self.cgroup, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    time.sleep(0.01) # somebody is still ending
        subprocess.run(["umount", "-l", self.path], capture_output=True, check=False)
        os.rmdir(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
