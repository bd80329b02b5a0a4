/* scenario.h - runs a piece of a program that logs in a process of its own, with a fresh library and a ring
 * directory of its own, and leaves what it logged to be walked. */
#ifndef TESTS_COMMON_SCENARIO_H
#define TESTS_COMMON_SCENARIO_H

#include "tests/common/walk.h"

#include <poll.h>
#include <sys/types.h>

typedef void scenario_func(void *arg);

struct scenario {
    char dir[64];
    struct walk seg[WALK_SEGMENTS_MAX];
    unsigned segs;
    int status; /* as of waitpid() */
};

/* Makes the directory and points FAPILOG_RING_DIR there. */
void scenario_init(struct scenario *s);
void scenario_done(struct scenario *s);
/* The same as set-up and tear-down of a test, whose state it is. */
int scenario_setup(void **state);
int scenario_teardown(void **state);

pid_t scenario_start(scenario_func *f, void *arg);
/* Starts it, waits for it, opens its segments; a child that does not exit with 0 fails the test. */
void scenario_run(struct scenario *s, scenario_func *f, void *arg);
void scenario_wait(struct scenario *s, pid_t pid);
void scenario_open(struct scenario *s);

/* Polls until the condition holds, at most for 10 s; false when it never did. */
#define SCENARIO_UNTIL(cond) \
    __extension__({ \
        bool held_ = false; \
        for (int i_ = 0; i_ < 10000 && !(held_ = (cond)); i_++) \
            (void)poll(NULL, 0, 1); \
        held_; \
    })

#endif
