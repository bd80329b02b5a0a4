/* otlp_value.h - field values as OTLP's AnyValue in JSON. */
#ifndef COLLECTOR_FORMAT_OTLP_VALUE_H
#define COLLECTOR_FORMAT_OTLP_VALUE_H

#include <fapilog/reader.h>

#include <stddef.h>

/* Most bytes of the value, and of the words around it that make an attribute. */
size_t otlp_value_bound(const struct fapilog_field *f);

/* Whether a number of canonical JSON is an int_value: a whole one that fits, all others are doubles. */
bool otlp_is_int(const char *text, size_t len, int64_t *ret);

char *otlp_value_json(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags);

#endif
