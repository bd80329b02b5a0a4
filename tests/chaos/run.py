"""Makes a world real in a folder: starts its processes and servers, lets events happen, mends everything, waits until all is
delivered, and hands what there is to the books."""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time

import adminclient
import apart
import books
import events
import notes
import outputs
import servers
import world as worlds
from harness import COLLECTOR, Failure, Place, wait_for

PRODUCER = os.environ.get("FAPILOG_CHAOS_PRODUCER")
HERE = os.path.dirname(os.path.abspath(__file__))
ENDS_WITHIN = 40.0  # any collector, after SIGTERM, or after a server has got something
RELOADS_WITHIN = 60.0  # with those before it
RINGS_GONE_WITHIN = 40.0  # those of dead producers, when nothing stands in the way
QUIET_WITHIN = 4.0  # of a kill when nobody logs; else it is one like any other
LEDGER_IS_OLD = 1.2  # at most: it is written every second
DRAINS = 20  # runs of --drain until all is delivered
AWS = {"AWS_ACCESS_KEY_ID": "chaos", "AWS_SECRET_ACCESS_KEY": "chaos", "AWS_EC2_METADATA_DISABLED": "true"}
ANSWER = re.compile(r"configuration (?:not )?taken over")
OURS = re.compile(r"CHECK|AddressSanitizer|LeakSanitizer|runtime error|Assertion|MemorySanitizer|stack smashing|not balance")


class Mount:
    """A tmpfs of a size, where we may mount; else the directory as it is."""

    def __init__(self, path, size):
        os.makedirs(path, mode=0o750, exist_ok=True)
        self.path = path
        argv = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0750", "tmpfs", path]
        self.is_mounted = bool(size) and os.getuid() == 0 and subprocess.run(argv, capture_output=True).returncode == 0

    def grow(self):
        if self.is_mounted:
            subprocess.run(["mount", "-o", "remount,size=1g", self.path], check=True)


def unmount_below(path):
    """By what the system knows: whoever is told to stop between a mount and its note has none."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        below = [line.split()[1] for line in f if line.split()[1].startswith(path + "/")]
    for target in reversed(below):
        subprocess.run(["umount", "-l", target], check=False)


class Run:
    def __init__(self, world, place):
        self.world, self.place = world, place
        self.notes_dir, self.state = os.path.join(place.path, "notes"), os.path.join(place.path, "state")
        os.mkdir(self.notes_dir)
        self.mounts, self.small = [], os.path.join(place.path, "small")
        self.servers = {}
        self.producers = {}  # by number, once started
        self.collector, self.lives, self.is_stopped, self.may_die = None, 0, False, False
        self.was_killed, self.is_changed = False, False
        self.asked = None  # how many answers to reloads there were when the last one asked this collector for other files
        self.was_moving = False  # a collector has ended, and which files it had then is not known
        self.moved = 0  # files, so that each has a name of its own
        self.is_told = False  # the end of the last collector, and what it had in memory, by the ledger
        self.given_up = dict.fromkeys((s.name for s in world.sinks), 0)
        self.away = set()  # names of sinks that a reload has left out
        self.absences = {s.name: [] for s in world.sinks}
        self.problems = []
        self.later = []  # (when, function): what ends an event

    def build(self):
        self.mounts = [Mount(self.place.rings, self.world.small_rings), Mount(self.small, self.world.small_disk)]
        for sink in self.world.sinks:
            os.makedirs(self.directory(sink), exist_ok=True)
            if sink.is_apart:
                taken = os.path.join(self.place.path, "taken-" + sink.name)
                self.servers[sink.name] = apart.Apart(sink.kind, sink.poison, taken)
            elif sink.kind in worlds.HTTP:
                self.servers[sink.name] = servers.HttpServer(sink.poison)
            elif sink.kind == "syslog":
                self.servers[sink.name] = servers.SyslogServer()
        self.configure()

    # -- what there is

    def sink(self, name):
        return next(s for s in self.world.sinks if s.name == name)

    def directory(self, sink):
        base = self.small if sink.is_on_small_disk and sink.kind in worlds.LOCAL else self.place.out
        return os.path.join(base, sink.name)

    def path(self, sink):
        """Of the live file."""
        stem = "other" if sink.moves and self.is_changed else "log"
        return os.path.join(self.directory(sink), stem + (".fnl" if sink.kind == "native" else ".jsonl"))

    def uri(self, sink):
        options = dict(sink.changed if self.is_changed else sink.options)
        path = self.path(sink)
        if sink.kind in worlds.REMOTE and sink.is_on_small_disk:
            options["spool_dir"] = os.path.join(self.small, "spool-" + sink.name)
        if sink.levels == ("ERROR",) and not self.world.is_routed:
            options["min_severity"] = "ERROR"
        base = f"{sink.kind}://{path}"
        if sink.kind == "exec":
            options["args"] = f"-S,-E,{os.path.join(HERE, 'splice.py')},{path}"
            base = f"exec://{sys.executable}"
        elif sink.kind in worlds.HTTP:
            port = self.servers[sink.name].port
            scheme = {"webhook": "webhook+http", "otlp": "otlp+http"}.get(sink.kind, sink.kind)
            base = f"{scheme}://127.0.0.1:{port}" + ("/" if sink.kind in ("http", "webhook") else "")
            if sink.kind == "cloudwatch":
                base = "cloudwatch://eu-west-1/group/stream"
                options["endpoint_url"] = f"http://127.0.0.1:{port}"
        elif sink.kind == "syslog":
            base = f"syslog+tcp://127.0.0.1:{self.servers[sink.name].port}"
        return base + "?" + "&".join(f"{k}={v}" for k, v in options.items())

    def configure(self):
        lines = [f"{k}: {v}" for k, v in self.world.settings.items()]
        sinks = [s for s in self.world.sinks if s.name not in self.away]
        lines += ["sinks:"] + [f"  {s.name}: '{self.uri(s)}'" for s in sinks]
        if self.world.stages:
            lines += ["stages:"] + [f"  - {stage}" for stage in self.world.stages]
        if self.world.is_routed:
            every = [s.name for s in sinks if "INFO" in s.levels]
            some = [s.name for s in sinks if "INFO" not in s.levels]
            lines += ["routes:"] + [f"  - {{to: [{', '.join(every)}]}}"] * bool(every)
            lines += [f"  - {{levels: [ERROR], to: [{', '.join(some)}]}}"] * bool(some)
        new = os.path.join(self.place.path, "fapilog.yaml.new")
        with open(new, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        os.rename(new, new[:-4])

    # -- the collector's lives

    def start_collector(self, *args, env=None):
        self.lives += 1
        with open(os.path.join(self.place.path, f"collector-{self.lives}.log"), "w", encoding="utf-8") as log:
            self.collector = self.place.start(
                [COLLECTOR, "--rings", self.place.rings, "--config", os.path.join(self.place.path, "fapilog.yaml"), *args],
                env={"FAPILOG_IO": self.world.io, **AWS, **(env or {})}, stdout=log, stderr=log)
        self.is_stopped, self.may_die, self.asked = False, bool(env), None

    def said(self, life):
        return read_text(os.path.join(self.place.path, f"collector-{life}.log"))

    def answers(self):
        """Of the last collector, to reloads."""
        return ANSWER.findall(self.said(self.lives))

    def collector_ended(self, expected):
        """Looks at what the last one has left; `expected`: statuses that are right. Who dies at a step may do so at any time."""
        text, status = self.said(self.lives), self.collector.returncode
        self.was_killed |= status == -signal.SIGKILL
        if status == -signal.SIGKILL and not self.is_told:
            self.given_up.update((s.name, None) for s in self.world.sinks if s.may_give_up())
        self.is_told = False
        if self.may_die:
            expected = (*expected, -signal.SIGKILL)
        if status not in expected or OURS.search(text):
            self.problems.append(f"collector {self.lives} ended with {status}: {text[-3000:]}")
        if self.asked is not None:
            answers = self.answers()
            self.was_moving |= status == -signal.SIGKILL or len(answers) <= self.asked or "not" in answers[-1]
        for server in self.servers.values():
            server.next_life()

    def kill_collector(self, taken=None):
        """`taken`: by sink what its ledger must tell, if that is known."""
        if self.collector.poll() is None:
            self.collector.kill()
        self.collector.wait()
        self.is_told = taken is not None
        self.collector_ended((-signal.SIGKILL,))
        if taken is None:
            return
        told = outputs.ledger(self.state)
        for name, count in taken.items():
            if told is None or name not in told or told[name].taken != count:
                self.problems.append(f"{name}: had taken {count} a second before the kill, and the ledger tells {told}")
            elif name in self.given_up and self.given_up[name] is not None:
                self.given_up[name] += told[name].dropped + (told[name].memory if self.sink(name).drops() else 0)

    def wait_quiet(self):
        """Until all that the rings hold is committed, and the ledger must know of it. What each sink had taken, or None."""
        deadline, before, since = time.monotonic() + QUIET_WITHIN, None, 0
        while time.monotonic() < deadline and self.collector.poll() is None:
            try:
                found = json.loads(self.admin().get("/status")[1])
            except (OSError, http.client.HTTPException):
                found = None
            now = found and (found["totals"]["pending_bytes"], {s["name"]: s["taken"] for s in found["sinks"] if "taken" in s})
            if not now or now != before or now[0]:
                before, since = now, time.monotonic()
            elif time.monotonic() > since + LEDGER_IS_OLD:
                return now[1]
            time.sleep(0.05)
        return None

    def end_collector(self):
        if not self.wait_ready():
            return
        self.resume_collector()
        self.collector.send_signal(signal.SIGTERM)
        self.wait_end((0, 1))
        self.add_up()

    def wait_end(self, expected):
        taken, deadline = 0, time.monotonic() + ENDS_WITHIN
        while self.collector.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
            if taken != (taken := sum(len(s.taken) for s in self.servers.values())):
                deadline = time.monotonic() + ENDS_WITHIN
        if self.collector.poll() is None:
            self.problems.append(f"collector {self.lives} did not end within {ENDS_WITHIN} s: {self.said(self.lives)[-3000:]}")
            self.collector.send_signal(signal.SIGABRT)
            self.collector.wait()
        self.collector_ended(expected)

    def add_up(self):
        """The ledger of a collector that has ended in order."""
        if self.collector.returncode not in (0, 1):
            return
        for name, row in (outputs.ledger(self.state) or {}).items():
            if name in self.given_up and self.given_up[name] is not None:
                self.given_up[name] += row.dropped

    def resume_collector(self):
        if self.is_stopped:
            self.is_stopped = False
            self.collector.send_signal(signal.SIGCONT)

    def wait_ready(self):
        """Signals are the collector's own from then on. False: it is dead, as it was asked to be."""
        self.resume_collector()
        wait_for("the collector is at work", lambda: self.place.is_ready(self.collector) or self.collector.poll() is not None, 30)
        return self.look_after()

    def wait_at_work(self):
        """It has its files, too, and turns. False: it is dead."""
        def answers():
            try:
                return self.collector.poll() is not None or self.admin().get("/healthz")[0] == 200
            except (OSError, http.client.HTTPException):
                return False
        if not self.wait_ready():
            return False
        wait_for("the collector answers", answers, ENDS_WITHIN)
        return self.look_after()

    def admin(self):
        return adminclient.Admin(os.path.join(self.place.rings, "collector.sock"))

    def look_after(self):
        """Notices that the collector has died; one that was killed at a step is followed by another."""
        if self.collector.poll() is None:
            return True
        self.collector_ended(())  # but by SIGKILL, where it was asked to
        self.start_collector()
        return False

    def reload(self):
        """(status, text) of a reload that has ended; None: the collector has died of it, and its successor is not there yet."""
        deadline = time.monotonic() + RELOADS_WITHIN
        while self.collector.poll() is None:
            if time.monotonic() > deadline:
                raise Failure(f"a reload does not end within {RELOADS_WITHIN} s: {self.said(self.lives)[-2000:]}")
            try:
                status, text = self.admin().post("/reload")
            except (OSError, http.client.HTTPException):
                status = 0  # it does not listen yet, or it has just died
            if status in (200, 400):
                return status, text
            time.sleep(0.02)
        return None

    def begun(self):
        """How many records each thread has begun."""
        return {(p, t): len(row) for p, of in self.read_notes().items() for t, row in enumerate(of.threads)}

    def seen(self):
        """Keys of records that some sink is known to have, so that they have left their rings."""
        found = set()
        for sink in self.world.sinks:
            if sink.kind in ("file", "mmap"):
                found |= outputs.peek(self.directory(sink))
            elif sink.name in self.servers:
                found |= self.servers[sink.name].seen()
        return found

    # -- producers

    def start_producer(self, p):
        argv = [PRODUCER, "--id", p.id, "--threads", p.threads, "--records", p.records, "--seed", self.world.seed, "--notes",
                self.notes_dir, "--children", p.children, "--burst", p.burst, "--pause-us", p.pause_us, "--on-full", p.on_full,
                "--lane-bytes", p.lane_bytes, "--lanes", p.lanes, *(["--long"] if p.is_long else []), self.place.rings]
        with open(os.path.join(self.place.path, f"producer-{p.id}.log"), "w", encoding="utf-8") as log:
            self.producers[p.id] = self.place.start(list(map(str, argv)), stdout=log, stderr=log)

    def end_producers(self):
        for p in self.producers.values():
            if p.poll() is None:
                p.terminate()
        for number, p in self.producers.items():
            wait_for(f"producer {number} ends", lambda p=p: p.poll() is not None and self.look_after_quietly(), 60)
            text = read_text(os.path.join(self.place.path, f"producer-{number}.log"))
            if p.returncode not in (0, -signal.SIGKILL) or OURS.search(text):
                self.problems.append(f"producer {number} ended with {p.returncode}: {text[-3000:]}")
        pids = [n.pid for n in self.read_notes().values()]
        wait_for("children of producers end", lambda: self.look_after_quietly() and not any(is_alive(pid) for pid in pids), 60)

    def look_after_quietly(self):
        self.look_after()
        return True

    def read_notes(self):
        return notes.read(self.notes_dir, {p.id: p for p in self.world.producers})

    # -- from the beginning to the end

    def live(self):
        self.start_collector()
        todo = [(p.starts_at, lambda p=p: self.start_producer(p)) for p in self.world.producers]
        todo += [(e.at, lambda e=e: getattr(events, e.what)(self, *e.args)) for e in self.world.events]
        began = time.monotonic()
        self.later = [(began + at, f) for at, f in todo]
        while self.later:
            self.later.sort(key=lambda one: one[0])
            at, function = self.later.pop(0)
            while time.monotonic() < at:
                time.sleep(min(0.01, max(0.0, at - time.monotonic())))
                self.look_after()
            self.look_after()
            function()
        time.sleep(max(0.0, began + self.world.seconds - time.monotonic()))

    def after(self, seconds, function):
        self.later.append((time.monotonic() + seconds, function))

    def mend(self):
        self.resume_collector()
        for server in self.servers.values():
            server.heal()
        events.free_disk(self)
        for mount in self.mounts:
            mount.grow()
        deadline = time.monotonic() + ENDS_WITHIN
        while self.away:
            if time.monotonic() > deadline:
                raise Failure(f"{self.away} are not taken back within {ENDS_WITHIN} s: {self.said(self.lives)[-2000:]}")
            for name in list(self.away):
                events.come_back(self, name)

    def finish(self):
        """All producers end, then all is delivered."""
        self.wait_ready()
        self.wait_ready()
        self.end_producers()
        if self.world.ends_with == "live":
            self.wait_ready()
            try:
                wait_for("rings", lambda: self.look_after_quietly() and not self.rings(), RINGS_GONE_WITHIN)
            except Failure:
                self.problems.append(f"rings of dead producers are still there after {RINGS_GONE_WITHIN} s: {self.rings()}; "
                                     f"{self.said(self.lives)[-2000:]}")
            self.wait_lets_go()
        self.end_collector()
        for _ in range(DRAINS):
            self.start_collector("--drain", "--verbose")
            self.wait_end((0, 1))
            self.add_up()
            if not self.rings() and not any(row.spooled for row in (outputs.ledger(self.state) or {}).values()):
                break
        else:
            self.problems.append(f"{DRAINS} runs of --drain have left something: rings {self.rings()}, ledger "
                                 f"{outputs.ledger(self.state)}: {self.said(self.lives)[-2000:]}")

    def wait_lets_go(self):
        """No descriptor or mapping is left of rings, and of files that are gone."""
        try:
            wait_for("all is let go", lambda: self.look_after_quietly() and not held(self.collector.pid), RINGS_GONE_WITHIN)
        except Failure:
            self.problems.append(f"collector {self.lives} holds what is gone: {held(self.collector.pid)}")

    def rings(self):
        return [n for n in os.listdir(self.place.rings) if n.endswith((".ring", ".bad"))]

    def balance(self):
        found = []
        for sink in self.world.sinks:
            try:
                if sink.kind in worlds.LOCAL:
                    found.append(outputs.local(sink, self.directory(sink), sink.moves and self.was_moving))
                    continue
                output = outputs.remote(sink, self.servers.get(sink.name), self.directory(sink), self.state,
                                        self.given_up[sink.name])
                found.append(output)
                if not sink.may_give_up() and not output.gave_up_nothing():
                    self.problems.append(f"{sink.name}: the ledgers tell of {output.given_up} records given up, and servers have "
                                         f"refused {output.unnamed} without saying which")
            except Failure as e:
                self.problems.append(f"{sink.name}: {e}")
        for output in found:
            output.absences = self.absences[output.name]
        noted = self.read_notes()
        self.problems += books.balance(found, noted, self.world.seed, self.was_killed)
        records = sum(1 for n in noted.values() for _ in n.records())
        delivered = {o.name: sum(1 for _ in o.records()) for o in found}
        return f"{records} records of {len(noted)} processes, {self.lives} collectors, delivered {delivered}"

    def close(self):
        for p in self.place.processes:
            if p.poll() is None:
                p.kill()
                p.wait()
        for server in self.servers.values():
            server.close()


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def held(pid):
    """What a process has open or mapped of what is gone, and of rings; nothing of one that has ended."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as f:
            found = [line.split(None, 5)[5].strip() for line in f if line.count("/") > 0]
        found += map(link, (f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")))
    except OSError:  # it has ended
        return []
    return sorted({name for name in found if name.startswith("/") and name.endswith((" (deleted)", ".ring"))})


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def run(world, keep=None):
    """(problems, a line about what happened)"""
    with Place() as place:
        this, text = Run(world, place), ""
        try:
            this.build()
            this.live()
            this.mend()
            this.finish()
            text = this.balance()
        except (Failure, subprocess.SubprocessError, OSError) as e:
            this.problems.append(f"{type(e).__name__}: {e}; {this.said(this.lives)[-2000:] if this.lives else ''}")
        finally:
            try:
                if keep and (this.problems or keep.is_wanted):
                    keep.take(place.path, world, this.problems)
                this.close()
            finally:
                unmount_below(place.path)
        return this.problems, text


