/* otlp_proto_value.h - texts and field values as OTLP's AnyValue in protobuf. */
#ifndef COLLECTOR_FORMAT_OTLP_PROTO_VALUE_H
#define COLLECTOR_FORMAT_OTLP_PROTO_VALUE_H

#include <fapilog/reader.h>

#include <stddef.h>

enum { /* AnyValue */
    OTLP_ANY_STRING = 1,
    OTLP_ANY_BOOL = 2,
    OTLP_ANY_INT = 3,
    OTLP_ANY_DOUBLE = 4,
    OTLP_ANY_ARRAY = 5,
    OTLP_ANY_KVLIST = 6,
    OTLP_ANY_BYTES = 7,
};
enum { OTLP_LIST_VALUES = 1 }; /* ArrayValue, KeyValueList */
enum { OTLP_KEY_VALUE_KEY = 1, OTLP_KEY_VALUE_VALUE = 2 };

/* Copies text; protobuf takes UTF-8 only: what is none becomes U+FFFD. At most 3 * len bytes. */
char *otlp_proto_utf8(const char *src, size_t len, char *out, unsigned *flags);
/* A string field. */
char *otlp_proto_text(unsigned field, struct fapilog_text text, char *out, unsigned *flags);
/* The fields of an AnyValue; otlp_value_bound() is a bound of these too. */
char *otlp_proto_value(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags);

#endif
