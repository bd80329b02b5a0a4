/* sigv4.h - AWS Signature Version 4: the Authorization header of a request. */
#ifndef COLLECTOR_NET_SIGV4_H
#define COLLECTOR_NET_SIGV4_H

#include "lib/base/buf.h"

#include <stdint.h>

enum { SIGV4_STAMP_SIZE = 17 }; /* 20150830T123600Z and NUL */

struct sigv4_header {
    const char *name;  /* lower case */
    const char *value; /* without white space around it */
};

struct sigv4 {
    const char *key_id, *secret;
    const char *region, *service;
    const char *stamp;  /* of sigv4_stamp(); also sent as X-Amz-Date */
    const char *method;
    const char *path;   /* encoded, "/" at least */
    const char *query;  /* encoded and sorted, without '?'; "" for none */
    const struct sigv4_header *header; /* what is signed, sorted by name: host and x-amz-date at least */
    unsigned headers_count;
    const char *payload;
    size_t payload_len;
};

/* Of seconds since 1970. */
void sigv4_stamp(int64_t seconds, char ret[SIGV4_STAMP_SIZE]);
/* Appends "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...". 0 or -ENOMEM. */
int sigv4_authorization(const struct sigv4 *s, struct buf *out);

#endif
