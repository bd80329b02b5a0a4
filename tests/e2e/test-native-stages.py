#!/usr/bin/env python3
"""Native sinks behind stages and routes: what stages have masked is in no byte of the files, what no route sends
there is not there, and every record has the same identity as in the other sinks."""
import os
import shutil
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from programs import *  # noqa: E402,F403

EVERYTHING = os.environ["FAPILOG_EVERYTHING"]
MASKED = ["venue", "who", "user_id", "string", "json", "i64_max", "text"]
# Of fields of the call, of the thread and of the logger, in a ring block, a fragment chain and the registry.
PLANTED = [b"XETRA", b"u-1", b"quoted", b"[1,2.5", struct.pack("<q", 2**63 - 1), b"LLLLLLLL"]


def drain_with(place, text):
    path = place.file("fapilog.yaml")
    with open(path, "w") as f:
        f.write(f"rings: {place.rings}\n{text}\n")
    return execute([COLLECTOR, "--config", path, "--drain"], status=0)


def native_bytes(directory):
    """All payloads of all blocks, unpacked."""
    out = b""
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as f:
            data = f.read()
        at = 128
        out += data[:at]
        while at < len(data):
            _, _, codec, _, _, _, stored = struct.unpack_from("<QHBBIII", data, at)
            payload = data[at + 48:at + 48 + stored]
            out += subprocess.run(["zstd", "-dcq"], input=payload, check=True, capture_output=True).stdout if codec \
                else payload
            at += 48 + (stored + 7) // 8 * 8
    return out


def dump(directory):
    r = execute([DUMP, "--format", "fapilog", directory], status=0)
    check(not r.err, f"fapilog-dump: {r.err.decode()}")
    return [x["log"] for x in r.lines()]


def by_id(records):
    found = {r["context"]["message_id"]: r for r in records}
    check(len(found) == len(records), f"{len(records) - len(found)} records are there twice")
    return found


def compare(native, text):
    """The same records, up to the call site and the names of modules, which are not kept, and how the logger is
    told."""
    a, b = by_id(native), by_id(text)
    check(a.keys() == b.keys(), f"native {len(a)}, text {len(b)} records; {len(a.keys() ^ b.keys())} in one only")
    for key, want in b.items():
        got = a[key]
        for name in ("message", "level"):
            check(got[name] == want[name], f"{name}: {got} for {want}")
        missing = [k for k, v in want["data"].items() if k != "stack" and got["data"].get(k) != v]
        check(not missing, f"{missing}: {got} for {want}")


def masked_values_are_in_no_byte_of_the_files():
    for compress in ["none"] + ["zstd"] * bool(shutil.which("zstd")):
        with Place() as place:
            execute([EVERYTHING, place.rings], status=0)
            drain_with(place, f"stages:\n  - redact: {{fields: [{', '.join(MASKED)}]}}\nsinks:\n"
                              f"  n: 'native://{place.out}/n/?compress={compress}'\n"
                              f"  t: {{type: file, path: {place.out}/t/log.jsonl, format: fapilog}}\n")
            data = native_bytes(place.file("n"))
            for secret in PLANTED:
                check(secret not in data, f"{compress}: {secret} is in a native file")
            check(b"larger than a block" in data, "the records are not there")
            with open(place.file("t/log.jsonl"), encoding="utf-8") as f:
                text = [json.loads(line)["log"] for line in f]
            native = dump(place.file("n"))
            compare(native, text)
            layers = [r for r in native if r["message"] == "layers"]
            check(len(layers) == 1 and layers[0]["data"]["venue"] == "***", f"{layers}")
            check(layers[0]["data"]["logger"] == "matching", f"{layers}")


def without_stages_the_ring_is_what_is_written():
    with Place() as place:
        execute([EVERYTHING, place.rings], status=0)
        drain_with(place, f"sinks:\n  n: 'native://{place.out}/n/'\n")
        data = native_bytes(place.file("n"))
        for secret in PLANTED:
            check(secret in data, f"{secret}: the other test would not find it")


def the_call_site_is_there_where_it_is_wanted():
    with Place() as place:
        execute([EVERYTHING, place.rings], status=0)
        drain_with(place, f"stages:\n  - redact: {{fields: [nothing]}}\nsinks:\n"
                          f"  n: 'native://{place.out}/n/?source=true'\n  m: 'native://{place.out}/m/'\n"
                          f"  t: {{type: file, path: {place.out}/t/log.jsonl, format: json, source: true}}\n")
        told, silent = dump(place.file("n")), dump(place.file("m"))
        with open(place.file("t/log.jsonl"), encoding="utf-8") as f:
            expected = [(r["message"], r.get("file"), r.get("line"), r.get("function")) for r in map(json.loads, f)]
        names = ["code.file.path", "code.line.number", "code.function.name"]
        found = [(r["message"], *(r["data"].get(name) for name in names)) for r in told]
        check(sorted(map(str, found)) == sorted(map(str, expected)), f"{set(found) ^ set(expected)}")
        check(sum(f is not None for _, f, _, _ in found) > 10, f"{found}")
        check(by_id(told).keys() == by_id(silent).keys(), "not the same records")
        check(not any(name in r["data"] for r in silent for name in names), "the other sink has call sites too")


def records_of_a_mebibyte_are_kept_whole():
    for compress in ("none", "zstd"):
        for payload, is_whole in ((510 << 10, True), (514 << 10, True), ((1 << 20) - 64, True), (1 << 20, False)):
            with Place() as place:
                place.load_done("--threads", 1, "--records", 3, "--payload", payload, "--lane-bytes", 1 << 23)
                drain_with(place, f"stages:\n  - redact: {{fields: [nothing]}}\nsinks:\n"
                                  f"  n: 'native://{place.out}/n/?compress={compress}'\n")
                records = [r for r in dump(place.file("n")) if r["message"] == "load"]
                check([r["data"]["n"] for r in records] == [0, 1, 2], f"{payload}: {len(records)} records")
                for r in records:
                    text = r["data"]["payload"]
                    check(len(text) == payload if is_whole else payload - 256 < len(text) < payload, f"{payload}: {len(text)}")
                    check(bool(r["diagnostics"].get("truncated")) != is_whole, f"{payload}: {r['diagnostics']}")


def only_routed_records_are_there():
    with Place() as place:
        execute([EVERYTHING, place.rings], status=0)
        drain_with(place, f"sinks:\n  n: 'native://{place.out}/n/'\n  m: 'native://{place.out}/m/'\n"
                          f"routes:\n  - {{levels: [ERROR, CRITICAL], to: [n]}}\n  - {{where: 'venue == XETRA', to: [m]}}\n"
                          f"routing: {{overlap: true}}\n")
        levels = {r["level"] for r in dump(place.file("n"))}
        check(levels == {"ERROR", "CRITICAL"}, f"{levels}")
        check(messages(dump(place.file("m"))) == ["layers"], "where")
        check(b"larger than a block" not in native_bytes(place.file("n")), "a record that was not routed")


def many_threads_and_files_keep_each_record_and_its_order():
    with Place() as place:
        written = place.load_done("--threads", 3, "--records", 5000, "--lane-bytes", 1 << 21)
        drain_with(place, f"stages:\n  - redact: {{fields: [nothing]}}\nlane_budget: 16KB\nsinks:\n"
                          f"  n: 'native://{place.out}/n/?max_bytes=100KB'\n")
        check(len(os.listdir(place.file("n"))) > 5, f"files: {os.listdir(place.file('n'))}")
        records = [r["data"] for r in dump(place.file("n")) if r["message"] == "load"]
        check(len(records) == written, f"{len(records)} of {written}")
        for thread in range(3):
            check([d["n"] for d in records if d["thread"] == thread] == list(range(5000)), f"thread {thread}")


def what_the_producer_has_dropped_is_told():
    with Place() as place:
        written = place.load_done("--threads", 2, "--records", 5000, "--lane-bytes", 1 << 16)
        drain_with(place, f"stages:\n  - redact: {{fields: [nothing]}}\nsinks:\n  n: 'native://{place.out}/n/'\n")
        found = dump(place.file("n"))
        reports = [r for r in found if r["message"] == "records dropped"]
        dropped = sum(r["data"]["count"] for r in reports)
        check(len(reports) == 2 and dropped > 0, f"reports: {reports}")
        check(len(found) - len(reports) + dropped == 10000, f"{len(found)} and {dropped} dropped, written {written}")


if __name__ == "__main__":
    sys.exit(run([
        masked_values_are_in_no_byte_of_the_files,
        without_stages_the_ring_is_what_is_written,
        the_call_site_is_there_where_it_is_wanted,
        records_of_a_mebibyte_are_kept_whole,
        only_routed_records_are_there,
        many_threads_and_files_keep_each_record_and_its_order,
        what_the_producer_has_dropped_is_told,
    ]))
