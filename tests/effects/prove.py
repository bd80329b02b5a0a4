#!/usr/bin/env python3
"""That tests of effects notice it when an option has none.

    prove.py BUILD ROOT COLLECTOR PROGRAM... [--only WORD] [--seconds N]

Runs every test that claims to show what an option does (registry.py) twice: as it is, when it has to pass or to be
skipped, and with the option accepted and forgotten (tests/common/ignored_option.c), when it has to fail. COLLECTOR is
the one that can do that. Options are told by their name alone: one of another table that has the same name is ignored
as well. Prints what was not noticed; exit status 1 then."""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True # nothing may appear in the source tree
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import registry # noqa: E402

PASSED, FAILED, SKIPPED = 'passed', 'failed', 'skipped'
SHM = '/dev/shm'


def meson_tests(build):
    with open(os.path.join(build, 'meson-info', 'intro-tests.json'), encoding='utf-8') as f:
        return json.load(f)


def runner(tests, shown):
    """The test of the build that runs this one: of a program or script with that source."""
    name = os.path.basename(shown.file)
    name = name[:-2] if name.endswith('.c') else name
    found = [t for t in tests if any(os.path.basename(a) == name for a in t['cmd'])]
    return min(found, key=lambda t: 'long' in ' '.join(t['suite'])) if found else None


def run(test, shown, collector, ignored, seconds):
    """In a directory of its own: a test that ends by abort(), as many do here, does not tidy up."""
    with tempfile.TemporaryDirectory(prefix='fapilog-prove-', dir=SHM if os.access(SHM, os.W_OK) else None) as place:
        return run_in(place, test, shown, collector, ignored, seconds)


def run_in(place, test, shown, collector, ignored, seconds):
    is_script = test['cmd'][0].endswith('.py') or any(a.endswith('.py') for a in test['cmd'])
    env = {**os.environ, **test['env'], 'TEST_ONLY': shown.test, 'TMPDIR': place}
    if 'FAPILOG_COLLECTOR' in env:
        env['FAPILOG_COLLECTOR'] = collector
    if ignored:
        table, name = shown.option.split('.', 1)
        env['TEST_IGNORED_VARIABLE' if table == 'producer' else 'TEST_IGNORED_OPTION'] = name
    argv = test['cmd'] + ([shown.test] if is_script else [])
    try:
        p = subprocess.run(argv, capture_output=True, env=env, timeout=seconds, cwd=test.get('workdir') or '/', check=False)
    except subprocess.TimeoutExpired:
        return FAILED, f'not within {seconds} s'
    text = (p.stdout + p.stderr).decode(errors='replace')
    if p.returncode == 77 or (p.returncode == 0 and re.search(r'SKIPPED|skipped', text)):
        return SKIPPED, text
    ran = re.search(r'^ok +' + shown.test, text, re.M) or re.search(r'\[ +OK +\] ' + re.escape(shown.test) + '$', text, re.M)
    if p.returncode == 0 and not ran:
        return FAILED, 'there is no such test: ' + text[-300:]
    return (PASSED if p.returncode == 0 else FAILED), text


def prove(tests, shown, collector, seconds):
    test = runner(tests, shown)
    if not test:
        return None, f'{shown.option}: no test of this build runs {shown.file}'
    outcome, text = run(test, shown, collector, False, seconds)
    if outcome == SKIPPED:
        return None, f'{shown.option}: {shown.test} was skipped'
    if outcome == FAILED:
        return False, f'{shown.option}: {shown.test} of {shown.file} fails as it is: {text[-600:]}'
    outcome, _ = run(test, shown, collector, True, seconds)
    if outcome == FAILED:
        return True, f'{shown.option}: {shown.test}'
    return False, f'{shown.option}: {shown.test} of {shown.file} does not notice that it has no effect'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build')
    parser.add_argument('root')
    parser.add_argument('collector')
    parser.add_argument('programs', nargs='*')
    parser.add_argument('--only', default='')
    parser.add_argument('--seconds', type=float, default=30)
    parser.add_argument('--verbose', action='store_true')
    args = parser.parse_args()
    args.collector = os.path.abspath(args.collector) # tests run elsewhere
    tests, problems = meson_tests(args.build), []
    shown = [s for s in registry.all_of(args.root, args.programs, problems) if args.only in s.option + ' ' + s.file]
    counts = {True: 0, False: 0, None: 0}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for noticed, text in pool.map(lambda s: prove(tests, s, args.collector, args.seconds), shown):
            counts[noticed] += 1
            if not noticed or args.verbose:
                print(('' if noticed is None else 'ok ' if noticed else 'FAIL ') + text, flush=True)
    print(f'{counts[True]} noticed, {counts[False]} not noticed, {counts[None]} not run here')
    return 1 if counts[False] or problems else 0


if __name__ == '__main__':
    sys.exit(main())
