#include "collector/delivery/notes.h"

#include <fapilog/abi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void add_many(struct notes *n, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        notes_add(n, FAPILOG_LEVEL_WARNING, "text", NULL);
}

/* The pump looks again where the batch had no room for it. */
static void what_was_left_out_is_counted_however_often_the_note_is_looked_at(void **state)
{
    struct notes *n;
    (void)state;
    assert_int_equal(notes_new(&n), 0);
    add_many(n, NOTES_MAX + 5);
    assert_int_equal(notes_peek(n)->left_out.v.u64, 5);
    add_many(n, 3);
    assert_int_equal(notes_peek(n)->left_out.v.u64, 8);
    assert_int_equal(notes_peek(n)->left_out.v.u64, 8);
    notes_done(n);
    assert_int_equal(notes_peek(n)->r.fields_count, 0);
    while (n->count)
        notes_done(n);
    add_many(n, NOTES_MAX); /* in places that were used before */
    for (; n->count; notes_done(n))
        assert_int_equal(notes_peek(n)->r.fields_count, 0);
    notes_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_left_out_is_counted_however_often_the_note_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
