#!/usr/bin/env python3
"""loki: records pushed to VictoriaLogs and to Grafana Loki are read back with labels, time and metadata."""
import json
import os
import sys
import time
import urllib.parse

from receiver import SERVERS, check_outcomes, free_port, get, harness, need, run, send, wait_http
from faultproxy import FaultProxy

LOKI = """
auth_enabled: false
server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {grpc},
  log_level: error}}
common:
  instance_addr: 127.0.0.1
  path_prefix: {dir}
  storage: {{filesystem: {{chunks_directory: {dir}/chunks, rules_directory: {dir}/rules}}}}
  replication_factor: 1
  ring: {{kvstore: {{store: inmemory}}}}
schema_config:
  configs: [{{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: i_, period: 24h}}}}]
limits_config: {{allow_structured_metadata: true, reject_old_samples: true, reject_old_samples_max_age: 24h}}
analytics: {{reporting_enabled: false}}
"""

OPTIONS = "label_keys=level,logger&structured_metadata=trace_id,record_id"


def victoria(place):
    program = need(os.path.join(SERVERS, "bin/victoria-logs"), "tests/servers/install victoria-logs")
    port = free_port()
    p = place.start([program, f"-storageDataPath={place.out}/vl", f"-httpListenAddr=127.0.0.1:{port}",
                     "-memory.allowedBytes=64MB"])
    wait_http(f"http://127.0.0.1:{port}/health", p)
    return port


def stored(port, app):
    query = urllib.parse.urlencode({"query": f'{{app="{app}"}}', "limit": 1000})
    text = get(f"http://127.0.0.1:{port}/select/logsql/query?{query}").decode()
    return [json.loads(line) for line in text.splitlines()]


def nanoseconds(text):
    """Of the part behind the minute; zeros at the end are cut."""
    seconds, _, fraction = text.rstrip("Z").rpartition(":")[2].partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0"))


def check_victoria(port, app, count):
    harness.wait_for(f"{count} records of {app}", lambda: len(stored(port, app)) >= count)
    got = stored(port, app)
    harness.check(sorted(int(r["data.n"]) for r in got) == list(range(count)), f"{app}: {len(got)} records")
    harness.check(len({r["record_id"] for r in got}) == count, "record_id is not unique")
    for r in got:
        harness.check(r["trace_id"] == "0123456789abcdef0123456789abcdef", str(r))
        harness.check('logger="orders_matching"' in r["_stream"], r["_stream"])
        harness.check(r["data.text"].startswith("gr\u00fc\u00df"), r["data.text"])
    times = {int(r["data.n"]): nanoseconds(r["_time"]) for r in got}
    harness.check(all(times[n] - times[0] == n for n in times), "times are not the records' own")


def victorialogs_takes_both_encodings():
    with harness.Place() as place:
        port = victoria(place)
        for app, more in (("json", "encoding=json"), ("gzip", "compression=gzip"), ("protobuf", "encoding=protobuf")):
            results = send(place, f"loki://127.0.0.1:{port}/insert?labels=app={app}&{OPTIONS}&{more}", 300, 100)
            check_outcomes(results, "delivered", app)
            check_victoria(port, app, 300)


def the_collector_delivers_through_faults():
    with harness.Place() as place:
        port = victoria(place)
        proxy = FaultProxy(port, ["reset", ("cut_answer", 4), ("status", 429), ("status", 500), ("cut_request", 50)])
        written = place.load_done("--records", 500)
        place.drain(sink=f"loki://127.0.0.1:{proxy.port}/insert?labels=app=e2e&batch_size=50&retry_base_delay=1ms"
                         "&retry_max_delay=20ms&batch_interval=10ms&breaker_enabled=false&timeout=5s")
        proxy.close()

        def numbers():
            return {(r["data.thread"], r["data.n"]) for r in stored(port, "e2e") if r.get("message") == "load"}
        harness.wait_for(f"{written} records", lambda: len(numbers()) == written)


def loki(place):
    program = need(os.path.join(SERVERS, "bin/loki"), "tests/servers/install loki")
    port, path = free_port(), os.path.join(place.path, "loki.yaml")
    with open(path, "w") as f:
        f.write(LOKI.format(port=port, grpc=free_port(), dir=os.path.join(place.path, "loki")))
    p = place.start([program, f"-config.file={path}"])
    wait_http(f"http://127.0.0.1:{port}/ready", p)
    return port


def query(port, selector):
    now = time.time_ns()
    text = urllib.parse.urlencode({"query": selector, "limit": 5000, "start": now - 86400 * 10**9, "end": now + 10**12,
                                   "direction": "forward"})
    return json.loads(get(f"http://127.0.0.1:{port}/loki/api/v1/query_range?{text}"))["data"]["result"]


def grafana_loki_takes_both_encodings():
    with harness.Place() as place:
        port = loki(place)
        for app, more in (("json", "encoding=json"), ("gzip", "compression=gzip"), ("protobuf", "encoding=protobuf")):
            results = send(place, f"loki://127.0.0.1:{port}?labels=app={app}&{OPTIONS}&{more}", 300, 100)
            check_outcomes(results, "delivered", app)
            found = {}

            def is_complete():
                found.clear()
                for stream in query(port, f'{{app="{app}"}}'):
                    harness.check(stream["stream"]["trace_id"] == "0123456789abcdef0123456789abcdef", str(stream))
                    harness.check(stream["stream"]["logger"] == "orders_matching", str(stream["stream"]))
                    for ns, line, *_ in stream["values"]:
                        found[json.loads(line)["data"]["n"]] = int(ns)
                return len(found) == 300
            harness.wait_for(f"300 records of {app}", is_complete)
            harness.check(all(found[n] - found[0] == n for n in found), "times are not the records' own")


def grafana_loki_refuses_old_records_for_good():
    with harness.Place() as place:
        port = loki(place)
        old = send(place, f"loki://127.0.0.1:{port}?labels=app=old", 3, 3, 1, 20, 86400 * 3)
        check_outcomes(old, "refused", "three days old")
        harness.check(old[0]["status"] == 400 and "too old" in old[0]["reason"], str(old))
        uri = f"loki://127.0.0.1:{port}?labels=app=behind&label_keys=app"
        check_outcomes(send(place, uri, 3, 3), "delivered", "young")
        behind = send(place, uri, 3, 3, 1, 20, 3600 * 5) # more than half of max_chunk_age behind
        harness.check(behind[0]["outcome"] == "delivered" and behind[0]["rejected"] == [0, 1, 2], str(behind))


if __name__ == "__main__":
    sys.exit(run([victorialogs_takes_both_encodings, the_collector_delivers_through_faults,
                  grafana_loki_takes_both_encodings, grafana_loki_refuses_old_records_for_good]))
