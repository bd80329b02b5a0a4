#!/usr/bin/env python3
"""docs/sinks: each page has the parts that a page has, its example runs as it stands and says what it shows, and the versions that
it names are those that tests/servers/install gives."""
import glob
import os
import re
import signal
import subprocess
import sys

from receiver import SERVERS, Skip, free_port, harness, need, run, wait_http
from programs import CAT, COLLECTOR, DUMP
import postgres

SOURCE = os.environ["FAPILOG_SOURCE"]
PARTS = ("Example", "When a record counts as delivered", "Limits", "How it was tested")
PASSING = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-\d+){0,3}", "ID"),
    (r"\b[0-9a-f]{32}\b", "KEY"),
    (r'("pid":|pid=|orders\[)\d+', r"\1PID"),
    (r'("host":)"[^"]*"', r"\1HOST"),
    (r"\b1\d{12}\b", "MS"),
)


def pages():
    return sorted(os.path.basename(path)[:-3] for path in glob.glob(os.path.join(SOURCE, "docs", "sinks", "*.md")))


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as f:
        return f.read()


def example(name):
    """The commands, and what they write."""
    found = re.search(r"^## Example\n.*?^```sh\n(.*?)^```\n\n```\n(.*?)^```", read("docs", "sinks", name + ".md"),
                      re.DOTALL | re.MULTILINE)
    harness.check(found, f"{name}.md has no example")
    return found.groups()


def lasting(text):
    """Without what is another one each time."""
    for pattern, instead in PASSING:
        text = re.sub(pattern, instead, text)
    return text


def runs_as_it_stands(place, name, ports=None):
    """`ports`: those of the page and where its server is; those without one are its own."""
    commands, shown = example(name)
    for port in re.findall(r"(?:localhost[:\",]+ ?|%3A|-p |port=\")(\d{4,5})", commands):
        commands = re.sub(rf"(?<!\d){port}(?!\d)", str((ports or {}).get(port) or free_port()), commands)
    programs = os.path.join(place.path, "bin")
    os.mkdir(programs)
    for program in (COLLECTOR, CAT, DUMP):
        os.symlink(program, os.path.join(programs, os.path.basename(program)))
    modules = filter(None, [os.path.join(SERVERS, "python"), os.environ.get("PYTHONPATH")])
    env = {"PATH": programs + ":" + os.environ["PATH"] + ":/usr/sbin", "FAPILOG_RING_DIR": place.rings,
           "PYTHONPATH": os.pathsep.join(modules)}
    p = place.start(["bash", "-e", "-o", "pipefail", "-c", commands], env=env, cwd=place.out, start_new_session=True)
    try:
        out, said = p.communicate(timeout=60)
    finally:
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    harness.check(p.returncode == 0, f"{name}: status {p.returncode}: {said}")
    harness.check(lasting(out) == lasting(shown), f"{name} writes:\n{out}and the page has:\n{shown}{said}")


def has_the_parts():
    missing = [f"{name}.md: no '## {part}'" for name in pages() for part in PARTS
               if not re.search(rf"^## {part}", read("docs", "sinks", name + ".md"), re.MULTILINE)]
    harness.check(not missing, "; ".join(missing))
    known = re.findall(r"^  (\w+)  +\S", subprocess.run([COLLECTOR, "--help"], capture_output=True, text=True, check=True)
                       .stdout.partition("\nSinks:\n")[2].partition("\n\n")[0], re.MULTILINE)
    harness.check(set(known) <= set(pages()), f"no page for {set(known) - set(pages())}")


def versions_are_those_of_the_installer():
    text = "\n".join(read("docs", "sinks", name + ".md") for name in pages())
    pinned = re.findall(r"(?:==|@v?)(\d+\.\d+\.\d+)", read("tests", "servers", "install"))
    collector = re.search(r"^\s*go\.opentelemetry\.io/collector/service v(\S+)", read("tests", "servers", "otelcol", "go.mod"),
                          re.MULTILINE)
    harness.check(len(pinned) >= 8 and collector, f"{pinned}")
    missing = [v for v in [*pinned, collector.group(1)] if not re.search(rf"(?<![\d.]){re.escape(v)}(?![\d])", text)]
    harness.check(not missing, f"tests/servers/install gives {missing}, which no page names")


def without_a_server():
    for name in ("console", "exec", "file", "http", "mmap", "native", "webhook"):
        with harness.Place() as place:
            runs_as_it_stands(place, name)


def loki():
    from importlib import import_module
    with harness.Place() as place:
        runs_as_it_stands(place, "loki", {"3100": import_module("test-loki").loki(place)})


def otlp():
    from importlib import import_module
    need("curl", "tools/setup test")
    with harness.Place() as place:
        runs_as_it_stands(place, "otlp", {"9428": import_module("test-loki").victoria(place)})


def cloudwatch():
    from importlib import import_module
    with harness.Place() as place:
        runs_as_it_stands(place, "cloudwatch", {"5000": import_module("test-cloudwatch").moto(place)})


def postgresql():
    if not postgres.programs():
        raise Skip("PostgreSQL is not installed; tools/setup test")
    with harness.Place() as place, postgres.Postgres() as server:
        runs_as_it_stands(place, "postgresql", {"5432": server.port})


def syslog():
    need("/usr/sbin/rsyslogd", "tools/setup test")
    with harness.Place() as place:
        runs_as_it_stands(place, "syslog")


if __name__ == "__main__":
    sys.exit(run([has_the_parts, versions_are_those_of_the_installer, without_a_server, loki, otlp, cloudwatch, postgresql,
                  syslog]))
