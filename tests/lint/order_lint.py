#!/usr/bin/env python3
"""Every access to a shared word says why its order is right, and every edge has both ends.

- Each use of load_rlx, load_acq, store_rlx, store_rel, cas_acq_rel or an __atomic_ builtin has a comment
  `order: ...` on its line or ending in the four lines before it. It speaks for an unbroken run of
  relaxed accesses too, and in the comment above a function for all relaxed accesses in it.
- `order: C1 ...` names the end of an edge that some header draws as `C1 -> C2`. End 1 stands at a
  release, end 2 at an acquire, and for an end in the tree there is one of the other kind.

    order_lint.py [ROOT] | --self-test
"""
import re
import sys

sys.dont_write_bytecode = True # nothing may appear in the source tree
from source import C_ENDINGS, files, load, main

FOLDERS = ['include', 'lib', 'collector']
DEFINITIONS = 'lib/base/atomics.h'
USE = re.compile(r'\b(load_rlx|load_acq|store_rlx|store_rel|cas_acq_rel|__atomic_\w+)\s*\(')
ORDER = re.compile(r'\border:\s*(.*)', re.S)
END = re.compile(r'\b([A-Z])([12])\b')
DRAWN = re.compile(r'\b([A-Z])1 -> ([A-Z])2\b')
ABOVE = 4
RUN = 2 # lines between accesses of one run


def releases(use):
    name, line = use
    return name in ('store_rel', 'cas_acq_rel') or \
        name.startswith('__atomic_') and re.search(r'RELEASE|ACQ_REL|SEQ_CST', line) is not None


def acquires(use):
    name, line = use
    return name in ('load_acq', 'cas_acq_rel') or \
        name.startswith('__atomic_') and re.search(r'ACQUIRE|ACQ_REL|SEQ_CST|CONSUME', line) is not None


def relaxed(use):
    return not releases(use) and not acquires(use)


def plain(comment):
    text = re.sub(r'^/\*+|\*/$|^//', '', comment)
    return re.sub(r'\s*\n\s*\*?\s*', ' ', text).strip()


def own_ends(text):
    """The ends that this place is: those before 'pairs with', as long as they are of one kind. What is
    relaxed is none; it may name the edge that makes the order unnecessary."""
    if text.startswith('relaxed'):
        return []
    ends = END.findall(re.split(r'\bpairs\b|\bpairing\b', text)[0])
    return [e for e in ends if e[1] == ends[0][1]]


def function_comment(source, n):
    """The comment that ends right above the head of the function around line n, or None."""
    for head, _, close in source.functions:
        if head <= n <= close:
            for first, last, text in source.comments:
                if last == head - 1:
                    return (first, last, text)
    return None


def covers(source, n, use, run):
    """The order comment that speaks for a use in line n, or None; run is that of the use before."""
    near = [c for c in source.comments if n - ABOVE <= c[1] <= n and ORDER.search(c[2])]
    if near:
        return near[-1]
    if run[1] and relaxed(use) and n - run[0] <= RUN:
        return run[1]
    above = function_comment(source, n)
    if above and ORDER.search(above[2]) and relaxed(use):
        return above
    return None


def statement(source, n):
    """The line and those after it up to the end of the statement: the order may be an argument there."""
    text = ''
    for line in source.code[n - 1:n + 3]:
        text += line
        if ';' in line:
            break
    return text


def check(root):
    problems, drawn, ends = [], set(), {}
    for path in files(root, FOLDERS, C_ENDINGS):
        source = load(root, path)
        for _, _, text in source.comments:
            drawn.update(a for a, b in DRAWN.findall(text) if a == b)
        if path == DEFINITIONS:
            continue
        spoken, run = {}, (0, None)
        for n, line in enumerate(source.code, 1):
            for m in USE.finditer(line):
                use = (m.group(1), statement(source, n)[m.start():])
                comment = covers(source, n, use, run)
                run = (n, comment)
                if comment is None:
                    problems.append('%s:%d: %s without an order: comment' % (path, n, m.group(1)))
                else:
                    spoken.setdefault(comment, []).append(use)
        for comment in source.comments:
            m = ORDER.search(plain(comment[2]))
            if not m:
                continue
            where, text = '%s:%d' % (path, comment[0]), m.group(1)
            if not re.search(r'\w', text):
                problems.append('%s: an order: comment that says nothing' % where)
            for letter, digit in own_ends(text):
                ends.setdefault((letter, digit), where)
                fits = releases if digit == '1' else acquires
                if not any(fits(u) for u in spoken.get(comment, [])):
                    problems.append('%s: %s%s does not stand at %s' % (
                        where, letter, digit, 'a release' if digit == '1' else 'an acquire'))
    for (letter, digit), where in sorted(ends.items()):
        other = '2' if digit == '1' else '1'
        if letter not in drawn:
            problems.append('%s: no header draws the edge %s1 -> %s2' % (where, letter, letter))
            drawn.add(letter) # said once
        if (letter, other) not in ends:
            problems.append('%s: %s%s has no partner %s%s' % (where, letter, digit, letter, other))
    return problems


DRAWING = {'include/fapilog/abi.h': '/* C1 -> C2 */\n'}
WRITER = 'void f(void)\n{\n    /* order: C1 release, pairs with C2 */\n    store_rel(&a, 1);\n}\n'
READER = 'int g(void)\n{\n    return load_acq(&a); /* order: C2, pairs with C1 */\n}\n'
GOOD = DRAWING | {'lib/ring/w.c': WRITER, 'lib/ring/r.c': READER}
LONG = '\nvoid h(void)\n{\n    a();\n    b();\n    c();\n    d();\n    %s(&b, 1);\n}\n'


def with_x(text):
    return GOOD | {'lib/x.c': text}


CASES = {
    'both ends': (GOOD, None),
    'a bare load': (GOOD | {'collector/x.c': 'int h = load_rlx(&b);\n'}, 'x.c:1: load_rlx without'),
    'a bare builtin': (with_x('int h = __atomic_load_n(&b, 0);\n'), 'x.c:1: __atomic_load_n without'),
    'a comment too far away': (with_x('/* order: relaxed */\n\n\n\n\nint h = load_rlx(&b);\n'),
                               'x.c:6: load_rlx without'),
    'a comment above the function': (with_x('/* order: relaxed */' + LONG % 'store_rlx'), None),
    'above the function, but a release': (with_x('/* order: relaxed */' + LONG % 'store_rel'),
                                          'store_rel without'),
    'a run': (with_x('/* order: relaxed, lone numbers */\n' + 'store_rlx(&b, 1);\n' * 9), None),
    'a run that is broken': (with_x('/* order: relaxed */\nstore_rlx(&b, 1);\n\n\n\n\nstore_rlx(&b, 1);\n'),
                             'x.c:7: store_rlx without'),
    'an acquire in a run': (with_x('/* order: relaxed */\n' + 'store_rlx(&b, 1);\n' * 6 + 'load_acq(&c);\n'),
                            'x.c:8: load_acq without'),
    'relaxed because of an edge': (with_x('/* order: relaxed - O1 is below */\nstore_rlx(&b, 1);\n'), None),
    'a comment in a string': (with_x('int h = f("order: no", load_rlx(&b));\n'), 'load_rlx without'),
    'a lonely release': (DRAWING | {'lib/ring/w.c': WRITER}, 'C1 has no partner C2'),
    'a lonely acquire': (DRAWING | {'lib/ring/r.c': READER}, 'C2 has no partner C1'),
    'an edge that is not drawn': (GOOD | {'include/fapilog/abi.h': '/* D1 -> D2 */\n'},
                                  'draws the edge C1 -> C2'),
    'end 1 at a relaxed store': (with_x('/* order: C1 */\nstore_rlx(&b, 1);\n'), 'not stand at a release'),
    'end 2 at a release': (with_x('/* order: C2 */\nstore_rel(&b, 1);\n'), 'not stand at an acquire'),
    'an empty comment': (with_x('/* order: */\nint h = load_rlx(&b);\n'), 'says nothing'),
    'a fence': (with_x('/* order: C1 */\n__atomic_thread_fence(__ATOMIC_RELEASE);\n'), None),
}


if __name__ == '__main__':
    sys.exit(main(CASES, check, sys.argv[1:]))
