/* native_run.h - a small segment in memory whose records are numbered, for sinks that take raw spans. */
#ifndef TESTS_COMMON_NATIVE_RUN_H
#define TESTS_COMMON_NATIVE_RUN_H

#include "tests/common/sink_run.h"

enum { NATIVE_RUN_RECORDS_MAX = 2000 };

/* Spans of up to RUN_BATCH_RECORDS records below `end` that fit into r->data's sink: two lanes, a
 * registry that grows, blocks of 1 KiB with headers. */
void native_run_fill(struct run *r, uint64_t end);

/* Reads every file by itself: each record below `end` exactly once, with its bytes, after its segment and
 * its registry entry. Prints what is wrong. */
bool native_run_check(const char *directory, uint64_t end);

/* The bytes of lane 0 or 1, for tests that damage a file. */
const uint8_t *native_run_lane(unsigned lane);

#endif
