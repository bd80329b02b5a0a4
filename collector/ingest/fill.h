/* fill.h - how full lanes are: what their producers find in use, delivered or not. Only of living processes: in the
 * ring of one that is gone, nothing more can be lost. */
#ifndef COLLECTOR_INGEST_FILL_H
#define COLLECTOR_INGEST_FILL_H

#include "collector/ingest/drain.h"

/* For the start of a turn, which has the tail at hand. */
void fill_note(struct drain *d, const struct lane *l);
/* 0..1, of the fullest lane since the last call. A turn that waits for a batch to become free began with tails of
 * long ago, so they are looked at again. */
double fill_take(struct drain *d);

#endif
