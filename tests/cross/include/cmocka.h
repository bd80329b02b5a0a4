/* The part of cmocka's interface that the tests of lib/ use, for machines that Debian's cmocka is not built for
 * here. tests/cross/cmocka.c has the rest. */
#ifndef TESTS_CROSS_CMOCKA_H
#define TESTS_CROSS_CMOCKA_H

#include <stdint.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
};

#define cmocka_unit_test_setup_teardown(f, setup, teardown) {#f, f, setup, teardown}
#define cmocka_unit_test_teardown(f, teardown) {#f, f, NULL, teardown}
#define cmocka_unit_test(f) {#f, f, NULL, NULL}

typedef int cross_fixture(void **state);
int cross_run(const struct CMUnitTest *tests, size_t count, cross_fixture *setup, cross_fixture *teardown);
#define cmocka_run_group_tests(tests, setup, teardown) \
    cross_run(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) cmocka_run_group_tests(tests, setup, teardown)

void cross_skip(void) __attribute__((noreturn));
void cross_fail(const char *file, int line, const char *fmt, ...) __attribute__((noreturn, format(printf, 3, 4)));

#define skip() cross_skip()
#define fail_msg(...) cross_fail(__FILE__, __LINE__, __VA_ARGS__)
#define fail() cross_fail(__FILE__, __LINE__, "failed")
#define assert_true(c) ((c) ? (void)0 : cross_fail(__FILE__, __LINE__, "%s does not hold", #c))
#define assert_false(c) assert_true(!(c))
#define assert_null(p) assert_true((p) == NULL)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_memory_equal(a, b, n) assert_true(memcmp((a), (b), (n)) == 0)

#define cross_compare(a, op, b) \
    do { \
        const uintmax_t a_ = (uintmax_t)(a), b_ = (uintmax_t)(b); \
        if (!(a_ op b_)) \
            cross_fail(__FILE__, __LINE__, "%s: %#jx, %s: %#jx", #a, a_, #b, b_); \
    } while (0)
#define assert_int_equal(a, b) cross_compare(a, ==, b)
#define assert_int_not_equal(a, b) cross_compare(a, !=, b)
#define assert_in_range(v, low, high) \
    do { \
        const uintmax_t v_ = (uintmax_t)(v); \
        cross_compare(v_, >=, low); \
        cross_compare(v_, <=, high); \
    } while (0)
#define assert_string_equal(a, b) \
    do { \
        const char *const s_ = (a), *const t_ = (b); \
        if (strcmp(s_, t_) != 0) \
            cross_fail(__FILE__, __LINE__, "'%s' is not '%s'", s_, t_); \
    } while (0)

#endif
