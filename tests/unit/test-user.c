/* The user that --user names. Of the databases it needs root, which every system has, and a number that is free. */
#include "collector/daemon/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void finds(const char *text, uid_t uid, gid_t gid)
{
    struct user u;
    struct err e = { 0 };
    if (user_find(text, &u, &e) < 0)
        fail_msg("%s: %s", text, e.text);
    assert_int_equal(u.uid, uid);
    assert_int_equal(u.gid, gid);
}

static void refuses(const char *text, int code, const char *why)
{
    struct user u;
    struct err e = { 0 };
    assert_int_equal(user_find(text, &u, &e), code);
    if (!strstr(e.text, why))
        fail_msg("%s: %s", text, e.text);
}

/* A number that nobody has; in the range that systemd keeps for those that are made up for a while. */
static unsigned free_number(void)
{
    unsigned n = 61184;
    while (getpwuid(n) || getgrgid(n))
        n++;
    return n;
}

static void names_and_numbers_are_found(void **state)
{
    char text[64];
    struct user u;
    (void)state;
    finds("root", 0, 0);
    finds("0", 0, 0); /* its group is that of the entry */
    finds("root:root", 0, 0);
    (void)snprintf(text, sizeof text, "root:%u", free_number());
    finds(text, 0, free_number());
    (void)snprintf(text, sizeof text, "%u:%u", free_number(), free_number());
    finds(text, free_number(), free_number());
    assert_int_equal(user_find(text, &u, NULL), 0);
    assert_false(u.is_known);
    assert_string_equal(u.home, "");
    assert_int_equal(user_find("0", &u, NULL), 0);
    assert_true(u.is_known);
    assert_string_equal(u.name, "root");
    finds("4294967294:4294967294", 4294967294u, 4294967294u);
}

static void what_is_no_user_is_refused_with_what_is_allowed(void **state)
{
    char text[80], why[120];
    (void)state;
    refuses("", -EINVAL, "is not NAME, NAME:GROUP");
    refuses(":root", -EINVAL, "is not NAME, NAME:GROUP");
    refuses("root:", -EINVAL, "is not NAME, NAME:GROUP");
    refuses("root:root:root", -EINVAL, "is not NAME, NAME:GROUP");
    refuses("no-such-user-here", -ENOENT, "there is no user 'no-such-user-here'");
    refuses("root:no-such-group-here", -ENOENT, "there is no group 'no-such-group-here'");
    refuses("4294967295:0", -ENOENT, "there is no user '4294967295'"); /* the kernel's word for none */
    refuses("0:4294967295", -ENOENT, "there is no group '4294967295'");
    refuses("-1", -ENOENT, "there is no user");
    (void)snprintf(text, sizeof text, "%u", free_number());
    (void)snprintf(why, sizeof why, "give %u:GROUP", free_number());
    refuses(text, -EINVAL, why);
    memset(text, 'x', 64);
    text[64] = '\0';
    refuses(text, -EINVAL, "the name has over 63 bytes");
    text[63] = '\0';
    refuses(text, -ENOENT, "there is no user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_found),
        cmocka_unit_test(what_is_no_user_is_refused_with_what_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
