/* json_string.h - the strings of JSON text, with and without their escapes. */
#ifndef COLLECTOR_STAGE_REDACT_JSON_STRING_H
#define COLLECTOR_STAGE_REDACT_JSON_STRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_STRING_CUT "[truncated]"

/* *p stands at the opening quote and ends behind the closing one; false: there is none. */
bool json_string_skip(const char **p, const char *end);
/* Undoes the escapes of what stands between the quotes; never longer than the input. */
size_t json_string_decode(const char *text, size_t len, char *out);
/* Escapes what JSON demands; returns the length, out may be NULL. */
size_t json_string_encode(const char *text, size_t len, char *out);
/* Bytes of the first `max` characters, len where there are no more than that. */
uint32_t json_string_prefix(const char *text, uint32_t len, uint32_t max);

#endif
