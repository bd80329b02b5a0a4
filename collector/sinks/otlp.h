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

#include "collector/sinks/http_options.h"
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

/* Takes what an ExportLogsServiceResponse says of rejected records into a result that is SINK_DELIVERED, and warns of
 * those that nobody can name. An answer that is no such message says nothing. *ret_indices is the result's, to be
 * freed when it has been told. */
void otlp_partial(struct sink *s, uint32_t count, const struct buf *response, bool is_json, struct sink_result *result,
                  uint32_t **ret_indices);
/* Whether a google.rpc.Status, in base64, has a RetryInfo, and the delay that it asks for. */
bool otlp_retry_info(const char *base64, uint64_t *ret_ns);

struct otlp_grpc;
int otlp_grpc_check(const struct http_options *o, struct err *e);
/* headers: "Name: value", they and the options outlive it. *ret is to be closed even if this fails. */
int otlp_grpc_open(struct sink *s, const struct http_options *o, char *const *headers, unsigned count,
                   struct otlp_grpc **ret, struct err *e);
void otlp_grpc_close(struct otlp_grpc *g); /* NULL allowed */
void otlp_grpc_send(struct otlp_grpc *g, struct sink_request *r);
void otlp_grpc_cancel(struct otlp_grpc *g, struct sink_request *r);

#endif
