#!/usr/bin/env python3
"""left_out.py TESTLOG.JSON: what the tests of a run did not test, a line each with its reason where it is known: tests
that were skipped, and functions of tests that passed all the same."""
import json
import re
import sys


def left_out(test):
    text = test.get("stdout") or ""
    for line in re.findall(r"^SKIPPED: (\w+: .*)$", text, re.M):
        yield line
    yield from sorted(set(re.findall(r"^\[  SKIPPED \] (\w+)$", text, re.M)))


def lines(log):
    for test in map(json.loads, log):
        name = test["name"].split(" / ")[-1]
        parts = list(left_out(test))
        if test["result"] == "SKIP" and not parts:
            said = re.search(r"^skipped: *(.*)$", test.get("stdout") or "", re.I | re.M)
            parts = [said.group(1) if said else "as a whole"]
        for part in parts:
            yield f"left out: {name}: {part}"


if __name__ == "__main__":
    with open(sys.argv[1]) as f:
        for found in lines(f):
            print(found)
