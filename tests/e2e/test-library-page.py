#!/usr/bin/env python3
"""docs/library.md: its programs compile, run and log what it shows; its table names each variable that the library reads."""
import glob
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "common")]
from harness import *  # noqa: E402,F403

SOURCE = os.environ["FAPILOG_SOURCE"]
LIBRARY = os.environ["FAPILOG_LIBRARY"]
COMPILERS = {"c": (os.environ["FAPILOG_CC"], "-std=gnu17"), "cpp": (os.environ["FAPILOG_CXX"], "-std=c++17")}


def page():
    with open(os.path.join(SOURCE, "docs", "library.md"), encoding="utf-8") as f:
        return f.read()


def programs():
    """(language, program, what it logs or None): a block of code, and the block without a language right behind it."""
    return [(language, text, shown or None) for language, text, shown in
            re.findall(r"^```(c|cpp|python)\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", page(), re.DOTALL | re.MULTILINE)]


def runnable(place, number, language, text):
    """Its command."""
    source = os.path.join(place.path, f"{number}.{language}")
    program = os.path.join(place.path, f"program{number}")
    with open(source, "w", encoding="utf-8") as f:
        f.write(text)
    if language == "python":
        return [sys.executable, source]
    command, standard = COMPILERS[language]
    subprocess.run([*command.split(), standard, "-Wall", "-Wextra", "-Werror", "-I" + os.path.join(SOURCE, "include"), source,
                    LIBRARY, "-Wl,-rpath," + os.path.dirname(LIBRARY), "-o", program], check=True)
    return [program]


def the_programs_log_what_the_page_shows():
    found = programs()
    check(len(found) == 7, f"{len(found)} programs")
    for number, (language, text, shown) in enumerate(found):
        if language in COMPILERS and not COMPILERS[language][0]:
            continue
        with Place() as place:
            p = place.start(runnable(place, number, language, text),
                            env={"FAPILOG_RING_DIR": place.rings, "LD_LIBRARY_PATH": os.path.dirname(LIBRARY)})
            _, said = p.communicate(timeout=20)
            check(p.returncode == 0 and not said, f"program {number} ended with {p.returncode}: {said}")
            dump = place.start([os.environ["FAPILOG_DUMP"], "--format", "pretty", place.rings])
            out, said = dump.communicate(timeout=20)
            logged = "".join(line.split(" | ")[2] + "\n" for line in out.splitlines())
            check(logged == (shown or ""), f"program {number} logs:\n{out}{said}")


HOSTILE = r'''
log.warning("number %d", "x")
log.warning("name %s", os.fsdecode(b"\xff.txt"), extra={"fields": {1: "one", "f\udcff": os.fsdecode(b"v\xff")}})
log.warning("many", extra={"fields": {f"f{n}": n for n in range(70)}})
log.warning("text for fields", extra={"fields": 7})
log.handle(logging.makeLogRecord({"name": "made", "levelno": 30, "msg": "no function", "funcName": None, "lineno": None}))
try:
    1 / 0
except ZeroDivisionError:
    log.exception("it failed")
print("went on")
'''


def the_python_handler_never_raises_into_the_program():
    text, = [text for language, text, _ in programs() if language == "python"]
    with Place() as place:
        p = place.start(runnable(place, 0, "python", text + HOSTILE), stdout=subprocess.PIPE,
                        env={"FAPILOG_RING_DIR": place.rings, "LD_LIBRARY_PATH": os.path.dirname(LIBRARY)})
        out, said = p.communicate(timeout=20)
        check(p.returncode == 0 and "went on" in out, f"it ended with {p.returncode}: {said}")
        check(said.count("--- Logging error ---") == 2, said)  # that of %d, and the one whose fields are a number
        dump = place.start([os.environ["FAPILOG_DUMP"], "--format", "json", place.rings], stdout=subprocess.PIPE)
        records = {r["message"]: r for r in map(json.loads, dump.communicate(timeout=20)[0].splitlines())}
        named = records["name \\udcff.txt"]
        check(named["1"] == "one" and named["f\\udcff"] == "v\\udcff", f"{named}")
        many = records["many"]
        check(many.get("f62") == 62 and "f63" not in many and many.get("fields_left_out") == 7, f"{many}")
        check(records["no function"]["level"] == "WARNING", f"{records['no function']}")
        check("ZeroDivisionError" in records["it failed"]["traceback"], f"{records['it failed']}")


def every_variable_that_the_library_reads_is_in_the_table():
    read = set()
    for path in glob.glob(os.path.join(SOURCE, "lib", "producer", "*.c")) + glob.glob(os.path.join(SOURCE, "lib", "ring", "*.c")):
        with open(path, encoding="utf-8") as f:
            read |= set(re.findall(r'"(FAPILOG_[A-Z_]+)"', f.read()))
    check(len(read) >= 7, f"only {read}")
    missing = [name for name in sorted(read) if f"`{name}`" not in page()]
    check(not missing, f"not on the page: {missing}")


if __name__ == "__main__":
    sys.exit(run([the_programs_log_what_the_page_shows, the_python_handler_never_raises_into_the_program,
                  every_variable_that_the_library_reads_is_in_the_table]))
