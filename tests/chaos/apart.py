"""A server of a world in a process of its own, which can be frozen (SIGSTOP): the kernel accepts connections and data for it, and
nobody answers. It writes down what it has taken; `Apart` is the world's side of it, and has what the servers of servers.py have.

As a program: apart.py http|syslog POISON CLOCK TAKEN   prints its port; standard input: what it shall do; its end is ours.

Whose request it was: a collector's life ends with a connection from 127.0.0.2, in the order of accept().

Whether its client may not know that it was taken: after each thaw so for the first request of a connection that may be older,
and for one that was taken and not answered before a freeze. CLOCK has how often it was thawed, and when: the world writes it
before it lets the process go on."""
import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import servers

PR_SET_PDEATHSIG = 1
PROBE = "127.0.0.2"
CLOCK = struct.Struct("=Qd")
OLD = 5.0  # a connection that is accepted so long after a thaw was not there before


class Clock:
    def __init__(self, path):
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), CLOCK.size)

    def read(self):
        return CLOCK.unpack_from(self.map)

    def thaw(self):
        CLOCK.pack_into(self.map, 0, self.read()[0] + 1, time.monotonic())


class Journal:
    """Lines of JSON: a request that was taken, or the number of one whose answer has got out."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.lock, self.count = threading.Lock(), 0

    def take(self, taken):
        with self.lock:
            self.file.write(json.dumps([taken.life, taken.records, taken.rejected, taken.lost]) + "\n")
            self.file.flush()
            self.count += 1
            return self.count - 1

    def answered(self, number):
        with self.lock:
            self.file.write(f"{number}\n")
            self.file.flush()


class Origins:
    """By address of the client: whose life, and the thaw after which its requests are all new."""

    def __init__(self, clock):
        self.clock, self.life, self.of = clock, 0, {}

    def accepted(self, address):
        """False: it was a probe."""
        if address[0] == PROBE:
            self.life += 1
            return False
        thaws, at = self.clock.read()
        self.of[address] = [self.life, thaws - 1 if time.monotonic() - at < OLD else thaws]
        return True


class HttpApart(servers.HttpServer):
    def __init__(self, poison, clock, journal):
        self.clock, self.journal, self.origins = clock, journal, Origins(clock)
        self.begun, self.numbers = {}, {}  # by address: the thaw before the request, and its number where it must get an answer
        super().__init__(poison)

    def listen(self, server):
        accept = server.get_request

        def get_request():
            connection, address = accept()
            if not self.origins.accepted(address):
                connection.close()
                raise OSError("a probe")
            return connection, address
        server.get_request = get_request
        return server.server_address[1]

    def origin(self, address):
        life, thaws = self.origins.of[address]
        self.begun[address] = self.clock.read()[0]
        return life, thaws != self.begun[address]

    def keep(self, taken, address):
        number = self.journal.take(taken)
        if not taken.is_unsure:
            self.numbers[address] = number

    def answered(self, address):
        number, thaws = self.numbers.pop(address, None), self.begun[address]
        if thaws != self.clock.read()[0]:
            return
        self.origins.of[address][1] = thaws
        if number is not None:
            self.journal.answered(number)

    def heal(self):
        self.mode = "ok"


class SyslogApart(servers.SyslogServer):
    def __init__(self, clock, journal):
        self.journal, self.origins = journal, Origins(clock)
        super().__init__()

    def origin(self, address):
        return self.origins.of[address][0] if self.origins.accepted(address) else None

    def keep(self, taken):
        for one in taken:
            self.journal.take(one)


class Apart:
    """`taken`: as of servers.HttpServer."""

    def __init__(self, kind, poison, path):
        self.path, self.found, self.is_frozen = path, [], False
        with open(path + ".clock", "wb") as f:
            f.write(CLOCK.pack(0, 0.0))
        self.clock = Clock(path + ".clock")
        argv = [sys.executable, os.path.abspath(__file__), "syslog" if kind == "syslog" else "http", str(poison),
                path + ".clock", path]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.journal = open(path, "rb")

    @property
    def taken(self):
        while line := self.journal.readline():
            if not line.endswith(b"\n"):  # the rest is on its way
                self.journal.seek(-len(line), os.SEEK_CUR)
                break
            value = json.loads(line)
            if isinstance(value, int):
                self.found[value].is_unsure = False
            else:
                life, records, rejected, lost = value
                self.found.append(servers.Taken(life, records, True, rejected, lost))
        return self.found

    def seen(self):
        return servers.keys_of(self.taken)

    def tell(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()

    def fail(self, how):
        self.tell(how)

    def heal(self):
        self.thaw()
        self.tell("ok")

    def freeze(self):
        self.is_frozen = True
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        if self.is_frozen:
            self.is_frozen = False
            self.clock.thaw()
            self.process.send_signal(signal.SIGCONT)

    def next_life(self):
        socket.create_connection(("127.0.0.1", self.port), source_address=(PROBE, 0)).close()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.journal.close()


def main():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # frozen, it would not see the end of its input
    kind, poison, clock, path = sys.argv[1:]
    clock, journal = Clock(clock), Journal(path)
    server = SyslogApart(clock, journal) if kind == "syslog" else HttpApart(int(poison), clock, journal)
    print(server.port, flush=True)
    for line in sys.stdin:
        how = line.strip()
        if how == "ok":
            server.heal()
        else:
            server.fail(how)
    os._exit(0)


if __name__ == "__main__":
    main()
