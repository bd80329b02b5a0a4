/* filter_run.h - one stage in a chain of its own, with the test's clock. */
#ifndef TESTS_COMMON_FILTER_RUN_H
#define TESTS_COMMON_FILTER_RUN_H

#include "collector/stage/stage.h"
#include "lib/base/clock.h"
#include "tests/common/record_sample.h"

struct filter_run {
    struct stages chain;
    struct stage *stage;
    uint64_t now_ns;
    char said[1024];
};

/* `options`: name, value, name, value ... NULL. Ends the program when something is wrong with them. */
void filter_run_open(struct filter_run *t, const char *kind, const char *const *options);
void filter_run_close(struct filter_run *t);
void filter_run_pass(struct filter_run *t, uint64_t ns); /* time */
bool filter_run_keeps(struct filter_run *t, const struct fapilog_record *r);
/* Of `count` records at `rate` a second. */
unsigned filter_run_kept(struct filter_run *t, const struct fapilog_record *r, unsigned count, double rate);
double filter_run_gauge(struct filter_run *t, const char *name); /* -1: there is none of that name */

#define OPTIONS(...) (const char *const[]){__VA_ARGS__, NULL}

#endif
