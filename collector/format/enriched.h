/* enriched.h - where formats put what the collector knows of a process (fapilog_process_info.enriched). */
#ifndef COLLECTOR_FORMAT_ENRICHED_H
#define COLLECTOR_FORMAT_ENRICHED_H

#include "collector/format/plan.h"

struct enriched {
    const struct fapilog_field *fields;
    uint32_t count;
    enum gather_order order;
    struct fapilog_text last; /* given out; data NULL: none yet */
};

void enriched_begin(struct enriched *en, const struct fapilog_record *r, enum gather_order order);
/* The next one in the order of names whose name comes before `key` (NULL: whatever it is); false: none. The
 * value is as constant as one that is bound to a logger. */
bool enriched_next(struct enriched *en, const char *key, struct gather_entry *ret);
/* Whether a field of that name stands in the same list already. */
bool enriched_is_hidden(const struct gather *g, struct fapilog_text name);

#endif
