"""Reads what the sinks of a world have: files, archives of all kinds, native files, dead letters."""
import collections
import glob
import json
import os
import re
import subprocess

import books
import servers
import world as worlds
from harness import Failure, check, content

DUMP = os.environ.get("FAPILOG_DUMP")


def read_events(data, where):
    check(not data or data.endswith(b"\n"), f"{where}: the last line is torn: {data[-100:]!r}")
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            found.append(books.read_event(json.loads(line)))
        except (ValueError, KeyError, TypeError) as e:
            raise Failure(f"{where}:{number}: not a record: {line[:200]!r}") from e
    return [e for e in found if e is not None]


KEY = re.compile(rb'"p":(\d+),"t":(\d+),"n":(\d+)')


def peek(directory):
    """Keys of whole lines of files that somebody may be writing to, renaming or compressing."""
    found = set()
    for path in glob.glob(os.path.join(directory, "*")):
        try:
            data = content(path)
        except (OSError, EOFError, ValueError, subprocess.SubprocessError, Failure):
            continue
        found |= {tuple(map(int, m.groups())) for m in KEY.finditer(data, 0, data.rfind(b"\n") + 1)}
    return found


def dump(*args):
    r = subprocess.run([DUMP, *args], capture_output=True, timeout=120)
    return r.returncode, r.stdout, r.stderr.decode(errors="replace")


def local(sink, directory, is_resumed_elsewhere):
    whole = set(sink.levels) == {"INFO", "ERROR"}
    if sink.kind == "native":
        output = books.Output(sink.name, [native(directory)], sink.levels, not is_resumed_elsewhere, has_reports=False)
    else:
        paths = sorted(p for p in glob.glob(os.path.join(directory, "*")) if not p.endswith(".tmp"))
        data = {p: content(p) for p in paths}
        if is_resumed_elsewhere and sink.kind == "mmap":  # nobody has cut off what follows the last line
            data = {p: d.rstrip(b"\0") for p, d in data.items()}
        output = books.Output(sink.name, [read_events(d, p) for p, d in data.items()], sink.levels, has_reports=whole)
    output.is_resumed_elsewhere = is_resumed_elsewhere
    return output


def native(directory):
    """The live file comes with its archives; those that were moved away are asked for by name."""
    if not any(os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory)):
        return []
    status, _, said = dump("--verify", directory)
    check(status == 0, f"{directory} is damaged: {said}")
    status, data, said = dump("--format", "fapilog", directory)
    check(status == 0, f"{directory} cannot be read: {said}")
    return read_events(data, directory)


class Request:
    """One of a program: when it was made is not known."""

    def __init__(self, records):
        self.life, self.records, self.is_unsure, self.rejected, self.lost = 0, records, True, (), ()


def dead_letters(path):
    """Records and reports."""
    if not os.path.isdir(path):
        return []
    status, data, said = dump(path)
    check(status == 0, f"{path} cannot be read: {said}")
    found = (e for line in data.splitlines() for e in servers.events_of(json.loads(line)["payload"].encode()))
    return read_all(found)


def read_all(events):
    return [e for e in map(books.read_event, events) if e is not None]


def remote(sink, server, directory, state, given_up):
    if sink.kind == "exec":
        path = os.path.join(directory, "log.jsonl")
        taken = [Request(read_events(content(path), path))] if os.path.exists(path) else []
    else:
        taken = server.taken
        for request in taken:
            request.records, request.rejected, request.lost = map(read_all, (request.records, request.rejected, request.lost))
    dead = [] if sink.kind in ("exec", "syslog") else dead_letters(os.path.join(state, "dead", sink.name))
    most = max(int(o.get("max_in_flight", 4)) for o in (sink.options, sink.changed)) if sink.kind in worlds.HTTP else None
    has_reports = set(sink.levels) == {"INFO", "ERROR"} and all(r.pid for r in dead if isinstance(r, books.Report))
    return books.Remote(sink.name, taken, sink.levels, dead, given_up, most, has_reports)


Row = collections.namedtuple("Row", "taken delivered dropped dead memory spooled")
LEDGER_ROW = re.compile(r"^(\S+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(.*)$", re.M)


def ledger(state):
    """Of the last run: by sink a Row; None where there is none. It must balance."""
    if not os.path.exists(os.path.join(state, "collector.ledger")):
        return None
    status, data, said = dump("--stats", state)
    text = data.decode()
    check(status == 0 and "The books balance." in text, f"the ledger does not balance: {text}{said}")
    return {row[1]: Row(*(int(row[i]) for i in range(2, 8))) for row in LEDGER_ROW.finditer(text)}
