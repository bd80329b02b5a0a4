#include "lib/base/age_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S ((int64_t)NS_PER_S)
#define HOUR (3600 * S)
#define DAY (24 * HOUR)

static struct age_clock c;
static int64_t boot, real;

static int set_up(void **state)
{
    (void)state;
    c = (struct age_clock){.is_set = false};
    boot = 100 * S;
    real = 1700000000 * S;
    assert_int_equal(age_clock_look(&c, real, boot), real);
    return 0;
}

/* Looks each quarter of a second for so long; how far behind the wall clock the last look was. */
static int64_t behind_after(int64_t ns)
{
    int64_t now = 0;
    for (const int64_t end = boot + ns; boot < end;) {
        boot += S / 4;
        real += S / 4;
        now = age_clock_look(&c, real, boot);
    }
    return real - now;
}

static void the_wall_clock_counts_while_nobody_sets_it(void **state)
{
    (void)state;
    assert_int_equal(behind_after(HOUR), 0);
    for (int i = 0; i < 1000; i++) { /* steps as of a clock that is being corrected */
        real += S / 2;
        assert_int_equal(behind_after(S), 0);
    }
    boot += DAY; /* the machine slept: both clocks went on */
    real += DAY;
    assert_int_equal(behind_after(S), 0);
    assert_int_equal(c.set_back_ns, 0);
}

static void a_jump_ahead_counts_once_it_has_lasted(void **state)
{
    (void)state;
    real += DAY;
    assert_int_equal(behind_after(AGE_CLOCK_BELIEF_NS - S), DAY);
    assert_int_equal(behind_after(2 * S), 0);
    real += AGE_CLOCK_STEP_NS;
    assert_int_equal(behind_after(S), 0);
    real += AGE_CLOCK_STEP_NS + 1;
    assert_int_equal(behind_after(S), AGE_CLOCK_STEP_NS + 1);
}

static void what_jumps_ahead_and_back_never_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        real += DAY;
        assert_int_equal(behind_after(HOUR / 2), DAY);
        real -= DAY;
        assert_int_equal(behind_after(HOUR / 2), 0);
    }
    real += DAY;
    assert_int_equal(behind_after(HOUR / 2), DAY);
    real += DAY; /* again, before the first was believed */
    assert_int_equal(behind_after(HOUR - 2 * S), 2 * DAY);
    assert_int_equal(behind_after(3 * S), 0);
}

static void a_jump_back_counts_at_once_and_is_remembered(void **state)
{
    (void)state;
    const int64_t before = real;
    real -= DAY;
    const int64_t after = real;
    assert_int_equal(behind_after(HOUR), 0);
    assert_in_range(c.set_back_ns, after, after + S / 4);
    assert_int_equal(age_clock_order(&c, before, real), c.set_back_ns);
    assert_int_equal(age_clock_order(&c, real - S, real), real - S);
    assert_int_equal(age_clock_order(&c, real + AGE_CLOCK_STEP_NS, real), real + AGE_CLOCK_STEP_NS);
    assert_int_equal(behind_after(DAY), 0);
    assert_int_equal(age_clock_order(&c, before, real), before);
}

static void dates_ahead_are_kept_where_nobody_has_set_the_clock_back(void **state)
{
    (void)state;
    assert_int_equal(age_clock_order(&c, real + DAY, real), real + DAY);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, set_up)
    const struct CMUnitTest tests[] = {
        T(the_wall_clock_counts_while_nobody_sets_it),
        T(a_jump_ahead_counts_once_it_has_lasted),
        T(what_jumps_ahead_and_back_never_counted),
        T(a_jump_back_counts_at_once_and_is_remembered),
        T(dates_ahead_are_kept_where_nobody_has_set_the_clock_back),
    };
    return cmocka_run_group_tests_name("age-clock", tests, NULL, NULL);
}
