#!/usr/bin/env python3
"""Redaction by the production preset takes at most half again the instructions of formatting a record of ten fields.

    redact-cost.py REDACT_COST      (prints the figures; 77: no valgrind)
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

COUNT, LIMIT = 5000, 1.5


def instructions(program, mode, count, folder):
    run = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=' + os.path.join(folder, 'out'),
                          program, mode, 'json', str(count)], capture_output=True, text=True, timeout=300, check=True)
    return int(re.search(r'Collected : (\d+)', run.stderr).group(1))


def per_record(program, mode, folder):
    """Start and end are the same in both runs."""
    return (instructions(program, mode, COUNT + 1, folder) - instructions(program, mode, 1, folder)) / COUNT


def main(argv):
    if not shutil.which('valgrind'):
        print('redact-cost: valgrind is not installed')
        return 77
    with tempfile.TemporaryDirectory() as folder:
        plain = per_record(argv[0], 'plain', folder)
        print('plain json: %.0f instructions a record' % plain)
        failed = False
        for mode in ('redact', 'message'):
            cost = per_record(argv[0], mode, folder)
            print('%s: %.0f, %.2f times' % (mode, cost, cost / plain))
            failed |= cost > LIMIT * plain
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
