/* output.h - records to stdout in the chosen format. */
#ifndef TOOLS_DUMP_OUTPUT_H
#define TOOLS_DUMP_OUTPUT_H

#include <fapilog/reader.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct format;

struct output {
    struct format *format;
    struct buf out;
};

/* 0, or -EINVAL with the names that are allowed. */
int output_format_check(const char *name, struct err *e);
/* `name` NULL chooses by what stdout is. -EINVAL for an unknown format. */
int output_open(struct output *o, const char *name, struct err *e);
void output_close(struct output *o);

int output_record(struct output *o, const struct fapilog_record *r, struct err *e);
int output_flush(struct output *o, struct err *e); /* -EPIPE when nobody reads any more */

#endif
