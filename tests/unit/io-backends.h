/* Runs one list of tests on every backend of collector/io. */
#ifndef TESTS_UNIT_IO_BACKENDS_H
#define TESTS_UNIT_IO_BACKENDS_H

#include "tests/unit/io-probe.h"

#include "lib/base/check.h"

static struct io *io;

/* io_uring may be blocked on this machine; every test of it is skipped then. */
#define NEED_IO() do { if (!io) skip(); } while (0)

static int backend_setup(void **state)
{
    const struct io_config *const cfg = *state;
    struct err e = { 0 };

    if (io_new(cfg, &io, &e) == 0)
        return 0;
    print_message("%s\n", e.text);
    return cfg->kind == IO_URING ? 0 : -1;
}

static int backend_teardown(void **state)
{
    (void)state;
    io_free(io);
    io = NULL;
    return 0;
}

static int run_on_backends(const struct CMUnitTest *body, size_t count)
{
    static const char *const names[] = { "io_uring", "plain", "sim" };
    static struct io_config cfg[] = {
        { .kind = IO_URING, .queue_depth = 16 },
        { .kind = IO_PLAIN, .queue_depth = 16 },
        { .kind = IO_SIM, .queue_depth = 16, .sim_seed = 7 },
    };
    struct CMUnitTest tests[64];
    int failed = 0;

    CHECK(count <= ARRAY_COUNT(tests));
    for (size_t b = 0; b < ARRAY_COUNT(cfg); b++) {
        for (size_t i = 0; i < count; i++) {
            tests[i] = body[i];
            tests[i].setup_func = backend_setup;
            tests[i].teardown_func = backend_teardown;
            tests[i].initial_state = &cfg[b];
        }
        failed += _cmocka_run_group_tests(names[b], tests, count, NULL, NULL);
    }
    return failed;
}

#endif
