/* pump.h - moves records from a turn into batches, as far as the batches have room. */
#ifndef COLLECTOR_DELIVERY_PUMP_H
#define COLLECTOR_DELIVERY_PUMP_H

#include "collector/delivery/pipeline.h"

/* Before each drain_begin(): goes back to formerly open batches of segments that could be attached by now. */
void pump_turn_begins(struct pipeline *p, struct drain *d);
/* Goes on with the turn. When it is over, what was gathered is closed as soon as a sink has nothing to do:
 * until then the next turn adds to it. -ENOMEM. */
int pump_run(struct pipeline *p, struct drain *d, struct err *e);

#endif
