/* fapilog-dump on spools, dead letters and the ledger, as a user runs it. */
#include "tests/unit/io-probe.h"

#include "collector/delivery/deadletter.h"
#include "collector/delivery/ledger.h"
#include "lib/base/check.h"
#include "tests/common/fake_remote.h"

#include <sys/wait.h>

static struct fake fake;
static struct fake *const f = &fake;
static const char *dump;
static char out[16384];

/* Runs fapilog-dump; its exit code, and what it printed in `out`. */
static int run(const char *options, const char *below)
{
    char command[512];
    (void)snprintf(command, sizeof command, "%s %s %s/%s 2>&1", dump, options, f->state, below);
    FILE *p = popen(command, "re");
    CHECK(p != NULL);
    out[fread(out, 1, sizeof out - 1, p)] = '\0';
    const int status = pclose(p);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool refuse_and_fail(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g;
    *a = (struct sink_result){ .outcome = SINK_RETRY, .status = 503, .reason = "busy" };
    for (uint32_t i = 0; i < q->count; i++) {
        if (fake_number(q->entry[i]) == 1) {
            a->outcome = SINK_REFUSED;
            a->status = 400;
            (void)snprintf(a->reason, sizeof a->reason, "no \"such\" field");
        }
    }
    return true;
}

static int setup(void **state)
{
    const struct io_config io = { .kind = IO_PLAIN, .queue_depth = 16 };
    struct fake_ticket t;
    struct err e;
    (void)state;
    fake_init(f, &io);
    f->script = refuse_and_fail;
    assert_int_equal(fake_start(f, &e), 0);
    fake_put(f, 3, 20, &t);
    fake_until(f, NS_PER_S, fake_stats(f).dead == 1);
    remote_relieve(f->r);
    fake_until(f, NS_PER_S, t.settled);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_done(f);
    return 0;
}

static void entries_are_shown_as_lines(void **state)
{
    (void)state;
    assert_int_equal(run("", "spool/fake"), 0);
    assert_non_null(strstr(out, "\"payload\":\"record 0 "));
    assert_non_null(strstr(out, "\"id\":\"07000000-0000-0000-0000-000000000000-2-0-10\""));
    assert_null(strstr(out, "record 1"));
    assert_int_equal(run("", "dead/fake"), 0);
    assert_non_null(strstr(out, "\"attempts\":1,\"status\":400,\"reason\":\"no \\\"such\\\" field\""));
    assert_non_null(strstr(out, "record 1"));
    assert_int_equal(run("--level ERROR", "dead/fake"), 0);
    assert_string_equal(out, "");
}

/* Letters among the five characters, digits in front, and what other sinks mean by such a number. */
static void a_sqlstate_has_its_five_characters(void **state)
{
    static const struct { const char *format, *state, *shown; } rows[] = {
        { "postgresql/own", "42P01", "\"status\":\"42P01\"," }, { "postgresql/own", "08006", "\"status\":\"08006\"," },
        { "postgresql/own", "0", "\"status\":0," }, { "http/fapilog", "42P01", "\"status\":6844177," },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char dir[FAKE_PATH + 16];
        struct deadletter *d;
        struct err e;
        (void)snprintf(dir, sizeof dir, "%s/dead/state%zu", f->state, i);
        struct parcel *p = fake_parcel(f, 1, 20);
        const struct deadletter_config cfg = { .io = f->io, .dir = dir, .sink = "x", .format = rows[i].format,
                                               .delivery = &f->sink->delivery };
        const struct deadletter_why why = { .status = (int)strtol(rows[i].state, NULL, 36), .reason = "no" };
        assert_int_equal(deadletter_open(&cfg, &d, &e), 0);
        assert_int_equal(deadletter_put(d, entry_at(p->data, p->bytes), 1, &why), 0);
        assert_int_equal(deadletter_write(d), 0);
        while (deadletter_poll(d) == -EAGAIN)
            assert_true(io_turn(f->io, UINT64_MAX) >= 0);
        deadletter_close(d);
        parcel_unref(p);
        assert_int_equal(run("", dir + strlen(f->state) + 1), 0);
        if (!strstr(out, rows[i].shown))
            fail_msg("%s: %s", rows[i].shown, out);
    }
}

static void damage_is_found_and_told(void **state)
{
    char path[FAKE_PATH + 64];
    (void)state;
    assert_int_equal(run("--verify", "spool/fake"), 0);
    assert_non_null(strstr(out, "good, spool, "));
    assert_non_null(strstr(out, " 2 records"));
    assert_int_equal(run("--stats", "dead/fake"), 0);
    assert_non_null(strstr(out, "good, dead letters, 1 blocks, 1 records"));
    (void)snprintf(path, sizeof path, "%s/dead/fake/%016x.dead", f->state, 1);
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "?", 1, 300), 1); /* inside the block */
    (void)close(fd);
    assert_int_equal(run("--verify", "dead/fake"), 1);
    assert_non_null(strstr(out, "DAMAGED"));
}

/* Images for which no file could be made yet. */
static void what_waits_in_the_journal_is_shown(void **state)
{
    char path[FAKE_PATH + 64];
    struct fake_ticket t;
    (void)state;
    struct err e;
    fake_stop(f);
    assert_int_equal(fake_start(f, &e), 0);
    (void)snprintf(path, sizeof path, "%s/spool/fake/%016x.spool", f->state, 2);
    assert_int_equal(mkdir(path, 0700), 0); /* where the next file would be */
    fake_put_parcel(f, fake_image(f, 5, 20), &t);
    fake_until(f, 0, t.settled);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(run("--verify", "spool/fake"), 0);
    assert_non_null(strstr(out, "/journal: good, journal, 1 blocks, 5 records"));
    assert_int_equal(run("", "spool/fake"), 0);
    assert_non_null(strstr(out, "xxxxxxxxxxxxxxxxxxxx")); /* the message of an image's record */
    assert_int_equal(run("--stats", "spool/fake/journal"), 0);
    assert_non_null(strstr(out, "sink fake (fake/own)"));
}

static void directories_of_all_sinks_are_read_one_after_the_other(void **state)
{
    char path[2 * FAKE_PATH + 64];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/spool/other", f->state);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "cp %s/spool/fake/*.spool %s/spool/other/", f->state, f->state);
    assert_int_equal(system(path), 0);
    assert_int_equal(run("", "spool"), 0);
    const char *first = strstr(out, "\"payload\":\"record 0 ");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "\"payload\":\"record 0 ")); /* of the other one */
    assert_int_equal(run("--stats", "spool/"), 0);
    if (!strstr(out, "/fake/") || !strstr(out, "/other/"))
        fail_msg("%s", out);
    assert_int_equal(run("--verify", "dead"), 0);
    assert_non_null(strstr(out, "good, dead letters, 1 blocks, 1 records"));
    (void)snprintf(path, sizeof path, "%s/spool/a.txt", f->state);
    const int fd = open(path, O_CREAT | O_WRONLY, 0600); /* now it is something else */
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(run("--stats", "spool"), 1);
    assert_non_null(strstr(out, "no rings and no native files in"));
    assert_int_equal(run("--verify", "spool"), 1);
    assert_non_null(strstr(out, "nothing to check"));
}

/* As long as every server takes what it gets. */
static void where_nothing_waits_it_is_said(void **state)
{
    static const char *const below[] = { "spool", "dead", "spool/other", "dead/other" };
    char path[2 * FAKE_PATH + 64];
    struct ledger *l;
    struct err e;
    (void)state;
    fake_stop(f);
    (void)snprintf(path, sizeof path, "rm -r %s/spool/fake %s/dead/fake", f->state, f->state);
    assert_int_equal(system(path), 0);
    assert_int_equal(ledger_open(f->state, &l, &e), 0);
    ledger_close(l);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s/other", f->state, below[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(below); i++) {
        assert_int_equal(run("", below[i]), 0);
        if (!strstr(out, "fapilog-dump: ") || !strstr(out, "/other: empty\n"))
            fail_msg("%s: %s", below[i], out);
        assert_int_equal(run("--stats", below[i]), 0);
        if (strstr(out, "fapilog-dump: ") || !strstr(out, "/other: empty\n"))
            fail_msg("%s: %s", below[i], out);
    }
    assert_int_equal(fake_start(f, &e), 0); /* for the teardown */
}

static void who_asks_a_ledger_for_records_is_told_where_they_are(void **state)
{
    struct ledger *l;
    struct err e;
    (void)state;
    assert_int_equal(ledger_open(f->state, &l, &e), 0);
    ledger_close(l);
    assert_int_equal(run("", ""), 2);
    if (!strstr(out, "/spool (what waits for servers)") || !strstr(out, "/dead (what they refused)") ||
        !strstr(out, "--stats"))
        fail_msg("%s", out);
}

static void the_books_are_shown(void **state)
{
    static struct ledger_page page;
    struct ledger *l;
    struct err e;
    (void)state;
    assert_int_equal(ledger_open(f->state, &l, &e), 0);
    page.sinks_count = 1;
    const struct remote_stats stats = { .taken = 3, .dead = 1, .spooled_records = 2 };
    ledger_sink_fill(&page.sink[0], "fake", &stats);
    assert_int_equal(ledger_store(l, &page, NULL), 0);
    assert_int_equal(run("--stats", ""), 0);
    assert_non_null(strstr(out, "The books balance."));
    page.sink[0].taken++;
    assert_int_equal(ledger_store(l, &page, NULL), 0);
    ledger_close(l);
    assert_int_equal(run("--stats", LEDGER_FILE), 0);
    assert_non_null(strstr(out, "OUT OF BALANCE"));
    assert_int_equal(run("", LEDGER_FILE), 2);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run("--follow", "spool/fake"), 2);
    assert_int_equal(run("--format pretty", "dead/fake"), 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_are_shown_as_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sqlstate_has_its_five_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_found_and_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_in_the_journal_is_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(directories_of_all_sinks_are_read_one_after_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(where_nothing_waits_it_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(who_asks_a_ledger_for_records_is_told_where_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(the_books_are_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_refused, setup, teardown),
    };
    CHECK(argc == 2);
    dump = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
