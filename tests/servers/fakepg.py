"""As much of a PostgreSQL server as it takes to lead a client on: it lets everybody in, and answers what a test wants."""
import socket
import struct
import threading

SSL_REQUEST = struct.pack("!I", 80877103)


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


READY = message(b"Z", b"I")
COPY_IN = message(b"G", b"\1\0\0")
NOTICE = message(b"N", b"SNOTICE\0C00000\0M" + b"x" * 20000 + b"\0\0")
NOTIFICATION = message(b"A", b"\0\0\0\1channel\0" + b"x" * 7000 + b"\0")


def done(tag):
    return message(b"C", tag + b"\0") + READY


def refusal(text):
    return message(b"E", b"SERROR\0C42501\0M" + text.encode() + b"\0\0") + READY


def table(rows, tag=b"SELECT 1"):
    """Rows of texts; without a tag it goes on."""
    width = len(rows[0])
    column = b"c\0" + struct.pack("!IhIhih", 0, 0, 25, -1, -1, 0)
    body = message(b"T", struct.pack("!H", width) + column * width)
    for r in rows:
        body += message(b"D", struct.pack("!H", width) + b"".join(struct.pack("!i", len(v)) + v for v in r))
    return body + done(tag) if tag else body


COLUMNS = table([(b"timestamp", b"D", b"timestamptz", b"f"), (b"record_id", b"U", b"bytea", b"t"),
                 (b"event", b"U", b"jsonb", b"f")] +
                [(name, b"S", b"text", b"f") for name in (b"level", b"logger", b"correlation_id", b"message")])


class FakePostgres:
    """`answers` may replace the answer to "setup", "columns", "copy" and "rows", the end of a COPY; a function gets the
    connection instead."""

    def __init__(self, **answers):
        self.answers = {"setup": done(b"SELECT 1"), "columns": COLUMNS, "copy": COPY_IN, "rows": done(b"COPY 1"), **answers}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def uri(self, options=""):
        return f"postgresql://user:password@127.0.0.1:{self.port}/db?sslmode=disable{options}"

    def accept(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        try:
            with c, c.makefile("rb") as f:
                f.read(struct.unpack("!I", f.read(4))[0] - 4)
                c.sendall(message(b"R", struct.pack("!I", 0)) + message(b"K", b"\0" * 8) + READY)
                while kind := f.read(1):
                    self.answer(c, kind, f.read(struct.unpack("!I", f.read(4))[0] - 4))
        except (OSError, struct.error):
            pass # it has hung up

    def answer(self, c, kind, body):
        what = "rows" if kind == b"c" else "columns" if b"pg_attribute" in body else "copy" if body[:4] == b"COPY" else "setup"
        if kind in b"Qc":
            says = self.answers[what]
            says(c) if callable(says) else c.sendall(says) # pylint: disable=expression-not-assigned
