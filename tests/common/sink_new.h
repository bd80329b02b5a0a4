/* sink_new.h - a sink of a URI alone, configured and not opened. Those of the collector have more sources:
 * collector/config. */
#ifndef TESTS_COMMON_SINK_NEW_H
#define TESTS_COMMON_SINK_NEW_H

#include "collector/sinks/sink.h"

/* `source` says where the text came from, for messages. 0, or what is wrong with it. */
int sink_new(const char *uri, const char *source, struct sink **ret, struct err *e);

#endif
