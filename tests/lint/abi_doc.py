#!/usr/bin/env python3
"""The tables of docs/abi/ring.md are those of include/fapilog/abi.h.

The page marks each table:  <!-- abi: struct fapilog_lane -->  ...  <!-- abi: end -->
Kinds: struct NAME, enum NAME, define PREFIX (the numbers of all macros that begin so).
Offsets and sizes come from the compiler, meanings from the comments of the header.

    abi_doc.py [--write] [ROOT]     compare, or bring the page up to date
    abi_doc.py --self-test [ROOT]
"""
import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HEADER = 'include/fapilog/abi.h'
PAGE = 'docs/abi/ring.md'
MARK = re.compile(r'<!-- abi: (struct|enum|define) (\w+) -->\n(.*?)<!-- abi: end -->', re.S)
BEGIN = re.compile(r'<!-- abi: (?!end)')
FIELD = re.compile(r'F\((\d+), (\d+), (\w+), "([^"]*)"\)')


class Failure(Exception):
    pass


def comment_text(text):
    text = re.sub(r'/\*+|\*/', ' ', text)
    text = re.sub(r'\n\s*\*(?=\s)', ' ', text)
    text = re.sub(r'\s+', ' ', text).strip()
    return re.sub(r'^\d+: ?|^\d+$', '', text).replace('|', '\\|')


def struct_members(source, name):
    """[(type, member, dimensions, meaning)] in the order of the header."""
    m = re.search(r'^struct %s \{(.*?)^\};' % name, source, re.S | re.M)
    if not m:
        raise Failure('%s has no struct %s' % (HEADER, name))
    body = re.sub(r'^#.*\n', '', m.group(1), flags=re.M)
    body = body[body.index('\n'):] if '\n' in body else body
    members = []
    if '_FIELDS(F)' in body:
        for _, bits, member, meaning in FIELD.findall(source):
            members.append(('uint%s_t' % bits, member, '', meaning))
        body = re.sub(r'^.*_FIELDS\(F\).*$', '', body, flags=re.M)
    item = re.compile(r'(?:struct )?(\w+) (\w+)((?:\[[^\]]*\])*);[ \t]*(/\*.*?\*/)?', re.S)
    rest = body
    for m in item.finditer(body):
        kind = ('struct ' if m.group(0).startswith('struct') else '') + m.group(1)
        members.append((kind, m.group(2), m.group(3), comment_text(m.group(4) or '')))
        rest = rest.replace(m.group(0), '', 1)
    left = re.sub(r'/\*.*?\*/', '', rest, flags=re.S).strip()
    if left:
        raise Failure('struct %s: cannot read %r' % (name, left))
    return members


def compiler():
    """Its words: CC may be 'ccache gcc'."""
    for cc in [os.environ.get('CC', ''), 'cc', 'gcc', 'clang']:
        words = shlex.split(cc)
        if words and shutil.which(words[0]):
            return words
    print('skipped: no C compiler')
    sys.exit(77)


def layouts(root, structs):
    """{(struct, member): (offset, bytes)}, as the compiler sees them."""
    lines = ['#include <stdio.h>', '#include <fapilog/abi.h>', 'int main(void)', '{']
    for name, members in structs.items():
        for _, member, _, _ in members:
            lines.append('    printf("%%s %%s %%zu %%zu\\n", "%s", "%s", offsetof(struct %s, %s), '
                         'sizeof ((struct %s *)0)->%s);' % (name, member, name, member, name, member))
        lines.append('    printf("%%s . %%zu 0\\n", "%s", sizeof(struct %s));' % (name, name))
    lines += ['    return 0;', '}']
    with tempfile.TemporaryDirectory() as d:
        with open(d + '/layout.c', 'w') as f:
            f.write('\n'.join(lines) + '\n')
        r = subprocess.run([*compiler(), '-std=gnu17', '-I', os.path.join(root, 'include'),
                            '-o', d + '/layout', d + '/layout.c'], capture_output=True, text=True)
        if r.returncode:
            raise Failure('%s does not compile: %s' % (HEADER, r.stderr))
        out = subprocess.run([d + '/layout'], capture_output=True, text=True, check=True).stdout
    return {(a, b): (int(c), int(n)) for a, b, c, n in (line.split() for line in out.splitlines())}


def struct_table(name, members, layout):
    rows = ['| offset | type | field | meaning |', '|--:|---|---|---|']
    for kind, member, dims, meaning in members:
        rows.append('| %d | `%s%s` | `%s` | %s |' % (layout[name, member][0], kind, dims, member, meaning))
    rows.append('| %d | | | size of `struct %s` |' % (layout[name, '.'][0], name))
    return rows


def enum_table(source, name):
    m = re.search(r'^enum %s \{(.*?)^\};' % name, source, re.S | re.M)
    if not m:
        raise Failure('%s has no enum %s' % (HEADER, name))
    rows = ['| value | name | meaning |', '|--:|---|---|']
    for item, value, comment in re.findall(r'^ *(\w+) = (\w+),[ \t]*(/\*.*?\*/)?', m.group(1), re.S | re.M):
        text = re.sub(r'/\*|\*/', '', comment).strip()
        rows.append('| %s | `%s` | %s |' % (value, item, text))
    return rows


def define_table(source, prefix):
    rows = ['| value | name | meaning |', '|--:|---|---|']
    macro = re.compile(r'^#define (%s[A-Z0-9_]+) (\d+)[ \t]*(/\*.*?\*/)?[ \t]*$' % prefix, re.M)
    for item, value, comment in macro.findall(source):
        rows.append('| %s | `%s` | %s |' % (value, item, re.sub(r'/\*|\*/', '', comment).strip()))
    if len(rows) == 2:
        raise Failure('%s has no macro %s*' % (HEADER, prefix))
    return rows


def page_with_tables(root, source, page):
    marks = MARK.findall(page)
    if len(marks) != len(BEGIN.findall(page)):
        raise Failure('%s: a table is not closed or its mark is wrong' % PAGE)
    structs = {name: struct_members(source, name) for kind, name, _ in marks if kind == 'struct'}
    for name in re.findall(r'^struct (\w+) \{', source, re.M):
        if name not in structs:
            raise Failure('%s has no table of struct %s' % (PAGE, name))
    layout = layouts(root, structs)

    def table(m):
        kind, name, _ = m.groups()
        if kind == 'struct':
            rows = struct_table(name, structs[name], layout)
        elif kind == 'enum':
            rows = enum_table(source, name)
        else:
            rows = define_table(source, name)
        return '<!-- abi: %s %s -->\n%s\n<!-- abi: end -->' % (kind, name, '\n'.join(rows))
    return MARK.sub(table, page)


def superblock_problems(source, page):
    """The X-macro is checked by itself, so that no slip of the table maker can hide a field."""
    fields = FIELD.findall(source)
    if not fields:
        return ['%s: FAPILOG_SUPERBLOCK_FIELDS not found' % HEADER]
    m = re.search(r'<!-- abi: struct fapilog_superblock -->\n(.*?)<!-- abi: end -->', page, re.S)
    rows = re.findall(r'^\| (\d+) \| `uint(\d+)_t` \| `(\w+)` \| (.*) \|$', m.group(1) if m else '', re.M)
    return ['%s: the superblock table lacks: offset %s, %s bits, %s, "%s"' % ((PAGE,) + f)
            for f in fields if f not in rows]


def problems(root):
    with open(os.path.join(root, HEADER)) as f:
        source = f.read()
    with open(os.path.join(root, PAGE)) as f:
        page = f.read()
    found = superblock_problems(source, page)
    try:
        want = page_with_tables(root, source, page)
    except Failure as e:
        return found + [str(e)], page
    if want != page:
        found += difflib.unified_diff(page.splitlines(), want.splitlines(), PAGE, HEADER, n=0, lineterm='')
    return found, want


def self_test(root):
    """A changed header, a changed page and a lost table must each be found."""
    def variant(path, old, new):
        with tempfile.TemporaryDirectory() as d:
            for p in [HEADER, PAGE]:
                os.makedirs(os.path.dirname(os.path.join(d, p)), exist_ok=True)
                shutil.copy(os.path.join(root, p), os.path.join(d, p))
            with open(os.path.join(d, path)) as f:
                text = f.read()
            if old not in text:
                raise SystemExit('self-test: %s has no %r' % (path, old))
            with open(os.path.join(d, path), 'w') as f:
                f.write(text.replace(old, new, 1))
            return problems(d)[0]
    cases = [(HEADER, '"bytes of the segment file"', '"size"', 'bytes of the segment file'),
             (HEADER, 'uint64_t intent;        /* 8: O1 */', 'uint64_t aim; /* 8: O1 */', 'intent'),
             (PAGE, '| 40 | `uint64_t` | `file_size`', '| 44 | `uint64_t` | `file_size`', 'file_size'),
             (PAGE, '| 8 | `uint32_t` | `endian` |', '| 8 | `uint64_t` | `endian` |', 'endian'),
             (PAGE, '<!-- abi: struct fapilog_lane -->', '', 'no table of struct fapilog_lane'),
             (HEADER, 'FAPILOG_TYPE_ERRNO = 15', 'FAPILOG_TYPE_ERRNO = 35', 'FAPILOG_TYPE_ERRNO')]
    for path, old, new, expect in cases:
        found = '\n'.join(variant(path, old, new))
        if expect not in found:
            raise SystemExit('self-test: %s: %r -> %r was not found: %s' % (path, old, new, found))
    print('self-test: %d changes, all found' % len(cases))


def main(argv):
    here = os.path.dirname(os.path.abspath(__file__))
    paths = [a for a in argv if not a.startswith('--')]
    root = paths[0] if paths else os.path.dirname(os.path.dirname(here))
    if '--self-test' in argv:
        self_test(root)
        return 0
    found, want = problems(root)
    if '--write' in argv:
        with open(os.path.join(root, PAGE), 'w') as f:
            f.write(want)
        return 0
    for line in found:
        print(line)
    if found:
        print('\n%s differs from %s; after a change there: abi_doc.py --write' % (PAGE, HEADER))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
