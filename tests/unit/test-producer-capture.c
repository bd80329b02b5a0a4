/* The capture reader: what a test of a program that logs can see. */
#include <fapilog/fapilog.h>

#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static int start(void **state)
{
    (void)state;
    return fapilog_capture_start(100);
}

static int stop(void **state)
{
    (void)state;
    fapilog_capture_stop();
    return 0;
}

static bool is_text(const struct fapilog_text *t, const char *want)
{
    return t->len == strlen(want) && memcmp(t->data, want, t->len) == 0;
}

static void a_record_comes_back_with_typed_fields(void **state)
{
    (void)state;
    fapilog_t *log = fapilog_open("svc", NULL);
    FAPILOG_INFO(log, "hello", FL("i", -7), FL("u", 7u), FL("d", 1.5), FL("s", "text"), FL("f", 2.5f));
    const int line = __LINE__ - 1;
    const struct fapilog_record *r = fapilog_capture_next();
    assert_non_null(r);
    assert_true(is_text(&r->message, "hello"));
    assert_int_equal(r->level, FAPILOG_LEVEL_INFO);
    assert_int_equal(r->fields_count, 5);
    assert_int_equal(fapilog_capture_field(r, "i")->v.i64, -7);
    assert_int_equal(fapilog_capture_field(r, "u")->v.u64, 7);
    assert_true(fapilog_capture_field(r, "d")->v.f64 == 1.5);
    assert_true(fapilog_capture_field(r, "f")->v.f64 == 2.5);
    assert_memory_equal(fapilog_capture_field(r, "s")->v.data, "text", 4);
    assert_null(fapilog_capture_field(r, "none"));
    assert_int_equal(r->site->line, line);
    assert_true(is_text(&r->site->function, __func__));
    assert_true(is_text(&r->site->file, __FILE__));
    assert_true(is_text(&r->process->service, "svc"));
    assert_true(r->time_ns > INT64_C(1600000000000000000));
    assert_int_equal(r->tid, (uint32_t)gettid());
    assert_null(fapilog_capture_next());
    fapilog_close(log);
}

static void bound_and_context_fields_are_found(void **state)
{
    (void)state;
    fapilog_t *log = fapilog_open("svc", NULL);
    fapilog_t *venue = fapilog_with(fapilog_logger(log, "a.b"), FAPILOG_FIELDS(FL("venue", "XETRA")));
    fapilog_t *both = fapilog_with(venue, FAPILOG_FIELDS(FL("gateway", 7)));
    FAPILOG_SCOPE(FL_REQUEST_ID("r-1"));
    assert_int_equal(fapilog_log(both, FAPILOG_LEVEL_ERROR, "dyn", 3, FAPILOG_FIELDS(FL("x", 1))), 0);
    const struct fapilog_record *r = fapilog_capture_next();
    assert_non_null(r);
    assert_null(r->site);
    assert_true(is_text(&r->logger->name, "a.b"));
    assert_int_equal(r->logger->fields_count, 2);
    assert_true(is_text(&r->logger->fields[0].name, "venue")); /* outermost first */
    assert_int_equal(fapilog_capture_field(r, "gateway")->v.i64, 7);
    assert_int_equal(fapilog_capture_field(r, "request_id")->role, FAPILOG_ROLE_REQUEST_ID);
    assert_int_equal(fapilog_capture_field(r, "x")->v.i64, 1);
    fapilog_close(log);
}

static void the_oldest_is_dropped_beyond_the_bound(void **state)
{
    (void)state;
    fapilog_t *log = fapilog_open("svc", NULL);
    for (int i = 0; i < 150; i++)
        FAPILOG_INFO(log, "n", FL("i", i));
    assert_int_equal(fapilog_capture_lost(), 50);
    for (int i = 50; i < 150; i++)
        assert_int_equal(fapilog_capture_field(fapilog_capture_next(), "i")->v.i64, i);
    assert_null(fapilog_capture_next());
    fapilog_close(log);
}

static void captures_do_not_nest_and_bounds_are_checked(void **state)
{
    (void)state;
    assert_int_equal(fapilog_capture_start(10), -EBUSY);
    fapilog_capture_stop();
    assert_int_equal(fapilog_capture_start(0), -EINVAL);
    assert_int_equal(fapilog_capture_start(10001), -EINVAL);
    fapilog_t *log = fapilog_open("svc", NULL);
    assert_int_equal(fapilog_capture_start(10), -EBUSY); /* a segment is open */
    fapilog_close(log);
    assert_int_equal(fapilog_capture_start(10), 0);
    FAPILOG_INFO(log, "an older logger");
    assert_non_null(fapilog_capture_next());
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 20; i++)
        FAPILOG_INFO(arg, "thread", FL("i", i));
    return NULL;
}

static void threads_are_captured_too(void **state)
{
    pthread_t t[4];
    unsigned n = 0;
    (void)state;
    fapilog_t *log = fapilog_open("svc", NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, log_many, log), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    while (fapilog_capture_next())
        n++;
    assert_int_equal(n + fapilog_capture_lost(), 80);
    fapilog_close(log);
}

static int make_dir(void **state)
{
    static struct scenario s;
    scenario_init(&s);
    *state = &s;
    return 0;
}

static int remove_dir(void **state)
{
    fapilog_capture_stop();
    scenario_done(*state);
    return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_record_comes_back_with_typed_fields),
        TEST(bound_and_context_fields_are_found),
        TEST(the_oldest_is_dropped_beyond_the_bound),
        TEST(captures_do_not_nest_and_bounds_are_checked),
        TEST(threads_are_captured_too),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
