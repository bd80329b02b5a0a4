#!/usr/bin/env python3
"""Links between the pages as a test: each leads to a file and a heading that are there, and from README.md a reader
gets to every page.

    links_lint.py [ROOT] | --self-test
"""
import os
import re
import sys

sys.dont_write_bytecode = True # nothing may appear in the source tree
from source import main

LINK = re.compile(r'(?<!!)\[[^]]*\]\(([^)\s]+)\)')
IMAGE = re.compile(r'!\[[^]]*\]\(([^)\s]+)\)')
CODE = re.compile(r'^```.*?^```$', re.S | re.M)
HEADING = re.compile(r'^#+ (.*)$', re.M)
START = 'README.md'


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8') as f:
        return CODE.sub('', f.read())


def anchor(heading):
    """As the common hosts make it: small letters, dashes for blanks, no punctuation."""
    return re.sub(r'[^\w\- ]', '', heading.strip().lower()).replace(' ', '-')


def pages(root, path):
    """Of a link: a page, or all of a folder."""
    whole = os.path.join(root, path)
    if os.path.isdir(whole):
        return sorted(os.path.join(path, name) for name in os.listdir(whole) if name.endswith('.md'))
    return [path] if path.endswith('.md') else []


def check_page(root, path, problems):
    """The pages that it leads to."""
    text, found = read(root, path), []
    for target in LINK.findall(text) + IMAGE.findall(text):
        if '://' in target or target.startswith('mailto:'):
            continue
        name, _, wanted = target.partition('#')
        there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if there.startswith('..') or not os.path.exists(os.path.join(root, there)):
            problems.append('%s: %s leads nowhere' % (path, target))
        elif wanted and there.endswith('.md') and wanted not in map(anchor, HEADING.findall(read(root, there))):
            problems.append('%s: %s: there is no such heading' % (path, target))
        else:
            found += pages(root, there)
    return found


def all_pages(root):
    found = [name for name in os.listdir(root) if name.endswith('.md')]
    for folder, _, names in os.walk(os.path.join(root, 'docs')):
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names if name.endswith('.md')]
    return sorted(found)


def check(root):
    problems, seen, waiting = [], set(), [START]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += check_page(root, path, problems)
    return problems + ['%s: no way leads here from %s' % (path, START) for path in all_pages(root) if path not in seen]


CASES = {
    'all is well': ({'README.md': '[a](docs/a.md#two-words) [x](https://example.org/y)\n',
                     'docs/a.md': '## Two `words`\n[back](../README.md)\n'}, None),
    'a folder': ({'README.md': '[all](docs/man)\n', 'docs/man/a.1.md': ''}, None),
    'a link in code': ({'README.md': '```sh\n[a](nowhere)\n```\n'}, None),
    'a dead link': ({'README.md': '[a](docs/a.md)\n'}, 'README.md: docs/a.md leads nowhere'),
    'a dead picture': ({'README.md': '![a](docs/a.svg)\n'}, 'README.md: docs/a.svg leads nowhere'),
    'a dead heading': ({'README.md': '## One\n[a](#two)\n'}, 'README.md: #two: there is no such heading'),
    'a page that nobody finds': ({'README.md': '', 'docs/a.md': ''}, 'docs/a.md: no way leads here'),
    'a page beside it': ({'README.md': '', 'NEWS.md': ''}, 'NEWS.md: no way leads here'),
}


if __name__ == '__main__':
    sys.exit(main(CASES, check, sys.argv[1:]))
