/* Where records of functions were logged: named by each of them, told once. */
#include <fapilog/fapilog.h>

#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, PLACES = 100, ROUNDS = 50, MANY = 12000 };

struct seen {
    unsigned records, named;
};
static struct seen seen;

/* "LINE": the file is so many letters, the function its last digit. */
static int log_at_line(const fapilog_t *log, uint32_t line)
{
    char message[16], file[300], function[] = "f0";
    const int len = snprintf(message, sizeof message, "%u", line);
    memset(file, 'a' + line % 26, sizeof file);
    function[1] = (char)('0' + line % 10);
    const struct fapilog_location at = {{file, 1 + line % 250}, {function, 2}, line, 0};
    return fapilog_log_at(log, FAPILOG_LEVEL_INFO, message, (size_t)len, NULL, 0, &at);
}

static void note(void *arg, const struct walk_record *r)
{
    struct seen *const s = arg;
    const uint32_t line = (uint32_t)strtoul(r->message, NULL, 10);
    s->records++;
    if (!r->site)
        return;
    const char *file = (const char *)(r->site + 1) + 1, *function = file + r->site->file_len + 1;
    s->named++;
    assert_int_equal(r->site->line, line);
    assert_int_equal(r->site->file_len, 1 + line % 250);
    assert_int_equal(file[0], 'a' + line % 26);
    assert_int_equal(strspn(file, (char[]){(char)('a' + line % 26), '\0'}), r->site->file_len);
    assert_int_equal(r->site->function_len, 2);
    assert_int_equal(function[1], '0' + line % 10);
}

static struct walk_totals walk_segment(struct walk *w)
{
    struct walk_totals t;
    memset(&seen, 0, sizeof seen);
    if (!walk_run(w, note, &seen, &t))
        fail_msg("%s", w->error);
    return t;
}

static void log_twice(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    struct fapilog_counters before, after;
    if (log_at_line(log, 7) != 0)
        _exit(1);
    fapilog_get_counters(log, &before);
    for (int i = 0; i < 100; i++)
        if (log_at_line(log, 7) != 0)
            _exit(1);
    fapilog_get_counters(log, &after);
    const uint64_t with = after.bytes - before.bytes;
    for (int i = 0; i < 100; i++)
        if (fapilog_log(log, FAPILOG_LEVEL_INFO, "7", 1, NULL, 0) != 0)
            _exit(1);
    fapilog_get_counters(log, &before);
    if (before.bytes - after.bytes != with)
        _exit(2);
    fapilog_close(log);
}

static void a_record_that_names_its_place_is_no_longer_than_one_that_does_not(void **state)
{
    struct scenario *const s = *state;
    scenario_run(s, log_twice, NULL);
    (void)walk_segment(&s->seg[0]);
    assert_int_equal(seen.records, 201);
    assert_int_equal(seen.named, 101);
}

static void log_wrong(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    const struct fapilog_location nowhere = {{NULL, 5}, {"f", 1}, 1, 0}, no_file = {{"", 0}, {"f", 1}, 1, 0},
                                  no_function = {{"a", 1}, {NULL, 5}, 1, 0};
    if (fapilog_log_at(log, FAPILOG_LEVEL_INFO, "", 0, NULL, 0, NULL) != 0 ||
        fapilog_log_at(log, FAPILOG_LEVEL_INFO, "", 0, NULL, 0, &nowhere) != 0 ||
        fapilog_log_at(log, FAPILOG_LEVEL_INFO, "", 0, NULL, 0, &no_file) != 0 ||
        fapilog_log_at(log, FAPILOG_LEVEL_INFO, "", 0, NULL, 0, &no_function) != 0)
        _exit(1);
    fapilog_close(log);
}

static void without_a_file_there_is_no_place(void **state)
{
    struct scenario *const s = *state;
    scenario_run(s, log_wrong, NULL);
    (void)walk_segment(&s->seg[0]);
    assert_int_equal(seen.records, 4);
    assert_int_equal(seen.named, 0);
}

static pthread_barrier_t all;

static void *log_places(void *log)
{
    for (int round = 0; round < ROUNDS; round++) {
        (void)pthread_barrier_wait(&all); /* so that they meet at new ones */
        for (uint32_t i = 0; i < PLACES; i++)
            if (log_at_line(log, (uint32_t)round * PLACES + i + 1) != 0)
                _exit(1);
    }
    return NULL;
}

static void log_together(void *arg)
{
    const struct fapilog_options o = {.size = sizeof o, .registry_bytes = 4 << 20, .lane_bytes = 4 << 20};
    fapilog_t *log = fapilog_open("svc", &o);
    pthread_t t[THREADS];
    (void)pthread_barrier_init(&all, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], NULL, log_places, log) != 0)
            _exit(1);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(t[i], NULL);
    fapilog_close(log);
}

static void threads_that_meet_at_new_places_name_the_right_ones(void **state)
{
    struct scenario *const s = *state;
    scenario_run(s, log_together, NULL);
    (void)walk_segment(&s->seg[0]);
    assert_int_equal(seen.records, THREADS * PLACES * ROUNDS);
    assert_int_equal(seen.named, seen.records);
}

static void log_many(void *arg)
{
    const struct fapilog_options o = {.size = sizeof o, .registry_bytes = *(const uint64_t *)arg,
                                      .lane_bytes = 8 << 20};
    struct fapilog_counters c;
    fapilog_t *log = fapilog_open("svc", &o);
    for (uint32_t i = 1; i <= MANY; i++)
        if (log_at_line(log, i) != 0 || log_at_line(log, i) != 0)
            _exit(1);
    fapilog_get_counters(log, &c);
    if (c.unregistered)
        _exit(2);
    fapilog_close(log);
}

static void more_places_than_there_is_room_for_cost_their_name_and_no_record(void **state)
{
    struct scenario *const s = *state;
    const struct { uint64_t bytes; unsigned at_least; } registry[] = {{16 << 20, 7000}, {64 << 10, 100}, {4096, 0}};
    for (unsigned i = 0; i < sizeof registry / sizeof registry[0]; i++) {
        uint64_t bytes = registry[i].bytes;
        if (i > 0) {
            scenario_done(s);
            scenario_init(s);
        }
        scenario_run(s, log_many, &bytes);
        (void)walk_segment(&s->seg[0]);
        assert_int_equal(seen.records, 2 * MANY);
        assert_in_range(seen.named, 2 * registry[i].at_least, 2 * MANY - 2);
    }
}

static void log_and_fork(void *arg)
{
    fapilog_t *log = fapilog_open("svc", NULL);
    if (log_at_line(log, 1) != 0)
        _exit(1);
    const pid_t pid = fork();
    if (log_at_line(log, 1) != 0 || log_at_line(log, 2) != 0)
        _exit(1);
    int status = 0;
    if (pid && (waitpid(pid, &status, 0) != pid || status))
        _exit(2);
    fapilog_close(log);
    if (!pid)
        _exit(0);
}

static void a_forked_child_names_places_as_its_parent_does(void **state)
{
    struct scenario *const s = *state;
    scenario_run(s, log_and_fork, NULL);
    assert_int_equal(s->segs, 2);
    for (unsigned i = 0, sum = 0; i < 2; i++) {
        (void)walk_segment(&s->seg[i]);
        assert_int_equal(seen.named, seen.records);
        sum += seen.records;
        assert_true(i == 0 || sum == 5);
    }
}

static void log_open_again(void *arg)
{
    for (uint32_t i = 0; i < 3; i++) {
        fapilog_t *log = fapilog_open("svc", NULL);
        if (log_at_line(log, 1) != 0 || log_at_line(log, 2 + i) != 0)
            _exit(1);
        fapilog_close(log);
    }
}

static void each_segment_of_a_process_has_the_places_of_its_records(void **state)
{
    struct scenario *const s = *state;
    scenario_run(s, log_open_again, NULL);
    assert_int_equal(s->segs, 3);
    for (unsigned i = 0; i < 3; i++) {
        (void)walk_segment(&s->seg[i]);
        assert_int_equal(seen.records, 2);
        assert_int_equal(seen.named, 2);
    }
}

static bool is_text(const struct fapilog_text *t, const char *text)
{
    return t->len == strlen(text) && memcmp(t->data, text, t->len) == 0;
}

static void capture_here(void *arg)
{
    if (fapilog_capture_start(10) != 0)
        _exit(1);
    fapilog_t *log = fapilog_open("svc", NULL);
    const int line = __LINE__ + 1;
    if (fapilog_log_at(log, FAPILOG_LEVEL_INFO, "here", 4, FAPILOG_FIELDS(FL("n", 1)), FAPILOG_HERE) != 0 ||
        fapilog_log(log, FAPILOG_LEVEL_INFO, "nowhere", 7, NULL, 0) != 0)
        _exit(2);
    FAPILOG_INFO(log, "macro");
    const struct fapilog_record *r = fapilog_capture_next();
    const struct fapilog_site *const at = r ? fapilog_record_source(r) : NULL;
    if (!at || r->site || !is_text(&at->file, __FILE__) || !is_text(&at->function, __func__) || (int)at->line != line ||
        at->message.len || !is_text(&r->message, "here") || r->fields_count != 1)
        _exit(3);
    r = fapilog_capture_next();
    if (!r || fapilog_record_source(r))
        _exit(4);
    r = fapilog_capture_next();
    if (!r || r->source || fapilog_record_source(r) != r->site || !is_text(&r->site->function, __func__))
        _exit(5);
    fapilog_capture_stop();
}

static void a_captured_record_has_its_place(void **state)
{
    struct scenario *const s = *state;
    scenario_wait(s, scenario_start(capture_here, NULL));
    assert_int_equal(s->status, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scenario_setup, scenario_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_record_that_names_its_place_is_no_longer_than_one_that_does_not),
        TEST(without_a_file_there_is_no_place),
        TEST(threads_that_meet_at_new_places_name_the_right_ones),
        TEST(more_places_than_there_is_room_for_cost_their_name_and_no_record),
        TEST(a_forked_child_names_places_as_its_parent_does),
        TEST(each_segment_of_a_process_has_the_places_of_its_records),
        TEST(a_captured_record_has_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
