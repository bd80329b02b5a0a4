"""What happens to a world while it lives. Each function is an event of world.py; `run` is a Run."""
import os
import shutil
import signal
import time

import books

MOST = 64 << 20


def kill_collector(run, pause):
    run.kill_collector()
    restart(run, pause)


def restart(run, pause, env=None):
    if pause:
        # Nobody is at work meanwhile; events that want a collector come after it.
        time.sleep(pause)
    run.start_collector(env=env)


def kill_quietly(run):
    """Nobody logs, and the rings are empty, for longer than the ledger is old at most: it tells what the kill costs then."""
    if not run.wait_ready():
        return
    services = [p.pid for p in run.producers.values() if p.poll() is None] + [n.pid for n in run.read_notes().values()]
    send(services, signal.SIGSTOP)
    try:
        run.kill_collector(taken=run.wait_quiet())
    finally:
        send(services, signal.SIGCONT)
    run.start_collector()


def send(pids, number):
    for pid in set(pids):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def kill_at_step(run, step, count):
    """Sooner or later, when it comes to that step so many times; before it kills itself it is one like any other."""
    run.kill_collector()
    run.start_collector(env={"FAPILOG_FAULT": f"{step}:{count}"})


def end_collector(run, pause):
    run.end_collector()
    if run.collector.poll() is not None:
        restart(run, pause)


def stop_collector(run, seconds):
    if run.is_stopped or not run.wait_ready():
        return
    run.collector.send_signal(signal.SIGSTOP)
    run.is_stopped = True
    run.after(seconds, run.resume_collector)


def reload(run):
    while not run.wait_ready():  # it would begin with the other files else, and is not asked for them
        pass
    run.asked = len(run.answers())
    run.is_changed = not run.is_changed
    run.configure()
    if run.wait_ready():
        run.collector.send_signal(signal.SIGHUP)


def leave(run, name, seconds):
    """A reload leaves the sink out, if it is not the last one; another takes it back."""
    if name in run.away or len(run.away) + 2 > len(run.world.sinks) or not run.wait_ready():
        return
    absence = books.Absence(run.seen())
    run.absences[name].append(absence)
    run.away.add(name)
    run.configure()
    answer = run.reload()
    if answer and answer[0] == 200:
        absence.gone_at = run.begun()
        run.after(seconds, lambda: come_back(run, name))
        return
    # Refused, or it was killed on the way: which way it went is not known then.
    run.away.discard(name)
    run.configure()
    run.look_after()
    absence.back_at = run.begun()


def come_back(run, name):
    """By a reload, or a restart where it takes one. What is in the way now is not after mend()."""
    if name not in run.away or not run.wait_ready():
        return
    absence, seen = run.absences[name][-1], run.seen()
    run.away.discard(name)
    run.configure()
    answer = run.reload()
    if answer and answer[0] == 400:
        if "restart" not in answer[1]:
            run.away.add(name)
            run.configure()
            return
        run.end_collector()
        if run.collector.poll() is not None:
            run.start_collector()
    run.look_after()
    absence.back_at = run.begun()
    if answer and answer[0] == 200:
        absence.elsewhere = {k for k in seen if k[2] >= absence.gone_at.get(k[:2], 0)}


def rotate(run):
    if run.wait_ready():
        run.collector.send_signal(signal.SIGUSR1)


def kill_producer(run, number):
    producer = run.producers.get(number)
    if producer and producer.poll() is None:
        producer.kill()


def program_of(run, name):
    """The pid of an exec sink's program, if it runs."""
    path = run.path(run.sink(name))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                if f.read().rstrip("\0").split("\0")[-1] == path:
                    return int(pid)
        except OSError:
            pass  # it has ended
    return None


def kill_program(run, name):
    pid = program_of(run, name)
    if pid:
        os.kill(pid, signal.SIGKILL)


def stop_program(run, name, seconds):
    """Beyond the time that a request has it is replaced."""
    pid = program_of(run, name)
    if not pid:
        return
    os.kill(pid, signal.SIGSTOP)

    def go_on():
        if program_of(run, name) == pid:
            os.kill(pid, signal.SIGCONT)
    run.after(seconds, go_on)


def fail_server(run, name, how, seconds):
    server = run.servers[name]
    server.fail(how)
    run.after(seconds, server.heal)


def freeze_server(run, name, seconds):
    server = run.servers[name]
    server.freeze()
    run.after(seconds, server.thaw)


def fill_disk(run, seconds):
    """Nothing fits any more, until somebody makes room."""
    if not run.mounts[1].is_mounted:
        return
    with open(os.path.join(run.small, "ballast"), "wb", buffering=0) as f:
        try:
            for _ in range(MOST // 4096):
                f.write(b"\0" * 4096)
        except OSError:
            pass
    run.after(seconds, lambda: free_disk(run))


def free_disk(run):
    try:
        os.unlink(os.path.join(run.small, "ballast"))
    except FileNotFoundError:
        pass


def live_and_moved(run, sink):
    live = run.path(sink)
    run.moved += 1
    return live, os.path.join(run.directory(sink), f"moved-{run.moved}" + os.path.splitext(live)[1])


def move_file(run, name, how):
    """As logrotate does it: renamed, in its directory, with a signal to open it again or without one."""
    sink = run.sink(name)
    try:
        os.rename(*live_and_moved(run, sink))
    except FileNotFoundError:
        return
    if (how == "signal" or sink.kind == "mmap") and run.wait_ready():
        run.collector.send_signal(signal.SIGHUP)


def copy_and_truncate(run, name):
    """The other way of logrotate. What is written between the two is lost, so the collector stands still meanwhile, and the
    kernel is given time for what it had submitted. What is in the file without a mark is in the copy, too, and is written once
    more if the collector is killed: before the copy it has cut off what a killed one left, afterwards it makes its mark."""
    if run.is_stopped or run.may_die or not run.wait_at_work():
        return
    run.collector.send_signal(signal.SIGSTOP)
    run.is_stopped = True
    time.sleep(0.1)
    live, moved = live_and_moved(run, run.sink(name))
    try:
        shutil.copyfile(live, moved)
        os.truncate(live, 0)
    except OSError:  # it is not there, or the disk is full: half a copy is none
        if os.path.exists(moved):
            os.unlink(moved)
    for _ in range(2):  # a whole turn lies between two answers
        run.wait_at_work()
