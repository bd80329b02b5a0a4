#!/usr/bin/env python3
"""Filters and routes in the collector: what is logged on one side, which sink has it on the other."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403

EVERYTHING = os.environ["FAPILOG_EVERYTHING"]


def drain_with(place, stages, routes="", sinks=""):
    path = place.file("fapilog.yaml")
    with open(path, "w") as f:
        f.write(f"rings: {place.rings}\nstages:\n{stages}\nsinks:\n"
                f"  all: {{type: file, path: {place.out}/all.jsonl, format: json}}\n{sinks}\n{routes}\n")
    return execute([COLLECTOR, "--config", path, "--drain"], status=0)


def records_of(place, name):
    path = place.file(name + ".jsonl")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def levels_and_expressions_decide_what_passes():
    with Place() as place:
        execute([EVERYTHING, place.rings], status=0)
        drain_with(place, "  - level: {min: WARNING}\n  - match: {where: 'level >= AUDIT', action: drop}")
        found = {(x["level"], x["message"]) for x in records_of(place, "all")}
        check(found == {("WARNING", "level"), ("ERROR", "level"), ("CRITICAL", "level"), ("ERROR", "stack")}, f"{found}")


def printf_style_messages_are_matched_as_they_read():
    with Place() as place:
        execute([EVERYTHING, place.rings], status=0)
        drain_with(place, "  - match: {where: 'message ~ \"it costs 9.50*\" || venue == XETRA'}")
        found = sorted(messages(records_of(place, "all")))
        check(len(found) == 2 and found[0].startswith("it costs 9.50") and found[1] == "layers", f"{found}")


def repetitions_are_told_of_at_the_end():
    with Place() as place:
        cat(place, b"same\n" * 50 + b"other\n", "--level", "ERROR")
        drain_with(place, "  - dedupe: {window: 1h}")
        found = [(x["level"], x["message"]) for x in records_of(place, "all")]
        check(found == [("ERROR", "same"), ("ERROR", "other"), ("ERROR", "message repeated 49 times: same")], f"{found}")


def each_record_goes_once_to_the_sinks_of_its_routes():
    with Place() as place:
        execute([EVERYTHING, place.rings], status=0)
        drain_with(place, "  - level: {min: TRACE}",
                   "routes:\n  - {levels: [ERROR, CRITICAL], to: [some]}\n"
                   "  - {where: 'venue == XETRA || level == ERROR', to: [some]}\n"
                   "  - {levels: [DEBUG], to: [all]}\nrouting: {fallback: [rest]}",
                   f"  some: {{type: file, path: {place.out}/some.jsonl, format: json}}\n"
                   f"  rest: {{type: file, path: {place.out}/rest.jsonl, format: json}}\n")
        check(sorted(messages(records_of(place, "some"))) == ["layers", "level", "level", "stack"], "some")
        check([(x["level"], x["message"]) for x in records_of(place, "all")] == [("DEBUG", "level")], "all")
        rest = {x["level"] for x in records_of(place, "rest")}
        check(rest == {"TRACE", "INFO", "WARNING", "AUDIT", "SECURITY"}, f"rest: {rest}")


def a_route_finds_what_an_enricher_has_added_and_a_filter_does_not():
    with Place() as place:
        execute([EVERYTHING, place.rings], status=0)
        drain_with(place, "  - match: {where: 'region == north', action: drop}\n  - static: {fields: {region: north}}",
                   "routes:\n  - {where: 'region == north', to: [all]}")
        found = records_of(place, "all")
        check(found and all(x["region"] == "north" for x in found), f"{found}")


def a_wrong_expression_or_sink_stops_the_collector_before_it_starts():
    with Place() as place:
        path = place.file("fapilog.yaml")
        for text, said in (("stages: [{match: {where: 'level >='}}]", "column 9"),
                           ("stages: [{match: {}}]", "where"),
                           ("routes: [{to: [al]}]", "'al' is no sink (there are: all)")):
            with open(path, "w") as f:
                f.write(f"rings: {place.rings}\nsinks: {{all: 'file://{place.out}/all.jsonl'}}\n{text}\n")
            r = execute([COLLECTOR, "--config", path, "--drain"], status=1)
            check(said in r.err.decode(), f"no '{said}' in {r.err.decode()}")


if __name__ == "__main__":
    sys.exit(run([
        levels_and_expressions_decide_what_passes,
        printf_style_messages_are_matched_as_they_read,
        repetitions_are_told_of_at_the_end,
        each_record_goes_once_to_the_sinks_of_its_routes,
        a_route_finds_what_an_enricher_has_added_and_a_filter_does_not,
        a_wrong_expression_or_sink_stops_the_collector_before_it_starts,
    ]))
