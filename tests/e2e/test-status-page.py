#!/usr/bin/env python3
"""The status page in a real browser: what happens is on it within seconds. FAPILOG_SCREENSHOTS=DIR keeps pictures."""
import base64
import os
import socket
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from harness import *  # noqa: E402,F403
from adminclient import Admin  # noqa: E402
from brokenserver import BrokenServer  # noqa: E402
import browser  # noqa: E402

PICTURES = os.environ.get("FAPILOG_SCREENSHOTS")


def picture(page, name):
    if PICTURES:
        with open(os.path.join(PICTURES, name + ".png"), "wb") as f:
            f.write(base64.b64decode(page.screenshot()))


def start(place, *args):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    c = place.collector("--set", f"admin=127.0.0.1:{port}", *args)
    place.wait_ready(c)
    Admin(port).wait_up()
    return c, port


def row(page, table, first):
    """The texts of the row whose first cell is this, by their headings."""
    return page.run(f"""
        const t = document.getElementById("{table}");
        const heads = [...t.tHead.rows[0].cells].map(c => c.innerText);
        const r = [...t.tBodies[0].rows].find(r => r.cells[0].innerText === "{first}");
        return r ? Object.fromEntries([...r.cells].map((c, i) => [heads[i], c.innerText])) : null;""")


def shows(page, table, first, **wanted):
    found = row(page, table, first)
    return found and all(found.get(k.replace("_", " ")) == v for k, v in wanted.items())


def what_happens_is_on_the_page():
    with Place() as place, BrokenServer(is_broken=False) as server, browser.Browser() as page:
        path = os.path.join(place.path, "config.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("stages: [level: {min: DEBUG}]\n")
        c, port = start(place, "--config", path, "--sink", server.uri())
        page.go(f"http://127.0.0.1:{port}/")
        wait_for("the page says that there is no producer", lambda: "none" in (page.text("#producers tbody") or ""))
        producer = place.load("--threads", 3, "--records", 0, "--pause-us", 5000, "--burst", 20)
        wait_for("the producer is there", lambda: shows(page, "producers", "load", state="live"))
        check(row(page, "producers", "load")["pid"] == str(producer.pid), f"{row(page, 'producers', 'load')}")
        wait_for("the rate is above 0", lambda: page.text("#rate") not in ("0", "–", None))
        wait_for("both sinks work", lambda: shows(page, "sinks", "file", state="ok") and
                 shows(page, "sinks", "http", state="ok"))
        before = row(page, "sinks", "file")["records"]
        wait_for("the count goes on", lambda: row(page, "sinks", "file")["records"] != before)
        check(row(page, "stages", "level")["seen"] != "0", f"{row(page, 'stages', 'level')}")
        picture(page, "works")
        server.is_broken = True
        wait_for("the sink that fails is shown", lambda: (row(page, "sinks", "http") or {}).get("state", "")
                 .startswith("failing"))
        wait_for("with the reason", lambda: "503" in page.text("#trouble"))
        wait_for("and its breaker", lambda: row(page, "sinks", "http")["breaker"] != "closed")
        check(row(page, "sinks", "file")["state"] == "ok", "the other sink")
        wait_for("what waits for it is shown", lambda: row(page, "sinks", "http")["queue"] != "0")
        picture(page, "fails")
        page.resize(420, 900)
        picture(page, "narrow")
        page.resize(1280, 900)
        server.is_broken = False
        wait_for("it works again", lambda: shows(page, "sinks", "http", state="ok"))
        wait_for("nothing is in trouble", lambda: not page.text("#trouble"))
        written = written_by_end(producer)
        wait_for("the producer is gone", lambda: row(page, "producers", "load") is None)
        check(not page.complaints(), f"{page.complaints()}")
        stop(c)
        wait_for("the page says that nobody answers", lambda: page.run(
            "return getComputedStyle(document.getElementById('lost')).display") != "none")
        picture(page, "gone")
        check_books(place.lines(), written)


def written_by_end(producer):
    producer.terminate()
    return written_by(producer)


def names_of_services_are_text_and_never_markup():
    with Place() as place, browser.Browser() as page:
        c, port = start(place)
        name = '<img src=x onerror=document.title="owned">'
        p = place.start([os.environ["FAPILOG_CAT"], "--service", name, "--rings", place.rings], stdin=subprocess.PIPE)
        p.stdin.write("line\n")
        p.stdin.flush()
        page.go(f"http://127.0.0.1:{port}/")
        wait_for("its name is shown", lambda: name[:20] in (page.text("#producers tbody") or ""))
        check(page.run("return document.title") == "fapilog-collector", "the name was taken for markup")
        check(page.run("return document.images.length") == 0, "the name was taken for markup")
        p.stdin.close()
        p.wait()
        stop(c)


if __name__ == "__main__":
    if browser.missing():
        print(f"skipped: {browser.missing()} is not installed; tools/setup test installs it")
        sys.exit(77)
    sys.exit(run([what_happens_is_on_the_page, names_of_services_are_text_and_never_markup]))
