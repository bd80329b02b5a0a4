/* envelope.h - the parts of the v1.1 envelope that fields of certain names make up:
 *
 *   diagnostics.exception  error.type, error.message, error.cause, error.stack, error.frames
 *   tags                   a JSON list, or text with commas
 *   data                   a JSON map: its members are data themselves
 *
 * What they look like depends on values, so they are made for each record. */
#ifndef COLLECTOR_FORMAT_ENVELOPE_H
#define COLLECTOR_FORMAT_ENVELOPE_H

#include "collector/format/plan.h"

enum envelope_part {
    ENVELOPE_NONE,      /* ordinary data */
    ENVELOPE_EXCEPTION, /* writes "exception":{...}, */
    ENVELOPE_TAGS,      /* writes ,"tags":[...] */
    ENVELOPE_DATA,      /* writes "data":{...}, with all other fields that are data */
};

/* Where the field goes. */
enum envelope_part envelope_part(const struct gather_entry *e);

/* plan_layout.extra; `part` is an enum envelope_part. */
char *envelope_write(struct plan_state *state, const struct fapilog_record *r, unsigned part, char *out,
                     unsigned *flags);

/* Whether a name of that length may be one of them: all others need no look. */
static inline bool envelope_may_be_name(uint32_t len)
{
    return len == 4 || (len >= 10 && len <= 13);
}

/* Bytes that such a field needs beyond plan_bound(); 0 for all others. */
size_t envelope_field_bound(const struct fapilog_record *r, const struct fapilog_field *f);

#endif
