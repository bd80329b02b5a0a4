/* otlp_value.h - field values as OTLP's AnyValue in JSON. */
#ifndef COLLECTOR_FORMAT_OTLP_VALUE_H
#define COLLECTOR_FORMAT_OTLP_VALUE_H

#include <fapilog/reader.h>

#include <stddef.h>

/* What AnyValue adds at most to plan_bound(). */
size_t otlp_value_bound(const struct fapilog_record *r);

char *otlp_value_json(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags);

#endif
