#!/usr/bin/env python3
"""What the service manager is told, by a socket of our own in its place; the unit, by systemd's own checkers."""
import os
import shutil
import signal
import socket
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from harness import *  # noqa: E402,F403
from brokenserver import BrokenServer  # noqa: E402
from manager import Manager  # noqa: E402

UNIT = os.path.join(os.environ["FAPILOG_SOURCE"], "packaging", "systemd", "fapilog-collector@.service.in")


def read_reload(text):
    m = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", text)
    check(m is not None, f"not the beginning of a reload: {text!r}")
    return int(m[1])


def it_tells_when_it_is_ready_reloads_and_stops():
    for name in (None, f"@fapilog-test-{os.getpid()}"):
        with Place() as place:
            manager = Manager(place, name)
            path = os.path.join(place.path, "config.yaml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(f"rings: {place.rings}\nsinks: {{log: '{place.uri()}'}}\n")
            c = place.start([COLLECTOR, "--config", path], env=manager.env())
            wait_for("it is ready", lambda: manager.states() == ["READY=1"])
            check(place.is_ready(c), "ready is said too early")
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            c.send_signal(signal.SIGHUP)
            wait_for("it has reloaded", lambda: len(manager.states()) >= 3 and manager.states()[-1] == "READY=1")
            check(len(manager.states()) == 3, f"{manager.states()}")
            at = read_reload(manager.states()[1])
            check(before <= at <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, f"{before}, {at}")
            with open(path, "a", encoding="utf-8") as f:
                f.write("nonsense: 1\n")
            c.send_signal(signal.SIGHUP)  # refused: it goes on as before, which is ready
            wait_for("it has not reloaded", lambda: len(manager.states()) >= 5 and manager.states()[-1] == "READY=1")
            stop(c)
            check(manager.states()[5:] == ["STOPPING=1"], f"{manager.states()}")


def a_signal_to_reopen_without_a_configuration_is_a_reload_too():
    with Place() as place:
        manager = Manager(place)
        c = place.collector(env=manager.env())
        wait_for("it is ready", lambda: manager.states() == ["READY=1"])
        c.send_signal(signal.SIGHUP)
        wait_for("it says so", lambda: len(manager.states()) == 3 and manager.states()[2] == "READY=1")
        read_reload(manager.states()[1])
        stop(c)


def is_pending(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"ShdPnd:\s*(\w+)", f.read())[1], 16) >> (number - 1) & 1


def has_inotify(pid):
    try:
        return any("inotify" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError: # it has closed one, or ended, meanwhile: looked at again
        return True


def a_manager_that_is_too_busy_to_listen_is_told_later():
    """Its queue is full of what others say."""
    def fill(manager):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            try:
                while True:
                    other.sendto(b"STATUS=of another", manager.address)
            except BlockingIOError:
                pass

    with Place() as place:
        manager = Manager(place)
        fill(manager)
        c = place.collector(env=manager.env())
        place.load_done("--records", 10)
        wait_for("it works", lambda: os.path.exists(place.file()) and line_count(place.file()) >= 10)
        check(manager.states() == [], f"there was room: {manager.said}")
        wait_for("it is ready", lambda: manager.states() == ["READY=1"])
        wait_for("the status is told", lambda: any("10 records delivered" in s for s in manager.hear()))
        fill(manager)
        c.send_signal(signal.SIGHUP)
        wait_for("the signal is taken", lambda: not is_pending(c.pid, signal.SIGHUP))
        wait_for("it has reloaded", lambda: len(manager.states()) >= 3 and manager.states()[-1] == "READY=1")
        check(len(manager.states()) == 3, f"{manager.states()}")
        read_reload(manager.states()[1])
        fill(manager)
        c.send_signal(signal.SIGTERM)
        wait_for("it has closed all else", lambda: c.poll() is not None or not has_inotify(c.pid))
        wait_for("the end is told", lambda: manager.states()[-1] == "STOPPING=1", 5)
        check(c.wait(30) == 0, f"ended with {c.returncode}")


def the_watchdog_is_fed_while_the_reactor_turns():
    with Place() as place:
        manager = Manager(place)
        c = place.collector(env=manager.env(WATCHDOG_USEC="100000"))
        wait_for("it is fed", lambda: manager.hear().count("WATCHDOG=1") > 5)
        c.send_signal(signal.SIGSTOP)
        manager.hear()
        count = len(manager.said)
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            time.sleep(0.01)
        check(len(manager.hear()) == count, "it is fed though nothing turns")
        c.send_signal(signal.SIGCONT)
        wait_for("it is fed again", lambda: len(manager.hear()) > count)
        stop(c)
    with Place() as place:  # meant for somebody else
        manager = Manager(place)
        c = place.collector(env=manager.env(WATCHDOG_USEC="1000", WATCHDOG_PID="1"))
        wait_for("a status is told", lambda: any(s.startswith("STATUS=") for s in manager.hear()))
        stop(c)
        check("WATCHDOG=1" not in manager.hear(), "fed, though it is another's")


def the_status_names_the_sink_that_fails():
    with Place() as place, BrokenServer() as server:
        manager = Manager(place)
        c = place.collector("--sink", server.uri(), env=manager.env())
        wait_for("it works", lambda: any("0 records delivered" in s for s in manager.hear()))
        place.load_done("--records", 10)
        wait_for("it fails", lambda: "STATUS=sink http does not work" in manager.hear())
        server.is_broken = False
        wait_for("it works again", lambda: "10 records delivered" in manager.hear()[-1])
        stop(c)


def a_manager_that_is_gone_or_wrong():
    with Place() as place:
        c = place.collector(env={"NOTIFY_SOCKET": os.path.join(place.path, "nobody")})
        place.wait_ready(c)
        stop(c)
        c = place.collector(env={"NOTIFY_SOCKET": "nonsense"})
        _, text = c.communicate(timeout=20)
        check(c.returncode == 1 and "NOTIFY_SOCKET: 'nonsense' is neither a path" in text, text)


def run_systemd(*argv):
    p = subprocess.run(["systemd-analyze", *argv], capture_output=True, text=True, check=False)
    return p.returncode, p.stdout + p.stderr


def the_unit_is_valid_and_hardened_and_allows_io_uring():
    if not shutil.which("systemd-analyze"):
        return "skipped: systemd-analyze is not installed"
    with Place() as place:
        os.symlink(COLLECTOR, os.path.join(place.path, "fapilog-collector"))
        with open(UNIT, encoding="utf-8") as f:
            text = f.read().replace("@bindir@", place.path)
        path = os.path.join(place.path, "fapilog-collector@daemon.service")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        status, said = run_systemd("verify", "--man=no", path)
        said = "\n".join(line for line in said.splitlines() if "fapilog" in line)
        check(status == 0 and not said, f"verify: {status}, {said}")
        status, said = run_systemd("security", "--offline=true", "--threshold=25", "--no-pager", path)
        check(status == 0, f"security: {said}")
        exposure = re.search(r"Overall exposure level.*?: ([\d.]+)", said)
        check("SystemCallFilter=@system-service\n" in text, "the filter is another one")
        for group, member in (("@system-service", "@aio"), ("@aio", "io_uring_setup")):
            status, listed = run_systemd("syscall-filter", group)
            check(status == 0 and member in listed.split()[1:], f"{group} does not have {member}: {listed}")
        return f"exposure {exposure.group(1) if exposure else '?'} of 10"


def members(group):
    """The system calls of a group, those of groups in it too."""
    status, text = run_systemd("syscall-filter", group)
    check(status == 0, text)
    found = set()
    for word in (line.strip() for line in text.splitlines()[1:]):
        if word.startswith("@"):
            found |= members(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def no_system_call_is_one_that_the_unit_forbids():
    for program in ("systemd-analyze", "strace"):
        if not shutil.which(program):
            return f"skipped: {program} is not installed"
    with open(UNIT, encoding="utf-8") as f:
        text = f.read()
    filters = re.findall(r"^SystemCallFilter=(.*)$", text, re.M)
    check(filters == ["@system-service", "~@privileged", "@chown"], f"the filters are others: {filters}")
    allowed = members("@default") | (members("@system-service") - members("@privileged")) | members("@chown")
    with Place() as place, BrokenServer(is_broken=False) as server:
        trace = os.path.join(place.path, "trace")
        c = place.start(["strace", "-f", "-qq", "-o", trace, COLLECTOR, "--rings", place.rings, "--sink",
                         place.uri(options="max_bytes=20KB&max_files=3&compress=zstd&sync=always"), "--sink", server.uri()])
        wait_for("it is there", lambda: os.path.exists(os.path.join(place.rings, "collector.sock")))
        written = place.load_done("--records", 1000)
        wait_for("all is delivered", lambda: len(server.records) >= written)
        with open(os.path.join(place.rings, "collector.lock"), encoding="utf-8") as f:
            os.kill(int(f.read()), signal.SIGTERM)
        c.communicate(timeout=30)
        with open(trace, encoding="utf-8", errors="replace") as f:
            used = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", f.read(), re.M))
        check("execve" in used and len(used) > 20, f"not a trace: {used}")
        check(not used - allowed - {"execve"}, f"forbidden: {sorted(used - allowed)}")
        return f"{len(used)} kinds of system calls"


if __name__ == "__main__":
    sys.exit(run([it_tells_when_it_is_ready_reloads_and_stops, a_signal_to_reopen_without_a_configuration_is_a_reload_too,
                  a_manager_that_is_too_busy_to_listen_is_told_later,
                  the_watchdog_is_fed_while_the_reactor_turns, the_status_names_the_sink_that_fails,
                  a_manager_that_is_gone_or_wrong, the_unit_is_valid_and_hardened_and_allows_io_uring,
                  no_system_call_is_one_that_the_unit_forbids]))
