/* json_text.h - JSON text from a producer as part of our JSON: checked against RFC 8259 (no more than
 * JSON_TEXT_DEPTH_MAX levels), without white space, strings in their shortest form, the keys of every
 * object sorted, the last of equal keys kept. Text that is not JSON becomes a JSON string. */
#ifndef COLLECTOR_FORMAT_JSON_TEXT_H
#define COLLECTOR_FORMAT_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_TEXT_DEPTH_MAX = 64 };

size_t json_text_bound(size_t len);

/* style is an enum value_style: it decides the order of keys, and whether numbers keep their digits
 * (VALUE_SORTED) or are written as RFC 8785 wants them. Sets TEXT_INVALID_UTF8, TEXT_INVALID_JSON. */
char *json_text_write(const char *src, size_t len, int style, char *out, unsigned *flags);

/* Whether a JSON number is a whole one that 64 bits hold, signed or not. *ret is its value, modulo 2^64. */
bool json_text_is_whole(const char *text, size_t len, bool *ret_negative, uint64_t *ret);

/* For text that json_text_write() made: p stands at a value (a key is one too); returns its end. */
const char *json_text_skip(const char *p);

#endif
