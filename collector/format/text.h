/* text.h - doubtful text for people's eyes: terminals must not obey it, lines must stay lines. */
#ifndef COLLECTOR_FORMAT_TEXT_H
#define COLLECTOR_FORMAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Copies the bytes up to the first that is not printable ASCII or is one of `others` (0x7f for none). Returns how many;
 * what lies behind them, up to len bytes at out, may be overwritten. */
enum { TEXT_OTHERS = 3 };
size_t text_plain(const char *src, size_t len, const char others[TEXT_OTHERS], char *out);

/* Copies UTF-8; control characters (C0, DEL, C1) appear as \n, \t, \r, \x1b or \u0085, what is not
 * UTF-8 as U+FFFD. Bound and slack as of json_escape(). */
char *text_clean(const char *src, size_t len, char *out, unsigned *flags);

/* The same between quotes: the quote and the backslash are escaped too. */
char *text_quoted(const char *src, size_t len, char quote, char *out, unsigned *flags);

/* What JSON leaves as it is and a terminal obeys, in UTF-8 that is written already: DEL, C1 and, `with_bidi`, what
 * turns the direction of text or ends a line (U+202A..202E, U+2066..2069, U+2028, U+2029) become \u0085, which JSON
 * takes for the same. The bytes that this adds: within JSON_ESCAPE_FACTOR of what they stand for. */
size_t text_visible_growth(const char *text, const char *end, bool with_bidi);
/* Does it in place; returns the new end. */
char *text_visible(char *text, char *end, bool with_bidi);

/* Copies a value that can stand bare in a key=value list: UTF-8, not empty, and no space, quote, '=', backslash or
 * control character in it. NULL: it cannot; anything may be at out then. */
char *text_bare(const char *src, size_t len, char *out);

#endif
