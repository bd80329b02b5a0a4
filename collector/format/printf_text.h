/* printf_text.h - messages with deferred formatting. The format string and the arguments come from
 * another process: nothing of them reaches the C library's printf. A conversion without an argument of
 * a fitting kind prints what there is: the argument in its own form, or the conversion itself. */
#ifndef COLLECTOR_FORMAT_PRINTF_TEXT_H
#define COLLECTOR_FORMAT_PRINTF_TEXT_H

#include "collector/format/values.h"

/* What formatting adds at most to the bound of message and fields. */
size_t printf_text_bound(const struct fapilog_record *r);

/* Writes r->message with the record's unnamed fields put in. `text`: how text goes into the output. */
char *printf_text_write(const struct fapilog_record *r, value_text_fn *text, char *out, unsigned *flags);

/* Calls visit for each conversion that printf_text_write() puts an argument in for: where its % stands, and the number
 * of the argument, counted from 0. */
typedef void printf_text_visit_fn(void *arg, uint32_t at, uint32_t argument);
void printf_text_visit(struct fapilog_text format, printf_text_visit_fn *visit, void *arg);

/* The same as clean text (text_clean) in memory for free(); NULL: there is none. Fits where_message_text. */
char *printf_text_make(const struct fapilog_record *r, size_t *ret_len);

#endif
