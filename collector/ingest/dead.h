/* dead.h - segments of dead processes that were delivered and are kept for fapilog-dump, and those
 * that were put aside because they are damaged. */
#ifndef COLLECTOR_INGEST_DEAD_H
#define COLLECTOR_INGEST_DEAD_H

#include <stdint.h>

#define SEGMENT_DEAD_SUFFIX ".dead"
#define SEGMENT_BAD_SUFFIX ".bad"

/* Unlinks all but the `keep` newest .dead files. What cannot be unlinked stays. */
void dead_prune(int dir_fd, uint64_t keep);

#endif
