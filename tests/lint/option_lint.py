#!/usr/bin/env python3
"""No dead options: the member that a row of an option table fills is read somewhere.

    option_lint.py [ROOT] | --self-test

A row is OPT_X_(struct T, member, "name", ...). Its member counts as read where the sources say .member or ->member
outside of a row. A macro that makes one row for several sinks (..._OPT) is a row where it is used.
"""
import os
import re
import sys

sys.dont_write_bytecode = True # nothing may appear in the source tree
from source import C_ENDINGS, files, load, main

FOLDERS = ['lib', 'collector', 'tools']
ROW = re.compile(r'\b(?:OPT_(?:TEXT|BOOL|NUM|WORD|LEVEL|REAL|LIST|MAP)(?:_ALIAS)?_|[A-Z]\w*_OPT)\s*\(')
ARGUMENT = re.compile(r'\s*(?:OPT_\w+\s*,\s*)?(?:struct\s+\w+|T)\s*,\s*([\w.]+)\s*,')
USE = re.compile(r'(?:\.|->)\s*(\w+)\b')


def end_of_call(text, at):
    depth = 0
    while at < len(text):
        if text[at] == '(':
            depth += 1
        elif text[at] == ')':
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at


def split(text):
    """The rows' members with their offsets, and the text without the rows."""
    rows, rest, last = [], [], 0
    for m in ROW.finditer(text):
        if m.start() < last:
            continue
        end = end_of_call(text, m.end() - 1)
        argument = ARGUMENT.match(text, m.end())
        if argument and argument.group(1) == 'm':
            continue # a row of a macro, whose users name the member
        if argument:
            rows.append((argument.group(1).split('.')[-1], text.count('\n', 0, m.start()) + 1))
            rest.append(text[last:m.start()])
            last = end
    rest.append(text[last:])
    return rows, ''.join(rest)


def check(root):
    rows, used = [], set()
    for path in files(root, FOLDERS, C_ENDINGS):
        if path == os.path.join('lib', 'base', 'opt.h'):
            continue # the macros themselves
        source = load(root, path)
        if source is None:
            continue
        here, rest = split('\n'.join(source.code))
        rows += [(path, line, member) for member, line in here]
        used.update(USE.findall(rest))
    if not rows:
        return ['no rows found: the lint looks in the wrong place']
    return ['%s:%d: the option of member %s is never read' % (path, line, member)
            for path, line, member in rows if member not in used]


ROWS = 'static const struct opt o[] = {\n    OPT_BOOL_(struct t, is_loud, "loud", "true", 0, "x."),\n    OPT_END,\n};\n'
CASES = {
    'read by pointer': ({'collector/a.c': ROWS + 'int f(struct t *t) { return t->is_loud; }\n'}, None),
    'read elsewhere': ({'collector/a.c': ROWS, 'lib/base/b.c': 'int f(struct t t) { return t.is_loud; }\n'}, None),
    'never read': ({'collector/a.c': ROWS}, 'a.c:2: the option of member is_loud is never read'),
    'only declared': ({'collector/a.c': 'struct t { bool is_loud; };\n' + ROWS}, 'is_loud is never read'),
    'only in a comment': ({'collector/a.c': ROWS + '/* t->is_loud */\n'}, 'is_loud is never read'),
    'only in a test': ({'collector/a.c': ROWS, 'tests/b.c': 'int f(struct t t) { return t.is_loud; }\n'}, 'is_loud'),
    'a longer name': ({'collector/a.c': ROWS + 'int f(struct t *t) { return t->is_louder; }\n'}, 'is_loud is never read'),
    'a member of a member': ({'collector/a.c': ROWS.replace('is_loud,', 'set.is_loud,') + 'int f(struct s *s) '
                              '{ return s->is_loud; }\n'}, None),
    'with an alias and a type': ({'collector/a.c': 'struct opt o[] = {OPT_NUM_ALIAS_(OPT_SIZE, struct t,\n    size, "s", "z", '
                                  '"1 (B)", 0, 1, 0, "x")};\n'}, 'size is never read'),
    'through a macro': ({'collector/a.h': '#define A_OPT(T, m, help) OPT_BOOL_(T, m, "x", "true", 0, help)\n',
                         'collector/a.c': 'struct opt o[] = {A_OPT(struct t, is_loud, "x")};\n'}, 'a.c:1: the option of'),
    'no rows': ({'collector/a.c': 'int a;\n'}, 'no rows found'),
}


if __name__ == '__main__':
    sys.exit(main(CASES, check, sys.argv[1:]))
