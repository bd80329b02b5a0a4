/* The locks of the ring directory and of the state directory hold where their file system has no room for the pid. */
#include "collector/daemon/lock.h"
#include "collector/delivery/state_dir.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

typedef int lock_func(const char *dir, struct err *e);
static lock_func *const locks[] = { lock_acquire, state_dir_lock };

static char dir[] = "/dev/shm/fapilog-lock-XXXXXX";
static int write_errno; /* 0: the write is short */

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t at);

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t at)
{
    (void)fd, (void)data, (void)size, (void)at;
    if (!write_errno)
        return 1;
    errno = write_errno;
    return -1;
}

static void without_room_for_the_pid_the_lock_is_held(void **state)
{
    static const int none[] = { ENOSPC, EDQUOT };
    struct err e;
    (void)state;
    for (size_t l = 0; l < ARRAY_COUNT(locks); l++) {
        for (size_t i = 0; i < ARRAY_COUNT(none); i++) {
            write_errno = none[i];
            auto_fd fd = locks[l](dir, &e);
            assert_true(fd >= 0);
            assert_int_equal(locks[l](dir, &e), -EBUSY);
        }
    }
}

static void a_write_that_fails_or_is_cut_short_is_told(void **state)
{
    struct err e;
    (void)state;
    for (size_t l = 0; l < ARRAY_COUNT(locks); l++) {
        write_errno = EIO;
        assert_int_equal(locks[l](dir, &e), -EIO);
        write_errno = 0;
        errno = ENOSPC; /* of another call */
        assert_int_equal(locks[l](dir, &e), -EIO);
    }
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char path[sizeof dir + 32];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/" STATE_DIR_LOCK, dir); /* both have this name */
    return unlink(path) < 0 ? -1 : rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_room_for_the_pid_the_lock_is_held),
        cmocka_unit_test(a_write_that_fails_or_is_cut_short_is_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
