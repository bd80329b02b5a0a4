/* identity.h - by what a sink is recognised in the state file of an earlier run. */
#ifndef COLLECTOR_DELIVERY_IDENTITY_H
#define COLLECTOR_DELIVERY_IDENTITY_H

#include "collector/sinks/sink.h"

uint64_t sink_identity(const struct sink *s);

#endif
