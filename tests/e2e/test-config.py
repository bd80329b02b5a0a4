#!/usr/bin/env python3
"""A configuration as an operator meets it: file, environment, --check, and what editors are given."""
import glob
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from programs import *  # noqa: E402,F403

EXAMPLE = """
rings: {rings}
flush_interval: 50ms
sinks:
  all: file://{out}/all.jsonl
  errors: {{type: file, path: {out}/errors.jsonl, levels: [ERROR, CRITICAL], format: json}}
"""


def configured(place, text):
    path = place.file("fapilog.yaml")
    with open(path, "w") as f:
        f.write(text.format(rings=place.rings, out=place.out))
    return path


def lines_of(place, name):
    path = os.path.join(place.out, name)
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [json.loads(line) for line in f]


def records_reach_the_sinks_of_the_file():
    with Place() as place:
        path = configured(place, EXAMPLE)
        cat(place, b"one\n", "--level", "INFO")
        cat(place, b"two\n", "--level", "ERROR")
        r = execute([COLLECTOR, "--config", path, "--drain"], status=0)
        check(not r.err, f"said: {r.err}")
        check([x["log"]["message"] for x in lines_of(place, "all.jsonl")] == ["one", "two"], "all.jsonl")
        check([x["message"] for x in lines_of(place, "errors.jsonl")] == ["two"], "errors.jsonl")


def routes_and_stages_of_the_file_are_followed():
    with Place() as place:
        path = configured(place, """
rings: {rings}
stages:
  - level: {{min_level: INFO}}
  - dedupe
sinks:
  all: file://{out}/all.jsonl?format=json
  errors: file://{out}/errors.jsonl?format=json
  spare: file://{out}/spare.jsonl?format=json
routes:
  - {{levels: [ERROR], to: [errors]}}
  - {{levels: [WARNING], to: [all, errors]}}
routing: {{fallback: [spare], overlap: false}}
""")
        for level in ("DEBUG", "INFO", "WARNING", "ERROR"):
            cat(place, level.lower().encode() + b"\n", "--level", level)
        r = execute([COLLECTOR, "--config", path, "--drain"], env={"FAPILOG_FILTER_CONFIG__LEVEL__MIN_LEVEL": "DEBUG"}, status=0)
        check(not r.err, f"said: {r.err}")
        for name, expected in (("all", ["warning"]), ("errors", ["warning", "error"]), ("spare", ["debug", "info"])):
            got = [x["message"] for x in lines_of(place, name + ".jsonl")]
            check(got == expected, f"{name}: {got}")


def the_environment_overrides_the_file_and_the_command_line_the_environment():
    with Place() as place:
        path = configured(place, EXAMPLE)
        env = {"FAPILOG_CONFIG": path, "FAPILOG_SINK_CONFIG__FILE__FORMAT": "logfmt", "FAPILOG_FLUSH_INTERVAL": "70ms"}
        text = execute([COLLECTOR, "--check", "--set", "sinks.all.format=dagstack"], env=env, status=0).out.decode()
        for line, source in (("sinks.all.format = dagstack", "# --set"), ("io = auto", "# default"),
                             ("flush_interval = 70ms", "# FAPILOG_FLUSH_INTERVAL"),
                             ("sinks.errors.format = logfmt", "# FAPILOG_SINK_CONFIG__FILE__FORMAT"),
                             ("sinks.errors.levels = ERROR,CRITICAL", f"# {path}:6")):
            check(any(x.startswith(line + " ") and x.endswith(source) for x in text.splitlines()), f"{line} {source}: {text}")


def every_sink_has_variables_of_its_name():
    """Beside FAPILOG_SINK_CONFIG__: who has seen FAPILOG_LOKI__ tries FAPILOG_WEBHOOK__ as well, and must not do so in vain."""
    example = {"console": "console:", "file": "file:///tmp/a", "native": "native:///tmp/b", "mmap": "mmap:///tmp/c",
               "exec": "exec:///bin/true", "cloudwatch": "cloudwatch://eu-west-1/group/stream", "http": "http://h/in",
               "webhook": "webhook+http://h/in"}
    for sink, _ in sinks_with("min_severity"):
        name = f"FAPILOG_{sink.upper()}__MIN_SEVERITY"
        text = execute([COLLECTOR, "--check", "--sink", example.get(sink, f"{sink}://h")], env={name: "ERROR"}, status=0)
        check(re.search(rf"^sinks.{sink}.min_severity = ERROR +# {name}$", text.out.decode(), re.MULTILINE),
              f"{name}: {text.err.decode()}")


def sinks_with(option):
    """Type and names of options of every sink that has this one."""
    schema = json.loads(execute([COLLECTOR, "--schema"], status=0).out)
    for one in schema["properties"]["sinks"]["additionalProperties"]["anyOf"]:
        if option in one.get("properties", {}):
            yield one["properties"]["type"]["enum"][0], one["properties"]


def url_options():
    """Each option that may hold a user and a password: the sink, its name, and the options where these go."""
    for sink, options in sinks_with("proxy_user"):
        for url in [x for x in ("endpoint", "url") if x in options and "user" in options]:
            yield sink, url, "user", "password"
        yield sink, "proxy", "proxy_user", "proxy_password"


def what_a_url_holds_comes_from_where_the_url_does():
    value, rows = "http://who:hunter2@p.invalid:1", list(url_options())
    check(len(rows) == 13, f"{rows}")
    for sink, url, user, password in rows:
        own = f"FAPILOG_SINK_CONFIG__{sink.upper()}__"
        needed = {"AWS_REGION": "eu-central-1", "FAPILOG_SINK_CONFIG__OTLP__PROTOCOL": "http"}
        if url == "proxy" and sink != "cloudwatch":
            needed[own + "ENDPOINT"] = "http://h.invalid/"
        with Place() as place:
            empty = configured(place, f"sinks:\n  {sink}: {{{{type: {sink}}}}}\n")
            given = place.file("given.yaml")
            with open(given, "w") as f:
                f.write(f"sinks:\n  {sink}:\n    type: {sink}\n    {url}: {value}\n")
            for argv, env, source in (
                    (["--config", given], {}, f"{given}:4"),
                    (["--config", empty], {own + url.upper(): value}, own + url.upper()),
                    (["--config", empty, "--set", f"sinks.{sink}.{url}={value}"], {}, "--set"),
                    (["--sink", f"{sink}:?{url}={value}"], {}, "URI, --sink")):
                r = execute([COLLECTOR, "--check", *argv], env={**needed, **env}, status=0)
                for line in (f"sinks.{sink}.{user} = who", f"sinks.{sink}.{password} = ***"):
                    check(any(x.startswith(line + " ") and x.endswith("# " + source) for x in r.out.decode().splitlines()),
                          f"{line} # {source}: {r.text()}")
                check("hunter2" not in r.text(), "the password is shown")


def what_is_wrong_is_status_1_with_its_place():
    with Place() as place:
        path = configured(place, "sinks:\n  a: {{type: file, pth: /x}}\nflush_intervall: 1s\n")
        for argv in (["--check"], ["--drain"], ["--replay", place.out]):
            r = execute([COLLECTOR, "--rings", place.rings, "--config", path, *argv], status=1)
            err = r.err.decode()
            for said in (f"{path}:2:19: sinks.a.pth: ", "did you mean 'path'?", f"{path}:3:1: flush_intervall",
                         "'flush_interval'?"):
                check(said in err, f"no '{said}' in {err}")
            lines = err.splitlines()
            check(len(lines) == 2 and all(x.startswith(f"fapilog-collector: {path}:") for x in lines), f"a line for each: {err}")
            check(not r.out, f"{r.out}")
        check(os.listdir(place.rings) == [], "something was opened all the same")
        path = configured(place, "preset: [dev]\n")
        r = execute([COLLECTOR, "--rings", place.rings, "--config", path, "--check"], status=1)
        check("preset: is a list, not one of dev, production" in r.err.decode(), f"{r.err}")


def a_pipe_is_waited_for_and_read_once():
    with Place() as place, open(place.file("said"), "w+", encoding="utf-8") as said:
        reader, writer = os.pipe()
        name = f"/dev/fd/{reader}"
        p = place.start([COLLECTOR, "--config", name, "--rings", place.rings], pass_fds=(reader,), stderr=said)

        def has_opened_it():
            try:
                links = [os.readlink(x) for x in glob.glob(f"/proc/{p.pid}/fd/*")]
            except OSError: # one was closed meanwhile
                return False
            return p.poll() is not None or links.count(os.readlink(f"/proc/self/fd/{reader}")) == 2

        def says(words):
            wait_for(f"'{words}' is said", lambda: said.seek(0) or words in said.read() or p.poll() is not None, seconds=10)
            said.seek(0)
            check(words in (all_of_it := said.read()), f"'{words}' is not in: {all_of_it}")

        wait_for("the pipe is opened", has_opened_it, seconds=10)
        os.close(reader)
        if p.poll() is None:
            os.write(writer, b"sinks: {late: 'console:'}\n")
        os.close(writer)
        says("sinks late (console)")
        p.send_signal(signal.SIGHUP)
        says(f"configuration not taken over: {name}: is a pipe")
        p.send_signal(signal.SIGTERM)
        check(p.wait(timeout=30) == 0, f"ended with {p.returncode}")


def has_postgresql():
    return any(x.split()[:1] == [b"postgresql"] for x in execute([COLLECTOR, "--help"], status=0).out.splitlines())


def a_dsn_that_libpq_cannot_read_is_refused_and_not_shown():
    if not has_postgresql():
        return "SKIPPED: built without libpq"
    with Place() as place:
        for dsn, words in (("hst=h password=hunter2", "dsn: invalid connection option; did you mean 'host'?"),
                           ("postgresql://u:hunter2@h/d?sslmod=disable", "did you mean 'sslmode'?"),
                           ("host=h password=my hunter2", "dsn: missing"), ("host=h password=my hunter2=x", "dsn: invalid"),
                           ("postgresql://u:hunter2%zz@h", "dsn: invalid")):
            path = configured(place, "rings: {rings}\nsinks:\n  a: {{type: postgresql, dsn: '" + dsn + "'}}\n")
            r = execute([COLLECTOR, "--config", path, "--check"], status=1)
            check("sinks.a: " in r.text() and words in r.text() and "hunter2" not in r.text(), f"{dsn}: {r.text()}")
        for dsn in ("orders", "host=h dbname=orders", "postgresql://h/orders"): # the first is the name of a database
            path = configured(place, "rings: {rings}\nsinks:\n  a: {{type: postgresql, dsn: '" + dsn + "'}}\n")
            execute([COLLECTOR, "--config", path, "--check"], status=0)
    return ""


def a_misspelt_variable_is_told_of():
    with Place() as place:
        cat(place, b"x\n")
        r = execute([COLLECTOR, "--rings", place.rings, "--drain", "--sink", place.uri()], env={"FAPILOG_FILE__MAX_BYTE": "1"},
                    status=0)
        check("FAPILOG_FILE__MAX_BYTES?" in r.err.decode(), f"{r.err}")


def check_tries_what_only_opening_a_stage_tells():
    """Each of them needs a place in what is known of a call site, and there is not one for so many."""
    with Place() as place:
        for count, status in ((10, 0), (33, 1)):
            path = configured(place, "stages:\n" + "  - field_mask: {{fields_to_mask: [a]}}\n" * count)
            r = execute([COLLECTOR, "--config", path, "--check"], status=status)
            check(status == 0 or "may keep what they know of call sites; stage field_mask-" in r.err.decode(), r.text())
            check(not os.listdir(place.rings) and os.listdir(place.out) == ["fapilog.yaml"], "--check has left something")


def a_format_that_a_sink_cannot_use_is_refused():
    for uri, why in (("loki://h?format=pretty", "format: 'pretty' is not one of lines"),
                     ("mmap:///tmp/x?format=pretty", "format: 'pretty' is not one of lines"),
                     ("cloudwatch://r/g/s?format=pretty", "format: 'pretty' is not one of lines"),
                     ("otlp://h?format=json", "format: 'json' has no place in OTLP"),
                     ("webhook://h/?format=logfmt", "format: 'logfmt' is no JSON in lines"),
                     ("http://h/?format=logfmt", "batch_format: records as logfmt are no JSON; allowed with format=logfmt: "
                                                 "ndjson")):
        r = execute([COLLECTOR, "--check", "--sink", uri], status=1)
        check(f"sinks.{uri.split(':')[0]}: {why}" in r.err.decode(), r.text())


def two_sinks_on_one_file_are_refused_however_it_is_spelt():
    with Place() as place:
        os.symlink(place.out, os.path.join(place.path, "link"))
        os.symlink("out/log.jsonl", os.path.join(place.path, "to-log")) # which is not there at first
        os.symlink(f"{place.path}/to-log", os.path.join(place.path, "to-to-log"))
        new = f"{place.out}/new/deep"
        dated = f"directory: {place.out}/dated/"
        one, linked = f"path: {place.file()}", f"path: {place.path}/link/log.jsonl"
        same = [(one, f"path: {place.out}/./log.jsonl"), (one, linked), (one, f"path: {os.path.relpath(place.file())}"),
                (dated, f"directory: {place.out}/../out/dated"), (dated + ", prefix: fapilog", f"path: {place.path}/link/dated/"),
                (one, f"path: {place.path}/to-log"), (f"path: {place.path}/to-to-log", linked),
                (f"path: {new}/a", f"path: {new}/.././deep//a"), (f"directory: {new}", f"directory: {place.out}/new/x/../deep/")]
        other = [(one, f"path: {place.file('other')}"), (f"path: {new}/a", f"path: {new}/b"),
                 (f"path: {new}/a", f"path: {new}/../a"), (dated, dated + ", prefix: other"),
                 ("path: /dev/null", "path: /dev/./null")]
        for is_there in (False, True):
            for first, second in same + other:
                sinks = "".join(f"  {name}: {{{{type: file, {options}}}}}\n" for name, options in (("a", first), ("b", second)))
                path = configured(place, "sinks:\n" + sinks)
                refused = (first, second) in same
                for argv in ["--check"], ["--drain"]:
                    if argv == ["--drain"] and not refused:
                        continue # whether it may run is for other tests
                    r = execute([COLLECTOR, "--rings", place.rings, "--config", path, *argv], status=int(refused))
                    said = f"{path}:3: sinks.b." in r.err.decode() and "is where sink a writes to as well" in r.err.decode()
                    check(said == refused, f"{first} | {second}: {r.err.decode()}")
            os.mkdir(os.path.join(place.out, "dated")) if not is_there else None
            open(place.file(), "w", encoding="utf-8").close()
        for kinds in ("native", "native"), ("mmap", "mmap"), ("mmap", "file"):
            name = os.path.relpath(place.path) + "/link/other.log" # of what is not there
            uris = f"{kinds[0]}://{place.out}/other.log", f"{kinds[1]}:{name}"
            r = execute([COLLECTOR, "--rings", place.rings, "--check", "--sink", uris[0], "--sink", uris[1]], status=1)
            check(f"{name} is where sink {kinds[0]} writes to as well" in r.err.decode(), f"{kinds}: {r.err}")
        urls = "http://127.0.0.1:9/?spool_dir=" + place.path
        r = execute([COLLECTOR, "--rings", place.rings, "--check", "--sink", urls, "--sink", urls + "/."], status=1)
        check("sinks.http-2.spool_dir" in r.err.decode(), f"{r.err}")


def a_ring_directory_that_cannot_be_used_is_told():
    with Place() as place:
        shared = os.path.join(place.path, "shared")
        os.mkdir(shared)
        os.chmod(shared, 0o777)
        for rings, why in ((__file__, "Not a directory"), (shared, "is writable by others"), (place.path + "/none", "")):
            r = execute([COLLECTOR, "--rings", rings, "--check"], status=0)
            said = r.err.decode()
            check((why in said and "looked at as uid" in said) if why else not said, f"{rings}: {said}")


def a_file_that_cannot_be_written_is_told_by_a_check():
    with Place() as place:
        open(place.file("file"), "w", encoding="utf-8").close()
        for uri, said in ((f"mmap://{place.out}/no/log.jsonl", f"sinks.mmap.path: {place.out}/no: No such file or directory"),
                          (f"file://{place.out}/no/no/log.jsonl", ""), (f"native://{place.out}/no/no/", ""), # which the sink makes
                          ("file:///proc/no/no/log.jsonl", "sinks.file.path: make directories in /proc: "),
                          ("file:?directory=/proc/no", "sinks.file.directory: make files in /proc: "),
                          (f"mmap://{place.out}/file/log.jsonl", f"sinks.mmap.path: {place.out}/file/log.jsonl: Not a directory"),
                          (f"file:?directory={place.out}/file/logs", f"sinks.file.directory: {place.out}/file/logs: Not a dir"),
                          (f"native://{place.out}/file/", f"sinks.native.path: {place.out}/file/: Not a directory"),
                          (place.uri("file"), ""), (place.uri("new"), ""), (f"native://{place.out}/", ""),
                          ("file:///proc/log.jsonl", "sinks.file.path: make files in /proc: "),
                          (f"file:?directory={place.out}/new", ""), ("file:///dev/null", ""), ("console:", "")):
            r = execute([COLLECTOR, "--rings", place.rings, "--sink", uri, "--check"], status=0)
            err = r.err.decode()
            check((said in err and "looked at as uid" in err) if said else not err, f"{uri}: {err!r}")
        check(os.listdir(place.out) == ["file"], "a check makes nothing")


def a_state_directory_that_cannot_be_used_is_told_by_a_check():
    uri = "exec:///bin/cat"
    with Place() as place:
        file = place.file("file")
        open(file, "w", encoding="utf-8").close()
        for state, said in ((file, f"state_dir: {file} is not a directory"), (file + "/x", f"state_dir: {file}/x: Not a directory"),
                            (place.out + "/new/one", ""), (place.out, ""), ("/proc/new", "state_dir: make directory /proc/new: "),
                            ("/proc", "state_dir: /proc: ")): # where root may do all, and cannot
            for argv in (["--set", "state_dir=" + state], []):
                r = execute([COLLECTOR, "--rings", place.rings, "--sink", uri, "--check", *argv], status=0,
                            env={"FAPILOG_STATE_DIR": state})
                err = r.err.decode()
                check((said in err and "looked at as uid" in err) if said else not err, f"{state}: {err!r}")
                check("/proc" not in said or "state_dir or FAPILOG_STATE_DIR" in err, f"{state}: {err!r}")
            check(not os.path.exists(place.out + "/new"), "a check makes nothing")
        r = execute([COLLECTOR, "--rings", place.rings, "--sink", uri, "--check", "--set", "state_dir=x"], status=1)
        check("state_dir: 'x' is not an absolute path" in r.err.decode(), f"{r.err}")
        r = execute([COLLECTOR, "--rings", place.rings, "--sink", "console:", "--check", "--set", "state_dir=" + file], status=0)
        check(not r.err, f"nothing is kept there: {r.err}")


def a_program_that_cannot_be_run_is_told_before_there_are_records():
    with Place() as place:
        with open(place.file("text"), "w", encoding="utf-8"):
            pass
        for program, why in (("/no/such", "No such file"), (place.file("text"), "Permission denied"), (place.out, "not a file")):
            for argv in ["--check"], ["--drain"]:
                r = execute([COLLECTOR, "--rings", place.rings, "--sink", "exec://" + program, *argv], status=0,
                            env={"FAPILOG_STATE_DIR": place.path + "/state"})
                check(f"sinks.exec.path: {program} cannot be run: {why}" in r.err.decode(), f"{r.err}")
        r = execute([COLLECTOR, "--rings", place.rings, "--sink", "exec:///bin/cat", "--check"], status=0)
        check(not r.err, f"{r.err}")


def check_says_where_rings_and_spools_are():
    uri = "syslog://localhost"
    if "  syslog " not in execute([COLLECTOR, "--help"], status=0).out.decode():
        return
    with Place() as place:
        env = {"FAPILOG_RING_DIR": place.rings, "XDG_STATE_HOME": place.out, "STATE_DIRECTORY": place.out + "/unit"}
        text = execute([COLLECTOR, "--check", "--sink", uri], env=env, status=0).out.decode()
        check(f"rings = {place.rings}  # FAPILOG_RING_DIR\n" in text, text)
        check(f"state_dir = {place.out}/unit  # STATE_DIRECTORY\n" in text, text)
        text = execute([COLLECTOR, "--check", "--sink", uri, "--set", "state_dir=/x"], env=env, status=0).out.decode()
        check(text.count("state_dir = ") == 1 and "state_dir = /x" in text, text)
        text = execute([COLLECTOR, "--check", "--sink", "console:"], env=env, status=0).out.decode()
        check("state_dir" not in text, "nothing is kept there")


CUTS = "string_truncate: {max_string_length: 9}"
SEARCHES = "redact: {values: [card]}"


def a_cut_in_front_of_what_searches_texts_is_warned_of():
    with Place() as place:
        for stages, said in (
                ([CUTS, SEARCHES], "string_truncate cuts texts before redact searches them"),
                ([CUTS, "field_mask: {fields: [x]}", "url_credentials"], "string_truncate cuts texts before url_credentials"),
                (["redact: {fields: [x], max_string_length: 9}", "value_mask: {kinds: [card]}"],
                 "redact cuts texts before value_mask searches them"),
                ([SEARCHES, CUTS], None),
                ([CUTS, "field_mask: {fields: [x]}"], None), # which looks at names
                (["string_truncate", SEARCHES], None), # it cuts nothing
                (["size_guard: {max_bytes: 100}", SEARCHES], None)): # runs behind
            path = place.file("fapilog.yaml")
            with open(path, "w") as f:
                f.write("stages:\n" + "".join(f"  - {s}\n" for s in stages))
            for argv in ["--check"], ["--drain"]:
                text = execute([COLLECTOR, "--rings", place.rings, "--config", path, *argv], status=0).err.decode()
                check(said in text if said else "cuts texts" not in text, f"{stages}: {text}")


def a_secret_is_shown_nowhere():
    with Place() as place:
        path = configured(place, "sinks:\n  a: {{type: webhook, endpoint: 'http://h/', secret: {{env: HOOK_SECRET}}}}\n")
        known = execute([COLLECTOR, "--help"], status=0).out.decode()
        if "webhook" not in known:
            return
        r = execute([COLLECTOR, "--config", path, "--check"], env={"HOOK_SECRET": "hunter2"}, status=0)
        check("hunter2" not in r.text() and "sinks.a.secret = ***" in r.text(), r.text())


def a_secret_is_not_left_in_the_process_list():
    known = execute([COLLECTOR, "--help"], status=0).out.decode()
    if "webhook" not in known:
        return "SKIPPED: built without libcurl"
    with Place() as place, open(place.file("said"), "w+", encoding="utf-8") as said:
        path = configured(place, "flush_interval: 70ms\n")
        p = place.start([COLLECTOR, "--rings", place.rings, "--verbose", "--config", path,
                         "--sink", "http://u@127.0.0.1:9/in?name=a&batch_size=7&password=hunter2&compression=none",
                         "--set", "sinks.a.headers=X-Key=hunter4", "--set", "sinks.a.max_in_flight=9",
                         "--set", "sinks.a.proxy=http://p:hunter5@127.0.0.1:9"], stderr=said)

        def told():
            said.seek(0)
            return said.read()

        wait_for("it runs", lambda: "sinks a (http)" in told() or p.poll() is not None)
        with open(f"/proc/{p.pid}/cmdline", encoding="utf-8") as f:
            shown = f.read()
        check("hunter" not in shown, shown)
        for kept in ("http://u@127.0.0.1:9/in?name=a&batch_size=7&password=", "&compression=none", "sinks.a.headers=",
                     "sinks.a.max_in_flight=9", "sinks.a.proxy=http://p:"):
            check(kept in shown, f"{kept} is not in {shown}")
        configured(place, "flush_interval: 80ms\n")
        p.send_signal(signal.SIGHUP) # which reads the arguments again
        wait_for("it was read again", lambda: "flush_interval" in told() or p.poll() is not None)
        check("not taken over" not in told() and "sinks.a" not in told() and "sink a" not in told(), told())
        p.send_signal(signal.SIGTERM)
        check(p.wait(timeout=30) == 0, f"ended with {p.returncode}: {told()}")
    return ""


def an_option_that_is_emptied_is_shown():
    if not any(x.split()[:1] == [b"http"] for x in execute([COLLECTOR, "--help"], status=0).out.splitlines()):
        return "SKIPPED: built without libcurl"
    with Place() as place:
        path = configured(place, "sinks:\n  a: {{type: http, endpoint: 'http://h/', batch_wrapper_key: ''}}\n")
        r = execute([COLLECTOR, "--config", path, "--check"], status=0)
        shown = [x.split() for x in r.out.decode().splitlines()]
        check(["sinks.a.batch_wrapper_key", "=", '""', "#", f"{path}:2"] in shown, r.text())
        check("sinks.a.proxy_user" not in r.out.decode(), r.text()) # empty, and nobody has said so
        path = configured(place, "sinks:\n  a: {{type: http, endpoint: 'http://h/', "
                                 "batch_format: wrapped, batch_wrapper_key: ''}}\n")
        r = execute([COLLECTOR, "--config", path, "--check"], status=1)
        check("batch_wrapper_key: must not be empty with batch_format=wrapped" in r.text(), r.text())
    return ""


def every_preset_is_valid_with_what_is_built_in():
    kinds = execute([COLLECTOR, "--help"], status=0).out.decode().split("\nStages:\n")[1].split("\n\n")[0]
    has_redact = "\n  redact " in "\n" + kinds
    with Place() as place:
        for preset in ("dev", "production", "serverless", "hardened", "minimal"):
            needs_redact = preset in ("production", "serverless", "hardened")
            r = execute([COLLECTOR, "--rings", place.rings, "--preset", preset, "--check"],
                        status=0 if has_redact or not needs_redact else 1)
            check(r.status == 0 or "redact: no such stage" in r.err.decode(), r.text())
        if has_redact:
            cat(place, b"hello\n", "--field", "password=hunter2")
            r = execute([COLLECTOR, "--rings", place.rings, "--preset", "production", "--drain"], status=0)
            check("hello" in r.out.decode() and "hunter2" not in r.text(), r.text())


def sinks_that_others_name_get_what_a_preset_says_of_their_type():
    """A table is nothing that a service in production should make by itself, whoever named the sink."""
    if not has_postgresql():
        return "SKIPPED: built without libpq"
    with Place() as place:
        for preset, is_made in (("production", "false"), ("hardened", "false"), ("dev", "true"), ("serverless", "true")):
            source = f"preset {preset}" if is_made == "false" else "default"
            for uri, value, where in (("postgresql://h/d", is_made, source),
                                      ("postgresql://h/d?create_table=true", "true", "URI, --sink")):
                r = execute([COLLECTOR, "--rings", place.rings, "--preset", preset, "--sink", uri, "--check"], status=0)
                seen = [x.split() for x in r.out.decode().splitlines() if x.startswith("sinks.postgresql.create_table ")]
                check(seen == [f"sinks.postgresql.create_table = {value} # {where}".split()], f"{preset}, {uri}: {seen}")
    return ""


def names(count):
    return "[" + ", ".join(f"n{i}" for i in range(count)) + "]"


def pairs(count, value="x"):
    return "{" + ", ".join(f"n{i}: {value}" for i in range(count)) + "}"


def text(count):
    return "t" * count


LIMITS = [ # what is written, how much of it may be there, what is said of one more
    ("stages: [static: {fields: %s}]", pairs, 256, "more than 256 fields"),
    ("stages: [first_occurrence: {key_fields: %s}]", names, 16, "more than 16"),
    ("stages: [dedupe: {key_fields: %s}]", names, 16, "1..16"),
    ("stages: [regex_mask: {patterns: ['%s']}]", text, 2048, "longer than 2048 bytes"),
    ("routes: [%s]", lambda n: ", ".join(["{to: [console]}"] * n), 256, "more than 256 rules"),
    ("levels: %s", lambda n: pairs(n, "INFO"), 32, "more than 32 level rules"),
    ("admin: unix:%s", text, 107, "1..107 bytes"),
    ("sinks: {%s: 'console:'}", text, 47, "1..47 bytes"),
    ("sinks: {a: {type: syslog, transport: unix, path: %s}}", text, 107, "at most 107 bytes"),
    ("sinks: {a: {type: http, endpoint: 'http://h/', headers: %s}}", pairs, 16, "more than 16"),
    ("sinks: {a: {type: webhook, endpoint: 'http://h/', secret: %s}}", text, 1024, "longer than 1024 bytes"),
    ("sinks: {a: {type: loki, labels: %s, label_keys: []}}", pairs, 64, "allowed are 64"),
    ("sinks: {a: {type: loki, structured_metadata: %s}}", names, 16, "allowed are 16"),
    ("sinks: {a: {type: loki, tenant_id: %s}}", text, 150, "longer than 150 bytes"),
    ("sinks: {a: {type: cloudwatch, region: r, log_group_name: %s}}", text, 512, "1 to 512 letters"),
    ("sinks: {a: {type: cloudwatch, region: r, log_stream_name: %s}}", text, 512, "longer than 512 bytes"),
    ("sinks: {a: {type: postgresql, table_name: %s}}", text, 63, "1..63 bytes"),
    ("sinks: {a: {type: postgresql, schema_name: %s}}", text, 63, "1..63 bytes"),
    ("sinks: {a: {type: postgresql, extract_fields: %s}}", lambda n: names(n - 1)[:-1] + ", timestamp]", 32, "more than 32"),
]


def limits_are_exact_and_told():
    with Place() as place:
        path = place.file("config.yaml")
        for given, much, most, said in LIMITS:
            for count in (most, most + 1):
                with open(path, "w") as f:
                    f.write(given % much(count) + "\n")
                r = execute([COLLECTOR, "--rings", place.rings, "--config", path, "--check"],
                            status=0 if count == most else 1)
                check(count == most or said in r.err.decode(), f"{given}: {r.err.decode()[:1000]}")


def the_sample_is_a_configuration():
    with Place() as place:
        path = place.file("sample.yaml")
        with open(path, "wb") as f:
            f.write(execute([COLLECTOR, "--sample"], status=0).out)
        execute([COLLECTOR, "--config", path, "--check"], status=0)


def sample_sections(text):
    """What each part of the sample is without its '#', in its place: (name, configuration)."""
    above, name, found = [], "", []
    for line in text.splitlines():
        if line.startswith("# Every sink"):
            kind = "console" if "server" not in line else "http"
            above, name = ["sinks:", "  one:", f"    type: {kind}"] + ["    url: http://h"] * (kind == "http"), line
            found.append((name, list(above)))
            continue
        if line.startswith("# ") and not line.startswith("#  ") or not line:
            continue
        shown = line[1:] if line.startswith("#") else line
        depth = len(shown) - len(shown.lstrip(" "))
        if depth <= 2 and not shown.lstrip(" ").startswith("#"):
            if depth == 0:
                above, name = [], shown
            if depth == 0 or above in (["stages:"], ["sinks:"], ["routes:"]):
                found.append((shown, list(above)))
            if depth == 0 and shown in ("stages:", "sinks:", "routes:"):
                above = [shown]
        found[-1][1].append(shown)
    return [(name, "\n".join(lines) + "\n") for name, lines in found if lines[-1] not in ("stages:", "sinks:", "routes:")]


def each_part_of_the_sample_may_be_uncommented():
    """What is missing then is what no sample can know."""
    missing = re.compile(r"must be given|must not be empty|: required;|: needs ")
    sections = sample_sections(execute([COLLECTOR, "--sample"], status=0).out.decode())
    with Place() as place:
        path = place.file("part.yaml")
        for name, text in sections:
            with open(path, "w") as f:
                f.write(text)
            r = execute([COLLECTOR, "--rings", place.rings, "--config", path, "--check"], env={"NAME": "x"})
            wrong = [line for line in r.err.decode().splitlines() if not missing.search(line)]
            check(not wrong, f"{name}: {wrong}")
    check(len(sections) > 40, f"{len(sections)} parts")


def what_the_documentation_shows_is_valid():
    """Lists are the stages of a configuration. What this build has not got is not looked at."""
    blocks = 0
    with Place() as place:
        path = place.file("shown.yaml")
        for page in sorted(glob.glob(os.path.join(os.environ["FAPILOG_SOURCE"], "docs", "**", "*.md"), recursive=True)):
            with open(page) as f:
                found = re.findall(r"^```yaml\n(.*?)^```", f.read(), flags=re.S | re.M)
            for text in found:
                with open(path, "w") as f:
                    f.write("stages:\n" + text if text.startswith("- ") else text)
                r = execute([COLLECTOR, "--config", path, "--check"], env={"FAPILOG_RING_DIR": place.rings})
                check(r.status == 0 or "no such" in r.err.decode(), f"{page}: {text}: {r.err.decode()}")
                blocks += 1
    check(blocks >= 19, f"{blocks} examples")


def the_schema_knows_right_from_wrong():
    schema = json.loads(execute([COLLECTOR, "--schema"], status=0).out)
    try:
        import jsonschema
    except ImportError:
        print("without jsonschema: only that it is JSON", end=" ")
        return
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    right = {"flush_interval": "1s", "level": "INFO", "x-base": {"any": ["thing"]},
             "sinks": {"a": "console:", "b": {"type": "file", "path": "/x", "max_files": 3}},
             "routes": [{"levels": ["ERROR"], "to": ["a"]}], "routing": {"overlap": False}}
    check(not list(validator.iter_errors(right)), f"refused: {list(validator.iter_errors(right))}")
    for wrong in ({"flush_intervall": "1s"}, {"y-base": 1}, {"sinks": {"a": {"type": "file", "pth": "/x"}}},
                  {"sinks": {"a": {"type": "nope"}}}, {"routes": {"to": "a"}},
                  {"sinks": {"a": {"type": "file", "path": "/x", "sync": "sometimes"}}}):
        check(list(validator.iter_errors(wrong)), f"accepted: {wrong}")


if __name__ == "__main__":
    sys.exit(run([
        records_reach_the_sinks_of_the_file,
        routes_and_stages_of_the_file_are_followed,
        the_environment_overrides_the_file_and_the_command_line_the_environment,
        every_sink_has_variables_of_its_name,
        what_a_url_holds_comes_from_where_the_url_does,
        what_is_wrong_is_status_1_with_its_place, a_pipe_is_waited_for_and_read_once,
        a_dsn_that_libpq_cannot_read_is_refused_and_not_shown,
        a_misspelt_variable_is_told_of,
        check_tries_what_only_opening_a_stage_tells, a_format_that_a_sink_cannot_use_is_refused,
        two_sinks_on_one_file_are_refused_however_it_is_spelt,
        a_ring_directory_that_cannot_be_used_is_told,
        a_program_that_cannot_be_run_is_told_before_there_are_records, a_file_that_cannot_be_written_is_told_by_a_check,
        check_says_where_rings_and_spools_are,
        a_state_directory_that_cannot_be_used_is_told_by_a_check,
        a_cut_in_front_of_what_searches_texts_is_warned_of,
        a_secret_is_shown_nowhere, a_secret_is_not_left_in_the_process_list, an_option_that_is_emptied_is_shown,
        every_preset_is_valid_with_what_is_built_in, sinks_that_others_name_get_what_a_preset_says_of_their_type,
        limits_are_exact_and_told,
        the_sample_is_a_configuration,
        each_part_of_the_sample_may_be_uncommented,
        what_the_documentation_shows_is_valid,
        the_schema_knows_right_from_wrong,
    ]))
