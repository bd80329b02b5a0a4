/* Writes JSON: members follow one another, commas come by themselves. */
#ifndef FAPILOG_BENCH_HARNESS_JSON_H
#define FAPILOG_BENCH_HARNESS_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct json {
    struct buf out;
    bool comma;
    int failed; /* first negative errno; checked once at the end */
};

/* key may be NULL inside an array. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_text(struct json *j, const char *key, const char *text);
void json_int(struct json *j, const char *key, int64_t value);
/* A value that is not finite becomes null. */
void json_num(struct json *j, const char *key, double value);
void json_null(struct json *j, const char *key);

#endif
