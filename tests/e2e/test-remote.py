#!/usr/bin/env python3
"""A collector with a file and an HTTP server: neither waits for the other, and what the server has not got lies
in the spool or in the ring."""
import os
import random
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "common")]
from harness import *  # noqa: E402,F403
from brokenserver import BrokenServer  # noqa: E402

KILLS = int(os.environ.get("FAPILOG_TEST_KILLS", "12"))
SEED = int(os.environ.get("FAPILOG_SEED", str(int(time.time()))))


class Server(BrokenServer):
    def __init__(self):
        super().__init__(is_broken=False)

    def uri(self, options=""):
        return (f"http://127.0.0.1:{self.server.server_address[1]}/?batch_format=ndjson&batch_size=500&batch_interval=20ms"
                "&retry_base_delay=10ms&retry_max_delay=50ms&breaker_enabled=false" + options)

    def seen(self):
        with self.lock:
            return {(d["producer"], d["thread"], d["n"]) for d in loads(self.records)}


def start(place, server, *args, env=None):
    state = os.path.join(place.path, "state")
    return place.collector("--sink", server.uri(), "--set", f"state_dir={state}", *args, env=env)


def both_get_everything_whenever_the_collector_is_killed():
    rng = random.Random(SEED)
    with Place() as place, Server() as server:
        producer = place.load("--id", 1, "--threads", 2, "--records", 0, "--pause-us", 1000, "--burst", 20, "--block")
        for _ in range(KILLS):
            c = start(place, server)
            place.wait_ready(c)
            server.is_broken = rng.random() < 0.3
            time.sleep(rng.uniform(0.01, 0.15))
            c.kill()
            c.wait()
        server.is_broken = False
        c = start(place, server)
        place.wait_ready(c)
        producer.terminate()
        written = written_by(producer)
        stop(c)  # what the server has not got yet goes to the spool
        drain(place, server, status=0)
        check(len(server.seen()) == written, f"seed {SEED}: {len(server.seen())} of {written} arrived")
        check_books(place.lines(), written, f"seed {SEED}")
        return f"{written} records, {len(loads(server.records)) - written} of them sent twice"


def while_the_server_is_down_files_go_on_and_its_records_are_spooled():
    with Place() as place, Server() as server:
        server.is_broken = True
        c = start(place, server, "--verbose")
        place.wait_ready(c)
        written = place.load_done("--records", 20000, "--block")
        wait_for("the file has all of them", lambda: line_count(place.file()) == written)
        text = stop(c)
        check(f"spooled {written}" in text, f"the balance: {text}")
        check(not server.records, "a broken server has records")
        text = drain(place, server, status=1)
        check("stay in its spool" in text, f"--drain said: {text}")
        server.is_broken = False
        drain(place, server, status=0)
        check(len(server.seen()) == written, f"{len(server.seen())} of {written} arrived")
        check_books(place.lines(), written)
        return f"{written} records"


def drain(place, server, status):
    c = start(place, server, "--drain", "--set", "shutdown_timeout=1s")
    _, text = c.communicate(timeout=60)
    check(c.returncode == status, f"--drain ended with {c.returncode}, not {status}: {text}")
    return text


if __name__ == "__main__":
    sys.exit(run([both_get_everything_whenever_the_collector_is_killed,
                  while_the_server_is_down_files_go_on_and_its_records_are_spooled]))
