#!/usr/bin/env python3
"""Every option has a test that shows what it does.

    effects_lint.py ROOT LISTER PROGRAM... | --self-test

LISTER --options prints the options that there are; PROGRAM --list those that it shows (registry.py). The variables of
processes that log are read from lib/producer and lib/ring."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True # nothing may appear in the source tree
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lint')]
import registry # noqa: E402
from source import files, self_test # noqa: E402

VARIABLE = re.compile(r'"(FAPILOG_[A-Z_]+)"')


def of_producers(root):
    found = set()
    for path in files(root, ['lib/producer', 'lib/ring'], ('.c',)):
        with open(os.path.join(root, path), encoding='utf-8') as f:
            found.update('producer.' + v for v in VARIABLE.findall(f.read()))
    return found


def listed(lister):
    if not os.access(lister, os.X_OK): # of the self-test
        with open(lister, encoding='utf-8') as f:
            return set(f.read().split())
    return set(subprocess.run([lister, '--options'], capture_output=True, text=True, check=True).stdout.split())


def check(root, lister=None, programs=()):
    options = listed(lister or os.path.join(root, 'options')) | of_producers(root)
    if not options:
        return ['no options found: the lint looks in the wrong place']
    problems = []
    shown = {s.option: s for s in registry.all_of(root, programs, problems)}
    problems += ['%s: no test shows its effect; see CONTRIBUTING.md' % o for o in sorted(options - set(shown))]
    tables = {o.split('.')[0] for o in options} # a sink that is not built has none, and is shown all the same
    problems += ['%s: %s claims to show %s, which is no option' % (s.file, s.test, o)
                 for o, s in sorted(shown.items()) if o not in options and o.split('.')[0] in tables]
    return problems


TEST = '/* effect: file.path */\nstatic void it_is_there(void **state)\n{\n}\n'
CASES = {
    'shown': ({'options': 'file.path\n', 'tests/unit/a.c': TEST}, None),
    'shown in python': ({'options': 'file.path\n', 'tests/e2e/a.py': '# effect: file.path\ndef it_is_there():\n    pass\n'}, None),
    'two in one': ({'options': 'file.path\nfile.mode\n', 'tests/a.c': TEST.replace('path', 'path file.mode')}, None),
    'not shown': ({'options': 'file.path\nfile.mode\n', 'tests/unit/a.c': TEST}, 'file.mode: no test shows its effect'),
    'none of these': ({'options': 'file.mode\n', 'tests/a.c': TEST.replace('path', 'mode file.nose')}, 'file.nose, which is no'),
    'of a sink that is not built': ({'options': 'file.path\n', 'tests/a.c': TEST.replace('path', 'path web.url')}, None),
    'in front of nothing': ({'options': 'web.url\n', 'tests/a.c': '/* effect: web.url */\nint a;\n',
                             'tests/b.c': TEST.replace('file.path', 'web.url')}, 'a.c:2: behind "effect:" comes no test'),
    'a variable of producers': ({'options': 'file.path\n', 'tests/a.c': TEST, 'lib/producer/a.c': 'getenv("FAPILOG_A")'},
                                'producer.FAPILOG_A: no test'),
    'no options': ({'options': '', 'tests/a.c': TEST}, 'no options found'),
}


def main(argv):
    if '--self-test' in argv:
        return self_test(CASES, check)
    problems = check(argv[0], argv[1], argv[2:])
    for p in problems:
        print(p)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
