"""Which test shows what an option does. A test says so in a comment in front of it,

    /* effect: file.max_bytes file.max_files */        # effect: settings.keep_dead

or its program prints the option with --list, and then has a test with this name. Options are TABLE.NAME as
`test-config-docs --options` prints them; producer.NAME is a variable that a process that logs reads."""
import collections
import os
import re
import subprocess
import sys

COMMENT = re.compile(r'^(?:/\*|#) effect: ([\w. ]+?)(?: \*/)?$')
FUNCTION = re.compile(r'^(?:static void|def) (\w+)\(')
Shown = collections.namedtuple('Shown', 'option file test')


def of_comments(root, problems):
    for folder, _, names in sorted(os.walk(os.path.join(root, 'tests'))):
        for name in sorted(n for n in names if n.endswith(('.c', '.py'))):
            path = os.path.join(folder, name)
            options = []
            with open(path, encoding='utf-8') as f:
                for number, line in enumerate(f, 1):
                    m = COMMENT.match(line.rstrip('\n'))
                    if m:
                        options += m.group(1).split()
                        continue
                    function = FUNCTION.match(line)
                    if options and not function:
                        problems.append('%s:%d: behind "effect:" comes no test' % (os.path.relpath(path, root), number))
                    for option in options:
                        if function:
                            yield Shown(option, os.path.relpath(path, root), function.group(1))
                    options = []


def of_program(path):
    argv = [sys.executable, path, '--list'] if path.endswith('.py') else [path, '--list']
    listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    return [Shown(option, path, option) for option in listed]


def all_of(root, programs, problems):
    shown = list(of_comments(root, problems))
    for path in programs:
        shown += of_program(path)
    return shown
