/* raw.h - spans of the ring for whoever wants records as they lie there. */
#ifndef COLLECTOR_DELIVERY_RAW_H
#define COLLECTOR_DELIVERY_RAW_H

#include "collector/delivery/batch.h"

/* Adds to the batch, for each raw output and for those of which images are made, what its checkpoint covers of every
 * lane. d: has just made the checkpoint, and knows how many records that is; NULL: they are counted. -ENOMEM. */
int raw_collect(struct batch *b, const struct outputs *o, const struct drain *d, struct err *e);

#endif
