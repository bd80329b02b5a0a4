/* otlp_proto.h - OTLP as protobuf (opentelemetry/proto/logs/v1): the same attributes, names and types as the
 * otlp-json format. In pieces, since a sink puts many records into one request:
 *
 *   group    ResourceLogs.resource, then ScopeLogs.scope, each a field of number 1 with its key and length
 *   record   the bytes of one LogRecord */
#ifndef COLLECTOR_FORMAT_OTLP_PROTO_H
#define COLLECTOR_FORMAT_OTLP_PROTO_H

#include "collector/format/format.h"
#include "collector/format/gather.h"

/* Field numbers of the messages around a record. */
enum {
    OTLP_REQUEST_RESOURCE_LOGS = 1,
    OTLP_RESOURCE_LOGS_RESOURCE = 1,
    OTLP_RESOURCE_LOGS_SCOPE_LOGS = 2,
    OTLP_SCOPE_LOGS_SCOPE = 1,
    OTLP_SCOPE_LOGS_RECORDS = 2,
};

/* Most bytes of group and record together. */
size_t otlp_proto_bound(const struct fapilog_record *r);
char *otlp_proto_group(const struct fapilog_record *r, char *out);
/* f: whose cfg.source says whether code.* are wanted. g: to work in. */
char *otlp_proto_record(struct gather *g, struct format *f, const struct fapilog_record *r, char *out);

#endif
