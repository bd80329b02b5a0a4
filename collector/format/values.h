/* values.h - field values as text. Functions write at out and return the end; the caller has made sure
 * that value_bound() bytes are free there. */
#ifndef COLLECTOR_FORMAT_VALUES_H
#define COLLECTOR_FORMAT_VALUES_H

#include <fapilog/reader.h>

#include "lib/base/bytes_text.h"
#include "lib/base/json_escape.h"
#include "lib/base/num.h"
#include "lib/base/utf8.h"

#include <stddef.h>
#include <string.h>

enum value_style {
    VALUE_SORTED, /* JSON; whole doubles as 1.0; nested keys in byte order */
    VALUE_RFC8785,/* canonical JSON */
};

enum {
    VALUE_FRAME_MAX = 800, /* bytes for one return address of a STACK */
    VALUE_SLACK = 32,      /* bytes after the end that may be overwritten */
};

#define put_lit(out, lit) ((char *)memcpy((out), "" lit, sizeof(lit) - 1) + sizeof(lit) - 1)

/* Copies in steps of 16: up to 15 bytes after either end are touched. */
static inline char *put_padded(char *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i += 16)
        memcpy(out + i, text + i, 16);
    return out + len;
}

/* A JSON string with its quotes. */
static inline char *value_quoted(struct fapilog_text text, char *out, unsigned *flags)
{
    *out++ = '"';
    out = json_escape(text.data, text.len, out, flags);
    *out++ = '"';
    return out;
}

/* Most bytes of the value in any format. */
size_t value_bound(const struct fapilog_field *f);

/* The value as JSON. `r` names the modules of a STACK. */
char *value_json(const struct fapilog_record *r, const struct fapilog_field *f, enum value_style style,
                 char *out, unsigned *flags);

/* The scalar types whose text has no need for escaping in any format: everything but STRING, CHAR, JSON
 * and STACK. Durations and times are for people. False: not of these types, nothing written. */
bool value_plain(const struct fapilog_field *f, enum num_style style, char **out);

/* How text goes into the output: json_escape(), text_clean() ... At most JSON_ESCAPE_FACTOR * len bytes. */
typedef char *value_text_fn(const char *src, size_t len, char *out, unsigned *flags);

/* One return address: path+0xoffset, or 0xaddress where no module is known. */
char *value_frame(const struct fapilog_record *r, uint64_t address, value_text_fn *text, char *out, unsigned *flags);
/* Frame i of a STACK field. */
uint64_t value_stack_address(const struct fapilog_field *f, uint32_t i);

#endif
