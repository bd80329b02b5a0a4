/* Text of doubtful origin as the inside of a JSON string: checked for UTF-8 and escaped in one pass.
 *
 * The source may lie in memory that another process is changing: everything is decided on a private
 * copy, so the output is valid JSON whatever happens to the source meanwhile. */
#ifndef FAPILOG_BASE_JSON_ESCAPE_H
#define FAPILOG_BASE_JSON_ESCAPE_H

#include <stddef.h>

enum {
    JSON_ESCAPE_FACTOR = 6, /* most bytes that one source byte becomes: \u001f */
    JSON_ESCAPE_SLACK = 16, /* bytes after the result that may be overwritten */
};

/* Writes at most JSON_ESCAPE_FACTOR * len bytes, without quotes, and returns the end. Escaped are only
 * the quote, the backslash and U+0000..U+001F (\b \f \n \r \t, else \u00xx). What is not UTF-8 becomes
 * U+FFFD, once per maximal part of a sequence, and sets TEXT_INVALID_UTF8 (lib/base/utf8.h). */
char *json_escape(const char *src, size_t len, char *out, unsigned *flags);

/* What it chooses from at the start of the program, the best last; for tests and benchmarks. */
typedef char *json_escape_fn(const char *src, size_t len, char *out, unsigned *flags);
enum json_escape_variant {
    JSON_ESCAPE_PORTABLE, /* no vector instructions */
    JSON_ESCAPE_BASELINE, /* what every CPU of this kind has */
    JSON_ESCAPE_SSSE3,
    JSON_ESCAPE_VBMI2,    /* of AVX-512 */
    JSON_ESCAPE_VARIANTS,
};
/* NULL: this CPU cannot. */
json_escape_fn *json_escape_variant(enum json_escape_variant v);

#endif
