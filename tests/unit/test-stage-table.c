#include "collector/stage/random.h"
#include "collector/stage/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct item {
    struct table_entry entry;
    unsigned value;
};

static struct table_key key(uint64_t n)
{
    return (struct table_key){n * UINT64_C(0x9e3779b97f4a7c15), n};
}

static void the_oldest_is_the_one_untouched_for_longest(void **state)
{
    (void)state;
    struct table t;
    assert_int_equal(table_open(&t, 3, sizeof(struct item)), 0);
    assert_null(table_oldest(&t));
    struct item *const a = table_add(&t, key(1)), *const b = table_add(&t, key(2)), *const c = table_add(&t, key(3));
    assert_true(table_is_full(&t));
    assert_ptr_equal(table_oldest(&t), a);
    table_touch(&t, a);
    assert_ptr_equal(table_oldest(&t), b);
    table_touch(&t, c);
    table_touch(&t, c);
    table_remove(&t, b);
    assert_ptr_equal(table_oldest(&t), a);
    assert_null(table_find(&t, key(2)));
    struct item *const d = table_add(&t, key(4));
    d->value = 7;
    assert_ptr_equal(table_find(&t, key(4)), d);
    table_remove(&t, a);
    table_remove(&t, c);
    table_remove(&t, d);
    assert_null(table_oldest(&t));
    assert_int_equal(((struct item *)table_add(&t, key(5)))->value, 0); /* zeroed again */
    table_close(&t);
}

static void keys_that_share_a_bucket_are_told_apart(void **state)
{
    (void)state;
    struct table t;
    assert_int_equal(table_open(&t, 100, sizeof(struct item)), 0);
    for (uint64_t i = 0; i < 100; i++)
        ((struct item *)table_add(&t, (struct table_key){5, i}))->value = (unsigned)i;
    for (uint64_t i = 0; i < 100; i += 2)
        table_remove(&t, table_find(&t, (struct table_key){5, i}));
    for (uint64_t i = 0; i < 100; i++) {
        const struct item *const x = table_find(&t, (struct table_key){5, i});
        assert_true(i % 2 ? x && x->value == i : !x);
    }
    table_close(&t);
}

/* Against a model that is a plain array: who is there, and who is the oldest. */
static void it_does_what_a_list_would_do(void **state)
{
    (void)state;
    enum { MAX = 37, KEYS = 60, STEPS = 20000 };
    unsigned model[MAX], n = 0; /* oldest first */
    uint64_t random = 20261125;
    struct table t;
    assert_int_equal(table_open(&t, MAX, sizeof(struct item)), 0);
    for (unsigned step = 0; step < STEPS; step++) {
        const unsigned k = (unsigned)(random_next(&random) % KEYS), what = (unsigned)(random_next(&random) % 4);
        unsigned at = 0;
        while (at < n && model[at] != k)
            at++;
        void *e = table_find(&t, key(k));
        assert_int_equal(e != NULL, at < n);
        if (e && what == 0) {
            table_remove(&t, e);
        } else if (e) {
            table_touch(&t, e);
        } else {
            if (table_is_full(&t)) {
                table_remove(&t, table_oldest(&t));
                memmove(model, model + 1, --n * sizeof *model);
                at = n;
            }
            (void)table_add(&t, key(k));
            model[n++] = k;
            continue;
        }
        memmove(model + at, model + at + 1, (--n - at) * sizeof *model);
        if (what)
            model[n++] = k;
        assert_int_equal(t.count, n);
        assert_ptr_equal(table_oldest(&t), n ? table_find(&t, key(model[0])) : NULL);
    }
    table_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_is_the_one_untouched_for_longest),
        cmocka_unit_test(keys_that_share_a_bucket_are_told_apart),
        cmocka_unit_test(it_does_what_a_list_would_do),
    };
    return cmocka_run_group_tests_name("stage-table", tests, NULL, NULL);
}
