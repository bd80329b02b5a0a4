/* Error texts: the innermost cause first, bounded, and never changed by what comes behind. */
#include "lib/base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_text_grows_outwards_while_it_travels_up(void **state)
{
    struct err e;
    (void)state;
    assert_int_equal(err_set(&e, -EINVAL, "rotate: '%d' is outside 2..9", 1), -EINVAL);
    assert_int_equal(err_wrap(&e, -EINVAL, "sink %s", "file"), -EINVAL);
    assert_string_equal(e.text, "rotate: '1' is outside 2..9; sink file");
    assert_int_equal(err_sys(&e, -ENOENT, "open %s", "/a;b"), -ENOENT);
    assert_string_equal(e.text, "open /a;b: No such file or directory");
    assert_int_equal(e.code, -ENOENT);
    (void)err_sys(&e, -4000, "open");
    assert_string_equal(e.text, "open: error 4000");
}

static void nobody_has_to_listen(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, -EIO, "x"), -EIO);
    assert_int_equal(err_wrap(NULL, -EIO, "x"), -EIO);
    assert_int_equal(err_sys(NULL, -EIO, "x"), -EIO);
}

/* What there is no room for is missing; what is there stays as it was. */
static void a_text_that_is_too_long_is_cut(void **state)
{
    char name[2 * ERR_TEXT_MAX];
    struct err e;
    (void)state;
    memset(name, 'x', sizeof name);
    name[10] = ';';
    name[sizeof name - 1] = '\0';
    (void)err_sys(&e, -ENOENT, "%s", name);
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    assert_memory_equal(e.text, name, ERR_TEXT_MAX - 1);
    (void)err_wrap(&e, -ENOENT, "more");
    assert_memory_equal(e.text, name, ERR_TEXT_MAX - 1);
    assert_int_equal(e.text[ERR_TEXT_MAX - 1], '\0');
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_grows_outwards_while_it_travels_up),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
