/* reencode.h - a record, as stages have left it, in the bytes of the ring: one dynamic record that needs no call
 * site, no context record and (unless asked for) no logger entry to be read; as a chain of fragments where it is longer
 * than the header of a record can say. For sinks that take raw records: what lies in the ring itself has been masked by
 * nobody. */
#ifndef COLLECTOR_FORMAT_REENCODE_H
#define COLLECTOR_FORMAT_REENCODE_H

#include <fapilog/reader.h>

#include <stddef.h>

struct reencode_options {
    /* Logger entry of the registry that goes with the record; its bound fields and name are left out. 0: there
     * is none: bound fields come in front of the record's, the name as a field "logger". The entry in the
     * producer's own registry holds bound fields unmasked. */
    uint32_t logger;
    bool with_enriched; /* what enrichers added comes as fields too */
    bool with_source;   /* the call site as well: code.file.path, code.line.number, code.function.name, as OpenTelemetry
                           has them */
    size_t limit;       /* most bytes of the record before it becomes a chain; 0: REENCODE_BYTES_MAX */
};

enum {
    REENCODE_PLAIN_MAX = 0xffff * 8, /* what the header of a record can say: longer ones are chains */
    REENCODE_BYTES_MAX = FAPILOG_RECORD_BYTES_MAX + 4088, /* what lib/reader accepts of a chain */
};

/* Most bytes that reencode_write() needs. */
size_t reencode_bound(const struct fapilog_record *r, const struct reencode_options *o);
/* Writes at out (8-byte aligned) where reencode_bound() bytes are free; returns the length, a multiple of 8.
 * The message of a printf-style record is made plain, its arguments are left out. What goes beyond the limit or
 * FAPILOG_FIELDS_MAX is cut, fields from the end and the message last, and the record marked as truncated.
 * 0: not even the empty record fits into the limit. */
size_t reencode_write(const struct fapilog_record *r, const struct reencode_options *o, uint8_t *out);

#endif
