/* stage_run.h - a chain of stages over records of a test, and what formats make of its output. */
#ifndef TESTS_COMMON_STAGE_RUN_H
#define TESTS_COMMON_STAGE_RUN_H

#include "collector/stage/stage.h"
#include "tests/common/record_sample.h"

struct stage_run {
    struct stages chain;
    struct stage *stage[8];
    uint32_t count;
    char messages[4096]; /* what stages said, a line each */
};

/* Adds a stage: kind, then option, value ... NULL. 0, or what setting or checking the options returned. */
int stage_run_add(struct stage_run *run, struct err *e, const char *kind, ...) __attribute__((sentinel));
int stage_run_open(struct stage_run *run, struct err *e);
void stage_run_close(struct stage_run *run);

/* The record in that format, NUL behind it; freed by the caller. */
char *stage_run_text(const struct fapilog_record *r, const char *format);
/* Frees what stages and formats have cached in the sample. */
void stage_run_forget(struct sample *s);
void stage_run_free_caches(void **cache);

#endif
