/* release.h - telling producers what has been delivered: the only stores into lane slots. */
#ifndef COLLECTOR_INGEST_RELEASE_H
#define COLLECTOR_INGEST_RELEASE_H

#include "collector/ingest/drain.h"

/* Stores every position of a committed batch and gives the space back. */
void release_checkpoint(struct checkpoint *c);

/* Repeats what the last run committed but may not have stored any more. */
void release_redo(struct source *s, const struct position *positions, uint32_t count);

/* Notes a flush request: the tails of this moment must be delivered before it is acknowledged. */
void release_flush_begin(struct source *s, uint32_t seq);
/* Acknowledges it when they are. */
void release_flush_check(struct source *s);

#endif
