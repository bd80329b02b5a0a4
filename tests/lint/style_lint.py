#!/usr/bin/env python3
"""Style as a test: sizes, banned calls, forgotten notes, and the layers that docs/architecture.md names.

    style_lint.py [ROOT] | --self-test
"""
import collections
import os
import re
import sys

sys.dont_write_bytecode = True # nothing may appear in the source tree
from source import C_ENDINGS, files, load, main

LINE_MAX, PYTHON_LINE_MAX, FUNCTION_MAX, FILE_MAX = 120, 132, 70, 900
FOLDERS = ['', 'include', 'lib', 'collector', 'tools', 'tests', 'bench']
TEXT_ENDINGS = C_ENDINGS + ('.py', '.sh', '.pml')

BANNED = {
    'strcpy': 'snprintf or memcpy with a length',
    'strcat': 'buf_append, or snprintf at an offset',
    'sprintf': 'snprintf',
    'vsprintf': 'vsnprintf',
    'gets': 'fgets or getline',
    'strtok': 'strcspn and strspn, or strsep on a copy of ours',
    'atoi': 'strtol with an end pointer, or the option grammar',
    'atol': 'strtol with an end pointer',
    'atoll': 'strtoll with an end pointer',
    'atof': 'strtod with an end pointer',
    'alloca': 'a buffer of fixed size, or one that the caller owns',
}
BANNED_IN_TESTS = {
    'sleep': 'waiting for the condition, with a deadline',
    'usleep': 'waiting for the condition, with a deadline',
}
CALL = re.compile(r'(?<![\w.>])(%s)\s*\(' % '|'.join(list(BANNED) + list(BANNED_IN_TESTS)))
NOTE = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b')

# A folder includes what has a lower number; folders of one number do not know each other.
LAYERS = [('include', 0), ('lib/base', 1), ('lib/ring', 2), ('lib/producer', 3), ('lib/reader', 3),
          ('lib/where', 4), ('collector/io', 5), ('collector/net', 6), ('collector/format', 6),
          ('collector/ingest', 7), ('collector/stage', 8), ('collector/route', 9), ('collector/sinks', 10),
          ('collector/delivery', 11), ('collector/plugin', 12), ('collector/config', 13),
          ('collector/admin', 14), ('collector/daemon', 15), ('collector', 16), ('tools', 17), ('tests', 18), ('bench', 18)]
# Lower, and yet none of their business.
STRANGERS = {('collector/ingest', 'collector/format'), ('collector/sinks', 'collector/ingest'),
             ('collector/ingest', 'collector/net'), ('collector/stage', 'collector/ingest'),
             ('collector/stage', 'collector/net'),
             ('collector/stage', 'collector/io'), ('collector/route', 'collector/ingest'),
             ('collector/route', 'collector/stage'), ('collector/route', 'collector/format'),
             ('collector/sinks', 'collector/stage'), ('collector/sinks', 'collector/route'),
             ('lib/where', 'lib/producer')}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<(fapilog/[^>]+)>)')


def layer_of(path):
    for folder, level in LAYERS:
        if path.startswith(folder + '/'):
            return folder, level
    return None, None


def check_include(root, path, n, name, public):
    here, level = layer_of(path)
    if public:
        name = 'include/' + name
    elif '/' not in name:
        if os.path.exists(os.path.join(root, os.path.dirname(path), name)):
            return '%s:%d: "%s" is written from the root' % (path, n, name)
        return None # made by the build
    there, depth = layer_of(name)
    if here is None or there is None:
        return '%s:%d: "%s" is in no layer' % (path, n, name)
    if here == there or depth < level and (here, there) not in STRANGERS:
        return None
    return '%s:%d: %s does not include %s (%s)' % (path, n, here, there, name)


def check_c(root, source, problems):
    for head, opened, close in source.functions:
        if close - opened + 1 > FUNCTION_MAX:
            problems.append('%s:%d: a function of %d lines, more than %d' % (
                source.path, head, close - opened + 1, FUNCTION_MAX))
    for n, (raw, code) in enumerate(zip(source.lines, source.code), 1):
        for m in CALL.finditer(code):
            name = m.group(1)
            if name in BANNED:
                problems.append('%s:%d: %s(); use %s' % (source.path, n, name, BANNED[name]))
            elif source.path.startswith('tests/'):
                problems.append('%s:%d: %s(); use %s' % (source.path, n, name, BANNED_IN_TESTS[name]))
        m = INCLUDE.match(raw)
        if m and code.lstrip().startswith('#'):
            problem = check_include(root, source.path, n, m.group(1) or m.group(2), bool(m.group(2)))
            problems += [problem] if problem else []


def check_tests(sources, problems):
    """A test that is in no list passes for ever. Those with a decorator are found by it."""
    words = collections.Counter(w for s in sources for line in s.lines for w in re.findall(r'\w+', line))
    for source in sources:
        for n, line in enumerate(source.lines, 1):
            m = re.match(r'def (\w+)\(\):', line)
            if m and words[m.group(1)] == 1 and not (n > 1 and source.lines[n - 2].startswith('@')):
                problems.append('%s:%d: nobody runs %s()' % (source.path, n, m.group(1)))


def check(root):
    problems = []
    tests = []
    for path in files(root, FOLDERS, TEXT_ENDINGS):
        source = load(root, path)
        line_max = PYTHON_LINE_MAX if path.endswith('.py') else LINE_MAX
        if len(source.lines) > FILE_MAX:
            problems.append('%s: %d lines, more than %d' % (path, len(source.lines), FILE_MAX))
        for n, line in enumerate(source.lines, 1):
            if len(line) > line_max:
                problems.append('%s:%d: %d columns, more than %d' % (path, n, len(line), line_max))
            m = NOTE.search(line)
            if m:
                problems.append('%s:%d: %s: finish it or leave it out' % (path, n, m.group(1)))
        if path.endswith(C_ENDINGS):
            check_c(root, source, problems)
        if path.startswith('tests/') and path.endswith('.py'):
            tests.append(source)
    check_tests(tests, problems)
    return problems


def function(lines):
    return 'int f(void)\n{\n' + '    g();\n' * (lines - 2) + '}\n'


CASES = {
    'nothing wrong': ({'lib/base/a.c': '#include "lib/base/a.h"\n#include <fapilog/abi.h>\n' + function(70),
                       'collector/sinks/s.c': '#include "collector/format/format.h"\n'}, None),
    'a long line': ({'lib/base/a.c': 'x' * 121 + '\n'}, 'a.c:1: 121 columns'),
    'columns are not bytes': ({'lib/base/a.c': '/* ' + 'ä' * 100 + ' */\n'}, None),
    'a long function': ({'lib/base/a.c': function(71)}, 'a.c:1: a function of 71 lines'),
    'a long file': ({'lib/base/a.c': '\n' * 901}, '901 lines'),
    'a banned call': ({'lib/base/a.c': 'int n = atoi(s);\n'}, 'a.c:1: atoi(); use strtol'),
    'a word that contains one': ({'lib/base/a.c': 'my_atoi(s); o->gets(1); o.strcpy(2); fgets(3);\n'}, None),
    'a banned call in a comment or text': ({'lib/base/a.c': '/* atoi(s) */ f("gets(s)"); // atof(s)\n'},
                                           None),
    'sleep in a test': ({'tests/unit/a.c': 'usleep(10);\n'}, 'usleep(); use waiting'),
    'sleep elsewhere': ({'tools/cat/a.c': 'usleep(10);\n'}, None),
    'a note': ({'lib/base/a.c': '/* TO' 'DO: more */\n'}, 'finish it'),
    'a note in a script': ({'tools/a.sh': '# FIX' 'ME\n'}, 'finish it'),
    'a template of mkdtemp': ({'tests/a.c': 'char t[] = "/tmp/a-' + 6 * 'X' + '";\n'}, None),
    'an upward include': ({'lib/base/a.c': '#include "lib/ring/r.h"\n'},
                          'lib/base does not include lib/ring'),
    'a sibling': ({'lib/reader/a.c': '#include "lib/producer/p.h"\n'},
                  'lib/reader does not include lib/producer'),
    'a public header that knows us': ({'include/fapilog/a.h': '#include "lib/base/b.h"\n'},
                                      'include does not include lib/base'),
    'ingest knows no formats': ({'collector/ingest/a.c': '#include "collector/format/f.h"\n'},
                                'collector/ingest does not include collector/format'),
    'a tool in a library': ({'lib/reader/a.c': '#include "tools/dump/d.h"\n'}, 'does not include tools'),
    'not from the root': ({'lib/base/a.c': '#include "a.h"\n', 'lib/base/a.h': ''}, 'written from the root'),
    'made by the build': ({'collector/sinks/a.c': '#include "sink_list.h"\n'}, None),
    'an include in a comment': ({'lib/base/a.c': '/*\n#include "lib/ring/r.h"\n*/\n'}, None),
    'a test that is in no list': ({'tests/e2e/a.py': 'def one():\n    pass\n\n\ndef two():\n    pass\n\n\nrun([one])\n'},
                                  'a.py:5: nobody runs two()'),
    'tests that are run': ({'tests/e2e/a.py': '@effect("x")\ndef one():\n    pass\n\n\ndef two():\n    pass\n',
                            'tests/e2e/b.py': 'run([two])\n'}, None),
    'no layer': ({'lib/base/a.c': '#include "else/where.h"\n'}, 'is in no layer'),
}


if __name__ == '__main__':
    sys.exit(main(CASES, check, sys.argv[1:]))
