/* Opening, closing, where the rings lie, what happens without them, flush, modules. */
#include <fapilog/fapilog.h>

#include "lib/base/atomics.h"
#include "lib/base/clock.h"
#include "lib/ring/liveness.h"
#include "lib/ring/ringdir.h"
#include "lib/ring/rules.h"
#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    volatile uint32_t stage;
    volatile int result;
    char text[4096];
    struct fapilog_flush_report report;
    struct fapilog_counters counters;
};
static struct shared *shared;

static int setup(void **state)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    return scenario_setup(state);
}

static int teardown(void **state)
{
    (void)munmap(shared, sizeof *shared);
    return scenario_teardown(state);
}

/* Runs it with stderr in shared->text. */
static void run_with_stderr(struct scenario *s, scenario_func *f)
{
    FILE *out = tmpfile();
    const int old = dup(STDERR_FILENO);
    assert_non_null(out);
    assert_true(old >= 0 && dup2(fileno(out), STDERR_FILENO) >= 0);
    const pid_t pid = scenario_start(f, s);
    scenario_wait(s, pid);
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    (void)close(old);
    rewind(out);
    const size_t n = fread(shared->text, 1, sizeof shared->text - 1, out);
    shared->text[n] = '\0';
    (void)fclose(out);
    assert_int_equal(s->status, 0);
    scenario_open(s);
}

static unsigned lines(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* ---- segments ---------------------------------------------------------------------------------------- */

static void log_here(fapilog_t *log, int i)
{
    FAPILOG_INFO(log, "here", FL("i", i));
}

static void open_close_open(void *arg)
{
    fapilog_t *child = NULL;
    for (int i = 0; i < 3; i++) {
        fapilog_t *log = fapilog_open("svc", NULL);
        child = child ? child : fapilog_logger(log, "a.b");
        fapilog_t *again = fapilog_open("svc", NULL);
        log_here(log, i);
        log_here(child, i);
        fapilog_close(again);
        log_here(again, i);
        fapilog_close(log);
        log_here(log, i);
        log_here(child, i);
    }
    fapilog_close(NULL);
}

static void each_opening_has_a_segment_and_ids_stay_valid(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    scenario_run(s, open_close_open, NULL);
    assert_int_equal(s->segs, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(walk_run(&s->seg[i], NULL, NULL, &t));
        assert_int_equal(t.events, 3);
        assert_int_equal(s->seg[i].sb->state, FAPILOG_STATE_CLEAN);
        const int fd = open(s->seg[i].path, O_RDONLY);
        assert_int_equal(liveness_probe(fd), 0);
        (void)close(fd);
    }
}

/* A mapping of it would hold its memory as long as the process lives. */
static void close_and_look(void *arg)
{
    char line[1024];
    fapilog_t *log = fapilog_open("svc", NULL);
    log_here(log, 1);
    fapilog_close(log);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (strstr(line, arg)) {
            (void)fprintf(stderr, "%s", line);
            _exit(1);
        }
    }
    _exit(maps ? 0 : 2);
}

static void a_closed_segment_is_mapped_nowhere(void **state)
{
    struct scenario *s = *state;
    scenario_run(s, close_and_look, s->dir);
}

static void open_and_wait(void *arg)
{
    fapilog_t *log = fapilog_open(NULL, NULL);
    log_here(log, 1);
    shared->stage = 1;
    while (shared->stage == 1)
        (void)poll(NULL, 0, 1);
}

/* effect: producer.FAPILOG_ENV producer.FAPILOG_SERVICE producer.FAPILOG_VERSION */
static void the_lock_tells_the_living_from_the_dead(void **state)
{
    struct scenario *s = *state;
    setenv("FAPILOG_SERVICE", "named-by-environment", 1);
    setenv("FAPILOG_ENV", "staging", 1);
    setenv("FAPILOG_VERSION", "1.2.3", 1);
    const pid_t pid = scenario_start(open_and_wait, NULL);
    unsetenv("FAPILOG_SERVICE");
    unsetenv("FAPILOG_ENV");
    unsetenv("FAPILOG_VERSION");
    assert_true(SCENARIO_UNTIL(shared->stage == 1));
    scenario_open(s);
    assert_int_equal(s->segs, 1);
    const int fd = open(s->seg[0].path, O_RDONLY);
    struct stat st;
    assert_int_equal(liveness_probe(fd), 1);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777 & ~0640, 0);
    assert_int_equal(st.st_nlink, 1);
    shared->stage = 2;
    scenario_wait(s, pid);
    assert_int_equal(liveness_probe(fd), 0);
    (void)close(fd);
    const struct fapilog_superblock *sb = s->seg[0].sb;
    assert_string_equal(sb->service, "named-by-environment");
    assert_string_equal(sb->env, "staging");
    assert_string_equal(sb->version, "1.2.3");
    assert_int_equal(sb->pid, pid);
    assert_int_not_equal(sb->start_ticks, 0);
    assert_int_not_equal(sb->boot_hi, 0);
    assert_true(strstr(sb->exe, "test-producer-process") != NULL);
    assert_true(sb->counter_hz > 1000000);
}

/* A child that logs nothing and outlives its parent, as a shell's background job does. */
static void fork_and_die(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    log_here(log, 1);
    if (fork() == 0) {
        shared->stage = 1;
        while (shared->stage == 1)
            (void)poll(NULL, 0, 1);
        _exit(0);
    }
    while (shared->stage == 0)
        (void)poll(NULL, 0, 1);
    _exit(0); /* without fapilog_close() */
}

/* The lanes' mapping holds the open file description, and that the lock: a child must not inherit it
 * (MADV_DONTFORK), or its parent's segment would be alive for as long as the child is. */
static void a_child_does_not_keep_its_parents_segment_alive(void **state)
{
    struct scenario *s = *state;
    shared->stage = 0;
    scenario_wait(s, scenario_start(fork_and_die, NULL));
    scenario_open(s);
    assert_int_equal(s->segs, 1);
    const int fd = open(s->seg[0].path, O_RDONLY);
    const int alive = liveness_probe(fd);
    (void)close(fd);
    assert_int_equal(shared->stage, 1); /* the child is there */
    shared->stage = 2;
    assert_int_equal(alive, 0);
}

static void levels_and_rules(void *arg)
{
    struct walk w[1];
    fapilog_t *log = fapilog_open("svc", NULL);
    if (walk_open_all(w, 1, getenv("FAPILOG_RING_DIR")) != 1 || !fapilog_enabled(log, FAPILOG_LEVEL_WARNING) ||
        fapilog_enabled(log, FAPILOG_LEVEL_INFO))
        _exit(1);
    memcpy(w->ctl->rule[3].prefix, "orders", 7);
    w->ctl->rule[3].level = FAPILOG_LEVEL_DEBUG;
    w->ctl->rule[3].used = 1;
    fapilog_t *ours = fapilog_logger(log, "orders.matching"), *theirs = fapilog_logger(log, "ordersystem");
    if (!fapilog_enabled(ours, FAPILOG_LEVEL_DEBUG) || fapilog_enabled(theirs, FAPILOG_LEVEL_INFO))
        _exit(2);
    w->ctl->level[0] = FAPILOG_LEVEL_TRACE; /* as a tool does at run time */
    if (!fapilog_enabled(log, FAPILOG_LEVEL_TRACE) || fapilog_enabled(theirs, FAPILOG_LEVEL_INFO))
        _exit(3);
}

/* effect: producer.FAPILOG_LEVEL */
static void thresholds_follow_environment_rules_and_shared_memory(void **state)
{
    setenv("FAPILOG_LEVEL", "warning", 1);
    scenario_run(*state, levels_and_rules, NULL);
    unsetenv("FAPILOG_LEVEL");
}

static void the_longest_rule_at_a_dot_wins(void **state)
{
    static struct fapilog_ctl ctl;
    static const struct { const char *prefix; uint32_t level; } rules[] = {
        {"", 13}, {"a", 1}, {"a.b", 5}, {"a.b.c", 9}, {"ab", 17}};
    for (unsigned i = 0; i < 5; i++) {
        snprintf(ctl.rule[i].prefix, sizeof ctl.rule[i].prefix, "%s", rules[i].prefix);
        ctl.rule[i].level = rules[i].level;
        ctl.rule[i].used = 1;
    }
    (void)state;
    assert_int_equal(rules_level(&ctl, "a.b", 3, 0), 5);
    assert_int_equal(rules_level(&ctl, "a.b.x", 5, 0), 5);
    assert_int_equal(rules_level(&ctl, "a.bc", 4, 0), 1);
    assert_int_equal(rules_level(&ctl, "abc", 3, 0), 13);
    assert_int_equal(rules_level(&ctl, "a.b.c.d", 7, 0), 9);
    ctl.rule[0].used = 0;
    assert_int_equal(rules_level(&ctl, "abc", 3, 21), 21);
}

/* ---- without rings ----------------------------------------------------------------------------------- */

static void open_nowhere(void *arg)
{
    const struct fapilog_options o = {.size = sizeof o, .ring_dir = "/proc/none"};
    fapilog_t *log = fapilog_open("svc", &o);
    log_here(log, 1);
    log_here(fapilog_logger(log, "x"), 1);
    (void)fapilog_flush(log, 1000, NULL);
    fapilog_close(log);
}

static void without_a_ring_directory_one_line_is_said_and_calls_do_nothing(void **state)
{
    run_with_stderr(*state, open_nowhere);
    assert_int_equal(lines(shared->text), 1);
    assert_non_null(strstr(shared->text, "/proc/none"));
}

static void make_many_loggers_nowhere(void *arg)
{
    const struct fapilog_options o = {.size = sizeof o, .ring_dir = "/proc/none"};
    fapilog_t *log = fapilog_open("svc", &o);
    for (int i = 0; i < 4000; i++) { /* more than the registry holds */
        char name[300];
        (void)snprintf(name, sizeof name, "logger-%0280d", i);
        log_here(fapilog_logger(log, name), 1);
    }
    fapilog_close(log);
    (void)arg;
}

static void without_a_ring_directory_there_may_be_many_loggers(void **state)
{
    run_with_stderr(*state, make_many_loggers_nowhere);
    assert_int_equal(lines(shared->text), 1);
    assert_non_null(strstr(shared->text, "/proc/none"));
}

static void open_in_little_address_space(void *arg)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%llu", &pages) != 1 || fclose(f) != 0)
        _exit(1);
    const struct rlimit most = {pages * 4096 + (20 << 20), RLIM_INFINITY};
    if (pages * 4096 > UINT64_C(1) << 40 || setrlimit(RLIMIT_AS, &most) != 0) { /* a sanitizer's, or none */
        (void)fprintf(stderr, "ulimit -v\n");
        return;
    }
    fapilog_t *log = fapilog_open("svc", NULL);
    log_here(log, 1);
    fapilog_close(log);
    (void)arg;
}

static void without_address_space_one_line_says_how_much_is_wanted(void **state)
{
    run_with_stderr(*state, open_in_little_address_space);
    assert_int_equal(lines(shared->text), 1);
    assert_non_null(strstr(shared->text, "ulimit -v"));
}

static void many_loggers(void *arg)
{
    const struct fapilog_options o = {.size = sizeof o, .registry_bytes = 4096};
    fapilog_t *log = fapilog_open("svc", &o);
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "logger-%d", i);
        log_here(fapilog_logger(log, name), 1);
    }
    fapilog_get_counters(log, &shared->counters);
    fapilog_close(log);
}

static void loggers_beyond_the_registry_are_said_once_and_their_records_are_written(void **state)
{
    run_with_stderr(*state, many_loggers);
    assert_int_equal(lines(shared->text), 1);
    assert_non_null(strstr(shared->text, "registry_bytes"));
    assert_int_equal(shared->counters.written, 200);
    assert_int_equal(shared->counters.unregistered, 0);
}

static void open_stderr(void *arg)
{
    const struct fapilog_options o = {
        .size = sizeof o, .ring_dir = "/proc/none", .fallback = FAPILOG_FALLBACK_STDERR};
    fapilog_t *log = fapilog_open("svc", &o);
    FAPILOG_SCOPE(FL_REQUEST_ID("r-9"));
    FAPILOG_INFO(log, "to stderr", FL("i", 42), FL("s", "a\nb"), FL("f", 0.1));
    FAPILOG_DEBUG(log, "not this");
    (void)fapilog_log(log, FAPILOG_LEVEL_ERROR, "dynamic", 7, NULL, 0);
    fapilog_close(log);
}

static void the_stderr_fallback_writes_lines(void **state)
{
    run_with_stderr(*state, open_stderr);
    assert_int_equal(lines(shared->text), 3);
    assert_non_null(strstr(shared->text, "INFO svc to stderr i=42 s=a?b f=0.1 request_id=r-9\n"));
    assert_non_null(strstr(shared->text, "ERROR svc dynamic request_id=r-9\n"));
}

struct options_of_tomorrow {
    struct fapilog_options known;
    uint64_t later;
};

static void odd_options(void *arg)
{
    struct options_of_tomorrow o = {.known = {.size = sizeof o, .lanes = 8}, .later = 0};
    fapilog_t *log = fapilog_open("svc", &o.known); /* unknown but zero: fine */
    fapilog_close(log);
    o.later = 1;
    log = fapilog_open("svc", &o.known); /* one complaint */
    fapilog_close(log);
    o = (struct options_of_tomorrow){.known = {.size = sizeof o.known, .lanes = 1u << 20, .lane_bytes = 5}};
    log = fapilog_open("svc", &o.known); /* two complaints */
    o.known.lanes = 3;
    o.known.lane_bytes = 0;
    fapilog_t *again = fapilog_open("svc", &o.known); /* one warning */
    again = fapilog_open("svc", &o.known);            /* said already */
    log_here(again, 1);
}

static void options_without_a_size(void *arg)
{
    const struct fapilog_options o = {.lanes = 8};
    log_here(fapilog_open("svc", &o), 1);
    (void)arg;
}

static void long_texts(void *arg)
{
    static const char digits[] = "0123456789012345678901234567890123456789012345678901234567890123"; /* 64 */
    const struct fapilog_options o = {.size = sizeof o, .env = digits + 33, .version = digits + 24};
    setenv("FAPILOG_VERSION", digits, 1); /* does not count: nothing is said */
    log_here(fapilog_open(digits, &o), 1);
    (void)arg;
}

static void wrong_options_are_said_and_ignored(void **state)
{
    struct scenario *s = *state;
    run_with_stderr(s, odd_options);
    assert_int_equal(lines(shared->text), 4);
    assert_int_equal(s->segs, 3);
    assert_non_null(strstr(shared->text, "fapilog_options has members that version " FAPILOG_VERSION_STRING
                                         " of the library does not know: none of the options counts\n"));
    assert_non_null(strstr(shared->text, "already open"));
}

static void options_without_a_size_do_not_count_which_is_said(void **state)
{
    struct scenario *s = *state;
    run_with_stderr(s, options_without_a_size);
    assert_string_equal(shared->text, "fapilog: fapilog_options.size is 0, want sizeof(struct fapilog_options): none "
                                      "of the options counts\n");
    assert_int_equal(s->seg[0].sb->lane_count, 68);
}

/* A version may be a commit with 40 digits. */
static void a_text_that_is_too_long_is_cut_which_is_said(void **state)
{
    struct scenario *s = *state;
    run_with_stderr(s, long_texts);
    unsetenv("FAPILOG_VERSION");
    assert_string_equal(shared->text,
                        "fapilog: fapilog_options.version: '4567890123456789012345678901234567890123' is cut after 31 "
                        "bytes\n"
                        "fapilog: the name of the service: "
                        "'0123456789012345678901234567890123456789012345678901234567890123' is cut after 63 bytes\n");
    assert_string_equal(s->seg[0].sb->version, "4567890123456789012345678901234");
}

static void bad_environment(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    log_here(log, 1);
}

static void open_twice(void *arg)
{
    (void)fapilog_open("svc", NULL);
    bad_environment(arg);
}

/* effect: producer.FAPILOG_LANE_SIZE producer.FAPILOG_ON_FULL */
static void a_wrong_environment_is_said_and_the_default_used(void **state)
{
    struct scenario *s = *state;
    setenv("FAPILOG_LEVEL", "loud", 1);
    setenv("FAPILOG_LANES", "none", 1);
    setenv("FAPILOG_LANE_SIZE", "64k", 1);
    setenv("FAPILOG_ON_FULL", "overwrite", 1);
    run_with_stderr(s, bad_environment);
    unsetenv("FAPILOG_LEVEL");
    unsetenv("FAPILOG_LANES");
    unsetenv("FAPILOG_LANE_SIZE");
    unsetenv("FAPILOG_ON_FULL");
    assert_int_equal(lines(shared->text), 2);
    assert_int_equal(s->seg[0].sb->lane_count, 68);
    assert_int_equal(s->seg[0].lanes[4].cap_log2, 16);
    assert_int_equal(s->seg[0].lanes[4].mode, FAPILOG_MODE_OVERWRITE);
    assert_int_equal(s->seg[0].lanes[0].cap_log2, 22);
}

/* Those of other commands, right ones, and what only begins like ours are no mistakes. */
static void a_misspelt_variable_is_said_once(void **state)
{
    static const char *const wrong[][2] = {
        { "FAPILOG_LEVL", "FAPILOG_LEVEL" },           { "FAPILOG_LEVLE", "FAPILOG_LEVEL" },
        { "FAPILOG_level", "FAPILOG_LEVEL" },          { "FAPILOG_LOG_LEVEL", "FAPILOG_LEVEL" },
        { "FAPILOG_RINGDIR", "FAPILOG_RING_DIR" },     { "FAPILOG_ONFULL", "FAPILOG_ON_FULL" },
        { "FAPILOG_LANE_SIEZ", "FAPILOG_LANE_SIZE" },  { "FAPILOG_LANE", "FAPILOG_LANES" },
        { "FAPILOG_ENVV", "FAPILOG_ENV" },
    };
    static const char *const right[] = {
        "FAPILOG_LEVELS", "FAPILOG_LANES_MAX", "FAPILOG_RINGS", "FAPILOG_CORE__LOG_LEVEL", "FAPILOG_SINKS", "FAPILOG_",
        "FAPILOG_LEVEL_AND_MUCH_MORE", "FAPILO_LEVL", "FAPILOG_VERSION", "FAPILOG_FAULT", "FAPILOG_LVVVL",
    };
    struct scenario *s = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        setenv(wrong[i][0], "x", 1);
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        setenv(right[i], "1", 1);
    run_with_stderr(s, open_twice);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[100];
        (void)snprintf(line, sizeof line, "fapilog: %s has no effect; did you mean %s?\n", wrong[i][0], wrong[i][1]);
        if (!strstr(shared->text, line))
            fail_msg("no '%s' in: %s", line, shared->text);
        unsetenv(wrong[i][0]);
    }
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        unsetenv(right[i]);
    assert_int_equal(lines(shared->text), sizeof wrong / sizeof *wrong);
}

static void sizes_have_units_of_either_case(void **state)
{
    static const struct {
        const char *text;
        unsigned log2, said;
    } sizes[] = {{"65536", 16, 0}, {"64K", 16, 0}, {"64 KiB", 16, 0}, {"1mb", 20, 0}, {"1M", 20, 0}, {"64x", 19, 1},
                 {"k", 19, 1}, {"-64k", 19, 1}, {"64kk", 19, 1}, {"2G", 19, 1}, {"99999999999999999999g", 19, 1}};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct scenario s;
        scenario_init(&s);
        setenv("FAPILOG_LANE_SIZE", sizes[i].text, 1);
        run_with_stderr(&s, bad_environment);
        assert_int_equal(lines(shared->text), sizes[i].said);
        assert_int_equal(s.seg[0].lanes[4].cap_log2, sizes[i].log2);
        scenario_done(&s);
    }
    unsetenv("FAPILOG_LANE_SIZE");
    assert_int_equal(setenv("FAPILOG_RING_DIR", ((struct scenario *)*state)->dir, 1), 0);
}

static void open_and_log(void *arg)
{
    (void)arg;
    log_here(fapilog_open("svc", NULL), 1);
}

/* effect: producer.FAPILOG_LANES */
static void the_number_of_lanes_is_a_choice(void **state)
{
    struct scenario *s = *state;
    setenv("FAPILOG_LANES", "7", 1);
    scenario_run(s, open_and_log, NULL);
    unsetenv("FAPILOG_LANES");
    assert_int_equal(s->seg[0].sb->lane_count, 7 + FAPILOG_SHARED_LANES);
}

/* ---- ring directory ---------------------------------------------------------------------------------- */

static void ring_directories_that_others_can_write_are_refused(void **state)
{
    struct scenario *s = *state;
    struct ringdir d = {.path = ""};
    struct err e;
    char link[128];
    snprintf(d.path, sizeof d.path, "%s/sub", s->dir);
    assert_int_equal(ringdir_open(&d, false, NULL), -ENOENT);
    const int fd = ringdir_open(&d, true, &e);
    assert_true(fd >= 0);
    assert_true(ringdir_in_memory(fd));
    (void)close(fd);
    struct ringdir below = {.path = ""};
    snprintf(below.path, sizeof below.path, "%s/missing/sub", s->dir);
    assert_int_equal(ringdir_open(&below, true, &e), -ENOENT);
    assert_non_null(strstr(e.text, "the directory above it must be there"));
    assert_int_equal(chmod(d.path, 0777), 0);
    assert_int_equal(ringdir_open(&d, true, &e), -EPERM);
    assert_non_null(strstr(e.text, "writable by others"));
    assert_non_null(strstr(e.text, ": chmod go-w "));
    assert_int_equal(chmod(d.path, 01777), 0); /* it is meant for all */
    assert_int_equal(ringdir_open(&d, true, &e), -EPERM);
    assert_non_null(strstr(e.text, ": name one of your own, which may lie below it"));
    assert_int_equal(chmod(d.path, 0750), 0);
    snprintf(link, sizeof link, "%s/link", s->dir);
    assert_int_equal(symlink(d.path, link), 0);
    struct ringdir l = {.in_tmp = true};
    snprintf(l.path, sizeof l.path, "%s", link);
    assert_int_equal(ringdir_open(&l, true, &e), -ENOTDIR);
    assert_non_null(strstr(e.text, "/link is a symbolic link: name the directory that it leads to"));
    (void)unlink(link);
    (void)rmdir(d.path);
}

/* effect: producer.FAPILOG_RING_DIR */
static void the_ring_directory_is_chosen_in_order(void **state)
{
    struct scenario *s = *state;
    struct ringdir d;
    assert_int_equal(ringdir_choose(&d, "/given", NULL), 0);
    assert_string_equal(d.path, "/given");
    assert_int_equal(ringdir_choose(&d, NULL, NULL), 0);
    assert_string_equal(d.path, s->dir);
    unsetenv("FAPILOG_RING_DIR");
    char *const xdg = getenv("XDG_RUNTIME_DIR") ? strdup(getenv("XDG_RUNTIME_DIR")) : NULL;
    char run[64], want[128];
    struct stat st;
    snprintf(run, sizeof run, "/run/fapilog/%u", (unsigned)geteuid());
    if (stat(run, &st) != 0) {
        setenv("XDG_RUNTIME_DIR", s->dir, 1);
        snprintf(want, sizeof want, "%s/fapilog", s->dir);
        assert_int_equal(ringdir_choose(&d, "", NULL), 0);
        assert_string_equal(d.path, want);
        unsetenv("XDG_RUNTIME_DIR");
        snprintf(want, sizeof want, "/tmp/fapilog-%u", (unsigned)geteuid());
        assert_int_equal(ringdir_choose(&d, NULL, NULL), 0);
        assert_string_equal(d.path, want);
        assert_true(d.in_tmp);
    }
    if (xdg)
        setenv("XDG_RUNTIME_DIR", xdg, 1);
    free(xdg);
    setenv("FAPILOG_RING_DIR", s->dir, 1);
}

static void open_and_go_elsewhere(void *arg)
{
    (void)arg;
    const struct fapilog_options o = {.size = sizeof o, .ring_dir = "."};
    fapilog_t *log = fapilog_open("svc", &o);
    log_here(log, 1);
    log_here(fapilog_open("svc", &o), 2); /* the same: no word of it on stderr */
    if (chdir("/") != 0)
        _exit(1);
    const pid_t pid = fork();
    if (pid == 0) {
        log_here(log, 3);
        _exit(0);
    }
    (void)waitpid(pid, NULL, 0);
    fapilog_get_counters(log, &shared->counters);
}

/* As a daemon does, which goes to / and forks its workers there. */
static void a_relative_ring_directory_stays_where_it_was_named(void **state)
{
    struct scenario *s = *state;
    char here[256], want[512];
    struct ringdir d;
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(s->dir), 0);
    run_with_stderr(s, open_and_go_elsewhere);
    assert_string_equal(shared->text, "");
    assert_int_equal(shared->counters.written, 2);
    snprintf(want, sizeof want, "%s/below", s->dir);
    assert_int_equal(ringdir_choose(&d, "below", NULL), 0);
    assert_string_equal(d.path, want);
    assert_int_equal(s->segs, 2);
    assert_int_equal(chdir(here), 0);
}

/* ---- flush ------------------------------------------------------------------------------------------- */

static void flush_child(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    log_here(log, 1);
    shared->stage = 1;
    while (shared->stage == 1)
        (void)poll(NULL, 0, 1);
    shared->result = fapilog_flush(log, 3 * NS_PER_S / 10, &shared->report);
    shared->stage = 3;
}

static struct walk *start_flush(struct scenario *s, pid_t *pid)
{
    *pid = scenario_start(flush_child, NULL);
    assert_true(SCENARIO_UNTIL(shared->stage == 1));
    scenario_open(s);
    assert_int_equal(s->segs, 1);
    return &s->seg[0];
}

static void flush_returns_when_everything_is_done(void **state)
{
    pid_t pid;
    struct walk *w = start_flush(*state, &pid);
    walk_beat(w);
    shared->stage = 2;
    assert_true(SCENARIO_UNTIL(w->sb->flush_seq == 1));
    assert_int_equal(shared->stage, 2);
    walk_consume(w);
    assert_true(SCENARIO_UNTIL(shared->stage == 3));
    assert_int_equal(shared->result, 0);
    assert_int_equal(shared->report.pending_bytes, 0);
    scenario_wait(*state, pid);
}

static void flush_names_the_sinks_that_fail(void **state)
{
    pid_t pid;
    struct walk *w = start_flush(*state, &pid);
    walk_beat(w);
    memcpy(w->ctl->sink[2].name, "archive", 8);
    w->ctl->sink[2].state = 2;
    w->ctl->sink[2].last_error = -ENOSPC;
    shared->stage = 2;
    assert_true(SCENARIO_UNTIL(shared->stage == 3));
    assert_int_equal(shared->result, -EIO);
    assert_int_equal(shared->report.failing_count, 1);
    assert_string_equal(shared->report.failing[0].name, "archive");
    assert_int_equal(shared->report.failing[0].last_error, -ENOSPC);
    assert_int_equal(shared->report.pending_bytes, 48 + 24);
    scenario_wait(*state, pid);
}

static void flush_times_out_and_tells_when_nobody_is_there(void **state)
{
    pid_t pid;
    struct walk *w = start_flush(*state, &pid);
    walk_beat(w);
    shared->stage = 2;
    assert_true(SCENARIO_UNTIL(shared->stage == 3));
    assert_int_equal(shared->result, -ETIMEDOUT);
    scenario_wait(*state, pid);
    struct scenario other;
    scenario_init(&other);
    shared->stage = 0;
    (void)start_flush(&other, &pid);
    shared->stage = 2;
    assert_true(SCENARIO_UNTIL(shared->stage == 3));
    assert_int_equal(shared->result, -ENOTCONN);
    scenario_wait(&other, pid);
    scenario_done(&other);
    setenv("FAPILOG_RING_DIR", ((struct scenario *)*state)->dir, 1);
}

/* Long ago by our clock, either way. */
static void flush_tells_a_collector_that_is_gone_from_one_whose_clock_is_behind(void **state)
{
    for (uint64_t beats = 1; beats <= 2; beats++) {
        struct scenario s;
        pid_t pid;
        scenario_init(&s);
        shared->stage = 0;
        struct walk *w = start_flush(&s, &pid);
        w->ctl->heartbeat_ns = 1;
        shared->stage = 2;
        assert_true(SCENARIO_UNTIL(w->sb->flush_seq == 1));
        store_rlx(&w->ctl->heartbeat_ns, beats); /* order: relaxed - a time stamp */
        assert_true(SCENARIO_UNTIL(shared->stage == 3));
        assert_int_equal(shared->result, beats == 1 ? -ENOTCONN : -ETIMEDOUT);
        scenario_wait(&s, pid);
        scenario_done(&s);
    }
    setenv("FAPILOG_RING_DIR", ((struct scenario *)*state)->dir, 1);
}

/* ---- modules ----------------------------------------------------------------------------------------- */

static void load_plugin(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    struct walk w[1];
    if (walk_open_all(w, 1, getenv("FAPILOG_RING_DIR")) != 1)
        _exit(1);
    for (int i = 0; i < 3; i++) {
        const uint64_t before = w->sb->registry_tail;
        void *so = dlopen(PLUGIN, RTLD_NOW);
        if (!so) {
            fprintf(stderr, "%s\n", dlerror());
            _exit(2);
        }
        if (i != 1 && (w->sb->registry_tail > before) != (i == 0))
            _exit(3); /* its sites are registered when it is loaded first; the next finds libgcc, for the stack */
        void (*plugin_log)(fapilog_t *, int) = (void (*)(fapilog_t *, int))(uintptr_t)dlsym(so, "plugin_log");
        plugin_log(log, i);
        if (dlclose(so) != 0)
            _exit(4);
    }
    fapilog_close(log);
    log = fapilog_open("svc", NULL); /* walks the list of modules: the plugin is not on it any more */
    log_here(log, 1);
    fapilog_close(log);
}

static void a_loaded_module_registers_its_sites_and_can_be_unloaded(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    uint64_t events = 0;
    scenario_run(s, load_plugin, NULL);
    for (unsigned i = 0; i < s->segs; i++) {
        assert_true(walk_run(&s->seg[i], NULL, NULL, &t));
        events += t.events;
    }
    assert_int_equal(events, 4);
}

/* ---- size, without the pages of shared code ---------------------------------------------------------- */

static long rss_kb(void)
{
    char line[128];
    long anonymous = 0, shmem = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %ld", &anonymous) != 1)
            (void)sscanf(line, "RssShmem: %ld", &shmem);
    if (f)
        (void)fclose(f);
    return anonymous + shmem;
}

static void measure_rss(void *arg)
{
    const long before = rss_kb();
    fapilog_t *log = fapilog_open("svc", NULL);
    for (int i = 0; i < 100000; i++)
        log_here(log, i);
    shared->result = (int)(rss_kb() - before);
}

static void one_logging_thread_needs_less_than_a_mebibyte(void **state)
{
    scenario_run(*state, measure_rss, NULL);
    print_message("%d KiB\n", shared->result);
    assert_in_range(shared->result, 1, 1023);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_opening_has_a_segment_and_ids_stay_valid),
        TEST(a_closed_segment_is_mapped_nowhere),
        TEST(the_lock_tells_the_living_from_the_dead),
        TEST(a_child_does_not_keep_its_parents_segment_alive),
        TEST(thresholds_follow_environment_rules_and_shared_memory),
        TEST(the_longest_rule_at_a_dot_wins),
        TEST(without_a_ring_directory_one_line_is_said_and_calls_do_nothing),
        TEST(without_a_ring_directory_there_may_be_many_loggers),
        TEST(without_address_space_one_line_says_how_much_is_wanted),
        TEST(loggers_beyond_the_registry_are_said_once_and_their_records_are_written),
        TEST(the_stderr_fallback_writes_lines),
        TEST(wrong_options_are_said_and_ignored),
        TEST(options_without_a_size_do_not_count_which_is_said),
        TEST(a_text_that_is_too_long_is_cut_which_is_said),
        TEST(a_wrong_environment_is_said_and_the_default_used),
        TEST(a_misspelt_variable_is_said_once),
        TEST(sizes_have_units_of_either_case),
        TEST(the_number_of_lanes_is_a_choice),
        TEST(ring_directories_that_others_can_write_are_refused),
        TEST(the_ring_directory_is_chosen_in_order),
        TEST(a_relative_ring_directory_stays_where_it_was_named),
        TEST(flush_returns_when_everything_is_done),
        TEST(flush_names_the_sinks_that_fail),
        TEST(flush_times_out_and_tells_when_nobody_is_there),
        TEST(flush_tells_a_collector_that_is_gone_from_one_whose_clock_is_behind),
        TEST(a_loaded_module_registers_its_sites_and_can_be_unloaded),
        TEST(one_logging_thread_needs_less_than_a_mebibyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
