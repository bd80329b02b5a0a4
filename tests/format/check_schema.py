#!/usr/bin/env python3
"""Every sample as the v1.1 envelope, against its JSON schema; and a few envelopes that the schema must refuse.

usage: check_schema.py EMIT SCHEMA
"""
import copy
import json
import os
import subprocess
import sys

SKIPPED = 77

try:
    import jsonschema
except ImportError:
    # Debian's python3-jsonschema belongs to Debian's Python, which need not be the first in the path.
    system = "/usr/bin/python3"
    if os.environ.get("FAPILOG_SYSTEM_PYTHON") or not os.access(system, os.X_OK):
        print("SKIPPED: no jsonschema for Python (python3-jsonschema)")
        sys.exit(SKIPPED)
    os.environ["FAPILOG_SYSTEM_PYTHON"] = "1"
    os.execv(system, [system, *sys.argv])


def wrong_ones(good):
    """The same record, each time with one thing wrong."""
    for change in (lambda r: r.update(schema_version="1.0"), lambda r: r.update(more=1),
                   lambda r: r["log"].update(integrity={}), lambda r: r["log"].pop("data"),
                   lambda r: r["log"]["context"].pop("correlation_id"),
                   lambda r: r["log"].update(tags=["a", 1]), lambda r: r["log"].update(timestamp="2026-11-21"),
                   lambda r: r["log"]["diagnostics"].update(exception={"type": "x"})):
        record = copy.deepcopy(good)
        change(record)
        yield record


def main():
    emit, schema_path = sys.argv[1:]
    with open(schema_path, encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    lines = subprocess.run([emit, "fapilog"], check=True, stdout=subprocess.PIPE).stdout.split(b"\n")[:-1]
    failed = 0
    parts = set()
    good = None
    for text in lines:
        name, _, line = text.partition(b"\t")
        record = json.loads(line)
        good = good or record
        parts |= set(record["log"]) | set(record["log"]["diagnostics"])
        for error in validator.iter_errors(record):
            failed += 1
            print("%s: %s at %s" % (name.decode(), error.message[:200], list(error.path)))
    failed += sum(validator.is_valid(record) for record in wrong_ones(good))
    missing = {"tags", "exception", "logger"} - parts
    print("%d lines, %d wrong%s" % (len(lines), failed, ", no sample has %s" % missing if missing else ""))
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
