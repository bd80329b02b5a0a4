"""The oracle: balances what producers noted against what each sink has. It knows no collector, only records, and its rules are
those of docs/delivery.md, docs/sinks/*.md and docs/abi/ring.md:

- *Nothing is invented or torn*: each record is one that its producer began and was not refused, with its level and text.
- *Local sinks hold each record once*, in the order of its thread, within a file and across files. Where a collector ended while a
  reload was to give the sink another file, the next one may write again, into that file, what the last one has in another.
- *Remote sinks hold each at least once*. What comes twice has one id, and was under way: in one of the last requests of a
  collector that ended, `max_in_flight` at most, or in one whose answer a fault of the server has kept back, or was given up by
  its client before the server took it.
- *A sink that a reload leaves out* gets what had left its ring before, and what is begun once it is back; nothing of what came and
  went in between.
- *What is missing is accounted for*. Refused in the ring: reports of drops of its process say how many. Given up by the sink: the
  ledgers say how many. Refused by the server, a report as well: a dead letter, and sent again only where a kill came before it was
  on disk. At the end no spool holds anything.

balance() returns sentences, none when all is well."""
import collections

import notes as notes_of

NAMED = 5  # examples in a sentence


class Record:
    def __init__(self, key, message_id, level, is_whole=True, length=0):
        self.key, self.id, self.level, self.is_whole, self.length = key, message_id, level, is_whole, length


class Report:
    """Of records that a producer could not keep: those that `total` counts beyond `total - count`, of a lane of a process."""

    def __init__(self, pid, lane, count, total, message_id=None):
        self.pid, self.lane, self.count, self.total, self.id = pid, lane, count, total, message_id


def read_event(event):
    """A Record or Report of an event in the fapilog format or the json format; None: of neither."""
    log = event.get("log", event)
    data = log.get("data", log)
    if log["message"] == "records dropped":
        pid = log["pid"] if "pid" in log else log["diagnostics"]["pid"]
        return Report(pid, data.get("lane"), data["count"], data["total"], log.get("context", {}).get("message_id"))
    if log["message"] != "chaos":
        return None
    text = data.get("text")  # syslog leaves out what is too long
    is_whole = text is None or text == notes_of.text_of(data["n"], data["len"])
    return Record((data["p"], data["t"], data["n"]), log.get("context", {}).get("message_id"), log["level"], is_whole,
                  data.get("len", 0))


class Absence:
    """Of a sink that a reload has left out and another has taken back. `seen`: records that were out of the rings when it was
    asked to go, so that it was given them. `gone_at`, `back_at`: how many records each thread had begun when it was gone (none:
    it may have stayed), and when it was back. `elsewhere`: records begun after that and out of the rings before it was back."""

    def __init__(self, seen, gone_at=None, back_at=None, elsewhere=()):
        self.seen, self.gone_at, self.back_at, self.elsewhere = seen, gone_at, back_at, elsewhere

    def excuses(self, key):
        return key not in self.seen and (self.back_at is None or key[2] < self.back_at.get(key[:2], 0))


class Output:
    """What a sink has: `chunks`, each in its order - of a file the records of one file, of a server those of a request."""

    def __init__(self, name, chunks, levels=("INFO", "ERROR"), is_ordered=True, has_reports=True):
        self.name, self.chunks, self.levels, self.is_ordered, self.has_reports = name, chunks, levels, is_ordered, has_reports
        self.absences = []
        self.is_resumed_elsewhere = False

    def was_away(self, key):
        return any(a.excuses(key) for a in self.absences)

    def records(self):
        return (r for chunk in self.chunks for r in chunk if isinstance(r, Record))

    def reports(self):
        return (r for chunk in self.chunks for r in chunk if isinstance(r, Report))


class Remote(Output):
    """`taken`: as of servers, with `.records` read. `dead`: what lies in dead letters. `given_up`: records that the ledgers
    tell, those that memory held at a kill included, or None where a kill came before they could know. `unnamed`: of how many
    the answers said that they were refused, and not which: the ledgers tell them as given up, but for those whose answer did
    not arrive. `max_in_flight` None: requests are not known."""

    def __init__(self, name, taken, levels=("INFO", "ERROR"), dead=(), given_up=0, max_in_flight=None,
                 has_reports=True):
        super().__init__(name, [t.records for t in taken], levels, is_ordered=False, has_reports=has_reports)
        self.taken, self.dead = taken, list(dead)
        self.given_up, self.max_in_flight = given_up, max_in_flight
        self.unnamed = sum(len(t.lost) for t in taken)

    def gave_up_nothing(self):
        return self.given_up is not None and self.given_up <= self.unnamed


def some(keys):
    keys = sorted(keys)
    shown = ", ".join("/".join(map(str, k)) for k in keys[:NAMED])
    return f"{len(keys)} ({shown}{' ...' if len(keys) > NAMED else ''})"


def invented(output, notes, seed):
    """Also: torn, refused by the ring, sent where it was not wanted."""
    wrong = collections.defaultdict(set)
    for r in output.records():
        process = notes.get(r.key[0])
        outcome = process.outcome(*r.key[1:]) if process else notes_of.NOT_BEGUN
        if outcome == notes_of.NOT_BEGUN:
            wrong["were never logged"].add(r.key)
        elif outcome == notes_of.REFUSED:
            wrong["were refused when they were logged"].add(r.key)
        elif not r.is_whole:
            wrong["are torn"].add(r.key)
        elif r.level != notes_of.level_of(seed, r.key):
            wrong["have another level"].add(r.key)
        elif r.level not in output.levels:
            wrong["are of a level that does not go there"].add(r.key)
    return [f"{output.name}: records {what}: {some(keys)}" for what, keys in wrong.items()]


def while_away(output):
    late = {r.key for r in output.records()} & {key for a in output.absences for key in a.elsewhere}
    return [f"{output.name}: records came and went while it was not there, and it has them: {some(late)}"] if late else []


def twice(output):
    counts = collections.Counter(r.key for r in output.records())
    most = 2 if output.is_resumed_elsewhere else 1
    more = {k for k, count in counts.items() if count > most}
    if len(output.chunks) > 1:
        for chunk in output.chunks:
            within = collections.Counter(r.key for r in chunk if isinstance(r, Record))
            more |= {k for k, count in within.items() if count > 1}
    return [f"{output.name}: records are there twice: {some(more)}"] if more else []


def out_of_order(output, notes):
    """Each chunk rises, and the numbers of two chunks do not interleave; which chunk is older is not asked."""
    wrong, spans = set(), collections.defaultdict(list)
    for chunk in output.chunks:
        last, first = {}, {}
        for r in chunk:
            if not isinstance(r, Record) or r.key[0] not in notes or r.length > notes[r.key[0]].ordered_up_to:
                continue
            who, n = r.key[:2], r.key[2]
            if n < last.get(who, -1):
                wrong.add(r.key)
            first[who] = min(n, first.get(who, n))
            last[who] = max(n, last.get(who, n))
        for who, n in last.items():
            spans[who].append((first[who], n))
    for who, of in spans.items() if not output.is_resumed_elsewhere else ():
        of.sort()
        wrong |= {(*who, b[0]) for a, b in zip(of, of[1:]) if b[0] < a[1]}
    return [f"{output.name}: records are out of order: {some(wrong)}"] if wrong else []


def reported(reports):
    """By pid: how many records they account for. What overlaps is counted once."""
    spans = collections.defaultdict(set)
    for r in reports:
        spans[r.pid, r.lane].add((r.total - r.count, r.total))
    counts = collections.Counter()
    for (pid, _), of in spans.items():
        end = 0
        for first, last in sorted(of):
            counts[pid] += max(0, last - max(first, end))
            end = max(end, last)
    return counts


def missing(process, output, there, seed):
    """Of one process: records that must be there, records that may have been lost in the ring, and how many were refused or
    are not known to have got that far, or came while the sink was away."""
    lost, maybe, refused, begun = set(), set(), 0, 0
    for key, outcome in process.records():
        if outcome == notes_of.REFUSED:
            refused += 1
        elif key in there or notes_of.level_of(seed, key) not in output.levels:
            continue
        elif output.was_away(key):
            begun += 1
        elif outcome == notes_of.BEGUN:
            begun += 1
        elif outcome == notes_of.LOGGED or process.on_full == "overwrite":
            maybe.add(key)
        else:
            lost.add(key)
    return lost, maybe, refused, begun


def ring_losses(output, process, there, counts, seed, was_killed):
    """What the ring has lost has to be in the reports, and nothing else."""
    lost, maybe, refused, begun = missing(process, output, there, seed)
    if not process.has_ring:
        return [], set()
    told, gone = counts[process.pid], len(maybe) + refused
    what = f"{output.name}: of process {process.p} ({process.on_full})"
    text = [f"{what} accepted records are lost: {some(lost)}"] if lost else []
    if not output.has_reports or output.absences:  # reports may have come while it was away
        return text, lost
    if gone > told:
        text.append(f"{what} {gone} are not there ({refused} refused, else {some(maybe)}), and reports tell of {told}")
    sees_all = set(output.levels) == {"INFO", "ERROR"}
    may_exceed = process.on_full == "overwrite" and was_killed  # a report counts what was there before the kill, too
    if sees_all and not may_exceed and told > gone + begun + process.unnoted:
        text.append(f"{what} reports tell of {told}, but {gone} are not there")
    return text, lost


def balance_local(output, notes, seed, was_killed):
    text = invented(output, notes, seed) + while_away(output) + twice(output)
    if output.is_ordered:
        text += out_of_order(output, notes)
    there = {r.key for r in output.records()}
    counts = reported(output.reports())
    for process in notes.values():
        text += ring_losses(output, process, there, counts, seed, was_killed)[0]
    return text


def resent(output):
    """A record that came twice has one id, and the request that brought it first was under way when its collector ended, or
    was answered into the void."""
    ids, last, ended, wrong, differ = {}, {}, collections.defaultdict(set), set(), set()
    for number, request in enumerate(output.taken):
        doomed = set(map(id, request.rejected))
        for r in (*request.records, *request.rejected, *request.lost):
            if isinstance(r, Report):
                continue
            is_doomed = id(r) in doomed  # until its dead letter is on disk it is under way, after its request
            if ids.setdefault(r.key, r.id) != r.id:
                differ.add(r.key)
            before = last.get(r.key)
            if before and (request.life < before[1].life or request.life == before[1].life and request.is_unsure):
                continue  # it comes late, by a connection that was given up
            last[r.key] = (number, request, is_doomed)
            if before is None or before[1].is_unsure:
                continue
            if before[1].life == request.life:
                wrong.add(r.key)
            elif not before[2]:
                ended[before[1].life].add(before[0])
    text = [f"{output.name}: records came twice with different ids: {some(differ)}"] if differ else []
    if wrong:
        text.append(f"{output.name}: records came twice from one collector that had its answer: {some(wrong)}")
    for life, requests in ended.items():
        if output.max_in_flight and len(requests) > output.max_in_flight:
            text.append(f"{output.name}: records of {len(requests)} requests of collector {life} came again, and at most "
                        f"{output.max_in_flight} were under way when it ended")
    return text


def balance_remote(output, notes, seed):
    text = invented(output, notes, seed) + while_away(output) + resent(output)
    dead = Output(output.name, [output.dead])
    lost = Output(output.name, [t.lost for t in output.taken])  # the server's doing, and nobody is told which
    there = {r.key for of in (output, dead, lost) for r in of.records()}
    counts = reported([*output.reports(), *dead.reports(), *lost.reports()])
    given_up, problems = 0, []
    for process in notes.values():
        if not process.has_ring:
            continue
        lost, maybe, refused, _ = missing(process, output, there, seed)
        # A sink that gives records up may have given up reports as well, and one that was away has not got all of them.
        has_all = output.gave_up_nothing() and output.has_reports and not output.absences
        excess = max(0, len(maybe) + refused - counts[process.pid]) if has_all else 0
        given_up += len(lost)
        if lost:
            problems.append(f"{output.name}: of process {process.p} ({process.on_full}) accepted records are lost: {some(lost)}")
        if excess:
            problems.append(f"{output.name}: of process {process.p} ({process.on_full}) {len(maybe) + refused} are not there "
                            f"({refused} refused, else {some(maybe)}), and reports tell of {counts[process.pid]}")
    if output.given_up is not None and given_up > (0 if output.gave_up_nothing() else output.given_up):
        text += problems
        if not output.gave_up_nothing():
            text.append(f"{output.name}: {given_up} accepted records are lost, and the ledgers tell of {output.given_up}")
    elif output.gave_up_nothing():
        text += problems
    return text


def balance(outputs, notes, seed, was_killed):
    text = []
    for output in outputs:
        text += balance_remote(output, notes, seed) if isinstance(output, Remote) else \
            balance_local(output, notes, seed, was_killed)
    return text
