/* decode.h - from the bytes of a payload to fields. The hot part of reading.
 *
 * `rec` is the start of a record (or of a field list), 8-byte aligned; offsets count from there, and
 * nothing at or beyond `end` is read. The bytes belong to another process: each word is loaded once,
 * lengths are bounded before use, texts are returned as pointers to the bytes where they lie. A field
 * that does not fit ends in -EBADMSG; outputs are then unspecified. */
#ifndef LIB_READER_DECODE_H
#define LIB_READER_DECODE_H

#include <fapilog/reader.h>

/* What precedes the arguments, by the flags of word0. */
struct decode_prefix {
    uint32_t logger;
    uint32_t epoch;
    uint32_t tid;           /* 0 without FAPILOG_FLAG_TID */
    uint32_t context_off;   /* inline context: its field list */
    uint32_t context_bytes;
    uint32_t context_count;
    uint32_t end;           /* where arguments start; behind the record's end: there are none */
};
int decode_prefix(const uint8_t *rec, uint32_t off, uint32_t end, unsigned flags, struct decode_prefix *ret);

/* Fills `ret`, which has room for count fields, from a site's template. */
int decode_args(const struct fapilog_field *templates, uint32_t count, const uint8_t *rec, uint32_t off,
                uint32_t end, struct fapilog_field *ret);

/* Where the leading numbers of a site's records lie, which no text in front of them can move. A number
 * lies inside one aligned word: two shifts take it out and extend its sign. */
struct decode_load {
    uint16_t word; /* from the first argument */
    uint8_t left, right;
    bool is_signed;
};
struct decode_loads {
    uint32_t count; /* leading fields that are such numbers */
    uint32_t bytes; /* up to their end */
    struct decode_load load[];
};
/* There is room for `count` loads. */
void decode_loads_init(struct decode_loads *ret, const struct fapilog_field *templates, uint32_t count);

/* As decode_args(). `is_loaded`: ret still holds the fields of an earlier record of this site. */
int decode_site(const struct fapilog_site *site, bool is_loaded, const uint8_t *rec, uint32_t off,
                uint32_t end, struct fapilog_field *ret);

/* A self-describing list; values are aligned from `list`. */
int decode_list(const uint8_t *list, uint32_t bytes, uint32_t count, struct fapilog_field *ret);

/* struct fapilog_dynamic at off, its message and its fields; at most FAPILOG_FIELDS_MAX. */
int decode_dynamic(const uint8_t *rec, uint32_t off, uint32_t end, struct fapilog_text *ret_message,
                   struct fapilog_field *ret, uint32_t *ret_count);

/* Sets the members of a template that follow from its type; false for an unknown type. */
bool decode_template(struct fapilog_field *f, uint8_t type);

#endif
