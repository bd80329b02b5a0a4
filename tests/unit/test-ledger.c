/* The ledger and the directory that it lies in. */
#include "tests/unit/io-probe.h"

#include "collector/delivery/ledger.h"
#include "collector/delivery/state_dir.h"
#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <signal.h>
#include <sys/wait.h>

static char dir[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/fapilog-ledger-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char path[128];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/" LEDGER_FILE, dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/" STATE_DIR_LOCK, dir);
    (void)unlink(path);
    return rmdir(dir);
}

static struct ledger_page page, back;

static void fill(uint64_t n)
{
    memset(&page, 0, sizeof page);
    page.rings = (struct ledger_rings){ .written = 10 * n, .committed = 7 * n, .pending = 2 * n, .dropped = n };
    page.sinks_count = page.stages_count = 1;
    ledger_sink_fill(&page.sink[0], "loki", &(struct remote_stats){ .taken = 8 * n, .delivered = n, .dropped_full = n,
        .dropped_spool_size = n, .dropped_spool_age = n, .dropped_refused = n, .dead = n, .queued_records = n,
        .spooled_records = n });
    page.stage[0] = (struct ledger_stage){ .name = "level", .seen = 10 * n, .dropped = n };
}

static void what_was_stored_is_read_back_and_balances(void **state)
{
    struct ledger *l;
    struct err e;
    (void)state;
    assert_int_equal(ledger_open(dir, &l, &e), 0);
    assert_int_equal(ledger_read(dir, &back, &e), -EBADMSG);
    for (uint64_t n = 1; n < 10; n++) {
        fill(n);
        assert_int_equal(ledger_store(l, &page, &e), 0);
        assert_int_equal(ledger_read(dir, &back, &e), 0);
        assert_memory_equal(&page, &back, sizeof page);
        assert_true(ledger_balances(&back));
    }
    page.sink[0].delivered--;
    assert_false(ledger_balances(&page));
    page.sink[0].delivered++;
    page.rings.pending++;
    assert_false(ledger_balances(&page));
    ledger_close(l);
}

/* Killed between a page and its hash, the page before is what counts. */
static void killed_inside_a_store_the_page_before_stays(void **state)
{
    struct err e;
    int status;
    (void)state;
    const pid_t pid = fork();
    if (pid == 0) {
        struct ledger *l;
        (void)setenv("FAPILOG_FAULT", "ledger-unhashed:6", 1);
        CHECK(fault_init() == 0 && ledger_open(dir, &l, &e) == 0);
        for (uint64_t n = 1;; n++) {
            fill(n);
            assert_int_equal(ledger_store(l, &page, &e), 0);
        }
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(ledger_read(dir, &back, &e), 0);
    assert_int_equal(back.sequence, 5);
    assert_int_equal(back.pid, pid);
    assert_int_equal(back.sink[0].taken, 40);
    assert_true(ledger_balances(&back));
    struct ledger *l; /* the next run goes on */
    assert_int_equal(ledger_open(dir, &l, &e), 0);
    fill(1);
    assert_int_equal(ledger_store(l, &page, &e), 0);
    assert_int_equal(ledger_read(dir, &back, &e), 0);
    assert_int_equal(back.sequence, 6);
    ledger_close(l);
}

static void a_flipped_bit_never_gives_false_books(void **state)
{
    struct ledger *l;
    struct err e;
    (void)state;
    assert_int_equal(ledger_open(dir, &l, &e), 0);
    fill(1);
    assert_int_equal(ledger_store(l, &page, &e), 0);
    struct ledger_page first = page;
    fill(2);
    assert_int_equal(ledger_store(l, &page, &e), 0);
    ledger_close(l);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/" LEDGER_FILE, dir);
    const int fd = open(path, O_RDWR);
    for (off_t at = 0; at < (off_t)(64 + 2 * sizeof page); at += 7) {
        char c, flipped;
        assert_int_equal(pread(fd, &c, 1, at), 1);
        flipped = (char)(c ^ 1 << at % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        if (ledger_read(dir, &back, &e) == 0)
            assert_true(memcmp(&back, &page, sizeof page) == 0 || memcmp(&back, &first, sizeof first) == 0);
        assert_int_equal(pwrite(fd, &c, 1, at), 1);
    }
    (void)close(fd);
}

static void assert_chosen(const char *given, const char *path, const char *source)
{
    char chosen[PATH_MAX];
    const char *from;
    struct err e;
    assert_int_equal(state_dir_choose(given, chosen, &from, &e), 0);
    assert_string_equal(chosen, path);
    assert_string_equal(from, source);
}

static void the_state_directory_is_the_first_that_is_set(void **state)
{
    char chosen[PATH_MAX];
    const char *from;
    struct err e;
    (void)state;
    (void)setenv("FAPILOG_STATE_DIR", "/a", 1);
    (void)setenv("STATE_DIRECTORY", "/b:/c", 1);
    (void)setenv("XDG_STATE_HOME", "/d", 1);
    (void)setenv("HOME", "/e", 1);
    assert_chosen("/f", "/f", "state_dir");
    assert_chosen("", "/a", "FAPILOG_STATE_DIR");
    (void)unsetenv("FAPILOG_STATE_DIR");
    assert_chosen(NULL, "/b", "STATE_DIRECTORY");
    (void)unsetenv("STATE_DIRECTORY");
    if (geteuid() == 0) {
        assert_chosen(NULL, "/var/lib/fapilog", "the default for root");
        assert_int_equal(seteuid(65534), 0);
    }
    assert_chosen(NULL, "/d/fapilog", "XDG_STATE_HOME");
    (void)unsetenv("XDG_STATE_HOME");
    assert_chosen(NULL, "/e/.local/state/fapilog", "HOME");
    (void)unsetenv("HOME");
    assert_int_equal(state_dir_choose(NULL, chosen, &from, &e), -ENOENT);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(state_dir_choose("relative", chosen, &from, &e), -EINVAL);
}

/* What the start would say, without making anything. */
static void a_state_directory_can_be_tried(void **state)
{
    struct err e, told;
    char below[256];
    (void)state;
    (void)snprintf(below, sizeof below, "%s/a/b/", dir);
    assert_int_equal(state_dir_try(dir, &e), 0);
    assert_int_equal(state_dir_try(below, &e), 0);
    assert_int_equal(access(below, F_OK), -1);
    assert_int_equal(state_dir_try("/dev/null", &e), -ENOTDIR);
    assert_int_equal(state_dir_make("/dev/null", &told), -ENOTDIR);
    assert_string_equal(e.text, told.text);
    assert_int_equal(state_dir_try("/dev/null/a", &e), -ENOTDIR);
    /* Where nobody can make anything, whatever his rights. */
    assert_true(state_dir_try("/proc/none", &e) < 0);
    assert_true(state_dir_make("/proc/none", &told) < 0);
    if (getuid() == 0)
        assert_string_equal(e.text, told.text);
    assert_true(state_dir_try("/proc", &e) < 0);
    assert_int_equal(chmod(dir, 0500), 0);
    if (getuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    const int there = state_dir_try(dir, &e), not_there = state_dir_try(below, &e);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(dir, 0700), 0);
    assert_int_equal(there, -EACCES);
    assert_int_equal(not_there, -EACCES);
    assert_non_null(strstr(e.text, "state_dir: "));
}

static void a_state_directory_has_one_collector(void **state)
{
    struct err e;
    char pid[24];
    (void)state;
    assert_int_equal(state_dir_make(dir, &e), 0);
    const int fd = state_dir_lock(dir, &e);
    assert_true(fd >= 0);
    assert_int_equal(state_dir_lock(dir, &e), -EBUSY);
    (void)snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    assert_non_null(strstr(e.text, pid));
    (void)close(fd);
    const int again = state_dir_lock(dir, &e);
    assert_true(again >= 0);
    (void)close(again);
    assert_int_equal(state_dir_make("/dev/null", &e), -ENOTDIR);
}

static void one_that_is_cut_while_it_is_in_use_is_made_again(void **state)
{
    struct ledger *l;
    struct err e;
    char path[128];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/" LEDGER_FILE, dir);
    assert_int_equal(ledger_open(dir, &l, &e), 0);
    for (uint64_t n = 1; n < 4; n++) {
        fill(n);
        assert_int_equal(ledger_store(l, &page, &e), 0);
        const int64_t started_ns = page.started_ns;
        assert_int_equal(truncate(path, n == 2 ? 5000 : 0), 0);
        if (n == 3) /* and as long as before */
            assert_int_equal(truncate(path, sizeof(struct ledger_map)), 0);
        fill(n);
        assert_int_equal(ledger_store(l, &page, &e), 1);
        assert_non_null(strstr(e.text, "was cut"));
        assert_int_equal(ledger_read(dir, &back, &e), 0);
        assert_memory_equal(&page, &back, sizeof page);
        assert_int_equal(back.started_ns, started_ns);
    }
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* it cannot be made */
    assert_true(ledger_store(l, &page, &e) < 0);
    assert_true(ledger_store(l, &page, &e) < 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(ledger_store(l, &page, &e), 1);
    assert_int_equal(ledger_read(dir, &back, &e), 0);
    ledger_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_stored_is_read_back_and_balances, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_inside_a_store_the_page_before_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_cut_while_it_is_in_use_is_made_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flipped_bit_never_gives_false_books, setup, teardown),
        cmocka_unit_test(the_state_directory_is_the_first_that_is_set),
        cmocka_unit_test_setup_teardown(a_state_directory_can_be_tried, setup, teardown),
        cmocka_unit_test_setup_teardown(a_state_directory_has_one_collector, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
