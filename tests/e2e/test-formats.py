#!/usr/bin/env python3
"""One producer, one collector, a file sink for each format and a native one at the same time, and fapilog-dump:
every value is compared after a parser that knows nothing of ours."""
import base64
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403

EVERYTHING = os.environ["FAPILOG_EVERYTHING"]
FORMATS = ["fapilog", "dagstack", "otlp-json", "json", "logfmt"]
IDS = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "0af7651916cd43dd", "request_id": "r-1",
       "user_id": "u-1", "tenant_id": "t-1"}
LEVELS = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "AUDIT", "SECURITY"]
JSON = {"b": [1, 2.5, None, True], "a": {"k": "v"}}

# message: fields; the order is that of the program.
EXPECTED = [
    ("integers", {"yes": True, "no": False, "i8": -128, "u8": 255, "i16": -32768, "u16": 65535, "i32": -2**31,
                  "u32": 2**32 - 1, "i64": -2**63, "u64": 2**64 - 1, "i64_max": 2**63 - 1, "char": "x"}),
    ("reals", {"f32": 0.1, "f64": 0.1, "whole": 100.0, "tiny": 5e-324, "huge": sys.float_info.max, "nan": "NaN",
               "inf": "Infinity", "minus": -0.5, "long_double": 0.25}),
    ("texts", {"string": 't\u00e4 "quoted"\n', "nothing": "(null)", "empty": "", "part": "abc",
               "bytes": base64.b64encode(b"\0\xff\x10").decode(), "json": JSON, "secret": "***"}),
    ("others", {"errno": "ENOENT (2): No such file or directory", "pointer": "0x7f00deadbeef", "ipv4": "192.0.2.1",
                "ipv6": "2001:db8::1", "when": "2026-11-21T08:37:04.123456789Z", "duration": 1500000,
                "uuid": "0af76519-16cd-43dd-8448-eb211c80319c"}),
    *[("level", {}) for _ in LEVELS],
    ("context", {"own": 1, "shard": 3, "who": "context", **IDS}),
    ("layers", {"who": "call", "shard": 3, "venue": "XETRA", **IDS}),
    ("no fields", {}),
    ("it costs 9.50,   -42|7    |0xff c% ab", {}),
    ("larger than a block", {"text": "L" * 40000}),
    ("not utf-8", {"bad": "a\ufffdb\ufffd"}),
    ("m\u00fcnd", {f"f{i}": i * i for i in range(64)}),
    ("of a place", {"n": 1}),
    ("stack", {"stack": None}),
]


def any_value(value):
    if not value:
        return None
    (kind, inner), = value.items()
    if kind == "kvlistValue":
        return {item["key"]: any_value(item["value"]) for item in inner.get("values", [])}
    if kind == "arrayValue":
        return [any_value(item) for item in inner.get("values", [])]
    return int(inner) if kind == "intValue" else inner


def read_fapilog(line):
    log = json.loads(line)["log"]
    context = {k: v for k, v in log["context"].items() if k in IDS}
    check(log["diagnostics"]["service"] == "everything" and log["diagnostics"]["env"] == "test", "who it was")
    return log["message"], log["level"], log.get("logger"), {**log["data"], **context}


def read_dagstack(line):
    record = json.loads(line)
    fields = record.get("attributes", {})
    level = fields.pop("fapilog.level", record["severity_text"])
    fields.pop("fapilog.invalid", None)
    fields.update({k: record[k] for k in ("trace_id", "span_id") if k in record})
    check(record["resource"]["attributes"]["service.version"] == "1.2.3", "who it was")
    return record["body"], level, record.get("instrumentation_scope", {}).get("name"), fields


def read_otlp(line):
    (resource,), = json.loads(line).values()
    (scope,) = resource["scopeLogs"]
    (log,) = scope["logRecords"]
    fields = {a["key"]: any_value(a["value"]) for a in log["attributes"]}
    fields.pop("log.record.uid")
    fields.pop("fapilog.invalid", None)
    level = fields.pop("fapilog.level", log["severityText"])
    fields.update({k: log[o] for k, o in (("trace_id", "traceId"), ("span_id", "spanId")) if o in log})
    return any_value(log["body"]), level, scope["scope"]["name"], fields


def read_json(line):
    r = json.loads(line)
    check((r.pop("service"), r.pop("env"), r.pop("version")) == ("everything", "test", "1.2.3"), "who it was")
    r.pop("time"), r.pop("pid"), r.pop("tid", None), r.pop("thread", None), r.pop("invalid", None)
    return r.pop("message"), r.pop("level"), r.pop("logger", None), r


def read_logfmt(line):
    pairs = re.findall(r'([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?: |$)', line, re.ASCII)
    check(" ".join(f"{k}={v}" for k, v in pairs) == line, f"not key=value throughout: {line[:200]}")
    fields = {k: json.loads(v) if v.startswith('"') else v for k, v in pairs}
    for name in ("time", "pid", "tid", "thread", "service", "env", "version", "invalid"):
        fields.pop(name, None)
    return fields.pop("msg"), fields.pop("level"), fields.pop("logger", None), fields


READERS = {"fapilog": read_fapilog, "dagstack": read_dagstack, "otlp-json": read_otlp, "json": read_json,
           "logfmt": read_logfmt}


def check_value(form, name, value, expected):
    what = f"{form}: {name} is {value!r}, not {expected!r}"
    if name == "stack":
        check(form == "logfmt" or value and all("+0x" in v or v.startswith("0x") for v in value), what)
    elif form == "logfmt":
        if isinstance(expected, bool):
            check(value == str(expected).lower(), what)
        elif isinstance(expected, float):
            check(math.isclose(float(value), expected, rel_tol=1e-15), what)
        elif isinstance(expected, dict):
            check(json.loads(value) == expected, what)
        else:
            check(value == ("1.5ms" if name == "duration" else str(expected)), what)
    elif form == "otlp-json" and name == "u64":
        check(int(value) == expected, what)
    elif form == "otlp-json" and expected in ("NaN", "Infinity"):
        check(value == expected, what)
    else:
        is_same_type = type(value) is type(expected) or form in ("dagstack", "otlp-json")  # 100.0 is 100 there
        check(value == expected and is_same_type, what)


def check_format(form, lines):
    check(len(lines) == len(EXPECTED), f"{form}: {len(lines)} records of {len(EXPECTED)}")
    levels = iter(LEVELS)
    for line, (message, fields) in zip(lines, EXPECTED):
        got_message, level, logger, got = READERS[form](line)
        check(got_message == message, f"{form}: message {got_message!r}, not {message!r}")
        check(set(got) - {"correlation_id"} == set(fields), f"{form}: {message}: fields {sorted(set(got) ^ set(fields))}")
        for name, expected in fields.items():
            check_value(form, name, got[name], expected)
        if message == "level":
            expected = next(levels)
            aliases = {"dagstack": {"WARNING": "WARN", "CRITICAL": "FATAL"}, "otlp-json": {"WARNING": "WARN", "CRITICAL": "FATAL"}}
            want = aliases.get(form, {}).get(expected, expected)
            check(level.upper() == want, f"{form}: level {level}, not {want}")
        if message == "layers":
            check(logger == "matching" or logger == "everything.matching", f"{form}: logger {logger}")


def dump(form, *paths):
    return execute([DUMP, "--format", form, *paths], status=0).out.decode().splitlines()


def without_time(line):
    record = json.loads(line)
    time_ns = record.pop("time")
    return record, time_ns


def nanoseconds(text):
    date, fraction = text.rstrip("Z").split(".")
    return int(time.mktime(time.strptime(date, "%Y-%m-%dT%H:%M:%S"))) * 10**9 + int(fraction.ljust(9, "0"))


def check_same_records(ring, native):
    check(len(ring) == len(native) == len(EXPECTED), f"{len(ring)} records in the ring, {len(native)} in the file")
    worst = 0
    for a, b in zip(ring, native):
        (ra, ta), (rb, tb) = without_time(a), without_time(b)
        check(ra == rb, f"ring {str(ra)[:300]} and file {str(rb)[:300]} differ")
        worst = max(worst, abs(nanoseconds(ta) - nanoseconds(tb)))
    check(worst < 1000, f"times of ring and file differ by up to {worst} ns")
    return worst


def collected(place):
    """Logs everything with a collector at work; what all sinks, the ring and the native file hold then."""
    sinks = [a for f in FORMATS for a in ("--sink", place.uri(f"{f}.log", f"format={f}"))]
    native = os.path.join(place.out, "native") + "/"
    c = place.collector(*sinks, "--sink", f"native://{native}?compress=zstd", sink=place.uri("log.jsonl"))
    place.wait_ready(c)
    p = place.start([EVERYTHING, place.rings], stdin=subprocess.PIPE)
    check(p.stdout.readline() == "written\n", "the producer failed")
    wait_for("all is written", lambda: len(file_lines(place.file("logfmt.log"))) == len(EXPECTED))
    ring = {f: dump(f, place.rings) for f in ("json", "fapilog", "dagstack", "logfmt", "raw")}
    p.communicate("\n")
    stop(c)
    return ring, {f: dump(f, native) for f in ring}


def file_lines(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="\n") as f:
        return f.read().split("\n")[:-1]


def every_format_says_the_same_of_every_type_and_shape():
    with Place() as place:
        ring, native = collected(place)
        for form in FORMATS:
            check_format(form, file_lines(place.file(f"{form}.log")))
        check(file_lines(place.file("log.jsonl")) == file_lines(place.file("fapilog.log")), "the default is not fapilog")
        for form in ("json", "fapilog", "dagstack", "logfmt"):
            check_format(form, ring[form])
            check_format(form, native[form])
        worst = check_same_records(ring["json"], native["json"])

        def untimed(lines):
            return [re.sub(r" t=\d+", "", line) for line in lines]
        for a, b in zip(untimed(ring["raw"]), untimed(native["raw"])):
            check(a == b, f"raw records differ:\n{a[:300]}\n{b[:300]}")
        return f"{len(EXPECTED)} records, times of ring and native file within {worst} ns"


def what_was_written_without_a_collector_is_the_same():
    with Place() as place:
        p = place.start([EVERYTHING, place.rings], stdin=subprocess.PIPE)
        p.communicate("\n")
        before = dump("fapilog", place.rings)
        place.drain()
        check(file_lines(place.file()) == before, "the collector and fapilog-dump write different lines")
        check_format("fapilog", before)


if __name__ == "__main__":
    sys.exit(run([every_format_says_the_same_of_every_type_and_shape,
                  what_was_written_without_a_collector_is_the_same]))
