"""An HTTP server that takes lines of records, is broken until told otherwise, or refuses some for good."""
import http.server
import json
import socket
import threading
import time


class BrokenServer:
    """What it has taken: `records`, and `requests`, each as (life, lines), where a life is that of a collector."""

    def __init__(self, is_broken=True, refuses=lambda record: False):
        self.records, self.is_broken, self.refuses = [], is_broken, refuses
        self.requests, self.life, self.life_of = [], 0, {}
        self.lock = threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length: # the client was killed in the middle of it
                    self.close_connection = True
                    return
                self.send_response(owner.take(body.splitlines(), owner.life_of[self.client_address]))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def process_request(self, request, client_address): # in the order of the connections
                owner.life_of[client_address] = owner.life
                super().process_request(request, client_address)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a client that was killed
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, lines, life):
        records = [json.loads(line) for line in lines]
        with self.lock:
            if self.is_broken:
                return 503
            if any(self.refuses(r) for r in records):
                return 422
            self.records += records
            self.requests.append((life, lines))
            return 204

    def next_life(self):
        """What connects from now on is another collector; what is still in the queue of the listener was the old one."""
        with socket.create_connection(self.server.server_address) as last:
            own = last.getsockname()
            while own not in self.life_of:
                time.sleep(0.001)
        self.life += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def uri_with(self, options):
        return f"http://127.0.0.1:{self.server.server_address[1]}/?batch_format=ndjson{options}"

    def uri(self, options=""):
        return self.uri_with("&batch_interval=20ms&batch_size=50&retry_base_delay=10ms&retry_max_delay=50ms"
                             "&breaker_recovery=100ms" + options)
