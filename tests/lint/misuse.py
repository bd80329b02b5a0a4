#!/usr/bin/env python3
"""What a log call must not be does not compile, and the compiler says why in words; what lies right at a limit does.

    misuse.py [INCLUDE_DIR]
    misuse.py --self-test

77: there is no compiler.
"""
import os
import shutil
import subprocess
import sys

LANGUAGES = {'gcc': 'c', 'clang': 'c', 'g++': 'c++', 'clang++': 'c++'}
HEAD = '''#include <fapilog/fapilog%s>
#include <time.h>
void f(fapilog_t *log, const char *name, const struct tm *p, unsigned level, int *q);
void f(fapilog_t *log, const char *name, const struct tm *p, unsigned level, int *q)
{ (void)log, (void)name, (void)p, (void)level, (void)q; %s }
'''
CONVERTED = 'struct t { operator std::string() const { return "text"; } };'
TYPE = 'fapilog: a value of this type cannot be logged'


def fields(n):
    return ', '.join('FL("f%d", %d)' % (i, i) for i in range(n))


def numbers(n):
    return '"%s"%s' % ('%d' * n, ', 1' * n)


# statement, what is said, languages
MISTAKES = [
    ('FAPILOG_INFO(log, "m", %s);' % fields(65), 'a log call takes at most 64 fields', 'c c++'),
    ('FAPILOG_INFO(log, "m", %s);' % fields(128), 'a log call takes at most 64 fields', 'c c++'),
    ('FAPILOG_INFOF(log, %s);' % numbers(65), 'a log call takes at most 64 fields or arguments', 'c c++'),
    ('fapilog_t *l = fapilog_with(log, FAPILOG_FIELDS(%s)); (void)l;' % fields(65), 'a list has at most 64', 'c c++'),
    ('FAPILOG_SCOPE(%s);' % fields(33), 'bound to a thread at most 32', 'c c++'),
    ('FAPILOG_LOG(log, 0, "m");', 'the level must be 1 to 30', 'c c++'),
    ('FAPILOG_LOG(log, 31, "m");', 'the level must be 1 to 30', 'c c++'),
    ('FAPILOG_LOG(log, -1, "m");', 'the level must be 1 to 30', 'c c++'),
    ('FAPILOG_LOGF(log, FAPILOG_LEVEL_OFF, "m");', 'the level must be 1 to 30', 'c c++'),
    ('FAPILOG_INFO(log, name);', 'the message must be a string literal', 'c c++'),
    ('FAPILOG_INFOF(log, name);', 'the message must be a string literal', 'c c++'),
    ('FAPILOG_INFO(log, "%s");' % ('m' * 65536), 'the message is longer than 65535 bytes', 'c c++'),
    ('FAPILOG_INFO(log, "m", FL(name, 1));', 'the name of a field must be a string literal', 'c c++'),
    ('FAPILOG_INFO(log, "m", FL("%s", 1));' % ('n' * 256), 'the name of a field is longer than 255 bytes', 'c c++'),
    ('FAPILOG_INFO(log, "m", 1);', 'after the message come fields', 'c c++'),
    ('FAPILOG_INFO(log, "m", "name", 1);', 'after the message come fields', 'c c++'),
    ('FAPILOG_SCOPE(1);', 'a list is made of fields', 'c c++'),
    ('FAPILOG_INFO(log, "m", FL("time", *p));', TYPE, 'c c++'),
    ('FAPILOG_INFO(log, "m", FL("time", p));', TYPE, 'c c++'),
    ('FAPILOG_INFO(log, "m", FL("numbers", q));', TYPE, 'c c++'),
    ('FAPILOG_INFO(log, "m", FL("function", f));', TYPE, 'c c++'),
    ('FAPILOG_INFO(log, "m", FL("wide", L"text"));', TYPE, 'c c++'),
    ('FAPILOG_SCOPE(FL("time", *p));', TYPE, 'c c++'),
    ('struct { unsigned b : 3; } s = {1}; FAPILOG_INFO(log, "m", FL("bits", s.b));', 'a bit-field must be cast', 'gcc'),
    ('FAPILOG_INFO(log, "m", FL_TRACE_ID("%s"));' % ('0' * 32), 'FL_TRACE_ID() takes 16 bytes', 'c c++'),
    ('char id[33] = "0"; FAPILOG_SCOPE(FL_TRACE_ID(id));', 'FL_TRACE_ID() takes 16 bytes', 'c c++'),
    ('char id[17] = "0"; fapilog_set_span_id(id);', 'FL_SPAN_ID() takes 8 bytes', 'c c++'),
    ('fapilog::scope s(fapilog::trace_id("%s"));' % ('0' * 32), 'FL_TRACE_ID() takes 16 bytes', 'hpp'),
    ('fapilog::scope s(fapilog::span_id("%s"));' % ('0' * 16), 'FL_SPAN_ID() takes 8 bytes', 'hpp'),
    ('fapilog::logger(log).info("m", fapilog::field("time", p));', TYPE, 'hpp'),
    ('fapilog::logger(log).info("m", fapilog::field("time", *p));', TYPE, 'hpp'),
    ('%s fapilog::logger(log).info("m", fapilog::field("path", t()));' % CONVERTED, 'dies before it is logged', 'hpp'),
    ('fapilog::logger(log).info("m"%s);' % (', fapilog::field("n", 1)' * 65), 'a record holds at most 64 fields', 'hpp'),
]

CORRECT = [
    ('FAPILOG_INFO(log, "m", %s);' % fields(64), 'c c++'),
    ('FAPILOG_INFOF(log, %s);' % numbers(64), 'c c++'),
    ('fapilog_t *l = fapilog_with(log, FAPILOG_FIELDS(%s)); (void)l;' % fields(64), 'c c++'),
    ('FAPILOG_SCOPE(%s);' % fields(32), 'c c++'),
    ('FAPILOG_LOG(log, 1, "m"); FAPILOG_LOG(log, 30, "m"); FAPILOG_LOG(log, level, "m");', 'c c++'),
    ('FAPILOG_LOG(log, p ? FAPILOG_LEVEL_INFO : FAPILOG_LEVEL_ERROR, "m");', 'c c++'),
    ('FAPILOG_INFO(log, "%s");' % ('m' * 65535), 'c c++'),
    ('FAPILOG_INFO(log, "m", FL("%s", 1));' % ('n' * 255), 'c c++'),
    ('FAPILOG_INFO(log, "m", FL("pointer", (const void *)p), FL_PTR("pointer", p));', 'c c++'),
    ('static const char N[] = "n"; FAPILOG_INFO(log, "one " "message", FL(N, 1));', 'c c++'),
    ('struct { unsigned b : 3; } s = {1}; FAPILOG_INFO(log, "m", FL("bits", (unsigned)s.b));', 'c c++'),
    ('struct { unsigned b : 3; } s = {1}; FAPILOG_INFO(log, "m", FL("bits", s.b));', 'c++'),
    ('volatile int v = 1; const volatile double d = 1; FAPILOG_INFO(log, "m", FL("v", v), FL("d", d));', 'c c++'),
    ('FAPILOG_INFO(log, "m", FL("lambda", [&] { return level; }())); FAPILOG_SCOPE(FL("l", [] { return 1; }()));', 'c++'),
    ('static constexpr const char *N = "n"; FAPILOG_INFO(log, "m", FL(N, 1));', 'c++'),
    ('%s FAPILOG_INFO(log, "m", FL("path", t()), FL("text", std::string(t()).c_str()));' % CONVERTED, 'hpp'),
    ('%s fapilog::logger(log).info("m", fapilog::field("path", std::string(t())));' % CONVERTED, 'hpp'),
    ('struct t { std::string s; operator const std::string &() const { return s; } }; '
     'fapilog::logger(log).info("m", fapilog::field("kept", t()));', 'hpp'),
    ('fapilog::logger(log).info("m"%s);' % (', fapilog::field("n", 1)' * 64), 'hpp'),
    ('uint8_t id[16] = {1}; FAPILOG_SCOPE(FL_TRACE_ID(id), FL_SPAN_ID(name)); fapilog_set_trace_id(id + 0);', 'c c++'),
    ('FAPILOG_INFO(log, "m", FL_TRACE_ID("0123456789abcdef"), FL_SPAN_ID(&level), FL("trace_id", name));', 'c c++'),
    ('unsigned char id[16] = {1}; fapilog::scope s(fapilog::trace_id(id), fapilog::span_id(name));', 'hpp'),
]


def compile_one(compiler, include, statement, wanted):
    """What the compiler says; None when the statement is for others, '' when it has nothing to say."""
    language = LANGUAGES[compiler]
    if not {language, compiler, 'hpp' if language == 'c++' else ''} & set(wanted.split()):
        return None
    standard = ['-std=c11', '-Wno-overlength-strings'] if language == 'c' else ['-std=c++11']
    source = HEAD % ('.hpp' if wanted == 'hpp' else '.h', statement)
    r = subprocess.run([compiler, '-x', language, *standard, '-Wall', '-Wextra', '-Werror', '-fsyntax-only', '-I', include, '-'],
                       input=source, capture_output=True, text=True)
    return r.stderr or 'fails' if r.returncode else ''


def problems(include, compilers):
    found = []
    for compiler in compilers:
        for statement, text, wanted in MISTAKES:
            said = compile_one(compiler, include, statement, wanted)
            if said == '':
                found.append('%s compiles: %.100s' % (compiler, statement))
            elif said is not None and text not in said:
                found.append('%s does not say "%s" of %.100s:\n%.1500s' % (compiler, text, statement, said))
        for statement, wanted in CORRECT:
            said = compile_one(compiler, include, statement, wanted)
            if said:
                found.append('%s does not compile: %.100s\n%.1500s' % (compiler, statement, said))
    return found


def self_test(include, compilers):
    MISTAKES[:] = [('FAPILOG_INFO(log, "m");', 'text', 'c c++'), ('FAPILOG_INFO(log, name);', 'other text', 'c c++')]
    CORRECT[:] = [('FAPILOG_INFO(log, name);', 'c c++')]
    found = problems(include, compilers)
    if len(found) != 3 * len(compilers):
        raise SystemExit('self-test: %d of %d found: %s' % (len(found), 3 * len(compilers), found))
    print('self-test: %d mistakes found' % len(found))


def main(argv):
    here = os.path.dirname(os.path.abspath(__file__))
    paths = [a for a in argv if not a.startswith('--')]
    include = paths[0] if paths else os.path.join(here, '../../include')
    compilers = [c for c in LANGUAGES if shutil.which(c)]
    if not compilers:
        print('skipped: no compiler')
        return 77
    if '--self-test' in argv:
        self_test(os.path.join(here, '../../include'), compilers)
        return 0
    found = problems(include, compilers)
    for problem in found:
        print(problem)
    print('%d compilers, %d statements, %d problems' % (len(compilers), len(MISTAKES) + len(CORRECT), len(found)))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
