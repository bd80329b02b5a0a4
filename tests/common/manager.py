"""A service manager, as far as a service sees of it: the socket that it tells how it stands."""
import os
import socket


class Manager:
    """Keeps what is said to it."""

    def __init__(self, place, name=None):
        self.address = name or os.path.join(place.path, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.address.replace("@", "\0", 1))
        self.sock.setblocking(False)
        self.said = []

    def hear(self):
        try:
            while True:
                self.said.append(self.sock.recv(4096).decode())
        except BlockingIOError:
            return self.said

    def env(self, **more):
        return {"NOTIFY_SOCKET": self.address, **more}

    def states(self):
        """In their order, without what comes as often as it likes."""
        return [s for s in self.hear() if not s.startswith(("WATCHDOG=", "STATUS="))]
