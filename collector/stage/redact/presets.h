/* presets.h - what laws and standards call personal or secret, as names, patterns over names, and kinds of
 * values; found by name, or by regulation, region or tag. */
#ifndef COLLECTOR_STAGE_REDACT_PRESETS_H
#define COLLECTOR_STAGE_REDACT_PRESETS_H

#include "collector/stage/redact/names.h"

struct redact_preset {
    const char *name, *description, *regulation, *region; /* the last two may be NULL */
    const char *const *extends, *const *fields, *const *patterns, *const *tags; /* end with NULL; may be NULL */
    unsigned kinds; /* enum value_kind */
    bool is_everywhere; /* its patterns hold for what enrichers add too */
};

extern const struct redact_preset redact_presets[]; /* ends with name NULL; building blocks have no description */

/* Adds what a preset and those that it extends hold. `select`: a name, or regulation:GDPR, region:UK, tag:pci,
 * which take all that fit. -EINVAL names what there is; -ELOOP: presets extend each other in a circle. */
int presets_add(const struct redact_preset *table, const char *select, struct names *names, unsigned *kinds,
                struct err *e);

#endif
