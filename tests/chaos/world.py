"""A world, chosen from a seed: which processes log, where to, and what happens meanwhile. Only data; run.py makes it real."""
import dataclasses
import random

LOCAL = ("file", "native", "mmap")
PARTIAL = ("otlp", "cloudwatch")  # whose servers may take a request but for some of its records
HTTP = ("http", "webhook", "loki", *PARTIAL)
REMOTE = HTTP + ("syslog", "exec")
# Steps of the collector at which FAPILOG_FAULT kills it.
STEPS = ("turn", "read", "serialize", "batch-closed", "write", "sink-done", "written", "persist-before", "persist-torn",
         "persist-unhashed", "persist-after", "mark-changed", "rotate", "settled", "release-counters", "release-done",
         "release-head", "released")
SERVER_FAULTS = ("503", "429", "500", "hang", "reset", "freeze", "half_close", "garbage:300", "cut_answer:0", "cut_answer:12",
                 "cut_request:700", "slow:2000", "delay:0.2")
APART_FAULTS = ("503", "429", "500", "hang", "partial")


@dataclasses.dataclass
class Producer:
    id: int
    threads: int
    records: int  # of each thread, at most
    on_full: str
    lane_bytes: int
    lanes: int
    burst: int
    pause_us: int
    children: int
    is_long: bool
    starts_at: float


@dataclasses.dataclass
class Sink:
    name: str
    kind: str
    options: dict
    changed: dict  # its options after every second reload
    levels: tuple = ("INFO", "ERROR")
    is_on_small_disk: bool = False  # the files, or the spool
    poison: int = 0
    moves: bool = False  # every second reload names another file
    is_apart: bool = False  # its server is a process that may be frozen

    def drops(self):
        return any(o.get("on_full", "").startswith("drop") for o in (self.options, self.changed))

    def may_give_up(self):
        return self.drops() or any("spool_max_bytes" in o or "dead_letters" in o for o in (self.options, self.changed))


@dataclasses.dataclass
class Event:
    at: float
    what: str  # a function of events.py
    args: tuple = ()


@dataclasses.dataclass
class World:
    seed: int
    seconds: float
    producers: list
    sinks: list
    settings: dict
    events: list
    io: str
    stages: tuple = ()
    is_routed: bool = False
    small_rings: str = ""  # size of the ring directory's file system
    small_disk: str = ""
    ends_with: str = "live"  # or drain: nobody is at work when the last producer ends

    def lines(self):
        """For people."""
        yield (f"seed {self.seed}, {self.seconds} s, io {self.io}, ends {self.ends_with}, rings {self.small_rings or 'unlimited'}, "
               f"disk {self.small_disk or 'unlimited'}, {self.settings}, stages {list(self.stages)}")
        for thing in [*self.producers, *self.sinks, *self.events]:
            yield f"  {thing}"


def make(seed, seconds=4.0):
    rng = random.Random(seed)
    producers = [make_producer(rng, 1 + i, seconds) for i in range(rng.randint(1, 4))]
    small_disk = rng.choice(["", "", "3m", "12m"])
    sinks = [make_sink(rng, i, small_disk) for i in range(rng.randint(1, 4))]
    settings = {"flush_interval": rng.choice(["10ms", "100ms", "500ms"]), "merge_window": rng.choice(["0s", "2ms", "50ms"]),
                "lane_budget": rng.choice(["16KB", "256KB"]), "shutdown_timeout": rng.choice(["0s", "1s", "5s", "5s"]),
                "window_batches": rng.choice([3, 8, 8, 64])}
    world = World(seed, seconds, producers, sinks, settings, [], rng.choice(["auto", "auto", "plain"]))
    world.small_disk = small_disk
    world.small_rings = rng.choice(["", "", "", "1m", "3m"])
    world.ends_with = rng.choice(["live", "live", "drain"])
    if rng.random() < 0.3:
        world.stages = rng.choice([("field_mask: {fields: [password]}",), ("regex_mask: {patterns: [secret-word]}",)])
    if len(sinks) > 1 and rng.random() < 0.25:
        world.is_routed = True
        for sink in rng.sample(sinks, rng.randint(1, len(sinks) - 1)):
            sink.levels = ("ERROR",)
    for _ in range(rng.randint(2, 4 + int(3 * seconds))):
        world.events.append(make_event(rng, world))
    if rng.random() < 0.4:
        for sink in rng.sample(world.sinks, rng.randint(0, len(sinks))):
            sink.moves = sink.kind in LOCAL
    for _ in range(rng.choice([0, 0, 1, 2, 3]) if len(sinks) > 1 else 0):
        world.events.append(Event(round(rng.uniform(0.1, seconds), 2), "leave",
                                  (rng.choice(sinks).name, round(rng.uniform(0, seconds / 2), 2))))
    add_apart(random.Random(f"apart {seed}"), world)
    kill_quietly(random.Random(f"silence {seed}"), world)
    world.events.sort(key=lambda e: e.at)
    return world


def kill_quietly(rng, world):
    """What sinks hold in memory alone is lost then, but told; so often in worlds that have such sinks. It takes its time: the third
    and further ones are orderly ends."""
    if any(s.drops() for s in world.sinks) and rng.random() < 0.5:
        kills = [event for event in world.events if event.what in ("kill_collector", "kill_at_step")]
        for event in kills[:2]:
            event.what, event.args = "kill_quietly", ()
        for event in kills[2:]:
            event.what, event.args = "end_collector", (0.0,)


def add_apart(rng, world):
    """Some servers are processes of their own; there is no proxy before them, so that their other faults are fewer."""
    for sink in world.sinks:
        sink.is_apart = (sink.kind in HTTP or sink.kind == "syslog") and rng.random() < 0.4
        if not sink.is_apart:
            continue
        for event in world.events:
            if event.what == "fail_server" and event.args[0] == sink.name and event.args[1] not in APART_FAULTS:
                event.what, event.args = "freeze_server", (sink.name, event.args[2])
        world.events.append(Event(round(rng.uniform(0.1, world.seconds), 2), "freeze_server",
                                  (sink.name, round(rng.uniform(0.1, 3), 2))))


def make_producer(rng, number, seconds):
    threads = rng.choice([1, 1, 2, 4, 8])
    burst = rng.choice([1, 10, 50, 400])
    pause_us = rng.choice([500, 2000, 10000, 50000])
    return Producer(number, threads, rng.choice([300, 2000, 10000]),
                    rng.choice(["discard", "discard", "overwrite", "block", "block"]),
                    rng.choice([16384, 65536, 524288, 4 << 20]), rng.choice([64, 64, 3]), burst, pause_us,
                    rng.choice([0, 0, 0, 1, 3]), rng.random() < 0.3, round(rng.uniform(0, seconds / 2), 2))


def make_sink(rng, number, small_disk):
    kind = rng.choice(["file", "file", "file", "native", "mmap", "exec", "http", "http", "webhook", "loki", "syslog", "otlp",
                       "cloudwatch"])
    sink = Sink(f"{kind}{number}", kind, *({
        "file": file_options, "native": native_options, "mmap": mmap_options}.get(kind, lambda r: remote_options(r, kind)))(rng))
    sink.is_on_small_disk = bool(small_disk) and rng.random() < 0.5
    if kind in HTTP and rng.random() < 0.2:
        sink.poison = rng.choice([97, 997])
    return sink


def file_options(rng):
    options = {"format": rng.choice(["fapilog", "fapilog", "json"])}
    if rng.random() < 0.6:
        options["max_bytes"] = rng.choice(["20KB", "200KB", "2MB"])
        options["compress"] = rng.choice(["none", "gzip", "zstd"])
    options["sync"] = rng.choice(["never", "never", "interval", "always"])
    return options, {**options, "max_bytes": rng.choice(["50KB", "1MB"])}


def native_options(rng):
    options = {"compress": rng.choice(["none", "zstd"]), "max_bytes": rng.choice(["50KB", "1MB", "20MB"]),
               "sync": rng.choice(["never", "never", "always"])}
    return options, {**options, "max_bytes": rng.choice(["100KB", "3MB"])}


def mmap_options(rng):
    options = {"initial_size": rng.choice(["4KB", "64KB", "1MB"]), "growth_chunk": rng.choice(["4KB", "256KB"])}
    return options, {**options, "flush_on_close": "false"}


def remote_options(rng, kind):
    options = {"batch_size": rng.choice([1, 10, 50, 500, 5000]), "batch_interval": rng.choice(["1ms", "20ms", "200ms"]),
               "timeout": rng.choice(["2s", "5s"]), "retry_base_delay": "10ms", "retry_max_delay": rng.choice(["50ms", "300ms"]),
               "breaker_recovery": "100ms", "breaker_enabled": rng.choice(["true", "false"]),
               "queue_records": rng.choice([10, 100, 1000, 100000]), "queue_bytes": rng.choice(["200KB", "32MB"]),
               "on_full": rng.choice(["spool", "spool", "spool", "spool", "block", "block", "drop_oldest", "drop_newest"]),
               "spool_sync": rng.choice(["never", "interval", "always"]), "spool_segment_bytes": rng.choice(["1MB", "16MB"])}
    if kind in HTTP:
        options["max_in_flight"] = rng.choice([1, 2, 4, 8])
    if kind == "http":
        options["batch_format"] = rng.choice(["ndjson", "array"])
    if kind == "loki":
        options["label_keys"] = "level"
    if kind == "otlp":
        options["encoding"] = "json"
    if rng.random() < 0.15:
        options["spool_max_bytes"] = rng.choice(["1MB", "8MB"])
        options["spool_segment_bytes"] = "256KB"
    if kind in HTTP and rng.random() < 0.3:
        options.update(rng.choice([{"retry_max_attempts": 2}, {"retry_deadline": "1s"}, {"dead_letters": "false"},
                                   {"spool_rate": 500}]))
    changed = {**options, "batch_size": rng.choice([5, 100]), "queue_records": rng.choice([20, 5000]),
               "on_full": options["on_full"] if rng.random() < 0.7 else rng.choice(["spool", "block"])}
    return options, changed


def make_event(rng, world):
    at = round(rng.uniform(0.1, world.seconds), 2)
    what = rng.choice(["kill_collector", "kill_collector", "kill_at_step", "end_collector", "reload", "reload", "stop_collector",
                       "kill_producer", "fail_server", "fail_server", "fail_server", "fill_disk", "move_file",
                       "copy_and_truncate", "rotate", "kill_program", "stop_program"])
    if what == "fail_server":
        servers = [s for s in world.sinks if s.kind in HTTP or s.kind == "syslog"]
        if servers:
            sink = rng.choice(servers)
            how = "hang" if sink.kind == "syslog" else rng.choice(SERVER_FAULTS)
            if sink.kind in PARTIAL and rng.random() < 0.5:
                how = "partial"
            return Event(at, what, (sink.name, how, round(rng.uniform(0.05, 1.5), 2)))
        what = "kill_collector"
    if what == "fill_disk":
        return Event(at, what, (round(rng.uniform(0.1, 2), 2),)) if world.small_disk else Event(at, "end_collector", (0.0,))
    if what == "copy_and_truncate":
        files = [s for s in world.sinks if s.kind == "file"]
        if files:
            return Event(at, what, (rng.choice(files).name,))
        what = "reload"
    if what in ("kill_program", "stop_program"):
        programs = [s for s in world.sinks if s.kind == "exec"]
        if programs:
            name = rng.choice(programs).name
            return Event(at, what, (name,) if what == "kill_program" else (name, round(rng.uniform(0.1, 3), 2)))
        what = "kill_collector"
    if what == "move_file":
        files = [s for s in world.sinks if s.kind in LOCAL]
        if files:
            return Event(at, what, (rng.choice(files).name, rng.choice(["signal", "no signal"])))
        what = "reload"
    if what == "kill_producer":
        return Event(at, what, (rng.choice(world.producers).id,))
    if what == "kill_at_step":
        return Event(at, what, (rng.choice(STEPS), rng.choice([1, 1, 2, 5, 20])))
    if what == "stop_collector":
        return Event(at, what, (round(rng.uniform(0.05, 1.2), 2),))
    if what in ("kill_collector", "end_collector"):
        return Event(at, what, (rng.choice([0.0, 0.0, 0.05, 0.6]),))
    return Event(at, what)
