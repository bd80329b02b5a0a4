/* otlp.h - the parts of the OTLP sink. An entry is, in either encoding:
 *
 *   group    resource and scope; protobuf: as otlp_proto_group() writes them; JSON: the beginning of a ResourceLogs
 *            object, up to the [ of its logRecords
 *   payload  one LogRecord
 *
 * or, where the group is too long for an entry's head, no group, and a payload that is a whole ResourceLogs.
 * The first byte of an entry tells the encodings apart: a spool may hold what an earlier run has written with
 * the other one. */
#ifndef COLLECTOR_SINKS_OTLP_H
#define COLLECTOR_SINKS_OTLP_H

#include "collector/sinks/sink.h"
#include "lib/base/buf.h"

/* f: the otlp-json format. */
char *otlp_entry_json(struct format *f, const struct fapilog_record *r, char *out, uint16_t *ret_group_len);
struct gather;
char *otlp_entry_protobuf(struct gather *g, struct format *f, const struct fapilog_record *r, char *out,
                          uint16_t *ret_group_len);

/* Appends a whole ExportLogsServiceRequest, entries of one group together. 0, -ENOMEM, or -EBADMSG where an entry
 * is damaged or of another encoding than the first. */
int otlp_request_write(const struct sink_request *q, struct buf *out, bool *ret_is_json);

/* What an ExportLogsServiceResponse says of records that were rejected; 0: nothing, or it is no such message.
 * message: printable, cut. */
uint64_t otlp_rejected(const char *data, size_t len, bool is_json, char *message, size_t size);

#endif
