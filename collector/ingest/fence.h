/* fence.h - what a former collector had read but not committed, batch by batch. It is read again the same
 * way: a turn ends where the batch did, in every lane that the batch moved, and leaves the other lanes
 * alone. So each record comes in the company it had, and whoever had that batch can be left out of it. */
#ifndef COLLECTOR_INGEST_FENCE_H
#define COLLECTOR_INGEST_FENCE_H

#include "collector/ingest/drain.h"

/* At the start of a turn: puts up the fence that it reads to, or takes the last one down. */
void fence_begin(struct drain *d);
/* No report goes beyond what the batch had told. */
void fence_cut_lane(struct lane *l);
void fence_cut_source(struct source *s);
/* When the lane is read up to the fence, before the reports of the turn. */
void fence_end_lane(struct lane *l);

#endif
