/* cloudwatch.h - the parts of the CloudWatch Logs sink: what it asks (cloudwatch_body.c) and what it is
 * answered (cloudwatch_response.c). AWS JSON 1.1. */
#ifndef COLLECTOR_SINKS_CLOUDWATCH_H
#define COLLECTOR_SINKS_CLOUDWATCH_H

#include "collector/net/http.h"
#include "collector/sinks/remote.h"
#include "lib/base/buf.h"

enum {
    CLOUDWATCH_EVENTS_MAX = 10000,
    CLOUDWATCH_BYTES_MAX = 1048576,
    CLOUDWATCH_EVENT_OVERHEAD = 26,
    CLOUDWATCH_NAME_MAX = 512,
    CLOUDWATCH_TOKEN_MAX = 256,
};

/* Indices of the entries by time, those of one time as they came. `order` has room for twice as many. */
void cloudwatch_order(const struct sink_request *r, uint32_t *order);
/* 0 or -ENOMEM; append to out. token: "" for none. */
int cloudwatch_put(const struct sink_request *r, const uint32_t *order, const char *group, const char *stream,
                   const char *token, struct buf *out);
int cloudwatch_create_group(const char *group, struct buf *out);
int cloudwatch_create_stream(const char *group, const char *stream, struct buf *out);

enum cloudwatch_verdict {
    CLOUDWATCH_DONE,
    CLOUDWATCH_MISSING,   /* no such group or stream */
    CLOUDWATCH_EXISTS,    /* that was to be made */
    CLOUDWATCH_TOKEN,     /* wants another sequence token */
    CLOUDWATCH_EXPIRED,   /* credentials are out of date */
    CLOUDWATCH_DENIED,    /* they are wrong, or do not allow it */
    CLOUDWATCH_LATER,
    CLOUDWATCH_REFUSED,
    CLOUDWATCH_BROKEN,
};

/* ret_token: CLOUDWATCH_TOKEN_MAX bytes, for CLOUDWATCH_TOKEN. */
enum cloudwatch_verdict cloudwatch_judge(const struct http_request *q, char *ret_token);
/* Entries that the answer to a put says were left out, ascending, into `rejected`; `order` is what was sent.
 * Returns how many. */
uint32_t cloudwatch_rejected(const struct http_request *q, const uint32_t *order, uint32_t count, uint32_t *rejected);

#endif
