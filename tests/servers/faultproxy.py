#!/usr/bin/env python3
"""A TCP proxy on loopback that does to connections what networks do. As a module:

    proxy = FaultProxy(port_of_the_server)
    proxy.faults = ["reset", ("cut_answer", 10), ("status", 503)]     one for each connection or request, then none
    proxy.always = "freeze"                                           when the list is empty

Faults of a connection:
    pass                  nothing
    reset                 RST right after accept
    ("delay", S)          waits before it forwards anything
    ("cut_request", N)    forwards N bytes of the request, then RST to both
    ("cut_answer", N)     forwards N bytes of the answer, then RST; with 0, too, the server has answered by then
    half_close            ends its direction to the client at once, goes on reading
    ("slow", N)           reads from the client N bytes at a time with pauses
    ("garbage", N)        N bytes that are no protocol instead of the answer
    freeze                accepts and says nothing, ever
Of one HTTP request (the connection is kept):
    ("status", CODE[, "Header: value"])   answers by itself

As a program: faultproxy.py TARGET-PORT [FAULT[:ARGUMENT]]...   prints its port, works until it is killed.
"""
import random
import re
import socket
import struct
import sys
import threading
import time

CHUNK = 65536


def reset(*socks):
    for s in socks:
        if s:
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.shutdown(socket.SHUT_RD) # wakes the other thread, which would keep it open; sends nothing
            except OSError:
                pass
            s.close()


class FaultProxy:
    def __init__(self, target_port, faults=(), always="pass"):
        self.target = ("127.0.0.1", target_port)
        self.faults = list(faults)
        self.always = always
        self.seen = [] # what was done, in order
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.stopped.set()
        self.listener.close()

    def _next(self):
        with self.lock:
            fault = self.faults.pop(0) if self.faults else self.always
            fault = fault if isinstance(fault, tuple) else (fault,)
            self.seen.append(fault[0])
            return fault

    def _accept(self):
        while not self.stopped.is_set():
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = None
        try:
            fault = self._next()
            while fault[0] == "status":
                if not self._answer(client, *fault[1:]):
                    client.close()
                    return
                client.settimeout(None)
                first = client.recv(1, socket.MSG_PEEK) # the next request of this connection
                if not first:
                    client.close()
                    return
                fault = self._next()
            if fault[0] == "reset":
                return reset(client)
            if fault[0] == "freeze":
                self.stopped.wait()
                return reset(client)
            if fault[0] == "half_close":
                client.shutdown(socket.SHUT_WR)
            if fault[0] == "delay":
                self.stopped.wait(fault[1])
            server = socket.create_connection(self.target)
            self._forward(client, server, fault)
        except OSError:
            reset(client, server)

    @staticmethod
    def _answer(client, status, *headers):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = client.recv(CHUNK)
            if not piece:
                return False
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        left = int(length.group(1) if length else 0) - len(body)
        while left > 0:
            piece = client.recv(min(left, CHUNK))
            if not piece:
                return False
            left -= len(piece)
        lines = [f"HTTP/1.1 {status} Fault", "Content-Length: 0", *headers]
        client.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return True

    def _forward(self, client, server, fault):
        what, n = fault[0], fault[1] if len(fault) > 1 else 0
        up = threading.Thread(target=self._up, args=(client, server, what, n), daemon=True)
        up.start()
        if what == "garbage":
            first = server.recv(CHUNK)
            if first:
                client.sendall(random.Random(n).randbytes(n))
            reset(client, server)
        elif what == "half_close":
            up.join()
            server.close()
            client.close()
        else:
            self._down(client, server, n if what == "cut_answer" else None)

    @staticmethod
    def _down(client, server, limit):
        if limit == 0:
            server.recv(1, socket.MSG_PEEK)
        while limit is None or limit > 0:
            data = server.recv(CHUNK if limit is None else min(limit, CHUNK))
            if not data:
                client.shutdown(socket.SHUT_WR)
                return
            client.sendall(data)
            limit = limit - len(data) if limit is not None else None
        reset(client, server)

    def _up(self, client, server, what, n):
        left = n
        try:
            while True:
                data = client.recv(min(n, CHUNK) if what in ("slow", "cut_request") and n else CHUNK)
                if not data:
                    server.shutdown(socket.SHUT_WR)
                    return
                if what == "slow":
                    self.stopped.wait(0.001)
                if what == "cut_request" and len(data) >= left:
                    server.sendall(data[:left])
                    reset(client, server)
                    return
                left -= len(data)
                server.sendall(data)
        except OSError:
            reset(client, server)


def parse(text):
    name, _, argument = text.partition(":")
    return (name, float(argument) if name == "delay" else int(argument)) if argument else name


if __name__ == "__main__":
    running = FaultProxy(int(sys.argv[1]), [parse(a) for a in sys.argv[2:]])
    print(running.port, flush=True)
    while True:
        time.sleep(3600)
