/* One line of NDJSON to the parts of a record. */
#ifndef TOOLS_CAT_NDJSON_H
#define TOOLS_CAT_NDJSON_H

#include <fapilog/reader.h>

#include "lib/base/err.h"

#include <jansson.h>

struct ndjson {
    json_t *root;
    json_t *rest; /* members beyond FAPILOG_FIELDS_MAX, which become one field "_rest" */
    struct fapilog_text message; /* of "message", "msg" or "body"; empty when there is none */
    uint8_t level;               /* of "level", "severity", "severity_text", PRIORITY; 0 when there is none */
    struct fapilog_field fields[FAPILOG_FIELDS_MAX];
    uint32_t fields_count;
    char *owned[FAPILOG_FIELDS_MAX + 1]; /* JSON text of nested members, a message of bytes */
    uint32_t owned_count;
};

/* 0, or -EINVAL with the place of the error when the line is no JSON object. */
int ndjson_parse(struct ndjson *n, const char *line, size_t len, struct err *e);
/* Frees what the last parse holds; safe on a zeroed struct and twice. */
void ndjson_clear(struct ndjson *n);

#endif
