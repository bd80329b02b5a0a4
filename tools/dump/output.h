/* output.h - records to stdout in the chosen format. */
#ifndef TOOLS_DUMP_OUTPUT_H
#define TOOLS_DUMP_OUTPUT_H

#include <fapilog/reader.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tools/dump/tail.h"

#include <stdbool.h>

struct format;

struct output {
    struct format *format;
    struct buf out;
    bool is_named;    /* lines of pretty begin with service and pid */
    struct tail tail; /* what waits for output_settle(); max 0: nothing does */
    uint64_t records;
};

/* No terminal, or one that can do nothing. */
bool output_is_plain(int fd);
/* 0, or -EINVAL with the names that are allowed. */
int output_format_check(const char *name, struct err *e);
/* `name` NULL chooses by what stdout is. `is_named`: of several processes. `last`: only so many are shown, at
 * output_settle(); 0: all, at once. -EINVAL for an unknown format. */
int output_open(struct output *o, const char *name, bool is_named, uint32_t last, struct err *e);
void output_close(struct output *o);

int output_record(struct output *o, const struct fapilog_record *r, struct err *e);
int output_flush(struct output *o, struct err *e); /* -EPIPE when nobody reads any more */
/* Prints the last ones; from then on records are shown as they come. */
int output_settle(struct output *o, struct err *e);

#endif
