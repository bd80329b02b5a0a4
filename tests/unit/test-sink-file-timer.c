/* What a file sink does when only time passes. */
#include "tests/unit/sink-file-fixture.h"

#include "lib/base/clock.h"

#include <time.h>

static uint64_t passed_ns; /* on the monotonic clock, beside what has */

uint64_t __real_clock_mono_ns(void);
uint64_t __wrap_clock_mono_ns(void);
uint64_t __wrap_clock_mono_ns(void) { return __real_clock_mono_ns() + passed_ns; }

static void pass(uint64_t ns)
{
    clock_ns += (int64_t)ns;
    boot_ns += (int64_t)ns;
    passed_ns += ns;
}

static unsigned count_archives(void)
{
    char name[32], path[300];
    unsigned count = 0;
    for (unsigned i = 1; i < 10; i++) {
        (void)snprintf(name, sizeof name, "a.log.%u", i);
        path_of(path, name);
        count += access(path, F_OK) == 0;
    }
    return count;
}

/* No start, no write, no rotation: a quiet log's archives end all the same. */
static void archives_that_come_of_age_are_removed_by_the_timer(void **state)
{
    (void)state;
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    clock_ns = now.tv_sec * INT64_C(1000000000); /* the kernel dates the files */
    struct run_state *s = run_state_new();
    struct run r = {0};
    struct err e = {0};
    if (run_open(&r, s, uri("file:$/a.log?max_bytes=100&max_age=1h"), NULL, &e) < 0)
        fail_msg("%s", e.text);
    r.record_bytes = 100;
    assert_true(run_until(&r, 8));
    for (unsigned i = 0; i < 3; i++)
        run_tick(&r);
    assert_int_equal(count_archives(), 7);
    pass(7200 * NS_PER_S);
    run_tick(&r);
    assert_int_equal(count_archives(), 0);
    assert_int_equal(run_close(&r, &e), 0);
    run_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(archives_that_come_of_age_are_removed_by_the_timer),
    };
    return cmocka_run_group_tests_name("sink-file-timer", tests, NULL, NULL);
}
