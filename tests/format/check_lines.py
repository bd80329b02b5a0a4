#!/usr/bin/env python3
"""Reads what tests/format/emit and emit_any print with the parsers of Python, which know nothing of ours.

usage: check_lines.py EMIT FORMAT
"""
import json
import math
import re
import subprocess
import sys


class Fault(Exception):
    pass


def want(condition, text):
    if not condition:
        raise Fault(text)


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    want(len(set(keys)) == len(keys), "duplicate keys in %s" % keys)
    return dict(pairs)


def parse(line):
    def refuse(word):
        raise Fault("%s is not JSON" % word)

    return json.loads(line.decode("utf-8"), object_pairs_hook=no_duplicates, parse_constant=refuse)


def number_text(value):
    """A float as ECMAScript prints it, from Python's digits."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = ("%r" % abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)
    if not whole.strip("0"):
        point -= len(whole) + len(fraction) - len(fraction.lstrip("0"))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    text = digits[0] + ("." + digits[1:] if count > 1 else "")
    return "%s%se%+d" % (sign, text, point - 1)


def string_text(value):
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"%s"' % "".join(
        short.get(c) or ("\\u%04x" % ord(c) if c < " " else c) for c in value)


def canonical(value, utf16):
    """JSON as RFC 8785 writes it, or with keys in byte order and numbers that keep their type."""
    if isinstance(value, dict):
        def order(key):
            return key.encode("utf-16-be") if utf16 else key.encode("utf-8")
        members = sorted(value.items(), key=lambda item: order(item[0]))
        return "{%s}" % ",".join(string_text(k) + ":" + canonical(v, utf16) for k, v in members)
    if isinstance(value, list):
        return "[%s]" % ",".join(canonical(v, utf16) for v in value)
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, float) and utf16:
        return number_text(value)
    return json.dumps(value)




TYPES = {
    "null": None, "bool": True, "i8": -128, "u8": 255, "i16": -32768, "u16": 65535, "i32": -2147483648,
    "u32": 4294967295, "i64": -9223372036854775808, "u64": 18446744073709551615, "f32": 0.1, "f64": 9.5,
    "string": "ACME", "bytes": "AP8Q", "json": {"a": None, "b": [1, 2.5]},
    "errno": "ENOENT (2): No such file or directory", "pointer": "0xdeadbeef", "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1", "time": "2026-11-21T08:37:04.123456789Z", "duration": 1500000,
    "uuid": "30313233-3435-3637-3839-616263646566", "stack": ["0x401000", "0x7f0000001234"], "char": '"',
    "trace": "30313233343536373839616263646566", "span": "3031323334353637", "unknown": None,
}

JSON_FIELDS = [  # what the texts of SAMPLE_JSON mean; None: they are no JSON
    {"a": 2, "z": 1}, [1, 2], 100.0, 0, 100.0, None, 12345678901234567890123, "\ufffd",
    {"!": 3, "\n": 2, '"': 1},
] + [None] * 14  # the one behind them has too many levels


def check_types(fields):
    want(set(fields) >= set(TYPES), "fields are missing")
    for name, value in TYPES.items():
        want(fields[name] == value, "%s is %r instead of %r" % (name, fields[name], value))
        want(isinstance(fields[name], bool) == isinstance(value, bool), name)


def check_json_fields(fields, is_canonical):
    for i, value in enumerate(JSON_FIELDS):
        got = fields["j%d" % i]
        if i == 5:  # 1E400: JSON, but no number that anybody can hold
            want(got == "1E400" if is_canonical else math.isinf(got), "j5 is %r" % got)
        elif i == 6 and is_canonical:
            want(got == 1.2345678901234568e+22, "j6 is %r" % got)
        elif i == 17:  # repaired inside its quotes
            want(got == "\ufffd", "j17 is %r" % got)
        elif value is None:
            want(isinstance(got, str), "j%d is %r" % (i, got))
        else:
            want(got == value, "j%d is %r instead of %r" % (i, got, value))
    want(isinstance(fields["j23"], str), "65 levels")
    want(isinstance(fields["j24"], list), "64 levels are no longer accepted")


def check_numbers(fields):
    values = [0.0, -0.0, 1.0, -1.0, 100.0, 1e6, 1234567.0, 1e15, 1e16, 1e20, 1e21, 1e-4, 1e-5, 1e-6, 1e-7, 0.1,
              5e-324, 1.7976931348623157e308, 9007199254740991.0, 9007199254740992.0, 123.456,
              "NaN", "Infinity", "-Infinity"]
    for i, value in enumerate(values):
        want(fields["d%d" % i] == value, "d%d is %r" % (i, fields["d%d" % i]))
    want(fields["i64_min"] == -2**63 and fields["i64_max"] == 2**63 - 1, "64-bit edges")


def check_fapilog(name, line, record):
    want(canonical(record, False) == line.decode() or
         name in ("numbers", "json", "types", "types_site", "huge", "envelope"),
         "keys are not sorted, or strings not in their shortest form")
    want(list(record) == ["log", "schema_version"] and record["schema_version"] == "1.1", "envelope")
    log = record["log"]
    want(set(log) <= {"context", "data", "diagnostics", "level", "logger", "message", "tags", "timestamp"}, "keys of log")
    want(set(log) >= {"context", "data", "diagnostics", "level", "message", "timestamp"}, "keys of log")
    want(re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z", log["timestamp"]), "timestamp")
    want(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                      log["context"]["message_id"]), "message_id is no version 4 UUID")
    want("correlation_id" in log["context"], "correlation_id")
    want(log["diagnostics"]["origin"] == "native", "origin")
    data = log["data"]
    if name == "layers":
        want(log["context"]["correlation_id"] == "req-1" == log["context"]["request_id"], "correlation")
        want(log["context"]["user_id"] == "call-user" and log["context"]["tenant_id"] == "logger-tenant", "context")
        want(data == {"only_call": "x", "only_context": "c", "only_logger": "l", "who": "call"}, "data %s" % data)
    else:
        want(log["context"]["correlation_id"] is None, "correlation")
    if name == "exception":
        e = log["diagnostics"]["exception"]
        want(e["error.type"] == "ENOENT" and e["error.stack"].count("\n") == len(e["error.frames"]) - 1 == 1, "exception")
        want(list(e) == sorted(e) and data == {"path": "/etc/orders.conf"}, "exception")
    if name == "envelope":
        want(log["tags"] == ["payment", "eu", "retry"] and data["shard"] == "map" and data["n"] == 7, "envelope")
    if name == "lost":
        want(log["diagnostics"]["context_lost"] is True and log["diagnostics"]["truncated"] is True, "diagnostics")
    if name == "too_many":
        want(log["diagnostics"]["fields_cut"] == 700 + 64 - 512, "fields_cut")
    invalid = {"hostile": "json,utf8", "huge": "json,utf8", "json": "json,utf8", "printf": "utf8",
               "printf_hostile": "utf8", "envelope_hostile": "json,utf8"}
    want(log["diagnostics"].get("invalid") == invalid.get(name) or name == "stack", "invalid: %s"
         % log["diagnostics"].get("invalid"))
    if name == "printf":
        want(log["message"] == 'n=-0042 "two\nlines "q" \ufffd     " 3.14% z|%s', "message %r" % log["message"])
        want(data == {"named": 7}, "arguments are data")
    want(log["level"] == {"audit": "AUDIT", "security": "SECURITY"}.get(name, "INFO"), "level")
    return data


def check_dagstack(name, line, record):
    want(canonical(record, True) == line.decode(), "not byte-equal after parsing and printing again")
    want(record["instrumentation_scope"]["name"] == "orders.matching" or name in ("hostile",)
         if "instrumentation_scope" in record else name in ("empty", "internal"), "scope")
    want(set(record) >= {"body", "severity_number", "severity_text", "time_unix_nano"}, "members")
    want(record["observed_time_unix_nano"] == 1795250225000000000, "observed time")
    severity = {"audit": (12, "INFO"), "security": (20, "ERROR")}.get(name, (9, "INFO"))
    want((record["severity_number"], record["severity_text"]) == severity, "severity")
    attributes = record.get("attributes", {})
    if name in ("audit", "security"):
        want(attributes["fapilog.level"] == name.upper(), "level attribute")
    ids = {"ids": ("30313233343536373839616263646566", "3031323334353637", 1),
           "ids_text": ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", None)}.get(name, (None,) * 3)
    want((record.get("trace_id"), record.get("span_id"), record.get("trace_flags")) == ids, "ids")
    if name == "ids_bad":
        want(attributes["span_id"] == "not a span id!!!" and attributes["trace_flags"] == "01", "ids in attributes")
    if name == "utf16":
        want([k for k in attributes if len(k) < 3 and "\ud7ff" > k[0] or len(k) == 1][:5] ==
             ["a", "aa", "ab", "\u00e4z", "\ud7ff"], "order of %r" % list(attributes))
        want([k for k in attributes["json"]][:5] == ["aa", "ab", "\u00e4z", "\U0001f355", "\U0001f48e"], "order")
    return attributes


def any_value(value):
    if not value:
        return None
    (kind, inner), = value.items()
    if kind == "kvlistValue":
        return {item["key"]: any_value(item["value"]) for item in inner["values"]}
    if kind == "arrayValue":
        return [any_value(item) for item in inner["values"]]
    if kind == "intValue":
        want(isinstance(inner, str), "intValue is a string on this wire")
        return int(inner)
    want({"stringValue": str, "bytesValue": str, "boolValue": bool}.get(kind, object) is object or
         isinstance(inner, (str, bool)), kind)
    return inner


def check_otlp(name, line, record):
    (resource,), = record.values()
    (scope,) = resource["scopeLogs"]
    (log,) = scope["logRecords"]
    want(log["timeUnixNano"] == "1795250224123456789", "time")
    want(log["observedTimeUnixNano"] == "1795250225000000000", "observed time")
    want("stringValue" in log["body"], "body")
    if name == "ids":
        want(log["traceId"] == "30313233343536373839616263646566" and log["spanId"] == "3031323334353637"
             and log["flags"] == 1, "ids")
    keys = [a["key"] for a in log["attributes"]]
    want(len(set(keys)) == len(keys), "an attribute stands there twice")
    fields = {a["key"]: any_value(a["value"]) for a in log["attributes"]}
    want(re.fullmatch(r"[0-9a-f-]{36}", fields["log.record.uid"]), "uid")
    if fields.get("u64"):
        fields["u64"] = int(fields["u64"])
    return fields


def check_json(name, line, record):
    want(list(record)[:2] == ["time", "level"], "order of members")
    want(record["time"] == "2026-11-21T08:37:04.123456789Z", "time")
    want(isinstance(record["message"], str), "message")
    if name == "taken_names":
        want(record["time_"] == 0 and record["time__"] == 16 and record["time___"] == 17, "names that are taken")
        want(record["pid"] == 1234 and record["pid_"] == 6, "names that are taken")
    if name == "layers":
        want(record["who"] == "call" and record["user_id"] == "call-user" and record["request_id"] == "req-1", "layers")
    return record


def logfmt_pairs(line):
    pairs = re.findall(r'([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"=\\]+)(?: |$)', line.decode(), re.ASCII)
    want(" ".join("%s=%s" % pair for pair in pairs) == line.decode(), "not key=value throughout")
    return {k: json.loads(v) if v.startswith('"') else v for k, v in pairs}


def check_logfmt(name, line, _):
    fields = logfmt_pairs(line)
    want(fields["time"] == "2026-11-21T08:37:04.123456789Z" and "msg" in fields, "time and msg")
    if name == "simple":
        want(fields["msg"] == "order accepted" and fields["price"] == "9.5" and fields["order_id"] == "42", "values")
    return {}


CHECKS = {"fapilog": check_fapilog, "dagstack": check_dagstack, "otlp-json": check_otlp, "json": check_json,
          "logfmt": check_logfmt}


def check_any(form, line, record):
    """A record of any bytes: what every reader of the format relies on."""
    if form == "logfmt":
        want({"time", "level", "msg"} <= set(logfmt_pairs(line)), "time, level and msg")
    elif form == "fapilog":
        want(set(record["log"]) >= {"context", "data", "diagnostics", "level", "message", "timestamp"}, "keys of log")
    elif form == "dagstack":
        want(canonical(record, True) == line.decode(), "not byte-equal after parsing and printing again")
        want(0 <= record["time_unix_nano"] < 2**63 and 1 <= record["severity_number"] <= 24, "time and severity")
    elif form == "otlp-json":
        (log,) = record["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        for name in ("timeUnixNano", "observedTimeUnixNano"):
            want(re.fullmatch(r"[0-9]{1,19}", log[name]), "%s is %s, which is no fixed64" % (name, log[name]))
        keys = [a["key"] for a in log["attributes"]]
        want(len(set(keys)) == len(keys), "an attribute stands there twice")
        for a in log["attributes"]:
            want(abs(int(a["value"].get("intValue", 0))) <= 2**63, "%s is no int64" % a)
        for name, digits in (("traceId", 32), ("spanId", 16)):
            want(re.fullmatch("[0-9a-f]{%d}" % digits, log.get(name, "0" * digits)), name)


def check_line(form, name, line):
    want(line and not line.endswith((b"\n", b"\r")), "line ends")
    line.decode("utf-8")
    record = parse(line) if form != "logfmt" else None
    if name == "any":
        check_any(form, line, record)
        return
    fields = CHECKS[form](name, line, record)
    if form == "logfmt":
        return
    if name in ("types", "types_site"):
        check_types(fields)
    if name == "json":
        check_json_fields(fields, form in ("dagstack", "otlp-json"))
    if name == "numbers":
        check_numbers(fields)
    if name == "simple":
        want((fields["order_id"], fields["qty"], fields["price"]) == (42, 1000, 9.5), "values")


def main():
    emit, form = sys.argv[1:]
    output = subprocess.run([emit, form], check=True, stdout=subprocess.PIPE).stdout
    lines = output.split(b"\n")
    want(lines.pop() == b"", "the last line has no end")
    if lines[0].startswith(b"FUZZ_SEED="):
        print(lines.pop(0).decode())
    failed = 0
    for text in lines:
        name, _, line = text.partition(b"\t")
        try:
            check_line(form, name.decode(), line)
        except (Fault, ValueError, KeyError, IndexError) as fault:
            failed += 1
            print("%s %s: %s: %s\n    %s" % (form, name.decode(), type(fault).__name__, fault,
                                            line[:3000].decode("utf-8", "replace")))
    want(len(lines) >= 20, "samples are missing")
    print("%d lines, %d wrong" % (len(lines), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
