/* Directories that root makes for another user: below /run, where only root may write. Needs root. */
#include "collector/daemon/private_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char base[64];
static const struct user somebody = {.uid = 61184, .gid = 61185, .name = "61184"};

static const char *in(const char *dir, const char *below)
{
    static char path[4][PATH_MAX];
    static unsigned turn;
    char *p = path[turn++ % 4];
    (void)snprintf(p, sizeof path[0], "%s%s", dir, below);
    return p;
}

static void make(const char *path)
{
    struct err e = { 0 };
    if (private_dir_make(path, 0750, &somebody, &e) < 0)
        fail_msg("%s: %s", path, e.text);
}

static void is_like(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_uid, uid);
    assert_int_equal(st.st_gid, gid);
    assert_int_equal(st.st_mode & 07777, mode);
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void only_the_last_one_is_the_users(void **state)
{
    (void)state;
    (void)umask(077); /* is no part of it */
    make(in(base, "/a/b//c/"));
    (void)umask(022);
    is_like(in(base, "/a"), 0, 0, 0755);
    is_like(in(base, "/a/b"), 0, 0, 0755);
    is_like(in(base, "/a/b/c"), somebody.uid, somebody.gid, 0750);
}

static void what_is_there_stays_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in(base, "/there"), 0700), 0);
    make(in(base, "/there"));
    is_like(in(base, "/there"), 0, 0, 0700);
    make(in(base, "/there/more"));
    is_like(in(base, "/there"), 0, 0, 0700);
    is_like(in(base, "/there/more"), somebody.uid, somebody.gid, 0750);
}

static void links_of_root_are_followed(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in(base, "/real"), 0755), 0);
    assert_int_equal(symlink("real", in(base, "/link")), 0);
    make(in(base, "/link/x"));
    is_like(in(base, "/real/x"), somebody.uid, somebody.gid, 0750);
}

/* Where somebody else may write, a link of theirs would lead root anywhere. */
static void nothing_is_made_where_others_may_write(void **state)
{
    char tmp[] = "/tmp/fapilog-dirs-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(tmp));
    make(in(tmp, "/x"));
    assert_false(is_there(in(tmp, "/x"))); /* /tmp is everybody's */
    assert_int_equal(rmdir(tmp), 0);
    static const struct { const char *dir, *deep, *file, *deep_file; uid_t uid; mode_t mode; } all[] = {
        {"/theirs", "/theirs/deep", "/theirs/x", "/theirs/deep/x", 61184, 0755},
        {"/group", "/group/deep", "/group/x", "/group/deep/x", 0, 0775},
        {"/others", "/others/deep", "/others/x", "/others/deep/x", 0, 01777},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal(mkdir(in(base, all[i].dir), 0755), 0);
        assert_int_equal(mkdir(in(base, all[i].deep), 0755), 0); /* root's, below one that is not */
        assert_int_equal(chown(in(base, all[i].dir), all[i].uid, 0), 0);
        assert_int_equal(chmod(in(base, all[i].dir), all[i].mode), 0);
        make(in(base, all[i].file));
        assert_false(is_there(in(base, all[i].file)));
        make(in(base, all[i].deep_file));
        assert_false(is_there(in(base, all[i].deep_file)));
    }
    assert_int_equal(symlink(in(base, "/theirs/deep"), in(base, "/way")), 0);
    make(in(base, "/way/x"));
    assert_false(is_there(in(base, "/theirs/deep/x")));
    make(in(base, "/theirs/../y"));
    assert_false(is_there(in(base, "/y")));
    make("relative/x");
    assert_false(is_there("relative"));
}

static void a_file_in_the_way_is_left_to_whoever_needs_the_directory(void **state)
{
    (void)state;
    const int fd = open(in(base, "/file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    (void)close(fd);
    make(in(base, "/file/x"));
    assert_false(is_there(in(base, "/file/x")));
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(base, sizeof base, "/run/fapilog-dirs-XXXXXX");
    return mkdtemp(base) && chmod(base, 0755) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", base);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_last_one_is_the_users),
        cmocka_unit_test(what_is_there_stays_as_it_is),
        cmocka_unit_test(links_of_root_are_followed),
        cmocka_unit_test(nothing_is_made_where_others_may_write),
        cmocka_unit_test(a_file_in_the_way_is_left_to_whoever_needs_the_directory),
    };
    if (geteuid() != 0) {
        (void)puts("skipped: only root can give a directory to another user");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
