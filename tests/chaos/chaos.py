#!/usr/bin/env python3
"""Chaos: builds a random world from a seed, lets it live for some seconds while processes die, servers fail and disks fill,
and balances the books to the record afterwards.

    tests/chaos/chaos.py SEED [--seconds N] [--worlds N] [--keep] [--show]

A world that fails is told with its seed, its description and what is out of balance; its folder (configuration, logs of the
collectors, files, spool, notes of the producers) is kept in /var/tmp/fapilog-chaos-SEED. `chaos.py SEED` makes the same world
again; what differs is the timing, so a rare fault may need `--worlds 20 --same`. --keep keeps the folder of each world, --show
only prints what a world is.

    world.py     chooses a world from a seed: only data
    run.py       makes it real: processes, mounts, servers; ends it in order
    events.py    what happens meanwhile
    servers.py   HTTP and syslog servers that fail when they are told, and remember which request brought what
    apart.py     the same in a process of its own, which is frozen at times
    producer.c   services that log and note the outcome of each record in a mapped file; notes.py reads it
    splice.py    the program of exec sinks
    outputs.py   reads files, archives, native files, dead letters, the ledger
    books.py     the oracle; test-books.py plants faults and sees each of them told

Programs come from the environment, as meson sets it (`meson test -C BUILD --suite chaos`), else from build/dev, or
$FAPILOG_BUILD."""
import argparse
import os
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("FAPILOG_BUILD", os.path.join(TOP, "build", "dev"))
for name, path in (("COLLECTOR", "collector/daemon/fapilog-collector"), ("DUMP", "tools/dump/fapilog-dump"),
                   ("LOAD", "tests/common/load"), ("CHAOS_PRODUCER", "tests/chaos/chaos-producer")):
    os.environ.setdefault("FAPILOG_" + name, os.path.join(BUILD, path))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "common"), os.path.join(HERE, "..", "e2e")]
import run  # noqa: E402
import world  # noqa: E402


class Keep:
    """Where folders of worlds stay."""

    def __init__(self, is_wanted):
        self.is_wanted = is_wanted

    def take(self, path, of, problems):
        target = f"/var/tmp/fapilog-chaos-{of.seed}"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(path, target, symlinks=True, ignore=lambda d, names: [n for n in names if n.endswith(".sock")])
        with open(os.path.join(target, "world"), "w", encoding="utf-8") as f:
            f.write("\n".join([*of.lines(), "", *problems, ""]))
        print(f"kept: {target}", flush=True)


def play(seed, args):
    of = world.make(seed, args.seconds)
    began = time.monotonic()
    problems, text = run.run(of, Keep(args.keep))
    print(f"{'FAIL' if problems else 'ok  '} {seed} ({time.monotonic() - began:.1f} s) {text}", flush=True)
    if problems:
        print("\n".join([*of.lines(), *(f"* {p}" for p in problems)]), flush=True)
    return not problems


def seeds(args):
    """From SEED on; `day` stands for a seed that is another one each day."""
    for text in args.seed:
        first = int(time.time() // 86400) if text == "day" else int(text)
        for i in range(args.worlds):
            yield first if args.same else first + i


def stop_in_order(number, _):
    """Its processes and mounts go with a world; a second signal does not break that off."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) != signal.SIG_IGN: # as nohup has it
            signal.signal(each, stop_in_order)
    parser = argparse.ArgumentParser(description="Random worlds, and books that must balance.")
    parser.add_argument("seed", nargs="+", help="a number, or 'day'")
    parser.add_argument("--seconds", type=float, default=4.0, help="that events happen in a world (4)")
    parser.add_argument("--worlds", type=int, default=1, help="how many, of the seeds from SEED on")
    parser.add_argument("--same", action="store_true", help="all of the same seed")
    parser.add_argument("--most", type=float, default=0, help="begin no further world after so many seconds")
    parser.add_argument("--keep", action="store_true", help="keep the folder also when all is well")
    parser.add_argument("--show", action="store_true", help="only print what the worlds are")
    args = parser.parse_args()
    began, failed, done = time.monotonic(), [], 0
    for seed in seeds(args):
        if args.show:
            print("\n".join(world.make(seed, args.seconds).lines()))
            continue
        if args.most and time.monotonic() - began > args.most:
            break
        done += 1
        if not play(seed, args):
            failed.append(seed)
    if not args.show:
        print(f"{done} worlds, {len(failed)} failed{': ' if failed else ''}{' '.join(map(str, failed))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
