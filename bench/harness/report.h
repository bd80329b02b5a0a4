/* A result as one line for people and one JSON object for machines. */
#ifndef FAPILOG_BENCH_HARNESS_REPORT_H
#define FAPILOG_BENCH_HARNESS_REPORT_H

#include "bench/harness/run.h"

void report_line(const char *peer, const struct run_config *cfg, const struct run_result *res);

/* Writes dir/<peer>-<mode>-<shape>-<producers><t|p>-<time>-<pid>.json. */
int report_json(const char *dir, const char *peer, const struct run_config *cfg, const struct run_result *res,
                int argc, char **argv, struct err *e);

#endif
