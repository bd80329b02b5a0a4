#!/usr/bin/env python3
"""The unit under a real systemd, which is process 1 of namespaces of its own (booted.py): started, reloaded, killed by the
watchdog, stopped; the user is made by sysusers, the directories by tmpfiles and the unit."""
import json
import os
import signal
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from harness import *  # noqa: E402,F403
from booted import Booted, CannotBoot  # noqa: E402

PACKAGING = os.path.join(os.environ["FAPILOG_SOURCE"], "packaging", "systemd")
UNIT, USER = "fapilog-collector@orders.service", "orders"
OUT = "/var/log/fapilog/orders"


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def library_of(program):
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.search(r"libfapilog.so.0 => (\S+)", said)[1]


def configuration(*names):
    sinks = "".join(f"  {name}: '{OUT}/{name}.jsonl'\n".replace("'", "'file://", 1) for name in names)
    return f"level: INFO\nflush_interval: 20ms\nsinks:\n{sinks}"


def installed():
    """As `meson install` with -Dsystemd=true lays it out, and what an operator adds."""
    return {
        "/usr/bin/fapilog-collector": (COLLECTOR,),
        "/usr/lib/systemd/system/fapilog-collector@.service":
            read(PACKAGING, "fapilog-collector@.service.in").replace("@bindir@", "/usr/bin"),
        "/usr/lib/tmpfiles.d/fapilog.conf": read(PACKAGING, "fapilog.tmpfiles.conf"),
        "/usr/lib/sysusers.d/fapilog.conf": read(PACKAGING, "fapilog.sysusers.conf"),
        "/etc/sysusers.d/orders.conf": f"u {USER} - \"Services that take orders\"\n",
        "/etc/fapilog/orders.yaml": configuration("log"),
        "/etc/fapilog/fapilog.yaml": "sinks: {all: 'file:///var/log/fapilog/fapilog/all.jsonl'}\n",
        "/opt/test/load": (LOAD,),
        "/opt/test/libfapilog.so.0": (library_of(LOAD),),
    }


class Unit:
    def __init__(self, machine):
        self.machine = machine
        self.uid = int(self.must("id", "-u", USER))

    def must(self, *argv):
        p = self.machine.run(*argv)
        check(p.returncode == 0, f"{argv}: {p.returncode}: {p.stderr or p.stdout}\n{self.journal()}")
        return p.stdout

    def systemctl(self, *argv):
        return self.must("systemctl", "--no-pager", *argv)

    def journal(self):
        return self.machine.run("journalctl", "--no-pager", "-o", "cat", "-u", UNIT).stdout

    def show(self):
        text = self.systemctl("show", UNIT)
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def logs(self, records):
        """A service of the user, which writes that many into a ring."""
        said = self.must("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "env", "LD_LIBRARY_PATH=/opt/test",
                         "/opt/test/load", "--records", str(records), f"/run/fapilog/{self.uid}")
        return int(re.search(r"written (\d+)", said)[1])

    def file(self, name):
        return self.machine.file(f"{OUT}/{name}.jsonl")

    def lines(self, name):
        return line_count(self.file(name)) if os.path.exists(self.file(name)) else 0

    def process_status(self):
        """Of the main process, asked inside, where process numbers are those that the unit has."""
        text = self.must("cat", f"/proc/{self.show()['MainPID']}/status")
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def it_starts_and_drains_the_rings_of_the_user(unit):
    machine = unit.machine
    check(os.stat(machine.file("/run/fapilog")).st_uid == 0, "tmpfiles has not made it")
    check(not os.path.exists(machine.file(f"/run/fapilog/{unit.uid}")), "the rings are there before the unit")
    unit.systemctl("start", UNIT)  # returns when it has said that it is ready
    state = unit.show()
    check((state["ActiveState"], state["SubState"], state["Type"]) == ("active", "running", "notify"), f"{state['ActiveState']}")
    for path, mode in ((f"/run/fapilog/{unit.uid}", 0o750), ("/var/lib/fapilog/orders", 0o700), (OUT, 0o750)):
        st = os.stat(machine.file(path))
        check((st.st_uid, st.st_mode & 0o777) == (unit.uid, mode), f"{path}: {st}")
    written = unit.logs(1000)
    wait_for("they are delivered", lambda: unit.lines("log") == written)
    wait_for("systemctl shows how it stands", lambda: f"{written} records delivered" in unit.show()["StatusText"])
    return f"{written} records"


def services_without_an_account_have_that_of_the_package(unit):
    uid = unit.must("id", "-u", "fapilog").strip()
    unit.systemctl("start", "fapilog-collector@fapilog.service")
    check(os.stat(unit.machine.file(f"/run/fapilog/{uid}")).st_uid == int(uid), "its rings are not its own")
    check(os.stat(unit.machine.file("/var/log/fapilog/fapilog")).st_uid == int(uid), "its files are not its own")
    unit.systemctl("stop", "fapilog-collector@fapilog.service")


def its_process_is_confined(unit):
    status = unit.process_status()
    check(status["Uid"].split() == [str(unit.uid)] * 4, status["Uid"])
    check(all(int(status[k], 16) == 0 for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")), f"{status}")
    check((status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), f"{status['NoNewPrivs']}, {status['Seccomp']}")
    said = unit.machine.run("systemd-analyze", "security", "--no-pager", UNIT).stdout
    exposure = re.search(r"Overall exposure level for .*: ([\d.]+)", said)
    check(exposure and float(exposure[1]) <= 2.0, said[-300:])
    p = unit.machine.run("systemd-analyze", "verify", "--man=no", "/usr/lib/systemd/system/fapilog-collector@.service")
    check("fapilog" not in p.stderr, p.stderr)
    said = unit.must("curl", "-sS", "--unix-socket", f"/run/fapilog/{unit.uid}/collector.sock", "http://localhost/metrics") \
        if shutil.which("curl") else ""
    io = re.search(r'fapilog_build_info\{.*io="([^"]+)"', said)
    return f"exposure {exposure[1]} of 10, {io[1] if io else '?'}"


def systemctl_reload_takes_the_file_over(unit):
    unit.machine.put(unit.machine.file("/etc/fapilog/orders.yaml"), configuration("log", "more"))
    before = unit.show()
    unit.systemctl("reload", UNIT)
    wait_for("it is taken over", lambda: "configuration taken over" in unit.journal())
    written = unit.logs(100)
    wait_for("the new sink has them", lambda: unit.lines("more") == written)
    unit.machine.put(unit.machine.file("/etc/fapilog/orders.yaml"), configuration("log") + "nonsense: 1\n")
    unit.systemctl("reload", UNIT)
    wait_for("the journal says why not", lambda: "nonsense: no such key" in unit.journal())
    after = unit.show()
    check((after["ActiveState"], after["MainPID"]) == ("active", before["MainPID"]), f"{after['ActiveState']}")
    unit.machine.put(unit.machine.file("/etc/fapilog/orders.yaml"), configuration("log", "more"))


def the_watchdog_restarts_one_that_hangs(unit):
    """With a shorter time than the unit's."""
    unit.machine.put(unit.machine.file(f"/run/systemd/system/{UNIT}.d/watchdog.conf"),
                     "[Service]\nWatchdogSec=1s\nTimeoutAbortSec=1s\nRestartSec=100ms\n")
    unit.systemctl("daemon-reload")
    unit.systemctl("restart", UNIT)
    before, had = unit.show(), unit.lines("log")
    unit.systemctl("kill", "--signal=STOP", UNIT)
    written = unit.logs(500)
    wait_for("another one has begun", lambda: unit.show()["MainPID"] not in (before["MainPID"], "0"))
    wait_for("it is ready", lambda: unit.show()["ActiveState"] == "active")
    wait_for("what was logged meanwhile is delivered", lambda: unit.lines("log") >= had + written)
    check(unit.lines("log") == had + written, f"{unit.lines('log')} lines, not {had} + {written}")
    check(int(unit.show()["NRestarts"]) == 1, f"{unit.show()['NRestarts']} restarts")
    entries = [json.loads(line) for line in unit.must("journalctl", "--no-pager", "-o", "json", "_PID=1",
                                                      f"UNIT={UNIT}").splitlines()]
    check(any("Watchdog timeout" in str(e.get("MESSAGE")) for e in entries), "the journal does not tell of the watchdog")


def stopping_delivers_and_keeps_the_rings(unit):
    had, written = unit.lines("log"), unit.logs(2000)
    unit.systemctl("stop", UNIT)
    state = unit.show()
    check((state["ActiveState"], state["Result"]) == ("inactive", "success"), f"{state['ActiveState']}, {state['Result']}")
    check(unit.lines("log") == had + written, f"{unit.lines('log')} lines, not {had} + {written}")
    left = unit.logs(100)  # without a collector: in the ring
    check(any(f.endswith(".ring") for f in os.listdir(unit.machine.file(f"/run/fapilog/{unit.uid}"))), "no ring")
    unit.systemctl("start", UNIT)
    wait_for("it is delivered", lambda: unit.lines("log") == had + written + left)
    unit.systemctl("kill", "--signal=KILL", UNIT)
    more = unit.logs(100)
    wait_for("it was started again", lambda: unit.lines("log") == had + written + left + more)


def with_a_user_of_its_own_choice(unit):
    """User= taken out: root starts it, and --user does what User= did."""
    unit.systemctl("stop", UNIT)
    unit.machine.put(unit.machine.file(f"/run/systemd/system/{UNIT}.d/user.conf"),
                     "[Service]\nUser=\nExecStart=\nExecStart=/usr/bin/fapilog-collector --config /etc/fapilog/orders.yaml "
                     f"--user {USER} --verbose\nCapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_CHOWN "
                     "CAP_SYS_RESOURCE\nStateDirectory=\nLogsDirectory=\nReadWritePaths=/var/log/fapilog\n"
                     "SystemCallFilter=@setuid capset\n")
    os.chmod(unit.machine.file("/etc/fapilog/orders.yaml"), 0o600)
    unit.systemctl("daemon-reload")
    had = unit.lines("log")
    unit.systemctl("start", UNIT)
    check(f"privileges dropped: user {USER}" in unit.journal(), unit.journal())
    status = unit.process_status()
    check(status["Uid"].split() == [str(unit.uid)] * 4 and int(status["CapBnd"], 16) == 0, f"{status}")
    written = unit.logs(100)
    wait_for("it is delivered", lambda: unit.lines("log") == had + written)
    unit.systemctl("stop", UNIT)


def can_run():
    if os.geteuid() != 0:
        return "only root can make a machine of its own"
    if os.environ.get("FAPILOG_SANITIZE", "none") != "none":
        return "the unit's filter does not know what sanitizers call"
    return None


def main():
    if can_run():
        print(f"skipped: {can_run()}")
        return 77
    try:
        with Booted(installed()) as machine:
            unit = Unit(machine)
            def on(test):
                def bound():
                    return test(unit)
                bound.__name__ = test.__name__
                return bound
            return run([on(t) for t in (it_starts_and_drains_the_rings_of_the_user,
                                        services_without_an_account_have_that_of_the_package, its_process_is_confined,
                                        systemctl_reload_takes_the_file_over, the_watchdog_restarts_one_that_hangs,
                                        stopping_delivers_and_keeps_the_rings, with_a_user_of_its_own_choice)])
    except CannotBoot as e:
        print(f"skipped: {e}")
        return 77


if __name__ == "__main__":
    sys.exit(main())
