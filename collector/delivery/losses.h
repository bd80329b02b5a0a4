/* losses.h - for sinks that take spans: counters of what was lost that a batch moves. Other sinks are told by records
 * (collector/ingest/drops.h). The counters only rise, so that to be told twice does no harm. */
#ifndef COLLECTOR_DELIVERY_LOSSES_H
#define COLLECTOR_DELIVERY_LOSSES_H

#include "collector/delivery/batch.h"

/* What the checkpoint of the batch says, where there is an output for it. -ENOMEM. */
int losses_collect(struct batch *b, const struct outputs *o, struct err *e);

/* The two halves of it: room for so many (-ENOMEM), and to write them down. */
int losses_reserve(struct batch *b, uint32_t count);
void losses_fill(struct batch *b, const struct outputs *o);

#endif
