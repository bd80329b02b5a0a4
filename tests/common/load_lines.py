"""What the lines of load.c are to be, to the byte: of a JSON line of its records all follows from the producer, the
thread and the number that it names, but the time, which must fit, and the record's id, which is the same wherever the
record is written."""
import os
import re
import time

from harness import Failure, check

PERIOD = 4093 # as in load.c
LINE = re.compile(rb'{"log":{"context":{.*"message_id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",.*'
                  rb'"data":{"n":(\d+),.*"producer":(\d+),"thread":(\d+)}.*"message":"load",'
                  rb'"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"},"schema_version":"1\.1"}')


def repeated(bytes_count):
    text, x = [], 1
    for _ in range(PERIOD):
        x = (x * 1103515245 + 12345) & 0xffffffff
        text.append(chr(ord(" ") + (x >> 16) % 95))
    return "".join(text) * (bytes_count // PERIOD + 2)


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}Z"


class LoadLines:
    """For the processes of one run of load each, with these options; `masked`: what each payload has become."""

    def __init__(self, payload, errors, contexts, masked=None):
        self.payload, self.errors, self.contexts, self.masked = payload, errors, contexts, masked
        self.text = repeated(payload)
        self.host = os.uname().nodename
        self.pids = {} # by producer
        self.ids = {}  # by producer, thread and number
        self.began = stamp(time.time())

    def options(self):
        return ["--payload", self.payload, "--errors", self.errors, "--contexts", self.contexts]

    def line(self, who, message_id, timestamp):
        producer, thread, n = who
        start = (producer * 1009 + thread * 101 + n) % PERIOD
        payload = self.masked or self.text[start:start + self.payload].replace("\\", "\\\\").replace('"', '\\"')
        level = "ERROR" if n % self.errors == 0 else "INFO"
        request = f"{producer}-{thread}-{n // self.contexts}"
        return (f'{{"log":{{"context":{{"correlation_id":"{request}","message_id":"{message_id}",'
                f'"request_id":"{request}"}},'
                f'"data":{{"n":{n},"payload":"{payload}","producer":{producer},"thread":{thread}}},'
                f'"diagnostics":{{"host":"{self.host}","origin":"native","pid":{self.pids[producer]},"service":"load"}},'
                f'"level":"{level}","message":"load","timestamp":"{timestamp}"}},"schema_version":"1.1"}}').encode()

    def check(self, lines, what):
        """Of one output: each line of load is whole, and no older than the one before it in its thread."""
        times, ids = {}, {}
        for line in lines:
            if b'"message":"load"' not in line:
                continue
            found = LINE.fullmatch(line)
            check(found, f"{what}: not what load has logged: {line!r}")
            message_id, n, producer, thread, timestamp = (group.decode() for group in found.groups())
            who = int(producer), int(thread), int(n)
            expected = self.line(who, message_id, timestamp)
            check(line == expected, f"{what}: {line!r} is there, {expected!r} was logged")
            check(self.ids.setdefault(who, message_id) == message_id, f"{what}: {who} is {message_id}, and {self.ids[who]}")
            check(ids.setdefault(message_id, who) == who, f"{what}: {who} and {ids[message_id]} have one id")
            times[who] = timestamp
        self.check_times(times, what)

    def check_times(self, times, what):
        ended, last = stamp(time.time()), {}
        for (producer, thread, n), timestamp in sorted(times.items()):
            before = last.setdefault((producer, thread), self.began)
            check(before <= timestamp <= ended, f"{what}: {producer}, {thread}, {n} is of {timestamp}, after {before}")
            last[producer, thread] = timestamp
