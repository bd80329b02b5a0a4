/* entry_order.h - a request's entries by their index: in the order of their times, and indices in ascending order, as
 * struct sink_result wants them. */
#ifndef COLLECTOR_SINKS_ENTRY_ORDER_H
#define COLLECTOR_SINKS_ENTRY_ORDER_H

#include "collector/sinks/remote.h"

#include <stdint.h>

/* Sorts indices of entries by time; those of one time stay in the order in which they stood. `spare` has room for half
 * as many. */
void entry_order_by_time(const struct sink_request *r, uint32_t *index, uint32_t *spare, uint32_t count);

void entry_order_ascending(uint32_t *index, uint32_t count);

#endif
