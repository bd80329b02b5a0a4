#!/usr/bin/env python3
"""docs/rules.md says which rules of the reference systems hold here and which test shows it: that each rule stands
there once, with a decision, and that the tests are there. Likewise the tests of what users of others complain of, there and in
docs/delivery.md.

    rules_doc.py [ROOT] | --self-test
"""
import os
import re
import sys

sys.dont_write_bytecode = True # nothing may appear in the source tree
from source import files, main

PAGE = 'docs/rules.md'
COMPLAINTS = (PAGE, 'docs/delivery.md')
ROW = re.compile(r'^\|\s*([A-Z]{1,2}-\d+[a-z]?)\s*\|(.*)\|\s*$')
COMPLAINT = re.compile(r'^\|([^|]*[a-z]#\d+[^|]*)\|(.*)\|\s*$')
TEST = re.compile(r'`(\w+)`')
DECISIONS = ('taken', 'changed', 'left')


def words_of_tests(root):
    words = set()
    for path in files(root, ['tests', 'bench'], ('.c', '.cc', '.py', '.sh', '.h')):
        with open(os.path.join(root, path), encoding='utf-8') as f:
            words.update(re.findall(r'\w+', f.read()))
    return words


def check_row(words, rule, cells):
    if len(cells) != 3 or cells[0] not in DECISIONS:
        return ['%s: a row is: id, one of %s, how or why, tests' % (rule, ', '.join(DECISIONS))]
    decision, how, tests = cells[0], cells[1], TEST.findall(cells[2])
    problems = ['%s: no test is called %s' % (rule, t) for t in tests if t not in words]
    if decision == 'left' and not how:
        problems.append('%s: left without a reason' % rule)
    if decision != 'left' and not tests:
        problems.append('%s: %s, but no test shows it' % (rule, decision))
    return problems


def check_complaints(root, words):
    for page in COMPLAINTS:
        if not os.path.exists(os.path.join(root, page)):
            continue
        with open(os.path.join(root, page), encoding='utf-8') as f:
            for complaint, tests in (m.groups() for m in map(COMPLAINT.match, f) if m):
                names = TEST.findall(tests)
                about = '%s: %s' % (page, complaint.strip()[:40])
                yield from ('%s: no test is called %s' % (about, t) for t in names if t not in words)
                if not names:
                    yield about + ': no test would find it'


def check(root):
    words, seen, problems = words_of_tests(root), set(), []
    with open(os.path.join(root, PAGE), encoding='utf-8') as f:
        for line in f:
            m = ROW.match(line)
            if not m:
                continue
            rule = m.group(1)
            if rule in seen:
                problems.append('%s: stands there twice' % rule)
            seen.add(rule)
            problems += check_row(words, rule, [c.strip() for c in m.group(2).split('|')])
    if not seen:
        problems.append('%s: no rules in it' % PAGE)
    return ['%s: %s' % (PAGE, p) for p in problems] + list(check_complaints(root, words))


A_TEST = 'static void F_01_works(void **state)\n'
CASES = {
    'nothing wrong': ({PAGE: '| F-01 | taken | so | `F_01_works` |\n| F-02 | left | why | |\n', 'tests/a.c': A_TEST}, None),
    'a test that is not there': ({PAGE: '| F-01 | taken | so | `F_01_fails` |\n', 'tests/a.c': A_TEST},
                                 'no test is called F_01_fails'),
    'nothing shows it': ({PAGE: '| F-01 | changed | so | |\n', 'tests/a.c': A_TEST}, 'no test shows it'),
    'left in silence': ({PAGE: '| F-01 | left | | |\n', 'tests/a.c': A_TEST}, 'without a reason'),
    'twice': ({PAGE: '| F-01 | left | a | |\n' * 2, 'tests/a.c': A_TEST}, 'twice'),
    'no decision': ({PAGE: '| F-01 | maybe | a | |\n', 'tests/a.c': A_TEST}, 'one of taken'),
    'a complaint': ({PAGE: '| F-01 | left | a | |\n| loses records (x#1) | `F_01_works` |\n', 'tests/a.c': A_TEST}, None),
    'a complaint with no test': ({PAGE: '| F-01 | left | a | |\n', 'docs/delivery.md': '| loses records (x#1) | none |\n',
                                  'tests/a.c': A_TEST}, 'no test would find it'),
    'a complaint with a test that is not there': ({PAGE: '| F-01 | left | a | |\n| loses records (x#1) | `gone` |\n',
                                                   'tests/a.c': A_TEST}, 'no test is called gone'),
    'no rules': ({PAGE: 'none\n', 'tests/a.c': A_TEST}, 'no rules'),
}


if __name__ == '__main__':
    sys.exit(main(CASES, check, sys.argv[1:]))
