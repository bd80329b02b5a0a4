"""What the lints need to know of a C file: its lines with strings and comments taken apart."""
import os
import re

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
SKIPPED = re.compile(r'^(\.|build|out$|subprojects$|__pycache__$)')
C_ENDINGS = ('.c', '.h', '.cc', '.hpp')


class Source:
    """path, lines (raw), code (strings emptied, comments blanked), comments [(first, last, text)],
    functions [(head, open, close)]; line numbers start at 1."""

    def __init__(self, path, text):
        self.path = path
        self.lines = text.split('\n')
        if self.lines[-1] == '':
            self.lines.pop()
        self.comments = []

        def blank(m):
            token = m.group(0)
            if token[0] in '"\'':
                return token[0] * 2 if '\n' not in token else token
            first = text.count('\n', 0, m.start()) + 1
            self.comments.append((first, first + token.count('\n'), token))
            return ' ' + '\n' * token.count('\n')
        self.code = TOKEN.sub(blank, text).split('\n')
        self.functions = self._functions()

    def _functions(self):
        found, opened = [], 0
        for n, line in enumerate(self.code, 1):
            if line.rstrip() == '{':
                opened = n
            elif opened and re.match(r'^\}', line):
                found.append((self._head(opened), opened, n))
                opened = 0
        return found

    def _head(self, opened):
        n = opened
        while n > 1 and self.code[n - 2].strip() and not re.search(r'^[}#]|;\s*$', self.code[n - 2]):
            n -= 1
        return n


def files(root, folders, endings):
    """Paths from the root, sorted, of the files in these folders ('' is the root itself)."""
    found = []
    for folder in folders:
        for path, names, leaves in os.walk(os.path.join(root, folder)):
            names[:] = sorted(n for n in names if not SKIPPED.match(n)) if folder else []
            for leaf in leaves:
                if leaf.endswith(endings):
                    found.append(os.path.relpath(os.path.join(path, leaf), root))
    return sorted(set(found))


def load(root, path):
    with open(os.path.join(root, path), encoding='utf-8') as f:
        return Source(path, f.read())


def self_test(cases, check):
    """cases: name -> ({path: text}, what must be found, or None for nothing). check(root) -> problems."""
    import tempfile
    failed = 0
    for name, (tree, expect) in cases.items():
        with tempfile.TemporaryDirectory() as root:
            for path, text in tree.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), 'w', encoding='utf-8') as f:
                    f.write(text)
            found = check(root)
        right = any(expect in p for p in found) and len(found) == 1 if expect else not found
        if not right:
            print('self-test: %s: expected %r, found %r' % (name, expect, found))
            failed += 1
    print('self-test: %d cases, %d failed' % (len(cases), failed))
    return 1 if failed else 0


def main(cases, check, argv):
    """A lint as a command: --self-test, or the root of the tree to look at. Its exit status."""
    if '--self-test' in argv:
        return self_test(cases, check)
    problems = check(argv[0] if argv else os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    for p in problems:
        print(p)
    return 1 if problems else 0
