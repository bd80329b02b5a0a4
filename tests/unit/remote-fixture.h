/* The engine of a remote sink with a sink that answers as it is told. */
#ifndef TESTS_UNIT_REMOTE_FIXTURE_H
#define TESTS_UNIT_REMOTE_FIXTURE_H

#include "tests/unit/io-probe.h"

#include "lib/base/check.h"
#include "tests/common/fake_remote.h"

static struct fake fake;
static struct fake *const f = &fake;

static inline int set_up(void **state)
{
    fake_init(f, *state);
    fake_option(f, "batch_interval", "1s");
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    fake_done(f);
    return 0;
}

static inline void start(void)
{
    struct err e;
    assert_int_equal(fake_start(f, &e), 0);
}

/* Scripts: no answer yet, and always the same one. */
static inline bool hold(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g, (void)q, (void)a;
    return false;
}

static inline bool always_fail(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g, (void)q;
    *a = (struct sink_result){ .outcome = SINK_RETRY, .status = 503, .reason = "busy" };
    return true;
}

/* All of them on every backend of collector/io; how many fail. */
static inline int run_on_every_backend(struct CMUnitTest *tests, size_t count)
{
    static struct io_config cfg[] = {
        { .kind = IO_AUTO, .queue_depth = 16 },
        { .kind = IO_PLAIN, .queue_depth = 16 },
        { .kind = IO_SIM, .queue_depth = 16, .sim_seed = 7 },
    };
    static const char *const names[] = { "io_uring", "plain", "sim" };
    int failed = 0;
    for (size_t b = 0; b < ARRAY_COUNT(cfg); b++) {
        for (size_t i = 0; i < count; i++) {
            tests[i].setup_func = set_up;
            tests[i].teardown_func = tear_down;
            tests[i].initial_state = &cfg[b];
        }
        failed += _cmocka_run_group_tests(names[b], tests, count, NULL, NULL);
    }
    return failed;
}

#endif
