/* pump.h - moves records from a turn into batches, as far as the batches have room. */
#ifndef COLLECTOR_DELIVERY_PUMP_H
#define COLLECTOR_DELIVERY_PUMP_H

#include "collector/delivery/pipeline.h"

/* Goes on with the turn. When it is over, what was gathered is closed as soon as a sink has nothing to do:
 * until then the next turn adds to it. -ENOMEM. */
int pump_run(struct pipeline *p, struct drain *d, struct err *e);

#endif
