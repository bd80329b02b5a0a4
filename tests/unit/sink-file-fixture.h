/* sink-file-fixture.h - a directory of its own for each test, and a clock that stands. */
#ifndef TESTS_UNIT_SINK_FILE_FIXTURE_H
#define TESTS_UNIT_SINK_FILE_FIXTURE_H

#include "collector/sinks/fileset.h"
#include "tests/common/sink_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[200];
static int64_t clock_ns; /* of the wall */
static int64_t boot_ns;

static int64_t test_clock(void) { return clock_ns; }
static int64_t test_boot(void) { return boot_ns; }

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "%s/fapilog-file-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    clock_ns = INT64_C(1763717400) * 1000000000; /* 2025-11-21 09:30:00 UTC */
    fileset_real_ns = test_clock;
    boot_ns = INT64_C(1000000000);
    fileset_boot_ns = test_boot;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    run_kill_at(0);
    run_remove(dir);
    return 0;
}

/* Every $ becomes the directory. */
static const char *uri(const char *fmt)
{
    static char text[600];
    size_t n = 0;
    for (const char *p = fmt; *p; p++)
        n += (size_t)snprintf(text + n, sizeof text - n, *p == '$' ? "%s" : "%.1s", *p == '$' ? dir : p);
    return text;
}

static void path_of(char *ret, const char *name) { (void)snprintf(ret, 300, "%s/%s", dir, name); }

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
