"""What the producers have noted of each record (tests/chaos/producer.c), and what follows from its number."""
import os
import struct

NOT_BEGUN, BEGUN, ACCEPTED, REFUSED, LOGGED = range(5)
CHILDREN = 16  # their numbers begin here; each says that it is there before it notes anything
HEADER = struct.Struct("=QQQQ")
MASK = (1 << 64) - 1


def mix(x):
    """splitmix64"""
    x = (x + 0x9e3779b97f4a7c15) & MASK
    x = ((x ^ (x >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    x = ((x ^ (x >> 27)) * 0x94d049bb133111eb) & MASK
    return x ^ (x >> 31)


def level_of(seed, key):
    p, t, n = key
    return "INFO" if mix(seed ^ p << 48 ^ t << 40 ^ n) % 8 else "ERROR"


def text_of(n, length):
    return chr(ord("a") + n % 26) * length


class Notes:
    """Of one process: its number, pid and policy, and for each thread the outcomes of its records, a byte each.
    `ordered_up_to`: texts that are longer go through a lane that threads share, and overtake or come late; -1: all do, since
    there are more threads than lanes. `unnoted`: records of which nothing is noted."""

    def __init__(self, p, pid, on_full, threads, has_ring=True, ordered_up_to=1 << 20):
        self.p, self.pid, self.on_full, self.threads, self.has_ring = p, pid, on_full, threads, has_ring
        self.ordered_up_to = ordered_up_to
        self.unnoted = int(p >= CHILDREN)

    def outcome(self, t, n):
        return self.threads[t][n] if t < len(self.threads) and n < len(self.threads[t]) else NOT_BEGUN

    def records(self):
        """(key, outcome) of each that was begun."""
        for t, outcomes in enumerate(self.threads):
            for n, outcome in enumerate(outcomes):
                if outcome != NOT_BEGUN:
                    yield (self.p, t, n), outcome


def read(directory, producers):
    """All that lie there; `producers` of the world, by number."""
    found = {}
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as f:
            data = f.read()
        if len(data) < HEADER.size:
            continue  # killed before it had a record
        pid, threads, records, has_ring = HEADER.unpack_from(data)
        p = int(name)
        producer = producers[p if p < CHILDREN else (p - 1) // CHILDREN]
        rows = [data[HEADER.size + t * records:HEADER.size + (t + 1) * records].rstrip(b"\0") for t in range(threads)]
        ordered = producer.lane_bytes // 4 - 1000 if threads < producer.lanes else -1
        found[p] = Notes(p, pid, producer.on_full, rows, bool(has_ring), ordered)
    return found
