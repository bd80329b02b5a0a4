/* dead.h - segments of dead processes that were delivered and are kept for fapilog-dump, and those
 * that were put aside because they are damaged. */
#ifndef COLLECTOR_INGEST_DEAD_H
#define COLLECTOR_INGEST_DEAD_H

#include "lib/base/err.h"

#include <stdint.h>

#define SEGMENT_DEAD_SUFFIX ".dead"
#define SEGMENT_BAD_SUFFIX ".bad"

/* Unlinks all but the `keep` newest .dead files of `dir`; none when it cannot be read to its end. What cannot be
 * unlinked stays, and the error is the last one of these. */
int dead_prune(int dir_fd, const char *dir, uint64_t keep, struct err *e);

#endif
