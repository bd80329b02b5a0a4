#!/usr/bin/env python3
"""The oracle of the chaos worlds sees each kind of fault, told by name, and none where there is none."""
import http.client
import json
import os
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "common")]
os.environ.setdefault("FAPILOG_COLLECTOR", "")
os.environ.setdefault("FAPILOG_LOAD", "")
import apart  # noqa: E402
import books  # noqa: E402
import notes  # noqa: E402
import servers  # noqa: E402
import world  # noqa: E402
from harness import check, run, wait_for  # noqa: E402

SEED, PID, N = 7, 4711, 40


def noted(outcomes=None, on_full="discard"):
    """One process with two threads that have logged N records each; `outcomes` by key, where it was not accepted."""
    rows = [[(outcomes or {}).get((1, t, n), notes.ACCEPTED) for n in range(N)] for t in range(2)]
    return {1: notes.Notes(1, PID, on_full, [bytes(row) for row in rows])}


def record(t, n, length=5, **other):
    level = notes.level_of(SEED, (1, t, n))
    data = {"p": 1, "t": t, "n": n, "len": length, "text": notes.text_of(n, length), **other}
    event = {"message": "chaos", "level": level, "context": {"message_id": f"id-{t}-{n}"}, "data": data}
    return books.read_event({"log": event})


def report(count, total, lane=4):
    return books.Report(PID, lane, count, total)


def everything(leave_out=()):
    return [record(t, n) for n in range(N) for t in range(2) if (1, t, n) not in leave_out]


def told(outputs, process, was_killed=False):
    return books.balance(outputs, process, SEED, was_killed)


def file_with(*chunks):
    return [books.Output("file", chunks)]


def remote(*requests, **options):
    """Each request is records, or (records, life, whether it is unsure)."""
    taken = [servers.Taken(r[1], r[0], r[2]) if isinstance(r, tuple) else servers.Taken(1, r) for r in requests]
    return [books.Remote("http", taken, **{"max_in_flight": 1, **options})]


def sees(text, what, times=1):
    check(len(text) == times and all(what in t for t in text), f"not '{what}': {text}")


def balanced_books_are_told_as_such():
    check(not told(file_with(everything()), noted()), "a file")
    check(not told(file_with(everything()[50:], everything()[:50]), noted()), "two files, whichever is older")
    check(not told(remote(everything()), noted()), "a server")
    lost = {(1, 0, 7): notes.REFUSED, (1, 1, 9): notes.LOGGED, (1, 1, 10): notes.LOGGED}
    gone = {(1, 0, 7), (1, 1, 9)}
    check(not told(file_with([report(2, 2), *everything(gone)]), noted(lost)), "a file, and records that the ring refused")
    check(not told(remote([report(1, 1)], [report(2, 2), *everything(gone)]), noted(lost)), "reports that overlap")


def a_lost_record_is_seen():
    sees(told(file_with(everything({(1, 1, 3)})), noted()), "accepted records are lost: 1 (1/1/3)")
    sees(told(remote(everything({(1, 1, 3)})), noted()), "accepted records are lost: 1 (1/1/3)")
    sees(told([books.Output("native", [everything({(1, 1, 3)})], is_ordered=False, has_reports=False)], noted()), "are lost")


def a_record_that_is_there_twice_is_seen():
    sees(told(file_with([*everything(), record(1, N - 1)]), noted()), "are there twice: 1 (1/1/39)")
    sees(told(file_with(everything(), [record(1, N - 1)]), noted()), "are there twice: 1")


def a_file_that_another_goes_on_with_may_repeat_its_end():
    again = [books.Output("file", [everything()[:50], everything()[40:]])]
    sees(told(again, noted()), "file", times=2)  # twice, and out of order
    again[0].is_resumed_elsewhere = True
    check(not told(again, noted()), "in the next one")
    again[0].chunks[0].append(record(1, 24))
    sees(told(again, noted()), "are there twice: 1 (1/1/24)")
    again[0].chunks = [everything()[:50], everything()[40:], everything()[49:50]]
    sees(told(again, noted()), "are there twice: 1 (1/1/24)")


def records_out_of_order_are_seen():
    swapped = everything()
    swapped[10], swapped[12] = swapped[12], swapped[10]
    sees(told(file_with(swapped), noted()), "out of order: 1 (1/0/5)")
    rest = everything({(1, 0, 5)})
    sees(told(file_with(rest, [record(0, 5)]), noted()), "out of order: 1 (1/0/5)")
    late = noted()
    late[1].ordered_up_to = 4  # all of these texts are longer
    check(not told(file_with(swapped), late), "records that may overtake")


def away(*absences):
    output, other = books.Output("file", [everything({(1, 0, 7), (1, 1, 8)})]), remote(everything({(1, 0, 7), (1, 1, 8)}))[0]
    output.absences = other.absences = list(absences)
    return [output], [other]


def what_a_sink_missed_for_no_absence_is_seen():
    back = {(1, 0): 9, (1, 1): 9}
    for outputs in away(books.Absence(set(), {}, back)):
        check(not told(outputs, noted()), "all of it while it was not there")
    for outputs in away(books.Absence({(1, 0, 7)}, {}, back)):
        sees(told(outputs, noted()), "accepted records are lost: 1 (1/0/7)")
    for outputs in away(books.Absence(set(), {}, {**back, (1, 1): 8})):
        sees(told(outputs, noted()), "accepted records are lost: 1 (1/1/8)")


def what_came_and_went_without_a_sink_must_not_be_there():
    for outputs in away(books.Absence(set(), {}, {(1, 0): 9, (1, 1): 9}, {(1, 0, 7), (1, 0, 8)})):
        sees(told(outputs, noted()), "it has them: 1 (1/0/8)")


def a_torn_record_is_seen():
    torn = everything({(1, 0, 3)})
    for half in (record(0, 3, text="ddd"), record(0, 3, text="ddddx")):
        sees(told([books.Output("file", [[*torn, half]], is_ordered=False)], noted()), "are torn: 1 (1/0/3)")
        sees(told(remote([*torn, half]), noted()), "are torn")


def an_invented_record_is_seen():
    sees(told(file_with([*everything(), record(0, N)]), noted()), "were never logged: 1 (1/0/40)")
    refused = noted({(1, 0, 7): notes.REFUSED})
    sees(told(file_with([report(1, 1), *everything()]), refused), "were refused when they were logged: 1")


def a_loss_that_no_report_tells_is_seen():
    for lost in ({(1, 0, 7): notes.REFUSED}, {(1, 0, 7): notes.LOGGED}):
        sees(told(file_with(everything({(1, 0, 7)})), noted(lost)), "1 are not there")
        sees(told(remote(everything({(1, 0, 7)})), noted(lost)), "1 are not there")
    overwritten = noted(on_full="overwrite")
    sees(told(file_with(everything({(1, 0, 0)})), overwritten), "1 are not there")
    check(not told(file_with([report(1, 1), *everything({(1, 0, 0)})]), overwritten), "what was overwritten and told")


def a_report_of_what_was_not_lost_is_seen():
    sees(told(file_with([report(3, 3), *everything()]), noted()), "reports tell of 3, but 0 are not there")
    check(not told(file_with([report(1, 1), *everything()]), noted(on_full="overwrite"), was_killed=True), "after a kill")
    killed = noted({(1, 0, N - 1): notes.BEGUN})
    check(not told(file_with([report(1, 1), *everything({(1, 0, N - 1)})]), killed), "a record that was begun counts as either")


def what_a_sink_gives_up_must_be_in_the_ledger():
    gone = {(1, 1, 3), (1, 1, 4)}
    check(not told(remote(everything(gone), given_up=2), noted()), "two given up, two told")
    text = told(remote(everything(gone), given_up=1), noted())
    check(any("the ledgers tell of 1" in t for t in text), f"{text}")
    check(not told(remote(everything(gone), dead=[record(*key[1:]) for key in gone]), noted()), "dead letters")
    refused = noted({(1, 0, 7): notes.REFUSED})
    check(not told(remote(everything({(1, 0, 7)}), dead=[report(1, 1)]), refused), "a report that is a dead letter")
    check(not told(remote(everything(gone), given_up=None), noted()), "killed with what was in memory")


def only_what_was_under_way_comes_twice():
    first, second, rest = everything()[:10], everything()[10:20], everything()[20:]
    sees(told(remote(first, second, first, rest), noted()), "came twice from one collector that had its answer: 10")
    check(not told(remote((first, 1, True), second, first, rest), noted()), "the answer was lost")
    check(not told(remote(first, (second, 1, False), (second, 2, False), (rest, 2, False)), noted()), "in flight at a kill")
    text = told(remote(first, second, (first, 2, False), (second, 2, False), (rest, 2, False)), noted())
    sees(text, "2 requests of collector 1 came again, and at most 1")
    other = record(0, 0)
    other.id = "another"
    sees(told(remote((first, 1, True), [other], second, rest), noted()), "different ids: 1 (1/0/0)")


def a_request_that_its_client_gave_up_may_come_late():
    first, second, rest = everything()[:10], everything()[10:20], everything()[20:]
    check(not told(remote(first, second, (first, 1, True), rest), noted()), "after the one that was sent instead")
    sees(told(remote(first, second, (first, 1, True), first, rest), noted()), "had its answer: 10")
    late = [(first, 1, True), (second, 1, True)]
    check(not told(remote((first, 2, False), (second, 2, False), *late, (rest, 2, False)), noted()), "of a dead collector")
    text = told(remote((first, 2, False), (second, 2, False), late[0], (first, 2, False), (rest, 2, False)), noted())
    sees(text, "had its answer: 10")


def answered(rejected, lost, *more, dead=(), given_up=None):
    first = servers.Taken(1, everything(rejected | lost), False, [record(*key[1:]) for key in rejected],
                          [record(*key[1:]) for key in lost])
    return [books.Remote("otlp", [first, *more], dead=[record(*key[1:]) for key in dead], max_in_flight=1,
                         given_up=len(lost) if given_up is None else given_up)]


def what_a_partial_answer_rejects_is_a_dead_letter_and_not_sent_again():
    gone = {(1, 0, 3), (1, 1, 3)}
    check(not told(answered(gone, set(), dead=gone), noted()), "dead letters")
    check(not told(answered(set(), gone), noted()), "only their number was told")
    for told_of in (0, 2): # the answer did not arrive; it did, and something else is not there
        sees(told([books.Remote("otlp", [servers.Taken(1, everything(gone | {(1, 1, 5)}), lost=[record(*key[1:]) for key in gone])],
                                max_in_flight=1, given_up=told_of)], noted()), "accepted records are lost: 1 (1/1/5)")
    sees(told(answered(gone, set(), dead={(1, 0, 3)}), noted()), "accepted records are lost: 1 (1/1/3)")
    doomed = [servers.Taken(1, [], False, [record(*key[1:])]) for key in gone]
    again = servers.Taken(2, [], False, [record(*key[1:]) for key in gone])
    killed = [books.Remote("otlp", [servers.Taken(1, everything(gone)), *doomed, again],
                           dead=[record(*key[1:]) for key in gone], max_in_flight=1)]
    check(not told(killed, noted()), "killed before the dead letters were on disk")
    for answer in (answered(gone, set(), servers.Taken(1, [record(0, 3)]), dead=gone),
                   answered(set(), gone, servers.Taken(1, [record(0, 3)]))):
        sees(told(answer, noted()), "came twice from one collector that had its answer: 1 (1/0/3)")


def a_record_where_it_is_not_wanted_is_seen():
    errors = [r for r in everything() if r.level == "ERROR"]
    check(not told([books.Output("file", [errors], levels=("ERROR",), has_reports=False)], noted()), "only errors")
    text = told([books.Output("file", [everything()], levels=("ERROR",), has_reports=False)], noted())
    sees(text, "of a level that does not go there")


def bodies_and_messages_are_read():
    event = {"message": "chaos", "level": "INFO", "context": {"message_id": "i"}, "data": {"p": 1, "t": 0, "n": 2, "len": 0}}
    text = json.dumps(event)
    for body in (text, f"[{text}]", json.dumps({"streams": [{"stream": {}, "values": [["1", text]]}]}), f"{text}\n{text}"):
        keys = [books.read_event(e).key for e in servers.events_of(body.encode())]
        check(keys in ([(1, 0, 2)], [(1, 0, 2)] * 2), f"{body}: {keys}")
    value = {"p": 1, "t": 0, "n": 2, "len": 0, "log.record.uid": "i"}
    otlp = {"body": {"stringValue": "chaos"}, "severityText": "INFO", "attributes": [
        {"key": k, "value": {"intValue": str(v)} if isinstance(v, int) else {"stringValue": v}} for k, v in value.items()]}
    resource = {"attributes": [{"key": "process.pid", "value": {"intValue": "12"}}]}
    for body in (otlp, {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [otlp]}]}]},
                 {"logEvents": [{"timestamp": 1, "message": text}]}):
        read, = map(books.read_event, servers.events_of(json.dumps(body).encode()))
        check(read.key == (1, 0, 2) and read.id == "i", f"{body}: {vars(read)}")
    params = 'record="r-1" level="INFO" p="1" t="0" n="2" len="0" text=""'
    message = f"<14>1 2026-11-21T08:37:04.1Z vm1 chaos 12 - [fapilog@32473 {params}] chaos"
    both, rest = servers.split_octets(f"{len(message)} {message}{len(message)} {message[:9]}".encode())
    check(both == [message] and rest.endswith(message[:9].encode()), f"{both} {rest}")
    read = books.read_event(servers.syslog_event(message))
    check(read.key == (1, 0, 2) and read.id == "r-1" and read.is_whole, f"{vars(read)}")


def post(connection, n, is_answered=True):
    connection.request("POST", "/", json.dumps({"message": "chaos", "level": "INFO", "data": {"p": 1, "t": 0, "n": n}}))
    if is_answered:
        check(connection.getresponse().read() == b"{}", "an answer")


def a_frozen_server_takes_what_came_meanwhile_and_is_not_sure_of_it():
    with tempfile.TemporaryDirectory() as directory:
        server = apart.Apart("http", 0, os.path.join(directory, "taken"))
        try:
            before, meanwhile = (http.client.HTTPConnection("127.0.0.1", server.port, timeout=20) for _ in range(2))
            post(before, 0)
            wait_for("it is written down", lambda: server.taken and not server.taken[0].is_unsure)
            server.freeze()
            post(meanwhile, 1, is_answered=False)
            server.next_life()
            meanwhile.close()
            after = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            post(after, 2, is_answered=False)
            server.thaw()
            check(after.getresponse().read() == b"{}", "an answer")
            for connection, n in ((before, 3), (after, 4)):
                post(connection, n)
            wait_for("the late ones", lambda: len(server.taken) == 5 and not server.taken[4].is_unsure)
            found = {request.records[0]["data"]["n"]: (request.life, request.is_unsure) for request in server.taken}
            check(found == {0: (0, False), 1: (0, True), 2: (1, True), 3: (0, True), 4: (1, False)}, f"{found}")
            for connection in (before, after):
                connection.close()
        finally:
            server.close()


def a_seed_makes_one_world():
    for seed in range(200):
        check(list(world.make(seed).lines()) == list(world.make(seed).lines()), f"{seed}")
    check(len({"\n".join(world.make(seed).lines()) for seed in range(200)}) == 200, "seeds make the same world")


if __name__ == "__main__":
    sys.exit(run([balanced_books_are_told_as_such, a_lost_record_is_seen, a_record_that_is_there_twice_is_seen,
                  a_file_that_another_goes_on_with_may_repeat_its_end,
                  records_out_of_order_are_seen, what_a_sink_missed_for_no_absence_is_seen,
                  what_came_and_went_without_a_sink_must_not_be_there, a_torn_record_is_seen, an_invented_record_is_seen,
                  a_loss_that_no_report_tells_is_seen, a_report_of_what_was_not_lost_is_seen,
                  what_a_sink_gives_up_must_be_in_the_ledger, only_what_was_under_way_comes_twice,
                  a_request_that_its_client_gave_up_may_come_late,
                  what_a_partial_answer_rejects_is_a_dead_letter_and_not_sent_again,
                  a_record_where_it_is_not_wanted_is_seen, bodies_and_messages_are_read,
                  a_frozen_server_takes_what_came_meanwhile_and_is_not_sure_of_it, a_seed_makes_one_world]))
